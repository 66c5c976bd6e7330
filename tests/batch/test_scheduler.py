"""The scheduler: every task has exactly one outcome, and a worker that dies costs no other task."""

import multiprocessing
import multiprocessing.forkserver
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
import worker_tasks
from batches import alive, children, reap, until

from poolcli.batch import scheduler as module
from poolcli.batch.processes import ProcessBackend
from poolcli.batch.scheduler import CHUNK_TASKS, MOST_DEATHS, Scheduler, SerialBackend, WorkerDied
from poolcli.errors import PoolcliError

ROOT = Path(__file__).parents[2]


def workers(jobs, max_memory=None):
    return ProcessBackend(jobs, max_memory, preload=("poolcli.batch.worker", "worker_tasks"))


def work(engine, tasks, timeout=None, call=worker_tasks.do):
    """Outcomes of all tasks by their numbers; every task exactly once."""
    outcomes = {}
    with closing(Scheduler(engine, call, timeout)) as scheduler:
        for (number, _), outcome in scheduler.run(tasks):
            assert number not in outcomes
            outcomes[number] = outcome
    assert sorted(outcomes) == sorted(number for number, _ in tasks)
    return outcomes


def lost(outcomes):
    return {number: outcome.error for number, outcome in outcomes.items() if isinstance(outcome, WorkerDied)}


def fine(outcomes):
    return {
        number for number, outcome in outcomes.items() if not isinstance(outcome, WorkerDied) and outcome[0] == number
    }


@pytest.mark.parametrize("engine", [SerialBackend(), workers(1), workers(3)], ids=["here", "1", "3"])
def test_every_task_is_done_once_by_any_engine(engine):
    outcomes = work(engine, [(number, "") for number in range(40)])
    assert fine(outcomes) == set(range(40))
    assert len({pid for _, pid in outcomes.values()}) <= engine.jobs
    assert (os.getpid() in {pid for _, pid in outcomes.values()}) == (not isinstance(engine, ProcessBackend))


class InProcess(SerialBackend):
    """A backend that takes chunks as processes do, and runs them here when it is waited for."""

    send_ahead = True

    def __init__(self, jobs=1):
        self.jobs, self.sent, self.dying = jobs, [], []

    def start(self, call):
        return InProcessWorker(self, call)

    def wait(self, workers, seconds):
        return workers


class InProcessWorker:
    def __init__(self, backend, call):
        self.backend, self.call, self.chunks = backend, call, []

    def send(self, tasks):
        self.chunks.append(tasks)

    def receive(self):
        tasks = self.chunks.pop(0)
        self.backend.sent.append(tasks)
        if self.backend.dying and self.backend.dying[0] in tasks:
            self.backend.dying.pop(0)
            raise module.WorkerLostError
        return module.run_chunk(self.call, tasks)

    def kill(self):
        pass

    def cause_of_death(self):
        return ""


def test_the_tasks_of_a_chunk_take_each_step_together():
    """Tasks done in steps: of a chunk the first step of all comes first, and each ends when it has no more."""
    seen = []

    def stepwise(task):
        for step in range(task % 3):
            seen.append((task, step))
            yield
        return -task

    with closing(Scheduler(InProcess(), stepwise)) as scheduler:
        assert dict(scheduler.run(range(40))) == {task: -task for task in range(40)}
    assert sorted(seen) == sorted((task, step) for task in range(40) for step in range(task % 3))
    turns = [now != before for (_, before), (_, now) in pairwise(seen)]
    assert sum(turns) < 20, "of 26 tasks with a step, 13 with two: one by one there would be 26 turns"


def test_a_chunk_comes_back_when_its_tasks_take_longer_than_those_before(monkeypatch):
    """Small pictures first, then large ones: no worker keeps all large ones, and each is processed once."""
    clock, begun = [0.0], []
    monkeypatch.setattr(module.time, "perf_counter", lambda: clock[0])

    def timed(task):
        begun.append(task)
        clock[0] += 0.06 if task >= 100 else 0.0001
        return -task

    backend = InProcess()
    with closing(Scheduler(backend, timed)) as scheduler:
        assert dict(scheduler.run(range(140))) == {task: -task for task in range(140)}
    assert sorted(begun) == list(range(140)), "each once"
    assert max(map(len, backend.sent)) == CHUNK_TASKS
    assert sum(map(len, backend.sent)) > 140, "some came back without having begun"
    assert [len(chunk) for chunk in backend.sent[-10:]] == [1] * 10


