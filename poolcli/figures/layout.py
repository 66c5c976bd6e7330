"""Where things go, in whole pixels: magnification of each map, columns, tick marks. Numbers only."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SIDE = 400
"""Pixels that the longer side of the largest map should take, as nearly as a whole magnification allows."""


@dataclass(frozen=True)
class Box:
    """A rectangle of whole pixels, y counted downwards."""

    x: int
    y: int
    width: int
    height: int

    def centred(self, width: int, height: int) -> Box:
        """A box of another size around the same centre."""
        return Box(self.x + (self.width - width) // 2, self.y + (self.height - height) // 2, width, height)


def magnifications(shapes: Sequence[tuple[int, int]], side: int = SIDE) -> list[int]:
    """Whole-number magnification of each map, so that all look about as large as the largest.

    Parameters
    ----------
    shapes : sequence of (h, w)
        The maps as displayed.
    side : int
        Wanted length of the largest map's longer side.

    Examples
    --------
    >>> magnifications([(398, 398), (199, 199), (100, 100), (50, 50), (1, 1)])
    [1, 2, 4, 8, 398]
    """
    height, width = max(shapes, key=lambda shape: (max(shape), min(shape)))
    # Halves round down: 267 pixels stay 267, 266 become 532.
    first = max(1, math.ceil(side / max(height, width) - 0.5))
    wanted = [min(first * height / h, first * width / w) for h, w in shapes]
    # A map may look a little larger than the largest (4 x 100 pixels against 398), but by no more than a quarter.
    return [max(1, round(k) if round(k) <= k * 5 / 4 else math.floor(k)) for k in wanted]


def columns(widths: Sequence[int], gap: int, margin: int) -> list[int]:
    """Left edges of columns set side by side."""
    edges, x = [], margin
    for width in widths:
        edges.append(x)
        x += width + gap
    return edges


def ticks(low: float, high: float, most: int = 6) -> tuple[list[float], int]:
    """Round values from low to high for a colour bar, and the decimals they need.

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
