"""The reading options: --range raw, --page, arrays in .npz."""

import io
import math
import struct
import zlib

import numpy as np
import pytest
import tifffile
from hardfiles import RAMP16, color_picture, npy, png16, saved, tiff
from PIL import Image

import poolcli
from poolcli.api import run
from poolcli.errors import ImageError, OptionError
from poolcli.images.read import from_array, read
from poolcli.images.write import FORMATS
from poolcli.pipeline.engine import execute
from poolcli.pipeline.options import recipe
from poolcli.pipeline.serialize import encoded


def read_bytes(data, **options):
    return read(io.BytesIO(data), **options)


def test_raw_range_is_the_samples_own_numbers():
    for data in (png16(RAMP16, 0), saved(color_picture().convert("L"), "PNG")):
        values = read_bytes(data).values
        result = run(values, recipe(range="raw", pool="max", size=2))
        expected = values.reshape(values.shape[0] // 2, 2, values.shape[1] // 2, 2).max((1, 3))
        np.testing.assert_array_equal(result.output, expected.astype(np.float32), strict=True)
        kept = np.load(io.BytesIO(encoded(result, FORMATS["npy"], scale="clip", depth="auto")))
        np.testing.assert_array_equal(kept, expected, strict=True)
        picture = np.asarray(Image.open(io.BytesIO(encoded(result, FORMATS["png"], scale="clip", depth="auto"))))
        np.testing.assert_array_equal(picture, expected)


def packed_tiff(values, bits, photometric):
    """Gray of so many bits a sample."""
    stream = io.BytesIO()
    if bits == 1:
        tifffile.imwrite(stream, values.astype(bool), metadata=None, photometric=photometric)
    elif bits < 8:
        tifffile.imwrite(stream, values, metadata=None, photometric=photometric, bitspersample=bits)
    else:
        return tiff(
            values.astype(np.uint8 if bits == 8 else np.uint16), photometric=int(photometric == "minisblack"), bits=bits
        )
    return stream.getvalue()


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 12, 16])
@pytest.mark.parametrize("photometric", ["miniswhite", "minisblack"])
def test_raw_samples_of_a_tiff_are_those_of_the_file(bits, photometric):
    top = (1 << bits) - 1
    values = (
        (np.arange(48) * (top // min(top, 47)) % (top + 1)).reshape(6, 8).astype(np.uint16 if bits > 8 else np.uint8)
    )
    if (bits, photometric) == (12, "miniswhite"):
        return  # refused by name
    data = packed_tiff(values, bits, photometric)
    picture = read_bytes(data, own_numbers=True)
    np.testing.assert_array_equal(picture.values, values, strict=True)
    assert picture.notes == ()
    decoded = Image.open(io.BytesIO(data))
    decoded.load()
    np.testing.assert_array_equal(from_array(decoded, own_numbers=True).values, values, strict=True)
    for number in (0, int(values.max())):  # and the same numbers mark missing cells
        for source in (read_bytes(data, nodata=number), from_array(decoded, nodata=number)):
            np.testing.assert_array_equal(np.isnan(source.values), values == number)


def test_raw_samples_of_two_levels_are_0_and_1():
    values = np.array([[True, False, True]])
    for made in (read_bytes(npy(values), own_numbers=True), from_array(values, own_numbers=True)):
        np.testing.assert_array_equal(made.values, values.astype(np.uint8), strict=True)
    stack = np.stack([values, ~values])
    planes = from_array(stack, own_numbers=True, layout="planes").values
    np.testing.assert_array_equal(np.moveaxis(planes, -1, 0), stack.astype(np.uint8), strict=True)
    np.testing.assert_array_equal(from_array(np.repeat(values[..., None], 4, 2), own_numbers=True).values, [[1, 1, 1]])
    image = Image.fromarray(values)
    np.testing.assert_array_equal(from_array(image, own_numbers=True).values, values.astype(np.uint8), strict=True)
    black_is_1 = b"P1 3 1 1 0 1"
    np.testing.assert_array_equal(read_bytes(black_is_1, own_numbers=True).values, values.astype(np.uint8), strict=True)
    image = Image.open(io.BytesIO(black_is_1))
    image.load()
    np.testing.assert_array_equal(from_array(image, own_numbers=True).values, values.astype(np.uint8), strict=True)
    np.testing.assert_array_equal(np.isnan(from_array(image, nodata=1).values), values)


@pytest.mark.parametrize("kind", ["max", "min", "mode"])
def test_labels_of_32_bits_stay_exact(kind):
    labels = np.full((4, 4), 99999999, np.int32)
    result = run(labels, recipe(range="raw", pool=kind))
    kept = np.load(io.BytesIO(encoded(result, FORMATS["npy"], scale="clip", depth="auto")))
    np.testing.assert_array_equal(kept, labels[:2, :2], strict=True)


def frames():
    return [Image.new("L", (6, 4), 40 * (number + 1)) for number in range(3)]


@pytest.mark.parametrize("kind", ["TIFF", "GIF", "PNG", "WEBP"])
@pytest.mark.parametrize("page", [1, 2, 3])
def test_pages_count_from_one(kind, page):
    first, *others = frames()
    data = saved(first, kind, save_all=True, append_images=others, **({"lossless": True} if kind == "WEBP" else {}))
    picture = read_bytes(data, page=page)
    np.testing.assert_array_equal(picture.values, np.full((4, 6), 40 * page, np.uint8))
    assert picture.notes == (f"frame {page} of 3 used",)


def test_pages_that_are_not_there_are_refused():
    data = saved(frames()[0], "TIFF", save_all=True, append_images=frames()[1:])
    with pytest.raises(ImageError, match="page 4 of a file of 3; write 1 to 3"):
        read_bytes(data, page=4)
    with pytest.raises(ImageError, match="page 2 of a file of one page"):
        read_bytes(saved(frames()[0], "JPEG"), page=2)
    with pytest.raises(ImageError, match="page 2 of an array"):
        from_array(np.zeros((4, 4)), page=2)
    with pytest.raises(OptionError, match="page"):
        recipe(page=0)
    big = saved(frames()[0], "TIFF", save_all=True, append_images=[Image.new("L", (60, 40))])
    with pytest.raises(ImageError, match="at most 100"):
        read_bytes(big, page=2, max_pixels=100)


def test_a_page_is_part_of_the_recipe_only_when_it_is_given():
    assert "page" not in recipe().to_dict()
    assert recipe(page=2).to_dict()["page"] == 2
    assert recipe(page=2).hash != recipe().hash == recipe(page=1).hash


def npz(**arrays):
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def test_one_array_in_a_zip_is_read():
    picture = read_bytes(npz(output=RAMP16))
    np.testing.assert_array_equal(picture.values, RAMP16, strict=True)
    assert picture.format == "NPZ"
    with pytest.raises(ImageError, match=r"holds a\.npy, b\.npy; save one array alone"):
        read_bytes(npz(a=RAMP16, b=RAMP16))
    with pytest.raises(ImageError, match="at most 65,535"):
        read_bytes(npz(a=RAMP16), max_pixels=65_535)
    whole = npz(a=RAMP16)
    for cut in range(4, len(whole), len(whole) // 20):
        with pytest.raises(ImageError):
            read_bytes(whole[:cut])
    assert read_bytes(npy(RAMP16)).format == "NPY"


@pytest.mark.parametrize("shape", [(7, 6), (1, 7, 6), (5, 7, 6), (2, 3, 7, 6), (2, 1, 2, 7, 6)])
@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float64])
def test_planes_are_pooled_each_by_itself_and_keep_their_axes(shape, dtype):
    x = np.random.default_rng(2).integers(0, 200, shape).astype(dtype)
    result = run(x, recipe(layout="planes", range="raw", size=3, stride=2))
    expected = poolcli.pool2d(x, "max", 3, 2)
    np.testing.assert_array_equal(result.output, expected.astype(np.float32), strict=True)
    kept = np.load(io.BytesIO(encoded(result, FORMATS["npy"], scale="clip", depth="auto")))
    np.testing.assert_array_equal(kept, expected if np.dtype(dtype).kind in "iu" else expected.astype(np.float32))
    assert result.channels == math.prod(shape[:-2])


def test_indices_and_stages_of_planes_have_their_axes():
    x = np.random.default_rng(2).random((2, 3, 8, 6))
    made = execute(from_array(x, layout="planes"), recipe(layout="planes"), indices=True, keep_maps=True)
    _, indices = poolcli.pool2d(x, "max", 2, return_indices=True)
    np.testing.assert_array_equal(made.indices, indices, strict=True)
    np.testing.assert_array_equal(made.maps["0-input"], x.astype(np.float32), strict=True)


def test_planes_and_channels_are_named_where_they_are_mixed_up():
    with pytest.raises(ImageError, match="--channels each or --layout planes"):
        from_array(np.zeros((8, 5, 5)))
    for shape in ((4,), (2, 0, 4)):
        with pytest.raises(ImageError, match=r"\(…, H, W\)"):
            from_array(np.zeros(shape), layout="planes")
    assert recipe(layout="planes").hash != recipe().hash == recipe(layout="hwc").hash


def test_npy_and_npz_files_of_planes_are_read():
    x = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
    for data in (npy(x), npz(x=x)):
        picture = read_bytes(data, layout="planes")
        np.testing.assert_array_equal(picture.values, np.moveaxis(x.reshape(6, 4, 5), 0, -1), strict=True)
        assert picture.leading == (2, 3)
        with pytest.raises(ImageError, match="array of shape"):
            read_bytes(data)


MODES = ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "I", "F", "I;16"]


