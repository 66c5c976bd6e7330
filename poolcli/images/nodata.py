"""Cells that a file marks as missing: by NaN, or by a number that stands for no data."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli.display import shortened
from poolcli.errors import ImageError, OptionError
from poolcli.images.arrays import row_chunks
from poolcli.images.modes import turned_over

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    Mask = NDArray[np.bool_]

LARGEST_WHOLE = 1 << 53
"""Whole numbers up to this are float64 exactly."""


def nodata_value(value: Any) -> int | float | None:
    """The number that marks missing cells, whole ones as int; written numbers are accepted.

    Raises
    ------
    OptionError
        No number, or none that is finite.

    Examples
    --------
    >>> nodata_value("-9999"), nodata_value(-9999.0), nodata_value("1e-3")
    (-9999, -9999, 0.001)
    """
    if value is None:
        return None
    number = value.item() if isinstance(value, np.generic) else value
    number = _written(number) if isinstance(number, str) else number
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise OptionError(f"nodata {shortened(value)}; write a number, such as -9999")
    try:
        finite = math.isfinite(number)
    except OverflowError:
        raise OptionError(f"nodata {shortened(value)}: no sample is as large; write a number, such as -9999") from None
    if not finite:
        raise OptionError(f"nodata {value}: NaN and infinity are left out with --nan ignore")
    return int(number) if number == int(number) else number


def _written(text: str) -> int | float | None:
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return None


def equal_cells(samples: NDArray[Any], nodata: float) -> Mask:
    """Which samples are the number that marks missing cells; floats are compared in their own precision.

    Raises
    ------
    ImageError
        The type of the samples cannot hold the number.

    Examples
    --------
    >>> equal_cells(np.array([0.1, 0.2], np.float32), 0.1)
    array([ True, False])
    """
    dtype = samples.dtype
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            own = np.asarray(float(nodata)).astype(dtype)
        if np.isinf(own):
            raise ImageError(f"nodata {nodata}: too large for the picture's {dtype.name} numbers")
    else:
        low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        if nodata != int(nodata) or not low <= nodata <= high:
            raise ImageError(f"nodata {nodata}: the picture's numbers are whole, from {low} to {high}")
        own = np.asarray(int(nodata)).astype(dtype)
    return np.asarray(samples == own)


def picture_cells(image: Image.Image, values: NDArray[Any], largest: int | None, nodata: float) -> Mask:
    """Which cells of a decoded picture are missing, by the samples' own numbers.

    Of a palette these are the numbers of its colours. Where a gray is mixed of red, green and blue, one that is missing
    makes it missing.

    Parameters
    ----------
    image : Pillow image, loaded
    values : ndarray of shape (H, W) or (H, W, 3)
        What was made of it.
    largest : int or None
        The largest number that a sample of the file can have, where Pillow scales it.
    nodata : float

    Returns
    -------
    ndarray of the shape of `values`, bool

    Raises
    ------
    ImageError
        The samples are not kept as numbers when the picture is read, or cannot be equal to `nodata`.
    """
    mask = equal_cells(_own_numbers(image, values, largest), nodata)
    if values.ndim == 2:
        return mask if mask.ndim == 2 else np.asarray(mask.any(axis=2))
    return mask if mask.ndim == 3 else np.repeat(mask[..., None], values.shape[2], axis=2)


def _own_numbers(image: Image.Image, values: NDArray[Any], largest: int | None) -> NDArray[Any]:
    mode = image.mode
    if mode.startswith("I;"):
        return np.asarray(image)
    if largest is None and (mode in {"I", "F"} or values.dtype == np.int8):
        return values
    if mode not in {"1", "L", "I", "LA", "P", "PA", "RGB", "RGBA"} or (
        image.format == "GIF" and mode not in {"L", "P"}
    ):
        raise ImageError(f"nodata with a picture of mode {mode}, whose samples are converted; leave --nodata out")
    samples = np.asarray(image.getchannel(0) if mode in {"LA", "PA"} else image)
    samples = samples[..., :3] if samples.ndim == 3 else samples
    if mode == "1":
        samples = samples.astype(np.uint8)
    elif largest is not None:
        white = 255 if mode == "L" else 65535
        samples = ((samples.astype(np.uint32) * largest + white // 2) // white).astype(np.uint16)
    if turned_over(image):
        samples = samples.dtype.type(255 if largest is None else largest) - samples
    return samples


def with_missing(values: NDArray[Any], mask: Mask) -> NDArray[Any]:
    """The values as floats, NaN where they are missing: float32, or float64 for numbers of more than 16 bits.

    Raises
    ------
    ImageError
        Whole numbers that float64 would round.
    """
    dtype = values.dtype
    if dtype.kind in "iu":
        if dtype.itemsize == 8 and any(
            int(values[rows].max()) > LARGEST_WHOLE or int(values[rows].min()) < -LARGEST_WHOLE
            for rows in row_chunks(values.shape[0])
        ):
            raise ImageError(f"nodata with whole numbers beyond {LARGEST_WHOLE:,}, which would be rounded")
        dtype = np.dtype(np.float32 if dtype.itemsize <= 2 else np.float64)
    made = values.astype(dtype)
    made[mask] = np.nan
    return made


def missing_note(values: NDArray[Any]) -> str | None:
    """The note about missing cells; None if there are none."""
    count = int(np.count_nonzero(np.isnan(values))) if values.dtype.kind == "f" else 0
    verb = "is" if count == 1 else "are"
    return f"{count:,} of {values.size:,} cells {verb} missing and left out" if count else None
