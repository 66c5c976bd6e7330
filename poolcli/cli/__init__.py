"""The command line: the only room that knows Click."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line with the arguments of the process; never returns."""
    try:
        from poolcli.cli.group import start

        sys.exit(start())
    except KeyboardInterrupt:  # before or after a command: inside one, `start` sees it first
        sys.exit(130)
