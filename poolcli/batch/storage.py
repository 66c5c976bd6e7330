"""What a batch needs of the place where its pictures, results and journal are: the interface of a storage.

`local_storage` is the one for files. Nothing else in a batch calls the operating system about files; names are put
together with `os.path`, which looks at none.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Protocol

from poolcli.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    Data = bytes | Callable[[BinaryIO], object]
    """The contents of a file: bytes, or a function that writes them to a stream."""

FILE, FOLDER, OTHER = "file", "folder", "other"
"""What a name can stand for; a device, a pipe, and a link that is not followed are other."""

VERSION = "?versionId="
"""What follows it in a URL is no part of the name for the clients of S3, which would read another object."""

LINK, ODD = "links to folders", "names that are no paths"
"""What is found in a folder and never taken: why."""


class StoreLostError(OutputError):
    """A store does not answer, or refuses all work: the next file would fail in the same way."""


class DamagedError(OutputError):
    """What a store sent is not what it holds."""


class Stamp(NamedTuple):
    """Identifies a file and its state."""

    size: int
    mtime_ns: int
    ctime_ns: int
    device: int
    inode: int

    @property
    def file(self) -> tuple[int, int]:
        """A key that is equal for all names of one file."""
        return self.device, self.inode


class Status(NamedTuple):
    """What a name stands for, and its state."""

    kind: str
    stamp: Stamp


class Entry(NamedTuple):
    """Something in a folder: `FILE`, `FOLDER`, `LINK` or `ODD`."""

    name: str
    path: str
    kind: str


class JournalFiles(Protocol):
    """The place of one folder's journal, claimed for this run until it is closed."""

    refusal: OutputError | None
    """Why nothing can be written here, where the journal can only be read."""

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield all complete lines, each with the place at which `line_at` finds it; a torn last one is cut off."""
        ...

    def started(self) -> list[str]:
        """Names noted by runs that came to no orderly end."""
        ...

    def append(self, line: bytes) -> int:
        """Add a line whole, or nothing of it, and return its place; raises `OutputError`."""
        ...

    def line_at(self, place: int) -> bytes:
        """Return a line."""
        ...

    def flush(self) -> None:
        """Store the lines that have been added, where adding them alone does not; raises `OutputError`."""
        ...

    def rewrite(self, write: Callable[[BinaryIO], None]) -> None:
        """Replace all lines in one step by those that `write` writes; their places count from 0. Raises `OutputError`."""
        ...

    def note_started(self, names: Sequence[str]) -> None:
        """Note, safe from a crash, that the writing of these files may begin; raises `OutputError`."""
        ...

    def existing(self, names: Collection[str]) -> list[str]:
        """Those of the names below the folder that exist, sorted."""
        ...

    def forget_started(self) -> None:
        """Make the journal safe from a crash, then forget the names that were noted."""
        ...

    def close(self, *, nothing_made: bool) -> None:
        """Release the folder; where nothing was made in it, leave nothing behind."""
        ...


class Storage(Protocol):
    """Where files are. Methods that look raise `OSError`, those that write raise `OutputError`, where nothing else is said."""

    def real(self, path: str) -> str:
        """The one name of a place, with links resolved."""
        ...

    def remember(self, paths: Sequence[str], *, recursive: bool) -> None:
        """Be ready for questions about files, and what is in folders, where asking for everything at once costs less."""
        ...

    def scan(self, folder: str) -> list[Entry]:
        """What is in a folder."""
        ...

    def status(self, path: str, *, follow: bool = True) -> Status | None:
        """The present state of a file or folder, or of a link to it; None if it cannot be had."""
        ...

    def exists(self, path: str) -> bool:
        """Whether the name is taken, if only by a link that leads nowhere."""
        ...

    def is_marked(self, path: str) -> bool:
        """Whether a picture carries the mark of poolcli in its first bytes; False where looking has a price, or fails."""
        ...

    def picture(self, path: str, size: int | None = None) -> str | BinaryIO:
        """What `images.read` reads; raises `ImageError`, also where it is known to have another size."""
        ...

    def check_target(self, path: str, *, force: bool, option: str = "-o") -> None:
        """Refuse a file that cannot be written, or exists, without `force`; raises `OutputError` or `OptionError`."""
        ...

    def may_be_claimed(self, path: str) -> bool:
        """Whether a file written here can be known again as ours: no pipe, no device."""
        ...

    def write(self, path: str, data: Data, *, force: bool) -> None:
        """Write a file whole: under its name is always the old one or the new one."""
        ...

    def make_folder(self, path: str) -> None:
        """Make a folder, and those above it, where files need one; raises `OSError`."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file; raises `OSError`."""
        ...

    def remove_folder(self, path: str) -> None:
        """Remove a folder that is empty; raises `OSError`."""
        ...

    def sweep(self, folders: Iterable[str], of: str = "", *, locked: bool = False) -> None:
        """Remove what killed runs have left half-written (`images.atomic.sweep`)."""
        ...

    def open_journal(
        self,
        folder: str,
        waiting: Callable[[str], None] | None,
        *,
        force: bool = False,
        tell: Callable[[str], None] = lambda _: None,
    ) -> JournalFiles:
        """Claim a folder and open its journal (`journal.Journal`)."""
        ...

    def read_lines(self, folder: str) -> Iterator[tuple[int, bytes]]:
        """Yield the complete lines of a folder's journal with their places, without claiming the folder; raises `OutputError`."""
        ...

    def read_started(self, folder: str) -> list[str]:
        """The names that a folder's journal notes as begun; raises `OutputError`."""
        ...


_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def is_url(path: str) -> bool:
    """Whether a name is that of a place beyond this machine's files.

    Examples
    --------
    >>> is_url("s3://bucket/photos"), is_url("photos/a.png")
    (True, False)
    """
    return "://" in path and _URL.match(path) is not None


def absolute(path: str) -> str:
    """A name that means the same in every folder: of a local file, `os.path.abspath`.

    The absolute names of folders are kept, since most files of a batch share a few.

    Examples
    --------
    >>> absolute("/photos/../a.png"), absolute("s3://bucket/a.png")
    ('/a.png', 's3://bucket/a.png')
    """
    if is_url(path):
        return path
    end = path.rfind(os.sep) + 1
    name = path[end:]
    if os.altsep or name in ("", os.curdir, os.pardir):
        return os.path.abspath(path)
    return _absolute_folder(path[:end], "" if path.startswith(os.sep) else os.getcwd()) + name


@lru_cache(maxsize=1024)
def _absolute_folder(folder: str, here: str) -> str:
    """With a separator at its end."""
    return os.path.join(os.path.normpath(os.path.join(here, folder)), "")


def parent(path: str) -> str:
    """The folder above a place; of the topmost one, itself.

    Examples
    --------
    >>> parent("s3://bucket/photos"), parent("s3://bucket"), parent("/photos")
    ('s3://bucket', 's3://bucket', '/')
    """
    return path if is_url(path) and "/" not in path.partition("://")[2] else os.path.dirname(path)
