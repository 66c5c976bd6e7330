"""`poolcli features`: pictures as vectors, by a bank of kernels and global pooling."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from poolcli import __version__
from poolcli.batch.backends import backend
from poolcli.batch.journal import read as read_journal
from poolcli.batch.own_files import OwnFiles
from poolcli.batch.plan import find
from poolcli.batch.scheduler import Scheduler, WorkerDied
from poolcli.cli.batch_messages import what_was_found
from poolcli.cli.batch_options import inputs_of, is_stdout
from poolcli.cli.console import Console, progress_stream, write_stderr, write_stdout
from poolcli.cli.exit_codes import DONE, FAILED
from poolcli.cli.feature_figures import MOST, check_figure, draw_figures, figure_files
from poolcli.cli.feature_network import check_network_options, list_layers, network_of, network_options
from poolcli.cli.options import (
    Sections,
    force_option,
    input_options,
    inputs_argument,
    jobs_option,
    max_pixels_option,
    program_options,
    recipe_options,
    recipe_settings,
)
from poolcli.cli.parameters import FileName, ParsedType, files_read, option
from poolcli.cli.runner import errors_about, to_stdout
from poolcli.display import display_name
from poolcli.errors import OptionError
from poolcli.experiments.banks import FILES, NONE, bank_named
from poolcli.experiments.feature_work import FeatureOutcome, FeatureWork, extract
from poolcli.experiments.features import GLOBAL_KINDS, extraction
from poolcli.experiments.pyramid import levels_value
from poolcli.experiments.vectors import Vectors, encoder
from poolcli.images.atomic import atomic_write, check_target
from poolcli.ops.banks import BANKS
from poolcli.pipeline.engine import cores
from poolcli.pipeline.serialize import plain_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from poolcli.batch.plan import Source
    from poolcli.batch.scheduler import Backend
    from poolcli.experiments.feature_work import Extractor

_PRELOAD = ("poolcli.experiments.feature_work", "poolcli.experiments.features")
"""What all workers need, imported once for them."""

FEW = 8
"""Pictures up to which no worker process is started unless --jobs asks for some."""


@click.command(
    "features",
    cls=Sections,
    epilog="""\b
Examples:
  poolcli features cat.jpg small.png
  poolcli features photos/ --recursive -o vectors.csv
  poolcli features photos/ --bank gabor --global-kind both --pyramid 1,2 -o vectors.npy
  poolcli features cat.jpg --kernel edge --pool max --size 4
\b
Your own bank is a file: TOML or JSON with rows by name,
  edge = [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]]
  cross = "0 1 0; 1 1 1; 0 1 0"
