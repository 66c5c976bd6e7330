"""Exact sums of integers, at about the price of reading them.

numpy adds integers in 64 bits, one by one, after copying them into that type. Halves of an array added to each
other stay in the type they have, for as long as their range allows, and fill whole vector registers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolcli.ops.values import Values

_EVEN_BYTES = np.uint64(0x00FF00FF00FF00FF)
_BYTE = np.uint64(8)
_SHORT = 256  # not worth halving


def exact_sum(cells: NDArray[Any], values: Values) -> int:
    """Sum all cells of an array of integers or bools.

    Parameters
    ----------
    cells : ndarray of any shape
    values : Values
        What it holds; the narrower the range, the faster.

    Returns
    -------
    int

    Examples
    --------
    >>> from poolcli.ops.values import Values
    >>> exact_sum(np.full((30, 1001), 255, np.uint8), Values(np.dtype(np.uint8), 0, 255))
    7657650
    """
    flat = cells.ravel()  # a view where the cells lie together
    if flat.dtype.itemsize == 8:
        half = flat.dtype.type(32)
        low = flat & flat.dtype.type(0xFFFFFFFF)
        return (int(np.add.reduce(flat >> half)) << 32) + int(np.add.reduce(low))
    total, top = 0, max(abs(values.low or 0), abs(values.high or 0), 1)
    if flat.dtype.itemsize == 1 and flat.dtype != np.int8 and flat.size >= _SHORT:
        # Eight bytes at a time: the even ones and the odd ones side by side in 16-bit lanes.
        whole = flat.size // 8 * 8
        total = int(np.add.reduce(flat[whole:], dtype=np.int64))
        lanes = flat[:whole].view(np.uint64)
        odd = lanes >> _BYTE
        odd &= _EVEN_BYTES
        flat, top = ((lanes & _EVEN_BYTES) + odd).view(np.uint16), 2 * top
    limit = np.iinfo(flat.dtype).max if flat.dtype != bool else 1
    while flat.size >= _SHORT and 2 * top <= limit:
        half = flat.size // 2
        if flat.size % 2:
            total += int(flat[-1])
        flat, top = flat[:half] + flat[half : 2 * half], 2 * top
    return total + int(np.add.reduce(flat, dtype=np.int64))
