"""The recipe inside a result file: written to and read from each format's place for text."""

from __future__ import annotations

import json
import os
import re
import stat
from typing import TYPE_CHECKING, Any, BinaryIO

from poolcli.images.pillow_guard import quiet_pillow
from poolcli.images.safe_open import MAX_PIXELS, open_bytes, open_picture, picture_errors

if TYPE_CHECKING:
    from collections.abc import Iterable

KEY = "poolcli"

_TIFF_DESCRIPTION, _TIFF_SOFTWARE = 270, 305
_JPEG_COMMENT_BYTES = 65533
_XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:poolcli="https://pypi.org/project/poolcli/">'
    "<poolcli:recipe>{}</poolcli:recipe></rdf:Description></rdf:RDF></x:xmpmeta>"
)
_MAKER = b"made by poolcli"
_XMP_MAKER = _XMP.replace("<poolcli:recipe>{}</poolcli:recipe>", "<poolcli:maker/>").encode("utf-8")
_XMP_RECIPE = r"(?s)<poolcli:recipe>(.*?)</poolcli:recipe>"


def png_text(text: str | None) -> dict[str, str]:
    """The text chunks of a PNG that carries a recipe."""
    return {"Software": KEY, **({} if text is None else {KEY: text})}


def embedding(pillow_format: str, text: str | None) -> dict[str, Any]:
    """Arguments of Pillow's ``save`` that put the recipe into the file.

    A JPEG comment holds 65,533 bytes; a longer text is left out rather than refusing the picture.

    Parameters
    ----------
    pillow_format : str
        ``"TIFF"``, ``"JPEG"``, ``"WEBP"``; others hold no text, and PNG is not written by Pillow.
    text : str or None

    Examples
    --------
    >>> embedding("JPEG", '{"pool": "max"}')
    {'comment': b'{"pool": "max"}'}
    """
    if text is None:
        return {}
    data = text.encode("utf-8")
    if pillow_format == "TIFF":
        return {"tiffinfo": {_TIFF_DESCRIPTION: data, _TIFF_SOFTWARE: KEY}}
    if pillow_format == "JPEG":
        return {"comment": data} if len(data) <= _JPEG_COMMENT_BYTES else {}
    if pillow_format == "WEBP":
        return {"xmp": _XMP.format(_escaped(text)).encode("utf-8")}
    return {}


def maker(pillow_format: str) -> dict[str, Any]:
    """Arguments of Pillow's ``save`` for a picture without recipe, such as a contact sheet, that poolcli made.

    Parameters
    ----------
    pillow_format : {"JPEG", "GIF", "WEBP"}

    Examples
    --------
    >>> maker("JPEG")
    {'comment': b'made by poolcli'}
    """
    return {"xmp": _XMP_MAKER} if pillow_format == "WEBP" else {"comment": _MAKER}


def embedded_recipe(source: str | os.PathLike[str] | BinaryIO) -> str | None:
    """The recipe, as JSON text, that a result carries; None when there is none. No pixel is decoded.

    Parameters
    ----------
    source : path or binary stream

    Returns
    -------
    str or None

    Raises
    ------
    ImageError
        Missing, not a picture, or a damaged header.

    Examples
    --------
    >>> import io
    >>> print(embedded_recipe(io.BytesIO(b"P2 1 1 255 0")))
    None
    """
    with open_bytes(source) as (stream, _), quiet_pillow():
        image = open_picture(stream, MAX_PIXELS)
        with picture_errors("metadata"):
            text = _text(image.format or "", image.info, getattr(image, "tag_v2", {}))
    return text if text is not None and _is_object(text) else None


def marked_files(folder: str, pattern: str, wanted: Iterable[str]) -> list[str]:
    """Files of a folder that poolcli made, with names that match and that are not `wanted`: those of an earlier run."""
    names = {os.path.basename(path) for path in wanted}
    found = [name for name in os.listdir(folder or os.curdir) if name not in names and re.fullmatch(pattern, name)]
    return [path for path in (os.path.join(folder, name) for name in found) if carries_mark(path)]


def carries_mark(path: str | os.PathLike[str]) -> bool:
    """Whether a file says that poolcli made it: a result, a figure, a map or a contact sheet. Only its ends are read.

    Parameters
    ----------
    path : path

    Returns
    -------
    bool
        False for other files, also for those that are no pictures.

    Raises
    ------
    OSError
        It cannot be opened.
    """
    # Without O_NONBLOCK, opening a named pipe would wait for a writer for ever.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return False
        start = os.read(descriptor, _MARK_BYTES)
        if start.startswith(b"RIFF") and start[12:16] == b"VP8X":  # WebP keeps texts behind the picture
            os.lseek(descriptor, max(0, status.st_size - _MARK_END_BYTES), os.SEEK_SET)
            end = os.read(descriptor, _MARK_END_BYTES)
            return b"<poolcli:recipe>" in end or b"<poolcli:maker/>" in end
    finally:
        os.close(descriptor)
    return any(start.startswith(begin) and mark in start for begin, mark in _MARKS)


_MARKS = (
    (b"\x89PNG", b"tEXtSoftware\0poolcli"),
    (b"GIF8", b"!\xfe\x0f" + _MAKER),
    (b"\xff\xd8", b"\xff\xfe\0\x11" + _MAKER),
    (b"\xff\xd8", b'{"poolcli": "'),
    (b"II*\0", b'{"poolcli": "'),
    (b"MM\0*", b'{"poolcli": "'),
)
"""How files of a format begin, and what those of poolcli have in their first bytes; WebP has it elsewhere."""

_MARK_BYTES, _MARK_END_BYTES = 4096, 1 << 17


def _text(pillow_format: str, info: dict[Any, Any], tags: Any) -> str | None:
    if pillow_format == "PNG":
        value = info.get(KEY)
    elif pillow_format == "TIFF":
        value = tags.get(_TIFF_DESCRIPTION)
        if isinstance(value, str):  # Pillow decodes the tag as Latin-1, but we wrote UTF-8
            value = value.encode("latin-1", "replace").decode("utf-8", "replace")
    elif pillow_format in {"JPEG", "MPO"}:
        value = info.get("comment")
    elif pillow_format == "WEBP":
        found = re.search(_XMP_RECIPE, info.get("xmp", b"").decode("utf-8", "replace"))
        value = _unescaped(found[1]) if found else None
    else:
        value = None
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return str(value) if isinstance(value, str) else None


def _is_object(text: str) -> bool:
    # The text may be anything: cameras and editors write descriptions and comments too.
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
