"""Formats that are not read are refused by name, and undamaged files are not called damaged."""

import io
import re
import struct
import sys

import imagecodecs
import numpy as np
import pillow_heif
import pytest
from hardfiles import color_picture, hard_files, saved
from PIL import Image

from poolcli.errors import ImageError
from poolcli.images.bmp import decodes_runs
from poolcli.images.read import from_array, read

COLOR = np.asarray(color_picture())
FTYP = b"\0\0\0\x18ftyp%b\0\0\0\0%b%b"


def refusal(data):
    with pytest.raises(ImageError) as caught:
        read(io.BytesIO(data))
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("JPEG 2000", imagecodecs.jpeg2k_encode(COLOR)),
        ("JPEG 2000", imagecodecs.jpeg2k_encode(COLOR, codecformat="j2k")),
        ("JPEG XL", imagecodecs.jpegxl_encode(COLOR)),
        ("JPEG XL", imagecodecs.jpegxl_encode(COLOR, usecontainer=True)),
        ("QOI", imagecodecs.qoi_encode(COLOR)),
        ("OpenEXR", b"\x76\x2f\x31\x01" + bytes(60)),
        ("Radiance HDR", b"#?RADIANCE\n" + bytes(60)),
        ("SVG", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("SVG", b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- drawn -->\n<svg width='9'/>"),
        ("PDF", saved(color_picture(), "PDF")),
        ("PostScript", saved(color_picture(), "EPS")),
        ("Photoshop", b"8BPS\0\1" + bytes(60)),
        ("icon", saved(color_picture(), "ICO")),
        ("Windows cursor", b"\0\0\2\0\1\0" + bytes([32, 32, 0, 0]) + bytes(60)),
        ("Targa", saved(color_picture(), "TGA")),
        ("Targa", saved(color_picture(), "TGA", compression="tga_rle")),
        ("Targa", saved(color_picture().convert("L"), "TGA")),
        ("Targa", saved(color_picture().quantize(16), "TGA")),
        ("OS/2 bitmap array", b"BA" + bytes(12) + b"BM" + bytes(60)),
        ("DDS", saved(color_picture(), "DDS")),
        ("PCX", saved(color_picture(), "PCX")),
        ("SGI", saved(color_picture(), "SGI")),
        ("FITS", b"SIMPLE  =                    T" + bytes(60)),
        ("HDF5", b"\x89HDF\r\n\x1a\n" + bytes(60)),
        ("DICOM", bytes(128) + b"DICM" + bytes(60)),
        ("HTML", b"\n<!DOCTYPE html><html></html>"),
        ("gzip", b"\x1f\x8b\x08" + bytes(60)),
        ("video", FTYP % (b"isom", b"iso2", b"mp41") + bytes(60)),
        ("AVI", b"RIFF\0\0\0\0AVI LIST"),
        ("Canon raw", FTYP % (b"crx ", b"crx ", b"isom") + bytes(60)),
    ],
)
def test_known_formats_are_named(name, data):
    message = refusal(data)
    assert name in message
    assert "not read; PNG, JPEG" in message
    assert "damaged" not in message


def heic(image, **options):
    stream = io.BytesIO()
    pillow_heif.from_pillow(image).save(stream, quality=-1, **options)
    return stream.getvalue()


def test_heic_is_read_with_the_extra():
    data = heic(color_picture(), chroma=444, matrix_coefficients=0)
    for channels, expected in (("each", COLOR), ("gray", np.asarray(color_picture().convert("L")))):
        picture = read(io.BytesIO(data), channels=channels)
        np.testing.assert_array_equal(picture.values, expected, strict=True)
    assert (picture.format, picture.notes) == ("HEIF", ())
    assert "HEIF" not in Image.OPEN, "Pillow itself is left as it was"


def test_bits_of_heic_that_are_lost_are_noted():
    stream = io.BytesIO()
    deep = pillow_heif.from_bytes("RGB;16", (64, 48), (COLOR.astype(np.uint16) * 257).tobytes())
    deep.save(stream, quality=-1)
    assert read(io.BytesIO(stream.getvalue())).notes == ("10-bit colour read at 8 bits",)


