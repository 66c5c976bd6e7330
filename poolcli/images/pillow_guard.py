"""Keeping Pillow quiet, and its limit on pixels out of the way of ours, while a picture is read."""

from __future__ import annotations

import logging
import os
import sys
import threading
import warnings
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator

# Pillow logs some kinds of damage; without any handler Python would print them beside our one line of error.
logging.getLogger("PIL").addHandler(logging.NullHandler())

# Free-threaded Python keeps warning filters per thread: there each reader sets its own.
_FILTERS_PER_THREAD = bool(getattr(sys.flags, "context_aware_warnings", False))


class _Readers:
    """Who is inside `quiet_pillow`: the first to enter changes the settings, the last to leave restores them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._restore = ExitStack()

    def enter(self) -> None:
        with self._lock:
            if self._inside == 0:
                if not _FILTERS_PER_THREAD:
                    self._restore.enter_context(_ignored_warnings())
                self._restore.callback(setattr, Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
                Image.MAX_IMAGE_PIXELS = None
            self._inside += 1

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._restore.close()


_readers = _Readers()


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """While any thread is inside, Pillow warns of nothing and leaves the limit on pixels to `opening.open_picture`.

    Both settings are global to the process. They are changed by the first reader to enter and restored by the last
    to leave, so threads decode side by side and none restores what another still needs. Pillow's own limit has to
    go as a whole: it would refuse what ``--max-pixels`` allows, and report neither height nor width. Nothing of ours
    is decoded unchecked meanwhile, since only `open_picture` opens, and it compares the header's size itself.
    """
    _readers.enter()
    try:
        with _ignored_warnings() if _FILTERS_PER_THREAD else ExitStack():
            yield
    finally:
        _readers.leave()


@contextmanager
def _ignored_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Keep what C libraries and new processes write to the process's stderr from standing beside our own line.

    libtiff describes damage there, by the name of a file that is not the user's; there is no switch. Only for the
    command line, where no other thread has something to say.
    """
    try:
        kept = os.dup(2)
        null = os.open(os.devnull, os.O_WRONLY)
    except OSError:  # there is no stderr to keep clean
        yield
        return
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)
