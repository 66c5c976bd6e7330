"""Kinds between the mean and the maximum: generalized mean, log-sum-exp and soft pooling.

All three are means of exponentials. Each window's largest value is taken out first, so that no exponential leaves the
range of floats, and ``expm1`` and ``log1p`` keep the digits where the cells differ little. They depend on the unit: a
picture's integers are computed on as they are, and `WindowView.unit` tells what one of them is worth.
"""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli.ops.reductions import combine
from poolcli.ops.window_view import lowest

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from poolcli.ops.window_view import WindowView

LEAST = 1e-6
"""Smaller values count as this one in a generalized mean: powers of negative values are not real."""

FARTHEST = 800.0
"""A cell so far below the largest has a weight of 0 in float64."""


def gem(view: WindowView, p: float) -> NDArray[Any]:
    """The generalized mean of each window, ``mean(max(x, 1e-6)^p)^(1/p)``, float64."""
    least = LEAST / view.unit
    largest = np.maximum(_largest(view), least)
    if math.isinf(p):
        return largest

    def power(cells: NDArray[Any], top: NDArray[Any]) -> tuple[NDArray[Any]]:
        return (np.expm1(p * np.log(np.maximum(cells, least) / top)),)

    (total,) = _totals(view, largest, power)
    return _where_finite(largest, largest * np.exp(np.log1p(total / view.counts()) / p))


def lse(view: WindowView, r: float) -> NDArray[Any]:
    """The log-sum-exp of each window, ``log(mean(exp(r x))) / r``, float64."""
    largest = _largest(view)
    if math.isinf(r):
        return largest
    steep = min(r * view.unit, sys.float_info.max)

    def exponential(cells: NDArray[Any], top: NDArray[Any]) -> tuple[NDArray[Any]]:
        return (np.expm1(steep * (cells - top)),)

    (total,) = _totals(view, largest, exponential)
    return _where_finite(largest, largest + np.log1p(total / view.counts()) / steep)


def soft(view: WindowView) -> NDArray[Any]:
    """The mean of each window, weighted by softmax: ``sum(x exp(x)) / sum(exp(x))``, float64."""
    largest = _largest(view)

    def weighted(cells: NDArray[Any], top: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        below = np.maximum(cells - top, -FARTHEST / view.unit)
        weights = np.exp(view.unit * below)
        return weights * below, weights

    total, weights = _totals(view, largest, weighted)
    return _where_finite(largest, largest + total / weights)


def _largest(view: WindowView) -> NDArray[Any]:
    view.block  # noqa: B018 - held, since it is read twice
    return view.reduce(np.maximum, lowest(view.values.dtype)).astype(np.float64)


def _where_finite(largest: NDArray[Any], result: NDArray[Any]) -> NDArray[Any]:
    """The result; the largest value itself where it is infinite or NaN: then it decides alone."""
    return np.where(np.isfinite(largest), result, largest)


def _totals(
    view: WindowView, largest: NDArray[Any], terms: Callable[[NDArray[Any], NDArray[Any]], tuple[NDArray[Any], ...]]
) -> list[NDArray[Any]]:
    """The sums over each window of the terms that each cell has beside the window's largest value."""
    totals: list[NDArray[Any]] = []
    if view.window.few:
        for (i, j), cells in view.each():
            flat = cells.reshape(len(cells), -1).astype(np.float64, order="C")
            found = terms(flat, largest[:, i, j, None])
            totals = totals or [np.empty(view.shape) for _ in found]
            for total, term in zip(totals, found, strict=True):
                total[:, i, j] = term.sum(axis=1)
        return totals
    for where, cells in view.offsets():
        found = terms(cells.astype(np.float64), largest[where])
        totals = totals or [np.zeros(view.shape) for _ in found]
        for total, term in zip(totals, found, strict=True):
            combine(np.add, total, where, term)
    return totals