def test_heic_without_the_extra_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    assert "pip install 'poolcli[heif]'" in refusal(heic(color_picture()))


def test_damaged_heic_is_damage():
    data = heic(color_picture())
    assert refusal(data[: len(data) // 2]).startswith("damaged")
    with pytest.raises(ImageError, match=r"48x64 .*at most 3,071"):
        read(io.BytesIO(data), max_pixels=3071)


def heightless(data):
    """A JPEG with a height of 0 in its header, which a marker after the pixels may state later."""
    place = data.index(b"\xff\xc0") + 5
    return data[:place] + b"\0\0" + data[place + 2 :]


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("12-bit JPEG", imagecodecs.jpeg8_encode(COLOR.astype(np.uint16) << 4, bitspersample=12)),
        ("JPEG-LS", imagecodecs.jpegls_encode(COLOR)),
        (r"JPEG whose height comes after its data \(DNL\)", heightless(saved(color_picture(), "JPEG"))),
    ],
)
def test_kinds_of_jpeg_are_named(kind, data):
    assert re.match(f"{kind} is not read", refusal(data))


def test_lossless_jpeg_is_its_samples_or_named():
    data = imagecodecs.ljpeg_encode(COLOR[..., 0].copy())
    try:
        picture = read(io.BytesIO(data))
    except ImageError:
        assert "lossless JPEG is not read" in refusal(data)
    else:
        np.testing.assert_array_equal(picture.values, COLOR[..., 0])


def bmp(bits, compression, size=40):
    header = struct.pack("<IiiHHIIiiII", size, 4, 4, 1, bits, compression, 64, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 200, 0, 0, 14 + len(header)) + header + bytes(200)


@pytest.mark.parametrize(("bits", "compression"), [(2, 0), (64, 0), (24, 4), (24, 5), (8, 6), (16, 11)])
def test_odd_layouts_of_bmp_are_not_called_damaged(bits, compression):
    message = refusal(bmp(bits, compression))
    assert "BMP" in message
    assert "not read" in message
    assert not message.startswith("damaged")


def test_runs_that_leave_pixels_out_are_not_called_damaged():
    header = struct.pack("<IiiHHIIiiII", 40, 7, 5, 1, 8, 1, 0, 0, 0, 0, 0)
    runs = bytes([3, 5, 0, 2, 1, 1, 2, 7, 0, 0, 0, 1])
    data = b"BM" + struct.pack("<IHHI", 1078 + len(runs), 0, 0, 1078) + header + bytes(range(256)) * 4 + runs
    message = refusal(data)
    if decodes_runs():
        assert message.startswith("BMP file of a kind that is not read")
        assert "runs that leave pixels out" in message
    else:
        assert message.startswith("BMP with run-length coding is not read with Pillow")


def test_run_length_coding_is_refused_where_pillow_decodes_it_wrongly(monkeypatch):
    monkeypatch.setattr("poolcli.images.bmp.decodes_runs", lambda: False)
    header = struct.pack("<IiiHHIIiiII", 40, 4, 1, 1, 8, 1, 0, 0, 0, 0, 0)
    data = b"BM" + struct.pack("<IHHI", 1086, 0, 0, 1078) + header + bytes(range(256)) * 4 + bytes([4, 5, 0, 1])
    assert refusal(data).startswith("BMP with run-length coding is not read with Pillow")
    opened = Image.open(io.BytesIO(data))
    opened.load()
    with pytest.raises(ImageError, match="run-length"):
        from_array(opened)


@pytest.mark.parametrize("name", ["cut5-lossy.webp", "cut5-base.jpg", "cut5-rgb.png", "cut5-palette.gif"])
def test_damage_of_a_header_names_the_kind(name):
    kind = {"webp": "WebP", "jpg": "JPEG", "png": "PNG", "gif": "GIF"}[name.split(".")[1]]
    assert re.match(f"(damaged )?{kind} file", refusal(hard_files()[name].data))


def test_no_python_is_in_a_message():
    message = refusal(b"P3\n1 1\n255\n" + b"9" * 1000)
    assert message.startswith("damaged PPM file (Token too long")
