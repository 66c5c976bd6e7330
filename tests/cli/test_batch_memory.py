"""Memory of worker processes over many pictures."""

import os
import sys
from contextlib import closing

import pytest
from batches import fill

from poolcli.batch.processes import ProcessBackend
from poolcli.batch.scheduler import Scheduler
from poolcli.batch.worker import Task, WorkOptions, process
from poolcli.pipeline.options import recipe

MEGA = 1 << 20


class Tagged:
    """`process`, with the memory of the worker in pages beside each outcome."""

    def __init__(self, settings):
        self.settings = settings

    def __call__(self, task):
        outcome = yield from process(self.settings, task)
        with open("/proc/self/statm", encoding="ascii") as file:
            return outcome.error, int(file.read().split()[1])


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
@pytest.mark.parametrize("count", [120, pytest.param(2000, marks=pytest.mark.slow)])
def test_b16_the_memory_of_a_worker_does_not_grow(here, count):
    fill("in", 8, 60, 80)
    (here / "out").mkdir()
    settings = WorkOptions(recipe(kernel="edge", pool="max", repeat=2))
    tasks = [
        Task(f"in/p{number % 8:04}.pgm", f"{number % 8}.png", "out", f"{number % 8}.figure.png", replace=True)
        for number in range(count)
    ]
    pages = []
    with closing(Scheduler(ProcessBackend(1, None, ("poolcli.batch.worker",)), Tagged(settings))) as scheduler:
        for _, (error, size) in scheduler.run(tasks):
            assert not error
            pages.append(size)
    page = os.sysconf("SC_PAGE_SIZE")
    assert max(pages[-30:]) * page - max(pages[30:60]) * page < (50 if count > 1000 else 8) * MEGA
