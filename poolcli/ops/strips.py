"""A picture is a stream of row strips, a stage is a generator.

A strip is some rows of all planes, an array of shape (planes, rows, W). A stage takes the strips of the map
before it and yields the strips of its own; it holds only the rows that its windows still need. `run` composes
stages over an array: data flows one way, and no full-size intermediate map exists.

The work is cut into *bands* of output rows. The cut depends on the shapes alone, never on the number of threads,
so the same bytes come out for any number. A band starts where its first window does, so neighbouring bands may
compute a few rows of an intermediate map twice; a tap counts only the rows that the band owns.
"""

from __future__ import annotations

import math
from itertools import pairwise
from threading import Event, local
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from poolcli.ops.value_range import Scratch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from poolcli.ops.settings import Pair
    from poolcli.ops.value_range import ValueRange
    from poolcli.ops.windows import Window

STRIP_BYTES = 1 << 19
"""What a strip should measure to stay in a processor's second-level cache with its neighbours."""

LEAST_ROWS = 8
"""Fewer are not worth a strip of their own."""

THREADED = 2
"""How many times larger strips are with several threads, each of which waits for the interpreter's lock at calls of numpy.
Measured with two threads: a tenth faster than 1, and 4 is no faster but takes twice the memory for each thread."""

BAND_CELLS = 1 << 20
"""Input cells of a band, at least: enough that threads and halos cost little, few enough that two cores share a photo."""

DEEPEST = 64
"""Most stages composed at a time, each of which is a generator on Python's call stack. Longer lists run in parts."""


class Rows(Protocol):
    """Where a stage gets its rows."""

    group: slice
    """Which of the array's planes these are."""
    planes: int
    """How many."""
    passing: bool
    """Whether the stage that reads the rows may overwrite them; it then reads each of them once."""
    scratch: Scratch
    """Memory for the stage that reads them."""

    def get(self, lo: int, hi: int) -> NDArray[Any]:
        """Rows lo…hi-1 of the map, shape (planes, hi - lo, W); valid until the next call. `lo` never decreases."""
        ...

    def drain(self) -> None:
        """Let the rows that no window has read pass their taps."""
        ...


class Tap(Protocol):
    """Looks at the rows that flow by."""

    def watch(self, strip: NDArray[Any], first: int) -> None:
        """See rows first, first + 1, … once each, in order."""
        ...


class Stage(Protocol):
    """One step from map to map."""

    shape: Pair
    """Height and width of the map it makes."""
    values: ValueRange
    """What that map holds."""
    chunk: int
    """Output rows that suit one strip."""

    def needs(self, a: int, b: int) -> Pair:
        """Rows of the map before that output rows a…b-1 need, first and one past the last."""
        ...

    def boundary(self, a: int) -> int:
        """The row of the map before at which the share of output row a begins."""
        ...

    def strips(self, rows: Rows, chunks: Iterable[Pair]) -> Iterator[NDArray[Any]]:
        """Yield the output rows of each chunk; a strip is valid until the next is asked for."""
        ...


class WindowedStage:
    """Base of stages with windows: which rows of the map before they need."""

    window: Window

    def needs(self, a: int, b: int) -> Pair:
        return self.window.rows.needs(a, b)

    def boundary(self, a: int) -> int:
        return self.window.rows.boundary(a)


class ArrayRows:
    """Rows of an array: every request is a view."""

    passing = False

    def __init__(self, array: NDArray[Any], group: slice, span: Pair, tap: Tap | None, scratch: Scratch) -> None:
        self.group, self.planes, self.scratch = group, array.shape[0], scratch
        self._array = array
        self._seen, self._end = span
        self._tap = tap

    def get(self, lo: int, hi: int) -> NDArray[Any]:
        if self._tap and hi > self._seen:
            self._show(hi if hi + LEAST_ROWS <= self._end else self._end)  # a few more cost nothing
        return self._array[:, lo:hi]

    def _show(self, hi: int) -> None:
        if self._tap and self._seen < hi:
            self._tap.watch(self._array[:, self._seen : hi], self._seen)
            self._seen = hi

    def drain(self) -> None:
        step = strip_rows(self._array)
        while self._tap and self._seen < self._end:
            self._show(min(self._seen + step, self._end))


