"""The result of a run: the final map, and for every stage its shape, statistics and display."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli.images.quantize import output_values as scaled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from poolcli.pipeline.recipe import Recipe


@dataclass(frozen=True)
class Statistics:
    """Numbers of one map, over all its channels, in the units of `Result.output`.

    Attributes
    ----------
    min, max, mean : float
        Smallest, largest and mean value.
    active : float
        Share of the values above zero, 0…1.
    """

    min: float
    max: float
    mean: float
    active: float


@dataclass(frozen=True, eq=False)
class Display:
    """A map at display size, and the sample of it from which colour limits come.

    Attributes
    ----------
    values : ndarray of shape (h, w) or (h, w, C), float32
        The map, each cell standing for a block of `factor` x `factor` values; partial blocks at the
        bottom and right count what is there. In the units of `Result.output`.
    factor : int
        1 when the map is shown value by value.
    rule : str
        How a block became one cell: ``"mean"``, or ``"magnitude"``, its mean magnitude with the sign of its sum.
    sample : ndarray of shape (n,), float32
        All values of every k-th row, a fixed choice that depends on the map's shape alone.
    """

    values: NDArray[np.float32] = field(repr=False)
    factor: int
    rule: str
    sample: NDArray[np.float32] = field(repr=False)


@dataclass(frozen=True, eq=False)
class Patch:
    """A part of a map at full resolution, and the place in the input that it comes from.

    Attributes
    ----------
    values : ndarray of shape (h, w) or (h, w, C), float32
        In the units of `Result.output`.
    top, left : float
        Where its first cell begins, in pixels of the (resized) input. Halves come of windows of even size.
    step : (int, int)
        How many rows and columns of the input one cell stands for.
    """

    values: NDArray[np.float32] = field(repr=False)
    top: float
    left: float
    step: tuple[int, int]


@dataclass(frozen=True)
class StageResult:
    """One map of a run: the input, or the map after a step of the recipe.

    Attributes
    ----------
    name : str
        ``"input"``, ``"conv2d"``, ``"relu"``, ``"pool2d"``, ``"adaptive_pool2d"`` or ``"global_pool2d"``.
    title : str
        What a figure or table calls it: ``"Filter"``, ``"Detect (ReLU)"``, ``"Condense (MaxPool)"``.
    step : str
        Where in the recipe it stands, as errors name it: ``"filter"``, ``"repeat 2"``, ``"block 1, repeat 2"``.
    parameters : mapping
        The step's settings as the recipe has them, plus ``"window"``, (height, width) in cells, and ``"pads"``,
        ((top, bottom), (left, right)), as applied.
    shape : (H, W)
    receptive_field : (height, width)
        How many pixels of the (resized) input one value of this map depends on; not clipped at borders.
    total_stride : (float, float)
        How many input pixels lie between neighbouring values, rows and columns.
    statistics : Statistics or None
    display : Display or None
    detail : Patch or None
        The map at the place that a figure shows in full resolution.
    """

    name: str
    title: str
    step: str
    parameters: Mapping[str, Any]
    shape: tuple[int, int]
    receptive_field: tuple[int, int]
    total_stride: tuple[float, float]
    statistics: Statistics | None = None
    display: Display | None = None
    detail: Patch | None = None

    @property
    def min(self) -> float | None:
        """Smallest value, None without statistics."""
        return self.statistics.min if self.statistics else None

    @property
    def max(self) -> float | None:
        """Largest value, None without statistics."""
        return self.statistics.max if self.statistics else None

    @property
    def mean(self) -> float | None:
        """Mean value, None without statistics."""
        return self.statistics.mean if self.statistics else None

    @property
    def active(self) -> float | None:
        """Share of values above zero, None without statistics."""
        return self.statistics.active if self.statistics else None


@dataclass(frozen=True, eq=False)
class Result:
    """The outcome of `poolcli.run`.

    Attributes
    ----------
    recipe : Recipe
        What was done.
    source : str
        Name of the picture, fit for display (control characters escaped); ``"array"`` for an array.
    channels : int
        1 for gray.
    input : StageResult
        The picture as the first step saw it.
    stages : tuple of StageResult
        One per step, in order.
    raw : ndarray of shape (H, W) or (H, W, C)
        The final map before scaling: integers where the arithmetic stayed exact.
    scale : float
        ``output = float32(raw) * float32(scale)``; 1/255 for an 8-bit picture in the unit range.
    white : float
        The raw value that saved pixels show as white: 255, 65535, or 1 for float pictures.
    depth : int or None
        Bits per sample of the picture, 8 or 16; None for float pictures.
    notes : tuple of str
        What the reader of the picture should know: frames left out, bits lost.
    indices : ndarray of int64 or None
        Positions of the winners of the last pooling step, when asked for.
    leading : tuple of int or None
        The axes before (H, W) of an array of planes, which `raw` has as channels.
    raw_maps : dict of str to ndarray
        Every map before scaling, the input's first, (H, W) or (H, W, C), when asked for.
    """

    recipe: Recipe
    source: str
    channels: int
    input: StageResult
    stages: tuple[StageResult, ...]
    raw: NDArray[Any] = field(repr=False)
    scale: float
    white: float
    depth: int | None
    notes: tuple[str, ...] = ()
    indices: NDArray[np.int64] | None = field(default=None, repr=False)
    leading: tuple[int, ...] | None = None
    raw_maps: Mapping[str, NDArray[Any]] = field(default_factory=dict, repr=False)

    @property
    def white_value(self) -> float:
        """The output value that saved pixels show as white: 1 in the unit range, 255 in the byte range."""
        return float(np.float32(self.white) * np.float32(self.scale))

    @property
    def in_color(self) -> bool:
        """Whether the channels are red, green and blue; three planes of an array are not."""
        return self.channels == 3 and self.leading is None

    @cached_property
    def output(self) -> NDArray[np.float32]:
        """The final map as float32, shape (H, W), (H, W, C), or that of the input's planes, scaled once."""
        return self.arranged(scaled(self.raw, self.scale))

    @cached_property
    def maps(self) -> Mapping[str, NDArray[np.float32]]:
        """Every map as float32, scaled once, when they were asked for."""
        return {name: self.arranged(scaled(raw, self.scale)) for name, raw in self.raw_maps.items()}

    def arranged(self, values: NDArray[Any]) -> NDArray[Any]:
        """A map of shape (H, W) or (H, W, C) with its axes in the order of the input's: planes first where they were."""
        if self.leading is None:
            return values
        return np.ascontiguousarray(np.moveaxis(values, -1, 0)).reshape(*self.leading, *values.shape[:2])
