"""Convolution of integers by whole weights: exact in any order, which allows three ways to save time.

A kernel is split into a column times a row and a rest, where that needs fewer additions. A weight's cells are added in
one run over all rows, and what moved across the end of a row is subtracted again. A weight that every output
has comes first, so that the sums need not be set to 0. With these, filter, ReLU and pooling of 2880x5120 pixels of 8 bits
take 0.86 of the processor time of one weight after the other for the kernel ``edge``, and 0.52 for a box of 7x7.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli.ops.convolution_direct import Term, TermSpan, TermStage
from poolcli.ops.kernels import factors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolcli.ops.value_range import Scratch, ValueRange
    from poolcli.ops.windows import Window


class IntegerStage(TermStage):
    """Whole weights on integers (a `strips.Stage`)."""

    def __init__(
        self, window: Window, values: ValueRange, weights: NDArray[np.float64], planes: int, mode: str = "zeros"
    ) -> None:
        super().__init__(window, values, weights, planes, mode)
        # In any order, integers that wrap around on the way come back: only the result has to fit.
        self.down, self.across, self.rest = factors(weights, int(np.iinfo(values.dtype).max))
        self.stacks = bool(self.down.any())

    def weigh(self, cells: NDArray[Any], acc: NDArray[Any], a: int, b: int, scratch: Scratch) -> None:
        column, terms = _integer_terms_of(self, a, b)
        tall = cells
        if self.stacks:
            width = (self.copied or self.border).cols.length  # not the cells', where none is read
            tall = scratch.empty("tall", (acc.shape[0], b - a, width), acc.dtype)
            _add_integers(column, cells, cells, tall, scratch)
        _add_integers(terms, cells, tall, acc, scratch)

    def integer_terms(self, a: int, b: int) -> tuple[list[Term], list[Term]]:
        """What is added up for output rows a…b-1: the column, into summed rows, and then the row and what is left."""
        width = (self.copied or self.border).cols.length
        lines, columns = self.sides(a, b)
        here = TermSpan(slice(0, b - a), slice(0, b - a))
        terms = [Term(line, column, self.rest[i, j]) for i, line in lines for j, column in columns if self.rest[i, j]]
        terms += [Term(here, column, self.across[j], summed=True) for j, column in columns if self.across[j]]
        wide = TermSpan(slice(0, width), slice(0, width))
        stacked = [Term(line, wide, self.down[i]) for i, line in lines if self.down[i]]
        return _fullest_first(stacked, width, b - a), _fullest_first(terms, self.shape[1], b - a)


@lru_cache(maxsize=64)
def _integer_terms_of(stage: IntegerStage, a: int, b: int) -> tuple[list[Term], list[Term]]:
    """The terms, cached: pictures of one size have the same."""
    return stage.integer_terms(a, b)


def _fullest_first(terms: list[Term], width: int, height: int) -> list[Term]:
    """Sort the terms: one that every output has comes first, so that the sums need not be set to 0."""
    whole = slice(0, height), slice(0, width)
    return sorted(terms, key=lambda term: ((term.rows.out, term.cols.out) != whole, abs(term.weight) == 1))


def _add_integers(
    terms: list[Term], map_cells: NDArray[Any], tall: NDArray[Any], acc: NDArray[Any], scratch: Scratch
) -> None:
    """Sum weight * cells over the terms."""
    kind = acc.dtype.type
    begun = False
    for (out_rows, in_rows), (out_cols, in_cols), weight, summed in terms:
        lines = (tall if summed else map_cells)[:, in_rows]
        cells = lines[:, :, in_cols]
        if not begun:
            begun = True
            if cells.shape == acc.shape:
                np.multiply(cells, kind(weight), out=acc)
                continue
            acc.fill(0)
        held = acc[:, out_rows]
        moved = out_cols.start - in_cols.start if isinstance(in_cols, slice) and in_cols.step == 1 else 0
        if moved and lines.shape == held.shape and lines.flags.c_contiguous and held.flags.c_contiguous:
            cells, part = lines, held
        else:
            part, moved = held[:, :, out_cols], 0
        if abs(weight) != 1:
            product = scratch.empty("product", cells.shape, acc.dtype)
            cells = np.multiply(cells, kind(weight), out=product)
        add, undo = (np.subtract, np.add) if weight == -1 else (np.add, np.subtract)
        if moved:
            _add_moved(add, undo, cells, moved, part)
        else:
            add(part, cells, out=part)
    if not begun:
        acc.fill(0)


def _add_moved(add: np.ufunc, undo: np.ufunc, cells: NDArray[Any], by: int, part: NDArray[Any]) -> None:
    """Add cells to those `by` columns to the right, in one run over all rows.

    What has moved across the end of a row is taken back: of integers nothing stays, and one long loop takes a third of
    the time of many short ones.
    """
    run, held = cells.ravel(), part.ravel()
    width = cells.shape[2]
    lines, into = cells.reshape(-1, width), part.reshape(-1, width)
    if by > 0:
        add(held[by:], run[:-by], out=held[by:])
        undo(into[1:, :by], lines[:-1, -by:], out=into[1:, :by])
    else:
        add(held[:by], run[-by:], out=held[:by])
        undo(into[:-1, by:], lines[1:, :-by], out=into[:-1, by:])
