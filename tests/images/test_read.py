"""Reading pictures: gray, channels, 16 bits, floats, transparency, orientation, size."""

import io
import threading
import warnings

import numpy as np
import pytest
from hardfiles import (
    RAMP16,
    UPRIGHT,
    chunk,
    color_picture,
    hard_files,
    late_exif_png,
    npy,
    oriented,
    png16,
    saved,
    tiff,
)
from PIL import Image, features

from poolcli.errors import ImageError, OptionError, SizeError
from poolcli.images.modes import parse_color
from poolcli.images.read import from_array, read
from poolcli.images.resize import RESIZE_FILTERS

REREADS_YCBCR = int(features.version("pil").split(".")[0]) >= 13
COLOR = np.asarray(color_picture())
ALPHA = np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))


def read_bytes(data, **options):
    return read(io.BytesIO(data), **options)


def opaque_files():
    image = color_picture()
    gray = image.convert("L")
    return {
        "1.png": saved(gray.convert("1"), "PNG"),
        "1.tif": saved(gray.convert("1"), "TIFF", compression="group4"),
        "L.png": saved(gray, "PNG"),
        "L.jpg": saved(gray, "JPEG"),
        "L-inverted.tif": tiff(np.asarray(gray), photometric=0),
        "L.pgm": saved(gray, "PPM"),
        "P.png": saved(image.convert("P"), "PNG"),
        "P.gif": saved(image.convert("P"), "GIF"),
        "RGB.png": saved(image, "PNG"),
        "RGB.jpg": saved(image, "JPEG"),
        "RGB.webp": saved(image, "WEBP"),
        "RGB.bmp": saved(image, "BMP"),
        "CMYK.jpg": saved(image.convert("CMYK"), "JPEG"),
        "CMYK.tif": saved(image.convert("CMYK"), "TIFF"),
        # Pillow before 13 cannot read its own.
        **({"YCbCr.tif": saved(image.convert("YCbCr"), "TIFF")} if REREADS_YCBCR else {}),
        "RGB48.png": png16(COLOR.astype(np.uint16) * 257, 2),
        "RGB48.tif": tiff(COLOR.astype(np.uint16) * 257, photometric=2),
    }


@pytest.mark.parametrize("name", opaque_files())
def test_opaque_pictures_equal_pillows_gray(name):
    data = opaque_files()[name]
    picture = read_bytes(data)
    np.testing.assert_array_equal(picture.values, np.asarray(Image.open(io.BytesIO(data)).convert("L")), strict=True)
    assert (picture.depth, picture.size) == (8, (48, 64))
    assert picture.mode == Image.open(io.BytesIO(data)).mode


@pytest.mark.parametrize("name", ["RGB.png", "P.png", "CMYK.tif", "RGB.jpg", *(["YCbCr.tif"] if REREADS_YCBCR else [])])
def test_each_channel_equals_pillows_rgb(name):
    data = opaque_files()[name]
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    np.testing.assert_array_equal(read_bytes(data, channels="each").values, expected, strict=True)


@pytest.mark.parametrize("name", ["1.png", "L.png", "L.jpg"])
def test_gray_pictures_have_no_channel_axis(name):
    data = opaque_files()[name]
    np.testing.assert_array_equal(read_bytes(data, channels="each").values, read_bytes(data).values)


