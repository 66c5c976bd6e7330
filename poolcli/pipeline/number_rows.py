"""Parsing of rows of numbers, as kernels and matrices are written in options and in text files."""

from __future__ import annotations

import re

from poolcli.display import shortened
from poolcli.errors import OptionError

_CELLS = r"\s*,\s*|\s+"


def rows_from_text(text: str, what: str) -> list[list[float]]:
    """Parse rows that are separated by semicolons or line ends; their numbers by spaces or by commas.

    Parameters
    ----------
    text : str
    what : str
        What messages begin with, such as ``kernel '1 x'``.

    Raises
    ------
    OptionError
        A cell is no number, a row mixes spaces and commas, or rows differ in length.

    Examples
    --------
    >>> rows_from_text("1 2; 3 4", "kernel")
    [[1.0, 2.0], [3.0, 4.0]]
    """
    text = text.strip().rstrip(";").strip()
    rows = re.split(r"\s*;[ \t\r]*\n\s*|[;\n]", text) if text else []
    _refuse_mixed(rows, what)
    return _numbers([re.split(_CELLS, row.strip()) for row in rows], what)


def rows_from_file(data: bytes, what: str) -> list[list[float]]:
    """Parse the contents of a text file: a row per line, ``#`` begins a comment.

    Where a file of several lines has semicolons, these alone separate the numbers, as spreadsheets write beside decimal
    commas; a decimal comma is then refused.

    Parameters
    ----------
    data : bytes
    what : str
        What messages begin with, such as ``kernel 'k.csv'``.

    Raises
    ------
    OptionError
        As in `rows_from_text`.
    """
    lines = [line.split("#")[0].strip() for line in data.decode("utf-8-sig", "replace").splitlines()]
    lines = [
        line.rstrip(";").strip() if line.count(";") == 1 and line.endswith(";") else line for line in lines if line
    ]
    if len(lines) == 1:
        return rows_from_text(lines[0], what)
    lines = [line for line in lines if line]
    if len(lines) == 1:
        return rows_from_text(lines[0], what)
    lines = [line.rstrip(";").strip() for line in lines]
    if any(";" in line for line in lines):
        return _numbers([re.split(r"\s*;\s*", line) for line in lines], what)
    _refuse_mixed(lines, what)
    return _numbers([re.split(_CELLS, line) for line in lines], what)


def _refuse_mixed(rows: list[str], what: str) -> None:
    """Refuse rows such as ``0,5 0,5``: decimal commas would be read as twice as many whole numbers."""
    if any("," in row and re.search(r"[^\s,]\s+[^\s,]", row.strip()) for row in rows):
        msg = f"{what}: spaces and commas both separate numbers; use one of them, and a decimal point: 0.5 0.5"
        raise OptionError(msg)


def _numbers(rows: list[list[str]], what: str) -> list[list[float]]:
    if not rows:
        msg = f'{what}: no numbers in it; write rows such as "1 2; 3 4"'
        raise OptionError(msg)
    wrong = next((cell for row in rows for cell in row if not _is_number(cell)), None)
    if wrong is not None:
        msg = f'{what}: {shortened(wrong) if wrong else "an empty cell"} is no number; write rows such as "1 2; 3 4"'
        raise OptionError(msg)
    lengths = [len(row) for row in rows]
    if len(set(lengths)) != 1:
        shown = ", ".join(map(str, lengths[:12])) + (", …" if len(lengths) > 12 else "")
        msg = f"{what}: rows of {shown} numbers; write rows of one length"
        raise OptionError(msg)
    return [[float(cell) for cell in row] for row in rows]


def _is_number(cell: str) -> bool:
    """Whether a cell is a decimal number; unlike `float`, 1_000 and digits of other scripts are refused."""
    try:
        float(cell)
    except ValueError:
        return False
    return cell.isascii() and "_" not in cell
