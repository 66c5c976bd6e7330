"""Colour scales: a palette with limits, and the rules that choose both for a map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from poolcli.figures.palettes import MISSING, color_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolcli.pipeline.result import Display, StageResult

Name = Literal["gray", "RdBu_r", "magma", "rgb"]

FEW_CELLS = 64
"""A map of fewer cells is shown on its full range."""


@dataclass(frozen=True)
class Scale:
    """A palette and the values at its two ends.

    Attributes
    ----------
    palette : {"gray", "RdBu_r", "magma", "rgb"}
        ``"rgb"`` shows three channels as red, green and blue.
    low, high : float
        The values shown in the first and in the last colour.

    Examples
    --------
    >>> Scale("magma", 0.0, 1.0).colors(np.array([[0.0, 1.0]], np.float32)).tolist()
    [[[0, 0, 4], [252, 253, 191]]]
    """

    palette: Name
    low: float
    high: float

    def colors(self, values: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Colour a map.

        Parameters
        ----------
        values : ndarray of shape (h, w), or (h, w, 3) for ``"rgb"``, float32

        Returns
        -------
        ndarray of shape (h, w, 3), uint8
            Exactly Matplotlib's colours, ``rint(255 * cmap(Normalize(low, high)(values)))[..., :3]``. Values beyond
            the limits get the colours at the ends, NaN has `MISSING`.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # for limits near the largest float32
            levels = np.subtract(values, np.float32(self.low), dtype=np.float32)
            levels /= np.float32(self.high - self.low)
            levels *= 256
        # fmax and fmin replace NaN, which would raise a warning when cast to an integer.
        index = np.fmin(np.fmax(levels, 0, out=levels), 255, out=levels).astype(np.uint8)
        colors = index if self.palette == "rgb" else color_table(self.palette)[index]
        missing = np.isnan(values)
        if missing.any():
            colors[missing.any(axis=-1) if self.palette == "rgb" else missing] = MISSING
        return colors

    def exceeded_by(self, stage: StageResult) -> tuple[bool, bool]:
        """Whether a map has values below the low limit, and whether it has values above the high limit."""
        low, high = extremes(stage)
        return bool(np.float32(low) < np.float32(self.low)), bool(np.float32(high) > np.float32(self.high))

    def share_outside(self, display: Display) -> float:
        """Share, from 0 to 1, of a map's sampled values that lie outside the limits."""
        if not display.sample.size:
            return 0.0
        # The values are float32: compared with the float64 limit 0.1, the float32 0.1 would lie beyond it.
        low, high = np.float32(self.low), np.float32(self.high)
        outside = np.count_nonzero(display.sample < low) + np.count_nonzero(display.sample > high)
        return float(outside) / display.sample.size


def extremes(stage: StageResult) -> tuple[float, float]:
    """Smallest and largest finite value of a map, taken from the displayed values when there are no statistics."""
    if stage.statistics is not None:
        low, high = stage.statistics.min, stage.statistics.max
        if np.isfinite(low) and np.isfinite(high):
            return low, high
    finite = _finite(display_of(stage).values)
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def display_of(stage: StageResult) -> Display:
    """The display of a stage: the map reduced to the size of a panel.

    Raises
    ------
    ValueError
        The run was not asked to keep displays.
    """
    if stage.display is None:
        raise ValueError(f"stage {stage.step!r} has no display; a figure needs a run that keeps one")
    return stage.display


def color_limit(stage: StageResult, last: StageResult | None = None) -> float:
    """The colour limit of a filtered map and of the maps after it: the 99th percentile of the magnitudes.

    On the full range a filtered photograph would be nearly white. A map that is zero almost everywhere gets its largest
    magnitude instead, and 1 if that is zero too. A map of fewer than `FEW_CELLS` cells is shown on its full range.

    Parameters
    ----------
    stage : StageResult
        The filtered map.
    last : StageResult, optional
        The last map, which shares the limit. If more than 5 % of it lies beyond, the limit is its 95th percentile.
    """
    full = float(max(map(abs, extremes(stage)))) or 1.0
    if has_few_cells(stage):
        return max(full, *map(abs, extremes(last))) if last is not None else full
    level = _percentile(stage, 99) or full
    if last is not None and not has_few_cells(last):
        sample = np.abs(_finite(display_of(last).sample))
        if sample.size and np.count_nonzero(sample > np.float32(level)) > 0.05 * sample.size:
            level = _percentile(last, 95) or level
    return level


def has_few_cells(stage: StageResult) -> bool:
    """Whether a map has fewer than `FEW_CELLS` cells."""
    return stage.shape[0] * stage.shape[1] < FEW_CELLS


def _percentile(stage: StageResult, share: float) -> float:
    magnitudes = np.abs(_finite(display_of(stage).sample))
    return float(np.percentile(magnitudes, share)) if magnitudes.size else 0.0


def filter_scale(stage: StageResult, level: float) -> Scale:
    """Scale of a filtered map or of a map after one, with the limit `level`.

    A filtered map, and any map with negative values, gets a diverging palette with zero in its middle; others begin
    with black at zero.
    """
    if stage.name == "conv2d" or extremes(stage)[0] < 0:
        return Scale("RdBu_r", -level, level)
    return Scale("magma", 0.0, level)


def brightness_scale(stage: StageResult, white: float, like: Scale | None = None) -> Scale:
    """Scale of the input, or of a map that was pooled without a filter: gray, black to white as in the picture.

    Parameters
    ----------
    stage : StageResult
    white : float
        The value of full white: 1 or 255.
    like : Scale, optional
        The input's scale. It is used again if it covers the map, so that one value has one gray in both.
    """
    low, high = extremes(stage)
    if like is None:  # the input itself: fixed limits, unless it is a float picture with values beyond them
        fixed = Scale("gray", 0.0, white)
        if not any(fixed.exceeded_by(stage)):
            return fixed
        return Scale("gray", low, high) if low < high else Scale("gray", min(low, 0.0), max(high, 0.0))
    if not any(like.exceeded_by(stage)):
        return like
    if low < 0:
        level = max(-low, high)
        return Scale("RdBu_r", -level, level)
    return Scale("gray", 0.0, high)


def merge_channels(values: NDArray[np.float32], rule: str) -> NDArray[np.float32]:
    """Show several channels as one.

    Parameters
    ----------
    values : ndarray of shape (h, w, C), float32
    rule : {"mean", "largest"}
        The mean over the channels, or the value of the largest magnitude.

    Returns
    -------
    ndarray of shape (h, w), float32

    Examples
    --------
    >>> merge_channels(np.array([[[1.0, -4.0, 3.0]]], np.float32), "largest")
    array([[-4.]], dtype=float32)
    """
    flat: NDArray[np.float32]
    if rule == "mean":
        flat = values.mean(axis=2, dtype=np.float32)
    else:
        flat = values.max(axis=2)
        low = values.min(axis=2)
        flat = np.where(-low > flat, low, flat)
    return flat


def _finite(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return values[np.isfinite(values)]
