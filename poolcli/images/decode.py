"""Decoding a picture file: header, checks, pixels, orientation, in the order that Pillow needs to be right."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

import numpy as np

from poolcli.errors import ImageError
from poolcli.images import tiff
from poolcli.images.modes import (
    COVERED,
    GRAY,
    bits_note,
    channel_count,
    check_mode,
    check_palette,
    keyed_by_sixteen_bits,
    largest_sample,
    picture_array,
    scale_key,
    to_rgba,
    turned_over,
)
from poolcli.images.nodata import picture_cells
from poolcli.images.safe_open import check_pixels, open_picture, picture_errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from PIL import Image, ImageFile

_ORIENTATION = 0x0112

# EXIF orientation -> function that makes the picture upright. A table of our own, since Pillow's exif_transpose raises on damaged EXIF.
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
    """Upright pixels of a file, its format and mode by Pillow's names, notes, and which cells are missing."""

    values: NDArray[Any]
    format: str
    mode: str
    notes: tuple[str, ...]
    missing: NDArray[np.bool_] | None = None


def decode(
    stream: BinaryIO,
    header: bytes,
    channels: str,
    background: tuple[int, int, int],
    max_pixels: int,
    announce: Callable[[int, int, int], None],
    enough: int | None = None,
    page: int = 1,
    own_numbers: bool = False,
    nodata: float | None = None,
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
    enough : int, optional
        For a thumbnail: the longer side in pixels that is enough. JPEG is then decoded at 1/2, 1/4 or 1/8, and
        CIELAB as its lightness, whatever `channels` is.
    page : int
        Which frame or page, from 1.
    own_numbers : bool
        Whether gray samples keep the numbers they have in the file: 0…15 for 4 bits, which Pillow gives as 0…255, and
        0 for white where the file has it so.
    nodata : int or float, optional
        The number of the file's samples that marks missing cells.

    Raises
    ------
    ImageError
        Not a picture, damaged, too large, not enough memory.
    """
    image = open_picture(stream, max_pixels)
    kind, mode = image.format or "picture", image.mode
    if page > 1 and kind == "GIF":
        return _frame_of_gif(stream, page, channels, background, max_pixels, announce, nodata)
    if page > 1 and kind == "PNG":
        return _frame_of_png(image, stream, header, page, channels, background, announce, own_numbers, nodata)
    if page > 1:
        turn_to(image, page, stream)
        check_pixels(image.height, image.width, max_pixels)
        mode = image.mode
    with picture_errors(f"{kind} file"):
        if enough is not None:
            channels = "gray" if mode == "LAB" else channels
            part = min(1.0, enough / max(image.size))
            image.draft(None, (math.ceil(image.width * part), math.ceil(image.height * part)))
        check_mode(image, channels, header)
        if kind == "PNG" and header[24:26] == b"\x10\4":
            image.info[GRAY] = True
        notes = [bits_note(image, header)]
        if nodata is not None and notes[0] is not None:
            raise ImageError(f"nodata with {notes[0]}: its own numbers are not kept; leave --nodata out")
        largest = largest_sample(image, header)
        scale_key(image, header, stream)
        if kind == "GIF" and page == 1 and image.tile and image.tile[0].extents != (0, 0, *image.size):
            image.info[COVERED] = image.tile[0].extents
        count = channel_count(image, channels, background)
        # A PNG may carry its EXIF after the pixels, and Pillow would decode them to look for it.
        early = kind != "PNG" or "exif" in image.info
        orientation = _orientation(image) if early else 1
    size = _turned((image.height, image.width), orientation)
    announce(*size, count)
    with picture_errors(f"{kind} file"):
        _load(image, stream)
    if not early:
        orientation = _orientation(image)
        if _turned(size, orientation) != size:
            announce(*_turned(size, orientation), count)
    with picture_errors(f"{kind} file"):
        frames = _frames_note(image, page, stream)
        whole = _completed(image, stream, header)
        values, range_note = picture_array(whole, channels, background, own_numbers)
        notes += [range_note, frames]
        missing = None if nodata is None else picture_cells(image, values, largest, nodata)
        values = _own(values, largest, turned_over(image)) if own_numbers else values
    del image, whole  # freed before turning: the decoded colours and the turned copy need not be in memory together
    values, missing = _upright(values, orientation), None if missing is None else _upright(missing, orientation)
    return Decoded(values, kind, mode, tuple(note for note in notes if note), missing)


def _own(values: NDArray[Any], largest: int | None, over: bool = False) -> NDArray[Any]:
    """The numbers that gray samples have in the file, of which the largest is `largest`, where Pillow has scaled them.

    With `over`, where Pillow has turned them over as well.
    """
    if values.ndim != 2:
        return values
    white = 65535 if values.dtype.itemsize == 2 else 255
    if largest is not None:
        values = ((values.astype(np.uint32) * largest + white // 2) // white).astype(values.dtype)
    return np.asarray(values.dtype.type(white if largest is None else largest) - values) if over else values


def _load(image: ImageFile.ImageFile, stream: BinaryIO) -> None:
    """Decode, never twice: a second load() after a failed one may give half a picture without an error."""
    if image.format == "TIFF":
        tiff.check_compression(image.info.get("compression"))
    elif image.format == "PPM":
        from poolcli.images.pnm import scale_samples

        scale_samples(image, stream)
    image.load()
    check_palette(image)


def decode_image(
    image: Image.Image,
    channels: str,
    background: tuple[int, int, int],
    announce: Callable[[int, int, int], None],
    nodata: float | None = None,
    own_numbers: bool = False,
) -> Decoded:
    """A Pillow image as `decode` would read a file of its mode; call it inside `quiet_pillow`.

    Raises
    ------
    ImageError
        A mode that is not read, or damaged data in the file that the image was opened from.
    """
    kind = image.format or "image"
    check_pixels(image.height, image.width, None)
    with picture_errors(f"Pillow {kind}"):
        check_mode(image, channels)
        if image.mode in {"La", "RGBa"}:
            image = image.convert("LA" if image.mode == "La" else "RGBA")
        count = channel_count(image, channels, background)
        orientation = _orientation(image)
        announce(*_turned((image.height, image.width), orientation), count)
        image.load()
        check_palette(image)
        values, note = picture_array(image, channels, background, own_numbers)
        # Of a decoded PNG or PGM the file's own depth is not known any more.
        known = image.mode == "1" or image.format == "TIFF"
        largest = largest_sample(cast("ImageFile.ImageFile", image), b"") if known else None
        missing = None if nodata is None else picture_cells(image, values, largest, nodata)
        values = _own(values, largest, turned_over(image)) if own_numbers else values
    values, missing = _upright(values, orientation), None if missing is None else _upright(missing, orientation)
    return Decoded(values, kind, image.mode, (note,) if note else (), missing)


def _upright(values: NDArray[Any], orientation: int) -> NDArray[Any]:
    return np.ascontiguousarray(_UPRIGHT[orientation](values)) if orientation in _UPRIGHT else values


def turn_to(image: ImageFile.ImageFile, page: int, stream: BinaryIO) -> None:
    """Go to a frame or page of an opened file that is not a GIF; its size is not checked.

    Raises
    ------
    ImageError
        No such page, a damaged one, or one of a kind that is not read.
    """
    with picture_errors(f"{image.format} file"):
        if image.format != "TIFF":
            _check_page(page, int(getattr(image, "n_frames", 1)))
            image.seek(page - 1)
            return
        starts, whole = tiff.page_starts(stream)
        if page > len(starts) and not whole:
            raise ImageError(
                f"damaged TIFF file: no page can be found after page {len(starts)}; write a page from 1 to {len(starts)}"
            )
        _check_page(page, len(starts))
        try:
            image.seek(page - 1)
        except (SyntaxError, KeyError):
            held = tiff.kind_not_read(stream, starts[page - 1])
            if held is None:
                raise
            raise ImageError(f"page {page}: TIFF of {held} is not read; {tiff.READ}") from None


def _check_page(page: int, frames: int) -> None:
    if page > frames:
        raise ImageError(
            f"page {page} of a file of {frames}; write 1 to {frames}"
            if frames > 1
            else f"page {page} of a file of one page; write 1"
        )


def _frame_of_gif(
    stream: BinaryIO,
    page: int,
    channels: str,
    background: tuple[int, int, int],
    max_pixels: int,
    announce: Callable[[int, int, int], None],
    nodata: float | None,
) -> Decoded:
    """A later frame. Pillow would fill areas of the size that a damaged file states while it looks for the frame."""
    from poolcli.images.gif import whole_frame
    from poolcli.images.gif_blocks import canvas_size, frame_count

    width, height, found = canvas_size(stream, page)
    _check_page(page, found)
    check_pixels(height, width, max_pixels)
    if nodata is not None:
        raise ImageError("nodata with a frame of a GIF, whose samples are colours; leave --nodata out")
    announce(height, width, 1 if channels == "gray" else 3)
    with picture_errors("GIF file"):
        whole = whole_frame(stream, page, (width, height), max_pixels)
        values, _ = picture_array(whole, channels, background)
    return Decoded(values, "GIF", whole.mode, (f"frame {page} of {frame_count(stream)} used",))


def _frame_of_png(
    image: ImageFile.ImageFile,
    stream: BinaryIO,
    header: bytes,
    page: int,
    channels: str,
    background: tuple[int, int, int],
    announce: Callable[[int, int, int], None],
    own_numbers: bool,
    nodata: float | None,
) -> Decoded:
    """A later frame of an animation; `image` is the opened file."""
    from poolcli.images import apng

    with picture_errors("PNG file"):
        frames = apng.frame_count(stream)
        _check_page(page, frames)
        bits, gray = header[24], header[25] in {0, 4}
        announce(*_turned((image.height, image.width), orientation := _orientation(image)), 1 if gray else 3)
        pixels = image.width * image.height
        whole = apng.whole_frame(stream, page, image.size, lambda one: _frame_as_rgba(one, pixels))
    note = f"frame {page} of {frames} used"
    if isinstance(whole, bytes):
        one = decode(
            io.BytesIO(whole), whole[:4096], channels, background, pixels, lambda *_: None,
            own_numbers=own_numbers, nodata=nodata,
        )  # fmt: skip
        missing = None if one.missing is None else _upright(one.missing, orientation)
        return one._replace(values=_upright(one.values, orientation), missing=missing, notes=(*one.notes, note))
    if nodata is not None:
        raise ImageError("nodata with a frame that is laid over others, whose samples are mixed; leave --nodata out")
    values, _ = picture_array(whole.convert("LA") if gray else whole, channels, background)
    values = _own(values, (1 << bits) - 1) if own_numbers and gray and bits < 8 else values
    notes = (bits_note(image, header), note)
    return Decoded(_upright(values, orientation), "PNG", whole.mode, tuple(one for one in notes if one))


def _frame_as_rgba(stream: BinaryIO, max_pixels: int) -> Image.Image:
    image = open_picture(stream, max_pixels)
    stream.seek(0)
    header = stream.read(26)
    if image.mode.startswith("I"):
        raise ImageError("PNG animation of 16-bit gray with a frame laid over others is not read; save the frame alone")
    scale_key(image, header, stream)
    image.load()
    check_palette(image)
    return to_rgba(_completed(image, stream, header))


def _completed(image: ImageFile.ImageFile, stream: BinaryIO, header: bytes) -> Image.Image:
    """The decoded picture with the transparency that Pillow leaves out, if it has any."""
    key = image.info.get("transparency")
    if image.format == "PNG" and isinstance(key, tuple) and header[24] == 16:
        # A colour key has all 16 bits. Read again as little-endian samples, the file gives its low bytes.
        stream.seek(0)
        low = open_picture(stream, image.width * image.height)
        low.tile = [tile._replace(args=str(tile.args).replace(";16B", ";16L")) for tile in low.tile]
        low.load()
        return keyed_by_sixteen_bits(image, low, key)
    return image


def _orientation(image: Image.Image) -> int:
    if image.format == "TIFF":
        return 1  # Pillow's load() has turned it already
    try:
        value = image.getexif().get(_ORIENTATION)
    except Exception:  # noqa: BLE001
        return 1  # damaged metadata does not make the picture unreadable
    return value if isinstance(value, int) and value in _UPRIGHT else 1


def _turned(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    return size[::-1] if orientation >= 5 else size


def _frames_note(image: ImageFile.ImageFile, page: int, stream: BinaryIO) -> str | None:
    try:
        if image.format == "GIF":
            from poolcli.images.gif_blocks import frame_count

            frames = frame_count(stream)  # Pillow would decode the first frame once more after counting
        elif image.format == "TIFF":
            starts, whole = tiff.page_starts(stream)
            frames = len(starts) if whole else 1
        else:
            frames = int(getattr(image, "n_frames", 1))
    except Exception:  # noqa: BLE001
        return None  # counting parses the rest of the file, which may be damaged although the first frame is good
    return f"frame {page} of {frames} used" if frames > 1 else None
