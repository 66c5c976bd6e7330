"""`poolcli invariance`: what survives a shift after pooling again and again, as a table, a figure, JSON and CSV."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from poolcli import artifacts
from poolcli.artifacts import artifact
from poolcli.cli.console import Console, progress_stream, write_json, write_stdout
from poolcli.cli.invariance_table import HEADER, csv_text, json_record, summary, table_rows
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
from poolcli.cli.parameters import FileName, ParsedType, files_read, option
from poolcli.cli.progress import progress_lines
from poolcli.cli.runner import STDIN, errors_about, read_picture, source_name, to_stdout
from poolcli.display import display_name, quoted
from poolcli.errors import OptionError
from poolcli.experiments.demo_pictures import DEMO_PICTURES, demo_picture
from poolcli.experiments.invariance import REPLACED, check_alike, leveled_recipes, measure
from poolcli.experiments.shifts import FILLS, stay_probability
from poolcli.figures import PANEL
from poolcli.figures.captions import size_text
from poolcli.images.atomic import atomic_write
from poolcli.pipeline.engine import reading
from poolcli.pipeline.kinds import kinds_value
from poolcli.pipeline.serialize import plain_name
from poolcli.pipeline.steps import Conv2D, Pool2D

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from poolcli.experiments.invariance import Invariance
    from poolcli.images.read import Picture
    from poolcli.pipeline.recipe import Recipe
    from poolcli.pipeline.steps import Step

DEFAULT_POOLS = "max,average,blur,subsample"
LEVELS, MOST_LEVELS = 4, 16
MOST_SHIFT = 64
LONG = 1 << 27
"""Pixels of all views and kinds that take some seconds."""


@click.command(
    "invariance",
    cls=Sections,
    epilog="""\b
Columns of the table, of --csv and --json:
  distinct        different maps among those of all shifts
  unchanged       share of the shifts whose map is that of the unshifted picture (itself counted)
  cosine          mean cosine between the unshifted picture's map and those of its shifted copies
  control         cosine between the unshifted picture's map and that of another picture
  score           (cosine - control) / (1 - control): 1 if shifts change nothing, 0 if shifted copies
                  are no more alike than another picture; n/a (null) where the control is as similar
                  as they are: nothing is left to tell apart
  largest change  largest difference between any two shifts in any cell
  empty           in place of a cosine: every cell of a map is 0 or missing; that is not called unchanged

\b
Examples:
  poolcli invariance
  poolcli invariance --demo circle128 --levels 5 --max-shift 8 --pools max
  poolcli invariance cat.jpg --kernel edge -o shifts.png
  poolcli invariance cat.jpg --against small.png --resize 96x96 --csv shifts.csv""",
)
@image_argument(required=False, note="Without it: the demo circle64.")
@option(
    "--demo",
    type=ParsedType("NAME", lambda name: (demo_picture(name), name.lower())[1], lambda: DEMO_PICTURES),
    help=f"A picture of the lesson instead: {', '.join(DEMO_PICTURES)}.",
)
@click.option(
    "--max-shift",
    type=click.IntRange(1, MOST_SHIFT),
    default=3,
    metavar="N",
    help="Shift by up to N pixels down, up, right and left: (2N + 1) x (2N + 1) shifts.",
    show_default=True,
)
@click.option(
    "--levels",
    type=click.IntRange(1, MOST_LEVELS),
    default=LEVELS,
    metavar="N",
    help="Pool N times; a recipe's own number of repeats is not used.",
    show_default=True,
)
@pools_option(DEFAULT_POOLS, least=1, note="The figure shows the first one's maps.")
@option(
    "--against",
    type=FileName(),
    help="The control: another picture of the same size.",
    default_text="of a demo, its other shape; of IMAGE, the same with two halves exchanged",
)
@option(
    "--fill",
    type=click.Choice(tuple(FILLS), case_sensitive=False),
    help=f"What comes in at the edge: {', '.join(f'{name} ({what})' for name, what in FILLS.items())}.",
    default_text="replicate for a demo; for IMAGE nothing: the views are crops, 2N rows and columns smaller",
)
@recipe_options_without("pool", *REPLACED, conv_padding="same for a demo and with --fill; valid for crops of IMAGE")
@figure_output_option
@option(
    "--csv",
    "csv_file",
    type=FileName(),
    help="Write the table, one row per level and kind; - is stdout.",
    default_text="none",
)
@json_option("Print one JSON object to stdout.")
@force_option
@program_options
@threads_option
@max_pixels_option
def command(image: str | None, **options: Any) -> None:
    """Measure what of a picture survives a shift, level by level of pooling.

    The picture is shifted by every number of pixels up to --max-shift, each copy is pooled again and again, and the
    maps are compared. The kernel (--kernel) and ReLU are applied once, before the first pooling. Prints a table to
    stderr.

    Copies of IMAGE are crops, which the filter gets without padding (--conv-padding adds it): zeros around every crop
    would be a frame that no shift moves. Level 0 is then a little smaller than the crops.
    """  # fmt: skip
    console = Console(quiet=options["quiet"], verbose=options["verbose"])
    with errors_about(""):
        _check(image, options)
        settings = recipe_settings(options, "pool", *REPLACED)
        kinds = options["pools"] or kinds_value(DEFAULT_POOLS)
        fill = options["fill"] or (None if image is not None else "replicate")
        once, recipes = (
            leveled_recipes(kinds, settings, levels, crops=fill is None) for levels in (1, options["levels"])
        )
        named = ((options["output"], "-o"), (options["csv_file"], "--csv"))
        outputs = [(name, option_name) for name, option_name in named if name not in (None, STDIN)]
        artifacts.check_files(outputs, files_read(image, options["against"]), force=options["force"])
    if image is not None and fill is not None and any(_pads_with_zeros(step) for step in recipes[0].stages):
        console.say(
            "the filter's zero padding makes a frame that no shift moves: --conv-padding-mode replicate avoids it"
        )
    picture, control = _pictures(image, once[0], options, console)
    with errors_about(_name(image, options)), _progress(picture, recipes, options, console) as done:
        found = measure(
            picture,
            control,
            recipes,
            max_shift=options["max_shift"],
            fill=fill,
            threads=options["threads"],
            panel=PANEL if options["output"] else 0,
            done=done,
        )
    console.say(f"{picture.source}: {summary(found)}")
    console.table(HEADER, table_rows(found))
    files = _write(found, options)
    if console.verbose:
        _say_chance(recipes[0], console)
    if files:
        console.say("wrote " + ", ".join(display_name(name) for name in files.values()))
    if options["as_json"]:
        to_stdout(write_json, json_record(found, picture, {kind: plain_name(path) for kind, path in files.items()}))


def _pads_with_zeros(step: Step) -> bool:
    return isinstance(step, Conv2D) and step.padding != "valid" and step.padding_mode == "zeros"


def _check(image: str | None, options: dict[str, Any]) -> None:
    """Refuse what is wrong whatever the pictures hold.

    Raises
    ------
    OptionError
    """
    if image is not None and options["demo"] is not None:
        msg = "IMAGE and --demo: give one of them"
        raise OptionError(msg)
    if image is not None and image.lower() in DEMO_PICTURES and not os.path.exists(image):
        msg = f"IMAGE {quoted(image)}: no such file; the demo of this name is --demo {image.lower()}"
        raise OptionError(msg)
    if options["output"] is not None:
        artifact("figure", options["output"])
    if options["csv_file"] == STDIN and options["as_json"]:
        msg = "--json with --csv -: both would go to stdout; give --csv a file name"
        raise OptionError(msg)


def _name(image: str | None, options: dict[str, Any]) -> str:
    """The picture's name in messages."""
    return source_name(image) if image is not None else _demo(options)


