"""TIFF: its tags, and the kinds that Pillow reads wrongly, which are corrected here or refused by name."""

from __future__ import annotations

import io
import struct
import sys
from functools import cache
from typing import TYPE_CHECKING, BinaryIO

import PIL
from PIL import Image, ImageFile

from poolcli.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    Tags = Mapping[int, tuple[int, ...]]

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER = 256, 257, 258, 259, 262, 266
SAMPLES, PLANAR, PREDICTOR, TILE_WIDTH, EXTRA, SAMPLE_FORMAT, SUBSAMPLING = 277, 284, 317, 322, 338, 339, 530
UNSIGNED, SIGNED, FLOAT = 1, 2, 3
_PAGE_TAGS = (
    BITS,
    COMPRESSION,
    PHOTOMETRIC,
    FILL_ORDER,
    SAMPLES,
    PLANAR,
    PREDICTOR,
    TILE_WIDTH,
    EXTRA,
    SAMPLE_FORMAT,
    SUBSAMPLING,
)

READ = (
    "gray of 1, 2, 4, 8, 12 or 16 bits, whole numbers of 8 to 32 bits, float32, and palettes or colour of 8 or "
    "16 bits are read; save it as one of these"
)

_SIZES = {1: "B", 3: "H", 4: "I", 16: "Q"}  # the types of the tags that are read: byte, short, long, long8
_MOST_VALUES = 64
_UNREADABLE = (struct.error, OverflowError, OSError, ValueError)
_FORMAT_NAMES = {UNSIGNED: "", SIGNED: "signed", FLOAT: "float", 5: "complex integer", 6: "complex"}
_PHOTOMETRIC_NAMES = {
    0: "MinIsWhite gray", 1: "gray", 2: "RGB", 3: "palette", 4: "mask", 5: "CMYK", 6: "YCbCr", 8: "CIELAB", 9: "ICCLAB",
    10: "ITULAB", 32803: "camera sensor (CFA)", 32844: "LogL", 32845: "LogLuv", 34892: "linear camera sensor",
}  # fmt: skip
_COMPRESSION_NAMES = {
    2: "CCITT", 3: "CCITT group 3", 4: "CCITT group 4", 5: "LZW", 6: "old JPEG", 7: "JPEG", 8: "deflate", 32773: "PackBits",
    32946: "deflate", 34712: "JPEG 2000", 34887: "LERC", 34892: "lossy JPEG", 34925: "LZMA", 50000: "zstd", 50001: "WebP",
    50002: "JPEG XL",
}  # fmt: skip

# libtiff gives samples in the processor's byte order; Pillow unpacks these as if they were in the file's.
_NATIVE = {
    "I;16S": "I;16NS", "I;16BS": "I;16NS", "I;32S": "I;32NS", "I;32BS": "I;32NS", "F;32F": "F;32NF", "F;32BF": "F;32NF",
}  # fmt: skip


def read_tags(stream: BinaryIO, start: int | None = None) -> dict[int, tuple[int, ...]]:
    """Tags of a TIFF's page that hold whole numbers; empty if the directory cannot be read.

    Parameters
    ----------
    stream : seekable binary stream
        Its position is restored.
    start : int, optional
        Where the page's directory begins, by `page_starts`; without it that of the first page.

    Returns
    -------
    dict of int to tuple of int
        At most 64 values of each tag.
    """
    place = stream.tell()
    try:
        return _tags(stream, start)
    except _UNREADABLE:
        return {}
    finally:
        stream.seek(place)


def page_starts(stream: BinaryIO) -> tuple[list[int], bool]:
    """Where the directories of a TIFF's pages begin, and whether their chain is whole.

    Pillow counts pages by turning the image to each of them, and leaves it on another page if one is damaged or of a
    kind that it does not read.

    Parameters
    ----------
    stream : seekable binary stream
        Its position is restored.
    """
    place, starts = stream.tell(), dict[int, None]()
    try:
        order, big, start = _head(stream)
        size, number = struct.calcsize(order + ("HHQ8s" if big else "HHI4s")), order + ("Q" if big else "I")
        while start and start not in starts:
            stream.seek(start)
            count = struct.unpack(order + ("Q" if big else "H"), stream.read(8 if big else 2))[0]
            stream.seek(count * size, io.SEEK_CUR)
            following = struct.unpack(number, stream.read(8 if big else 4))[0]
            starts[start] = None
            start = following
    except _UNREADABLE:
        return list(starts), False
    finally:
        stream.seek(place)
    return list(starts), True


def _head(stream: BinaryIO) -> tuple[str, bool, int]:
    """Byte order, whether it is a BigTIFF, and where the first directory begins."""
    stream.seek(0)
    head = stream.read(16)
    order = "<" if head[:2] == b"II" else ">"
    big = struct.unpack_from(order + "H", head, 2)[0] == 43
    return order, big, struct.unpack_from(order + ("Q" if big else "I"), head, 8 if big else 4)[0]


