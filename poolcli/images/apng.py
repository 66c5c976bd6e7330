"""Later frames of an animated PNG, put together as its specification says; Pillow leaves out some of its rules."""

from __future__ import annotations

import io
import struct
import zlib
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from PIL import Image

from poolcli.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CLEAR, _RESTORE = 1, 2
_OVER = 1


class _Frame(NamedTuple):
    """A frame as a PNG of its own, where it lies, what becomes of its area, and whether it is laid over the canvas."""

    data: bytes
    area: tuple[int, int, int, int]
    disposal: int
    blend: int
    still: bool = False
    """Whether it is the picture for programs that know no animations, and no part of this one."""


def frame_count(stream: BinaryIO) -> int:
    """How many frames there are, the picture before the animation included; 1 for a PNG that does not move."""
    return max(1, sum(1 for _ in _frames(stream)))


def whole_frame(
    stream: BinaryIO, page: int, size: tuple[int, int], rgba: Callable[[BinaryIO], Image.Image]
) -> bytes | Image.Image:
    """What an animation shows at a frame.

    Parameters
    ----------
    stream : seekable binary stream
    page : int
        From 1; there are so many frames.
    size : (width, height)
        Of the canvas.
    rgba : callable
        Reads a PNG in a stream to a Pillow image of mode RGBA.

    Returns
    -------
    bytes or Pillow image
        A PNG of this frame alone, if nothing else can be seen in it; else an image of mode RGBA.

    Raises
    ------
    ImageError
        A frame up to this one is damaged or lies beyond the canvas.
    """
    frames = list(islice(_frames(stream), page))
    for number, frame in enumerate(frames, 1):
        left, top, right, bottom = frame.area
        if right > size[0] or bottom > size[1] or left == right or top == bottom:
            raise ImageError(f"damaged PNG file: frame {number} lies beyond the picture; save it again")
    *others, last = frames
    if last.area == (0, 0, *size) and last.blend != _OVER:
        return last.data
    canvas = Image.new("RGBA", size)
    for frame in others:
        before = canvas.crop(frame.area) if frame.disposal == _RESTORE else None
        if not frame.still:
            _draw(canvas, frame, rgba)
        if before is not None:
            canvas.paste(before, frame.area)
        elif frame.disposal == _CLEAR:
            canvas.paste((0, 0, 0, 0), frame.area)
    _draw(canvas, last, rgba)
    return canvas


def _draw(canvas: Image.Image, frame: _Frame, rgba: Callable[[BinaryIO], Image.Image]) -> None:
    image = rgba(io.BytesIO(frame.data))
    if frame.blend == _OVER:
        canvas.alpha_composite(image, frame.area[:2])
    else:
        canvas.paste(image, frame.area)


def _frames(stream: BinaryIO) -> Iterator[_Frame]:
    header, shared, control = b"", b"", b""
    data: list[bytes] = []
    moves = begun = False
    for name, body in _chunks(stream):
        if name in {b"fcTL", b"IEND"} and data:
            yield _frame(header, shared, control, b"".join(data), first=not begun)
            begun = begun or bool(control)
            control, data = b"", []
        if name == b"IHDR":
            header = body
        elif name == b"acTL":
            moves = True
        elif name == b"fcTL":
            control = body or b"\0"
        elif name == b"IDAT":
            if not moves:
                return
            data.append(body)
        elif name == b"fdAT":
            data.append(body[4:])
        elif name in {b"PLTE", b"tRNS"}:
            shared += _chunk(name, body)


def _frame(header: bytes, shared: bytes, control: bytes, data: bytes, *, first: bool) -> _Frame:
    if len(control) not in {0, 26}:
        raise ImageError("damaged PNG file: a frame without a size; copy or save the file again")
    width, height, left, top = struct.unpack(">4I", control[4:20] if control else header[:8] + bytes(8))
    disposal, blend = control[24:26] if control else (0, 0)
    alone = _chunk(b"IHDR", struct.pack(">II", width, height) + header[8:]) + shared + _chunk(b"IDAT", data)
    alone = b"\x89PNG\r\n\x1a\n" + alone + _chunk(b"IEND", b"")
    if first and disposal == _RESTORE:
        disposal = _CLEAR  # there is nothing before it
    return _Frame(alone, (left, top, left + width, top + height), disposal, blend, still=not control)


def _chunks(stream: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    stream.seek(8)
    name = b""
    while name != b"IEND":
        head = stream.read(8)
        length, name = struct.unpack(">I4s", head) if len(head) == 8 else (1, b"")
        body = stream.read(length)
        if len(body) < length:
            raise ImageError("truncated PNG file; copy or save the file again")
        stream.seek(4, 1)
        yield name, body


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
