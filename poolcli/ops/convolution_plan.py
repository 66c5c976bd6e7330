"""How a convolution is computed: the plan that takes least time by count, chosen per kernel, type and geometry.

Costs are counted in passes of numpy's loops over one float32 cell: a weight takes two (a product, a sum), a float64
cell counts twice. All plans give the exact result for whole weights on integers, and all others a result within 5e-7
times the sum of the absolute weights, times the largest value, of the exact one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli.ops.borders import BorderedWindow
from poolcli.ops.convolution_balanced import BalancedStage, balanced_cost, balanced_factors
from poolcli.ops.convolution_direct import TermStage
from poolcli.ops.convolution_fft import LARGEST_EXACT, TileStage, tile_cost
from poolcli.ops.convolution_integer import IntegerStage
from poolcli.ops.convolution_matrix import MatrixStage, factors_cost, matrix_cost
from poolcli.ops.kernels import factors, is_balanced, low_rank
from poolcli.ops.value_range import ValueRange

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from poolcli.ops.windows import Window

    FloatStage = TermStage | MatrixStage | TileStage

LARGEST_FLOAT32 = 2.0**120
"""Sums that could be larger are computed in float64: they may leave float32's range on the way to one that does not."""

LARGEST_SUM = 2.0**100
"""The same for weights on floats, whose largest value is not known."""

FEW = 5
"""Most weights of a kernel whose rank is not computed."""

FLOAT32_PASSES = 50
"""A sum of more weights is computed in float64: its rounding would otherwise show in the seventh digit."""


def filtered_values(before: ValueRange, weights: NDArray[np.float64], passes: int) -> ValueRange:
    """What a filtered map holds: the smallest integer type for whole weights on integers, else floats.

    `passes` is how many weights are added up one after the other.
    """
    total = float(np.abs(weights).sum())
    if before.low is not None and before.high is not None:
        if (weights == np.round(weights)).all():
            ends = [sorted((int(w) * before.low, int(w) * before.high)) for w in weights.flat if w]
            values = ValueRange.integers(min(0, sum(e[0] for e in ends)), max(0, sum(e[1] for e in ends)))
            if values.whole:
                return values
        largest = max(abs(before.low), abs(before.high))
        total_large = largest >= 1 << 24 or total * largest > LARGEST_FLOAT32  # float32 rounds integers from 2^24 on
    else:
        total_large = total > LARGEST_SUM
    wide = before.dtype.itemsize > 4 or passes > FLOAT32_PASSES or total_large
    return ValueRange(np.dtype(np.float64 if wide else np.float32))


def stage_for(
    window: Window, before: ValueRange, weights: NDArray[np.float64], planes: int, mode: str = "zeros"
) -> FloatStage:
    """The stage that filters a map of `before` values, by the plan that takes least time.

    Raises
    ------
    SizeError
        The padding is too large to reflect.
    """
    used = int(np.count_nonzero(weights))
    values = filtered_values(before, weights, used)
    if values.whole:
        return _integer_stage(window, before, values, weights, planes, mode)
    real = filtered_values(before, weights, 0)
    if used <= FEW and is_balanced(weights):  # products of equal weights are rounded alike, so that they cancel
        return TermStage(window, values, weights, planes, mode)
    factor = low_rank(weights) if used > FEW else []
    whole, apart = (_sum_type(before, weights, passes) for passes in (used, len(factor) * sum(weights.shape)))
    if is_balanced(weights) and not all(is_balanced(column) or is_balanced(row) for column, row in factor):
        factor = []  # their sum would not be 0 in flat areas
    plans: list[tuple[float, Callable[[], FloatStage]]] = [
        (_term_cost(window, weights, whole), lambda: TermStage(window, ValueRange(whole), weights, planes, mode)),
        (tile_cost(window), lambda: TileStage(window, before, real, weights, mode)),
    ]
    if BorderedWindow(window, mode).compact:
        cost = matrix_cost(window, weights.shape, whole)
        plans.append((cost, lambda: MatrixStage(window, real, whole, weights, mode)))
        if factor:
            cost = factors_cost(window, len(factor), apart)
            plans.append((cost, lambda: MatrixStage(window, real, apart, weights, mode, factor)))
    settled = (
        balanced_factors(weights) if is_balanced(weights) and window.rows.stride == window.cols.stride == 1 else []
    )
    if settled:
        cost = balanced_cost(window, settled, real.dtype)
        plans.append((cost, lambda: BalancedStage(window, real, weights, planes, mode, settled)))
    return min(plans, key=lambda plan: plan[0])[1]()


def _sum_type(before: ValueRange, weights: NDArray[np.float64], passes: int) -> np.dtype[Any]:
    """The type in which products are added: float64 where float32 could show in the seventh digit, or in flat areas."""
    return np.dtype(np.float64) if is_balanced(weights) else filtered_values(before, weights, passes).dtype


def _term_cost(window: Window, weights: NDArray[np.float64], kind: np.dtype[Any]) -> float:
    """Time of weights one by one, each where its cells are: short rows cost more, and cells apart more still."""
    used, ones = np.count_nonzero(weights), np.count_nonzero(np.abs(weights) == 1)
    apart = {1: 1.0, 2: 1.35}.get(int(window.cols.stride), 2.0)
    passes = (1.3 * used + 2.3 * (used - ones)) * kind.itemsize / 4
    return float(passes * apart * window.shape[0] * window.shape[1])


def _integer_stage(
    window: Window, before: ValueRange, values: ValueRange, weights: NDArray[np.float64], planes: int, mode: str
) -> IntegerStage | TileStage:
    largest = max(abs(before.low or 0), abs(before.high or 0)) * float(np.abs(weights).sum())
    if weights.size > 9 and largest <= LARGEST_EXACT:
        column, row, rest = factors(weights, int(np.iinfo(values.dtype).max))
        parts = (column, row, rest)
        additions = sum(2 * np.count_nonzero(part) - np.count_nonzero(np.abs(part) == 1) for part in parts)
        outputs = window.shape[0] * window.shape[1]
        strided = 1.0 if window.cols.stride == 1 else 2.0
        if tile_cost(window, largest) < additions * outputs * strided * max(0.5, values.dtype.itemsize / 4):
            return TileStage(window, before, values, weights, mode)
    return IntegerStage(window, values, weights, planes, mode)
