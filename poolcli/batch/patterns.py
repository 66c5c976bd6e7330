"""Patterns of file names, as in ``.gitignore``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from poolcli.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterable


class _Rule(NamedTuple):
    matches: re.Pattern[str]
    takes: bool
    folders_only: bool


class Patterns:
    """A list of patterns, of which the last one that matches a path decides.

    A pattern without a slash, or with one only at its end, matches a file or a folder of that name at any depth. One
    with a slash is compared with the whole path. ``*``, ``?`` and ``[…]`` match no slash, ``**/`` matches any number of
    folders, also none, ``/**`` everything inside. A slash at the end matches folders only; ``!`` at the start takes
    back what earlier patterns match. Case makes no difference.

    Parameters
    ----------
    patterns : iterable of str

    Raises
    ------
    OptionError
        A pattern that can match nothing.

    Examples
    --------
    >>> wanted = Patterns(["*.png", "!draft*"])
    >>> wanted.match("a/b.png"), wanted.match("a/draft.png"), wanted.match("b.jpg")
    (True, False, False)
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self._rules = [_rule(pattern) for pattern in patterns]

    def __bool__(self) -> bool:
        return bool(self._rules)

    def match(self, path: str, *, folder: bool = False) -> bool:
        """Whether the patterns match a path, whose parts are separated by ``/``; folders above it are not looked at."""
        for rule in reversed(self._rules):
            if (folder or not rule.folders_only) and rule.matches.fullmatch(path):
                return rule.takes
        return False

    def match_within(self, path: str) -> bool:
        """Whether the patterns match a folder above a path."""
        if not self._rules:
            return False
        cuts = (i for i, character in enumerate(path) if character == "/")
        return any(self.match(path[:cut], folder=True) for cut in cuts)


def _rule(pattern: str) -> _Rule:
    text = pattern
    takes = not text.startswith("!")
    text = text if takes else text[1:]
    folders_only = text.endswith("/")
    text = text.rstrip("/")
    anchored = "/" in text
    text = text.removeprefix("/").removeprefix("./")
    if not text:
        raise OptionError(f"pattern {pattern!r} matches nothing: write a name such as '*.jpg' or 'folder/'")
    expression = _expression(text)
    if not anchored:
        expression = f"(?:.*/)?{expression}"
    return _Rule(re.compile(expression, re.IGNORECASE | re.DOTALL), takes, folders_only)


def _expression(text: str) -> str:
    made, at = "", 0
    while at < len(text):
        rest = text[at:]
        if rest.startswith("**/") and (not at or text[at - 1] == "/"):
            made, at = made + "(?:.*/)?", at + 3
        elif rest == "**" and text[at - 1 : at] == "/":
            made, at = made + ".+", at + 2
        elif rest[0] == "*":
            made, at = made + "[^/]*", at + 1
        elif rest[0] == "?":
            made, at = made + "[^/]", at + 1
        elif rest[0] == "[" and (found := re.match(r"\[[!^]?\]?[^\]]*\]", rest)):
            made, at = made + _class(found[0]), at + len(found[0])
        elif rest[0] == "\\" and len(rest) > 1:
            made, at = made + re.escape(rest[1]), at + 2
        else:
            made, at = made + re.escape(rest[0]), at + 1
    return made


def _class(text: str) -> str:
    """Translate a set of characters; an invalid one, such as ``[z-a]``, matches nothing, as in a shell."""
    inside = text[1:-1]
    negated = inside[0] in "!^"
    inside = re.sub(r"([\\\[\]^&~|])", r"\\\1", inside[negated:])
    made = f"(?!/)[{'^' if negated else ''}{inside}]"
    try:
        re.compile(made)
    except re.error:
        return "(?!)"
    return made
