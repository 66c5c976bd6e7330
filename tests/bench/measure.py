"""Measures contestants alternately: each round runs each once, so that a slow phase of the machine affects all."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


LAUNCHER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "scripts", "launch.py")


@dataclass
class Times:
    """Milliseconds of one contestant; of commands CPU time, and how long they took and the most memory they had."""

    ms: list[float] = field(default_factory=list)
    took_ms: list[float] = field(default_factory=list)
    peak_mb: float = 0.0

    @property
    def best(self) -> float:
        return min(self.ms)

    @property
    def median(self) -> float:
        return statistics.median(self.ms)

    @property
    def spread(self) -> float:
        """How far the median lies above the best, in per cent."""
        return 100 * (self.median / self.best - 1)


def calls(contestants: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Times]:
    """Time functions in this process, by the wall clock."""
    times = {name: Times() for name in contestants}
    for function in contestants.values():
        function()
    for _ in range(rounds):
        for name, function in contestants.items():
            start = time.perf_counter()
            function()
            times[name].ms.append((time.perf_counter() - start) * 1e3)
    return times


def commands(
    contestants: Mapping[str, Sequence[str]], rounds: int, environment: Mapping[str, str], fresh: str | None = None
) -> dict[str, Times]:
    """Run whole commands: CPU time of user and system, duration, and peak memory; `fresh` is removed before each."""
    times = {name: Times() for name in contestants}
    for number in range(rounds + 1):
        for name, command in contestants.items():
            if fresh is not None:
                shutil.rmtree(fresh, ignore_errors=True)
            cpu, peak, took = _spawned(command, environment)
            if number:  # the first run only fills the caches
                times[name].ms.append(cpu)
                times[name].took_ms.append(took)
                times[name].peak_mb = max(times[name].peak_mb, peak)
    return times


def _spawned(command: Sequence[str], environment: Mapping[str, str]) -> tuple[float, float, float]:
    launch = [sys.executable, "-S", "-E", LAUNCHER, *command]
    done = subprocess.run(launch, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"failed: {' '.join(command)}")
    cpu, peak, took = (float(number) for number in done.stdout.split())
    return cpu, peak, took
