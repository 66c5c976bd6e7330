"""The windows of one chunk of output rows: what a pool kind computes with.

The arithmetic is a loop over taps: each tap of the window is one strided slice of the rows, and
``acc op= slice`` handles that tap for all windows at once. It is the fastest way in numpy and the bit-exact one:
PyTorch, TensorFlow and ONNX Runtime add up a window in row-major order, in float32, and divide once.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli.ops.counting import counts, few
from poolcli.ops.folds import combine, fold_axis
from poolcli.ops.strips import STRIP_BYTES
from poolcli.ops.values import Scratch, Values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from poolcli.ops.strips import Rows
    from poolcli.ops.windows import Selection, Window

    Prepare = Callable[[NDArray[Any]], NDArray[Any]]

EXACT_CELLS = 256
"""Largest float window whose sum keeps the frameworks' order of additions; larger ones are summed in float64."""


@cache
def lowest(dtype: np.dtype[Any]) -> Any:
    """The value that no maximum prefers."""
    if dtype.kind == "b":
        return False
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


@cache
def highest(dtype: np.dtype[Any]) -> Any:
    """The value that no minimum prefers."""
    if dtype.kind == "b":
        return True
    return np.inf if dtype.kind == "f" else np.iinfo(dtype).max


class View:
    """Windows a…b-1 (rows of the output) of a map, and the operations that pool kinds are made of.

    Parameters
    ----------
    rows : Rows
        Where the map's rows come from.
    window : Window
    values : Values
        What the map holds.
    chunk : (a, b)
    scratch : Scratch
    count_include_pad : bool
        Whether `mean` divides by the cells in the padding too.
    """

    def __init__(
        self,
        rows: Rows,
        window: Window,
        values: Values,
        chunk: tuple[int, int],
        scratch: Scratch,
        *,
        count_include_pad: bool = False,
    ) -> None:
        self._rows = rows
        self.window = window
        self.values = values
        self._a, self._b = chunk
        self._scratch = scratch
        self._include = count_include_pad
        self._lo, self._hi = window.rows.needs(*chunk)
        self._cached: NDArray[Any] | None = None

    @property
    def block(self) -> NDArray[Any]:
        """All rows that the windows read, shape (planes, rows, W)."""
        if self._cached is None:
            self._cached = self._rows.get(self._lo, self._hi)
        return self._cached

    @property
    def shape(self) -> tuple[int, int, int]:
        """Planes, output rows, output columns."""
        return self._rows.planes, self._b - self._a, self.window.cols.out

    def row_taps(self) -> Iterator[tuple[Selection, Selection]]:
        """For each row of the window: output rows, and rows of the block."""
        return self.window.rows.taps(self._a, self._b, self._lo)

    def col_taps(self) -> Iterator[tuple[Selection, Selection]]:
        """For each column of the window: output columns, and columns of the block."""
        return self.window.cols.taps(0, self.window.cols.out, 0)

    def taps(self) -> Iterator[tuple[tuple[Any, ...], NDArray[Any]]]:
        """For each cell of the window in row-major order: where in the output it counts, and its values there."""
        columns = list(self.col_taps())
        for out_rows, in_rows in self.row_taps():
            rows = self.block[:, in_rows]
            for out_cols, in_cols in columns:
                yield (slice(None), out_rows, out_cols), rows[..., in_cols]

    def counts(self, *, padded: bool = False) -> int | NDArray[np.intp]:
        """Cells of each window: one number where they agree, else an array of shape (rows, columns)."""
        rows = self.window.rows.counts(self._a, self._b, padded=padded)
        cols = self.window.cols.counts(0, self.window.cols.out, padded=padded)
        if (rows == rows[0]).all() and (cols == cols[0]).all():
            return int(rows[0]) * int(cols[0])
        return rows[:, None] * cols

    # -- folds: max, min, sums --------------------------------------------------------------------------

    def fold(
        self, op: np.ufunc, neutral: Any = 0, *, dtype: Any = None, prepare: Prepare | None = None
    ) -> NDArray[Any]:
        """Combine the cells of each window by `op`, rows first, then columns.

        Parameters
        ----------
        op : ufunc
            Associative and commutative.
        neutral : scalar
            What `op` leaves unchanged.
        dtype : dtype, optional
            Type to compute in; the map's by default.
        prepare : callable, optional
            Applied to the rows first.
        """
        return self.folds((op, neutral), dtype=dtype, prepare=prepare)[0]

    def folds(
        self, *ops: tuple[np.ufunc, Any], dtype: Any = None, prepare: Prepare | None = None
    ) -> list[NDArray[Any]]:
        """Fold by several operations in one pass over the rows."""
        partial = self._down(ops, dtype, prepare)
        cols = self.window.cols
        return [
            fold_axis(op, neutral, part, cols, (0, cols.out), 0, -1, part.dtype, self._scratch, f"cols{i}")
            for i, ((op, neutral), part) in enumerate(zip(ops, partial, strict=True))
        ]

    def _down(self, ops: tuple[tuple[np.ufunc, Any], ...], dtype: Any, prepare: Prepare | None) -> list[NDArray[Any]]:
        """Fold the rows of each window: all at once, or a few at a time where one tall window would fill the memory."""
        rows, span = self.window.rows, self._hi - self._lo
        step = max(16, STRIP_BYTES // (4 * max(1, self._rows.planes * self.window.cols.length)))
        apart = self._b == rows.out or rows.needs(self._b, self._b + 1)[0] >= self._hi
        if self._cached is None and self._b - self._a == 1 and rows.dilation == 1 and span > 2 * step and apart:
            held: list[NDArray[Any]] = []
            for lo in range(self._lo, self._hi, step):
                block = self._rows.get(lo, min(lo + step, self._hi))
                cells = prepare(block) if prepare else block
                parts = [op.reduce(cells, axis=-2, dtype=dtype or cells.dtype, keepdims=True) for op, _ in ops]
                held = [op(old, new) for (op, _), old, new in zip(ops, held, parts, strict=True)] if held else parts
            return held
        cells = prepare(self.block) if prepare else self.block
        kind = np.dtype(dtype or cells.dtype)
        chunk = (self._a, self._b)
        return [
            fold_axis(op, neutral, cells, rows, chunk, self._lo, -2, kind, self._scratch, f"rows{i}")
            for i, (op, neutral) in enumerate(ops)
        ]

    def count(self, flags: NDArray[np.bool_]) -> NDArray[Any]:
        """How many cells of each window are flagged; `flags` has the shape of the block."""
        cells, chunk, scratch = flags.view(np.uint8), (self._a, self._b), self._scratch
        rows, cols = self.window.rows, self.window.cols
        tall = fold_axis(np.add, 0, cells, rows, chunk, self._lo, -2, _counter(rows.size), scratch, "tall")
        return fold_axis(np.add, 0, tall, cols, (0, cols.out), 0, -1, _counter(rows.size * cols.size), scratch, "wide")

    def total(self) -> NDArray[Any]:
        """Sum the cells of each window; padding adds nothing.

        Integers are summed exactly. Floats keep the frameworks' order up to `EXACT_CELLS` cells;
        larger windows are summed in float64.
        """
        bounds = self.total_values() if self.values.whole else None
        if bounds is not None and bounds.whole:
            return self.fold(np.add, dtype=_summable(bounds.dtype))
        if self.values.whole or self.window.cells > EXACT_CELLS:
            return self.fold(np.add, dtype=np.float64)
        acc = self._scratch.empty("sum", self.shape, np.result_type(self.values.dtype, np.float32))
        started = False
        for where, cells in self.taps():
            if started:
                combine(np.add, acc, where, cells)
            elif cells.shape == acc.shape:
                acc[...] = cells
            else:
                acc.fill(0)
                combine(np.add, acc, where, cells)
            started = True
        return acc

    def total_values(self, power: int = 1) -> Values:
        """What the sum of the cells (each to `power`) of a window can be, for integers."""
        low, high = _range(self.values)
        cells = self.window.cells
        if power == 2:
            low, high = 0, max(low * low, high * high)
        return Values.integers(min(low * cells, low), max(high * cells, high))

    def mean(self, total: NDArray[Any]) -> NDArray[Any]:
        """Divide the sum of each window by its number of cells; of floats in adaptive windows by height, then width.

        Both are PyTorch's rules (`AvgPoolKernel.cpp`, `AdaptiveAvgPoolKernel.cpp`). Integers are divided once, and in
        float64 where float32 cannot hold their sum, so that a mean is never rounded twice.
        """
        exact = total.dtype.kind in "iu"
        if exact:
            small = self.values.whole and max(abs(v) for v in _range(self.total_values())) < 1 << 24
            total = total.astype(np.float32 if small else np.float64)
        kind = total.dtype.type
        if self.window.adaptive and not exact:
            rows = self.window.rows.counts(self._a, self._b)
            cols = self.window.cols.counts(0, self.window.cols.out)
            np.divide(total, rows[:, None].astype(kind), out=total)
            return np.divide(total, cols.astype(kind), out=total)
        counts = self.counts(padded=self._include)
        return np.divide(total, np.asarray(counts, kind), out=total)

    # -- positions --------------------------------------------------------------------------------------

    def first(self) -> NDArray[Any]:
        """The first real cell of each window."""
        rows = self.window.rows.first_cells(self._a, self._b) - self._lo
        cols = self.window.cols.first_cells(0, self.window.cols.out)
        return np.take(np.take(self.block, rows, axis=-2), cols, axis=-1)

    def winners(self, better: np.ufunc, neutral: Any) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Value and position of the best cell of each window: the first in row-major order, or the last NaN.

        The position is ``row * W + column`` in the unpadded map, as PyTorch counts. Columns are searched first, then
        rows: the first winning row's first winning column is the first in row-major order.
        """
        planes, rows, cols = self.shape
        width = self.window.cols.length
        height = self._hi - self._lo
        first = self.window.cols.first_cells(0, cols)
        best = np.full((planes, height, cols), neutral, self.block.dtype)
        column = np.broadcast_to(first, best.shape).copy()
        cells = np.arange(width)
        for out, inner in self.col_taps():
            _keep_better(better, best, column, (slice(None), slice(None), out), self.block[..., inner], cells[inner])
        value = np.full((planes, rows, cols), neutral, self.block.dtype)
        start = self.window.rows.first_cells(self._a, self._b)
        positions = (self._lo + np.arange(height))[:, None] * width + column
        position = positions[:, start - self._lo]
        for out, inner in self.row_taps():
            _keep_better(better, value, position, (slice(None), out), best[:, inner], positions[:, inner])
        return value, position

    @property
    def counted(self) -> bool:
        """Whether the windows' order statistics are better counted than sorted."""
        return counts(self.values, self.window)

    def each(self) -> Iterator[tuple[tuple[int, int], NDArray[Any]]]:
        """For each window: its place in the output, and its cells, shape (planes, rows, columns)."""
        rows, cols = self.window.rows, self.window.cols
        across = list(zip(cols.first_cells(0, cols.out), cols.counts(0, cols.out), strict=True))
        down = zip(rows.first_cells(self._a, self._b) - self._lo, rows.counts(self._a, self._b), strict=True)
        for i, (top, height) in enumerate(down):
            band = self.block[:, top : top + height * rows.dilation : rows.dilation]
            for j, (left, width) in enumerate(across):
                yield (i, j), band[..., left : left + width * cols.dilation : cols.dilation]

    # -- order statistics -------------------------------------------------------------------------------

    def gathered(self) -> NDArray[Any]:
        """All cells of each window along a last axis, shape (planes, rows, columns, cells), missing ones sorting last."""
        if few(self.window):
            stack = np.full((*self.shape, int(np.max(self.counts()))), highest(self.values.dtype), self.values.dtype)
            for (i, j), cells in self.each():
                stack[:, i, j, : cells[0].size] = cells.reshape(len(cells), -1)
            return stack
        taps = list(self.taps())
        stack = self._scratch.empty("stack", (*self.shape, len(taps)), self.values.dtype)
        if np.any(self.counts() != len(taps)):
            stack.fill(highest(self.values.dtype))
        for cell, (where, cells) in enumerate(taps):
            stack[(*where, cell)] = cells
        return stack

    def nan_windows(self) -> NDArray[np.bool_] | None:
        """Which windows hold a NaN; None when the rows have none."""
        if self.values.dtype.kind != "f" or not np.isnan(self.block.max(initial=-np.inf)):
            return None
        found: NDArray[np.bool_] = np.isnan(self.fold(np.maximum, -np.inf))
        return found


def _range(values: Values) -> tuple[int, int]:
    return (values.low or 0, values.high or 0)


def _summable(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Sums start at 16 bits: an 8-bit accumulator would only ever serve windows of one cell."""
    return np.dtype(np.int16) if dtype.itemsize == 1 else dtype


def _counter(cells: int) -> np.dtype[Any]:
    """The type that counts so many cells, the smaller the faster."""
    return np.dtype(np.uint8 if cells < 1 << 8 else np.uint16 if cells < 1 << 16 else np.int64)


def _keep_better(
    better: np.ufunc,
    best: NDArray[Any],
    position: NDArray[Any],
    where: tuple[Any, ...],
    cells: NDArray[Any],
    positions: NDArray[Any],
) -> None:
    held, at = best[where], position[where]
    won = better(cells, held)
    if best.dtype.kind == "f":
        won |= np.isnan(cells)
    best[where] = np.where(won, cells, held)
    position[where] = np.where(won, positions, at)