class StripRows:
    """Rows of a map that arrives as strips: keeps those that are still needed."""

    passing = True

    def __init__(
        self, strips: Iterator[NDArray[Any]], group: slice, planes: int, first: int, memory: tuple[Scratch, Scratch]
    ) -> None:
        self.group, self.planes = group, planes
        self.scratch, self._memory = memory
        self._strips = strips
        self._block: NDArray[Any] | None = None
        self._first = self._end = first  # rows first…end-1 are in the block

    def get(self, lo: int, hi: int) -> NDArray[Any]:
        if lo >= hi:  # windows that lie in padding read nothing
            return np.empty((self.planes, 0, 0))
        assert lo >= self._first, "rows are asked for in order"
        kept = None
        if self._block is not None and lo < self._end:
            kept = self._block[:, lo - self._first :]
        if kept is not None and hi <= self._end:
            return kept[:, : hi - lo]
        block, rows = None, 0
        if kept is not None:  # copied before the next strip is made, which may be made in the same memory
            block, rows = self._append(None, 0, kept, hi - lo)
        while self._end < hi:
            strip = next(self._strips)
            start, self._end = self._end, self._end + strip.shape[1]
            if self._end <= lo:
                continue
            strip = strip[:, max(lo - start, 0) :]
            if block is None and self._end >= hi:  # one strip has it all: no copy
                block, rows = strip, strip.shape[1]
            else:
                block, rows = self._append(block, rows, strip, hi - lo)
        assert block is not None  # the loop ran: hi was beyond the end
        self._block, self._first = block[:, :rows], lo
        return block[:, : hi - lo]

    def _append(
        self, block: NDArray[Any] | None, rows: int, strip: NDArray[Any], least: int
    ) -> tuple[NDArray[Any], int]:
        total = rows + strip.shape[1]
        if block is None or block.shape[1] < total:
            planes, _, width = strip.shape
            larger = self._memory.empty("block", (planes, max(total, least), width), strip.dtype)
            if block is not None:
                larger[:, :rows] = block[:, :rows]
            block = larger
        block[:, rows:total] = strip  # numpy sees to it that rows which move within a block survive
        return block, total

    def drain(self) -> None:
        for _ in self._strips:
            pass


