"""Signals that end the program are raised as exceptions while a command runs, so that partly written files are removed."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Signals other than Ctrl-C that end the program; its exit code is 128 and their number."""


def end_by_exception() -> None:
    """Let the signals of `ENDING` raise `SystemExit`; one that the caller ignores (nohup) stays ignored."""
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _ended)


def end_at_once() -> None:
    """Let the signals end the program without an exception: all is done, and Python would print it as an error of its own."""
    for number in (signal.SIGINT, *ENDING):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def _ended(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


@contextmanager
def held() -> Iterator[None]:
    """Block Ctrl-C and the signals of `ENDING` while modules are imported: an exception raised in an import may be lost."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, *ENDING})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
