"""The root of the commands: which there are, what their errors mean to the shell, how they are found.

Help, version and completion of command names come from `COMMANDS` alone; a command's module is imported when it is
run. Nothing here imports numpy, Pillow or Matplotlib.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from poolcli import __version__
from poolcli.cli.console import discard_stdout, tell
from poolcli.errors import OptionError, PoolcliError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from click.shell_completion import CompletionItem


@dataclass(frozen=True)
class Entry:
    """Where a command lives, and its line in the list of commands."""

    module: str
    summary: str


COMMANDS: dict[str, Entry] = {
    "run": Entry("poolcli.cli.run", "Pool one image, and draw what happened."),
    "batch": Entry("poolcli.cli.batch", "Pool many pictures, in parallel."),
    "list": Entry("poolcli.cli.listing", "List the pools, kernels, recipes and formats."),
}

DONE, FAILED, USAGE, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143
"""Exit codes: all done, this file could not be done, wrong usage, SIGINT, SIGTERM."""


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports them when they are run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        with _signals_held():
            command: click.Command = import_module(COMMANDS[cmd_name].module).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = click.utils.make_str(args[0])
        if name not in COMMANDS and not name.startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(name, COMMANDS, 1)
            hint = f"Did you mean {near[0]!r}?" if near else f"One of {', '.join(COMMANDS)} is expected."
            if os.path.exists(name):
                hint = f"Did you mean 'poolcli run {name}'?"
            ctx.fail(f"No such command {name!r}. {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        found = [CompletionItem(n, help=e.summary) for n, e in COMMANDS.items() if n.startswith(incomplete)]
        return found + click.Command.shell_complete(self, ctx, incomplete)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Examples:
  poolcli run cat.jpg --pool max --size 2 --stride 2
  poolcli run cat.jpg --kernel edge --pool max --size 2
  poolcli list pools""",
)
@click.version_option(__version__, prog_name="poolcli", message="%(prog)s %(version)s")
def cli() -> None:
    """Filter, detect, condense: what a convolutional layer does to a picture, with the frameworks' exact numbers."""


def start(args: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    signal.signal(signal.SIGTERM, _terminated)
    color = False if os.environ.get("NO_COLOR") else None
    try:
        code = cli.main(args, prog_name="poolcli", standalone_mode=False, color=color)
        if sys.stdout is not None:
            sys.stdout.flush()
    except click.ClickException as error:
        with suppress(OSError):  # a full or closed stderr changes no exit code
            if sys.stderr is not None:
                error.show()
        return error.exit_code
    except click.Abort:  # Click's word for Ctrl-C
        tell("Interrupted.")
        return INTERRUPTED
    except OSError as error:  # of stdout: all other files have been named where they were opened
        discard_stdout()
        if error.errno != errno.EPIPE:  # a reader that has seen enough is no error to speak of
            tell(f"stdout: {error.strerror}")
        return FAILED
    except Exception as error:  # a mistake of ours: one line all the same
        if "-vv" in sys.argv:
            raise
        tell(f"poolcli: {type(error).__name__}: {error}; this should not happen, -vv shows where")
        return FAILED
    return code if isinstance(code, int) else DONE


@contextmanager
def _signals_held() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait while modules are imported: what a handler raises among their locks may be lost."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _terminated(number: int, frame: FrameType | None) -> None:
    sys.exit(TERMINATED)  # as an exception, so that what is half-written is removed on the way out


class Failure(click.ClickException):
    """A file that could not be done: one line, the path first."""

    exit_code = FAILED

    def show(self, file: Any = None) -> None:
        click.echo(self.message, file=file, err=file is None)


def failure(error: PoolcliError | MemoryError, about: str) -> click.ClickException:
    """What an error of the rooms below is on the command line; `about` is the file it happened to."""
    context = click.get_current_context(silent=True)
    if context is not None and context.params.get("verbose", 0) > 1:
        from traceback import print_exception

        print_exception(error)
    if isinstance(error, MemoryError):
        return Failure(f"{about}: not enough memory; a smaller picture is expected")
    message = f"{about}: {error}" if about else str(error)
    if isinstance(error, OptionError):
        return click.UsageError(message, context)
    return Failure(message)
