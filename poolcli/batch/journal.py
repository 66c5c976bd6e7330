"""The journal of a batch: one line of JSON per finished file, appended after its result is on the disk.

The folder ``DIR/.poolcli`` holds ``journal.jsonl``; ``begun``, the names of files whose writing may have begun since
the last orderly end (what is found under such a name is ours, finished or not noted); and ``lock``, which the kernel
releases when its owner dies, however that happens.
"""

from __future__ import annotations

import errno
import json
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Self

from poolcli.batch.folder_lock import lock
from poolcli.batch.journal_state import OWN, JournalState, parse_line, to_line
from poolcli.display import display_name
from poolcli.errors import OutputError
from poolcli.images.atomic import atomic_write, sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from poolcli.batch.journal_state import Entry

JOURNAL, BEGUN, LOCK = "journal.jsonl", "begun", "lock"

_CLOSED = {errno.EACCES, errno.EPERM, errno.EROFS}

LEAST_OUTDATED = 1000
"""Outdated lines that are not worth writing the journal anew."""


class Journal:
    """The journal of one folder of results, locked while it is open.

    Parameters
    ----------
    folder : path
        DIR; made when missing. What a run leaves that made nothing is removed again when the journal is closed.
    waiting : callable, optional
        Called once with a message when another run is at work on the folder, whose end is then waited for.

    Raises
    ------
    OptionError
        The journal is of another form.
    OutputError
        The folder cannot be made, or another run is at work on it. In a folder that is closed to us, a journal can be
        looked at; `add` and `note_started` raise.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Journal(folder) as journal:
    ...     journal.add(to_line({"result": "a.png", "status": "failed", "error": "no picture"}))
    ...     journal.known.entries["a.png"].done, journal.record("a.png")["error"]
    (False, 'no picture')
    """

    def __init__(self, folder: str, waiting: Callable[[str], None] | None = None) -> None:
        own = os.path.join(folder, OWN)
        self._folder, self._path = folder, os.path.join(own, JOURNAL)
        self._closed: OutputError | None = None
        self._is_new, self._is_loaded = not os.path.lexists(folder), False
        self._file: Any = None
        self._begun: Any = None
        self._unreported: set[str] = set()
        self._added: dict[str, int] = {}  # results that lines were added about, and where these begin
        self.known = JournalState()
        with _os_errors():
            os.makedirs(own, exist_ok=True)
        self._lock = lock(os.path.join(own, LOCK), waiting)
        try:
            with _os_errors():
                sweep([own])
                self._open()
                self._load()
            self._is_loaded = True
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the journal and release the lock."""
        for file in (self._file, self._begun):
            if file is not None:
                file.close()
        if self._is_loaded and self._closed is None and not self.known.ours and not self._unreported:
            self._leave_nothing()
        os.close(self._lock)

    def _leave_nothing(self) -> None:
        """Remove the journal if nothing was written: a folder with a journal is taken for a folder of results."""
        own = os.path.join(self._folder, OWN)
        with suppress(OSError):
            for name in (JOURNAL, BEGUN, LOCK):
                os.unlink(os.path.join(own, name))
            os.rmdir(own)
            if self._is_new:
                os.rmdir(self._folder)

    def _open(self) -> None:
        """Open the files for writing, or for reading where writing is not permitted."""
        begun = os.path.join(self._folder, OWN, BEGUN)
        try:
            self._file = open(self._path, "a+b", buffering=0)  # noqa: SIM115 - they stay open
            self._begun = open(begun, "a+b", buffering=0)  # noqa: SIM115
        except OSError as error:
            where = display_name(error.filename or self._path)
            refusal = OutputError(f"{where}: {error.strerror}", error.errno)
            if error.errno not in _CLOSED or not (os.path.exists(self._path) and os.path.exists(begun)):
                raise refusal from None
            self._closed = refusal
            self._file = open(self._path, "rb", buffering=0)  # noqa: SIM115
            self._begun = open(begun, "rb", buffering=0)  # noqa: SIM115

    def _load(self) -> None:
        """Read all complete lines, cut off an incomplete last one, and rewrite the journal if most of it is outdated."""
        self._size = 0
        for offset, line in _lines(self._file):
            self._size = offset + len(line)
            self.known.add_record(parse_line(line), offset)
        if self._closed is None:
            self._file.truncate(self._size)
        self._begun.seek(0)
        begun = list(_names(self._begun))
        if self._closed is None:
            self._begun.truncate(sum(len(os.fsencode(name)) + 1 for name in begun))
        self._unreported.update(set(begun) - self.known.ours)
        self.known.ours.update(begun)
        if self._closed is None and self.known.outdated > max(LEAST_OUTDATED, len(self.known.entries)):
            self._compact()

    def _compact(self) -> None:
        def write(file: Any) -> None:
            for record in (self.known.header, *({"ours": name} for name in sorted(self.known.ours))):
                file.write(to_line(record) if record else b"")
            for result, entry in self.known.entries.items():
                moved[result] = entry._replace(offset=file.tell())
                file.write(self._line_at(entry.offset))

        moved: dict[str, Entry] = {}
        try:
            atomic_write(self._path, write, force=True)
        except OutputError as error:
            error.path = self._path
            raise
        self._file.close()
        self._file = open(self._path, "a+b", buffering=0)  # noqa: SIM115
        self._size = self._file.seek(0, os.SEEK_END)
        self.known.entries = moved

    def add(self, line: bytes, about: str = "", made: Collection[str] = ()) -> None:
        """Append a line.

        Parameters
        ----------
        line : bytes
        about : str, optional
            The result that the line is about, where the caller knows it: the line need not be read then.
        made : collection of str
            With it, the names of the files that the line says are ours.

        Raises
        ------
        OutputError
            The disk is full; nothing of the line is left.
        """
        if self._closed is not None:
            raise self._closed
        try:
            with _os_errors(self._path):
                _write_all(self._file, line)
        except OutputError:
            with suppress(OSError):
                self._file.truncate(self._size)
            raise
        if about:
            self._added[about] = self._size
            self.known.ours.update(made)
        else:
            made = self.known.add_record(json.loads(line), self._size)
        self._unreported.difference_update(made)
        self._size += len(line)

    def record(self, result: str) -> dict[str, Any]:
        """The last line about a result, as a dict."""
        added = self._added.get(result)
        offset = self.known.entries[result].offset if added is None else added
        found: dict[str, Any] = json.loads(self._line_at(offset))
        return found

    def _line_at(self, offset: int) -> bytes:
        with open(self._file.fileno(), "rb", closefd=False) as file:
            file.seek(offset)
            return file.readline()

    def note_started(self, names: Iterable[str]) -> None:
        """Note on the disk that the writing of these files may begin.

        Raises
        ------
        OutputError
            The disk is full.
        """
        if self._closed is not None:
            raise self._closed
        new = [name for name in names if name not in self.known.ours]
        size = os.fstat(self._begun.fileno()).st_size
        try:
            with _os_errors(os.path.join(self._folder, OWN, BEGUN)):
                _write_all(self._begun, b"".join(os.fsencode(name) + b"\0" for name in new))
                os.fsync(self._begun.fileno())
        except OutputError:
            with suppress(OSError):
                self._begun.truncate(size)
            raise
        self._unreported.update(new)

    def forget_started(self) -> None:
        """Clear the list of begun files at the end of a run, after the journal is flushed to the disk.

        A file may be there without a line that says so: its figure failed, its worker died, the disk was full for the
        line. The journal then says whose it is, or the next run would take it for another's.
        """
        if self._closed is not None:
            return
        with suppress(OSError, OutputError):  # of a full disk: what has begun is kept for the next run
            for name in sorted(self._unreported):
                if os.path.lexists(os.path.join(self._folder, name)):
                    self.add(to_line({"ours": name}))
            os.fsync(self._file.fileno())
            self._begun.truncate(0)
            self._unreported.clear()


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


def read(folder: str) -> JournalState:
    """Read a folder's journal without taking its lock, for commands that do not write.

    Raises
    ------
    OptionError
        The journal is of another form.
    OutputError
        The folder is a file, or closed to us.
    """
    known = JournalState()
    with _os_errors():
        with suppress(FileNotFoundError), open(os.path.join(folder, OWN, JOURNAL), "rb") as file:
            for offset, line in _lines(file):
                known.add_record(parse_line(line), offset)
        with suppress(FileNotFoundError), open(os.path.join(folder, OWN, BEGUN), "rb") as file:
            known.ours.update(_names(file))
    return known


def _names(file: Any) -> Iterator[str]:
    """Names in the list of files whose writing has begun; an incomplete last line is ignored."""
    return map(os.fsdecode, file.read().split(b"\0")[:-1])
