"""Raw PGM and PPM of any maximum. Pillow reads them sample by sample in Python, and cuts off samples above the maximum."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from poolcli.errors import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import ImageFile

_SAMPLES = 1 << 22


def scale_samples(image: ImageFile.ImageFile, stream: BinaryIO) -> None:
    """Before decoding: give Pillow samples that are scaled already to 0…255, or 0…65535 for gray of more than 8 bits.

    Parameters
    ----------
    image : Pillow image of format PPM, not decoded
        Its data become those that are scaled; other kinds than raw ones with a maximum of their own stay as they are.
    stream : seekable binary stream
        The file.

    Raises
    ------
    ImageError
        Too few samples, or one above the stated maximum.
    """
    tile = image.tile[0] if image.tile else None
    if tile is None or tile.codec_name != "ppm" or not isinstance(tile.args, tuple):
        return
    most, white = int(tile.args[1]), 65535 if image.mode == "I" else 255
    # As Pillow rounds: half to even, after one division and one product of floats.
    levels = np.array([round(value / most * white) for value in range(most + 1)], ">u2" if white == 65535 else "u1")
    left = image.width * image.height * len(image.getbands())
    stored = np.dtype(">u2" if most > 255 else "u1")
    stream.seek(tile.offset)
    scaled = io.BytesIO()
    while left:
        data = stream.read(min(left, _SAMPLES) * stored.itemsize)
        if len(data) < min(left, _SAMPLES) * stored.itemsize:
            raise ImageError("truncated PPM file: too few samples; copy or save the file again")
        samples: NDArray[np.unsignedinteger] = np.frombuffer(data, stored)
        if samples.max() > most:
            raise ImageError(f"damaged PPM file: a sample of {samples.max()}, and {most} is the maximum; save it again")
        scaled.write(levels[samples])
        left -= samples.size
    mode = "I;16B" if image.mode == "I" else image.mode
    image.fp = scaled
    image.tile = [tile._replace(codec_name="raw", offset=0, args=(mode, 0, 1))]