def image_of(mode):
    if mode == "I;16":
        return Image.fromarray(RAMP16[:16, :16].copy())
    picture = color_picture().crop((0, 0, 16, 12))
    if mode in {"LA", "RGBA", "RGBa"}:
        picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    if mode == "PA":
        return picture.convert("P").convert("PA")
    image = picture.convert("L").convert(mode) if mode in {"I", "F"} else picture.convert(mode)
    if mode == "P":
        image.info["transparency"] = image.getpixel((0, 0))
    return image


@pytest.mark.parametrize("channels", ["gray", "each"])
@pytest.mark.parametrize("mode", MODES)
def test_pillow_images_are_read_as_files_of_their_mode(mode, channels):
    image = image_of(mode)
    kind = {"P": "PNG", "PA": None, "RGBa": None}.get(mode, "TIFF")
    held = image.convert("RGBA" if mode in {"PA", "RGBa"} else "RGB") if kind is None else image
    expected = read_bytes(saved(held, kind or "TIFF"), channels=channels, background="red")
    picture = from_array(image, channels=channels, background="red")
    np.testing.assert_array_equal(picture.values, expected.values, strict=True)
    assert picture.depth == expected.depth
    assert picture.mode == mode or mode == "RGBa"


def test_an_opened_file_is_read_upright_and_refused_where_it_is_damaged():
    whole = saved(color_picture(), "JPEG", exif=Image.Exif())
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = saved(color_picture(), "JPEG", exif=exif)
    for data in (whole, turned):
        picture = from_array(Image.open(io.BytesIO(data)))
        np.testing.assert_array_equal(picture.values, read_bytes(data).values, strict=True)
    with pytest.raises(ImageError, match=r"damaged PNG file"):
        from_array(Image.open(io.BytesIO(saved(color_picture(), "PNG")[:-60])))
    with pytest.raises(ImageError, match="seek"):
        from_array(Image.open(io.BytesIO(whole)), page=2)


