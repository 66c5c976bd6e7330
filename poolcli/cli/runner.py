"""Runs a recipe on one picture: reads it, executes the recipe, writes and reports the outputs.

`poolcli run` plans its outputs (`output_plan`) and calls `run`. Other commands use the parts: `errors_about` converts
errors into those of the command line, and `read_picture` reads a file or stdin.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING, Any, BinaryIO

from poolcli import artifacts
from poolcli.cli.console import stdout_is_terminal, write_json, write_stdout
from poolcli.cli.exit_codes import Failure, failure
from poolcli.cli.parameters import files_read
from poolcli.cli.progress import progress_lines
from poolcli.display import display_name
from poolcli.errors import ImageError, OptionError, PoolcliError
from poolcli.figures import PANEL
from poolcli.images.atomic import sweep
from poolcli.images.embedded import marked_files
from poolcli.images.pillow_guard import silent_stderr
from poolcli.images.read import read
from poolcli.pipeline import engine, stage_table
from poolcli.pipeline.observers import RunProgress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from poolcli.artifacts import Artifact, PixelOptions
    from poolcli.cli.console import Console
    from poolcli.images.read import Picture
    from poolcli.pipeline.recipe import Recipe
    from poolcli.pipeline.result import Result

STDIN = "-"
WRITER_OPEN_SECONDS = 1
"""Seconds that another program has to open a named pipe for writing."""


def run(
    image: str,
    recipe: Recipe,
    outputs: Sequence[Artifact],
    *,
    pixels: PixelOptions,
    force: bool,
    threads: int | None,
    max_pixels: int,
    as_json: bool,
    console: Console,
    detail: tuple[int, int] | None = None,
    preview: bool = False,
) -> None:
    """Apply a recipe to one picture, write the outputs and report them.

    Parameters
    ----------
    image : str
        A file, or ``-`` for stdin.
    recipe : Recipe
    outputs : sequence of Artifact
    pixels : PixelOptions
    force : bool
        Whether existing files may be replaced.
    threads : int or None
    max_pixels : int
    as_json : bool
        Whether a JSON object goes to stdout.
    console : Console
    detail : (row, column), optional
        Where the figure enlarges the picture.
    preview : bool
        Whether the result is shown in the terminal.

    Raises
    ------
    click.ClickException
        Any error, with the file that it is about.
    """
    with errors_about(""):
        check_stdout(outputs, as_json=as_json, force=force, preview=preview)
        sources = files_read(image)
        artifacts.check_artifacts(outputs, recipe, sources, pixels=pixels, force=force)
    start = time.perf_counter()
    kept = artifacts.kept(outputs)
    if preview and stdout_is_terminal():
        kept["panel"] = PANEL
    progress = RunProgress()
    with errors_about(source_name(image)), progress_lines(console, partial(_state, source_name(image), progress)):
        picture = read_picture(image, recipe, max_pixels=max_pixels, console=console)
        statistics = "panel" in kept or as_json or not console.quiet  # figures show them
        result = engine.execute(
            picture, recipe, threads=threads, statistics=statistics, detail=detail, progress=progress, **kept
        )
        files = write(result, outputs, pixels, force=force)
    seconds = time.perf_counter() - start
    report_run(result, outputs, files, pixels, seconds, console)
    if preview and stdout_is_terminal():
        from poolcli.cli.preview import write_preview

        to_stdout(write_preview, result)
    elif preview:
        console.say("--preview: stdout is not a terminal, nothing is shown")
    if as_json:
        to_stdout(write_json, stage_table.as_json(result, picture, files, seconds))


def _state(name: str, progress: RunProgress) -> str:
    """How far a run is; only the share of the computing is known."""
    if not progress.rows:
        return f"{name}: reading"
    return f"{name}: {progress.share:.0%} computed" if progress.share < 1 else f"{name}: computed, writing"


@contextmanager
def errors_about(about: str) -> Iterator[None]:
    """Convert errors raised inside the context into those of the command line; `about` is the file in their message."""
    try:
        yield
    except artifacts.RefusedError as refused:
        raise failure(refused.error, display_name(refused.path)) from None
    except (PoolcliError, MemoryError) as error:
        raise failure(error, about) from None


def source_name(image: str) -> str:
    """The picture's name in messages."""
    return "stdin" if image == STDIN else display_name(image)


def check_stdout(outputs: Sequence[Artifact], *, as_json: bool, force: bool, preview: bool = False) -> None:
    """Refuse two outputs on stdout, and a picture that would be written to a terminal.

    Raises
    ------
    OptionError
    """
    if preview and (as_json or any(one.path is None for one in outputs)):
        msg = f"--preview with {'--json' if as_json else '-o -'}: both would go to stdout; leave one of them out"
        raise OptionError(msg)
    if all(one.path is not None for one in outputs):
        return
    if as_json:
        msg = "--json with -o -: both would go to stdout; give -o a file name"
        raise OptionError(msg)
    if stdout_is_terminal() and not force:
        msg = "-o - would write a picture to the terminal; use a pipe, a file name or --force"
        raise OptionError(msg)


