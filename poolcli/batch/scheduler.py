"""Doing tasks side by side, whatever becomes of those who do them.

`concurrent.futures.Executor` is the one interface: an `Engine` makes executors, and a `Crew` keeps a bounded number of
tasks in flight on one of them. A pool whose worker dies breaks as a whole and does not say which task it was; the crew
makes a new one, does the suspects one at a time, and blames the one that breaks it again.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar

from poolcli.errors import PoolcliError
from poolcli.images.quiet import silent_stderr

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Task = TypeVar("Task")

MOST_DEATHS = 10
"""Deaths in a row, with nothing done between them: it is not the pictures."""

STARTING = 2.0
"""Seconds that a fresh worker may take until it works on its first task."""

PARCEL_SECONDS, PARCEL_TASKS = 0.04, 16
"""How long a worker is busy with what it is sent at a time, and how many tasks that is at most: sending has its price."""

LONGEST = 0.1
"""Seconds after which a worker begins no more of what it was sent together: these tasks take longer than those before."""

GRACE = 1.0
"""Seconds that tasks in flight get to end by themselves when the run is interrupted."""


class Lost(NamedTuple):
    """A task that has no outcome: its worker died, or was killed since it took too long."""

    error: str


class Engine(Protocol):
    """Makes executors, and knows how to end them."""

    jobs: int
    """How many tasks are worked on at a time."""
    far: bool
    """Whether sending takes time: then tasks are sent ahead, and small ones several at a time."""

    def start(self) -> Executor:
        """Make an executor, ready for tasks."""
        ...

    def kill(self) -> None:
        """End all workers at once."""
        ...

    def death(self) -> str:
        """What a worker died of by itself, once the executor is shut down; empty when that is not known."""
        ...


class Here(Executor):
    """Does each task where it is submitted, before `submit` returns; the engine of ``--jobs 0``."""

    jobs, far = 1, False

    def start(self) -> Executor:
        """Return itself: there is nothing to start."""
        return self

    def kill(self) -> None:
        """Nothing runs between two tasks."""

    def death(self) -> str:
        """Nobody dies."""
        return ""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call `fn`; what it raises is in the future, but for what ends the program."""
        future: Future[Any] = Future()
        try:
            with silent_stderr():
                future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - the future's to tell
            future.set_exception(error)
        return future


