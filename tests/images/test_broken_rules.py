"""Files that break their format's rules so that Pillow reads them wrongly, or slowly: refused by name, or read rightly."""

import io
import struct
import zlib

import numpy as np
import pytest
from hardfiles import chunk, png, saved
from PIL import Image

from poolcli.errors import ImageError
from poolcli.images.read import read

ROWS = np.arange(35, dtype=np.uint8).reshape(5, 7)
PACKED = b"".join(b"\0" + row.tobytes() for row in ROWS)
COLORS = np.random.default_rng(3).integers(0, 256, (35, 3), np.uint8)


def read_bytes(data, **options):
    return read(io.BytesIO(data), **options)


def with_header(data, **changes):
    """A PNG with other numbers in its header, the checksum made right."""
    header = bytearray(data[16:29])
    for name, value in changes.items():
        header[["bits", "color", "compression", "filter", "interlace"].index(name) + 8] = value
    return data[:8] + chunk(b"IHDR", bytes(header)) + data[33:]


GRAY_PNG = png(5, 7, 8, 0, PACKED)
PALETTE_PNG = png(5, 7, 8, 3, PACKED, chunk(b"PLTE", COLORS.tobytes()))


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (GRAY_PNG[:8] + chunk(b"CgBI", b"\x50\0\x20\2") + GRAY_PNG[8:], r"of Apple's kind \(CgBI\)"),
        (with_header(GRAY_PNG, compression=1), "of compression 1, filter 0 and interlacing 0"),
        (with_header(GRAY_PNG, filter=1), "of compression 0, filter 1 and interlacing 0"),
        (with_header(GRAY_PNG, interlace=2), "of compression 0, filter 0 and interlacing 2"),
        (with_header(GRAY_PNG, color=1), "of colour type 1 with 8 bits"),
        (with_header(GRAY_PNG, bits=3), "of colour type 0 with 3 bits"),
        (with_header(PALETTE_PNG, bits=16), "of colour type 3 with 16 bits"),
        (png(5, 7, 8, 3, PACKED), "of palette colours without a palette"),
        (png(5, 7, 8, 0, PACKED, chunk(b"ABCD", b"x")), "with a chunk ABCD, which has to be understood,"),
    ],
)
def test_png_that_no_decoder_may_read_is_named(data, named):
    with pytest.raises(ImageError, match=f"PNG {named} is not read"):
        read_bytes(data)


def test_chunks_that_may_be_left_out_are():
    data = png(5, 7, 8, 0, PACKED, chunk(b"aBCD", b"x"), chunk(b"gAMA", struct.pack(">I", 100_000)))
    np.testing.assert_array_equal(read_bytes(data).values, ROWS)
    np.testing.assert_array_equal(read_bytes(PALETTE_PNG, channels="each").values, COLORS[ROWS])


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "GIF page"])
def test_a_colour_that_the_palette_has_not_is_damage(kind):
    """Pillow makes such pixels black."""
    image = Image.fromarray(ROWS % 4).convert("P")
    image.putpalette(COLORS[:4].tobytes())
    if kind == "PNG":
        data, worse = (png(5, 7, 8, 3, PACKED, chunk(b"PLTE", COLORS[:count].tobytes())) for count in (35, 34))
    elif kind == "BMP":
        data = saved(image, "BMP")
        worse = data[:46] + struct.pack("<I", 3) + data[50:54] + data[54:66] + data[70:]
        worse = worse[:10] + struct.pack("<I", struct.unpack("<I", data[10:14])[0] - 4) + worse[14:]
    else:
        frames = (
            {"save_all": True, "append_images": [image.transpose(Image.Transpose.ROTATE_180)]} if "page" in kind else {}
        )
        data = saved(image, "GIF", **frames)
        at = data.index(COLORS[:4].tobytes())
        worse = data[:10] + bytes([data[10] & 0xF8]) + data[11 : at + 6] + data[at + 12 :]
    page = 2 if "page" in kind else 1
    read_bytes(data, page=page)
    with pytest.raises(ImageError, match=r"damaged \w+ file: a pixel of colour \d+, and the palette has \d+"):
        read_bytes(worse, page=page)


@pytest.mark.parametrize("most", [1, 7, 100, 254, 256, 999, 4095, 65534])
@pytest.mark.parametrize("color", [False, True])
def test_raw_samples_are_scaled_as_plain_ones(most, color):
    """Pillow reads the plain form with its own formula."""
    values = np.random.default_rng(most).integers(0, most + 1, (9, 11, 3) if color else (9, 11))
    values.flat[:2] = 0, most
    head = f"P{3 if color else 2} 11 9 {most}\n"
    plain = head + " ".join(map(str, values.ravel()))
    raw = head.replace("P2", "P5").replace("P3", "P6").encode() + values.astype(">u2" if most > 255 else "u1").tobytes()
    channels = "each" if color else "gray"

    made, expected = (read_bytes(data, channels=channels) for data in (raw, plain.encode()))

    np.testing.assert_array_equal(made.values, expected.values, strict=True)
    assert made.notes == expected.notes
    if not color:
        np.testing.assert_array_equal(read_bytes(raw, own_numbers=True).values, values)


