"""The workers of a Dask cluster: which of them can be used, and chunks of tasks on them.

Everything here runs in the event loop of one thread. A chunk is sent to one worker by its address, and only by this
program to another: so it is known which worker had which chunk when it is lost, and a task that may have been written is
marked as such before it runs again. It runs again on a worker that has nothing else to do, since it is not known which of
the chunks the worker was at: the answers to earlier ones can be lost with it.
"""

from __future__ import annotations

import asyncio
import pickle
import time
import warnings
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from distributed import Client, KilledWorker
from distributed.versions import VersionMismatchWarning

from poolcli import __version__
from poolcli.batch.dask_worker import VERSION, Answer, Call, SharedFiles, inspect_worker, run
from poolcli.batch.scheduler import MOST_DEATHS, WorkerDied
from poolcli.batch.storage import is_url
from poolcli.display import printable
from poolcli.errors import PoolcliError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CONNECT_SECONDS = 10.0
"""Time in which a scheduler has to answer at the beginning."""

SILENT_SECONDS = 30.0
"""Time without a sign of life after which a worker is given up, or, where no other is left, the run."""

CHECK_SECONDS = 5.0
"""Time after which the work begins without the workers that have not answered yet."""

CLOSE_SECONDS = 3.0

MOST_TRIES = 3
"""The number of lost workers after which a task has failed."""

LOOK_SECONDS, LOOK_SECONDS_PER_WORKER = 0.5, 0.005
"""Time between two looks at the list of workers, which grows with their number."""

CHUNK_SECONDS, CHUNK_SECONDS_PER_WORKER = 0.25, 0.004
"""Seconds of work in a chunk: the client and the scheduler can handle a few hundred chunks a second."""


class _GoneError(Exception):
    """A worker was lost before it answered."""


class _LostError(Exception):
    """The worker of a chunk is gone, or has too little memory for it."""


@dataclass(eq=False)
class _Worker:
    """A worker that has been checked, and how many chunks it has."""

    address: str
    token: str
    lost: asyncio.Future[None]
    last_seen: float
    seen_at: float
    is_running: bool = True
    chunks: int = 0
    is_reserved: bool = False


