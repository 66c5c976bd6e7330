"""The work on one picture, from its file to its result and figure: what a worker does."""

from __future__ import annotations

import os
import pickle
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from poolcli.batch.known import Making, line_of
from poolcli.batch.plan import stamp_of
from poolcli.errors import OutputError, PoolcliError
from poolcli.figures import PANEL
from poolcli.images.atomic import NO_ROOM, atomic_write
from poolcli.images.read import read
from poolcli.images.write import format_of
from poolcli.pipeline import engine
from poolcli.pipeline.record import carried_text, encoded, input_record, map_record

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from poolcli.images.pixels import Scale
    from poolcli.images.read import Picture
    from poolcli.pipeline.recipe import Recipe
    from poolcli.pipeline.result import Result


SMALL = 1 << 20
"""Bytes of a picture that may wait, decoded, for others that are taken through the same step."""


class Settings:
    """What is the same for all pictures of a batch.

    Attributes
    ----------
    making : Making
        What of it decides a result's bytes; worked out once, and sent to the workers with the rest.
    """

    def __init__(
        self, recipe: Recipe, scale: Scale = "clip", depth: int | str = "auto", max_pixels: int | None = None
    ) -> None:
        self.recipe, self.scale, self.depth, self.max_pixels = recipe, scale, depth, max_pixels
        self.making = Making(recipe.hash, engine.ALGORITHM, f"{scale} {depth}")

    def __reduce__(self) -> tuple[Callable[..., Settings], tuple[bytes, Scale, int | str, int | None]]:
        return _unpacked, (pickle.dumps(self.recipe), self.scale, self.depth, self.max_pixels)


@lru_cache(maxsize=1)
def _unpacked(recipe: bytes, scale: Scale, depth: int | str, max_pixels: int | None) -> Settings:
    """Settings as they were sent; they come with every parcel of tasks, and are the same every time."""
    return Settings(pickle.loads(recipe), scale, depth, max_pixels)  # noqa: S301 - from our own parent


class Task(NamedTuple):
    """One picture: where it is, the name of its result below DIR, where that goes, and the figure's name if there is one.

    `replace` says that what may exist under these names is ours to replace.
    """

    source: str
    result: str
    folder: str
    figure: str | None
    replace: bool


class Outcome(NamedTuple):
    """What became of a task: its line for the journal, why it failed if it did, and what the reader should know.

    `stop` is set where the next one would fail in the same way: the disk is full.
    """

    line: bytes
    error: str = ""
    notes: tuple[str, ...] = ()
    stop: bool = False


def do(settings: Settings, task: Task) -> Generator[None, None, Outcome]:
    """Do one picture, and stop between its steps; whatever is wrong with it is told, not raised.

    Small pictures are taken through each step together, so that its code stays in the processor's cache for all of them:
    reading, computing and encoding eight photographs of 500x375 in turn takes a tenth more. A large one, decoded, would
    hold memory meanwhile; it has no steps.
    """
    stamp = stamp_of(task.source)  # before it is read: a file that changes meanwhile will be found changed
    record: dict[str, Any] = {
        "result": task.result,
        "source": os.path.abspath(task.source),
        "size": stamp and stamp.size,
        "mtime_ns": stamp and stamp.mtime_ns,
        **settings.making._asdict(),
    }
    error, stop, seconds, steps = "", False, 0.0, _made(settings, task)
    while not error:
        begun = time.perf_counter()
        try:
            next(steps)
        except StopIteration as end:
            record |= end.value
            break
        except MemoryError:
            error = "not enough memory; a smaller picture is expected"
        except OutputError as problem:
            error, stop = str(problem), problem.errno in NO_ROOM
        except PoolcliError as problem:
            error = str(problem)
        except Exception as problem:  # noqa: BLE001 - a mistake of ours costs this picture, not the others
            error = f"{type(problem).__name__}: {problem}; this should not happen, poolcli run -vv shows where"
        finally:
            seconds += time.perf_counter() - begun
        yield
    record |= {"status": "failed", "error": error} if error else {"status": "done"}
    record["seconds"] = round(seconds, 4)
    notes = record["input"]["notes"] if "input" in record else ()
    return Outcome(line_of(record), error, tuple(notes), stop)


def _made(settings: Settings, task: Task) -> Generator[None, None, dict[str, Any]]:
    """Make the result and the figure, write them, and tell of them; everything is encoded before anything is written."""
    recipe = settings.recipe
    picture = read(task.source, **engine.reading(recipe, settings.max_pixels))
    small = picture.values.nbytes <= SMALL  # another keeps nobody waiting with what it holds
    if small:
        yield
    result = engine.execute(picture, recipe, threads=1, panel=PANEL if task.figure else 0)
    if small:
        yield
    carried = carried_text(recipe, result.source)
    data = encoded(result, format_of(task.result), scale=settings.scale, depth=settings.depth, carried=carried)
    drawn = _drawn(result) if task.figure else b""
    if small:
        yield
    atomic_write(os.path.join(task.folder, task.result), data, force=task.replace)
    if task.figure:
        atomic_write(os.path.join(task.folder, task.figure), drawn, force=task.replace)
    sizes = {"bytes": len(data), "figure": task.figure, "figure_bytes": len(drawn) if task.figure else None}
    return {**sizes, **_told(result, picture)}


def _drawn(result: Result) -> bytes:
    from poolcli.figures.comparison import render

    return render(result)


def _told(result: Result, picture: Picture) -> dict[str, Any]:
    return {
        "input": input_record(result, picture),
        "stages": [{"name": stage.name, **map_record(stage)} for stage in result.stages],
    }
