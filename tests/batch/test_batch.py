"""One batch, on engines that lose what was done."""

import json
import os
import pickle
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import closing

import pytest
from batches import done, fill, lines, parts, tree

from poolcli.batch import work
from poolcli.batch.batch import Batch
from poolcli.batch.crew import Crew, Here
from poolcli.batch.journal import Journal, read
from poolcli.batch.names import DEFAULT, Template
from poolcli.batch.plan import assign, find
from poolcli.batch.work import Settings
from poolcli.pipeline.options import recipe


class Forgetful(Executor):
    """Does what it is told, and breaks before it can tell: as a worker that is killed a moment too late."""

    jobs, far = 2, True

    def __init__(self, times, before=False):
        self.left, self.before = times, before

    def start(self):
        return self

    def kill(self):
        pass

    def death(self):
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

    def call(engine, out="out", told=lambda task, error, notes: None):
        settings = Settings(recipe())
        items = assign(find(["in"], out, recursive=True).sources, out, Template(DEFAULT), figures=True)
        with Journal(out) as journal:
            batch = Batch(items, out, settings, journal, force=False)
            batch.run(engine, timeout=None, fail_fast=False, told=told)
            return batch.errors

    return call


@pytest.mark.parametrize("times", range(1, 5))
def test_what_was_done_but_never_told_is_done_again_and_not_refused(run, times):
    assert run(Forgetful(times)) == {}
    assert run(Here(), "undisturbed") == {}
    assert tree("out") == tree("undisturbed")
    assert sorted(done("out")) == sorted(done("undisturbed"))


@pytest.mark.parametrize("before", [False, True])
def test_a_picture_that_was_lost_may_be_made_by_the_next_run(run, before):
    """Blamed for a death, perhaps after its files were there."""
    errors = run(Forgetful(5, before))
    assert len(errors) == 1
    assert "its worker process died" in str(errors)
    assert run(Here()) == {}
    assert len(tree("out")) == 12
    assert len(lines("out")) == 7
    assert parts("out") == []


def test_tasks_that_are_begun_again_are_told_so():
    seen = []
    engine = Forgetful(4)
    with closing(Crew(engine, seen.append, again=lambda task: task + 100)) as crew:
        outcomes = [task for task, _ in crew.run(range(6))]
    assert seen[:4] == [0, 1, 2, 3]
    assert sorted(outcomes) == sorted([*range(100, 104), 4, 5])


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path, run):
    """The plan saw a free name; whoever took it since keeps it."""

    def take(task, error, notes):
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


def test_a_picture_has_its_own_seconds(tmp_path, monkeypatch):
    """Not those of the pictures that take their steps beside it."""
    clock = [0.0]
    monkeypatch.setattr(work.time, "perf_counter", lambda: clock[0])
    monkeypatch.chdir(tmp_path)
    fill("in", 1)
    steps, outcome = work.do(Settings(recipe()), work.Task("in/p0000.pgm", "a.png", ".", None, False)), None
    while outcome is None:
        clock[0] += 1000
        try:
            next(steps)
        except StopIteration as end:
            outcome = end.value
    assert json.loads(outcome.line)["seconds"] == 0
    assert outcome.error == ""
    assert (tmp_path / "a.png").exists()


def test_a_large_picture_waits_for_no_other(tmp_path, monkeypatch):
    """Sixteen of them, decoded and side by side, would need sixteen times the memory."""
    monkeypatch.chdir(tmp_path)
    fill("in", 1)
    fill("large", 1, 1024, 1025)
    steps = {
        name: work.do(Settings(recipe()), work.Task(f"{name}/p0000.pgm", f"{name}.png", ".", None, False))
        for name in ("in", "large")
    }
    assert {name: len(list(each)) for name, each in steps.items()} == {"in": 3, "large": 0}
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["in.png", "large.png"]


def test_settings_arrive_once():
    """They are sent with every parcel; what is worked out from them, and from pictures of a size, is kept with them."""
    settings = Settings(recipe(kernel="edge", repeat=2), (0.0, 0.5), 16, 99)
    arrived = [pickle.loads(pickle.dumps(settings)) for _ in range(2)]
    assert arrived[0] is arrived[1]
    assert vars(arrived[0]) == vars(settings)
    assert pickle.loads(pickle.dumps(Settings(recipe()))).recipe == recipe(), "others are others"


def test_a_foreign_file_in_the_place_of_a_folder_costs_what_would_lie_in_it(tmp_path, run):
    fill("in/sub", 2)
    os.mkdir("out")
    (tmp_path / "out/sub").write_bytes(b"mine")
    errors = run(Here())
    assert sorted(errors) == ["sub/p0000.pooled.png", "sub/p0001.pooled.png"]
    assert len(tree("out")) == 13
    assert (tmp_path / "out/sub").read_bytes() == b"mine"


class Dying(Forgetful):
    """Its workers leave what they were writing half-written."""

    def submit(self, fn, /, *args, **kwargs):
        (task, *_) = args[1]
        if self.left > 0:
            name = f".{os.path.basename(task.result)}.0123456789abcdef.poolcli.part"
            with open(os.path.join(task.folder, name), "wb") as file:
                file.write(b"half")
        return super().submit(fn, *args, **kwargs)


def test_nothing_half_written_is_left_by_workers_that_died(run):
    assert len(run(Dying(5, before=True))) == 1
    assert parts("out") == []


def test_a_link_in_the_place_of_a_result_leads_nothing_out(tmp_path, run):
    assert run(Here()) == {}
    os.mkdir("elsewhere")
    os.unlink("out/p0001.pooled.png")
    os.symlink("../elsewhere/x.png", "out/p0001.pooled.png")
    errors = run(Here())
    assert os.listdir("elsewhere") == []
    assert list(errors) == ["p0001.pooled.png"] or not os.path.islink("out/p0001.pooled.png")
