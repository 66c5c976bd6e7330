"""Removes outdated results: only files that the journal lists, and only if they are unchanged."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from poolcli.batch.journal_state import to_line

if TYPE_CHECKING:
    from collections.abc import Collection

    from poolcli.batch.journal import Journal


def prune(journal: Journal, folder: str, planned: Collection[str]) -> list[str]:
    """Remove results and figures whose source no longer exists, and return their names.

    Parameters
    ----------
    journal : Journal
        Of `folder`, open.
    folder : path
        DIR.
    planned : collection of str
        Results that this run makes, or has: they stay.

    Raises
    ------
    OutputError
        The journal cannot be written.
    """
    removed: list[str] = []
    for result, entry in list(journal.known.entries.items()):
        if result in planned or not entry.done or not entry.source or os.path.lexists(entry.source):
            continue
        made = [(result, entry.bytes), *([(entry.figure, entry.figure_bytes)] if entry.figure else [])]
        for name, size in made:
            path = os.path.join(folder, name)
            if not os.path.lexists(path) or _is_as_made(path, size):
                removed += remove(journal, folder, name)
    return removed


def _is_as_made(path: str, size: int | None) -> bool:
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size == size


def remove(journal: Journal, folder: str, name: str) -> list[str]:
    """Remove a file that the journal lists, with folders that become empty, and return what was removed.

    Raises
    ------
    OutputError
        The journal cannot be written.
    """
    path = os.path.join(folder, name)
    try:
        os.unlink(path)
        found = [name]
    except FileNotFoundError:
        found = []
    except OSError:  # it stays, and stays known
        return []
    journal.add(to_line({"gone": name}))
    below = os.path.dirname(name)
    with suppress(OSError):
        while below:
            os.rmdir(os.path.join(folder, below))
            below = os.path.dirname(below)
    return found