class Crew(Generic[Task]):
    """Does tasks on an engine.

    Parameters
    ----------
    engine : Engine
    call : callable
        What is done with a task, to return its outcome; a generator function yields between its steps. It and the
        task are sent to the workers.
    timeout : float, optional
        Seconds that one task may take.
    again : callable, optional
        What a task becomes when it is begun once more: its work may have been done already, and only the word of it
        lost with the worker.
    ahead : bool
        Whether tasks may be sent before there is somebody to do them. Not with a time limit: a task that waits behind
        another has its time running too.
    """

    def __init__(
        self,
        engine: Engine,
        call: Callable[[Task], Any],
        timeout: float | None = None,
        again: Callable[[Task], Task] = lambda task: task,
        *,
        ahead: bool = True,
    ) -> None:
        self._engine, self._call, self._timeout, self._renewed = engine, call, timeout, again
        self._running: dict[Future[Any], tuple[list[Task], float]] = {}  # with the time at which they are late
        self._again: deque[Task] = deque()  # of executors that were ended
        self._suspects: deque[Task] = deque()  # of executors that broke
        self._on_trial = False  # whether what runs is a suspect, and alone
        self._executor: Executor | None = None
        self._fresh = 0.0  # when the executor was made
        self._deaths = 0
        self._ahead = ahead and engine.far and not timeout
        self._width = engine.jobs * (2 if self._ahead else 1)
        self._parcel = 1

    def run(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Any]]:
        """Do all tasks, few in flight at a time; yield each with its outcome or a `Lost`.

        Small tasks are sent several at a time, and two parcels are under way for each that is worked on.

        Raises
        ------
        PoolcliError
            The workers keep dying.
        """
        new = iter(tasks)
        while True:
            self._fill(new)
            if self._running:
                done = self._wait()
                yield from self._collect(done) if done else self._expire()
            elif not self._again and not self._suspects:
                return

    def _fill(self, new: Iterator[Task]) -> None:
        """Submit as many tasks as there is room for: of suspects only one, and nothing beside it."""
        self._on_trial = self._on_trial and bool(self._running)
        while len(self._running) < (1 if self._suspects or self._on_trial else self._width):
            trial = bool(self._suspects)
            tasks = self._next(new)
            if not tasks:
                return
            if self._executor is None:
                self._executor, self._fresh = self._engine.start(), time.monotonic()
            try:
                future = self._executor.submit(_each, self._call, tasks)
            except BrokenExecutor:
                (self._suspects if trial else self._again).extendleft(reversed(tasks))
                if not self._running:  # else the tasks in flight tell
                    self._renew()
                return
            self._on_trial = trial
            start = max(time.monotonic(), self._fresh + STARTING)
            self._running[future] = (tasks, start + self._timeout if self._timeout else float("inf"))

    def _next(self, new: Iterator[Task]) -> list[Task]:
        if self._suspects:
            return [self._suspects.popleft()]
        tasks = [self._again.popleft() for _ in range(min(self._parcel, len(self._again)))]
        return tasks or list(islice(new, self._parcel))

    def _wait(self) -> set[Future[Any]]:
        """Wait until a task has ended, or one is out of time."""
        until = min(deadline for _, deadline in self._running.values())
        left = None if until == float("inf") else max(0.0, until - time.monotonic())
        return wait(self._running, timeout=left, return_when=FIRST_COMPLETED).done

    def _collect(self, done: set[Future[Any]]) -> Iterator[tuple[Task, Any]]:
        lost: list[Task] = []
        for future in [future for future in self._running if future in done]:  # in the order of the tasks
            tasks, _ = self._running.pop(future)
            try:
                outcomes, seconds = future.result()
            except BrokenExecutor:
                lost += tasks
            else:
                self._deaths = 0
                self._learn(seconds / len(outcomes))
                self._again.extendleft(reversed(tasks[len(outcomes) :]))  # those that were not begun
                yield from zip(tasks, outcomes, strict=False)
        if lost:
            finished, more = self._split(wait(self._running, timeout=GRACE).done)
            reason = self._renew()
            yield from finished
            if self._on_trial:
                yield lost.pop(), Lost(reason or "its worker process died")
            self._suspects.extend(map(self._renewed, lost + more))

    def _learn(self, seconds: float) -> None:
        """Fit the parcels to what a task takes; where nothing is sent ahead, each task is by itself."""
        if self._ahead:
            fitting = int(PARCEL_SECONDS / max(seconds, 1e-6))
            self._parcel = max(1, min(fitting, 2 * self._parcel, PARCEL_TASKS))

    def _expire(self) -> Iterator[tuple[Task, Any]]:
        now = time.monotonic()
        late = {future for future, (_, deadline) in self._running.items() if now >= deadline and not future.done()}
        if late:
            culprits = [task for future in late for task in self._running.pop(future)[0]]
            finished, rest = self._split({future for future in self._running if future.done()})
            self._engine.kill()
            self.close()
            self._again.extend(map(self._renewed, rest))
            yield from finished
            for task in culprits:
                yield task, Lost(f"took longer than --timeout {self._timeout:g} s")

    def _split(self, done: set[Future[Any]]) -> tuple[list[tuple[Task, Any]], list[Task]]:
        """Empty what runs: tasks with their outcomes, and tasks that have none."""
        finished: list[tuple[Task, Any]] = []
        rest: list[Task] = []
        for future, (tasks, _) in self._running.items():
            if future in done and not future.cancelled() and future.exception() is None:
                outcomes, _ = future.result()
                finished += zip(tasks, outcomes, strict=False)
                rest += tasks[len(outcomes) :]
            else:
                rest += tasks
        self._running.clear()
        return finished, rest

    def _renew(self) -> str:
        """Let go of an executor that broke; returns what its worker died of."""
        self.close()
        reason = self._engine.death()
        self._engine.kill()  # who began while the executor broke
        self._deaths += 1
        if self._deaths > MOST_DEATHS:
            raise PoolcliError(
                f"{self._deaths} worker processes died one after the other ({reason or 'no reason known'}); "
                "more memory, or --jobs 0 to see why, is expected"
            )
        return reason

    def end(self, grace: float = GRACE) -> list[tuple[Task, Any]]:
        """Take what ends within `grace` seconds, then end all workers; for a run that is interrupted."""
        try:
            finished, _ = self._split(wait(self._running, timeout=grace).done)
        finally:  # a second Ctrl-C waits for nothing
            self._running.clear()
            self._engine.kill()
            self.close()
        return finished

    def close(self) -> None:
        """Let the workers go."""
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)
            self._executor = None


def _each(call: Callable[[Task], Any], tasks: list[Task]) -> tuple[list[Any], float]:
    """Do the tasks of a parcel, those that are done in steps side by side; returns outcomes, and the seconds it took.

    There are fewer outcomes than tasks, but one at least, where beginning them took `LONGEST`.
    """
    start = time.perf_counter()
    outcomes: list[Any] = []
    for task in tasks:
        if outcomes and time.perf_counter() - start > LONGEST:
            break
        outcomes.append(_advanced(call(task)))
    while any(isinstance(work, Generator) for work in outcomes):
        outcomes = [_advanced(work) for work in outcomes]
    return outcomes, time.perf_counter() - start


def _advanced(work: Any) -> Any:
    """A task that is done in steps, one step on; its outcome when it has no more."""
    if not isinstance(work, Generator):
        return work
    try:
        next(work)
    except StopIteration as end:
        return end.value
    return work
