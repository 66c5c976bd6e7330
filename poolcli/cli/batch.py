"""`poolcli batch`: many pictures, each as `poolcli run` does one."""

from __future__ import annotations

import os
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import click

from poolcli.artifacts import PixelOptions
from poolcli.batch.backends import backend, cluster, start_early
from poolcli.batch.batch import Batch
from poolcli.batch.journal import Journal, read
from poolcli.batch.names import assign
from poolcli.batch.outputs import BatchOutputs
from poolcli.batch.own_files import OwnFiles
from poolcli.batch.plan import find
from poolcli.batch.prune import prune
from poolcli.batch.report import writer
from poolcli.batch.templates import DEFAULT, FIELDS, Template
from poolcli.batch.worker import WorkOptions
from poolcli.cli import batch_messages, batch_options
from poolcli.cli.console import Console, StdoutWriter, write_stderr
from poolcli.cli.exit_codes import DONE, FAILED, failure
from poolcli.cli.options import (
    Sections,
    input_options,
    inputs_argument,
    jobs_option,
    json_option,
    max_pixels_option,
    memory_size,
    pixel_options,
    program_options,
    recipe_options,
    recipe_settings,
)
from poolcli.cli.parameters import FileName, ParsedType, files_read
from poolcli.cli.runner import errors_about, to_stdout
from poolcli.display import display_name
from poolcli.errors import PoolcliError
from poolcli.images.write import format_of
from poolcli.pipeline.engine import cores
from poolcli.pipeline.options import recipe as make_recipe
from poolcli.pipeline.plan import map_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poolcli.batch.journal_state import JournalState
    from poolcli.batch.plan import FoundInputs, Item
    from poolcli.batch.scheduler import Backend
    from poolcli.batch.stores import Stores

_PRELOAD = ("poolcli.batch.worker",)
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
@inputs_argument
@recipe_options
@click.option("-o", "--output", required=True, type=FileName("DIR", folder=True), help="The folder of the results.")
@click.option(
    "--name",
    default=DEFAULT,
    metavar="TEMPLATE",
    help=f"Names of the results; {', '.join(f'{{{name}}}' for name in FIELDS)} are replaced ({{index}} is the "
    "number in the plan, {index:04} with four digits; a file keeps its number), the suffix chooses the format.",
    show_default=True,
)
@input_options
@click.option(
    "--storage-option",
    multiple=True,
    metavar="KEY=VALUE",
    help="A setting for the file system of URLs, such as profile=NAME, anon=true or endpoint_url=URL; may be repeated.",
)
@click.option("--no-figure", is_flag=True, help="Draw no figures (X.figure.png beside X.pooled.png or X.png).")
@pixel_options
@click.option("-f", "--force", is_flag=True, help="Replace files that are in the way, and results of another recipe.")
@click.option("--dry-run", is_flag=True, help="Print the plan and the sizes of the results; write nothing.")
@click.option("--wait", is_flag=True, help="Wait for another run that is at work on DIR.")
@click.option("--prune", is_flag=True, help="Remove results in DIR whose pictures are gone.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first failure.")
@click.option(
    "--sheet",
    type=FileName(),
    help="Draw a contact sheet, pictures and results side by side: .png, .jpg or .webp; FILE-1, FILE-2 and so on, of 200 each.",
)
@click.option("--report", type=FileName("FILE"), help="Write a row for each picture: .csv or .jsonl; - is stdout.")
@json_option("Print one JSON object: recipe, a row for each picture, counts, seconds.")
@program_options
@jobs_option("the cores")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Seconds that one picture may take; the first one of a new worker may take 2 s more.",
)
@click.option(
    "--max-memory",
    type=ParsedType("SIZE", memory_size),
    help="Memory that one worker may use: bytes, or a number with K, M or G.",
)
@click.option(
    "--dask",
    metavar="ADDRESS",
    help="Work on a Dask cluster: the address of its scheduler, tcp://HOST:8786. Its workers must see the pictures and "
    "DIR under the same names; --jobs is then how many of them may be used (all). Needs poolcli[dask].",
)
@max_pixels_option
def command(inputs: Sequence[str], **options: Any) -> None:
    """Pool many pictures, in parallel.

    Each is done as `poolcli run` does it. The same command again does only what is missing, changed or failed; stopped
    at any moment, it is continued by the same command. Failures are listed at the end and stop nothing.
    """  # fmt: skip
    console, about = Console(quiet=options["quiet"], verbose=options["verbose"]), ""
    try:
        recipe = make_recipe(**recipe_settings(options))
        template = Template(options["name"])
        batch_options.check(options)
        names, stores = batch_options.places(inputs, options)
        settings = WorkOptions(
            recipe,
            options["scale"],
            options["depth"],
            options["max_pixels"],
            traces=console.verbose > 1,
            stores=stores,
        )
        folder = options["output"]
        about = display_name(folder)
        if options["dry_run"]:
            stores.remember([os.path.join(folder, "")], recursive=True)
            known = read(folder, stores)
            about = ""
            found, items = _plan(names, known, template, options, console, stores)
            about = display_name(folder)
            extras = BatchOutputs(items, folder, known, force=options["force"], stores=stores)
            for path, option in _extras(options, len(items)):
                with errors_about(display_name(path)):
                    extras.check(path, option, files_read(options["files_from"]))
            code = batch_messages.dry_run(found, items, known, settings, options)
        else:
            waiting = write_stderr if options["wait"] else None
            with Journal(folder, waiting, stores, force=options["force"], tell=write_stderr) as journal:
                about = ""
                found, items = _plan(names, journal.known, template, options, console, stores)
                about = display_name(folder)
                code = _work(found, items, settings, journal, options, console)
    except (PoolcliError, MemoryError) as error:
        raise failure(error, about) from None
    click.get_current_context().exit(code if items and not found.problems else FAILED)