def test_samples_above_the_maximum_are_damage():
    for data in (b"P5 2 1 15\n\x07\x10", b"P5 2 1 300\n" + struct.pack(">2H", 7, 301), b"P6 1 1 15\n\1\2\x10"):
        with pytest.raises(ImageError, match=r"damaged PPM file: a sample of (16|301), and (15|300) is the maximum"):
            read_bytes(data)
    with pytest.raises(ImageError, match="truncated PPM file"):
        read_bytes(b"P5 2 2 15\n\1\2\3")


def test_raw_samples_of_any_maximum_are_not_read_one_by_one(monkeypatch):
    monkeypatch.setattr("PIL.PpmImagePlugin.PpmDecoder.decode", lambda *_: pytest.fail("in Python, sample by sample"))
    assert read_bytes(b"P5 2 1 15\n\x07\x0f").values.tolist() == [[119, 255]]


def test_a_gif_of_one_small_frame_takes_no_memory_for_its_canvas(monkeypatch):
    """It is laid over the background a few rows at a time."""
    largest = []
    convert = Image.Image.convert
    monkeypatch.setattr(
        Image.Image,
        "convert",
        lambda image, *args, **kw: largest.append(image.width * image.height) or convert(image, *args, **kw),
    )
    frame = b"\x2c" + struct.pack("<HHHHB", 3, 700, 1, 1, 0) + b"\x02\x02\x4c\x01\0;"
    data = b"GIF89a" + struct.pack("<HHBBB", 1000, 900, 0x80, 0, 0) + b"\x10\0\0\xc8\0\0" + frame

    values = read_bytes(data, channels="each", background="#204060").values

    expected = np.full((900, 1000, 3), (0x20, 0x40, 0x60), np.uint8)
    expected[700, 3] = (200, 0, 0)
    np.testing.assert_array_equal(values, expected)
    assert max(largest) < 900 * 1000


def test_pages_of_a_gif_are_counted_to_the_last_whole_one():
    frames = [Image.new("L", (6, 4), 40 * number) for number in range(3)]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert read_bytes(data, page=3).notes == ("frame 3 of 3 used",)
    with pytest.raises(ImageError, match="page 4 of a file of 3; write 1 to 3"):
        read_bytes(data, page=4)
    with pytest.raises(ImageError, match="nodata with a frame of a GIF"):
        read_bytes(data, page=2, nodata=1)


def moving(shape, *frames):
    """A PNG animation of gray frames: (left, top, values, blend)."""
    bits = 16 if frames[0][2].dtype == np.uint16 else 8
    header = struct.pack(">IIBBBBB", shape[1], shape[0], bits, 0, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"acTL", struct.pack(">II", len(frames), 0))
    for number, (left, top, values, blend) in enumerate(frames):
        height, width = values.shape
        data += chunk(b"fcTL", struct.pack(">5IHHBB", 2 * number, width, height, left, top, 1, 9, 0, blend))
        rows = zlib.compress(b"".join(b"\0" + row.astype(f">u{bits // 8}").tobytes() for row in values))
        data += chunk(b"fdAT", struct.pack(">I", 2 * number + 1) + rows) if number else chunk(b"IDAT", rows)
    return b"\x89PNG\r\n\x1a\n" + data + chunk(b"IEND", b"")


def test_frames_of_sixteen_bits_are_whole_or_refused():
    first, second = (np.full((3, 4), value, np.uint16) for value in (1000, 54321))
    picture = read_bytes(moving((3, 4), (0, 0, first, 0), (0, 0, second, 0)), page=2)
    np.testing.assert_array_equal(picture.values, second, strict=True)
    assert picture.notes == ("frame 2 of 2 used",)
    with pytest.raises(ImageError, match="16-bit gray with a frame laid over others is not read"):
        read_bytes(moving((3, 4), (0, 0, first, 0), (1, 1, second[:2, :2], 0)), page=2)


def test_frames_keep_nodata_where_they_are_whole():
    first, second = np.full((3, 4), 7, np.uint8), np.arange(12, dtype=np.uint8).reshape(3, 4)
    values = read_bytes(moving((3, 4), (0, 0, first, 0), (0, 0, second, 0)), page=2, nodata=5).values
    np.testing.assert_array_equal(values, np.where(second == 5, np.nan, second))
    with pytest.raises(ImageError, match="nodata with a frame that is laid over others"):
        read_bytes(moving((3, 4), (0, 0, first, 0), (0, 0, second, 1)), page=2, nodata=5)


def test_a_frame_beyond_the_picture_is_damage():
    first = np.zeros((3, 4), np.uint8)
    for place in ((3, 0), (0, 2), (2**31, 0)):
        with pytest.raises(ImageError, match="damaged PNG file: frame 2 lies beyond the picture"):
            read_bytes(moving((3, 4), (0, 0, first, 0), (*place, first[:2, :2], 0)), page=2)
    with pytest.raises(ImageError, match="page 3 of a file of 2; write 1 to 2"):
        read_bytes(moving((3, 4), (0, 0, first, 0), (0, 0, first, 0)), page=3)
    with pytest.raises(ImageError, match="page 2 of a file of one page"):
        read_bytes(GRAY_PNG, page=2)


def test_an_animation_is_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    block = chunk(b"eXIf", exif.tobytes()[6:])
    first, second = np.zeros((3, 4), np.uint8), np.arange(12, dtype=np.uint8).reshape(3, 4)
    for blend in (0, 1):
        data = moving((3, 4), (0, 0, first, 0), (0, 0, second, blend))
        values = read_bytes(data[:33] + block + data[33:], page=2).values
        np.testing.assert_array_equal(values, np.rot90(second, -1))