def test_nothing_runs_beside_a_suspect():
    backend = InProcess(jobs=2)
    backend.dying = [3]
    with closing(Scheduler(backend, str)) as scheduler:
        assert sorted(task for task, _ in scheduler.run(range(40))) == list(range(40))
    first = next(number for number, chunk in enumerate(backend.sent) if 3 in chunk)
    again = next(number for number, chunk in enumerate(backend.sent) if 3 in chunk and number > first)
    assert backend.sent[again] == [3]
    assert not backend.dying


@pytest.mark.parametrize("engine", [SerialBackend(), workers(1)], ids=["here", "processes"])
def test_a_step_that_fails_ends_the_run_as_any_call_does(engine):
    with (
        closing(Scheduler(engine, worker_tasks.fail_later)) as scheduler,
        pytest.raises(LookupError, match="second step"),
    ):
        list(scheduler.run([1]))


@pytest.mark.parametrize("engine", [SerialBackend(), workers(2)], ids=["here", "processes"])
def test_no_tasks_are_no_work(engine):
    assert work(engine, []) == {}


@pytest.mark.parametrize("engine", [SerialBackend(), workers(2)], ids=["here", "processes"])
def test_a_bounded_number_is_in_flight(engine):
    """Tasks are taken only when they can be sent: a million names do not become a million futures."""
    given, most = 0, 0

    def tasks():
        nonlocal given
        for number in range(500):
            given += 1
            yield number, ""

    with closing(Scheduler(engine, worker_tasks.do)) as scheduler:
        for ended, _ in enumerate(scheduler.run(tasks())):
            most = max(most, given - ended)
    assert engine.jobs <= most <= (2 * engine.jobs * CHUNK_TASKS if engine.send_ahead else engine.jobs)


def test_slow_tasks_are_sent_one_by_one():
    """A killed run loses a few hundredths of a second of each worker."""
    engine, given, most = workers(2), 0, 0

    def tasks():
        nonlocal given
        for number in range(20):
            given += 1
            yield number, "sleep 0.05"

    with closing(Scheduler(engine, worker_tasks.do)) as scheduler:
        for ended, _ in enumerate(scheduler.run(tasks())):
            most = max(most, given - ended)
    assert engine.jobs <= most <= 2 * engine.jobs


def test_with_a_time_limit_none_waits():
    engine = workers(2)
    scheduler = Scheduler(engine, worker_tasks.do, timeout=60)
    taken = []

    def tasks():
        for number in range(9):
            taken.append(number)
            yield number, "sleep 0.02"

    with closing(scheduler):
        for ended, _ in enumerate(scheduler.run(tasks())):
            assert len(taken) - ended <= 2


@pytest.mark.parametrize("action", [*worker_tasks.DEATHS, "thread"])
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_worker_that_dies_costs_its_task_and_no_other(action, jobs):
    tasks = [(number, action if number == 7 else "") for number in range(20)]
    outcomes = work(workers(jobs), tasks)
    assert list(lost(outcomes)) == [7]
    assert fine(outcomes) == set(range(20)) - {7}
    assert lost(outcomes)[7].startswith("its worker process ")
    reason = {"SIGKILL": "SIGKILL, perhaps out of memory", "SIGSEGV": "SIGSEGV", "exit": "exit code 3"}.get(action, "")
    assert reason in lost(outcomes)[7] or lost(outcomes)[7] == "its worker process died", "or nobody could know"


def test_several_deaths_cost_several_tasks():
    bad = {0: "SIGKILL", 1: "exit", 9: "SIGSEGV", 10: "SIGKILL", 11: "SIGKILL", 19: "exit"}
    outcomes = work(workers(2), [(number, bad.get(number, "")) for number in range(20)])
    assert set(lost(outcomes)) == set(bad)
    assert fine(outcomes) == set(range(20)) - set(bad)


def test_a_death_that_does_not_come_again_costs_nothing(tmp_path):
    """If a worker is killed while others work, each task that may be the cause is repeated alone."""
    tasks = [(number, f"once {tmp_path / 'died'}" if number == 5 else "") for number in range(20)]
    assert fine(work(workers(2), tasks)) == set(range(20))