def test_colour_of_a_mode_that_no_file_holds_is_pillows():
    for mode in ("YCbCr", "HSV"):
        image = color_picture().convert(mode)
        for channels, expected in (("each", image.convert("RGB")), ("gray", image.convert("L"))):
            np.testing.assert_array_equal(
                from_array(image, channels=channels).values, np.asarray(expected), strict=True
            )


def gray_png(bits, values):
    width = len(values[0])
    rows = b"".join(
        b"\0"
        + int("".join(f"{v:0{bits}b}" for v in row).ljust(-(-width * bits // 8) * 8, "0"), 2).to_bytes(
            -(-width * bits // 8), "big"
        )
        for row in values
    )
    return png_of(struct.pack(">IIBBBBB", width, len(values), bits, 0, 0, 0, 0), rows)


def png_of(header, rows):
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def raw_files():
    for bits in (1, 2, 4, 8):
        values = (np.arange(2 * 2**bits) % 2**bits).astype(np.uint8).reshape(2, -1)
        yield f"PNG {bits}", gray_png(bits, values.tolist()), values
    for largest in (1, 7, 100, 254, 255, 999, 65535):
        values = np.linspace(0, largest, 48).astype(np.uint16).reshape(4, 12)
        text = f"P2 12 4 {largest} {' '.join(map(str, values.ravel()))}".encode()
        yield f"plain PGM {largest}", text, values
        stored = values.astype(">u2" if largest > 255 else np.uint8).tobytes()
        yield f"PGM {largest}", f"P5 12 4 {largest}\n".encode() + stored, values
    for bits in (2, 4):
        values = np.arange(4 * 8, dtype=np.uint8).reshape(4, 8) % 2**bits
        yield f"TIFF {bits}", tifffile_bytes(values, bits), values


def tifffile_bytes(values, bits):
    stream = io.BytesIO()
    tifffile.imwrite(stream, values, bitspersample=bits, photometric="minisblack")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("data", "values"), [(d, v) for _, d, v in raw_files()], ids=[name for name, *_ in raw_files()]
)
def test_raw_range_keeps_numbers_of_any_depth(data, values):
    result = run(read_bytes(data, own_numbers=True).values, recipe(range="raw", size=1))
    np.testing.assert_array_equal(result.raw, values)
    in_unit = read_bytes(data)
    full = 65535 if in_unit.depth == 16 else 255
    np.testing.assert_allclose(in_unit.values / full, values / max(1, int(values.max())), atol=0.5 / 255)
