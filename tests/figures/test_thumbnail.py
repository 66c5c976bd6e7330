"""Thumbnails of every file that is read and every format that is written: size, orientation, values."""

import io
import os
import struct
import zipfile

import numpy as np
import pytest
from hardfiles import ERROR, PICTURE, hard_files, npy, oriented, saved
from PIL import Image

from poolcli.batch.sheet import SheetPair, tile
from poolcli.errors import ImageError, OptionError
from poolcli.figures.thumbnail import LARGEST_CELL, NARROWEST, TILE, input_thumbnail, result_thumbnail
from poolcli.images.decode import decode
from poolcli.images.pillow_guard import quiet_pillow
from poolcli.images.read import read
from poolcli.images.write import FORMATS, encode


def photograph(height, width):
    """Smooth colours with some structure: nothing that different ways of shrinking disagree on."""
    rows, columns = np.mgrid[0:height, 0:width] / max(height, width)
    waves = [np.sin(6 * rows + k) * np.cos(5 * columns - k) for k in range(3)]
    return np.rint(127.5 + 127 * np.stack(waves, -1)).astype(np.uint8)


def cells(thumbnail, times):
    """The map behind a thumbnail whose every pixel was enlarged."""
    small = thumbnail[::times, ::times]
    np.testing.assert_array_equal(thumbnail, small.repeat(times, 0).repeat(times, 1))
    return small


@pytest.mark.parametrize("name", hard_files())
def test_every_hard_file_ends_as_in_a_run_or_better(name):
    file = hard_files()[name]
    try:
        thumbnail = input_thumbnail(io.BytesIO(file.data))
    except ImageError:
        assert file.ends != PICTURE
        return
    shown_anyway = file.data.startswith(b"\x93NUMPY") or "nan" in name or "inf" in name
    assert file.ends != ERROR or shown_anyway, "arrays of any number of channels and what is not finite can be shown"
    assert thumbnail.dtype == np.uint8
    assert thumbnail.shape[2:] in {(), (3,)}
    assert max(thumbnail.shape) <= TILE
    assert min(thumbnail.shape[:2]) >= NARROWEST


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((375, 500), (120, 160)),
        ((500, 375), (160, 120)),
        ((160, 160), (160, 160)),
        ((161, 161), (160, 160)),
        ((120, 159), (120, 159)),
        ((60, 80), (120, 160)),
        ((7, 7), (154, 154)),
        ((2, 1), (160, 80)),
        ((1, 1), (LARGEST_CELL, LARGEST_CELL)),
        ((16, 1000), (6, 160)),
        ((1000, 1), (160, 4)),
        ((1, 100), (4, 100)),
    ],
)
def test_sizes(size, expected):
    data = npy(np.zeros(size, np.uint8))
    assert input_thumbnail(io.BytesIO(data)).shape == expected
    assert result_thumbnail(io.BytesIO(data)).shape == expected


def test_a_small_result_shows_its_cells():
    small = np.random.default_rng(0).integers(0, 256, (7, 7), np.uint8)
    np.testing.assert_array_equal(cells(result_thumbnail(io.BytesIO(saved(Image.fromarray(small), "PNG"))), 22), small)


@pytest.mark.parametrize(
    ("size", "side", "expected"),
    [((32, 32), 128, (128, 128)), ((1, 1), 159, (96, 96)), ((45, 30), 90, (90, 60)), ((187, 250), 160, (120, 160))],
)
def test_a_small_result_is_enlarged_up_to_a_side(size, side, expected):
    data = npy(np.zeros(size, np.uint8))
    assert result_thumbnail(io.BytesIO(data), enlarged_side=side).shape == expected


def test_a_small_result_is_not_drawn_larger_than_its_input(tmp_path):
    for name, side in (("input", 64), ("result", 32)):
        Image.fromarray(np.zeros((side, side), np.uint8)).save(tmp_path / f"{name}.png")
    pair = SheetPair(0, str(tmp_path / "input.png"), str(tmp_path / "result.png"), "input.png", "", "64x64 → 32x32")
    made = tile("white", 10_000, pair)
    assert made.input.shape == made.result.shape == (128, 128)


