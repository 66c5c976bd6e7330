"""Windows with missing cells: NaN marks a cell that is left out of every window, as padding is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli.errors import ImageError
from poolcli.ops.strips import STRIP_BYTES
from poolcli.ops.window_parts import HeldRows
from poolcli.ops.window_view import WindowView
from poolcli.ops.windows import Axis, Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from poolcli.ops.pools import PoolKind
    from poolcli.ops.settings import Pair
    from poolcli.ops.strips import Rows, Stage
    from poolcli.ops.windows import AdaptiveAxis

    Cells = NDArray[Any]
    Places = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]


def without_missing(
    view: WindowView, kind: PoolKind, parameters: Mapping[str, float], result: Cells, *, count_include_pad: bool = False
) -> Cells:
    """The results of a chunk, those of windows with missing cells made again from their other cells.

    Each such window is pooled as a window of one row that holds its other cells in row-major order. What a window gives
    depends on its cells alone, so neither threads nor strips change it. An average with `count_include_pad` still
    counts the padding, but no missing cell.

    Parameters
    ----------
    view : WindowView
        Of a map of floats.
    kind : PoolKind
    parameters : mapping
        Of the kind, by name.
    result : ndarray of shape (planes, rows, columns)
        What the kind made of all windows, missing cells included.
    count_include_pad : bool

    Returns
    -------
    ndarray of shape (planes, rows, columns)
        NaN where all cells of a window are missing.
    """
    if not view.has_nan:
        return result
    made = np.array(result)  # before the view computes anything else in the same memory
    for where, cells, _ in _windows(view, _marked(view), placed=False):
        one = _as_map(view, cells, where)
        if not count_include_pad:
            made[where] = kind.reduce(one, **parameters).ravel()
            continue
        counts = np.broadcast_to(view.counts(padded=True) - np.asarray(view.counts()), made.shape)[where]
        total = one.total().ravel()
        made[where] = total / (counts + cells.shape[1]).astype(total.dtype)
    return made


def best_of_present(view: WindowView, better: np.ufunc, values: Cells, positions: NDArray[np.int64]) -> Cells:
    """The best cell of each window of a chunk, missing cells left out, and in `positions` where it is.

    Parameters
    ----------
    view : WindowView
        Of a map of floats and windows that are not adaptive.
    better : ufunc
        `numpy.greater` or `numpy.less`.
    values : ndarray of shape (planes, rows, columns)
        The best cells as `argmax` finds them, NaN for windows with missing cells.
    positions : ndarray of int64, the same shape
        Corrected for these windows; -1 where all cells are missing.

    Returns
    -------
    ndarray of shape (planes, rows, columns)
    """
    if not view.has_nan:
        return values
    made = np.array(values)
    found = _marked(view)
    positions[found] = -1
    for where, cells, places in _windows(view, found):
        best = (cells.argmax if better is np.greater else cells.argmin)(axis=1)
        row = np.arange(len(best))
        made[where], positions[where] = cells[row, best], places[row, best]
    return made


def _marked(view: WindowView) -> NDArray[np.bool_]:
    """Which windows of a chunk that has missing cells hold one."""
    found = view.nan_windows()
    assert found is not None
    return found


def _windows(
    view: WindowView, found: NDArray[np.bool_], *, placed: bool = True
) -> Iterator[tuple[Places, Cells, NDArray[np.int64]]]:
    """The windows of a chunk that are marked in `found` and have cells that are there: those with equally many together.

    Yields
    ------
    where : (planes, rows, columns)
        The windows, as indices of the chunk's results.
    cells : ndarray of shape (windows, n)
        The cells that are there, in row-major order.
    places : ndarray of shape (windows, n)
        Their positions in the map, ``row * W + column``; empty unless `placed`.
    """
    rows, cols = view.window.rows, view.window.cols
    plane, row, column = np.nonzero(found)
    step = max(1, STRIP_BYTES // (view.values.dtype.itemsize * max(1, view.window.most)))
    for first in range(0, len(plane), step):
        some = slice(first, first + step)
        lines, real_lines = _reads(rows, view.chunk, row[some])
        columns, real_columns = _reads(cols, (0, cols.out), column[some])
        real = real_lines[:, :, None] & real_columns[:, None, :]
        block = view.block
        inside = np.clip(lines - view.first_row, 0, block.shape[1] - 1)
        cells = block[plane[some, None, None], inside[:, :, None], columns[:, None, :]].reshape(len(lines), -1)
        places = (lines[:, :, None] * cols.length + columns[:, None, :]).reshape(len(lines), -1) if placed else None
        there = real.reshape(len(lines), -1) & ~np.isnan(cells)
        counts = there.sum(axis=1)
        for count in np.unique(counts[counts > 0]):
            chosen = np.flatnonzero(counts == count)
            kept = there[chosen]
            where = (plane[some][chosen], row[some][chosen], column[some][chosen])
            positions = np.empty(0, np.int64) if places is None else places[chosen][kept].reshape(-1, count)
            yield where, cells[chosen][kept].reshape(-1, count), positions


def _reads(
    axis: Axis | AdaptiveAxis, windows: Pair, chosen: NDArray[np.intp]
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """The cells along an axis that some of the windows read, shape (chosen, cells), and which of them are real."""
    starts, counts = axis.first_cells(*windows)[chosen], axis.counts(*windows)[chosen]
    offsets = np.arange(counts.max(initial=0))
    cells = starts[:, None] + offsets * axis.dilation
    real = offsets < counts[:, None]
    return np.clip(cells, 0, axis.length - 1), real


def _as_map(view: WindowView, cells: Cells, where: Places) -> WindowView:
    """Windows of one row each, without missing cells, as a view of the map that they are the rows of."""
    count, size = cells.shape
    window = Window(Axis(count, 1, 1, 1, 0, 0, count), Axis(size, size, size, 1, 0, 0, 1))
    places = tuple(np.broadcast_to(number, view.shape)[where][None, :, None] for number in view.places)
    return WindowView(
        HeldRows(cells[None], view.scratch), window, view.values, (0, count), view.scratch,
        unit=view.unit, places=(places[0], places[1], places[2]),
    )  # fmt: skip


class WholeMapStage:
    """A stage that has no rule for missing cells: refuses a map that has one (a `strips.Stage`)."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def __getattr__(self, name: str) -> Any:
        if name == "_stage":  # of a copy that has none yet
            raise AttributeError(name)
        return getattr(self._stage, name)

    def strips(self, rows: Rows, chunks: Iterable[Pair]) -> Iterator[Cells]:
        return self._stage.strips(_WholeRows(rows), chunks)


class _WholeRows:
    """Rows that are looked through for missing cells (a `strips.Rows`)."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.group, self.planes, self.passing, self.scratch = rows.group, rows.planes, rows.passing, rows.scratch

    def get(self, lo: int, hi: int) -> Cells:
        cells = self._rows.get(lo, hi)
        if cells.size and np.isnan(cells.max()):
            raise ImageError(
                "filter: its map has missing cells, and a kernel has no rule for them; fill them in the file, read NaN "
                "as 0 with --nan zero, or leave the kernel out"
            )
        return cells

    def drain(self) -> None:
        self._rows.drain()
