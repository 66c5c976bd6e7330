"""From a recipe and a picture to a `Result`: the recipe's steps become stages, one run takes the picture through them."""

from __future__ import annotations

import os
from copy import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli.errors import ImageError, OptionError, PoolcliError, SizeError
from poolcli.ops import strips
from poolcli.ops.arrays import thread_count
from poolcli.ops.condense import PoolStage
from poolcli.ops.kinds import POOLS
from poolcli.ops.values import Values
from poolcli.pipeline.plan import map_names, plan
from poolcli.pipeline.recipe import Recipe
from poolcli.pipeline.result import Result, Stage
from poolcli.pipeline.steps import Conv2D, Pool, ReLU
from poolcli.pipeline.watch import MapCopy, MapDisplay, MapStatistics, MapWatch, Watch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poolcli.images.read import Picture
    from poolcli.ops.windows import Pair
    from poolcli.pipeline.plan import Placed


ALGORITHM = 1
"""Raised when the same recipe makes other pixels than before: results of an older number are made again."""

THREAD_CELLS = 1 << 24
"""Pixels that a thread should have to itself: one takes some 20 ms for them, and two share an interpreter's lock."""


def run(image: Any, recipe: Recipe | None = None, threads: int | None = None, statistics: bool = True) -> Result:
    """Take one picture through a recipe.

    Parameters
    ----------
    image : path or array_like of shape (H, W) or (H, W, C)
        A file that `poolcli run` reads, or an array: uint8 and uint16 are pictures (0…1 in the unit range), floats are
        used as they are.
    recipe : Recipe, optional
        What to do; 2x2 max pooling by default. Made by `poolcli.recipe`.
    threads : int, optional
        The cores by default, for large pictures; the result does not depend on it.
    statistics : bool
        Whether `Result.stages` have minimum, maximum, mean and active share.

    Returns
    -------
    Result
        `output` is the final map as float32, (H, W) or (H, W, C).

    Raises
    ------
    ImageError
        The picture cannot be read.
    SizeError
        A window does not fit its map.

    Examples
    --------
    >>> import numpy as np
    >>> from poolcli import recipe
    >>> result = run(np.arange(16, dtype=np.uint8).reshape(4, 4), recipe(range="byte"))
    >>> result.output
    array([[ 5.,  7.],
           [13., 15.]], dtype=float32)
    """
    from poolcli.images import read

    recipe = recipe or Recipe()
    if not isinstance(recipe, Recipe):
        msg = f"recipe of type {type(recipe).__name__}: a Recipe made by poolcli.recipe(...) expected"
        raise OptionError(msg)
    if not isinstance(image, str | os.PathLike):
        return execute(read.from_array(image, **reading(recipe)), recipe, threads=threads, statistics=statistics)
    try:
        picture = read.read(image, **reading(recipe))
    except (ImageError, SizeError) as error:
        msg = f"{read.display_name(image)}: {error}"
        raise type(error)(msg) from None
    return execute(picture, recipe, threads=threads, statistics=statistics)


def reading(recipe: Recipe, max_pixels: int | None = None) -> dict[str, Any]:
    """The keywords with which `images.read` reads a picture for this recipe, sizes checked before it is decoded."""
    return {
        **({} if max_pixels is None else {"max_pixels": max_pixels}),
        "channels": recipe.channels,
        "background": recipe.background,
        "nan": recipe.nan,
        "resize": recipe.resize,
        "resize_filter": recipe.resize_filter,
        "check": lambda height, width, channels: plan(recipe, (height, width), channels, max_pixels=max_pixels),
    }


