"""What is known to be done: one line of JSON for every finished file, appended after its result is on the disk.

The folder ``DIR/.poolcli`` holds ``journal.jsonl``; ``begun``, the names of files whose writing may have begun since
the last orderly end (what is found under such a name is ours, finished or not noted); and ``lock``, which the kernel
releases when its owner dies, however that happens.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Self

from poolcli.batch.known import Known, line_of, parsed
from poolcli.batch.plan import OWN
from poolcli.errors import OptionError, OutputError
from poolcli.images.atomic import PART, atomic_write

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from poolcli.batch.known import Entry

try:
    import fcntl
except ImportError:  # Windows: two runs on one folder are the user's to avoid
    fcntl = None  # type: ignore[assignment]

JOURNAL, BEGUN = "journal.jsonl", "begun"

LEAST_OUTDATED = 1000
"""Outdated lines that are not worth writing the journal anew."""


class Journal:
    """The journal of one folder of results, locked while it is open.

    Parameters
    ----------
    folder : path
        DIR; made when missing.

    Raises
    ------
    OptionError
        Another run is at work on the folder, or the journal is of another form.
    OutputError
        The folder cannot be made or written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Journal(folder) as journal:
    ...     journal.add(line_of({"result": "a.png", "status": "failed", "error": "no picture"}))
    ...     journal.known.entries["a.png"].done, journal.record("a.png")["error"]
    (False, 'no picture')
    """

    def __init__(self, folder: str) -> None:
        own = os.path.join(folder, OWN)
        self._folder, self._path = folder, os.path.join(own, JOURNAL)
        self._file: Any = None
        self._begun: Any = None
        self._unsettled: set[str] = set()
        self._added: dict[str, int] = {}  # results that lines were added about, and where these begin
        self.known = Known()
        with _refusals():
            os.makedirs(own, exist_ok=True)
            self._lock = os.open(os.path.join(own, "lock"), os.O_RDWR | os.O_CREAT, 0o666)
        try:
            with _refusals():
                _take(self._lock)
                sweep([own])
                self._file = open(self._path, "a+b", buffering=0)  # noqa: SIM115 - they stay open
                self._begun = open(os.path.join(own, BEGUN), "a+b", buffering=0)  # noqa: SIM115
                self._load()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the folder."""
        for file in (self._file, self._begun):
            if file is not None:
                file.close()
        os.close(self._lock)

    def _load(self) -> None:
        """Read all whole lines, cut off a torn one, and write the journal anew when most of it is outdated."""
        self._size = 0
        for offset, line in _lines(self._file):
            self._size = offset + len(line)
            self.known.learn(parsed(line), offset)
        self._file.truncate(self._size)
        self._begun.seek(0)
        begun = list(_names(self._begun))
        self._begun.truncate(sum(len(os.fsencode(name)) + 1 for name in begun))
        self._unsettled.update(set(begun) - self.known.ours)
        self.known.ours.update(begun)
        if self.known.outdated > max(LEAST_OUTDATED, len(self.known.entries)):
            self._compact()

    def _compact(self) -> None:
        def write(file: Any) -> None:
            for record in (self.known.header, *({"ours": name} for name in sorted(self.known.ours))):
                file.write(line_of(record) if record else b"")
            for result, entry in self.known.entries.items():
                moved[result] = entry._replace(offset=file.tell())
                file.write(self._line_at(entry.offset))

        moved: dict[str, Entry] = {}
        atomic_write(self._path, write, force=True)
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
        try:
            with _refusals():
                _write_all(self._file, line)
        except OutputError:
            with suppress(OSError):
                self._file.truncate(self._size)
            raise
        if about:
            self._added[about] = self._size
            self.known.ours.update(made)
        else:
            made = self.known.learn(json.loads(line), self._size)
        self._unsettled.difference_update(made)
        self._size += len(line)

    def record(self, result: str) -> dict[str, Any]:
        """All that the last line about a result says."""
        added = self._added.get(result)
        offset = self.known.entries[result].offset if added is None else added
        found: dict[str, Any] = json.loads(self._line_at(offset))
        return found

    def _line_at(self, offset: int) -> bytes:
        with open(self._file.fileno(), "rb", closefd=False) as file:
            file.seek(offset)
            return file.readline()

    def begin(self, names: Iterable[str]) -> None:
        """Note that files of these names may be written from now on; the note is on the disk before they can be.

        Raises
        ------
        OutputError
            The disk is full.
        """
        new = [name for name in names if name not in self.known.ours]
        size = os.fstat(self._begun.fileno()).st_size
        try:
            with _refusals():
                _write_all(self._begun, b"".join(os.fsencode(name) + b"\0" for name in new))
                os.fsync(self._begun.fileno())
        except OutputError:
            with suppress(OSError):
                self._begun.truncate(size)
            raise
        self._unsettled.update(new)

    def settle(self) -> None:
        """Forget what has begun, at an orderly end. Makes the journal survive a crash.

        A file may be there without a line that says so: its figure failed, its worker died, the disk was full for the
        line. The journal then says whose it is, or the next run would take it for another's.
        """
        with suppress(OSError, OutputError):  # of a full disk: what has begun is kept for the next run
            for name in sorted(self._unsettled):
                if os.path.lexists(os.path.join(self._folder, name)):
                    self.add(line_of({"ours": name}))
            os.fsync(self._file.fileno())
            self._begun.truncate(0)
            self._unsettled.clear()


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(error.strerror or str(error), error.errno) from None


def _take(lock: int) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OptionError("another run is at work on this folder; its end, or another folder, is expected") from None
    except OSError:  # a file system without locks: the user's to watch, as on Windows
        pass


def _write_all(file: Any, data: bytes) -> None:
    rest = memoryview(data)
    while rest:  # a disk that is nearly full takes a part, and refuses the rest
        rest = rest[file.write(rest) :]


def _lines(file: Any) -> Iterator[tuple[int, bytes]]:
    """Yield the whole lines and where they begin."""
    offset = 0
    with open(file.fileno(), "rb", closefd=False) as buffered:
        buffered.seek(0)
        for line in buffered:
            if not line.endswith(b"\n"):
                return
            yield offset, line
            offset += len(line)


def read(folder: str) -> Known:
    """What a folder's journal says, without its lock: for looking only.

    Raises
    ------
    OptionError
        The journal is of another form.
    OutputError
        The folder is a file, or closed to us.
    """
    known = Known()
    with _refusals():
        with suppress(FileNotFoundError), open(os.path.join(folder, OWN, JOURNAL), "rb") as file:
            for offset, line in _lines(file):
                known.learn(parsed(line), offset)
        with suppress(FileNotFoundError), open(os.path.join(folder, OWN, BEGUN), "rb") as file:
            known.ours.update(_names(file))
    return known


def _names(file: Any) -> Iterator[str]:
    """Names in the list of files that were begun; a torn one was not."""
    return map(os.fsdecode, file.read().split(b"\0")[:-1])


def sweep(folders: Iterable[str], of: str = "") -> int:
    """Remove what killed runs have left half-written in these folders; returns how many files that were.

    Only of the file `of`, when that is given: in a folder that is not the batch's own, others may be writing.
    """
    swept = 0
    for folder in folders:
        with suppress(OSError), os.scandir(folder) as entries:
            names = [
                entry.name
                for entry in entries
                if re.fullmatch(PART, entry.name, re.DOTALL) and entry.name.startswith(f".{of}")
            ]
            for name in names:
                with suppress(OSError):
                    os.unlink(os.path.join(folder, name))
                    swept += 1
    return swept
