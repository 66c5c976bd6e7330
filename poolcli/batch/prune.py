"""Removes outdated results: only files that the journal lists, and only if they are unchanged."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from poolcli.batch.journal_state import to_line
from poolcli.batch.storage import FILE
from poolcli.batch.stores import LOCAL_ONLY

if TYPE_CHECKING:
    from collections.abc import Collection

    from poolcli.batch.journal import Journal
    from poolcli.batch.journal_state import JournalState
    from poolcli.batch.storage import Storage
    from poolcli.batch.stores import Stores


def prune(
    journal: Journal, folder: str, planned: Collection[str], stores: Stores = LOCAL_ONLY
) -> tuple[list[str], dict[str, str]]:
    """Remove results and figures whose source no longer exists.

    Parameters
    ----------
    journal : Journal
        Of `folder`, open.
    folder : path
        DIR.
    planned : collection of str
        Results that this run makes, or has: they stay.
    stores : Stores, optional

    Returns
    -------
    removed : list of str
    kept : dict of str to str
        Those that cannot be removed, with the reason.

    Raises
    ------
    OutputError
        The journal cannot be written.
    """
    removed: list[str] = []
    kept: dict[str, str] = {}
    for name in outdated(journal.known, folder, planned, stores):
        removed += remove(journal, stores.of(folder), folder, name, kept)
    return removed, kept


def outdated(known: JournalState, folder: str, planned: Collection[str], stores: Stores = LOCAL_ONLY) -> list[str]:
    """The results and figures that `prune` removes; also those that are gone already, which it only notes."""
    storage = stores.of(folder)
    found = []
    for result, entry in known.entries.items():
        if result in planned or not entry.done or not entry.source:
            continue
        if stores.of(entry.source).exists(entry.source):
            continue
        made = [(result, entry.bytes), *([(entry.figure, entry.figure_bytes)] if entry.figure else [])]
        for name, size in made:
            path = os.path.join(folder, name)
            if not storage.exists(path) or _is_as_made(storage, path, size):
                found.append(name)
    return found


def _is_as_made(storage: Storage, path: str, size: int | None) -> bool:
    found = storage.status(path, follow=False)
    return found is not None and found.kind == FILE and found.stamp.size == size


def remove(journal: Journal, storage: Storage, folder: str, name: str, kept: dict[str, str] | None = None) -> list[str]:
    """Remove a file that the journal lists, with folders that become empty, and return what was removed.

    Of a file that cannot be removed, the reason is added to `kept`.

    Raises
    ------
    OutputError
        The journal cannot be written.
    """
    path = os.path.join(folder, name)
    try:
        storage.remove(path)
        found = [name]
    except FileNotFoundError:
        found = []
    except OSError as error:  # it stays, and stays known
        if kept is not None:
            kept[name] = error.strerror or str(error)
        return []
    journal.add(to_line({"gone": name}))
    below = os.path.dirname(name)
    with suppress(OSError):
        while below:
            storage.remove_folder(os.path.join(folder, below))
            below = os.path.dirname(below)
    return found
