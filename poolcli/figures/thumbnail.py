"""Thumbnails of pictures and of results: small, upright, in colour, whatever the file holds."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np

from poolcli.images.arrays import NPY_MAGIC, finite, over, read_npy, row_chunks, standard_type
from poolcli.images.decode import decode
from poolcli.images.modes import parse_color
from poolcli.images.opening import MAX_PIXELS, open_bytes, picture_errors
from poolcli.images.pixels import pixels
from poolcli.images.quiet import quiet_pillow
from poolcli.images.resize import resized

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

TILE = 160
"""Longer side of a thumbnail, in pixels."""
LARGEST_CELL = 96
"""Side of the square that a single pixel becomes."""
NARROWEST = 4
"""Shorter side of a panorama at least, at the cost of its proportions: thinner ones would be mere lines."""

_ZIP_MAGIC = b"PK\x03\x04"
_FLOAT_LIMIT = 1e30  # far below where float32 sums and differences overflow


def input_thumbnail(
    source: str | os.PathLike[str] | BinaryIO, background: str = "white", *, max_pixels: int = MAX_PIXELS
) -> NDArray[np.uint8]:
    """A thumbnail of any file that `read.read` reads, smoothly made smaller.

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


def result_thumbnail(source: str | os.PathLike[str] | BinaryIO, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """A thumbnail of a result in any of `write.FORMATS`: blocks averaged, or each pixel a square.

    Floats are black at 0 and white at 1, as pictures of the same map are. Where a map goes beyond, so does the scale:
    black is its smallest value when that is below 0, white its largest when that is above 1. NaN and infinity count
    as 0. Arrays of 4 channels are colour over white; of 2 or more than 4 channels the first is shown.

    Parameters
    ----------
    source : path or binary stream
    max_pixels : int
        Larger results are refused before anything is decoded.

    Returns
    -------
    ndarray of shape (h, w) or (h, w, 3), uint8
        Sized as by `input_thumbnail`.

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
    return _thumbnail(_values(source, "white", max_pixels, zipped=True), "box")


def _values(
    source: str | os.PathLike[str] | BinaryIO, background: str, max_pixels: int, zipped: bool = False
) -> NDArray[Any]:
    behind = parse_color(background)
    with picture_errors("picture"), open_bytes(source) as (stream, length), quiet_pillow():
        header = stream.read(32)
        stream.seek(0)
        if header.startswith(NPY_MAGIC):
            return _colors(standard_type(read_npy(stream, length, max_pixels)), behind)
        if zipped and header.startswith(_ZIP_MAGIC):
            return _colors(standard_type(_read_npz(stream, max_pixels)), behind)
        return decode(stream, header, "each", behind, max_pixels, lambda *_: None, enough=TILE).values


def _read_npz(stream: BinaryIO, max_pixels: int) -> NDArray[Any]:
    with picture_errors("NPZ file"), zipfile.ZipFile(stream) as archive:
        member = archive.getinfo("output.npy")
        with archive.open(member) as unpacked:
            # Through the checks of any other array; np.load would believe whatever shape the header states.
            return read_npy(cast("BinaryIO", unpacked), member.file_size, max_pixels)


def _colors(array: NDArray[Any], background: tuple[int, int, int]) -> NDArray[Any]:
    """Gray or RGB from an array of any number of channels."""
    if array.ndim == 3 and array.shape[2] == 4:
        colors = np.empty((*array.shape[:2], 3), array.dtype)
        for rows in row_chunks(array.shape[0]):
            colors[rows] = over(array[rows], background)
        return colors
    return array if array.ndim == 2 or array.shape[2] == 3 else array[..., 0]


def _thumbnail(values: NDArray[Any], method: str) -> NDArray[np.uint8]:
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
            times = max(min(TILE // longer, LARGEST_CELL), -(-NARROWEST // side))
            small = small.repeat(times, axis) if times > 1 else small
        return small
