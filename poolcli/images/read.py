"""Reading a picture: from a file of any honesty to an upright array of known type."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from poolcli.errors import ImageError
from poolcli.images.arrays import (
    NPY_MAGIC,
    channels_of,
    check_shape,
    check_type,
    finite,
    read_npy,
    standard_type,
    to_gray,
)
from poolcli.images.decode import decode
from poolcli.images.embedded import embedded_recipe
from poolcli.images.modes import parse_color
from poolcli.images.opening import MAX_PIXELS, display_name, open_bytes, printable
from poolcli.images.quiet import quiet_pillow
from poolcli.images.resize import RESIZE_FILTERS
from poolcli.images.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

    from poolcli.images.settings import Check

__all__ = [
    "MAX_PIXELS",
    "RESIZE_FILTERS",
    "Picture",
    "display_name",
    "embedded_recipe",
    "from_array",
    "parse_color",
    "read",
]


class Picture(NamedTuple):
    """A picture as the first step of a run sees it.

    Attributes
    ----------
    values : ndarray of shape (H, W) or (H, W, C)
        uint8 or uint16, or floats as they were: float32, float64 for a float64 array.
    source : str
        Name fit for display.
    format : str
        ``"PNG"``, ``"JPEG"``, ``"NPY"``, …; ``"array"`` for an array given directly.
    mode : str
        Pillow's mode as found in the file, or the array's type.
    size : (H, W)
        Upright, before any resizing.
    notes : tuple of str
        What the reader of the picture should know: frames left out, bits lost.
    """

    values: NDArray[Any]
    source: str
    format: str
    mode: str
    size: tuple[int, int]
    notes: tuple[str, ...] = ()

    @property
    def depth(self) -> int | None:
        """Bits per sample, 8 or 16; None for floats."""
        return self.values.dtype.itemsize * 8 if self.values.dtype.kind == "u" else None


def read(
    source: str | os.PathLike[str] | BinaryIO,
    *,
    channels: str = "gray",
    background: str = "white",
    nan: str = "error",
    resize: tuple[int, int] | None = None,
    resize_filter: str = "bilinear",
    max_pixels: int = MAX_PIXELS,
    check: Check | None = None,
) -> Picture:
    """Read a picture or a ``.npy`` array, upright, one channel or all.

    Opaque 8-bit pictures give exactly what Pillow's ``convert("L")`` gives; 16-bit gray keeps its 65536 levels.

    Parameters
    ----------
    source : path or binary stream
        A stream (stdin) is read to its end.
    channels : ``"gray"`` or ``"each"``
        One gray channel of shape (H, W), or RGB as (H, W, 3). Gray pictures are (H, W) either way; of an array,
        ``"each"`` keeps the shape.
    background : str
        Colour behind transparent pixels.
    nan : ``"error"`` or ``"zero"``
        What becomes of NaN and infinity.
    resize : (H, W), optional
        Size to bring the picture to, antialiased, by one of `RESIZE_FILTERS`.
    resize_filter : str
    max_pixels : int
        Larger pictures are refused before anything is decoded.
    check : callable, optional
        Called as ``check(height, width, channels)``, with the size the run will see, before anything is decoded;
        may raise. Called again when the pixels turn out to lie on their side.

    Returns
    -------
    Picture

    Raises
    ------
    ImageError
        Missing, not a picture, damaged, too large, not finite, or not enough memory.
    OptionError
        A background, filter or size that is none.

    Examples
    --------
    >>> import io
    >>> picture = read(io.BytesIO(b"P2 3 1 255 0 128 255"))
    >>> picture.values, picture.depth, picture.format
    (array([[  0, 128, 255]], dtype=uint8), 8, 'PPM')
    """
    options = Settings.checked(channels, background, nan, resize, resize_filter, check, max_pixels)
    name = display_name(source) if isinstance(source, str | os.PathLike) else _stream_name(source)
    with _enough_memory(), open_bytes(source) as (stream, length), quiet_pillow():
        header = stream.read(32)
        stream.seek(0)
        if header.startswith(NPY_MAGIC):
            return _from_array(read_npy(stream, length, max_pixels), name, "NPY", options)
        found = decode(stream, header, options.channels, options.background, max_pixels, options.announce)
        height, width = found.values.shape[:2]
        values = options.resized(finite(found.values, options.nan))
        return Picture(values, name, found.format, found.mode, (height, width), found.notes)


def from_array(
    values: ArrayLike,
    *,
    source: str = "array",
    channels: str = "gray",
    background: str = "white",
    nan: str = "error",
    resize: tuple[int, int] | None = None,
    resize_filter: str = "bilinear",
    max_pixels: int | None = None,
    check: Check | None = None,
) -> Picture:
    """An array as a picture, by the rules of `read`; the values may share the array's memory.

    Parameters
    ----------
    values : array-like of shape (H, W) or (H, W, C)
        uint8, uint16, bool (0 and 255), float16 (becomes float32), float32 or float64.
    source : str
        Name fit for display, shown in reports.
    channels, background, nan, resize, resize_filter, check
        As in `read`.
    max_pixels : int, optional
        No limit by default: the array exists already.

    Returns
    -------
    Picture

    Raises
    ------
    ImageError
        A type or shape that is no picture, NaN or infinity, not enough memory.
    OptionError
        A background, filter or size that is none.

    Examples
    --------
    >>> picture = from_array(np.array([[0, 65535]], np.uint16))
    >>> picture.depth, picture.size
    (16, (1, 2))
    """
    options = Settings.checked(channels, background, nan, resize, resize_filter, check, max_pixels)
    with _enough_memory(), quiet_pillow():
        try:
            array = np.asarray(values)
        except ValueError:
            raise ImageError("rows of different lengths; an array of shape (H, W) or (H, W, C) is accepted") from None
        return _from_array(array, printable(source), "array", options)


@contextmanager
def _enough_memory() -> Iterator[None]:
    try:
        yield
    except MemoryError:
        raise ImageError("not enough memory for a picture of this size; --max-pixels lowers the limit") from None


def _stream_name(stream: BinaryIO) -> str:
    name = getattr(stream, "name", None)
    return "stdin" if not isinstance(name, str) or name == "<stdin>" else display_name(name)


def _from_array(array: NDArray[Any], source: str, kind: str, options: Settings) -> Picture:
    check_type(array.dtype)
    check_shape(array.shape, options.max_pixels)
    height, width = array.shape[:2]
    options.announce(height, width, channels_of(array.shape, options.channels))
    mode = array.dtype.name
    values = finite(standard_type(array), options.nan)
    del array
    if options.channels == "gray":
        values = to_gray(values, options.background)
    return Picture(options.resized(values), source, kind, mode, (height, width))
