"""The work on one picture in a worker: read it, apply the recipe, write result and figure."""

from __future__ import annotations

import os
import time
from traceback import format_exception
from typing import TYPE_CHECKING, Any, NamedTuple

from poolcli.artifacts import PixelOptions, artifact, encode_all, holds_levels, kept
from poolcli.batch.journal_state import ResultKey, to_line
from poolcli.batch.storage import StoreLostError, absolute
from poolcli.batch.stores import LOCAL_ONLY
from poolcli.display import display_name
from poolcli.errors import OutputError, PoolcliError
from poolcli.images.atomic import NO_ROOM
from poolcli.images.read import read
from poolcli.limits import shortage
from poolcli.pipeline import engine
from poolcli.pipeline.serialize import input_record, map_record
from poolcli.pipeline.stage_table import has_infinite

if TYPE_CHECKING:
    from collections.abc import Generator

    from poolcli.batch.storage import Stamp
    from poolcli.batch.stores import Stores
    from poolcli.images.quantize import Scale
    from poolcli.images.read import Picture
    from poolcli.pipeline.recipe import Recipe
    from poolcli.pipeline.result import Result


SMALL = 1 << 20
"""Largest decoded picture, in bytes, that waits for others which are taken through the same step."""


class WorkOptions:
    """The settings that are the same for all pictures of a batch.

    Attributes
    ----------
    traces : bool
        Whether an outcome holds the traceback of its error.
    key : ResultKey
        What of it decides a result's bytes; computed once.
    stores : Stores
        Where the files are.
    """

    def __init__(
        self,
        recipe: Recipe,
        scale: Scale = "clip",
        depth: int | str = "auto",
        max_pixels: int | None = None,
        *,
        traces: bool = False,
        stores: Stores = LOCAL_ONLY,
    ) -> None:
        self.traces, self.stores = traces, stores
        self.recipe, self.scale, self.depth, self.max_pixels = recipe, scale, depth, max_pixels
        self.key = ResultKey(recipe.hash, engine.ALGORITHM, f"{scale} {depth}")


class Task(NamedTuple):
    """One picture: its path, the name and path of its result, and the name of its figure if there is one.

    `replace` says that what may exist under these names is ours to replace; `number` is its place in the plan; `stamp` is
    the picture's state where asking for it again has a price.
    """

    source: str
    result: str
    folder: str
    figure: str | None
    replace: bool
    number: int = 0
    stamp: Stamp | None = None

    def again(self) -> Task:
        """The task as one whose files may have been written before its worker died."""
        return self._replace(replace=True)

    def absolute(self) -> Task:
        """The task for a worker with another current folder."""
        return self._replace(source=absolute(self.source), folder=absolute(self.folder))


INFINITE = "some values are not finite (NaN or infinity)"


class Outcome(NamedTuple):
    """The outcome of a task: its line for the journal, the error if it failed, and notes.

    `stop` is set where the next one would fail in the same way: the disk is full. `trace` is Python's own account of an
    error, where that is asked for.
    """

    line: bytes
    error: str = ""
    notes: tuple[str, ...] = ()
    stop: bool = False
    trace: str = ""


def process(settings: WorkOptions, task: Task) -> Generator[None, None, Outcome]:
    """Process one picture in steps, as a generator; errors are returned in the outcome and not raised.

    Small pictures are taken through each step together, so that its code stays in the processor's cache for all of them:
    reading, computing and encoding eight photographs of 500x375 in turn takes a tenth more. A large one, decoded, would
    hold memory meanwhile; it has no steps.
    """
    stamp = task.stamp or _stamp_of(
        settings, task
    )  # of before it is read: a file that changes meanwhile is found changed
    record: dict[str, Any] = {
        "result": task.result,
        "source": absolute(task.source),
        "size": stamp and stamp.size,
        "mtime_ns": stamp and stamp.mtime_ns,
        "ctime_ns": stamp and stamp.ctime_ns,
        "inode": stamp and stamp.inode,
        "number": task.number,
        **settings.key._asdict(),
    }
    cause: BaseException | None = None
    notes: tuple[str, ...] = ()
    error, stop, seconds, steps = "", False, 0.0, _steps(settings, task)
    while not error:
        begun = time.perf_counter()
        try:
            next(steps)
        except StopIteration as end:
            found, notes = end.value
            record |= found
            break
        except OutputError as problem:
            cause, is_lost = problem, isinstance(problem, StoreLostError)
            problem.path = problem.path or (task.source if is_lost else None)
            error, stop = with_path(problem), problem.errno in NO_ROOM or is_lost
        except PoolcliError as problem:
            cause = problem
            error = str(problem)
        except Exception as problem:  # noqa: BLE001 - a mistake of ours costs this picture, not the others
            cause = problem
            if lack := shortage(problem):
                error = f"{lack}; use a smaller picture, fewer --jobs, or a higher limit"
            else:
                error = f"{type(problem).__name__}: {problem}; this should not happen, poolcli run -vv shows where"
        finally:
            seconds += time.perf_counter() - begun
        yield
    record |= {"status": "failed", "error": error} if error else {"status": "done"}
    record["seconds"] = round(seconds, 4)
    trace = "".join(format_exception(cause)) if cause is not None and settings.traces else ""
    return Outcome(to_line(record), error, notes, stop, trace)


def _stamp_of(settings: WorkOptions, task: Task) -> Stamp | None:
    try:
        found = settings.stores.of(task.source).status(task.source)
    except PoolcliError:  # whoever reads it says why
        return None
    return found and found.stamp


def _steps(settings: WorkOptions, task: Task) -> Generator[None, None, tuple[dict[str, Any], tuple[str, ...]]]:
    """Make the result and the figure, write and report them; all are encoded before any is written."""
    recipe = settings.recipe
    source = settings.stores.of(task.source).picture(task.source, task.stamp and task.stamp.size)
    picture = read(source, **engine.reading(recipe, settings.max_pixels))
    small = picture.values.nbytes <= SMALL  # a large one is not held in memory while others are read
    if small:
        yield
    wanted = {"result": task.result, **({"figure": task.figure} if task.figure else {})}
    outputs = [artifact(kind, os.path.join(task.folder, name)) for kind, name in wanted.items()]
    result = engine.execute(picture, recipe, threads=1, **kept(outputs))
    if small:
        yield
    pixels, encoded = PixelOptions(settings.scale, settings.depth), []
    for one in outputs:
        encoded += encode_all(result, [one], pixels)
        if small:
            yield
    storage = settings.stores.of(task.folder)
    sizes: dict[str, Any] = {}
    for one, (data,) in zip(outputs, encoded, strict=True):
        assert one.path is not None
        try:
            storage.write(one.path, data, force=task.replace)
        except OutputError as error:
            if error.path is None and error.errno is not None:  # else the messages are about the picture
                error.path = one.path
            raise
        assert isinstance(data, bytes)
        sizes[one.kind] = len(data)
    sizes_and_names = {"bytes": sizes["result"], "figure": task.figure, "figure_bytes": sizes.get("figure")}
    is_lost = has_infinite(result) and holds_levels(outputs[0], result, pixels)
    notes = (*picture.notes, *([INFINITE] if is_lost else []))
    return {**sizes_and_names, **_statistics(result, picture)}, notes


def with_path(error: OutputError) -> str:
    """The message of an error; its file comes first if it is another one than the message will name."""
    return str(error) if error.path is None else f"{display_name(error.path)}: {error}"


def _statistics(result: Result, picture: Picture) -> dict[str, Any]:
    return {
        "input": input_record(result, picture),
        "stages": [{"name": stage.name, **map_record(stage)} for stage in result.stages],
    }
