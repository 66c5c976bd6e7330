"""The text engine of all figures: font, width and pixels of a line, escaping, shortening and wrapping.

The fonts are the DejaVu files that Matplotlib ships, read by Pillow; Matplotlib itself is not imported. A size is the
number of pixels per em.
"""

from __future__ import annotations

import bisect
import os
import re
import unicodedata
from contextlib import suppress
from functools import cache, lru_cache
from importlib.util import find_spec
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from PIL import ImageFont

from poolcli.display import escape, printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

FILES = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf")
"""File names of the fonts, regular and bold, in Matplotlib's ``mpl-data/fonts/ttf``."""

_MAX_CHARACTERS = 2000  # per line; Pillow raises an error at a million
_ASCII_SUBSTITUTES = {"→": "->", "×": "x", "…": "..."}  # for a font that lacks these characters
_RIGHT_TO_LEFT = {"R": "r", "AL": "r", "NSM": "n", "WS": "n"}
"""Unicode bidirectional classes: ``r`` is written from right to left, ``n`` is neutral and may stand between such."""


@cache
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans from Matplotlib's files, or Pillow's built-in font where they are missing.

    Pillow's basic layout is used: the optional Raqm library, where installed, would give other pixels.

    Parameters
    ----------
    size : int
        Pixels per em.
    bold : bool

    Returns
    -------
    PIL.ImageFont.FreeTypeFont
    """
    data = _font_file(FILES[bold])
    if data is not None:
        with suppress(OSError):  # the file is damaged
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


@lru_cache(4096)
def text_width(text: str, size: int, bold: bool = False) -> int:
    """Width of a line of text in whole pixels, rounded up.

    Examples
    --------
    >>> text_width("", 18), text_width("max", 18) < text_width("max", 18, bold=True)
    (0, True)
    """
    return -int(-font(size, bold).getlength(text) // 1)


@lru_cache(4096)
def bitmap(text: str, size: int, bold: bool = False) -> tuple[NDArray[np.uint8], int, int]:
    """Draw a line of text.

    Returns
    -------
    coverage : ndarray of shape (h, w), uint8
        0 where nothing is drawn, 255 where a letter covers the pixel.
    left, top : int
        Position of the first pixel, relative to the left end of the baseline; `top` is negative above it.
    """
    mask, (left, top) = font(size, bold).getmask2(text, "L", anchor="ls")
    wide, high = mask.size
    return np.frombuffer(bytes(mask), np.uint8).reshape(high, wide), left, top


@lru_cache(4096)
def has_glyph(character: str) -> bool:
    """Whether the font has a glyph for a character.

    A font draws the same box for every character it lacks, so the glyph is compared with that of U+FFFF, which no
    font has.

    Examples
    --------
    >>> has_glyph("a"), has_glyph("\uffff")
    (True, False)
    """
    missing, found = (font(24).getmask(text) for text in ("\uffff", character))
    return (found.size, bytes(found)) != (missing.size, bytes(missing))


def drawable(text: str) -> str:
    r"""Prepare a text for drawing.

    Characters that are invisible or not in the font are escaped. Runs of right-to-left letters are reversed, because
    Pillow's basic layout draws from left to right.

    Parameters
    ----------
    text : str
        At most 2,000 characters are kept.

    Returns
    -------
    str

    Examples
    --------
    >>> print(drawable("猫\n.jpg"))
    \u732b\x0a.jpg
    >>> drawable("שלום עולם 1.jpg") == "םלוע םולש 1.jpg"
    True
    """
    text = printable(text[:_MAX_CHARACTERS])
    if text.isascii():
        return text
    text = "".join(
        c if c == " " or (c.isprintable() and has_glyph(c)) else _ASCII_SUBSTITUTES.get(c) or escape(c) for c in text
    )
    kinds = "".join(_RIGHT_TO_LEFT.get(unicodedata.bidirectional(c), "l") for c in text)
    for run in re.finditer("r([rn]*r)?", kinds):
        text = text[: run.start()] + text[run.start() : run.end()][::-1] + text[run.end() :]
    return text


def shorten(text: str, size: int, max_width: int, *, bold: bool = False, middle: bool = False) -> str:
    """Shorten a line of text with an ellipsis until it fits.

    Parameters
    ----------
    text : str
    size : int
        Pixels per em.
    max_width : int
        Pixels.
    bold : bool
    middle : bool
        Cut from the middle instead of from the end.

    Examples
    --------
    >>> shorten("photograph.jpg", 12, 60), shorten("photograph.jpg", 12, 60, middle=True)
    ('photogr…', 'phot…jpg')
    """
    if text_width(text, size, bold) <= max_width:
        return text
    kept = _largest(0, len(text), lambda kept: text_width(_shortened(text, kept, middle), size, bold) <= max_width)
    return _shortened(text, kept, middle)


def _shortened(text: str, kept: int, middle: bool) -> str:
    tail = kept // 2 if middle else 0
    return text[: kept - tail].rstrip() + drawable("…") + text[len(text) - tail :].lstrip()


def wrap(text: str, size: int, max_width: int, lines: int, *, bold: bool = False, apart: str = " ") -> list[str]:
    """Break a text into lines that fit.

    Lines break at `apart` where they can, else at spaces; a word that is wider than a line is broken too.

    Parameters
    ----------
    text : str
    size : int
        Pixels per em.
    max_width : int
        Pixels.
    lines : int
        Largest number of lines; the last one ends in an ellipsis if the text is longer.
    bold : bool
    apart : str
        What stands between the parts of the text; left out at the end of a line.

    Returns
    -------
    list of str
        Empty for an empty text.

    Examples
    --------
    >>> wrap("not a picture; PNG is accepted", 12, 90, 3)
    ['not a picture;', 'PNG is', 'accepted']
    """
    wrapped: list[str] = []
    rest = " ".join(text.split())
    while rest and len(wrapped) < lines - 1:
        fits = _fitting(rest, size, max_width, bold)
        space, between = rest.rfind(apart, 0, fits + len(apart)), apart
        if space < 1:
            space, between = rest.rfind(" ", 0, fits + 1), " "
        end = fits if fits == len(rest) or space < 1 else space
        wrapped.append(rest[:end])
        rest = rest[end:].removeprefix(between).lstrip()
    return [*wrapped, shorten(rest, size, max_width, bold=bold)] if rest else wrapped


def _fitting(text: str, size: int, max_width: int, bold: bool) -> int:
    """Number of leading characters that fit into a line, at least one."""
    return _largest(1, len(text), lambda kept: text_width(text[:kept], size, bold) <= max_width)


def _largest(low: int, high: int, fits: Callable[[int], bool]) -> int:
    """The largest number from `low` to `high` that fits, by bisection; `low` is taken to fit."""
    return bisect.bisect_left(range(low + 1, high + 1), True, key=lambda number: not fits(number)) + low
