"""Vectors of several pictures side by side, and the cosine between every two of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from poolcli.figures import captions
from poolcli.figures import text as lettering
from poolcli.figures.canvas import Canvas
from poolcli.figures.color_scale import Scale
from poolcli.figures.feature_sheet import reduced
from poolcli.figures.layout import Box
from poolcli.figures.map_drawing import number_cells
from poolcli.figures.map_row import BODY, GAP, LINE, MARGIN, SMALL, TITLE, draw_caption
from poolcli.figures.palettes import FRAME, INK, MUTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

ROW, CELL, SQUARE = 84, 76, 84
"""Largest height of a picture's row, width of a feature, and side of a cosine's cell."""
WIDE, HIGH = 1500, 1400
"""Largest width of the vectors of many features, and largest height of those of many pictures."""
THUMBNAIL = 112
MOST_THUMBNAILS, LEAST_NAMED = 16, 18
"""Pictures up to which each has a thumbnail; height of a row from which it has a name."""
NAME = 220
WIDEST_HEADING, NARROWEST = 400, 240


@dataclass(frozen=True, eq=False)
class VectorSheet:
    """All that the figure shows.

    Attributes
    ----------
    names : sequence of str
        Of the pictures.
    columns : sequence of str
        Of the features.
    values : ndarray of shape (pictures, features), float32
    cosines : ndarray of shape (pictures, pictures)
        Between the vectors; NaN where there is none.
    relative : ndarray of shape (pictures, pictures)
        The same, each feature divided by its largest magnitude first.
    done : str
        What was done, for the caption.
    thumbnails : sequence of ndarray of shape (h, w) or (h, w, 3), uint8
        As many as pictures, or none.
    """

    names: Sequence[str]
    columns: Sequence[str]
    values: NDArray[np.float32]
    cosines: NDArray[np.float64]
    relative: NDArray[np.float64]
    done: str
    thumbnails: Sequence[NDArray[np.uint8]] = ()


def render(sheet: VectorSheet, fmt: str = "png") -> bytes:
    """Draw the figure.

    Parameters
    ----------
    sheet : VectorSheet
    fmt : {"png", "svg", "pdf"}

    Raises
    ------
    PoolcliError
        Matplotlib, which draws SVG and PDF, does not load.
    """
    count = len(sheet.names)
    title = f"{count} pictures, {len(sheet.columns)} features"
    said = [f"{title} · {sheet.done}"]
    if count <= MOST_THUMBNAILS:
        for i, name in enumerate(sheet.names):
            pairs = (f"{sheet.names[j]} {captions.three_digits(sheet.cosines[i, j])}" for j in range(i))
            said.append(f"{name}: cosine {', '.join(pairs)}" if i else name)
    return draw(sheet).encode(fmt, title, "\n".join(said))


def scaled(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each feature divided by its largest magnitude over the pictures; zero where it is zero in all."""
    finite = np.where(np.isfinite(values), values, 0)
    largest = np.abs(finite).max(axis=0, initial=0)
    return np.divide(finite, largest, out=np.zeros_like(finite), where=largest > 0)


