"""Geometry: where the windows of an axis stand, and which cells of it they read.

Nothing here touches pixels. An *axis* is one dimension of the map; a *tap* is one of the `size` cells of
a window. For outputs ``a…b-1`` an axis tells which inputs they need, and for every tap which of these
outputs read a real cell and which cell that is. Padding therefore never exists as data: a tap that falls
into it is left out, which is what "padding never wins" and "padded zeros add nothing" come to.

Output sizes follow `aten/src/ATen/native/Pool.h` (PyTorch, ONNX; with their ceil rule) and
`tensorflow/core/framework/kernel_shape_util.cc` (SAME, VALID).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from poolcli.errors import OptionError, SizeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Selection = slice | NDArray[np.intp]

PADDING_NAMES = {
    "valid": "whole windows only",
    "same": "ceil(n / stride) outputs, the odd cell of padding at the bottom and right (TensorFlow, ONNX SAME_UPPER)",
    "same-lower": "the same, the odd cell at the top and left (ONNX SAME_LOWER)",
}
LARGEST = 2**31 - 1
"""No size, stride, dilation or padding is larger; far beyond any picture, and far from what integers can hold."""

PADDING_FORMS = "valid, same, same-lower, N, (height, width) or ((top, bottom), (left, right))"

Pair = tuple[int, int]
Padding = str | tuple[Pair, Pair]


def is_whole(value: object) -> bool:
    """Whether `value` is a whole number and no bool."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool | np.bool_)


def pair(name: str, value: Any, minimum: int = 1) -> Pair:
    """Turn ``3`` or ``(3, 2)`` into ``(3, 2)``: height, width.

    Raises
    ------
    OptionError
        `value` is neither, or below `minimum`.
    """
    both = tuple(value) if isinstance(value, tuple | list | np.ndarray) else (value, value)
    if len(both) != 2 or not all(is_whole(v) and minimum <= v <= LARGEST for v in both):
        msg = f"{name} {value!r}: a whole number from {minimum} to {LARGEST}, or two (height, width), expected"
        raise OptionError(msg)
    return int(both[0]), int(both[1])


def output_pair(name: str, value: Any) -> tuple[int | None, int | None]:
    """Turn ``7`` or ``(None, 7)`` into (height, width), None for an axis that is kept.

    Raises
    ------
    OptionError
        `value` is neither, or has a number below 1.
    """
    both = tuple(value) if isinstance(value, tuple | list) else (value, value) if is_whole(value) else ()
    if len(both) != 2 or not all(v is None or (is_whole(v) and 1 <= v <= LARGEST) for v in both):
        msg = f"{name} {value!r}: a whole number from 1 to {LARGEST}, or two (height, width), None keeping an axis, expected"
        raise OptionError(msg)
    return both[0], both[1]


def padding_pairs(name: str, value: Any) -> Padding:
    """Turn any of `PADDING_FORMS` into a name of `PADDING_NAMES` or ``((top, bottom), (left, right))``.

    Raises
    ------
    OptionError
        `value` has none of the forms, or a negative number in it.
    """
    if isinstance(value, str) and value in PADDING_NAMES:
        return value
    msg = f"{name} {value!r}: {PADDING_FORMS} expected, all numbers at least 0"
    if is_whole(value):
        value = (value, value)
    try:
        rows, cols = value
        top, bottom = (rows, rows) if is_whole(rows) else rows
        left, right = (cols, cols) if is_whole(cols) else cols
    except (TypeError, ValueError):
        raise OptionError(msg) from None
    sides = (top, bottom, left, right)
    if isinstance(value, str) or not all(is_whole(v) and 0 <= v <= LARGEST for v in sides):
        raise OptionError(msg)
    return (int(top), int(bottom)), (int(left), int(right))


