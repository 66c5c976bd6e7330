"""The crew: whatever becomes of those who work, every task has one outcome, and no other pays for it."""

import multiprocessing
import multiprocessing.forkserver
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import deeds
import pytest
from batches import alive, children, until

from poolcli.batch import crew as module
from poolcli.batch.crew import MOST_DEATHS, PARCEL_SECONDS, PARCEL_TASKS, Crew, Here, Lost
from poolcli.batch.processes import Processes
from poolcli.errors import PoolcliError

ROOT = Path(__file__).parents[2]


def workers(jobs, max_memory=None):
    return Processes(jobs, max_memory, preload=("poolcli.batch.work", "deeds"))


def work(engine, tasks, timeout=None, call=deeds.do):
    """Outcomes of all tasks by their numbers; every task exactly once."""
    outcomes = {}
    with closing(Crew(engine, call, timeout)) as crew:
        for (number, _), outcome in crew.run(tasks):
            assert number not in outcomes
            outcomes[number] = outcome
    assert sorted(outcomes) == sorted(number for number, _ in tasks)
    return outcomes


def lost(outcomes):
    return {number: outcome.error for number, outcome in outcomes.items() if isinstance(outcome, Lost)}


def fine(outcomes):
    return {number for number, outcome in outcomes.items() if not isinstance(outcome, Lost) and outcome[0] == number}


class Threads:
    """The smallest engine that is not of this project."""

    jobs, far = 3, True

    def start(self):
        return ThreadPoolExecutor(self.jobs)

    def kill(self):
        pass

    def death(self):
        return ""


@pytest.mark.parametrize("engine", [Here(), Threads(), workers(1), workers(3)], ids=["here", "threads", "1", "3"])
def test_every_task_is_done_once_by_any_engine(engine):
    outcomes = work(engine, [(number, "") for number in range(40)])
    assert fine(outcomes) == set(range(40))
    assert len({pid for _, pid in outcomes.values()}) <= engine.jobs
    assert (os.getpid() in {pid for _, pid in outcomes.values()}) == (not isinstance(engine, Processes))


def test_what_is_sent_together_takes_each_step_together():
    """Tasks done in steps: of a parcel the first step of all comes first, and each ends when it has no more."""
    seen = []

    def stepwise(task):
        for step in range(task % 3):
            seen.append((task, step))
            yield
        return -task

    class One(Threads):
        jobs = 1

    with closing(Crew(One(), stepwise)) as crew:
        assert dict(crew.run(range(40))) == {task: -task for task in range(40)}
    assert sorted(seen) == sorted((task, step) for task in range(40) for step in range(task % 3))
    turns = [now != before for (_, before), (_, now) in pairwise(seen)]
    assert sum(turns) < 20, "of 26 tasks with a step, 13 with two: one by one there would be 26 turns"


def test_what_was_sent_together_comes_back_when_it_takes_longer_than_what_was_before(monkeypatch):
    """Icons first, then photographs: those are not kept by one worker, and none is lost with what a worker has begun."""
    clock, begun = [0.0], []
    monkeypatch.setattr(module.time, "perf_counter", lambda: clock[0])

    def timed(task):
        begun.append(task)
        clock[0] += 0.06 if task >= 100 else 0.0001
        return -task

    class One(Threads):
        jobs, sent = 1, []

        def start(self):
            return self

        def submit(self, fn, call, tasks):
            future = Future()
            future.set_result(fn(call, tasks))
            self.sent.append((len(tasks), len(future.result()[0])))
            return future

        def shutdown(self, *, wait, cancel_futures):
            pass

    with closing(Crew(One(), timed)) as crew:
        assert dict(crew.run(range(140))) == {task: -task for task in range(140)}
    assert sorted(begun) == list(range(140)), "each once"
    assert max(One.sent) == (PARCEL_TASKS, PARCEL_TASKS)
    assert any(ended < sent == PARCEL_TASKS for sent, ended in One.sent)
    assert set(One.sent[-10:]) == {(1, 1)}


def test_what_was_not_begun_is_done_when_another_worker_dies_meanwhile():
    class Half(Threads):
        jobs, submitted = 2, 0

        def start(self):
            return self

        def submit(self, fn, call, tasks):
            self.submitted += 1
            future = Future()
            if self.submitted == 1:  # ends after the other has broken, with one of its tasks
                threading.Timer(0.05, future.set_result, [fn(call, tasks[:1])]).start()
            elif self.submitted == 2:
                future.set_exception(BrokenExecutor())
            else:
                future.set_result(fn(call, tasks))
            return future

        def shutdown(self, *, wait, cancel_futures):
            pass

    with closing(Crew(Half(), str)) as crew:
        crew._parcel = 3
        assert sorted(crew.run(range(12))) == [(task, str(task)) for task in range(12)]


