"""Resizing, for every type that a picture can have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from poolcli.errors import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESIZE_FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "box": None,
    "nearest": Image.Resampling.NEAREST,
    "tf-bilinear": None,
}
"""Names of the filters -> Pillow's filter; None where the filter is computed here."""

_ROWS = 64


def resized(values: NDArray[Any], size: tuple[int, int], method: str) -> NDArray[Any]:
    """The picture at another size.

    ``"bilinear"``, ``"bicubic"`` and ``"lanczos"`` are Pillow's resampling, which antialiases: uint8 is computed on
    8 bits, everything else in float32. ``"nearest"`` picks pixels. ``"box"`` is the area average (`area_average`),
    ``"tf-bilinear"`` is the default of ``tf.image.resize`` (`tf_bilinear`).

    Parameters
    ----------
    values : ndarray of shape (H, W) or (H, W, C), integers or floats
    size : (height, width)
    method : str
        A name of `RESIZE_FILTERS`.

    Returns
    -------
    ndarray of shape (height, width) or (height, width, C)
        ``"nearest"`` keeps the type, ``"tf-bilinear"`` gives float32, the others uint8, uint16 or float32.

    Raises
    ------
    ImageError
        Whole numbers that float32 would round, for any other filter than ``"nearest"``.

    Examples
    --------
    >>> resized(np.array([[0, 100], [200, 300]], np.uint16), (1, 1), "box")
    array([[150]], dtype=uint16)
    """
    if method != "nearest" and values.dtype.kind in "iu" and values.dtype.itemsize > 2:
        _check_exact(values, method)
    if method == "tf-bilinear":
        return tf_bilinear(values, size)
    if values.shape[:2] == size:
        return values
    if method == "box":
        return area_average(values, size)
    if method == "nearest":
        rows, columns = (_nearest(*axis) for axis in zip(values.shape, size, strict=False))
        return values[rows[:, None], columns]
    height, width = size
    keeps = values.dtype in (np.uint8, np.uint16)
    out = np.empty((height, width, *values.shape[2:]), values.dtype if keeps else np.float32)
    for channel in np.ndindex(values.shape[2:]):
        plane = np.ascontiguousarray(values[(..., *channel)], None if values.dtype == np.uint8 else np.float32)
        result = np.asarray(Image.fromarray(plane).resize((width, height), RESIZE_FILTERS[method]))
        if values.dtype == np.uint16:
            result = np.clip(np.rint(result), 0, 65535)
        out[(..., *channel)] = result
    return out


def _check_exact(values: NDArray[Any], method: str) -> None:
    if not values.size:
        return
    largest = max(int(values.max()), -int(values.min()))
    if largest > 1 << 24:
        raise ImageError(
            f"whole numbers up to {largest} are not resized with {method}, which computes in float32 and would round them; "
            "use --resize-filter nearest, or leave out --resize"
        )


def _nearest(length: int, size: int) -> NDArray[Any]:
    """Indices of the pixels that Pillow picks along an axis."""
    line = Image.fromarray(np.arange(length, dtype=np.int32)[None])
    return np.asarray(line.resize((size, 1), Image.Resampling.NEAREST))[0]


def area_average(values: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """The picture at another size, each cell the mean of the area it covers.

    Cell i of m covers the source from ``i * n / m`` to ``(i + 1) * n / m``; a pixel is weighted by its covered
    length, so every pixel of the source counts, and a mirrored picture gives the mirrored result. OpenCV's
    ``INTER_AREA`` and GDAL's average follow this rule when they shrink. uint8 and uint16 are computed exactly and
    rounded once, halves up; everything else in float64.

    Parameters
    ----------
    values : ndarray of shape (H, W) or (H, W, C)
    size : (height, width)

    Returns
    -------
    ndarray of shape (height, width) or (height, width, C)
        uint8, uint16 or float32.

    Examples
    --------
    >>> area_average(np.array([[0, 30, 90]], np.uint8), (1, 2))
    array([[10, 70]], dtype=uint8)
    """
    exact = values.dtype in (np.uint8, np.uint16)
    out = np.empty((*size, *values.shape[2:]), values.dtype if exact else np.float32)
    area = values.shape[0] * values.shape[1]
    for top in range(0, size[0], _ROWS):
        rows = slice(top, min(top + _ROWS, size[0]))
        total = _covered(values, size[0], rows, exact=exact)
        total = _covered(total.swapaxes(0, 1), size[1], slice(0, size[1]), exact=exact).swapaxes(0, 1)
        out[rows] = (2 * total + area) // (2 * area) if exact else total / area
    return out


def _covered(values: NDArray[Any], size: int, cells: slice, *, exact: bool) -> NDArray[Any]:
    """Sums over the areas of some of `size` cells along the first axis, where each pixel has the length `size`."""
    length = values.shape[0]
    begin = np.arange(cells.start, cells.stop) * length
    first, last = begin // size, (begin + length - 1) // size
    kind = np.int64 if exact else np.float64
    down, up = (np.zeros((len(begin), *values.shape[1:]), kind) for _ in range(2))
    for step in range(int((last - first).max()) + 1):
        # Floats are summed from both ends and the two sums averaged, so that a mirrored picture gives the same numbers.
        for pixel, sums in ((first + step, down),) if exact else ((first + step, down), (last - step, up)):
            inside = np.minimum((pixel + 1) * size, begin + length) - np.maximum(pixel * size, begin)
            weight = np.maximum(inside, 0).astype(kind).reshape(-1, *[1] * (values.ndim - 1))
            np.add(sums, np.where(weight > 0, values[np.clip(pixel, 0, length - 1)], 0) * weight, out=sums)
    return down if exact else (down + up) / 2


def tf_bilinear(values: NDArray[Any], size: tuple[int, int]) -> NDArray[np.float32]:
    """Resize as ``tf.image.resize`` does by default: bilinear, half-pixel centres, not antialiased, in float32.

    With ``x = (i + 0.5) * n / m - 0.5``, ``lo = max(floor(x), 0)``, ``hi = min(ceil(x), n - 1)`` and
    ``f = x - floor(x)``, along the columns ``a[lo] + (a[hi] - a[lo]) * f``, then the same along the rows.

    Parameters
    ----------
    values : ndarray of shape (H, W) or (H, W, C)
    size : (height, width)

    Returns
    -------
    ndarray of shape (height, width) or (height, width, C), float32
        In the units of `values`, not rounded.

    Examples
    --------
    >>> tf_bilinear(np.array([[0, 100, 200]], np.uint8), (1, 2))
    array([[ 25., 175.]], dtype=float32)
    """
    above, below, down = _neighbours(values.shape[0], size[0])
    left, right, across = _neighbours(values.shape[1], size[1])
    across = across.reshape(-1, *[1] * (values.ndim - 2))
    out = np.empty((*size, *values.shape[2:]), np.float32)
    for top in range(0, size[0], _ROWS):
        rows = slice(top, min(top + _ROWS, size[0]))
        upper, lower = (values[index[rows]].astype(np.float32) for index in (above, below))
        upper, lower = (part[:, left] + (part[:, right] - part[:, left]) * across for part in (upper, lower))
        out[rows] = upper + (lower - upper) * down[rows].reshape(-1, *[1] * (values.ndim - 1))
    return out


def _neighbours(length: int, size: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    half = np.float32(0.5)
    place = (np.arange(size, dtype=np.float32) + half) * (np.float32(length) / np.float32(size)) - half
    floor = np.floor(place)
    low = np.maximum(floor, 0).astype(np.intp)
    return low, np.minimum(np.ceil(place).astype(np.intp), length - 1), place - floor
