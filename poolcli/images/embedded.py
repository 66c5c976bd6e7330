"""The recipe inside a result: where each format keeps a text, written and read in one place."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, BinaryIO

from poolcli.images.opening import MAX_PIXELS, open_bytes, open_picture, picture_errors
from poolcli.images.quiet import quiet_pillow

if TYPE_CHECKING:
    import os

KEY = "poolcli"

_TIFF_DESCRIPTION, _TIFF_SOFTWARE = 270, 305
_JPEG_COMMENT_BYTES = 65533
_XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:poolcli="https://pypi.org/project/poolcli/">'
    "<poolcli:recipe>{}</poolcli:recipe></rdf:Description></rdf:RDF></x:xmpmeta>"
)
_XMP_RECIPE = r"(?s)<poolcli:recipe>(.*?)</poolcli:recipe>"


def png_text(text: str | None) -> dict[str, str]:
    """The text chunks of a PNG that carries a recipe."""
    return {"Software": KEY, **({} if text is None else {KEY: text})}


def embedding(pillow_format: str, text: str | None) -> dict[str, Any]:
    """Arguments of Pillow's ``save`` that put the recipe into the file.

    A JPEG comment holds 65,533 bytes; a longer text is left out, since the pixels are worth more than the comment.

    Parameters
    ----------
    pillow_format : str
        ``"TIFF"``, ``"JPEG"``, ``"WEBP"``; others carry no text, and PNG is not written by Pillow.
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


def _text(pillow_format: str, info: dict[Any, Any], tags: Any) -> str | None:
    if pillow_format == "PNG":
        value = info.get(KEY)
    elif pillow_format == "TIFF":
        value = tags.get(_TIFF_DESCRIPTION)
        if isinstance(value, str):  # Pillow reads as Latin-1 what was written as UTF-8
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
    # Cameras and editors write descriptions and comments of their own.
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
