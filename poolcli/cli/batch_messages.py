"""The messages of a batch: the plan, the progress, the summary at the end, and one JSON object for programs."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from poolcli import __version__
from poolcli.batch.batch import DONE, FAILED, LEFT, SKIPPED
from poolcli.batch.plan import MADE
from poolcli.batch.prune import outdated
from poolcli.batch.up_to_date import check_recipe, next_task
from poolcli.cli import exit_codes
from poolcli.cli.console import progress_stream, write_json, write_stderr, write_stdout
from poolcli.cli.progress import progress_lines
from poolcli.cli.runner import to_stdout
from poolcli.display import display_name
from poolcli.errors import PoolcliError
from poolcli.pipeline.engine import planned_sizes
from poolcli.pipeline.serialize import plain_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from poolcli.batch.batch import Batch, OnResult
    from poolcli.batch.journal_state import JournalState
    from poolcli.batch.plan import FoundInputs, Item
    from poolcli.batch.worker import Task, WorkOptions
    from poolcli.cli.console import Console

_OFTEN = 0.1
"""Seconds between two updates of the progress bar."""


def what_was_found(found: FoundInputs, items: Sequence[Item], console: Console) -> None:
    """Report which files were left out, and which folders could not be read."""
    for path, reason in found.problems:
        write_stderr(f"{display_name(path)}: {reason}")
    if found.left_out:
        console.say("left out: " + ", ".join(f"{count} {why}" for why, count in sorted(found.left_out.items())))
    if not items:
        made = found.left_out.get(MADE)
        write_stderr(
            f"no pictures found{f' but {made} made by poolcli; poolcli run pools one of these' if made else ''}"
        )


def may_prune(found: FoundInputs, items: Sequence[Item]) -> bool:
    """Whether it is known which pictures are gone; says so if not."""
    if not found.problems and items and all(item.source.stamp for item in items):
        return True
    write_stderr("nothing is pruned: pictures that cannot be looked for may be there still")
    return False


def dry_run(
    found: FoundInputs, items: Sequence[Item], known: JournalState, settings: WorkOptions, options: dict[str, Any]
) -> int:
    """Print the plan: every picture and its result with their sizes, what is done already, and what would be removed.

    Returns the exit code.
    """
    folder, force, stores = options["output"], options["force"], settings.stores
    check_recipe(known, settings, force=force)
    rows: list[dict[str, Any]] = []
    code = exit_codes.DONE
    for item in items:
        task, refusal = next_task(item, known, folder, settings, force=force)
        row: dict[str, Any] = {
            "source": plain_name(item.source.path),
            "result": plain_name(os.path.join(folder, item.result)),
            "figure": plain_name(os.path.join(folder, item.figure)) if item.figure else None,
            "status": LEFT if task else FAILED if refusal else SKIPPED,
        }
        try:
            row["size"], row["result_size"] = planned_sizes(
                stores.of(item.source.path).picture(item.source.path), settings.recipe, settings.max_pixels
            )
        except PoolcliError as error:
            row["status"], refusal = FAILED, refusal or str(error)
        row["error"] = refusal or None
        if refusal:
            code = exit_codes.FAILED
            write_stderr(f"{display_name(item.source.path)}: {refusal}")
        elif not options["as_json"]:
            _print_plan(item, row, folder)
        if options["as_json"]:
            rows.append(row)
    gone: list[str] = []
    if options["prune"] and may_prune(found, items):
        names = outdated(known, folder, {item.result for item in items}, stores)
        gone = [os.path.join(folder, name) for name in names]
    if options["as_json"]:
        removed = {"prune": [plain_name(path) for path in gone]} if options["prune"] else {}
        to_stdout(write_json, {**_head(settings), "output": plain_name(folder), "plan": rows, **removed})
        return code
    for path in gone:
        to_stdout(write_stdout, f"remove {display_name(path)}\n".encode(errors="backslashreplace"))
    return code


def pruned(names: Sequence[str], kept: dict[str, str], folder: str, console: Console) -> None:
    """Report results that were removed, and those that cannot be."""
    for name, reason in kept.items():
        write_stderr(f"{display_name(os.path.join(folder, name))}: cannot be removed: {reason}")
    for name in names if console.verbose else ():
        console.say(f"removed {display_name(os.path.join(folder, name))}")
    if names:
        console.say(f"{len(names)} files removed whose pictures are gone")


def _print_plan(item: Item, row: dict[str, Any], folder: str) -> None:
    height, width = row["size"]
    rows, cols = row["result_size"]
    made = display_name(os.path.join(folder, item.result))
    before = ", done before" if row["status"] == SKIPPED else ""
    line = f"{display_name(item.source.path)} {height}x{width} -> {made} {rows}x{cols}{before}\n"
    to_stdout(write_stdout, line.encode(errors="backslashreplace"))


def _head(settings: WorkOptions) -> dict[str, Any]:
    return {
        "poolcli": __version__,
        "recipe": settings.recipe.to_dict(),
        "recipe_hash": settings.key.recipe,
        "algorithm": settings.key.algorithm,
    }


@contextmanager
def progress(batch: Batch, console: Console) -> Iterator[OnResult]:
    """Show on a terminal how far the batch is, how fast, and how many failed; with -v a line per picture instead."""
    if console.verbose:

        def line(task: Task, error: str, notes: Sequence[str]) -> None:
            _line(task, error, notes)
            if batch.trace:
                write_stderr(batch.trace.rstrip())

        with progress_lines(console, partial(_state, batch)):
            yield line
        return
    if console.quiet or not batch.todo or sys.stderr is None or not sys.stderr.isatty():
        yield _nothing
        return
    start = last = time.monotonic()
    waiting = 0

    def state(_: Any) -> str:
        seconds = max(time.monotonic() - start, 1e-6)
        rate = batch.count_finished / seconds
        failed = f", {len(batch.errors)} failed" if batch.errors else ""
        return f"{rate:.{0 if rate >= 10 else 1}f}/s{failed}"

    with click.progressbar(
        length=len(batch.todo), file=progress_stream(), show_pos=True, show_eta=True, item_show_func=state
    ) as bar:

        def count(task: Task, error: str, notes: Sequence[str]) -> None:
            nonlocal waiting, last
            waiting += 1
            if time.monotonic() - last >= _OFTEN:
                last = time.monotonic()
                bar.update(waiting)
                waiting = 0

        try:
            yield count
        finally:
            bar.update(waiting)


def _state(batch: Batch) -> str:
    failed = f", {len(batch.errors)} failed" if batch.errors else ""
    return f"{batch.count_finished} of {len(batch.todo)} done{failed}"


def _nothing(task: Task, error: str, notes: Sequence[str]) -> None:
    pass


def _line(task: Task, error: str, notes: Sequence[str]) -> None:
    target = display_name(os.path.join(task.folder, task.result))
    said = "".join(f" ({note})" for note in notes)
    write_stderr(f"{display_name(task.source)}: {error or target}{said}")


def end(batch: Batch, console: Console, seconds: float) -> None:
    """List the failures, and report in one line how many pictures were done, skipped and failed."""
    if not console.verbose:
        for item in batch.items:
            if error := batch.errors.get(item.result):
                write_stderr(f"{display_name(item.source.path)}: {error}")
    done, left = batch.count(DONE), batch.count(LEFT)
    words = f"{done} done, {batch.count(SKIPPED)} skipped as done before, {batch.count(FAILED)} failed"
    rate = f" ({done / seconds:.{0 if done >= 10 * seconds else 1}f}/s)" if done else ""
    console.say(f"{words} in {seconds:.1f} s{rate}")
    if batch.with_notes and not console.verbose:
        console.say(
            f"notes on {batch.with_notes} of them: frames left out, bits lost, values not finite; see them with -v or --report"
        )
    if left:
        write_stderr(f"stopped: {batch.stopped}; {left} left, the same command continues with them")


def as_json(batch: Batch, settings: WorkOptions, found: FoundInputs, seconds: float) -> None:
    """Print one object, row by row: there may be more rows than memory."""
    head = json.dumps(_head(settings) | {"output": plain_name(batch.folder)})
    counts = {state: batch.count(state) for state in (DONE, SKIPPED, FAILED, LEFT)}
    closed = [{"path": plain_name(path), "error": error} for path, error in found.problems]
    tail = {
        "problems": closed,
        "left_out": found.left_out,
        "counts": counts,
        "stopped": batch.stopped or None,
        "seconds": round(seconds, 4),
    }

    def lines(_: Any) -> None:
        write_stdout(f'{head[:-1]},\n"results": [\n'.encode())
        for number, row in enumerate(batch.rows()):
            write_stdout(f"{',' if number else ''}{json.dumps(row)}\n".encode())
        write_stdout(f"],\n{json.dumps(tail)[1:]}\n".encode())

    to_stdout(lines, None)
