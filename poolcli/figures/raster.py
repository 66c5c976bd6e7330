"""Draws the items of a canvas into an array of pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from poolcli.figures import text as lettering
from poolcli.figures.items import HATCH_STEP, Arrow, Hatch, Line, PixelBlock, Rectangle, Text
from poolcli.figures.layout import Box
from poolcli.figures.palettes import INK, PAPER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from poolcli.figures.items import CanvasItem
    from poolcli.figures.palettes import Color


def paint(items: Iterable[CanvasItem], canvas: NDArray[np.uint8]) -> None:
    """Draw items, in their order, onto an array of shape (height, width, 3), uint8, in place.

    Parts of an item that lie outside the array are left out.
    """
    for item in items:
        match item:
            case PixelBlock(box, rgb):
                part = _part(canvas, box)
                part[:] = rgb[: part.shape[0], : part.shape[1]]
            case Rectangle(box, color):
                _part(canvas, box)[:] = color
            case Arrow(box, color, to_left):
                _blend(_part(canvas, box), _triangle(box.width, box.height, to_left), color)
            case Line(color=color) as line:
                _blend(_part(canvas, line.box), _line_ink(line, *_part(canvas, line.box).shape[:2]), color)
            case Hatch(box):
                part = _part(canvas, box)
                slant = np.add.outer(np.arange(part.shape[0]), np.arange(part.shape[1])) % HATCH_STEP
                part[slant == 0], part[slant == 1] = INK, PAPER
            case Text(_, baseline, words, size, color, bold):
                ink, left, top = lettering.bitmap(words, size, bold)
                height, width = ink.shape
                part = _part(canvas, Box(item.left + left, baseline + top, width, height))
                _blend(part, ink[: part.shape[0], : part.shape[1]], color)


def _part(canvas: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    return canvas[max(box.y, 0) : max(box.y + box.height, 0), max(box.x, 0) : max(box.x + box.width, 0)]


def _blend(part: NDArray[np.uint8], coverage: NDArray[np.uint8], color: Color) -> None:
    """Draw one colour over a part of the canvas; coverage 255 replaces a pixel, 0 keeps it."""
    cover = coverage[..., np.newaxis].astype(np.uint16)
    part[:] = (part * (255 - cover) + np.array(color, np.uint16) * cover + 127) // 255


def _line_ink(line: Line, height: int, width: int) -> NDArray[np.uint8]:
    """Coverage of a line in the part of its box that is on the sheet: by the distance of each pixel's middle from it."""
    top, left = max(line.box.y, 0), max(line.box.x, 0)
    rows = (np.arange(height) + top - line.y)[:, np.newaxis]
    cols = np.arange(width) + left - line.x
    down, right = line.to_y - line.y, line.to_x - line.x
    along = np.clip((rows * down + cols * right) / ((down * down + right * right) or 1), 0, 1)
    far = np.hypot(rows - along * down, cols - along * right)
    ink: NDArray[np.uint8] = np.rint(255 * np.clip(line.thickness / 2 + 0.5 - far, 0, 1)).astype(np.uint8)
    return ink


def _triangle(width: int, height: int, left: bool, fine: int = 8) -> NDArray[np.uint8]:
    """Coverage of a triangle that points right or left, with smooth edges; `fine` subpixels a side are counted."""
    rows = np.abs((np.arange(height * fine) + 0.5) / (height * fine) * 2 - 1)  # 0 at the tip's row, 1 at the corners
    inside = (np.arange(width * fine) + 0.5) / (width * fine) < 1 - rows[:, np.newaxis]
    share = inside.reshape(height, fine, width, fine).mean(axis=(1, 3))
    ink: NDArray[np.uint8] = np.rint(255 * (share[:, ::-1] if left else share)).astype(np.uint8)
    return ink
