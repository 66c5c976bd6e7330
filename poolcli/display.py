"""Names and values made fit for a message: invisible characters are escaped, long values shortened."""

from __future__ import annotations

import os
from typing import Any


def display_name(path: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> str:
    r"""The name of a file for a terminal, a log line or a figure.

    Control characters, line separators, invisible characters, characters that change the direction of writing, and
    bytes that are not UTF-8 are escaped, so that no file name can break a line or control a terminal.

    Parameters
    ----------
    path : str, bytes or path-like

    Returns
    -------
    str

    Examples
    --------
    >>> print(display_name("two\nlines.png"))
    two\x0alines.png
    >>> print(display_name(b"latin1_\xe9.png"))
    latin1_\xe9.png
    """
    return printable(os.fsdecode(path)) or "''"


def quoted(text: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> str:
    r"""A name or a value as it was written, in quotes, for a message; what is not visible is escaped once.

    Examples
    --------
    >>> print(quoted("a\tb.png"), quoted(""))
    'a\x09b.png' ''
    """
    return f"'{printable(os.fsdecode(text))}'"


def printable(text: str) -> str:
    r"""Escape every character of a text that is not visible; a lone surrogate is shown as the byte that it stands for.

    Examples
    --------
    >>> print(printable("a\tb"))
    a\x09b
    """
    if text.isascii() and text.isprintable():
        return text
    from unicodedata import category

    return "".join(_escaped(character, category(character)) for character in text)


def shortened(value: Any, most: int = 60) -> str:
    """A value as Python writes it, for a message: on one line, without control characters, cut after `most` characters.

    Of a value that Python cannot write, such as a number of more than 4,300 digits, the type is named.

    Examples
    --------
    >>> shortened("3x"), shortened("1 2 3 4 5 6", most=10)
    ("'3x'", "'1 2 3… (13 characters)")
    >>> shortened(10**5000)
    'value of type int'
    """
    try:
        text = printable(" ".join(line.strip() for line in repr(value).splitlines()))
    except Exception:  # noqa: BLE001 - a __repr__ may raise anything
        return f"value of type {type(value).__name__}"
    return text if len(text) <= most else f"{text[: most * 2 // 3]}… ({len(text)} characters)"


def _escaped(character: str, category: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return escape(character) if category in {"Cc", "Cf", "Cs", "Zl", "Zp"} else character


def escape(character: str) -> str:
    r"""Write a character as its code.

    Examples
    --------
    >>> print(escape("\t"), escape("猫"))
    \x09 \u732b
    """
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
