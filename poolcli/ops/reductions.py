"""Reduce windows along one axis: max, min and sums, by the method that suits the window.

- Offsets: one strided slice for each cell of the window, ``acc op= cells[i : … : stride]``. The cost grows with the size.
- Running, for windows that overlap much: the reduction of 2, 4, 8, … neighbours for every cell, each from the one
  before; a window of any size is then made of a few of these. The cost grows with the logarithm of the size.
- One call of numpy, where there is a single window, and for long windows side by side.

The sum of floats depends on the order of the additions. The order therefore follows from the axis alone: never from the
chunk, the strip, the number of planes or of threads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from poolcli.ops.windows import AdaptiveAxis, Axis

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolcli.ops.value_range import Scratch
    from poolcli.ops.windows import Selection

IDEMPOTENT = (np.maximum, np.minimum)
"""Operations that may take a cell twice."""

SINGLE_CALL = 4
"""A single window of more cells is reduced by one call."""

LONG, MOST_PER_CELL = 12, 6
"""Cells of windows along the columns from which they are reduced one by one, and most windows for each of these cells."""


class Reduction(NamedTuple):
    """What combines two cells.

    Attributes
    ----------
    ufunc : ufunc
        Associative and commutative.
    neutral : scalar
        What `ufunc` leaves unchanged.
    largest : int, optional
        Cells are from 0 to it: sums of a few are held in the smallest type.
    """

    ufunc: np.ufunc
    neutral: Any = 0
    largest: int | None = None

    def small(self, dtype: np.dtype[Any], cells: int) -> np.dtype[Any]:
        """A type for sums of `cells` cells, where sums of all cells of a window have `dtype`."""
        if self.largest is None or self.largest * cells >= 1 << 8:
            return dtype
        return np.dtype(np.uint8)

    def neutral_for(self, dtype: np.dtype[Any]) -> Any:
        """The neutral value of a type: for a sum of floats it is -0.0, since 0.0 would change -0.0."""
        return -0.0 if self.ufunc is np.add and dtype.kind == "f" else self.neutral


class AxisChunk(NamedTuple):
    """Some windows of one axis, and the cells that they are reduced from.

    Attributes
    ----------
    axis : Axis or AdaptiveAxis
    a, b : int
        Windows a…b-1.
    first : int
        The cell of the axis at which the array of cells begins.
    along : -2 or -1
        The axis of the array: rows or columns.
    """

    axis: Axis | AdaptiveAxis
    a: int
    b: int
    first: int
    along: int

    def at(self, selection: Selection) -> tuple[Any, ...]:
        """The index that selects along the axis."""
        return (Ellipsis, selection, slice(None)) if self.along == -2 else (Ellipsis, selection)


class Buffers(NamedTuple):
    """Where a reduction keeps its result until the next one of this name, and what it computes on the way."""

    scratch: Scratch
    name: str


def reduce_axis(
    operation: Reduction, cells: NDArray[Any], chunk: AxisChunk, dtype: np.dtype[Any], buffers: Buffers
) -> NDArray[Any]:
    """Reduce some windows along one axis.

    Parameters
    ----------
    operation : Reduction
    cells : ndarray of shape (planes, rows, columns)
    chunk : AxisChunk
    dtype : dtype
        Type to compute in.
    buffers : Buffers
        Holds the result.

    Returns
    -------
    ndarray, `cells` with b - a windows in place of the axis
    """
    axis, n = chunk.axis, chunk.b - chunk.a
    shape = (*cells.shape[:-2], n, cells.shape[-1]) if chunk.along == -2 else (*cells.shape[:-1], n)
    acc = buffers.scratch.empty(buffers.name, shape, dtype)
    if isinstance(axis, AdaptiveAxis) and axis.size > 2 * n:
        return _each(operation, cells, axis, chunk, acc)
    if isinstance(axis, Axis):
        if axis.far:
            return _each_once(operation, cells, axis, chunk, acc)
        if axis.out > 1 and _overlap_much(axis):
            return _running(operation, cells, axis, chunk, acc, buffers)
        if axis.size > SINGLE_CALL and (axis.out == 1 or (n == 1 and chunk.along == -2)):
            return _single(operation, cells, axis, chunk, acc)
        if chunk.along == -1 and _are_long(axis) and cells.dtype == acc.dtype and not _rounds(operation.ufunc, dtype):
            start = chunk.a * axis.stride - axis.before - chunk.first
            side_by_side = cells[..., start : start + n * axis.size].reshape(*shape, axis.size)
            return operation.ufunc.reduce(side_by_side, axis=-1, dtype=dtype, out=acc)
    return _by_offsets(operation, cells, chunk, acc)


def additions(axis: Axis | AdaptiveAxis) -> int:
    """The most additions that a cell goes through in a sum of floats: each may round it once."""
    if not (isinstance(axis, Axis) and not axis.far and axis.out > 1 and _overlap_much(axis)):
        return axis.size - 1
    skipped, end = axis.reach(0, axis.out)
    parts = _parts(np.add, end - skipped, np.dtype(np.float64))
    return max(power.bit_length() - 1 + len(parts) - max(i, 1) for i, (_, power, _) in enumerate(parts))


def _overlap_much(axis: Axis) -> bool:
    if axis.size <= SINGLE_CALL:
        return False
    lo, hi = axis.reach(0, axis.out)
    return (hi - lo).bit_length() + 2 < (hi - lo) / axis.stride


def _are_long(axis: Axis) -> bool:
    """Whether the windows of an axis lie side by side, are all whole, and are so long that they are better taken one by one."""
    apart = axis.stride == axis.size >= LONG and axis.dilation == 1 and axis.out <= MOST_PER_CELL * axis.size
    return apart and axis.whole(0, axis.out) == (0, axis.out)


def _rounds(op: np.ufunc, dtype: np.dtype[Any]) -> bool:
    return op is np.add and dtype.kind == "f"


def combine(op: np.ufunc, acc: NDArray[Any], where: tuple[Any, ...], cells: NDArray[Any]) -> None:
    """acc[where] op= cells, where selections may also be arrays of positions."""
    if all(isinstance(index, slice) or index is Ellipsis for index in where):
        part = acc[where]
        op(part, cells, out=part, dtype=acc.dtype, casting="unsafe")
    else:
        acc[where] = op(acc[where], cells)


def reduce_rows(op: np.ufunc, cells: NDArray[Any], acc: NDArray[Any], *, started: bool = False) -> None:
    """Reduce all rows of `cells`, shape (planes, rows, columns), into `acc`, shape (planes, 1, columns).

    With `started`, what `acc` holds comes first. Floats are added row by row: numpy would add in pairs where the rows
    are the fastest axis in memory, so they are laid out anew.
    """
    if not _rounds(op, acc.dtype):
        part = op.reduce(cells, axis=-2, dtype=acc.dtype, keepdims=True)
        op(acc, part, out=acc) if started else np.copyto(acc, part)
        return
    planes, rows, columns = cells.shape
    lead = int(started)
    held = np.zeros((planes, lead + rows, max(columns, 2)), acc.dtype)  # a single column would be added in pairs
    held[:, :lead, :columns] = acc[:, :lead]
    held[:, lead:, :columns] = cells
    acc[...] = op.reduce(held, axis=-2, keepdims=True)[..., :columns]


def _single(operation: Reduction, cells: NDArray[Any], axis: Axis, chunk: AxisChunk, acc: NDArray[Any]) -> NDArray[Any]:
    start = int(axis.first_cells(chunk.a, chunk.b)[0]) - chunk.first
    count = int(axis.counts(chunk.a, chunk.b)[0])
    window = cells[chunk.at(slice(start, start + (count - 1) * axis.dilation + 1, axis.dilation))]
    if count == 0:
        acc.fill(operation.neutral_for(acc.dtype))
    elif chunk.along == -2:
        reduce_rows(operation.ufunc, window, acc)
    else:
        operation.ufunc.reduce(np.ascontiguousarray(window, acc.dtype), axis=-1, out=acc, keepdims=True)
    return acc


def _each(
    operation: Reduction, cells: NDArray[Any], axis: AdaptiveAxis, chunk: AxisChunk, acc: NDArray[Any]
) -> NDArray[Any]:
    """One call for every window: there are fewer of them than a window has cells."""
    ends = zip(axis.starts(chunk.a, chunk.b) - chunk.first, axis.ends(chunk.a, chunk.b) - chunk.first, strict=True)
    for i, (start, end) in enumerate(ends):
        window, result = cells[chunk.at(slice(start, end))], acc[chunk.at(slice(i, i + 1))]
        if chunk.along == -2:
            reduce_rows(operation.ufunc, window, result)
        else:
            operation.ufunc.reduce(np.ascontiguousarray(window, acc.dtype), axis=-1, out=result, keepdims=True)
    return acc


def _each_once(
    operation: Reduction, cells: NDArray[Any], axis: Axis, chunk: AxisChunk, acc: NDArray[Any]
) -> NDArray[Any]:
    """One call for all windows that read the same cells, which many do that are larger than the map."""
    read, which = axis.distinct(chunk.a, chunk.b)
    shape = list(acc.shape)
    shape[chunk.along] = 1
    made, result = [], np.empty(shape, acc.dtype)
    for first, count in read:
        window = cells[chunk.at(slice(first - chunk.first, first - chunk.first + count * axis.dilation, axis.dilation))]
        if chunk.along == -2:
            reduce_rows(operation.ufunc, window, result)
        else:
            operation.ufunc.reduce(np.ascontiguousarray(window, acc.dtype), axis=-1, out=result, keepdims=True)
        made.append(result.copy())
    return np.take(np.concatenate(made, axis=chunk.along), which, axis=chunk.along, out=acc)


def _by_offsets(operation: Reduction, cells: NDArray[Any], chunk: AxisChunk, acc: NDArray[Any]) -> NDArray[Any]:
    op, n = operation.ufunc, chunk.b - chunk.a
    offsets = list(chunk.axis.offsets(chunk.a, chunk.b, chunk.first))
    whole = [isinstance(out, slice) and out.start == 0 and out.stop == n for out, _ in offsets]
    if len(offsets) > 1 and whole[0] and whole[1]:
        one, two = (cells[chunk.at(inner)] for _, inner in offsets[:2])
        op(one, two, out=acc, dtype=acc.dtype, casting="unsafe")
        offsets = offsets[2:]
    elif offsets and whole[0]:
        acc[...] = cells[chunk.at(offsets[0][1])]
        offsets = offsets[1:]
    else:
        acc.fill(operation.neutral_for(acc.dtype))
    for out, inner in offsets:
        combine(op, acc, chunk.at(out), cells[chunk.at(inner)])
    return acc


def _running(
    operation: Reduction, cells: NDArray[Any], axis: Axis, chunk: AxisChunk, acc: NDArray[Any], buffers: Buffers
) -> NDArray[Any]:
    op, along, at = operation.ufunc, chunk.along, chunk.at
    skipped, end = axis.reach(0, axis.out)  # of all windows, so that every chunk splits the size alike
    size = end - skipped
    parts = _parts(op, size, acc.dtype)
    lead = max(0, -min(offset for _, _, offset in parts))  # cells before the window that are added and taken back
    start = chunk.a * axis.stride - axis.before + (skipped - lead) * axis.dilation
    stop = (chunk.b - 1) * axis.stride - axis.before + (end - 1) * axis.dilation + 1
    lo = min(max(start, chunk.first), stop)  # what is taken back may lie before the first cell, and is neutral there
    hi = max(min(stop, axis.length), lo)
    shape, kind = list(cells.shape), operation.small(acc.dtype, 1)
    shape[along] = stop - start
    read = cells[at(slice(lo - chunk.first, hi - chunk.first))]
    if (lo, hi) == (start, stop) and read.dtype == kind:
        level = read
    else:
        level = buffers.scratch.brief.empty("even", tuple(shape), kind)
        neutral = operation.neutral_for(acc.dtype)
        level[at(slice(0, lo - start))] = neutral
        level[at(slice(hi - start, stop - start))] = neutral
        level[at(slice(lo - start, hi - start))] = read

    reach = (chunk.b - 1 - chunk.a) * axis.stride + 1
    power, started = 1, False
    while True:
        for combine_part, part_power, offset in parts:
            if part_power == power:
                begin = (lead + offset) * axis.dilation
                part = level[at(slice(begin, begin + reach, axis.stride))]
                if started:
                    combine_part(acc, part, out=acc)
                elif combine_part is np.subtract:
                    np.negative(part, out=acc, dtype=acc.dtype)
                else:
                    np.copyto(acc, part)
                started = True
        if power == parts[-1][1]:
            return acc
        parity = "odd" if power.bit_length() % 2 else "even"
        kind = operation.small(acc.dtype, 2 * power)
        if kind != level.dtype:
            wide = buffers.scratch.brief.empty("wide", level.shape, kind)
            wide[...] = level
            level = wide
        shape[along] -= power * axis.dilation
        doubled = buffers.scratch.brief.empty(parity, tuple(shape), kind)
        length = shape[along]
        shifted = slice(power * axis.dilation, power * axis.dilation + length)
        op(level[at(slice(0, length))], level[at(shifted)], out=doubled)
        level, power = doubled, 2 * power


def _parts(op: np.ufunc, size: int, dtype: np.dtype[Any]) -> list[tuple[np.ufunc, int, int]]:
    """The pieces that make a window: what combines each, its size (a power of two, ascending), where it begins.

    A sum of integers may go beyond the window and take it back: 15 cells are 16 less 1.
    """
    if op in IDEMPOTENT:  # two that overlap cover the window
        power = 1 << (size.bit_length() - 1)
        return [(op, power, 0), (op, power, size - power)]
    signed = dtype.kind in "iu"
    parts, power, left, begin = [], 1, size, 0
    while left:
        if left % 2:
            digit = -1 if signed and left % 4 == 3 and left > 3 else 1
            begin -= power if digit < 0 else 0
            parts.append((op if digit > 0 else np.subtract, power, begin))
            begin += power if digit > 0 else 0
            left -= digit
        left, power = left // 2, 2 * power
    return parts
