"""The command line: the only room that knows Click."""

from __future__ import annotations

import gc
import os
import sys

from poolcli.ops import ONE_THREAD


def main() -> None:
    """Run the command line with the arguments of the process; never returns."""
    # What is loaded at the start stays: looking for garbage in it, again and again, finds none.
    gc.set_threshold(10_000)
    for name, threads in ONE_THREAD.items():
        os.environ.setdefault(name, threads)
    try:
        from poolcli.cli.group import start

        sys.exit(start())
    except KeyboardInterrupt:  # before or after a command: inside one, `start` sees it first
        sys.exit(130)
