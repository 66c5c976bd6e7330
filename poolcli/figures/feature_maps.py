"""The maps of one picture above the strip of what global pooling makes of them: how a picture becomes a vector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from poolcli.figures import captions
from poolcli.figures import text as lettering
from poolcli.figures.canvas import Canvas
from poolcli.figures.feature_sheet import (
    MOST_NAMED,
    columns_for,
    ends_text,
    fewer,
    scale_of,
    sentences_of,
    side_for,
)
from poolcli.figures.feature_strip import draw_strips, strip_cell, strips_height
from poolcli.figures.feature_thumbnails import draw_input, draw_thumbnails
from poolcli.figures.layout import Box
from poolcli.figures.map_drawing import draw_kernel, draw_map, kernel_size
from poolcli.figures.map_row import BODY, GAP, LINE, MARGIN, MIN_SIDE, SMALL, TITLE, draw_caption
from poolcli.figures.palettes import FRAME, INK, MUTED, color_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolcli.figures.feature_sheet import FeatureSheet

KERNEL_SIDE = 72


@np.errstate(over="ignore", invalid="ignore")  # of values beyond float32
def render(sheet: FeatureSheet, fmt: str = "png") -> bytes:
    """Draw the figure.

    Parameters
    ----------
    sheet : FeatureSheet
    fmt : {"png", "svg", "pdf"}

    Raises
    ------
    PoolcliError
        Matplotlib, which draws SVG and PDF, does not load.
    """
    name = captions.short_name(sheet.source)
    said = [f"{name} · {sheet.done}", fewer(sheet)]
    said += [
        f"{one.name}: mean {captions.three_digits(one.mean)}, max {captions.three_digits(one.high)}"
        for one in sheet.maps
    ]
    return draw(sheet).encode(fmt, name, "\n".join(said))


def draw(sheet: FeatureSheet) -> Canvas:
    """Lay the figure out."""
    many = len(sheet.maps) > MOST_NAMED
    return draw_thumbnails(sheet) if many else _draw_named(sheet)


def _draw_named(sheet: FeatureSheet) -> Canvas:
    """Each map with its name, its kernel and its numbers, and the strip below."""
    shown = len(sheet.maps) + (sheet.picture is not None)
    columns = columns_for(shown)
    side = side_for(len(sheet.maps), picture=sheet.picture is not None)
    times = max(1, side // max(max(one.values.shape) for one in sheet.maps))
    wide = max(one.values.shape[1] for one in sheet.maps) * times
    high = max(one.values.shape[0] for one in sheet.maps) * times
    if sheet.picture is not None:  # of another shape than the maps, perhaps
        wide, high = (
            max(length, drawn) for length, drawn in zip((wide, high), sheet.picture.shape[1::-1], strict=True)
        )
    column = max(wide, side)
    total = 2 * MARGIN + columns * (column + GAP) - GAP
    rows = -(-shown // columns)
    strip = strip_cell(total, len(sheet.maps))
    if rows == 1 and sheet.picture is None:
        strip = column + GAP  # each cell under its map
    numbered = any(lettering.text_width(lettering.drawable(one.name), SMALL) > strip - 4 for one in sheet.maps)
    under = 12 + max(KERNEL_SIDE, 3 * LINE)
    row_height = 2 * LINE + high + under
    top = MARGIN + TITLE + 14
    strips = top + rows * (row_height + 10) + 30
    foot = strips + strips_height(sheet) + 8
    sentences = sentences_of(sheet, total)
    canvas = Canvas(total, foot + len(sentences) * LINE + MARGIN)
    canvas.text(total // 2, MARGIN + TITLE - 4, "Feature Maps", TITLE, INK, bold=True, anchor="middle")
    for number in range(shown):
        row, place = divmod(number, columns)
        left = MARGIN + place * (column + GAP)
        slot = Box(left, top + row * (row_height + 10) + 2 * LINE - 8, column, high)
        if sheet.picture is not None and number == 0:
            draw_input(canvas, slot, sheet.picture)
        else:
            index = number - (sheet.picture is not None)
            _named_map(canvas, slot.centred(column, high), sheet, index, times, numbered=numbered)
    draw_strips(canvas, strips, sheet, strip, numbered=numbered)
    draw_caption(canvas, foot + LINE, sentences)
    return canvas


def _named_map(canvas: Canvas, slot: Box, sheet: FeatureSheet, index: int, times: int, *, numbered: bool) -> None:
    one = sheet.maps[index]
    scale = scale_of(sheet, one)
    box = slot.centred(one.values.shape[1] * times, one.values.shape[0] * times)
    draw_map(canvas, box.x, box.y, one.values, scale, times)
    name = f"{index + 1}  {one.name}" if numbered else one.name
    title = lettering.shorten(lettering.drawable(name), BODY, slot.width, bold=True)
    canvas.text(slot.x + slot.width // 2, slot.y - 12, title, BODY, INK, bold=True, anchor="middle")
    x, y = max(slot.x, min(box.x, slot.x + slot.width - MIN_SIDE)), slot.y + slot.height + 12
    if one.weights is not None:
        x += 12 + _kernel(canvas, x + 1, y + 1, one.weights)
    lines = [f"mean {captions.three_digits(one.mean)}", f"max {captions.three_digits(one.high)}"]
    if not sheet.one_scale:
        lines.append(ends_text(scale))
    for number, line in enumerate(lines):
        canvas.text(x, y + 18 + number * LINE, line, SMALL, MUTED if number else INK)


def _kernel(canvas: Canvas, x: int, y: int, weights: NDArray[np.float64]) -> int:
    """Draw a kernel as numbers where they fit, else as colours; returns its width."""
    wide, high = kernel_size(weights.astype(np.float32))
    if wide and high <= KERNEL_SIDE and wide <= 1.5 * KERNEL_SIDE:
        draw_kernel(canvas, x, y, weights.astype(np.float32))
        return wide
    low, top = float(weights.min()), float(weights.max())
    levels = np.full(weights.shape, 160.0) if low == top else (weights - low) / (top - low) * 255
    factor = -(-max(weights.shape) // KERNEL_SIDE)
    colors = color_table("Blues_r")[np.rint(levels[::factor, ::factor]).astype(np.uint8)]
    times = max(1, KERNEL_SIDE // max(colors.shape[:2]))
    canvas.picture(x, y, colors, times)
    canvas.frame(Box(x, y, colors.shape[1] * times, colors.shape[0] * times), FRAME)
    return int(colors.shape[1]) * times
