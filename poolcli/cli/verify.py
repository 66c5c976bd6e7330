"""`poolcli verify`: the same recipe in PyTorch, TensorFlow and ONNX Runtime, and how far their numbers are from ours."""

from __future__ import annotations

from typing import Any

import click

from poolcli.cli.console import Console, write_json, write_stdout
from poolcli.cli.exit_codes import DONE, FAILED
from poolcli.cli.options import (
    Sections,
    image_argument,
    json_option,
    max_pixels_option,
    program_options,
    recipe_options,
    recipe_settings,
    threads_option,
)
from poolcli.cli.runner import errors_about, read_picture, source_name, to_stdout
from poolcli.cli.verify_text import json_record, report
from poolcli.experiments.engines import ENGINES, check_installed, load_engines
from poolcli.experiments.verify import compare_engines
from poolcli.pipeline.options import recipe as make_recipe

ALL = "all"


@click.command(
    "verify",
    cls=Sections,
    epilog="""\b
Examples:
  poolcli verify cat.jpg
  poolcli verify cat.jpg --kernel edge --pool average --size 3 --padding same
  poolcli verify cat.jpg --with onnxruntime --repeat 3 --json
\b
Engines: pip install torch, pip install tensorflow, pip install 'poolcli[onnx]'.""",
)
@image_argument()
@recipe_options
@click.option(
    "--with",
    "names",
    type=click.Choice((*ENGINES, ALL), case_sensitive=False),
    multiple=True,
    default=(ALL,),
    help="The engine; repeatable. all: every one that is installed.",
    show_default=True,
)
@json_option("Print one JSON object instead of the text.")
@program_options
@threads_option
@max_pixels_option
def command(image: str, **options: Any) -> None:
    """Compare the numbers with PyTorch, TensorFlow and ONNX Runtime.

    Every step of the recipe is run by poolcli and by each engine on the same map: the picture as its own numbers, 0 to
    255, then the map that poolcli made before, so that differences do not add up. Padding that an engine does not have
    is written out before. What an engine cannot do is named, and the other steps are compared. Times are those of the
    fastest of three runs, of the engine with its own number of threads.

    Exit code 1 means that a step differs by more than poolcli promises: for whole numbers, maxima, and averages in
    PyTorch by nothing, otherwise by the rounding of float32.
    """  # fmt: skip
    console = Console(quiet=options["quiet"], verbose=options["verbose"])
    wanted = [] if ALL in options["names"] else list(dict.fromkeys(options["names"]))
    with errors_about(""):
        recipe = make_recipe(**recipe_settings(options))
        check_installed(wanted)
    with errors_about(source_name(image)):
        picture = read_picture(image, recipe, max_pixels=options["max_pixels"], console=console)
    with errors_about(""):
        engines = load_engines(wanted, console.say)
    with errors_about(source_name(image)):
        found = compare_engines(engines, picture, recipe, options["threads"])
    if options["as_json"]:
        to_stdout(write_json, json_record(found, picture, recipe))
    else:
        to_stdout(write_stdout, ("\n".join(report(found, picture, recipe)) + "\n").encode())
    click.get_current_context().exit(DONE if all(one.kept for one in found) else FAILED)
