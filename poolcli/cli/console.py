"""The one door to the terminal: messages and tables to stderr, data to stdout."""

from __future__ import annotations

import errno
import json
import math
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from poolcli.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Sequence


class Console:
    """Says what the verbosity allows.

    Parameters
    ----------
    quiet : bool
        Nothing but errors.
    verbose : int
    """

    def __init__(self, *, quiet: bool, verbose: int) -> None:
        self.quiet = quiet
        self.verbose = verbose

    def say(self, text: str) -> None:
        """Write a line to stderr."""
        if not self.quiet:
            tell(text)

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Write aligned columns to stderr, the first to the left."""
        if self.quiet:
            return
        lines = aligned([header, *rows])
        tell(click.style(lines[0], bold=True))
        for line in lines[1:]:
            tell(line)


def tell(text: str) -> None:
    """Write a line to stderr; where that cannot be written, what was done is done all the same."""
    with suppress(OSError):
        click.echo(text, err=True)


def aligned(rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Rows of cells as lines with aligned columns.

    Examples
    --------
    >>> aligned([["a", "1"], ["bc", "23"]])
    ['a    1', 'bc  23']
    """
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            c.ljust(w) if i < left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def stdout_is_terminal() -> bool:
    """Whether data written to stdout would land on a screen."""
    return sys.stdout is not None and sys.stdout.isatty()


def write_stdout(data: bytes | memoryview) -> None:
    """Write data to stdout, all of it.

    Raises
    ------
    OutputError
        stdout is closed or full. A closed pipe is passed on: Click ends the program silently.
    """
    try:
        rest = memoryview(data).cast("B")
        while rest:  # an unbuffered stdout may take a part only
            rest = rest[_stdout().write(rest) :]
        _stdout().flush()
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        discard_stdout()
        raise OutputError(error.strerror or str(error)) from None


def _stdout() -> BinaryIO:
    if sys.stdout is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    return sys.stdout.buffer


def discard_stdout() -> None:
    """Let go of what could not be written: it would be tried again, and complained about, when the interpreter ends."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def write_json(value: Any) -> None:
    """Write one JSON object to stdout; numbers that JSON does not have are null."""
    write_stdout((json.dumps(_finite(value), indent=2) + "\n").encode())


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
