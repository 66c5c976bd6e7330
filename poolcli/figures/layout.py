"""Geometry of figures in whole pixels: boxes, magnification of maps, columns, tick marks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SIDE = 400
"""Wanted length in pixels of the longer side of the largest map; a whole magnification comes close to it."""


@dataclass(frozen=True)
class Box:
    """A rectangle in whole pixels; (x, y) is its top left corner."""

    x: int
    y: int
    width: int
    height: int

    def centred(self, width: int, height: int) -> Box:
        """A box of this size with the same centre."""
        return Box(self.x + (self.width - width) // 2, self.y + (self.height - height) // 2, width, height)


def magnifications(shapes: Sequence[tuple[int, int]], side: int = SIDE) -> list[int]:
    """Whole-number magnification of each map, chosen so that all are drawn about equally large.

    Parameters
    ----------
    shapes : sequence of (h, w)
        Of the maps, in cells.
    side : int
        Wanted length in pixels of the largest map's longer side.

    Returns
    -------
    list of int
        Pixels per cell, at least 1.

    Examples
    --------
    >>> magnifications([(398, 398), (199, 199), (100, 100), (50, 50), (1, 1)])
    [1, 2, 4, 8, 398]
    """
    height, width = max(shapes, key=lambda shape: (max(shape), min(shape)))
    # Halves round down: 267 pixels stay 267, 266 become 532.
    first = max(1, math.ceil(side / max(height, width) - 0.5))
    wanted = [min(first * height / h, first * width / w) for h, w in shapes]
    # A map may be drawn a little larger than the largest (4 x 100 pixels beside 398), but by no more than a quarter.
    return [max(1, round(k) if round(k) <= k * 5 / 4 else math.floor(k)) for k in wanted]


def column_edges(widths: Sequence[int], gap: int, margin: int) -> list[int]:
    """X of the left edge of each column.

    Examples
    --------
    >>> column_edges([100, 50, 80], gap=10, margin=5)
    [5, 115, 175]
    """
    edges, x = [], margin
    for width in widths:
        edges.append(x)
        x += width + gap
    return edges


def ticks(low: float, high: float, most: int = 6) -> tuple[list[float], int]:
    """Round values between two limits, for a colour bar.

    Parameters
    ----------
    low, high : float
        `low` is below `high`.
    most : int
        Largest number of values.

    Returns
    -------
    values : list of float
        Multiples of 1, 2 or 5 times a power of ten.
    decimals : int
        How many decimals their labels need.

    Examples
    --------
    >>> ticks(0, 1)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], 1)
    >>> ticks(-3.1, 3.1)
    ([-2.0, 0.0, 2.0], 0)
    """
    power = math.floor(math.log10((high - low) / most))
    for factor in (1, 2, 5, 10):
        step = factor * 10.0**power
        first, last = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6)
        if last - first < most:
            break
    decimals = max(0, -power - (factor == 10))
    # Rounding gives 0.6 where 3 * 0.2 is 0.6000000000000001.
    return [round(i * step, decimals) + 0.0 for i in range(first, last + 1)], decimals
