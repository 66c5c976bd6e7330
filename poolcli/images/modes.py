"""From a decoded Pillow image to an array: one rule for each mode. More than 8 bits never go through `convert("L")`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
from PIL import Image, ImageColor

from poolcli.display import quoted
from poolcli.errors import ImageError, OptionError
from poolcli.images import tiff
from poolcli.images.arrays import row_chunks
from poolcli.images.png_chunks import transparent_gray

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from PIL import ImageFile

# Modes whose only channel is gray; everything else but LAB is colour.
GRAY_MODES = frozenset({"1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B", "I;16N"})
_ALPHA_MODES = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})
_MAY_BE_KEYED = frozenset({"1", "L", "P", "RGB"})

_STRIP_PIXELS = 1 << 18  # four bytes each: a strip stays in cache until it is converted
COVERED = "poolcli covered"
"""Key of `image.info`: the part of a GIF's canvas that its first frame covers, (left, top, right, bottom)."""

GRAY = "poolcli gray"
"""Key of `image.info`: red, green and blue are one gray, which Pillow gives as three channels."""

_KEY = "transparency"


def parse_color(text: str) -> tuple[int, int, int]:
    """Red, green and blue, each 0…255, of a colour name, ``#rrggbb`` or ``rgb(r, g, b)``.

    Raises
    ------
    OptionError
        No such colour.

    Examples
    --------
    >>> parse_color("orange")
    (255, 165, 0)
    """
    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except (ValueError, AttributeError):
        instead = "write a name such as white, #rrggbb or rgb(r, g, b)"
        raise OptionError(f"{quoted(str(text))} is not a colour; {instead}") from None
    return red, green, blue


def channel_count(image: Image.Image, channels: str, background: tuple[int, int, int]) -> int:
    """How many channels `picture_array` will give: 1 or 3. Reads the header only."""
    gray = image.mode in GRAY_MODES or GRAY in image.info
    if channels == "gray" or (gray and (len(set(background)) == 1 or not _has_alpha(image))):
        return 1
    return 3


def check_mode(image: Image.Image, channels: str, header: bytes = b"") -> None:
    """Refuse, before decoding, files that Pillow would decode wrongly; `header` is the beginning of the file.

    Raises
    ------
    ImageError
        CIELAB with `channels` "each", or a kind of TIFF or BMP that Pillow reads wrongly.
    """
    if image.format in {"BMP", "DIB"}:
        from poolcli.images.bmp import check_bmp

        check_bmp(cast("ImageFile.ImageFile", image), header)
    if image.format == "TIFF":
        tiff.prepare(cast("ImageFile.ImageFile", image))
    if image.mode == "LAB" and channels == "each":
        raise ImageError("CIELAB colour has no red, green and blue; use --channels gray, which reads its lightness")


def bits_note(image: ImageFile.ImageFile, header: bytes) -> str | None:
    """A note when the file has more bits per sample than Pillow gives. Reads the header only."""
    bits, what = 8, "gray with alpha" if image.mode == "LA" else "gray" if image.mode in GRAY_MODES else "colour"
    if image.format == "PNG" and header[25:26] in {b"\2", b"\4", b"\6"}:
        bits, what = header[24], "gray with alpha" if header[25] == 4 else "colour"
    elif image.format == "TIFF":
        bits = tiff.page_tags(image).get(tiff.BITS, (8,))[0]
    elif image.format == "AVIF":
        bits = _avif_bits(header)
    elif image.format == "HEIF":
        bits = image.info.get("bit_depth", 8)
    elif image.format == "PPM" and image.mode == "RGB":
        arguments = image.tile[0][3] if image.tile else ()
        bits = 16 if isinstance(arguments, tuple) and isinstance(arguments[-1], int) and arguments[-1] > 255 else 8
    if bits <= 8 or image.mode in {"I", "F"} or image.mode.startswith("I;"):
        return None
    return f"{bits}-bit {what} read at 8 bits"


def _avif_bits(header: bytes) -> int:
    """Bits per sample by the box av1C: two flags in its third byte, high bit depth and twelve bits."""
    place = header.find(b"av1C")
    flags = header[place + 6] if 0 <= place < len(header) - 6 else 0
    return 12 if flags & 0x60 == 0x60 else 10 if flags & 0x40 else 8


