"""Convolution of floats by weights that add up to 0, as columns times rows: flat areas become 0 in the map's own type.

Weights one by one leave the rounding of their sums behind, unless they are added in twice the bits. A column such as
-1, 2, -1 leaves nothing: what it adds up from equal cells is 0 or a power of two times the cell, and therefore exact.
So a kernel is taken apart into such columns, each times any row, and such rows, each times any column.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli.ops.convolution_direct import Term, TermSpan, TermStage, add_terms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from poolcli.ops.kernels import Factor
    from poolcli.ops.value_range import Scratch, ValueRange
    from poolcli.ops.windows import Window

MOST_WEIGHTS = 6
"""Of a column or row whose sums are looked at."""


def balanced_factors(weights: NDArray[np.float64]) -> list[Factor]:
    """Columns times rows that add up to the weights, one of each two without rounding in flat areas; none if not found.

    Examples
    --------
    >>> edge = np.array([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]])
    >>> [(column.tolist(), row.tolist()) for column, row in balanced_factors(edge)]
    [([-1.0, 2.0, -1.0], [1.0, 1.0, 1.0]), ([0.0, 3.0, 0.0], [-1.0, 2.0, -1.0])]
    """
    across = [(row, column) for column, row in _upright_first(weights.T)]
    return min(filter(None, (_upright_first(weights), across)), key=len, default=[])


def _upright_first(weights: NDArray[np.float64]) -> list[Factor]:
    """What columns that add up to 0 can take of the weights, and a row for what they leave in the middle."""
    middle = np.zeros_like(weights, np.float64)
    middle[len(weights) // 2] = weights.sum(axis=0)
    found = []
    for part, upright in ((weights - middle, True), (middle, False)):
        if part.any():
            one, other = _column_and_row(part if upright else part.T)
            if not _is_settled(one) or not np.array_equal(np.outer(one, other), part if upright else part.T):
                return []
            found.append((one, other) if upright else (other, one))
    return found


def _column_and_row(weights: NDArray[np.float64]) -> Factor:
    """The column and the row whose product has the row and the column of the largest weight."""
    i, j = np.unravel_index(np.abs(weights).argmax(), weights.shape)
    column = weights[:, j]
    column = column / np.abs(column[column != 0]).min()
    return column, weights[i] / column[i]


def _is_settled(weights: NDArray[np.float64]) -> bool:
    """Whether the weights add up to 0, and any of them to 0 or a power of two: exact for equal cells, in any order."""
    used = weights[weights != 0]
    if weights.sum() or len(used) > MOST_WEIGHTS:
        return False
    sums = np.array([np.sum(some) for n in range(1, len(used)) for some in combinations(used, n)])
    return bool((np.abs(np.frexp(sums)[0]) % 0.5 == 0).all())


def balanced_cost(window: Window, factors: Sequence[Factor], kind: np.dtype[Any]) -> float:
    """Time of columns and rows weight by weight, in passes of numpy over one float32 cell."""
    passes: float = len(factors) - 1
    for side in (side for factor in factors for side in factor):
        used, ones = int(np.count_nonzero(side)), int(np.count_nonzero(np.abs(side) == 1))
        passes += used + max(0, used - ones - 1)
    return float(1.3 * passes * kind.itemsize / 4 * window.shape[0] * window.shape[1])


class BalancedStage(TermStage):
    """Columns times rows, each weight by weight (a `strips.Stage`).

    Parameters
    ----------
    window : Window
        Of stride 1.
    values : ValueRange
        Of the results, floats.
    weights : ndarray of shape (kh, kw)
    planes : int
    mode : str
        A name of `PADDING_MODES`.
    factors : sequence of (column, row)
        Of `balanced_factors`.
    """

    def __init__(
        self,
        window: Window,
        values: ValueRange,
        weights: NDArray[np.float64],
        planes: int,
        mode: str,
        factors: Sequence[Factor],
    ) -> None:
        super().__init__(window, values, weights, planes, mode)
        self.factors = [(column, row, _is_settled(column)) for column, row in factors]

    def weigh(self, cells: NDArray[Any], acc: NDArray[Any], a: int, b: int, scratch: Scratch) -> None:
        lines, columns = self.sides(a, b)
        height, width = cells.shape[1], cells.shape[2]
        part = acc
        for column, row, column_first in self.factors:
            down, across = _used(lines, column), _used(columns, row)
            if column_first:
                between = scratch.empty("tall", (len(acc), b - a, width), acc.dtype)
                add_terms([Term(line, _all(width), weight) for line, weight in down], cells, between, scratch)
                add_terms([Term(_all(b - a), side, weight) for side, weight in across], between, part, scratch)
            else:
                between = scratch.empty("wide", (len(acc), height, acc.shape[2]), acc.dtype)
                add_terms([Term(_all(height), side, weight) for side, weight in across], cells, between, scratch)
                add_terms([Term(line, _all(acc.shape[2]), weight) for line, weight in down], between, part, scratch)
            if part is not acc:
                np.add(acc, part, out=acc)
            part = scratch.empty("part", acc.shape, acc.dtype)
        self._repair(cells, acc, a, b, scratch)

    def _repair(self, cells: NDArray[Any], acc: NDArray[Any], a: int, b: int, scratch: Scratch) -> None:
        """Compute again, in float64, what is not finite, and what has a cell that is not finite in its window."""
        looked_at = (
            (acc,) if self.weights.all() else (acc, cells)
        )  # every cell has a weight, or those without may hide one
        if all(np.isfinite(np.add.reduce(some, axis=None)) for some in looked_at):
            return
        terms, wide = self.terms(a, b, every=True), np.empty(acc.shape)
        add_terms([term._replace(weight=1.0) for term in terms], cells * 0.0, wide, scratch)
        bad = np.isnan(wide) | ~np.isfinite(acc)
        if bad.any():
            add_terms(terms, cells.astype(np.float64), wide, scratch)
            np.copyto(acc, wide, where=bad, casting="same_kind")


def _used(sides: list[tuple[int, TermSpan]], weights: NDArray[np.float64]) -> list[tuple[TermSpan, float]]:
    """The sides that have a weight, those first that need a product: the first sum is a product in any case."""
    found = [(side, float(weights[i])) for i, side in sides if weights[i]]
    return sorted(found, key=lambda one: abs(one[1]) == 1)


def _all(cells: int) -> TermSpan:
    return TermSpan(slice(0, cells), slice(0, cells))
