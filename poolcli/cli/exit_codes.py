"""Exit codes for errors, and the one line about each on stderr."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any

import click

from poolcli.cli.console import ClosedStdout, discard_stdout, escape_codes_allowed, write_stderr
from poolcli.cli.signals import end_by_exception
from poolcli.display import display_name, printable
from poolcli.errors import OptionError, OutputError, PoolcliError
from poolcli.limits import limits, shortage

if TYPE_CHECKING:
    from collections.abc import Sequence

DONE, FAILED, USAGE, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143
NO_FOLDER = "the current folder does not exist any more; change to another one (cd)"
"""Success, a file failed, wrong usage, SIGINT, SIGTERM; for other signals 128 and their number."""


class Failure(click.ClickException):
    """A file that failed: one line, the path first."""

    exit_code = FAILED

    def show(self, file: Any = None) -> None:
        click.echo(self.message, file=file, err=file is None)


def failure(error: PoolcliError | MemoryError, about: str) -> click.ClickException:
    """Convert an error of the other packages into Click's; `about` is the file that it is about."""
    context = click.get_current_context(silent=True)
    if context is not None and context.params.get("verbose", 0) > 1:
        from traceback import print_exception

        print_exception(error)
    if isinstance(error, OutputError) and error.path is not None:
        about = display_name(error.path)
    if isinstance(error, MemoryError):
        message = f"not enough memory{limits()}; use a smaller picture, or --resize"
        return Failure(f"{about}: {message}" if about else message)
    message = f"{about}: {error}" if about else str(error)
    if isinstance(error, OptionError):
        return click.UsageError(message, context)
    return Failure(message)


def run_command(command: click.Command, args: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    end_by_exception()
    _prepare_streams()
    try:
        code = command.main(args, prog_name="poolcli", standalone_mode=False, color=_color())
        if sys.stdout is not None:
            sys.stdout.flush()
    except click.ClickException as error:
        if os.strerror(errno.ENOENT) in error.message and _has_no_folder():
            write_stderr(NO_FOLDER)
        else:
            show(error)
        code = error.exit_code
    except click.Abort:  # Click raises it for Ctrl-C
        write_stderr("Interrupted.")
        code = INTERRUPTED
    except OSError as error:  # of stdout: errors of other files are caught where they are opened
        if _has_no_folder():
            write_stderr(NO_FOLDER)
            return FAILED
        discard_stdout()
        if error.errno != errno.EPIPE:  # a reader that closes the pipe early is not worth a message
            write_stderr(f"stdout: {error.strerror}")
        code = FAILED
    except Exception as error:
        if "-vv" in sys.argv:
            raise
        write_stderr(f"poolcli: {_unexpected(error)}")
        code = FAILED
    return code if isinstance(code, int) else DONE


def _unexpected(error: Exception) -> str:
    if lack := shortage(error):
        return f"{lack}; use a smaller picture, fewer --jobs or --threads, or a higher limit"
    return f"{type(error).__name__}: {printable(str(error))}; this is a bug of poolcli, -vv shows where"


def _prepare_streams() -> None:
    """Let text that an encoding of stdout does not have be escaped, and a closed stdout be an error when it is used.

    The numbers of closed streams are taken: a file opened later would get them, with all that libraries write to stderr.
    """
    for number in (0, 1, 2):
        with suppress(OSError):  # more limits of files than these
            try:
                os.fstat(number)
            except OSError:
                os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    if sys.stdout is None:
        sys.stdout = ClosedStdout()
    elif isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _has_no_folder() -> bool:
    try:
        os.getcwd()
    except OSError:
        return True
    return False


def show(error: click.ClickException) -> None:
    """Write an error to stderr; a full or closed stderr does not change the exit code. Nothing in it can repaint a terminal."""
    vars(error)["message"] = printable(error.message)
    with suppress(OSError):
        if sys.stderr is not None:
            error.show()


def _color() -> bool | None:
    """False if the environment disables colours; None lets Click decide."""
    return None if escape_codes_allowed() else False
