"""The colour scale of every map of a run, and maps in the colours of their scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli.figures import color_scale
from poolcli.figures.color_scale import Scale
from poolcli.images.arrays import row_chunks
from poolcli.images.quantize import output_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from poolcli.pipeline.result import Result, StageResult


def map_scales(result: Result) -> list[Scale]:
    """The colour scales of a run's maps, as the comparison figure uses them.

    A picture of a single map with its scale shows every value in the colour that it has in the figure.

    Parameters
    ----------
    result : Result
        With displays.

    Returns
    -------
    list of Scale
        For the input and for every stage, in order. A map without display gets the scale of the map before it.
    """
    stages = (result.input, *result.stages)
    filters = [i for i, stage in enumerate(stages) if stage.name == "conv2d"]
    white = result.white_value
    plain = color_scale.brightness_scale(result.input, white)
    if result.in_color and plain == Scale("gray", 0.0, white):
        plain = Scale("rgb", 0.0, white)
    last = stages[-1]
    level = 0.0
    if filters:
        level = color_scale.color_limit(stages[filters[0]], last if len(filters) == 1 else None)
    made = [plain]
    for i, stage in enumerate(stages[1:], 1):
        if stage.display is None and stage.statistics is None:
            made.append(made[-1])
        elif not filters or i < filters[0]:
            made.append(color_scale.brightness_scale(stage, white, plain))
        elif stage is last and color_scale.has_few_cells(last) and i > filters[0]:
            made.append(color_scale.filter_scale(stage, float(max(map(abs, color_scale.extremes(stage)))) or level))
        elif len(filters) > 1 and i >= filters[1]:  # values of a later filter have a scale of their own
            own = color_scale.color_limit(stage) if stage.display is not None else made[-1].high
            made.append(color_scale.filter_scale(stage, own))
        else:
            made.append(color_scale.filter_scale(stage, level))
    return made


def shared_scale(result: Result, shown: Sequence[StageResult]) -> Scale:
    """One scale for several maps of a run.

    After a filter it begins at zero, or is symmetric around zero where a value is negative. Without a filter it is the
    input's gray scale while that covers all values.

    Parameters
    ----------
    result : Result
    shown : sequence of StageResult
        The maps that share the scale.
    """
    if any(stage.name == "conv2d" for stage in result.stages):
        level = max(color_scale.color_limit(shown[0], stage) for stage in shown[1:])
        if any(color_scale.extremes(stage)[0] < 0 for stage in shown):
            return Scale("RdBu_r", -level, level)
        return Scale("magma", 0.0, level)
    white = result.white_value
    plain = color_scale.brightness_scale(result.input, white)
    if not any(any(plain.exceeded_by(stage)) for stage in shown):
        return Scale("rgb", 0.0, white) if result.in_color and plain == Scale("gray", 0.0, white) else plain
    ends = [color_scale.extremes(stage) for stage in shown]
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    return Scale("RdBu_r", -max(-low, high), max(-low, high)) if low < 0 else Scale("gray", 0.0, high)


def match_channels(stage: StageResult, values: NDArray[np.float32], scale: Scale) -> NDArray[np.float32]:
    """The values of a map with as many channels as its scale shows: three for RGB, else one."""
    if values.ndim == 3 and scale.palette != "rgb":
        return color_scale.merge_channels(values, channel_rule(stage))
    return values


def channel_rule(stage: StageResult) -> str:
    """How `color_scale.merge_channels` shows several channels of a map as one."""
    return "mean" if stage.name == "input" else "largest"


def color_map(stage: StageResult, raw: NDArray[Any], factor: float, scale: Scale) -> NDArray[np.uint8]:
    """Colour a whole map as the figure does.

    Parameters
    ----------
    stage : StageResult
    raw : ndarray of shape (H, W) or (H, W, C)
        The map in the numbers that the engine computes with, such as 0 to 255.
    factor : float
        Multiplied with `raw` it gives the values of the output.
    scale : Scale

    Returns
    -------
    ndarray of shape (H, W, 3), uint8
    """
    colors = np.empty((*raw.shape[:2], 3), np.uint8)
    for rows in row_chunks(raw.shape[0]):
        colors[rows] = scale.colors(match_channels(stage, output_values(raw[rows], factor), scale))
    return colors
