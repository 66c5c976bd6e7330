"""The part of a batch that runs inside a Dask worker: it answers who it is and what it sees, and does chunks of tasks."""

from __future__ import annotations

import pickle
import secrets
import time
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from poolcli.batch.local_storage import LOCAL
from poolcli.batch.own_files import PART_END
from poolcli.batch.scheduler import CHUNK_TASKS, run_chunk
from poolcli.display import display_name
from poolcli.errors import OutputError
from poolcli.limits import lacks_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from poolcli.batch.stores import Stores

TOKEN = secrets.token_hex(8)
"""Identifies this process: a worker that was started again may have the address of the one before."""

_one_at_a_time = Lock()
"""A worker of several threads takes one picture at a time: a death is then the death of one picture's worker."""


class SharedFiles(NamedTuple):
    """What every worker must see: DIR, in it a file that the client has just written, and pictures with their sizes."""

    stores: Stores
    folder: str
    marker: str
    sources: tuple[tuple[str, int], ...]


class Call:
    """A call as data: ``pickle.loads`` of it, pickled, calls the function.

    Dask reads the function of a task in the scheduler as well; so the scheduler needs no poolcli, and a worker without it
    answers with the name of what it lacks.
    """

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._function, self._arguments = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self._function, self._arguments


VERSION = b"cpoolcli\n__version__\n."
"""``pickle.loads`` of it is the version of poolcli; any version can answer that."""


def inspect_worker(view: SharedFiles) -> tuple[str, str]:
    """Return the token of this worker, and what it does not see or cannot do, as the rest of a sentence."""
    return TOKEN, _unseen(view)


def _unseen(view: SharedFiles) -> str:
    storage = view.stores.of(view.folder)
    if storage.status(view.marker) is None:
        return f"does not see what is written to {display_name(view.folder)} here"
    for path, size in view.sources:
        found = view.stores.of(path).status(path)
        if found is None or found.stamp.size != size:
            return f"does not see {display_name(path)}" if found is None else f"sees another {display_name(path)}"
    mine = f"{view.marker.removesuffix(PART_END)}.{TOKEN}{PART_END}"
    try:
        storage.write(mine, TOKEN.encode(), force=True)
        storage.remove(mine)
    except (OutputError, OSError) as error:
        return f"cannot write to {display_name(view.folder)}: {error}"
    return ""


class Answer(NamedTuple):
    """The outcomes of a chunk, at least one, and the seconds that they took; or an error outside of the tasks."""

    outcomes: list[Any]
    seconds: float
    error: str = ""
    lacks_memory: bool = False


def run(token: str, marker: str, call: bytes, tasks: Sequence[Any], seconds: float) -> bytes | None:
    """Run tasks, and begin none once `seconds` are over, or the local file `marker` is gone: then the client is gone.

    Returns
    -------
    bytes or None
        An `Answer`, pickled: what Dask passes on are bytes. None where this is another process than the one that the
        client has asked.
    """
    if token != TOKEN:
        return None
    with _one_at_a_time:
        start = time.perf_counter()
        try:
            outcomes: list[Any] = []
            while len(outcomes) < len(tasks) and (not outcomes or time.perf_counter() - start < seconds):
                if marker and LOCAL.status(marker) is None:
                    break
                outcomes += run_chunk(_loaded(call), tasks[len(outcomes) : len(outcomes) + CHUNK_TASKS])[0]
            error = "" if outcomes else f"{display_name(marker)} is gone, and with it the run"
            answer = Answer(outcomes, time.perf_counter() - start, error)
        except Exception as error:  # noqa: BLE001 - Dask could be unable to send it
            answer = Answer([], 0.0, f"{type(error).__name__}: {error}", lacks_memory(error))
        return pickle.dumps(answer)


@lru_cache(maxsize=4)
def _loaded(call: bytes) -> Callable[[Any], Any]:
    loaded: Callable[[Any], Any] = pickle.loads(call)  # noqa: S301 - from the client, as every task is
    return loaded
