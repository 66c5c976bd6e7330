"""The contact sheet of a batch: each picture beside its result, or the reason why there is none."""

from __future__ import annotations

import os
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from poolcli.batch.batch import DONE, FAILED, SKIPPED
from poolcli.batch.scheduler import Scheduler, WorkerDied
from poolcli.batch.storage import absolute
from poolcli.batch.stores import LOCAL_ONLY
from poolcli.display import display_name, quoted
from poolcli.errors import ImageError, OptionError
from poolcli.figures.contact_page import Tile
from poolcli.figures.contact_sheet import page, page_names, page_slices, sheet_format
from poolcli.figures.thumbnail import TILE, input_thumbnail, result_thumbnail
from poolcli.images.safe_open import MAX_PIXELS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from poolcli.batch.batch import Batch
    from poolcli.batch.plan import Item
    from poolcli.batch.scheduler import Backend
    from poolcli.batch.stores import Stores
    from poolcli.batch.worker import WorkOptions


class SheetPair(NamedTuple):
    """The files and texts of a tile; the workers read the files."""

    number: int
    source: str
    result: str | None
    label: str
    reason: str
    detail: str

    def again(self) -> SheetPair:
        """The same: nothing is written."""
        return self

    def absolute(self) -> SheetPair:
        """The pair for a worker with another current folder."""
        result = None if self.result is None else absolute(self.result)
        return self._replace(source=absolute(self.source), result=result)


def check(path: str) -> None:
    """Refuse a name whose suffix is that of no format of sheets.

    Raises
    ------
    OptionError
    """
    try:
        sheet_format(path)
    except OptionError as error:
        raise OptionError(f"sheet {quoted(path)}: {error}") from None


def pages(path: str, count: int) -> list[str]:
    """Names of the pages of a sheet of `count` pictures."""
    return page_names(path, len(page_slices(count)))


def draw(
    path: str, batch: Batch, settings: WorkOptions, engine: Backend, timeout: float | None
) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the bytes of each page of a batch's contact sheet.

    The pictures are read again, made small by the workers, so that a page shows what is on the disk, whichever run made
    it. The tiles of a page or two are all that is in memory at a time.

    Parameters
    ----------
    path : path
    batch : Batch
        That has been run.
    settings : WorkOptions
    engine : Backend
    timeout : float or None
        Seconds that one tile may take.

    Raises
    ------
    OptionError
        A suffix that is none of a sheet's.
    """
    fmt, slices = sheet_format(path), page_slices(len(batch.items))
    names = page_names(path, len(slices))
    made = _tiles(batch, settings, engine, timeout)
    ready: dict[int, Tile] = {}
    for number, (part, name) in enumerate(zip(slices, names, strict=True), 1):
        wanted = range(part.start, part.stop)
        while not all(i in ready for i in wanted):
            i, one = next(made)
            ready[i] = one
        tiles = [ready.pop(i) for i in wanted]
        yield name, page(tiles, _title(batch, settings), fmt, number=number, pages=len(slices))


def _tiles(batch: Batch, settings: WorkOptions, engine: Backend, timeout: float | None) -> Iterator[tuple[int, Tile]]:
    """Yield the tiles with their numbers, in the order in which they are finished."""
    make = partial(tile, settings.recipe.background, settings.max_pixels or MAX_PIXELS, stores=settings.stores)
    pairs = (_pair(i, item, batch) for i, item in enumerate(batch.items))
    with closing(Scheduler(engine, make, timeout)) as scheduler:
        try:
            for pair, found in scheduler.run(pairs):
                lost = isinstance(found, WorkerDied)
                yield pair.number, Tile(pair.label, None, None, found.error, pair.detail) if lost else found
        except BaseException:
            scheduler.end(0.0)
            raise


def _pair(number: int, item: Item, batch: Batch) -> SheetPair:
    state, detail, result = batch.states[item.result], "", None
    if state in (DONE, SKIPPED):
        record = batch.journal.record(item.result)
        if record.get("input") and record.get("stages"):
            detail = "{}x{} → {}x{}".format(*record["input"]["size"], *record["stages"][-1]["shape"])
        result = os.path.join(batch.folder, item.result)
    reason = batch.errors.get(item.result, "") if state == FAILED else "not reached"
    return SheetPair(number, item.source.path, result, display_name(item.source.name), reason, detail)


def tile(background: str, max_pixels: int, pair: SheetPair, stores: Stores = LOCAL_ONLY) -> Tile:
    """Make the thumbnails of a tile; a picture that can no longer be read is left empty."""
    shown, reason = None, pair.reason
    try:
        shown = input_thumbnail(stores.of(pair.source).picture(pair.source), background, max_pixels=max_pixels)
    except ImageError as error:
        reason = reason or str(error)
    result = None
    try:
        if pair.result is not None:
            side = TILE if shown is None else max(shown.shape[:2])
            made = stores.of(pair.result).picture(pair.result)
            result = result_thumbnail(made, max_pixels=max_pixels, enlarged_side=side)
    except ImageError as error:
        reason = str(error)
    return Tile(pair.label, shown, result, "" if result is not None else reason, pair.detail)


def _title(batch: Batch, settings: WorkOptions) -> str:
    steps = " → ".join(step.title for step in settings.recipe.stages)
    failed = f", {batch.count(FAILED)} failed" if batch.errors else ""
    return f"{display_name(os.path.normpath(batch.folder))} · {steps} · {len(batch.items)} pictures{failed}"
