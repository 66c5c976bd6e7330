"""Geometry: where the windows of an axis stand, and which cells of it they read.

Nothing here touches pixels. An *axis* is one dimension of the map; an *offset* is the number of one of the
`size` cells of a window. For outputs ``a…b-1`` an axis tells which inputs they need, and for every offset which
of these outputs read a real cell there, and which cell that is. Padding is never stored: an offset that falls
into it is left out. So padding is never a maximum, and adds nothing to a sum.

Output sizes follow `aten/src/ATen/native/Pool.h` (PyTorch, ONNX; with their ceil rule) and
`tensorflow/core/framework/kernel_shape_util.cc` (SAME, VALID).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from poolcli.errors import OptionError, SizeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from poolcli.ops.settings import Padding, Pair

    Selection = slice | NDArray[np.intp]

LONGEST_SIDE = 1 << 24
"""No step makes a map with a longer side, unless the map before has one: each row costs memory for itself."""

FAR, FAR_OFFSETS = 4, 1 << 12
"""Windows whose cells meet the map at more offsets than `FAR` maps have, and `FAR_OFFSETS` more, are taken one by one."""

MOST_CELLS = 1 << 29
"""No step makes a map of more cells, unless the map before has as many: 2 GB of float32."""


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
        """Cells from the first one that a window reads to the last, both included."""
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

    def offsets(self, a: int, b: int, first: int) -> Iterator[tuple[slice, slice]]:
        """For each offset in order: the outputs (from a) that read a real cell, and the cells (from `first`) they read.

        Offsets at which no output reads a cell are left out.
        """
        return (one for one in (self.offset(i, a, b, first) for i in self._met(a, b)) if one is not None)

    def _met(self, a: int, b: int) -> Iterable[int]:
        """The offsets at which windows a…b-1 may read a real cell, in order."""
        if not self.far:
            return range(*self.reach(a, b))
        begins = np.maximum(0, -((np.arange(b - 1, a - 1, -1) * self.stride - self.before) // self.dilation))
        ends = begins + self.counts(a, b)[::-1]
        begins = np.maximum(begins, np.maximum.accumulate(np.concatenate([[0], ends[:-1]])))  # of those not met yet
        return (i for begin, end in zip(begins, ends, strict=True) for i in range(begin, end))

    @property
    def far(self) -> bool:
        """Whether most cells of the windows lie so far beyond the map that each window is better taken by itself."""
        lo, hi = self.reach(0, self.out) if self.size > FAR_OFFSETS else (0, 0)  # which is seldom, and quickly seen
        return hi - lo > FAR * self.length + FAR_OFFSETS

    def reach(self, a: int, b: int) -> Pair:
        """First and one past the last offset that can read a real cell in windows a…b-1, which may be larger than the map."""
        lo = -((min((b - 1) * self.stride - self.before, 0)) // self.dilation)
        hi = (self.length - 1 + self.before - a * self.stride) // self.dilation + 1
        return max(0, min(lo, self.size)), max(0, min(hi, self.size))

    def offset(self, i: int, a: int, b: int, first: int) -> tuple[slice, slice] | None:
        """The outputs and cells of offset i, as `offsets` gives them; None where no output reads a cell there."""
        s = self.stride
        shift = i * self.dilation - self.before  # window o reads cell o * s + shift
        lo = max(a, -(shift // s))  # the first o with o * s + shift >= 0
        hi = min(b, (self.length - 1 - shift) // s + 1)
        if lo >= hi:
            return None
        start = lo * s + shift - first
        return slice(lo - a, hi - a), slice(start, start + (hi - 1 - lo) * s + 1, s)

    def whole(self, a: int, b: int) -> Pair:
        """First and one past the last of windows a…b-1 whose cells are all real."""
        first = max(a, -(-self.before // self.stride))
        end = min(b, (self.length - self.extent + self.before) // self.stride + 1)
        return (first, end) if first < end else (a, a)

    def first_cells(self, a: int, b: int) -> NDArray[np.intp]:
        """For windows a…b-1, the first real cell that each reads."""
        starts = np.arange(a, b) * self.stride - self.before
        return starts + self.dilation * np.maximum(0, -(starts // self.dilation))

    def distinct(self, a: int, b: int) -> tuple[list[Pair], NDArray[np.intp]]:
        """What windows a…b-1 read, as first cells and numbers of cells, each once; and which of these each window reads."""
        read = np.stack([self.first_cells(a, b), self.counts(a, b)], axis=1)
        unique, which = np.unique(read, axis=0, return_inverse=True)
        return [(first, count) for first, count in unique.tolist()], which.reshape(-1)

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

    def starts(self, a: int, b: int) -> NDArray[np.int64]:
        """First cell of windows a…b-1."""
        return np.arange(a, b, dtype=np.int64) * self.length // self.out

    def ends(self, a: int, b: int) -> NDArray[np.int64]:
        """One past the last cell of windows a…b-1."""
        return -(-(np.arange(a, b, dtype=np.int64) + 1) * self.length // self.out)

    @property
    def size(self) -> int:
        """Cells of the largest window.

        With n = q o + r, window i has q + ceil((i r mod o + r) / o) cells, and i r mod o is at most o - gcd(r, o).
        """
        whole, rest = divmod(self.length, self.out)
        if rest == 0:
            return whole
        return whole + (1 if self.out % rest == 0 else 2)

    extent = size

    @property
    def stride(self) -> float:
        """Mean distance between windows."""
        return self.length / self.out

    def needs(self, a: int, b: int) -> Pair:
        """First and one past the last cell that windows a…b-1 read."""
        return a * self.length // self.out, -(-b * self.length // self.out)

    def boundary(self, a: int) -> int:
        """The cell at which the share of window a begins when the axis is divided among bands."""
        return min(a, self.out) * self.length // self.out

    def offsets(self, a: int, b: int, first: int) -> Iterator[tuple[Selection, Selection]]:
        """For each offset in order: the outputs (from a) with so large a window, and the cells (from `first`) they read."""
        starts, sizes = self.starts(a, b) - first, self.counts(a, b)
        if b - a == 1:
            for offset in range(int(sizes[0])):
                cell = int(starts[0]) + offset
                yield slice(0, 1), slice(cell, cell + 1)
            return
        for offset in range(int(sizes.max())):
            if offset < sizes.min():
                yield slice(0, b - a), starts + offset
            else:
                outputs = np.flatnonzero(sizes > offset)
                yield outputs, starts[outputs] + offset

    def first_cells(self, a: int, b: int) -> NDArray[np.intp]:
        """For windows a…b-1, the first cell that each reads."""
        return self.starts(a, b)

    def counts(self, a: int, b: int, *, padded: bool = False) -> NDArray[np.intp]:
        """Cells that windows a…b-1 read."""
        return self.ends(a, b) - self.starts(a, b)


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
    def most(self) -> int:
        """Cells that a window reads at most: fewer than it has where it is larger than the map."""
        rows, cols = (min(axis.size, (axis.length - 1) // axis.dilation + 1) for axis in (self.rows, self.cols))
        return rows * cols

    @property
    def few(self) -> bool:
        """Whether there are fewer windows than a window has cells: then they are better taken one by one."""
        return self.cells > self.rows.out * self.cols.out

    @property
    def pads(self) -> tuple[Pair, Pair]:
        """((top, bottom), (left, right)) in cells."""
        return (self.rows.before, self.rows.after), (self.cols.before, self.cols.after)


def check_size(made: Pair, before: Pair, remedy: str = "use less padding or a larger stride") -> None:
    """Refuse a map that is too large to be made, before any of it is; `remedy` says what to write instead.

    Raises
    ------
    SizeError
    """
    for what, value, most in (
        ("rows", made[0], max(LONGEST_SIDE, before[0])),
        ("columns", made[1], max(LONGEST_SIDE, before[1])),
        ("cells", made[0] * made[1], max(MOST_CELLS, before[0] * before[1])),
    ):
        if value > most:
            msg = f"a map of {made[0]}x{made[1]} is too large: {value} {what}, at most {most} are possible; {remedy}"
            raise SizeError(msg)


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
        msg += f"; use a smaller {what} or more padding"
        raise SizeError(msg)
    check_size(window.shape, shape)
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
        # Cells closer together than the map is long cannot all miss it; windows that start on the map hold its cell.
        if axis.dilation <= axis.length or not axis.before:
            continue
        empty = np.flatnonzero(axis.counts(0, min(axis.out, -(-axis.before // int(axis.stride)))) == 0)
        if len(empty):
            msg = (
                f"the window of output {name} {empty[0]} holds nothing but padding: "
                f"size {axis.size}, stride {axis.stride}, dilation {axis.dilation} on {axis.length} {name}s; "
                "use less padding or dilation"
            )
            raise SizeError(msg)
    return window


def check_pooling_padding(size: Pair, padding: Padding, dilation: Pair) -> None:
    """Refuse padding of a whole window or more.

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
            msg = f"padding {max(sides)} is too large: a window of {k}{spread} allows {extent - 1}"
            raise OptionError(msg)


def adaptive_window(shape: Pair, output_size: tuple[int | None, int | None]) -> Window:
    """Place windows so that `output_size` of them cover a map of `shape`; None keeps an axis.

    Raises
    ------
    SizeError
        The map would be too large.
    """
    axes: list[Axis | AdaptiveAxis] = []
    height, width = output_size
    check_size((height or shape[0], width or shape[1]), shape, "write a smaller output size")
    for n, out in zip(shape, output_size, strict=True):
        if out is None:
            axes.append(Axis(n, 1, 1, 1, 0, 0, n))
        elif n % out == 0:
            axes.append(Axis(n, n // out, n // out, 1, 0, 0, out))
        else:
            axes.append(AdaptiveAxis(n, out))
    return Window(axes[0], axes[1], adaptive=True)
