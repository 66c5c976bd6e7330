"""Taps: what is seen of the maps while they flow by. Statistics, a reduced copy for display, whole maps on request.

A map's rows reach the taps of several bands, each row once. Float sums are kept per row and added in row order at the
end, and everything else is exact in any order, so the number of threads changes no digit.
"""

from __future__ import annotations

import math
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from poolcli.ops.sums import exact_sum
from poolcli.pipeline.result import Display, Statistics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from poolcli.ops.strips import Tap
    from poolcli.ops.values import Values
    from poolcli.ops.windows import Pair

SAMPLE_CELLS = 1 << 18
"""About how many values the sample of a map holds."""


class MapStatistics:
    """Minimum, maximum, mean and active share of one map of shape (planes, H, W).

    Of integers, what ReLU makes of `before` differs in no more than the sum: the rest is taken from there.
    """

    def __init__(self, shape: tuple[int, int, int], values: Values, before: MapStatistics | None = None) -> None:
        planes, height, _ = shape
        self._values = values
        self._before = before if values.whole else None
        self._rows = np.zeros((0 if values.whole else planes, height))
        self._found: list[tuple[Any, Any, int]] = []  # of each strip: least, greatest, how many above 0
        self._totals: list[int] = []
        self._cells = math.prod(shape)

    def see(self, group: slice, strip: NDArray[Any], first: int) -> None:
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

    def _extremes(self) -> tuple[Any, Any, int]:
        """Least, greatest, how many above 0."""
        if self._before is not None:
            low, high, count = self._before._extremes()  # noqa: SLF001 - of the same class
            return max(low, 0), max(high, 0), count
        if len(self._found) == 1:
            return self._found[0]
        lows, highs, counts = zip(*self._found, strict=True)
        return np.min(lows), np.max(highs), sum(counts)

    def result(self, scale: float) -> Statistics:
        """In units of the output."""
        unit = np.float32(scale)
        low, high, count = self._extremes()
        total = sum(self._totals) if self._values.whole else float(self._rows.sum())
        return Statistics(
            min=float(np.float32(low) * unit),
            max=float(np.float32(high) * unit),
            mean=total * scale / self._cells,
            active=count / self._cells,
        )


