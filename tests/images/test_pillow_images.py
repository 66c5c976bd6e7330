"""Pillow images: opened files follow the rules of files; what Pillow has decoded wrongly, or cannot show, is refused."""

import io
import struct

import numpy as np
import pytest
import tifffile
from hardfiles import chunk, png, png16, saved
from PIL import Image

from poolcli.errors import ImageError
from poolcli.images.read import from_array, read


def written(values, **options):
    stream = io.BytesIO()
    tifffile.imwrite(stream, values, metadata=None, **options)
    return stream.getvalue()


def two_frames():
    first, second = Image.new("L", (6, 4), 30), Image.new("L", (6, 4), 200)
    return saved(first, "GIF", save_all=True, append_images=[second])


DEEP = np.full((2, 3, 3), 0x1234, np.uint16)
DEEP[0, 1] = 0x1235
FILES = {
    "key of 2 bits": png(2, 4, 2, 0, b"\0\x1b" * 2, chunk(b"tRNS", b"\0\1")),
    "key of 16 bits": png16(DEEP, 2, chunk(b"tRNS", struct.pack(">3H", *[0x1234] * 3))),
    "big-endian": written(np.arange(-3, 3, dtype=">i2").reshape(2, 3), byteorder=">", compression="lzw"),
    "planes": written(
        np.random.default_rng(1).integers(0, 65536, (3, 6, 5), np.uint16), planarconfig="separate", photometric="rgb"
    ),
    "maximum of 15": b"P5 2 1 15\n\x07\x0f",
    "animation": two_frames(),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("channels", ["gray", "each"])
def test_an_opened_file_is_read_as_the_file(name, channels):
    for page in (1, 2) if name == "animation" else (1,):
        image = Image.open(io.BytesIO(FILES[name]))
        image.seek(page - 1)
        expected = read(io.BytesIO(FILES[name]), channels=channels, page=page)
        for _ in range(2):  # the image is left as it was
            picture = from_array(image, channels=channels)
            np.testing.assert_array_equal(picture.values, expected.values, strict=True)
            assert picture.notes == expected.notes
        image.load()


@pytest.mark.parametrize("name", ["big-endian", "planes"])
def test_what_pillow_has_decoded_wrongly_is_refused(name):
    image = Image.open(io.BytesIO(FILES[name]))
    image.load()
    with pytest.raises(ImageError, match="Pillow has decoded with wrong samples; give its path"):
        from_array(image)


def test_what_pillow_has_decoded_rightly_is_read():
    values = np.arange(-3, 3, dtype="<i2").reshape(2, 3)
    image = Image.open(io.BytesIO(written(values, compression="lzw")))
    image.load()
    np.testing.assert_array_equal(from_array(image).values, values, strict=True)


def test_a_draft_is_read_as_it_is():
    data = saved(Image.linear_gradient("L"), "JPEG")
    image = Image.open(io.BytesIO(data))
    image.draft("L", (64, 64))
    assert from_array(image).size == (64, 64)


def test_palettes_have_the_colours_and_their_alpha():
    indices = np.arange(6, dtype=np.uint8).reshape(2, 3) % 2
    image = Image.frombytes("P", (3, 2), indices.tobytes())
    with pytest.raises(ImageError, match="a pixel of colour 1, and the palette has 0"):
        from_array(image)
    image.putpalette([1, 2, 3])
    with pytest.raises(ImageError, match="a pixel of colour 1, and the palette has 1"):
        from_array(image)
    image.putpalette([1, 2, 3, 0, 4, 5, 6, 255], "RGBA")
    values = from_array(image, channels="each", background="red").values
    np.testing.assert_array_equal(values, np.array([(255, 0, 0), (4, 5, 6)], np.uint8)[indices])


def test_no_pixels_are_no_picture():
    with pytest.raises(ImageError, match="has no pixels"):
        from_array(Image.new("RGB", (0, 5)))
