"""The standard deviation of windows: from sums where they are exact or shown to be safe, from the deviations otherwise.

With the sums S of the cells and Q of their squares over n cells, n² times the variance is n Q - S². For integers it is
exact. For floats it loses digits where the cells differ little: how many, can be bounded for each window.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli.ops.norms import is_safe
from poolcli.ops.reductions import additions, combine
from poolcli.ops.value_range import WHOLE
from poolcli.ops.window_view import highest, lowest
from poolcli.ops.windows import Axis

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolcli.ops.window_view import WindowView
    from poolcli.ops.windows import Window

SUM_BITS = 53
"""Of float64, in which floats are summed."""

RESULT_BITS = 28
"""Of a float32 result that are right before it is rounded: 24, and four to round by."""

MANY_CELLS = 100
MANY_SHARED = 9
"""Cells of a window, and windows that share a cell, above which sums are faster than deviations."""

MANY_WHOLE_CELLS = 24
MANY_WHOLE_SHARED = 3
"""The same for sums of whole numbers by rows and columns, which are faster than cell by cell."""

LOOKED_FOR = 1 / 256
"""Share of the windows above which it pays to look for those whose cells are all alike."""

SCATTERED = 1 / 8
"""Share of the windows below which they are computed one by one."""

GATHERED = 256
"""Windows whose cells are gathered at a time: few enough to stay in a processor's second-level cache."""

LEAST_ROOT = 1e-145
"""Squares of smaller deviations may have lost digits: float64 has fewer of them below 2e-308."""

LEAST_CELL = 1e-120
"""Cells that differ, and are larger, differ by 1e-16 of it and more: their deviation is above `LEAST_ROOT`."""


def std(view: WindowView) -> NDArray[Any]:
    """The standard deviation of each window, float64."""
    view.block  # noqa: B018 - held, since it is read twice
    if view.values.dtype == np.float64:
        return _in_range(view, _from_deviations(view))
    if view.values.whole and view.values.dtype.itemsize == 8:
        return _of_large(view)
    return _usual(view)


def _usual(view: WindowView) -> NDArray[Any]:
    """The deviations of values that float64 holds."""
    if view.window.few:
        return _from_deviations(view)
    kind = _exact_type(view)
    if kind is not None:
        root = view.scratch.empty("root", view.shape, np.float64)
        np.sqrt(_spread(view, kind)[0], out=root)
        if kind == np.int32:  # the result is a float32: a product is faster, and right to many more digits
            root *= 1 / np.asarray(view.counts())
        else:
            root /= view.counts()
        return root
    if (
        view.values.dtype.kind == "f"
        and view.values.dtype.itemsize <= 4
        and _overlaps(view.window, MANY_CELLS, MANY_SHARED)
    ):
        return _from_safe_sums(view)
    return _from_deviations(view)


def _of_large(view: WindowView) -> NDArray[Any]:
    """The deviations of integers of 64 bits: where float64 has gaps, of what they exceed their window's smallest by."""
    root = _usual(view)
    if not view.block.size or (view.block.max() <= WHOLE and view.block.min() >= -WHOLE):
        return root
    low = view.reduce(np.minimum, highest(view.values.dtype), name="low")
    large = (view.reduce(np.maximum, lowest(view.values.dtype)) > WHOLE) | (low < -WHOLE)

    def above(cells: NDArray[Any], least: NDArray[Any]) -> NDArray[Any]:
        return np.subtract(cells, least, order="C").view(np.uint64).astype(np.float64)  # modulo 2^64: exact here

    exact, mean = np.zeros(view.shape), np.zeros(view.shape)
    if view.window.few:
        for (i, j), cells in view.each():
            exact[:, i, j] = np.std(above(cells, low[:, i, j, None, None]), axis=(1, 2))
        return np.where(large, exact, root)
    for where, cells in view.offsets():
        combine(np.add, mean, where, above(cells, low[where]))
    mean /= view.counts()
    for where, cells in view.offsets():
        combine(np.add, exact, where, np.square(above(cells, low[where]) - mean[where]))
    return np.where(large, np.sqrt(exact / view.counts()), root)


def _from_deviations(view: WindowView) -> NDArray[Any]:
    if view.window.few:
        result = np.empty(view.shape)
        for (i, j), cells in view.each():
            # numpy sums in the order of the memory, which may be any: columns first, or planes last
            result[:, i, j] = np.std(np.ascontiguousarray(cells), axis=(1, 2), dtype=np.float64)
        return result
    mean = view.reduce(np.add, dtype=np.float64) / view.counts()
    return np.sqrt(_squared_deviations(view, mean) / view.counts())


