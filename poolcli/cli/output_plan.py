"""The outputs of `poolcli run`, planned from its options: default names, formats, stdout."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from poolcli.artifacts import Artifact, artifact
from poolcli.display import quoted
from poolcli.errors import OptionError
from poolcli.images.write import FORMATS, format_of

if TYPE_CHECKING:
    from collections.abc import Iterable

STDIN_STEM = "stdin"
STDOUT = "-"


def plan_outputs(
    source: str,
    *,
    output: str | None,
    format_name: str | None,
    figure: str | None,
    no_figure: bool,
    others: Iterable[tuple[str, str | None]] = (),
) -> list[Artifact]:
    """Plan the outputs of a run.

    Parameters
    ----------
    source : str
        The picture, ``-`` for stdin; default names begin with its stem.
    output, format_name, figure, no_figure
        The values of ``-o``, ``--format``, ``--figure`` and ``--no-figure``.
    others : iterable of (kind, path or None)
        Further outputs; None for one that was not asked for.

    Returns
    -------
    list of Artifact
        In the order in which they are written; a result with the path None goes to stdout.

    Raises
    ------
    OptionError
        A suffix or format is unknown, or two options exclude each other.
    """
    if figure and no_figure:
        msg = "--figure and --no-figure exclude each other: give one of them"
        raise OptionError(msg)
    stem = STDIN_STEM if source == "-" else os.path.splitext(os.path.basename(source))[0]
    result = _result(output, format_name, stem)
    outputs = [result]
    if figure is None and not no_figure and result.path is not None and not is_special(result.path):
        figure = _figure_beside(result.path, stem, is_default=output is None or _is_folder(output))
    for kind, path in (("figure", figure), *others):
        if path is not None:
            outputs.append(artifact(kind, path))
    return outputs


def _result(output: str | None, format_name: str | None, stem: str) -> Artifact:
    if output is None or _is_folder(output):
        output = os.path.join(output or "", f"{stem}.pooled.png")
    if output == STDOUT or _is_stdout(output):
        return Artifact("result", None, format_of("-", format_name or "png"))
    if is_special(output) and not os.path.splitext(output)[1]:
        return Artifact("result", output, format_of("-", format_name or "png"))
    if format_name is not None:
        msg = f"--format {format_name} is for -o - only; the suffix of {quoted(output)} chooses its format"
        raise OptionError(msg)
    return artifact("result", output)


def _figure_beside(result: str, stem: str, *, is_default: bool) -> str:
    """The figure's path beside the result: ``STEM.figure.png`` for the default result, ``X.figure.png`` for ``X.png``."""
    folder, name = os.path.split(result)
    return os.path.join(folder, f"{stem if is_default else os.path.splitext(name)[0]}.figure.png")


def _is_folder(path: str) -> bool:
    """Whether `path` is an existing folder, which takes the default name; ``x.png`` is one only with a slash at its end."""
    return os.path.isdir(path) and (path.endswith(os.sep) or os.path.splitext(path)[1][1:].lower() not in FORMATS)


def _is_stdout(path: str) -> bool:
    """Whether `path` names stdout, which is written to and never replaced, even if it is a file."""
    return re.fullmatch(r"/dev/(stdout|fd/1)|/proc/self/fd/1", path) is not None


def is_special(path: str) -> bool:
    """Whether `path` is a device or a pipe: its name chooses no format, and no figure is written beside it."""
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)
