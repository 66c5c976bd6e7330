"""Maps become pixels with exact rounding, and files hold the values of the map."""

import io
import json
import math
from fractions import Fraction

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from poolcli.errors import OptionError, OutputError
from poolcli.images.embedded import embedded_recipe
from poolcli.images.quantize import pixels
from poolcli.images.read import read
from poolcli.images.write import FORMATS, encode, format_of

LOSSLESS = ("png", "tif", "webp", "bmp", "pgm")
RECIPE = json.dumps({"pool": "max", "size": [2, 2], "name": "é ]]> <&> &lt; </poolcli:recipe> \u202e"})


def gray8():
    return np.arange(256, dtype=np.uint8).reshape(8, 32)


def gray16():
    return np.arange(65536, dtype=np.uint16).reshape(256, 256)


def color8():
    return np.random.default_rng(2).integers(0, 256, (9, 7, 3), dtype=np.uint8)


def written(name, raw, **options):
    options = {"scale_factor": 1 / 255, "white": 255, "source_depth": 8} | options
    return bytes(encode(FORMATS[name], raw, **options))


def law(value, low, high, full):
    """Round half up, in exact arithmetic."""
    exact = (min(max(Fraction(value), Fraction(low)), Fraction(high)) - Fraction(low)) * full
    return math.floor(exact / (Fraction(high) - Fraction(low)) + Fraction(1, 2))


FLOAT32 = st.floats(-70000, 70000, width=32) | st.integers(-10, 140_000).map(lambda n: n / 2)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(FLOAT32, min_size=1, max_size=30), st.sampled_from([1.0, 255.0, 65535.0]), st.sampled_from([8, 16]))
def test_rounding_law_of_floats(values, white, depth):
    raw = np.array([values], np.float32)
    expected = [law(float(value), 0, white, 2**depth - 1) for value in raw[0]]
    np.testing.assert_array_equal(pixels(raw, white, depth=depth)[0], expected)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("white", [1, 255, 65535])
def test_rounding_law_around_every_half(white, depth):
    full = 2**depth - 1
    steps = np.arange(0, full, max(1, full // 997))
    halves = ((steps + 0.5) * white / full).astype(np.float32)
    raw = np.stack([np.nextafter(halves, np.float32(-1)), halves, np.nextafter(halves, np.float32(np.inf))])
    expected = [[law(float(value), 0, white, full) for value in row] for row in raw]
    np.testing.assert_array_equal(pixels(raw, white, depth=depth), expected)


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.int64, np.uint16, np.float32, np.float64])
def test_integers_of_any_type_are_clipped(dtype):
    raw = np.array([[0, 1, 254, 255, 256, 9999]]).astype(dtype)
    np.testing.assert_array_equal(pixels(raw, 255, depth=8), np.uint8([[0, 1, 254, 255, 255, 255]]), strict=True)
    if np.dtype(dtype).kind != "u":
        np.testing.assert_array_equal(pixels(np.array([[-1, -300]]).astype(dtype), 255, depth=8), [[0, 0]])


def test_averages_of_eight_bits_round_half_up():
    raw = np.array([[2.5, 3.5, 1.4999999, 254.5, 0.49999997]], np.float32)
    np.testing.assert_array_equal(pixels(raw, 255, depth=8), np.uint8([[3, 4, 1, 255, 0]]), strict=True)


def test_the_same_depth_passes_through_untouched():
    for raw, white, depth in ((gray8(), 255, 8), (gray16(), 65535, 16)):
        assert pixels(raw, white, depth=depth) is raw


def test_depths_convert_without_loss():
    np.testing.assert_array_equal(pixels(gray8(), 255, depth=16), gray8() * np.uint16(257), strict=True)
    expected = (gray16().astype(int) * 2 + 257) // 514
    np.testing.assert_array_equal(pixels(gray16(), 65535, depth=8), expected.astype(np.uint8), strict=True)


def test_not_finite_values_become_ends():
    raw = np.array([[np.nan, np.inf, -np.inf, 0.5]], np.float32)
    np.testing.assert_array_equal(pixels(raw, 1.0, depth=8), np.uint8([[0, 255, 0, 128]]), strict=True)
    np.testing.assert_array_equal(pixels(raw, 1.0, depth=8, scale="stretch"), np.zeros((1, 4), np.uint8))


def test_stretch_uses_the_maps_own_range():
    for dtype in (np.float32, np.int32):
        raw = np.array([[-100, 0], [50, 100]], dtype)
        np.testing.assert_array_equal(pixels(raw, 1.0, depth=8, scale="stretch"), np.uint8([[0, 128], [191, 255]]))
    raw = np.array([[np.nan, -100, 0], [50, 100, np.inf]], np.float32)
    np.testing.assert_array_equal(pixels(raw, 1.0, depth=16, scale="stretch")[1], [49151, 65535, 65535])
    np.testing.assert_array_equal(pixels(np.full((3, 4), 7.0), 1.0, depth=8, scale="stretch"), np.zeros((3, 4)))
    np.testing.assert_array_equal(pixels(np.full((3, 4), np.nan), 1.0, depth=8, scale="stretch"), np.zeros((3, 4)))


