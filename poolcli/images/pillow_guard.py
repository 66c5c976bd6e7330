"""While a picture is read: no warnings of Pillow, and our limit on pixels instead of Pillow's."""

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

# Pillow logs some kinds of damage; without a handler Python would print them in addition to our error.
logging.getLogger("PIL").addHandler(logging.NullHandler())

# Free-threaded Python keeps warning filters per thread, so each reader sets its own.
_FILTERS_PER_THREAD = bool(getattr(sys.flags, "context_aware_warnings", False))


class _Readers:
    """Count of the threads inside `quiet_pillow`: the first changes the settings, the last restores them."""

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
    """Switch off Pillow's warnings and its limit on pixels while any thread is inside.

    Both settings are global to the process. The first reader to enter changes them and the last to leave restores
    them, so that threads can decode at the same time. Pillow's limit would refuse pictures that ``--max-pixels``
    allows, and its error names neither height nor width. Ours is checked by `safe_open.open_picture`, the only place
    that opens pictures, on the size in the header.
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
    """Discard what C libraries and new processes write to the process's stderr.

    libtiff describes damage there, under a file name that the user never gave, and has no option to stop it. For the
    command line only, where no other thread writes to stderr.
    """
    try:
        kept = os.dup(2)
        null = os.open(os.devnull, os.O_WRONLY)
    except OSError:  # there is no stderr
        yield
        return
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)
