"""A backend whose workers are those of a Dask cluster: ``--dask ADDRESS``."""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import re
import secrets
import threading
from collections import deque
from concurrent.futures import CancelledError
from contextlib import suppress
from importlib.util import find_spec
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from poolcli.batch.dask_worker import SharedFiles
from poolcli.batch.journal_state import OWN
from poolcli.batch.own_files import PART_END
from poolcli.batch.scheduler import WorkerLostError
from poolcli.batch.storage import absolute
from poolcli.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from concurrent.futures import Future

    from poolcli.batch.dask_cluster import Cluster
    from poolcli.batch.stores import Stores

MISSING = "--dask needs distributed, which is not installed: pip install 'poolcli[dask]'"

_ADDRESS = re.compile(r"((tcp|tls|ws|wss)://)?(\[[0-9A-Fa-f:.%\w]+\]|[^\s/:\[\]]+):[0-9]{1,5}/?")

CHUNK_TASKS = 64
"""The largest number of tasks in a chunk."""

_LATE = 2.5
"""A worker begins no further task of a chunk that takes this many times as long as planned."""

_SOURCES = 32
"""So many pictures are looked at, each in a folder of its own, to see whether a worker sees the folders."""

_JOIN_SECONDS = 5.0


def check_address(address: str) -> None:
    """Refuse what cannot be the address of a scheduler, and a Python without distributed.

    Raises
    ------
    OptionError
    """
    if not _ADDRESS.fullmatch(address):
        raise OptionError(f"--dask {address!r}: write the address that dask scheduler prints, such as tcp://HOST:8786")
    found = None
    with suppress(ImportError, ValueError):
        found = find_spec("distributed")
    if found is None:
        raise OptionError(MISSING)


class DaskBackend:
    """A backend (`scheduler.Backend`) on a Dask cluster. What `start` returns is a place for chunks, on any worker.

    Parameters
    ----------
    address : str
        Of the scheduler.
    jobs : int or None
        How many workers may be used; None uses all.
    folder : path
        DIR; a file is written below it for the workers to be found, and removed by `close`.
    sources : sequence of path
        The pictures that will be read.
    tell : callable
        Called with a message about a worker that cannot be used.
    stores : Stores
        Where the files are.

    Raises
    ------
    PoolcliError
        No scheduler answers, it has no workers, or one of them cannot be used.
    """

    send_ahead = True
    chunk_tasks = CHUNK_TASKS

    def __init__(
        self,
        address: str,
        jobs: int | None,
        folder: str,
        sources: Sequence[str],
        tell: Callable[[str], None],
        stores: Stores,
    ) -> None:
        try:
            from poolcli.batch.dask_cluster import Cluster
        except ImportError:
            raise OptionError(MISSING) from None
        self._ready: SimpleQueue[DaskPlace | None] = SimpleQueue()
        self._is_over = False
        self._folder, self._stores = absolute(folder), stores
        self._marker = os.path.join(self._folder, OWN, f".workers.{secrets.token_hex(8)}{PART_END}")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="poolcli-dask", daemon=True)
        _silence("distributed", "tornado", "asyncio")
        self._thread.start()
        try:
            self._cluster: Cluster = self._call(_made(Cluster, address, jobs, self._view(sources), tell)).result()
            self._call(self._cluster.connect()).result()
        except BaseException:
            self.close()
            raise

    def _view(self, sources: Sequence[str]) -> SharedFiles:
        """Write the file that every worker must see."""
        self._stores.of(self._folder).write(self._marker, b"for the workers of this run", force=True)
        first: dict[str, str] = {}
        for source in sources:
            if len(first) == _SOURCES:
                break
            first.setdefault(os.path.dirname(source), absolute(source))
        found = {path: self._stores.of(path).status(path) for path in first.values()}
        sizes = tuple((path, status.stamp.size) for path, status in found.items() if status is not None)
        return SharedFiles(self._stores, self._folder, self._marker, sizes)

    def _call(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    @property
    def jobs(self) -> int:
        """How many workers there are."""
        return self._cluster.count

    @property
    def chunk_seconds(self) -> float:
        """Seconds of work in a chunk."""
        return self._cluster.chunk_seconds

    def start(self, call: Callable[[Any], Any]) -> DaskPlace:
        """Return a place for chunks of tasks that `call` is called with."""
        return DaskPlace(self, pickle.dumps(call))

    def submit(self, place: DaskPlace, call: bytes, tasks: list[Any]) -> Future[Any]:
        """Send a chunk to the cluster; `wait` returns its place when it is done."""
        work = self._cluster.run(call, [task.absolute() for task in tasks], most_seconds=_LATE * self.chunk_seconds)
        future = self._call(work)
        future.add_done_callback(lambda _: self._ready.put(place))
        return future

    def wait(self, workers: Sequence[Any], seconds: float) -> Sequence[Any]:
        """Return the places whose oldest chunk is done, after at most `seconds`.

        Raises
        ------
        PoolcliError
            Nothing more can be done on the cluster; from then on all places are returned, with what they still have.
        """
        with suppress(Empty):
            self._ready.get(timeout=0 if self._is_over else seconds)
            while True:
                self._ready.get_nowait()
        done = [worker for worker in workers if worker.is_done()]
        if done or self._cluster.error is None:
            return done
        if not self._is_over:
            self._is_over = True
            raise self._cluster.error
        return workers

    def close(self) -> None:
        """Take back what is still with the cluster, and leave it."""
        with suppress(OSError):
            self._stores.of(self._folder).remove(self._marker)
        if self._thread.is_alive():
            with suppress(Exception):
                self._call(self._cluster.close()).result(_JOIN_SECONDS)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_JOIN_SECONDS)
        if not self._thread.is_alive():
            self._loop.close()


def _silence(*packages: str) -> None:
    """Let packages log nothing: one line of ours says what is wrong."""
    names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] in packages]
    for name in {*names, *packages}:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


async def _made(kind: Callable[..., Any], *arguments: Any) -> Any:
    """Make an object in the thread of the event loop, which its parts belong to."""
    return kind(*arguments)


class DaskPlace:
    """A place for chunks, which come back in the order in which they were sent."""

    def __init__(self, backend: DaskBackend, call: bytes) -> None:
        self._backend, self._call = backend, call
        self._chunks: deque[Future[Any]] = deque()

    def send(self, tasks: list[Any]) -> None:
        """Send a chunk."""
        self._chunks.append(self._backend.submit(self, self._call, tasks))

    def is_done(self) -> bool:
        """Whether the oldest chunk has outcomes."""
        return bool(self._chunks) and self._chunks[0].done() and not self._chunks[0].cancelled()

    def receive(self) -> tuple[list[Any], float]:
        """Return the outcomes of the oldest chunk and the seconds that it took."""
        if not self.is_done():
            raise WorkerLostError
        with suppress(CancelledError):
            outcomes: tuple[list[Any], float] = self._chunks.popleft().result()
            return outcomes
        raise WorkerLostError

    def kill(self) -> None:
        """Take back all chunks."""
        while self._chunks:
            self._chunks.popleft().cancel()

    def cause_of_death(self) -> str:
        """Nothing: the cluster blames the task itself."""
        return ""
