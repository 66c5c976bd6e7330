"""Stochastic pooling: one cell of each window, drawn with a probability in proportion to its value.

The random number of a window comes from a hash of the seed and of the window's plane, row and column, not from a
sequence: it is the same whatever strip, band or thread computes the window.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli.ops.reductions import combine
from poolcli.ops.window_view import lowest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolcli.ops.window_view import WindowView


def stochastic(view: WindowView, seed: int) -> NDArray[Any]:
    """A cell of each window, float64: x with probability x / sum(x), negative cells never.

    A window without a positive cell gives its largest, one with infinity gives infinity, one with NaN gives NaN.
    """
    view.block  # noqa: B018 - held, since it is read three times
    largest = view.reduce(np.maximum, lowest(view.values.dtype)).astype(np.float64)
    exponent = np.frexp(largest)[1] if view.values.dtype == np.float64 else None

    def weights(cells: NDArray[Any], at: Any) -> NDArray[Any]:
        positive = np.maximum(cells, 0).astype(np.float64)
        # The sum of large float64 values would be infinite: divided by a power of two, which is exact.
        return positive if exponent is None else np.ldexp(positive, -exponent[at])

    drawn = uniform(seed, *view.places)
    if view.window.few:
        chosen = np.empty(view.shape)
        for (i, j), cells in view.each():
            flat = cells.reshape(len(cells), -1)
            sums = np.cumsum(weights(flat, (slice(None), i, j, None)), axis=1)
            passed = (sums <= (drawn[:, i, j] * sums[:, -1])[:, None]).sum(axis=1)
            chosen[:, i, j] = flat[np.arange(len(flat)), np.minimum(passed, flat.shape[1] - 1)]
    else:
        chosen = _chosen(view, weights, drawn)
    return np.where(np.isfinite(largest) & (largest > 0), chosen, largest)


def _chosen(view: WindowView, weights: Any, drawn: NDArray[Any]) -> NDArray[Any]:
    """The first cell of each window, in row-major order, at which the sum of weights passes its drawn share."""
    total, sums, chosen = np.zeros(view.shape), np.zeros(view.shape), np.zeros(view.shape)
    for where, cells in view.offsets():
        combine(np.add, total, where, weights(cells, where))
    goal = np.multiply(drawn, total, out=drawn)
    for where, cells in view.offsets():
        before = sums[where]
        after = before + weights(cells, where)
        chosen[where] = np.where((before <= goal[where]) & (after > goal[where]), cells, chosen[where])
        sums[where] = after
    return chosen


def uniform(
    seed: int, planes: NDArray[np.intp], rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Numbers from 0 to below 1 for windows, each by its place alone.

    Parameters
    ----------
    seed : int
        0 to 2^64 - 1.
    planes, rows, columns : ndarray of int
        Of the windows; broadcast.

    Notes
    -----
    ``mix(mix(mix(mix(seed) + plane) + row) + column) >> 12``, divided by 2^52, where `mix` is one step of SplitMix64
    (Steele, Lea and Flood 2014). 52 bits, so that the product with a sum of weights stays below that sum.

    Examples
    --------
    >>> uniform(0, np.array([0]), np.array([0]), np.arange(3)).round(4)
    array([0.1296, 0.4123, 0.3106])
    """
    state = _mix(np.array([seed], np.uint64))
    with np.errstate(over="ignore"):  # modulo 2^64
        for number in (planes, rows, columns):
            state = _mix(state + number.astype(np.uint64))
    return (state >> np.uint64(12)).astype(np.float64) * 2.0**-52


def _mix(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The next output of SplitMix64 from state z."""
    z = z + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