class Axis(NamedTuple):
    """Windows of `size` cells, `dilation` apart, starting every `stride` cells from ``-before``.

    Attributes
    ----------
    length : int
        Cells along the axis.
    before, after : int
        Cells of padding on either side.
    out : int
        Number of windows.
    """

    length: int
    size: int
    stride: int
    dilation: int
    before: int
    after: int
    out: int

    @property
    def extent(self) -> int:
        """Cells from the first tap to the last, both included."""
        return self.dilation * (self.size - 1) + 1

    def needs(self, a: int, b: int) -> Pair:
        """First and one past the last cell that windows a…b-1 read."""
        lo = max(a * self.stride - self.before, 0)
        hi = min((b - 1) * self.stride - self.before + self.extent, self.length)
        return min(lo, self.length), max(hi, min(lo, self.length))

    def boundary(self, a: int) -> int:
        """The cell at which the share of window a begins when the axis is divided among bands."""
        if a >= self.out:
            return self.length
        return min(max(a * self.stride - self.before, 0), self.length) if a else 0

    def taps(self, a: int, b: int, first: int) -> Iterator[tuple[slice, slice]]:
        """For each tap in order: the outputs (from a) that read a real cell, and the cells (from `first`) they read.

        Taps that no output can read are left out.
        """
        return (one for one in (self.tap(i, a, b, first) for i in range(*self.reach(a, b))) if one is not None)

    def reach(self, a: int, b: int) -> Pair:
        """First and one past the last tap that can read a real cell in windows a…b-1; a window may dwarf its map."""
        lo = -((min((b - 1) * self.stride - self.before, 0)) // self.dilation)
        hi = (self.length - 1 + self.before - a * self.stride) // self.dilation + 1
        return max(0, min(lo, self.size)), max(0, min(hi, self.size))

    def tap(self, i: int, a: int, b: int, first: int) -> tuple[slice, slice] | None:
        """The outputs and cells of tap i, as `taps` gives them; None where no output can read it."""
        s = self.stride
        offset = i * self.dilation - self.before  # window o reads cell o * s + offset
        lo = max(a, -(offset // s))  # the first o with o * s + offset >= 0
        hi = min(b, (self.length - 1 - offset) // s + 1)
        if lo >= hi:
            return None
        start = lo * s + offset - first
        return slice(lo - a, hi - a), slice(start, start + (hi - 1 - lo) * s + 1, s)

    def first_cells(self, a: int, b: int) -> NDArray[np.intp]:
        """For windows a…b-1, the first real cell that each reads."""
        starts = np.arange(a, b) * self.stride - self.before
        return starts + self.dilation * np.maximum(0, -(starts // self.dilation))

    def counts(self, a: int, b: int, *, padded: bool = False) -> NDArray[np.intp]:
        """Cells that windows a…b-1 read; with `padded` those in the padding too, but never beyond it.

        Not counting the overhang of a ceil window beyond the padding is PyTorch's and ONNX's rule.
        """
        starts = np.arange(a, b) * self.stride - self.before
        first = 0 if padded else np.maximum(0, -(starts // self.dilation))
        end = self.length + (self.after if padded else 0)
        last = np.minimum(self.size - 1, (end - 1 - starts) // self.dilation)
        return np.maximum(last - first + 1, 0)


@dataclass(frozen=True)
class AdaptiveAxis:
    """Windows that divide `length` cells as evenly as whole cells allow.

    Window i reads ``floor(i n / o)`` to ``ceil((i + 1) n / o) - 1``, PyTorch's bounds: windows overlap
    where n is not a multiple of o, and for o > n cells are repeated.
    """

    length: int
    out: int
    before: int = 0
    after: int = 0
    dilation: int = 1

    @cached_property
    def starts(self) -> NDArray[np.intp]:
        """First cell of every window."""
        return np.arange(self.out) * self.length // self.out

    @cached_property
    def ends(self) -> NDArray[np.intp]:
        """One past the last cell of every window."""
        return -(-(np.arange(self.out) + 1) * self.length // self.out)

    @property
    def size(self) -> int:
        """Cells of the largest window."""
        return int((self.ends - self.starts).max())

    extent = size

    @property
    def stride(self) -> float:
        """Mean distance between windows."""
        return self.length / self.out

    def needs(self, a: int, b: int) -> Pair:
        """First and one past the last cell that windows a…b-1 read."""
        return int(self.starts[a]), int(self.ends[b - 1])

    def boundary(self, a: int) -> int:
        """The cell at which the share of window a begins when the axis is divided among bands."""
        return int(self.starts[a]) if a < self.out else self.length

    def taps(self, a: int, b: int, first: int) -> Iterator[tuple[Selection, Selection]]:
        """For each tap in order: the outputs (from a) whose window is that long, and the cells (from `first`) they read."""
        starts, sizes = self.starts[a:b] - first, (self.ends - self.starts)[a:b]
        if b - a == 1:
            for tap in range(int(sizes[0])):
                cell = int(starts[0]) + tap
                yield slice(0, 1), slice(cell, cell + 1)
            return
        for tap in range(int(sizes.max())):
            if tap < sizes.min():
                yield slice(0, b - a), starts + tap
            else:
                outputs = np.flatnonzero(sizes > tap)
                yield outputs, starts[outputs] + tap

    def first_cells(self, a: int, b: int) -> NDArray[np.intp]:
        """For windows a…b-1, the first cell that each reads."""
        return self.starts[a:b]

    def counts(self, a: int, b: int, *, padded: bool = False) -> NDArray[np.intp]:
        """Cells that windows a…b-1 read."""
        return (self.ends - self.starts)[a:b]


class Window(NamedTuple):
    """A window on a map: one axis of rows, one of columns."""

    rows: Axis | AdaptiveAxis
    cols: Axis | AdaptiveAxis
    adaptive: bool = False
    """Whether the windows were made from an output size; an average then divides twice, as PyTorch's does."""

    @property
    def shape(self) -> Pair:
        """Height and width of the map that the windows make."""
        return self.rows.out, self.cols.out

    @property
    def cells(self) -> int:
        """Cells of the largest window."""
        return self.rows.size * self.cols.size

    @property
    def pads(self) -> tuple[Pair, Pair]:
        """((top, bottom), (left, right)) in cells."""
        return (self.rows.before, self.rows.after), (self.cols.before, self.cols.after)


def _sides(length: int, extent: int, stride: int, padding: str | Pair) -> Pair:
    if padding == "valid":
        return 0, 0
    if isinstance(padding, str):
        total = max((-(-length // stride) - 1) * stride + extent - length, 0)
        return (total // 2, total - total // 2) if padding == "same" else (total - total // 2, total // 2)
    return padding


def _axis(length: int, size: int, stride: int, dilation: int, padding: str | Pair, *, ceil: bool) -> Axis:
    extent = dilation * (size - 1) + 1
    before, after = _sides(length, extent, stride, padding)
    room = length + before + after - extent
    if padding in ("same", "same-lower"):
        out = -(-length // stride)
    elif ceil:
        out = (room + stride - 1) // stride + 1
        if (out - 1) * stride >= length + before:  # PyTorch: no window starts in the far padding
            out -= 1
    else:
        out = room // stride + 1
    return Axis(length, size, stride, dilation, before, after, out)


def sliding_window(
    shape: Pair,
    size: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair = (1, 1),
    *,
    ceil: bool = False,
    what: str = "window",
) -> Window:
    """Place windows on a map of `shape`.

    Parameters
    ----------
    shape, size, stride, dilation : (height, width)
    padding : as `padding_pairs` returns it
    ceil : bool
        Keep partial windows at the far edge.
    what : str
        What an error calls the window.

    Raises
    ------
    SizeError
        The window is larger than the (padded) map.
    """
    both: tuple[str | Pair, str | Pair] = padding if isinstance(padding, tuple) else (padding, padding)
    rows, cols = (
        _axis(n, k, s, d, p, ceil=ceil) for n, k, s, d, p in zip(shape, size, stride, dilation, both, strict=True)
    )
    window = Window(rows, cols)
    if min(window.shape) < 1:
        (top, bottom), (left, right) = window.pads
        padded = f" with its padding ({top},{bottom}/{left},{right})" if top or bottom or left or right else ""
        spread = f" (dilated to {rows.extent}x{cols.extent})" if dilation != (1, 1) else ""
        msg = f"the {shape[0]}x{shape[1]} map{padded} is smaller than the {size[0]}x{size[1]} {what}{spread}"
        raise SizeError(msg)
    return window


def pooling_window(
    shape: Pair, size: Pair, stride: Pair, padding: Padding, dilation: Pair = (1, 1), *, ceil: bool = False
) -> Window:
    """Place pooling windows: as `sliding_window`, but every window must hold a real cell.

    Raises
    ------
    OptionError
        Padding as large as the (dilated) window or larger.
    SizeError
        The window is larger than the padded map, or a window reads nothing but padding.
    """
    check_pooling_padding(size, padding, dilation)
    window = sliding_window(shape, size, stride, padding, dilation, ceil=ceil)
    for name, axis in (("row", window.rows), ("column", window.cols)):
        empty = np.flatnonzero(axis.counts(0, axis.out) == 0)
        if len(empty):
            msg = (
                f"the window of output {name} {empty[0]} holds nothing but padding: "
                f"size {axis.size}, stride {axis.stride}, dilation {axis.dilation} on {axis.length} {name}s"
            )
            raise SizeError(msg)
    return window


def check_pooling_padding(size: Pair, padding: Padding, dilation: Pair) -> None:
    """Refuse padding of a whole window or more, whatever the picture.

    Raises
    ------
    OptionError
    """
    if isinstance(padding, str):
        return
    for sides, k, d in zip(padding, size, dilation, strict=True):
        extent = d * (k - 1) + 1
        if max(sides) >= extent:
            spread = f" (dilated to {extent})" if d > 1 else ""
            msg = f"padding {max(sides)}: at most the window less one expected, {extent - 1} for a size of {k}{spread}"
            raise OptionError(msg)


def adaptive_window(shape: Pair, output_size: tuple[int | None, int | None]) -> Window:
    """Place windows so that `output_size` of them cover a map of `shape`; None keeps an axis.

    Raises
    ------
    OptionError
        A size below 1.
    """
    axes: list[Axis | AdaptiveAxis] = []
    for n, out in zip(shape, output_size, strict=True):
        if out is None:
            axes.append(Axis(n, 1, 1, 1, 0, 0, n))
        elif n % out == 0:
            axes.append(Axis(n, n // out, n // out, 1, 0, 0, out))
        else:
            axes.append(AdaptiveAxis(n, out))
    return Window(axes[0], axes[1], adaptive=True)
