"""A chunk of windows, divided into rectangles: windows with all their cells, and windows that the border cuts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from poolcli.ops.strips import STRIP_BYTES, pieces
from poolcli.ops.window_view import WindowView
from poolcli.ops.windows import AdaptiveAxis, Axis, Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from poolcli.ops.settings import Pair
    from poolcli.ops.value_range import Scratch

    Where = tuple[Any, ...]

TILE = (64, 256)
"""Rows and columns of the map in a tile at least, beside what its windows read around it."""


class Part(NamedTuple):
    """Some windows of a chunk.

    Attributes
    ----------
    where : index
        Of these windows among those of the chunk.
    view : WindowView
    whole : bool
        Whether every window has all of its cells.
    """

    where: Where
    view: WindowView
    whole: bool


class HeldRows:
    """Rows that are in memory, for a view of a part (a `strips.Rows`)."""

    passing = False

    def __init__(self, block: NDArray[Any], scratch: Scratch) -> None:
        self._block, self.scratch, self.planes, self.group = block, scratch, len(block), slice(len(block))

    def get(self, lo: int, hi: int) -> NDArray[Any]:
        return self._block[:, lo:hi]

    def drain(self) -> None:
        pass


def parts(view: WindowView) -> Iterator[Part]:
    """All windows of a chunk: the whole ones first, then the others, few at a time.

    Adaptive windows come by their sizes, and their cells are copied side by side.
    """
    rows, cols = view.window.rows, view.window.cols
    if isinstance(rows, AdaptiveAxis) or isinstance(cols, AdaptiveAxis):
        yield from _by_size(view)
        return
    (a, b), (left, right) = view.chunk, (0, cols.out)
    top, bottom = rows.whole(a, b)
    first, last = cols.whole(left, right)
    if top == bottom or first == last:
        yield from _cut(view, (a, b), (left, right))
        return
    yield _part(view, (top, bottom), (first, last), whole=True)
    yield from _cut(view, (a, top), (left, right))
    yield from _cut(view, (bottom, b), (left, right))
    yield from _cut(view, (top, bottom), (left, first))
    yield from _cut(view, (top, bottom), (last, right))


def few_columns(view: WindowView) -> Iterator[Part]:
    """All windows of a chunk, so few columns of them at a time that all their cells may be copied.

    Adaptive windows, which hardly overlap, come all at once.
    """
    rows, cols = view.window.rows, view.window.cols
    column = view.shape[0] * view.shape[1] * view.window.cells * view.values.dtype.itemsize
    step = max(1, 4 * STRIP_BYTES // max(1, column))
    if step >= cols.out or isinstance(rows, AdaptiveAxis) or isinstance(cols, AdaptiveAxis):
        yield Part((slice(None),) * 3, view, whole=False)
        return
    for first in range(0, cols.out, step):
        yield _part(view, view.chunk, (first, min(first + step, cols.out)), whole=False)


def tiles(view: WindowView) -> Iterator[Part]:
    """All windows of a chunk in rectangles that are several times larger than a window; adaptive ones at once."""
    rows, cols, (a, b) = view.window.rows, view.window.cols, view.chunk
    if isinstance(rows, AdaptiveAxis) or isinstance(cols, AdaptiveAxis):
        yield Part((slice(None), slice(0, b - a), slice(0, cols.out)), view, whole=False)
        return
    height, width = (max(least, 2 * axis.extent) for least, axis in zip(TILE, (rows, cols), strict=True))
    for top, bottom in pieces(a, b, height // rows.stride):
        for left, right in pieces(0, cols.out, width // cols.stride):
            yield _part(view, (top, bottom), (left, right), whole=False)


def _cut(view: WindowView, rows: Pair, cols: Pair) -> Iterator[Part]:
    """Windows that the border cuts, so few at a time that all their cells may be copied."""
    row = max(1, view.shape[0] * (cols[1] - cols[0]) * view.window.cells * view.values.dtype.itemsize)
    step = max(1, 4 * STRIP_BYTES // row)
    if cols[0] < cols[1]:
        for a in range(rows[0], rows[1], step):
            yield _part(view, (a, min(a + step, rows[1])), cols, whole=False)


def _part(view: WindowView, rows: Pair, cols: Pair, *, whole: bool) -> Part:
    down, (top, bottom) = _some(view.window.rows, *rows)
    across, (left, right) = _some(view.window.cols, *cols)
    a, first = view.chunk[0], view.first_row
    block = view.block[:, top - first : bottom - first, left:right]
    where = (slice(None), slice(rows[0] - a, rows[1] - a), slice(*cols))
    return Part(where, _view_of(view, block, Window(down, across)), whole)


def _some(axis: Axis | AdaptiveAxis, a: int, b: int) -> tuple[Axis, Pair]:
    """The axis that has windows a…b-1 only, on the cells that they read; and which cells these are."""
    assert isinstance(axis, Axis)
    lo, hi = axis.needs(a, b)
    return axis._replace(length=hi - lo, before=axis.before - a * axis.stride + lo, out=b - a), (lo, hi)


def _view_of(view: WindowView, block: NDArray[Any], window: Window) -> WindowView:
    return WindowView(HeldRows(block, view.scratch), window, view.values, (0, window.rows.out), view.scratch)


def _by_size(view: WindowView) -> Iterator[Part]:
    rows, cols = view.window.rows, view.window.cols
    for height, down in _sizes(rows, *view.chunk):
        tall = np.take(
            view.block, (rows.first_cells(*view.chunk)[down, None] - view.first_row + np.arange(height)).ravel(), axis=1
        )
        for width, across in _sizes(cols, 0, cols.out):
            block = np.take(tall, (cols.first_cells(0, cols.out)[across, None] + np.arange(width)).ravel(), axis=2)
            axes = [Axis(n * len(at), n, n, 1, 0, 0, len(at)) for n, at in ((height, down), (width, across))]
            yield Part(
                (slice(None), down[:, None], across), _view_of(view, block, Window(axes[0], axes[1])), whole=True
            )


def _sizes(axis: Axis | AdaptiveAxis, a: int, b: int) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """The sizes of the windows a…b-1, and which have each."""
    counts = axis.counts(a, b)
    for size in np.unique(counts):
        yield int(size), np.flatnonzero(counts == size)
