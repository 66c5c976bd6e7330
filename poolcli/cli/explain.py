"""`poolcli explain`: every number of a small picture, as text, JSON, number grid, sliding window or page."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from poolcli.cli.console import Console, write_json, write_stdout
from poolcli.cli.options import (
    Sections,
    force_option,
    image_argument,
    json_option,
    max_pixels_option,
    program_options,
    recipe_options,
    recipe_settings,
)
from poolcli.cli.parameters import FileName, ParsedType, files_read
from poolcli.cli.runner import errors_about, opened, source_name, to_stdout
from poolcli.display import display_name, quoted, shortened
from poolcli.errors import OptionError
from poolcli.explanation.crop import centre_crop, parse_crop, parse_window, read_picture
from poolcli.explanation.demos import DEMO_MATRICES, demo_named
from poolcli.explanation.explain_picture import explain_picture
from poolcli.explanation.matrix import matrix_picture, parse_matrix
from poolcli.explanation.serialize import explanation_record
from poolcli.explanation.text import explanation_text
from poolcli.images.atomic import atomic_write, check_target
from poolcli.images.pillow_guard import silent_stderr
from poolcli.pipeline.options import recipe as make_recipe

if TYPE_CHECKING:
    from poolcli.explanation.stages import Explanation

SUFFIXES = (".txt", ".png", ".svg", ".gif", ".html")


@click.command(
    "explain",
    cls=Sections,
    epilog="""\b
