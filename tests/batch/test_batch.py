"""Batches on backends that lose what was done."""

import json
import os
import pickle
from contextlib import closing

import pytest
from batches import done, fill, lines, parts, tree

from poolcli.batch import worker
from poolcli.batch.batch import Batch
from poolcli.batch.journal import Journal, read
from poolcli.batch.names import assign
from poolcli.batch.plan import find
from poolcli.batch.scheduler import CHUNK_SECONDS, CHUNK_TASKS, Scheduler, SerialBackend, WorkerLostError, run_chunk
from poolcli.batch.templates import DEFAULT, Template
from poolcli.batch.worker import WorkOptions
from poolcli.pipeline.options import recipe


class Forgetful:
    """Runs its task, then dies before it reports: as a worker that is killed a moment too late."""

    jobs, send_ahead = 2, True
    chunk_seconds, chunk_tasks = CHUNK_SECONDS, CHUNK_TASKS

    def __init__(self, times, before=False):
        self.left, self.before = times, before

    def start(self, call):
        return ForgetfulWorker(self, call)

    def wait(self, workers, seconds):
        return workers


class ForgetfulWorker:
    def __init__(self, backend, call):
        self.backend, self.call, self.chunks = backend, call, []

    def send(self, tasks):
        self.chunks.append(tasks)

    def receive(self):
        self.backend.left -= 1
        forgets = self.backend.left >= 0
        if forgets and self.backend.before:
            raise WorkerLostError
        outcomes = run_chunk(self.call, self.chunks.pop(0))
        if forgets:
            raise WorkerLostError
        return outcomes

    def kill(self):
        pass

    def cause_of_death(self):
        return ""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Make the six pictures of `in` in `out`; returns the failures."""
    monkeypatch.chdir(tmp_path)
    fill("in", 6)

    def call(engine, out="out", on_result=lambda task, error, notes: None):
        settings = WorkOptions(recipe())
        items = assign(find(["in"], out, recursive=True).sources, out, Template(DEFAULT), figures=True)
        with Journal(out) as journal:
            batch = Batch(items, out, settings, journal, force=False)
            batch.run(engine, timeout=None, fail_fast=False, on_result=on_result)
            return batch.errors

    return call


@pytest.mark.parametrize("times", range(1, 3))
def test_what_was_done_but_never_told_is_done_again_and_not_refused(run, times):
    assert run(Forgetful(times)) == {}
    assert run(SerialBackend(), "undisturbed") == {}
    assert tree("out") == tree("undisturbed")
    assert sorted(done("out")) == sorted(done("undisturbed"))


@pytest.mark.parametrize("before", [False, True])
def test_a_picture_that_was_lost_may_be_made_by_the_next_run(run, before):
    """Its worker died, perhaps after the files were written."""
    errors = run(Forgetful(3, before))
    assert len(errors) == 1
    assert "its worker process died" in str(errors)
    assert run(SerialBackend()) == {}
    assert len(tree("out")) == 12
    assert len(lines("out")) == 7
    assert parts("out") == []


def test_tasks_that_are_begun_again_are_told_so():
    seen = []
    engine = Forgetful(2)
    with closing(Scheduler(engine, seen.append, as_retry=lambda task: task + 100)) as scheduler:
        outcomes = [task for task, _ in scheduler.run(range(6))]
    again = [task for task in outcomes if task >= 100]
    assert again
    assert set(seen) >= {task - 100 for task in again}
    assert sorted(task % 100 for task in outcomes) == list(range(6))


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path, run):
    """The name was free when the plan was made; a file that has it since then stays."""

    def take(task, error, notes):
        with open("out/p0005.pooled.png", "wb") as file:
            file.write(b"mine")

    errors = run(SerialBackend(), on_result=take)
    assert list(errors) == ["p0005.pooled.png"]
    assert "exists already" in errors["p0005.pooled.png"]
    assert (tmp_path / "out/p0005.pooled.png").read_bytes() == b"mine"


def test_reading_a_journal_beside_its_owner(run):
    assert run(SerialBackend()) == {}
    with Journal("out") as journal:
        assert read("out").entries == journal.known.entries


def test_a_picture_has_its_own_seconds(tmp_path, monkeypatch):
    """Not those of the pictures that are processed together with it."""
    clock = [0.0]
    monkeypatch.setattr(worker.time, "perf_counter", lambda: clock[0])
    monkeypatch.chdir(tmp_path)
    fill("in", 1)
    steps, outcome = worker.process(WorkOptions(recipe()), worker.Task("in/p0000.pgm", "a.png", ".", None, False)), None
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
    """Sixteen decoded pictures at the same time would need sixteen times the memory."""
    monkeypatch.chdir(tmp_path)
    fill("in", 1)
    fill("large", 1, 1024, 1025)
    steps = {
        name: worker.process(WorkOptions(recipe()), worker.Task(f"{name}/p0000.pgm", f"{name}.png", ".", None, False))
        for name in ("in", "large")
    }
    assert {name: len(list(each)) for name, each in steps.items()} == {"in": 3, "large": 0}
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["in.png", "large.png"]


def test_settings_are_the_same_in_a_worker():
    settings = WorkOptions(recipe(kernel="edge", repeat=2), (0.0, 0.5), 16, 99)
    arrived = pickle.loads(pickle.dumps(settings))
    assert vars(arrived) == vars(settings)


def test_a_foreign_file_in_the_place_of_a_folder_costs_what_would_lie_in_it(tmp_path, run):
    fill("in/sub", 2)
    os.mkdir("out")
    (tmp_path / "out/sub").write_bytes(b"mine")
    errors = run(SerialBackend())
    assert sorted(errors) == ["sub/p0000.pooled.png", "sub/p0001.pooled.png"]
    assert len(tree("out")) == 13
    assert (tmp_path / "out/sub").read_bytes() == b"mine"


class Dying(Forgetful):
    """Its workers leave what they were writing half-written."""

    def wait(self, workers, seconds):
        if self.left > 0:
            for task in (task for worker in workers for chunk in worker.chunks for task in chunk):
                name = f".{os.path.basename(task.result)}.0123456789abcdef.poolcli.part"
                with open(os.path.join(task.folder, name), "wb") as file:
                    file.write(b"half")
        return workers


def test_nothing_half_written_is_left_by_workers_that_died(run):
    assert len(run(Dying(3, before=True))) == 1
    assert parts("out") == []


def test_a_link_in_the_place_of_a_result_leads_nothing_out(tmp_path, run):
    assert run(SerialBackend()) == {}
    os.mkdir("elsewhere")
    os.unlink("out/p0001.pooled.png")
    os.symlink("../elsewhere/x.png", "out/p0001.pooled.png")
    errors = run(SerialBackend())
    assert os.listdir("elsewhere") == []
    assert list(errors) == ["p0001.pooled.png"] or not os.path.islink("out/p0001.pooled.png")
