"""What can go wrong, in one place.

Every message is one line: what was wrong, the value seen, what would be accepted. No exit codes
here; the command line maps classes to codes in one table of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class PoolcliError(Exception):
    """Anything poolcli refuses, with a message fit for a user."""


class OptionError(PoolcliError, ValueError):
    """A setting that is wrong for every picture: a size of 0, an unknown kind, a malformed kernel."""


class SizeError(PoolcliError, ValueError):
    """A setting that is wrong for this picture: the window is larger than the map."""


class ImageError(PoolcliError):
    """A file that cannot be read as a picture: missing, damaged, too large, not finite."""


class OutputError(PoolcliError):
    """A result that cannot be written: it exists, the folder is missing, the disk is full.

    Attributes
    ----------
    errno : int or None
        The operating system's number, when it was the one to refuse.
    """

    def __init__(self, message: str, errno: int | None = None) -> None:
        super().__init__(message)
        self.errno = errno


def suggestion(name: str, known: Iterable[str]) -> str:
    """`, did you mean 'size'?`, or what there is when nothing is near."""
    from difflib import get_close_matches

    known = list(known)
    near = get_close_matches(name, known, 1)
    return f", did you mean {near[0]!r}?" if near else f": one of {', '.join(known)} expected"
