"""One batch: what is to be done of its items, doing it, and telling of every one of them."""

from __future__ import annotations

import os
from contextlib import closing
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from poolcli.batch.crew import Crew, Lost
from poolcli.batch.decide import check_recipe, decide, header, is_header_of
from poolcli.batch.journal import sweep
from poolcli.batch.known import line_of
from poolcli.batch.work import Outcome, Task, do
from poolcli.errors import OutputError
from poolcli.images.atomic import NO_ROOM
from poolcli.images.opening import display_name
from poolcli.pipeline.record import plain_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from poolcli.batch.crew import Engine
    from poolcli.batch.journal import Journal
    from poolcli.batch.plan import Item
    from poolcli.batch.work import Settings

    Told = Callable[[Task, str, Sequence[str]], None]

DONE, SKIPPED, FAILED, LEFT = "done", "skipped", "failed", "left"
"""What becomes of an item: made now, made before, not to be made, not reached."""


AHEAD = 256
"""Tasks whose names are noted, and the note brought to the disk, before the first of them is begun."""


class Batch:
    """The items of a batch, and what is known of them.

    Parameters
    ----------
    items : sequence of Item
    folder : path
        DIR.
    settings : Settings
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
        self, items: Sequence[Item], folder: str, settings: Settings, journal: Journal, *, force: bool
    ) -> None:
        check_recipe(journal.known, settings, force=force)
        self.items, self.folder, self.journal = items, folder, journal
        self._settings = settings
        self.states: dict[str, str] = {}
        self.errors: dict[str, str] = {}
        self.stopped = ""
        self.noted = 0
        self._finished = 0
        self._folders: set[str] = set()
        self.todo: list[Task] = []
        for item in items:
            task, refusal = decide(item, journal.known, folder, settings, force=force)
            self.states[item.result] = LEFT if task else FAILED if refusal else SKIPPED
            if task:
                self.todo.append(task)
            elif refusal:
                self.errors[item.result] = refusal
        if self.todo and not is_header_of(journal.known, settings):
            journal.add(line_of(header(settings)))

    def run(self, engine: Engine, *, timeout: float | None, fail_fast: bool, told: Told) -> None:
        """Do what is to be done.

        Parameters
        ----------
        engine : Engine
        timeout : float or None
            Seconds that one picture may take.
        fail_fast : bool
            Begin nothing new once a picture has failed.
        told : callable
            Called with every task that has come to an end, its error if it failed, and the notes on its picture.

        Raises
        ------
        PoolcliError
            The workers keep dying.
        """
        if fail_fast and self.errors:
            self.stopped = "at the first failure"
        with closing(Crew(engine, partial(do, self._settings), timeout, _again, ahead=not fail_fast)) as crew:
            try:
                for task, outcome in crew.run(self._tasks(told)):
                    self._note(task, outcome, told)
                    if fail_fast and self.errors and not self.stopped:
                        self.stopped = "at the first failure"
            except BaseException:
                for task, outcome in crew.end():
                    self._note(task, outcome, told)
                raise
            finally:
                sweep(self._folders)  # workers that were killed have left what they were writing
        self.journal.settle()

    def _tasks(self, told: Told) -> Iterator[Task]:
        todo = iter(self.todo)
        while tasks := list(islice(todo, AHEAD)):
            if self.stopped:
                return
            try:
                self.journal.begin(name for task in tasks for name in (task.result, task.figure) if name)
            except OutputError as error:
                self.stopped = str(error)
                return
            for task in tasks:
                if self.stopped:
                    return
                try:
                    self._make_folder(task)
                except OutputError as error:
                    line = line_of(_failed(task, str(error)))
                    self._note(task, Outcome(line, str(error), stop=error.errno in NO_ROOM), told)
                else:
                    yield task

    def _make_folder(self, task: Task) -> None:
        folder = os.path.dirname(os.path.join(task.folder, task.result))
        if folder not in self._folders:
            try:
                os.makedirs(folder, exist_ok=True)
            except OSError as error:
                raise OutputError(f"{display_name(folder)}: {error.strerror}", error.errno) from None
            self._folders.add(folder)

    def _note(self, task: Task, outcome: Outcome | Lost, told: Told) -> None:
        """Put down what became of a task; one that met a full disk is left for the next run."""
        if isinstance(outcome, Lost):
            outcome = Outcome(line_of(_failed(task, outcome.error)), outcome.error)
        if outcome.stop:
            self.stopped = self.stopped or outcome.error
            return
        try:
            made = [] if outcome.error else [name for name in (task.result, task.figure) if name]
            self.journal.add(outcome.line, task.result, made)
        except OutputError as error:
            self.stopped = self.stopped or str(error)
            return
        self.states[task.result] = FAILED if outcome.error else DONE
        if outcome.error:
            self.errors[task.result] = outcome.error
        self._finished += 1
        self.noted += bool(outcome.notes)
        told(task, outcome.error, outcome.notes)

    @property
    def count_finished(self) -> int:
        """How many tasks have come to an end in this run."""
        return self._finished

    def count(self, state: str) -> int:
        """How many items are in a state."""
        return sum(found == state for found in self.states.values())

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield what is known of every item, in the order of the plan, as JSON can hold it."""
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
            }


def _failed(task: Task, error: str) -> dict[str, str]:
    """What is noted of a task that no worker could tell of."""
    return {"result": task.result, "source": os.path.abspath(task.source), "status": FAILED, "error": error}


def _again(task: Task) -> Task:
    """A task whose worker died: it may have written its files before."""
    return task._replace(replace=True)
