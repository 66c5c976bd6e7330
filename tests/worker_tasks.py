"""Tasks for the workers in tests of schedulers: functions that a process of its own can import."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

DEATHS = ("SIGKILL", "SIGSEGV", "SIGTERM", "exit", "exit 0")


def do(task: tuple[int, str]) -> tuple[int, int]:
    """Perform the action of a task; returns the number of the task and of the process."""
    number, action = task
    word, _, rest = action.partition(" ")
    return number, (ACTIONS[word](rest) if word else None) or os.getpid()


def fail_later(_: object) -> Generator[None]:
    """Raise in the second step."""
    yield
    msg = "the second step"
    raise LookupError(msg)


def _exit(code: str) -> None:
    os._exit(int(code or 3))


def _exit_by_thread(_: str) -> None:
    threading.Thread(target=os._exit, args=(5,)).start()
    time.sleep(30)


def _die_once(path: str) -> None:
    if not Path(path).exists():
        Path(path).touch()
        os.kill(os.getpid(), signal.SIGKILL)


LACKS = (
    MemoryError(),
    ImportError("libx.so: failed to map segment from shared object"),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
    RuntimeError("can't start new thread"),
)
"""How Python and its libraries report that there is not enough memory."""


def _lack(number: str) -> None:
    raise LACKS[int(number)]


class LacksMemory:
    """What cannot be unpickled for lack of memory."""

    def __reduce__(self) -> tuple[object, ...]:
        return _lack, ("0",)

    def __call__(self, _: object) -> None: ...


ACTIONS = {
    "lack": _lack,
    "SIGKILL": lambda _: os.kill(os.getpid(), signal.SIGKILL),
    "SIGTERM": lambda _: os.kill(os.getpid(), signal.SIGTERM),
    "SIGSEGV": lambda _: ctypes.string_at(0),
    "exit": _exit,
    "thread": _exit_by_thread,
    "raise": lambda _: {}["nothing"],
    "sleep": lambda seconds: time.sleep(float(seconds)),
    "once": _die_once,
    "noise": lambda _: os.write(2, b"noise of C\n"),
    "memory": lambda size: len(bytearray(int(size))),
}


def die_at_once(*_: object) -> None:
    """A worker that ends before it takes a task."""
    raise SystemExit
