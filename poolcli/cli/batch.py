"""`poolcli batch`: many pictures, each as `poolcli run` does one."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from poolcli.batch.batch import Batch
from poolcli.batch.crew import Here
from poolcli.batch.extras import Extras
from poolcli.batch.journal import Journal, read, sweep
from poolcli.batch.names import DEFAULT, FIELDS, Template
from poolcli.batch.plan import assign, find
from poolcli.batch.report import writer
from poolcli.batch.work import Settings
from poolcli.cli import telling
from poolcli.cli.console import Console, tell
from poolcli.cli.group import DONE, FAILED, failure
from poolcli.cli.options import (
    RECIPE_OPTIONS,
    FileName,
    Form,
    Sections,
    max_pixels_option,
    memory_size,
    option,
    pixel_options,
    program_options,
    recipe_options,
)
from poolcli.cli.targets import check_pixels
from poolcli.errors import OptionError, PoolcliError
from poolcli.images.opening import display_name
from poolcli.images.write import format_of
from poolcli.pipeline.engine import cores
from poolcli.pipeline.options import recipe as make_recipe
from poolcli.pipeline.plan import map_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from poolcli.batch.crew import Engine
    from poolcli.batch.plan import Item

_PRELOAD = ("poolcli.batch.work",)
"""What all workers need, imported once for them."""


@click.command(
    "batch",
    cls=Sections,
    epilog="""\b
