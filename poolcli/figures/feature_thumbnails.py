"""Very many feature maps: thumbnails of all, and the vector in rows of 32 beside the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from poolcli.figures.canvas import Canvas
from poolcli.figures.feature_sheet import (
    THUMBNAIL_GAP,
    columns_for,
    ends_text,
    scale_of,
    sentences_of,
    side_for,
    strip_scale,
)
from poolcli.figures.feature_strip import draw_cells
from poolcli.figures.layout import Box
from poolcli.figures.map_row import BODY, GAP, LINE, MARGIN, SMALL, TITLE, draw_caption
from poolcli.figures.palettes import FRAME, INK, MUTED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolcli.figures.feature_sheet import FeatureSheet

CELLS_IN_A_ROW = 32
"""Features in a row of the strip: 512 are drawn as 16x32, as the lesson on VGG16 has them."""
MANY_CELL = 20
LEAST_INPUT = 200
"""Pixels of the picture's longer side, at least: of a small network's input a few dozen would be left."""


def draw_thumbnails(sheet: FeatureSheet) -> Canvas:
    """Thumbnails of all maps; below, the picture beside the features in rows of 32."""
    columns = columns_for(len(sheet.maps))
    side = side_for(len(sheet.maps), picture=sheet.picture is not None)
    times = max(1, side // max(max(one.values.shape) for one in sheet.maps))
    wide = max(one.values.shape[1] for one in sheet.maps) * times + THUMBNAIL_GAP
    high = max(one.values.shape[0] for one in sheet.maps) * times + THUMBNAIL_GAP
    rows = -(-len(sheet.maps) // columns)
    cells = [one.values.ravel() for one in sheet.pooled]
    block = [-(-len(values) // CELLS_IN_A_ROW) * MANY_CELL for values in cells]
    strips = CELLS_IN_A_ROW * MANY_CELL
    shown = (0, 0)
    if sheet.picture is not None:
        larger = -(-LEAST_INPUT // max(sheet.picture.shape[:2]))
        shown = sheet.picture.shape[0] * larger, sheet.picture.shape[1] * larger
    beside = shown[1] + GAP if sheet.picture is not None else 0
    total = max(columns * wide - THUMBNAIL_GAP, strips + beside) + 2 * MARGIN
    top = MARGIN + TITLE + 14
    below = top + rows * high + 24
    blocks = sum(block) + len(block) * (TITLE + 14 + LINE + 24)
    foot = below + max(blocks, TITLE + 20 + shown[0] if sheet.picture is not None else 0) + LINE
    sentences = sentences_of(sheet, total)
    canvas = Canvas(total, foot + len(sentences) * LINE + MARGIN)
    canvas.text(total // 2, MARGIN + TITLE - 4, "Feature Maps", TITLE, INK, bold=True, anchor="middle")
    left = (total - columns * wide + THUMBNAIL_GAP) // 2
    for number, one in enumerate(sheet.maps):
        row, place = divmod(number, columns)
        canvas.picture(left + place * wide, top + row * high, scale_of(sheet, one).colors(one.values), times)
    left = (total - strips - beside) // 2
    if sheet.picture is not None:
        draw_input(canvas, Box(left, below + TITLE + 14, shown[1], shown[0]), sheet.picture)
        left += beside
    y = below
    for strip, values in zip(sheet.pooled, cells, strict=True):
        scale = strip_scale(sheet, strip)
        canvas.text(left + strips // 2, y + TITLE - 4, strip.title, TITLE, INK, bold=True, anchor="middle")
        y += TITLE + 14
        whole = len(values) // CELLS_IN_A_ROW * CELLS_IN_A_ROW
        for part, at in ((values[:whole].reshape(-1, CELLS_IN_A_ROW), 0), (values[whole:][None], whole)):
            if part.size:
                draw_cells(canvas, left, y + at // CELLS_IN_A_ROW * MANY_CELL, part, scale, (MANY_CELL, MANY_CELL))
        y += -(-len(values) // CELLS_IN_A_ROW) * MANY_CELL + LINE
        canvas.text(left + strips // 2, y - 4, ends_text(scale), SMALL, MUTED, anchor="middle")
        y += 24
    draw_caption(canvas, foot + LINE, sentences)
    return canvas


def draw_input(canvas: Canvas, slot: Box, picture: NDArray[np.uint8]) -> None:
    """Put the picture into the middle of a slot, under its title."""
    rgb = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
    times = max(1, min(slot.width // rgb.shape[1], slot.height // rgb.shape[0]))
    box = slot.centred(rgb.shape[1] * times, rgb.shape[0] * times)
    canvas.picture(box.x, box.y, rgb, times)
    canvas.frame(box, FRAME)
    canvas.text(slot.x + slot.width // 2, slot.y - 12, "Input", BODY, INK, bold=True, anchor="middle")
