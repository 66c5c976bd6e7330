"""The lock of a folder of results; the kernel releases it when its owner ends, for whatever reason."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from poolcli.display import display_name
from poolcli.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable

try:
    import fcntl
except ImportError:  # Windows: users have to avoid two runs on one folder
    fcntl = None  # type: ignore[assignment]

LOOK_SECONDS = 0.2
"""Time between two attempts to take a lock that is waited for."""


def lock(path: str, waiting: Callable[[str], None] | None = None) -> int:
    """Take the lock and return its file descriptor, which holds the lock until it is closed.

    Parameters
    ----------
    path : path
        Made when missing.
    waiting : callable, optional
        Called once with a message when another process has the lock, which is then waited for.

    Raises
    ------
    OutputError
        Another process has it, or the file cannot be opened.
    """
    has_said = False
    while True:
        with suppress(OSError):  # an owner that made nothing has removed it; `_open` says what else is wrong
            os.makedirs(os.path.dirname(path), exist_ok=True)
        descriptor = _open(path)
        try:
            taken = _take(descriptor)
            if taken and _is_file(descriptor, path):  # else its owner has removed it at its end
                return descriptor
            owner = _owner(descriptor, path)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if taken:
            continue
        if waiting is None:
            raise OutputError(f"{owner}; wait for its end (--wait), or choose another folder")
        if not has_said:
            waiting(f"{owner}; waiting for its end")
        has_said = True
        time.sleep(LOOK_SECONDS)


def _open(path: str) -> int:
    try:
        try:
            return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
        except OSError:  # another user's, or a folder that may only be read: the lock can be had all the same
            return os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except OSError as error:
        raise OutputError(error.strerror or str(error), error.errno, path) from None


def _take(descriptor: int) -> bool:
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks: the user has to watch, as on Windows
        return True
    with suppress(OSError):  # of a full disk: the number is for people only
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
    return True


def _is_file(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except OSError:
        return False


def _owner(descriptor: int, path: str) -> str:
    owner = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
    process = f"process {owner}" if owner.isdigit() else "another process"
    return f"in use by another run: {process} holds {display_name(path)}"
