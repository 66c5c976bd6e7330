"""The plan of a batch: which files are done, and under which names, before anything is read or written.

Nothing is decided while files are being made: two sources that would write one file, a result that is a source, a
name that leads out of the folder are refused here, with both names.
"""

from __future__ import annotations

import errno
import os
import stat
import unicodedata
from dataclasses import dataclass, field
from fnmatch import translate
from functools import cache
from re import IGNORECASE, escape
from re import compile as compile_pattern
from typing import TYPE_CHECKING, NamedTuple

from poolcli.batch.names import FIGURE, Template
from poolcli.errors import OptionError
from poolcli.images.opening import SUFFIXES, display_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

OWN = ".poolcli"
"""The folder inside DIR that holds the journal; a folder that has one holds results."""


class Stamp(NamedTuple):
    """What tells one state of a file from another, and one file from another."""

    size: int
    mtime_ns: int
    device: int
    inode: int


class Source(NamedTuple):
    """A file to be done: its path, its name below the folder it was found in, and its state when found."""

    path: str
    name: str
    stamp: Stamp | None


class Item(NamedTuple):
    """A source and what is made of it; `result` and `figure` are paths below DIR."""

    source: Source
    result: str
    figure: str | None


@dataclass
class Found:
    """What the inputs hold: files, places that could not be looked into, and how many were left out and why."""

    sources: list[Source] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)

    def leave(self, why: str) -> None:
        """Count something that is left out."""
        self.left_out[why] = self.left_out.get(why, 0) + 1


def find(
    inputs: Sequence[str],
    output: str,
    *,
    recursive: bool = False,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    sheet: str | None = None,
) -> Found:
    """Find the files of a batch.

    Parameters
    ----------
    inputs : sequence of path
        Files, taken as they are, and folders, of which the files that look like pictures are taken. Links to folders
        below them are not followed, so that no loop is; hidden files and folders of results are left out.
    output : path
        The folder of the results; left out where it lies inside an input.
    recursive : bool
        Whether folders inside folders are searched.
    include, exclude : sequence of str
        Shell patterns, compared without regard to case, with the name or, if they have a slash, with the path below
        the input. `include` replaces the look at suffixes.
    sheet : path, optional
        The contact sheet of the batch, which may lie in an input; it and its pages are left out.

    Returns
    -------
    Found
        Sorted by name, every file once.

    Raises
    ------
    OptionError
        An input that is the output folder itself.
    """
    found = Found()
    choice = _Choice(include, exclude, sheet)
    own = _status(output)

    def consider(path: str, name: str, *, named: bool) -> None:
        why_not = choice.refusal(path, name, named=named)
        if why_not:
            found.leave(why_not)
        else:
            found.sources.append(Source(path, name, stamp_of(path)))

    for path in inputs:
        status = _status(path)
        if status is None and not os.path.basename(path):  # a folder by its name
            found.problems.append((path, os.strerror(errno.ENOENT)))
        elif status is None or not stat.S_ISDIR(status.st_mode):
            consider(path, os.path.basename(path), named=True)
        elif own is not None and os.path.samestat(own, status):
            raise OptionError(
                f"{display_name(path)}: the folder of the results is an input; another folder for -o is expected"
            )
        else:
            for where, name in _walk(path, own, found, recursive=recursive):
                consider(where, name, named=False)
    once: dict[tuple[str, str], Source] = {}
    real = cache(os.path.realpath)  # of folders, which are few; a link to a file is a picture of its own
    for source in found.sources:
        folder, name = os.path.split(source.path)
        once.setdefault((real(folder), name), source)
    found.sources = sorted(once.values(), key=lambda source: (os.fsencode(source.name), os.fsencode(source.path)))
    return found


def _walk(top: str, own: os.stat_result | None, found: Found, *, recursive: bool) -> Iterator[tuple[str, str]]:
    """Yield path and name of every file; the folders still to be searched are a list, since they may lie deep."""
    folders = [(top, "")]
    while folders:
        folder, below = folders.pop()
        try:
            with os.scandir(folder) as entries:
                inside = list(entries)
        except OSError as error:
            found.problems.append((folder, error.strerror or str(error)))
            continue
        for entry in inside:
            name = f"{below}{entry.name}"
            if entry.name.startswith("."):
                found.leave("hidden")
            elif entry.is_dir(follow_symlinks=False):
                if not recursive:
                    found.leave("folders, --recursive takes them")
                elif _holds_results(entry.path, own):
                    found.leave("folders of results")
                else:
                    folders.append((entry.path, f"{name}/"))
            elif _leads_to_folder(entry):
                found.leave("links to folders")
            else:
                yield entry.path, name


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself: whoever opens it says so
        return False


def _holds_results(folder: str, own: os.stat_result | None) -> bool:
    status = _status(folder)
    if own is not None and status is not None and os.path.samestat(status, own):
        return True
    return os.path.isdir(os.path.join(folder, OWN))