@pytest.mark.parametrize("count", [1, 2, 20])
def test_the_last_task_has_a_second_chance_as_any_other(tmp_path, count):
    tasks = [(number, f"once {tmp_path / 'died'}" if number == count - 1 else "") for number in range(count)]
    assert fine(work(workers(2), tasks)) == set(range(count))


@pytest.mark.parametrize("seed", range(2))
def test_a_worker_that_is_killed_from_outside_costs_one_task_at_most(seed):
    import random

    chance = random.Random(seed)
    engine = workers(2)
    scheduler = Scheduler(engine, worker_tasks.do)
    outcomes, killed = {}, 0
    with closing(scheduler):
        for (number, _), outcome in scheduler.run((number, "sleep 0.01") for number in range(40)):
            outcomes[number] = outcome
            if chance.random() < 0.1:
                victims = [pid for pid in _workers() if alive(pid)]
                if victims:
                    os.kill(chance.choice(victims), signal.SIGKILL)
                    killed += 1
    assert sorted(outcomes) == list(range(40))
    assert len(lost(outcomes)) <= killed
    assert killed


def _workers():
    return [process.pid for process in multiprocessing.active_children()]


def test_workers_that_die_before_they_begin_end_the_run_in_words(monkeypatch):
    monkeypatch.setattr("poolcli.batch.processes.work", worker_tasks.die_at_once)
    outcomes = []
    with (
        closing(Scheduler(workers(2), worker_tasks.do)) as scheduler,
        pytest.raises(PoolcliError, match=r"worker processes died one"),
    ):
        outcomes.extend(scheduler.run((number, "") for number in range(1000)))
    assert len(outcomes) <= MOST_DEATHS


@pytest.mark.parametrize("which", range(len(worker_tasks.LACKS)))
def test_b4_a_lack_of_memory_in_a_worker_costs_one_task_and_is_named(which):
    outcomes = work(workers(2), [(number, f"lack {which}" if number == 5 else "") for number in range(10)])
    assert fine(outcomes) == set(range(10)) - {5}
    assert lost(outcomes)[5].startswith("not enough memory")


def test_tasks_that_a_worker_has_no_memory_to_read_are_named():
    outcomes = work(workers(1), [(0, ""), (1, worker_tasks.LacksMemory()), (2, "")])
    assert fine(outcomes) == {0, 2}
    assert lost(outcomes)[1].startswith("not enough memory")


def test_workers_that_have_no_memory_to_begin_end_the_run_in_words():
    with (
        closing(Scheduler(workers(1), worker_tasks.LacksMemory())) as scheduler,
        pytest.raises(PoolcliError, match=r"worker processes died one after the other \(not enough memory.*--jobs 0"),
    ):
        list(scheduler.run((number, "") for number in range(100)))


def test_the_exit_code_of_a_worker_that_a_library_ended_is_told_with_its_likely_cause():
    error = lost(work(workers(1), [(0, "exit 1")]))[0]
    assert error.startswith("its worker process ended with exit code 1, perhaps out of memory")


def test_worker_processes_that_cannot_be_made_end_the_run_in_words(monkeypatch):
    def refuse(*_):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("multiprocessing.forkserver.connect_to_new_process", refuse)
    words = r"no worker process can be started: Too many open files.*; use fewer --jobs, or --jobs 0"
    with closing(Scheduler(workers(2), worker_tasks.do)) as scheduler, pytest.raises(PoolcliError, match=words):
        list(scheduler.run([(0, "")]))


@pytest.mark.parametrize("error", [EOFError, ConnectionRefusedError, BrokenPipeError])
def test_a_server_of_processes_that_dies_is_started_again(monkeypatch, error):
    """Its end looks like the end of a file, which Click would take for a Ctrl-D of the user."""
    connect = multiprocessing.forkserver.connect_to_new_process
    dying = iter([1, 2, 3])

    def die(fds):
        if next(dying, None) == 2:
            raise error
        return connect(fds)

    monkeypatch.setattr("multiprocessing.forkserver.connect_to_new_process", die)
    assert fine(work(workers(2), [(number, "") for number in range(9)])) == set(range(9))
    until(lambda: not _workers(), 5)


