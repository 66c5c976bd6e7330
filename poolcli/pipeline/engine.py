"""Applies a recipe to a picture: the recipe's steps become stages, and one run of them gives a `Result`."""

from __future__ import annotations

import os
from copy import copy
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from poolcli.display import display_name
from poolcli.errors import ImageError, OptionError, PoolcliError, SizeError
from poolcli.images.safe_open import MAX_PIXELS
from poolcli.ops import strips
from poolcli.ops.arrays import thread_count
from poolcli.ops.pool_stage import PoolStage
from poolcli.ops.pools import POOLS
from poolcli.ops.settings import flag
from poolcli.pipeline.cores import available_cores
from poolcli.pipeline.detail import check_place, with_detail
from poolcli.pipeline.observers import MapCopy, MapDisplay, MapObservers, MapStatistics, RunObservers, RunProgress
from poolcli.pipeline.plan import input_values, map_names, plan, plan_for
from poolcli.pipeline.recipe import Recipe
from poolcli.pipeline.result import Result, StageResult
from poolcli.pipeline.steps import Conv2D, Pool, ReLU

if TYPE_CHECKING:
    from collections.abc import Container

    from poolcli.images.read import Picture
    from poolcli.ops.settings import Pair
    from poolcli.ops.value_range import ValueRange
    from poolcli.pipeline.plan import PlacedStep


ALGORITHM = 2
"""Increased when the same recipe makes other pixels than before: `batch` then makes older results again."""

THREAD_CELLS = 1 << 24
"""Pixels for each thread, at least: one thread takes some 20 ms for them, and threads wait for the interpreter's lock."""


def read_picture(image: Any, recipe: Recipe) -> Picture:
    """Read the picture for a recipe: a file, a Pillow image or an array.

    Raises
    ------
    OptionError
        `recipe` is none.
    ImageError
        The picture cannot be read; for a file, its name stands first.
    SizeError
        A window does not fit its map.
    """
    from poolcli.images import read

    if not isinstance(recipe, Recipe):
        msg = f"recipe of type {type(recipe).__name__}: make one with poolcli.recipe(...)"
        raise OptionError(msg)
    if not isinstance(image, str | os.PathLike):
        return read.from_array(image, **reading(recipe))
    try:
        return read.read(image, **reading(recipe))
    except (ImageError, SizeError) as error:
        msg = f"{display_name(image)}: {error}"
        raise type(error)(msg) from None


def reading(recipe: Recipe, max_pixels: int | None = None) -> dict[str, Any]:
    """The keywords with which `images.read` reads a picture for this recipe, sizes checked before it is decoded."""
    limit = MAX_PIXELS if max_pixels is None else max_pixels
    return {
        **({} if max_pixels is None else {"max_pixels": max_pixels}),
        "channels": recipe.channels,
        "layout": recipe.layout,
        "background": recipe.background,
        "nan": recipe.nan,
        "nodata": recipe.nodata,
        "page": recipe.page,
        "own_numbers": recipe.range == "raw",
        "resize": recipe.resize,
        "resize_filter": recipe.resize_filter,
        "check": lambda height, width, channels: plan(recipe, (height, width), channels, max_pixels=limit),
    }


