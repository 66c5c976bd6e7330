"""Folding windows along one axis: max, min and sums, by the way that suits the window.

- One tap after the other, each a strided slice: ``acc op= cells[i : … : stride]``. Cost grows with the size.
- Running, for windows that overlap much: the fold of 2, 4, 8, … neighbours for every cell, each from the one before; a
  window of any size is then made of a few of these. Cost grows with the logarithm of the size.
- One reduction, where the axis has a single window.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli.ops.windows import AdaptiveAxis, Axis

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolcli.ops.values import Scratch
    from poolcli.ops.windows import Pair, Selection

IDEMPOTENT = (np.maximum, np.minimum)
"""Operations that may take a cell twice."""


def fold_axis(
    op: np.ufunc,
    neutral: Any,
    cells: NDArray[Any],
    axis: Axis | AdaptiveAxis,
    chunk: Pair,
    first: int,
    along: int,
    dtype: np.dtype[Any],
    scratch: Scratch,
    name: str,
) -> NDArray[Any]:
    """Fold the windows of a chunk along one axis.

    Parameters
    ----------
    op : ufunc
        Associative and commutative.
    neutral : scalar
        What `op` leaves unchanged.
    cells : ndarray of shape (planes, rows, columns)
    axis : Axis or AdaptiveAxis
    chunk : (a, b)
        Windows a…b-1.
    first : int
        The cell of the axis at which `cells` begin.
    along : -2 or -1
        Rows or columns.
    dtype : dtype
        To compute in.
    scratch, name
        Where the result is kept until the next call of this name.

    Returns
    -------
    ndarray, `cells` with b - a windows in place of the axis
    """
    n = chunk[1] - chunk[0]
    shape = (*cells.shape[:-2], n, cells.shape[-1]) if along == -2 else (*cells.shape[:-1], n)
    acc = scratch.empty(name, shape, dtype)
    if isinstance(axis, Axis):
        if n == 1 and axis.size > 4:
            return _one(op, neutral, cells, axis, chunk[0], first, along, acc)
        lo, hi = axis.reach(*chunk)
        if (hi - lo).bit_length() + 2 < (hi - lo) / axis.stride:
            return _running(op, neutral, cells, axis, chunk, first, along, acc, scratch, name)
    return _by_taps(op, neutral, cells, axis, chunk, first, along, acc)


def combine(op: np.ufunc, acc: NDArray[Any], where: tuple[Any, ...], cells: NDArray[Any]) -> None:
    """acc[where] op= cells, where selections may also be arrays of positions."""
    if all(isinstance(index, slice) or index is Ellipsis for index in where):
        part = acc[where]
        op(part, cells, out=part, dtype=acc.dtype, casting="unsafe")
    else:
        acc[where] = op(acc[where], cells)


def _at(selection: Selection, along: int) -> tuple[Any, ...]:
    return (Ellipsis, selection, slice(None)) if along == -2 else (Ellipsis, selection)


def _one(
    op: np.ufunc,
    neutral: Any,
    cells: NDArray[Any],
    axis: Axis,
    a: int,
    first: int,
    along: int,
    acc: NDArray[Any],
) -> NDArray[Any]:
    start = int(axis.first_cells(a, a + 1)[0]) - first
    count = int(axis.counts(a, a + 1)[0])
    window = cells[_at(slice(start, start + (count - 1) * axis.dilation + 1, axis.dilation), along)]
    if count == 0:
        acc.fill(neutral)
    else:
        op.reduce(window, axis=along, dtype=acc.dtype, out=acc, keepdims=True)
    return acc


def _by_taps(
    op: np.ufunc,
    neutral: Any,
    cells: NDArray[Any],
    axis: Axis | AdaptiveAxis,
    chunk: Pair,
    first: int,
    along: int,
    acc: NDArray[Any],
) -> NDArray[Any]:
    n = chunk[1] - chunk[0]
    taps = list(axis.taps(*chunk, first))
    whole = [isinstance(out, slice) and out.start == 0 and out.stop == n for out, _ in taps]
    if len(taps) > 1 and whole[0] and whole[1]:
        one, two = (cells[_at(inner, along)] for _, inner in taps[:2])
        op(one, two, out=acc, dtype=acc.dtype, casting="unsafe")
        taps = taps[2:]
    elif taps and whole[0]:
        acc[...] = cells[_at(taps[0][1], along)]
        taps = taps[1:]
    else:
        acc.fill(neutral)
    for out, inner in taps:
        combine(op, acc, _at(out, along), cells[_at(inner, along)])
    return acc


def _running(
    op: np.ufunc,
    neutral: Any,
    cells: NDArray[Any],
    axis: Axis,
    chunk: Pair,
    first: int,
    along: int,
    acc: NDArray[Any],
    scratch: Scratch,
    name: str,
) -> NDArray[Any]:
    skipped, end = axis.reach(*chunk)
    size = end - skipped
    start = chunk[0] * axis.stride - axis.before + skipped * axis.dilation
    stop = (chunk[1] - 1) * axis.stride - axis.before + (end - 1) * axis.dilation + 1
    lo, hi = max(start, 0), min(stop, axis.length)
    shape = list(cells.shape)
    shape[along] = stop - start
    level = scratch.empty(f"{name}even", tuple(shape), acc.dtype)
    level[_at(slice(0, lo - start), along)] = neutral
    level[_at(slice(hi - start, stop - start), along)] = neutral
    level[_at(slice(lo - start, hi - start), along)] = cells[_at(slice(lo - first, hi - first), along)]

    reach = (chunk[1] - 1 - chunk[0]) * axis.stride + 1

    def windows(of: NDArray[Any], offset: int) -> NDArray[Any]:
        at = offset * axis.dilation
        return of[_at(slice(at, at + reach, axis.stride), along)]

    power, done, started = 1, 0, False
    while True:
        if op not in IDEMPOTENT and size & power:  # this power of two is part of the size
            part = windows(level, done)
            op(acc, part, out=acc) if started else np.copyto(acc, part)
            done, started = done + power, True
        if 2 * power > size:
            break
        shape[along] -= power * axis.dilation
        wider = scratch.empty(f"{name}{'odd' if power.bit_length() % 2 else 'even'}", tuple(shape), acc.dtype)
        length = shape[along]
        op(
            level[_at(slice(0, length), along)],
            level[_at(slice(power * axis.dilation, power * axis.dilation + length), along)],
            out=wider,
        )
        level, power = wider, 2 * power
    if op in IDEMPOTENT:  # two that overlap cover the window
        op(windows(level, 0), windows(level, size - power), out=acc)
    return acc
