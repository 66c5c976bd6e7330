"""Networks of minimum and maximum that find the cells of given ranks in every window of a map.

Each row of a window is sorted, sorted rows are merged (Batcher's odd-even merge), and only the operations that the
wanted ranks depend on are kept (Adams, "Fast median filters using separable sorting networks", 2021). A network is
exact for any type that has an order. `rank_network` runs it.

Three things keep the number of operations small:

- A value is a node and a shift. What is sorted at one place is the same as what is sorted one step further on, so it
  is computed once for all places.
- Windows one below the other form a tile. What they share is merged once for the tile.
- Of a part of the window only the ranks are kept that can still become a wanted rank of the whole.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poolcli.ops.settings import Pair

LARGEST_TILE = 8
"""Most windows of a tile; more save few operations and take more memory."""


class Value(NamedTuple):
    """The result of a node, `down` rows and `right` columns of tiles further on."""

    node: int
    down: int = 0
    right: int = 0


class SortingNetwork:
    """Operations on values. Equal operations are one node, also where one of them is the other one shifted.

    Attributes
    ----------
    nodes : list of tuple
        ``("cell", row, column)``: every n-th row and column of the map from these on, n being the distance of tiles;
        or ``("min" or "max", node, node, down, right)``, the second node shifted. Inputs come before their use.
    """

    def __init__(self) -> None:
        self._numbers: dict[tuple[Any, ...], int] = {}
        self.nodes: list[tuple[Any, ...]] = []

    def cell(self, row: int, column: int, down: int, right: int) -> Value:
        """A cell of the map."""
        return Value(self._node(("cell", row, column)), down, right)

    def _node(self, key: tuple[Any, ...]) -> int:
        number = self._numbers.setdefault(key, len(self.nodes))
        if number == len(self.nodes):
            self.nodes.append(key)
        return number

    def _compare(self, a: Value, b: Value) -> list[Value]:
        """The smaller and the larger of two values."""
        if (a.down, a.right, a.node) > (b.down, b.right, b.node):
            a, b = b, a
        shift = b.down - a.down, b.right - a.right
        return [Value(self._node((kind, a.node, b.node, *shift)), a.down, a.right) for kind in ("min", "max")]

    def merge(self, x: Sequence[Value], y: Sequence[Value]) -> list[Value]:
        """Batcher's odd-even merge of two sorted lists of any lengths."""
        if not x or not y:
            return [*x, *y]
        if len(x) == len(y) == 1:
            return self._compare(x[0], y[0])
        even, odd = self.merge(x[0::2], y[0::2]), self.merge(x[1::2], y[1::2])
        merged, rest = even[:1], even[1:]
        for a, b in zip(odd, rest, strict=False):
            merged += self._compare(a, b)
        n = min(len(odd), len(rest))
        return merged + odd[n:] + rest[n:]

    def sort(self, runs: Sequence[Sequence[Value]]) -> list[Value]:
        """Merge sorted runs pairwise, powers of two first, so that shifted copies coincide."""
        if len(runs) == 1:
            return list(runs[0])
        half = 1
        while half * 2 < len(runs):
            half *= 2
        return self.merge(self.sort(runs[:half]), self.sort(runs[half:]))

    def needed(self, wanted: Sequence[Value]) -> list[int]:
        """The nodes that the wanted values depend on, inputs before their use."""
        seen: set[int] = set()
        stack = [value.node for value in wanted]
        while stack:
            node = stack.pop()
            if node not in seen:
                seen.add(node)
                if self.nodes[node][0] != "cell":
                    stack += self.nodes[node][1:3]
        return sorted(seen)


class NetworkShape(NamedTuple):
    """The windows that a network is made for: (height, width) of each, their distance, the distance of their cells."""

    size: Pair
    stride: Pair
    dilation: Pair


class NetworkPlan(NamedTuple):
    """A network, and the order and memory of its operations.

    Attributes
    ----------
    shape : NetworkShape
    tile : int
        Windows one below the other that are computed together.
    nodes : list of tuple
        As `SortingNetwork.nodes`.
    order : list of int
        The nodes that are computed, in this order.
    results : list (windows of the tile) of list (ranks) of Value
    slots : dict
        Node -> the number of the piece of memory that holds it.
    """

    shape: NetworkShape
    tile: int
    nodes: list[tuple[Any, ...]]
    order: list[int]
    results: list[list[Value]]
    slots: dict[int, int]

    @property
    def calls(self) -> int:
        """Operations for a tile."""
        return sum(self.nodes[node][0] != "cell" for node in self.order)

    @property
    def pieces(self) -> int:
        """Pieces of memory."""
        return max(self.slots.values()) + 1


