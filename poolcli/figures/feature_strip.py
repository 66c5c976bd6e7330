"""The strip of pooled feature maps: a vector as cells in a row, a row for each part of a pyramid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poolcli.figures import captions
from poolcli.figures import text as lettering
from poolcli.figures.feature_sheet import ends_text, strip_scale
from poolcli.figures.layout import Box
from poolcli.figures.map_drawing import number_cells
from poolcli.figures.map_row import LINE, MARGIN, SMALL, TITLE
from poolcli.figures.palettes import FRAME, INK, MUTED

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from poolcli.figures.canvas import Canvas
    from poolcli.figures.color_scale import Scale
    from poolcli.figures.feature_sheet import FeatureSheet

STRIP_CELL, STRIP_HEIGHT = 140, 56


def strip_cell(total: int, count: int) -> int:
    """Width of a cell where `count` stand in a row of a sheet `total` pixels wide."""
    return max(4, min(STRIP_CELL, (total - 2 * MARGIN) // count))


def strips_height(sheet: FeatureSheet) -> int:
    """Height of all strips with their titles."""
    rows = sum(len(one.cells) for one in sheet.pooled)
    return len(sheet.pooled) * (TITLE + 14 + 2 * LINE + 24) + rows * strip_row(sheet)


def strip_row(sheet: FeatureSheet) -> int:
    """Height of a row of a strip: a pyramid has many."""
    rows = max(len(one.cells) for one in sheet.pooled)
    return max(2, min(STRIP_HEIGHT, 28 if rows > 1 else STRIP_HEIGHT, 1200 // rows))


def draw_strips(canvas: Canvas, top: int, sheet: FeatureSheet, cell: int, *, numbered: bool) -> None:
    """The rows of the vector, in the maps' order, under a title for each kind."""
    high = strip_row(sheet)
    wide = cell * len(sheet.maps)
    left = (canvas.width - wide) // 2
    for one in sheet.pooled:
        scale = strip_scale(sheet, one)
        canvas.text(canvas.width // 2, top + TITLE - 4, one.title, TITLE, INK, bold=True, anchor="middle")
        top += TITLE + 14
        for number, each in enumerate(sheet.maps):
            label = str(number + 1) if numbered else lettering.drawable(each.name)
            if lettering.text_width(label, SMALL) <= cell - 2:
                middle = left + number * cell + cell // 2
                canvas.text(middle, top + LINE - 10, label, SMALL, MUTED, anchor="middle")
        top += LINE
        draw_cells(canvas, left, top, one.values, scale, (high, cell))
        for row, label in enumerate(one.cells):
            room = left - MARGIN - 8
            if label and high >= SMALL and lettering.text_width(label, SMALL) <= room:
                canvas.text(left - 8, top + row * high + high // 2 + 6, label, SMALL, MUTED, anchor="right")
        top += len(one.cells) * high + LINE
        canvas.text(canvas.width // 2, top - 4, ends_text(scale), SMALL, MUTED, anchor="middle")
        top += 24


def draw_cells(
    canvas: Canvas, x: int, y: int, values: NDArray[np.float32], scale: Scale, times: tuple[int, int]
) -> None:
    """Rows of cells, with their numbers where they fit."""
    high, wide = times
    colors = scale.colors(values)
    canvas.picture(x, y, colors.repeat(high, axis=0).repeat(wide, axis=1))
    box = Box(x, y, values.shape[1] * wide, values.shape[0] * high)
    canvas.frame(box, FRAME)
    if values.size <= 2048:
        number_cells(canvas, box, values, colors, captions.three_digits, 22, over=True)
