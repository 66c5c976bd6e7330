"""Observers of the maps of a run: statistics, a reduced copy for display, whole maps on request.

A map's rows reach the taps of several bands, each row once. Float sums are kept per row and added in row order at the
end, and everything else is exact in any order, so the number of threads changes no digit.
"""

from __future__ import annotations

import math
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from poolcli.ops.exact_sum import exact_sum
from poolcli.pipeline.result import Display, Statistics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from poolcli.ops.settings import Pair
    from poolcli.ops.strips import Tap
    from poolcli.ops.value_range import ValueRange

SAMPLE_CELLS = 1 << 18
"""About how many values the sample of a map holds."""


class MapStatistics:
    """Minimum, maximum, mean and active share of one map of shape (planes, H, W).

    Of integers, what ReLU makes of `before` differs in no more than the sum: the rest is taken from there. Missing
    cells do not count; of a map that has no other, minimum, maximum and mean are NaN.
    """

    def __init__(self, shape: tuple[int, int, int], values: ValueRange, before: MapStatistics | None = None) -> None:
        planes, height, _ = shape
        self._values = values
        self._before = before if values.whole else None
        self._rows = np.zeros((0 if values.whole else planes, height))
        self._found: list[tuple[Any, Any, int]] = []  # of each strip: least, greatest, how many above 0
        self._totals: list[int] = []
        self._cells = math.prod(shape)
        self._missing: list[int] = []  # of each strip: how many cells

    def observe(self, group: slice, strip: NDArray[Any], first: int) -> None:
        if self._values.missing and np.isnan(strip.max()):
            self._observe_present(group, strip, first)
            return
        if self._values.whole:
            self._totals.append(exact_sum(strip, self._values))
            if self._before is not None:
                return
        else:  # the order of additions counts: rows by themselves, added up at the end
            sums = np.add.reduce(np.ascontiguousarray(strip, np.float64), axis=-1)
            self._rows[group, first : first + strip.shape[1]] = sums
        # Without negative values, and where they lie together, what is not 0 is counted without a copy.
        plain = self._values.low is not None and self._values.low >= 0 and strip.flags.c_contiguous
        self._found.append((strip.min(), strip.max(), int(np.count_nonzero(strip if plain else strip > 0))))

    def _observe_present(self, group: slice, strip: NDArray[Any], first: int) -> None:
        gone = np.isnan(strip)
        self._missing.append(int(np.count_nonzero(gone)))
        self._rows[group, first : first + strip.shape[1]] = np.where(gone, 0, strip).sum(axis=-1, dtype=np.float64)
        if not gone.all():
            self._found.append((np.fmin.reduce(strip, None), np.fmax.reduce(strip, None), int((strip > 0).sum())))

    def _extremes(self) -> tuple[Any, Any, int]:
        """Least, greatest, how many above 0."""
        if self._before is not None:
            low, high, count = self._before._extremes()  # noqa: SLF001 - of the same class
            return max(low, 0), max(high, 0), count
        if not self._found:
            return math.nan, math.nan, 0
        if len(self._found) == 1:
            return self._found[0]
        lows, highs, counts = zip(*self._found, strict=True)
        return np.min(lows), np.max(highs), sum(counts)

    def result(self, scale: float) -> Statistics:
        """In units of the output."""
        unit = np.float32(scale)
        low, high, count = self._extremes()
        total = sum(self._totals) if self._values.whole else float(self._rows.sum())
        cells = self._cells - sum(self._missing)
        return Statistics(
            min=_in_units(low, unit),
            max=_in_units(high, unit),
            mean=total * scale / cells if cells else math.nan,
            active=count / cells if cells else 0.0,
        )


def _in_units(value: Any, unit: np.float32) -> float:
    """A value as the output has it; the value itself where it is not scaled or float32's infinity. There is one zero."""
    if unit == 1:
        return float(value) + 0.0
    scaled = float(np.float32(value) * unit)
    return (scaled if math.isfinite(scaled) else float(value) * float(unit)) + 0.0


