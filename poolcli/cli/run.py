"""`poolcli run`: one image, the pooled result and the comparison figure."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import click

from poolcli.cli import outputs, report
from poolcli.cli.console import Console, stdout_is_terminal, write_json
from poolcli.cli.group import Failure, failure
from poolcli.cli.options import (
    RECIPE_OPTIONS,
    FileName,
    Sections,
    max_pixels_option,
    option,
    pixel_options,
    program_options,
    recipe_options,
)
from poolcli.cli.targets import RefusedError, Targets, check_targets, plan_targets
from poolcli.errors import OptionError, PoolcliError
from poolcli.figures import PANEL
from poolcli.images.opening import display_name
from poolcli.images.quiet import silent_stderr
from poolcli.images.read import read
from poolcli.images.write import FORMATS
from poolcli.pipeline import engine
from poolcli.pipeline.options import recipe as make_recipe

if TYPE_CHECKING:
    from poolcli.pipeline.recipe import Recipe


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
    type=FileName("IMAGE"),
    help="A picture (PNG, JPEG, GIF, BMP, WebP, TIFF, PNM, AVIF), a .npy array, or - for stdin.",
)
@recipe_options
@option(
    "-o",
    "--output",
    type=FileName(),
    help="The result; the suffix chooses the format, - is stdout.",
    told="STEM.pooled.png",
)
@option("--format", "format_name", type=click.Choice(list(FORMATS)), help="The format for stdout.", told="png")
@option(
    "--figure",
    type=FileName(),
    help="The comparison figure: .png, .svg or .pdf.",
    told="STEM.figure.png beside the result; none with -o -",
)
@click.option("--no-figure", is_flag=True, help="Draw no figure.")
@pixel_options
@click.option(
    "--indices",
    type=FileName("FILE.npy"),
    help="Write where each maximum (minimum) of the last pooling was found: row * width + column.",
)
@click.option(
    "--stages", type=FileName("DIR", folder=True), help="Write every map on the way, as a picture and as .npy."
)
@click.option("--save-recipe", type=FileName("FILE.json"), help="Write the recipe.")
@click.option("-f", "--force", is_flag=True, help="Replace existing files.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON object: input, recipe, every stage, the files written, seconds.",
)
@program_options
@option(
    "--threads",
    type=click.IntRange(min=1),
    help="Threads for the picture; the same bytes for any number.",
    told="the cores, for large pictures",
)
@max_pixels_option
def command(image: str, **options: Any) -> None:
    """Pool one image, and draw what happened.

    The picture becomes gray, passes the kernel (--kernel) and ReLU, and is pooled; the result and a figure
    Input | Filter | Detect | Condense are written. Sizes are height x width.
    """  # fmt: skip
    console = Console(quiet=options["quiet"], verbose=options["verbose"])
    about = ""
    try:
        recipe = make_recipe(**{name: options[name] for name in RECIPE_OPTIONS})
        targets = plan_targets(
            image,
            output=options["output"],
            format_name=options["format_name"],
            figure=options["figure"],
            no_figure=options["no_figure"],
            indices=options["indices"],
            stages=options["stages"],
            save_recipe=options["save_recipe"],
            depth=options["depth"],
            scale=options["scale"],
        )
        if targets.indices is not None:
            engine.check_indices(recipe)
        _check_stdout(targets, as_json=options["as_json"], force=options["force"])
        try:
            check_targets(targets, recipe, [] if image == "-" else [image], force=options["force"])
        except RefusedError as refused:
            about = display_name(refused.path)
            raise refused.error from None
        about = "stdin" if image == "-" else display_name(image) or "''"
        _run(image, recipe, targets, options, console)
    except (PoolcliError, MemoryError) as error:
        raise failure(error, about) from None


def _check_stdout(targets: Targets, *, as_json: bool, force: bool) -> None:
    if targets.result is not None:
        return
    if as_json:
        msg = "--json with -o -: stdout carries one of them; a file name for the other is expected"
        raise OptionError(msg)
    if stdout_is_terminal() and not force:
        msg = "-o - would write a picture to the terminal; a pipe, a file or --force expected"
        raise OptionError(msg)


def _run(image: str, recipe: Recipe, targets: Targets, options: dict[str, Any], console: Console) -> None:
    start = time.perf_counter()
    source = _stdin() if image == "-" else image
    try:
        with silent_stderr():
            picture = read(source, **engine.reading(recipe, options["max_pixels"]))
    except OptionError as error:  # a background, a size: wrong for any picture
        raise failure(error, "") from None
    for note in picture.notes:
        console.say(f"{picture.source}: {note}")
    result = engine.execute(
        picture,
        recipe,
        threads=options["threads"],
        statistics=bool(targets.figure or options["as_json"] or not console.quiet),
        panel=PANEL if targets.figure else 0,
        keep_maps=targets.stages is not None,
        indices=targets.indices is not None,
    )
    files = outputs.write(result, targets, options)
    seconds = time.perf_counter() - start
    console.table(report.HEADER, report.stage_rows(result))
    if console.verbose:
        console.say(f"recipe {recipe.hash}, {seconds:.3f} s")
    if targets.format.pillow and options["scale"] == "clip" and options["depth"] != "float":
        for line in report.clipped(result):
            console.say(line)
    if files:
        console.say("wrote " + ", ".join(display_name(name) for name in outputs.names(files)))
    if options["as_json"]:
        outputs.to_stdout(write_json, report.as_json(result, picture, files, seconds))


def _stdin() -> Any:
    if sys.stdin is None:
        msg = "stdin is closed; a picture expected"
        raise Failure(msg)
    return sys.stdin.buffer
