"""The journal of a batch: one line of JSON per finished file, added after its result is stored.

Where the lines are kept, and how the folder is claimed, is the storage's (`storage.JournalFiles`).
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from poolcli.batch.journal_state import JournalState, parse_line, to_line
from poolcli.batch.stores import LOCAL_ONLY
from poolcli.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from poolcli.batch.journal_state import JournalEntry
    from poolcli.batch.stores import Stores

LEAST_OUTDATED = 1000
"""Outdated lines that are not worth writing the journal anew."""


class Journal:
    """The journal of one folder of results, which no other run may use while it is open.

    Parameters
    ----------
    folder : path
        DIR; made when missing. What a run leaves that made nothing is removed again when the journal is closed.
    waiting : callable, optional
        Called once with a message when another run is at work on the folder, whose end is then waited for.
    stores : Stores, optional
        Local files alone, unless it is given.
    force : bool
        Whether a claim that nobody has renewed for long is taken over; a lock ends with its owner by itself.
    tell : callable, optional
        Called with a message when that is done.

    Raises
    ------
    OptionError
        The journal is of another form.
    OutputError
        The folder cannot be made, or another run is at work on it. In a folder that is closed to us, a journal can be
        looked at; `add` and `note_started` raise.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Journal(folder) as journal:
    ...     journal.add(to_line({"result": "a.png", "status": "failed", "error": "no picture"}))
    ...     journal.known.entries["a.png"].done, journal.record("a.png")["error"]
    (False, 'no picture')
    """

    def __init__(
        self,
        folder: str,
        waiting: Callable[[str], None] | None = None,
        stores: Stores = LOCAL_ONLY,
        *,
        force: bool = False,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._is_loaded = False
        self._unreported: set[str] = set()
        self._added: dict[str, int] = {}  # results that lines were added about, and where these begin
        self.known = JournalState()
        self._files = stores.of(folder).open_journal(folder, waiting, force=force, tell=tell)
        try:
            self._load()
            self._is_loaded = True
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the journal and release the folder; of a run that made nothing, nothing is left there."""
        self._files.close(nothing_made=self._is_loaded and not self.known.ours and not self._unreported)

    def _load(self) -> None:
        """Read all lines, and write the journal anew if most of it is outdated."""
        for place, line in self._files.lines():
            self.known.add_record(parse_line(line), place)
        begun = self._files.started()
        self._unreported.update(set(begun) - self.known.ours)
        self.known.ours.update(begun)
        if self._files.refusal is None and self.known.outdated > max(LEAST_OUTDATED, len(self.known.entries)):
            self._compact()

    def _compact(self) -> None:
        def write(file: Any) -> None:
            for record in (self.known.header, *({"ours": name} for name in sorted(self.known.ours))):
                file.write(to_line(record) if record else b"")
            for result, entry in self.known.entries.items():
                moved[result] = entry._replace(offset=file.tell())
                file.write(self._files.line_at(entry.offset))

        moved: dict[str, JournalEntry] = {}
        self._files.rewrite(write)
        self.known.entries = moved

    @property
    def is_closed(self) -> bool:
        """Whether it can only be looked at."""
        return self._files.refusal is not None

    def add(self, line: bytes, about: str = "", made: Collection[str] = ()) -> None:
        """Append a line.

        Parameters
        ----------
        line : bytes
        about : str, optional
            The result that the line is about, where the caller knows it: the line need not be read then.
        made : collection of str
            With it, the names of the files that the line says are ours.

        Raises
        ------
        OutputError
            The disk is full; nothing of the line is left.
        """
        if self._files.refusal is not None:
            raise self._files.refusal
        place = self._files.append(line)
        if about:
            self._added[about] = place
            self.known.ours.update(made)
        else:
            made = self.known.add_record(json.loads(line), place)
        self._unreported.difference_update(made)

    def flush(self) -> None:
        """Store all lines that were added; raises `OutputError`."""
        if self._files.refusal is None:
            self._files.flush()

    def record(self, result: str) -> dict[str, Any]:
        """The last line about a result, as a dict."""
        added = self._added.get(result)
        place = self.known.entries[result].offset if added is None else added
        found: dict[str, Any] = json.loads(self._files.line_at(place))
        return found

    def note_started(self, names: Iterable[str]) -> None:
        """Note, safe from a crash, that the writing of these files may begin.

        Raises
        ------
        OutputError
            The disk is full.
        """
        if self._files.refusal is not None:
            raise self._files.refusal
        new = [name for name in names if name not in self.known.ours]
        self._files.note_started(new)
        self._unreported.update(new)

    def forget_started(self) -> None:
        """Clear the list of begun files at the end of a run, after the journal is safe from a crash.

        A file may be there without a line that says so: its figure failed, its worker died, the disk was full for the
        line. The journal then says whose it is, or the next run would take it for another's.
        """
        if self._files.refusal is not None:
            return
        with suppress(OSError, OutputError):  # of a full disk: what has begun is kept for the next run
            for name in self._files.existing(self._unreported):
                self.add(to_line({"ours": name}))
            self._files.forget_started()
            self._unreported.clear()


def read(folder: str, stores: Stores = LOCAL_ONLY) -> JournalState:
    """Read a folder's journal without claiming the folder, for commands that do not write.

    Raises
    ------
    OptionError
        The journal is of another form.
    OutputError
        The folder is a file, or closed to us.
    """
    known = JournalState()
    storage = stores.of(folder)
    for place, line in storage.read_lines(folder):
        known.add_record(parse_line(line), place)
    known.ours.update(storage.read_started(folder))
    return known
