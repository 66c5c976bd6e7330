"""With -v and without a terminal, a line every half minute, so that a log shows that the program is working."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING

from poolcli.cli.console import write_stderr

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from poolcli.cli.console import Console

SECONDS = 30.0
"""Time between two lines."""


@contextmanager
def progress_lines(console: Console, state: Callable[[], str]) -> Iterator[None]:
    """Write what `state` returns, and the time, to stderr every `SECONDS` until the end."""
    if not console.verbose or sys.stderr is None or sys.stderr.isatty():
        yield
        return
    start, is_over = time.monotonic(), Event()

    def write_lines() -> None:
        while not is_over.wait(SECONDS):
            write_stderr(f"{state()} after {time.monotonic() - start:.0f} s")

    thread = Thread(target=write_lines, daemon=True)
    try:
        thread.start()
    except RuntimeError:  # the system starts no more threads: the work goes on without lines
        yield
        return
    try:
        yield
    finally:
        is_over.set()
        thread.join()