def test_a_server_of_processes_that_always_dies_ends_the_run_in_words(monkeypatch):
    def die(_):
        raise EOFError

    monkeypatch.setattr("multiprocessing.forkserver.connect_to_new_process", die)
    with (
        closing(Scheduler(workers(2), worker_tasks.do)) as scheduler,
        pytest.raises(PoolcliError, match="no worker process can be started: the process that forks them died"),
    ):
        list(scheduler.run([(0, "")]))


def test_pictures_that_all_kill_end_the_run_in_words():
    results = []
    with closing(Scheduler(workers(2), worker_tasks.do)) as scheduler:
        with pytest.raises(PoolcliError, match="give them more memory, use fewer --jobs, or see why with --jobs 0"):
            results.extend(scheduler.run((number, "SIGKILL") for number in range(1000)))
        assert len(results) <= MOST_DEATHS


def test_what_is_done_between_deaths_keeps_the_run_going():
    tasks = [(number, "" if number % 3 else "exit") for number in range(3 * MOST_DEATHS + 6)]
    outcomes = work(workers(1), tasks)
    assert set(lost(outcomes)) == {number for number, action in tasks if action}


def test_a_task_that_raises_raises(capfd):
    """An exception that a task should not raise is not swallowed."""
    for engine in (SerialBackend(), workers(1)):
        with closing(Scheduler(engine, worker_tasks.do)) as scheduler, pytest.raises(KeyError, match="nothing"):
            list(scheduler.run([(0, "raise")]))


@pytest.mark.parametrize("engine", [SerialBackend(), workers(2)], ids=["here", "processes"])
def test_what_workers_say_is_not_heard(engine, capfd):
    work(engine, [(number, "noise" if number % 2 else "") for number in range(4)])
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("action", ["SIGSEGV", "exit", "thread"])
def test_what_dying_workers_say_is_not_heard(action, capfd):
    work(workers(1), [(0, action)])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("jobs", "late"), [(1, [3]), (2, [3, 4])])
def test_a_task_that_takes_too_long_is_ended_and_no_other(jobs, late, monkeypatch):
    monkeypatch.setattr("poolcli.batch.scheduler.STARTING_SECONDS", 0.6)
    tasks = [(number, "sleep 60" if number in late else "sleep 0.01") for number in range(14)]
    outcomes = work(workers(jobs), tasks, timeout=0.8)
    assert lost(outcomes) == dict.fromkeys(late, "took longer than --timeout 0.8 s")
    assert fine(outcomes) == set(range(14)) - set(late)
    assert not list(_workers())


def test_the_time_of_a_task_is_its_own():
    """Tasks of a small part of the limit each are all in time, however many wait."""
    tasks = [(number, "sleep 0.08") for number in range(30)]
    assert fine(work(workers(2), tasks, timeout=1)) == set(range(30))


def test_memory_is_limited_for_each_worker():
    engine = workers(1, max_memory=200 << 20)
    outcomes = work(engine, [(0, f"memory {256 << 20}")])
    assert lost(outcomes)[0].startswith("not enough memory")
    assert fine(work(engine, [(0, ""), (1, "")])) == {0, 1}
    assert work(workers(1, max_memory=2 << 30), [(0, f"memory {256 << 20}")]) == {0: (0, 256 << 20)}


def test_an_interrupted_run_takes_what_ends_in_time_and_kills_the_rest():
    scheduler = Scheduler(workers(2), worker_tasks.do)
    running = scheduler.run([(0, ""), (1, "sleep 0.1"), (2, "sleep 60"), (3, "sleep 60")])
    assert next(running)[0][0] == 0
    begun = time.monotonic()
    found = _workers()
    assert [task[0] for task, _ in scheduler.end(2.0)] == [1]
    assert time.monotonic() - begun < 30
    until(lambda: not any(map(alive, found)), 2)
    scheduler.close()


class Paced(InProcess):
    """Waits for workers in vain as often as told, each time for as long as told by a clock that only this moves."""

    def __init__(self, monkeypatch, waits):
        super().__init__()
        self.now, self.waits, self.killed = 0.0, waits, 0
        monkeypatch.setattr(module.time, "monotonic", lambda: self.now)

    def start(self, call):
        worker = super().start(call)
        worker.kill = self.count_kill
        return worker

    def count_kill(self):
        self.killed += 1

    def wait(self, workers, seconds):
        if not self.waits:
            return workers
        step = self.waits.pop()
        if isinstance(step, BaseException):
            raise step
        self.now += seconds if step is None else step
        return []


