"""Names of results from a template with a closed list of fields."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from poolcli.batch.storage import absolute
from poolcli.display import display_name, quoted
from poolcli.errors import OptionError, suggestion
from poolcli.images.write import format_of

if TYPE_CHECKING:
    from collections.abc import Callable

POOLED = ".pooled"
"""Ends the stem of a result that has the default name."""

DEFAULT = f"{{stem}}{POOLED}.png"

MAX_NAME_BYTES = 255
"""Bytes that file systems allow a name."""

FIELDS: dict[str, Callable[[str, int], str]] = {
    "stem": lambda source, _: os.path.splitext(os.path.basename(source))[0],
    "name": lambda source, _: os.path.basename(source),
    "suffix": lambda source, _: os.path.splitext(source)[1],
    "parent": lambda source, _: os.path.basename(os.path.dirname(absolute(source))),
    "index": lambda _, index: str(index),
}
"""Field -> what stands in its place, of a source and its number in the plan, which begins with 1."""


class Template:
    """A pattern of file names, such as ``{parent}-{stem}.png``.

    The fields are replaced by hand: ``str.format`` would reach attributes of what it formats.

    Parameters
    ----------
    text : str

    Raises
    ------
    OptionError
        An unknown field, a brace without its partner, a folder in the name, or more than any name can hold.

    Examples
    --------
    >>> Template("{parent}-{stem}.png").name("holiday/cat.jpg", 1)
    'holiday-cat.png'
    >>> Template("{index:04}.png").name("holiday/cat.jpg", 1)
    '0001.png'

    Attributes
    ----------
    text : str
    uses_index : bool
        Whether names depend on the numbers of the files.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._parts = re.split(r"\{([^{}]*)\}", text)
        literal, fields = self._parts[::2], self._parts[1::2]
        self.uses_index = False
        for at, field in enumerate(fields):
            name, colon, width = field.partition(":")
            if name == "index":
                self.uses_index = True
                if colon and not re.fullmatch("0[1-9][0-9]?", width):
                    raise OptionError(f"name {text!r}: {{{field}}} is no width; write {{index:04}} for four digits")
                self._parts[2 * at + 1] = f"index:{width}"
                continue
            if field not in FIELDS:
                raise OptionError(f"name {text!r}: unknown field {{{field}}}{suggestion(field, FIELDS)}")
        if any("{" in part or "}" in part for part in literal):
            raise OptionError(f"name {text!r}: a brace without its partner; write {{FIELD}}")
        if any(part and (os.path.dirname(part) or "\0" in part or "\\" in part) for part in literal):
            raise OptionError(f"name {text!r}: write a file name without folders; the tree of the input is kept")
        if (length := sum(len(os.fsencode(part)) for part in literal)) > MAX_NAME_BYTES:
            raise OptionError(f"name of {length} bytes and more: {MAX_NAME_BYTES} at most expected, fields included")

    def name(self, source: str, index: int) -> str:
        """The name for a source."""
        made = [_field(part, source, index) if i % 2 else part for i, part in enumerate(self._parts)]
        return "".join(made)

    def result_name(self, source: str, index: int) -> str:
        """The name for a source, checked to be that of a result.

        Raises
        ------
        OptionError
            Its suffix is no format of results.
        """
        name = self.name(source, index)
        try:
            format_of(name)
        except OptionError as error:
            raise OptionError(f"{display_name(source)}: its result would be {quoted(name)}: {error}") from None
        return name


LONGEST_NAME = 255
"""Bytes that a local file system allows for a name."""


def is_too_long(*names: str) -> bool:
    """Whether a part of one of these paths is longer than a file system allows."""
    return any(len(os.fsencode(part)) > LONGEST_NAME for name in names for part in name.split(os.sep))


def figure_name(result: str) -> str:
    """The name of the figure of a result.

    Examples
    --------
    >>> figure_name("cat.pooled.png"), figure_name("holiday-cat.tif")
    ('cat.figure.png', 'holiday-cat.figure.png')
    """
    return os.path.splitext(result)[0].removesuffix(POOLED) + ".figure.png"


def _field(part: str, source: str, index: int) -> str:
    name, _, width = part.partition(":")
    made = FIELDS[name](source, index)
    return made.zfill(int(width)) if width else made
