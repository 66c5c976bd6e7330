"""Values of a filter's padding: zeros, the map mirrored, or its edge repeated (PyTorch's `padding_mode`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli.display import shortened
from poolcli.errors import OptionError, SizeError, suggestion
from poolcli.ops.windows import Axis, Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolcli.ops.settings import Pair
    from poolcli.ops.strips import Rows
    from poolcli.ops.windows import AdaptiveAxis

PADDING_MODES = {
    "zeros": "padding cells are 0",
    "reflect": "the map mirrored at its edge, the edge cell not repeated; at most one cell less than the map",
    "replicate": "the edge cell repeated",
}

LARGEST_COPY = 64
"""Largest extent of a window in rows for which a strip is copied together with its padding; beyond, copying is slower."""


def padding_mode_named(name: str, value: Any) -> str:
    """Return `value` as a name of `PADDING_MODES`; upper and lower case are the same.

    Raises
    ------
    OptionError
        There is no such mode.
    """
    mode = value.lower() if isinstance(value, str) else value
    if not isinstance(mode, str) or mode not in PADDING_MODES:
        msg = f"{name} {shortened(value)}{suggestion(value, PADDING_MODES)}"
        raise OptionError(msg)
    return mode


def check_reflection(window: Window) -> None:
    """Refuse a reflection that would reach beyond the map, as PyTorch does.

    Raises
    ------
    SizeError
    """
    for name, axis in (("rows", window.rows), ("columns", window.cols)):
        largest = max(axis.before, axis.after)
        if largest >= axis.length:
            msg = (
                f"padding {largest} is too large to reflect: a map of {axis.length} {name} allows {axis.length - 1}; "
                "use replicate or zeros"
            )
            raise SizeError(msg)


class BorderedWindow:
    """A window on a map with a border: which rows its outputs need, and the map with the border around it.

    Positions are those of the map: row -1 is the first row of padding above it.
    """

    def __init__(self, window: Window, mode: str) -> None:
        rows, cols = window.rows, window.cols
        assert isinstance(rows, Axis)  # kernels slide
        assert isinstance(cols, Axis)
        if mode == "reflect":
            check_reflection(window)
        self.rows, self.cols, self.mode = rows, cols, mode
        # Without padding all modes are the same, and zeros need no copy.
        self.zeros = mode == "zeros" or not any(axis.before or axis.after for axis in (rows, cols))

    def span(self, a: int, b: int) -> Pair:
        """The positions that windows a…b-1 read, first and one past the last; both may lie in the border."""
        lo = a * self.rows.stride - self.rows.before
        return lo, lo + (b - 1 - a) * self.rows.stride + self.rows.extent

    def around(self) -> BorderedWindow:
        """The same windows on the map with its border, which then is a map without one."""
        rows, cols = (
            Axis((axis.out - 1) * axis.stride + axis.extent, axis.size, axis.stride, axis.dilation, 0, 0, axis.out)
            for axis in (self.rows, self.cols)
        )
        return BorderedWindow(Window(rows, cols), "zeros")

    @property
    def compact(self) -> bool:
        """Whether a strip with its border is not much larger than the strip and what it makes."""
        near = self.cols.out * self.cols.stride <= 4 * (self.cols.length + self.cols.extent)
        return self.rows.extent <= LARGEST_COPY and near

    @property
    def width(self) -> int:
        """Columns from the first that a window reads to the last, the border included."""
        return (self.cols.out - 1) * self.cols.stride + self.cols.extent

    def needs(self, lo: int, hi: int) -> Pair:
        """The rows of the map that positions lo…hi-1 take their values from; the first never decreases with `lo`."""
        n = self.rows.length
        if self.zeros:
            first = min(max(lo, 0), n)
            return first, max(min(hi, n), first)
        if self.mode == "replicate":
            first = min(max(lo, 0), n - 1)
            return first, max(min(hi, n), first + 1)
        first = min(max(lo, 0), n - 1 - self.rows.after)
        return first, max(min(hi, n), min(1 - lo, n), first + 1)

    def fill(self, out: NDArray[Any], cells: NDArray[Any], first: int, lo: int, left: int) -> None:
        """Write the map with its border into `out`, of shape (planes, rows, columns), from position (lo, left) on.

        `cells` are the rows of the map from `first` on.
        """
        height, n = out.shape[1], self.rows.length
        top, bottom = min(max(-lo, 0), height), min(max(n - lo, 0), height)
        self._fill_columns(out[:, top:bottom], cells[:, lo + top - first : lo + bottom - first], left)
        for beyond in (slice(0, top), slice(max(bottom, top), height)):
            if beyond.start < beyond.stop:
                if self.zeros:
                    out[:, beyond] = 0
                else:
                    sources = source_cells(self.rows, self.mode, np.arange(lo + beyond.start, lo + beyond.stop))
                    self._fill_columns(out[:, beyond], cells[:, sources - first], left)

    def _fill_columns(self, out: NDArray[Any], cells: NDArray[Any], left: int) -> None:
        if not out.shape[1]:
            return
        width, n = out.shape[2], self.cols.length
        start, stop = min(max(-left, 0), width), min(max(n - left, 0), width)
        out[:, :, start:stop] = cells[:, :, left + start : left + stop]
        for beyond in (slice(0, start), slice(max(stop, start), width)):
            if beyond.start < beyond.stop:
                if self.zeros:
                    out[:, :, beyond] = 0
                else:
                    sources = source_cells(self.cols, self.mode, np.arange(left + beyond.start, left + beyond.stop))
                    out[:, :, beyond] = cells[:, :, sources]


class BorderedStage:
    """Base of the stages of a convolution: the rows they need, with a border of any mode."""

    def __init__(self, window: Window, mode: str) -> None:
        self.window = window
        self.border = BorderedWindow(window, mode)
        self.shape = window.shape

    def needs(self, a: int, b: int) -> Pair:
        return self.border.needs(*self.border.span(a, b))

    def boundary(self, a: int) -> int:
        return self.window.rows.boundary(a)

    def cells(self, rows: Rows, a: int, b: int) -> NDArray[Any]:
        """The rows of the map that outputs a…b-1 need."""
        return rows.get(*self.needs(a, b))


def source_cells(axis: Axis | AdaptiveAxis, mode: str, positions: NDArray[np.intp]) -> NDArray[np.intp]:
    """The cell of an axis that each position takes its value from, in mode reflect or replicate."""
    last = axis.length - 1
    if mode == "replicate":
        return np.clip(positions, 0, last)
    positions = np.abs(positions)
    return np.where(positions > last, 2 * last - positions, positions)