def execute(
    picture: Picture,
    recipe: Recipe,
    *,
    threads: int | None = None,
    statistics: bool = True,
    panel: int = 0,
    keep_maps: bool = False,
    indices: bool = False,
) -> Result:
    """Take a picture that has been read through a recipe.

    Parameters
    ----------
    picture : Picture
    recipe : Recipe
    threads, statistics
        As in `run`.
    panel : int
        Largest side of the maps kept for display; 0 keeps none.
    keep_maps : bool
        Keep every map whole in `Result.maps`.
    indices : bool
        Keep the winners' positions of the last pooling step.

    Raises
    ------
    OptionError
        Indices of a recipe whose last pooling step has no winners.
    SizeError
        A window does not fit its map.
    """
    values = picture.values
    planes = values[None] if values.ndim == 2 else np.moveaxis(values, -1, 0)
    placed = plan(recipe, (planes.shape[1], planes.shape[2]), len(planes), planes.dtype)
    white, scale = _units(picture, recipe)
    stages = [stage for one in placed for stage in one.stages]
    winners = None
    if indices:
        check_indices(recipe)
        winners = _winners(stages, len(planes))

    def look(
        shape: Pair, held: Values, rule: str, *, drawn: bool = True, before: MapStatistics | None = None
    ) -> MapWatch:
        whole = (len(planes), *shape)
        return MapWatch(
            MapStatistics(whole, held, before) if statistics else None,
            MapDisplay(whole, held, panel, rule) if panel and drawn else None,
            MapCopy(whole, held) if keep_maps else None,
        )

    size = (planes.shape[1], planes.shape[2])
    rule = _display_rule(placed)
    looks = [look(size, Values.of(planes.dtype), "mean")]
    seen: list[MapWatch | None] = [looks[0]]
    for one in placed:
        kind = "largest" if isinstance(one.step, Conv2D) else rule
        before = looks[-1].statistics if isinstance(one.step, ReLU) else None
        looks.append(look(one.shape, one.values, kind, drawn=one.drawn, before=before))
        seen += [*[None] * (len(one.stages) - 1), looks[-1]]

    raw = np.empty((len(planes), *placed[-1].shape), placed[-1].values.dtype)
    count = _threads_worth(planes.size) if threads is None else thread_count(threads)
    strips.run(planes, stages, raw, threads=count, watcher=Watch(seen))

    with np.errstate(over="ignore"):  # as in the output, which is float32
        input_stage = Stage("input", "Input", "input", {}, size, (1, 1), (1.0, 1.0), *looks[0].found(scale))
        made = tuple(_described(one, look, scale) for one, look in zip(placed, looks[1:], strict=True))
    return Result(
        recipe=recipe,
        source=picture.source,
        channels=len(planes),
        input=input_stage,
        stages=made,
        raw=_last(raw, values.ndim),
        scale=scale,
        white=white,
        depth=picture.depth,
        notes=picture.notes,
        indices=None if winners is None else _last(winners, values.ndim),
        raw_maps={
            name: _last(look.copy.values, values.ndim)
            for name, look in zip(map_names(recipe), looks, strict=True)
            if look.copy is not None
        },
    )


def preview(path: str, recipe: Recipe, max_pixels: int | None = None) -> tuple[Pair, Pair]:
    """Size of a picture and of its result, from the file's header; nothing is decoded.

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
        raise _SeenError((height, width), placed[-1].shape)

    try:
        read(path, **{**reading(recipe, max_pixels), "check": seen})
    except _SeenError as end:
        return end.sizes
    raise AssertionError("pictures are announced before they are decoded")


class _SeenError(PoolcliError):
    """Ends a reading that has shown its size."""

    def __init__(self, *sizes: Pair) -> None:
        self.sizes = (sizes[0], sizes[1])


def _last(planes: np.ndarray[Any, Any], ndim: int) -> np.ndarray[Any, Any]:
    return planes[0] if ndim == 2 else np.ascontiguousarray(np.moveaxis(planes, 0, -1))


def _units(picture: Picture, recipe: Recipe) -> tuple[float, float]:
    """The raw value of white, and what raw values are multiplied by to be in the recipe's range."""
    full = 255.0 if recipe.range == "byte" else 1.0
    if picture.depth is None:
        return full, 1.0
    white = float((1 << picture.depth) - 1)
    return white, full / white


def _display_rule(placed: Sequence[Placed]) -> str:
    kinds = [one.step.kind for one in placed if isinstance(one.step, Pool)]
    return POOLS[kinds[-1]].display if kinds else "max"


def check_indices(recipe: Recipe) -> None:
    """Refuse to look for winners where the last pooling step has none.

    Raises
    ------
    OptionError
    """
    kinds = [step.kind for step in recipe.stages if isinstance(step, Pool)]
    if not kinds or POOLS[kinds[-1]].winner is None:
        names = " or ".join(name for name, pool in POOLS.items() if pool.winner)
        msg = f"indices of {kinds[-1] if kinds else 'no'} pooling: {names} expected"
        raise OptionError(msg)


def _winners(stages: list[strips.Stage], planes: int) -> Any:
    """The array that the last pooling fills with positions; in `stages`, a copy that knows it takes its place."""
    last, stage = next((i, one) for i, one in reversed([*enumerate(stages)]) if isinstance(one, PoolStage))
    winners = np.empty((planes, *stage.shape), np.int64)
    stages[last] = aware = copy(stage)
    aware.indices = winners
    return winners


def _described(one: Placed, look: MapWatch, scale: float) -> Stage:
    return Stage(
        one.step.op, one.step.title, one.label, dict(one.parameters), one.shape, one.receptive_field, one.total_stride,
        *look.found(scale),
    )  # fmt: skip


def _threads_worth(cells: int) -> int:
    """The cores, but no more threads than `THREAD_CELLS` fit into the picture: a small one costs more to share."""
    return max(1, min(cores(), cells // THREAD_CELLS))


def cores() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
