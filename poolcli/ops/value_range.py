"""What is known of a map's values, and the memory that a stage computes them in."""

from __future__ import annotations

import math
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


WHOLE = 1 << 53
"""Integers beyond it need not be float64 numbers."""


class ValueRange(NamedTuple):
    """What is known of a map's values: their type and, for integers, their range.

    Attributes
    ----------
    dtype : numpy dtype
    low, high : int or None
        Smallest and largest value that can occur; None for floats.
    missing : bool
        Whether NaN marks a missing cell, which pooling leaves out of its windows.
    """

    dtype: np.dtype[Any]
    low: int | None = None
    high: int | None = None
    missing: bool = False

    @staticmethod
    @cache
    def of(dtype: np.dtype[Any]) -> ValueRange:
        """Everything that `dtype` can hold."""
        if dtype.kind == "b":
            return ValueRange(dtype, 0, 1)
        if dtype.kind in "iu":
            return ValueRange(dtype, int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
        return ValueRange(dtype)

    @staticmethod
    @lru_cache(1024)
    def integers(low: int, high: int) -> ValueRange:
        """The smallest integer type that holds `low` and `high`; float64 where none does."""
        for dtype in (np.uint8, np.int16, np.uint16, np.int32, np.int64, np.uint64):
            if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
                return ValueRange(np.dtype(dtype), low, high)
        return ValueRange(np.dtype(np.float64))

    @property
    def whole(self) -> bool:
        """Whether the values are integers."""
        return self.low is not None


class Scratch:
    """Buffers that a stage keeps from strip to strip, so that a strip costs no page faults."""

    def __init__(self, brief: Scratch | None = None) -> None:
        self._brief = brief
        self._buffers: dict[tuple[str, np.dtype[Any]], NDArray[Any]] = {}
        self._shaped: dict[tuple[str, tuple[int, ...], Any], NDArray[Any]] = {}
        self._made: dict[str, Any] = {}

    @property
    def brief(self) -> Scratch:
        """For what is done with before the stage yields or asks for rows: the stages of a thread may share it.

        Not held by itself: a cycle would keep the buffers of every run until Python looks for cycles, and each picture
        of a folder would compute in fresh memory.
        """
        return self._brief or self

    def kept(self, name: str, make: Callable[[], Any]) -> Any:
        """What `make` returned when it was first asked for by this name."""
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

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
