"""The command line: the only package that knows Click."""

from __future__ import annotations

import gc
import os
import sys

_ONE_THREAD = dict.fromkeys(
    ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
"""Environment variables for numpy's libraries, here and in workers: poolcli does not use their threads, and starting
them takes time."""


def main() -> None:
    """Run the command line with the arguments of the process; never returns."""
    # Collect garbage less often: the modules loaded at the start are never garbage.
    gc.set_threshold(10_000)
    os.environ.update(_ONE_THREAD)
    try:
        from poolcli.cli.exit_codes import run_command
        from poolcli.cli.group import cli
        from poolcli.cli.signals import end_at_once

        try:
            code = run_command(cli)
        finally:
            end_at_once()
    except KeyboardInterrupt:  # before or after a command; during one, `run_command` handles it
        code = 130
    sys.exit(code)
