"""The first chunks of a PNG: kinds that Pillow would read wrongly are refused by name before it opens the file."""

from __future__ import annotations

import struct
from typing import BinaryIO

from poolcli.display import printable
from poolcli.errors import ImageError

_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""Bits per sample of each colour type."""


def check_png(stream: BinaryIO) -> None:
    """Refuse what no PNG decoder may read, as far as the chunks before the pixels tell.

    Damage is left to the decoder.

    Parameters
    ----------
    stream : seekable binary stream, at its start
        Its position is restored.

    Raises
    ------
    ImageError
        Apple's variant, methods, depths or chunks that are not of the standard, or colours without a palette.
    """
    start = stream.tell()
    found = _not_read(stream)
    stream.seek(start)
    if found:
        raise ImageError(f"PNG {found} is not read; save it again with another program")


def transparent_gray(stream: BinaryIO) -> int | None:
    """The gray that a PNG's tRNS chunk makes transparent, all 16 bits of it; None if there is none before the pixels.

    Parameters
    ----------
    stream : seekable binary stream
        Its position is restored.
    """
    start, key = stream.tell(), None
    stream.seek(8)
    while len(head := stream.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        if name == b"IDAT":
            break
        following = stream.tell() + length + 4
        if name == b"tRNS" and len(data := stream.read(min(length, 2))) == 2:
            key = int.from_bytes(data, "big")
        stream.seek(following)
    stream.seek(start)
    return key


def _not_read(stream: BinaryIO) -> str | None:
    stream.seek(8, 1)
    color, palette = 0, False
    while len(head := stream.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        if name == b"CgBI":
            return "of Apple's kind (CgBI)"
        if name == b"IHDR":
            data = stream.read(length)
            if len(data) < 13:
                return None
            if fault := _fault_of_header(data):
                return fault
            color, length = data[9], 0
        if name == b"IDAT":
            return "of palette colours without a palette" if color == 3 and not palette else None
        palette = palette or name == b"PLTE"
        if name[:1].isupper() and name not in {b"IHDR", b"PLTE", b"IEND"}:
            return f"with a chunk {printable(name.decode('latin-1'))}, which has to be understood,"
        stream.seek(length + 4, 1)
    return None


def _fault_of_header(data: bytes) -> str | None:
    bits, color, compression, filtering, interlacing = data[8:13]
    if bits not in _DEPTHS.get(color, ()):
        return f"of colour type {color} with {bits} bits"
    if compression or filtering or interlacing > 1:
        return f"of compression {compression}, filter {filtering} and interlacing {interlacing}"
    return None
