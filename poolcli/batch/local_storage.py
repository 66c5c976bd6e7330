"""The storage of local files: written atomically and flushed to the disk."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from poolcli.batch.local_journal import LocalJournal, read_lines, read_started
from poolcli.batch.storage import FILE, FOLDER, LINK, OTHER, Entry, Stamp, Status
from poolcli.images.atomic import atomic_write, check_target, sweep
from poolcli.images.embedded import carries_mark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from poolcli.batch.storage import Data


class LocalStorage:
    """A `storage.Storage` of local files."""

    def real(self, path: str) -> str:
        """`os.path.realpath`."""
        return os.path.realpath(path)

    def remember(self, paths: Sequence[str], *, recursive: bool) -> None:
        """Nothing: the kernel remembers."""

    def scan(self, folder: str) -> list[Entry]:
        """What is in a folder; links to folders are marked as links."""
        with os.scandir(folder) as entries:
            return [Entry(entry.name, entry.path, _kind(entry)) for entry in entries]

    def status(self, path: str, *, follow: bool = True) -> Status | None:
        """The state of a file, or of the link to it."""
        try:
            found = os.stat(path) if follow else os.lstat(path)
        except (OSError, ValueError):  # whoever opens it says why
            return None
        kind = FILE if stat.S_ISREG(found.st_mode) else FOLDER if stat.S_ISDIR(found.st_mode) else OTHER
        return Status(kind, Stamp(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_dev, found.st_ino))

    def exists(self, path: str) -> bool:
        """`os.path.lexists`."""
        return os.path.lexists(path)

    def is_marked(self, path: str) -> bool:
        """Whether the file carries our mark (`images.embedded.carries_mark`)."""
        try:
            return carries_mark(path)
        except (OSError, ValueError):
            return False

    def picture(self, path: str, size: int | None = None) -> str:
        """The path: whoever reads it opens it."""
        return path

    def check_target(self, path: str, *, force: bool, option: str = "-o") -> None:
        """`images.atomic.check_target`."""
        check_target(path, force=force, option=option)

    def may_be_claimed(self, path: str) -> bool:
        """Whether it is a regular file, or none yet."""
        return os.path.isfile(path) or not os.path.exists(path)

    def write(self, path: str, data: Data, *, force: bool) -> None:
        """`images.atomic.atomic_write`."""
        atomic_write(path, data, force=force)

    def make_folder(self, path: str) -> None:
        """Make a folder and those above it."""
        os.makedirs(path, exist_ok=True)

    def remove(self, path: str) -> None:
        """`os.unlink`."""
        os.unlink(path)

    def remove_folder(self, path: str) -> None:
        """`os.rmdir`."""
        os.rmdir(path)

    def sweep(self, folders: Iterable[str], of: str = "", *, locked: bool = False) -> None:
        """`images.atomic.sweep`."""
        sweep(folders, of, locked=locked)

    def open_journal(
        self,
        folder: str,
        waiting: Callable[[str], None] | None,
        *,
        force: bool = False,
        tell: Callable[[str], None] = lambda _: None,
    ) -> LocalJournal:
        """Lock the folder and open its journal; a lock ends with its owner, so that there is nothing to take over."""
        return LocalJournal(folder, waiting)

    def read_lines(self, folder: str) -> Iterator[tuple[int, bytes]]:
        """Yield the lines of a journal, without its lock."""
        return read_lines(folder)

    def read_started(self, folder: str) -> list[str]:
        """The names that a journal notes as begun."""
        return read_started(folder)


def _kind(entry: os.DirEntry[str]) -> str:
    if entry.is_dir(follow_symlinks=False):
        return FOLDER
    try:
        return LINK if entry.is_dir() else FILE
    except OSError:  # a link to itself: whoever opens it says so
        return FILE


LOCAL = LocalStorage()


def stamp_of(path: str) -> Stamp | None:
    """The present state of a file; None if it cannot be read."""
    found = LOCAL.status(path)
    return found and found.stamp
