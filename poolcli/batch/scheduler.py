"""Runs tasks in parallel and gives every task exactly one outcome, even if workers die.

A `Backend` starts workers: processes, or this process itself. A `Scheduler` gives each worker a chunk of tasks and
takes the outcomes back. Every worker has a connection of its own, so a worker that dies is noticed at once and only the
tasks that it held are in doubt: each of those runs once more, alone, and is blamed when its worker dies again.
Nothing here waits for a worker without a limit.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar

from poolcli.errors import PoolcliError
from poolcli.images.pillow_guard import silent_stderr

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

Task = TypeVar("Task")

MOST_DEATHS = 10
"""Worker deaths in a row, with no task finished between them, after which the run gives up."""

STARTING_SECONDS = 2.0
"""Seconds that a new worker may need until it works on its first task."""

CHUNK_SECONDS, CHUNK_TASKS = 0.04, 16
"""Seconds of work in a chunk, and its largest number of tasks.

Chunks amortise the cost of sending: with one task each, 3,000 PNGs of 64x64 take 1.38 times as long, and 576 JPEGs of
375x500 take 1.09 times as long.
"""

BEGIN_SECONDS = 0.1
"""Seconds after which a worker begins no further task of a chunk: these tasks take longer than those before."""

GRACE_SECONDS = 0.5
"""Seconds that running tasks get to finish when the run is interrupted."""

TICK_SECONDS = 0.25
"""The longest single wait. A signal that arrives just before a wait begins is handled after it."""


class WorkerDied(NamedTuple):
    """The outcome of a task whose worker died, or was killed because the task took too long."""

    error: str


class WorkerLostError(Exception):
    """A worker has ended, and the outcomes of its tasks are lost."""


class Worker(Protocol):
    """Runs chunks of tasks in the order in which it gets them."""

    def send(self, tasks: list[Any]) -> None:
        """Send a chunk; if the worker has ended, `receive` raises the error."""
        ...

    def receive(self) -> tuple[list[Any], float]:
        """Return the outcomes of the oldest chunk and the seconds that it took; raise `WorkerLostError`."""
        ...

    def kill(self) -> None:
        """Kill the worker at once."""
        ...

    def cause_of_death(self) -> str:
        """Why the worker ended; empty if that is not known."""
        ...


class Backend(Protocol):
    """Starts workers."""

    send_ahead: bool
    """Whether sending takes time: then chunks hold several tasks, and each worker has a second one waiting."""
    chunk_tasks: int
    """How many tasks a chunk may hold."""

    @property
    def jobs(self) -> int:
        """How many workers there may be; the number may grow during a run."""
        ...

    @property
    def chunk_seconds(self) -> float:
        """How long a chunk should keep a worker busy."""
        ...

    def start(self, call: Callable[[Any], Any]) -> Worker:
        """Start a worker that calls `call` with every task."""
        ...

    def wait(self, workers: Sequence[Any], seconds: float) -> Sequence[Any]:
        """Return the workers that have something to receive, after at most `seconds`."""
        ...

    def close(self) -> None:
        """Give back what the workers share, after the last of them was killed."""
        ...


class SerialBackend:
    """Runs each task in this process when it is sent: ``--jobs 0``."""

    jobs, send_ahead = 1, False
    chunk_seconds, chunk_tasks = CHUNK_SECONDS, CHUNK_TASKS

    def start(self, call: Callable[[Any], Any]) -> Worker:
        """Return the worker of this process."""
        return _SerialWorker(call)

    def wait(self, workers: Sequence[Any], seconds: float) -> Sequence[Any]:
        """Return all workers; their chunks are done already."""
        return workers

    def close(self) -> None:
        """Nothing is shared."""


class _SerialWorker:
    def __init__(self, call: Callable[[Any], Any]) -> None:
        self._call = call
        self._results: deque[Any] = deque()

    def send(self, tasks: list[Any]) -> None:
        with silent_stderr():
            self._results.append(run_chunk(self._call, tasks))

    def receive(self) -> tuple[list[Any], float]:
        if not self._results:  # `send` was interrupted
            raise WorkerLostError
        outcomes: tuple[list[Any], float] = self._results.popleft()
        return outcomes

    def kill(self) -> None:
        pass

    def cause_of_death(self) -> str:
        return ""


class _Slot(Generic[Task]):
    """One worker with the chunks that it holds, and the time at which the oldest of them is late."""

    def __init__(self) -> None:
        self.worker: Worker | None = None
        self.chunks: deque[list[Task]] = deque()
        self.deadline = float("inf")


class _RunningClock:
    """A clock that stops while this program is suspended."""

    def __init__(self) -> None:
        self._seconds, self._last = 0.0, time.monotonic()

    def read(self) -> float:
        now = time.monotonic()
        self._seconds += min(now - self._last, 2 * TICK_SECONDS)
        self._last = now
        return self._seconds


class Scheduler(Generic[Task]):
    """Runs tasks on the workers of a backend.

    Parameters
    ----------
    backend : Backend
    call : callable
        Called with a task, returns its outcome; a generator function yields between its steps. It and the tasks are
        sent to the workers.
    timeout : float, optional
        Seconds that one task may run.
    as_retry : callable, optional
        What a task becomes when it runs a second time: its files may exist although that was never reported.
    send_ahead : bool
        Whether a worker may hold tasks that it has not begun. Never with a time limit, which counts from sending.
    """

    def __init__(
        self,
        backend: Backend,
        call: Callable[[Task], Any],
        timeout: float | None = None,
        as_retry: Callable[[Task], Task] = lambda task: task,
        *,
        send_ahead: bool = True,
    ) -> None:
        self._backend, self._call, self._timeout, self._as_retry = backend, call, timeout, as_retry
        self._slots: list[_Slot[Task]] = [_Slot() for _ in range(max(1, backend.jobs))]
        self._unstarted: deque[Task] = deque()  # returned by a worker that had not begun them
        self._suspects: deque[Task] = deque()  # of workers that died: each runs alone, to kill no other task
        self._testing_suspect = False
        self._deaths = 0
        self._send_ahead = send_ahead and backend.send_ahead and not timeout
        self._chunk_size = 1
        self._clock = _RunningClock()

    def run(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Any]]:
        """Run all tasks, a bounded number at a time; yield each with its outcome or a `WorkerDied`.

        Raises
        ------
        PoolcliError
            The workers keep dying, or cannot be started.
        """
        new = iter(tasks)
        while True:
            self._fill(new)
            busy = [slot for slot in self._slots if slot.chunks]
            if not busy:
                if not self._unstarted and not self._suspects:
                    return
                continue
            ready = self._wait(busy, TICK_SECONDS)
            for slot in ready:
                yield from self._collect(slot)
            if self._timeout and not ready:
                yield from self._end_late(busy)

    def _fill(self, new: Iterator[Task]) -> None:
        """Send as many chunks as the workers may hold; a task that may have killed a worker runs alone."""
        busy = any(slot.chunks for slot in self._slots)
        self._testing_suspect = self._testing_suspect and busy
        if self._suspects or self._testing_suspect:
            if not busy:
                self._testing_suspect = True
                self._send(self._slots[0], [self._suspects.popleft()])
            return
        while len(self._slots) < self._backend.jobs:
            self._slots.append(_Slot())
        for held in range(2 if self._send_ahead else 1):
            for slot in self._slots:
                if len(slot.chunks) <= held:
                    chunk = self._next_chunk(new)
                    if not chunk:
                        return
                    self._send(slot, chunk)

    def _next_chunk(self, new: Iterator[Task]) -> list[Task]:
        chunk = [self._unstarted.popleft() for _ in range(min(self._chunk_size, len(self._unstarted)))]
        return chunk or list(islice(new, self._chunk_size))

    def _send(self, slot: _Slot[Task], chunk: list[Task]) -> None:
        now = self._clock.read()
        if slot.worker is None:
            slot.chunks.append(chunk)  # first, so that an interrupted start loses none of them
            slot.worker = self._backend.start(self._call)
            slot.chunks.pop()
            now += STARTING_SECONDS
        if not slot.chunks:
            slot.deadline = now + (self._timeout or float("inf"))
        slot.chunks.append(chunk)
        slot.worker.send(chunk)

    def _wait(self, slots: Sequence[_Slot[Task]], seconds: float) -> list[_Slot[Task]]:
        if self._timeout:
            now = self._clock.read()
            seconds = max(0.0, min([seconds, *(slot.deadline - now for slot in slots)]))
        ready = self._backend.wait([slot.worker for slot in slots if slot.worker], seconds)
        return [slot for slot in slots if slot.worker in ready]

    def _collect(self, slot: _Slot[Task]) -> Iterator[tuple[Task, Any]]:
        assert slot.worker is not None  # it was waited for
        try:
            outcomes, seconds = slot.worker.receive()
        except WorkerLostError:
            yield from self._after_death(slot)
            return
        chunk = slot.chunks.popleft()
        slot.deadline = self._clock.read() + (self._timeout or float("inf"))
        self._deaths = 0
        self._fit_chunk_size(seconds / len(outcomes))
        self._unstarted.extendleft(reversed(chunk[len(outcomes) :]))
        yield from zip(chunk, outcomes, strict=False)

    def _after_death(self, slot: _Slot[Task]) -> Iterator[tuple[Task, Any]]:
        """Set the tasks of a dead worker aside to be repeated alone; for one that ran alone, the death is its outcome."""
        assert slot.worker is not None
        reason = slot.worker.cause_of_death()
        chunk = slot.chunks.popleft()
        self._discard(slot)
        if self._testing_suspect:
            yield chunk[0], WorkerDied(reason or "its worker process died")
        else:
            self._suspects.extend(map(self._as_retry, chunk))
        self._deaths += 1
        if self._deaths > MOST_DEATHS:
            raise PoolcliError(
                f"{self._deaths} worker processes died one after the other ({reason or 'no reason known'}); "
                "give them more memory, use fewer --jobs, or see why with --jobs 0, which works in this process"
            )

    def _end_late(self, slots: Sequence[_Slot[Task]]) -> Iterator[tuple[Task, Any]]:
        now = self._clock.read()
        for slot in slots:
            if now >= slot.deadline and slot.chunks:
                chunk = slot.chunks.popleft()
                self._discard(slot)
                for task in chunk:
                    yield task, WorkerDied(f"took longer than --timeout {self._timeout:g} s")

    def _discard(self, slot: _Slot[Task]) -> None:
        """Kill a slot's worker; tasks that it had not begun are sent to others."""
        if slot.worker is not None:
            slot.worker.kill()
        slot.worker = None
        while slot.chunks:
            self._unstarted.extendleft(reversed(slot.chunks.pop()))

    def _fit_chunk_size(self, seconds: float) -> None:
        """Adapt the size of the chunks to the time of a task; without sending ahead, each chunk has one task."""
        if self._send_ahead:
            fitting = int(self._backend.chunk_seconds / max(seconds, 1e-6))
            self._chunk_size = max(1, min(fitting, 2 * self._chunk_size, self._backend.chunk_tasks))

    def end(self, grace: float = GRACE_SECONDS) -> list[tuple[Task, Any]]:
        """Collect outcomes for `grace` seconds, then kill all workers; for a run that is interrupted."""
        finished: list[tuple[Task, Any]] = []
        until = time.monotonic() + grace
        try:
            busy = [slot for slot in self._slots if slot.worker and slot.chunks]
            while busy and (left := until - time.monotonic()) > 0:
                for slot in self._wait(busy, min(left, TICK_SECONDS)):
                    busy.remove(slot)
                    finished += self._last_outcomes(slot)
        finally:  # a second Ctrl-C waits for nothing
            self.close()
        return finished

    def _last_outcomes(self, slot: _Slot[Task]) -> Iterator[tuple[Task, Any]]:
        assert slot.worker is not None
        try:
            outcomes, _ = slot.worker.receive()
        except WorkerLostError:
            return
        yield from zip(slot.chunks.popleft(), outcomes, strict=False)
        slot.worker.kill()  # it would begin its second chunk

    def close(self) -> None:
        """End all workers."""
        for slot in self._slots:
            slot.chunks.clear()
            self._discard(slot)


def run_chunk(call: Callable[[Any], Any], tasks: Sequence[Any]) -> tuple[list[Any], float]:
    """Run the tasks of a chunk; tasks that are generators take each step together.

    So the code of a step stays in the processor's cache for all of them: 3,000 PNGs of 64x64 take 0.80 times as long as
    one after the other.

    Returns
    -------
    outcomes : list
        At least one; fewer than tasks where beginning them took `BEGIN_SECONDS`.
    seconds : float
    """
    start = time.perf_counter()
    outcomes: list[Any] = []
    for task in tasks:
        if outcomes and time.perf_counter() - start > BEGIN_SECONDS:
            break
        outcomes.append(_next_step(call(task)))
    while any(isinstance(outcome, Generator) for outcome in outcomes):
        outcomes = [_next_step(outcome) for outcome in outcomes]
    return outcomes, time.perf_counter() - start


def _next_step(work: Any) -> Any:
    """Advance a generator by one step and return it, or its return value at its end; other values are outcomes."""
    if not isinstance(work, Generator):
        return work
    try:
        next(work)
    except StopIteration as end:
        return end.value
    return work
