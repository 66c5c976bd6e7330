"""A Dask cluster on this machine for tests: a scheduler and worker processes, started again when a test has ended them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batches import until
from distributed import Client

if TYPE_CHECKING:
    from collections.abc import Callable

TESTS = Path(__file__).parent


class TestCluster:
    """The processes, and what tests do with them.

    Parameters
    ----------
    folder : path
        For logs, and for the files that tell the workers what to do (`dask_hooks`).
    workers : int
        How many; each is started again by a nanny when it dies.
    """

    __test__ = False

    def __init__(self, folder: Path, workers: int = 2) -> None:
        self.folder, self.workers = folder, workers
        self.hooks = folder / "hooks"
        self.hooks.mkdir()
        self.address = ""
        self._processes: list[subprocess.Popen[bytes]] = []

    def ready(self) -> None:
        """Start what is not there, and wait until all workers are."""
        for name in self.hooks.iterdir():
            name.unlink()
        if not self._processes or any(process.poll() is not None for process in self._processes):
            self.close()
            self._start_scheduler()
            if self.workers:
                self._start_workers()
        until(lambda: len(self._workers()) == self.workers, 60)

    def _start_scheduler(self) -> None:
        log = self.folder / f"scheduler-{time.monotonic_ns()}"
        self._begin("scheduler", log, "--host", "127.0.0.1", "--port", "0")
        found: Any = until(lambda: re.search(r"Scheduler at: +(tcp://\S+)", log.read_text()), 60)
        self.address = found[1]

    def _start_workers(self) -> None:
        options = ("--nworkers", str(self.workers), "--nthreads", "1", "--host", "127.0.0.1")
        files = ("--local-directory", str(self.folder), "--preload", str(TESTS / "dask_hooks.py"))
        self._begin("worker", self.folder / "workers", self.address, *options, *files)

    def _begin(self, kind: str, log: Path, *args: str) -> None:
        path = os.pathsep.join([str(TESTS.parent), str(TESTS)])
        environment = {**os.environ, "PYTHONPATH": path, "HOOKS": str(self.hooks)}
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *args, "--no-dashboard"]
        with log.open("wb") as file:
            self._processes.append(
                subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment, start_new_session=True
                )
            )

    def ask(self, question: Callable[[Any], Any]) -> Any:
        """What a function of a client returns."""
        with Client(self.address, set_as_default=False, timeout=20) as client:
            return question(client)

    def _workers(self) -> list[str]:
        return list(self.ask(lambda client: client.scheduler_info(n_workers=-1)["workers"]))

    def left(self) -> tuple[int, int]:
        """How many tasks the scheduler knows, and how many clients beside the one that asks."""

        def count(dask_scheduler: Any) -> tuple[int, int]:
            return len(dask_scheduler.tasks), len(dask_scheduler.clients)

        tasks, clients = self.ask(lambda client: client.run_on_scheduler(count))
        return tasks, clients - 2  # the scheduler's own is one

    def held(self) -> list[int]:
        """The processes of workers that wait in a chunk."""
        return [int(path.name[4:]) for path in self.hooks.glob("pid-*")]

    def deaths(self) -> int:
        """How many workers a picture has killed."""
        return len(list(self.hooks.glob("death-*")))

    @property
    def scheduler(self) -> int:
        """The number of the scheduler's process."""
        return self._processes[0].pid

    def end_scheduler(self) -> None:
        """Kill the scheduler; `ready` starts everything again."""
        self._processes[0].kill()
        self._processes[0].wait()

    def close(self) -> None:
        """End all processes."""
        for process in self._processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._processes.clear()
