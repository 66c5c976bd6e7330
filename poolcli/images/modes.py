"""What a decoded Pillow picture means: one rule per mode, none of them `convert("L")` on more than 8 bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageColor

from poolcli.errors import ImageError, OptionError
from poolcli.images.arrays import row_chunks
from poolcli.images.opening import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from PIL import ImageFile

# Modes whose only channel is gray; everything else but LAB is colour.
GRAY_MODES = frozenset({"1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B", "I;16N"})
_ALPHA_MODES = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})
_MAY_BE_KEYED = frozenset({"1", "L", "P", "RGB"})

_STRIP_PIXELS = 1 << 18  # four bytes each: what is cut out stays in cache until it is converted
_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339


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
        accepted = "a name such as white, #rrggbb or rgb(r, g, b) is accepted"
        raise OptionError(f"{printable(str(text))!r} is not a colour; {accepted}") from None
    return red, green, blue


def channel_count(image: ImageFile.ImageFile, channels: str, background: tuple[int, int, int]) -> int:
    """How many channels `picture_array` will give: 1 or 3. Reads the header only."""
    if channels == "gray" or (image.mode in GRAY_MODES and (len(set(background)) == 1 or not _has_alpha(image))):
        return 1
    return 3


def check_mode(image: ImageFile.ImageFile, channels: str) -> None:
    """Refuse, before decoding, what would be read wrong.

    Raises
    ------
    ImageError
        Signed 8-bit samples (Pillow drops their sign), inverted float samples, CIELAB by channels.
    """
    if image.mode == "LAB" and channels == "each":
        raise ImageError(
            "CIELAB colour has no red, green and blue; --channels gray is accepted and reads its lightness"
        )
    if _tiff_tag(image, _SAMPLE_FORMAT) == 2 and image.mode == "L":
        raise ImageError("signed 8-bit samples are not read; unsigned 8-bit or signed 16-bit samples are accepted")
    if _tiff_tag(image, _PHOTOMETRIC) == 0 and image.mode == "F":
        raise ImageError("inverted (MinIsWhite) float samples are not read; MinIsBlack is accepted")


def bits_note(image: ImageFile.ImageFile, header: bytes) -> str | None:
    """A note when the file has more bits per sample than Pillow gives. Reads the header only."""
    bits, what = 8, "gray with alpha" if image.mode in GRAY_MODES else "colour"
    if image.format == "PNG" and header[25:26] in {b"\2", b"\4", b"\6"}:
        bits, what = header[24], "gray with alpha" if header[25] == 4 else "colour"
    elif image.format == "TIFF":
        bits = _tiff_tag(image, _BITS) or 8
    elif image.format == "PPM" and image.mode == "RGB":
        arguments = image.tile[0][3] if image.tile else ()
        bits = 16 if isinstance(arguments, tuple) and isinstance(arguments[-1], int) and arguments[-1] > 255 else 8
    if bits <= 8 or image.mode in {"I", "F"} or image.mode.startswith("I;"):
        return None
    return f"{bits}-bit {what} read at 8 bits"


def _tiff_tag(image: ImageFile.ImageFile, tag: int) -> int | None:
    value = getattr(image, "tag_v2", {}).get(tag)
    if isinstance(value, tuple):
        value = value[0] if value else None
    return value if isinstance(value, int) else None


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in _ALPHA_MODES or (image.mode in _MAY_BE_KEYED and "transparency" in image.info)


def picture_array(
    image: ImageFile.ImageFile, channels: str, background: tuple[int, int, int]
) -> tuple[NDArray[Any], str | None]:
    """Pixels of a decoded picture, and a note when their range is not what it looks like.

    Parameters
    ----------
    image : Pillow image, loaded
    channels : ``"gray"`` or ``"each"``
    background : (r, g, b), each 0…255
        What lies behind transparent pixels.

    Returns
    -------
    values : ndarray of shape (H, W) or (H, W, 3), uint8, uint16 or float32
    note : str or None
    """
    if image.mode.startswith("I;16"):
        return _sixteen_bits(image, background)
    if image.mode == "I":
        return _thirty_two_bits(image)
    if image.mode == "F":
        return _collect(image, np.float32, 1, lambda strip: strip), None
    count = channel_count(image, channels, background)
    target = "L" if count == 1 else "RGB"
    if image.mode == "LAB":
        return _collect(image, np.uint8, 1, lambda strip: strip.getchannel(0)), None
    if _has_alpha(image):
        # A gray picture on a gray background needs no colour in between; the numbers are the same.
        return _collect(image, np.uint8, count, lambda strip: _over(strip, background).convert(target)), None
    return _collect(image, np.uint8, count, lambda strip: strip.convert(target)), None


def _collect(
    image: Image.Image, dtype: type[np.generic], count: int, turn: Callable[[Image.Image], Image.Image]
) -> NDArray[Any]:
    # Strip by strip: besides the decoded picture and the result there is never a third of their size.
    width, height = image.size
    if width * height <= _STRIP_PIXELS:  # one strip, which need not be cut out first
        return np.asarray(turn(image), dtype)  # of Pillow's bytes, which are not copied once more
    out = np.empty((height, width) if count == 1 else (height, width, count), dtype)
    for rows in row_chunks(height, max(1, _STRIP_PIXELS // width)):
        out[rows] = np.asarray(turn(image.crop((0, rows.start, width, rows.stop))))
    return out


def _over(strip: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    rgba = (strip.convert("LA") if strip.mode == "La" else strip).convert("RGBA")
    flat = Image.new("RGB", strip.size, background)
    flat.paste(rgba, mask=rgba.getchannel("A"))
    return flat


def _sixteen_bits(image: ImageFile.ImageFile, background: tuple[int, int, int]) -> tuple[NDArray[Any], str | None]:
    values = np.require(_collect(image, np.uint16, 1, lambda strip: strip), requirements="W")
    key = image.info.get("transparency")
    if isinstance(key, int):
        behind = np.asarray(Image.new("RGB", (1, 1), background).convert("L"), np.uint16)
        values[values == key] = behind[0, 0] * np.uint16(257)
    note = None
    if _tiff_tag(image, _BITS) == 12:
        for rows in row_chunks(values.shape[0]):
            values[rows] = (values[rows].astype(np.uint32) * 65535 + 2047) // 4095
        note = "12-bit samples scaled to 16 bits"
    if _tiff_tag(image, _PHOTOMETRIC) == 0:
        np.subtract(np.uint16(65535), values, out=values)
    return values, note


def _thirty_two_bits(image: ImageFile.ImageFile) -> tuple[NDArray[Any], str | None]:
    # Also where Pillow puts 16-bit PGM, scaled to 0…65535 by their stated maximum, and signed 16-bit TIFF.
    values = _collect(image, np.int32, 1, lambda strip: strip)
    if _tiff_tag(image, _BITS) == 32 and _tiff_tag(image, _SAMPLE_FORMAT) in {None, 1}:
        values = values.view(np.uint32)  # Pillow lets unsigned samples wrap
    if values.min() >= 0 and values.max() <= 65535:
        return values.astype(np.uint16), None
    return values.astype(np.float32), f"integers {values.min()}…{values.max()} used as they are, as floats"
