"""The p-norm and the root mean square of windows: sums of powers, by a longer way where powers leave float64."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli.ops.reductions import combine

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from poolcli.ops.window_view import WindowView

HIGH_POWER = 7
"""The seventh power of every float32 is a float64; beyond, a norm is computed relative to its window's largest value."""


LEAST_POWER = 1e-290
"""Sums of smaller powers may have lost digits: float64 has fewer of them below 2e-308."""


def rms(view: WindowView) -> NDArray[Any]:
    """The root of the mean of the squares of each window, float64."""
    if view.values.dtype == np.float64:
        view.block  # noqa: B018 - held, since it may be read again
    root = np.sqrt(_squares(view) / view.counts())
    return _in_range(view, root, 2, lambda: _scaled_norm(view, 2, view.counts()))


def lp(view: WindowView, p: float) -> NDArray[Any]:
    """The p-norm of each window, float64."""
    if math.isinf(p):
        return view.reduce(np.maximum, 0, dtype=np.float64, prepare=_magnitude)
    if p > HIGH_POWER:
        return _scaled_norm(view, p)
    if view.values.dtype == np.float64:
        view.block  # noqa: B018 - held, since it may be read again
    if p == 2:
        root = np.sqrt(_squares(view))
    else:
        total = view.reduce(np.add, dtype=np.float64, prepare=lambda cells: np.power(_magnitude(cells), p))
        root = np.power(total, 1 / p)
    return _in_range(view, root, p, lambda: _scaled_norm(view, p))


def _squares(view: WindowView) -> NDArray[Any]:
    """Sum of squares of each window: exact for integers, float64 otherwise."""
    if view.values.whole and view.total_values(power=2).dtype not in (np.uint64, np.float64):
        return view.reduce(np.add, dtype=np.int64, prepare=lambda x: np.square(x, dtype=np.int64)).astype(np.float64)
    return view.reduce(np.add, dtype=np.float64, prepare=lambda x: np.square(x, dtype=np.float64))


def _in_range(view: WindowView, root: NDArray[Any], p: float, scaled: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    """The roots of sums of powers, by the longer way of `scaled` where powers of float64 left its range."""
    least = LEAST_POWER ** (1 / p)
    if view.values.dtype != np.float64 or is_safe(root, least, view.block, least):
        return root
    safe = (root > least) & np.isfinite(root)
    if safe.all() or not (np.isfinite(root[~safe]) | np.isposinf(root[~safe])).any():
        return root
    return np.where(safe, root, scaled())


def is_safe(roots: NDArray[Any], least: float, cells: NDArray[Any], least_cell: float) -> bool:
    """Whether no power has left the range of floats: roots are above `least` and finite, or 0 because the cells are.

    Where no cell but zeros is smaller than `least_cell`, a root is not below `least` unless it is 0 by right.
    """
    if not roots.size or not roots.max() < np.inf:  # NaN is not
        return False
    return bool(roots.min() > least or np.count_nonzero(np.abs(cells) < least_cell) == np.count_nonzero(cells == 0))


def _scaled_norm(view: WindowView, p: float, shares: NDArray[Any] | int = 1) -> NDArray[Any]:
    """The p-norm of windows whose powers may leave the range of floats: each window's largest value is divided out.

    The sum of the powers is divided by `shares` before the root is taken.
    """
    view.block  # noqa: B018 - held, since it is read twice
    largest = view.reduce(np.maximum, 0, dtype=np.float64, prepare=_magnitude)
    unit = np.where(np.isfinite(largest) & (largest > 0), largest, 1.0)
    total = np.zeros(view.shape)
    if view.window.few:
        for (i, j), cells in view.each():
            total[:, i, j] = np.sum(np.power(_magnitude(cells) / unit[:, i, j, None, None], p), axis=(1, 2))
    else:
        for where, cells in view.offsets():
            combine(np.add, total, where, np.power(_magnitude(cells) / unit[where], p))
    return unit * np.power(total / shares, 1 / p)


def _magnitude(cells: NDArray[Any]) -> NDArray[Any]:
    return np.abs(cells.astype(np.float64))
