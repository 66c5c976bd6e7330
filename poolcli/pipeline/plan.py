"""The plan of a run: every step of a recipe placed on a picture of some size, before a pixel is read."""

from __future__ import annotations

from copy import copy
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from poolcli.errors import SizeError
from poolcli.ops import strips
from poolcli.ops.pool_stage import BinomialStage, PoolStage
from poolcli.ops.pools import POOLS
from poolcli.ops.value_range import ValueRange
from poolcli.ops.windows import AdaptiveAxis
from poolcli.pipeline.steps import Pool, Pool2D

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from poolcli.ops.settings import Pair
    from poolcli.ops.windows import Window
    from poolcli.pipeline.recipe import Recipe
    from poolcli.pipeline.steps import Step


FOLLOWED = 1 << 12
"""Most values whose receptive field is traced back through adaptive windows, whose sizes repeat."""


class PlacedStep(NamedTuple):
    """A step placed on its map: the stages that compute it, and the shape and values of the map after it."""

    step: Step
    label: str
    drawn: bool
    stages: tuple[strips.Stage, ...]
    parameters: dict[str, Any]
    receptive_field: Pair
    total_stride: tuple[float, float]

    @property
    def shape(self) -> Pair:
        """Height and width of the map it makes."""
        return self.stages[-1].shape

    @property
    def values(self) -> ValueRange:
        """What that map holds."""
        return self.stages[-1].values


def expanded(recipe: Recipe) -> Iterator[tuple[Step, str, bool]]:
    """The steps in the order they are done, with blocks and repeats written out.

    With each, what errors call it, and whether its map is drawn: of several repeats only the last is.
    """
    for block in range(1, recipe.blocks + 1):
        inside = f"block {block}, " if recipe.blocks > 1 else ""
        for step in recipe.stages:
            if isinstance(step, Pool2D) and step.repeat > 1:
                for i in range(1, step.repeat + 1):
                    yield step, f"{inside}repeat {i}", i == step.repeat
            else:
                name = {"conv2d": "filter", "relu": "detect"}.get(step.op, "pooling")
                yield step, inside + name, True


def map_names(recipe: Recipe) -> list[str]:
    """What the maps of a run are called in `Result.maps`, and as files: the input's first."""
    return ["0-input", *(f"{number}-{step.op}" for number, (step, *_) in enumerate(expanded(recipe), 1))]


def plan(
    recipe: Recipe, shape: Pair, channels: int = 1, dtype: Any = np.uint8, max_pixels: int | None = None
) -> tuple[PlacedStep, ...]:
    """Place every step of a recipe on a picture of `shape`: all sizes, before a pixel is read.

    Parameters
    ----------
    recipe : Recipe
    shape : (height, width)
        Of the picture before `Recipe.resize`.
    channels : int
    dtype : numpy dtype
        Of the picture.
    max_pixels : int, optional
        What a map may have at most, where a step makes it larger than the one before.

    Raises
    ------
    SizeError
        A window does not fit its map, or a map would be too large; the step is named.

    Examples
    --------
    >>> from poolcli import recipe
    >>> [placed.shape for placed in plan(recipe(recipe="kaggle-exercise"), (300, 451))]
    [(398, 398), (398, 398), (199, 199)]
    """
    shape = recipe.resize or shape
    placed = _placed(recipe, shape, channels, np.dtype(dtype))
    for one in placed:
        height, width = one.shape
        if max_pixels is not None and height * width > max(max_pixels, shape[0] * shape[1]):
            limit = f"--max-pixels {max_pixels} is the limit"
            msg = f"{one.label}: a map of {height}x{width} has {height * width} pixels; {limit}"
            raise SizeError(msg)
        shape = one.shape
    return placed


def input_values(recipe: Recipe, dtype: np.dtype[Any]) -> ValueRange:
    """What a picture of this type holds: with NaN for missing cells where the recipe leaves them out."""
    return ValueRange.of(dtype)._replace(missing=recipe.leaves_out and dtype.kind == "f")


def plan_for(placed: tuple[PlacedStep, ...], unit: float, plane: int) -> tuple[PlacedStep, ...]:
    """The plan for planes from number `plane` on, whose results are multiplied by `unit`: for kinds that depend on it."""
    kinds = [POOLS[one.step.kind] for one in placed if isinstance(one.step, Pool)]
    if not any((kind.absolute and unit != 1) or (kind.draws and plane) for kind in kinds):
        return placed

    def with_unit(stage: strips.Stage) -> strips.Stage:
        if isinstance(stage, PoolStage):
            stage = copy(stage)  # plans are kept for other pictures
            stage.unit, stage.plane = unit, plane
        return stage

    return tuple(one._replace(stages=tuple(with_unit(stage) for stage in one.stages)) for one in placed)


