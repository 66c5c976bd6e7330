"""Colours: which palette and limits a map gets, and the very RGB values Matplotlib would give it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolcli.pipeline.result import Display, Stage

Name = Literal["gray", "RdBu_r", "magma", "rgb"]


@dataclass(frozen=True)
class Scale:
    """A palette (``"rgb"`` shows three channels as they are) and the values at its ends."""

    palette: Name
    low: float
    high: float

    def colors(self, values: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Colour a map.

        Parameters
        ----------
        values : ndarray of shape (h, w), or (h, w, 3) for ``"rgb"``

        Returns
        -------
        ndarray of shape (h, w, 3), uint8
            Equal to ``rint(255 * cmap(Normalize(low, high)(values)))[..., :3]``; NaN as the lowest colour.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # scales as wide as float32 itself
            levels = np.subtract(values, np.float32(self.low), dtype=np.float32)
            levels /= np.float32(self.high - self.low)
            levels *= 256
        # fmax and fmin, because casting NaN to an integer warns; they replace it.
        index = np.fmin(np.fmax(levels, 0, out=levels), 255, out=levels).astype(np.uint8)
        if self.palette == "rgb":
            return index
        return table(self.palette)[index]

    def overruns(self, stage: Stage) -> tuple[bool, bool]:
        """Whether a map has values below and above the scale."""
        low, high = extremes(stage)
        return bool(np.float32(low) < np.float32(self.low)), bool(np.float32(high) > np.float32(self.high))

    def beyond(self, display: Display) -> float:
        """Share of a map's values outside the scale, from its sample."""
        if not display.sample.size:
            return 0.0
        # The limits are compared as the float32 that the values are, else 0.1 would lie beyond 0.1.
        low, high = np.float32(self.low), np.float32(self.high)
        outside = np.count_nonzero(display.sample < low) + np.count_nonzero(display.sample > high)
        return float(outside) / display.sample.size


@lru_cache(maxsize=8)
def table(palette: str) -> NDArray[np.uint8]:
    """The 256 colours of a Matplotlib palette, shape (256, 3)."""
    from matplotlib import colormaps

    # Resampled, because image.lut of a user's matplotlibrc sets how many colours a palette has.
    colours = np.asarray(colormaps[palette].resampled(256)(np.arange(256)))[:, :3]
    # Rounded, not cut off as by bytes=True, which turns 24 of the 256 grays into their neighbours.
    rounded: NDArray[np.uint8] = np.rint(255 * colours).astype(np.uint8)
    return rounded


def extremes(stage: Stage) -> tuple[float, float]:
    """Smallest and largest finite value of a map; those displayed when there are no statistics."""
    if stage.statistics is not None:
        low, high = stage.statistics.min, stage.statistics.max
        if np.isfinite(low) and np.isfinite(high):
            return low, high
    finite = _finite(shown(stage).values)
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def shown(stage: Stage) -> Display:
    """What a stage keeps for display.

    Raises
    ------
    ValueError
        When it keeps nothing, because the run was asked for no display.
    """
    if stage.display is None:
        raise ValueError(f"stage {stage.step!r} has no display; a figure needs a run that keeps one")
    return stage.display


def limit(stage: Stage) -> float:
    """99th percentile of a map's magnitudes: full-range limits would leave a filtered photograph nearly white.

    Maps that are zero almost everywhere fall back to their largest magnitude, and to 1 when that is zero too.
    """
    magnitudes = np.abs(_finite(shown(stage).sample))
    if magnitudes.size and (percentile := float(np.percentile(magnitudes, 99))) > 0:
        return percentile
    return float(max(map(abs, extremes(stage)))) or 1.0


def filtered(stage: Stage, level: float) -> Scale:
    """Scale of a map after a filter: zero is the middle of a diverging palette, or black when nothing is negative."""
    if stage.name == "conv2d" or extremes(stage)[0] < 0:
        return Scale("RdBu_r", -level, level)
    return Scale("magma", 0.0, level)


def brightness(stage: Stage, white: float, like: Scale | None = None) -> Scale:
    """Scale of a map that still holds brightness: black to white as in the picture it came from.

    Parameters
    ----------
    stage : Stage
    white : float
        The value of full white.
    like : Scale, optional
        The input's scale, kept when it holds all of the map: the same value is then the same gray.
    """
    low, high = extremes(stage)
    if like is None:  # the input itself: fixed limits, unless it is a float picture that does not fit them
        fixed = Scale("gray", 0.0, white)
        if not any(fixed.overruns(stage)):
            return fixed
        return Scale("gray", low, high) if low < high else Scale("gray", min(low, 0.0), max(high, 0.0))
    if not any(like.overruns(stage)):
        return like
    if low < 0:
        level = max(-low, high)
        return Scale("RdBu_r", -level, level)
    return Scale("gray", 0.0, high)


def one_channel(values: NDArray[np.float32], rule: str) -> NDArray[np.float32]:
    """Reduce a map of shape (h, w, C) over its channels: ``"mean"``, ``"max"`` or ``"largest"`` magnitude."""
    flat: NDArray[np.float32]
    if rule == "mean":
        flat = values.mean(axis=2, dtype=np.float32)
    else:
        flat = values.max(axis=2)
        if rule == "largest":
            low = values.min(axis=2)
            flat = np.where(-low > flat, low, flat)
    return flat


def _finite(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return values[np.isfinite(values)]
