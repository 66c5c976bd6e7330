"""Convolution by tiles: each tile of the map is multiplied with the kernel as a spectrum (FFT, float64).

The time does not grow with the kernel. The grid of tiles belongs to the map, so the same values come out however the
map is cut into strips and bands. What a spectrum cannot hold is computed weight by weight for its tile alone: NaN and
infinity, which would fill the tile, and cells so much larger than others that they would drown them.

The sums are rounded to multiples of a quantum: 1 for whole weights on integers, which makes them exact, and otherwise
some 6e-14 of the largest possible sum, so that where the map is 0 the result is 0.

Where exact sums are small, one transform computes two tiles: the cells a of one and b of the other as a + S b, with a power
of two S above twice the largest sum. Then the sums of b are the multiples of S, and those of a what is left.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from poolcli.ops.convolution_grid import GridStage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolcli.ops.settings import Pair
    from poolcli.ops.strips import Rows
    from poolcli.ops.value_range import Scratch, ValueRange
    from poolcli.ops.windows import Axis, Window

LARGEST_EXACT = 2.0**40
"""Whole sums up to this are exact after rounding: the error of a tile stays below 1e-13 of the largest sum."""

QUANTUM = 2.0**-44
"""What other sums are rounded to, as a share of the largest possible sum."""

RANGE = 2.0**24
"""How many times larger than the largest cell of a neighbourhood another cell of its tile may be."""

SIDES = (256, 320, 512)
"""Tiles for maps that are larger; a smaller map is one tile."""

SPECTRUM_COST = 3.5
"""Time per cell of a tile and per doubling of its cells, where a pass of numpy over float32 cells takes 1."""


PAIRED = 0.55
"""Time of a tile of which two are computed as one, where alone it takes 1."""


class Tiling(NamedTuple):
    """How an axis is cut: cells of a tile, outputs of a tile."""

    side: int
    step: int


def tiling(axis: Axis) -> Tiling | None:
    """The tiles of an axis that cost least; None where the window is too large for all of them."""
    whole = (axis.out - 1) * axis.stride + axis.extent
    if whole <= SIDES[0] + SIDES[0] // 4:
        return Tiling(_good_side(whole), axis.out)
    found = [Tiling(side, (side - axis.extent) // axis.stride + 1) for side in SIDES if side >= 1.5 * axis.extent]
    return min(found, key=lambda one: -(-axis.out // one.step) * one.side * math.log2(one.side), default=None)


def _good_side(least: int) -> int:
    """The smallest number from `least` on without prime factors above 5, even: the transform is fast for these."""
    side = least + least % 2
    while not _smooth(side):
        side += 2
    return side


def _smooth(number: int) -> bool:
    for factor in (2, 3, 5):
        while number % factor == 0:
            number //= factor
    return number == 1


def _block(axis: Axis) -> int:
    """Cells along an axis of a neighbourhood that every window holds whole."""
    return max(1, min(8, axis.extent // 2))


def tile_cost(window: Window, largest: float = math.inf) -> float:
    """Time of a convolution by tiles, in passes of numpy over one float32 cell; infinite where tiles cannot do it.

    `largest` is the largest sum of whole weights on integers.
    """
    rows, cols = (tiling(axis) for axis in (window.rows, window.cols))  # type: ignore[arg-type]
    if rows is None or cols is None:
        return math.inf
    count = -(-window.rows.out // rows.step) * -(-window.cols.out // cols.step)
    cells = rows.side * cols.side
    paired = PAIRED if count > 1 and largest <= LARGEST_EXACT and pair_factor(largest) else 1.0
    return count * paired * (cells * SPECTRUM_COST * math.log2(max(cells, 2)) + 1e6)


class TileStage(GridStage):
    """A kernel over a map in tiles (a `strips.Stage`).

    Parameters
    ----------
    window : Window
        One for which `tiling` finds tiles on both axes.
    before, values : ValueRange
        Of the map and of the results.
    weights : ndarray of shape (kh, kw)
    mode : str
        A name of `PADDING_MODES`.
    """

    def __init__(
        self, window: Window, before: ValueRange, values: ValueRange, weights: NDArray[np.float64], mode: str = "zeros"
    ) -> None:
        rows, cols = (tiling(axis) for axis in (window.rows, window.cols))  # type: ignore[arg-type]
        assert rows is not None
        assert cols is not None
        super().__init__(window, values, mode, rows.step, window.cols.out)
        self.weights, self.tiles = weights, (rows, cols)
        self.integers = before.whole
        self.largest = float(max(abs(before.low or 0), abs(before.high or 0)))
        self.total = float(np.abs(weights).sum())
        self.factor = pair_factor(self.largest * self.total) if values.whole else 0.0
        self.block = _block(self.border.rows), _block(self.border.cols)
        spread = np.zeros((self.border.rows.extent, self.border.cols.extent))
        spread[:: self.border.rows.dilation, :: self.border.cols.dilation] = weights
        self.spectrum = np.conj(np.fft.rfft2(spread, (rows.side, cols.side)))

    def compute(self, rows: Rows, a: int, b: int, made: NDArray[Any]) -> None:
        border, (height, (width, step)) = self.border, (self.tiles[0].side, self.tiles[1])
        scratch = rows.scratch.brief
        lo, hi = border.span(a, b)
        first = border.needs(lo, hi)[0]
        cells = rows.get(*border.needs(lo, hi))
        tile, other = (scratch.empty(name, (height, width), np.float64) for name in ("tile", "other tile"))

        def fill(tile: NDArray[np.float64], plane: int, left: int, right: int) -> None:
            span = (right - left - 1) * border.cols.stride + border.cols.extent
            tile[:, span:] = 0
            tile[hi - lo :] = 0
            start = left * border.cols.stride - border.cols.before
            border.fill(tile[None, : hi - lo, :span], cells[plane : plane + 1], first, lo, start)

        lefts = range(0, border.cols.out, step)
        places = [(plane, left, min(left + step, border.cols.out)) for left in lefts for plane in range(rows.planes)]
        for some in (places[i : i + 2] for i in range(0, len(places), 2)) if self.factor else ([one] for one in places):
            results = [made[plane, : b - a, left:right] for plane, left, right in some]
            fill(tile, *some[0])
            if len(some) == 1:
                results[0][...] = self._tile(tile, b - a, results[0].shape[1], scratch)
                continue
            fill(other, *some[1])
            other *= self.factor
            tile += other
            self._split(self._sums(tile, b - a, max(result.shape[1] for result in results)), *results)

    def _tile(self, tile: NDArray[np.float64], height: int, width: int, scratch: Scratch) -> NDArray[np.float64]:
        """The outputs of one tile, of shape (height, width)."""
        largest = self.largest
        if not self.integers:
            sizes = np.abs(tile, out=scratch.empty("sizes", tile.shape, np.float64))
            largest, least = _extremes(sizes, self.block)
            if not math.isfinite(largest * self.total) or least * RANGE < largest:
                return self._weight_by_weight(tile, height, width)
        quantum = 1.0
        if not self.values.whole:
            quantum = 2.0 ** math.floor(math.log2(largest * self.total)) * QUANTUM if largest * self.total else 0.0
        return _rounded(self._sums(tile, height, width), quantum)

    def _sums(self, tile: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
        rows, cols = self.border.rows, self.border.cols
        spectrum = np.fft.rfft(tile, axis=1)
        np.fft.fft(spectrum, axis=0, out=spectrum)
        spectrum *= self.spectrum
        np.fft.ifft(spectrum, axis=0, out=spectrum)
        reach = (height - 1) * rows.stride + 1
        done = np.fft.irfft(spectrum[: reach : rows.stride], tile.shape[1], axis=1)
        return done[:, : (width - 1) * cols.stride + 1 : cols.stride]

    def _split(self, both: NDArray[np.float64], one: NDArray[Any], other: NDArray[Any]) -> None:
        """Write the sums of two tiles that were computed as one."""
        width = other.shape[1]
        multiples = _rounded(both.copy(), self.factor)
        both -= multiples
        one[...] = _rounded(both, 1.0)[:, : one.shape[1]]
        np.multiply(multiples[:, :width], 1 / self.factor, out=other, casting="unsafe")

    def _weight_by_weight(self, tile: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
        rows, cols = self.border.rows, self.border.cols
        acc = np.zeros((height, width))
        for i, j in np.ndindex(self.weights.shape):
            lines = tile[i * rows.dilation :][: (height - 1) * rows.stride + 1 : rows.stride]
            acc += self.weights[i, j] * lines[:, j * cols.dilation :][:, : (width - 1) * cols.stride + 1 : cols.stride]
        return acc


def pair_factor(largest: float) -> float:
    """What the cells of the second of two tiles are multiplied with for sums up to `largest`; 0 where these are too large."""
    factor = 2.0 ** (math.floor(math.log2(max(largest, 1))) + 2)
    return factor if (factor + 1) * largest <= LARGEST_EXACT else 0.0


def _rounded(sums: NDArray[np.float64], quantum: float) -> NDArray[np.float64]:
    shift = 1.5 * 2.0**52 * quantum  # of a sum this large, float64 keeps multiples of the quantum
    sums += shift
    sums -= shift
    return sums


def _extremes(sizes: NDArray[np.float64], block: Pair) -> tuple[float, float]:
    """The largest cell, and the largest of the neighbourhood (smaller than the window) whose largest is least.

    Neighbourhoods of zeros do not count: their sums are rounded to 0.
    """
    (height, width), (rows, cols) = sizes.shape, block
    lines = np.maximum.reduce(sizes[: height // rows * rows].reshape(-1, rows, width), axis=1)
    largest = max(float(lines.max()), float(sizes[height // rows * rows :].max(initial=0)))
    blocks = np.maximum.reduce(lines[:, : width // cols * cols].reshape(len(lines), -1, cols), axis=2)
    return largest, float(blocks.min(where=blocks > 0, initial=largest))
