"""BMP: kinds that Pillow reads wrongly, which are refused by name."""

from __future__ import annotations

import io
import struct
from functools import cache
from typing import TYPE_CHECKING

import PIL
from PIL import Image

from poolcli.errors import ImageError

if TYPE_CHECKING:
    from PIL import ImageFile


def check_bmp(image: ImageFile.ImageFile, header: bytes) -> None:
    """Refuse, before decoding, files that Pillow would decode wrongly.

    Parameters
    ----------
    image : Pillow image of a BMP or DIB
    header : bytes
        The beginning of the file.

    Raises
    ------
    ImageError
    """
    if _loses_alpha(header[14 if image.format == "BMP" else 0 :]):
        raise ImageError("16-bit BMP with alpha is not read; save it as PNG")
    if image.info.get("compression") in {1, 2} and not decodes_runs():
        msg = f"BMP with run-length coding is not read with Pillow {PIL.__version__}; save it as PNG, or use a newer Pillow"
        raise ImageError(msg)


def _loses_alpha(header: bytes) -> bool:
    """Whether a BMP of 16 bits a pixel has a mask for alpha, which Pillow leaves out; of 32 bits it knows them."""
    if len(header) < 56 or int.from_bytes(header[:4], "little") < 56:
        return False
    bits, layout = int.from_bytes(header[14:16], "little"), int.from_bytes(header[16:20], "little")
    return bits == 16 and layout in {3, 6} and any(header[52:56])


@cache
def decodes_runs() -> bool:
    """Whether Pillow decodes run-length coding: 11.3 shifts pixels after an odd number of them, and after a gap."""
    runs = bytes([0, 3, 0x12, 0x30, 1, 0x44, 0, 1])
    data = struct.pack("<IiiHHIIiiII", 40, 4, 1, 1, 4, 2, len(runs), 0, 0, 0, 0) + bytes(range(64)) + runs
    image = Image.open(io.BytesIO(b"BM" + struct.pack("<IHHI", 14 + len(data), 0, 0, 118) + data))
    try:
        return image.tobytes() == bytes([1, 2, 3, 4])
    except ValueError:  # it misses pixels
        return False