def _in_range(view: WindowView, root: NDArray[Any]) -> NDArray[Any]:
    """The deviations of float64, of windows whose squares may have left its range by a longer way."""
    if is_safe(root, LEAST_ROOT, view.block, LEAST_CELL):
        return root
    unsafe = ~((root > LEAST_ROOT) & np.isfinite(root))
    low = view.reduce(np.minimum, np.inf, name="low")
    high = view.reduce(np.maximum, -np.inf)
    unsafe &= ((low < high) | ~np.isfinite(root)) & np.isfinite(low) & np.isfinite(high)
    return np.where(unsafe, _scaled(view, np.maximum(np.abs(low), np.abs(high))), root) if unsafe.any() else root


def _scaled(view: WindowView, largest: NDArray[Any]) -> NDArray[Any]:
    """The standard deviation of windows relative to a power of two near each one's largest magnitude."""
    some = np.isfinite(largest) & (largest > 0)
    unit = np.ldexp(1.0, np.frexp(np.where(some, largest, 1.0))[1] - 1)
    if view.window.few:
        result = np.empty(view.shape)
        for (i, j), cells in view.each():
            result[:, i, j] = np.std(np.ascontiguousarray(cells) / unit[:, i, j, None, None], axis=(1, 2))
        return unit * result
    mean, squared = np.zeros(view.shape), np.zeros(view.shape)
    for where, cells in view.offsets():
        combine(np.add, mean, where, cells / unit[where])
    mean /= view.counts()
    for where, cells in view.offsets():
        combine(np.add, squared, where, np.square(cells / unit[where] - mean[where]))
    return unit * np.sqrt(squared / view.counts())


def _overlaps(window: Window, many_cells: int, many_shared: int) -> bool:
    """Whether sums by rows and columns, which neighbouring windows share, are expected to be faster than cell by cell."""
    rows, cols = window.rows, window.cols
    shared = window.cells
    if isinstance(rows, Axis) and isinstance(cols, Axis):
        shared //= rows.stride * cols.stride
    return window.cells > many_cells or shared > many_shared


def _exact_type(view: WindowView) -> np.dtype[Any] | None:
    """The type in which n Q - S² is exact, the fastest one; None where there is none."""
    low, high = view.values.low, view.values.high
    if low is None or high is None:
        return None
    largest = (view.window.cells * max(abs(low), abs(high))) ** 2
    for kind, limit in ((np.int32, 1 << 31), (np.float64, WHOLE), (np.int64, 1 << 63)):
        if largest < limit:
            return np.dtype(kind)
    return None