@lru_cache(maxsize=64)
def network_plan(shape: NetworkShape, ranks: tuple[int, ...]) -> NetworkPlan:
    """The network for the cells of these ranks (0 is the smallest) of every window, with the best tile."""
    most = min(LARGEST_TILE, -(-shape.size[0] // shape.stride[0]))
    tiles = range(1 if shape.size[0] <= LARGEST_TILE else max(1, most - 1), most + 1)
    return min((tiled_plan(shape, ranks, tile) for tile in tiles), key=lambda made: (made.calls / made.tile, made.tile))


def tiled_plan(shape: NetworkShape, ranks: tuple[int, ...], tile: int) -> NetworkPlan:
    """The network for tiles of so many windows."""
    maker = _Maker(shape, tile)
    results = maker.results(ranks)
    wanted = [value for values in results for value in values]
    order = maker.network.needed(wanted)
    return NetworkPlan(shape, tile, maker.network.nodes, order, results, _slots(maker.network.nodes, order, wanted))


class _Maker:
    """Makes the network of a tile."""

    def __init__(self, shape: NetworkShape, tile: int) -> None:
        self.network, self.shape, self.tile = SortingNetwork(), shape, tile
        self._sorted = {row: self._sorted_row(row) for i in range(tile) for row in self._rows(i)}

    def results(self, ranks: tuple[int, ...]) -> list[list[Value]]:
        """The values of these ranks, for every window of the tile."""
        found: list[list[Value]] = [[] for _ in range(self.tile)]
        self._solve(list(range(self.tile)), set(), [], ranks, found)
        return found

    def _rows(self, i: int) -> list[int]:
        """The rows of the map that window i of a tile reads."""
        return [i * self.shape.stride[0] + j * self.shape.dilation[0] for j in range(self.shape.size[0])]

    def _sorted_row(self, row: int) -> list[Value]:
        down, right = self.shape.stride[0] * self.tile, self.shape.stride[1]
        columns = (j * self.shape.dilation[1] for j in range(self.shape.size[1]))
        cells = [self.network.cell(row % down, column % right, row // down, column // right) for column in columns]
        return self.network.sort([[cell] for cell in cells])

    def _solve(
        self, group: list[int], done: set[int], kept: list[Value], ranks: tuple[int, ...], found: list[list[Value]]
    ) -> None:
        """Merge the rows that all windows of a group share, keep what may have a wanted rank, go on with halves.

        `done` are the rows merged before, `kept` are what is left of their cells, and `ranks` the wanted places if
        `kept` began the window's sorted cells.
        """
        shared = set.intersection(*(set(self._rows(i)) for i in group)) - done
        if shared:
            kept = self.network.merge(kept, self._merged(sorted(shared)))
            done = done | shared
            height, width = self.shape.size
            missing = (height - len(done)) * width
            lowest = max(0, min(ranks) - missing)
            kept, ranks = kept[lowest : max(ranks) + 1], tuple(rank - lowest for rank in ranks)
        if len(group) == 1:
            found[group[0]] = [kept[rank] for rank in ranks]
            return
        half = len(group) // 2
        for part in (group[:half], group[half:]):
            self._solve(part, done, kept, ranks, found)

    def _merged(self, rows: list[int]) -> list[Value]:
        """All cells of some rows, sorted: blocks of a tile's height first, which neighbouring tiles share."""
        network = self.network
        if self.tile == 1 or self.shape.dilation[0] > 1 or self.shape.stride[0] > 1:
            return network.sort([self._sorted[row] for row in rows])
        blocks: dict[int, list[list[Value]]] = {}
        for row in rows:
            blocks.setdefault(row // self.tile, []).append(self._sorted[row])
        whole = [network.sort(block) for block in blocks.values() if len(block) == self.tile]
        parts = [network.sort(block) for block in blocks.values() if len(block) < self.tile]
        return network.merge(network.sort(whole) if whole else [], network.sort(parts) if parts else [])


def _slots(nodes: list[tuple[Any, ...]], order: list[int], wanted: list[Value]) -> dict[int, int]:
    """Memory for every node, given on to another one after its last use; cells keep theirs."""
    last = {value.node: len(order) for value in wanted}
    for at in range(len(order) - 1, -1, -1):
        if nodes[order[at]][0] != "cell":
            for source in nodes[order[at]][1:3]:
                last.setdefault(source, at)
    cells = [node for node in order if nodes[node][0] == "cell"]
    slots, count = {node: i for i, node in enumerate(cells)}, len(cells)
    free: list[int] = []
    for at, node in enumerate(order):
        if nodes[node][0] == "cell":
            continue
        if free:
            slots[node] = free.pop()
        else:
            slots[node], count = count, count + 1
        free += [slots[source] for source in set(nodes[node][1:3]) if last[source] == at]
    return slots
