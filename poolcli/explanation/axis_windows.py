"""The windows along one axis of a map: the cells that each one reads, and the formula of their number."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from poolcli.ops.windows import AdaptiveAxis, Axis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poolcli.ops.settings import Padding


@dataclass(frozen=True)
class AxisWindows:
    """The windows along one axis of a map.

    Attributes
    ----------
    axis : Axis or AdaptiveAxis
    mode : {"zeros", "reflect", "replicate"}
        What the padding of a filter holds; ``"zeros"`` for pooling, where padded cells are left out.
    formula : str
        The formula of the number of windows, with its numbers: ``"ceil(398/2) = 199, pad 0"``.
    """

    axis: Axis | AdaptiveAxis
    mode: str
    formula: str

    def span(self, window: int) -> tuple[int, int]:
        """First and last position of a window; positions below 0, and from the length of the map on, are padding."""
        if isinstance(self.axis, AdaptiveAxis):
            first = int(self.axis.first_cells(window, window + 1)[0])
            return first, first + int(self.axis.counts(window, window + 1)[0]) - 1
        first = window * self.axis.stride - self.axis.before
        return first, first + self.axis.extent - 1

    def positions(self, window: int) -> Sequence[int]:
        """All positions that a window reads, including padding."""
        if isinstance(self.axis, AdaptiveAxis):
            first, last = self.span(window)
            return range(first, last + 1)
        first = window * self.axis.stride - self.axis.before
        return range(first, first + self.axis.extent, self.axis.dilation)

    def cells(self, window: int) -> list[int | None]:
        """For all positions of a window the cell of the map that is read there; None for padding without a cell."""
        return [self.cell(place) for place in self.positions(window)]

    def cell(self, place: int) -> int | None:
        """The cell that is read at a position: padding that reflects or repeats the edge reads a cell too, other none."""
        n = self.axis.length
        if 0 <= place < n:
            return place
        if self.mode == "replicate":
            return min(max(place, 0), n - 1)
        if self.mode == "reflect":
            period = max(2 * (n - 1), 1)
            folded = place % period
            return min(folded, period - folded) if n > 1 else 0
        return None

    @cached_property
    def unread(self) -> list[int]:
        """Cells that no window reads, such as a last odd row, or those in gaps between windows."""
        read = {cell for window in range(self.axis.out) for cell in self.cells(window)}
        return [cell for cell in range(self.axis.length) if cell not in read]

    def windows_reading(self, cell: int) -> list[int]:
        """The windows that read a cell."""
        return [window for window in range(self.axis.out) if cell in self.cells(window)]


def size_formula(axis: Axis | AdaptiveAxis, padding: Padding | str, *, ceil: bool, adaptive: bool) -> str:
    """The formula of the number of windows along an axis, with its numbers.

    Parameters
    ----------
    axis : Axis or AdaptiveAxis
    padding : str or ((top, bottom), (left, right))
        As in the step.
    ceil : bool
        Whether partial windows at the far edge are kept.
    adaptive : bool
        Whether the windows were computed from an output size.

    Returns
    -------
    str

    Examples
    --------
    >>> size_formula(Axis(398, 2, 2, 1, 0, 0, 199), "same", ceil=False, adaptive=False)
    'ceil(398/2) = 199, pad 0'
    >>> size_formula(Axis(4, 2, 1, 1, 1, 1, 5), ((1, 1), (1, 1)), ceil=False, adaptive=False)
    'floor((4 + 1 + 1 - 2)/1) + 1 = 5'
    """
    n, out = axis.length, axis.out
    if adaptive or isinstance(axis, AdaptiveAxis):
        return _adaptive_formula(axis)
    if padding in ("same", "same-lower"):
        pad = f"{axis.before} + {axis.after}" if axis.before or axis.after else "0"
        return f"ceil({n}/{axis.stride}) = {out}, pad {pad}"
    pads = f" + {axis.before} + {axis.after}" if axis.before or axis.after else ""
    whole = (n + axis.before + axis.after - axis.extent) / axis.stride
    rounded = int(np.ceil(whole) if ceil else np.floor(whole)) + 1
    formula = f"{'ceil' if ceil else 'floor'}(({n}{pads} - {axis.extent})/{axis.stride}) + 1"
    if rounded != out:
        formula += f" - {rounded - out}"
    formula += f" = {out}"
    if axis.dilation > 1:
        formula += f", a window spans {axis.dilation}*({axis.size} - 1) + 1 = {axis.extent}"
    if rounded != out:
        formula += ", no window starts in the far padding"
    return formula


def _adaptive_formula(axis: Axis | AdaptiveAxis) -> str:
    n, out = axis.length, axis.out
    if out == 1:
        return f"one window of all {n} = 1"
    if n == out:
        return f"kept: {n} = {out}"
    if n % out == 0:
        return f"{out} wanted: windows of {n}/{out} = {n // out}"
    return f"{out} wanted: window i reads floor(i*{n}/{out}) to ceil((i + 1)*{n}/{out}) - 1"
