"""Sums of float windows in the frameworks' order of additions, by products of matrices.

PyTorch, TensorFlow and ONNX Runtime add the cells of a window one by one in row-major order, and every addition rounds.
So no partial sum of one window serves another: a + b + c and b + c + d share no rounded value. What is left is to do
these additions fast. A product with weights of 1 in row-major order does them in that order where the library keeps
one sum for each output: multiplying by 1 and adding the zeros beside the band round nothing. OpenBLAS does so for four
output rows at a time on some processors and for two on most. Which is so is tried once for every size of products, on
random cells; where neither is, sums are added by a loop. The bits are the same in any case.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli.ops.borders import BorderedWindow
from poolcli.ops.matrix_products import OUTPUTS, cost, weighted_sums, whole_lanes, window_matrix
from poolcli.ops.value_range import Scratch
from poolcli.ops.windows import Axis

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolcli.ops.settings import Pair
    from poolcli.ops.windows import AdaptiveAxis, Window

ROWS = 32
"""Output rows that are computed together."""

LEAST_ROWS = 64
"""Maps of fewer output rows are not worth the trial, which takes the time of a few."""

TRIED = (OUTPUTS, 2)
"""Output rows of one product: more are faster."""

APART = {1: 1.25, 2: 1.7}
"""Time to add a cell of each window by a loop, in passes of numpy over one cell, by stride; others take 2.5."""


def pays(window: Window, kind: np.dtype[Any]) -> bool:
    """Whether products are expected to be faster than a loop over the cells of a window."""
    rows, cols = window.rows, window.cols
    if not (isinstance(rows, Axis) and isinstance(cols, Axis)) or rows.out < LEAST_ROWS:
        return False
    if not BorderedWindow(window, "zeros").compact:
        return False
    loop = APART.get(cols.stride, 2.5) * window.cells * kind.itemsize / 4
    return cost(rows, cols.size, kind) < loop


def sums_in_order(
    window: Window, block: NDArray[Any], first: int, chunk: Pair, kind: np.dtype[Any], scratch: Scratch
) -> NDArray[Any] | None:
    """Sum the cells of each window one by one, in row-major order; padding adds nothing.

    Parameters
    ----------
    window : Window
        One for which it `pays`.
    block : ndarray of shape (planes, rows, W)
        The rows of the map from `first` on.
    chunk : (a, b)
        Rows of windows.
    kind : dtype
        In which cells are added.
    scratch : Scratch
        Keeps the result until the next call.

    Returns
    -------
    ndarray of shape (planes, b - a, columns), or None
        None where a sum is not finite, or where the library does not add in order.
    """
    geometry = _geometry(window.rows), _geometry(window.cols), whole_lanes(window.cols.out)
    outputs = next((tried for tried in TRIED if _adds_in_order(*geometry, kind, tried)), None)
    if outputs is None:
        return None
    border, (a, b) = BorderedWindow(window, "zeros"), chunk
    rows, cols = border.rows, border.cols
    matrix = window_matrix(np.ones((rows.size, cols.size)), rows, kind, outputs)
    total = scratch.empty("ordered", (len(block), -(-(b - a) // OUTPUTS) * OUTPUTS, whole_lanes(cols.out)), kind)
    width = (total.shape[2] - 1) * cols.stride + cols.extent
    for p in range(a, b, ROWS):
        q = min(p + ROWS, a + total.shape[1])
        lo, hi = border.span(p, q)
        padded = scratch.brief.empty("bordered", (len(block), hi - lo, width), kind)
        end = border.span(p, min(q, b))[1] - lo
        border.fill(padded[:, :end, : border.width], block, first, lo, -cols.before)
        padded[:, end:] = 0
        padded[:, :, border.width :] = 0
        weighted_sums(matrix, padded, rows, cols, total[:, p - a : q - a], scratch.brief)
    total = total[:, : b - a, : cols.out]
    return total if np.isfinite(np.add.reduce(total, axis=None)) else None  # 0 times infinity is NaN


def _geometry(axis: Axis | AdaptiveAxis) -> tuple[int, int, int]:
    assert isinstance(axis, Axis)
    return axis.size, axis.stride, axis.dilation


@lru_cache(maxsize=64)
def _adds_in_order(
    down: tuple[int, int, int], across: tuple[int, int, int], width: int, kind: np.dtype[Any], outputs: int
) -> bool:
    """Whether products of these sizes give the bits of additions one by one."""
    rows, cols = (
        Axis((out - 1) * stride + (size - 1) * dilation + 1, size, stride, dilation, 0, 0, out)
        for (size, stride, dilation), out in ((down, outputs), (across, width))
    )
    random = np.random.default_rng(0)
    shape = 1, rows.length, cols.length
    cells = np.ldexp(random.standard_normal(shape), random.integers(-3, 4, shape)).astype(kind)
    found, total = np.empty((1, outputs, width), kind), np.zeros((1, outputs, width), kind)
    weighted_sums(
        window_matrix(np.ones((rows.size, cols.size)), rows, kind, outputs), cells, rows, cols, found, Scratch()
    )
    for i, j in np.ndindex(rows.size, cols.size):
        lines = cells[:, i * rows.dilation :: rows.stride][:, :outputs]
        total += lines[:, :, j * cols.dilation :: cols.stride][:, :, :width]
    return np.array_equal(found, total)
