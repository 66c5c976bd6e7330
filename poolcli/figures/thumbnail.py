"""Thumbnails of inputs and results for a contact sheet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from poolcli.images.arrays import (
    NPY_MAGIC,
    ZIP_MAGIC,
    check_planes,
    finite,
    over,
    read_npy,
    read_npz,
    row_chunks,
    standard_type,
)
from poolcli.images.decode import decode
from poolcli.images.modes import parse_color
from poolcli.images.pillow_guard import quiet_pillow
from poolcli.images.quantize import pixels
from poolcli.images.resize import resized
from poolcli.images.safe_open import MAX_PIXELS, open_bytes, picture_errors

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

TILE = 160
"""Longest side of a thumbnail, in pixels."""
LARGEST_CELL = 96
"""Largest side of the square that a pixel of a small picture becomes."""
NARROWEST = 4
"""Least length of a thumbnail's shorter side: a thinner panorama is stretched, else it would be a mere line."""

_FLOAT_LIMIT = 1e30  # sums and differences of such values stay within float32


def input_thumbnail(
    source: str | os.PathLike[str] | BinaryIO, background: str = "white", *, max_pixels: int = MAX_PIXELS
) -> NDArray[np.uint8]:
    """A thumbnail of any file that `read.read` reads; large pictures are reduced smoothly.

    Parameters
    ----------
    source : path or binary stream
    background : str
        Colour behind transparent pixels.
    max_pixels : int
        Larger pictures are refused before anything is decoded.

    Returns
    -------
    ndarray of shape (h, w) or (h, w, 3), uint8
        At most `TILE` pixels a side. Pictures of at most half that are enlarged by a whole factor, each pixel a square
        of at most `LARGEST_CELL`. Floats and arrays of many channels are shown as by `result_thumbnail`.

    Raises
    ------
    ImageError
        Whatever is wrong with the file.
    OptionError
        A background that is no colour.

    Examples
    --------
    >>> import io
    >>> input_thumbnail(io.BytesIO(b"P2 3 1 255 0 128 255")).shape
    (53, 159)
    """
    return _thumbnail(_values(source, background, max_pixels), "lanczos")


def result_thumbnail(
    source: str | os.PathLike[str] | BinaryIO, *, max_pixels: int = MAX_PIXELS, enlarged_side: int = TILE
) -> NDArray[np.uint8]:
    """A thumbnail of a result in any of `write.FORMATS`: large ones are averaged by blocks, small ones enlarged.

    Floats are black at 0 and white at 1, as in a picture of the same map. If a map has values beyond, black is its
    smallest value below 0 and white its largest above 1. NaN and infinity count as 0. Arrays of 4 channels are colour
    over white; of 2 or more than 4 channels the first is shown.

    Parameters
    ----------
    source : path or binary stream
    max_pixels : int
        Larger results are refused before anything is decoded.
    enlarged_side : int
        Longest side, in pixels, to which a small result is enlarged: that of the input's thumbnail, so that a result of
        32x32 is not drawn larger than its input of 64x64.

    Returns
    -------
    ndarray of shape (h, w) or (h, w, 3), uint8
        At most `TILE` pixels a side.

    Raises
    ------
    ImageError
        Whatever is wrong with the file.

    Examples
    --------
    >>> import io
    >>> stream = io.BytesIO()
    >>> np.save(stream, np.array([[0.5, 2.0]], np.float32))
    >>> stream.seek(0)
    0
    >>> thumbnail = result_thumbnail(stream)
    >>> thumbnail.shape, thumbnail[0, 0], thumbnail[0, -1]
    ((80, 160), np.uint8(64), np.uint8(255))
    """
    return _thumbnail(_values(source, "white", max_pixels), "box", enlarged_side)


def _values(source: str | os.PathLike[str] | BinaryIO, background: str, max_pixels: int) -> NDArray[Any]:
    behind = parse_color(background)
    with picture_errors("picture"), open_bytes(source) as (stream, length), quiet_pillow():
        header = stream.read(32)
        stream.seek(0)
        if header.startswith(NPY_MAGIC):
            return _colors(standard_type(read_npy(stream, length, max_pixels, check_planes)), behind)
        if header.startswith(ZIP_MAGIC):
            return _colors(standard_type(read_npz(stream, max_pixels, check_planes)), behind)
        return decode(stream, header, "each", behind, max_pixels, lambda *_: None, enough=TILE).values


def _colors(array: NDArray[Any], background: tuple[int, int, int]) -> NDArray[Any]:
    """Gray or RGB from an array of any number of channels."""
    if array.ndim > 3:  # planes
        return array.reshape(-1, *array.shape[-2:])[0]
    if array.ndim == 3 and array.shape[2] == 4:
        colors = np.empty((*array.shape[:2], 3), array.dtype)
        for rows in row_chunks(array.shape[0]):
            colors[rows] = over(array[rows], background)
        return colors
    return array if array.ndim == 2 or array.shape[2] == 3 else array[..., 0]


def _thumbnail(values: NDArray[Any], method: str, enlarged_side: int = TILE) -> NDArray[np.uint8]:
    with picture_errors("picture"):
        values = finite(values, "zero")
        low, white = 0.0, {"u1": 255.0, "u2": 65535.0}.get(values.dtype.str[1:], 1.0)
        if values.dtype.kind == "f":
            low, white = max(-_FLOAT_LIMIT, min(0.0, values.min())), min(_FLOAT_LIMIT, max(1.0, values.max()))
            values = values.clip(low, white)
        height, width = values.shape[:2]
        longer = max(height, width)
        if longer > TILE:
            size = [max(1, round(side * TILE / longer)) for side in (height, width)]
            values = resized(values, (size[0], size[1]), method)
        small: NDArray[np.uint8] = pixels(values, white, depth=8, scale=(low, white) if low else "clip")
        for axis, side in enumerate(small.shape[:2]):
            times = max(min(enlarged_side // longer, LARGEST_CELL), -(-NARROWEST // side))
            small = small.repeat(times, axis) if times > 1 else small
        return small
