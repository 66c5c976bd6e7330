"""How alike the maps of shifted pictures are: how many differ, their cosines, the largest change of a cell."""

from __future__ import annotations

import math
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHUNK = 1 << 15
"""Cells that are multiplied at once; a fixed number, so that sums are the same in every run."""
EQUAL = 1e-12
"""Cosines that differ by less are equal but for rounding."""


class Similarity(NamedTuple):
    """What survives of a picture at one level of pooling.

    Attributes
    ----------
    distinct : int
        How many different maps all shifts gave.
    unchanged : float
        Share of the shifts, the shift by nothing included, whose map is that of the picture that was not shifted.
    cosine : float or None
        Mean cosine between the map of the picture and those of its shifted copies; None where that map is empty.
    control : float or None
        Cosine between the map of the picture and that of another picture; None where one of them is empty.
    score : float or None
        (cosine - control) / (1 - control): 1 where shifts change nothing, 0 where the shifted copies are no more alike
        than another picture. None where the control is as similar as they are.
    largest_change : float
        The largest difference between any two shifts in any cell, in the units of the recipe.
    empty : bool
        Whether every cell of the picture's map is 0 or missing.
    """

    distinct: int
    unchanged: float
    cosine: float | None
    control: float | None
    score: float | None
    largest_change: float
    empty: bool


class MapsSeen:
    """The maps of one level, added as they are made; none of them is kept but the first.

    Parameters
    ----------
    still : ndarray of shape (cells,)
        Of the picture that is not shifted, before scaling to the recipe's units.
    control : ndarray of shape (cells,)
        Of the other picture.
    """

    def __init__(self, still: NDArray[Any], control: NDArray[Any]) -> None:
        self._still = still
        self._digest = _digests(still[np.newaxis])[0]
        self._low, self._high = still.copy(), still.copy()
        self._digests: list[bytes] = []
        self._cosines: list[float | None] = []
        self.control = cosines(still, control[np.newaxis])[0] if not is_empty(control) else None

    def add(self, maps: NDArray[Any], moved: NDArray[np.bool_]) -> None:
        """Take in the maps of some shifts.

        Parameters
        ----------
        maps : ndarray of shape (n, cells), C-contiguous
        moved : ndarray of shape (n,)
            False for the shift by nothing, whose cosine does not count.
        """
        self._digests += _digests(maps)
        np.fmin(self._low, np.fmin.reduce(maps, axis=0), out=self._low)  # a missing cell is no extreme
        np.fmax(self._high, np.fmax.reduce(maps, axis=0), out=self._high)
        self._cosines += [one for one, counts in zip(cosines(self._still, maps), moved, strict=True) if counts]

    def result(self, units: float) -> Similarity:
        """The numbers of this level; values are divided by `units`."""
        found = [one for one in self._cosines if one is not None]
        cosine = math.fsum(found) / len(found) if found else None
        return Similarity(
            distinct=len(set(self._digests)),
            unchanged=self._digests.count(self._digest) / len(self._digests),
            cosine=cosine,
            control=self.control,
            score=score(cosine, self.control),
            largest_change=_largest_difference(self._low, self._high) / units,
            empty=cosine is None,
        )


def score(cosine: float | None, control: float | None) -> float | None:
    """How much more alike shifted copies are than another picture: (c - c0) / (1 - c0).

    None where they are not, and where a map is empty.

    Examples
    --------
    >>> score(0.75, 0.5), score(1.0, 0.5), score(1.0, 1.0), score(0.2, 0.3), score(None, 0.3)
    (0.5, 1.0, None, None, None)
    """
    if cosine is None or control is None or control + EQUAL >= cosine:
        return None
    return (cosine - control) / (1 - control)


def cosines(one: NDArray[Any], others: NDArray[Any]) -> list[float | None]:
    """The cosine between a map and each of several: exactly 1 for equal maps, 0 beside an empty map.

    Parameters
    ----------
    one : ndarray of shape (cells,)
    others : ndarray of shape (n, cells)

    Returns
    -------
    list of n floats
        None where `one` itself is empty: it has no direction.

    Examples
    --------
    >>> cosines(np.array([3, 4]), np.array([[3, 4], [4, 3], [-8, 6], [0, 0]]))
    [1.0, 0.96, 0.0, 0.0]
    """
    unit, units = _powers_of_two(one[np.newaxis]), _powers_of_two(others)
    both, first, second = (np.zeros(len(others)) for _ in range(3))
    for start in range(0, one.size, CHUNK):
        a = one[np.newaxis, start : start + CHUNK].astype(np.float64) * unit
        b = others[:, start : start + CHUNK].astype(np.float64) * units
        if one.dtype.kind == "f":
            present = np.isfinite(a) & np.isfinite(b)  # without missing cells (--nan ignore) and what is beyond floats
            if not present.all():
                a, b = np.where(present, a, 0), np.where(present, b, 0)
        both += (a * b).sum(axis=1)
        first += (a * a).sum(axis=1)
        second += (b * b).sum(axis=1)
    if is_empty(one):
        return [None] * len(others)
    norms = np.sqrt(first * second)
    ratio = np.divide(both, norms, out=np.zeros(len(others)), where=norms > 0)
    return [float(value) for value in np.clip(ratio, -1, 1)]


def is_empty(values: NDArray[Any]) -> bool:
    """Whether every cell of a map is 0 or missing."""
    return not (values[np.isfinite(values)] if values.dtype.kind == "f" else values).any()


def _powers_of_two(maps: NDArray[Any]) -> NDArray[np.float64]:
    """For each row a factor that brings float64 values to about 1: their squares neither overflow nor vanish."""
    if maps.dtype != np.float64:
        return np.ones((len(maps), 1))
    largest = np.fmax.reduce(np.abs(maps), axis=1, keepdims=True)
    return np.ldexp(1.0, -np.clip(np.frexp(largest)[1], -1000, 1000))


def _digests(maps: NDArray[Any]) -> list[bytes]:
    """A digest of each row; the zeros of floats count as one."""
    if maps.dtype.kind == "f":
        maps = maps + maps.dtype.type(0)  # -0.0 becomes 0.0
    return [blake2b(np.ascontiguousarray(row).data, digest_size=16).digest() for row in maps]


def _largest_difference(low: NDArray[Any], high: NDArray[Any]) -> float:
    largest = 0.0
    for start in range(0, low.size, CHUNK):
        part = slice(start, start + CHUNK)
        with np.errstate(over="ignore", invalid="ignore"):  # of values near the limits of floats
            change = np.subtract(high[part], low[part], dtype=np.float64)
        largest = max(largest, float(np.fmax.reduce(change, initial=0.0)))
    return largest
