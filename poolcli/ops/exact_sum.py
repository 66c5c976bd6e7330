"""Exact sums of integers, about as fast as reading them.

numpy adds integers in 64 bits, one by one, after copying them into that type. Rows added to each other stay in the
type they have, or the next wider one, for as long as their range allows, and fill whole vector registers.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli.errors import SizeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolcli.ops.value_range import ValueRange
    from poolcli.ops.window_view import WindowView

_WIDER = {
    np.dtype(narrow): np.dtype(wide)
    for narrow, wide in (
        (np.bool_, np.uint8),
        (np.int8, np.int16),
        (np.uint8, np.uint16),
        (np.int16, np.int32),
        (np.uint16, np.uint32),
        (np.int32, np.int64),
        (np.uint32, np.int64),
    )
}
_LANES = 2048
"""Sums kept side by side: enough for the vector registers, few enough to stay in the first-level cache."""


def exact_sum(cells: NDArray[Any], values: ValueRange) -> int:
    """Sum all cells of an array of integers or bools.

    Parameters
    ----------
    cells : ndarray of any shape
    values : ValueRange
        What it holds; the narrower the range, the faster.

    Returns
    -------
    int

    Examples
    --------
    >>> from poolcli.ops.value_range import ValueRange
    >>> exact_sum(np.full((30, 1001), 255, np.uint8), ValueRange(np.dtype(np.uint8), 0, 255))
    7657650
    """
    flat = cells.ravel()  # a view where the cells lie together
    if flat.dtype.itemsize == 8:
        half = flat.dtype.type(32)
        low = flat & flat.dtype.type(0xFFFFFFFF)
        return (int(np.add.reduce(flat >> half)) << 32) + int(np.add.reduce(low))
    total, top, kind = 0, max(abs(values.low or 0), abs(values.high or 0), 1), flat.dtype
    while flat.size >= 2 * _LANES:
        rows = _largest(kind) // top
        if rows < 4:
            kind = _WIDER[kind]
            rows = _largest(kind) // top
        rows = min(rows, flat.size // _LANES)
        lanes = flat.size // rows
        if rows * lanes < flat.size:
            total += int(np.add.reduce(flat[rows * lanes :], dtype=np.int64))
        flat, top = np.add.reduce(flat[: rows * lanes].reshape(rows, lanes), axis=0, dtype=kind), rows * top
    return total + int(np.add.reduce(flat, dtype=np.int64))


def exceeds_64_bits(view: WindowView) -> bool:
    """Whether the windows hold integers whose sum need not fit 64 bits."""
    return view.values.whole and not view.total_values().whole


def halves(view: WindowView) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The sum of each window of 64-bit integers, exactly: high * 2^32 + low, low from 0 to 2^32 - 1."""
    view.block  # noqa: B018 - held, since it is read twice
    high = view.reduce(np.add, dtype=np.int64, prepare=lambda cells: (cells >> 32).astype(np.int64), name="high")
    low = view.reduce(np.add, dtype=np.int64, prepare=lambda cells: (cells & 0xFFFFFFFF).astype(np.int64))
    return high + (low >> 32), low & 0xFFFFFFFF


def total_64(view: WindowView) -> NDArray[Any]:
    """The sum of each window of 64-bit integers in their own type.

    Raises
    ------
    SizeError
        It does not fit.
    """
    high, low = halves(view)
    kind = view.values.dtype
    least, most = (0, 1 << 32) if kind.kind == "u" else (-(1 << 31), 1 << 31)
    if high.size and (high.min() < least or high.max() >= most):
        msg = f"the sum of a window does not fit {kind}: convert the array with x.astype(float)"
        raise SizeError(msg)
    return (high.astype(kind) << kind.type(32)) + low.astype(kind)


@cache
def _largest(kind: np.dtype[Any]) -> int:
    return 1 if kind.kind == "b" else int(np.iinfo(kind).max)