@pytest.mark.parametrize("engine", [Here(), workers(1)], ids=["here", "processes"])
def test_a_step_that_fails_ends_the_run_as_any_call_does(engine):
    with closing(Crew(engine, deeds.fail_later)) as crew, pytest.raises(LookupError, match="second step"):
        list(crew.run([1]))


@pytest.mark.parametrize("engine", [Here(), Threads(), workers(2)], ids=["here", "threads", "processes"])
def test_no_tasks_are_no_work(engine):
    assert work(engine, []) == {}


@pytest.mark.parametrize("engine", [Here(), Threads(), workers(2)], ids=["here", "threads", "processes"])
def test_a_bounded_number_is_in_flight(engine):
    """Tasks are asked for when there is room for them: a million names are not turned into a million futures."""
    given, most = 0, 0

    def tasks():
        nonlocal given
        for number in range(500):
            given += 1
            yield number, ""

    with closing(Crew(engine, deeds.do)) as crew:
        for ended, _ in enumerate(crew.run(tasks())):
            most = max(most, given - ended)
    assert engine.jobs <= most <= (2 * engine.jobs * PARCEL_TASKS if engine.far else engine.jobs)


def test_slow_tasks_are_sent_one_by_one():
    """What a killed run loses are a few hundredths of a second of each worker."""
    engine, given, most = workers(2), 0, 0

    def tasks():
        nonlocal given
        for number in range(20):
            given += 1
            yield number, "sleep 0.05"

    with closing(Crew(engine, deeds.do)) as crew:
        for ended, _ in enumerate(crew.run(tasks())):
            most = max(most, given - ended)
    assert engine.jobs <= most <= 2 * engine.jobs


def test_with_a_time_limit_none_waits():
    engine = workers(2)
    crew = Crew(engine, deeds.do, timeout=60)
    taken = []

    def tasks():
        for number in range(9):
            taken.append(number)
            yield number, "sleep 0.02"

    with closing(crew):
        for ended, _ in enumerate(crew.run(tasks())):
            assert len(taken) - ended <= 2


@pytest.mark.parametrize("deed", [*deeds.DEATHS, "thread"])
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_worker_that_dies_costs_its_task_and_no_other(deed, jobs):
    tasks = [(number, deed if number == 7 else "") for number in range(20)]
    outcomes = work(workers(jobs), tasks)
    assert list(lost(outcomes)) == [7]
    assert fine(outcomes) == set(range(20)) - {7}
    assert lost(outcomes)[7].startswith("its worker process ")
    reason = {"SIGKILL": "SIGKILL, perhaps out of memory", "SIGSEGV": "SIGSEGV", "exit": "exit code 3"}.get(deed, "")
    assert reason in lost(outcomes)[7] or lost(outcomes)[7] == "its worker process died", "or nobody could know"


def test_several_deaths_cost_several_tasks():
    bad = {0: "SIGKILL", 1: "exit", 9: "SIGSEGV", 10: "SIGKILL", 11: "SIGKILL", 19: "exit"}
    outcomes = work(workers(2), [(number, bad.get(number, "")) for number in range(20)])
    assert set(lost(outcomes)) == set(bad)
    assert fine(outcomes) == set(range(20)) - set(bad)


def test_a_death_that_does_not_come_again_costs_nothing(tmp_path):
    """Of a worker that was killed beside others: the suspects are done once more, alone."""
    tasks = [(number, f"once {tmp_path / 'died'}" if number == 5 else "") for number in range(20)]
    assert fine(work(workers(2), tasks)) == set(range(20))


@pytest.mark.parametrize("count", [1, 2, 20])
def test_the_last_task_has_a_second_chance_as_any_other(tmp_path, count):
    tasks = [(number, f"once {tmp_path / 'died'}" if number == count - 1 else "") for number in range(count)]
    assert fine(work(workers(2), tasks)) == set(range(count))


class Recording(Threads):
    """Breaks when told so, and remembers what was in flight at a time."""

    jobs = 2

    def __init__(self, breaking):
        self.breaking, self.open, self.beside = breaking, [], []

    def start(self):
        return self

    def submit(self, fn, call, tasks):
        (task,) = tasks
        self.open = [(other, future) for other, future in self.open if not future.done()]
        future = Future()
        self.beside.append((task, [other for other, _ in self.open]))
        self.open.append((task, future))
        if task in self.breaking:
            self.breaking.remove(task)
            for _, other in self.open:
                other.set_exception(BrokenExecutor())
        elif not self.breaking:
            threading.Timer(0.02, future.set_result, [([None], PARCEL_SECONDS)]).start()
        return future

    def shutdown(self, *, wait, cancel_futures):
        pass


