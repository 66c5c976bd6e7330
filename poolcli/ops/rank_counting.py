"""Order statistics and modes of integers of few values, by counting: the time hardly grows with the window.

The k-th smallest cell of a window is the smallest value v for which more than k cells are up to v. How many cells of
every window are up to a value is one sum over windows of flags. The right value is searched for in steps: a few values
divide the range, and the next step tries only values in the parts that hold the result of some window. Neighbouring
windows have similar results, so these parts are few.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli.ops.window_parts import Part, tiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from poolcli.ops.window_view import WindowView

FEW_LEVELS = 16
"""So few values are tried for all windows at once."""

PARTS = 4
"""The number of parts that a range of values is cut into at a time."""

FLAG_BYTES = 1 << 19
"""Bytes of the flags of some tries: they stay in the second-level cache."""


def smallest(view: WindowView, ranks: Sequence[Any]) -> list[NDArray[Any]]:
    """The k-th smallest cell of each window, for every k of `ranks`, an integer or an array for all windows."""
    levels = _levels(view)
    found = [np.empty(view.shape, view.block.dtype) for _ in ranks]
    for part in tiles(view) if len(levels) > FEW_LEVELS else [Part((slice(None),) * 3, view, whole=False)]:
        _, rows, columns = part.where
        places = [np.broadcast_to(rank, view.shape[1:])[rows, columns] if np.ndim(rank) else rank for rank in ranks]
        for result, index in zip(found, _searched(part.view, levels, places), strict=True):
            np.take(levels, index, out=result[part.where])
    return found


def _searched(view: WindowView, levels: NDArray[Any], ranks: Sequence[Any]) -> list[NDArray[np.uint8]]:
    """Where among the levels the cells of these ranks are, for every window."""
    least = [np.zeros(view.shape, np.uint8) for _ in ranks]
    step = 1
    while step * PARTS < len(levels):
        step *= PARTS
    starts = np.zeros(1, np.intp)
    while step:
        tried = (starts[:, None] + np.arange(step, step * PARTS, step)).ravel()
        tried = tried[tried < len(levels)]  # is the result at this level or above?
        table = np.concatenate([[0], tried]).astype(np.uint8)
        for low, above in zip(least, _passed(view, levels[tried - 1], ranks), strict=True):
            np.maximum(low, np.take(table, above), out=low)
        if step > 1:
            starts = np.flatnonzero(sum(np.bincount(low.ravel(), minlength=len(levels)) for low in least))
        step //= PARTS
    return least


def _passed(view: WindowView, tried: NDArray[Any], ranks: Sequence[Any]) -> list[NDArray[np.uint8]]:
    """How many of some ascending values are below the cell of each rank, for every window."""
    block = view.block
    passed = [np.zeros(view.shape, np.uint8) for _ in ranks]
    step = max(1, FLAG_BYTES // max(1, block.size))
    for first in range(0, len(tried), step):
        some = tried[first : first + step]
        flags = view.scratch.brief.empty("flags", (len(some), *block.shape), np.bool_)
        np.less_equal(block, some[:, None, None, None], out=flags)
        count = view.count(flags.reshape(-1, *block.shape[1:])).reshape(len(some), *view.shape)
        below = view.scratch.brief.empty("below", count.shape, np.bool_)
        for total, rank in zip(passed, ranks, strict=True):
            np.less_equal(count, rank, out=below)
            np.add(total, np.add.reduce(below.view(np.uint8), axis=0), out=total)
    return passed


def most_frequent(view: WindowView) -> NDArray[Any]:
    """The most frequent cell of each window, the smallest of equals."""
    block = view.block
    result = np.empty(view.shape, block.dtype)
    most = np.zeros(view.shape, np.intp)
    flags = np.empty(block.shape, bool)
    for level in _levels(view):
        np.equal(block, level, out=flags)
        count = view.count(flags)
        np.copyto(result, level, where=count > most)
        np.maximum(most, count, out=most)
    return result


def _levels(view: WindowView) -> NDArray[Any]:
    """The values that occur, in ascending order and the map's type."""
    low = view.values.low or 0
    present = np.bincount(np.subtract(view.block, low, dtype=np.intp).ravel())
    return (np.flatnonzero(present) + low).astype(view.block.dtype)
