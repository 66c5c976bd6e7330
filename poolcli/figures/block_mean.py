"""Maps reduced for display: each new cell is the mean of a block of values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def block_mean(
    values: NDArray[np.float32], shape: tuple[int, int], have: int, wanted: int, rule: str = "mean"
) -> NDArray[np.float32]:
    """Reduce a map further: from blocks of `have` x `have` values to blocks of `wanted` x `wanted`.

    Parameters
    ----------
    values : ndarray of shape (h, w) or (h, w, C), float32
        Block means of a map; the last row and column of blocks may be cut off by its edge.
    shape : (H, W)
        Shape of the map itself.
    have, wanted : int
        Sides of a block, in cells of the map. `wanted` is at least `have` and need not be a multiple of it.
    rule : {"mean", "magnitude"}
        ``"magnitude"`` is the mean magnitude with the sign of the mean, as in `Display`.

    Returns
    -------
    ndarray of shape (ceil(H / wanted), ceil(W / wanted)) or (..., C), float32
        The means of the map itself, rounded once.

    Examples
    --------
    >>> block_mean(np.arange(6, dtype=np.float32).reshape(2, 3), (2, 3), 1, 2)
    array([[2. , 3.5]], dtype=float32)
    """
    if wanted == have:
        return values
    if rule == "magnitude":
        return np.copysign(block_mean(np.abs(values), shape, have, wanted), block_mean(values, shape, have, wanted))
    rows, cols = (_shares(length, have, wanted) for length in shape)
    means = np.tensordot(rows, values.astype(np.float64), axes=1)
    return np.moveaxis(np.tensordot(cols, means, axes=(1, 1)), 0, 1).astype(np.float32)


def _shares(length: int, have: int, wanted: int) -> NDArray[np.float64]:
    """Weight of each old cell in each new one, along one axis: shape (new, old), each row adds up to 1."""
    old, new = (np.minimum(np.arange(-(-length // step) + 1) * step, length) for step in (have, wanted))
    shared = np.minimum(old[1:], new[1:, None]) - np.maximum(old[:-1], new[:-1, None])
    covered: NDArray[np.float64] = np.maximum(shared, 0) / np.diff(new)[:, None]
    return covered
