"""The layout of one page of a contact sheet: input and result side by side, or the reason why there is no result."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from poolcli.figures.canvas import Canvas
from poolcli.figures.layout import Box
from poolcli.figures.palettes import FAILURE, FRAME, INK, MUTED
from poolcli.figures.text import drawable, shorten, text_width, wrap
from poolcli.figures.thumbnail import TILE

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from poolcli.figures.palettes import Color

EMPTY_FILL: Color = (242, 242, 242)

MARGIN, GUTTER, ROW_GAP = 28, 36, 30
BETWEEN = 28
"""Pixels between an input and its result, for the arrow."""
NARROW = 112
"""Least width of a picture's slot, so that the name below can be read."""
TITLE, BODY, SMALL = 17, 13, 12
TITLE_LINE, LINE, REASON_LINE = 24, 18, 16
REASON_LINES, REASON_ROOM = 6, TILE + 8
REASONS = REASON_LINES * REASON_LINE
LOWEST = 40
"""Least height of a row's pictures, so that the arrow fits beside a picture of few rows."""
EMPTY = TILE * 3 // 4
WIDE = 4 / 3
"""Wanted width of a page divided by its height."""


@dataclass(frozen=True)
class Tile:
    """One picture of a contact sheet and its result.

    Attributes
    ----------
    label : str
        The name of the picture.
    input, result : ndarray of shape (h, w) or (h, w, 3), uint8, or None
        Thumbnails of at most `TILE` pixels a side.
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


def draw(tiles: Sequence[Tile], title: str, page_number: str) -> Canvas:
    """Draw one page.

    Parameters
    ----------
    tiles : sequence of Tile
    title, page_number : str
        The texts above the tiles, at the left and at the right; may be empty.
    """
    pair = 2 * _slot(tiles) + BETWEEN
    columns = _columns(tiles, pair)
    total = MARGIN + columns * (pair + GUTTER) - GUTTER + MARGIN
    max_width = total - 2 * MARGIN - (text_width(page_number, BODY) + GUTTER if page_number else 0)
    lines = wrap(drawable(title), TITLE, max_width, 3, bold=True)
    top = MARGIN + (max(len(lines), bool(page_number)) * TITLE_LINE + 16 if lines or page_number else 0)
    rows = _rows(tiles, columns)
    high = top + sum(map(_height, rows)) + ROW_GAP * max(0, len(rows) - 1) + MARGIN - 6
    sheet = Canvas(total, high)
    for i, line in enumerate(lines):
        sheet.text(MARGIN, MARGIN + 15 + i * TITLE_LINE, line, TITLE, INK, bold=True)
    sheet.text(total - MARGIN, MARGIN + 15, page_number, BODY, MUTED, anchor="right")
    for row in rows:
        for column, tile in enumerate(row):
            _put(sheet, tile, MARGIN + column * (pair + GUTTER), top + _pictures_height(row), pair)
        top += _height(row) + ROW_GAP
    return sheet


def _slot(tiles: Sequence[Tile]) -> int:
    """Width of one picture's slot: the widest thumbnail, or `TILE` where a reason or an empty frame has to fit."""
    if not all(tile.input is not None and tile.result is not None for tile in tiles):
        return TILE
    widths = [picture.shape[1] for tile in tiles for picture in (tile.input, tile.result) if picture is not None]
    return max(NARROW, *widths) if widths else TILE


def _columns(tiles: Sequence[Tile], pair: int) -> int:
    """How many pairs are drawn side by side, for a page of about `WIDE` proportions and a well filled last row."""

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


def _put(sheet: Canvas, tile: Tile, x: int, under: int, pair: int) -> None:
    """Draw a pair that ends above `under`, with the arrow between its pictures and two lines below."""
    axis = x + pair // 2
    left, right = axis - BETWEEN // 2, axis + BETWEEN // 2
    middle = under - max(_pair_height(tile), LOWEST) // 2
    if tile.input is not None:
        _picture(sheet, tile.input, left - tile.input.shape[1], middle)
    else:
        top = middle - EMPTY // 2
        box = Box(left - TILE, top, TILE, EMPTY)
        sheet.rectangle(box, EMPTY_FILL)
        sheet.frame(box, FRAME)
    if tile.result is not None:
        _picture(sheet, tile.result, right, middle)
        mark, color = "→", MUTED
    else:
        mark, color = "×", FAILURE
        lines = wrap(drawable(tile.reason), SMALL, REASON_ROOM, REASON_LINES)
        first = middle - len(lines) * REASON_LINE // 2 + 12
        for i, line in enumerate(lines):
            sheet.text(right, first + i * REASON_LINE, line, SMALL, FAILURE)
    sheet.text(axis, middle + 5, drawable(mark), BODY, color, anchor="middle")
    for i, (text, color) in enumerate(((tile.label, INK), (tile.detail, MUTED))):
        line = shorten(drawable(text), BODY, pair, middle=not i)
        sheet.text(axis, under + LINE * (i + 1), line, BODY, color, anchor="middle")


def _picture(sheet: Canvas, values: NDArray[np.uint8], left: int, middle: int) -> None:
    """Draw a thumbnail with a line around it."""
    high, wide = values.shape[:2]
    top = middle - high // 2
    sheet.picture(left, top, values)
    sheet.frame(Box(left, top, wide, high), FRAME)