@pytest.mark.parametrize(("raw", "white"), [(gray8(), 255), (gray16(), 65535), (gray8() / np.float32(2), 255)])
def test_stated_range_is_in_output_units(raw, white):
    for depth in (8, 16):
        clipped = pixels(raw.astype(np.float32), white, depth=depth)
        stated = pixels(raw, white, depth=depth, scale=(0.0, 1.0), unit_scale=1 / white)
        np.testing.assert_array_equal(stated, clipped, strict=True)
    halves = pixels(np.array([[-0.5, 0.0, 0.5]]), 1.0, depth=8, scale=(-0.5, 0.5))
    np.testing.assert_array_equal(halves, np.uint8([[0, 128, 255]]), strict=True)


@pytest.mark.parametrize("scale", [(1.0, 0.0), (1.0, 1.0), (0.0, math.inf), (math.nan, 1.0)])
def test_ranges_that_are_none(scale):
    with pytest.raises(OptionError, match="two finite numbers"):
        pixels(np.zeros((2, 2)), 1.0, depth=8, scale=scale)


def test_large_maps_are_scaled_in_pieces():
    raw = np.random.default_rng(0).integers(0, 511, (1500, 700)).astype(np.float32) / 2
    np.testing.assert_array_equal(pixels(raw, 255, depth=8), np.floor(raw + 0.5).astype(np.uint8))


@pytest.mark.parametrize("name", LOSSLESS)
def test_eight_bits_survive(name):
    np.testing.assert_array_equal(read(io.BytesIO(written(name, gray8()))).values, gray8(), strict=True)


@pytest.mark.parametrize("name", [name for name in LOSSLESS if FORMATS[name].color])
def test_colour_survives(name):
    values = read(io.BytesIO(written(name, color8())), channels="each").values
    np.testing.assert_array_equal(values, color8(), strict=True)
    deep = written(name, color8() * np.uint16(257), white=65535, source_depth=16)
    np.testing.assert_array_equal(read(io.BytesIO(deep), channels="each").values, color8(), strict=True)


@pytest.mark.parametrize("name", ["png", "tif", "pgm"])
def test_sixteen_bits_survive(name):
    data = written(name, gray16(), white=65535, source_depth=16, scale_factor=1 / 65535)
    np.testing.assert_array_equal(read(io.BytesIO(data)).values, gray16(), strict=True)
    shallow = written(name, gray16(), white=65535, source_depth=16, depth=8)
    assert read(io.BytesIO(shallow)).depth == 8


@pytest.mark.parametrize("name", ["jpg", "webp", "bmp"])
def test_sixteen_bits_become_eight_where_they_must(name):
    assert read(io.BytesIO(written(name, gray16(), white=65535, source_depth=16))).depth == 8


def test_jpeg_is_close_and_not_subsampled():
    colour = np.zeros((16, 16, 3), np.uint8)
    colour[:, ::2, 0] = 255
    back = read(io.BytesIO(written("jpg", colour)), channels="each").values
    assert np.abs(back.astype(int) - colour).max() < 20


@pytest.mark.parametrize("raw", [gray8(), color8(), gray8() / np.float32(3)])
def test_arrays_hold_unscaled_values(raw):
    expected = raw.astype(np.float32) * np.float32(1 / 255)
    npy = np.load(io.BytesIO(written("npy", raw, value_scale="stretch")))
    npz = np.load(io.BytesIO(written("npz", raw)))
    np.testing.assert_array_equal(npy, expected, strict=True)
    assert list(npz) == ["output"]
    np.testing.assert_array_equal(npz["output"], expected, strict=True)
    np.testing.assert_array_equal(np.load(io.BytesIO(written("npy", raw[..., None])))[..., 0], expected)


def test_float_tif_holds_unscaled_values():
    raw = np.array([[-3.5, 1e9], [0.1, 2]], np.float32)
    data = written("tif", raw, white=1.0, scale_factor=1.0, source_depth=None)
    np.testing.assert_array_equal(read(io.BytesIO(data)).values, raw, strict=True)
    scaled = written("tif", gray8(), depth="float", value_scale="stretch")
    np.testing.assert_array_equal(read(io.BytesIO(scaled)).values, gray8() * np.float32(1 / 255), strict=True)
    colour = written("tif", color8() / np.float32(255), white=1.0, source_depth=None)
    np.testing.assert_array_equal(read(io.BytesIO(colour), channels="each").values, color8())
    assert read(io.BytesIO(written("png", raw, white=1.0, source_depth=None))).depth == 8


def test_one_channel_is_gray():
    np.testing.assert_array_equal(read(io.BytesIO(written("png", gray8()[..., None]))).values, gray8())