class MapDisplay:
    """One map reduced to at most `panel` cells a side, by `rule`; and every k-th row of it."""

    def __init__(self, shape: tuple[int, int, int], values: Values, panel: int, rule: str) -> None:
        planes, height, width = shape
        self.rule = rule
        self.factor = f = max(1, -(-max(height, width) // panel))
        self._columns = np.arange(0, width, f)
        cells = (planes, -(-height // f), len(self._columns))
        self._every = max(1, -(-planes * height * width // SAMPLE_CELLS))
        # From the middle of each stretch of rows: the first row of a padded map is like no other.
        self._start = min(self._every // 2, height - 1)
        self._sample = np.zeros((planes, -(-(height - self._start) // self._every), width), values.dtype)
        self._shape = shape
        self._folds: dict[np.ufunc, NDArray[Any]] = {}
        self._rowwise = False
        if f == 1 or rule == "subsample":
            self._plain = np.zeros(cells, values.dtype)
        elif rule == "mean":
            # Float sums depend on their order, so each row keeps its own until all are there.
            self._rowwise = not values.whole
            self._folds = {np.add: np.zeros((planes, height, cells[2]) if self._rowwise else cells)}
        else:
            wanted = {"max": (np.maximum,), "min": (np.minimum,), "largest": (np.maximum, np.minimum)}[rule]
            self._folds = {op: np.zeros(cells, values.dtype) for op in wanted}
        self._begun = np.zeros(cells[:2], bool)
        self._lock = Lock()  # two bands may meet in one cell

    def see(self, group: slice, strip: NDArray[Any], first: int) -> None:
        f, rows = self.factor, np.arange(first, first + strip.shape[1])
        sampled = rows[rows % self._every == self._start % self._every]
        sampled = sampled[sampled >= self._start]
        self._sample[group, (sampled - self._start) // self._every] = strip[:, sampled - first]
        if not self._folds:
            kept = rows[rows % f == 0]
            self._plain[group, kept // f] = strip[:, kept - first][..., ::f]
            return
        if self._rowwise:
            part = np.add.reduceat(strip, self._columns, axis=2, dtype=np.float64)
            self._folds[np.add][group, first : first + strip.shape[1]] = part
            return
        cells = slice(first // f, (first + strip.shape[1] - 1) // f + 1)
        parts = [
            (op, held, op.reduceat(_row_blocks(op, strip, first, f), self._columns, axis=2, dtype=held.dtype))
            for op, held in self._folds.items()
        ]
        with self._lock:
            begun = self._begun[group, cells][..., None]
            for op, held, part in parts:
                held[group, cells] = np.where(begun, op(held[group, cells], part), part)
            self._begun[group, cells] = True

    def result(self, scale: float) -> Display:
        """In units of the output."""
        unit = np.float32(scale)
        if not self._folds:
            values = self._plain.astype(np.float32)
        elif self.rule == "mean":
            _, height, width = self._shape
            starts = np.arange(0, height, self.factor)
            rows = np.diff(np.append(starts, height))
            cols = np.diff(np.append(self._columns, width))
            sums = self._folds[np.add]
            if self._rowwise:
                sums = np.add.reduceat(sums, starts, axis=1)
            values = (sums / (rows[:, None] * cols)).astype(np.float32)
        elif self.rule == "largest":
            high = self._folds[np.maximum].astype(np.float32)
            low = self._folds[np.minimum].astype(np.float32)
            values = np.where(high >= -low, high, low)
        else:
            (held,) = self._folds.values()
            values = held.astype(np.float32)
        planes = np.moveaxis(values * unit, 0, -1)
        return Display(
            planes[..., 0] if planes.shape[-1] == 1 else planes,
            self.factor,
            self.rule,
            self._sample.astype(np.float32).ravel() * unit,
        )


def _row_blocks(op: np.ufunc, strip: NDArray[Any], first: int, f: int) -> NDArray[Any]:
    """Reduce the rows of a strip to blocks of `f`, the first and last of them as far as they reach into it.

    Whole blocks are reduced as an axis of their own: forty times faster than ``reduceat`` along the rows.
    """
    planes, rows, width = strip.shape
    wide = np.result_type(strip.dtype, np.int32) if op is np.add and strip.dtype.kind in "biu" else strip.dtype
    head = min(-first % f, rows)
    whole = (rows - head) // f
    end = head + whole * f
    middle = strip[:, head:end].reshape(planes, whole, f, width)
    return np.concatenate(
        [
            *([op.reduce(strip[:, :head], axis=1, dtype=wide, keepdims=True)] if head else []),
            op.reduce(middle, axis=2, dtype=wide),
            *([op.reduce(strip[:, end:], axis=1, dtype=wide, keepdims=True)] if end < rows else []),
        ],
        axis=1,
    )


class MapCopy:
    """The whole map, unscaled."""

    def __init__(self, shape: tuple[int, int, int], values: Values) -> None:
        self.values = np.empty(shape, values.dtype)

    def see(self, group: slice, strip: NDArray[Any], first: int) -> None:
        self.values[group, first : first + strip.shape[1]] = strip


class MapWatch(NamedTuple):
    """Everything that is to be seen of one map."""

    statistics: MapStatistics | None = None
    display: MapDisplay | None = None
    copy: MapCopy | None = None

    def found(self, scale: float) -> tuple[Statistics | None, Display | None]:
        """What was seen, in units of the output; call it where numpy lets floats overflow, as the output does."""
        return (
            self.statistics.result(scale) if self.statistics else None,
            self.display.result(scale) if self.display else None,
        )

    @property
    def looks(self) -> list[Any]:
        """Those who look."""
        return [look for look in (self.statistics, self.display, self.copy) if look is not None]


class BandTap:
    """The rows of one map that a band owns, shown to those who look."""

    def __init__(self, looks: Sequence[Any], group: slice, share: Pair) -> None:
        self._looks = looks
        self._group = group
        self._from, self._to = share

    def watch(self, strip: NDArray[Any], first: int) -> None:
        lo, hi = max(first, self._from), min(first + strip.shape[1], self._to)
        if lo < hi:
            for look in self._looks:
                look.see(self._group, strip[:, lo - first : hi - first], lo)


class Watch:
    """The maps of a run, input first (a `strips.Watcher`); None for a map that nobody looks at."""

    def __init__(self, maps: Sequence[MapWatch | None]) -> None:
        self._maps = maps

    def taps(self, group: slice, shares: Sequence[Pair], first: int) -> Sequence[Tap | None]:
        return [
            BandTap(one.looks, group, share) if one is not None and one.looks else None
            for one, share in zip(self._maps[first:], shares, strict=False)
        ]
