"""One batch, on engines that lose what was done."""

from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import closing

import pytest
from batches import fill

from poolcli.batch.batch import Batch
from poolcli.batch.crew import Crew, Here
from poolcli.batch.journal import Journal, read
from poolcli.batch.names import DEFAULT, Template
from poolcli.batch.plan import assign, find
from poolcli.batch.work import Settings
from poolcli.pipeline.options import recipe


class Forgetful(Executor):
    """Does what it is told, and breaks before it can tell: as a worker that is killed a moment too late."""

    jobs = 2

    def __init__(self, times, before=False):
        self.left, self.before = times, before

    def start(self):
        return self

    def kill(self):
        return ""

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        self.left -= 1
        if self.left >= 0 and self.before:
            future.set_exception(BrokenExecutor())
            return future
        outcome = fn(*args, **kwargs)
        if self.left >= 0:
            future.set_exception(BrokenExecutor())
        else:
            future.set_result(outcome)
        return future


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Make the six pictures of `in` in `out`; returns the failures."""
    monkeypatch.chdir(tmp_path)
    fill("in", 6)

    def call(engine, out="out", told=lambda task, error: None):
        settings = Settings(recipe())
        items = assign(find(["in"], out, recursive=True).sources, out, Template(DEFAULT), figures=True)
        with Journal(out) as journal:
            batch = Batch(items, out, settings, journal, force=False)
            batch.run(engine, timeout=None, fail_fast=False, told=told)
            return batch.errors

    return call


def test_tasks_that_are_begun_again_are_told_so():
    seen = []
    engine = Forgetful(4)
    with closing(Crew(engine, seen.append, again=lambda task: task + 100)) as crew:
        outcomes = [task for task, _ in crew.run(range(6))]
    assert seen[:4] == [0, 1, 2, 3]
    assert sorted(outcomes) == sorted([*range(100, 104), 4, 5])


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path, run):
    """The plan saw a free name; whoever took it since keeps it."""

    def take(task, error):
        with open("out/p0005.pooled.png", "wb") as file:
            file.write(b"mine")

    errors = run(Here(), told=take)
    assert list(errors) == ["p0005.pooled.png"]
    assert "exists already" in errors["p0005.pooled.png"]
    assert (tmp_path / "out/p0005.pooled.png").read_bytes() == b"mine"


def test_reading_a_journal_beside_its_owner(run):
    assert run(Here()) == {}
    with Journal("out") as journal:
        assert read("out").entries == journal.known.entries
