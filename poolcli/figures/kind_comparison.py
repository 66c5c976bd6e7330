"""The figure of `poolcli compare`: one input, the map of each kind of pooling, and its difference to the first kind's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from poolcli.display import printable
from poolcli.figures import captions, color_bar, color_scale
from poolcli.figures import text as lettering
from poolcli.figures.block_mean import block_mean
from poolcli.figures.canvas import Canvas
from poolcli.figures.color_scale import Scale
from poolcli.figures.layout import Box
from poolcli.figures.map_drawing import draw_map
from poolcli.figures.map_row import (
    BODY,
    GAP,
    LINE,
    MARGIN,
    MIN_COLUMN,
    SMALL,
    TITLE,
    TITLE_LINE,
    draw_caption,
    draw_lines,
    draw_title,
    layer_name,
    panel_side,
    panel_sizes,
)
from poolcli.figures.map_scales import match_channels, shared_scale
from poolcli.figures.palettes import MUTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from poolcli.pipeline.kinds import KindComparison, KindResult
    from poolcli.pipeline.result import StageResult

MAX_PER_ROW = 6
"""Most maps in a row."""


@dataclass(frozen=True, eq=False)
class KindColumn:
    """One map and, below it, its difference to the map of the first kind.

    Attributes
    ----------
    stage : StageResult
    name : str
    values : ndarray of shape (h, w), or (h, w, 3) for an RGB scale, float32
    times : int
        Pixels per cell, along a side.
    lines : tuple of str
        The text under the map.
    difference : ndarray of shape (h, w), float32, or None
        None for the input, for the first kind, and for a map of another shape than the first kind's.
    difference_lines : tuple of str
        The text under the difference.
    difference_stage : StageResult or None
    """

    stage: StageResult
    name: str
    values: NDArray[np.float32]
    times: int
    lines: tuple[str, ...]
    difference: NDArray[np.float32] | None = None
    difference_lines: tuple[str, ...] = ()
    difference_stage: StageResult | None = None


@dataclass(frozen=True, eq=False)
class KindColumns:
    """All columns of the figure, with the scale of the maps and that of the differences."""

    columns: list[KindColumn]
    scale: Scale
    difference_scale: Scale | None


@np.errstate(over="ignore", invalid="ignore")  # of values beyond float32
def render(compared: KindComparison, fmt: str = "png") -> bytes:
    """Draw several kinds of pooling side by side.

    Parameters
    ----------
    compared : KindComparison
        With displays.
    fmt : {"png", "svg", "pdf"}

    Returns
    -------
    bytes
        The contents of a file.

    Raises
    ------
    ValueError
        `compared` has no displays, or `fmt` is another format.
    PoolcliError
        Matplotlib, which draws SVG and PDF, cannot be imported.
    """
    made = build_columns(compared)
    result = compared.kinds[0].result
    name = captions.short_name(printable(result.source))
    done, _ = captions.caption(result, name)
    notes = " · ".join([*result.notes, *_remarks(compared, made)])
    done = f"{done}; and the same with {', '.join(kind.name for kind in compared.kinds[1:])}"
    said = [f"{done} · {notes}".removesuffix(" · ")]
    said += [f"{one.name}: {' · '.join((*one.lines, *one.difference_lines))}" for one in made.columns]
    return draw(made, lettering.drawable(done), lettering.drawable(notes)).encode(fmt, name, "\n".join(said))


def build_columns(compared: KindComparison) -> KindColumns:
    """Choose the colours, sizes and texts of all columns."""
    stages = [compared.source, *(kind.stage for kind in compared.kinds)]
    first = compared.kinds[0]
    scale = shared_scale(first.result, stages)
    factors, times = panel_sizes([stage.shape for stage in stages], panel_side(min(MAX_PER_ROW, len(stages))))
    largest = [max(map(abs, color_scale.extremes(stage))) for stage in stages]
    fine = min((size for size in largest if size), default=0.0) / 10  # gives all numbers the same decimals
    made = [_column(stages[0], stages[0].title, compared.source_std, scale, factors[0], times[0], fine)]
    for kind, factor, k in zip(compared.kinds, factors[1:], times[1:], strict=True):
        made.append(
            _column(kind.stage, layer_name(kind.stage), kind.std, scale, factor, k, fine, kind, layer_name(first.stage))
        )
    differences = [one.difference_stage for one in made if one.difference_stage is not None]
    if not differences:
        return KindColumns(made, scale, None)
    level = max(color_scale.color_limit(stage) for stage in differences)
    return KindColumns(made, scale, Scale("RdBu_r", -level, level))


def _column(
    stage: StageResult, name: str, std: float, scale: Scale, factor: int, times: int, fine: float,
    kind: KindResult | None = None, first: str = "",
) -> KindColumn:  # fmt: skip
    low, high = color_scale.extremes(stage)
    largest = max(abs(low), abs(high))
    mean = "" if stage.mean is None else f"mean {captions.number(stage.mean, fine)} · "
    lines = [
        f"{mean}deviation {captions.number(std, fine)}",
        f"min {captions.number(low, largest)} · max {captions.number(high, largest)}",
    ]
    if stage.active is not None:
        lines.append(f">0: {captions.percent(stage.active)}")
    if factor > 1:
        lines.append(f"shown at 1/{factor} (block mean)")
    values = match_channels(stage, _shown(stage, factor), scale)
    if kind is None or kind.difference is None:
        return KindColumn(stage, name, values, times, tuple(lines))
    difference = kind.difference
    words = (
        f"{name} − {first}",
        f"mean magnitude {captions.number(difference.mean, fine)}",
        f"largest {captions.number(difference.largest, fine)}",
    )
    shown = _shown(difference.stage, factor)
    flat = color_scale.merge_channels(shown, "largest") if shown.ndim == 3 else shown
    return KindColumn(stage, name, values, times, tuple(lines), flat, words, difference.stage)


def _shown(stage: StageResult, factor: int) -> NDArray[np.float32]:
    display = color_scale.display_of(stage)
    return block_mean(display.values, stage.shape, display.factor, factor, display.rule)


def _remarks(compared: KindComparison, made: KindColumns) -> list[str]:
    said = []
    if made.difference_scale is not None:
        said.append("below: each kind minus the first, red where it is larger")
    channels = compared.kinds[0].result.channels
    if channels > 1 and made.difference_scale is not None:
        said.append(f"of {channels} channels the largest difference")
    if channels > 1 and made.scale.palette != "rgb":
        said.append(f"{channels} channels shown as one")
    return said


def draw(made: KindColumns, done: str, notes: str) -> Canvas:
    """Place the columns and their texts on a canvas.

    Parameters
    ----------
    made : KindColumns
    done, notes : str
        The caption's two sentences, which have passed `text.drawable`.
    """
    many = -(-len(made.columns) // -(-len(made.columns) // MAX_PER_ROW))
    wide = max(one.values.shape[1] * one.times for one in made.columns)
    high = max(one.values.shape[0] * one.times for one in made.columns)
    column = max(wide, MIN_COLUMN, *(lettering.text_width(one.name, TITLE, bold=True) for one in made.columns))
    total = 2 * MARGIN + many * (column + GAP) - GAP
    texts = max(len(one.lines) for one in made.columns) * LINE
    apart = made.difference_scale is not None
    tall = 2 * TITLE_LINE + high + 32 + texts + (high + 32 + 3 * LINE if apart else 0)
    rows = -(-len(made.columns) // many)
    bars = MARGIN + rows * (tall + GAP) - 6
    scales = _bars(made)
    beyond = [color_bar.outside_note(scale, members) for scale, members in scales]
    foot = bars + (color_bar.HEIGHT if scales else -14) + (LINE if any(beyond) else 0) + 30
    sentences = [part for text in (done, notes) for part in lettering.wrap(text, BODY, total - 2 * MARGIN, 4)]
    canvas = Canvas(total, foot + (len(sentences) - 1) * LINE + MARGIN - 8)
    for number, one in enumerate(made.columns):
        row, place = divmod(number, many)
        top = MARGIN + row * (tall + GAP) + 2 * TITLE_LINE
        slot = Box(MARGIN + place * (column + GAP), top, column, high).centred(wide, high)
        draw_title(canvas, slot, one.name, captions.size_text(one.stage.shape))
        draw_map(canvas, slot.x, slot.y, one.values, made.scale, one.times)
        draw_lines(canvas, slot, one.lines)
        if one.difference is not None and made.difference_scale is not None:
            slot = Box(slot.x, top + high + 32 + texts, wide, high)
            draw_map(canvas, slot.x, slot.y, one.difference, made.difference_scale, one.times)
            draw_lines(canvas, slot, one.difference_lines)
    for i, ((scale, members), words) in enumerate(zip(scales, beyond, strict=True)):
        middle = total * (2 * i + 1) // (2 * len(scales))
        color_bar.draw(canvas, middle, bars, scale, [stage for _, stage in members])
        canvas.text(middle, bars + color_bar.HEIGHT + 18, words, SMALL, MUTED, anchor="middle")
    draw_caption(canvas, foot, sentences)
    return canvas


def _bars(made: KindColumns) -> list[tuple[Scale, Sequence[tuple[str, StageResult]]]]:
    """The scales that get a colour bar, each with the names and stages of its maps."""
    scales: list[tuple[Scale, Sequence[tuple[str, StageResult]]]] = []
    if made.scale.palette != "rgb":
        scales.append((made.scale, [(one.name, one.stage) for one in made.columns]))
    if made.difference_scale is not None:
        members = [
            (one.difference_lines[0], one.difference_stage) for one in made.columns if one.difference_stage is not None
        ]
        scales.append((made.difference_scale, members))
    return scales
