"""Convolution weight by weight: every weight times the cells it meets, added up.

It takes any geometry, reads the cells of each weight where they are, and leaves padding zeros out.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from poolcli.ops.borders import BorderedStage, source_cells
from poolcli.ops.strips import chunk_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from poolcli.ops.borders import BorderedWindow
    from poolcli.ops.settings import Pair
    from poolcli.ops.strips import Rows
    from poolcli.ops.value_range import Scratch, ValueRange
    from poolcli.ops.windows import Axis, Window

    Selection = slice | NDArray[np.intp]


class TermSpan(NamedTuple):
    """The outputs of a term along an axis, and the cells that they read."""

    out: slice
    cells: Selection


class Term(NamedTuple):
    """One weight: the outputs that have it, the cells they read, and whether these are of the summed rows."""

    rows: TermSpan
    cols: TermSpan
    weight: float
    summed: bool = False


def _sides(border: BorderedWindow, axis: Axis, a: int, b: int, first: int) -> list[tuple[int, TermSpan]]:
    """For each place in the kernel along an axis: outputs a…b-1 that read a cell there, and the cells from `first`."""
    if border.zeros:
        found = [(i, axis.offset(i, a, b, first)) for i in range(*axis.reach(a, b))]
        return [(i, TermSpan(*one)) for i, one in found if one is not None]
    starts = np.arange(a, b) * axis.stride - axis.before
    every = slice(0, b - a)
    return [
        (i, TermSpan(every, source_cells(axis, border.mode, starts + i * axis.dilation) - first))
        for i in range(axis.size)
    ]


class TermStage(BorderedStage):
    """Each weight reads its cells where they are (a `strips.Stage`)."""

    def __init__(
        self, window: Window, values: ValueRange, weights: NDArray[np.float64], planes: int, mode: str = "zeros"
    ) -> None:
        super().__init__(window, mode)
        self.values, self.weights = values, weights
        self.copied = self.border.around() if not self.border.zeros and self.border.compact else None
        self.chunk = chunk_rows(planes, window.cols.length, values.dtype.itemsize, window.rows.stride)

    def strips(self, rows: Rows, chunks: Iterable[Pair]) -> Iterator[NDArray[Any]]:
        scratch, kind = rows.scratch, self.values.dtype
        for a, b in chunks:
            cells = self.cells(rows, a, b)
            if self.copied is not None:
                lo, hi = self.border.span(a, b)
                padded = scratch.brief.empty("cells", (rows.planes, hi - lo, self.border.width), kind)
                self.border.fill(padded, cells, self.needs(a, b)[0], lo, -self.border.cols.before)
                cells = padded
            elif cells.dtype != kind:
                wide = scratch.brief.empty("cells", cells.shape, kind)
                wide[...] = cells
                cells = wide
            acc = scratch.empty("acc", (rows.planes, b - a, self.window.cols.out), kind)
            self.weigh(cells, acc, a, b, scratch.brief)
            yield acc
        rows.drain()

    def weigh(self, cells: NDArray[Any], acc: NDArray[Any], a: int, b: int, scratch: Scratch) -> None:
        """Compute output rows a…b-1 into `acc` from the rows that they need."""
        # 0 times NaN or infinity is NaN in every framework, so zeros are skipped among finite values only.
        every = acc.dtype.kind == "f" and not np.isfinite(np.add.reduce(cells, axis=None))
        add_terms(_terms_of(self, a, b, every), cells, acc, scratch)

    def sides(self, a: int, b: int) -> tuple[list[tuple[int, TermSpan]], list[tuple[int, TermSpan]]]:
        """For each row and each column of the kernel: outputs a…b-1 that read a cell there, and these cells."""
        border = self.copied or self.border
        first = a * border.rows.stride if self.copied else self.needs(a, b)[0]
        return _sides(border, border.rows, a, b, first), _sides(border, border.cols, 0, border.cols.out, 0)

    def terms(self, a: int, b: int, *, every: bool) -> list[Term]:
        """What is added up for output rows a…b-1; with `every`, weights of zero too."""
        lines, columns = self.sides(a, b)
        return [
            Term(line, column, self.weights[i, j])
            for i, line in lines
            for j, column in columns
            if self.weights[i, j] or every
        ]


@lru_cache(maxsize=64)
def _terms_of(stage: TermStage, a: int, b: int, every: bool) -> list[Term]:
    """The terms, cached: pictures of one size have the same."""
    return stage.terms(a, b, every=every)


def add_terms(terms: Sequence[Term], cells: NDArray[Any], acc: NDArray[Any], scratch: Scratch) -> None:
    """Sum weight * cells over the terms, in their order."""
    kind = acc.dtype.type
    begun = False
    for (out_rows, in_rows), (out_cols, in_cols), weight, _ in terms:
        met = cells[:, in_rows][:, :, in_cols]
        if not begun:
            begun = True
            if met.shape == acc.shape:
                np.multiply(met, kind(weight), out=acc)
                continue
            acc.fill(0)
        part = acc[:, out_rows, out_cols]
        if abs(weight) != 1:
            product = scratch.empty("product", met.shape, acc.dtype)
            met = np.multiply(met, kind(weight), out=product)
        (np.subtract if weight == -1 else np.add)(part, met, out=part)
    if not begun:
        acc.fill(0)
