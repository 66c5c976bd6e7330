"""The channels of a picture as planes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolcli.images.read import Picture


def as_planes(values: NDArray[Any]) -> NDArray[Any]:
    """An array of shape (H, W) or (H, W, C) as (C, H, W), without a copy."""
    return values[np.newaxis] if values.ndim == 2 else np.moveaxis(values, -1, 0)


def picture_planes(picture: Picture) -> NDArray[Any]:
    """The channels of a picture, shape (C, H, W), each in one piece of memory."""
    return np.ascontiguousarray(as_planes(picture.values))