@pytest.mark.parametrize(
    ("name", "shape", "options", "message"),
    [
        (
            "jpg",
            (2, 2),
            {"depth": 16},
            "depth 16 does not fit jpg; write 8, or choose png, tif or pgm, which can hold 16",
        ),
        ("png", (2, 2), {"depth": "float"}, "depth float does not fit png"),
        ("npy", (2, 2), {"depth": 8}, "depth 8 does not fit npy"),
        ("png", (2, 2, 3), {"depth": 16}, "depth 16 is for gray results; this one has 3 channels"),
        ("tif", (2, 2, 3), {"depth": "float"}, "depth float is for gray results"),
        ("pgm", (2, 2, 3), {}, "pgm cannot hold 3 channels, only 1 channel; choose png, which holds colour"),
        ("png", (2, 2, 4), {}, "png cannot hold 4 channels, only 1 or 3 channels; choose npy or npz"),
        ("pgm", (2, 2, 5), {}, "pgm cannot hold 5 channels, only 1 channel; choose npy or npz"),
    ],
)
def test_what_a_format_cannot_hold(name, shape, options, message):
    with pytest.raises(OptionError, match=message):
        written(name, np.zeros(shape, np.uint8), **options)


@pytest.mark.parametrize("name", ["jpg", "webp"])
def test_sides_that_do_not_fit(name):
    side = FORMATS[name].max_side
    assert written(name, np.zeros((1, side), np.uint8))
    with pytest.raises(OutputError, match=f"{side + 1}x1 does not fit {name}; at most {side}"):
        written(name, np.zeros((side + 1, 1), np.uint8))


@pytest.mark.parametrize("name", FORMATS)
def test_the_recipe_travels_where_the_table_says(name):
    fmt = FORMATS[name]
    data = written(name, gray8(), description=RECIPE)
    if fmt.recipe:
        assert embedded_recipe(io.BytesIO(data)) == RECIPE
        np.testing.assert_array_equal(read(io.BytesIO(data)).values, read(io.BytesIO(written(name, gray8()))).values)
    else:
        assert data == written(name, gray8())
    if fmt.pillow:
        assert embedded_recipe(io.BytesIO(written(name, gray8()))) is None


def test_text_beyond_ascii_travels():
    text = json.dumps({"source": "é 日本 <&>"}, ensure_ascii=False)
    for name in ("png", "tif", "jpg", "webp"):
        assert embedded_recipe(io.BytesIO(written(name, gray8(), description=text))) == text


def test_a_recipe_too_long_for_jpeg_is_left_out():
    text = json.dumps({"kernel": "x" * 70_000})
    assert embedded_recipe(io.BytesIO(written("jpg", gray8(), description=text))) is None
    for name in ("png", "tif", "webp"):
        assert embedded_recipe(io.BytesIO(written(name, gray8(), description=text))) == text


def test_texts_of_others_are_no_recipes():
    for kind, options in (("JPEG", {"comment": b"holiday"}), ("TIFF", {"tiffinfo": {270: "scan 1"}})):
        stream = io.BytesIO()
        Image.new("L", (2, 2)).save(stream, kind, **options)
        assert embedded_recipe(io.BytesIO(stream.getvalue())) is None


@pytest.mark.parametrize("name", FORMATS)
def test_same_map_same_bytes(name):
    assert written(name, gray8(), description=RECIPE) == written(name, gray8(), description=RECIPE)


def test_png_names_the_software():
    assert Image.open(io.BytesIO(written("png", gray8()))).info["Software"] == "poolcli"


def test_formats_by_suffix_and_name():
    for name, fmt in FORMATS.items():
        assert fmt.name == name
        for suffix in fmt.suffixes:
            assert format_of(f"a.b{suffix.upper()}") is fmt
        assert format_of("a.png", name) is fmt
    with pytest.raises(OptionError, match=r"suffix '\.gif'; write a name ending in \.png, \.jpg, \.jpeg, .* or \.npz"):
        format_of("a.gif")
    with pytest.raises(OptionError, match="no suffix;"):
        format_of("result")
    with pytest.raises(OptionError, match="format 'gif'; write png, jpg, tif"):
        format_of("a.png", "gif")


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.uint32, np.int64])
def test_whole_numbers_stay_whole_in_tiff(dtype):
    labels = np.array([[7, 99_999_999], [0, 1]]).astype(dtype)

    data = encode(FORMATS["tif"], labels, scale_factor=1, white=1, keep_numbers=True)

    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), labels.astype(np.int32), strict=True)
    np.testing.assert_array_equal(tifffile.imread(io.BytesIO(data)), labels)


@pytest.mark.parametrize(
    ("labels", "depth"),
    [
        (np.array([[2**40 + 1]]), "auto"),
        (np.array([[99_999_999]]), "float"),
        (np.array([[99_999_999.0, np.nan]]), "auto"),
    ],
)
def test_whole_numbers_that_tiff_would_round_are_refused(labels, depth):
    with pytest.raises(OutputError, match="tif would round these whole numbers to float32; choose npy"):
        encode(FORMATS["tif"], labels, scale_factor=1, white=1, keep_numbers=True, depth=depth)


@pytest.mark.parametrize("numbers", [np.array([[1 / 3, np.nan]]), np.array([[16_777_216.0]])])
def test_other_numbers_are_float32_in_tiff(numbers):
    data = encode(FORMATS["tif"], numbers, scale_factor=1, white=1, keep_numbers=True)

    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), numbers.astype(np.float32), strict=True)
