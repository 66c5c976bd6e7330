"""The windows of one chunk of output rows: what a pool kind computes with.

The arithmetic is a loop over the cells of a window: each is one strided slice of the rows, and ``acc op= slice``
takes that cell for all windows at once. In numpy this is fast, and it gives the frameworks' bits: PyTorch,
TensorFlow and ONNX Runtime add the cells of a window in row-major order, in float32, and divide once.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli.ops.ordered_sums import pays, sums_in_order
from poolcli.ops.reductions import AxisChunk, Buffers, Reduction, combine, reduce_axis, reduce_rows
from poolcli.ops.strips import STRIP_BYTES
from poolcli.ops.value_range import Scratch, ValueRange
from poolcli.ops.windows import AdaptiveAxis, Axis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from poolcli.ops.strips import Rows
    from poolcli.ops.windows import Selection, Window

    Prepare = Callable[[NDArray[Any]], NDArray[Any]]

EXACT_CELLS = 256
"""Largest float window whose sum keeps the frameworks' order of additions; larger ones are summed in float64."""

SCALE = 2.0**-64
"""No sum of cells that were multiplied by it leaves float64; only digits far below its last one are lost."""


@cache
def lowest(dtype: np.dtype[Any]) -> Any:
    """The smallest value of a type, which changes no maximum."""
    if dtype.kind == "b":
        return False
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


@cache
def highest(dtype: np.dtype[Any]) -> Any:
    """The largest value of a type, which changes no minimum."""
    if dtype.kind == "b":
        return True
    return np.inf if dtype.kind == "f" else np.iinfo(dtype).max