class _Choice:
    """Which of the files that are found are taken."""

    def __init__(self, include: Sequence[str], exclude: Sequence[str], sheet: str | None) -> None:
        self._include = _matcher(include) if include else None
        self._exclude = _matcher(exclude)
        self._pages = None
        if sheet is not None:
            stem, suffix = os.path.splitext(os.path.abspath(sheet))
            self._pages = compile_pattern(f"{escape(stem)}(-[0-9]+)?{escape(suffix)}")

    def refusal(self, path: str, name: str, *, named: bool) -> str:
        """Why a file is left out; empty when it is not. Files that were `named` need not look like pictures."""
        if self._pages and not named and self._pages.fullmatch(os.path.abspath(path)):
            return "the contact sheet"
        if self._exclude(name):
            return "excluded"
        if self._include is not None:
            return "" if self._include(name) else "not included"
        return "" if named or name.lower().endswith(SUFFIXES) else "no picture by its suffix"


def _matcher(patterns: Iterable[str]) -> Callable[[str], bool]:
    alone = [compile_pattern(translate(p), IGNORECASE) for p in patterns if "/" not in p]
    paths = [compile_pattern(translate(p), IGNORECASE) for p in patterns if "/" in p]

    def matches(name: str) -> bool:
        last = os.path.basename(name)
        return any(p.match(last) for p in alone) or any(p.match(name) for p in paths)

    return matches


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except (OSError, ValueError):  # whoever opens it says why
        return None


def stamp_of(path: str) -> Stamp | None:
    """The state of a file now; None when it cannot be looked at."""
    status = _status(path)
    return status and Stamp(status.st_size, status.st_mtime_ns, status.st_dev, status.st_ino)


def assign(sources: Sequence[Source], output: str, template: Template, *, figures: bool) -> list[Item]:
    """Give every source the names of its result and figure.

    Raises
    ------
    OptionError
        Two sources would write one file, as file systems that ignore case or Unicode's forms see it, or one a file
        and the other a folder; a result would replace a source, or lie outside `output`.
    """
    figure = Template(FIGURE)
    items: list[Item] = []
    taken: dict[str, tuple[Source, str]] = {}
    clashes: list[str] = []
    for index, source in enumerate(sources, 1):
        folder = os.path.dirname(source.name)
        result = os.path.join(folder, template.result_name(source.path, index))
        drawn = os.path.join(folder, figure.name(source.path, index)) if figures else None
        items.append(Item(source, result, drawn))
        for path in filter(None, (result, drawn)):
            other, first = taken.setdefault(_key(path), (source, path))
            if other is not source or first is not path:
                clashes.append(_clash(other, first, source, path, output, figure=path is drawn, figures=figures))
    if clashes:
        more = f" (and {len(clashes) - 1} more)" if len(clashes) > 1 else ""
        raise OptionError(f"{clashes[0]}{more}")
    _check_folders(items, taken, output)
    _check_places(items, output)
    return items


def _key(path: str) -> str:
    """What is the same for all spellings of a name that some file systems take for one."""
    return unicodedata.normalize("NFC", path).casefold()


def _check_folders(items: Sequence[Item], taken: Mapping[str, tuple[Source, str]], output: str) -> None:
    """Refuse a result whose name is that of a folder of others: neither could be made once the other is there."""
    seen: set[str] = set()
    for item in items:
        folder = os.path.dirname(item.result)
        while folder and folder not in seen:
            seen.add(folder)
            if _key(folder) in taken:
                source, path = taken[_key(folder)]
                raise OptionError(
                    f"{display_name(source.path)} would write {display_name(os.path.join(output, path))}, which "
                    f"would be a folder for that of {display_name(item.source.path)}; another --name is expected"
                )
            folder = os.path.dirname(folder)


def _clash(first: Source, one: str, second: Source, other: str, output: str, *, figure: bool, figures: bool) -> str:
    target = display_name(os.path.join(output, other))
    if first is second:
        return (
            f"{display_name(first.path)}: its result and its figure would both be {target}; another --name is expected"
        )
    like = "" if one == other else f", which is {display_name(one)} where case or accents are not told apart"
    alike = os.path.basename(first.path) == os.path.basename(second.path)
    name = "--name '{parent}-{stem}.png'" if alike else "--name '{name}.pooled.png'"
    hint = "--no-figure" if figure else f"{name} --no-figure" if figures else name
    return (
        f"{display_name(first.path)} and {display_name(second.path)} would both write {target}{like}; "
        f"{hint} keeps them apart"
    )


def _check_places(items: Sequence[Item], output: str) -> None:
    """Refuse results outside the folder, through links, and results that are sources."""
    inside = os.path.realpath(output)
    for folder in {os.path.dirname(item.result) for item in items}:
        real = os.path.realpath(os.path.join(output, folder))
        if os.path.commonpath([inside, real]) != inside:
            raise OptionError(
                f"{display_name(os.path.join(output, folder))}: leads out of {display_name(output)}; a folder inside it expected"
            )
    sources = {source.stamp[2:]: source for source, *_ in items if source.stamp}
    for item in items:
        for path in filter(None, (item.result, item.figure)):
            stamp = stamp_of(os.path.join(output, path))
            other = sources.get(stamp[2:]) if stamp else None
            if other is not None:
                raise OptionError(
                    f"{display_name(item.source.path)}: its result would replace {display_name(other.path)}, "
                    "which is an input; another folder or --name is expected"
                )
