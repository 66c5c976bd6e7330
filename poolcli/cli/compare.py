"""`poolcli compare`: several kinds of pooling on one picture, as a table, a figure or JSON."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from poolcli import __version__
from poolcli.artifacts import artifact
from poolcli.cli.console import Console, align_columns, write_json, write_stdout
from poolcli.cli.options import (
    Sections,
    figure_output_option,
    force_option,
    image_argument,
    json_option,
    max_pixels_option,
    pools_option,
    program_options,
    recipe_options_without,
    recipe_settings,
    threads_option,
)
from poolcli.cli.parameters import files_read
from poolcli.cli.runner import errors_about, read_picture, source_name, to_stdout
from poolcli.display import display_name
from poolcli.figures import PANEL
from poolcli.figures.map_row import layer_name
from poolcli.images.atomic import atomic_write, check_target
from poolcli.pipeline.kinds import compare, kinds_value, recipes_of
from poolcli.pipeline.serialize import finite, input_record, map_record, plain_name

if TYPE_CHECKING:
    from poolcli.images.read import Picture
    from poolcli.pipeline.kinds import KindComparison
    from poolcli.pipeline.result import StageResult

DEFAULT_POOLS = "max,average,min,subsample"
HEADER = ("kind", "shape", "min", "max", "mean", "deviation", "above 0", "mean difference", "largest difference")


@click.command(
    "compare",
    cls=Sections,
    epilog="""\b
Examples:
  poolcli compare cat.jpg
  poolcli compare cat.jpg --pools max,average,median --size 3 --stride 2 -o kinds.png
  poolcli compare cat.jpg --pools max,blur,subsample --kernel edge --json""",
)
@image_argument()
@pools_option(DEFAULT_POOLS, least=2, note="Differences are to the first one.")
@recipe_options_without("pool")
@figure_output_option
@json_option("Print one JSON object instead of the table.")
@force_option
@program_options
@threads_option
@max_pixels_option
def command(image: str, **options: Any) -> None:
    """Compare kinds of pooling on one picture.

    The picture is filtered by the kernel (--kernel) and ReLU once, and then pooled by each kind. Prints a table with
    the smallest, largest and mean value, standard deviation and share of values above zero of each result, and the
    mean and largest magnitude of its difference to the result of the first kind.
    """  # fmt: skip
    console = Console(quiet=options["quiet"], verbose=options["verbose"])
    output = options["output"]
    with errors_about(""):
        recipes = recipes_of(options["pools"] or kinds_value(DEFAULT_POOLS), recipe_settings(options, "pool"))
        suffix = "" if output is None else artifact("figure", output).suffix
    if output is not None:
        with errors_about(display_name(output)):
            check_target(output, force=options["force"], inputs=files_read(image))
    start = time.perf_counter()
    with errors_about(source_name(image)):
        picture = read_picture(image, recipes[0], max_pixels=options["max_pixels"], console=console)
        compared = compare(picture, recipes, panel=PANEL if output else 0, threads=options["threads"])
    if output is not None:
        with errors_about(display_name(output)):
            from poolcli.figures.kind_comparison import render

            atomic_write(output, render(compared, suffix), force=options["force"])
            console.say(f"wrote {display_name(output)}")
    if options["as_json"]:
        to_stdout(write_json, json_record(compared, picture, output, time.perf_counter() - start))
    else:
        to_stdout(write_stdout, ("\n".join(align_columns([HEADER, *table_rows(compared)])) + "\n").encode())


def table_rows(compared: KindComparison) -> list[list[str]]:
    """The rows of the table, with the columns of `HEADER`: the input of the pooling, then one row per kind."""
    made = [_row(compared.source.title, compared.source, compared.source_std)]
    for number, kind in enumerate(compared.kinds):
        row = _row(kind.name, kind.stage, kind.std)
        if kind.difference is not None:
            row += [_number(kind.difference.mean), _number(kind.difference.largest)]
        elif number:
            row += ["other shape", ""]
        made.append(row)
    return [[*row, *[""] * (len(HEADER) - len(row))] for row in made]


def _row(name: str, stage: StageResult, std: float) -> list[str]:
    numbers = [_number(value) for value in (stage.min, stage.max, stage.mean, std)]
    share = "" if stage.active is None else f"{100 * stage.active:.0f} %"
    return [name, "{}x{}".format(*stage.shape), *numbers, share]


def _number(value: float | None) -> str:
    """Format a number with four decimals, or fewer for large ones; zero has no minus sign."""
    if value is None:
        return ""
    return f"{value:z.{4 if abs(value) < 100 else 2}f}" if abs(value) < 1e6 else f"{value:.5g}"


def json_record(compared: KindComparison, picture: Picture, output: str | None, seconds: float) -> dict[str, Any]:
    """The JSON object of --json."""
    first = compared.kinds[0].result
    return {
        "poolcli": __version__,
        "input": input_record(first, picture),
        "recipe": first.recipe.to_dict(),
        "source": {
            "title": compared.source.title, **map_record(compared.source), "std": finite(compared.source_std)
        },
        "pools": {
            kind.name: {
                "title": layer_name(kind.stage),
                **map_record(kind.stage),
                "std": finite(kind.std),
                "mean_difference": finite(kind.difference.mean) if kind.difference else None,
                "largest_difference": finite(kind.difference.largest) if kind.difference else None,
            }
            for kind in compared.kinds
        },
        "files": {} if output is None else {"figure": plain_name(output)},
        "seconds": round(seconds, 4),
    }  # fmt: skip
