"""Order statistics and modes of integers of few values, by counting: as dear for a window of 9 cells as for one of 900.

For each value v that occurs, one fold counts the cells up to v (or equal to it) of every window. The k-th smallest
cell of a window is then the smallest value plus the steps between values at which the count is still k or less: the
histogram of every window, one level at a time, without ever holding it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from poolcli.ops.values import Values
    from poolcli.ops.view import View
    from poolcli.ops.windows import Window

LEVELS = 256
"""Most values that a map may have to be counted."""

LEAST_CELLS = 36
"""Smaller windows are sorted faster than counted: measured on a photograph, where nearly all values occur."""


def counts(values: Values, window: Window) -> bool:
    """Whether the windows over such a map are better counted than sorted, or looked at one by one."""
    levels = values.low is not None and values.high is not None and values.high - values.low < LEVELS
    return levels and window.cells >= LEAST_CELLS and not few(window)


def few(window: Window) -> bool:
    """Whether there are fewer windows than a window has cells: then they are better taken one by one."""
    return window.cells > window.rows.out * window.cols.out


def smallest(view: View, ranks: Sequence[Any]) -> list[NDArray[np.intp]]:
    """The k-th smallest cell of each window, for every k of `ranks`, an integer or an array for all windows."""
    block, levels = view.block, _levels(view)
    found = [np.zeros(view.shape, np.uint8) for _ in ranks]
    flags = np.empty(block.shape, bool)
    below = np.empty(view.shape, bool)
    for level, following in pairwise(levels):
        np.less_equal(block, level, out=flags)
        count = view.count(flags)
        for result, rank in zip(found, ranks, strict=True):
            np.less_equal(count, rank, out=below)
            step = following - level
            np.add(result, below if step == 1 else below * np.uint8(step), out=result)
    return [result.astype(np.intp) + levels[0] for result in found]


def most_frequent(view: View) -> NDArray[Any]:
    """The most frequent cell of each window, the smallest of equals."""
    block = view.block
    result = np.empty(view.shape, block.dtype)
    most = np.zeros(view.shape, np.intp)
    flags = np.empty(block.shape, bool)
    for level in _levels(view):
        np.equal(block, level, out=flags)
        count = view.count(flags)
        np.copyto(result, block.dtype.type(level), where=count > most)
        np.maximum(most, count, out=most)
    return result


def _levels(view: View) -> list[int]:
    """The values that occur, in ascending order."""
    low = view.values.low or 0
    present = np.bincount(np.subtract(view.block, low, dtype=np.intp).ravel())
    return [int(level) + low for level in np.flatnonzero(present)]
