"""Arguments of the array functions: which arrays are allowed, and how leading axes become planes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli.errors import OptionError
from poolcli.ops.settings import whole

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def real(x: ArrayLike) -> NDArray[Any]:
    """Return an array of real numbers in native byte order; long doubles become float64.

    Raises
    ------
    OptionError
        The values are not real numbers, or some are masked.
    """
    array = as_array(x)
    if array.dtype.kind not in "biuf":
        msg = f"array of {array.dtype}: convert it to real numbers (bool, integers or floats)"
        raise OptionError(msg)
    native = array.dtype.newbyteorder("=")
    if native.itemsize > 8:
        native = np.dtype(np.float64)
    return array.astype(native, copy=False)


def as_array(x: Any) -> NDArray[Any]:
    """Convert anything that numpy can read to an array.

    Raises
    ------
    OptionError
        Rows of different length, masked cells, or an object that gives numpy no array.
    """
    if masked := _masked(x):
        msg = f"masked array with {masked} cells masked: fill them with x.filled(value)"
        raise OptionError(msg)
    try:
        return np.asarray(x)
    except ValueError:
        msg = "array of rows that differ in length: make them one length, shape (..., H, W)"
        raise OptionError(msg) from None
    except Exception as error:  # noqa: BLE001 - a tensor's __array__ may raise anything: it requires a gradient, it is bfloat16
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        msg = f"array of type {type(x).__name__}: {reason}; convert it to a numpy array (a tensor with x.detach().float().numpy())"
        raise OptionError(msg) from None


def _masked(x: Any) -> int:
    """How many cells are masked, in lists of masked arrays too, whose masks numpy drops."""
    if isinstance(x, list | tuple):
        return sum(_masked(one) for one in x if isinstance(one, list | tuple | np.ma.MaskedArray))
    return int(np.count_nonzero(np.ma.getmaskarray(x))) if np.ma.is_masked(x) else 0


def planes_of(x: ArrayLike) -> tuple[NDArray[Any], tuple[int, ...]]:
    """View an array of shape (..., H, W) as planes (P, H, W); returns them and the leading shape.

    Raises
    ------
    OptionError
        Fewer than two axes, an empty plane, or values that are not real numbers.
    """
    array = real(x)
    if array.ndim < 2 or not array.shape[-1] or not array.shape[-2]:
        msg = f"array of shape {array.shape}: reshape it to (..., H, W) with at least one row and one column"
        raise OptionError(msg)
    return array.reshape(math.prod(array.shape[:-2]), *array.shape[-2:]), array.shape[:-2]


def real_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The float type of results: float64 for float64 and for integers that float32 would round, float32 otherwise."""
    wide = dtype == np.float64 or (dtype.kind in "iu" and dtype.itemsize > 2)
    return np.dtype(np.float64 if wide else np.float32)


def thread_count(threads: Any) -> int:
    """Check a number of threads.

    Raises
    ------
    OptionError
    """
    return whole("threads", threads)
