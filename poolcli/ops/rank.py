"""Order statistics and modes of windows, by the method that `rank_method` chooses: networks, counting or sorting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli.ops import rank_counting, rank_network
from poolcli.ops.rank_method import RankMethod, method_for, network_for
from poolcli.ops.value_range import WHOLE
from poolcli.ops.window_parts import few_columns, parts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from poolcli.ops.window_view import WindowView

    Ranks = tuple[Any, Any]
    Statistic = Callable[[WindowView, RankMethod], NDArray[Any]]

FEW_VALUES = 1 << 16
"""Integers of so small a range are counted rather than sorted, where a window is large."""


def percentile(view: WindowView, q: float) -> NDArray[Any]:
    """Percentile q of each window, interpolated linearly, as numpy does: beside an infinity it may be NaN."""

    def statistic(part: WindowView, method: RankMethod) -> NDArray[Any]:
        (low, high), weight = _neighbours(part, method, q, following=view.values.dtype.kind == "f")
        if low is high and view.values.whole:
            return low
        cells = low, high
        if np.ndim(weight):
            low, high = low.astype(np.float64), high.astype(np.float64)
            span = high - low
            between = np.where(weight < 0.5, low + span * weight, high - span * (1 - weight))
        else:
            between = view.scratch.empty("between", low.shape, np.float64)
            np.subtract(high, low, out=between, dtype=np.float64)
            between *= weight if weight < 0.5 else 1 - weight
            if weight < 0.5:
                np.add(low, between, out=between, dtype=np.float64)
            else:
                np.subtract(high, between, out=between, dtype=np.float64)
        if view.values.whole and view.values.dtype.itemsize == 8:
            return _between_large(cells[0], cells[1], weight, between)
        if not view.values.whole:
            between += 0.0  # 0.0 for -0.0, whichever of the two comes first in a sorted window
        return between

    return _in_parts(view, statistic, np.dtype(np.float64))


def median(view: WindowView) -> NDArray[Any]:
    """The middle cell of each window; the mean of the two middles for an even count."""
    dtype = view.values.dtype
    wide = np.dtype(np.float32 if dtype.itemsize <= 2 else np.float64)  # holds the sum of two cells
    kept = dtype if dtype == np.float32 else wide
    large = view.values.whole and dtype.itemsize == 8

    def statistic(part: WindowView, method: RankMethod) -> NDArray[Any]:
        (low, high), _weight = _neighbours(part, method, 50, dtype=dtype if large else kept)
        if low is high:
            low = low.astype(kept, copy=False)
            if not view.values.whole:
                low += 0  # 0.0 for -0.0, whichever of the two comes first in a sorted window
            return low
        middle = np.add(low, high, dtype=wide)
        middle /= 2
        if large:
            return _between_large(low, high, 0.5, middle)
        if not view.values.whole:
            middle += 0
        lost = np.isinf(middle)
        if lost.any():
            lost &= np.isfinite(low) & np.isfinite(high)  # the sum left the range of float64
            middle = np.where(lost, low / 2 + high / 2, middle)
        return middle

    return _in_parts(view, statistic, kept)


def _between_large(
    low: NDArray[Any], high: NDArray[Any], weight: Any, between: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What lies at `weight` between integers of 64 bits: `between`, but from whole numbers where float64 has gaps."""
    large = (high > WHOLE) | (low < -WHOLE)
    if not large.any():
        return between
    span = (high - low).view(np.uint64)  # modulo 2^64, which is exact here
    steps, rest = np.zeros(span.shape, np.uint64), np.zeros(span.shape)
    for part in ((span >> np.uint64(32)) * 2.0**32, span & np.uint64(0xFFFFFFFF)):
        share = part * weight
        whole = np.floor(share)
        steps += whole.astype(np.uint64)
        rest += share - whole
    exact = (low + steps.view(low.dtype)).astype(np.float64) + rest
    return np.where(large, exact, between)


def mode(view: WindowView) -> NDArray[Any]:
    """The most frequent cell of each window, the smallest of equals; NaN where there is one."""
    return _in_parts(view, _mode, view.values.dtype, all_ranks=True)


def _in_parts(view: WindowView, statistic: Statistic, dtype: np.dtype[Any], *, all_ranks: bool = False) -> NDArray[Any]:
    """A statistic of all windows: by a network those that are whole, the others by sorting, few at a time."""
    method = method_for(view.values, view.window, all_ranks=all_ranks)
    if method is RankMethod.COUNTING:
        return statistic(view, method)
    result = None
    for part in parts(view) if method is RankMethod.NETWORK else few_columns(view):
        found = statistic(part.view, RankMethod.NETWORK if part.whole else RankMethod.SORTING)
        if part.view is view or (found.shape == view.shape and part.whole and not view.window.adaptive):
            return found
        if result is None:
            result = np.empty(view.shape, dtype)
        result[part.where] = found
    assert result is not None  # a chunk has windows
    return result


