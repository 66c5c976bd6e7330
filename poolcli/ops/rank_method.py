"""Which method finds the order statistics or the modes of a map's windows: the one that is expected to be fastest.

All give the same values. The times are nanoseconds of one core for one window, measured on maps of 1440x2560.
"""

from __future__ import annotations

from enum import Enum, auto
from functools import lru_cache
from typing import TYPE_CHECKING

from poolcli.ops.rank_network import BLOCK_BYTES, NETWORK_BYTES
from poolcli.ops.sorting_network import NetworkPlan, NetworkShape, network_plan
from poolcli.ops.windows import AdaptiveAxis

if TYPE_CHECKING:
    from poolcli.ops.value_range import ValueRange
    from poolcli.ops.windows import Window

LEVELS = 256
"""Most values that a map may have to be counted."""

LARGEST_NETWORK = 1 << 10
"""Cells of the largest window that a network is made for."""

CALL = 1000.0
"""Nanoseconds of a call of numpy beside its work."""

BYTE = 0.055
"""Nanoseconds that a minimum of two arrays takes for each byte."""

MAKING = 7_000.0
"""Nanoseconds to make one operation of a network."""


class RankMethod(Enum):
    """How ranks are found."""

    NETWORK = auto()
    COUNTING = auto()
    SORTING = auto()


@lru_cache(maxsize=64)
def method_for(values: ValueRange, window: Window, *, all_ranks: bool = False) -> RankMethod:
    """The method for a map.

    Parameters
    ----------
    values : ValueRange
    window : Window
    all_ranks : bool
        Whether all cells of a window are to be sorted, as for its mode, or one or two ranks are wanted.
    """
    if window.few:  # fewer windows than a window has cells are taken one by one
        return RankMethod.SORTING
    times = {
        RankMethod.SORTING: _sorting(values, window, all_ranks),
        RankMethod.COUNTING: _counting(values, window, all_ranks),
    }
    times[RankMethod.NETWORK] = _network(values, window, all_ranks, min(times.values()))
    return min(times, key=lambda method: times[method])


def network_for(window: Window, ranks: tuple[int, ...]) -> NetworkPlan:
    """The network for windows that are whole; adaptive ones side by side."""
    rows, cols = window.rows, window.cols
    stride = tuple(axis.size if isinstance(axis, AdaptiveAxis) else axis.stride for axis in (rows, cols))
    return network_plan(
        NetworkShape((rows.size, cols.size), (stride[0], stride[1]), (rows.dilation, cols.dilation)), ranks
    )


def _windows(window: Window) -> int:
    return window.rows.out * window.cols.out


def _sorting(values: ValueRange, window: Window, all_ranks: bool) -> float:
    cell = 30.0 if all_ranks else 4.5
    return 20 + cell * window.cells * (1 if values.dtype.itemsize <= 4 else 2)


def _counting(values: ValueRange, window: Window, all_ranks: bool) -> float:
    if values.low is None or values.high is None or values.high - values.low >= LEVELS:
        return float("inf")
    level = 1.9  # not all are tried for each window
    if all_ranks:
        level = 1.5 if window.cells < 1 << 8 else 2.6  # counts of 8 bits, or of 16
    return (values.high - values.low + 1) * (level + 20 * CALL / _windows(window))


def _network(values: ValueRange, window: Window, all_ranks: bool, others: float) -> float:
    cells, windows = window.cells, _windows(window)
    itemsize = 4 if values.dtype == "f2" else values.dtype.itemsize  # float16 is compared as float32
    if cells > LARGEST_NETWORK or MAKING * cells > others * windows:  # it takes more operations than cells
        return float("inf")
    made = network_for(window, tuple(range(cells)) if all_ranks else tuple(sorted({(cells - 1) // 2, cells // 2})))
    block = min(BLOCK_BYTES, NETWORK_BYTES // made.pieces, windows // made.tile * itemsize)
    operations = made.calls / made.tile + (9 * cells if all_ranks else 5)
    return operations * (BYTE + CALL / max(1, block)) * itemsize + MAKING * made.calls / windows
