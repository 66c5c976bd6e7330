"""Convolution as products of matrices (`matrix_products`): of a whole kernel, or of low rank of columns and rows.

How a library adds up a product may depend on the sizes of the matrices. These follow from the map and the kernel alone
(`convolution_grid`), so strips, bands and threads change nothing; another processor may round the last bit another way.
Zeros beside the bands turn infinity into NaN where no weight meets it, so every result that is not finite is computed
again, weight by weight.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli.ops import matrix_products
from poolcli.ops.convolution_grid import GridStage
from poolcli.ops.kernels import is_balanced, rounded
from poolcli.ops.matrix_products import (
    LANES,
    OUTPUTS,
    PRODUCT,
    banded,
    cells_read,
    product_columns,
    weighted_sums,
    whole_lanes,
    window_matrix,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from poolcli.ops.kernels import Factor
    from poolcli.ops.strips import Rows
    from poolcli.ops.value_range import Scratch, ValueRange
    from poolcli.ops.windows import Axis, Window

COLUMN_OUTPUTS, ROW_OUTPUTS = 8, LANES
"""Output rows of one product with a kernel's column, output columns of one with its row."""

GROUP_BYTES = 5 << 16
"""Bytes of the rows of a group: they stay in the second-level cache."""

LEAST_GROUP = 16
"""Output rows of a group at least."""

SLICE_BYTES = 3 << 18
"""Most bytes of a group's cells, with their border, at a time: a group of wide rows is computed in slices of columns."""

FACTOR_COST, FACTOR_WEIGHT_COST = 3.9, 0.23
"""Time of an output, and of each weight of the matrices, in passes of numpy over one float32 cell."""


def matrix_cost(window: Window, shape: tuple[int, int], kind: np.dtype[Any]) -> float:
    """Time of a whole kernel by products in a type of floats, in passes of numpy over one float32 cell."""
    return matrix_products.cost(_axes(window)[0], shape[1], kind) * window.shape[0] * window.shape[1]


def factors_cost(window: Window, count: int, kind: np.dtype[Any]) -> float:
    """The same of a sum of so many columns times rows."""
    rows, cols = _axes(window)
    weights = cells_read(rows, COLUMN_OUTPUTS) * cols.stride + cells_read(cols, ROW_OUTPUTS)
    apart = FACTOR_COST * rows.stride * cols.stride + count * FACTOR_WEIGHT_COST * weights + 3 * (count - 1)
    return apart * kind.itemsize / 4 * window.shape[0] * window.shape[1]


def _axes(window: Window) -> tuple[Axis, Axis]:
    return window.rows, window.cols  # type: ignore[return-value]  # kernels slide


