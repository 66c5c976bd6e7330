"""The files that a batch writes about all its pictures: the report, the pages of the contact sheet."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from poolcli.batch.known import line_of
from poolcli.batch.plan import OWN, stamp_of
from poolcli.errors import OptionError
from poolcli.images.atomic import atomic_write, check_target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poolcli.batch.journal import Journal
    from poolcli.batch.known import Known
    from poolcli.batch.plan import Item


class Extras:
    """Reports and sheets of a batch: an earlier run's are replaced, what belongs to others is not.

    Parameters
    ----------
    items : sequence of Item
    folder : path
        DIR.
    known : Known
        What the journal of `folder` says.
    force : bool
        Whether files of others may be replaced.
    """

    def __init__(self, items: Sequence[Item], folder: str, known: Known, *, force: bool) -> None:
        self._folder, self._known, self._force = os.path.realpath(folder), known, force
        self._made = {name for item in items for name in (item.result, item.figure)}
        self._sources = {item.source.stamp[2:] for item in items if item.source.stamp}

    def name(self, path: str) -> str:
        """The name of a file from DIR, so that both may be moved together."""
        return os.path.relpath(os.path.realpath(path), self._folder)

    def check(self, path: str) -> None:
        """Refuse a file that could not be written, is not ours, or is one of the pictures or results.

        Raises
        ------
        OptionError, OutputError
        """
        name, stamp = self.name(path), stamp_of(path)
        if name in self._made:
            raise OptionError("is one of the results; another name is expected")
        if name.split(os.sep)[0] == OWN:
            raise OptionError("lies in the folder of the journal; another folder is expected")
        if stamp is not None and stamp[2:] in self._sources:
            raise OptionError("is one of the inputs; another name is expected")
        check_target(path, force=self._force or name in self._known.ours)

    def write(self, path: str, data: Any, journal: Journal) -> None:
        """Write a file, noted as ours before it is: a run that is killed between the two finds it again.

        Raises
        ------
        OutputError
        """
        if self.name(path) not in self._known.ours:
            journal.add(line_of({"ours": self.name(path)}))
        atomic_write(path, data, force=True)