def _neighbours(
    view: WindowView, method: RankMethod, q: float, *, following: bool = False, dtype: Any = None
) -> tuple[Ranks, Any]:
    """The cells on either side of percentile q of each window, and how far between them it lies.

    They are one array where no window has the percentile between two cells. Where a window holds a NaN, both are NaN.
    With `following`, the second is the next cell even where the percentile lies on the first.
    """
    counts = view.counts()
    position = np.multiply(q / 100, np.subtract(counts, 1))
    low, high = np.floor(position).astype(np.intp), np.ceil(position).astype(np.intp)
    weight = position - low
    if following:
        high = np.minimum(low + 1, np.subtract(counts, 1))
    ranks = [low] if np.array_equal(low, high) else [low, high]
    cells = _ranked(view, method, ranks, dtype or view.values.dtype)
    return (cells[0], cells[-1]), weight


def _ranked(view: WindowView, method: RankMethod, ranks: Sequence[Any], dtype: np.dtype[Any]) -> list[NDArray[Any]]:
    """The cells of these ranks of each window; NaN where there is one."""
    if method is RankMethod.COUNTING:
        return [cells.astype(dtype) for cells in rank_counting.smallest(view, ranks)]
    nan = view.nan_windows()
    if method is RankMethod.NETWORK:
        made = network_for(view.window, tuple(int(rank) for rank in ranks))
        found = rank_network.ranked(made, _comparable(view.block), view.shape, view.scratch, dtype)
    else:
        stack = view.gathered()
        if np.ndim(ranks[0]) == 0:
            stack.partition(sorted({int(rank) for rank in ranks}), axis=-1)
            found = [stack[..., rank].astype(dtype) for rank in ranks]
        else:
            stack.sort(axis=-1)
            at = (np.broadcast_to(rank[..., None], (*stack.shape[:-1], 1)) for rank in ranks)
            found = [np.take_along_axis(stack, index, axis=-1)[..., 0].astype(dtype) for index in at]
    if nan is not None:
        for cells in found:
            cells[nan] = np.nan
    return found


def _comparable(cells: NDArray[Any]) -> NDArray[Any]:
    """The same values in a type that numpy compares fast."""
    if cells.dtype.kind == "b":
        return cells.view(np.uint8)
    return cells.astype(np.float32) if cells.dtype == np.float16 else cells


def _mode(view: WindowView, method: RankMethod) -> NDArray[Any]:
    if method is RankMethod.COUNTING:
        return rank_counting.most_frequent(view)
    low, high = view.values.low, view.values.high
    if view.window.few and low is not None and high is not None and high - low <= FEW_VALUES:
        return _by_histograms(view, low)
    nan = view.nan_windows()
    if method is RankMethod.NETWORK:
        made = network_for(view.window, tuple(range(view.window.cells)))
        result = rank_network.most_frequent(made, _comparable(view.block), view.shape, view.scratch)
    else:
        result = _longest_run(view)
    result = result.astype(view.values.dtype, copy=False)
    if nan is not None:
        result[nan] = np.nan
    return result + result.dtype.type(0) if result.dtype.kind == "f" else result  # 0.0 for -0.0


def _by_histograms(view: WindowView, low: int) -> NDArray[Any]:
    result = np.empty(view.shape, view.values.dtype)
    for (i, j), cells in view.each():
        for plane, values in enumerate(cells):
            result[plane, i, j] = np.bincount(np.subtract(values, low, dtype=np.intp).ravel()).argmax() + low
    return result


def _longest_run(view: WindowView) -> NDArray[Any]:
    """The value of the longest run in each window's sorted cells, the first of equals."""
    counts = np.asarray(view.counts())
    stack = view.gathered()
    stack.sort(axis=-1)
    index = np.arange(stack.shape[-1])
    starts = np.empty(stack.shape, bool)
    starts[..., :1] = True
    np.not_equal(stack[..., 1:], stack[..., :-1], out=starts[..., 1:])
    run = index - np.maximum.accumulate(np.where(starts, index, 0), axis=-1)
    run[index >= np.broadcast_to(counts[..., None], run.shape)] = -1
    best = run.argmax(axis=-1)
    return np.take_along_axis(stack, best[..., None], axis=-1)[..., 0]
