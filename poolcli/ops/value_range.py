"""What is known of a map's values, and the memory that a stage computes them in."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Values(NamedTuple):
    """What is known of a map's values: their type and, for integers, their range.

    Attributes
    ----------
    dtype : numpy dtype
    low, high : int or None
        Smallest and largest value that can occur; None for floats.
    """

    dtype: np.dtype[Any]
    low: int | None = None
    high: int | None = None

    @staticmethod
    @cache
    def of(dtype: np.dtype[Any]) -> Values:
        """Everything that `dtype` can hold."""
        if dtype.kind == "b":
            return Values(dtype, 0, 1)
        if dtype.kind in "iu":
            return Values(dtype, int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
        return Values(dtype)

    @classmethod
    def integers(cls, low: int, high: int) -> Values:
        """The smallest integer type that holds `low` and `high`; float64 where none does."""
        for dtype in (np.uint8, np.int16, np.uint16, np.int32, np.int64, np.uint64):
            if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
                return cls(np.dtype(dtype), low, high)
        return cls(np.dtype(np.float64))

    @property
    def whole(self) -> bool:
        """Whether the values are integers."""
        return self.low is not None


class Scratch:
    """Buffers that a stage keeps from strip to strip, so that a strip costs no page faults."""

    def __init__(self) -> None:
        self._buffers: dict[tuple[str, np.dtype[Any]], NDArray[Any]] = {}
        self._shaped: dict[tuple[str, tuple[int, ...], Any], NDArray[Any]] = {}

    def empty(self, name: str, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """Return an uninitialised array, the memory of the last one of this name where it is large enough."""
        array = self._shaped.get((name, shape, dtype))
        if array is None:
            key = (name, np.dtype(dtype))
            cells = math.prod(shape)
            buffer = self._buffers.get(key)
            if buffer is None or buffer.size < cells:
                self._buffers[key] = buffer = np.empty(cells, dtype)
                self._shaped.clear()  # so that no view keeps the memory that was too small
            self._shaped[name, shape, dtype] = array = buffer[:cells].reshape(shape)
        return array
