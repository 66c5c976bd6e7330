"""Helpers for the tests of batches: folders of small pictures, and the files and journals that a batch leaves."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

OWN = ".poolcli"


def pgm(seed: int, height: int = 12, width: int = 16) -> bytes:
    """The bytes of a picture of gray noise."""
    values = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    return b"P5\n%d %d\n255\n" % (width, height) + values.tobytes()


def fill(folder: str | os.PathLike[str], count: int, height: int = 12, width: int = 16) -> Path:
    """Make a folder with so many different pictures."""
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (path / f"p{number:04}.pgm").write_bytes(pgm(number, height, width))
    return path


def tree(folder: str | os.PathLike[str]) -> dict[str, bytes]:
    """All files below a folder except its journal, name -> bytes; of a run that is at work, those of this moment."""
    top = Path(folder)
    found = {}
    for path in sorted(top.rglob("*")):
        name = path.relative_to(top)
        if OWN not in name.parts[:-1] and path.is_file():
            with suppress(FileNotFoundError):  # half-written ones come and go
                found[str(name)] = path.read_bytes()
    return found


def parts(folder: str | os.PathLike[str]) -> list[str]:
    """Names of half-written files, wherever below a folder."""
    return [name for _, _, names in os.walk(folder) for name in names if name.endswith(".part")]


def journal(folder: str | os.PathLike[str]) -> Path:
    """The path of a folder's journal."""
    return Path(folder) / OWN / "journal.jsonl"


def lines(folder: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """The complete lines of a folder's journal that are about results."""
    try:
        data = journal(folder).read_bytes()
    except FileNotFoundError:
        return []
    records = [json.loads(line) for line in data.splitlines(keepends=True) if line.endswith(b"\n")]
    return [record for record in records if "result" in record]


def done(folder: str | os.PathLike[str]) -> list[str]:
    """Results of a folder in the order in which they were noted as done; twice where they were made twice."""
    return [line["result"] for line in lines(folder) if line["status"] == "done"]


def until(holds: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Wait until a function returns something true, and return it."""
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)
    return found


def children(pid: int) -> Iterator[int]:
    """All descendants of a process at this moment."""
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                words = Path(f"/proc/{name}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
            except OSError:  # it has ended
                continue
            if words[0] != "Z":
                parents[int(name)] = int(words[1])
    below = {pid}
    while more := {child for child, parent in parents.items() if parent in below and child not in below}:
        below |= more
    yield from below - {pid}


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def reap(process: subprocess.Popen[bytes]) -> None:
    """End a process and its session if it is there still, and close its pipes."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with suppress(BrokenPipeError):
                stream.close()
    process.wait(timeout=20)