def test_a_large_result_is_averaged_by_area():
    large = np.random.default_rng(0).integers(0, 256, (480, 640), np.uint8)
    thumbnail = result_thumbnail(io.BytesIO(saved(Image.fromarray(large), "PNG")))
    np.testing.assert_allclose(thumbnail, large.reshape(120, 4, 160, 4).mean((1, 3)), atol=1)


@pytest.mark.parametrize("fmt", FORMATS)
def test_every_format_of_results_gives_the_same_thumbnail(tmp_path, fmt):
    gray = photograph(300, 400)[..., 0]
    path = tmp_path / f"result{FORMATS[fmt].suffixes[0]}"
    path.write_bytes(encode(FORMATS[fmt], gray, scale_factor=1 / 255, white=255, source_depth=8))
    halves = gray.repeat(2, 0).repeat(2, 1)  # of which each cell covers five by five
    expected = halves.reshape(120, 5, 160, 5).mean((1, 3))
    thumbnail = result_thumbnail(path)
    for plane in thumbnail.reshape(120, 160, -1).T:  # WebP has no gray
        np.testing.assert_allclose(plane.T, expected, atol=4 if fmt == "jpg" else 1)


@pytest.mark.parametrize("fmt", ["png", "tif", "pgm"])
def test_sixteen_bits_keep_their_brightness(fmt):
    gray = np.array([[0, 257, 32896, 65535]], np.uint16)
    data = encode(FORMATS[fmt], gray, scale_factor=1 / 65535, white=65535, depth=16)
    np.testing.assert_array_equal(cells(result_thumbnail(io.BytesIO(data)), 40), [[0, 1, 128, 255]])


@pytest.mark.parametrize("fmt", ["npy", "npz", "tif"])
@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([0.0, 0.2, 1.0], [0, 51, 255]),
        ([0.2, 0.4, 0.6], [51, 102, 153]),  # not stretched
        ([0.0, 1.0, 5.0], [0, 51, 255]),
        ([-1.0, 0.0, 0.5], [0, 128, 191]),
        ([-2.0, 0.0, 3.0], [0, 102, 255]),
        ([np.nan, 1.0, np.inf], [0, 255, 0]),
    ],
)
def test_floats_are_black_at_0_and_white_at_1_or_beyond(fmt, values, shown):
    data = encode(FORMATS[fmt], np.array([values], np.float32), scale_factor=1.0, white=1.0, depth="float")
    np.testing.assert_array_equal(cells(result_thumbnail(io.BytesIO(data)), 53), [shown])


def test_huge_floats_raise_nothing():
    for shape in ((3, 4), (300, 400), (300, 400, 4)):
        values = np.full(shape, 1e308)
        values[0] = -1e308
        assert result_thumbnail(io.BytesIO(npy(values))).dtype == np.uint8


@pytest.mark.parametrize(("channels", "shape"), [(1, ()), (2, ()), (3, (3,)), (4, (3,)), (7, ())])
def test_any_number_of_channels_is_shown(channels, shape):
    values = np.random.default_rng(0).random((5, 8, channels), np.float32)
    small = cells(result_thumbnail(io.BytesIO(npy(values))), 20)
    assert small.shape[2:] == shape
    if channels == 4:
        values = values[..., :3] * values[..., 3:] + 1 - values[..., 3:]
    np.testing.assert_allclose(small, 255 * (values[..., :3] if shape else values[..., 0]), atol=0.51)


def test_a_large_input_is_smooth():
    stripes = np.zeros((320, 480), np.uint8)
    stripes[:, ::2] = 200
    thumbnail = input_thumbnail(io.BytesIO(saved(Image.fromarray(stripes), "PNG")))
    assert thumbnail.shape == (107, 160)
    np.testing.assert_allclose(thumbnail[:, 3:-3], 100, atol=12)  # every third pixel would be 0 or 200


def test_cielab_shows_its_lightness():
    lab = Image.fromarray(np.random.default_rng(0).integers(0, 256, (5, 8, 3), np.uint8), "LAB")
    data = saved(lab, "TIFF")
    np.testing.assert_array_equal(cells(input_thumbnail(io.BytesIO(data)), 20), np.asarray(lab)[..., 0])