class Cluster:
    """A connection to a Dask scheduler, and its workers.

    Parameters
    ----------
    address : str
        Of the scheduler.
    most : int or None
        How many workers may be used.
    view : SharedFiles
        What every worker must see.
    tell : callable
        Called with a message about a worker that cannot be used.
    """

    def __init__(self, address: str, most: int | None, view: SharedFiles, tell: Callable[[str], None]) -> None:
        self._address, self._most, self._view, self._tell = address, most, view, tell
        self.error: PoolcliError | None = None
        self._client: Any = None
        self._workers: dict[str, _Worker] = {}
        self._checks: dict[str, asyncio.Task[None]] = {}
        self._unusable: dict[str, float | None] = {}  # address -> when seen last; None if it is wrong, not silent
        self._is_checked, self._threads = False, 1
        self._changed = asyncio.Event()
        self._runs: set[asyncio.Task[Any]] = set()
        self._watcher: asyncio.Task[None] | None = None
        self._deaths = 0
        self._clock, self._read_at, self._used_at = 0.0, time.monotonic(), 0.0

    @property
    def count(self) -> int:
        """How many workers are used at present."""
        count = len(self._workers)
        return count if self._most is None else min(count, self._most)

    @property
    def chunk_seconds(self) -> float:
        """How long a chunk should be."""
        return max(CHUNK_SECONDS, CHUNK_SECONDS_PER_WORKER * self.count)

    async def connect(self) -> None:
        """Connect, and check all workers that are there; wait for the first one.

        Raises
        ------
        PoolcliError
            No scheduler answers, it has no workers, or one of them cannot be used.
        """
        warnings.simplefilter("ignore", VersionMismatchWarning)
        try:
            make: Any = Client  # it has no types
            self._client = make(self._address, asynchronous=True, timeout=CONNECT_SECONDS, set_as_default=False)
            await self._client
        except (OSError, ValueError, ImportError, TypeError) as error:
            raise PoolcliError(
                f"no Dask scheduler answers at {self._address}: {_words(error)}; "
                "start one with: dask scheduler, and write the address that it prints"
            ) from None
        self._watcher = asyncio.create_task(self._watch())
        while not self._workers or (self._checks and self._clock < CHECK_SECONDS):
            self._changed.clear()
            await self._changed.wait()
            if self.error is not None:
                raise self.error
        self._is_checked = True
        if self._threads > 1:
            self._tell(
                f"a Dask worker works on one picture at a time, and there are some of {self._threads} threads; "
                "for the others start workers with: dask worker --nworkers -1 --nthreads 1"
            )

    async def run(self, call: bytes, tasks: Sequence[Any], *, most_seconds: float) -> tuple[list[Any], float]:
        """Run a chunk of tasks on any worker; each again, on a worker of its own, if the worker is lost.

        Returns
        -------
        outcomes : list
            Fewer than tasks where they took longer than `most_seconds`; a `WorkerDied` where `MOST_TRIES` workers died.
        seconds : float
        """
        this = asyncio.current_task()
        assert this is not None
        self._runs.add(this)
        start = time.monotonic()
        try:
            with suppress(_LostError):
                return await self._try(call, tasks, most_seconds)
            outcomes = [await self._alone(call, task.again(), most_seconds) for task in tasks]
            return outcomes, time.monotonic() - start
        finally:
            self._runs.discard(this)

    async def _alone(self, call: bytes, task: Any, most_seconds: float) -> Any:
        for _ in range(MOST_TRIES - 1):
            with suppress(_LostError):
                return (await self._try(call, [task], most_seconds, alone=True))[0][0]
        return WorkerDied(f"{MOST_TRIES} Dask workers died of it or answered no more, perhaps out of memory")

    async def _try(
        self, call: bytes, tasks: Sequence[Any], most_seconds: float, *, alone: bool = False
    ) -> tuple[list[Any], float]:
        worker = await (self._worker_alone() if alone else self._free_worker())
        if self.error is not None:
            raise self.error
        worker.chunks += 1
        marker = "" if is_url(self._view.marker) else self._view.marker
        work = Call(run, worker.token, marker, call, tasks, most_seconds)
        try:
            answer = await self._ask(worker.address, work, worker.lost)
            if answer is None:  # a process that has taken the place of the one that was lost
                self._lose(worker)
                raise _LostError
        except _GoneError:
            raise _LostError from None
        except (KilledWorker, CancelledError):  # Dask says it first, or the scheduler was restarted or is gone
            if self._client.status != "running":
                self._fail(self._lost_connection())
            self._lose(worker)
            raise _LostError from None
        finally:
            worker.chunks -= 1
            if worker.is_reserved:
                worker.is_reserved = not alone
                self._changed.set()
        found: Answer = pickle.loads(answer)  # noqa: S301 - from our own workers
        if found.lacks_memory:
            raise _LostError
        if found.error:
            raise PoolcliError(f"Dask worker {worker.address}: {printable(found.error)}")
        self._deaths = 0
        return found.outcomes, found.seconds

    async def _free_worker(self) -> _Worker:
        """The worker that has least to do."""
        while True:
            running = islice((worker for worker in self._workers.values() if worker.is_running), self._most)
            if usable := [worker for worker in running if not worker.is_reserved]:
                return min(usable, key=lambda worker: worker.chunks)
            self._changed.clear()
            await self._changed.wait()

    async def _worker_alone(self) -> _Worker:
        """A worker that has nothing else to do, and is given nothing else."""
        while True:
            worker = await self._free_worker()
            worker.is_reserved = True
            while worker.chunks and not worker.lost.done():
                self._changed.clear()
                await self._changed.wait()
            if worker.is_running and not worker.lost.done():
                return worker
            worker.is_reserved = False

    async def _ask(self, address: str, call: Call | bytes, lost: asyncio.Future[None]) -> Any:
        """Let a worker make a call; `_GoneError` if it is lost before it answers."""
        data = call if isinstance(call, bytes) else pickle.dumps(call)
        future = self._client.submit(
            pickle.loads, data, pure=False, workers=[address], allow_other_workers=False, retries=0
        )
        answer = asyncio.ensure_future(future.result())
        try:
            await asyncio.wait({answer, lost}, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                raise _GoneError
            return answer.result()
        finally:
            answer.cancel()
            future.release()  # the scheduler and the worker forget it, done or not

    async def _watch(self) -> None:
        """Look at the list of workers again and again."""
        try:
            while True:
                info = await self._identity()
                if self._client.status != "running":
                    break
                self._compare(info["workers"])
                await asyncio.sleep(LOOK_SECONDS + LOOK_SECONDS_PER_WORKER * len(info["workers"]))
        except (OSError, AttributeError):  # a time-out is one
            pass
        except Exception as error:  # noqa: BLE001 - else the main thread would wait for ever
            self._fail(f"the Dask scheduler at {self._address} gave an answer that is not understood: {_words(error)}")
            return
        self._fail(self._lost_connection())

    async def _identity(self) -> dict[str, Any]:
        """What the scheduler says of itself and its workers; asked twice, since this program may have been suspended."""
        with suppress(TimeoutError):
            first: dict[str, Any] = await asyncio.wait_for(self._ask_scheduler(), SILENT_SECONDS)
            return first
        second: dict[str, Any] = await asyncio.wait_for(self._ask_scheduler(), SILENT_SECONDS)
        return second

    async def _ask_scheduler(self) -> Any:
        return await self._client.scheduler.identity(n_workers=-1)

    def _lost_connection(self) -> str:
        return f"the connection to the Dask scheduler at {self._address} was lost; see whether it runs"

    def _compare(self, found: dict[str, Any]) -> None:
        """Take note of workers that are gone, silent or new."""
        now = time.monotonic()  # while this program is suspended no worker is silent
        self._clock += min(now - self._read_at, 2 * (LOOK_SECONDS + LOOK_SECONDS_PER_WORKER * len(found)))
        self._read_at = now
        for address in self._workers.keys() - found.keys():
            self._lose(self._workers[address])
        for address in self._unusable.keys() - found.keys():
            del self._unusable[address]
        for address in self._checks.keys() - found.keys():
            self._checks[address].cancel()
        for address, info in found.items():
            if address in self._workers:
                self._look_at(self._workers[address], info)
            elif address not in self._checks and self._is_new(address, info):
                self._unusable.pop(address, None)
                self._threads = max(self._threads, info["nthreads"])
                self._checks[address] = asyncio.create_task(self._check(address, info["last_seen"]))
        if any(worker.is_running for worker in self._workers.values()):
            self._used_at = self._clock
        elif self._clock - self._used_at > SILENT_SECONDS:
            self._fail(
                f"the Dask scheduler at {self._address} has had no worker that answers for {SILENT_SECONDS:g} s; "
                f"start some with: dask worker {self._address} --nthreads 1"
            )
        self._changed.set()

    def _look_at(self, worker: _Worker, info: dict[str, Any]) -> None:
        """Give a worker up that has shown no life for too long, or has so little memory that it takes no task."""
        worker.is_running = info["status"] == "running"
        if worker.is_running and info["last_seen"] != worker.last_seen:
            worker.last_seen, worker.seen_at = info["last_seen"], self._clock
        elif self._clock - worker.seen_at > SILENT_SECONDS:
            self._unusable[worker.address] = info["last_seen"]
            self._lose(worker)

    def _is_new(self, address: str, info: dict[str, Any]) -> bool:
        if info["status"] != "running":
            return False
        if address not in self._unusable:
            return True
        seen = self._unusable[address]
        return seen is not None and seen != info["last_seen"]  # it was silent, and is back

    async def _check(self, address: str, last_seen: float) -> None:
        """Use a worker if it has the same poolcli and sees the same files; at the beginning, a wrong one ends the run."""
        never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            token, problem = await self._examine(address, never)
        except (CancelledError, KilledWorker):  # gone already
            return
        except Exception as error:  # noqa: BLE001 - whatever a worker of another make may raise
            token, problem = "", f"cannot run poolcli: {_words(error)}"
        finally:
            del self._checks[address]
            self._changed.set()
        if not problem:
            lost = asyncio.get_running_loop().create_future()
            self._workers[address] = _Worker(address, token, lost, last_seen, self._clock)
            return
        self._unusable[address] = None
        if self._is_checked:
            self._tell(f"Dask worker {address} is not used: it {problem}")
        else:
            self._fail(f"Dask worker {address} {problem}")

    async def _examine(self, address: str, lost: asyncio.Future[None]) -> tuple[str, str]:
        try:
            version = await self._ask(address, VERSION, lost)
        except ModuleNotFoundError:
            return "", f"has no poolcli; install poolcli {__version__} there, as here"
        if version != __version__:
            return "", f"has poolcli {version}, and here is poolcli {__version__}; install the same version on both"
        token, unseen = await self._ask(address, Call(inspect_worker, self._view), lost)
        wanted = (
            "every worker must have the pictures and the folder of the results under the same names as this machine"
        )
        return token, f"{unseen}; {wanted}" if unseen else ""

    def _lose(self, worker: _Worker) -> None:
        """Give a worker up, and its chunks with it."""
        if self._workers.get(worker.address) is not worker:
            return
        del self._workers[worker.address]
        worker.lost.set_result(None)
        self._deaths += worker.chunks > 0
        if self._deaths > MOST_TRIES * MOST_DEATHS:
            self._fail(
                f"{self._deaths} Dask workers died or fell silent one after the other, and no picture was done; "
                "look into their logs, and give them more memory"
            )

    def _fail(self, message: str) -> None:
        """End all that runs; the error is for the main thread."""
        if self.error is None:
            self.error = PoolcliError(message)
        for task in self._runs:
            task.cancel()
        self._changed.set()

    async def close(self) -> None:
        """Take back what is still with the cluster, and leave."""
        tasks = [*self._runs, *self._checks.values(), *([self._watcher] if self._watcher else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._client is not None:
            with suppress(Exception):
                await asyncio.wait_for(self._client.close(), CLOSE_SECONDS)


def _words(error: BaseException) -> str:
    return printable(str(error)).partition("\n")[0] or type(error).__name__
