"""The command line: the only room that knows Click."""

from __future__ import annotations

import gc
import os
import sys

_ONE_THREAD = dict.fromkeys(
    ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
"""Read when numpy is loaded, here and in worker processes: no matrix is multiplied, and idle threads cost time."""


def main() -> None:
    """Run the command line with the arguments of the process; never returns."""
    # What is loaded at the start stays: looking for garbage in it, again and again, finds none.
    gc.set_threshold(10_000)
    os.environ.update(_ONE_THREAD)
    try:
        from poolcli.cli.group import start

        sys.exit(start())
    except KeyboardInterrupt:  # before or after a command: inside one, `start` sees it first
        sys.exit(130)
