"""The maps of a number grid and their places: sizes of cells, rows of maps, lines of text below."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from poolcli.figures.layout import Box
from poolcli.figures.palettes import MISSING, color_table
from poolcli.figures.text import drawable, text_width, wrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from poolcli.figures.palettes import Color, Palette

MARGIN, GAP, MAX_WIDTH = 28, 56, 1900
TITLE, BODY = 20, 16
LARGEST_CELL, SMALLEST_CELL = 64, 30
MAX_LINES = 12
"""Most lines of text below the maps."""


class Outline(NamedTuple):
    """A coloured frame around cells.

    Attributes
    ----------
    color : (red, green, blue)
    rows, cols : (first, last)
        In cells of the map without its padding; padding has negative numbers, and numbers from the size on.
    """

    color: Color
    rows: tuple[int, int]
    cols: tuple[int, int]


@dataclass(frozen=True, eq=False)
class GridMap:
    """One map of a number grid.

    Attributes
    ----------
    title, detail : str
        The two lines above the map.
    values : ndarray of shape (h, w), float32
    texts : sequence of sequence of str
        The texts of the cells.
    palette : {"gray", "magma", "RdBu_r"}
    low, high : float
        The values shown in the first and last colour.
    pads : ((top, bottom), (left, right))
        Rows and columns of padding around the map.
    padding : str
        The text of a padded cell.
    outlines : sequence of Outline
    winners : sequence of (row, column)
        Cells that a window chose: bold, with a line around each.
    unread : (rows, columns)
        Numbers of the rows and columns that no window reads; they are hatched.
    filled : int or None
        How many cells, in row-major order, show their value; the others are empty. None for all.
    first, last : bool
        Whether the map is the input, which begins a row of maps, and whether it is the result.
    """

    title: str
    detail: str
    values: NDArray[np.float32]
    texts: Sequence[Sequence[str]]
    palette: Palette
    low: float
    high: float
    pads: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
    padding: str = ""
    outlines: Sequence[Outline] = field(default=())
    winners: Sequence[tuple[int, int]] = ()
    unread: tuple[Sequence[int], Sequence[int]] = ((), ())
    filled: int | None = None
    first: bool = False
    last: bool = False

    @property
    def extent(self) -> tuple[int, int]:
        """Height and width in cells, including padding."""
        (top, bottom), (left, right) = self.pads
        height, width = self.values.shape
        return height + top + bottom, width + left + right

    def colors(self) -> NDArray[np.uint8]:
        """The colour of every cell: ndarray of shape (h, w, 3), uint8."""
        span = self.high - self.low or 1.0
        inside = np.clip(np.nan_to_num(self.values.astype(np.float64)), self.low, self.high)
        levels = np.clip((inside - self.low) / span * 256, 0, 255)
        colors = color_table(self.palette)[levels.astype(np.uint8)]
        colors[np.isnan(self.values)] = MISSING
        return colors

    def box(self, rows: tuple[int, int], cols: tuple[int, int], origin: tuple[int, int], side: int) -> Box:
        """The pixels that a range of cells covers.

        Parameters
        ----------
        rows, cols : (first, last)
            In cells of the map without its padding.
        origin : (x, y)
            Top left corner of the map's padding.
        side : int
            Pixels per cell.
        """
        x, y = origin
        (top, _), (left, _) = self.pads
        return Box(
            x + (cols[0] + left) * side,
            y + (rows[0] + top) * side,
            (cols[1] - cols[0] + 1) * side,
            (rows[1] - rows[0] + 1) * side,
        )


class Layout(NamedTuple):
    """Positions of the maps of a number grid, in pixels.

    Attributes
    ----------
    side : int
        Height and width of a cell.
    font : int
        Size of the numbers.
    places : list of (x, y)
        Top left corner of each map's padding.
    width, height : int
        Of the canvas.
    lines_at : int
        Top of the lines of text.
    """

    side: int
    font: int
    places: list[tuple[int, int]]
    width: int
    lines_at: int
    height: int


def layout(maps: Sequence[GridMap], lines: int, map_side: int = 560) -> Layout:
    """Place maps side by side, in rows where they are many; all cells have one size.

    Parameters
    ----------
    maps : sequence of GridMap
    lines : int
        How many lines of text follow.
    map_side : int
        Wanted length in pixels of the longer side of the largest map.
    """
    cells = max(max(one.extent) for one in maps)
    side = min(LARGEST_CELL, max(SMALLEST_CELL, map_side // cells))
    texts = {text for one in maps for row in one.texts for text in row} | {one.padding for one in maps}
    font = max(size for size in range(9, side // 2 - 3) if size == 9 or _widest(texts, size) <= side - 16)
    side = max(side, _widest(texts, font) + 6)
    places, x, y, high, wide = [], MARGIN, MARGIN + 2 * 26, 0, 0
    for one in maps:
        rows, cols = one.extent
        needed = max(
            cols * side, text_width(drawable(one.title), TITLE, bold=True), text_width(drawable(one.detail), BODY)
        )
        if x > MARGIN and (one.first or x + needed > MAX_WIDTH):
            x, y, high = MARGIN, y + high + GAP + 2 * 26, 0
        places.append((x, y))
        x += needed + GAP
        high, wide = max(high, rows * side), max(wide, x - GAP)
    bottom = y + high + 18
    return Layout(side, font, places, max(wide + MARGIN, 640), bottom, bottom + lines * 24 + MARGIN)


def _widest(texts: set[str], size: int) -> int:
    return max(text_width(drawable(text), size, bold=True) for text in texts)


def wrap_lines(lines: Sequence[str], placed: Layout) -> list[str]:
    """Wrap lines of text to the width of the canvas; at most `MAX_LINES` are kept."""
    max_width = placed.width - 2 * MARGIN
    return [part for line in lines for part in wrap(drawable(line), BODY, max_width, 4)][:MAX_LINES]


def fill_first(maps: Sequence[GridMap], cells: int) -> list[GridMap]:
    """The same maps, with the results showing their first `cells` values only."""
    return [replace(one, filled=cells) if one.last else one for one in maps]
