"""Sums over windows as products of matrices: the fastest multiplications and additions that numpy has.

A few output rows are a banded matrix of weights times the rows that they read, each row once for every column of the
window, shifted. The zeros beside the band cost less than a loop over single weights.

Products stay so small that OpenBLAS, which numpy's own packages use, takes one thread for each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolcli.ops.value_range import Scratch
    from poolcli.ops.windows import Axis

OUTPUTS = 4
"""Output rows of one product."""

PRODUCT = 1 << 18
"""Most multiplications of one product: OpenBLAS would divide a larger one among threads of its own."""

LANES = 16
"""Output columns of a product are a multiple of it: libraries add up what is left over in another order."""

SHIFTED_BYTES = 1 << 19
"""Bytes of shifted rows at a time: they stay in the second-level cache."""

ROWS = 32
"""Output rows at a time, about."""

OUTPUT_COST, WEIGHT_COST = 7.0, 0.36
"""Time of an output, and of each weight of its matrix, in passes of numpy over one float32 cell."""


def cost(rows: Axis, columns: int, kind: np.dtype[Any]) -> float:
    """Time of an output of a window of so many columns, in passes of numpy over one float32 cell."""
    return (OUTPUT_COST + WEIGHT_COST * cells_read(rows, OUTPUTS) * columns) * kind.itemsize / 4


def whole_lanes(columns: int) -> int:
    """So many columns and what is missing to a multiple of `LANES`."""
    return -(-columns // LANES) * LANES


def cells_read(axis: Axis, outputs: int) -> int:
    """Cells along an axis from the first that some neighbouring outputs read to the last."""
    return (outputs - 1) * axis.stride + axis.extent


def banded(weights: NDArray[np.float64], axis: Axis, outputs: int) -> NDArray[np.float64]:
    """The matrix of shape (outputs, cells, ...) that takes cells of an axis to outputs; weights of shape (n, ...)."""
    matrix = np.zeros((outputs, cells_read(axis, outputs), *weights.shape[1:]))
    for i in range(outputs):
        matrix[i, i * axis.stride :][: axis.extent : axis.dilation] = weights
    return matrix


def window_matrix(
    weights: NDArray[np.float64], rows: Axis, kind: np.dtype[Any], outputs: int = OUTPUTS
) -> NDArray[Any]:
    """The matrix of `weighted_sums` for the weights of a window, in row-major order."""
    return banded(weights, rows, outputs).reshape(outputs, -1).astype(kind)


def weighted_sums(
    matrix: NDArray[Any], padded: NDArray[Any], rows: Axis, cols: Axis, out: NDArray[Any], scratch: Scratch
) -> None:
    """Sum the weighted cells of windows.

    Parameters
    ----------
    matrix : ndarray, of `window_matrix`
    padded : contiguous ndarray of shape (planes, height, width), type of the matrix
        All cells that the windows read.
    rows, cols : Axis
        Of the windows.
    out : ndarray of shape (planes, a multiple of the rows of the matrix, a multiple of LANES)
        Its columns may be more than those of the windows, if `padded` has the cells.
    scratch : Scratch
    """
    (planes, height, _), (plane, line, cell) = padded.shape, padded.strides
    count, weights = matrix.shape
    across = weights // cells_read(rows, count)
    grouped = out.reshape(planes, -1, count, out.shape[2])
    n = product_columns(
        matrix, rows, across
    )  # the same for every map, so that every product of a window has these sizes
    deep = max(1, SHIFTED_BYTES // (height * across * min(n, out.shape[2]) * cell))
    for left in range(0, out.shape[2], n):
        wide = min(n, out.shape[2] - left)
        for first in range(0, planes, deep):
            some = min(deep, planes - first)
            shifted = scratch.empty("shifted", (some, height, across, wide), padded.dtype)
            start = first * plane + left * cols.stride * cell
            apart = plane, line, cols.dilation * cell, cols.stride * cell
            shifted[...] = np.ndarray(shifted.shape, padded.dtype, padded, start, apart)
            step = shifted.strides
            apart = step[0], count * rows.stride * step[1], step[2], step[3]
            read = np.ndarray((some, grouped.shape[1], weights, wide), padded.dtype, shifted, 0, apart)
            np.matmul(matrix, read, out=grouped[first : first + some, :, :, left : left + wide])


def product_columns(matrix: NDArray[Any], rows: Axis, across: int) -> int:
    """Output columns of one product, for windows of so many columns."""
    shifted = SHIFTED_BYTES // (cells_read(rows, ROWS) * across * matrix.itemsize)
    return max(LANES, min(PRODUCT // matrix.size, shifted) // LANES * LANES)