def read_picture(image: str, recipe: Recipe, *, max_pixels: int, console: Console) -> Picture:
    """Read a file, a pipe, a device or stdin with the recipe's settings, and print notes about the picture.

    Raises
    ------
    PoolcliError
        The picture cannot be read, or a window does not fit it.
    """
    with opened(image) as source, silent_stderr():
        picture = read(source, **engine.reading(recipe, max_pixels))
    for note in picture.notes:
        console.say(f"{picture.source}: {note}")
    return picture


@contextmanager
def opened(image: str) -> Iterator[Any]:
    """A file's name, or the stream of stdin, of a pipe or of a device, for `images.read`.

    Raises
    ------
    ImageError
        stdin is closed, or nothing is written into the pipe.
    click.ClickException
        A setting of reading is wrong for every picture; the message does not name this one.
    """
    with ExitStack() as stack:
        source: Any = image
        if image == STDIN:
            if sys.stdin is None:
                msg = "stdin is closed; connect it to a picture, or name a file"
                raise Failure(msg)
            source = sys.stdin.buffer
        elif _is_read_once(image):
            source = stack.enter_context(_open_when_written(image))
        try:
            yield source
        except OptionError as error:
            raise failure(error, "") from None


def _is_read_once(path: str) -> bool:
    """Whether `path` is a pipe or a character device: it has no length and can be read only once."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False  # reading it reports the error
    return (stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)) and os.access(path, os.R_OK)


def _open_when_written(path: str) -> BinaryIO:
    """Open a pipe or a device for reading.

    Raises
    ------
    ImageError
        No program opens the pipe for writing within `WRITER_OPEN_SECONDS`, or it cannot be opened.
    """
    opened: list[BinaryIO | OSError] = []

    def wait() -> None:
        try:
            opened.append(open(path, "rb"))  # noqa: SIM115 - waits for the writer
        except OSError as error:
            opened.append(error)

    thread = Thread(target=wait, daemon=True)
    thread.start()
    thread.join(WRITER_OPEN_SECONDS)
    if thread.is_alive():
        with suppress(OSError):
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))  # ends the thread
        thread.join(WRITER_OPEN_SECONDS)
        for late in opened:
            if not isinstance(late, OSError):
                late.close()
        msg = f"no program writes into this pipe within {WRITER_OPEN_SECONDS} s; start the program that writes first"
        raise ImageError(msg)
    if isinstance(opened[0], OSError):
        raise ImageError(opened[0].strerror or str(opened[0]))
    return opened[0]


def write(
    result: Result, outputs: Sequence[Artifact], pixels: PixelOptions, *, force: bool
) -> dict[str, str | list[str]]:
    """Encode all outputs, then write them.

    Returns
    -------
    dict
        Kind of output -> its file, or a list of files.

    Raises
    ------
    RefusedError
        A file cannot be written.
    OutputError
        A format cannot hold its map.
    """
    contents = artifacts.encode_all(result, outputs, pixels)
    files: dict[str, str | list[str]] = {}
    for one, data in zip(outputs, contents, strict=True):
        if one.path is None:
            for part in data:
                assert isinstance(part, bytes)
                to_stdout(write_stdout, part)
            continue
        is_folder = artifacts.KINDS[one.kind].is_folder
        if is_folder:
            artifacts.make_folder(one.path)
        paths = one.files(result.recipe)
        for path in paths:
            sweep([os.path.dirname(path) or os.curdir], of=os.path.basename(path))
        artifacts.write_files(paths, data, force=force)
        if is_folder and force:
            _remove_old_maps(one.path, paths)
        files[one.kind] = paths if is_folder else paths[0]
    return files


def _remove_old_maps(folder: str, new: Sequence[str]) -> None:
    """Remove the maps of an earlier run with another recipe from a folder; poolcli's mark identifies their pictures."""
    with suppress(OSError):
        for path in marked_files(folder, r"[0-9]+-[^.]+\.png", new):
            for old in (path, f"{path.removesuffix('png')}npy"):
                with suppress(FileNotFoundError):
                    os.unlink(old)


def report_run(
    result: Result,
    outputs: Sequence[Artifact],
    files: dict[str, str | list[str]],
    pixels: PixelOptions,
    seconds: float,
    console: Console,
) -> None:
    """Write the table of stages and the names of the written files to stderr."""
    console.table(*stage_table.table(result))
    if console.verbose:
        console.say(f"recipe {result.recipe.hash}, {seconds:.3f} s")
    if any(artifacts.holds_levels(one, result, pixels) for one in outputs):
        for line in stage_table.beyond_scale(result, pixels.scale):
            console.say(line)
    if files:
        console.say("wrote " + ", ".join(display_name(name) for name in file_names(files)))


def to_stdout(write: Callable[[Any], None], value: Any) -> None:
    """Write to stdout; errors name stdout, not the picture."""
    with errors_about("stdout"):
        write(value)


def file_names(files: dict[str, str | list[str]]) -> list[str]:
    """The names of all files that were written."""
    return [name for value in files.values() for name in (value if isinstance(value, list) else [value])]