def _plan(
    inputs: Sequence[str],
    known: JournalState,
    template: Template,
    options: dict[str, Any],
    console: Console,
    stores: Stores,
) -> tuple[FoundInputs, list[Item]]:
    """Find the pictures and their results' names, and report what is left out."""
    folder = options["output"]
    found = find(
        inputs,
        folder,
        recursive=options["recursive"],
        include=options["include"],
        exclude=options["exclude"],
        made=OwnFiles(folder, known.ours, lambda other: read(other, stores).ours, stores),
        examined=known.has_source,
        stores=stores,
    )
    numbers = known.numbers() if template.uses_index else {}
    items = assign(found.sources, folder, template, figures=not options["no_figure"], numbers=numbers, stores=stores)
    for suffix in {os.path.splitext(item.result)[1] for item in items}:
        PixelOptions(options["scale"], options["depth"]).check(format_of(f"result{suffix}"))
    batch_messages.what_was_found(found, items, console)
    return found, items


def _work(
    found: FoundInputs,
    items: list[Item],
    settings: WorkOptions,
    journal: Journal,
    options: dict[str, Any],
    console: Console,
) -> int:
    start = time.perf_counter()
    folder = options["output"]
    is_local = options["dask"] is None and options["jobs"] != 0
    if items and is_local and not journal.known.entries:  # else there may be nothing to do
        start_early([*_PRELOAD, *settings.stores.modules()])
    names = {*(item.result for item in items), *journal.known.ours}
    below = {os.path.dirname(name) for name in names if not name.startswith(os.pardir)}
    settings.stores.of(folder).sweep(os.path.join(folder, name) for name in below)
    batch = Batch(items, folder, settings, journal, force=options["force"])
    extras = BatchOutputs(items, folder, journal.known, force=options["force"], stores=settings.stores)
    for path, option in _extras(options, len(items)):
        with errors_about(display_name(path)):
            extras.check(path, option, files_read(options["files_from"]))
        settings.stores.of(path).sweep([os.path.dirname(path) or os.curdir], of=os.path.basename(path))
    kept: dict[str, str] = {}
    if options["prune"] and batch_messages.may_prune(found, items):
        removed, kept = prune(journal, folder, {item.result for item in items}, settings.stores)
        batch_messages.pruned(removed, kept, folder, console)
    with closing(_engine(options, batch, settings, console)) as engine:
        code = _run(found, batch, settings, engine, extras, options, console, start)
    return FAILED if kept else code