Examples:
  poolcli explain --demo tensorflow
  poolcli explain --matrix "1 2 3 4; 5 6 7 8; 9 10 11 12" --size 2 --stride 1 -o slide.gif
  poolcli explain cat.jpg --crop 100,150,8x8 --kernel edge --window 1,2 -o grid.png
  poolcli explain cat.jpg --kernel edge --repeat 2 -o page.html""",
)
@image_argument(required=False)
@recipe_options
@click.option(
    "--crop",
    type=ParsedType("TOP,LEFT,HxW", parse_crop),
    help="Explain this part of the picture, as if it were the whole picture.",
)
@click.option(
    "--matrix",
    metavar="ROWS|FILE",
    help='Numbers instead of a picture, which are not scaled: "1 2; 3 4", or a .csv, .txt or .npy file.',
)
@click.option(
    "--demo",
    type=ParsedType("NAME", lambda name: (demo_named(name), name.lower())[1], lambda: DEMO_MATRICES),
    help="A small example instead of a picture: a name of `poolcli list demos`.",
)
@click.option(
    "--window",
    type=ParsedType("ROW,COL", parse_window),
    help="Explain one cell of the last map, traced back to the input, instead of all cells.",
)
@click.option(
    "-o",
    "--output",
    type=FileName(),
    help="The explanation: .txt, .png or .svg (number grid), .gif (sliding window), .html (page to explore). "
    "Without -o, text goes to stdout.",
)
@click.option("--every", type=click.IntRange(min=1), metavar="N", help="Show every N-th window in the .gif.")
@json_option("Print one JSON object: every stage, every cell and its window.")
@force_option
@program_options
@max_pixels_option
def command(image: str | None, **options: Any) -> None:
    """Explain every number of a small picture or matrix.

    Shows the shape of each map, the number of windows, the formula of each size, and for every cell its window and its
    arithmetic. Positions are row, column, counted from 0.
    """  # fmt: skip
    console = Console(quiet=options["quiet"], verbose=options["verbose"])
    output = options["output"]
    with errors_about(""):
        _check(image, options)
        given = recipe_settings(options)
        if options["demo"] and not any(value is not None for value in given.values()):
            given = dict(demo_named(options["demo"]).options)
        recipe = make_recipe(**given)
    if output is not None:
        with errors_about(display_name(output)):
            check_target(output, force=options["force"], inputs=files_read(image, options["matrix"]))
    with errors_about(source_name(image) if image is not None else ""):
        explanation = _explanation(image, recipe, options, console)
        if options["window"] is not None:
            explanation.stages[-1].cell(*options["window"])
        if options["as_json"]:
            to_stdout(write_json, explanation_record(explanation))
        data = None if output is None else _encoded(explanation, options, console)
    if data is not None:
        with errors_about(display_name(output)):
            atomic_write(output, data, force=options["force"])
        console.say(f"wrote {display_name(output)}")
    elif not options["as_json"]:
        to_stdout(write_stdout, explanation_text(explanation, options["window"]).encode(errors="backslashreplace"))


def _check(image: str | None, options: dict[str, Any]) -> None:
    """Refuse options that are wrong for every picture.

    Raises
    ------
    OptionError
    """
    sources = [
        name
        for name, value in (("IMAGE", image), ("--matrix", options["matrix"]), ("--demo", options["demo"]))
        if value is not None
    ]
    if len(sources) != 1:
        msg = f"{' and '.join(sources) or 'nothing'} to explain: give one of IMAGE, --matrix and --demo"
        raise OptionError(msg)
    if image and not os.path.exists(image) and ";" in image:
        msg = f"IMAGE {shortened(image)} is no file; write --matrix before it if these are rows of numbers"
        raise OptionError(msg)
    output = options["output"]
    suffix = _suffix(output)
    if output is not None and suffix not in SUFFIXES:
        msg = f"output {quoted(output)}: write a name ending in {', '.join(SUFFIXES)}"
        raise OptionError(msg)
    if options["every"] is not None and suffix != ".gif":
        msg = f"--every {options['every']} is for a sliding window only; write -o FILE.gif, or leave it out"
        raise OptionError(msg)
    if options["window"] is not None and suffix == ".gif":
        msg = "--window with a .gif, which shows all windows: write a .png, .svg, .html or .txt"
        raise OptionError(msg)


def _suffix(output: str | None) -> str:
    return os.path.splitext(output or "")[1].lower()


def _explanation(image: str | None, recipe: Any, options: dict[str, Any], console: Console) -> Explanation:
    crop = options["crop"]
    if image is None:
        if options["demo"]:
            values, source = demo_named(options["demo"]).values, f"demo {options['demo']}"
        else:
            values, source = parse_matrix(options["matrix"]), "matrix"
        picture, full = matrix_picture(values, recipe, source, crop)
        return explain_picture(picture, recipe, crop, full)
    with opened(image) as stream, silent_stderr():
        picture, full = read_picture(stream, recipe, crop, options["max_pixels"])
    for note in picture.notes:
        console.say(f"{picture.source}: {note}")
    if crop is None and _suffix(options["output"]) == ".html":
        from poolcli.explanation.crop import crop_picture
        from poolcli.explanation.page import DEFAULT_SIDE

        crop = centre_crop(full, DEFAULT_SIDE)
        picture, full = crop_picture(picture, crop)
        if crop is not None:
            top, left, height, width = crop
            console.say(
                f"{picture.source}: the page shows the middle; --crop {top},{left},{height}x{width} is the same"
            )
    return explain_picture(picture, recipe, crop, full)


def _encoded(explanation: Explanation, options: dict[str, Any], console: Console) -> bytes:
    suffix, window = _suffix(options["output"]), options["window"]
    if suffix == ".txt":
        return explanation_text(explanation, window).encode(errors="backslashreplace")
    if suffix == ".html":
        from poolcli.explanation.page import page

        return page(explanation, window).encode(errors="backslashreplace")
    from poolcli.explanation.number_grid import number_grid
    from poolcli.explanation.window_gif import sliding_window_gif

    if suffix != ".gif":
        return number_grid(explanation, window, suffix[1:])
    data, every = sliding_window_gif(explanation, options["every"])
    if every > 1 and options["every"] is None:
        console.say(
            f"1 of every {every} windows is shown: a .gif has at most 100 frames; --every chooses another number"
        )
    return data