def _tags(stream: BinaryIO, start: int | None) -> dict[int, tuple[int, ...]]:
    order, big, first = _head(stream)
    stream.seek(first if start is None else start)
    entry = order + ("HHQ8s" if big else "HHI4s")
    count = struct.unpack(order + ("Q" if big else "H"), stream.read(8 if big else 2))[0]
    data = stream.read(min(count, 4096) * struct.calcsize(entry))
    tags: dict[int, tuple[int, ...]] = {}
    for tag, kind, number, inline in struct.iter_unpack(entry, data):
        if kind not in _SIZES or not number:
            continue
        form = f"{order}{min(number, _MOST_VALUES)}{_SIZES[kind]}"
        values = inline
        if number * struct.calcsize(_SIZES[kind]) > len(inline):
            stream.seek(struct.unpack(order + ("Q" if big else "I"), inline)[0])
            values = stream.read(struct.calcsize(form))
        tags[tag] = struct.unpack_from(form, values)
    return tags


def kind_not_read(stream: BinaryIO, page_start: int | None = None) -> str | None:
    r"""What a TIFF that Pillow does not open holds, in words; None where its tags are damaged.

    Parameters
    ----------
    stream : seekable binary stream
    page_start : int, optional
        As `start` in `read_tags`.

    Examples
    --------
    >>> import io
    >>> entries = [(256, 4, 2), (257, 4, 1), (258, 3, 64), (262, 3, 1), (339, 3, 3)]
    >>> packed = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    >>> kind_not_read(io.BytesIO(b"II*\0" + struct.pack("<IH", 8, 5) + packed))
    '64-bit float gray'
    """
    tags = read_tags(stream, page_start)
    width, height, bits = (tags.get(tag, (default,))[0] for tag, default in ((WIDTH, 0), (HEIGHT, 0), (BITS, 1)))
    if min(width, height, bits) < 1 or bits > 128 or PHOTOMETRIC not in tags:
        return None
    start = stream.tell()
    stream.seek(0)
    magic = stream.read(4)
    stream.seek(start)
    order = "big-endian BigTIFF" if magic == b"MM\0+" else "big-endian" if magic[:1] == b"M" and bits > 8 else ""
    return described(tags, order)


def described(tags: Tags, order: str = "") -> str:
    """Samples, colour and layout of a TIFF in words: ``"64-bit float gray (deflate, big-endian)"``."""
    bits, form = tags.get(BITS, (1,)), tags.get(SAMPLE_FORMAT, (UNSIGNED,))
    samples, extra = tags.get(SAMPLES, (1,))[0], tags.get(EXTRA, ())
    photometric, compression = tags.get(PHOTOMETRIC, (0,))[0], tags.get(COMPRESSION, (1,))[0]
    depth = " and ".join(str(value) for value in sorted(set(bits)))
    kind = " and ".join(_FORMAT_NAMES.get(value, "unknown") for value in sorted(set(form)))
    words = f"{depth}-bit {kind} {_PHOTOMETRIC_NAMES.get(photometric, f'colour space {photometric}')}".replace(
        "  ", " "
    )
    if extra:
        alpha = {1: "premultiplied alpha", 2: "alpha"}.get(extra[0], "an extra channel")
        words += f" with {alpha if len(extra) == 1 else f'{len(extra)} extra channels'}"
    elif samples > 1 and photometric in {0, 1}:
        words += f" of {samples} channels"
    details = [
        "" if compression == 1 else _COMPRESSION_NAMES.get(compression, f"compression {compression}"),
        "fill order 2" if tags.get(FILL_ORDER) == (2,) else "",
        f"predictor {tags[PREDICTOR][0]}" if _ignored_predictor(tags) else "",
        "channels in separate planes" if tags.get(PLANAR, (1,))[0] == 2 and samples > 1 else "",
        order,
    ]
    layout = ", ".join(detail for detail in details if detail)
    return f"{words} ({layout})" if layout else words


def page_tags(image: Image.Image) -> dict[int, tuple[int, ...]]:
    """The tags that describe the samples of Pillow's current page, as tuples of whole numbers."""
    found = getattr(image, "tag_v2", {})
    values = {tag: found[tag] for tag in _PAGE_TAGS if tag in found}
    many = {tag: value if isinstance(value, tuple) else (value,) for tag, value in values.items()}
    return {tag: value for tag, value in many.items() if value and all(isinstance(one, int) for one in value)}


UNKNOWN_PLANES = int(PIL.__version__.split(".")[0]) >= 13
"""Whether Pillow decodes compressed planes of which one is neither colour nor alpha; older versions report damage."""


