"""`poolcli run`: pools one picture and draws the comparison figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from poolcli.artifacts import PixelOptions
from poolcli.cli import runner
from poolcli.cli.console import Console
from poolcli.cli.options import (
    Sections,
    force_option,
    json_option,
    max_pixels_option,
    pixel_options,
    program_options,
    recipe_options,
    threads_option,
)
from poolcli.cli.output_plan import STDOUT, plan_outputs
from poolcli.cli.parameters import Argument, FileName, option
from poolcli.display import quoted
from poolcli.errors import OptionError
from poolcli.images.write import FORMATS
from poolcli.pipeline.options import recipe as make_recipe

if TYPE_CHECKING:
    from poolcli.images.quantize import Scale


def _corner(_context: click.Context, _option: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """Parse a row and a column, ``120,300``."""
    if value is None:
        return None
    parts = value.split(",")
    if len(parts) != 2 or not all(part.strip().isdecimal() and part.isascii() for part in parts):
        msg = f"{quoted(value)}: write TOP,LEFT, two whole numbers, such as 120,300"
        raise click.BadParameter(msg)
    return int(parts[0]), int(parts[1])


@click.command(
    "run",
    cls=Sections,
    epilog="""\b
Examples:
  poolcli run cat.jpg --pool max --size 2 --stride 2
  poolcli run cat.jpg --kernel edge --pool max --size 2 --repeat 3 -o edges.png
  poolcli run - -o - --pool average --size 3x2 < cat.jpg > small.png
  poolcli run cat.jpg --recipe kaggle-tutorial --json -o cat.npy""",
)
@click.argument(
    "image",
    cls=Argument,
    type=FileName(),
    metavar="IMAGE",
    help="A picture (PNG, JPEG, GIF, BMP, WebP, TIFF, PNM, AVIF), an array (.npy, .npz), a pipe, or - for stdin.",
)
@recipe_options
@option(
    "-o",
    "--output",
    type=FileName(),
    help="The result: a file whose suffix chooses the format, an existing folder, or - for stdout.",
    default_text="STEM.pooled.png",
)
@option("--format", "format_name", type=click.Choice(list(FORMATS)), help="The format for stdout.", default_text="png")
@option(
    "--figure",
    type=FileName(),
    help="The comparison figure: .png, .svg or .pdf.",
    default_text="X.figure.png beside the result X.png, STEM.figure.png without -o; none with -o -",
)
@click.option("--no-figure", is_flag=True, help="Draw no figure.")
@option(
    "--detail",
    metavar="TOP,LEFT",
    callback=_corner,
    help="Where the figure enlarges a picture that is too large to be shown whole: row and column of the corner.",
    default_text="where the detect step is busiest",
)
@click.option(
    "--ladder",
    type=FileName(),
    help="A second figure, .png, .svg or .pdf: the map before the first pooling and after each one of --repeat, drawn "
    "equally large and at one scale, with the receptive field of one value of each map.",
)
@click.option(
    "--preview",
    is_flag=True,
    help="Show the result in the terminal: as numbers up to 12x12, else as pixels. Without colours if NO_COLOR is set.",
)
@pixel_options
@click.option(
    "--indices",
    type=FileName("FILE.npy"),
    help="Write the position of each maximum (minimum) of the last pooling, as row * width + column.",
)
@click.option(
    "--stages",
    type=FileName("DIR", folder=True),
    help="Write the map after every step: a picture in the colours of the figure (gray with --scale or --depth), and a "
    ".npy file.",
)
@click.option("--save-recipe", type=FileName("FILE.json"), help="Write the recipe.")
@force_option
@json_option("Print one JSON object: input, recipe, every stage, the files written, seconds.")
@program_options
@threads_option
@max_pixels_option
def command(
    image: str,
    *,
    output: str | None,
    format_name: str | None,
    figure: str | None,
    no_figure: bool,
    detail: tuple[int, int] | None,
    ladder: str | None,
    preview: bool,
    scale: Scale,
    depth: int | str,
    indices: str | None,
    stages: str | None,
    save_recipe: str | None,
    force: bool,
    as_json: bool,
    quiet: bool,
    verbose: int,
    threads: int | None,
    max_pixels: int,
    **settings: Any,
) -> None:
    """Pool one picture, and draw every stage.

    The picture is converted to gray, filtered by the kernel (--kernel) and ReLU, and pooled. Writes the result and a
    figure Input | Filter | Detect | Condense. Sizes are height x width.

    A table on stderr shows each map's shape, smallest, largest and mean value, the share of values above 0, the
    receptive field (how many input pixels one value depends on), the step (the distance, in input pixels, between
    neighbouring values) and, if there are any, the unread rows and columns (at the bottom and right, which no window
    of the next step reads).
    """  # fmt: skip
    with runner.errors_about(""):
        recipe = make_recipe(**settings)
        if stages == STDOUT:
            msg = "--stages -: maps are written into a folder; for a folder of that name give ./-"
            raise OptionError(msg)
        outputs = plan_outputs(
            image,
            output=output,
            format_name=format_name,
            figure=figure,
            no_figure=no_figure,
            others=(("ladder", ladder), ("indices", indices), ("recipe", save_recipe), ("stages", stages)),
        )
        if detail is not None and all(one.kind != "figure" for one in outputs):
            msg = "--detail without a figure: name one with --figure, or leave --detail out"
            raise OptionError(msg)
    runner.run(
        image,
        recipe,
        outputs,
        pixels=PixelOptions(scale, depth),
        force=force,
        threads=threads,
        max_pixels=max_pixels,
        as_json=as_json,
        detail=detail,
        preview=preview,
        console=Console(quiet=quiet, verbose=verbose),
    )