def _demo(options: dict[str, Any]) -> str:
    return options["demo"] or next(iter(DEMO_PICTURES))


def _pictures(
    image: str | None, recipe: Recipe, options: dict[str, Any], console: Console
) -> tuple[Picture, Picture | None]:
    """The picture, and the control where it is not made of the picture."""
    control = None
    if image is None:
        with errors_about(_demo(options)):
            settings = reading(recipe, options["max_pixels"])
            picture, control = demo_picture(_demo(options)).pictures(_demo(options), **settings)
    else:
        with errors_about(source_name(image)):
            picture = read_picture(image, recipe, max_pixels=options["max_pixels"], console=console)
    against = options["against"]
    if against is not None:
        with errors_about(source_name(against)):
            control = read_picture(against, recipe, max_pixels=options["max_pixels"], console=console)
            check_alike(control, picture)
    return picture, control


@contextmanager
def _progress(
    picture: Picture, recipes: Sequence[Recipe], options: dict[str, Any], console: Console
) -> Iterator[Callable[[int], object]]:
    """Show on a terminal how far long work is; with -v and no terminal, a line every half minute."""
    count = (2 * options["max_shift"] + 1) ** 2 * len(recipes)
    if console.quiet or count * picture.values.size < LONG or sys.stderr is None or not sys.stderr.isatty():
        finished: list[int] = []
        with progress_lines(console, lambda: f"{sum(finished)} of {count} copies pooled"):
            yield finished.append
    else:
        with click.progressbar(length=count, file=progress_stream(), show_pos=True, show_eta=True) as bar:
            yield bar.update


def _write(found: Invariance, options: dict[str, Any]) -> dict[str, str]:
    """Encode the figure and the table, then write them; returns the files by kind."""
    contents: dict[str, tuple[str, bytes]] = {}
    if options["output"] is not None:
        with errors_about(display_name(options["output"])):
            from poolcli.cli.invariance_figure import figure_bytes

            contents["figure"] = (
                options["output"],
                figure_bytes(found, summary(found), artifact("figure", options["output"]).suffix),
            )
    if options["csv_file"] == STDIN:
        to_stdout(write_stdout, csv_text(found).encode())
    elif options["csv_file"] is not None:
        contents["csv"] = options["csv_file"], csv_text(found).encode()
    for path, data in contents.values():
        with errors_about(display_name(path)):
            atomic_write(path, data, force=options["force"])
    return {kind: path for kind, (path, _) in contents.items()}


def _say_chance(recipe: Recipe, console: Console) -> None:
    """Say how often a dot that moves by one pixel stays in its window: what max pooling can give at best."""
    window = recipe.stages[-1]
    if isinstance(window, Pool2D) and window.stride in (None, window.size) and max(window.size) <= MOST_SHIFT:
        chance = stay_probability(window.size)
        console.say(
            f"one dot moved by one pixel stays in its window of {size_text(window.size)} with probability {chance}"
        )
