"""The contact sheet of a batch: its formats, its pages and their file names, and a page as the bytes of a file."""

from __future__ import annotations

import io
import math
import os
from itertools import pairwise
from typing import TYPE_CHECKING

from PIL import Image

from poolcli.display import printable, quoted
from poolcli.errors import OptionError, alternatives
from poolcli.figures.contact_page import draw
from poolcli.images.embedded import maker
from poolcli.images.png import encode_png
from poolcli.images.write import FORMATS, unknown_suffix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poolcli.figures.contact_page import Tile

PER_PAGE = 200
SHEET_FORMATS = tuple(FORMATS[name] for name in ("png", "jpg", "webp"))


def sheet_format(path: str | os.PathLike[str]) -> str:
    """Name of the format that a contact sheet's suffix chooses.

    Raises
    ------
    OptionError
        The suffix is that of no format of `SHEET_FORMATS`.

    Examples
    --------
    >>> sheet_format("sheet.JPEG")
    'jpg'
    """
    suffix = os.path.splitext(os.fspath(path))[1]
    for entry in SHEET_FORMATS:
        if suffix.lower() in entry.suffixes:
            return entry.name
    known = alternatives(known for entry in SHEET_FORMATS for known in entry.suffixes)
    raise unknown_suffix(suffix, known)


def page_slices(count: int) -> list[slice]:
    """Distribute `count` tiles evenly over pages of at most `PER_PAGE`; no tiles make one empty page.

    Examples
    --------
    >>> page_slices(401)
    [slice(0, 134, None), slice(134, 268, None), slice(268, 401, None)]
    """
    pages = max(1, math.ceil(count / PER_PAGE))
    edges = [math.ceil(count * i / pages) for i in range(pages + 1)]
    return [slice(first, last) for first, last in pairwise(edges)]


def page_names(path: str | os.PathLike[str], pages: int) -> list[str]:
    """File names of the pages: the path itself for one page, with a number before the suffix for more.

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
        From left to right and from top to bottom.
    title : str
        Characters that cannot be drawn are escaped, in the labels too.
    fmt : {"png", "jpg", "webp"}
    number, pages : int
        Which of how many pages this is; written on the page if there are several.

    Returns
    -------
    bytes
        The contents of a file; the same for the same tiles.

    Raises
    ------
    OptionError
        `fmt` is another format.

    Examples
    --------
    >>> import numpy as np
    >>> from poolcli.figures.contact_page import Tile
    >>> page([Tile("a.png", np.zeros((120, 160), np.uint8), None, "not a picture")], "photos")[:8]
    b'\x89PNG\r\n\x1a\n'
    """
    known = [entry.name for entry in SHEET_FORMATS]
    if fmt not in known:
        raise OptionError(f"format {quoted(fmt)}; write {alternatives(known)}")
    sheet = draw(tiles, title, f"page {number} of {pages}" if pages > 1 else "")
    pixels = sheet.pixels()
    if fmt == "png":
        return encode_png(pixels, {"Title": printable(title), "Software": "poolcli"})
    stream, image = io.BytesIO(), Image.fromarray(pixels)
    if fmt == "jpg":
        # Subsampled colour would blur small red letters.
        image.save(stream, "JPEG", quality=90, subsampling=0, **maker("JPEG"))
    else:
        image.save(stream, "WEBP", quality=90, method=2, **maker("WEBP"))
    return stream.getvalue()
