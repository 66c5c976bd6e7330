"""Reading a picture: from an untrusted file to an upright array of a known type."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np
from PIL import Image

from poolcli.display import display_name, printable
from poolcli.errors import ImageError
from poolcli.images.arrays import (
    NPY_MAGIC,
    ZIP_MAGIC,
    channels_of,
    check_type,
    finite,
    masked_cells,
    read_npy,
    read_npz,
    standard_type,
    to_gray,
)
from poolcli.images.decode import decode, decode_image, turn_to
from poolcli.images.nodata import equal_cells, with_missing
from poolcli.images.pillow_guard import quiet_pillow
from poolcli.images.read_options import ReadOptions
from poolcli.images.safe_open import MAX_PIXELS, PILLOW_FORMATS, open_bytes, open_picture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

    from poolcli.images.decode import Decoded
    from poolcli.images.read_options import Check


class Picture(NamedTuple):
    """A picture as the first step of a run sees it.

    Attributes
    ----------
    values : ndarray of shape (H, W) or (H, W, C)
        uint8 or uint16 for pictures; other integers and floats are numbers, with the values of the file.
    source : str
        Name, made safe for display.
    format : str
        ``"PNG"``, ``"JPEG"``, ``"NPY"``, …; ``"array"`` for an array given directly.
    mode : str
        Pillow's mode as found in the file, or the array's type.
    size : (H, W)
        Upright, before any resizing.
    notes : tuple of str
        Remarks for the user: frames left out, bits lost.
    bits : int, optional
        Bits per sample where they differ from the type of `values`: 8-bit samples held as floats.
    leading : tuple of int, optional
        The axes before (H, W) of an array of planes; `values` has them as channels.
    """

    values: NDArray[Any]
    source: str
    format: str
    mode: str
    size: tuple[int, int]
    notes: tuple[str, ...] = ()
    bits: int | None = None
    leading: tuple[int, ...] | None = None

    @property
    def depth(self) -> int | None:
        """Bits per sample of a picture, 8 or 16; None where the values are numbers, used as they are."""
        return self.bits or _bits(self.values.dtype)


def _bits(dtype: np.dtype[Any]) -> int | None:
    return dtype.itemsize * 8 if dtype in (np.uint8, np.uint16) else None


def read(
    source: str | os.PathLike[str] | BinaryIO,
    *,
    channels: str = "gray",
    layout: str = "hwc",
    background: str = "white",
    nan: str = "error",
    nodata: float | None = None,
    page: int = 1,
    own_numbers: bool = False,
    resize: tuple[int, int] | None = None,
    resize_filter: str = "bilinear",
    max_pixels: int = MAX_PIXELS,
    check: Check | None = None,
) -> Picture:
    """Read a picture or a ``.npy`` or ``.npz`` array, upright, as gray or with all channels.

    Opaque 8-bit pictures give exactly what Pillow's ``convert("L")`` gives; 16-bit gray keeps its 65536 levels.

    Parameters
    ----------
    source : path or binary stream
        A stream (stdin) is read to its end.
    channels : ``"gray"`` or ``"each"``
        One gray channel of shape (H, W), or RGB as (H, W, 3). Gray pictures are (H, W) either way; of an array,
        ``"each"`` keeps the shape.
    layout : ``"hwc"`` or ``"planes"``
        How an array of three axes or more is read: (H, W, C), or (…, H, W), every leading index a plane of its own.
    background : str
        Colour behind transparent pixels.
    nan : ``"error"``, ``"zero"`` or ``"ignore"``
        Refuse NaN and infinity, read them as 0, or as missing cells, which are NaN.
    nodata : int or float, optional
        The number of the file's samples that marks missing cells. Pictures are then floats, with NaN for these cells.
    page : int
        Which frame of an animation or page of a TIFF, from 1; arrays have one.
    own_numbers : bool
        Whether gray samples that are not of 8 or 16 bits, or have 0 for white, keep the file's own numbers; bool is then
        0 and 1.
    resize : (H, W), optional
        Size to resize to, by one of `RESIZE_FILTERS`.
    resize_filter : str
    max_pixels : int
        Larger pictures are refused before anything is decoded; of arrays of more than 4 channels or planes every cell
        counts.
    check : callable, optional
        Called as ``check(height, width, channels)``, with the size after resizing, before anything is decoded; may
        raise. Called again if metadata after the pixels turns the picture by 90 degrees.

    Returns
    -------
    Picture

    Raises
    ------
    ImageError
        Missing, not a picture, damaged, too large, not finite, or not enough memory.
    OptionError
        Not a colour, a filter or a size.

    Examples
    --------
    >>> import io
    >>> picture = read(io.BytesIO(b"P2 3 1 255 0 128 255"))
    >>> picture.values, picture.depth, picture.format
    (array([[  0, 128, 255]], dtype=uint8), 8, 'PPM')
    """
    options = ReadOptions.checked(
        channels, background, nan, resize, resize_filter, check, max_pixels, page, layout, own_numbers, nodata
    )
    name = display_name(source) if isinstance(source, str | os.PathLike) else _stream_name(source)
    with _enough_memory(), open_bytes(source) as (stream, length), quiet_pillow():
        header = stream.read(4096)  # an AVIF has its bits per sample some hundred bytes after the start
        stream.seek(0)
        if header.startswith(NPY_MAGIC):
            return _from_array(read_npy(stream, length, max_pixels, options.check_shape), name, "NPY", options)
        if header.startswith(ZIP_MAGIC):
            return _from_array(read_npz(stream, max_pixels, options.check_shape), name, "NPZ", options)
        found = decode(
            stream,
            header,
            options.channels,
            options.background,
            max_pixels,
            options.announce,
            page=page,
            own_numbers=own_numbers,
            nodata=options.nodata,
        )
        return _picture(found, name, options)


def from_array(
    values: ArrayLike | Image.Image,
    *,
    source: str = "array",
    channels: str = "gray",
    layout: str = "hwc",
    background: str = "white",
    nan: str = "error",
    nodata: float | None = None,
    page: int = 1,
    own_numbers: bool = False,
    resize: tuple[int, int] | None = None,
    resize_filter: str = "bilinear",
    max_pixels: int | None = None,
    check: Check | None = None,
) -> Picture:
    """An array as a picture, by the rules of `read`; the values may share the array's memory.

    Parameters
    ----------
    values : array-like of shape (H, W) or (H, W, C), or a Pillow image
        A Pillow image is read like a file of its mode. Arrays of uint8, uint16 and bool (0 and 255) are pictures;
        other integers, float32 and float64 are numbers, used unchanged; float16 becomes float32.
    source : str
        Name for display, shown in reports.
    channels, layout, background, nan, nodata, page, own_numbers, resize, resize_filter, check
        As in `read`.
    max_pixels : int, optional
        No limit by default: the array exists already.

    Returns
    -------
    Picture

    Raises
    ------
    ImageError
        A type or shape that cannot be read as a picture, NaN or infinity, not enough memory.
    OptionError
        Not a colour, a filter or a size.

    Examples
    --------
    >>> picture = from_array(np.array([[0, 65535]], np.uint16))
    >>> picture.depth, picture.size
    (16, (1, 2))
    """
    options = ReadOptions.checked(
        channels, background, nan, resize, resize_filter, check, max_pixels, page, layout, own_numbers, nodata
    )
    with _enough_memory(), quiet_pillow():
        if isinstance(values, Image.Image):
            return _from_image(values, printable(source), options)
        if count := masked_cells(values):
            noun = "value is" if count == 1 else "values are"
            raise ImageError(f"{count:,} {noun} masked; fill them first, for example with array.filled(0)")
        try:
            array = np.asarray(values)
        except ValueError:
            raise ImageError("rows of different lengths; make them one length, shape (H, W) or (H, W, C)") from None
        except Exception as error:  # noqa: BLE001 - a tensor's __array__ may raise anything
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            msg = f"array of type {type(values).__name__}: {reason}; convert a tensor with x.detach().float().numpy()"
            raise ImageError(msg) from None
        return _from_array(array, printable(source), "array", options)


@contextmanager
def _enough_memory() -> Iterator[None]:
    try:
        yield
    except MemoryError:
        raise ImageError(
            "not enough memory for a picture of this size; use a smaller one, or refuse such sizes with --max-pixels"
        ) from None


def _stream_name(stream: BinaryIO) -> str:
    name = getattr(stream, "name", None)
    return "stdin" if not isinstance(name, str) or name == "<stdin>" else display_name(name)


def _from_image(image: Image.Image, source: str, options: ReadOptions) -> Picture:
    if options.page != 1:
        raise ImageError(
            f"page {options.page} of a Pillow image, which gives its current page; call image.seek({options.page - 1}) first"
        )
    found = _from_its_file(image, options)
    if found is None:
        found = decode_image(
            image, options.channels, options.background, options.announce, options.nodata, options.own_numbers
        )
    return _picture(found, source, options)


def _from_its_file(image: Image.Image, options: ReadOptions) -> Decoded | None:
    """An opened file that is not decoded yet, by the rules of files, of which Pillow keeps too little in its image."""
    stream, pending = getattr(image, "fp", None), getattr(image, "tile", None)
    if not pending or stream is None or image.format not in PILLOW_FORMATS or not stream.seekable():
        return None
    place = stream.tell()
    try:
        stream.seek(0)
        header = stream.read(4096)
        stream.seek(0)
        same = open_picture(stream, sys.maxsize)
        if image.format == "TIFF" and image.tell():
            turn_to(same, image.tell() + 1, stream)  # pages may differ in size
        if same.size != image.size or image.info.get("transparency") != same.info.get("transparency"):
            return None  # draft(), or changed by hand
        stream.seek(0)
        return decode(
            stream,
            header,
            options.channels,
            options.background,
            sys.maxsize,
            options.announce,
            page=image.tell() + 1,
            own_numbers=options.own_numbers,
            nodata=options.nodata,
        )
    finally:
        stream.seek(place)


def _picture(found: Decoded, source: str, options: ReadOptions) -> Picture:
    height, width = found.values.shape[:2]
    values = options.present(found.values, found.missing)
    notes = (*found.notes, *options.notes(values))
    bits = _bits(found.values.dtype)
    return Picture(options.resized(values), source, found.format, found.mode, (height, width), notes, bits)


def _from_array(array: NDArray[Any], source: str, kind: str, options: ReadOptions) -> Picture:
    if options.page != 1:
        raise ImageError(f"page {options.page} of an array, which has one; write 1")
    check_type(array.dtype)
    mode, leading, channels = array.dtype.name, None, options.channels
    options.check_shape(array.shape, options.max_pixels)
    if options.layout == "planes":
        leading, channels = array.shape[:-2], "each"
        array = np.moveaxis(array.reshape(-1, *array.shape[-2:]), 0, -1)
    height, width = array.shape[:2]
    options.announce(height, width, channels_of(array.shape, channels))
    values = (
        array if leading is None else np.moveaxis(array, -1, 0)
    )  # in the order of the memory, so that converting is fast
    missing = None if options.nodata is None else equal_cells(values, options.nodata)
    values = finite(standard_type(values), options.nan)
    del array
    if leading is not None:
        values = np.moveaxis(values, 0, -1)
        missing = None if missing is None else np.moveaxis(missing, 0, -1)
    elif channels == "gray":
        values = to_gray(values, options.background)
        missing = np.asarray(missing[..., :3].any(axis=2)) if missing is not None and missing.ndim == 3 else missing
    if options.own_numbers and mode == "bool":
        values = values >> np.uint8(7)
    bits = _bits(values.dtype)
    values = values if missing is None else with_missing(values, missing)
    notes = options.notes(values)
    return Picture(options.resized(values), source, kind, mode, (height, width), notes, bits, leading)