def test_nothing_is_done_beside_a_suspect():
    engine = Recording([3])
    with closing(Crew(engine, str)) as crew:
        assert sorted(task for task, _ in crew.run(range(8))) == list(range(8))
    assert [beside for _, beside in engine.beside[:4]] == [[], [0], [0, 1], [0, 1, 2]]
    assert engine.beside[4:9] == [(task, []) for task in range(5)]


@pytest.mark.parametrize("seed", range(2))
def test_a_worker_that_is_killed_from_outside_costs_one_task_at_most(seed):
    import random

    chance = random.Random(seed)
    engine = workers(2)
    crew = Crew(engine, deeds.do)
    outcomes, killed = {}, 0
    with closing(crew):
        for (number, _), outcome in crew.run((number, "sleep 0.01") for number in range(40)):
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
    monkeypatch.setattr("poolcli.batch.processes._begin", _die_at_once)
    begun = time.monotonic()
    outcomes = []
    with closing(Crew(workers(2), deeds.do)) as crew, pytest.raises(PoolcliError, match=r"worker processes died one"):
        outcomes.extend(crew.run((number, "") for number in range(1000)))
    assert len(outcomes) <= MOST_DEATHS
    assert time.monotonic() - begun < 20


def _die_at_once(max_memory):
    raise SystemExit


def test_worker_processes_that_cannot_be_made_end_the_run_in_words(monkeypatch):
    def refuse(*_):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("multiprocessing.forkserver.connect_to_new_process", refuse)
    words = r"worker processes: Too many open files; fewer --jobs"
    with closing(Crew(workers(2), deeds.do)) as crew, pytest.raises(PoolcliError, match=words):
        list(crew.run([(0, "")]))


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
    with closing(Crew(workers(2), deeds.do)) as crew, pytest.raises(PoolcliError, match="worker processes died one"):
        list(crew.run([(0, "")]))


def test_pictures_that_all_kill_end_the_run_in_words():
    told = []
    with closing(Crew(workers(2), deeds.do)) as crew:
        with pytest.raises(PoolcliError, match="more memory, or --jobs 0 to see why, is expected"):
            told.extend(crew.run((number, "SIGKILL") for number in range(1000)))
        assert len(told) <= MOST_DEATHS


def test_deaths_while_workers_begin_are_still_deaths():
    """The pool closes its pipes when a worker dies; whoever begins at that moment must not be handed them."""
    engine = workers(4)
    executor = engine.start()
    executor.submit(deeds.do, (0, ""))
    assert len(_workers()) == 4, "all begin with the first task"
    engine.kill()
    executor.shutdown()
    for _ in range(3):
        tasks = [(number, "exit" if number % 5 == 1 else "") for number in range(9)]
        assert set(lost(work(workers(4), tasks))) == {1, 6}


def test_what_is_done_between_deaths_keeps_the_run_going():
    tasks = [(number, "" if number % 3 else "exit") for number in range(3 * MOST_DEATHS + 6)]
    outcomes = work(workers(1), tasks)
    assert set(lost(outcomes)) == {number for number, deed in tasks if deed}


def test_a_task_that_raises_raises(capfd):
    """Of tasks, only mistakes raise; they are not swallowed."""
    for engine in (Here(), Threads(), workers(1)):
        with closing(Crew(engine, deeds.do)) as crew, pytest.raises(KeyError, match="nothing"):
            list(crew.run([(0, "raise")]))


@pytest.mark.parametrize("engine", [Here(), workers(2)], ids=["here", "processes"])
def test_what_workers_say_is_not_heard(engine, capfd):
    work(engine, [(number, "noise" if number % 2 else "") for number in range(4)])
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("deed", ["SIGSEGV", "exit", "thread"])
def test_what_dying_workers_say_is_not_heard(deed, capfd):
    work(workers(1), [(0, deed)])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("jobs", "late"), [(1, [3]), (2, [3, 4])])
def test_a_task_that_takes_too_long_is_ended_and_no_other(jobs, late, monkeypatch):
    monkeypatch.setattr("poolcli.batch.crew.STARTING", 0.6)
    tasks = [(number, "sleep 60" if number in late else "sleep 0.01") for number in range(14)]
    begun = time.monotonic()
    outcomes = work(workers(jobs), tasks, timeout=0.4)
    assert time.monotonic() - begun < 20
    assert lost(outcomes) == dict.fromkeys(late, "took longer than --timeout 0.4 s")
    assert fine(outcomes) == set(range(14)) - set(late)
    assert not list(_workers())


def test_the_time_of_a_task_is_its_own():
    """A hundred tasks of a tenth of the limit each are all in time, however many wait."""
    tasks = [(number, "sleep 0.05") for number in range(40)]
    assert fine(work(workers(2), tasks, timeout=0.5)) == set(range(40))


