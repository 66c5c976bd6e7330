"""Order statistics and modes of windows: by counting, by sorting all cells of all windows, or window by window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli.ops.counting import few, most_frequent, smallest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolcli.ops.view import View

FEW_VALUES = 1 << 16
"""Integers of so small a range are counted rather than sorted, where a window is large."""


def neighbours(view: View, q: float) -> tuple[NDArray[Any], NDArray[Any], Any]:
    """The cells on either side of percentile q of each window, float64, and how far between them it lies.

    Where a window holds a NaN, both are NaN.
    """
    counts = view.counts()
    position = np.multiply(q / 100, np.subtract(counts, 1))
    ranks = np.floor(position).astype(np.intp), np.ceil(position).astype(np.intp)
    if view.counted:
        alike = np.array_equal(*ranks)
        cells = [cell.astype(np.float64) for cell in smallest(view, ranks[:1] if alike else ranks)]
        return cells[0], cells[-1], position - ranks[0]
    nan = view.nan_windows()
    stack = view.gathered()
    if position.ndim == 0:
        stack.partition(sorted({int(rank) for rank in ranks}), axis=-1)
        low, high = (stack[..., rank].astype(np.float64) for rank in ranks)
    else:
        stack.sort(axis=-1)
        at = (np.broadcast_to(rank[..., None], (*stack.shape[:-1], 1)) for rank in ranks)
        low, high = (np.take_along_axis(stack, index, axis=-1)[..., 0].astype(np.float64) for index in at)
    if nan is not None:
        low[nan] = high[nan] = np.nan
    return low, high, position - ranks[0]


def percentile(view: View, q: float) -> NDArray[Any]:
    """Percentile q of each window, interpolated linearly, as numpy does."""
    low, high, part = neighbours(view, q)
    span = high - low
    # numpy's interpolation, which is exact at both ends; equal infinities have no span.
    between = np.where(part < 0.5, low + span * part, high - span * (1 - part))
    return np.where(low == high, low, between)


def median(view: View, _: float) -> NDArray[Any]:
    """The middle cell of each window; the mean of the two middles for an even count."""
    low, high, _part = neighbours(view, 50)
    return (low + high) / 2


def mode(view: View, _: float) -> NDArray[Any]:
    """The most frequent cell of each window, the smallest of equals; NaN where there is one."""
    low, high = view.values.low, view.values.high
    if few(view.window) and low is not None and high is not None and high - low <= FEW_VALUES:
        result = np.empty(view.shape, view.values.dtype)
        for (i, j), cells in view.each():
            for plane, values in enumerate(cells):
                result[plane, i, j] = np.bincount(np.subtract(values, low, dtype=np.intp).ravel()).argmax() + low
        return result
    if view.counted:
        return most_frequent(view)
    counts = np.asarray(view.counts())
    nan = view.nan_windows()
    stack = view.gathered()
    stack.sort(axis=-1)
    index = np.arange(stack.shape[-1])
    starts = np.empty(stack.shape, bool)
    starts[..., :1] = True
    np.not_equal(stack[..., 1:], stack[..., :-1], out=starts[..., 1:])
    run = index - np.maximum.accumulate(np.where(starts, index, 0), axis=-1)
    run[index >= np.broadcast_to(counts[..., None], run.shape)] = -1
    best = run.argmax(axis=-1)  # the first longest run is that of the smallest value
    result = np.take_along_axis(stack, best[..., None], axis=-1)[..., 0]
    if nan is not None:
        result[nan] = np.nan
    return result
