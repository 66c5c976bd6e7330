"""Pixels to PNG bytes, the one place where figures become files."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray


def encode_png(rgb: NDArray[np.uint8], text: Mapping[str, str]) -> bytes:
    """Encode a picture as PNG.

    Parameters
    ----------
    rgb : ndarray of shape (H, W, 3), uint8
    text : mapping of str to str
        Keyword and content of the text chunks, written in this order.
    """
    from PIL import Image, PngImagePlugin

    info = PngImagePlugin.PngInfo()
    for keyword, content in text.items():
        info.add_text(keyword, content)
    data = io.BytesIO()
    Image.fromarray(rgb).save(data, "PNG", pnginfo=info, compress_level=1, dpi=(144, 144))
    return data.getvalue()