def test_more_than_one_strip_is_put_together():
    noise = np.random.default_rng(1).integers(0, 256, (2500, 900, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    np.testing.assert_array_equal(read_bytes(saved(image, "BMP")).values, np.asarray(image.convert("L")))


SIXTEEN_BIT = {
    "png": png16(RAMP16, 0),
    "little.tif": tiff(RAMP16),
    "big.tif": tiff(RAMP16, order=">"),
    "pgm": b"P5\n256 256\n65535\n" + RAMP16.astype(">u2").tobytes(),
    "npy": npy(RAMP16),
    "big.npy": npy(RAMP16.astype(">u2")),
    "fortran.npy": npy(np.asfortranarray(RAMP16)),
}


@pytest.mark.parametrize("name", SIXTEEN_BIT)
def test_sixteen_bits_keep_every_level(name):
    picture = read_bytes(SIXTEEN_BIT[name])
    np.testing.assert_array_equal(picture.values, RAMP16, strict=True)
    assert picture.values.flags.c_contiguous
    assert picture.values.dtype.isnative
    assert (picture.depth, picture.notes) == (16, ())


def test_sixteen_bits_inverted():
    np.testing.assert_array_equal(read_bytes(tiff(RAMP16, photometric=0)).values, 65535 - RAMP16, strict=True)


def test_twelve_bits_are_scaled():
    ramp = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    picture = read_bytes(tiff(ramp, bits=12))
    np.testing.assert_array_equal(picture.values, np.rint(ramp * 65535.0 / 4095).astype(np.uint16), strict=True)
    assert picture.notes == ("12-bit samples scaled to 16 bits",)


def test_pgm_is_scaled_by_its_stated_maximum():
    ramp = np.arange(1024, dtype=np.uint16).reshape(32, 32)
    values = read_bytes(b"P5\n32 32\n1023\n" + ramp.astype(">u2").tobytes()).values
    np.testing.assert_array_equal(values, np.rint(ramp * 65535.0 / 1023).astype(np.uint16), strict=True)


@pytest.mark.parametrize(
    ("values", "sample_format"),
    [
        (np.array([[-5, 7], [8, 9]], np.int8), 2),
        (np.array([[-5, 7], [8, 9]], np.int16), 2),
        (np.array([[5, 7], [8, 9]], np.int16), 2),
        (np.array([[5, 7], [8, 65535]], np.int32), 2),
        (np.array([[99999999, 7], [8, 65535]], np.uint32), 1),
        (np.array([[-5, 7], [8, 90000]], np.int32), 2),
        (np.array([[0, 2**32 - 1], [2**31, 9]], np.uint32), 1),
    ],
)
def test_wide_integers_are_used_as_they_are(values, sample_format):
    picture = read_bytes(tiff(values, sample_format=sample_format))
    np.testing.assert_array_equal(picture.values, values, strict=True)
    assert picture.depth is None
    assert picture.notes == (f"{values.dtype} numbers {values.min()}…{values.max()} used as they are",)


@pytest.mark.parametrize("order", ["<", ">"])
def test_floats_are_used_as_they_are(order):
    values = np.array([[-1.5, 0.25], [1e30, 300]], np.float32)
    pfm = b"Pf\n2 2\n" + (b"-1.0\n" if order == "<" else b"1.0\n") + values[::-1].astype(order + "f4").tobytes()
    for data in (tiff(values, sample_format=3, order=order), pfm, npy(values.astype(order + "f4"))):
        picture = read_bytes(data)
        np.testing.assert_array_equal(picture.values, values, strict=True)
        assert picture.depth is None


def test_not_finite_values_are_counted_or_zeroed():
    values = np.array([[np.nan, 1], [np.inf, -np.inf]], np.float32)
    for data in (tiff(values, sample_format=3), npy(values)):
        with pytest.raises(ImageError, match=r"3 values are NaN or infinite.*--nan zero"):
            read_bytes(data)
        np.testing.assert_array_equal(read_bytes(data, nan="zero").values, np.float32([[0, 1], [0, 0]]), strict=True)
    with pytest.raises(ImageError, match="1 value is NaN"):
        from_array([[np.nan]])


def over(colour, alpha, background):
    exact = colour * (alpha[..., None] / 255.0) + np.array(background) * (1 - alpha[..., None] / 255.0)
    return Image.fromarray(np.floor(exact + 0.5).astype(np.uint8))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("background", ["white", "black", "#204060"])
def test_transparency_is_laid_over_the_background(kind, background):
    image = color_picture().copy()
    image.putalpha(Image.fromarray(ALPHA))
    data = saved(image, kind, **({"lossless": True, "exact": True} if kind == "WEBP" else {}))
    expected = over(COLOR, ALPHA, parse_color(background))
    each = read_bytes(data, channels="each", background=background).values
    np.testing.assert_array_equal(each, np.asarray(expected), strict=True)
    np.testing.assert_array_equal(read_bytes(data, background=background).values, np.asarray(expected.convert("L")))


def test_gray_with_alpha_stays_gray_on_gray():
    gray = np.asarray(color_picture().convert("L"))
    data = saved(Image.merge("LA", (Image.fromarray(gray), Image.fromarray(ALPHA))), "PNG")
    expected = np.asarray(over(np.repeat(gray[..., None], 3, 2), ALPHA, (128, 128, 128)))
    np.testing.assert_array_equal(read_bytes(data, background="gray", channels="each").values, expected[..., 0])
    assert read_bytes(data, background="red", channels="each").values.shape == (48, 64, 3)
    assert read_bytes(data, background="red").values.shape == (48, 64)


def paletted():
    image = Image.new("P", (2, 1), 3)
    image.putpalette(range(12))
    return image


@pytest.mark.parametrize(
    ("image", "key"),
    [
        (Image.new("L", (2, 1), 9), 9),
        (Image.new("1", (2, 1), 1), 1),
        (Image.new("RGB", (2, 1), (1, 2, 3)), (1, 2, 3)),
        (paletted(), 3),
        (paletted(), bytes([255, 255, 255, 0])),
    ],
)
def test_transparent_colour_keys(image, key):
    data = saved(image, "PNG", transparency=key)
    np.testing.assert_array_equal(read_bytes(data, background="#404040").values, [[64, 64]])


def test_transparent_level_of_sixteen_bits():
    picture = read_bytes(png16(np.array([[1000, 1001]], np.uint16), 0, chunk(b"tRNS", b"\3\xe8")))
    np.testing.assert_array_equal(picture.values, np.array([[65535, 1001]], np.uint16), strict=True)


def test_lab_is_its_lightness():
    lab = Image.merge("LAB", [Image.fromarray(COLOR[..., channel].copy()) for channel in range(3)])
    data = saved(lab, "TIFF")
    np.testing.assert_array_equal(read_bytes(data).values, COLOR[..., 0], strict=True)
    with pytest.raises(ImageError, match=r"CIELAB.*--channels gray"):
        read_bytes(data, channels="each")


@pytest.mark.parametrize(
    ("data", "note"),
    [
        (opaque_files()["RGB48.png"], "16-bit colour read at 8 bits"),
        (opaque_files()["RGB48.tif"], "16-bit colour read at 8 bits"),
        (png16(np.full((2, 2, 4), 65535, np.uint16), 6), "16-bit colour read at 8 bits"),
        (png16(np.full((2, 2, 2), 65535, np.uint16), 4), "16-bit gray with alpha read at 8 bits"),
        (b"P6\n1 1\n65535\n" + bytes(6), "16-bit colour read at 8 bits"),
        (hard_files()["frames.gif"].data, "frame 1 of 4 used"),
        (hard_files()["frames.webp"].data, "frame 1 of 4 used"),
        (hard_files()["frames.png"].data, "frame 1 of 4 used"),
        (hard_files()["frames.tif"].data, "frame 1 of 4 used"),
        (hard_files()["frames.mpo"].data, "frame 1 of 4 used"),
    ],
)
def test_notes(data, note):
    assert read_bytes(data).notes == (note,)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.promise("A10")
def test_pictures_are_upright(kind, orientation):
    options = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}.get(kind, {})
    seen = []
    picture = read_bytes(oriented(kind, orientation, **options), check=lambda *size: seen.append(size))
    np.testing.assert_allclose(picture.values.astype(int), UPRIGHT, atol=3 if kind == "JPEG" else 0)
    assert picture.values.flags.c_contiguous
    assert picture.size == (24, 40)
    assert seen == [(24, 40, 1)], "known from the header"


@pytest.mark.parametrize("orientation", [3, 6])
def test_orientation_found_after_the_pixels(orientation):
    seen = []
    picture = read_bytes(late_exif_png(orientation), check=lambda *size: seen.append(size))
    np.testing.assert_array_equal(picture.values, UPRIGHT)
    assert seen == [(24, 40, 1)] if orientation == 3 else seen == [(40, 24, 1), (24, 40, 1)]


@pytest.mark.parametrize("orientation", [0, 9, 255, 65535])
@pytest.mark.promise("A10")
def test_orientations_that_are_none_are_ignored(orientation):
    seen = []
    picture = read_bytes(hard_files()[f"orientation{orientation}.jpg"].data, check=lambda *size: seen.append(size))
    assert picture.size == (48, 64)
    assert seen == [(48, 64, 1)]


def test_check_comes_before_pixels_and_may_refuse():
    def refuse(height, width, channels):
        raise SizeError(f"{height} {width} {channels}")

    # Cut in the pixels: decoding it would be an ImageError.
    data = hard_files()["cut50-rgb.png"].data
    with pytest.raises(SizeError, match="48 64 1"):
        read_bytes(data, check=refuse)
    with pytest.raises(SizeError, match="48 64 3"):
        read_bytes(data, check=refuse, channels="each")
    with pytest.raises(SizeError, match="7 5 1"):
        read_bytes(data, check=refuse, resize=(7, 5))
    with pytest.raises(SizeError, match="2 2 5"):
        from_array(np.zeros((2, 2, 5)), check=refuse, channels="each")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_arrays_become_gray(dtype):
    white = {"u": np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else 1, "f": 1}[np.dtype(dtype).kind]
    rng = np.random.default_rng(3)
    values = (rng.random((300, 7, 3)) * white).astype(dtype)
    gray = from_array(values).values
    if np.dtype(dtype).kind == "u":
        red, green, blue = np.moveaxis(values.astype(object), -1, 0)
        expected = ((red * 19595 + green * 38470 + blue * 7471 + 0x8000) // 65536).astype(dtype)
        np.testing.assert_array_equal(gray, expected, strict=True)
    else:
        np.testing.assert_allclose(gray, values @ np.array([0.299, 0.587, 0.114]), rtol=1e-6)
        assert gray.dtype == dtype
    opaque = np.concatenate([values, np.full((300, 7, 1), white, dtype)], -1)
    np.testing.assert_array_equal(from_array(opaque).values, gray, strict=True)
    clear = np.concatenate([values, np.zeros((300, 7, 1), dtype)], -1)
    np.testing.assert_allclose(from_array(clear).values, np.full((300, 7), white), rtol=1e-6)
    np.testing.assert_array_equal(from_array(clear, background="black").values, np.zeros((300, 7), dtype))


def test_eight_bit_arrays_equal_pillow():
    np.testing.assert_array_equal(from_array(COLOR).values, np.asarray(color_picture().convert("L")), strict=True)
    rgba = np.dstack([COLOR, ALPHA])
    expected = np.asarray(over(COLOR, ALPHA, (255, 255, 255)).convert("L"))
    np.testing.assert_array_equal(from_array(rgba).values, expected, strict=True)


def test_half_transparent_sixteen_bits_round_exactly():
    rng = np.random.default_rng(5)
    values = rng.integers(0, 65536, (20, 20, 4)).astype(np.uint16)
    alpha = values[..., 3:].astype(object)
    colours = (values[..., :3].astype(object) * alpha * 2 + 64 * 257 * (65535 - alpha) * 2 + 65535) // (2 * 65535)
    expected = (colours @ np.array([19595, 38470, 7471], object) + 0x8000) // 65536
    np.testing.assert_array_equal(from_array(values, background="#404040").values, expected.astype(np.uint16))


def test_array_types():
    np.testing.assert_array_equal(from_array([[True, False]]).values, np.uint8([[255, 0]]), strict=True)
    half = from_array(np.array([[0.5, 2]], np.float16)).values
    np.testing.assert_array_equal(half, np.float32([[0.5, 2]]), strict=True)
    assert from_array(np.zeros((2, 2))).values.dtype == np.float64
    for dtype in (np.int8, np.int16, np.int32, np.int64, np.uint32, np.uint64):
        top = np.iinfo(dtype).max
        picture = from_array(np.array([[top, 1]], dtype))
        np.testing.assert_array_equal(picture.values, np.array([[top, 1]], dtype), strict=True)
        assert picture.depth is None
    for dtype in (complex, object, "U1"):
        with pytest.raises(ImageError, match=f"array of type {np.dtype(dtype).name}; integers, float16"):
            from_array(np.zeros((2, 2)).astype(dtype))
    with pytest.raises(ImageError, match="rows of different lengths"):
        from_array([[1, 2], [3]])


def test_array_shapes():
    values = np.zeros((4, 6, 2), np.uint8)
    with pytest.raises(ImageError, match=r"2 channels cannot become gray.*--channels each"):
        from_array(values)
    assert from_array(values, channels="each").values.shape == (4, 6, 2)
    assert from_array(values[..., :1]).values.shape == (4, 6)
    assert from_array(values[..., :1], channels="each").values.shape == (4, 6, 1)
    for shape in ((4,), (1, 2, 3, 4), (0, 3), (3, 0), (2, 2, 0), ()):
        with pytest.raises(ImageError, match="array of shape"):
            from_array(np.zeros(shape, np.uint8))


def test_arrays_have_no_limit_of_their_own():
    assert from_array(np.zeros((2, 2)), max_pixels=4).size == (2, 2)
    with pytest.raises(ImageError, match="--max-pixels"):
        from_array(np.zeros((2, 2)), max_pixels=3)


def test_masked_arrays_are_refused_unless_nothing_is_masked():
    values = np.ma.masked_equal(np.array([[1.0, -9999.0]]), -9999)
    with pytest.raises(ImageError, match=r"1 value is masked; .*filled"):
        from_array(values)
    np.testing.assert_array_equal(from_array(np.ma.masked_equal([[1.0, 2.0]], 5)).values, [[1.0, 2.0]])


@pytest.mark.parametrize("method", ["bilinear", "bicubic", "lanczos", "nearest"])
def test_resize_is_pillows(method):
    gray = color_picture().convert("L")
    data = saved(gray, "PNG")
    picture = read_bytes(data, resize=(20, 30), resize_filter=method)
    expected = np.asarray(gray.resize((30, 20), RESIZE_FILTERS[method]))
    np.testing.assert_array_equal(picture.values, expected, strict=True)
    assert picture.size == (48, 64), "before resizing"
    colour = read_bytes(saved(color_picture(), "PNG"), resize=(20, 30), resize_filter=method, channels="each")
    np.testing.assert_array_equal(colour.values, np.asarray(color_picture().resize((30, 20), RESIZE_FILTERS[method])))


def test_resize_keeps_types_and_ranges():
    step = np.zeros((40, 40), np.uint16)
    step[:, 20:] = 65535
    wide = from_array(step, resize=(60, 60), resize_filter="lanczos").values
    assert wide.dtype == np.uint16
    exact = np.asarray(Image.fromarray(step.astype(np.float32)).resize((60, 60), RESIZE_FILTERS["lanczos"]))
    assert exact.min() < 0, "the filter overshoots"
    np.testing.assert_array_equal(wide, np.floor(exact.clip(0, 65535).astype(float) + 0.5).astype(np.uint16))
    floats = from_array(step / 65535.0, resize=(60, 60), resize_filter="lanczos").values
    assert floats.dtype == np.float32
    assert floats.max() > 1.01, "floats overshoot, as the filter does"
    np.testing.assert_array_equal(from_array(step, resize=(40, 40)).values, step)
    flat = np.full((5, 7, 5), 3, np.uint8)
    np.testing.assert_array_equal(from_array(flat, channels="each", resize=(2, 3)).values, flat[:2, :3])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"background": "nocolor"}, "'nocolor' is not a colour; write a name"),
        ({"nan": "keep"}, "nan 'keep'; write error, zero or ignore"),
        ({"channels": "rgb"}, "channels 'rgb'; write gray or each"),
        ({"resize_filter": "cubic"}, "resize filter 'cubic'; write bilinear, bicubic"),
        ({"resize": (0, 5)}, "resize 0x5"),
        ({"resize": (99999, 99999)}, "resize 99999x99999; .*178,956,970"),
    ],
)
def test_wrong_settings(options, message):
    with pytest.raises(OptionError, match=message):
        from_array([[1.0]], **options)
    with pytest.raises(OptionError, match=message):
        read("missing.png", **options)


def test_names():
    stream = io.BytesIO(opaque_files()["L.png"])
    assert read(stream).source == "stdin"
    assert from_array([[1.0]]).source == "array"
    assert from_array([[1.0]], source="a\nb").source == r"a\x0ab"
    assert from_array([[1.0]]).format == "array"


def test_quiet_and_restored_with_many_threads():
    filters, limit = list(warnings.filters), Image.MAX_IMAGE_PIXELS
    paletted = saved(color_picture().convert("P"), "PNG", transparency=bytes(range(256)))
    failures = []

    def work():
        try:
            for _ in range(10):
                read_bytes(paletted)
                with pytest.raises(ImageError):
                    read_bytes(hard_files()["cut50-rgb.png"].data)
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert list(warnings.filters) == filters
    assert limit == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("channels", ["gray", "each"])
def test_half_floats_of_either_byte_order_are_the_same(channels):
    """Both become float32 before colours are mixed."""
    values = np.random.default_rng(6).random((5, 7, 3)).astype(np.float16)

    big, little = (from_array(values.astype(order), channels=channels).values for order in (">f2", "<f2"))

    np.testing.assert_array_equal(big, little, strict=True)
    assert little.dtype == np.float32
