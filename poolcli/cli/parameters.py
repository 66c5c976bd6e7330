"""Types of parameters for Click: parsed values, file names, arguments with a help text, options without a value."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from poolcli.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from click.shell_completion import CompletionItem

    Decorator = Callable[[Any], Any]
    ParamType = click.ParamType[Any]
else:
    ParamType = click.ParamType  # generic from Click 8.3 on only

_READ = "poolcli.files_read"


def files_read(*others: str | None) -> list[str]:
    """The files that the options of this command are read from, and `others`: no output may replace them."""
    context = click.get_current_context(silent=True)
    read = context.meta.get(_READ, ()) if context is not None else ()
    return [*read, *(one for one in others if one and one != "-")]


class ParsedType(ParamType):
    """The type of an option whose value a function parses, such as those of `pipeline.parsing`.

    Parameters
    ----------
    metavar : str
        The form of the value in --help.
    convert : callable
        Parses the text of the value; raises `OptionError`.
    words : callable
        Gives the words that completion offers.
    separator : str, optional
        Between the words of a list; completion then offers each word once.
    """

    def __init__(
        self,
        metavar: str,
        convert: Callable[[str], Any],
        words: Callable[[], Iterable[str]] = tuple,
        separator: str | None = None,
    ) -> None:
        self.name = metavar
        self._convert = convert
        self._words = words
        self._separator = separator

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:  # no ctx before Click 8.2
        return self.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if ctx is not None and isinstance(value, str) and "\0" not in value and os.path.exists(value):
            ctx.meta.setdefault(_READ, []).append(value)
        try:
            return self._convert(value)
        except OptionError as error:
            return self.fail(str(error), param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        before, given, start = "", [""], incomplete
        if self._separator is not None:
            head, comma, start = incomplete.rpartition(self._separator)
            before, given = head + comma, head.split(self._separator)
        words = [
            CompletionItem(before + word) for word in self._words() if word.startswith(start) and word not in given
        ]
        return words or ([CompletionItem(incomplete, type="file")] if self.name.endswith("FILE") else [])


class FileName(click.Path):
    """A path that Click does not check, since the code that opens it reports errors. Completion offers files."""

    def __init__(self, metavar: str = "FILE", *, folder: bool = False) -> None:
        super().__init__(readable=False)
        self._metavar = metavar
        self._folder = folder

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The name; an option's may not be empty, as ``"$UNSET"`` would be."""
        if value == "" and isinstance(param, click.Option):
            kind = "folder" if self._folder else "file"
            raise click.UsageError(f"{max(param.opts, key=len)} is empty: give the name of a {kind}", ctx)
        return super().convert(value, param, ctx)

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:  # no ctx before Click 8.2
        return self._metavar

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        return [CompletionItem(incomplete, type="dir" if self._folder else "file")]


class Argument(click.Argument):
    """An argument with a help text; Click itself has them from version 8.5 on."""

    def __init__(self, param_decls: Sequence[str], *, help: str, metavar: str, **settings: Any) -> None:  # noqa: A002 - Click's word
        super().__init__(param_decls, metavar=metavar, **settings)
        self.help = help


def option(*names: str, help: str, default_text: str | None = None, **settings: Any) -> Decorator:  # noqa: A002 - Click's word
    """An option that is None unless it is given, so that the setting of a recipe holds; --help shows `default_text`.

    Click would write such a default in parentheses, (2).
    """
    return click.option(
        *names, help=help if default_text is None else f"{help}  [default: {default_text}]", default=None, **settings
    )


def combine(*options: Decorator) -> Decorator:
    """One decorator that adds several options, which --help lists in this order."""

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate
