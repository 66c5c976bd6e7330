"""What survives a shift: a picture, its shifted copy, what changed and a control at every level, and a chart of scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from poolcli.figures import captions, color_bar, color_scale
from poolcli.figures import text as lettering
from poolcli.figures.block_mean import block_mean
from poolcli.figures.canvas import Canvas
from poolcli.figures.color_scale import Scale
from poolcli.figures.layout import Box
from poolcli.figures.map_drawing import draw_map
from poolcli.figures.map_row import (
    BODY,
    LINE,
    MARGIN,
    SMALL,
    TITLE,
    TITLE_LINE,
    draw_caption,
    draw_title,
    map_title,
    panel_sizes,
)
from poolcli.figures.map_scales import match_channels, shared_scale
from poolcli.figures.palettes import INK, MUTED
from poolcli.figures.score_chart import Series, draw_chart, draw_mark

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from poolcli.pipeline.result import Result, StageResult

ROWS = ("picture", "shifted", "difference", "control")
SIDE, COLUMN, GAP = 190, 220, 18
GUTTER, CHART = 168, 220
"""Width of the names of the rows, height of the chart."""
NARROWEST, LOWEST = 1040, 76
"""Least width of the sheet, for two colour bars side by side, and least height of a row, for its name of three lines."""


@dataclass(frozen=True, eq=False)
class ShiftFigure:
    """What the figure shows.

    Attributes
    ----------
    result : Result
        The run of the picture, whose scale all maps share.
    rows : four sequences of StageResult
        Of the picture, of the shifted copy, of the magnitude of their difference, of the control: one map per level.
    shift : (rows, columns)
        Of the copy.
    distinct : list of list of str
        For every series, and every level, how many maps are distinct.
    scores : list of Series
    title, caption : str
    sentences : tuple of str
        What was done, and what is to be known of it.
    """

    result: Result
    rows: Sequence[Sequence[StageResult]]
    shift: tuple[int, int]
    distinct: list[list[str]]
    scores: list[Series]
    title: str
    sentences: tuple[str, ...]


@np.errstate(over="ignore", invalid="ignore")  # of values beyond float32
def render(figure: ShiftFigure, fmt: str = "png") -> bytes:
    """Draw the figure.

    Raises
    ------
    PoolcliError
        Matplotlib, which draws SVG and PDF, does not load.
    """
    said = [*figure.sentences]
    for one, distinct in zip(figure.scores, figure.distinct, strict=True):
        said.append(f"{one.name}: " + ", ".join(_cell(*pair) for pair in zip(distinct, one.values, strict=True)))
    return draw(figure).encode(fmt, figure.title, "\n".join(said))


def draw(figure: ShiftFigure) -> Canvas:
    """Lay out four rows of maps, the numbers of every kind, the chart and the caption."""
    stills, moved, _, controls = figure.rows
    scale = shared_scale(figure.result, [stage for row in (stills, moved, controls) for stage in row])
    change_scale = Scale("magma", 0.0, max(abs(scale.low), abs(scale.high)))  # as bright as the maps themselves
    factors, times = panel_sizes([stage.shape for stage in stills], SIDE)
    shown = [
        [_values(stage, factor, one) for stage, factor in zip(row, factors, strict=True)]
        for row, one in zip(figure.rows, (scale, scale, change_scale, scale), strict=True)
    ]
    high = max(LOWEST, *(values.shape[0] * k for row in shown for values, k in zip(row, times, strict=True)))
    wide = max(values.shape[1] * k for row in shown for values, k in zip(row, times, strict=True))
    titles = [map_title(stage, number) for number, stage in enumerate(stills)]
    least = -(-(NARROWEST - GUTTER - 2 * MARGIN) // len(stills))
    column = max(COLUMN, least, wide + GAP, *(lettering.text_width(one, TITLE, bold=True) + GAP for one in titles))
    total = 2 * MARGIN + GUTTER + column * len(stills)
    said = [*figure.sentences]
    if max(factors) > 1:
        said.append(f"at 1/{max(factors)}: the mean of each block of {max(factors)}x{max(factors)} is shown")
    sentences = [part for text in said for part in lettering.wrap(text, BODY, total - 2 * MARGIN, 4)]
    table = MARGIN + 2 * TITLE_LINE + len(ROWS) * (high + GAP) + 14
    chart = table + (len(figure.scores) + 1) * LINE + 20
    bars = chart + CHART + 50
    foot = bars + color_bar.HEIGHT + 30
    canvas = Canvas(total, foot + (len(sentences) - 1) * LINE + MARGIN - 8)
    middles = [MARGIN + GUTTER + column * number + column // 2 for number in range(len(stills))]
    for row, (name, stages) in enumerate(zip(ROWS, shown, strict=True)):
        top = MARGIN + 2 * TITLE_LINE + row * (high + GAP)
        _row_name(canvas, top + high // 2, name, figure.shift if name == "shifted" else None)
        for level, (middle, values, k) in enumerate(zip(middles, stages, times, strict=True)):
            slot = Box(middle - wide // 2, top, wide, high)
            if row == 0:
                reduced = f" at 1/{factors[level]}" if factors[level] > 1 else ""
                draw_title(canvas, slot, titles[level], captions.size_text(stills[level].shape) + reduced)
            slot = slot.centred(values.shape[1] * k, values.shape[0] * k)
            draw_map(canvas, slot.x, slot.y, values, change_scale if name == "difference" else scale, k)
    _numbers(canvas, table, middles, figure)
    canvas.text(MARGIN, chart + CHART // 2, "score", BODY, INK, bold=True)
    box = Box(MARGIN + GUTTER, chart, total - 2 * MARGIN - GUTTER, CHART)
    draw_chart(canvas, box, middles, figure.scores, [captions.size_text(stage.shape) for stage in stills])
    members = (("maps", scale, (*stills, *moved, *controls)), ("difference", change_scale, figure.rows[2]))
    drawn = [one for one in members if one[1].palette != "rgb"]
    for i, (name, one, stages_in) in enumerate(drawn):
        middle = total * (2 * i + 1) // (2 * len(drawn))
        canvas.text(middle - color_bar.LENGTH // 2 - 20, bars + 13, name, SMALL, MUTED, anchor="right")
        color_bar.draw(canvas, middle, bars, one, stages_in)
    draw_caption(canvas, foot, sentences)
    return canvas


def _values(stage: StageResult, factor: int, scale: Scale) -> NDArray[np.float32]:
    display = color_scale.display_of(stage)
    return match_channels(stage, block_mean(display.values, stage.shape, display.factor, factor, display.rule), scale)


def _row_name(canvas: Canvas, middle: int, name: str, shift: tuple[int, int] | None) -> None:
    canvas.text(MARGIN, middle, name, BODY, INK, bold=True)
    if shift is not None:
        for line, (word, by) in enumerate(zip(("down", "right"), shift, strict=True), 1):
            canvas.text(MARGIN, middle + line * (LINE - 4), f"{by} px {word}", SMALL, MUTED)


def _numbers(canvas: Canvas, top: int, middles: Sequence[int], figure: ShiftFigure) -> None:
    """A row for each series under its columns: how many maps are distinct, and the score."""
    canvas.text(MARGIN, top + LINE - 8, "distinct · score", SMALL, MUTED)
    for number, (one, distinct) in enumerate(zip(figure.scores, figure.distinct, strict=True)):
        baseline = top + (number + 2) * LINE - 8
        draw_mark(canvas, MARGIN + 7, baseline - 6, number)
        canvas.text(MARGIN + 24, baseline, lettering.shorten(one.name, BODY, GUTTER - 34), BODY, INK, bold=True)
        for x, count, score in zip(middles, distinct, one.values, strict=True):
            canvas.text(x, baseline, _cell(count, score), BODY, INK, anchor="middle")


def _cell(distinct: str, score: float | None) -> str:
    text = "n/a" if score is None else f"{score:z.2f}"
    return f"{distinct} · {'>0.99' if text == '1.00' and score != 1 else text}"
