"""How far poolcli's result of a step may be from an engine's: equal bits, some ulps, or a bound on the difference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from poolcli.ops import strips
from poolcli.ops.value_range import ValueRange
from poolcli.ops.window_view import EXACT_CELLS
from poolcli.ops.windows import Axis

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolcli.experiments.engine_operation import Map, Operation
    from poolcli.ops.windows import AdaptiveAxis
    from poolcli.pipeline.plan import PlacedStep

WHOLE = float(1 << 24)
"""Whole numbers below are float32, and so are their sums: in whatever order they are added."""

OWN_ERROR = 5e-7
"""Of a filter of real numbers, times the sum of the magnitudes of its weights and the largest value."""
SUM_ERROR = 2.0**-24
"""Of each addition of float32 in an engine, in the same unit."""
MEAN_ERROR = 1e-6
"""Of an average whose order of additions is not promised, times the mean magnitude of the window."""
EQUAL, WHOLE_SUMS = "equal bit for bit", "equal: sums of whole numbers"
NORM_ERROR = 2e-6
"""Of a p-norm, times itself: engines take powers in float32."""


class Promise(NamedTuple):
    """How far two maps may be apart.

    Attributes
    ----------
    text : str
        In words.
    ulps : int
        Float32 numbers between two cells, at most.
    bound : float or ndarray of shape (planes, h, w)
        Or, instead, their difference, at most.
    exact : bool
        Whether poolcli's map is as near to the exact result as it promises, where that is looked at.
    """

    text: str
    ulps: int = 0
    bound: NDArray[Any] | float = 0.0
    exact: bool = True


def promise_of(
    engine: str, one: PlacedStep, operation: Operation, fed: Map, ours: Map, *, integers: bool = False
) -> Promise:
    """What is promised of a step.

    Parameters
    ----------
    engine : str
        A name of `ENGINES`.
    one : PlacedStep
    operation : Operation
    fed : ndarray of shape (planes, H, W)
        The map before.
    ours : ndarray of shape (planes, h, w)
    integers : bool
        Whether poolcli computes it on integers: its sums are then exact, however large.
    """
    largest = float(np.abs(fed).max(initial=0))
    whole = bool((fed == np.rint(fed)).all())
    if operation.op == "conv2d":
        return _filter_promise(operation, largest, whole=whole)
    if operation.kind not in ("average", "sum", "lp"):
        return Promise(EQUAL)
    assert operation.window is not None
    cells = operation.window.cells
    if operation.kind != "lp" and operation.op == "pool2d" and whole and largest * cells < WHOLE:
        return Promise(WHOLE_SUMS)
    beyond = integers and operation.kind != "lp" and largest * cells >= WHOLE
    if cells > EXACT_CELLS or operation.op == "global_pool2d" or beyond:
        return _large_promise(operation, fed, ours)
    return _small_promise(engine, one, operation, fed, ours, whole=whole)


def _small_promise(engine: str, one: PlacedStep, operation: Operation, fed: Map, ours: Map, *, whole: bool) -> Promise:
    """Of averages, sums and norms of few cells, which engines add up in the same order or nearly so."""
    if operation.kind == "lp":
        return Promise(f"within {NORM_ERROR:g} of the norm", bound=np.abs(ours) * np.float32(NORM_ERROR))
    assert operation.window is not None
    adaptive = operation.window.adaptive
    if engine == "onnxruntime" or (engine == "tensorflow" and adaptive):  # Keras averages rows, then columns
        magnitude = np.empty(ours.shape, np.float32)
        stages = one.step.place((fed.shape[1], fed.shape[2]), ValueRange.of(fed.dtype), len(fed))
        strips.run(np.abs(fed), stages, magnitude)
        return Promise(f"within {MEAN_ERROR:g} of the mean magnitude", bound=magnitude * np.float32(MEAN_ERROR))
    twice = whole and adaptive  # PyTorch divides such a sum by the height, then by the width
    return Promise(EQUAL) if engine == "torch" and not twice else Promise("within 1 ulp", 1)


def _filter_promise(operation: Operation, largest: float, *, whole: bool) -> Promise:
    weights = operation.weights
    assert weights is not None
    total = float(np.abs(weights.astype(np.float64)).sum())
    if whole and (weights == np.rint(weights)).all() and total * largest < WHOLE:
        return Promise(WHOLE_SUMS)
    bound = (OWN_ERROR + weights.size * SUM_ERROR) * total * largest
    return Promise(f"within {bound:.2g}, rounding of {weights.size} products", bound=bound)


def _large_promise(operation: Operation, fed: Map, ours: Map) -> Promise:
    """Of windows of many cells, or large sums of integers.

    poolcli is near the exact result, and the engine as near as sums of float32 can be.
    """
    assert operation.window is not None
    cells = operation.window.cells
    norm = operation.kind == "lp"
    own, what = (NORM_ERROR, "norm") if norm else (MEAN_ERROR, operation.kind)
    magnitude = np.abs(ours).astype(np.float64) if norm else exact_result(operation, np.abs(fed))
    result = exact_result(operation, fed)
    exact = bool((np.abs(ours - result) <= own * magnitude).all())
    return Promise(
        f"within {own:g} of the exact {what}, and of the engine's as far as a float32 sum of {cells:,} cells is exact",
        bound=(own + cells * SUM_ERROR) * magnitude,
        exact=exact,
    )


def exact_result(operation: Operation, fed: Map) -> NDArray[np.float64]:
    """An average, a sum or a norm from sums of float64, shape (planes, h, w).

    Windows are rectangles of a table of sums; dilated ones are added up row by row and column by column.
    """
    assert operation.window is not None
    norm = operation.kind == "lp"
    p = operation.parameters["p"] if norm else 1.0
    values = np.abs(fed.astype(np.float64)) ** p if norm else fed.astype(np.float64)
    for along, axis in ((1, operation.window.rows), (2, operation.window.cols)):
        values = _window_sums(values, axis, along)
    if norm:
        return values ** (1 / p)
    return values / operation.counts if operation.kind == "average" else values


def _window_sums(values: NDArray[np.float64], axis: Axis | AdaptiveAxis, along: int) -> NDArray[np.float64]:
    """The sums over the windows of one axis."""
    if isinstance(axis, Axis) and axis.dilation > 1:
        shape = list(values.shape)
        shape[along] = axis.out
        total = np.zeros(shape)
        for out, cells in axis.offsets(0, axis.out, 0):
            total[(slice(None),) * along + (out,)] += values[(slice(None),) * along + (cells,)]
        return total
    if isinstance(axis, Axis):
        starts = np.arange(axis.out) * axis.stride - axis.before
        ends = np.clip(starts + axis.extent, 0, axis.length)
        starts = np.clip(starts, 0, axis.length)
    else:
        starts, ends = axis.starts(0, axis.out), axis.ends(0, axis.out)
    sums = np.cumsum(values, axis=along)
    zero = np.zeros_like(np.take(sums, [0], axis=along))
    sums = np.concatenate([zero, sums], axis=along)
    return np.take(sums, ends, axis=along) - np.take(sums, starts, axis=along)