def test_transparent_pixels_show_the_background():
    data = saved(Image.new("RGBA", (2, 2), (9, 9, 9, 0)), "PNG")
    assert set(map(tuple, input_thumbnail(io.BytesIO(data), "orange").reshape(-1, 3))) == {(255, 165, 0)}
    assert (input_thumbnail(io.BytesIO(data)) == 255).all()
    with pytest.raises(OptionError, match="is not a colour"):
        input_thumbnail(io.BytesIO(data), "nocolour")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright(kind, orientation):
    data = oriented(kind, orientation)
    upright = read(io.BytesIO(data), channels="each").values
    np.testing.assert_array_equal(cells(input_thumbnail(io.BytesIO(data)), TILE // max(upright.shape)), upright)


def test_upright_where_a_jpeg_is_decoded_smaller():
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = photograph(1500, 2000)
    data = saved(Image.fromarray(lying), "JPEG", quality=95, subsampling=0, exif=exif)
    expected = np.asarray(Image.fromarray(lying[::-1].swapaxes(0, 1)).resize((120, 160), Image.Resampling.BOX), float)
    np.testing.assert_allclose(input_thumbnail(io.BytesIO(data)), expected, atol=6)


@pytest.mark.parametrize(
    ("size", "decoded"),
    [((1500, 2000), (188, 250)), ((375, 500), (188, 250)), ((200, 300), (200, 300)), ((16, 1000), (4, 250))],
)
def test_a_jpeg_is_decoded_no_larger_than_needed_and_no_smaller(size, decoded):
    stream = io.BytesIO(saved(Image.fromarray(photograph(*size)), "JPEG"))
    with quiet_pillow():
        found = decode(stream, b"\xff\xd8".ljust(32), "each", (0, 0, 0), 10**8, lambda *_: None, enough=TILE)
    assert found.values.shape[:2] == decoded


def test_a_run_decodes_a_jpeg_at_full_size():
    data = saved(Image.fromarray(photograph(750, 1000)), "JPEG")
    assert read(io.BytesIO(data)).values.shape == (750, 1000)


def test_too_large_is_refused_before_decoding(tmp_path):
    for data in (npy(np.zeros((40, 30), np.uint8)), saved(Image.new("L", (30, 40)), "JPEG")):
        for thumbnail in (input_thumbnail, result_thumbnail):
            with pytest.raises(ImageError, match=r"40x30 .* at most 1,199"):
                thumbnail(io.BytesIO(data), max_pixels=1199)
            assert thumbnail(io.BytesIO(data), max_pixels=1200).shape == (160, 120)


def zipped(**members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return stream.getvalue()


def huge_header():
    text = b"{'descr': '|u1', 'fortran_order': False, 'shape': (100000, 100000), }\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            zipped(output=npy(np.zeros((2, 2))), other=npy(np.zeros((2, 2)))),
            r"holds output\.npy, other\.npy; save one array alone",
        ),
        (zipped(output=npy(np.zeros((2, 2))))[:-30], "damaged NPZ file"),
        (zipped(output=npy(np.array([[None]]), allow_pickle=True)), "array of type object"),
        (zipped(output=huge_header()), "100000x100000 .* pixels; at most"),
        (zipped(output=npy(np.zeros((20, 20)))[:-9]), "truncated NPY file"),
        (b"PK\3\4 and nothing more", "damaged NPZ file"),
    ],
)
def test_npz_files_are_not_trusted(data, message):
    with pytest.raises(ImageError, match=message):
        result_thumbnail(io.BytesIO(data))


def test_npz_of_one_array_is_an_input_too():
    data = np.arange(4, dtype=np.uint8).reshape(2, 2) * 85
    plain, packed = (input_thumbnail(io.BytesIO(made)) for made in (npy(data), zipped(anything=npy(data))))
    np.testing.assert_array_equal(plain, packed, strict=True)


@pytest.mark.parametrize("thumbnail", [input_thumbnail, result_thumbnail])
def test_what_is_no_file_is_an_error_of_one_kind(tmp_path, thumbnail):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "empty.png").touch()
    for path in (tmp_path, tmp_path / "pipe.png", tmp_path / "empty.png", tmp_path / "missing.png", "nul\0.png"):
        with pytest.raises(ImageError):
            thumbnail(path)
