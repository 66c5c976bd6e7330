"""One batch: decides which items need work, runs them, and reports the state of every item."""

from __future__ import annotations

import os
from contextlib import closing
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from poolcli.batch.journal_state import to_line
from poolcli.batch.prune import remove
from poolcli.batch.scheduler import Scheduler, WorkerDied
from poolcli.batch.storage import StoreLostError, absolute
from poolcli.batch.up_to_date import check_recipe, header, is_header_of, next_task
from poolcli.batch.worker import Outcome, Task, process, with_path
from poolcli.display import display_name
from poolcli.errors import OutputError
from poolcli.images.atomic import NO_ROOM
from poolcli.pipeline.serialize import plain_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from poolcli.batch.journal import Journal
    from poolcli.batch.plan import Item
    from poolcli.batch.scheduler import Backend
    from poolcli.batch.worker import WorkOptions

    OnResult = Callable[[Task, str, Sequence[str]], None]

DONE, SKIPPED, FAILED, LEFT = "done", "skipped", "failed", "left"
"""What becomes of an item: made now, made before, not to be made, not reached."""


AHEAD = 256
"""Tasks whose names are noted, and the note brought to the disk, before the first of them is begun."""


class Batch:
    """The items of a batch, with the state of each.

    Parameters
    ----------
    items : sequence of Item
    folder : path
        DIR.
    settings : WorkOptions
    journal : Journal
        Of `folder`, open.
    force : bool
        Whether files that others made may be replaced, and results of another recipe.

    Raises
    ------
    OptionError
        The folder holds results of another recipe, without `force`.
    """

    def __init__(
        self, items: Sequence[Item], folder: str, settings: WorkOptions, journal: Journal, *, force: bool
    ) -> None:
        check_recipe(journal.known, settings, force=force)
        self.items, self.folder, self.journal = items, folder, journal
        self._settings, self._storage = settings, settings.stores.of(folder)
        self.states: dict[str, str] = {}
        self.errors: dict[str, str] = {}
        self.stopped = ""
        self.with_notes = 0
        self.is_over = False
        self.trace = ""  # of the last failure, where traces are asked for
        self._finished = 0
        self._folders: set[str] = set()
        self.todo: list[Task] = []
        for item in items:
            task, refusal = next_task(item, journal.known, folder, settings, force=force)
            self.states[item.result] = LEFT if task else FAILED if refusal else SKIPPED
            if task:
                self.todo.append(task)
            elif refusal:
                self.errors[item.result] = refusal
        if self.todo and not is_header_of(journal.known, settings):
            journal.add(to_line(header(settings)))

    def run(self, engine: Backend, *, timeout: float | None, fail_fast: bool, on_result: OnResult) -> None:
        """Do what is to be done.

        Parameters
        ----------
        engine : Backend
        timeout : float or None
            Seconds that one picture may take.
        fail_fast : bool
            Begin nothing new once a picture has failed.
        on_result : callable
            Called with every task that has come to an end, its error if it failed, and the notes on its picture.

        Raises
        ------
        PoolcliError
            The workers keep dying.
        """
        if fail_fast and self.errors:
            self.stopped = "at the first failure"
        with closing(
            Scheduler(engine, partial(process, self._settings), timeout, Task.again, send_ahead=not fail_fast)
        ) as scheduler:
            try:
                for task, outcome in scheduler.run(self._tasks(on_result)):
                    self._record(task, outcome, on_result)
                    if fail_fast and self.errors and not self.stopped:
                        self.stopped = "at the first failure"
            except BaseException:
                for task, outcome in scheduler.end():
                    self._record(task, outcome, on_result)
                raise
            finally:
                # Workers that were killed have left what they were writing.
                self._storage.sweep(self._folders, locked=True)
        is_lost = False
        try:
            self.journal.flush()
        except OutputError as error:
            if not self.stopped:  # else that has said it: its lines are for the next run to make again
                raise
            is_lost = isinstance(error, StoreLostError)
        self.is_over = True
        if not is_lost:
            self.journal.forget_started()

    def _tasks(self, on_result: OnResult) -> Iterator[Task]:
        todo = iter(self.todo)
        while tasks := list(islice(todo, AHEAD)):
            if self.stopped:
                return
            try:
                self.journal.note_started(name for task in tasks for name in (task.result, task.figure) if name)
            except OutputError as error:
                self.stopped = with_path(error)
                return
            for task in tasks:
                if self.stopped:
                    return
                try:
                    self._make_folder(task)
                except OutputError as error:
                    line = to_line(_failed(task, str(error)))
                    self._record(task, Outcome(line, str(error), stop=error.errno in NO_ROOM), on_result)
                else:
                    yield task

    def _make_folder(self, task: Task) -> None:
        folder = os.path.dirname(os.path.join(task.folder, task.result))
        if folder not in self._folders:
            try:
                self._storage.make_folder(folder)
            except OSError as error:
                raise OutputError(f"{display_name(folder)}: {error.strerror}", error.errno) from None
            self._folders.add(folder)

    def _record(self, task: Task, outcome: Outcome | WorkerDied, on_result: OnResult) -> None:
        """Record the outcome of a task; one that failed because the disk was full is left for the next run."""
        if isinstance(outcome, WorkerDied):
            outcome = Outcome(to_line(_failed(task, outcome.error)), outcome.error)
        if outcome.stop:
            self.stopped = self.stopped or outcome.error
            return
        try:
            made = [] if outcome.error else [name for name in (task.result, task.figure) if name]
            if made:
                self._remove_old_figure(task)
            self.journal.add(outcome.line, task.result, made)
        except OutputError as error:
            self.stopped = self.stopped or with_path(error)
            return
        self.states[task.result] = FAILED if outcome.error else DONE
        if outcome.error:
            self.errors[task.result] = outcome.error
        self._finished += 1
        self.trace = outcome.trace
        self.with_notes += bool(outcome.notes)
        on_result(task, outcome.error, outcome.notes)

    def _remove_old_figure(self, task: Task) -> None:
        """Remove the figure of an earlier result if the new result has none or one of another name."""
        before = self.journal.known.entries.get(task.result)
        if before is not None and before.figure and before.figure != task.figure:
            remove(self.journal, self._storage, self.folder, before.figure)

    @property
    def count_finished(self) -> int:
        """How many tasks have ended in this run."""
        return self._finished

    def count(self, state: str) -> int:
        """How many items are in a state."""
        return sum(found == state for found in self.states.values())

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield a row for every item, in the order of the plan, with values that JSON can hold."""
        for item in self.items:
            state = self.states[item.result]
            error = self.errors.get(item.result)
            record = self.journal.record(item.result) if state in (DONE, SKIPPED) else {}
            yield {
                "name": plain_name(item.source.name),
                "source": plain_name(item.source.path),
                "status": state,
                "result": plain_name(os.path.join(self.folder, item.result)) if record else None,
                "figure": plain_name(os.path.join(self.folder, item.figure)) if record and item.figure else None,
                "input": record.get("input"),
                "stages": record.get("stages"),
                "seconds": record.get("seconds"),
                "error": error,
                **_name_bytes(item, self.folder if record else None),
            }


def _name_bytes(item: Item, folder: str | None) -> dict[str, str]:
    """Names that are not UTF-8, as the hexadecimal digits of their bytes: with these the files can be opened."""
    names = {"source": item.source.path}
    if folder is not None:
        names |= {"result": os.path.join(folder, item.result)}
        names |= {"figure": os.path.join(folder, item.figure)} if item.figure else {}
    return {
        f"{key}_bytes": os.fsencode(name).hex() for key, name in names.items() if not name.isascii() and _is_bytes(name)
    }


def _is_bytes(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def _failed(task: Task, error: str) -> dict[str, Any]:
    """The journal line of a task whose worker died."""
    source = absolute(task.source)
    return {"result": task.result, "source": source, "number": task.number, "status": FAILED, "error": error}