def draw(sheet: VectorSheet) -> Canvas:
    """Lay the figure out: a row for each picture, its vector, and its cosines with the others."""
    pictures, features = sheet.values.shape
    row = max(1, min(ROW, HIGH // pictures))
    cell = max(1, min(CELL, WIDE // features))
    square = max(1, min(SQUARE, row, HIGH // pictures))
    row = square if square < ROW else row
    thumbnails = THUMBNAIL + 12 if sheet.thumbnails and row >= 40 else 0
    longest = max(lettering.text_width(lettering.drawable(name), BODY) for name in sheet.names)
    named = min(NAME, longest + 28) if row >= LEAST_NAMED else 0
    fewer_rows, fewer_cols = -(-pictures // HIGH), -(-features // WIDE)
    wide, high = -(-features // fewer_cols) * cell, -(-pictures // fewer_rows) * row
    side = -(-pictures // fewer_rows) * square
    labels = [lettering.drawable(name) for name in sheet.columns]
    numbered = any(lettering.text_width(label, SMALL) > cell - 4 for label in labels)
    legend = _legend(labels, numbered=numbered)
    left = MARGIN + thumbnails + named
    block, square_block = max(wide, WIDEST_HEADING), max(side, NARROWEST)
    total = left + block + 2 * (GAP + square_block) + MARGIN
    left += (block - wide) // 2
    head = MARGIN + 2 * TITLE + LINE
    sentences = _sentences(sheet, legend, total)
    foot = head + high + 36
    canvas = Canvas(total, foot + len(sentences) * LINE + MARGIN)
    values = scaled(sheet.values)
    scale = Scale("RdBu_r", -1.0, 1.0) if values.min(initial=0) < 0 else Scale("magma", 0.0, 1.0)
    _heading(canvas, left, wide, "Pooled Feature Maps", "coloured by share of the largest in its column")
    if cell >= 14:
        for place, label in enumerate(labels):
            text = str(place + 1) if numbered else label
            canvas.text(left + place * cell + cell // 2, head - 8, text, SMALL, MUTED, anchor="middle")
    _matrix(canvas, Box(left, head, wide, high), values, scale, sheet.values, (fewer_rows, fewer_cols))
    for number in range(pictures if row >= LEAST_NAMED else 0):
        middle = head + number * row + row // 2
        name = lettering.shorten(lettering.drawable(sheet.names[number]), BODY, named - 16, middle=True)
        canvas.text(left - 12, middle + 6, name, BODY, INK, anchor="right")
        if thumbnails:
            _thumbnail(canvas, Box(MARGIN, head + number * row + 3, THUMBNAIL, row - 6), sheet.thumbnails[number])
    x = left + wide + (block - wide) - (block - wide) // 2 + GAP
    for title, under, found in (
        ("Cosine", "of the vectors", sheet.cosines),
        ("Cosine", "features to one scale", sheet.relative),
    ):
        _heading(canvas, x, square_block, title, under)
        box = Box(x + (square_block - side) // 2, head, side, side)
        _cosines(canvas, box, found.astype(np.float32), fewer_rows)
        x += square_block + GAP
    draw_caption(canvas, foot + LINE, sentences)
    return canvas


def _heading(canvas: Canvas, x: int, width: int, title: str, under: str) -> None:
    middle = x + width // 2
    canvas.text(middle, MARGIN + TITLE - 4, title, TITLE, INK, bold=True, anchor="middle")
    canvas.text(middle, MARGIN + TITLE + LINE - 6, under, SMALL, MUTED, anchor="middle")


def _matrix(
    canvas: Canvas,
    box: Box,
    values: NDArray[np.float32],
    scale: Scale,
    shown: NDArray[np.float32],
    fewer: tuple[int, int],
) -> None:
    """Cells coloured by `values`, with the numbers of `shown` where they fit."""
    if fewer != (1, 1):
        values = reduced(reduced(values, 1)[:: fewer[0]], 1)[:, :: fewer[1]]
    colors = scale.colors(values)
    high, wide = box.height // values.shape[0], box.width // values.shape[1]
    canvas.picture(box.x, box.y, colors.repeat(high, axis=0).repeat(wide, axis=1))
    canvas.frame(box, FRAME)
    if fewer == (1, 1) and min(high, wide) >= 20 and values.size <= 4096:
        number_cells(canvas, box, shown, colors, captions.three_digits, 18, over=True)


def _cosines(canvas: Canvas, box: Box, found: NDArray[np.float32], fewer: int) -> None:
    shown = np.nan_to_num(found, nan=0.0)
    scale = Scale("RdBu_r", -1.0, 1.0) if shown.min(initial=0) < 0 else Scale("gray", 0.0, 1.0)
    low = float(shown.min(initial=1))
    if low > 0.5:
        scale = Scale("gray", _floor(low), 1.0)
    shown = shown[::fewer, ::fewer]
    colors = scale.colors(shown)
    side = box.width // len(shown)
    canvas.picture(box.x, box.y, colors, side)
    canvas.frame(box, FRAME)
    if side >= 20 and found.size <= 4096:
        number_cells(canvas, box, found, colors, _cosine, 22, over=True)
    start = f"{scale.low:z.2f}".rstrip("0").rstrip(".").replace("-", "−")
    canvas.text(box.x + box.width // 2, box.y + box.height + 22, f"scale {start} to 1", SMALL, MUTED, anchor="middle")


def _floor(value: float) -> float:
    """The next lower multiple of 0.05; 0.95 for 1."""
    return float(np.floor(value * 20 - 1e-6) / 20) if value < 1 else 0.95


def _cosine(value: float) -> str:
    return "n/a" if not np.isfinite(value) else f"{value:z.3f}".replace("-", "−")


def _thumbnail(canvas: Canvas, box: Box, picture: NDArray[np.uint8]) -> None:
    factor = max(1, -(-picture.shape[0] // box.height), -(-picture.shape[1] // box.width))
    small = np.rint(reduced(picture, factor)).astype(np.uint8)
    place = box.centred(small.shape[1], small.shape[0])
    canvas.picture(place.x, place.y, small)
    canvas.frame(place, FRAME)


def _legend(labels: Sequence[str], *, numbered: bool) -> str:
    if not numbered or len(labels) > 64:
        return ""
    return " · ".join(f"{number} {label}" for number, label in enumerate(labels, 1))


def _sentences(sheet: VectorSheet, legend: str, total: int) -> list[str]:
    seen = ["features to one scale: each divided by its largest magnitude over the pictures"]
    if np.isnan(sheet.cosines).any():
        seen.append("n/a: a vector of zeros has no direction")
    texts = [legend, " · ".join(seen), sheet.done]
    return [
        part for text in texts if text for part in lettering.wrap(lettering.drawable(text), BODY, total - 2 * MARGIN, 5)
    ]
