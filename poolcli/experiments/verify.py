"""The same recipe in other engines: each step is fed with poolcli's map before it, and the two results are compared."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from poolcli.experiments.engine_operation import NotExpressibleError, operation_of
from poolcli.experiments.engines import ENGINES
from poolcli.experiments.planes import picture_planes
from poolcli.experiments.promises import promise_of
from poolcli.ops import strips
from poolcli.ops.value_range import ValueRange
from poolcli.ops.windows import AdaptiveAxis
from poolcli.pipeline.engine import THREAD_CELLS, cores
from poolcli.pipeline.plan import plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from poolcli.experiments.engine_operation import Engine, Map, Operation
    from poolcli.images.read import Picture
    from poolcli.ops.settings import Pair
    from poolcli.ops.windows import Axis
    from poolcli.pipeline.plan import PlacedStep
    from poolcli.pipeline.recipe import Recipe

ROUNDS = 3
"""Times that each is run; the fastest counts."""


class FirstDifference(NamedTuple):
    """The first cell that differs, in row-major order.

    Attributes
    ----------
    at : (plane, row, column)
    ours, theirs : float
    rows, cols : (first, last)
        Positions that its window reads, below 0 and from the map's size on in the padding.
    values : ndarray of shape (h, w)
        The part of its window that lies on the map.
    """

    at: tuple[int, int, int]
    ours: float
    theirs: float
    rows: Pair
    cols: Pair
    values: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class StageComparison:
    """One step in one engine.

    Attributes
    ----------
    op, label : str
        As in recipes, and as errors name the step.
    shape : (h, w)
    reason : str
        Why it could not be compared; empty where it was.
    promise : str
        How far apart the results may be, in words.
    kept : bool
        Whether they are no farther apart; True where nothing was compared.
    cells, equal : int
    largest, ulps : float
        The largest difference in value, and in float32 numbers between; infinite beside NaN.
    first : FirstDifference or None
    seconds, engine_seconds : float
    """

    op: str
    label: str
    shape: Pair
    reason: str = ""
    promise: str = ""
    kept: bool = True
    cells: int = 0
    equal: int = 0
    largest: float = 0.0
    ulps: float = 0.0
    first: FirstDifference | None = None
    seconds: float = 0.0
    engine_seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class EngineComparison:
    """All steps in one engine."""

    name: str
    version: str
    stages: list[StageComparison] = field(default_factory=list)

    @property
    def kept(self) -> bool:
        """Whether every promise is kept."""
        return all(stage.kept for stage in self.stages)


class StepMaps(NamedTuple):
    """A step with the map it is fed and the one that poolcli makes, both float32 of shape (planes, rows, columns)."""

    one: PlacedStep
    operation: Operation
    fed: Map
    ours: Map
    seconds: float
    integers: bool
    """Whether poolcli computed on integers."""


def step_maps(picture: Picture, recipe: Recipe, threads: int | None = None) -> Iterator[StepMaps]:
    """Every step of a recipe on the map before it.

    The numbers are the picture's own: 0 to 255 for 8 bits. Maps that float32 does not hold are rounded to it before the
    next step, so that the engine and poolcli are fed the same.
    """
    current = _held_by_float32(picture_planes(picture))
    planned = current.dtype
    for one in plan(recipe, (current.shape[1], current.shape[2]), len(current), current.dtype):
        placed = one
        if current.dtype != planned:  # rounded
            shape = (current.shape[1], current.shape[2])
            placed = one._replace(stages=tuple(one.step.place(shape, ValueRange.of(current.dtype), len(current))))
        planned = one.values.dtype
        made = np.empty((len(current), *placed.shape), placed.values.dtype)
        count = max(1, min(cores(), current.size // THREAD_CELLS)) if threads is None else threads
        seconds = _fastest(partial(strips.run, current, placed.stages, made, threads=count))[0]
        yield StepMaps(
            placed, operation_of(placed), _float32(current), _float32(made), seconds, current.dtype.kind in "iu"
        )
        current = _held_by_float32(made)


def compare_engines(
    engines: Mapping[str, Engine], picture: Picture, recipe: Recipe, threads: int | None = None
) -> list[EngineComparison]:
    """Run the steps of a recipe in several engines.

    Parameters
    ----------
    engines : mapping
        As `load_engines` returns them.
    picture : Picture
    recipe : Recipe
    threads : int, optional
        Of poolcli; the engines use as many as they do by default.
    """
    found = [EngineComparison(name, engine.version) for name, engine in engines.items()]
    for step in step_maps(picture, recipe, threads):
        for comparison, (name, engine) in zip(found, engines.items(), strict=True):
            comparison.stages.append(_compared(name, engine, step))
    return found


def _compared(name: str, engine: Engine, step: StepMaps) -> StageComparison:
    one, ours = step.one, step.ours
    about: dict[str, Any] = {"op": one.step.op, "label": one.label, "shape": one.shape, "seconds": step.seconds}
    if np.isnan(step.fed).any():
        return StageComparison(**about, reason="the map has NaN, of which each engine makes something else")
    try:
        seconds, theirs = _fastest(engine.prepare(step.operation, step.fed))
    except NotExpressibleError as error:
        return StageComparison(**about, reason=str(error))
    except Exception as error:  # noqa: BLE001 - what an engine refuses, it tells by errors of its own
        reason = (str(error).splitlines() or [""])[0]
        return StageComparison(**about, reason=f"{ENGINES[name].title} fails: {type(error).__name__}: {reason}")
    if theirs.shape != ours.shape:
        sizes = "x".join(map(str, theirs.shape[1:]))
        return StageComparison(**about, kept=False, promise=f"a map of this size, and not of {sizes}")
    promise = promise_of(name, one, step.operation, step.fed, ours, integers=step.integers)
    ulps = ulps_between(ours, theirs)
    with np.errstate(invalid="ignore"):
        difference = np.where(ulps == 0, 0.0, np.abs(ours.astype(np.float64) - theirs))
    difference[np.isnan(difference)] = np.inf
    unequal = ulps > 0
    return StageComparison(
        **about,
        promise=promise.text,
        kept=promise.exact and bool(((ulps <= promise.ulps) | (difference <= promise.bound)).all()),
        cells=ours.size,
        equal=ours.size - int(np.count_nonzero(unequal)),
        largest=float(difference.max(initial=0)),
        ulps=float(ulps.max(initial=0)),
        first=_first(step, theirs, unequal) if unequal.any() else None,
        engine_seconds=seconds,
    )


def ulps_between(one: Map, other: NDArray[Any]) -> NDArray[np.float64]:
    """How many float32 numbers lie between the cells of two maps, the other one included; infinite beside NaN.

    Zeros are equal whatever their sign, NaN is equal to NaN.

    Examples
    --------
    >>> ulps_between(np.float32([1, 0, 3]), np.float32([1 + 2**-23, -0.0, np.nan])).tolist()
    [1.0, 0.0, inf]
    """

    def place(values: NDArray[Any]) -> NDArray[np.int64]:
        bits = np.ascontiguousarray(values, np.float32).view(np.int32).astype(np.int64)
        return np.where(bits < 0, -(2**31) - bits, bits)

    found = np.abs(place(one) - place(other)).astype(np.float64)
    missing = np.isnan(one), np.isnan(other)
    found[missing[0] ^ missing[1]] = np.inf
    found[missing[0] & missing[1]] = 0
    return found


def _first(step: StepMaps, theirs: NDArray[Any], unequal: NDArray[np.bool_]) -> FirstDifference:
    plane, row, column = (int(index) for index in np.unravel_index(np.argmax(unequal), unequal.shape))
    window = step.operation.window
    rows, cols = (row, row), (column, column)
    if window is not None:
        rows, cols = _reads(window.rows, row), _reads(window.cols, column)
    height, width = step.fed.shape[1:]
    down, across = (getattr(axis, "dilation", 1) for axis in (window.rows, window.cols)) if window else (1, 1)
    lines = [r for r in range(rows[0], rows[1] + 1, down) if 0 <= r < height]
    columns = [c for c in range(cols[0], cols[1] + 1, across) if 0 <= c < width]
    at = plane, row, column
    return FirstDifference(
        at, float(step.ours[at]), float(theirs[at]), rows, cols, step.fed[plane][np.ix_(lines, columns)]
    )


def _reads(axis: Axis | AdaptiveAxis, window: int) -> Pair:
    """First and last position that a window reads."""
    if isinstance(axis, AdaptiveAxis):
        first, end = axis.needs(window, window + 1)
        return first, end - 1
    first = window * axis.stride - axis.before
    return first, first + axis.extent - 1


def _fastest(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of the fastest of a few runs, and what it returned."""
    best, made = float("inf"), None
    for _ in range(ROUNDS):
        start = time.perf_counter()
        made = work()
        best = min(best, time.perf_counter() - start)
    return best, made


def _float32(values: NDArray[Any]) -> Map:
    return values.astype(np.float32)


def _held_by_float32(values: NDArray[Any]) -> NDArray[Any]:
    """The map itself where float32 has all of its numbers, else rounded to float32."""
    if values.dtype.kind == "f":
        return values.astype(np.float32, copy=False)
    return values if (_float32(values) == values).all() else _float32(values)
