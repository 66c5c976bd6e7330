"""The files of a journal on a local disk.

The folder ``DIR/.poolcli`` holds ``journal.jsonl``; ``begun``, the names of files whose writing may have begun since
the last orderly end (what is found under such a name is ours, finished or not noted); and ``lock``, which the kernel
releases when its owner dies, however that happens.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, BinaryIO

from poolcli.batch.folder_lock import lock
from poolcli.batch.journal_state import OWN
from poolcli.display import display_name
from poolcli.errors import OutputError
from poolcli.images.atomic import atomic_write, sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

JOURNAL, BEGUN, LOCK = "journal.jsonl", "begun", "lock"

_CLOSED = {errno.EACCES, errno.EPERM, errno.EROFS}


class LocalJournal:
    """The `storage.JournalFiles` of a local folder, locked while it is open.

    Parameters
    ----------
    folder : path
        DIR; made when missing.
    waiting : callable, optional
        Called once with a message when another run is at work on the folder, whose end is then waited for.

    Raises
    ------
    OutputError
        The folder cannot be made, or another run is at work on it.
    """

    def __init__(self, folder: str, waiting: Callable[[str], None] | None = None) -> None:
        own = os.path.join(folder, OWN)
        self._folder, self._path = folder, os.path.join(own, JOURNAL)
        self.refusal: OutputError | None = None
        self._is_new = not os.path.lexists(folder)
        self._file: Any = None
        self._begun: Any = None
        with _os_errors():
            if os.path.lexists(own) and not os.path.isdir(own):
                raise OutputError(f"{display_name(own)} is no folder; remove it, or choose another folder with -o")
            os.makedirs(own, exist_ok=True)
        self._lock = lock(os.path.join(own, LOCK), waiting)
        try:
            with _os_errors():
                sweep([own])
                self._open()
        except BaseException:
            self.close(nothing_made=False)
            raise

    def close(self, *, nothing_made: bool) -> None:
        """Close the files and release the lock; a folder with a journal is taken for a folder of results."""
        for file in (self._file, self._begun):
            if file is not None:
                file.close()
        if nothing_made and self.refusal is None:
            own = os.path.join(self._folder, OWN)
            with suppress(OSError):
                for name in (JOURNAL, BEGUN, LOCK):
                    os.unlink(os.path.join(own, name))
                os.rmdir(own)
                if self._is_new:
                    os.rmdir(self._folder)
        os.close(self._lock)

    def _open(self) -> None:
        """Open the files for writing, or for reading where writing is not permitted."""
        begun = os.path.join(self._folder, OWN, BEGUN)
        for path in (self._path, begun):
            if os.path.lexists(path) and not os.path.isfile(path):
                raise OutputError(
                    f"{display_name(path)} is no file of a journal; remove it, or choose another folder with -o"
                )
        try:
            self._file = open(self._path, "a+b", buffering=0)  # noqa: SIM115 - they stay open
            self._begun = open(begun, "a+b", buffering=0)  # noqa: SIM115
        except OSError as error:
            refusal = OutputError(error.strerror or str(error), error.errno, error.filename or self._path)
            if error.errno not in _CLOSED or not (os.path.exists(self._path) and os.path.exists(begun)):
                raise refusal from None
            self.refusal = refusal
            self._file = open(self._path, "rb", buffering=0)  # noqa: SIM115
            self._begun = open(begun, "rb", buffering=0)  # noqa: SIM115

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield all complete lines with their offsets, then cut off an incomplete last one."""
        self._size = 0
        with _os_errors():
            for offset, line in _lines(self._file):
                self._size = offset + len(line)
                yield offset, line
            if self.refusal is None:
                self._file.truncate(self._size)

    def started(self) -> list[str]:
        """The names in the list of begun files; an incomplete last one is cut off."""
        with _os_errors():
            self._begun.seek(0)
            names = list(_names(self._begun))
            if self.refusal is None:
                self._begun.truncate(sum(len(os.fsencode(name)) + 1 for name in names))
            return names

    def append(self, line: bytes) -> int:
        """Append a line; nothing of it is left where the disk is full."""
        place: int = self._size
        try:
            with _os_errors(self._path):
                _write_all(self._file, line)
        except OutputError:
            with suppress(OSError):
                self._file.truncate(place)
            raise
        self._size += len(line)
        return place

    def line_at(self, place: int) -> bytes:
        """The line at an offset."""
        with open(self._file.fileno(), "rb", closefd=False) as file:
            file.seek(place)
            return file.readline()

    def flush(self) -> None:
        """Nothing: lines are written when they are added."""

    def rewrite(self, write: Callable[[BinaryIO], None]) -> None:
        """Replace the journal, atomically."""
        try:
            atomic_write(self._path, write, force=True)
        except OutputError as error:
            error.path = self._path
            raise
        with _os_errors():
            self._file.close()
            self._file = open(self._path, "a+b", buffering=0)  # noqa: SIM115
            self._size = self._file.seek(0, os.SEEK_END)

    def note_started(self, names: Sequence[str]) -> None:
        """Append names to the list of begun files and flush it to the disk."""
        size = os.fstat(self._begun.fileno()).st_size
        try:
            with _os_errors(os.path.join(self._folder, OWN, BEGUN)):
                _write_all(self._begun, b"".join(os.fsencode(name) + b"\0" for name in names))
                os.fsync(self._begun.fileno())
        except OutputError:
            with suppress(OSError):
                self._begun.truncate(size)
            raise

    def existing(self, names: Collection[str]) -> list[str]:
        """The names under which something is."""
        return [name for name in sorted(names) if os.path.lexists(os.path.join(self._folder, name))]

    def forget_started(self) -> None:
        """Flush the journal to the disk, and clear the list of begun files."""
        with _os_errors(self._path):
            os.fsync(self._file.fileno())
            self._begun.truncate(0)


def read_lines(folder: str) -> Iterator[tuple[int, bytes]]:
    """Yield the complete lines of a folder's journal, with their offsets, without its lock.

    Raises
    ------
    OutputError
        The folder is a file, or closed to us.
    """
    with _os_errors(), suppress(FileNotFoundError), open(os.path.join(folder, OWN, JOURNAL), "rb") as file:
        yield from _lines(file)


def read_started(folder: str) -> list[str]:
    """The names in a folder's list of begun files.

    Raises
    ------
    OutputError
        The folder is a file, or closed to us.
    """
    with _os_errors(), suppress(FileNotFoundError), open(os.path.join(folder, OWN, BEGUN), "rb") as file:
        return list(_names(file))
    return []


@contextmanager
def _os_errors(path: str | None = None) -> Iterator[None]:
    """Convert errors of the operating system into `OutputError` about `path`, or about the folder of results."""
    try:
        yield
    except OSError as error:
        raise OutputError(error.strerror or str(error), error.errno, path) from None


def _write_all(file: Any, data: bytes) -> None:
    rest = memoryview(data)
    while rest:  # a disk that is nearly full takes a part, and refuses the rest
        rest = rest[file.write(rest) :]


def _lines(file: Any) -> Iterator[tuple[int, bytes]]:
    """Yield the complete lines with their offsets."""
    offset = 0
    with open(file.fileno(), "rb", closefd=False) as buffered:
        buffered.seek(0)
        for line in buffered:
            if not line.endswith(b"\n"):
                return
            yield offset, line
            offset += len(line)


def _names(file: Any) -> Iterator[str]:
    """Names in the list of files whose writing has begun; an incomplete last line is ignored."""
    return map(os.fsdecode, file.read().split(b"\0")[:-1])
