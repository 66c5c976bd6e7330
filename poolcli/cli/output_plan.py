"""Which files a run will write: named, checked and refused before any work is done."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from poolcli.errors import OptionError, OutputError, PoolcliError
from poolcli.figures import FORMATS as FIGURE_FORMATS
from poolcli.images.opening import display_name
from poolcli.images.write import Format, check_depth, check_target, format_of
from poolcli.pipeline.plan import map_names

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
    scale: str | tuple[float, float] = "clip",
) -> Targets:
    """Name the files of a run.

    Raises
    ------
    OptionError
        A suffix or format that is not known, names that exclude each other, two results under one name.
    """
    stem = STDIN_STEM if source == "-" else os.path.splitext(os.path.basename(source))[0]
    output = f"{stem}.pooled.png" if output is None else output
    if figure and no_figure:
        msg = "--figure and --no-figure exclude each other: one of them expected"
        raise OptionError(msg)
    fmt = _format(output, format_name)
    check_pixels(fmt, depth, scale)
    if figure is None and not no_figure and output != "-" and not _is_special(output):
        figure = os.path.join(os.path.dirname(output), f"{stem}.figure.png")
    _check_suffix("figure", figure, FIGURE_FORMATS)
    _check_suffix("indices", indices, ("npy",))
    _check_suffix("recipe", save_recipe, ("json",))
    return Targets(fmt, None if output == "-" else output, figure, indices, stages, save_recipe)


def check_pixels(fmt: Format, depth: str | int, scale: str | tuple[float, float]) -> None:
    """Refuse a depth that the format does not have, and a scale for values that are written as they are.

    Raises
    ------
    OptionError
    """
    check_depth(fmt, depth)
    if scale != "clip" and (fmt.pillow is None or depth == "float"):
        msg = f"--scale with {fmt.name} of float values, which are written as they are: png or another picture expected"
        raise OptionError(msg)


def _format(output: str, name: str | None) -> Format:
    if output == "-" or (_is_special(output) and not os.path.splitext(output)[1]):
        return format_of("-", name or "png")
    if name is not None:
        msg = f"--format {name}: it is for -o -; a file's suffix chooses its format, {display_name(output)!r} here"
        raise OptionError(msg)
    try:
        return format_of(output)
    except OptionError as error:
        msg = f"output {display_name(output)!r}: {error}"
        raise OptionError(msg) from None


def _check_suffix(what: str, path: str | None, accepted: Sequence[str]) -> None:
    if path is not None and os.path.splitext(path)[1].lower().removeprefix(".") not in accepted:
        msg = f"{what} {display_name(path)!r}: a name ending in .{', .'.join(accepted)} expected"
        raise OptionError(msg)


def _is_special(path: str) -> bool:
    """Whether `path` is there and no file: a device or a pipe, which has no suffix to go by and no folder to write to."""
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def stage_files(targets: Targets, recipe: Recipe) -> list[str]:
    """The files that --stages writes, two for every map."""
    if targets.stages is None:
        return []
    return [
        os.path.join(targets.stages, f"{name}{suffix}") for name in map_names(recipe) for suffix in (".png", ".npy")
    ]


def check_targets(targets: Targets, recipe: Recipe, sources: Sequence[str], *, force: bool) -> None:
    """Refuse targets that exist (without `force`), cannot be written, are an input, or are one and the same file.

    Raises
    ------
    RefusedError
    """
    folder = targets.stages
    new = folder is not None and not os.path.isdir(folder)
    if folder is not None and new:
        _check(folder, force=False, sources=())
    maps = stage_files(targets, recipe)
    seen: set[str] = set()
    for path in (*targets.files(), *maps):
        real = os.path.realpath(path)
        if real in seen:
            raise RefusedError(path, OptionError("two results under one name; different names are expected"))
        seen.add(real)
        if not (new and path in maps):
            _check(path, force=force, sources=sources)


def _check(path: str, *, force: bool, sources: Sequence[str]) -> None:
    try:
        check_target(path, force=force, inputs=sources)
    except (OptionError, OutputError) as error:
        raise RefusedError(path, error) from None