@pytest.mark.parametrize(("waits", "is_late"), [([4.0], False), ([4.0] * 3, False), ([None] * 30, True)])
def test_time_in_which_the_program_is_suspended_does_not_count(monkeypatch, waits, is_late):
    backend = Paced(monkeypatch, waits)
    with closing(Scheduler(backend, lambda task: "done", timeout=3.0)) as scheduler:
        ((_, outcome),) = scheduler.run([1])
    assert isinstance(outcome, WorkerDied) == is_late


def test_a_second_ctrl_c_waits_for_nothing(monkeypatch):
    backend = Paced(monkeypatch, [KeyboardInterrupt()])
    scheduler = Scheduler(backend, lambda task: "done")
    with pytest.raises(KeyboardInterrupt):
        next(scheduler.run([1]))
    backend.waits = [KeyboardInterrupt(), None]
    with pytest.raises(KeyboardInterrupt):
        scheduler.end()
    assert (backend.killed, backend.now) == (1, 0.25), "killed after a single look of a quarter of a second"


def test_workers_are_gone_when_the_scheduler_is_closed():
    scheduler = Scheduler(workers(2), worker_tasks.do)
    running = scheduler.run((number, "") for number in range(9))
    next(running)
    found = _workers()
    assert found
    scheduler.close()
    until(lambda: not any(map(alive, found)), 5)


PROGRAM = """
import multiprocessing, sys
sys.path[:0] = [{tests!r}]
import worker_tasks
from contextlib import closing
from poolcli.batch.scheduler import Scheduler
from poolcli.batch.processes import ProcessBackend
if __name__ == "__main__":
    if {spawn}:
        multiprocessing.get_all_start_methods = lambda: ["spawn"]
    engine = ProcessBackend(2)
    with closing(Scheduler(engine, worker_tasks.do)) as scheduler:
        for task, outcome in scheduler.run([(number, {action!r} if number == 3 else "sleep 0.01") for number in range({count})]):
            print(task[0], type(outcome).__name__, engine._context.get_start_method(), flush=True)
"""


@pytest.fixture
def program(tmp_path):
    """Start a scheduler in a process of its own."""
    started = []

    def begin(**settings):
        path = tmp_path / "scheduler.py"
        path.write_text(PROGRAM.format(tests=str(ROOT / "tests"), **settings))
        process = subprocess.Popen(
            [sys.executable, str(path)], env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=True, text=True,
        )  # fmt: skip
        started.append(process)
        return process

    yield begin
    for process in started:
        reap(process)


@pytest.mark.parametrize("spawn", [False, True], ids=["forkserver", "spawn"])
def test_start_methods(program, spawn):
    process = program(spawn=spawn, action="SIGKILL", count=12)
    out, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (0, "")
    lines = sorted((line.split() for line in out.splitlines()), key=lambda line: int(line[0]))
    kinds = ["WorkerDied" if number == 3 else "tuple" for number in range(12)]
    assert lines == [[str(number), kind, "spawn" if spawn else "forkserver"] for number, kind in enumerate(kinds)]


@pytest.mark.parametrize("spawn", [False, True], ids=["forkserver", "spawn"])
def test_workers_of_a_killed_parent_disappear(program, spawn):
    process = program(spawn=spawn, action="sleep 60", count=1000)
    for _ in range(10):
        process.stdout.readline()
    below = list(children(process.pid))
    assert len(below) >= 3
    process.kill()
    process.communicate(timeout=20)
    until(lambda: not any(map(alive, below)), 5)


def test_ctrl_c_reaches_no_worker(program):
    """The terminal sends it to all processes; the workers ignore it, and the parent decides."""
    process = program(spawn=False, action="", count=1000)
    process.stdout.readline()
    found = list(children(process.pid))
    assert found
    for pid in found:
        os.kill(pid, signal.SIGINT)
    numbers = [int(process.stdout.readline().split()[0]) for _ in range(100)]
    assert len(set(numbers)) == 100
    assert all(map(alive, found))
    process.kill()
    process.communicate(timeout=20)


def test_in_this_process_the_order_is_that_of_the_tasks():
    with closing(Scheduler(SerialBackend(), worker_tasks.do)) as scheduler:
        assert [number for (number, _), _ in scheduler.run((n, "") for n in range(30))] == list(range(30))
