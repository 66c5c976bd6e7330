"""The plan of a batch: the files to process, found before anything is written."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from functools import cache
from re import compile as compile_pattern
from re import escape
from typing import TYPE_CHECKING, NamedTuple

from poolcli.batch.own_files import OwnFiles
from poolcli.batch.patterns import Patterns
from poolcli.batch.storage import FILE, FOLDER, is_url
from poolcli.batch.stores import LOCAL_ONLY
from poolcli.display import display_name
from poolcli.errors import OptionError
from poolcli.images.safe_open import SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from re import Pattern

    from poolcli.batch.storage import Stamp
    from poolcli.batch.stores import Stores


class Source(NamedTuple):
    """A file to process: its path, its name below the folder in which it was found, and its state at that time."""

    path: str
    name: str
    stamp: Stamp | None


class Item(NamedTuple):
    """A source with its result and figure, which are paths below DIR; `number` counts from 1."""

    source: Source
    result: str
    figure: str | None
    number: int = 0


@dataclass
class FoundInputs:
    """The files in the inputs, the places that could not be read, and how many files were left out and why."""

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
    made: OwnFiles | None = None,
    examined: Callable[[Source], bool] = lambda _: False,
    stores: Stores = LOCAL_ONLY,
) -> FoundInputs:
    """Find the files of a batch.

    Parameters
    ----------
    inputs : sequence of path
        Files, taken as they are, and folders, of which the files that look like pictures are taken. Links to folders
        below them are not followed, so that no loop is; hidden files and what poolcli made are left out.
    output : path
        The folder of the results; left out where it lies inside an input.
    recursive : bool
        Whether folders inside folders are searched.
    include, exclude : sequence of str
        Patterns as in ``.gitignore`` (`patterns.Patterns`), compared with the path below the input. `include` replaces
        the look at suffixes. A folder that `exclude` matches is not opened.
    made : OwnFiles, optional
        What journals know, DIR's among them.
    examined : callable, optional
        Whether a source was found in an earlier run to be no result: its first bytes are not read again.
    stores : Stores, optional

    Returns
    -------
    FoundInputs
        Sorted by name, numbers in names by their value, every file once.

    Raises
    ------
    OptionError
        An input that is the output folder itself, or a pattern that can match nothing.
    """
    return _Search(inputs, output, recursive, _Choice(include, exclude), made, examined, stores).found


class _Search:
    """One walk through the inputs."""

    def __init__(
        self,
        inputs: Sequence[str],
        output: str,
        recursive: bool,
        choice: _Choice,
        made: OwnFiles | None,
        examined: Callable[[Source], bool],
        stores: Stores,
    ) -> None:
        self.found = FoundInputs()
        self._recursive, self._choice, self._examined = recursive, choice, examined
        self._stores = stores
        own = stores.of(output).status(output)
        self._own = own and own.stamp.file
        self._made = made if made is not None else OwnFiles(output, (), lambda _: (), stores)
        stores.remember(inputs, recursive=recursive)
        for path in inputs:
            self._input(path)
        found = self.found.sources if len(inputs) == 1 else self._once()
        self.found.sources = sorted((source for source in found if not self._is_ours(source)), key=_order)

    def _once(self) -> Collection[Source]:
        """The files without those that several inputs have in common; a link to a file is a picture of its own."""
        once: dict[tuple[str, str], Source] = {}
        real = cache(lambda path: self._stores.of(path).real(path))  # of folders, which are few
        for source in self.found.sources:
            folder, name = os.path.split(source.path)
            once.setdefault((real(folder), name), source)
        return once.values()

    def _input(self, path: str) -> None:
        found = self._stores.of(path).status(path)
        if found is None and is_url(path) and not os.path.basename(path):
            self._walk(path)  # which says why it cannot be listed
        elif found is None and not os.path.basename(path):  # a folder by its name
            self.found.problems.append((path, os.strerror(errno.ENOENT)))
        elif found is None or found.kind != FOLDER:
            self._consider(path, os.path.basename(path), named=True)
        elif found.stamp.file == self._own:
            raise OptionError(
                f"{display_name(path)}: the folder of the results is an input; give another folder for -o"
            )
        else:
            self._made.look_above(path)
            self._walk(path)

    def _consider(self, path: str, name: str, *, named: bool) -> None:
        why_not = self._choice.refusal(path, name, named=named)
        if why_not:
            self.found.leave(why_not)
            return
        if named:
            self._made.look_above(os.path.dirname(path) or os.curdir)
        found = self._stores.of(path).status(path)
        self.found.sources.append(Source(path, name, found and found.stamp))

    def _walk(self, top: str) -> None:
        """Consider every file; the folders still to be searched are kept in a list, since they may be nested deeply."""
        storage = self._stores.of(top)
        folders = [(top, "")]
        while folders:
            folder, below = folders.pop()
            try:
                inside = storage.scan(folder)
            except OSError as error:
                self.found.problems.append((folder, error.strerror or str(error)))
                continue
            self._made.look_into(folder)
            for entry in inside:
                name = f"{below}{entry.name}"
                if entry.name.startswith("."):
                    self.found.leave("hidden")
                elif entry.kind == FOLDER:
                    why_not = self._why_not_entered(entry.path, name)
                    if why_not:
                        self.found.leave(why_not)
                    else:
                        folders.append((entry.path, f"{name}/"))
                elif entry.kind == FILE:
                    self._consider(entry.path, name, named=False)
                else:
                    self.found.leave(entry.kind)

    def _why_not_entered(self, folder: str, name: str) -> str:
        if self._choice.excludes_folder(name):
            return "excluded folders"
        if not self._recursive:
            return "folders, --recursive takes them"
        found = self._stores.of(folder).status(folder)
        return "folders of results" if found is not None and found.stamp.file == self._own else ""

    def _is_ours(self, source: Source) -> bool:
        known = self._made.has(source.path)
        if known or (not self._examined(source) and self._stores.of(source.path).is_marked(source.path)):
            self.found.leave(MADE)
            return True
        return False


MADE = "made by poolcli"
"""Why a result, a figure, a sheet or a report is left out."""

_DIGITS = compile_pattern(rb"0*([0-9]+)")


def natural(name: bytes) -> bytes:
    """A key that sorts names by their bytes, and numbers in them by their value.

    Examples
    --------
    >>> sorted([b"frame10.png", b"frame2.png"], key=natural)
    [b'frame2.png', b'frame10.png']
    """
    return _DIGITS.sub(lambda found: b"0" + bytes([min(len(found[1]), 255)]) + found[1], name)


def _order(source: Source) -> bytes:
    name = os.fsencode(source.name)
    return b"\0".join((natural(name), name, os.fsencode(source.path)))  # no name has a NUL


class _Choice:
    """The rules that decide which of the found files are taken."""

    def __init__(self, include: Sequence[str], exclude: Sequence[str]) -> None:
        self._include, self._exclude = Patterns(include), Patterns(exclude)

    def excludes_folder(self, name: str) -> bool:
        """Whether a folder is left out with everything in it."""
        return self._exclude.match(name, folder=True)

    def refusal(self, path: str, name: str, *, named: bool) -> str:
        """Why a file is left out; empty if it is taken. Files that the user `named` need no suffix of a picture."""
        if named:  # the folders that were written with it count, in `find … | poolcli batch --files-from -`
            typed = os.path.normpath(path)
            name = name if is_url(path) or os.path.isabs(typed) or typed.startswith(os.pardir) else typed
        if self._exclude.match(name) or (named and self._exclude.match_within(name)):
            return "excluded"
        if not self._include:
            return "" if named or name.lower().endswith(SUFFIXES) else "no picture by its suffix"
        if self._include.match(name):
            return ""
        inside = self._include.match_within(name)  # a folder was asked for: not all in it is a picture
        return "" if inside and name.lower().endswith(SUFFIXES) else "not included"


def pages_pattern(sheet: str) -> Pattern[str]:
    """The names that pages of a contact sheet may have."""
    stem, suffix = os.path.splitext(sheet)
    return compile_pattern(f"{escape(stem)}(-[0-9]+)?{escape(suffix)}")
