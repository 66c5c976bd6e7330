"""The state that a journal's lines describe: a header with the recipe, then one line of JSON per finished file."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from poolcli.batch.storage import absolute
from poolcli.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping

OWN = ".poolcli"
"""The folder inside DIR that holds the journal."""

VERSION = 1
"""Version of the journal's form; other versions are refused."""


class ResultKey(NamedTuple):
    """How results are made; together with the source it determines a result's bytes."""

    recipe: str
    algorithm: int
    pixels: str


class JournalEntry(NamedTuple):
    """The part of the last line about a result that decides whether the result is up to date."""

    offset: int
    done: bool
    source: str
    size: int | None
    mtime_ns: int | None
    key: ResultKey
    bytes: int | None
    figure: str | None
    figure_bytes: int | None
    ctime_ns: int | None = None
    inode: int | None = None
    number: int | None = None


class JournalState:
    """The state that a journal describes.

    Attributes
    ----------
    header : dict
        The last one: the recipe of the results, and what else decides their pixels; empty without a journal.
    entries : dict of str to JournalEntry
        By the result's name below DIR.
    ours : set of str
        Names, below DIR or from there, of all files that were made or begun by a batch, so that it may make them again.
    """

    def __init__(self) -> None:
        self.header: dict[str, Any] = {}
        self.entries: dict[str, JournalEntry] = {}
        self.ours: set[str] = set()
        self.outdated = 0
        self._by_source: dict[str, JournalEntry] | None = None

    def has_source(self, source: Any) -> bool:
        """Whether an earlier run made a result from this file in its present state."""
        if self._by_source is None:
            self._by_source = {entry.source: entry for entry in self.entries.values() if entry.done}
        if not self._by_source or source.stamp is None:
            return False
        entry = self._by_source.get(absolute(source.path))
        return entry is not None and (entry.size, entry.mtime_ns) == (source.stamp.size, source.stamp.mtime_ns)

    def numbers(self) -> dict[str, int]:
        """The numbers that sources had in earlier plans, by absolute path."""
        return {entry.source: entry.number for entry in self.entries.values() if entry.number is not None}

    def add_record(self, record: Mapping[str, Any] | None, offset: int) -> set[str]:
        """Add a line to the state and return the names of the files that it states as written by poolcli.

        Raises
        ------
        OptionError
            It begins a journal of another form.
        """
        ours: set[str] = set()
        if record is None:
            self.outdated += 1
        elif "journal" in record:
            if record["journal"] != VERSION:
                raise OptionError(
                    f"its journal has the form {record['journal']!r} of poolcli {record.get('poolcli')!r}; "
                    f"{VERSION} is read; choose another folder"
                )
            self.outdated += bool(self.header)
            self.header = dict(record)
        elif "ours" in record:
            ours.add(str(record["ours"]))
        elif "gone" in record:
            self.outdated += 2
            self.entries.pop(str(record["gone"]), None)
            self.ours.discard(str(record["gone"]))
        else:
            result = str(record.get("result"))
            self.outdated += result in self.entries
            entry = self.entries[result] = _entry(record, offset)
            if entry.done:
                ours.update(filter(None, (result, entry.figure)))
        self.ours |= ours
        return ours


def parse_line(line: bytes) -> dict[str, Any] | None:
    """Parse a line; None if it is damaged, so that a damaged line costs only that line."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and {"journal", "ours", "gone", "result"} & record.keys() else None


_NUMBERS = ("algorithm", "size", "mtime_ns", "bytes", "figure_bytes", "ctime_ns", "inode", "number")


def _entry(record: Mapping[str, Any], offset: int) -> JournalEntry:
    algorithm, size, mtime_ns, made_bytes, figure_bytes, ctime_ns, inode, number = (
        value if isinstance(value, int) else None for value in map(record.get, _NUMBERS)
    )
    figure = record.get("figure")
    return JournalEntry(
        offset,
        record.get("status") == "done",
        str(record.get("source", "")),
        size,
        mtime_ns,
        _key(str(record.get("recipe")), algorithm or 0, str(record.get("pixels"))),
        made_bytes,
        figure if isinstance(figure, str) else None,
        figure_bytes,
        ctime_ns,
        inode,
        number,
    )


@lru_cache(maxsize=64)
def _key(recipe: str, algorithm: int, pixels: str) -> ResultKey:
    """One key for all results that were made in the same way."""
    return ResultKey(recipe, algorithm, pixels)


def to_line(record: Mapping[str, Any]) -> bytes:
    """Format a record as a line of ASCII; bytes of names that are not UTF-8 are escaped as lone surrogates."""
    return (_ENCODER.encode(record) + "\n").encode()


_ENCODER = json.JSONEncoder(separators=(",", ":"))
