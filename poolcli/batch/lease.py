"""The lease by which a run claims a folder in a store, where no kernel could hold a lock.

It is an object that says whose it is. A run renews it all the time; one that was not renewed for `LEASE_SECONDS` is
stale: its run was killed, or is cut off. Where the store can, it is written on the condition that nobody else has.
"""

from __future__ import annotations

import errno
import json
import time
import uuid
from contextlib import suppress
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, NamedTuple

from poolcli.batch.own_files import PART_END
from poolcli.batch.process_identity import Process, has_ended, this_process
from poolcli.display import display_name, printable
from poolcli.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from poolcli.batch.remote_storage import RemoteStorage

LEASE_SECONDS = 120.0
"""Age after which a lease is stale. All times are the store's: machines may have clocks that differ."""

RENEW_SECONDS = 30.0
LOOK_SECONDS = 1.0
"""Time between two looks at a lease that is waited for."""


_OURS: set[str] = set()
"""The runs of this process that hold a lease."""


class _Held(NamedTuple):
    """A lease as it is found."""

    run: str
    owner: Process | None
    time: float
    tag: str


class Lease:
    """The lease of one folder, held and renewed until it is released.

    Parameters
    ----------
    storage : RemoteStorage
    url : str
        Of the lease.
    waiting : callable or None
        Called once with a message when another run has the folder, whose end is then waited for.
    force : bool
        Whether a stale lease is taken over.
    tell : callable
        Called with a message when a lease is taken over.

    Raises
    ------
    OutputError
        Another run has it, it is stale, or the store refuses.
    """

    def __init__(
        self,
        storage: RemoteStorage,
        url: str,
        waiting: Callable[[str], None] | None,
        *,
        force: bool,
        tell: Callable[[str], None],
    ) -> None:
        self._storage, self.url = storage, url
        self._me, self._run = this_process(), uuid.uuid4().hex
        self._tag = ""
        self._lost = ""
        self._ahead: float | None = None  # how far the store's clock is ahead of ours, once that was asked for
        self._over = Event()
        self._take(waiting, force, tell)
        _OURS.add(self._run)
        self._renewed = time.monotonic()
        self._thread = Thread(target=self._keep, name="lease", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise `OutputError` if the folder is no longer this run's."""
        if self._lost:
            raise OutputError(self._lost, None, self.url)

    def release(self) -> None:
        """Let the folder go, if it is still ours."""
        self._over.set()
        _OURS.discard(self._run)
        self._thread.join(2.0)
        if not self._lost and not self._storage.is_lost:
            with suppress(OutputError, OSError):
                held = self._look()
                if held is not None and held.run == self._run:
                    self._storage.remove(self.url)

    def _take(self, waiting: Callable[[str], None] | None, force: bool, tell: Callable[[str], None]) -> None:
        told = False
        while not self._try(force, tell, is_waiting=waiting is not None):
            if waiting is not None and not told:
                held = self._look()
                waiting(f"{_in_use(held, self.url)}; waiting for its end" if held else "waiting for another run's end")
                told = True
            time.sleep(LOOK_SECONDS)

    def _try(self, force: bool, tell: Callable[[str], None], *, is_waiting: bool) -> bool:
        """Whether the lease was taken; False when it has to be waited for."""
        held = self._look()
        if held is None:
            return self._write(create=True)
        if held.owner is not None and (has_ended(held.owner) or (held.owner == self._me and held.run not in _OURS)):
            taken = self._write(replacing=held.tag)
            if taken:
                tell(f"{display_name(self.url)}: taken over from process {held.owner.number}, which has ended")
            return taken
        age = self._store_time() - held.time
        if age > LEASE_SECONDS:
            stale = f"{_whose(held)} holds it, and has not renewed it for {_duration(age)}"
            if not force:
                raise OutputError(
                    f"{stale}: it was killed, or is cut off; once it cannot be at work any more, take the folder over "
                    "with --force",
                    None,
                    self.url,
                )
            taken = self._write(replacing=held.tag)
            if taken:
                tell(f"{display_name(self.url)}: taken over: {stale}")
            return taken
        if not is_waiting:
            raise OutputError(f"{_in_use(held, self.url)}; wait for its end (--wait), or choose another folder")
        return False

    def _look(self) -> _Held | None:
        """The lease as it is now, or None."""
        found = self._storage.look(self.url)
        if found is None:
            return None
        data, tag, changed = found
        said: Any = None
        with suppress(ValueError):
            said = json.loads(data)
        said = said if isinstance(said, dict) else {}
        owner = None
        with suppress(KeyError, TypeError, ValueError):
            owner = Process(str(said["machine"]), str(said["host"]), int(said["process"]), str(said["begun"]))
        return _Held(str(said.get("run", "")), owner, changed, tag)

    def _store_time(self) -> float:
        """The time by the clock that dates the objects."""
        if self._ahead is None:
            url = f"{self.url}.{self._run}{PART_END}"
            self._storage.put(url, b"asks for the time")
            found = self._storage.look(url)
            self._ahead = found[2] - time.time() if found is not None else 0.0
            with suppress(OutputError):
                self._storage.discard(url)
        return time.time() + self._ahead

    def _write(self, *, create: bool = False, replacing: str = "") -> bool:
        """Write the lease; False when another run was faster."""
        machine, host, number, begun = self._me
        said = {
            "run": self._run,
            "machine": machine,
            "host": host,
            "process": number,
            "begun": begun,
            "time": time.time(),
        }
        data = json.dumps(said).encode()
        try:
            self._tag = self._storage.put(self.url, data, create=create, replacing=replacing)
        except OutputError as error:
            if error.errno != errno.EEXIST:
                raise
        # It may be ours although it was refused, when an answer was lost; and not ours although it was not, where the
        # store knows no conditions.
        held = self._look()
        if held is None or held.run != self._run:
            return False
        self._tag = held.tag
        return True

    def _keep(self) -> None:
        """Renew the lease until it is released or lost."""
        while not self._over.wait(RENEW_SECONDS):
            try:
                if not self._write(replacing=self._tag):
                    self._lost = "another run has taken the folder over; this one stops"
                    return
                self._renewed = time.monotonic()
            except OutputError as error:
                if time.monotonic() - self._renewed > LEASE_SECONDS:
                    self._lost = f"the lease could not be renewed for {LEASE_SECONDS:.0f} s: {error}"
                    return


def _whose(held: _Held) -> str:
    if held.owner is None:
        return "another run"
    return f"process {held.owner.number} on {printable(held.owner.host)}"


def _in_use(held: _Held, url: str) -> str:
    return f"in use by another run: {_whose(held)} holds {display_name(url)}"


def _duration(seconds: float) -> str:
    """A time for people.

    Examples
    --------
    >>> _duration(150), _duration(7300)
    ('2 min', '2 h')
    """
    return f"{seconds / 3600:.0f} h" if seconds >= 5400 else f"{seconds / 60:.0f} min"
