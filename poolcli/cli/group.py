"""The root command `poolcli` and the table of its commands.

Help, version and completion of command names need `COMMANDS` only; the module of a command is imported when the
command is run. Nothing here imports numpy, Pillow or Matplotlib.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

import click

from poolcli import __version__
from poolcli.cli.exit_codes import USAGE, Failure
from poolcli.cli.signals import held
from poolcli.display import display_name, quoted
from poolcli.limits import limits, too_low_to_start

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


@dataclass(frozen=True)
class CommandEntry:
    """A command: its module, and its line in the list of commands."""

    module: str
    summary: str


COMMANDS: dict[str, CommandEntry] = {
    "run": CommandEntry("poolcli.cli.run", "Pool one picture, and draw every stage."),
    "batch": CommandEntry("poolcli.cli.batch", "Pool many pictures, in parallel."),
    "explain": CommandEntry("poolcli.cli.explain", "Explain every number of a small picture or matrix."),
    "compare": CommandEntry("poolcli.cli.compare", "Compare kinds of pooling on one picture."),
    "invariance": CommandEntry(
        "poolcli.cli.invariance", "Measure what of a picture survives a shift, level by level of pooling."
    ),
    "features": CommandEntry("poolcli.cli.features", "Make pictures into vectors, by a bank of kernels."),
    "verify": CommandEntry("poolcli.cli.verify", "Compare the numbers with PyTorch, TensorFlow and ONNX Runtime."),
    "list": CommandEntry("poolcli.cli.list", "List the pools, kernels, banks, recipes, formats, paddings and demos."),
}


class LazyGroup(click.Group):
    """A group of commands that imports a command when it is run, and not to list it.

    Click suggests commands from version 8.4 on only, and no file for a forgotten ``run``.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:  # Click before 8.2 would exit with 0
            click.echo(ctx.get_help(), err=True)
            ctx.exit(USAGE)
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        if too_low_to_start():
            raise Failure(f"not enough memory{limits()}; poolcli needs about 130 MB to start, raise the limit")
        with held():
            command: click.Command = import_module(COMMANDS[cmd_name].module).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = click.utils.make_str(args[0])
        if name not in COMMANDS and not name.startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(name, COMMANDS, 1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Write one of {', '.join(COMMANDS)}."
            if os.path.exists(name):
                hint = f"Did you mean 'poolcli run {display_name(name)}'?"
            ctx.fail(f"No such command {quoted(name)}. {hint}")
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
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 100},
    epilog="""\b
Examples:
  poolcli run cat.jpg --pool max --size 2 --stride 2
  poolcli run cat.jpg --kernel edge --pool max --size 2
  poolcli list pools""",
)
@click.version_option(__version__, prog_name="poolcli", message="%(prog)s %(version)s")
def cli() -> None:
    """Filter, detect, condense: what a convolutional layer does to a picture, with the frameworks' exact numbers."""
