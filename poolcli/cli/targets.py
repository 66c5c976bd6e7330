"""Which files a run will write: named, checked and refused before any work is done."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from poolcli.errors import OptionError, OutputError, PoolcliError
from poolcli.figures.comparison import FORMATS as FIGURE_FORMATS
from poolcli.images.opening import display_name
from poolcli.images.write import Format, check_depth, check_target, format_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from poolcli.pipeline.recipe import Recipe

STDIN_STEM = "stdin"


@dataclass(frozen=True)
class Targets:
    """The files of one run; None for what is not wanted. A `result` of None goes to stdout."""

    format: Format
    result: str | None
    figure: str | None
    indices: str | None
    stages: str | None
    recipe: str | None

    @property
    def figure_format(self) -> str:
        """png, svg or pdf."""
        return os.path.splitext(self.figure or "")[1].lower().removeprefix(".")

    def files(self) -> Iterator[str]:
        """The single files, in the order in which they are written."""
        yield from (path for path in (self.result, self.figure, self.indices, self.recipe) if path is not None)


class RefusedError(Exception):
    """A target that cannot be: the file, and why."""

    def __init__(self, path: str, error: PoolcliError) -> None:
        super().__init__(str(error))
        self.path, self.error = path, error


def plan_targets(
    source: str,
    *,
    output: str | None,
    format_name: str | None,
    figure: str | None,
    no_figure: bool,
    indices: str | None,
    stages: str | None,
    save_recipe: str | None,
    depth: str | int,
) -> Targets:
    """Name the files of a run.

    Raises
    ------
    OptionError
        A suffix or format that is not known, names that exclude each other, two results under one name.
    """
    stem = STDIN_STEM if source == "-" else os.path.splitext(os.path.basename(source))[0]
    if output is None:
        output = f"{stem}.pooled.png"
    if figure and no_figure:
        msg = "--figure and --no-figure exclude each other: one of them expected"
        raise OptionError(msg)
    if output == "-":
        fmt = format_of("-", format_name or "png")
    else:
        if format_name is not None:
            msg = f"--format {format_name}: it is for -o -; a file's suffix chooses its format, {display_name(output)!r} here"
            raise OptionError(msg)
        try:
            fmt = format_of(output)
        except OptionError as error:
            msg = f"output {display_name(output)!r}: {error}"
            raise OptionError(msg) from None
        if figure is None and not no_figure:
            figure = os.path.join(os.path.dirname(output), f"{stem}.figure.png")
    check_depth(fmt, depth)
    if figure is not None and os.path.splitext(figure)[1].lower().removeprefix(".") not in FIGURE_FORMATS:
        msg = f"figure {display_name(figure)!r}: a name ending in .{', .'.join(FIGURE_FORMATS)} expected"
        raise OptionError(msg)
    if indices is not None and not indices.lower().endswith(".npy"):
        msg = f"indices {display_name(indices)!r}: a name ending in .npy expected"
        raise OptionError(msg)
    if save_recipe is not None and not save_recipe.lower().endswith(".json"):
        msg = f"recipe {display_name(save_recipe)!r}: a name ending in .json expected"
        raise OptionError(msg)
    return Targets(fmt, None if output == "-" else output, figure, indices, stages, save_recipe)


def stage_files(targets: Targets, recipe: Recipe) -> list[str]:
    """The files that --stages writes, two for every map."""
    from poolcli.pipeline.engine import expanded

    if targets.stages is None:
        return []
    names = ["0-input", *(f"{number}-{step.op}" for number, (step, _) in enumerate(expanded(recipe), 1))]
    return [os.path.join(targets.stages, f"{name}{suffix}") for name in names for suffix in (".png", ".npy")]


def check_targets(targets: Targets, recipe: Recipe, sources: Sequence[str], *, force: bool) -> None:
    """Refuse targets that exist (without `force`), cannot be written, are an input, or are one and the same file.

    Raises
    ------
    RefusedError
    """
    folder = targets.stages
    files = list(targets.files())
    if folder is not None and os.path.isdir(folder):
        files += stage_files(targets, recipe)
    elif folder is not None:
        _check(folder, force=False, sources=())
    seen: dict[str, str] = {}
    for path in files:
        other = seen.setdefault(os.path.realpath(path), path)
        if other is not path:
            error = OptionError("two results under one name; different names are expected")
            raise RefusedError(path, error)
        _check(path, force=force, sources=sources)


def _check(path: str, *, force: bool, sources: Sequence[str]) -> None:
    try:
        check_target(path, force=force, inputs=sources)
    except (OptionError, OutputError) as error:
        raise RefusedError(path, error) from None
