"""What is refused of a batch's options whatever the inputs hold, and the inputs that a list of names gives."""

from __future__ import annotations

import math
import os
import stat
import sys
from typing import TYPE_CHECKING, Any

from poolcli.batch.report import writer
from poolcli.batch.stores import as_path, stores_for
from poolcli.display import display_name
from poolcli.errors import ImageError, OptionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poolcli.batch.stores import Stores


MOST_BYTES = 1 << 28
"""The largest list of names that is read: about two million names."""


def inputs_of(arguments: Sequence[str], options: dict[str, Any]) -> list[str]:
    """The inputs: those on the command line, then those in the file of --files-from.

    Raises
    ------
    OptionError
        There are none, or ``-`` stands for a picture.
    ImageError
        The list cannot be read.
    """
    if options["null"] and options["files_from"] is None:
        msg = "-0 without --files-from: it says how the names in that file are separated; add --files-from, or leave it out"
        raise OptionError(msg)
    if "-" in arguments:
        msg = "-: files and folders expected; poolcli run - reads stdin, --files-from - reads a list of names from it"
        raise OptionError(msg)
    if options["files_from"] is None:
        if not arguments:
            msg = "no INPUT: name pictures or folders, or a list of them with --files-from"
            raise OptionError(msg)
        return list(arguments)
    return [*arguments, *_listed(options["files_from"], null=options["null"])]


def _listed(path: str, *, null: bool) -> list[str]:
    name = f"--files-from {display_name(path)}"
    try:
        if path == "-":
            if sys.stdin is None:
                msg = f"{name}: stdin is closed; connect it to a list of names, or name a file"
                raise ImageError(msg)
            data = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with open(path, "rb") as file:
                data = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        msg = f"{name}: {getattr(error, 'strerror', None) or error}"
        raise ImageError(msg) from None
    if len(data) > MOST_BYTES:
        msg = f"{name}: more than {MOST_BYTES} bytes, which is no list of names"
        raise ImageError(msg)
    if not null and b"\0" in data:
        msg = f"{name}: holds NUL characters; with -0 they separate the names"
        raise OptionError(msg)
    return [os.fsdecode(line) for line in data.split(b"\0" if null else b"\n") if line]


def places(inputs: Sequence[str], options: dict[str, Any]) -> tuple[list[str], Stores]:
    """The inputs, and the storages of these and of all outputs.

    Raises
    ------
    OptionError, ImageError
    """
    names = [as_path(name) for name in inputs_of(inputs, options)]
    outputs = [options[key] for key in ("output", "report", "sheet") if options[key]]
    return names, stores_for([*names, *outputs], options["storage_option"])


def is_stdout(path: str | None) -> bool:
    """Whether a report goes to stdout."""
    return path in ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")


def report_format(path: str) -> str:
    """The name whose suffix chooses the form of a report: stdout and pipes get a table."""
    if is_stdout(path):
        return "report.csv"
    if not os.path.splitext(path)[1] and os.path.exists(path) and not stat.S_ISREG(os.stat(path).st_mode):
        return "report.csv"
    return path


def check(options: dict[str, Any]) -> None:
    """Refuse what is wrong whatever the inputs hold, and make paths of the outputs' names in `options`."""
    for name in ("output", "report", "sheet"):  # first: no other message repeats a URL that holds credentials
        options[name] = options[name] and as_path(options[name])
    _check_files(options)
    if options["timeout"] is not None and not math.isfinite(options["timeout"]):
        msg = f"--timeout {options['timeout']}: give a finite number of seconds above 0"
        raise OptionError(msg)
    if options["dask"] is not None:
        _check_dask(options)
    elif options["jobs"] == 0:
        for name in ("timeout", "max_memory"):
            if options[name] is not None:
                msg = (
                    f"--{name.replace('_', '-')} with --jobs 0: only worker processes can keep it; use --jobs 1 or more"
                )
                raise OptionError(msg)


_NOT_WITH_DASK = {
    "timeout": "a Dask worker cannot be stopped in the middle of a picture; leave it out",
    "max_memory": "the workers have their own limit; start them with dask worker --memory-limit SIZE",
}


def _check_dask(options: dict[str, Any]) -> None:
    for name, why in _NOT_WITH_DASK.items():
        if options[name] is not None:
            msg = f"--{name.replace('_', '-')} with --dask: {why}"
            raise OptionError(msg)
    if options["jobs"] == 0:
        msg = "--jobs 0 with --dask: the one works in this process, the other on a cluster; leave one out"
        raise OptionError(msg)
    from poolcli.batch.dask_backend import check_address

    check_address(options["dask"])


def _check_files(options: dict[str, Any]) -> None:
    if options["output"] == "-":
        msg = "--output -: a batch writes a folder; for a folder of that name give ./-"
        raise OptionError(msg)
    if options["report"] is not None:
        writer(report_format(options["report"]))
        if is_stdout(options["report"]) and (options["as_json"] or options["dry_run"]):
            msg = f"--report - with {'--json' if options['as_json'] else '--dry-run'}: both would go to stdout; give --report a file name"
            raise OptionError(msg)
    if options["sheet"] is not None:
        from poolcli.batch import sheet

        sheet.check(options["sheet"])
