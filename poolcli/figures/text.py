"""Lines of text for sheets drawn with Pillow: DejaVu Sans, what it cannot draw escaped, lines made to fit."""

from __future__ import annotations

import os
import re
import unicodedata
from contextlib import suppress
from functools import cache, lru_cache
from importlib.util import find_spec
from io import BytesIO

from PIL import ImageFont

from poolcli.images.opening import printable

_LONGEST = 2000  # characters; Pillow refuses a million
_PLAIN = {"→": "->", "×": "x", "…": "..."}  # our own signs, in a font without them
_KINDS = {
    "R": "r",
    "AL": "r",
    "NSM": "n",
    "WS": "n",
}  # bidirectional classes: right to left, and what may stand between


@cache
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans as it ships with Matplotlib, which is not imported; Pillow's own font where it is missing.

    Basic layout only: the optional library for complex scripts would make the sheet depend on the machine.
    """
    data = _font_file("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")
    if data is not None:
        with suppress(OSError):  # not a font after all
            return ImageFont.truetype(BytesIO(data), size, layout_engine=ImageFont.Layout.BASIC)
    fallback = ImageFont.load_default(size)
    assert isinstance(fallback, ImageFont.FreeTypeFont)
    return fallback


@cache
def _font_file(name: str) -> bytes | None:
    with suppress(ImportError, ValueError, OSError):
        spec = find_spec("matplotlib")
        for folder in (spec and spec.submodule_search_locations) or ():
            with open(os.path.join(folder, "mpl-data", "fonts", "ttf", name), "rb") as file:
                return file.read()
    return None


def width(text: str, face: ImageFont.FreeTypeFont) -> int:
    """Width of a line of text in whole pixels, rounded up."""
    return -int(-face.getlength(text) // 1)


@lru_cache(4096)
def covers(character: str) -> bool:
    """Whether the font has a glyph for a character: one that looks unlike that of a character no font has.

    Examples
    --------
    >>> covers("a"), covers("\uffff")
    (True, False)
    """
    missing, found = (font(24).getmask(text) for text in ("\uffff", character))
    return (found.size, bytes(found)) != (missing.size, bytes(missing))


def drawable(text: str) -> str:
    r"""Text as it can be drawn: whatever is invisible, or not in the font, as an escape; right to left as it is read.

    Examples
    --------
    >>> print(drawable("猫\n.jpg"))
    \u732b\x0a.jpg
    >>> drawable("שלום עולם 1.jpg") == "םלוע םולש 1.jpg"
    True
    """
    text = printable(text[:_LONGEST])
    if text.isascii():
        return text
    text = "".join(c if c == " " or (c.isprintable() and covers(c)) else _escape(c) for c in text)
    kinds = "".join(_KINDS.get(unicodedata.bidirectional(c), "l") for c in text)
    for run in re.finditer("r([rn]*r)?", kinds):
        text = text[: run.start()] + text[run.start() : run.end()][::-1] + text[run.end() :]
    return text


def _escape(character: str) -> str:
    return _PLAIN.get(character) or character.encode("unicode_escape").decode("ascii")


def shorten(text: str, face: ImageFont.FreeTypeFont, room: int, *, middle: bool = False) -> str:
    """The text, its end, or its middle, replaced by an ellipsis when it is wider than `room` pixels."""
    if width(text, face) <= room:
        return text
    low, high = 0, len(text)  # how many characters fit together with the ellipsis
    while low < high:
        kept = (low + high + 1) // 2
        if width(_shortened(text, kept, middle), face) <= room:
            low = kept
        else:
            high = kept - 1
    return _shortened(text, low, middle)


def _shortened(text: str, kept: int, middle: bool) -> str:
    tail = kept // 2 if middle else 0
    return text[: kept - tail].rstrip() + drawable("…") + text[len(text) - tail :].lstrip()


def wrap(text: str, face: ImageFont.FreeTypeFont, room: int, lines: int) -> list[str]:
    """Break a text into at most `lines` lines of `room` pixels; what is left over becomes an ellipsis.

    Lines break at spaces, and inside a word that is wider than a line.

    Examples
    --------
    >>> wrap("not a picture; PNG is accepted", font(12), 90, 3)
    ['not a picture;', 'PNG is', 'accepted']
    """
    wrapped: list[str] = []
    rest = " ".join(text.split())
    while rest and len(wrapped) < lines - 1:
        fits = _fitting(rest, face, room)
        space = rest.rfind(" ", 0, fits + 1)
        end = fits if fits == len(rest) or space < 1 else space
        wrapped.append(rest[:end])
        rest = rest[end:].lstrip()
    return [*wrapped, shorten(rest, face, room)] if rest else wrapped


def _fitting(text: str, face: ImageFont.FreeTypeFont, room: int) -> int:
    """How many of a text's characters fit into a line, at least one."""
    low, high = 1, len(text)
    while low < high:
        kept = (low + high + 1) // 2
        if width(text[:kept], face) <= room:
            low = kept
        else:
            high = kept - 1
    return low
