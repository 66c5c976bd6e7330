"""Shows a result in the terminal, with the size and colours that the terminal has."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

from poolcli.cli.console import write_stdout
from poolcli.figures.terminal import HALF, preview

if TYPE_CHECKING:
    from poolcli.figures.terminal import Colors
    from poolcli.pipeline.result import Result


def write_preview(result: Result) -> None:
    """Write the last map of a run to stdout, which must be a terminal.

    Raises
    ------
    OutputError
        stdout cannot be written.
    """
    size = shutil.get_terminal_size()
    lines = preview(result, max(1, size.columns), max(1, size.lines), colors())
    write_stdout(("\n".join(lines) + "\n").encode(encoding(), "replace"))


def encoding() -> str:
    """The encoding of stdout."""
    return getattr(sys.stdout, "encoding", None) or "utf-8"


def colors() -> Colors:
    """The colours that the terminal shows, from NO_COLOR, TERM and COLORTERM; none if it cannot encode half blocks."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return "none"
    try:
        HALF.encode(encoding())
    except UnicodeEncodeError:
        return "none"
    return "true" if os.environ.get("COLORTERM", "").lower() in ("truecolor", "24bit") else "256"
