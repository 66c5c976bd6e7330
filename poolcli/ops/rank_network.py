"""Order statistics and modes of windows by sorting networks: as fast as numpy takes minima and maxima.

A map is worked on in blocks. Of a block, every value of the network is one flat array, so that every operation is one
call of numpy; a shift of a value is an offset into its array. The arrays are so long that a call costs little beside
its work, and so short that the processor's caches hold those in use.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from poolcli.ops.sorting_network import NetworkPlan
    from poolcli.ops.value_range import Scratch

    Block = tuple[tuple[slice, slice, slice], list[NDArray[Any]]]

BLOCK_BYTES = 1 << 16
"""Bytes of one value of a block, at most."""

NETWORK_BYTES = 12 << 20
"""Bytes of all values of a block together, about."""


def ranked(
    plan: NetworkPlan, cells: NDArray[Any], shape: tuple[int, int, int], scratch: Scratch, dtype: Any = None
) -> list[NDArray[Any]]:
    """The cells of the plan's ranks for all windows.

    Parameters
    ----------
    plan : NetworkPlan
    cells : ndarray of shape (planes, rows, columns)
        From the first cell of the first window to the last cell of the last.
    shape : (planes, height, width)
        Of the windows.
    scratch : Scratch
        Keeps the memory of the network and the results, until the next call.
    dtype : dtype, optional
        Of the results; that of the cells by default.

    Returns
    -------
    list of ndarray of `shape`, one for each rank
    """
    results = [scratch.empty(f"rank{i}", shape, dtype or cells.dtype) for i in range(len(plan.results[0]))]
    for where, values in _blocks(plan, cells, shape, scratch):
        for result, value in zip(results, values, strict=True):
            result[where] = value
    return results


def most_frequent(
    plan: NetworkPlan, cells: NDArray[Any], shape: tuple[int, int, int], scratch: Scratch
) -> NDArray[Any]:
    """The most frequent cell of all windows, the smallest of equals, by a plan for all ranks; else as `ranked`."""
    result = np.empty(shape, cells.dtype)
    for where, values in _blocks(plan, cells, shape, scratch):
        result[where] = _longest_run(values)
    return result


def _longest_run(values: list[NDArray[Any]]) -> NDArray[Any]:
    """The value of the longest run of equals in sorted values, the first of equals."""
    best = values[0].copy()
    bits = best.view(f"u{best.itemsize}")
    counter = np.uint8 if len(values) < 1 << 8 else np.uint16
    run = np.ones(best.shape, counter)
    most = run.copy()
    for before, value in pairwise(values):
        run *= before == value
        run += counter(1)
        longer = (run > most).view(np.uint8).astype(bits.dtype)
        np.maximum(run, most, out=most)
        np.negative(longer, out=longer)  # all bits set where the run is the longest so far
        longer &= bits ^ value.view(bits.dtype)
        bits ^= longer
    return best


def _blocks(plan: NetworkPlan, cells: NDArray[Any], shape: tuple[int, int, int], scratch: Scratch) -> Iterator[Block]:
    """For each block and each window of a tile: where in the result these windows lie, and their values by rank."""
    planes, height, width = shape
    tiles = -(-height // plan.tile)
    most = max(1, min(BLOCK_BYTES, NETWORK_BYTES // plan.pieces) // cells.itemsize)
    below = _reach(plan)[0]
    least = min(tiles, max(4 * below, most // width, 1))  # rows, so that those that blocks share cost little
    columns = _part(width, most // (least + below))
    rows = _part(tiles, most // columns - below)
    deep = _part(planes, most // (columns * (rows + below)) if rows == tiles else 1)
    network = _bound(plan, (deep, rows, columns), cells.dtype, scratch)
    for plane in range(0, planes, deep):
        for top in range(0, tiles, rows):
            for left in range(0, width, columns):
                network.load(cells, plane, top, left)
                network.compute()
                for i, values in enumerate(network.results):
                    where = (
                        slice(plane, plane + deep),
                        slice(top * plan.tile + i, (top + rows) * plan.tile, plan.tile),
                        slice(left, left + columns),
                    )
                    n = tuple(len(range(*part.indices(end))) for part, end in zip(where, shape, strict=True))
                    if n[1]:
                        yield where, [value[: n[0], : n[1], : n[2]] for value in values]


def _part(length: int, most: int) -> int:
    """A length of at most `most` that cuts `length` into equal parts."""
    return -(-length // -(-length // max(1, most)))


def _bound(plan: NetworkPlan, block: tuple[int, int, int], dtype: np.dtype[Any], scratch: Scratch) -> _Bound:
    """The network for blocks of a size; one that was made for somewhat more rows serves as well."""
    kept: dict[Any, _Bound] = scratch.kept("networks", dict)
    key = (id(plan), block[0], block[2], dtype)
    held = kept.get(key)
    if held is None or not block[1] <= held.rows <= block[1] + block[1] // 4 + 1:
        kept.clear()  # so that one network's memory is held at a time
        kept[key] = held = _Bound(plan, block, dtype)
    return held


def _reach(plan: NetworkPlan) -> tuple[int, int]:
    """Rows and columns of tiles that a window reaches beyond its own."""
    (height, width), (down, right), (dilation, across) = plan.shape
    last = (plan.tile - 1) * down + (height - 1) * dilation
    return last // (down * plan.tile), (width - 1) * across // right


def _beyond(plan: NetworkPlan, pitch: int) -> dict[int, int]:
    """How many cells beyond a block each node is read, where rows are `pitch` cells apart."""
    beyond = dict.fromkeys(plan.order, 0)
    for value in (value for values in plan.results for value in values):
        beyond[value.node] = max(beyond[value.node], value.down * pitch + value.right)
    for node in reversed(plan.order):
        if plan.nodes[node][0] != "cell":
            _, a, b, down, right = plan.nodes[node]
            beyond[a] = max(beyond[a], beyond[node])
            beyond[b] = max(beyond[b], beyond[node] + down * pitch + right)
    return beyond


class _Bound:
    """A network with its memory, for blocks of (planes, rows, columns) of tiles."""

    def __init__(self, plan: NetworkPlan, block: tuple[int, int, int], dtype: np.dtype[Any]) -> None:
        planes, self.rows, columns = block
        below, beside = _reach(plan)
        tall, pitch = self.rows + below, columns + beside
        self._plan, self._block, nodes = plan, (planes, tall, pitch), plan.nodes
        length = planes * tall * pitch
        memory = np.zeros((plan.pieces, length + below * pitch + beside), dtype)
        self.nbytes = memory.nbytes
        needed = ((planes - 1) * tall + self.rows - 1) * pitch + columns
        beyond = _beyond(plan, pitch)
        self._cells, self._calls = [], []
        for node in plan.order:
            held = memory[plan.slots[node]]
            if nodes[node][0] == "cell":
                self._cells.append((nodes[node][1:3], held[:length].reshape(self._block)))
            else:
                kind, a, b, down, right = nodes[node]
                offset, n = down * pitch + right, needed + beyond[node]
                one, two = memory[plan.slots[a]][:n], memory[plan.slots[b]][offset : offset + n]
                self._calls.append((np.minimum if kind == "min" else np.maximum, one, two, held[:n]))
        self.results = []
        for values in plan.results:
            starts = ((value.down * pitch + value.right, memory[plan.slots[value.node]]) for value in values)
            self.results.append([held[at : at + length].reshape(self._block) for at, held in starts])

    def load(self, cells: NDArray[Any], plane: int, top: int, left: int) -> None:
        """Take the cells of the block that begins at a plane, a row of tiles and a column of windows."""
        planes, rows, columns = self._block
        down, right = self._plan.shape.stride[0] * self._plan.tile, self._plan.shape.stride[1]
        for (row, column), held in self._cells:
            part = cells[plane : plane + planes, top * down + row :: down, left * right + column :: right]
            part = part[:, :rows, :columns]
            held[: part.shape[0], : part.shape[1], : part.shape[2]] = part

    def compute(self) -> None:
        for call, one, two, out in self._calls:
            call(one, two, out=out)
