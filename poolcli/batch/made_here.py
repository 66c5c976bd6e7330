"""Recognises files that poolcli wrote: results, figures, sheets and reports, which are never taken as input."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

from poolcli.batch.journal_state import OWN
from poolcli.errors import PoolcliError
from poolcli.images.embedded import carries_mark

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


class MadeHere:
    """The files that journals list as written by poolcli, and those that carry the mark of a run.

    Parameters
    ----------
    folder : path
        DIR.
    ours : collection of str
        What its journal knows, as names from DIR.
    read : callable
        The names in the journal of another folder; a `PoolcliError` where it cannot be read.
    """

    def __init__(self, folder: str, ours: Collection[str], read: Callable[[str], Collection[str]]) -> None:
        self._read = read
        self._known = {os.path.realpath(folder): ours}
        self._real = cache(os.path.realpath)  # of folders, which are few
        self._prefixes: dict[str, list[tuple[str, Collection[str]]]] = {}

    def look_into(self, folder: str) -> None:
        """Read the journal of a folder, if it has one."""
        if not os.path.isdir(os.path.join(folder, OWN)):
            return
        real = self._real(folder)
        if real not in self._known:
            try:
                self._known[real] = self._read(folder)
            except PoolcliError:  # closed to us, or of another form: what it knows carries a mark, if it is a picture
                self._known[real] = ()
            self._prefixes.clear()

    def look_above(self, folder: str) -> None:
        """Read the journals of a folder and of all its parents."""
        real = self._real(folder)
        while True:
            self.look_into(real)
            above = os.path.dirname(real)
            if above == real:
                return
            real = above

    def has(self, path: str) -> bool:
        """Whether a journal lists the file."""
        folder, name = os.path.split(path)
        if folder not in self._prefixes:
            real = self._real(folder)
            known = [(os.path.relpath(real, top), ours) for top, ours in self._known.items() if ours]
            self._prefixes[folder] = [("" if at == os.curdir else f"{at}{os.sep}", ours) for at, ours in known]
        return any(f"{prefix}{name}" in ours for prefix, ours in self._prefixes[folder])


def is_marked(path: str) -> bool:
    """Whether a picture carries the mark of poolcli in its first bytes; False if it cannot be read."""
    try:
        return carries_mark(path)
    except (OSError, ValueError):
        return False