class MatrixStage(GridStage):
    """A kernel over a map by products of matrices (a `strips.Stage`).

    Parameters
    ----------
    window : Window
    values : ValueRange
        Of the results, floats.
    kind : dtype
        In which products are added, float32 or float64.
    weights : ndarray of shape (kh, kw)
    mode : str
        A name of `PADDING_MODES`.
    factors : sequence of (column, row), optional
        Whose products add up to the weights.
    """

    def __init__(
        self,
        window: Window,
        values: ValueRange,
        kind: np.dtype[Any],
        weights: NDArray[np.float64],
        mode: str = "zeros",
        factors: Sequence[Factor] = (),
    ) -> None:
        rows, cols = _axes(window)
        outputs = COLUMN_OUTPUTS if factors else OUTPUTS
        columns = whole_lanes(cols.out)
        width = (columns - 1) * cols.stride + cols.extent
        most = PRODUCT // (ROW_OUTPUTS * cells_read(cols, ROW_OUTPUTS)) if factors else rows.out
        most = min(GROUP_BYTES // (width * kind.itemsize * rows.stride), most, rows.out)
        step = -(-max(most, min(LEAST_GROUP, rows.out)) // outputs) * outputs
        super().__init__(window, values, mode, step, columns)
        self.kind, self.weights = kind, weights
        self.height = (step - 1) * rows.stride + rows.extent
        fewer = rounded if kind == np.float64 and is_balanced(weights) else np.asarray
        self.whole = window_matrix(fewer(weights), rows, kind)
        self.factors = [
            (
                banded(fewer(column), rows, outputs).astype(kind),
                np.ascontiguousarray(banded(fewer(row), cols, ROW_OUTPUTS).T).astype(kind),
                is_balanced(row),
            )
            for column, row in factors
        ]
        lanes = LANES if factors else product_columns(self.whole, rows, cols.size)
        self.slice = max(1, SLICE_BYTES // (self.height * kind.itemsize * cols.stride * lanes)) * lanes

    def compute(self, rows: Rows, a: int, b: int, made: NDArray[Any]) -> None:
        border, cols = self.border, self.border.cols
        lo, hi = border.span(a, b)
        needed = border.needs(lo, hi)
        cells = rows.get(*needed)
        scratch = rows.scratch.brief
        for left in range(0, self.columns, self.slice):
            part = made[:, :, left : left + self.slice]
            start, wide = left * cols.stride, (part.shape[2] - 1) * cols.stride + cols.extent
            padded = scratch.empty("padded", (rows.planes, self.height, wide), self.kind)
            real = min(wide, border.width - start)
            border.fill(padded[:, : hi - lo, :real], cells, needed[0], lo, start - cols.before)
            padded[:, :, real:] = 0
            padded[:, hi - lo :] = 0
            sums = part if made.dtype == self.kind else scratch.empty("sums", part.shape, self.kind)
            if self.factors:
                self._columns_and_rows(padded, sums, scratch)
            else:
                weighted_sums(self.whole, padded, border.rows, cols, sums, scratch)
            if sums is not part:
                part[...] = sums
            done = part[:, : b - a, : cols.out - left]
            if not np.isfinite(np.add.reduce(done, axis=None)):
                self._repair(padded, done)

    def _columns_and_rows(self, padded: NDArray[Any], sums: NDArray[Any], scratch: Scratch) -> None:
        planes, height, width = padded.shape
        for number, (column, row, row_first) in enumerate(self.factors):
            part = sums if number == 0 else scratch.empty("part", sums.shape, sums.dtype)
            if row_first:  # a factor that adds up to 0 comes first, while the cells of flat areas are equal
                between = scratch.empty("wide", (planes, height, sums.shape[2]), sums.dtype)
                self._rows(row, padded, between)
                self._columns(column, between, part)
            else:
                between = scratch.empty("tall", (planes, self.step, width), sums.dtype)
                self._columns(column, padded, between)
                self._rows(row, between, part)
            if number:
                np.add(sums, part, out=sums)

    def _columns(self, column: NDArray[Any], cells: NDArray[Any], out: NDArray[Any]) -> None:
        """Multiply a matrix of the kernel's column with the rows of cells."""
        (planes, _, width), (plane, line, cell), (count, read) = cells.shape, cells.strides, column.shape
        shape = planes, self.step // count, read, width
        lines = np.ndarray(shape, cells.dtype, cells, 0, (plane, count * self.border.rows.stride * line, line, cell))
        grouped = out.reshape(planes, -1, count, width)
        n = -(-width // -(-width * count * read // PRODUCT))
        for left in range(0, width, n):
            np.matmul(column, lines[..., left : left + n], out=grouped[..., left : left + n])

    def _rows(self, row: NDArray[Any], cells: NDArray[Any], out: NDArray[Any]) -> None:
        """Multiply runs of cells with a matrix of the kernel's row."""
        (planes, height, width), (plane, line, cell) = out.shape, cells.strides
        shape = planes, width // ROW_OUTPUTS, height, len(row)
        runs = np.ndarray(
            shape, cells.dtype, cells, 0, (plane, ROW_OUTPUTS * self.border.cols.stride * cell, line, cell)
        )
        np.matmul(runs, row, out=out.reshape(planes, height, -1, ROW_OUTPUTS).transpose(0, 2, 1, 3))

    def _repair(self, padded: NDArray[Any], done: NDArray[Any]) -> None:
        """Compute again what is not finite, in float64: NaN and infinity where they belong, and sums that float32 lost.

        In every framework, 0 times NaN or infinity is NaN.
        """
        bad = ~np.isfinite(done)
        across = np.flatnonzero(bad.any(axis=(0, 1)))
        if not len(across):
            return
        rows, cols = self.border.rows, self.border.cols
        left, right = across[0], across[-1] + 1
        done, bad = done[:, :, left:right], bad[:, :, left:right]
        total = np.zeros(done.shape)
        for i, j in np.ndindex(self.weights.shape):
            lines = padded[:, i * rows.dilation :][:, : (done.shape[1] - 1) * rows.stride + 1 : rows.stride]
            cells = lines[:, :, left * cols.stride + j * cols.dilation :: cols.stride][:, :, : right - left]
            total += np.multiply(cells, self.weights[i, j], dtype=np.float64)
        np.copyto(done, total, where=bad, casting="same_kind")
