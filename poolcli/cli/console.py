"""All output to the terminal: messages and tables on stderr, data on stdout."""

from __future__ import annotations

import errno
import io
import json
import math
import os
import re
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

import click

from poolcli.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Sequence


class Console:
    """Messages on stderr, as -q and -v ask for them.

    Parameters
    ----------
    quiet : bool
        Print errors only.
    verbose : int
        How often -v was given.
    """

    def __init__(self, *, quiet: bool, verbose: int) -> None:
        self.quiet = quiet
        self.verbose = 0 if quiet else verbose

    def say(self, text: str) -> None:
        """Write a line to stderr."""
        if not self.quiet:
            write_stderr(text)

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Write a table to stderr; the first column is aligned left, the others right."""
        if self.quiet:
            return
        lines = align_columns([header, *rows])
        write_stderr(click.style(lines[0], bold=True))
        for line in lines[1:]:
            write_stderr(line)


def write_stderr(text: str) -> None:
    """Write a line to stderr. If that fails nothing happens, since the work itself is done."""
    with suppress(OSError):
        click.echo(text, err=True)


def align_columns(rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Format rows of cells as lines; the first `left` columns are aligned left, the others right.

    Examples
    --------
    >>> align_columns([["a", "1"], ["bc", "23"]])
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
    """Whether stdout is a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


def write_stdout(data: bytes | memoryview) -> None:
    """Write data to stdout, all of it.

    Raises
    ------
    OutputError
        stdout is closed, or the file behind it cannot be written. A broken pipe raises `BrokenPipeError` instead, which
        ends the program without a message.
    """
    try:
        rest = memoryview(data).cast("B")
        while rest:  # an unbuffered stdout may write only a part
            rest = rest[_stdout().write(rest) :]
        _stdout().flush()
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        discard_stdout()
        raise OutputError(error.strerror or str(error)) from None


def escape_codes_allowed() -> bool:
    """Whether escape codes may be written to the terminal: not with NO_COLOR or TERM=dumb."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def progress_stream() -> Any:
    """Stderr as a stream for a progress bar; escape codes are removed where they are not allowed."""
    return sys.stderr if escape_codes_allowed() else _WithoutCodes(sys.stderr)


class _WithoutCodes:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class StdoutWriter(io.RawIOBase):
    """A binary stream that writes to stdout with `write_stdout`."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        write_stdout(data)
        return len(data)


class ClosedStdout(io.TextIOBase):
    """Replaces a closed stdout: writing raises an error, while Python would drop the text without a message."""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))


def _stdout() -> BinaryIO:
    if sys.stdout is None or isinstance(sys.stdout, ClosedStdout):
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    return sys.stdout.buffer


def discard_stdout() -> None:
    """Discard buffered data that could not be written; else Python would try again at exit and print an error."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def write_json(value: Any) -> None:
    """Write one JSON object to stdout; NaN and infinity are null."""
    write_stdout((json.dumps(_finite(value), indent=2) + "\n").encode())


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
