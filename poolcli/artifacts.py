"""The outputs of a run, for `poolcli run` and `poolcli batch`: result, figure, ladder, indices, recipe and stages.

An artifact is one output: a kind and a path. `KINDS` has one entry per kind, with its suffixes, with what the engine
has to keep for it, and with the function that encodes it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from poolcli.display import quoted
from poolcli.errors import OptionError, OutputError, PoolcliError
from poolcli.figures import FORMATS as FIGURE_FORMATS
from poolcli.figures import PANEL
from poolcli.images.atomic import atomic_write, check_target
from poolcli.images.embedded import png_text
from poolcli.images.png import encode_png
from poolcli.images.write import FORMATS, check_depth, format_of, output_depth
from poolcli.pipeline.engine import check_indices, check_pools
from poolcli.pipeline.plan import map_names
from poolcli.pipeline.serialize import carried_text, encoded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from poolcli.images.quantize import Scale
    from poolcli.images.write import Format
    from poolcli.pipeline.recipe import Recipe
    from poolcli.pipeline.result import Result

    Data = bytes | Callable[[Any], object]
    """The contents of a file for `atomic_write`: bytes, or a function that writes them to a stream."""


class PixelOptions(NamedTuple):
    """How the values of a map become the samples of a picture: the options ``--scale`` and ``--depth``.

    Attributes
    ----------
    scale : {"clip", "stretch"} or (low, high)
    depth : {"auto", 8, 16, "float"}
    """

    scale: Scale = "clip"
    depth: int | str = "auto"

    def check(self, fmt: Format) -> None:
        """Refuse settings that a format cannot have.

        Raises
        ------
        OptionError
            The format does not have the depth, or it holds unscaled values and a scale is given.
        """
        check_depth(fmt, self.depth)
        if self.scale != "clip" and (fmt.pillow is None or self.depth == "float"):
            msg = f"--scale with {fmt.name}, which holds unscaled values: write a png, or leave out --scale"
            raise OptionError(msg)


class Artifact(NamedTuple):
    """One output of a run.

    Attributes
    ----------
    kind : str
        A key of `KINDS`.
    path : str or None
        A file, or a folder for the kind ``"stages"``; None for stdout.
    format : Format or None
        The format of a result; None for other kinds.
    """

    kind: str
    path: str | None
    format: Format | None = None

    @property
    def suffix(self) -> str:
        """The suffix of the path, in lower case and without the dot."""
        return os.path.splitext(self.path or "")[1].lower().removeprefix(".")

    @property
    def option(self) -> str:
        """The option that gives the path."""
        return {"result": "-o", "recipe": "--save-recipe"}.get(self.kind, f"--{self.kind}")

    def files(self, recipe: Recipe) -> list[str]:
        """Paths of the files that this artifact writes; none for stdout."""
        if self.path is None:
            return []
        return [os.path.join(self.path, name) if name else self.path for name in KINDS[self.kind].names(recipe)]


class Kind(NamedTuple):
    """A kind of output.

    Attributes
    ----------
    encode : callable
        ``encode(result, artifact, pixels)`` gives the contents of every file, in the order of `Artifact.files`.
    suffixes : tuple of str
        Accepted suffixes, without the dot; empty for a result, whose suffix chooses the format.
    keeps : mapping
        Keywords of `engine.execute` that make the engine keep what this kind needs.
    names : callable
        ``names(recipe)`` gives the names of the files inside the artifact's folder; one empty name for a single file.
    is_folder : bool
        Whether the path is a folder.
    check : callable
        ``check(recipe)`` raises `OptionError` for a recipe that cannot have this output.
    """

    encode: Callable[[Result, Artifact, PixelOptions], Iterable[Data]]
    suffixes: tuple[str, ...] = ()
    keeps: dict[str, Any] = {}  # noqa: RUF012 - a NamedTuple's default, never changed
    names: Callable[[Recipe], Sequence[str]] = lambda _: ("",)
    is_folder: bool = False
    check: Callable[[Recipe], object] = lambda _: None


def _result(result: Result, artifact: Artifact, pixels: PixelOptions) -> list[Data]:
    assert artifact.format is not None
    carried = carried_text(result.recipe, result.source)
    return [encoded(result, artifact.format, scale=pixels.scale, depth=pixels.depth, carried=carried)]


def _figure(result: Result, artifact: Artifact, pixels: PixelOptions) -> list[Data]:
    from poolcli.figures.comparison import render

    return [render(result, artifact.suffix)]


def _ladder(result: Result, artifact: Artifact, pixels: PixelOptions) -> list[Data]:
    from poolcli.figures.ladder import render

    return [render(result, artifact.suffix)]


def _indices(result: Result, artifact: Artifact, pixels: PixelOptions) -> list[Data]:
    return [_npy(result.indices)]


def _recipe(result: Result, artifact: Artifact, pixels: PixelOptions) -> list[Data]:
    return [result.recipe.to_json().encode()]


@np.errstate(over="ignore", invalid="ignore")  # of values beyond float32
def _stages(result: Result, artifact: Artifact, pixels: PixelOptions) -> list[Data]:
    from poolcli.figures.map_scales import color_map, map_scales

    png = FORMATS["png"]
    depth = pixels.depth if pixels.depth in png.depths else "auto"
    as_figure = pixels.scale == "clip" and depth == "auto"
    made: list[Data] = []
    stages = (result.input, *result.stages)
    for stage, scale, (name, raw) in zip(stages, map_scales(result), result.raw_maps.items(), strict=True):
        whole = result.recipe.range == "raw" and raw.dtype.kind in "iu"
        numbers = result.arranged(raw) if whole else result.maps[name]
        if as_figure and (scale.palette not in ("gray", "rgb") or scale.high != result.white_value):
            picture: Data = encode_png(color_map(stage, raw, result.scale, scale), png_text(None))
        else:
            picture = encoded(result, png, scale=pixels.scale, depth=depth, raw=raw)
        made += [picture, _npy(numbers)]
    return made


def _npy(values: Any) -> Data:
    return lambda file: np.lib.format.write_array(file, values, allow_pickle=False)


def _stage_names(recipe: Recipe) -> list[str]:
    return [f"{name}.{suffix}" for name in map_names(recipe) for suffix in ("png", "npy")]


KINDS: dict[str, Kind] = {
    "result": Kind(_result),
    "figure": Kind(_figure, FIGURE_FORMATS, {"panel": PANEL}),
    "ladder": Kind(_ladder, FIGURE_FORMATS, {"panel": PANEL, "every_map": True}, check=check_pools),
    "indices": Kind(_indices, ("npy",), {"indices": True}, check=check_indices),
    "recipe": Kind(_recipe, ("json",)),
    "stages": Kind(_stages, keeps={"keep_maps": True, "panel": PANEL}, names=_stage_names, is_folder=True),
}
"""Kind of output -> its entry; files are written in this order."""


class RefusedError(Exception):
    """An output that cannot be written.

    Attributes
    ----------
    path : str
    error : PoolcliError
        Why it cannot be written.
    """

    def __init__(self, path: str, error: PoolcliError) -> None:
        super().__init__(str(error))
        self.path, self.error = path, error


def artifact(kind: str, path: str) -> Artifact:
    """Make the artifact of a kind at a path.

    Raises
    ------
    OptionError
        The path does not end in a suffix of this kind.
    """
    if kind == "result":
        try:
            return Artifact(kind, path, format_of(path))
        except OptionError as error:
            msg = f"output {quoted(path)}: {error}"
            raise OptionError(msg) from None
    made, accepted = Artifact(kind, path), KINDS[kind].suffixes
    if accepted and made.suffix not in accepted:
        msg = f"{kind} {quoted(path)}: write a name ending in .{', .'.join(accepted)}"
        raise OptionError(msg)
    return made


def kept(artifacts: Iterable[Artifact]) -> dict[str, Any]:
    """Keywords of `engine.execute` that make the engine keep what these outputs need."""
    return {name: value for one in artifacts for name, value in KINDS[one.kind].keeps.items()}


def check_artifacts(
    artifacts: Sequence[Artifact], recipe: Recipe, sources: Sequence[str], *, pixels: PixelOptions, force: bool
) -> None:
    """Check outputs before any work is done.

    Parameters
    ----------
    artifacts : sequence of Artifact
    recipe : Recipe
    sources : sequence of path
        The inputs, which no output may replace.
    pixels : PixelOptions
    force : bool
        Whether existing files may be replaced.

    Raises
    ------
    OptionError
        The recipe or the pixel options do not fit an output.
    RefusedError
        A file exists and `force` is false, cannot be written, is an input, or is the file of two outputs.
    """
    for one in artifacts:
        KINDS[one.kind].check(recipe)
        if one.format is not None:
            pixels.check(one.format)
    new_folders = [one for one in artifacts if KINDS[one.kind].is_folder and not os.path.isdir(one.path or "")]
    check_files([(one.path, one.option) for one in new_folders if one.path is not None], [], force=False)
    inside = {path for one in new_folders for path in one.files(recipe)}
    files = [(path, one.option) for one in artifacts for path in one.files(recipe)]
    check_files(files, sources, force=force, unchecked=inside)


def check_files(
    files: Sequence[tuple[str, str]], sources: Sequence[str], *, force: bool, unchecked: Iterable[str] = frozenset()
) -> None:
    """Check files before they are written.

    Parameters
    ----------
    files : sequence of (path, option)
        Each with the option that gives its name.
    sources : sequence of path
        The inputs, which no file may replace.
    force : bool
        Whether existing files may be replaced.
    unchecked : iterable of path
        Files in a folder that does not exist yet; they are only compared with the other files.

    Raises
    ------
    RefusedError
        A file exists and `force` is false, cannot be written, is an input, or is named twice.
    """
    seen: set[str] = set()
    for path, option in files:
        real = os.path.realpath(path)
        if real in seen:
            raise RefusedError(path, OptionError("two outputs have this name; give them different names"))
        seen.add(real)
        if path in unchecked:
            continue
        try:
            check_target(path, force=force, inputs=sources, option=option)
        except (OptionError, OutputError) as error:
            raise RefusedError(path, error) from None


def encode_all(result: Result, artifacts: Iterable[Artifact], pixels: PixelOptions) -> list[list[Data]]:
    """Encode all files of each artifact. This is done before any is written, so that an error leaves no files.

    Raises
    ------
    OutputError
        A format cannot hold its map.
    """
    return [list(KINDS[one.kind].encode(result, one, pixels)) for one in artifacts]


def write_files(paths: Iterable[str], contents: Iterable[Data], *, force: bool) -> None:
    """Write files, each atomically.

    Raises
    ------
    RefusedError
        A file cannot be written.
    """
    for path, data in zip(paths, contents, strict=True):
        try:
            atomic_write(path, data, force=force)
        except PoolcliError as error:
            raise RefusedError(path, error) from None


def make_folder(path: str) -> None:
    """Make the folder of an artifact and its parents, if they do not exist.

    Raises
    ------
    RefusedError
        The folder cannot be made.
    """
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise RefusedError(path, OutputError(error.strerror or str(error), error.errno)) from None


def holds_levels(output: Artifact, result: Result, pixels: PixelOptions) -> bool:
    """Whether values are scaled to the levels of a picture, between black and white."""
    if output.format is None or output.format.pillow is None:
        return False
    shape = result.raw.shape if result.channels > 1 else result.raw.shape[:2]
    return output_depth(output.format, shape, pixels.depth, result.depth) != "float"
