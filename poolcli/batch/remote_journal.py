"""The journal of a folder in a store, where nothing can be appended to and nothing locked.

Lines are collected in a temporary file and stored as segments, ``DIR/.poolcli/journal/NUMBER-RUN.jsonl``, each put
whole; reading takes them in the order of their numbers. ``NUMBER-RUN.begun`` are lists of names whose writing may have
begun since the last orderly end. The lease ``DIR/.poolcli/lease`` claims the folder.
"""

from __future__ import annotations

import errno
import os
import tempfile
import time
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO

from poolcli.batch.journal_state import OWN
from poolcli.batch.lease import Lease
from poolcli.batch.own_files import PART_END
from poolcli.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from poolcli.batch.remote_storage import RemoteStorage

SEGMENTS, LEASE = "journal", "lease"
LINES, BEGUN = ".jsonl", ".begun"

FLUSH_SECONDS, FLUSH_BYTES = 5.0, 1 << 18
"""Seconds and bytes of lines after which a segment is stored; a killed run loses the lines since, and repeats their work."""

MOST_SEGMENTS = 16
"""Segments up to which they are left as they are when a journal is opened; more are put together in one."""

_FEW = 4
"""Names up to which each is asked for by itself; for more the folder is listed."""


class RemoteJournal:
    """The `storage.JournalFiles` of a folder in a store.

    Parameters
    ----------
    storage : RemoteStorage
    folder : str
        DIR.
    waiting, force, tell
        As in `lease.Lease`.

    Raises
    ------
    OptionError
        The protocol is only read.
    OutputError
        Another run has the folder, or the store refuses.
    """

    refusal: OutputError | None = None

    def __init__(
        self,
        storage: RemoteStorage,
        folder: str,
        waiting: Callable[[str], None] | None,
        *,
        force: bool,
        tell: Callable[[str], None],
    ) -> None:
        storage.check_writable()
        self._storage, self._folder = storage, folder
        self._run = uuid.uuid4().hex[:8]
        self._spool = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the journal
        self._size = self._stored = 0
        self._next = 1
        self._flushed = time.monotonic()
        self._segments: list[str] = []
        self._lists: list[str] = []
        self._lease = Lease(storage, _own(folder, LEASE), waiting, force=force, tell=tell)
        try:
            self._list()
        except BaseException:
            self.close(nothing_made=False)
            raise

    def _list(self) -> None:
        """List the whole folder, once, now that nobody else changes it."""
        self._storage.remember([f"{self._folder.rstrip('/')}/"], recursive=True)
        left = [name for name in self._storage.names(_own(self._folder, "")) if name.endswith(PART_END)]
        self._remove(left)  # by runs that were killed
        names = self._storage.names(_own(self._folder, SEGMENTS))
        self._segments = [name for name in names if name.endswith(LINES)]
        self._lists = [name for name in names if name.endswith(BEGUN)]
        numbers = [os.path.basename(name).partition("-")[0] for name in names]
        self._next = max([int(number) for number in numbers if number.isdigit()], default=0) + 1

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield all lines, copied into the temporary file; many segments are put together."""
        for segment in self._segments:
            known = self._storage.status(segment)
            for line in _lines_of(self._storage.read(segment, segment, known and known.stamp.size)):
                place = self._size
                self._spool.seek(place)
                self._spool.write(line)
                self._size += len(line)
                yield place, line
        self._stored = self._size
        if len(self._segments) > MOST_SEGMENTS:
            self._put_together()

    def _put_together(self) -> None:
        old = self._segments
        self._segments = []
        self._stored = 0
        self.flush()
        self._remove(old)

    def started(self) -> list[str]:
        """The names in all lists."""
        return [name for one in self._lists for name in _names_of(self._storage.read(one, one))]

    def append(self, line: bytes) -> int:
        """Add a line; it is stored with others, after a while."""
        place = self._size
        self._spool.seek(place)
        self._spool.write(line)
        self._size += len(line)
        try:
            if self._size - self._stored >= FLUSH_BYTES or time.monotonic() - self._flushed >= FLUSH_SECONDS:
                self.flush()
            else:
                self._lease.check()
        except OutputError:
            self._size = place
            raise
        return place

    def flush(self) -> None:
        """Store the lines that are not yet, as one segment."""
        self._lease.check()
        if self._size > self._stored:
            self._spool.seek(self._stored)
            segment = self._name(LINES)
            self._storage.put(segment, self._spool.read(self._size - self._stored))
            self._segments.append(segment)
            self._next += 1
            self._stored = self._size
        self._flushed = time.monotonic()

    def _name(self, kind: str) -> str:
        return f"{_own(self._folder, SEGMENTS)}/{self._next:08}-{self._run}{kind}"

    def line_at(self, place: int) -> bytes:
        """The line at a place of the temporary file."""
        self._spool.seek(place)
        return self._spool.readline()

    def rewrite(self, write: Callable[[BinaryIO], None]) -> None:
        """Store all lines anew, in one segment, and remove those before it."""
        new = tempfile.TemporaryFile()  # noqa: SIM115 - takes the place of the other
        write(new)
        self._spool.close()
        self._spool, self._size = new, new.seek(0, os.SEEK_END)
        self._put_together()

    def note_started(self, names: Sequence[str]) -> None:
        """Store the lines so far, and a list of names."""
        self.flush()
        if names:
            begun = self._name(BEGUN)
            self._storage.put(begun, b"".join(os.fsencode(name) + b"\0" for name in names))
            self._lists.append(begun)
            self._next += 1

    def existing(self, names: Collection[str]) -> list[str]:
        """The names of objects; asked one by one where they are few."""
        if len(names) > _FEW:
            self._storage.remember([f"{self._folder.rstrip('/')}/"], recursive=True)
            return [name for name in sorted(names) if self._storage.status(os.path.join(self._folder, name))]
        return [name for name in sorted(names) if self._storage.exists_now(os.path.join(self._folder, name))]

    def forget_started(self) -> None:
        """Store the lines so far, and remove the lists of names."""
        self.flush()
        self._remove(self._lists)
        self._lists = []

    def _remove(self, urls: Sequence[str]) -> None:
        for url in urls:
            self._storage.discard(url)

    def close(self, *, nothing_made: bool) -> None:
        """Store what is left to store, and release the folder."""
        try:
            if not self._storage.is_lost:
                with suppress(OutputError, OSError):  # what is not stored is made again
                    if nothing_made:
                        self._remove([*self._segments, *self._lists])
                    else:
                        self.flush()
        finally:
            self._lease.release()
            self._spool.close()


def read_lines(storage: RemoteStorage, folder: str) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of all segments with the places that they would have in one file.

    Raises
    ------
    OutputError
        The store refuses.
    """
    place = 0
    for url in _objects(storage, folder, LINES):
        for line in _lines_of(_read_if_there(storage, url)):
            yield place, line
            place += len(line)


def read_started(storage: RemoteStorage, folder: str) -> list[str]:
    """The names in a folder's lists of begun files.

    Raises
    ------
    OutputError
        The store refuses.
    """
    return [name for url in _objects(storage, folder, BEGUN) for name in _names_of(_read_if_there(storage, url))]


def _objects(storage: RemoteStorage, folder: str, kind: str) -> list[str]:
    return [name for name in storage.names(_own(folder, SEGMENTS)) if name.endswith(kind)]


def _read_if_there(storage: RemoteStorage, url: str) -> bytes:
    try:
        return storage.read(url, url)
    except OutputError as error:
        if error.errno != errno.ENOENT:
            raise
        return b""  # a run at work has put it together with others


def _own(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{OWN}/{name}"


def _lines_of(data: bytes) -> list[bytes]:
    return [line for line in data.splitlines(keepends=True) if line.endswith(b"\n")]


def _names_of(data: bytes) -> list[str]:
    return [os.fsdecode(name) for name in data.split(b"\0")[:-1]]