or a .npy array of shape (K, height, width), or a .npz file of named arrays.""",
)
@inputs_argument
@recipe_options
@option(
    "--bank",
    type=ParsedType("NAME|FILE", str, lambda: [*BANKS, NONE]),
    help=f"The kernels, one feature each: a name of `poolcli list banks`, or a {', '.join(FILES)} file; none takes the "
    "channels of the picture.",
    default_text="default; none with --kernel, --recipe or --layout planes",
)
@click.option(
    "--global-kind",
    type=click.Choice(tuple(GLOBAL_KINDS), case_sensitive=False),
    default="average",
    help="How each map becomes one value: its mean, its largest value, or both.",
    show_default=True,
)
@option(
    "--pyramid",
    type=ParsedType("N,N,...", levels_value),
    help="Spatial pyramid pooling: for each N, one value for each of NxN parts of a map, such as 1,2,4.",
    default_text="one value for the whole map",
)
@network_options
@option(
    "-o",
    "--output",
    type=FileName(),
    help="The vectors: .csv, .npy (float32, one row per picture) or .json; - is stdout.",
    default_text="CSV on stdout",
)
@option(
    "--figure",
    type=FileName(),
    help="The figure, .png, .svg or .pdf: maps and vector of one picture. With several pictures FILE shows their vectors "
    f"side by side and the cosines, and FILE-1, FILE-2 and so on the maps of each, of at most {MOST}.",
    default_text="none",
)
@input_options
@force_option
@program_options
@jobs_option(f"the cores, for more than {FEW} pictures")
@max_pixels_option
def command(inputs: Sequence[str], **options: Any) -> None:
    """Make pictures into vectors, by a bank of kernels.

    Each picture is filtered by every kernel of a bank, negative values become 0, and the mean of each map becomes a
    feature: how much of the kernel's pattern the picture has. Writes one row per picture: its name, then one column per
    kernel. With --pool the maps are pooled before. A picture that cannot be read is reported and left out.
    """  # fmt: skip
    console = Console(quiet=options["quiet"], verbose=options["verbose"])
    output = "-" if is_stdout(options["output"]) else options["output"]
    with errors_about(""):
        check_network_options(options, inputs)
        if options["list_layers"]:
            list_layers(options)
            return
        how: Any = _extraction(options) if options["model"] is None else network_of(options)
        encode = encoder("vectors.csv" if output in (None, "-") else output)
        check_figure(options["figure"])
        names = inputs_of(inputs, options)
        found = find(
            names,
            "",
            recursive=options["recursive"],
            include=options["include"],
            exclude=options["exclude"],
            made=OwnFiles("", (), lambda folder: read_journal(folder).ours),
            examined=lambda source: source.path in names,  # asked for by name, a result is a picture too
        )
    targets = [] if output in (None, "-") else [output]
    figures = figure_files(options["figure"], len(found.sources))
    read = files_read(options["files_from"], options["model"], *(source.path for source in found.sources))
    for path, option_name in (*((one, "-o") for one in targets), *((one, "--figure") for one in figures)):
        with errors_about(display_name(path)):
            check_target(path, force=options["force"], inputs=read, option=option_name)
    what_was_found(found, found.sources, console)  # type: ignore[arg-type]
    start = time.perf_counter()
    work = FeatureWork(how, options["max_pixels"], console.verbose > 1)
    with errors_about(""):
        outcomes = _measured(found.sources, work, options, console)
    vectors = _vectors(found.sources, outcomes, how)
    failed = len(found.sources) - len(vectors.names)
    wrote = []
    if vectors.names:
        data = encode(vectors, _about(options, how))
        for path in targets:
            with errors_about(display_name(path)):
                atomic_write(path, data, force=options["force"])
        if not targets:
            to_stdout(write_stdout, data)
        drawn = [source.path if outcomes[source.path].values is not None else None for source in found.sources]
        wrote = [*targets, *draw_figures(figures, drawn, vectors, work, force=options["force"])]
    if infinite := vectors.infinite:
        console.say(f"{_count(infinite, 'picture')} with features that are not finite (NaN or infinity)")
    words = f"{_count(len(vectors.names), 'picture')}, {_count(len(vectors.columns), 'feature')} each"
    console.say(f"{words}{f', {failed} failed' if failed else ''} in {time.perf_counter() - start:.1f} s")
    if wrote:
        console.say("wrote " + ", ".join(map(display_name, wrote)))
    click.get_current_context().exit(FAILED if failed or found.problems or not found.sources else DONE)


def _extraction(options: dict[str, Any]) -> Any:
    """How the pictures become vectors.

    Raises
    ------
    OptionError
    """
    recipe = recipe_settings(options)
    name = options["bank"]
    if name is None:
        own = recipe["kernel"] is not None or recipe["recipe"] is not None or recipe["layout"] == "planes"
        name = NONE if own else "default"
    if name.lower() != NONE and recipe["kernel"] is not None:
        msg = "--bank with --kernel: both say which kernels; leave one of them out"
        raise OptionError(msg)
    bank = None if name.lower() == NONE else bank_named(name)
    return extraction(recipe, bank, GLOBAL_KINDS[options["global_kind"]], options["pyramid"] or ())


def _measured(
    sources: Sequence[Source], work: FeatureWork, options: dict[str, Any], console: Console
) -> dict[str, FeatureOutcome]:
    """What became of each picture, by path."""
    outcomes: dict[str, FeatureOutcome] = {}
    engine = _engine(options["jobs"], len(sources))
    scheduler = Scheduler(engine, partial(extract, work))
    with closing(scheduler), _progress(len(sources), console) as on_result:
        for path, outcome in scheduler.run(source.path for source in sources):
            outcomes[path] = FeatureOutcome(None, outcome.error) if isinstance(outcome, WorkerDied) else outcome
            on_result(path, outcomes[path])
    return outcomes


def _engine(jobs: int | None, tasks: int) -> Backend:
    if jobs is None:
        jobs = 0 if tasks <= FEW else cores()
    return backend(min(jobs, tasks), None, _PRELOAD)


@contextmanager
def _progress(count: int, console: Console) -> Iterator[Callable[[str, FeatureOutcome], None]]:
    """Show on a terminal how far the work is; with -v a line per picture instead."""
    if console.verbose:
        yield _line
    elif console.quiet or not count or sys.stderr is None or not sys.stderr.isatty():
        yield _nothing
    else:
        with click.progressbar(length=count, file=progress_stream(), show_pos=True, show_eta=True) as bar:
            yield lambda *_: bar.update(1)


def _nothing(path: str, outcome: FeatureOutcome) -> None:
    pass


def _line(path: str, outcome: FeatureOutcome) -> None:
    notes = "".join(f" ({note})" for note in outcome.notes)
    write_stderr(f"{display_name(path)}: {outcome.error or 'done'}{notes}")
    if outcome.trace:
        write_stderr(outcome.trace.rstrip())


def _vectors(sources: Sequence[Source], outcomes: dict[str, FeatureOutcome], how: Extractor) -> Vectors:
    """The rows, in the order of the names; failures are reported.

    All have as many features as the first: another number of channels is a failure.
    """
    import numpy as np

    twice = Counter(source.name for source in sources)
    names: list[str] = []
    rows: list[Any] = []
    for source in sources:
        outcome = outcomes[source.path]
        error = outcome.error
        if outcome.values is not None and rows and len(outcome.values) != len(rows[0]):
            error = (
                f"{_count(len(outcome.values), 'feature')}, {display_name(names[0])} has {len(rows[0])}: the channels "
                "differ; use --channels gray, or pictures of one kind"
            )
        if error or outcome.values is None:
            write_stderr(f"{display_name(source.path)}: {error}")
            continue
        names.append(plain_name(source.name if twice[source.name] == 1 else source.path))
        rows.append(outcome.values)
    values = np.stack(rows) if rows else np.empty((0, 0), np.float32)
    return Vectors(names, how.columns(values.shape[1]), values)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _about(options: dict[str, Any], how: Any) -> dict[str, Any]:
    """What a JSON object says besides the vectors."""
    recipe = how.recipe.to_dict()
    if options["model"] is not None:
        return {
            "poolcli": __version__,
            "model": plain_name(os.path.basename(options["model"])),
            "layer": how.layer.name,
            "preset": options["preset"] or "unit",
            "reading": {name: value for name, value in recipe.items() if name not in ("stages", "blocks", "range")},
            "global_kind": options["global_kind"],
            "pyramid": list(how.levels),
        }
    for stage in recipe["stages"] if how.kernels else ():
        if stage["op"] == "conv2d":
            del stage["kernel"]  # each of `kernels` in turn
    return {
        "poolcli": __version__,
        "recipe": recipe,
        "kernels": {name: kernel.weights.tolist() for name, kernel in how.kernels},
        "global_kind": options["global_kind"],
        "pyramid": list(how.levels),
    }
