"""Draws the number grid: maps side by side with a number in every cell, windows outlined, lines of text below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poolcli import __version__
from poolcli.figures.canvas import Canvas
from poolcli.figures.grid_layout import BODY, MARGIN, MAX_LINES, TITLE, layout, wrap_lines
from poolcli.figures.layout import Box
from poolcli.figures.palettes import FRAME, INK, MUTED, PAPER
from poolcli.figures.text import drawable, shorten, text_width

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from poolcli.figures.grid_layout import GridMap, Layout
    from poolcli.figures.palettes import Color

PADDING: Color = (246, 246, 246)
EMPTY: Color = (236, 236, 236)
"""Colours of padded cells, and of cells whose value is not shown yet."""


def draw(maps: Sequence[GridMap], lines: Sequence[str], placed: Layout | None = None) -> Canvas:
    """Draw maps and lines of text below them.

    Parameters
    ----------
    maps : sequence of GridMap
    lines : sequence of str
        Long lines are wrapped.
    placed : Layout, optional
        The positions to use, so that all frames of an animation agree.
    """
    placed = placed or layout(maps, MAX_LINES)
    canvas = Canvas(placed.width, placed.height)
    for one, origin in zip(maps, placed.places, strict=True):
        _map(canvas, one, origin, placed)
    draw_lines(canvas, lines, placed)
    return canvas


def draw_lines(canvas: Canvas, lines: Sequence[str], placed: Layout) -> None:
    """Draw the lines of text below the maps."""
    for i, line in enumerate(wrap_lines(lines, placed)):
        canvas.text(MARGIN, placed.lines_at + 20 + 24 * i, line, BODY, INK)


def draw_fitted(maps: Sequence[GridMap], lines: Sequence[str]) -> Canvas:
    """Draw maps and lines of text on a canvas that is just high enough for them."""
    return draw(maps, lines, layout(maps, len(wrap_lines(lines, layout(maps, 0)))))


def encode(canvas: Canvas, fmt: str, description: str) -> bytes:
    """Encode a number grid as ``"png"`` or ``"svg"``, with a description in its metadata."""
    if fmt == "png":
        return canvas.png({"Software": f"poolcli {__version__}", "Description": description})
    return canvas.encode_vector("svg", {"Creator": f"poolcli {__version__}", "Date": None, "Description": description})


def _map(canvas: Canvas, one: GridMap, origin: tuple[int, int], placed: Layout) -> None:
    x, y = origin
    side = placed.side
    height, wide = one.values.shape
    max_width = placed.width - x - MARGIN
    canvas.text(x, y - 34, shorten(drawable(one.title), TITLE, max_width, bold=True), TITLE, INK, bold=True)
    canvas.text(x, y - 10, shorten(drawable(one.detail), BODY, max_width), BODY, MUTED)
    _ring(canvas, one, origin, placed)
    _cells(canvas, one, origin, placed)
    for row in one.unread[0]:
        canvas.hatch(one.box((row, row), (0, wide - 1), origin, side))
    for col in one.unread[1]:
        canvas.hatch(one.box((0, height - 1), (col, col), origin, side))
    _numbers_over_hatching(canvas, one, origin, placed)
    draw_marks(canvas, one, origin, side)


def _numbers_over_hatching(canvas: Canvas, one: GridMap, origin: tuple[int, int], placed: Layout) -> None:
    """Draw the numbers of hatched cells again, each on a patch of its cell's colour, so that they can be read."""
    colors = one.colors()
    for row, texts in enumerate(one.texts):
        for col, text in enumerate(texts):
            if row in one.unread[0] or col in one.unread[1]:
                red, green, blue = (int(level) for level in colors[row, col])
                box = one.box((row, row), (col, col), origin, placed.side)
                high, wide = placed.font + 4, text_width(drawable(text), placed.font) + 4
                patch = box.centred(min(wide, placed.side), min(high, placed.side))
                canvas.cell(patch, drawable(text), (red, green, blue), placed.font)


def draw_marks(canvas: Canvas, one: GridMap, origin: tuple[int, int], side: int) -> None:
    """Draw the outlines of a map and a line around each winner."""
    for outline in one.outlines:
        _outline(canvas, one.box(outline.rows, outline.cols, origin, side), outline.color)
    for row, col in one.winners:
        box = one.box((row, row), (col, col), origin, side)
        inner = Box(box.x + 7, box.y + 7, side - 14, side - 14)
        canvas.frame(inner, PAPER, 3)
        canvas.frame(inner, INK, 1)


def _ring(canvas: Canvas, one: GridMap, origin: tuple[int, int], placed: Layout) -> None:
    """Draw the padded cells, with dashed lines around them."""
    side, font = placed.side, placed.font
    height, wide = one.values.shape
    (top, bottom), (left, right) = one.pads
    for row in range(-top, height + bottom):
        for col in range(-left, wide + right):
            if not (0 <= row < height and 0 <= col < wide):
                box = one.box((row, row), (col, col), origin, side)
                inner = Box(box.x + 1, box.y + 1, side - 2, side - 2)
                canvas.rectangle(inner, PADDING)
                canvas.dashed(inner, FRAME)
                canvas.text(
                    box.x + side // 2,
                    box.y + side // 2 + font // 3,
                    drawable(one.padding),
                    font,
                    MUTED,
                    anchor="middle",
                )


def _cells(canvas: Canvas, one: GridMap, origin: tuple[int, int], placed: Layout) -> None:
    """The values on their colours, and thin lines between them."""
    x, y = origin
    side = placed.side
    height, wide = one.values.shape
    (top, _), (left, _) = one.pads
    colors = one.colors()
    for row in range(height):
        for col in range(wide):
            draw_cell(canvas, one, (row, col), origin, placed, colors)
    for i in range(1, max(height, wide)):  # thin lines separate neighbouring cells of one colour
        if i < height:
            canvas.rectangle(Box(x + left * side, y + (top + i) * side, wide * side, 1), FRAME)
        if i < wide:
            canvas.rectangle(Box(x + (left + i) * side, y + top * side, 1, height * side), FRAME)
    canvas.frame(one.box((0, height - 1), (0, wide - 1), origin, side), FRAME)


def draw_cell(
    canvas: Canvas,
    one: GridMap,
    at: tuple[int, int],
    origin: tuple[int, int],
    placed: Layout,
    colors: NDArray[np.uint8],
    *,
    lines: bool = False,
) -> None:
    """Draw one cell: its number on its colour, or empty if it is not filled yet.

    With `lines`, the thin lines at its top and left are drawn too, so that an animation can redraw a single cell.
    """
    row, col = at
    box = one.box((row, row), (col, col), origin, placed.side)
    if one.filled is not None and row * one.values.shape[1] + col >= one.filled:
        canvas.cell(box, "", EMPTY, placed.font)
    else:
        red, green, blue = (int(level) for level in colors[at])
        text = drawable(one.texts[row][col])
        canvas.cell(box, text, (red, green, blue), placed.font, bold=at in one.winners)
    if lines and row:
        canvas.rectangle(Box(box.x, box.y, box.width, 1), FRAME)
    if lines and col:
        canvas.rectangle(Box(box.x, box.y, 1, box.height), FRAME)


def _outline(canvas: Canvas, box: Box, color: Color) -> None:
    """Draw a coloured line inside a box, with white on both sides so that it shows on every colour."""
    inner = Box(box.x + 5, box.y + 5, box.width - 10, box.height - 10)
    canvas.frame(inner, PAPER, 6)
    canvas.frame(Box(inner.x - 1, inner.y - 1, inner.width + 2, inner.height + 2), color, 4)
