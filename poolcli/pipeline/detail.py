"""The position of maps over the input, and the part of a picture that a figure enlarges in every step."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli.errors import SizeError
from poolcli.images.quantize import output_values as scaled
from poolcli.ops import strips
from poolcli.pipeline.result import Patch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from poolcli.ops.settings import Pair
    from poolcli.pipeline.plan import PlacedStep
    from poolcli.pipeline.result import StageResult

ROWS, COLUMNS = 48, 64
"""Size of the place, in pixels of the input."""
BORDER = 8
"""Pixels at the border of the picture that are avoided: padding makes strong edges there."""


def offsets(stages: Sequence[StageResult]) -> list[tuple[float, float]]:
    """The position of the first cell of each map, in pixels of the first map of `stages`, the input.

    A cell of total stride S is drawn as a square of S x S pixels, in the middle of what its window reads.
    """
    found = [(0.0, 0.0)]
    for before, stage in pairwise(stages):
        pads = stage.parameters.get("pads") or ((0, 0), (0, 0))
        place = []
        for axis in (0, 1):
            step, field = before.total_stride[axis], stage.receptive_field[axis] - before.receptive_field[axis]
            centre = (field - (stage.total_stride[axis] - step)) / 2
            place.append(found[-1][axis] + centre - step * pads[axis][0])
        found.append((place[0], place[1]))
    return found


def unread(before: StageResult, stage: StageResult) -> Pair:
    """How many rows at the bottom and columns at the right of a map no window of the next step reads.

    Examples
    --------
    >>> from poolcli.pipeline.result import StageResult
    >>> detect = StageResult("relu", "Detect", "detect", {}, (5, 7), (1, 1), (1.0, 1.0))
    >>> unread(detect, StageResult("pool2d", "MaxPool", "pooling", {"pads": ((0, 0), (0, 0))}, (2, 3), (2, 2), (2.0, 2.0)))
    (1, 1)
    """
    if stage.name not in ("pool2d", "conv2d"):
        return 0, 0
    pads = stage.parameters.get("pads") or ((0, 0), (0, 0))
    left = []
    for axis in (0, 1):
        step = before.total_stride[axis]
        window = round((stage.receptive_field[axis] - before.receptive_field[axis]) / step) + 1
        stride = round(stage.total_stride[axis] / step)
        end = (stage.shape[axis] - 1) * stride - pads[axis][0] + window
        left.append(max(0, before.shape[axis] - end))
    return left[0], left[1]


def place_of(stages: Sequence[StageResult], shown: Sequence[int]) -> Pair:
    """The top left corner of the busiest place, away from the border: in Detect, else in Filter, else in the input.

    Busy is where neighbouring values differ: an even area may be bright in Detect, where a kernel's weights have a sum.
    """
    best = next((i for i in reversed(shown) if stages[i].name == "relu"), None)
    best = next((i for i in shown if stages[i].name == "conv2d"), 0) if best is None else best
    display = stages[best].display
    assert display is not None
    plane = display.values if display.values.ndim == 2 else display.values.mean(axis=2)
    cells = np.nan_to_num(plane).astype(np.float64)  # differences of float32's largest values have no place in float32
    values = _differences(cells, 0) + _differences(cells, 1)
    step = [display.factor * stages[best].total_stride[axis] for axis in (0, 1)]  # pixels of the input in a cell
    high, wide = (
        max(1, min(round(n / s), side)) for n, s, side in zip((ROWS, COLUMNS), step, values.shape, strict=True)
    )
    sums = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    sums[1:, 1:] = values.cumsum(axis=0).cumsum(axis=1)
    busy = sums[high:, wide:] - sums[:-high, wide:] - sums[high:, :-wide] + sums[:-high, :-wide]
    margins = [math.ceil(BORDER / s) for s in step]
    margins = [m if n > 2 * m else 0 for m, n in zip(margins, busy.shape, strict=True)]
    inside = busy[margins[0] : busy.shape[0] - margins[0], margins[1] : busy.shape[1] - margins[1]]
    row, column = np.unravel_index(np.argmax(inside), inside.shape)
    return int((row + margins[0]) * step[0]), int((column + margins[1]) * step[1])


def _differences(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """How far each value lies from the next one along `axis`; 0 for the last."""
    return np.abs(np.diff(values, axis=axis, append=np.take(values, [-1], axis)))


def check_place(at: Pair | None, shape: Pair) -> None:
    """Refuse a corner outside a picture of `shape`.

    Raises
    ------
    SizeError
    """
    height, width = shape
    if at is not None and not (0 <= at[0] < height and 0 <= at[1] < width):
        msg = f"detail {at[0]},{at[1]} lies outside the picture of {height}x{width}: at most {height - 1},{width - 1}"
        raise SizeError(msg)


def with_detail(
    planes: NDArray[Any], placed: Sequence[PlacedStep], stages: Sequence[StageResult], scale: float, at: Pair | None
) -> list[StageResult]:
    """The input and the stages; those that a comparison shows get the part of their map at one place.

    Parameters
    ----------
    planes : ndarray of shape (P, H, W)
        The picture.
    placed : sequence of PlacedStep
    stages : sequence of StageResult
        The input, and the stage of every placed step.
    scale : float
    at : (top, left) or None
        The place's corner; the busiest place when None.
    """
    height, width = stages[0].shape
    shown = shown_maps(stages)
    last = shown[-1]
    steps, begin = [s.total_stride for s in stages], offsets(stages)
    squares = [_square(stages[i]) for i in range(len(stages))]
    corner, size = [], []
    wanted = place_of(stages, shown) if at is None else at
    for axis, (side, most) in enumerate(((height, ROWS), (width, COLUMNS))):
        step = int(steps[last][axis]) if squares[last] else 1
        length = min(most - most % step or most, side)
        first = min(wanted[axis], side - length)
        if at is None:  # on the border of an output
            first = max(0, first - math.floor(first - begin[last][axis]) % step)
        corner.append(first)
        size.append(length)
    made = list(stages)
    made[0] = replace(stages[0], detail=_patch(planes, stages[0], (0.0, 0.0), corner, size, 0, scale))
    for i in shown[1:]:
        rows = _inside(stages[i], begin[i][0], corner[0], size[0], 0) if squares[i] else (0, 0)
        ops = [stage for one in placed[:i] for stage in one.stages]
        if rows[0] < rows[1] and len(ops) <= strips.DEEPEST:
            values = strips.run_rows(planes, ops, rows)
            made[i] = replace(stages[i], detail=_patch(values, stages[i], begin[i], corner, size, rows[0], scale))
    return made


def shown_maps(stages: Sequence[StageResult]) -> list[int]:
    """Which maps a comparison shows: the input (0), the first filter, the detect step after it, and the last map."""
    filters = [i for i, stage in enumerate(stages) if stage.name == "conv2d"]
    after = filters[0] + 1 if filters else 1
    detect = [after] if after < len(stages) and stages[after].name == "relu" else []
    return sorted({0, *filters[:1], *detect, len(stages) - 1})


def _square(stage: StageResult) -> bool:
    """Whether each cell stands for whole pixels of the input, and at least two cells fit into the place."""
    if stage.name in ("adaptive_pool2d", "global_pool2d"):
        return False
    return all(s == int(s) and 2 * s <= n for s, n in zip(stage.total_stride, (ROWS, COLUMNS), strict=True))


def _inside(stage: StageResult, begin: float, corner: int, size: int, axis: int) -> Pair:
    """Those cells of a map, along an axis, that lie inside the place."""
    step = stage.total_stride[axis]
    first = max(0, math.ceil((corner - begin) / step))
    return first, min(stage.shape[axis], math.floor((corner + size - begin) / step))


def _patch(
    rows: NDArray[Any],
    stage: StageResult,
    begin: tuple[float, float],
    corner: list[int],
    size: list[int],
    first: int,
    scale: float,
) -> Patch | None:
    """Cut the place out of rows of a map, of which the first has number `first`."""
    (a, b), (c, d) = (_inside(stage, begin[axis], corner[axis], size[axis], axis) for axis in (0, 1))
    if a >= b or c >= d:
        return None
    values = scaled(rows[:, a - first : b - first, c:d], scale)
    step = (int(stage.total_stride[0]), int(stage.total_stride[1]))
    return Patch(
        values[0] if len(values) == 1 else np.ascontiguousarray(np.moveaxis(values, 0, -1)),
        begin[0] + a * step[0],
        begin[1] + c * step[1],
        step,
    )
