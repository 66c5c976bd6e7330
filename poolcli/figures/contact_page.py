"""Drawing a page of tiles: pairs of input and result around an arrow, failures with their reason."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from poolcli.images.lettering import drawable, font, shorten, width, wrap
from poolcli.images.thumbnail import TILE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Color = tuple[int, int, int]

INK: Color = (26, 26, 26)
QUIET: Color = (100, 100, 100)
RULE: Color = (160, 160, 160)
PALE: Color = (242, 242, 242)
WRONG: Color = (155, 28, 28)
PAPER: Color = (255, 255, 255)

MARGIN, GUTTER, ROW_GAP = 28, 36, 30
BETWEEN = 28
"""From an input to its result; the arrow stands there."""
NARROW = 112
"""Least width of a slot, for the sake of the names under it."""
TITLE, BODY, SMALL = 17, 13, 12
TITLE_LINE, LINE, REASON_LINE = 24, 18, 16
REASON_LINES, REASON_ROOM = 6, TILE + 8
REASONS = REASON_LINES * REASON_LINE
LOWEST = 40
"""Least height of a row's pictures: the arrow and a strip of few pixels need some air."""
EMPTY = TILE * 3 // 4
WIDE = 4 / 3
"""Width of a page by its height, about as wide as a screen."""


@dataclass(frozen=True)
class Tile:
    """One pair on the sheet.

    Attributes
    ----------
    label : str
        The picture's name.
    input, result : ndarray of shape (h, w) or (h, w, 3), uint8, or None
        Thumbnails: at most `TILE` pixels a side.
    reason : str
        Why there is no result.
    detail : str
        A second line, such as ``"375x500 → 187x250"``.
    """

    label: str
    input: NDArray[np.uint8] | None
    result: NDArray[np.uint8] | None
    reason: str = ""
    detail: str = ""


def draw(tiles: Sequence[Tile], title: str, which: str) -> Image.Image:
    """Lay a page out and draw it.

    Parameters
    ----------
    tiles : sequence of Tile
    title, which : str
        What stands above them, at the left and at the right end; may be empty.
    """
    pair = 2 * _slot(tiles) + BETWEEN
    columns = _columns(tiles, pair)
    total = MARGIN + columns * (pair + GUTTER) - GUTTER + MARGIN
    room = total - 2 * MARGIN - (width(which, font(BODY)) + GUTTER if which else 0)
    lines = wrap(drawable(title), font(TITLE, bold=True), room, 3)
    top = MARGIN + (max(len(lines), bool(which)) * TITLE_LINE + 16 if lines or which else 0)
    rows = _rows(tiles, columns)
    sheet = Image.new(
        "RGB", (total, top + sum(map(_height, rows)) + ROW_GAP * max(0, len(rows) - 1) + MARGIN - 6), PAPER
    )
    pen = ImageDraw.Draw(sheet)
    for i, line in enumerate(lines):
        pen.text((MARGIN, MARGIN + 15 + i * TITLE_LINE), line, INK, font(TITLE, bold=True), "ls")
    pen.text((total - MARGIN, MARGIN + 15), which, QUIET, font(BODY), "rs")
    for row in rows:
        for column, tile in enumerate(row):
            _put(sheet, pen, tile, MARGIN + column * (pair + GUTTER), top + _pictures_height(row), pair)
        top += _height(row) + ROW_GAP
    return sheet


def _slot(tiles: Sequence[Tile]) -> int:
    """Width that one picture gets: a page of portraits is narrower; reasons and empty frames take it all."""
    if not all(tile.input is not None and tile.result is not None for tile in tiles):
        return TILE
    widths = [picture.shape[1] for tile in tiles for picture in (tile.input, tile.result) if picture is not None]
    return max(NARROW, *widths) if widths else TILE


def _columns(tiles: Sequence[Tile], pair: int) -> int:
    """How many pairs stand side by side: a page about as wide as a screen, its last row not nearly empty."""

    def cost(columns: int) -> float:
        rows = _rows(tiles, columns)
        wide, high = columns * (pair + GUTTER), sum(_height(row) + ROW_GAP for row in rows)
        return abs(math.log(wide / high / WIDE)) + 0.4 * (1 - len(rows[-1]) / columns)

    return min(range(1, max(1, math.ceil(2 * math.sqrt(len(tiles)))) + 1), key=cost) if tiles else 1


def _rows(tiles: Sequence[Tile], columns: int) -> list[Sequence[Tile]]:
    return [tiles[first : first + columns] for first in range(0, len(tiles), columns)]


def _pair_height(tile: Tile) -> int:
    heights = [picture.shape[0] for picture in (tile.input, tile.result) if picture is not None]
    return max(EMPTY if tile.input is None else 0, REASONS if tile.result is None else 0, *heights, 0)


def _pictures_height(row: Sequence[Tile]) -> int:
    return max(LOWEST, *map(_pair_height, row))


def _height(row: Sequence[Tile]) -> int:
    return _pictures_height(row) + 4 + LINE * (2 if any(tile.detail for tile in row) else 1)


def _put(sheet: Image.Image, pen: ImageDraw.ImageDraw, tile: Tile, x: int, under: int, pair: int) -> None:
    """Put down a pair that ends above `under`, its inner sides next to the arrow, and the lines below it."""
    axis = x + pair // 2
    left, right = axis - BETWEEN // 2, axis + BETWEEN // 2
    middle = under - max(_pair_height(tile), LOWEST) // 2
    if tile.input is not None:
        _picture(sheet, pen, tile.input, left - tile.input.shape[1], middle)
    else:
        top = middle - EMPTY // 2
        pen.rectangle((left - TILE - 1, top - 1, left, top + EMPTY), PALE, RULE)
    if tile.result is not None:
        _picture(sheet, pen, tile.result, right, middle)
        mark, color = "→", QUIET
    else:
        mark, color = "×", WRONG
        lines = wrap(drawable(tile.reason), font(SMALL), REASON_ROOM, REASON_LINES)
        first = middle - len(lines) * REASON_LINE // 2 + 12
        for i, line in enumerate(lines):
            pen.text((right, first + i * REASON_LINE), line, WRONG, font(SMALL), "ls")
    pen.text((axis, middle + 5), drawable(mark), color, font(BODY), "ms")
    for i, (text, color) in enumerate(((tile.label, INK), (tile.detail, QUIET))):
        line = shorten(drawable(text), font(BODY), pair, middle=not i)
        pen.text((axis, under + LINE * (i + 1)), line, color, font(BODY), "ms")


def _picture(sheet: Image.Image, pen: ImageDraw.ImageDraw, values: NDArray[np.uint8], left: int, middle: int) -> None:
    """Put down a thumbnail with a line around it."""
    high, wide = values.shape[:2]
    top = middle - high // 2
    sheet.paste(Image.fromarray(np.ascontiguousarray(values)), (left, top))
    pen.rectangle((left - 1, top - 1, left + wide, top + high), None, RULE)
