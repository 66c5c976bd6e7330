"""The maps of an experiment on shifts that a figure shows, reduced to its size."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from poolcli.experiments.planes import as_planes
from poolcli.experiments.views import level_names
from poolcli.images.arrays import row_chunks
from poolcli.images.quantize import output_values
from poolcli.ops.value_range import ValueRange
from poolcli.pipeline.observers import MapDisplay, MapStatistics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from poolcli.experiments.views import Views
    from poolcli.pipeline.recipe import Recipe
    from poolcli.pipeline.result import Result, StageResult


class DrawnMaps(NamedTuple):
    """Maps of the first kind for a figure: the picture, a shifted copy, what changed, and the control.

    Attributes
    ----------
    still, moved, control : Result
        Runs with displays of every map.
    differences : list of StageResult
        Of every level, the magnitude of the change.
    shift : (rows, columns)
        How far the copy is shifted.
    """

    still: Result
    moved: Result
    control: Result
    differences: list[StageResult]
    shift: tuple[int, int]


def drawn_maps(views: Views, other: Views, recipe: Recipe, threads: int | None, panel: int) -> DrawnMaps:
    """Three runs with displays: the picture, the copy that is shifted farthest, the control."""
    names = level_names(recipe)
    move = views.moves[-1]
    kept: dict[str, Any] = {"statistics": True, "panel": panel, "every_map": True}
    still = views.run(views.still[None], recipe, threads, **kept)
    moved = views.run(views.shifted(move)[None], recipe, threads, **kept)
    control = other.run(other.still[None], recipe, threads, **kept)
    differences = [
        _difference(stage, still.raw_maps[name], moved.raw_maps[name], still.scale, panel)
        for stage, name in zip(level_maps(still, recipe), names, strict=True)
    ]
    still, moved, control = (replace(one, raw_maps={}) for one in (still, moved, control))
    return DrawnMaps(still, moved, control, differences, move)


def level_maps(result: Result, recipe: Recipe) -> Sequence[StageResult]:
    """The maps of a run that are levels, level 0 first."""
    return (result.input, *result.stages)[-len(level_names(recipe)) :]


def _difference(
    stage: StageResult, one: NDArray[Any], another: NDArray[Any], scale: float, panel: int
) -> StageResult:  # fmt: skip
    """The magnitudes of the differences between two maps, of shape (H, W) or (H, W, C), for display."""
    first, second = as_planes(one), as_planes(another)
    held = ValueRange.of(np.dtype(np.float32))
    statistics, display = MapStatistics(first.shape, held), MapDisplay(first.shape, held, panel)
    for rows in row_chunks(stage.shape[0]):
        with np.errstate(over="ignore", invalid="ignore"):  # values near the limits of float32
            change = np.abs(output_values(first[:, rows], scale) - output_values(second[:, rows], scale))
        for observer in (statistics, display):
            observer.observe(slice(None), change, rows.start)
    return replace(
        stage, name="difference", title="Difference", statistics=statistics.result(1.0), display=display.result(1.0),
        detail=None,
    )  # fmt: skip