def _run(
    found: FoundInputs,
    batch: Batch,
    settings: WorkOptions,
    engine: Backend,
    extras: BatchOutputs,
    options: dict[str, Any],
    console: Console,
    start: float,
) -> int:
    """Do the work, and tell what has become of it."""
    try:
        with batch_messages.progress(batch, console) as on_result:
            batch.run(engine, timeout=options["timeout"], fail_fast=options["fail_fast"], on_result=on_result)
        batch_messages.end(batch, console, time.perf_counter() - start)
        _report(options, batch, settings, extras)
        _sheet(options, batch, settings, engine, extras)
    except BaseException as error:
        if batch.is_over:  # the report is written, or was what went wrong
            raise
        batch.stopped = "on an error" if isinstance(error, Exception) else "interrupted"
        batch_messages.end(batch, console, time.perf_counter() - start)
        with suppress(PoolcliError, click.ClickException):
            _report(options, batch, settings, extras)
        if options["as_json"]:
            batch_messages.as_json(batch, settings, found, time.perf_counter() - start)
        raise
    if options["as_json"]:
        batch_messages.as_json(batch, settings, found, time.perf_counter() - start)
    return FAILED if batch.errors or batch.stopped else DONE


def _engine(options: dict[str, Any], batch: Batch, settings: WorkOptions, console: Console) -> Backend:
    tasks = len(batch.items) if options["sheet"] else len(batch.todo)
    if options["dask"] is None or not tasks:
        jobs = min(cores() if options["jobs"] is None else options["jobs"], tasks)
        return backend(jobs, options["max_memory"], [*_PRELOAD, *settings.stores.modules()])
    sources = [task.source for task in batch.todo] or [item.source.path for item in batch.items]
    try:
        return cluster(options["dask"], options["jobs"], batch.folder, sources, console.say, settings.stores)
    except PoolcliError as error:
        raise failure(error, "") from None


def _extras(options: dict[str, Any], count: int) -> list[tuple[str, str]]:
    """The report and the pages of the sheet, as far as they are files, each with its option."""
    report = options["report"]
    files = [(report, "--report")] if report and not batch_options.is_stdout(report) else []
    if options["sheet"]:
        from poolcli.batch import sheet

        files += [(page, "--sheet") for page in sheet.pages(options["sheet"], count)]
    return files


def _report(options: dict[str, Any], batch: Batch, settings: WorkOptions, extras: BatchOutputs) -> None:
    """Write the report; also that of an interrupted batch."""
    path = options["report"]
    if not path:
        return
    write, maps = writer(batch_options.report_format(path)), map_names(settings.recipe)
    if batch_options.is_stdout(path):
        to_stdout(lambda stream: write(stream, batch.rows(), maps), StdoutWriter())
        return
    with errors_about(display_name(path)):
        extras.write(path, lambda stream: write(stream, batch.rows(), maps), batch.journal)


def _sheet(options: dict[str, Any], batch: Batch, settings: WorkOptions, engine: Backend, extras: BatchOutputs) -> None:
    """Draw the contact sheet; pages of an earlier one that are no longer among its pages are removed."""
    if not options["sheet"]:
        return
    from poolcli.batch import sheet

    with errors_about(display_name(options["sheet"])):
        for path, data in sheet.draw(options["sheet"], batch, settings, engine, options["timeout"]):
            with errors_about(display_name(path)):
                extras.write(path, data, batch.journal)
        extras.remove_old_pages(options["sheet"], sheet.pages(options["sheet"], len(batch.items)), batch.journal)
