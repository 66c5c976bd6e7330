"""Transparent colours of PNG (tRNS), canvases of GIF that a frame leaves free, bits of AVIF that are not kept."""

import io
import struct

import imagecodecs
import numpy as np
import pytest
from hardfiles import chunk, png, png16

from poolcli.images.read import read


def read_bytes(data, **options):
    return read(io.BytesIO(data), **options)


def packed_gray(values, bits):
    rows = [np.unpackbits(row[:, None].astype(np.uint8), axis=1)[:, 8 - bits :].ravel() for row in values]
    return b"".join(b"\0" + np.packbits(row).tobytes() for row in rows)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("background", ["black", "white", "#808080", "#204060"])
@pytest.mark.parametrize("high", [0, 0x100, 0xFF00])
def test_a_transparent_gray_is_compared_in_the_files_own_bits(bits, background, high):
    top = (1 << bits) - 1
    values = np.arange(8 * 11).reshape(8, 11) % (top + 1)
    behind = {"black": 0, "white": 255, "#808080": 128, "#204060": 58}[background]
    for key in {0, 1, top, top // 2}:
        data = png(8, 11, bits, 0, packed_gray(values, bits), chunk(b"tRNS", struct.pack(">H", key | high)))
        expected = np.where(values == key, behind, values * (255 // top))
        np.testing.assert_array_equal(read_bytes(data, background=background).values, expected)


@pytest.mark.parametrize("key", [0, 1, 2, 3, 65534])
def test_of_the_key_of_one_bit_the_lowest_bit_counts(key):
    data = png(1, 2, 1, 0, b"\0\x40", chunk(b"tEXt", b"k\0" + b"x" * 9000) + chunk(b"tRNS", struct.pack(">H", key)))
    expected = [[0, 128]] if key & 1 else [[128, 255]]
    assert read_bytes(data, background="#808080").values.tolist() == expected


def test_a_transparent_colour_of_sixteen_bits_is_compared_whole():
    values = np.full((3, 5, 3), 0x1234, np.uint16)
    values[1, 2] = (0x1234, 0x1235, 0x1234)  # equal in the high bytes only
    values[2, 3] = 0x4321
    data = png16(values, 2, chunk(b"tRNS", struct.pack(">3H", 0x1234, 0x1234, 0x1234)))
    picture = read_bytes(data, channels="each", background="#010203")
    expected = np.full((3, 5, 3), (1, 2, 3), np.uint8)
    expected[1, 2], expected[2, 3] = 0x12, 0x43
    np.testing.assert_array_equal(picture.values, expected)
    assert picture.notes == ("16-bit colour read at 8 bits",)


def test_a_transparent_gray_of_sixteen_bits():
    values = np.array([[0x1234, 0x1235, 9]], np.uint16)
    data = png16(values, 0, chunk(b"tRNS", struct.pack(">H", 0x1234)))
    np.testing.assert_array_equal(read_bytes(data).values, np.array([[65535, 0x1235, 9]], np.uint16), strict=True)


def small_frame_gif(palette):
    """A canvas of 4x6 whose first frame is one pixel of colour 1 at row 2, column 3."""
    head = b"GIF89a" + struct.pack("<HHBBB", 6, 4, 0x80, 0, 0) + palette
    return head + b"\x2c" + struct.pack("<HHHHB", 3, 2, 1, 1, 0) + b"\x02\x02\x4c\x01\0;"


@pytest.mark.parametrize("palette", [b"\x10\x10\x10\xc8\xc8\xc8", b"\x10\0\0\xc8\0\0"])
@pytest.mark.parametrize("background", ["white", "black", "#204060"])
def test_what_the_first_frame_leaves_free_is_background(palette, background):
    picture = read_bytes(small_frame_gif(palette), background=background, channels="each")
    behind = {"white": (255, 255, 255), "black": (0, 0, 0), "#204060": (0x20, 0x40, 0x60)}[background]
    expected = np.full((4, 6, 3), behind, np.uint8)
    expected[2, 3] = tuple(palette[3:])
    values = picture.values if picture.values.ndim == 3 else np.repeat(picture.values[..., None], 3, 2)
    np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_bits_of_avif_that_are_lost_are_noted(bits):
    ramp = np.linspace(0, (1 << bits) - 1, 32 * 48).reshape(32, 48).astype(np.uint8 if bits == 8 else np.uint16)
    data = imagecodecs.avif_encode(np.repeat(ramp[..., None], 3, -1), bitspersample=bits, level=95)
    notes = read_bytes(data).notes
    assert notes == (() if bits == 8 else (f"{bits}-bit colour read at 8 bits",))
