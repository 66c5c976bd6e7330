"""The files that a batch writes about all its pictures: the report and the pages of the contact sheet."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from poolcli.batch.journal_state import OWN, to_line
from poolcli.batch.plan import pages_pattern
from poolcli.batch.prune import remove
from poolcli.batch.storage import is_url
from poolcli.batch.stores import LOCAL_ONLY
from poolcli.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poolcli.batch.journal import Journal
    from poolcli.batch.journal_state import JournalState
    from poolcli.batch.plan import Item
    from poolcli.batch.stores import Stores


class BatchOutputs:
    """The report and the sheet of a batch; those of an earlier run are replaced, other files are not.

    Parameters
    ----------
    items : sequence of Item
    folder : path
        DIR.
    known : JournalState
        What the journal of `folder` says.
    force : bool
        Whether files of others may be replaced.
    stores : Stores, optional
    """

    def __init__(
        self, items: Sequence[Item], folder: str, known: JournalState, *, force: bool, stores: Stores = LOCAL_ONLY
    ) -> None:
        self._stores, self._folder = stores, stores.of(folder).real(folder)
        self._items, self._known, self._force = items, known, force

    def name(self, path: str) -> str:
        """The path of a file relative to DIR, so that both can be moved together."""
        real = self._stores.of(path).real(path)
        if is_url(real) or is_url(self._folder):
            return real.removeprefix(f"{self._folder}/")
        return os.path.relpath(real, self._folder)

    def check(self, path: str, option: str, read: Sequence[str] = ()) -> None:
        """Refuse a file that cannot be written, that poolcli did not write, that is a picture or a result, or that is `read`.

        `option` is the one that gives its name.

        Raises
        ------
        OptionError, OutputError
        """
        name, storage = self.name(path), self._stores.of(path)
        found = storage.status(path)
        if any(name in (item.result, item.figure) for item in self._items):
            raise OptionError(f"is one of the results; choose another name with {option}")
        if name.split(os.sep)[0] == OWN:
            raise OptionError("lies in the folder of the journal; choose another folder")
        file = found and found.stamp.file
        if file and any(item.source.stamp and item.source.stamp.file == file for item in self._items):
            raise OptionError(f"is one of the inputs; choose another name with {option}")
        others = (self._stores.of(one).status(one) for one in read)
        if file and any(other and other.stamp.file == file for other in others):
            raise OptionError(f"is read by this command; choose another name with {option}")
        storage.check_target(path, force=self._force or name in self._known.ours, option=option)

    def write(self, path: str, data: Any, journal: Journal) -> None:
        """Write a file after noting it in the journal, so that the next run recognises it even if this one is killed.

        A journal that can only be looked at is no reason to write no report; the next one needs --force then.

        Raises
        ------
        OutputError
        """
        name, storage = self.name(path), self._stores.of(path)
        if name not in self._known.ours and storage.may_be_claimed(path) and not journal.is_closed:
            journal.add(to_line({"ours": name}))
        storage.write(path, data, force=True)

    def remove_old_pages(self, sheet: str, pages: Sequence[str], journal: Journal) -> None:
        """Remove the pages of an earlier contact sheet of the same name that the new one does not have.

        Raises
        ------
        OutputError
        """
        wanted, pattern = {self.name(page) for page in pages}, pages_pattern(self.name(sheet))
        for name in [one for one in self._known.ours if one not in wanted and pattern.fullmatch(one)]:
            whole = name if is_url(name) else os.path.join(self._folder, name)
            remove(journal, self._stores.of(whole), "" if is_url(name) else self._folder, name)
