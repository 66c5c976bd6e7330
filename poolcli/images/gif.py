"""Later frames of a GIF, put together as browsers do; Pillow restores some of them differently."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np
from PIL import Image

from poolcli.errors import ImageError
from poolcli.images.arrays import row_chunks
from poolcli.images.gif_blocks import table_bytes
from poolcli.images.modes import check_palette
from poolcli.images.safe_open import open_picture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_EXTENSION, _IMAGE, _END = b"\x21", b"\x2c", b"\x3b"
_CONTROL = b"\xf9"
_CLEAR, _RESTORE = 2, 3


class _GifFrame(NamedTuple):
    """A frame as a GIF of its own, its place on the canvas, and what its area becomes after it was shown."""

    data: bytes
    left: int
    top: int
    disposal: int


def whole_frame(stream: BinaryIO, page: int, size: tuple[int, int], max_pixels: int) -> Image.Image:
    """What an animation shows at a frame: the frame, and what earlier frames left on the canvas.

    An area that no frame covers, or that a frame cleared behind it, is transparent. The GIF89a specification would fill
    cleared areas with the background colour, but no browser does.

    Parameters
    ----------
    stream : seekable binary stream
    page : int
        From 1.
    size : (width, height)
        Of the canvas.
    max_pixels : int

    Returns
    -------
    Pillow image of mode RGBA

    Raises
    ------
    ImageError
        There is no such frame, or one of the frames up to it is damaged.
    """
    canvas = np.zeros((size[1], size[0], 4), np.uint8)
    for number, frame in enumerate(_frames(stream), 1):
        image = open_picture(io.BytesIO(frame.data), max_pixels)
        image.load()
        check_palette(image)
        area = canvas[frame.top : frame.top + image.height, frame.left : frame.left + image.width]
        before = area.copy() if frame.disposal == _RESTORE and number < page else None
        _draw(image, area)
        if number == page:
            return Image.fromarray(canvas)
        if frame.disposal == _CLEAR:
            area[...] = 0
        elif before is not None:
            area[...] = before
    raise ImageError(f"damaged GIF file: frame {page} is missing")


def _draw(image: Image.Image, area: NDArray[np.uint8]) -> None:
    """Put a frame's opaque pixels onto its part of the canvas, a few rows at a time to spare memory."""
    for rows in row_chunks(area.shape[0]):
        cells = np.asarray(image.crop((0, rows.start, area.shape[1], rows.stop)).convert("RGBA"))
        shown = cells[..., 3] > 0
        area[rows][shown] = cells[shown]


def _frames(stream: BinaryIO) -> Iterator[_GifFrame]:
    """The frames of a GIF."""
    stream.seek(0)
    head = _exactly(stream, 13)
    colors = _exactly(stream, table_bytes(head[10]))
    disposal, key = 0, b""
    while (kind := _exactly(stream, 1)) != _END:
        if kind == _EXTENSION:
            label, blocks = _exactly(stream, 1), _blocks(stream)
            if label == _CONTROL and len(blocks) >= 5:
                disposal = blocks[1] >> 2 & 7
                key = b"\x21\xf9\x04" + bytes([blocks[1] & 1, 0, 0, blocks[4], 0])
        elif kind == _IMAGE:
            left, top, width, height, flags = struct.unpack("<HHHHB", _exactly(stream, 9))
            own = _exactly(stream, table_bytes(flags))
            pixels = _exactly(stream, 1) + _blocks(stream)
            alone = head[:6] + struct.pack("<HH", width, height) + head[10:] + colors + key
            alone += _IMAGE + struct.pack("<HHHHB", 0, 0, width, height, flags) + own + pixels + _END
            yield _GifFrame(alone, left, top, disposal)
            disposal, key = 0, b""
        else:
            raise ImageError("damaged GIF file: a block of an unknown kind; save it again, for example as PNG")


def _blocks(stream: BinaryIO) -> bytes:
    """Data in blocks of up to 255 bytes, with the bytes that tell their lengths."""
    parts = []
    while True:
        length = _exactly(stream, 1)
        parts.append(length + _exactly(stream, length[0]))
        if length == b"\0":
            return b"".join(parts)


def _exactly(stream: BinaryIO, count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise ImageError("truncated GIF file; copy or save the file again")
    return data