def execute(
    picture: Picture,
    recipe: Recipe,
    *,
    threads: int | None = None,
    statistics: bool = True,
    panel: int = 0,
    every_map: bool = False,
    detail: Pair | None = None,
    keep_maps: bool | Container[str] = False,
    indices: bool = False,
    progress: RunProgress | None = None,
    plane: int = 0,
) -> Result:
    """Apply a recipe to a picture that has been read.

    Parameters
    ----------
    picture : Picture
    recipe : Recipe
    threads : int, optional
        The cores by default, for large pictures; the result does not depend on it.
    statistics : bool
        Whether `Result.stages` have minimum, maximum, mean and active share.
    panel : int
        Largest side of the maps kept for display; 0 keeps none. Where one is reduced to that, the maps at one place
        of the picture are kept at full resolution too.
    every_map : bool
        Keep those of repeats that a comparison leaves out as well.
    detail : (top, left), optional
        The corner of that place; by default where the detect step is busiest.
    keep_maps : bool or container of str
        Keep every map, or those with these names, whole in `Result.maps`.
    indices : bool
        Keep the winners' positions of the last pooling step.
    progress : RunProgress, optional
        Counts the rows of the result as they are computed.
    plane : int
        Which of a picture's channels this one is, or the first of these: stochastic pooling draws by it.

    Raises
    ------
    OptionError
        Indices of a recipe whose last pooling step has no winners.
    SizeError
        A window does not fit its map.
    """
    statistics = flag("statistics", statistics)
    values = picture.values
    planes = values[None] if values.ndim == 2 else np.moveaxis(values, -1, 0)
    check_place(detail, (planes.shape[1], planes.shape[2]))
    white, scale = units(picture, recipe)
    placed = plan_for(plan(recipe, (planes.shape[1], planes.shape[2]), len(planes), planes.dtype), scale, plane)
    stages = [stage for one in placed for stage in one.stages]
    winners = None
    if indices:
        check_indices(recipe)
        winners = _winners(stages, len(planes))

    names = map_names(recipe)
    kept = keep_maps if not isinstance(keep_maps, bool) else names if keep_maps else ()

    def observers(
        name: str,
        shape: Pair,
        held: ValueRange,
        *,
        signed: bool = False,
        drawn: bool = True,
        before: MapStatistics | None = None,
    ) -> MapObservers:
        whole = (len(planes), *shape)
        return MapObservers(
            MapStatistics(whole, held, before) if statistics else None,
            MapDisplay(whole, held, panel, signed) if panel and drawn else None,
            MapCopy(whole, held) if name in kept else None,
        )

    size = (planes.shape[1], planes.shape[2])
    observed = [observers(names[0], size, input_values(recipe, planes.dtype))]
    of_stages: list[MapObservers | None] = [observed[0]]
    for name, one in zip(names[1:], placed, strict=True):
        signed = isinstance(one.step, Conv2D)
        before = observed[-1].statistics if isinstance(one.step, ReLU) else None
        observed.append(
            observers(name, one.shape, one.values, signed=signed, drawn=one.drawn or every_map, before=before)
        )
        of_stages += [*[None] * (len(one.stages) - 1), observed[-1]]

    if progress is not None:
        progress.rows = len(planes) * placed[-1].shape[0]
        observed[-1] = of_stages[-1] = observed[-1]._replace(progress=progress)

    raw = np.empty((len(planes), *placed[-1].shape), placed[-1].values.dtype)
    count = _threads_worth(planes.size) if threads is None else thread_count(threads)
    strips.run(planes, stages, raw, threads=count, watcher=RunObservers(of_stages))

    with np.errstate(over="ignore", invalid="ignore"):  # as in the output, which is float32
        input_stage = StageResult("input", "Input", "input", {}, size, (1, 1), (1.0, 1.0), *observed[0].found(scale))
        made = [input_stage, *(_described(one, seen, scale) for one, seen in zip(placed, observed[1:], strict=True))]
        if any(stage.display is not None and stage.display.factor > 1 for stage in made):
            made = with_detail(planes, placed, made, scale, detail)
    return Result(
        recipe=recipe,
        source=picture.source,
        channels=len(planes),
        input=made[0],
        stages=tuple(made[1:]),
        raw=_last(raw, values.ndim),
        scale=scale,
        white=white,
        depth=picture.depth,
        notes=picture.notes,
        leading=picture.leading,
        indices=None if winners is None else _indices(winners, picture),
        raw_maps={
            name: _last(seen.copy.values, values.ndim)
            for name, seen in zip(names, observed, strict=True)
            if seen.copy is not None
        },
    )


