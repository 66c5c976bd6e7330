"""One listing of a folder in a store: its objects with their sizes, times and tags."""

from __future__ import annotations

import errno
import os
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from poolcli.batch.storage import FILE, FOLDER, ODD, VERSION, Entry, Stamp, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_TIMES = ("LastModified", "last_modified", "updated", "mtime", "modified")
_TAGS = ("ETag", "etag", "md5Hash", "content_md5", "generation", "VersionId")
_SECOND = 10**9


class Listing:
    """The objects below a folder, or in it alone.

    Parameters
    ----------
    top : str
        The folder, as its `real` name.
    found : iterable of (str, mapping)
        Each object's URL and its description by the file system.
    refusal : OSError or None
        Why the folder could not be listed.
    recursive : bool
        Whether it holds what is in folders inside the folder.
    """

    def __init__(
        self, top: str, found: Iterable[tuple[str, Mapping[str, Any]]], refusal: OSError | None, *, recursive: bool
    ) -> None:
        self.top, self.recursive, self.refusal = top, recursive, refusal
        self._files: dict[str, dict[str, Status]] = {}
        self._folders: dict[str, dict[str, Status]] = {}  # an object may have the name of a folder
        self._odd: list[str] = []
        for url, info in found:
            name = url.removeprefix(f"{top}/")
            parts = name.rstrip("/").split("/")
            if url.rstrip("/") == top or (
                name.endswith("/") and info.get("size") == 0 and info.get("type") != "directory"
            ):
                continue  # the folder itself, and objects that stand for folders
            is_folder = info.get("type") == "directory"
            no_file = name.endswith("/") and not is_folder
            if no_file or VERSION in name or any(part in ("", os.curdir, os.pardir) for part in parts):
                self._odd.append(url)  # a key that is no path: its result could not be named after it
                continue
            folder = top
            for part in parts[:-1]:
                self._folders.setdefault(folder, {}).setdefault(part, folder_status(f"{folder}/{part}"))
                folder = f"{folder}/{part}"
            kind = self._folders if is_folder else self._files
            kind.setdefault(folder, {})[parts[-1]] = status_of(f"{folder}/{parts[-1]}", info)
        if self.refusal is None and not (self._files or self._folders or self._odd) and "/" in top.partition("://")[2]:
            self.refusal = OSError(errno.ENOENT, os.strerror(errno.ENOENT))

    def knows(self, url: str) -> bool:
        """Whether a question about a place can be answered from here."""
        return url == self.top or self.recursive or os.path.dirname(url) == self.top

    def status(self, url: str) -> Status | None:
        """The state of an object, or of a name below which there are some."""
        if url == self.top:
            return folder_status(url) if self._files or self._folders else None
        folder, name = os.path.split(url)
        return self._files.get(folder, {}).get(name) or self._folders.get(folder, {}).get(name)

    def scan(self, folder: str) -> list[Entry]:
        """What is in a folder."""
        inside = [*self._files.get(folder, {}).items(), *self._folders.get(folder, {}).items()]
        entries = [Entry(name, f"{folder}/{name}", found.kind) for name, found in inside]
        return entries + [Entry(url, url, ODD) for url in self._odd if folder == self.top]


def folder_status(url: str) -> Status:
    """The state of a folder: its place."""
    return Status(FOLDER, Stamp(0, 0, 0, -1, _number(url)))


def status_of(url: str, info: Mapping[str, Any]) -> Status:
    """The state of an object, from its description by a file system.

    Stores tell the time in seconds; the digits below a second are of the tag, which changes with the content, so that
    an object which was replaced within a second is another one. The tag stands in the place of the time of change, and
    the place in that of the inode.
    """
    if info.get("type") == "directory":
        return folder_status(url)
    tag = _number(str(next((info[key] for key in _TAGS if info.get(key)), "")))
    time = seconds_of(info)
    return Status(FILE, Stamp(int(info.get("size") or 0), time * _SECOND + tag % _SECOND, tag, -1, _number(url)))


def seconds_of(info: Mapping[str, Any]) -> int:
    """The time of the last change in seconds, which file systems give under different names; 0 if there is none."""
    time: Any = next((info[key] for key in _TIMES if info.get(key)), 0)
    if isinstance(time, str):
        try:
            time = datetime.fromisoformat(time)
        except ValueError:
            return _number(str(time)) % _SECOND  # of no known form: another text is another time
    if isinstance(time, datetime):
        return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp())
    return int(time)


def _number(text: str) -> int:
    """A number of 63 bits for a text: equal for equal ones."""
    return int.from_bytes(blake2b(os.fsencode(text), digest_size=8).digest(), "big") >> 1
