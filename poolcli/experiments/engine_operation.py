"""A step as an engine needs it: its kind, window and weights, and the window as pads and strides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from poolcli.errors import PoolcliError
from poolcli.ops.borders import BorderedStage
from poolcli.ops.kernels import weights_of
from poolcli.ops.pool_stage import PoolStage
from poolcli.ops.strips import WindowedStage
from poolcli.ops.windows import Axis, Window
from poolcli.pipeline.steps import Conv2D, Pool, Pool2D

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from poolcli.ops.settings import Pair
    from poolcli.pipeline.plan import PlacedStep

    Map = NDArray[np.float32]
    Work = Callable[[], NDArray[Any]]


class NotExpressibleError(PoolcliError):
    """An engine has no operation for a step; the message says which setting it lacks."""


class Engine(Protocol):
    """A framework that can do steps of a recipe."""

    version: str

    def prepare(self, operation: Operation, fed: Map) -> Work:
        """Make ready to do an operation to a map of shape (planes, H, W).

        Returns
        -------
        callable
            Does it, and returns an array of shape (planes, h, w).

        Raises
        ------
        NotExpressibleError
        """
        ...


class SlidingWindows(NamedTuple):
    """Windows that slide, as frameworks describe them; pairs are (height, width).

    Attributes
    ----------
    size, stride, dilation, out : (int, int)
    pads : ((top, bottom), (left, right))
        As the step has them: what may count in an average.
    reach : ((top, bottom), (left, right))
        Pads with which whole windows are exactly those of the step; `bottom` and `right` may be 0 although cells are
        left over that no window reads.
    """

    size: Pair
    stride: Pair
    dilation: Pair
    out: Pair
    pads: tuple[Pair, Pair]
    reach: tuple[Pair, Pair]

    @property
    def padded(self) -> bool:
        """Whether any window reads padding."""
        return any(side > 0 for sides in self.reach for side in sides)

    @property
    def even(self) -> bool:
        """Whether the step's padding is the same on opposite sides."""
        return all(before == after for before, after in self.pads)

    def counted(self, lengths: Pair, *, ceil: bool) -> Pair:
        """How many windows the usual formula gives: floor, or ceil without windows that start in the far padding."""
        found = []
        for n, (before, after), k, s, d in zip(lengths, self.pads, self.size, self.stride, self.dilation, strict=True):
            rest = n + before + after - d * (k - 1) - 1
            out = (rest + (s - 1 if ceil else 0)) // s + 1
            found.append(out - 1 if ceil and (out - 1) * s >= n + before else out)
        return found[0], found[1]


@dataclass(frozen=True, eq=False)
class Operation:
    """A step on its map.

    Attributes
    ----------
    op : str
        As in recipes: ``"conv2d"``, ``"relu"``, ``"pool2d"``, ``"adaptive_pool2d"``, ``"global_pool2d"``.
    kind : str
        Of pooling; else empty.
    parameters : mapping
        Of the kind, by name.
    window : Window or None
    padding : str or pads
        As the recipe has it.
    weights : ndarray of shape (h, w), float32, or None
    mode : str
        What the padding of a filter holds.
    counted : bool
        Whether padding counts in an average.
    ceil : bool
    """

    op: str
    kind: str
    parameters: Mapping[str, float]
    window: Window | None
    padding: Any = "valid"
    weights: Map | None = None
    mode: str = "zeros"
    counted: bool = False
    ceil: bool = False

    @property
    def sliding(self) -> SlidingWindows | None:
        """The windows, where they slide; None for adaptive windows of several sizes and for steps without windows."""
        if self.window is None:
            return None
        rows, cols = self.window.rows, self.window.cols
        if not isinstance(rows, Axis) or not isinstance(cols, Axis):
            return None
        reach = [
            (axis.before, max((axis.out - 1) * axis.stride + axis.extent - axis.length - axis.before, 0))
            for axis in (rows, cols)
        ]
        return SlidingWindows(
            (rows.size, cols.size),
            (rows.stride, cols.stride),
            (rows.dilation, cols.dilation),
            (rows.out, cols.out),
            self.window.pads,
            (reach[0], reach[1]),
        )

    @property
    def counts(self) -> Map:
        """What each window's average divides by, shape (h, w)."""
        assert self.window is not None
        rows, cols = self.window.rows, self.window.cols
        down, across = rows.counts(0, rows.out, padded=self.counted), cols.counts(0, cols.out, padded=self.counted)
        return np.multiply.outer(down, across).astype(np.float32)


def operation_of(one: PlacedStep) -> Operation:
    """What a placed step does."""
    step, stage = one.step, one.stages[0]
    window = stage.window if isinstance(stage, WindowedStage | BorderedStage) else None
    if isinstance(step, Conv2D):
        weights = weights_of(step.kernel).astype(np.float32)
        return Operation("conv2d", "", {}, window, step.padding, weights, step.padding_mode)
    if not isinstance(step, Pool):
        return Operation(step.op, "", {}, None)
    assert isinstance(stage, PoolStage)
    if not isinstance(step, Pool2D):
        return Operation(step.op, step.kind, stage.parameters, window)
    return Operation(
        step.op, step.kind, stage.parameters, window, step.padding,
        counted=step.count_include_pad, ceil=step.ceil,
    )  # fmt: skip


def padded(fed: Map, reach: tuple[Pair, Pair], mode: str = "zeros", value: float = 0.0) -> Map:
    """The map with its padding written out, shape (planes, top + H + bottom, left + W + right)."""
    widths = ((0, 0), *reach)
    if mode == "zeros":
        return np.pad(fed, widths, constant_values=value)
    return np.pad(fed, widths, mode="reflect" if mode == "reflect" else "edge")