def _spread(view: WindowView, kind: np.dtype[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """For each window n Q - S², n Q and S."""

    def cast(cells: NDArray[Any], to: np.dtype[Any], name: str = "cast") -> NDArray[Any]:
        made = view.scratch.brief.empty(name, cells.shape, to)
        made[...] = cells
        return made

    spread = view.scratch.empty("spread", view.shape, kind)
    if kind.kind == "f" or _overlaps(view.window, MANY_WHOLE_CELLS, MANY_WHOLE_SHARED):
        sums, of_squares = (_small(view, power, kind) for power in (1, 2))
        wide = cast(view.block, sums)
        total = view.reduce(np.add, prepare=lambda _: wide, name="total")
        if of_squares != sums:
            wide = cast(view.block, of_squares)
        squares = view.reduce(np.add, prepare=lambda _: np.square(wide, out=wide))
        if sums != kind:
            total = cast(total, kind, "cast total")
        if of_squares != kind:
            squares = cast(squares, kind, "cast squares")
    else:
        total, squares = (view.scratch.empty(name, view.shape, kind) for name in ("sum", "squares"))
        total.fill(0)
        squares.fill(0)
        for where, cells in view.offsets():
            wide = cast(cells, kind)  # a cast and a square by themselves are faster than both in one
            combine(np.add, total, where, wide)
            combine(np.add, squares, where, np.square(wide, out=wide))
    squares *= np.asarray(view.counts(), kind)
    np.square(total, out=spread)
    np.subtract(squares, spread, out=spread)
    return spread, squares, total


def _small(view: WindowView, power: int, kind: np.dtype[Any]) -> np.dtype[Any]:
    """The type of at most 4 bytes that holds the sum of the cells, to `power`, of each window; `kind` where none does."""
    if not view.values.whole or (power == 2 and kind.itemsize <= 4):
        return kind
    found = view.total_values(power).dtype
    return found if found.kind in "iu" and found.itemsize <= 4 else kind


def _from_safe_sums(view: WindowView) -> NDArray[Any]:
    """By sums in float64, and by deviations in windows where these may have lost too many digits.

    A sum of m additions is off by at most m 2^-53 of the sum of the magnitudes, so n Q - S² is off by at most
    (3 m + 3) 2^-53 n Q. Whether that matters is a matter of the window alone.
    """
    spread, squares, total = _spread(view, np.dtype(np.float64))
    rows, cols = view.window.rows, view.window.cols
    squares *= (3 * (additions(rows) + additions(cols)) + 3) * 2.0 ** (RESULT_BITS - 1 - SUM_BITS)
    unsafe = spread < squares
    root = np.sqrt(spread, out=spread)
    root *= 1 / np.asarray(view.counts())  # faster than to divide, and right to many more digits than the result has
    if unsafe.any():
        sliding = isinstance(rows, Axis) and isinstance(cols, Axis)
        few = SCATTERED * unsafe.size
        if rows.dilation == cols.dilation == 1 and np.count_nonzero(unsafe) >= LOOKED_FOR * unsafe.size:
            even = view.reduce(np.maximum, prepare=_changes) == 0
            root[even & unsafe] = 0
            unsafe &= ~even
        if not sliding or np.count_nonzero(unsafe) >= few:
            alike = view.reduce(np.minimum, np.inf, name="low") == view.reduce(np.maximum, -np.inf)
            root[alike & unsafe] = 0
            unsafe &= ~alike
        total /= view.counts()
        if sliding and np.count_nonzero(unsafe) < few:
            squared = _squared_deviations_at(view, total, unsafe)
        else:
            squared = _squared_deviations(view, total)[unsafe]
        root[unsafe] = np.sqrt(squared / np.broadcast_to(view.counts(), view.shape)[unsafe])
    return root


def _changes(cells: NDArray[Any]) -> NDArray[np.uint8]:
    """1 where a cell differs from the one to the left or the one above: a window without one is even."""
    changes = np.zeros(cells.shape, np.bool_)
    np.not_equal(cells[..., 1:], cells[..., :-1], out=changes[..., 1:])
    changes[:, 1:] |= cells[:, 1:] != cells[:, :-1]
    return changes.view(np.uint8)


def _squared_deviations(view: WindowView, mean: NDArray[Any]) -> NDArray[Any]:
    """The sum of the squared deviations of each window."""
    squared = np.zeros(view.shape)
    for where, cells in view.offsets():
        off = view.scratch.brief.empty("deviation", cells.shape, np.float64)
        np.subtract(cells, mean[where], out=off)
        combine(np.add, squared, where, np.square(off, out=off))
    return squared


def _squared_deviations_at(view: WindowView, mean: NDArray[Any], chosen: NDArray[np.bool_]) -> NDArray[Any]:
    """The same of the chosen windows alone, added up in the same order; 0 where all cells are alike."""
    rows, cols = view.window.rows, view.window.cols
    assert isinstance(rows, Axis)
    assert isinstance(cols, Axis)
    index = np.flatnonzero(chosen)
    planes, row, column = np.unravel_index(index, view.shape)
    top = (row + view.chunk[0]) * rows.stride - rows.before
    left = column * cols.stride - cols.before
    down, across = (np.arange(axis.size) * axis.dilation for axis in (rows, cols))
    height, width = view.block.shape[1:]
    start = ((top - view.first_row) + planes * height) * width + left
    offsets = (down[:, None] * width + across).reshape(-1, 1)
    padded = (top < 0) | (top + down[-1] >= rows.length) | (left < 0) | (left + across[-1] >= cols.length)
    means, cells = mean.reshape(-1)[index], view.block.reshape(-1)
    squared = np.empty(len(index))
    for first in range(0, len(index), GATHERED):
        part = slice(first, first + GATHERED)
        found = cells.take(start[part] + offsets, mode="clip")
        off = found - means[part]
        squares = np.square(off, out=off)
        if padded[part].any():
            line, place = top[part] + down[:, None], left[part] + across[:, None]
            inside = ((line >= 0) & (line < rows.length))[:, None] & ((place >= 0) & (place < cols.length))
            outside = ~inside.reshape(found.shape)
            squares[outside] = 0
            found = np.where(
                outside, found[inside.reshape(found.shape).argmax(axis=0), np.arange(found.shape[1])], found
            )
        total = np.add.reduce(squares, axis=0)
        maybe = np.flatnonzero(found[0] == found[-1])
        total[maybe[(found[:, maybe] == found[0, maybe]).all(axis=0)]] = 0
        squared[part] = total
    return squared
