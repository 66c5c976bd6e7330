"""The report of a batch: one row per picture, as lines of JSON or as a table."""

from __future__ import annotations

import csv
import io
import json
import os
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from poolcli.display import quoted
from poolcli.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    Row = dict[str, Any]

_COLUMNS = ("name", "status", "error", "source", "result", "figure", "seconds")
_INPUT = ("format", "mode", "channels", "depth")
_MAP = ("height", "width", "min", "max", "mean", "active")


def _jsonl(stream: BinaryIO, rows: Iterable[Row], maps: Sequence[str]) -> None:
    stream.writelines(json.dumps(row).encode() + b"\n" for row in rows)


def _csv(stream: BinaryIO, rows: Iterable[Row], maps: Sequence[str]) -> None:
    text = io.TextIOWrapper(stream, "utf-8", newline="", write_through=True)
    writer = csv.writer(UnixLines(text))
    writer.writerow([*_COLUMNS, *_INPUT, *(f"{name}.{column}" for name in maps for column in _MAP)])
    for row in rows:
        found = row["input"] or {}
        cells = [row[column] for column in _COLUMNS] + [found.get(column) for column in _INPUT]
        for one in [found, *(row["stages"] or [])] if found else []:
            cells += [*one["shape"], *(one[column] for column in _MAP[2:])]
        writer.writerow(cells)
    text.detach()


class UnixLines:
    """Replaces the line ends of a `csv.writer` by LF; with a line terminator of LF it would not quote CR."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, row: str) -> object:
        return self._stream.write(row.removesuffix("\r\n") + "\n")


FORMATS: dict[str, Callable[[BinaryIO, Iterable[Row], Sequence[str]], None]] = {".csv": _csv, ".jsonl": _jsonl}
"""Suffix -> what writes rows to a stream; the maps' names head the columns of a table."""


def writer(path: str) -> Callable[[BinaryIO, Iterable[Row], Sequence[str]], None]:
    """The function that writes a report in the format of its suffix.

    Raises
    ------
    OptionError
        Another suffix.
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in FORMATS:
        raise OptionError(f"report {quoted(path)}: write a name ending in {' or '.join(FORMATS)}")
    return FORMATS[suffix]
