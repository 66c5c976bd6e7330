"""How many processors there are for this process, a container's quota included."""

from __future__ import annotations

import math
import os
from contextlib import suppress

CGROUPS = "/sys/fs/cgroup"
"""Where Linux shows control groups; inside a container, its own is at the top."""


def available_cores() -> int:
    """Processors of this process's affinity, or of its quota where that is less (``docker run --cpus=2``)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota()
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def _quota() -> float | None:
    """The least quota of the control groups that this process is in; None without any."""
    found: list[float] = []
    for folder in _folders("", CGROUPS):
        found += _ratio(_words(f"{folder}/cpu.max"))
    for folder in (*_folders("cpu", f"{CGROUPS}/cpu"), *_folders("cpu", f"{CGROUPS}/cpu,cpuacct")):
        found += _ratio([*_words(f"{folder}/cpu.cfs_quota_us"), *_words(f"{folder}/cpu.cfs_period_us")])
    return min(found, default=None)


def _folders(controller: str, top: str) -> list[str]:
    """The folder of this process's group and those above it; the top alone where the group is not shown."""
    own = ""
    with suppress(OSError), open("/proc/self/cgroup", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            _, names, path = line.rstrip("\n").split(":", 2)
            if controller in names.split(","):
                own = path.strip("/")
    parts = [part for part in own.split("/") if part not in ("", "..")]
    return [top, *("/".join([top, *parts[:number]]) for number in range(1, len(parts) + 1))]


def _words(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().split()
    except OSError:
        return []


def _ratio(words: list[str]) -> list[float]:
    """Quota and period, in microseconds, as processors; empty without a limit."""
    try:
        quota, period = map(int, words)
    except ValueError:  # "max", or no such file
        return []
    return [quota / period] if quota > 0 and period > 0 else []
