"""The exceptions of poolcli.

Every message is one line: what is wrong, the value, what to write instead. `cli.exit_codes` maps the classes to exit
codes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class PoolcliError(Exception):
    r"""Base class of all errors that poolcli raises on purpose; the message is written for users, on one line.

    Examples
    --------
    >>> print(PoolcliError("kernel array([[1],\n       [2]])"))
    kernel array([[1], [2]])
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(" ".join(line.strip() for line in message.splitlines()))


class OptionError(PoolcliError, ValueError):
    """A setting is wrong for every picture: a size of 0, an unknown kind, a kernel that is no matrix."""


class SizeError(PoolcliError, ValueError):
    """A setting is wrong for this picture: the window is larger than the map."""


class ImageError(PoolcliError):
    """A file cannot be read as a picture: it is missing, damaged or too large, or has values that are not finite."""


class OutputError(PoolcliError):
    """An output cannot be written: it exists, its folder is missing, the disk is full.

    Attributes
    ----------
    errno : int or None
        The operating system's error number, if the error came from it.
    path : str or None
        The file, if it is another one than the caller named, such as the journal of a batch.
    """

    def __init__(self, message: str, errno: int | None = None, path: str | None = None) -> None:
        super().__init__(message)
        self.errno, self.path = errno, path


def alternatives(names: Iterable[object]) -> str:
    """Join at least one name as alternatives.

    Examples
    --------
    >>> alternatives(["png", "svg", "pdf"])
    'png, svg or pdf'
    """
    *first, last = map(str, names)
    return f"{', '.join(first)} or {last}" if first else last


def suggestion(name: object, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the most similar known name, or else all known names.

    Examples
    --------
    >>> suggestion("maximun", ["max", "maximum"]), suggestion("x", ["max", "min"])
    (", did you mean 'maximum'?", ': write one of max, min')
    """
    from difflib import get_close_matches

    known = list(known)
    near = get_close_matches(name, known, 1) if isinstance(name, str) else []
    if near:
        return f", did you mean {near[0]!r}?"
    return f": write one of {', '.join(known)}" if known else ": leave it out"