def prepare(image: ImageFile.ImageFile) -> None:
    """Before decoding: refuse kinds that Pillow reads wrongly, and correct the layout where that makes it read rightly.

    Parameters
    ----------
    image : Pillow image of a TIFF, not decoded

    Raises
    ------
    ImageError
        A kind that is not read; the kind is named.
    """
    tags = page_tags(image)
    photometric, planar = tags.get(PHOTOMETRIC, (0,))[0], tags.get(PLANAR, (1,))[0] == 2
    bits, extra, raw = tags.get(BITS, (1,)), tags.get(EXTRA, ()), tags.get(COMPRESSION, (1,))[0] == 1
    separate = planar and tags.get(SAMPLES, (len(bits),))[0] > 1
    wrong = (
        (photometric == 0 and image.mode in {"F", "I"})
        or (photometric == 6 and raw and (separate or tags.get(SUBSAMPLING, (2, 2)) != (1, 1)))
        or (
            separate
            and (
                photometric not in {2, 5, 6}
                or (raw and (extra[:1] == (1,) or (photometric == 5 and bits[0] == 16)))
                or (0 in extra and (raw or photometric == 6 or set(extra) != {0} or not UNKNOWN_PLANES))
            )
        )
        or len(set(bits)) > 1
        or _ignored_predictor(tags)
        or (raw and tags.get(FILL_ORDER) == (2,) and (separate or (photometric == 0 and bits == (8,))))
        or (photometric == 8 and tags.get(COMPRESSION) == (7,))
    )
    if wrong:
        raise ImageError(f"TIFF of {described(tags)} is not read; {READ}")
    big = image.tag_v2.prefix == b"MM"  # type: ignore[attr-defined]
    swapped = not raw and image.mode in {"I", "F"} and big != (sys.byteorder == "big")
    if not image.tile and (swapped or (separate and raw and bits[0] == 16)):
        raise ImageError("TIFF that Pillow has decoded with wrong samples; give its path, or the image before load()")
    for index, tile in enumerate(image.tile):
        mended = _native(tile.args) if tile.codec_name == "libtiff" else tile.args
        if separate and raw and bits[0] == 16 and isinstance(tile.args, tuple):
            order = "L" if image.tag_v2.prefix == b"II" else "B"  # type: ignore[attr-defined]
            mended = (f"{str(tile.args[0])[0]};16{order}", tags.get(TILE_WIDTH, (0,))[0] * 2, *tile.args[2:])
        elif separate and raw and isinstance(tile.args, tuple):
            mended = (tile.args[0], tags.get(TILE_WIDTH, (0,))[0], *tile.args[2:])
        image.tile[index] = ImageFile._Tile(tile.codec_name, tile.extents, tile.offset, mended)  # noqa: SLF001


_PIXELS = {
    "zstd": (50000, 1, b"\x28\xb5\x2f\xfd\x20\x01\x09\x00\x00\x07"),
    "webp": (50001, 3, b"RIFF\x1a\0\0\0WEBPVP8L\x0e\0\0\0/\0\0\0\0\x07\x10\x11\xfd\x0fDDD\xff\x03"),
}
"""Compressions that a build of Pillow may lack: the number in a TIFF, and one pixel of so many samples."""


def check_compression(name: str | None) -> None:
    """Refuse a TIFF whose compression this build of Pillow cannot read; Pillow would report a damaged file.

    Parameters
    ----------
    name : str or None
        As Pillow names it.

    Raises
    ------
    ImageError
    """
    if name in _PIXELS and not decodes(name):
        raise ImageError(
            f"TIFF compressed with {name} is not read by this build of Pillow; save it with deflate or LZW"
        )


@cache
def decodes(name: str) -> bool:
    """Whether a TIFF of one pixel can be read. Pillow has no flag for it, and a build without zstd crashes on writing."""
    number, samples, packed = _PIXELS[name]
    color = 1 if samples == 1 else 2
    tags = [(256, 1), (257, 1), (258, 8), (259, number), (262, color), (273, 8), (277, samples), (278, 1)]
    tags.append((279, len(packed)))
    data = b"II*\0" + struct.pack("<I", 8 + len(packed)) + packed + struct.pack("<H", len(tags))
    data += b"".join(struct.pack("<HHII", tag, 3, 1, value) for tag, value in tags) + bytes(4)
    try:
        Image.open(io.BytesIO(data)).load()
    except (OSError, RuntimeError, ValueError):
        return False
    return True


def _ignored_predictor(tags: Tags) -> bool:
    """Whether differences of samples are stated where none can be.

    With a compression that has none, readers disagree on what they mean; libtiff has none of samples below 8 bits, and
    the third predictor is one of floats.
    """
    predictor, bits = tags.get(PREDICTOR, (1,))[0], tags.get(BITS, (1,))[0]
    if predictor == 1:
        return False
    raw = tags.get(COMPRESSION, (1,))[0] in {1, 32773}
    return raw or (predictor == 2 and bits % 8 != 0) or (predictor == 3 and tags.get(SAMPLE_FORMAT) != (FLOAT,))


def _native(arguments: object) -> tuple[object, ...]:
    assert isinstance(arguments, tuple)
    return (_NATIVE.get(arguments[0], arguments[0]), *arguments[1:])
