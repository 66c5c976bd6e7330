"""Arrays as pictures: which types are read, how NaN is handled, how channels become gray."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np

from poolcli.display import printable
from poolcli.errors import ImageError
from poolcli.images.safe_open import check_pixels, picture_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

NPY_MAGIC = b"\x93NUMPY"
ZIP_MAGIC = b"PK\3\4"

# ITU-R BT.601 in 16-bit fixed point, as in Pillow's convert("L").
LUMA = (19595, 38470, 7471)
FLOAT_LUMA = (0.299, 0.587, 0.114)

_ROWS = 256
_HEADER_BYTES = 10_000  # numpy's own limit
_PICTURE_CHANNELS = 4
_ACCEPTED_TYPES = "integers, float16, float32, float64 and bool are read; convert it to one of these"


def read_npy(
    stream: BinaryIO, length: int, max_pixels: int | None, check: Callable[[tuple[int, ...], int | None], None]
) -> NDArray[Any]:
    """The array of a ``.npy`` stream; its shape is checked, as `check_shape` does, before anything is allocated.

    Raises
    ------
    ImageError
        Damaged, truncated, too large, or of a type or shape that cannot be read as a picture.
    """
    with picture_errors("NPY file"):
        version = np.lib.format.read_magic(stream)
        # Version 3 differs from 2 only in field names, and arrays with fields are refused.
        if version not in {(1, 0), (2, 0)}:
            raise ImageError(
                f"NPY format {version[0]}.{version[1]} is not read; 1.0 and 2.0 are: save the array again with numpy.save"
            )
        shape, dtype = _npy_header(stream, length, version)
        check_type(dtype)
        check(shape, max_pixels)
        expected = int(np.prod(shape, dtype=object)) * dtype.itemsize
        present = length - stream.tell()
        if present < expected:
            raise ImageError(
                f"truncated NPY file: {present:,} bytes of data, {expected:,} expected; copy or save the file again"
            )
        stream.seek(0)
        array: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
        return array


def _npy_header(stream: BinaryIO, length: int, version: tuple[int, int]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    from tokenize import TokenError

    place, width = stream.tell(), 2 if version == (1, 0) else 4
    stated = stream.read(width)
    size, present = int.from_bytes(stated, "little"), max(length - place - width, 0)
    if len(stated) < width or present < size:
        raise ImageError("truncated NPY file: its header is cut off; copy or save the file again")
    if size > _HEADER_BYTES:
        raise ImageError(
            f"NPY header of {size:,} bytes; at most {_HEADER_BYTES:,} are read: save the array again with numpy.save"
        )
    stream.seek(place)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    try:
        shape, _, dtype = header(stream)
    except (ValueError, SyntaxError, TypeError, RecursionError, TokenError):  # numpy's words are for programmers
        raise ImageError(
            "damaged NPY file: its header is none that numpy.save writes; copy or save the file again"
        ) from None
    return shape, dtype


def read_npz(
    stream: BinaryIO, max_pixels: int | None, check: Callable[[tuple[int, ...], int | None], None]
) -> NDArray[Any]:
    """The only array of a ``.npz`` file.

    Raises
    ------
    ImageError
        The zip file does not hold exactly one array, or `read_npy` refuses the array.
    """
    import zipfile

    with picture_errors("NPZ file"), zipfile.ZipFile(stream) as archive:
        names = archive.namelist()
        if len(names) != 1 or not names[0].endswith(".npy"):
            held = ", ".join(printable(name) for name in names[:3]) + (", …" if len(names) > 3 else "")
            raise ImageError(f"zip file that holds {held or 'nothing'}; save one array alone with numpy.savez")
        with archive.open(names[0]) as member:
            return read_npy(cast("BinaryIO", member), archive.getinfo(names[0]).file_size, max_pixels, check)


def masked_cells(values: Any) -> int:
    """How many cells of an array are masked, or of a list of arrays, whose masks numpy drops.

    Examples
    --------
    >>> masked_cells([np.ma.masked_equal([0, 1], 0), [2, 3]])
    1
    """
    if isinstance(values, list | tuple):
        return sum(masked_cells(one) for one in values if isinstance(one, list | tuple | np.ma.MaskedArray))
    return int(np.count_nonzero(np.ma.getmaskarray(values))) if np.ma.is_masked(values) else 0


def check_type(dtype: np.dtype[Any]) -> None:
    """Refuse element types other than bool, integers and floats of 16 to 64 bits."""
    if dtype.hasobject or not (dtype.kind in "biu" or dtype.name in {"float16", "float32", "float64"}):
        raise ImageError(f"array of type {dtype.name}; {_ACCEPTED_TYPES}")


def check_shape(shape: tuple[int, ...], max_pixels: int | None) -> None:
    """Refuse shapes other than (H, W) and (H, W, C), empty and too large ones."""
    if len(shape) not in {2, 3} or 0 in shape:
        raise ImageError(f"array of shape {shape}; reshape it to (H, W) or (H, W, C), no axis empty")
    check_pixels(shape[0], shape[1], max_pixels)


def check_planes(shape: tuple[int, ...], max_pixels: int | None) -> None:
    """Refuse shapes other than (…, H, W), empty and too large ones."""
    if len(shape) < 2 or 0 in shape:
        raise ImageError(f"array of shape {shape}; --layout planes needs (…, H, W), no axis empty")
    check_pixels(shape[-2], shape[-1], max_pixels)


def check_cells(shape: tuple[int, ...], noun: str, max_pixels: int | None) -> None:
    """Refuse more cells than `max_pixels`, of (H, W, channels or planes); up to 4 channels are those of a picture.

    Examples
    --------
    >>> check_cells((500, 500, 4), "channels", 250_000)
    >>> check_cells((500, 500, 5), "channels", 250_000)
    Traceback (most recent call last):
    poolcli.errors.ImageError: 500x500x5 (height x width x channels) is 1,250,000 cells; at most 250,000 are allowed; raise the limit with --max-pixels
    """
    height, width, maps = shape
    cells = height * width * maps
    if max_pixels is not None and maps > _PICTURE_CHANNELS and cells > max_pixels:
        raise ImageError(
            f"{height}x{width}x{maps} (height x width x {noun}) is {cells:,} cells; "
            f"at most {max_pixels:,} are allowed; raise the limit with --max-pixels"
        )


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
            f"{count} channels cannot become gray, only 1, 3 or 4 can; use --channels each or --layout planes"
        )
    return 1


def standard_type(array: NDArray[Any]) -> NDArray[Any]:
    """Native integers, float32 or float64: bool becomes 0 and 255, float16 becomes float32."""
    check_type(array.dtype)
    if array.dtype.kind == "b":
        return array.astype(np.uint8) * np.uint8(255)
    native = array.dtype.newbyteorder("=")
    return np.asarray(array, np.float32 if native == np.float16 else native, order="C")


def finite(array: NDArray[Any], nan: str) -> NDArray[Any]:
    """The array without NaN and infinity: refused, replaced by 0 (``"zero"``), or all as NaN (``"ignore"``).

    Examples
    --------
    >>> finite(np.array([[np.nan, 1.0]], np.float32), "zero")
    array([[0., 1.]], dtype=float32)
    """
    if array.dtype.kind != "f":
        return array
    count = sum(int(np.count_nonzero(~np.isfinite(array[rows]))) for rows in row_chunks(array.shape[0]))
    if not count:
        return array
    if nan == "error":
        noun = "value is" if count == 1 else "values are"
        raise ImageError(
            f"{count:,} {noun} NaN or infinite; replace them, read them as 0 with --nan zero, or leave them out with --nan ignore"
        )
    return np.where(np.isfinite(array), array, array.dtype.type(0 if nan == "zero" else np.nan))


def to_gray(array: NDArray[Any], background: tuple[int, int, int]) -> NDArray[Any]:
    """One gray channel, of shape (H, W), from (H, W), (H, W, 1), (H, W, 3) or (H, W, 4).

    uint8 and uint16: ``(19595 R + 38470 G + 7471 B + 32768) >> 16``, as Pillow's ``convert("L")``. Floats:
    ``0.299 R + 0.587 G + 0.114 B`` in the array's own precision, other integers the same in float64. A fourth channel is
    alpha, 0 to the type's maximum (0…1 for floats), and the colours are laid over `background` first. Other
    integers have no alpha.

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
    if array.dtype.kind != "f" and array.dtype not in (np.uint8, np.uint16):
        if array.shape[2] == 4:
            raise ImageError(f"{array.dtype.name} array of 4 channels: its type has no alpha; use --channels each")
        array = array.astype(np.float64)
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


def gray_of(color: tuple[int, int, int]) -> int:
    """The gray of a colour, 0…255, by the weights of `to_gray`.

    Examples
    --------
    >>> gray_of((255, 0, 0))
    76
    """
    return (sum(weight * level for weight, level in zip(LUMA, color, strict=True)) + 0x8000) >> 16


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
    """Slices of a few rows that together cover `height` rows, so that temporary arrays stay small.

    Examples
    --------
    >>> list(row_chunks(5, 2))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    for top in range(0, height, rows):
        yield slice(top, min(top + rows, height))