def planned_sizes(path: str | BinaryIO, recipe: Recipe, max_pixels: int | None = None) -> tuple[Pair, Pair]:
    """Size of a picture and of its result, from the file's header; nothing is decoded.

    An exception ends the reading where its size is known: each format finds it in its own way (the page, the
    orientation, a GIF's canvas), which another function for headers alone would have to repeat.

    Raises
    ------
    ImageError
        The file cannot be read as a picture.
    SizeError
        A window does not fit its map.
    """
    from poolcli.images.read import read

    def seen(height: int, width: int, channels: int) -> None:
        placed = plan(recipe, (height, width), channels, max_pixels=max_pixels)
        raise _SizesKnownError((height, width), placed[-1].shape)

    try:
        read(path, **{**reading(recipe, max_pixels), "check": seen})
    except _SizesKnownError as end:
        return end.sizes
    raise AssertionError("pictures are announced before they are decoded")


class _SizesKnownError(PoolcliError):
    """Raised to end the reading of a picture once its size is known."""

    def __init__(self, *sizes: Pair) -> None:
        self.sizes = (sizes[0], sizes[1])


def _last(planes: np.ndarray[Any, Any], ndim: int) -> np.ndarray[Any, Any]:
    return planes[0] if ndim == 2 else np.ascontiguousarray(np.moveaxis(planes, 0, -1))


def _indices(winners: np.ndarray[Any, Any], picture: Picture) -> np.ndarray[Any, Any]:
    if picture.leading is None:
        return _last(winners, picture.values.ndim)
    return winners.reshape(*picture.leading, *winners.shape[1:])


def units(picture: Picture, recipe: Recipe) -> tuple[float, float]:
    """The raw value of white, and what raw values are multiplied by to be in the recipe's range."""
    full = 255.0 if recipe.range == "byte" else 1.0
    if picture.depth is None:
        return full, 1.0
    white = float((1 << picture.depth) - 1)
    return white, 1.0 if recipe.range == "raw" else full / white


def check_indices(recipe: Recipe) -> None:
    """Refuse to look for winners where the last pooling step has none.

    Raises
    ------
    OptionError
    """
    kinds = [step.kind for step in recipe.stages if isinstance(step, Pool)]
    if not kinds or POOLS[kinds[-1]].winner is None:
        names = " or ".join(name for name, pool in POOLS.items() if pool.winner)
        msg = f"indices of {kinds[-1] if kinds else 'no'} pooling: use {names}, or leave indices out"
        raise OptionError(msg)


def check_pools(recipe: Recipe) -> None:
    """Refuse a ladder of a recipe that does not pool.

    Raises
    ------
    OptionError
    """
    if not any(isinstance(step, Pool) for step in recipe.stages):
        msg = "ladder of a recipe without pooling: --pool KIND adds a pooling step"
        raise OptionError(msg)


def _winners(stages: list[strips.Stage], planes: int) -> Any:
    """The array that the last pooling fills with positions: in `stages`, a copy of its stage takes its place."""
    last, stage = next((i, one) for i, one in reversed([*enumerate(stages)]) if isinstance(one, PoolStage))
    winners = np.empty((planes, *stage.shape), np.int64)
    stages[last] = filling = copy(stage)  # plans are kept for other pictures
    filling.indices = winners
    return winners


def _described(one: PlacedStep, seen: MapObservers, scale: float) -> StageResult:
    return StageResult(
        one.step.op, one.step.title, one.label, dict(one.parameters), one.shape, one.receptive_field, one.total_stride,
        *seen.found(scale),
    )  # fmt: skip


def _threads_worth(cells: int) -> int:
    """The cores, but at most one thread for every `THREAD_CELLS` pixels of the picture."""
    most = cells // THREAD_CELLS
    return 1 if most <= 1 else min(cores(), most)


def cores() -> int:
    """How many processors this process may use, by its affinity and its container's quota."""
    return available_cores()