class MapDisplay:
    """One map reduced to at most `panel` cells a side by the means of blocks, and every k-th row of it.

    A cell is its block's mean, or for a `signed` map its mean magnitude with the sign of the side that has more of it:
    flat areas stay near zero, and a thin line with both signs does not cancel out. Missing cells do not count: a cell is
    NaN where its whole block is missing.
    """

    def __init__(self, shape: tuple[int, int, int], values: ValueRange, panel: int, signed: bool = False) -> None:
        planes, height, width = shape
        self.factor = f = max(1, -(-max(height, width) // panel))
        self.rule = "magnitude" if signed else "mean"
        self._columns = np.arange(0, width, f)
        cells = (planes, -(-height // f), len(self._columns))
        self._every = max(1, -(-planes * height * width // SAMPLE_CELLS))
        # From the middle of each stretch of rows: the first row of a padded map differs from all others.
        self._start = min(self._every // 2, height - 1)
        self._sample = np.zeros((planes, -(-(height - self._start) // self._every), width), values.dtype)
        self._shape = shape
        # Float sums depend on their order, so each row keeps its own until all are there.
        self._rowwise = not values.whole
        self._wide = _sum_type(values, f)
        held = (planes, height, cells[2]) if self._rowwise else cells
        self._plain = np.zeros(cells if f == 1 else 0, values.dtype)
        self._sums = np.zeros(held if f > 1 else 0)
        self._magnitudes = np.zeros(held) if f > 1 and signed else None
        self._there = np.zeros(held) if f > 1 and values.missing else None
        self._lock = Lock()  # two bands may meet in one cell

    def observe(self, group: slice, strip: NDArray[Any], first: int) -> None:
        rows = np.arange(first, first + strip.shape[1])
        sampled = rows[rows % self._every == self._start % self._every]
        sampled = sampled[sampled >= self._start]
        self._sample[group, (sampled - self._start) // self._every] = strip[:, sampled - first]
        if self.factor == 1:
            self._plain[group, first : first + strip.shape[1]] = strip
            return
        if self._there is not None:
            there = ~np.isnan(strip)
            self._add(self._there, group, there.astype(strip.dtype), first)
            strip = np.where(there, strip, 0)
        self._add(self._sums, group, strip, first)
        if self._magnitudes is not None:
            self._add(self._magnitudes, group, np.abs(strip, dtype=self._wide), first)

    def _add(self, held: NDArray[Any], group: slice, strip: NDArray[Any], first: int) -> None:
        f = self.factor
        if self._rowwise:
            part = np.add.reduceat(strip, self._columns, axis=2, dtype=np.float64)
            held[group, first : first + strip.shape[1]] = part
            return
        cells = slice(first // f, (first + strip.shape[1] - 1) // f + 1)
        part = np.add.reduceat(_row_blocks(strip, first, f, self._wide), self._columns, axis=2, dtype=np.float64)
        with self._lock:
            held[group, cells] += part

    def result(self, scale: float) -> Display:
        """In units of the output."""
        unit = np.float32(scale)
        if self.factor == 1:
            values = self._plain.astype(np.float32)
        elif self._magnitudes is None:
            values = self._means(self._sums)
        else:
            values = np.copysign(self._means(self._magnitudes), self._means(self._sums))
        planes = np.moveaxis(values * unit, 0, -1)
        return Display(
            planes[..., 0] if planes.shape[-1] == 1 else planes,
            self.factor,
            self.rule,
            self._sample.astype(np.float32).ravel() * unit,
        )

    def _means(self, sums: NDArray[Any]) -> NDArray[np.float32]:
        _, height, width = self._shape
        starts = np.arange(0, height, self.factor)
        rows = np.diff(np.append(starts, height))
        cols = np.diff(np.append(self._columns, width))
        counts: NDArray[Any] = rows[:, None] * cols
        if self._rowwise:
            sums = np.add.reduceat(sums, starts, axis=1)
        if self._there is not None:
            counts = np.add.reduceat(self._there, starts, axis=1)
        with np.errstate(invalid="ignore"):  # blocks without a cell are NaN
            means: NDArray[np.float32] = (sums / counts).astype(np.float32)
        return means


def _sum_type(values: ValueRange, count: int) -> np.dtype[Any]:
    """A type that holds the sum of `count` magnitudes of a map."""
    if not values.whole:
        return values.dtype
    low, high = values.low, values.high
    small = low is not None and high is not None and max(-low, high) * count < 1 << 31
    return np.dtype(np.int32 if small else np.int64)


def _row_blocks(strip: NDArray[Any], first: int, f: int, wide: np.dtype[Any]) -> NDArray[Any]:
    """Add the rows of a strip up in blocks of `f`, the first and last of them as far as they reach into it.

    Whole blocks are reduced as an axis of their own: forty times faster than ``reduceat`` along the rows.
    """
    planes, rows, width = strip.shape
    head = min(-first % f, rows)
    whole = (rows - head) // f
    end = head + whole * f
    middle = strip[:, head:end].reshape(planes, whole, f, width)
    return np.concatenate(
        [
            *([np.add.reduce(strip[:, :head], axis=1, dtype=wide, keepdims=True)] if head else []),
            np.add.reduce(middle, axis=2, dtype=wide),
            *([np.add.reduce(strip[:, end:], axis=1, dtype=wide, keepdims=True)] if end < rows else []),
        ],
        axis=1,
    )


class MapCopy:
    """The whole map, unscaled."""

    def __init__(self, shape: tuple[int, int, int], values: ValueRange) -> None:
        self.values = np.empty(shape, values.dtype)

    def observe(self, group: slice, strip: NDArray[Any], first: int) -> None:
        self.values[group, first : first + strip.shape[1]] = strip


class RunProgress:
    """The share of the result that has been computed, for another thread to read."""

    def __init__(self) -> None:
        self.rows = self._computed = 0
        """Rows of the result, of all planes; 0 before the run has begun."""

    def observe(self, group: slice, strip: NDArray[Any], first: int) -> None:
        self._computed += (
            strip.shape[0] * strip.shape[1]
        )  # two bands at once may lose a strip: progress need not be exact

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return min(1.0, self._computed / self.rows) if self.rows else 0.0


class MapObservers(NamedTuple):
    """What observes one map: each is optional."""

    statistics: MapStatistics | None = None
    display: MapDisplay | None = None
    copy: MapCopy | None = None
    progress: RunProgress | None = None

    def found(self, scale: float) -> tuple[Statistics | None, Display | None]:
        """Statistics and display in units of the output; call it where numpy lets floats overflow, as the output does."""
        return (
            self.statistics.result(scale) if self.statistics else None,
            self.display.result(scale) if self.display else None,
        )

    @property
    def present(self) -> list[Any]:
        """The observers that are set."""
        return [observer for observer in self if observer is not None]


class BandTap:
    """Passes the rows of one map that a band owns to the map's observers."""

    def __init__(self, observers: Sequence[Any], group: slice, share: Pair) -> None:
        self._observers = observers
        self._group = group
        self._from, self._to = share

    def watch(self, strip: NDArray[Any], first: int) -> None:
        lo, hi = max(first, self._from), min(first + strip.shape[1], self._to)
        if lo < hi:
            for observer in self._observers:
                observer.observe(self._group, strip[:, lo - first : hi - first], lo)


class RunObservers:
    """The observers of the maps of a run, input first (a `strips.Watcher`); None for a map without any."""

    def __init__(self, maps: Sequence[MapObservers | None]) -> None:
        self._maps = maps

    def taps(self, group: slice, shares: Sequence[Pair], first: int) -> Sequence[Tap | None]:
        return [
            BandTap(one.present, group, share) if one is not None and one.present else None
            for one, share in zip(self._maps[first:], shares, strict=False)
        ]
