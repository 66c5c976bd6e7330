"""The contact sheet of a batch: which formats, which pages, and a page as the bytes of a file."""

from __future__ import annotations

import io
import math
import os
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from poolcli.errors import OptionError
from poolcli.images.opening import printable
from poolcli.images.png import encode_png
from poolcli.images.thumbnail import TILE, input_thumbnail, result_thumbnail
from poolcli.images.tiles import Tile, draw
from poolcli.images.write import FORMATS

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "PER_PAGE",
    "SHEET_FORMATS",
    "TILE",
    "Tile",
    "input_thumbnail",
    "page",
    "page_names",
    "page_slices",
    "result_thumbnail",
    "sheet_format",
]

PER_PAGE = 200
SHEET_FORMATS = tuple(FORMATS[name] for name in ("png", "jpg", "webp"))


def sheet_format(path: str | os.PathLike[str]) -> str:
    """Name of the format of a contact sheet, by its suffix.

    Raises
    ------
    OptionError
        Any other suffix.

    Examples
    --------
    >>> sheet_format("sheet.JPEG")
    'jpg'
    """
    suffix = os.path.splitext(os.fspath(path))[1]
    for entry in SHEET_FORMATS:
        if suffix.lower() in entry.suffixes:
            return entry.name
    known = ", ".join(known for entry in SHEET_FORMATS for known in entry.suffixes)
    raise OptionError(f"{f'suffix {printable(suffix)!r}' if suffix else 'no suffix'}; {known} are accepted for a sheet")


def page_slices(count: int) -> list[slice]:
    """Which of `count` tiles go on which page: at most `PER_PAGE`, shared out evenly; one page even when there are none.

    Examples
    --------
    >>> page_slices(401)
    [slice(0, 134, None), slice(134, 268, None), slice(268, 401, None)]
    """
    pages = max(1, math.ceil(count / PER_PAGE))
    edges = [math.ceil(count * i / pages) for i in range(pages + 1)]
    return [slice(first, last) for first, last in pairwise(edges)]


def page_names(path: str | os.PathLike[str], pages: int) -> list[str]:
    """Where the pages go: the path itself for one, numbered before the suffix for more.

    Examples
    --------
    >>> page_names("out/sheet.png", 1), page_names("out/sheet.png", 2)
    (['out/sheet.png'], ['out/sheet-1.png', 'out/sheet-2.png'])
    """
    stem, suffix = os.path.splitext(os.fspath(path))
    return [f"{stem}{suffix}"] if pages == 1 else [f"{stem}-{number}{suffix}" for number in range(1, pages + 1)]


def page(tiles: Sequence[Tile], title: str, fmt: str = "png", *, number: int = 1, pages: int = 1) -> bytes:
    r"""Draw one page of a contact sheet and encode it.

    Parameters
    ----------
    tiles : sequence of Tile
        In the order of reading; at most `PER_PAGE` look good.
    title : str
    fmt : str
        A name of `SHEET_FORMATS`.
    number, pages : int
        Which page this is, told when there is more than one.

    Returns
    -------
    bytes
        The same for the same tiles. Texts may hold anything; what cannot be drawn is escaped.

    Raises
    ------
    OptionError
        A format that is none of `SHEET_FORMATS`.

    Examples
    --------
    >>> page([Tile("a.png", np.zeros((120, 160), np.uint8), None, "not a picture")], "photos")[:8]
    b'\x89PNG\r\n\x1a\n'
    """
    known = [entry.name for entry in SHEET_FORMATS]
    if fmt not in known:
        raise OptionError(f"format {printable(fmt)!r}; {', '.join(known)} are accepted for a sheet")
    sheet = draw(tiles, title, f"page {number} of {pages}" if pages > 1 else "")
    if fmt == "png":
        return encode_png(np.asarray(sheet), {"Title": printable(title), "Software": "poolcli"})
    stream = io.BytesIO()
    if fmt == "jpg":
        sheet.save(stream, "JPEG", quality=90, subsampling=0)  # colour at full size: the red of small letters
    else:
        sheet.save(stream, "WEBP", quality=90, method=2)
    return stream.getvalue()
