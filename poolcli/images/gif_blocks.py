"""The blocks of a GIF, read as Pillow does: where the frames lie, before anything is decoded."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

    Area = tuple[int, int, int, int]


def frame_areas(stream: BinaryIO) -> Iterator[Area]:
    """Where each frame lies on the canvas, (left, top, right, bottom), up to the end or to damage.

    Like Pillow, it skips bytes that begin no block, so that both find the same frames.

    Parameters
    ----------
    stream : seekable binary stream
        Its position changes.
    """
    stream.seek(0)
    head = stream.read(13)
    if len(head) < 13:
        return
    stream.seek(table_bytes(head[10]), 1)
    found = 0
    while (kind := stream.read(1)) not in {b"", b";"}:
        if kind == b"!":
            _pass_extension(stream, first=not found)
        elif kind == b",":
            place = stream.read(9)
            if len(place) < 9:
                return
            left, top, width, height, flags = struct.unpack("<HHHHB", place)
            found += 1
            yield left, top, left + width, top + height
            stream.seek(table_bytes(flags) + 1, 1)
            _pass_blocks(stream)


def canvas_size(stream: BinaryIO, page: int) -> tuple[int, int, int]:
    """Width and height of a GIF's canvas, which frames up to `page` may make larger, and how many of these there are.

    Parameters
    ----------
    stream : seekable binary stream
        Its position is restored.
    page : int
        From 1.
    """
    start = stream.tell()
    stream.seek(0)
    size = stream.read(10)[6:].ljust(4, b"\0")
    width, height = struct.unpack("<HH", size)
    found = 0
    for found, (_, _, right, bottom) in enumerate(frame_areas(stream), 1):
        width, height = max(width, right), max(height, bottom)
        if found == page:
            break
    stream.seek(start)
    return width, height, found


def frame_count(stream: BinaryIO) -> int:
    """How many frames there are; the position of the stream is restored."""
    start = stream.tell()
    count = sum(1 for _ in frame_areas(stream))
    stream.seek(start)
    return count


def table_bytes(flags: int) -> int:
    """Bytes of the colour table that these flags announce."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _pass_extension(stream: BinaryIO, *, first: bool) -> None:
    label, block = stream.read(1), _block(stream)
    if label == b"\xfe" and not block:
        return  # an empty comment; of other empty extensions Pillow takes what follows for data
    if label == b"\xff" and first and block.startswith(b"NETSCAPE2.0"):
        _block(stream)
    _pass_blocks(stream)


def _pass_blocks(stream: BinaryIO) -> None:
    while _block(stream):
        pass


def _block(stream: BinaryIO) -> bytes:
    """Up to 255 bytes; none at the end of a series of blocks, and at the end of the file."""
    length = stream.read(1)
    return stream.read(length[0]) if length else b""