def test_memory_is_limited_for_each_worker():
    engine = workers(1, max_memory=200 << 20)
    with closing(Crew(engine, deeds.do)) as crew, pytest.raises(MemoryError):
        list(crew.run([(0, f"memory {256 << 20}")]))
    assert fine(work(engine, [(0, ""), (1, "")])) == {0, 1}
    assert work(workers(1, max_memory=2 << 30), [(0, f"memory {256 << 20}")]) == {0: (0, 256 << 20)}


def test_an_interrupted_run_takes_what_ends_in_time_and_kills_the_rest():
    crew = Crew(workers(2), deeds.do)
    running = crew.run([(0, ""), (1, "sleep 0.3"), (2, "sleep 60"), (3, "sleep 60")])
    assert next(running)[0][0] == 0
    begun = time.monotonic()
    found = _workers()
    assert [task[0] for task, _ in crew.end()] == [1]
    assert time.monotonic() - begun < 2
    until(lambda: not any(map(alive, found)), 2)
    crew.close()


def test_workers_are_gone_when_the_crew_is_closed():
    crew = Crew(workers(2), deeds.do)
    running = crew.run((number, "") for number in range(9))
    next(running)
    found = _workers()
    assert found
    crew.close()
    until(lambda: not any(map(alive, found)), 5)


class Breaking(Executor):
    """An executor that breaks at every submission, as some do when their cluster has gone."""

    def submit(self, fn, /, *args, **kwargs):
        from concurrent.futures import BrokenExecutor

        raise BrokenExecutor


class Gone(Threads):
    """An engine whose executors are broken from the beginning."""

    def start(self):
        return Breaking()


def test_executors_that_take_nothing_end_the_run_in_words():
    with closing(Crew(Gone(), deeds.do)) as crew, pytest.raises(PoolcliError, match="no reason known"):
        list(crew.run([(0, "")]))


class OutOfOrder(Executor):
    """An executor that ends the youngest task first, and from another thread."""

    def __init__(self):
        self.waiting = []

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        self.waiting.append((future, fn, args))
        if len(self.waiting) == 4:
            threading.Thread(target=self.turn).start()
        return future

    def turn(self):
        while self.waiting:
            future, fn, args = self.waiting.pop()
            future.set_result(fn(*args))


class Reversing(Threads):
    """Its engine."""

    jobs = 2

    def start(self):
        return OutOfOrder()


def test_tasks_may_end_in_any_order():
    assert fine(work(Reversing(), [(number, "") for number in range(4)])) == set(range(4))


PROGRAM = """
import multiprocessing, sys
sys.path[:0] = [{tests!r}]
import deeds
from contextlib import closing
from poolcli.batch.crew import Crew
from poolcli.batch.processes import Processes
if __name__ == "__main__":
    if {spawn}:
        multiprocessing.get_all_start_methods = lambda: ["spawn"]
    engine = Processes(2)
    with closing(Crew(engine, deeds.do)) as crew:
        for task, outcome in crew.run([(number, {deed!r} if number == 3 else "sleep 0.01") for number in range({count})]):
            print(task[0], type(outcome).__name__, engine._context.get_start_method(), flush=True)
"""


@pytest.fixture
def program(tmp_path):
    """Start a crew in a process of its own."""

    def begin(**settings):
        path = tmp_path / "crew.py"
        path.write_text(PROGRAM.format(tests=str(ROOT / "tests"), **settings))
        return subprocess.Popen(
            [sys.executable, str(path)], env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=True, text=True,
        )  # fmt: skip

    return begin


@pytest.mark.parametrize("spawn", [False, True], ids=["forkserver", "spawn"])
def test_start_methods(program, spawn):
    process = program(spawn=spawn, deed="SIGKILL", count=12)
    out, told = process.communicate(timeout=60)
    assert (process.returncode, told) == (0, "")
    lines = sorted((line.split() for line in out.splitlines()), key=lambda line: int(line[0]))
    kinds = ["Lost" if number == 3 else "tuple" for number in range(12)]
    assert lines == [[str(number), kind, "spawn" if spawn else "forkserver"] for number, kind in enumerate(kinds)]


@pytest.mark.parametrize("spawn", [False, True], ids=["forkserver", "spawn"])
def test_workers_of_a_killed_parent_disappear(program, spawn):
    process = program(spawn=spawn, deed="sleep 60", count=1000)
    for _ in range(10):
        process.stdout.readline()
    below = list(children(process.pid))
    assert len(below) >= 3
    process.kill()
    process.communicate(timeout=20)
    until(lambda: not any(map(alive, below)), 5)


def test_ctrl_c_reaches_no_worker(program):
    """The terminal sends it to all; the workers go on, and the parent alone decides."""
    process = program(spawn=False, deed="", count=1000)
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
    with closing(Crew(Here(), deeds.do)) as crew:
        assert [number for (number, _), _ in crew.run((n, "") for n in range(30))] == list(range(30))