Examples:
  poolcli batch photos/ -o pooled/ --kernel edge --pool max --size 2
  poolcli batch photos/ -o pooled/ --recursive --include '*.jpg' --no-figure --report pooled.csv
  poolcli batch *.png -o small/ --pool average --name '{stem}-small.png' --sheet small.jpg
  poolcli batch photos/ -o pooled/ --dry-run""",
)
@click.argument(
    "inputs", nargs=-1, required=True, type=FileName("INPUT"), help="Pictures, and folders that hold pictures."
)
@recipe_options
@click.option("-o", "--output", required=True, type=FileName("DIR", folder=True), help="The folder of the results.")
@click.option(
    "--name",
    default=DEFAULT,
    metavar="TEMPLATE",
    help=f"Names of the results; {', '.join(f'{{{name}}}' for name in FIELDS)} are replaced ({{index}} is the "
    "number in this plan), the suffix chooses the format.",
    show_default=True,
)
@click.option("-r", "--recursive", is_flag=True, help="Folders inside folders too; DIR gets the same tree.")
@click.option("--include", multiple=True, metavar="PATTERN", help="Only files that match, such as '*.jpg'; repeatable.")
@click.option("--exclude", multiple=True, metavar="PATTERN", help="No files that match; repeatable.")
@click.option("--no-figure", is_flag=True, help="Draw no figures ({stem}.figure.png beside the results).")
@pixel_options
@click.option("-f", "--force", is_flag=True, help="Replace files that are in the way, and results of another recipe.")
@click.option("--dry-run", is_flag=True, help="Print the plan and the sizes of the results; write nothing.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first failure.")
@click.option(
    "--sheet",
    type=FileName(),
    help="Draw a contact sheet, pictures and results side by side: .png, .jpg or .webp; FILE-1, FILE-2, … of 200 each.",
)
@click.option("--report", type=FileName("FILE"), help="Write a row for each picture: .csv or .jsonl.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object: recipe, a row for each picture, counts, seconds."
)
@program_options
@option(
    "-j",
    "--jobs",
    type=click.IntRange(min=0),
    help="Worker processes; the same bytes for any number. 0 works in this process.",
    told="the cores",
)
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="Most for one picture.")
@click.option(
    "--max-memory", type=Form("SIZE", memory_size), help="Most for one worker: bytes, or a number with K, M or G."
)
@max_pixels_option
def command(inputs: Sequence[str], **options: Any) -> None:
    """Pool many pictures, in parallel.

    Each is done as `poolcli run` does it. The same command again does only what is missing, changed or failed; stopped
    at any moment, it goes on where it was. Failures are listed at the end and stop nothing.
    """  # fmt: skip
    folder, console = options["output"], Console(quiet=options["quiet"], verbose=options["verbose"])
    about = ""
    try:
        recipe = make_recipe(**{name: options[name] for name in RECIPE_OPTIONS})
        settings = Settings(recipe, options["scale"], options["depth"], options["max_pixels"])
        template = Template(options["name"])
        _check(options)
        if "-" in inputs:
            msg = "-: files and folders expected; poolcli run - reads stdin"
            raise OptionError(msg)
        found = find(
            inputs,
            folder,
            recursive=options["recursive"],
            include=options["include"],
            exclude=options["exclude"],
            sheet=options["sheet"],
        )
        items = assign(found.sources, folder, template, figures=not options["no_figure"])
        for suffix in {os.path.splitext(item.result)[1] for item in items}:
            check_pixels(format_of(f"result{suffix}"), options["depth"], options["scale"])
        telling.what_was_found(found, items, console)
        about = display_name(folder)
        if options["dry_run"]:
            extras = Extras(items, folder, read(folder), force=options["force"])
            for path in _extras(options, len(items)):
                with _about(path):
                    extras.check(path)
            code = telling.dry_run(items, settings, options)
        else:
            code = _work(items, settings, options, console, found.problems)
    except (PoolcliError, MemoryError) as error:
        raise failure(error, about) from None
    nothing = not items and bool(options["include"])  # what was asked for by name is not there
    if nothing and console.quiet:
        tell("no pictures found that --include has")
    click.get_current_context().exit(FAILED if found.problems or nothing else code)


def _check(options: dict[str, Any]) -> None:
    """Refuse what is wrong whatever the inputs hold."""
    if options["report"]:
        writer(options["report"])
    if options["sheet"]:
        from poolcli.batch import sheet

        sheet.check(options["sheet"])
    if options["jobs"] == 0:
        for name in ("timeout", "max_memory"):
            if options[name] is not None:
                msg = f"--{name.replace('_', '-')} with --jobs 0: it is kept by worker processes, --jobs 1 or more expected"
                raise OptionError(msg)


def _work(
    items: list[Item],
    settings: Settings,
    options: dict[str, Any],
    console: Console,
    problems: list[tuple[str, str]],
) -> int:
    start = time.perf_counter()
    folder = options["output"]
    with Journal(folder) as journal:
        if items and options["jobs"] != 0 and not journal.known.entries:  # else there may be nothing to do
            from poolcli.batch.processes import prepare

            prepare(_PRELOAD)
        names = {*(item.result for item in items), *journal.known.ours}
        below = {os.path.dirname(name) for name in names if not name.startswith(os.pardir)}
        sweep(os.path.join(folder, name) for name in below)
        batch = Batch(items, folder, settings, journal, force=options["force"])
        extras = Extras(items, folder, journal.known, force=options["force"])
        for path in _extras(options, len(items)):
            with _about(path):
                extras.check(path)
            sweep([os.path.dirname(path) or os.curdir], of=os.path.basename(path))
        engine = _engine(options, len(items) if options["sheet"] else len(batch.todo))
        try:
            with telling.progress(batch, console) as told:
                batch.run(engine, timeout=options["timeout"], fail_fast=options["fail_fast"], told=told)
        except BaseException as error:
            batch.stopped = "on an error" if isinstance(error, Exception) else "interrupted"
            telling.end(batch, console, time.perf_counter() - start)
            raise
        telling.end(batch, console, time.perf_counter() - start)
        for path, data in _extra_data(options, batch, settings, engine):
            with _about(path):
                extras.write(path, data, journal)
        if options["as_json"]:
            telling.as_json(batch, settings, problems, time.perf_counter() - start)
        return FAILED if batch.errors or batch.stopped else DONE


def _engine(options: dict[str, Any], tasks: int) -> Engine:
    jobs = min(cores() if options["jobs"] is None else options["jobs"], tasks)
    if jobs == 0:
        return Here()
    from poolcli.batch.processes import Processes

    return Processes(jobs, options["max_memory"], _PRELOAD)


def _extras(options: dict[str, Any], count: int) -> list[str]:
    """The report and the pages of the sheet."""
    files = [options["report"]] if options["report"] else []
    if options["sheet"]:
        from poolcli.batch import sheet

        files += sheet.pages(options["sheet"], count)
    return files


def _extra_data(options: dict[str, Any], batch: Batch, settings: Settings, engine: Engine) -> Iterator[tuple[str, Any]]:
    """What is written to the report and the pages of the sheet, one after the other."""
    if options["report"]:
        write, maps = writer(options["report"]), map_names(settings.recipe)
        yield options["report"], lambda stream: write(stream, batch.rows(), maps)
    if options["sheet"]:
        from poolcli.batch import sheet

        yield from sheet.draw(options["sheet"], batch, settings, engine, options["timeout"])


@contextmanager
def _about(path: str) -> Iterator[None]:
    """What is refused inside is about this file."""
    try:
        yield
    except PoolcliError as error:
        raise failure(error, display_name(path)) from None