@lru_cache(maxsize=64)
def _placed(recipe: Recipe, shape: Pair, channels: int, dtype: np.dtype[Any]) -> tuple[PlacedStep, ...]:
    """The plan, cached: a picture is planned when its header is read and when it is run, and many have one size."""
    values = input_values(recipe, dtype)
    planes = strips.group_size(channels, shape[1], dtype.itemsize)
    reaches: list[tuple[_Reach, _Reach]] = []
    jump = (1.0, 1.0)
    placed: list[PlacedStep] = []
    for step, label, drawn in expanded(recipe):
        try:
            stages = tuple(step.place(shape, values, planes))
        except SizeError as error:
            again = ", or repeat fewer times" if any(one.step == step for one in placed) else ""
            msg = f"{label}: {error}{again}"
            raise SizeError(msg) from None
        for stage in stages:
            if (reach := _reaches(stage)) is not None:
                reaches.append(reach)
                jump = jump[0] * reach[0].stride, jump[1] * reach[1].stride
        rows, cols = stages[-1].shape
        field = _field([one[0] for one in reaches], rows), _field([one[1] for one in reaches], cols)
        parameters = step.settings()
        if (window := getattr(stages[0], "window", None)) is not None:
            parameters |= {"window": (window.rows.size, window.cols.size), "pads": window.pads}
        placed.append(PlacedStep(step, label, drawn, stages, parameters, field, jump))
        shape, values = stages[-1].shape, stages[-1].values
    return tuple(placed)


class _Reach(NamedTuple):
    """What one value of a map reads along an axis of the map before."""

    extent: int
    stride: float
    before: int
    length: int
    """Cells of the map before."""
    adaptive: AdaptiveAxis | None = None
    first: bool = False
    """Whether only the first cell of each window counts."""
    dilation: int = 1

    def first_cells(self, lo: NDArray[np.int64], hi: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The least and the greatest of the first real cells that windows lo…hi read, for each pair of them.

        Windows that start in the padding begin at one of the first `dilation` cells of the map, in no order.
        """

        def cells(window: NDArray[np.int64]) -> NDArray[np.int64]:
            start = window * int(self.stride) - self.before
            return np.where(start < 0, start % self.dilation, start)

        least, greatest = np.minimum(cells(lo), cells(hi)), np.maximum(cells(lo), cells(hi))
        if self.dilation > 1 and self.before:
            padded = np.minimum(hi + 1, -(-self.before // int(self.stride)))
            for i in range(1, min(int((padded - lo).max()) + 1, self.dilation)):
                cell = cells(np.minimum(lo + i, hi))
                least, greatest = np.minimum(least, cell), np.maximum(greatest, cell)
        return least, greatest


def _reaches(stage: strips.Stage) -> tuple[_Reach, _Reach] | None:
    """Of rows and columns; None for a stage whose values depend on one value each."""
    if isinstance(stage, BinomialStage):
        return _Reach(3, stage.stride[0], 1, stage.size[0]), _Reach(3, stage.stride[1], 1, stage.size[1])
    window: Window | None = getattr(stage, "window", None)
    if window is None:
        return None
    first = isinstance(stage, PoolStage) and stage.kind.first
    rows, cols = (
        _Reach(
            1 if first else axis.extent,
            axis.stride,
            axis.before,
            axis.length,
            axis if isinstance(axis, AdaptiveAxis) else None,
            first,
            axis.dilation,
        )
        for axis in (window.rows, window.cols)
    )
    return rows, cols


def _field(reaches: Sequence[_Reach], out: int) -> int:
    """How many cells of the first map one of `out` values of the last depends on, at most; not clipped at borders.

    r += (extent - 1) * jump, jump *= stride (distill.pub/2019/computing-receptive-fields). Adaptive windows differ in
    size and distance: there the first and last cell of each value are followed back through the maps, which does end
    at the borders. So they are where a window's first cell counts and may be padding: the first real one is read.
    """
    field = 1
    if all(one.adaptive is None for one in reaches):
        jump = 1
        for one in reaches:
            field, jump = field + (one.extent - 1) * jump, jump * int(one.stride)
        if not any(one.first and one.before and one.dilation > 1 for one in reaches):
            return field
    lo = np.arange(min(out, FOLLOWED), dtype=np.int64)
    hi = lo.copy()  # the last cell
    for one in reversed(reaches):
        axis = one.adaptive
        if axis is None and one.first:
            lo, hi = one.first_cells(lo, hi)
        elif axis is None:
            lo, hi = lo * int(one.stride) - one.before, hi * int(one.stride) - one.before + one.extent - 1
            lo, hi = np.maximum(lo, 0), np.minimum(hi, one.length - 1)
        else:
            last = hi * axis.length // axis.out if one.first else -(-(hi + 1) * axis.length // axis.out) - 1
            lo, hi = lo * axis.length // axis.out, last
    return max(field, int((hi - lo).max()) + 1)
