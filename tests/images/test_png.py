"""The PNG writer: other libraries read its files back, pixel for pixel."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from poolcli.api import run
from poolcli.images import png
from poolcli.images.png import encode_png
from poolcli.images.quantize import pixels as shown
from poolcli.pipeline.options import recipe


def reopened(data):
    with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
        image.load()
        return np.asarray(image), dict(image.text), image.info


def chunks(data):
    """Names and contents; lengths and checksums must be right."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    found, at = [], 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        name, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", data, at + 8 + length)[0] == zlib.crc32(name + content)
        found.append((name, content))
        at += 12 + length
    return found


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from(["uint8", "uint16"]),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["noise", "ramp", "flat", "lines"]),
)
def test_every_picture_comes_back(height, width, dtype, color, drawn, kind):
    if color and dtype == "uint16":
        dtype = "uint8"  # Pillow reads 16-bit colour at 8 bits; it has a test of its own
    shape = (height, width, 3) if color else (height, width)
    full = np.iinfo(dtype).max
    pixels = {
        "noise": lambda: np.random.default_rng(height * 41 + width).integers(0, full, shape, endpoint=True),
        "ramp": lambda: np.arange(np.prod(shape)).reshape(shape) * 7 % (full + 1),
        "flat": lambda: np.full(shape, full),
        "lines": lambda: np.arange(height).reshape(-1, *[1] * (len(shape) - 1)) % 2 * full + np.zeros(shape),
    }[kind]().astype(dtype)

    back, _, _ = reopened(encode_png(pixels, drawn=drawn))

    np.testing.assert_array_equal(back, pixels)


@pytest.mark.parametrize("kind", [png.NONE, png.SUB, png.UP])
@pytest.mark.parametrize(("dtype", "color"), [("uint8", False), ("uint16", False), ("uint8", True)])
def test_every_filter_comes_back_over_several_pieces(kind, dtype, color, monkeypatch):
    monkeypatch.setattr(png, "_PIECE", 1000)
    monkeypatch.setattr(png, "_best_filter", lambda *_: kind)
    shape = (57, 31, 3) if color else (57, 31)
    pixels = np.random.default_rng(5).integers(0, np.iinfo(dtype).max, shape).astype(dtype)
    data = encode_png(pixels)

    np.testing.assert_array_equal(reopened(data)[0], pixels)
    rows = zlib.decompress(dict(chunks(data))[b"IDAT"])
    assert set(rows[:: len(rows) // 57]) == {kind}


def test_sixteen_bit_colour_is_big_endian():
    pixels = np.array([[[1, 256, 65535]]], np.uint16)
    found = dict(chunks(encode_png(pixels)))

    assert struct.unpack(">IIBBBBB", found[b"IHDR"]) == (1, 1, 16, 2, 0, 0, 0)
    assert zlib.decompress(found[b"IDAT"])[1:] == b"\x00\x01\x01\x00\xff\xff"


def test_the_filter_suits_the_picture():
    """Sub or up where neighbours are alike, none where most pixels are zero."""
    smooth = np.add.outer(np.arange(200) * 3, np.arange(300)).astype(np.uint8)
    sparse = np.where(np.random.default_rng(0).random((200, 300)) < 0.05, 255, 0).astype(np.uint8)

    assert png._best_filter(smooth, 1) in (png.SUB, png.UP)
    assert png._best_filter(sparse, 1) == png.NONE


SAMPLES = Path(__file__).parents[2] / "sample_images"
MAPS = {
    "photograph": {},
    "edges": {"kernel": "edge"},
    "edges, pooled thrice": {"kernel": "edge", "repeat": 3},
    "dark spots, flat all around": {"pool": "min", "size": 5, "stride": 1},
    "texture": {"kernel": "blur", "pool": "std"},
    "colour": {"channels": "each"},
}


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("sample", ["cat.jpg", "coffee.jpg"])
def test_the_filter_is_as_good_as_the_best(sample, name):
    """Chosen by entropy and runs of a few rows; judged by all rows, compressed."""
    result = run(str(SAMPLES / sample), recipe(**MAPS[name]))
    values = shown(result.raw, result.white, depth=8)
    step = values.shape[2] if values.ndim == 3 else 1
    rows = values.reshape(len(values), -1)
    sizes = [
        sum(map(len, png._deflated(png._pieces(rows, step, kind), zlib.Z_RLE))) for kind in (png.NONE, png.SUB, png.UP)
    ]
    assert sizes[png._best_filter(rows, step)] <= 1.03 * min(sizes)


def test_text_chunks_are_read_in_their_order():
    text = {"Software": "poolcli", "poolcli": '{"a": 1}', "Title": "Größe → 3×3"}
    data = encode_png(np.zeros((2, 2), np.uint8), text, dpi=144)
    _, back, info = reopened(data)

    assert list(back.items()) == list(text.items())
    assert info["dpi"] == pytest.approx((144, 144), abs=0.01)
    assert [name for name, _ in chunks(data)] == [b"IHDR", b"pHYs", b"tEXt", b"tEXt", b"iTXt", b"IDAT", b"IEND"]


@pytest.mark.parametrize("view", ["strided", "reversed", "transposed", "big-endian"])
def test_layout_does_not_matter(view):
    base = np.random.default_rng(3).integers(0, 65535, (20, 30)).astype(np.uint16)
    pixels = {
        "strided": base[::2, ::3],
        "reversed": base[::-1, ::-1],
        "transposed": base.T,
        "big-endian": base.astype(">u2"),
    }[view]

    np.testing.assert_array_equal(reopened(encode_png(pixels))[0], pixels)


def test_same_bytes_for_the_same_picture():
    pixels = np.random.default_rng(4).integers(0, 255, (300, 500)).astype(np.uint8)

    assert encode_png(pixels) == encode_png(pixels.copy())
