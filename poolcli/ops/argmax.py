"""The best cell of each window with its position: the maximum or minimum, carried together with where it was found.

Where a cell stands in its window is one small integer, so that carrying it costs little beside the comparison: of cells
tried in order, the last one that was better than all before it is the first best.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli.ops.windows import Axis

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from poolcli.ops.window_view import WindowView

    Cells = NDArray[Any]


def argmax(view: WindowView, better: np.ufunc, neutral: Any, position: NDArray[np.int64]) -> Cells:
    """Value and position of the best cell of each window: the first in row-major order, or the last NaN.

    Parameters
    ----------
    view : WindowView
        Of windows that are not adaptive.
    better : ufunc
        `numpy.greater` or `numpy.less`.
    neutral : scalar
        A value of the map's type that is not better than any other.
    position : ndarray of shape (planes, rows, columns)
        Filled with the positions: ``row * W + column`` in the unpadded map, as PyTorch counts.

    Returns
    -------
    ndarray of shape (planes, rows, columns)
    """
    rows, cols = view.window.rows, view.window.cols
    assert isinstance(rows, Axis)
    assert isinstance(cols, Axis)
    if rows.far or cols.far:
        return _one_by_one(view, better, position)
    block, (a, b) = view.block, view.chunk
    half = block.dtype == np.float16  # numpy 2.0 loses NaN in the maximum of float16
    nan = half and view.has_nan
    value, row, column = _first_best_cells(view, better, neutral, nan=nan)
    if block.dtype.kind == "f" and not half and np.isnan(value).any():
        nan = True
        value, row, column = _first_best_cells(view, better, neutral, nan=True)
    # Padding may have won where the real cells are no better: the first of them is meant.
    for number, axis, first in (
        (row, rows, _first_real(rows, a, b)[:, None]),
        (column, cols, _first_real(cols, 0, cols.out)),
    ):
        if first.any():
            np.maximum(number, first.astype(_numbers(axis)), out=number)
    width = cols.length
    kind = np.int32 if max(rows.extent, rows.length) * (width + cols.extent) < 1 << 31 else np.int64  # the faster
    place = np.multiply(row, rows.dilation * width, dtype=kind)
    place += np.multiply(column, cols.dilation, dtype=kind)
    place += ((np.arange(a, b) * rows.stride - rows.before) * width).astype(kind)[:, None]
    place += (np.arange(cols.out) * cols.stride - cols.before).astype(kind)
    position[...] = place
    # A maximum of two zeros is either of them.
    if nan or (block.dtype.kind == "f" and not value.all() and _has_negative_zero(block)):
        plane = np.arange(len(block))[:, None, None]
        value = block[plane, position // width - view.first_row, position % width]
    return value


def _one_by_one(view: WindowView, better: np.ufunc, position: NDArray[np.int64]) -> Cells:
    """The same for windows that lie mostly beyond the map: by their real cells alone, once for all that read the same."""
    rows, cols, block = view.window.rows, view.window.cols, view.block
    assert isinstance(rows, Axis)
    assert isinstance(cols, Axis)
    (down, row), (across, column) = rows.distinct(*view.chunk), cols.distinct(0, cols.out)
    value = np.empty((len(block), len(down), len(across)), block.dtype)
    place = np.empty(value.shape, np.int64)
    for i, (top, height) in enumerate(down):
        lines = block[:, top - view.first_row :][:, : height * rows.dilation : rows.dilation]
        for j, (left, width) in enumerate(across):
            flat = lines[..., left : left + width * cols.dilation : cols.dilation].reshape(len(block), -1)
            at = flat.argmax(axis=1) if better is np.greater else flat.argmin(axis=1)
            if flat.dtype.kind == "f":
                nan = np.isnan(flat)
                at = np.where(nan.any(axis=1), flat.shape[1] - 1 - nan[:, ::-1].argmax(axis=1), at)
            value[:, i, j] = flat[np.arange(len(flat)), at]
            place[:, i, j] = (top + at // width * rows.dilation) * cols.length + left + at % width * cols.dilation
    position[...] = place[:, row[:, None], column]
    return value[:, row[:, None], column]


def _first_best_cells(view: WindowView, better: np.ufunc, neutral: Any, *, nan: bool) -> tuple[Cells, Cells, Cells]:
    """The best cell of each window, and the numbers of its row and column in the window."""
    rows, cols = view.window.rows, view.window.cols
    assert isinstance(rows, Axis)
    assert isinstance(cols, Axis)
    # The first best column of every row, then the first best row: the first in row-major order.
    best, column, _ = _first_best(better, _across(view.block, cols, neutral), _numbers(cols), nan=nan)
    cells, columns = (
        _down(of, rows, *view.chunk, view.first_row, beyond) for of, beyond in ((best, neutral), (column, 0))
    )
    tried = ((i, cell, along) for (i, cell), (_, along) in zip(cells, columns, strict=True))
    value, row, column = _first_best(better, tried, _numbers(rows), nan=nan)
    return value, row, column


def _first_best(
    better: np.ufunc, tried: Iterator[tuple[int, Cells, Cells | None]], numbers: np.dtype[Any], *, nan: bool
) -> tuple[Cells, Cells, Cells]:
    """The best of some cells, its number, and what was carried with it."""
    number, best, carried = next(tried)
    best, carried = best.copy(), best if carried is None else carried.copy()
    found = np.full(best.shape, number, numbers)
    won = np.empty(best.shape, bool)
    for number, cells, along in tried:
        better(cells, best, out=won)
        if nan:
            won |= np.isnan(cells)
        (np.maximum if better is np.greater else np.minimum)(best, cells, out=best)
        flags = won.view(np.uint8)
        np.maximum(found, np.multiply(flags, numbers.type(number), dtype=numbers) if number > 1 else flags, out=found)
        if along is not None:
            chosen = np.negative(won.astype(carried.dtype))  # all bits set where this cell is better
            chosen &= carried ^ along
            carried ^= chosen
    return best, found, carried


def _across(block: Cells, axis: Axis, neutral: Any) -> Iterator[tuple[int, Cells, None]]:
    """For each column of the windows its number and its cells, shape (planes, rows, windows), contiguous."""
    skipped, end = axis.reach(0, axis.out)
    start = skipped * axis.dilation - axis.before
    stop = (axis.out - 1) * axis.stride + (end - 1) * axis.dilation - axis.before + 1
    cells = _filled(block, start, stop, 0, axis.length, -1, neutral)
    phases: dict[int, Cells] = {}
    for i in range(skipped, end):
        at, phase = divmod((i - skipped) * axis.dilation, axis.stride)
        if phase not in phases:
            phases[phase] = cells if axis.stride == 1 else np.ascontiguousarray(cells[..., phase :: axis.stride])
        yield i, phases[phase][..., at : at + axis.out], None


def _down(cells: Cells, axis: Axis, a: int, b: int, first: int, neutral: Any) -> Iterator[tuple[int, Cells]]:
    """For each row of the windows a…b-1 its number and its cells, shape (planes, windows, columns)."""
    skipped, end = axis.reach(a, b)
    start = a * axis.stride + skipped * axis.dilation - axis.before
    stop = (b - 1) * axis.stride + (end - 1) * axis.dilation - axis.before + 1
    cells = _filled(cells, start, stop, first, first + cells.shape[1], -2, neutral)
    for i in range(skipped, end):
        at = (i - skipped) * axis.dilation
        yield i, cells[:, at : at + (b - 1 - a) * axis.stride + 1 : axis.stride]


def _filled(cells: Cells, start: int, stop: int, first: int, end: int, along: int, neutral: Any) -> Cells:
    """Cells start…stop-1 of an axis of which `cells` are first…end-1, `neutral` beyond them."""
    lo, hi = max(start, first), min(stop, end)
    inside = [slice(None)] * 3
    inside[along] = slice(lo - first, max(lo, hi) - first)
    if (lo, hi) == (start, stop):
        return cells[tuple(inside)]
    shape = list(cells.shape)
    shape[along] = stop - start
    filled = np.full(shape, neutral, cells.dtype)
    target = [slice(None)] * 3
    target[along] = slice(lo - start, max(lo, hi) - start)
    filled[tuple(target)] = cells[tuple(inside)]
    return filled


def _numbers(axis: Axis) -> np.dtype[Any]:
    """The type that numbers the cells of a window along an axis."""
    return np.dtype(np.uint8 if axis.size <= 1 << 8 else np.uint16 if axis.size <= 1 << 16 else np.uint32)


def _first_real(axis: Axis, a: int, b: int) -> NDArray[np.intp]:
    """The number of the first real cell of windows a…b-1."""
    found: NDArray[np.intp] = (axis.first_cells(a, b) - np.arange(a, b) * axis.stride + axis.before) // axis.dilation
    return found


def _has_negative_zero(cells: Cells) -> bool:
    whole = cells.view(f"i{cells.itemsize}")
    return bool((whole == np.iinfo(whole.dtype).min).any())
