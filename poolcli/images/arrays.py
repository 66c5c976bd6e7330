"""Arrays as pictures: which types are accepted, what becomes of NaN, how channels become gray."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from poolcli.errors import ImageError, OptionError
from poolcli.images.opening import check_pixels, picture_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

NPY_MAGIC = b"\x93NUMPY"

# ITU-R BT.601 in 16-bit fixed point: the numbers behind Pillow's convert("L").
LUMA = (19595, 38470, 7471)
FLOAT_LUMA = (0.299, 0.587, 0.114)

_ROWS = 256
_ACCEPTED_TYPES = "uint8, uint16, float16, float32, float64 and bool are accepted"


def read_npy(stream: BinaryIO, length: int, max_pixels: int | None) -> NDArray[Any]:
    """The array of a ``.npy`` stream; shape and size are checked before anything is allocated.

    Raises
    ------
    ImageError
        Damaged, truncated, too large, or of a type or shape that is no picture.
    """
    with picture_errors("NPY file"):
        version = np.lib.format.read_magic(stream)
        # Version 3 differs from 2 only in field names, and arrays with fields are no pictures.
        if version not in {(1, 0), (2, 0)}:
            raise ImageError(f"NPY format {version[0]}.{version[1]} is not read; 1.0 and 2.0 are accepted")
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = header(stream)
        check_type(dtype)
        check_shape(shape, max_pixels)
        expected = int(np.prod(shape, dtype=object)) * dtype.itemsize
        present = length - stream.tell()
        if present < expected:
            raise ImageError(f"truncated NPY file: {present:,} bytes of data, {expected:,} expected")
        stream.seek(0)
        array: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
        return array


def check_type(dtype: np.dtype[Any]) -> None:
    """Refuse element types that are no pictures."""
    if dtype.hasobject or not (dtype.kind == "b" or dtype.name in {"uint8", "uint16", "float16", "float32", "float64"}):
        raise ImageError(f"array of type {dtype.name}; {_ACCEPTED_TYPES}")


def check_shape(shape: tuple[int, ...], max_pixels: int | None) -> None:
    """Refuse shapes other than (H, W) and (H, W, C), empty and too large ones."""
    if len(shape) not in {2, 3} or 0 in shape:
        raise ImageError(f"array of shape {shape}; (H, W) or (H, W, C) without empty axes is accepted")
    check_pixels(shape[0], shape[1], max_pixels)


def channels_of(shape: tuple[int, ...], channels: str) -> int:
    """How many channels the run will see: 1 for gray, else C.

    Raises
    ------
    ImageError
        A channel count that cannot become gray.
    """
    count = shape[2] if len(shape) == 3 else 1
    if channels == "each":
        return count
    if count not in {1, 3, 4}:
        raise ImageError(
            f"{count} channels cannot become gray; 1, 3 or 4 are accepted, any number with --channels each"
        )
    return 1


def standard_type(array: NDArray[Any]) -> NDArray[Any]:
    """Native uint8, uint16, float32 or float64: bool becomes 0 and 255, float16 becomes float32."""
    check_type(array.dtype)
    if array.dtype.kind == "b":
        return array.astype(np.uint8) * np.uint8(255)
    native = array.dtype.newbyteorder("=")
    return np.asarray(array, np.float32 if array.dtype == np.float16 else native, order="C")


def finite(array: NDArray[Any], nan: str) -> NDArray[Any]:
    """The array without NaN and infinity: refused, or replaced by 0 when `nan` is ``"zero"``.

    Examples
    --------
    >>> finite(np.array([[np.nan, 1.0]], np.float32), "zero")
    array([[0., 1.]], dtype=float32)
    """
    if nan not in {"error", "zero"}:
        raise OptionError(f"nan={nan!r}: error or zero is accepted")
    if array.dtype.kind != "f":
        return array
    count = sum(int(np.count_nonzero(~np.isfinite(array[rows]))) for rows in row_chunks(array.shape[0]))
    if not count:
        return array
    if nan == "error":
        noun = "value is" if count == 1 else "values are"
        raise ImageError(f"{count:,} {noun} NaN or infinite; finite values are accepted, --nan zero reads them as 0")
    return np.where(np.isfinite(array), array, array.dtype.type(0))


def to_gray(array: NDArray[Any], background: tuple[int, int, int]) -> NDArray[Any]:
    """One gray channel, of shape (H, W), from (H, W), (H, W, 1), (H, W, 3) or (H, W, 4).

    uint8 and uint16: ``(19595 R + 38470 G + 7471 B + 32768) >> 16``, as Pillow's ``convert("L")``. Floats:
    ``0.299 R + 0.587 G + 0.114 B`` in the array's own precision. A fourth channel is alpha, 0 to the type's maximum
    (0…1 for floats), and the colours are laid over `background` first.

    Parameters
    ----------
    array : ndarray of shape (H, W) or (H, W, C), uint8, uint16, float32 or float64
    background : (r, g, b), each 0…255

    Returns
    -------
    ndarray of shape (H, W), same type

    Examples
    --------
    >>> to_gray(np.array([[[255, 0, 0]]], np.uint8), (255, 255, 255))
    array([[76]], dtype=uint8)
    """
    if array.ndim == 2:
        return array
    if array.shape[2] == 1:
        return array[..., 0]
    gray = np.empty(array.shape[:2], array.dtype)
    for rows in row_chunks(array.shape[0]):
        chunk = array[rows] if array.shape[2] == 3 else over(array[rows], background)
        if array.dtype.kind == "f":
            red, green, blue = (array.dtype.type(weight) for weight in FLOAT_LUMA)
            gray[rows] = chunk[..., 0] * red + chunk[..., 1] * green + chunk[..., 2] * blue
        else:
            wide = chunk.astype(np.uint64)
            gray[rows] = (wide[..., 0] * LUMA[0] + wide[..., 1] * LUMA[1] + wide[..., 2] * LUMA[2] + 0x8000) >> 16
    return gray


def over(chunk: NDArray[Any], background: tuple[int, int, int]) -> NDArray[Any]:
    """RGB of shape (H, W, 3) from RGBA, laid over `background`."""
    colour, alpha = chunk[..., :3], chunk[..., 3:]
    if chunk.dtype.kind == "f":
        behind = np.array(background, chunk.dtype) / chunk.dtype.type(255)
        return np.asarray(colour * alpha + behind * (1 - alpha))
    top = int(np.iinfo(chunk.dtype).max)
    behind = np.array(background, np.uint32) * np.uint32(top // 255)
    wide = colour.astype(np.uint32) * alpha + behind * (np.uint32(top) - alpha)  # at most 65535², which fits
    return np.asarray((wide + np.uint32(top // 2)) // np.uint32(top))


def row_chunks(height: int, rows: int = _ROWS) -> Iterator[slice]:
    """Slices that cover `height` rows, a few at a time: temporary arrays stay small.

    Examples
    --------
    >>> list(row_chunks(5, 2))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    for top in range(0, height, rows):
        yield slice(top, min(top + rows, height))
