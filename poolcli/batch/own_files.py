"""Recognises files that poolcli wrote: results, figures, sheets and reports, which are never taken as input."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

from poolcli.batch.journal_state import OWN
from poolcli.batch.storage import FOLDER, parent
from poolcli.batch.stores import LOCAL_ONLY
from poolcli.errors import PoolcliError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from poolcli.batch.stores import Stores


PART_END = ".poolcli.part"
"""How names of files end that the next run on a folder removes."""


class OwnFiles:
    """The files that journals list as written by poolcli, and those that carry the mark of a run.

    Parameters
    ----------
    folder : path
        DIR.
    ours : collection of str
        What its journal knows, as names from DIR.
    read : callable
        The names in the journal of another folder; a `PoolcliError` where it cannot be read.
    stores : Stores, optional
    """

    def __init__(
        self,
        folder: str,
        ours: Collection[str],
        read: Callable[[str], Collection[str]],
        stores: Stores = LOCAL_ONLY,
    ) -> None:
        self._read, self._stores = read, stores
        self._real = cache(lambda path: stores.of(path).real(path))  # of folders, which are few
        self._known = {self._real(folder): ours}
        self._prefixes: dict[str, list[tuple[str, Collection[str]]]] = {}

    def look_into(self, folder: str) -> None:
        """Read the journal of a folder, if it has one."""
        own = self._stores.of(folder).status(os.path.join(folder, OWN))
        if own is None or own.kind != FOLDER:
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
            above = parent(real)
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
