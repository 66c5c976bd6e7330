"""Resizing, antialiased, for every type a picture has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESIZE_FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
    "nearest": Image.Resampling.NEAREST,
}


def resized(values: NDArray[Any], size: tuple[int, int], method: str) -> NDArray[Any]:
    """The picture at another size, by Pillow's resampling; when it shrinks, every pixel of the source counts.

    uint8 is computed on 8 bits, as Pillow does; uint16 and floats in float32, and uint16 rounded back.

    Parameters
    ----------
    values : ndarray of shape (H, W) or (H, W, C), uint8, uint16 or float
    size : (height, width)
    method : str
        A name of `RESIZE_FILTERS`. ``"nearest"`` picks pixels, without antialiasing.

    Returns
    -------
    ndarray of shape (height, width) or (height, width, C)
        uint8, uint16 or float32; the same array when the size is what it was.

    Examples
    --------
    >>> resized(np.array([[0, 100], [200, 300]], np.uint16), (1, 1), "box")
    array([[150]], dtype=uint16)
    """
    if values.shape[:2] == size:
        return values
    height, width = size
    out = np.empty((height, width, *values.shape[2:]), np.float32 if values.dtype.kind == "f" else values.dtype)
    for channel in np.ndindex(values.shape[2:]):
        plane = np.ascontiguousarray(values[(..., *channel)], None if values.dtype == np.uint8 else np.float32)
        result = np.asarray(Image.fromarray(plane).resize((width, height), RESIZE_FILTERS[method]))
        if values.dtype == np.uint16:
            result = np.clip(np.rint(result), 0, 65535)
        out[(..., *channel)] = result
    return out
