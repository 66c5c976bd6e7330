"""What a journal's lines say: one of JSON for every finished file, after a header that tells how results are made."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from poolcli.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = 1
"""Of the journal's form; another one is refused, not guessed at."""


class Making(NamedTuple):
    """How results are made: with the source, what decides a result's bytes."""

    recipe: str
    algorithm: int
    pixels: str


class Entry(NamedTuple):
    """What the last line about a result says, as far as it decides whether there is something to do."""

    offset: int
    done: bool
    source: str
    size: int | None
    mtime_ns: int | None
    making: Making
    bytes: int | None
    figure: str | None
    figure_bytes: int | None


class Known:
    """What a journal says.

    Attributes
    ----------
    header : dict
        The last one: the recipe of the results, and what else decides their pixels; empty without a journal.
    entries : dict of str to Entry
        By the result's name below DIR.
    ours : set of str
        Names, below DIR or from there, of all files that were made or begun by a batch, so that it may make them again.
    """

    def __init__(self) -> None:
        self.header: dict[str, Any] = {}
        self.entries: dict[str, Entry] = {}
        self.ours: set[str] = set()
        self.outdated = 0

    def learn(self, record: Mapping[str, Any] | None, offset: int) -> set[str]:
        """Take in a line; returns the names that it says are ours.

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
                    f"{VERSION} is read, another folder is expected"
                )
            self.outdated += bool(self.header)
            self.header = dict(record)
        elif "ours" in record:
            ours.add(str(record["ours"]))
        else:
            result = str(record.get("result"))
            self.outdated += result in self.entries
            entry = self.entries[result] = _entry(record, offset)
            if entry.done:
                ours.update(filter(None, (result, entry.figure)))
        self.ours |= ours
        return ours


def parsed(line: bytes) -> dict[str, Any] | None:
    """A line as a record; None for what is none: a disk or a hand that spoilt a line costs that line."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and {"journal", "ours", "result"} & record.keys() else None


def _entry(record: Mapping[str, Any], offset: int) -> Entry:
    def number(key: str) -> int | None:
        value = record.get(key)
        return value if isinstance(value, int) else None

    figure = record.get("figure")
    making = Making(
        sys.intern(str(record.get("recipe"))), number("algorithm") or 0, sys.intern(str(record.get("pixels")))
    )
    return Entry(
        offset,
        record.get("status") == "done",
        str(record.get("source", "")),
        number("size"),
        number("mtime_ns"),
        making,
        number("bytes"),
        figure if isinstance(figure, str) else None,
        number("figure_bytes"),
    )


def line_of(record: Mapping[str, Any]) -> bytes:
    """A record as a line of ASCII: bytes of names that are no UTF-8 are escaped as lone surrogates, and so come back."""
    return (_ENCODER.encode(record) + "\n").encode()


_ENCODER = json.JSONEncoder(separators=(",", ":"))