def largest_sample(image: ImageFile.ImageFile, header: bytes) -> int | None:
    """The largest number a gray sample of the file can have, where Pillow scales it: to 255, or 65535 in a PGM.

    None where the samples are what Pillow gives, and for colour. Reads the header only.
    """
    if image.mode == "1":
        return 1
    if image.format == "PPM" and image.tile and image.tile[0].codec_name.startswith("ppm"):
        stated = image.tile[0].args
        return int(stated[1]) if isinstance(stated, tuple) and image.mode in {"L", "I"} else None
    if image.mode != "L":
        return None
    bits = 8
    if image.format == "PNG":
        bits = header[24]
    elif image.format == "TIFF":
        bits = tiff.page_tags(image).get(tiff.BITS, (8,))[0]
    return (1 << bits) - 1 if bits < 8 else None


def turned_over(image: Image.Image) -> bool:
    """Whether Pillow gives a picture's gray samples as the file's largest number less them, since 0 is white there."""
    if image.format == "PPM":
        return image.mode == "1"
    white_is_0 = image.format == "TIFF" and tiff.page_tags(image).get(tiff.PHOTOMETRIC, (0,)) == (0,)
    return white_is_0 and image.mode in {"1", "L"}


def scale_key(image: ImageFile.ImageFile, header: bytes, stream: BinaryIO) -> None:
    """Bring a PNG's transparent gray (tRNS) to the range of the pixels that Pillow gives: 0…255 below 8 bits.

    If the key has more bits than the samples, only the low ones count, as the PNG specification says.
    """
    key = image.info.get(_KEY)
    if image.format != "PNG" or key is None:
        return
    bits, color = header[24], header[25]
    if color == 0 and isinstance(key, int):
        top = (1 << bits) - 1
        if bits == 1:  # of this key Pillow says only whether it is 0
            stated = transparent_gray(stream)
            key = key if stated is None else stated
        image.info[_KEY] = (key & top) * (255 // top if bits < 8 else 1)
    elif color == 2 and bits == 8 and isinstance(key, tuple):
        image.info[_KEY] = tuple(value & 255 for value in key)


def check_palette(image: Image.Image) -> None:
    """Refuse a decoded picture with a pixel whose colour is not in the palette of its file; Pillow makes it black.

    Raises
    ------
    ImageError
    """
    if image.mode != "P":
        return
    colors = len(image.palette.palette) // len(image.palette.mode) if image.palette else 0
    largest = cast("tuple[int, int]", image.getextrema())[1]
    if largest < colors:
        return
    pixels = np.asarray(image)
    if ((pixels >= colors) & (pixels != image.info.get(_KEY, colors - 1))).any():  # a transparent one needs no colour
        what = f"damaged {image.format} file" if image.format else "Pillow image"
        raise ImageError(f"{what}: a pixel of colour {largest}, and the palette has {colors}")


def _has_alpha(image: Image.Image) -> bool:
    keyed = image.mode in _MAY_BE_KEYED and _KEY in image.info
    colors = image.palette.mode if image.mode == "P" and image.palette else ""
    return image.mode in _ALPHA_MODES or keyed or COVERED in image.info or colors == "RGBA"


def picture_array(
    image: Image.Image, channels: str, background: tuple[int, int, int], own_numbers: bool = False
) -> tuple[NDArray[Any], str | None]:
    """Pixels of a decoded picture, and a note where their range is not that of the type.

    Parameters
    ----------
    image : Pillow image, loaded
    channels : ``"gray"`` or ``"each"``
    background : (r, g, b), each 0…255
        The colour behind transparent pixels.
    own_numbers : bool
        Whether gray samples that Pillow gives as they are in the file, of 12 bits or with 0 for white, stay so.

    Returns
    -------
    values : ndarray of shape (H, W) or (H, W, 3), uint8, uint16 or float32
    note : str or None
    """
    if image.mode.startswith("I"):
        return _whole_numbers(image) if image.mode == "I" else _sixteen_bits(image, background, own_numbers)
    if image.mode == "F":
        return _collect(image, np.float32, 1, lambda strip: strip), None
    if image.mode == "L" and tiff.page_tags(image).get(tiff.SAMPLE_FORMAT) == (tiff.SIGNED,):
        signed = _collect(image, np.uint8, 1, lambda strip: strip).view(np.int8)  # Pillow drops the sign only
        return signed, _numbers_note(signed)
    count = channel_count(image, channels, background)
    target = "L" if count == 1 else "RGB"
    if image.mode == "LAB":
        return _collect(image, np.uint8, 1, lambda strip: strip.getchannel(0)), None
    if _has_alpha(image):
        # A gray picture on a gray background gives the same numbers without going through colour.
        return _collect(image, np.uint8, count, lambda strip: _over(strip, background).convert(target)), None
    return _collect(image, np.uint8, count, lambda strip: strip.convert(target)), None


def _collect(
    image: Image.Image, dtype: type[np.generic], count: int, turn: Callable[[Image.Image], Image.Image]
) -> NDArray[Any]:
    # In strips, so that nothing else as large as the decoded picture and the result is in memory.
    width, height = image.size
    if width * height <= _STRIP_PIXELS:  # one strip: no crop needed
        return np.asarray(turn(image), dtype)  # shares Pillow's bytes, no copy
    out = np.empty((height, width) if count == 1 else (height, width, count), dtype)
    for rows in row_chunks(height, max(1, _STRIP_PIXELS // width)):
        strip = image.crop((0, rows.start, width, rows.stop))
        if COVERED in strip.info:
            left, top, right, bottom = strip.info[COVERED]
            strip.info[COVERED] = (left, max(top - rows.start, 0), right, max(bottom - rows.start, 0))
        out[rows] = np.asarray(turn(strip))
    return out


def _over(strip: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    rgba = to_rgba(strip)
    opacity = rgba.getchannel("A")
    if COVERED in strip.info:
        from PIL import ImageChops

        covered = Image.new("L", strip.size)
        covered.paste(255, strip.info[COVERED])
        opacity = ImageChops.darker(opacity, covered)
    flat = Image.new("RGB", strip.size, background)
    flat.paste(rgba, mask=opacity)
    return flat


def to_rgba(image: Image.Image) -> Image.Image:
    """Colours and opacity of a decoded picture of 8 bits, its key scaled by `scale_key`."""
    if image.mode == "1":  # Pillow compares the key with 0 and 1, but ours is scaled to 0…255
        image, key = image.convert("L"), image.info.get(_KEY)
        image.info.update({} if key is None else {_KEY: key})
    return (image.convert("LA") if image.mode == "La" else image).convert("RGBA")


def keyed_by_sixteen_bits(image: Image.Image, low: Image.Image, key: tuple[int, ...]) -> Image.Image:
    """RGBA of a 16-bit RGB picture in which one colour is transparent.

    Parameters
    ----------
    image, low : Pillow images of mode RGB
        The high and the low byte of each sample.
    key : (r, g, b), each 0…65535
    """
    opaque = np.empty((image.height, image.width), np.uint8)
    for rows in row_chunks(image.height):
        box = (0, rows.start, image.width, rows.stop)
        samples = np.asarray(image.crop(box), np.uint16) << 8 | np.asarray(low.crop(box))
        opaque[rows] = np.where((samples == np.array(key, np.uint16)).all(-1), 0, 255)
    image.info.pop(_KEY, None)
    image.putalpha(Image.fromarray(opaque))
    return image


def _sixteen_bits(
    image: Image.Image, background: tuple[int, int, int], own_numbers: bool
) -> tuple[NDArray[Any], str | None]:
    values = np.require(_collect(image, np.uint16, 1, lambda strip: strip), requirements="W")
    key = image.info.get(_KEY)
    if isinstance(key, int):
        behind = np.asarray(Image.new("RGB", (1, 1), background).convert("L"), np.uint16)
        values[values == key] = behind[0, 0] * np.uint16(257)
    if own_numbers:
        return values, None
    note, tags = None, tiff.page_tags(image)
    if tags.get(tiff.BITS) == (12,):
        for rows in row_chunks(values.shape[0]):
            values[rows] = (values[rows].astype(np.uint32) * 65535 + 2047) // 4095
        note = "12-bit samples scaled to 16 bits"
    if tags.get(tiff.PHOTOMETRIC) == (0,):
        np.subtract(np.uint16(65535), values, out=values)
    return values, note


def _whole_numbers(image: Image.Image) -> tuple[NDArray[Any], str | None]:
    if image.format == "PPM":  # 16-bit PGM, scaled to 0…65535 by its stated maximum
        return _collect(image, np.uint16, 1, lambda strip: strip), None
    values = _collect(image, np.int32, 1, lambda strip: strip)
    tags = tiff.page_tags(image)
    if tags.get(tiff.BITS) == (16,):
        values = values.astype(np.int16)
    elif image.format and tags.get(tiff.SAMPLE_FORMAT, (tiff.UNSIGNED,)) == (tiff.UNSIGNED,):
        values = values.view(np.uint32)  # Pillow gives unsigned samples as signed
    return values, _numbers_note(values)


def _numbers_note(values: NDArray[Any]) -> str:
    return f"{values.dtype.name} numbers {values.min()}…{values.max()} used as they are"