class WindowView:
    """Windows a…b-1 (rows of the output) of a map, and the operations that pool kinds are made of.

    Parameters
    ----------
    rows : Rows
        Where the map's rows come from.
    window : Window
    values : ValueRange
        What the map holds.
    chunk : (a, b)
    scratch : Scratch
    count_include_pad : bool
        Whether `mean` divides by the cells in the padding too.
    unit : float
        What the results are multiplied by at the end: 1/255 where the map holds a picture's bytes for 0 to 1.
    plane : int
        The number of the array's first plane.
    places : (planes, rows, columns), optional
        Where the windows are, of windows that were taken from another map.
    """

    def __init__(
        self,
        rows: Rows,
        window: Window,
        values: ValueRange,
        chunk: tuple[int, int],
        scratch: Scratch,
        *,
        count_include_pad: bool = False,
        unit: float = 1.0,
        plane: int = 0,
        places: tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]] | None = None,
    ) -> None:
        self._rows = rows
        self.unit = unit
        self._plane = plane + (rows.group.start or 0)
        self._places = places
        self.window = window
        self.values = values
        self._a, self._b = chunk
        self.scratch = scratch
        self._include = count_include_pad
        self._lo, self._hi = window.rows.needs(*chunk)
        self._cached: NDArray[Any] | None = None
        self._tall: NDArray[Any] | None = None
        self._scaled: NDArray[Any] | None = None

    @property
    def block(self) -> NDArray[Any]:
        """All rows that the windows read, shape (planes, rows, W)."""
        if self._cached is None:
            self._cached = self._rows.get(self._lo, self._hi)
        return self._cached

    @property
    def chunk(self) -> tuple[int, int]:
        """First and one past the last of the output rows."""
        return self._a, self._b

    @property
    def places(self) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
        """The planes, rows and columns of the windows, in shapes that are broadcast to `shape`."""
        if self._places is not None:
            return self._places
        planes, rows, cols = (np.arange(n) for n in self.shape)
        return (self._plane + planes)[:, None, None], (self._a + rows)[:, None], cols

    @property
    def first_row(self) -> int:
        """The row of the map at which `block` begins."""
        return self._lo

    @property
    def shape(self) -> tuple[int, int, int]:
        """Planes, output rows, output columns."""
        return self._rows.planes, self._b - self._a, self.window.cols.out

    def row_offsets(self) -> Iterator[tuple[Selection, Selection]]:
        """For each row of the window: output rows, and rows of the block."""
        return self.window.rows.offsets(self._a, self._b, self._lo)

    def col_offsets(self) -> Iterator[tuple[Selection, Selection]]:
        """For each column of the window: output columns, and columns of the block."""
        return self.window.cols.offsets(0, self.window.cols.out, 0)

    def offsets(self) -> Iterator[tuple[tuple[Any, ...], NDArray[Any]]]:
        """For each cell of the window in row-major order: where in the output it counts, and its values there."""
        columns = list(self.col_offsets())
        for out_rows, in_rows in self.row_offsets():
            rows = self.block[:, in_rows]
            for out_cols, in_cols in columns:
                if isinstance(out_rows, slice):
                    yield (slice(None), out_rows, out_cols), rows[..., in_cols]
                else:  # rows picked by number: columns too, or numpy would pair the one with the other
                    at = np.arange(self.shape[2])[out_cols] if isinstance(out_cols, slice) else out_cols
                    yield (slice(None), out_rows[:, None], at), rows[..., in_cols]

    def counts(self, *, padded: bool = False) -> int | NDArray[np.intp]:
        """Cells of each window: one number where they agree, else an array of shape (rows, columns)."""
        down, across, n = self.window.rows, self.window.cols, self.shape[2]
        if _all_whole(down, self.chunk) and _all_whole(across, (0, n)):
            return self.window.cells
        rows = down.counts(self._a, self._b, padded=padded)
        cols = across.counts(0, n, padded=padded)
        if (rows == rows[0]).all() and (cols == cols[0]).all():
            return int(rows[0]) * int(cols[0])
        return rows[:, None] * cols

    # -- reductions: max, min, sums ---------------------------------------------------------------------

    def reduce(
        self,
        op: np.ufunc,
        neutral: Any = 0,
        *,
        dtype: Any = None,
        prepare: Prepare | None = None,
        name: str = "cols",
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
        name : str
            The next reduction of the same name overwrites the result.
        """
        return self.reduce_many((op, neutral), dtype=dtype, prepare=prepare, name=name)[0]

    def reduce_many(
        self, *ops: tuple[np.ufunc, Any], dtype: Any = None, prepare: Prepare | None = None, name: str = "cols"
    ) -> list[NDArray[Any]]:
        """Reduce by several operations in one pass over the rows."""
        operations = [Reduction(*one) for one in ops]
        partial = self._reduce_down(operations, dtype, prepare)
        return [
            self._across(operation, part, part.dtype, f"{name}{i}")
            for i, (operation, part) in enumerate(zip(operations, partial, strict=True))
        ]

    def _down(self, operation: Reduction, cells: NDArray[Any], dtype: np.dtype[Any], name: str) -> NDArray[Any]:
        chunk = AxisChunk(self.window.rows, self._a, self._b, self._lo, -2)
        return reduce_axis(operation, cells, chunk, dtype, Buffers(self.scratch.brief, name))

    def _across(self, operation: Reduction, cells: NDArray[Any], dtype: np.dtype[Any], name: str) -> NDArray[Any]:
        chunk = AxisChunk(self.window.cols, 0, self.window.cols.out, 0, -1)
        return reduce_axis(operation, cells, chunk, dtype, Buffers(self.scratch, name))

    def _reduce_down(self, operations: list[Reduction], dtype: Any, prepare: Prepare | None) -> list[NDArray[Any]]:
        """Reduce the rows of each window: all at once, or a few at a time where one tall window would fill the memory.

        A few at a time are added row by row, as all at once are, so that the sum does not depend on how many they are.
        """
        rows, span = self.window.rows, self._hi - self._lo
        step = max(16, STRIP_BYTES // (4 * max(1, self._rows.planes * self.window.cols.length)))
        apart = self._b == rows.out or rows.needs(self._b, self._b + 1)[0] >= self._hi
        if self._cached is None and self._b - self._a == 1 and rows.dilation == 1 and span > 2 * step and apart:
            held: list[NDArray[Any]] = []
            sums = self.values.dtype == np.float64 and prepare is None and operations[0].ufunc is np.add
            before, self._scaled = None, None
            for lo in range(self._lo, self._hi, step):
                block = self._rows.get(lo, min(lo + step, self._hi))
                cells = prepare(block) if prepare else block
                if not held:
                    shape = (cells.shape[0], 1, cells.shape[2])
                    held = [np.empty(shape, dtype or cells.dtype) for _ in operations]
                for operation, acc in zip(operations, held, strict=True):
                    reduce_rows(operation.ufunc, cells, acc, started=lo > self._lo)
                if sums:  # rows pass once: what has left the range is taken up again from where it had not
                    if self._scaled is None and not np.isfinite(held[0]).all():
                        self._scaled = np.zeros_like(held[0]) if before is None else before * SCALE
                    if self._scaled is not None:
                        reduce_rows(np.add, cells * SCALE, self._scaled, started=True)
                    else:
                        before = held[0].copy()
            return held
        cells = prepare(self.block) if prepare else self.block
        kind = np.dtype(dtype or cells.dtype)
        return [self._down(operation, cells, kind, f"rows{i}") for i, operation in enumerate(operations)]

    def count(self, flags: NDArray[np.bool_]) -> NDArray[Any]:
        """How many cells of each window are flagged; `flags` has the shape of the block."""
        rows, cols = self.window.rows, self.window.cols
        tall = self._down(Reduction(np.add), flags.view(np.uint8), _counter(rows.size), "tall")
        return self._across(Reduction(np.add, largest=rows.size), tall, _counter(rows.size * cols.size), "wide")

    def total(self) -> NDArray[Any]:
        """Sum the cells of each window; padding adds nothing.

        Integers are summed exactly. Floats keep the frameworks' order up to `EXACT_CELLS` cells;
        larger windows are summed in float64.
        """
        bounds = self.total_values() if self.values.whole else None
        if bounds is not None and bounds.whole:
            return self.reduce(np.add, dtype=_summable(bounds.dtype))
        if self.values.whole or self.window.cells > EXACT_CELLS:
            (self._tall,) = self._reduce_down([Reduction(np.add)], np.dtype(np.float64), None)
            return self._across(Reduction(np.add), self._tall, self._tall.dtype, "cols0")
        kind = np.result_type(self.values.dtype, np.float32)
        if pays(self.window, kind):
            total = sums_in_order(self.window, self.block, self.first_row, self.chunk, kind, self.scratch)
            if total is not None:
                return total
        acc = self.scratch.empty("sum", self.shape, kind)
        started = False
        for where, cells in self.offsets():
            if started:
                combine(np.add, acc, where, cells)
            elif cells.shape == acc.shape:
                np.add(cells, 0, out=acc, dtype=acc.dtype)  # as below: a sum of -0.0 alone is 0.0
            else:
                acc.fill(0)
                combine(np.add, acc, where, cells)
            started = True
        return acc

    def scaled_total(self) -> NDArray[Any] | None:
        """The last `total` again, times `SCALE`: where partial sums of float64 left its range; None for other maps."""
        if self.values.dtype != np.float64 or self._tall is None:
            return None
        if self._scaled is not None:
            tall = self._scaled
        elif self._cached is None:  # no sum of rows has left it
            tall = self._tall * SCALE
        else:
            (tall,) = self._reduce_down([Reduction(np.add)], np.dtype(np.float64), lambda cells: cells * SCALE)
        return self._across(Reduction(np.add), tall, tall.dtype, "scaled")

    def total_values(self, power: int = 1) -> ValueRange:
        """What the sum of the cells (each to `power`) of a window can be, for integers."""
        low, high = _range(self.values)
        cells = self.window.most
        if power == 2:
            low, high = 0, max(low * low, high * high)
        return ValueRange.integers(min(low * cells, low), max(high * cells, high))

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
        """All cells of each window along a last axis, shape (planes, rows, columns, cells), missing ones sorting last.

        Integers of 8 bits have 16, which numpy sorts faster.
        """
        dtype = self.values.dtype
        if dtype.itemsize == 1:
            dtype = np.dtype(np.int16)
        if self.window.few:
            stack = np.full((*self.shape, int(np.max(self.counts()))), highest(dtype), dtype)
            for (i, j), cells in self.each():
                stack[:, i, j, : cells[0].size] = cells.reshape(len(cells), -1)
            return stack
        offsets = list(self.offsets())
        stack = self.scratch.empty("stack", (*self.shape, len(offsets)), dtype)
        if np.any(self.counts() != len(offsets)):
            stack.fill(highest(dtype))
        for cell, (where, cells) in enumerate(offsets):
            stack[(*where, cell)] = cells
        return stack

    @property
    def has_nan(self) -> bool:
        """Whether the rows have a NaN."""
        if self.values.dtype.kind != "f":
            return False
        if self.values.dtype.itemsize == 2:  # numpy 2.0 loses NaN in the maximum of float16
            return bool(np.isnan(self.block).any())
        return bool(np.isnan(self.block.max(initial=-np.inf)))

    def nan_windows(self) -> NDArray[np.bool_] | None:
        """Which windows hold a NaN; None when the rows have none."""
        if not self.has_nan:
            return None
        found: NDArray[np.bool_] = np.isnan(self.reduce(np.maximum, -np.inf))
        return found


def _all_whole(axis: Axis | AdaptiveAxis, windows: tuple[int, int]) -> bool:
    return isinstance(axis, Axis) and axis.whole(*windows) == windows


def _range(values: ValueRange) -> tuple[int, int]:
    return (values.low or 0, values.high or 0)


def _summable(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Sums start at 16 bits: an 8-bit accumulator would only ever serve windows of one cell."""
    return np.dtype(np.int16) if dtype.itemsize == 1 else dtype


def _counter(cells: int) -> np.dtype[Any]:
    """The smallest type that counts to the number of cells: smaller is faster."""
    return np.dtype(np.uint8 if cells < 1 << 8 else np.uint16 if cells < 1 << 16 else np.int64)
