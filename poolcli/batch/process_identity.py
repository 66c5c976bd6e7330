"""Which process this is among those of all machines, and whether another one has ended."""

from __future__ import annotations

import os
import platform
import uuid
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class Process(NamedTuple):
    """The identity of a process, different from those of other machines, containers and later processes of its number.

    Attributes
    ----------
    machine : str
        The start of its machine and, in a container, the space in which its number counts.
    host : str
        The machine's name, for people.
    number : int
    begun : str
        When it began; empty where the system does not say.
    """

    machine: str
    host: str
    number: int
    begun: str


def this_process() -> Process:
    """The process that asks."""
    return Process(_machine(), platform.node(), os.getpid(), _begun(os.getpid()))


def has_ended(process: Process) -> bool:
    """Whether a process is known to have ended: False where that cannot be known, as of another machine."""
    if process.machine != _machine():
        return False
    try:
        os.kill(process.number, 0)
    except ProcessLookupError:
        return True
    except OSError:  # another user's
        pass
    return bool(process.begun) and _begun(process.number) != process.begun


def _machine() -> str:
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    return f"{platform.node()} {uuid.getnode():x}"


def _begun(number: int) -> str:
    """The time at which a process began, in ticks; empty where the system does not tell, or it is gone."""
    with suppress(OSError, IndexError):
        words = Path(f"/proc/{number}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        return "" if words[0] == "Z" else words[19]
    return ""
