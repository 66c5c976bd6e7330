"""The common door of the array functions: what is accepted, and how leading axes become planes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli.errors import OptionError
from poolcli.ops.windows import is_whole

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def real(x: ArrayLike) -> NDArray[Any]:
    """Return an array of real numbers in native byte order; long doubles become float64.

    Raises
    ------
    OptionError
        The values are no real numbers.
    """
    try:
        array = np.asarray(x)
    except ValueError:
        msg = "array of rows that differ in length: numbers of shape (..., H, W) expected"
        raise OptionError(msg) from None
    if array.dtype.kind not in "biuf":
        msg = f"array of {array.dtype}: real numbers expected (bool, integers or floats)"
        raise OptionError(msg)
    native = array.dtype.newbyteorder("=")
    if native.itemsize > 8:
        native = np.dtype(np.float64)
    return array.astype(native, copy=False)


def planes_of(x: ArrayLike) -> tuple[NDArray[Any], tuple[int, ...]]:
    """View an array of shape (..., H, W) as planes (P, H, W); returns them and the leading shape.

    Raises
    ------
    OptionError
        Fewer than two axes, an empty plane, or values that are not real numbers.
    """
    array = real(x)
    if array.ndim < 2 or not array.shape[-1] or not array.shape[-2]:
        msg = f"array of shape {array.shape}: (..., H, W) with at least one row and one column expected"
        raise OptionError(msg)
    return array.reshape(math.prod(array.shape[:-2]), *array.shape[-2:]), array.shape[:-2]


def real_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The float type of results: float64 for float64, float32 for everything else."""
    return np.dtype(np.float64 if dtype == np.float64 else np.float32)


def thread_count(threads: Any) -> int:
    """Check a number of threads.

    Raises
    ------
    OptionError
    """
    if not is_whole(threads) or threads < 1:
        msg = f"threads {threads!r}: a whole number of at least 1 expected"
        raise OptionError(msg)
    return int(threads)
