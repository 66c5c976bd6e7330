"""stdin can be read once: two inputs that would read it are refused before either does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from poolcli.display import display_name
from poolcli.errors import alternatives

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES = ("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")
"""What stands for stdin where a file may be named."""

READERS = ("image", "inputs", "kernel", "recipe", "files_from", "bank", "matrix", "against")
"""Parameters that name a file to be read; an output may be ``-`` as well, and an axis of --output-size."""


def check_one_reader(command: click.Command, ctx: click.Context, args: Sequence[str]) -> None:
    """Refuse a command line in which more than one parameter names stdin.

    Parameters
    ----------
    command : click.Command
    ctx : click.Context
    args : sequence of str
        The command line, not yet converted: converting a kernel would read stdin.

    Raises
    ------
    click.UsageError
    """
    if sum(arg.endswith(NAMES) for arg in args) < 2:
        return
    given, _, _ = command.make_parser(ctx).parse_args(list(args))
    readers = []
    for param in command.get_params(ctx):
        if param.name in READERS:
            values = _flat(given.get(param.name))
            readers += [(_label(param), value) for value in values if value in NAMES]
    if len(readers) > 1:
        both = " and ".join(f"{label} {display_name(value)}" for label, value in readers)
        labels = alternatives(dict.fromkeys(label for label, _ in readers))
        msg = f"{both}: stdin can be read only once; name a file for {labels}"
        raise click.UsageError(msg, ctx)


def _flat(value: Any) -> list[Any]:
    return [item for one in value for item in _flat(one)] if isinstance(value, list | tuple) else [value]


def _label(param: click.Parameter) -> str:
    if isinstance(param, click.Option):
        return max(param.opts, key=len)
    return str(param.metavar or param.name).strip("[].")
