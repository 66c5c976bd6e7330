"""Decoding a picture file: header, checks, pixels, orientation, in the one order that avoids Pillow's traps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from poolcli.images.modes import bits_note, channel_count, check_mode, picture_array
from poolcli.images.opening import open_picture, picture_errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from PIL import ImageFile

_ORIENTATION = 0x0112

# EXIF orientation -> what makes the picture upright. Own table, since Pillow's exif_transpose raises on damaged EXIF.
_UPRIGHT: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    2: lambda values: values[:, ::-1],
    3: lambda values: values[::-1, ::-1],
    4: lambda values: values[::-1],
    5: lambda values: values.swapaxes(0, 1),
    6: lambda values: values.swapaxes(0, 1)[:, ::-1],
    7: lambda values: values[::-1, ::-1].swapaxes(0, 1),
    8: lambda values: values.swapaxes(0, 1)[::-1],
}


class Decoded(NamedTuple):
    """Upright pixels of a file, its format and mode by Pillow's names, and notes."""

    values: NDArray[Any]
    format: str
    mode: str
    notes: tuple[str, ...]


def decode(
    stream: BinaryIO,
    header: bytes,
    channels: str,
    background: tuple[int, int, int],
    max_pixels: int,
    announce: Callable[[int, int, int], None],
) -> Decoded:
    """The picture in a stream, upright, one gray channel or RGB.

    Call it inside `quiet_pillow`.

    Parameters
    ----------
    stream : binary stream, at its start
    header : bytes
        At least the first 26 bytes.
    channels : ``"gray"`` or ``"each"``
    background : (r, g, b)
    max_pixels : int
    announce : callable
        Called as ``announce(height, width, channels)`` before pixels are decoded; may raise.

    Raises
    ------
    ImageError
        Not a picture, damaged, too large, not enough memory.
    """
    image = open_picture(stream, max_pixels)
    kind, mode = image.format or "picture", image.mode
    with picture_errors(f"{kind} file"):
        check_mode(image, channels)
        notes = [bits_note(image, header)]
        count = channel_count(image, channels, background)
        # A PNG may carry its EXIF after the pixels, and Pillow would decode them to look for it.
        early = kind != "PNG" or "exif" in image.info
        orientation = _orientation(image) if early else 1
    size = _turned((image.height, image.width), orientation)
    announce(*size, count)
    with picture_errors(f"{kind} file"):
        # Once, and any exception is final: a second load() after a failed one may give half a picture.
        image.load()
    if not early:
        orientation = _orientation(image)
        if _turned(size, orientation) != size:
            announce(*_turned(size, orientation), count)
    with picture_errors(f"{kind} file"):
        values, range_note = picture_array(image, channels, background)
        notes += [range_note, _frames_note(image)]
    del image  # before turning, so that the decoded colours and the turned copy never exist together
    if orientation in _UPRIGHT:
        values = np.ascontiguousarray(_UPRIGHT[orientation](values))
    return Decoded(values, kind, mode, tuple(note for note in notes if note))


def _orientation(image: ImageFile.ImageFile) -> int:
    if image.format == "TIFF":
        return 1  # Pillow's load() has turned it already
    try:
        value = image.getexif().get(_ORIENTATION)
    except Exception:  # noqa: BLE001
        return 1  # damaged metadata is no reason to lose a good picture
    return value if isinstance(value, int) and value in _UPRIGHT else 1


def _turned(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    return size[::-1] if orientation >= 5 else size


def _frames_note(image: ImageFile.ImageFile) -> str | None:
    try:
        frames = int(getattr(image, "n_frames", 1))
    except Exception:  # noqa: BLE001
        return None  # counting means parsing the rest of the file, which may be damaged; the first frame is not
    return f"frame 1 of {frames} used" if frames > 1 else None