def strip_rows(array: NDArray[Any]) -> int:
    """How many rows of `array` make a strip."""
    planes, _, width = array.shape
    return max(LEAST_ROWS, STRIP_BYTES // max(1, planes * width * array.itemsize))


def chunk_rows(planes: int, width: int, itemsize: int, stride: float, least: int = LEAST_ROWS) -> int:
    """Output rows whose input measures about a strip, for a stage that reads rows of `width` cells."""
    return max(1, int(max(least, STRIP_BYTES // max(1, planes * width * itemsize)) / stride))


def pieces(lo: int, hi: int, step: int, *, at_most: bool = False) -> Iterator[Pair]:
    """Cut rows lo…hi-1 into pieces of about `step`, all of a size: a small last one would cost as much as a whole."""
    count = (hi - lo) / max(1, step)
    count = max(1, math.ceil(count) if at_most else round(count))
    edges = [lo + (hi - lo) * i // count for i in range(count + 1)]
    yield from (piece for piece in pairwise(edges) if piece[0] < piece[1])


def _schedule(stages: Sequence[Stage], band: Pair, *, tapped: bool, larger: int) -> tuple[list[list[Pair]], Pair]:
    """For each stage the chunks of rows it makes in a band; and the rows of the array that the first one reads."""
    plans: list[list[Pair]] = []
    wanted, share = [band], band
    for stage in reversed(stages):
        step = stage.chunk * larger if stage.chunk > 1 else 1
        chunks = [piece for a, b in wanted for piece in pieces(a, b, step, at_most=larger > 1)]
        plans.append(chunks)
        share = stage.boundary(share[0]), stage.boundary(share[1])
        lo = min([stage.needs(a, b)[0] for a, b in chunks], default=share[0])
        lo = end = min(lo, share[0]) if tapped else lo
        wanted = []
        for a, b in chunks:
            hi = stage.needs(a, b)[1]
            if hi > end:
                wanted.append((end, hi))
                end = hi
        if tapped and share[1] > end:  # rows that no window reads come with the last that one does
            wanted.append((wanted.pop()[0] if wanted else end, share[1]))
            end = share[1]
    return plans[::-1], (lo, end)


def _run_band(
    array: NDArray[Any],
    stages: Sequence[Stage],
    group: slice,
    band: Pair,
    taps: Sequence[Tap | None],
    out: NDArray[Any],
    larger: int,
    memory: Sequence[tuple[Scratch, Scratch]],
) -> Iterator[None]:
    """Run a band into `out`, stopping after every strip; `memory` is a pair for every map."""
    array, out = array[group], out[group]
    plans, span = _schedule(stages, band, tapped=any(tap is not None for tap in taps), larger=larger)
    rows: Rows = ArrayRows(array, group, span, taps[0], memory[0][0])
    strips: Iterator[NDArray[Any]] = iter(())
    for i, (stage, chunks, tap) in enumerate(zip(stages, plans, taps[1:], strict=True), 1):
        strips = stage.strips(rows, chunks)
        first = chunks[0][0] if chunks else 0  # none where all that follows lies in padding
        if tap is not None:
            strips = _watched(strips, tap, first)
        rows = StripRows(strips, group, array.shape[0], first, memory[i])
    row = band[0]
    for strip in strips:
        out[:, row : row + strip.shape[1]] = strip
        row += strip.shape[1]
        yield


def _watched(strips: Iterator[NDArray[Any]], tap: Tap, first: int) -> Iterator[NDArray[Any]]:
    for strip in strips:
        tap.watch(strip, first)
        first += strip.shape[1]
        yield strip


class Watcher(Protocol):
    """Makes the taps of the bands, and gathers what they saw."""

    def taps(self, group: slice, shares: Sequence[Pair], first: int) -> Sequence[Tap | None]:
        """One tap for each map from number `first` on (the array is 0); `shares` are the rows that the band owns."""
        ...


def run(
    array: NDArray[Any], stages: Sequence[Stage], out: NDArray[Any], *, threads: int = 1, watcher: Watcher | None = None
) -> None:
    """Run `array` through `stages` into `out`.

    Parameters
    ----------
    array : ndarray of shape (P, H, W)
    stages : sequence of Stage
        Each made for the map of the one before.
    out : ndarray of shape (P, h, w)
        Any type that the last stage's values may be cast to.
    threads : int
        Bands worked on at a time; the result is the same for any number.
    watcher : Watcher, optional
        Asked for the taps of every band.
    """
    for first in range(0, len(stages), DEEPEST):
        part = stages[first : first + DEEPEST]
        last = first + len(part) == len(stages)
        made = out if last else np.empty((len(array), *part[-1].shape), part[-1].values.dtype)
        if array.size:
            _run_part(array, part, made, threads, watcher, first)
        array = made


def run_rows(array: NDArray[Any], stages: Sequence[Stage], rows: Pair) -> NDArray[Any]:
    """Rows ``rows[0]`` … ``rows[1] - 1`` of what `run` makes of an array, shape (P, rows, w); only they are computed."""
    out = np.empty((len(array), *stages[-1].shape), stages[-1].values.dtype)
    memory = _Memory(len(stages) + 1)
    with np.errstate(all="ignore"):
        for group in plane_groups(array):
            for _ in _run_band(array, stages, group, rows, [None] * (len(stages) + 1), out, 1, memory.pieces):
                pass
    return out[:, rows[0] : rows[1]]


class _Memory(local):
    """A thread's memory for each map: for the stage that reads it, and for rows that wait. Kept, as new costs page faults."""

    def __init__(self, maps: int) -> None:
        brief = Scratch()
        self.pieces = [(Scratch(brief), Scratch()) for _ in range(maps)]


def _run_part(
    array: NDArray[Any], stages: Sequence[Stage], out: NDArray[Any], threads: int, watcher: Watcher | None, first: int
) -> None:
    jobs = [(group, band) for group in plane_groups(array) for band in bands(array[group].shape, stages)]

    stop = Event()
    threads = min(threads, len(jobs))
    larger = THREADED if threads > 1 else 1

    memory = _Memory(len(stages) + 1)

    def work(job: tuple[slice, Pair]) -> None:
        group, band = job
        taps: list[Tap | None] = [None] * (len(stages) + 1)
        if watcher:
            taps = list(watcher.taps(group, shares(stages, band), first))
            if first:  # the part before has seen this map
                taps[0] = None
        with np.errstate(all="ignore"):  # infinities and NaN are ordinary values here
            for _ in _run_band(array, stages, group, band, taps, out, larger, memory.pieces):
                if stop.is_set():
                    return

    if threads > 1:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(threads) as pool:
            try:
                for _ in pool.map(work, jobs):
                    pass
            except BaseException:  # Ctrl-C too: leaving the pool waits for the bands that are under way
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    else:
        for job in jobs:
            work(job)


def group_size(planes: int, width: int, itemsize: int) -> int:
    """How many planes are pooled together: as many as fill a strip with sixteen rows."""
    return min(planes, max(1, STRIP_BYTES // max(1, 16 * width * itemsize)))


def plane_groups(array: NDArray[Any]) -> list[slice]:
    """The planes of an array in groups that are pooled together."""
    planes, _, width = array.shape
    step = max(1, group_size(planes, width, array.itemsize))
    return [slice(p, min(p + step, planes)) for p in range(0, planes, step)]


def bands(shape: tuple[int, ...], stages: Sequence[Stage]) -> list[Pair]:
    """Cut the final map's rows into bands of at least `BAND_CELLS` input cells and eight times their halo."""
    planes, height, width = shape
    out = stages[-1].shape[0]
    lo, hi = 0, 1
    for stage in reversed(stages):
        lo, hi = stage.needs(lo, max(hi, lo + 1))
    rows = max(BAND_CELLS // max(1, planes * width), 8 * (hi - lo), 1)
    count = max(1, min(out, height // rows))
    edges = [out * i // count for i in range(count + 1)]
    return list(pairwise(edges))


def shares(stages: Sequence[Stage], band: Pair) -> list[Pair]:
    """The rows that a band owns of the array and of every stage's map: each row belongs to one band."""
    owned = [band]
    for stage in reversed(stages):
        a, b = owned[-1]
        owned.append((stage.boundary(a), stage.boundary(b)))
    return owned[::-1]
