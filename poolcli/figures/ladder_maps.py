"""The maps of a ladder: which ones, their sizes, colours and text, and the receptive field of one cell of each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from poolcli.figures import captions, color_scale
from poolcli.figures.block_mean import block_mean
from poolcli.figures.map_row import (
    layer_name,
    map_title,
    panel_side,
    panel_sizes,
)
from poolcli.figures.map_scales import match_channels, shared_scale
from poolcli.figures.palettes import OUTLINES
from poolcli.pipeline.detail import offsets, unread

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from poolcli.figures.color_scale import Scale
    from poolcli.figures.palettes import Color
    from poolcli.pipeline.result import Result, StageResult

MAX_PER_ROW = 7
"""Most maps in a row: the first and six poolings."""


class ReceptiveField(NamedTuple):
    """A cell of a map, and the rows and columns of the first map that it depends on.

    Attributes
    ----------
    cell : (row, column)
    rows, cols : (first, end)
        In cells of the first map; the end is not part of it.
    """

    cell: tuple[int, int]
    rows: tuple[float, float]
    cols: tuple[float, float]


@dataclass(frozen=True, eq=False)
class LadderMap:
    """One map of the ladder.

    Attributes
    ----------
    stage : StageResult
    title : str
    values : ndarray of shape (h, w), or (h, w, 3) for an RGB scale, float32
        The map as its panel shows it.
    true_scale_values : ndarray, float32
        The map as the true-scale row shows it.
    lines : tuple of str
        The text under the panel.
    field : ReceptiveField or None
        That of one of its cells; None for the first map, and where windows differ in size.
    color : (red, green, blue)
        Colour of the outline of the receptive field.
    unread : (rows, columns)
        How many rows at the bottom and columns at the right the next step does not read.
    """

    stage: StageResult
    title: str
    values: NDArray[np.float32]
    true_scale_values: NDArray[np.float32]
    lines: tuple[str, ...]
    field: ReceptiveField | None
    color: Color
    unread: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Ladder:
    """The maps of a ladder and how they are shown.

    Attributes
    ----------
    maps : list of LadderMap
    scale : Scale
        Shared by all maps.
    times : list of int
        Pixels per displayed cell of each map, along a side.
    true_scale_factor : int
        Side of the block of cells that the true-scale row shows as one.
    """

    maps: list[LadderMap]
    scale: Scale
    times: list[int]
    true_scale_factor: int


def build_ladder(result: Result) -> Ladder:
    """Choose the maps of a ladder, their colours and sizes.

    Parameters
    ----------
    result : Result
        With displays; its recipe has a pooling step.
    """
    stages = (result.input, *result.stages)
    chosen = [i for i, stage in enumerate(stages) if stage.name.endswith("pool2d")]
    chosen = [chosen[0] - 1, *chosen]
    shown = [stages[i] for i in chosen]
    scale = shared_scale(result, shown)
    columns = maps_per_row(len(shown))
    factors, times = panel_sizes([stage.shape for stage in shown], panel_side(columns))
    fields = _fields(stages, chosen)
    maps = []
    for number, (i, factor, field) in enumerate(zip(chosen, factors, fields, strict=True)):
        stage, display = stages[i], color_scale.display_of(stages[i])
        left = unread(stage, stages[i + 1]) if i + 1 < len(stages) else (0, 0)
        between = stages[chosen[number - 1] + 1 : i] if number else ()
        values, small = (
            match_channels(stage, block_mean(display.values, stage.shape, display.factor, f, display.rule), scale)
            for f in (factor, factors[0])
        )
        maps.append(
            LadderMap(
                stage,
                map_title(stage, number),
                values,
                small,
                tuple(
                    filter(
                        None,
                        (*_lines(stage, shown[0], between, factor, result.input.shape), captions.unread_note(*left)),
                    )
                ),
                field,
                OUTLINES[(number - 1) % len(OUTLINES)],
                left,
            )
        )
    return Ladder(maps, scale, times, factors[0])


def maps_per_row(count: int) -> int:
    """How many of `count` maps are drawn per row: at most `MAX_PER_ROW`, with rows of about equal length.

    Examples
    --------
    >>> maps_per_row(5), maps_per_row(8)
    (5, 4)
    """
    return -(-count // -(-count // MAX_PER_ROW))


def _lines(
    stage: StageResult, first: StageResult, between: Sequence[StageResult], factor: int, shape: tuple[int, int]
) -> list[str]:
    """The text under a map; `between` are the steps since the previous map, `shape` is that of the input."""
    low, high = color_scale.extremes(stage)
    largest = max(abs(low), abs(high))
    lines = [] if stage is first else [_receptive_field_text(stage, shape)]
    mean = "" if stage.mean is None else f"mean {captions.number(stage.mean, largest)} · "
    lines.append(f"{mean}max {captions.number(high, largest)}")
    if math.prod(stage.shape) > 1:
        sample = color_scale.display_of(stage).sample
        active = float((sample > 0).mean()) if stage.active is None else stage.active
        values = math.prod(stage.shape) * _channels(stage)
        lines.append(f">0: {round(active * values):,} of {values:,} ({captions.percent(active)})")
        most = color_scale.extremes(first)[1]
        if most > 0:
            whose = "max" if stage is first else f"{map_title(first).split(' ')[0]}'s max"
            lines.append(f">5 % of {whose}: {captions.percent(float((sample > 0.05 * most).mean()))}")
    if between:
        lines.append(f"after {' and '.join(layer_name(s) if s.name == 'relu' else s.title for s in between)}")
    if factor > 1:
        rule = color_scale.display_of(stage).rule.replace("magnitude", "mean magnitude")
        lines.append(f"shown at 1/{factor} (block {rule})")
    return lines


def _channels(stage: StageResult) -> int:
    values = color_scale.display_of(stage).values
    return values.shape[2] if values.ndim == 3 else 1


def _receptive_field_text(stage: StageResult, shape: tuple[int, int]) -> str:
    if all(field >= side for field, side in zip(stage.receptive_field, shape, strict=True)):
        return "receptive field: whole picture"
    most = "up to " if stage.name == "adaptive_pool2d" else ""
    step = captions.size_text(stage.total_stride, always=False)
    return f"receptive field {most}{captions.size_text(stage.receptive_field)}, step {step}"


def _fields(stages: Sequence[StageResult], chosen: Sequence[int]) -> list[ReceptiveField | None]:
    """For each map its middle cell and that cell's receptive field on the first map; None where windows differ in size."""
    first, last = stages[chosen[0]], stages[chosen[-1]]
    begin = offsets(stages[chosen[0] :])
    step = first.total_stride

    def square(i: int, axis: int, cell: float) -> float:
        """Where a cell begins, in cells of the first map."""
        return (begin[i - chosen[0]][axis] + cell * stages[i].total_stride[axis]) / step[axis]

    middle = [square(chosen[-1], axis, last.shape[axis] // 2 + 0.5) for axis in (0, 1)]
    fields: list[ReceptiveField | None] = [None]
    for i in chosen[1:]:
        if any(stage.name == "adaptive_pool2d" for stage in stages[: i + 1]):
            fields.append(None)
            continue
        cell, sides = [], []
        for axis in (0, 1):
            size = stages[i].total_stride[axis] / step[axis]
            at = math.floor((middle[axis] - square(i, axis, 0)) / size)
            cell.append(min(max(at, 0), stages[i].shape[axis] - 1))
            reach = ((stages[i].receptive_field[axis] - first.receptive_field[axis]) / step[axis] + 1) / 2
            centre = square(i, axis, cell[axis] + 0.5)
            sides.append((max(0.0, centre - reach), min(float(first.shape[axis]), centre + reach)))
        fields.append(ReceptiveField((cell[0], cell[1]), sides[0], sides[1]))
    return fields
