"""TIFF beside tifffile and imagecodecs: every kind is read with the values of its samples, or refused by name."""

import io
import struct

import numpy as np
import pytest
import tifffile
from hardfiles import tiff
from PIL import Image

from poolcli.errors import ImageError
from poolcli.images import tiff as tiff_module
from poolcli.images.read import from_array, read

SHAPE = (21, 37)  # no multiple of a tile
ORDERS = ("<", ">")
LAYOUTS = {"strips": {"rowsperstrip": 8}, "tiles": {"tile": (16, 32)}}
NAMES = ("lzw", "deflate", "zstd") if tiff_module.decodes("zstd") else ("lzw", "deflate")
PACKED = [(None, None), ("packbits", None), *((name, p) for name in NAMES for p in (None, 2, 3))]
READ_GRAY = {"<": "u1 i1 u2 i2 u4 i4 f4", ">": "u1 i1 u2 i2 i4 f4"}


def samples(dtype, shape=SHAPE):
    dtype = np.dtype(dtype)
    rng = np.random.default_rng(3)
    if dtype.kind == "f":
        return (rng.standard_normal(shape) * 100).astype(dtype)
    limits = np.iinfo(dtype)
    values = rng.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
    values[:9] = np.arange(9).reshape(-1, *[1] * (len(shape) - 1))  # small ones as well: the type decides, not they
    return values


def written(values, **options):
    stream = io.BytesIO()
    tifffile.imwrite(stream, values, metadata=None, **options)
    return stream.getvalue()


def read_bytes(data, **options):
    return read(io.BytesIO(data), **options)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"])
def test_gray_samples_are_their_own_values_or_refused(dtype, order, layout):
    values = samples(dtype)
    for compression, predictor in PACKED:
        if predictor == (2 if values.dtype.kind == "f" else 3):
            continue
        options = {"compression": compression, "predictor": predictor, "byteorder": order, **LAYOUTS[layout]}
        data = written(values, photometric="minisblack", **options)
        np.testing.assert_array_equal(tifffile.imread(io.BytesIO(data)), values)
        if dtype in READ_GRAY[order].split():
            np.testing.assert_array_equal(read_bytes(data).values, values, strict=True)
        else:
            kind = {"u": "", "i": "signed ", "f": "float "}[values.dtype.kind]
            with pytest.raises(ImageError, match=f"TIFF of {values.dtype.itemsize * 8}-bit {kind}gray.* is not read"):
                read_bytes(data)


def test_inverted_samples_are_inverted_or_refused():
    for dtype, order in (("u1", "<"), ("u1", ">"), ("u2", "<")):
        values = samples(dtype)
        data = written(values, photometric="miniswhite", byteorder=order, compression="lzw")
        np.testing.assert_array_equal(read_bytes(data).values, np.iinfo(dtype).max - values, strict=True)
    for dtype, order in (("u2", ">"), ("i2", "<"), ("u4", "<"), ("f4", "<"), ("f4", ">")):
        with pytest.raises(ImageError, match=r"MinIsWhite gray.* is not read"):
            read_bytes(written(samples(dtype), photometric="miniswhite", byteorder=order))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize("colour", ["rgb", "rgba", "premultiplied", "extra", "cmyk"])
def test_colour_is_the_same_in_planes_and_pixels(colour, dtype, planar, order):
    values = samples(dtype, (*SHAPE, 3 if colour == "rgb" else 4))
    if colour in {"rgba", "premultiplied"}:
        values[..., 3] = np.iinfo(dtype).max
    extra = {"rgba": "unassalpha", "premultiplied": "assocalpha", "extra": "unspecified"}.get(colour)
    eight = (values >> (8 * (values.itemsize - 1))).astype(np.uint8)
    expected = np.asarray(Image.fromarray(eight, "CMYK").convert("RGB")) if colour == "cmyk" else eight[..., :3]
    refused = planar == "separate" and (colour in {"premultiplied", "extra"} or (colour, dtype) == ("cmyk", "u2"))
    for layout in LAYOUTS.values():
        for compression, predictor in PACKED:
            if predictor == 3:
                continue
            data = written(
                values if planar == "contig" else np.moveaxis(values, -1, 0).copy(),
                photometric="separated" if colour == "cmyk" else "rgb",
                planarconfig=planar,
                extrasamples=[extra] if extra else None,
                **{"compression": compression, "predictor": predictor, "byteorder": order, **layout},
            )
            if refused and (compression is None or (colour == "extra" and not tiff_module.UNKNOWN_PLANES)):
                with pytest.raises(ImageError, match=r"separate planes.* is not read"):
                    read_bytes(data)
            else:
                np.testing.assert_array_equal(read_bytes(data, channels="each").values, expected, strict=True)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (tiff(np.zeros((8, 8))), "64-bit gray"),
        (tiff(np.zeros((8, 8), np.uint8), bits=6), "6-bit gray"),
        (tiff(np.zeros((8, 8), np.uint16), bits=10), "10-bit gray"),
        (tiff(np.zeros((8, 8), np.uint16), bits=14, order=">"), r"14-bit gray \(big-endian\)"),
        (tiff(np.zeros((8, 8), np.complex64), sample_format=6), "64-bit complex gray"),
        (
            written(np.zeros((2, 8, 8), np.uint8), planarconfig="separate", photometric="minisblack"),
            "8-bit gray .*separate",
        ),
        (written(np.zeros((8, 8, 5), np.uint8), planarconfig="contig", photometric="minisblack"), "4 extra channels"),
        (written(np.zeros((8, 8), np.uint8), byteorder=">", bigtiff=True), r"8-bit gray \(big-endian BigTIFF\)"),
    ],
)
def test_what_is_not_read_is_named(data, kind):
    with pytest.raises(ImageError, match=f"TIFF of .*{kind}.* is not read; gray of 1, 2") as refused:
        read_bytes(data)
    assert "damaged" not in str(refused.value)


def test_subsampled_ycbcr_is_refused_by_name():
    data = tiff(np.full((8, 8, 3), 128, np.uint8), photometric=6)
    with pytest.raises(ImageError, match="8-bit YCbCr is not read"):
        read_bytes(data)


def test_damaged_tags_are_damage():
    data = bytearray(tiff(np.zeros((8, 8), np.uint8)))
    data[4:8] = struct.pack("<I", 10**6)
    with pytest.raises(ImageError, match="damaged"):
        read_bytes(bytes(data))


def test_a_compression_that_this_pillow_has_not_is_named(monkeypatch):
    monkeypatch.setattr(tiff_module, "decodes", lambda _: False)
    with pytest.raises(ImageError, match="TIFF compressed with zstd is not read"):
        read_bytes(written(samples("u1"), photometric="minisblack", compression="zstd"))


def test_webp_is_read_or_named():
    values = samples("u1", (*SHAPE, 3))
    data = written(values, photometric="rgb", compression="webp", compressionargs={"lossless": True})
    if tiff_module.decodes("webp"):
        np.testing.assert_array_equal(read_bytes(data, channels="each").values, values)
    else:
        with pytest.raises(ImageError, match="TIFF compressed with webp is not read"):
            read_bytes(data)


def test_lightness_in_jpeg_is_named():
    data = written(samples("u1", (*SHAPE, 3)), photometric="cielab", compression="jpeg")
    with pytest.raises(ImageError, match=r"TIFF of 8-bit CIELAB \(JPEG\) is not read"):
        read_bytes(data)


def test_two_levels_of_big_endian_bigtiff_are_named():
    data = written(np.eye(9, dtype=bool), photometric="minisblack", byteorder=">", bigtiff=True, compression="deflate")
    with pytest.raises(ImageError, match=r"TIFF of 1-bit gray \(deflate, big-endian BigTIFF\) is not read"):
        read_bytes(data)


def with_tag(data, tag, value):
    """A little-endian TIFF with one more tag, its directory moved to the end."""
    start = struct.unpack_from("<I", data, 4)[0]
    count = struct.unpack_from("<H", data, start)[0]
    entries = [data[start + 2 + 12 * i : start + 14 + 12 * i] for i in range(count)]
    entries = sorted(
        [*entries, struct.pack("<HHIHxx", tag, 3, 1, value)], key=lambda one: struct.unpack_from("<H", one)
    )
    moved = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    return data[:4] + struct.pack("<I", len(data)) + data[8:] + moved


@pytest.mark.parametrize("compression", [None, "packbits"])
def test_differences_that_readers_disagree_on_are_refused(compression):
    """libtiff takes such samples as they are, tifffile adds them up."""
    data = with_tag(written(samples("u1"), photometric="minisblack", compression=compression), 317, 2)
    with pytest.raises(ImageError, match=r"predictor 2\) is not read"):
        read_bytes(data)


def paged(*pages):
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as writer:
        for page in pages:
            writer.write(page, metadata=None, photometric="minisblack")
    return stream.getvalue()


PAGE = np.arange(12, dtype=np.uint8).reshape(3, 4)


def damaged_last():
    """Three pages: the third one's directory has no width."""
    data = bytearray(paged(PAGE, PAGE + 100, PAGE + 200))
    start = tiff_module.page_starts(io.BytesIO(data))[0][2]
    place = data.index(struct.pack("<HH", 256, 4), start)
    data[place : place + 2] = struct.pack("<H", 255)
    return bytes(data)


def cut_off_last():
    data = paged(PAGE, PAGE + 100, PAGE + 200)
    return data[: tiff_module.page_starts(io.BytesIO(data))[0][2] + 20]


ODD_LAST = {
    "float64": (paged(PAGE, PAGE + 100, PAGE.astype(np.float64)), 3, r"page 3: TIFF of 64-bit float gray is not read"),
    "float16": (paged(PAGE, PAGE + 100, PAGE.astype(np.float16)), 3, r"page 3: TIFF of 16-bit float gray is not read"),
    "damaged": (damaged_last(), 3, "damaged TIFF file"),
    "cut off": (cut_off_last(), None, "damaged TIFF file: no page can be found after page 2"),
}


@pytest.mark.parametrize("name", ODD_LAST)
def test_a_page_that_is_not_read_does_not_change_the_others(name):
    data, pages, message = ODD_LAST[name]
    for page, expected in ((1, PAGE), (2, PAGE + 100)):
        picture = read_bytes(data, page=page)
        np.testing.assert_array_equal(picture.values, expected, strict=True)
        assert picture.notes == ((f"frame {page} of {pages} used",) if pages else ())
        image = Image.open(io.BytesIO(data))
        image.seek(page - 1)
        np.testing.assert_array_equal(from_array(image).values, expected, strict=True)
    with pytest.raises(ImageError, match=message):
        read_bytes(data, page=3)


def test_pages_of_an_opened_file_may_differ_in_size():
    image = Image.open(io.BytesIO(paged(PAGE, np.arange(-3, 3, dtype=np.int16).reshape(1, 6), PAGE.astype(float))))
    image.seek(1)
    picture = from_array(image)
    np.testing.assert_array_equal(picture.values, np.arange(-3, 3, dtype=np.int16).reshape(1, 6), strict=True)
    assert "frame 2 of 3 used" in picture.notes


def test_pages_in_a_circle_are_counted_once():
    data = bytearray(paged(PAGE, PAGE + 100))
    first, second = tiff_module.page_starts(io.BytesIO(data))[0]
    place = second + 2 + 12 * struct.unpack_from("<H", data, second)[0]
    data[place : place + 4] = struct.pack("<I", first)
    assert read_bytes(bytes(data)).notes == ("frame 1 of 2 used",)


def reversed_bits(data, **tags):
    """A little-endian TIFF, its strips with the lowest bit of each byte first, and the tag that says so."""
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages[0]
        places = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    turned = bytearray(data)
    for start, size in places:
        part = np.frombuffer(data[start : start + size], np.uint8)
        turned[start : start + size] = np.packbits(np.unpackbits(part, bitorder="little")).tobytes()
    return with_tag(bytes(turned), 266, 2)


@pytest.mark.parametrize("compression", [None, "packbits", "lzw", "deflate"])
@pytest.mark.parametrize(
    "kind", ["gray", "16-bit gray", "white is 0", "colour", "planes", "alpha in planes", "palette"]
)
def test_reversed_bits_are_turned_or_named(kind, compression):
    values = samples(
        "u2" if kind.startswith("16") else "u1",
        SHAPE if "gray" in kind or kind in {"white is 0", "palette"} else (*SHAPE, 3),
    )
    options = {"photometric": "minisblack"}
    expected = values
    if kind == "white is 0":
        options, expected = {"photometric": "miniswhite"}, 255 - values
    elif kind == "palette":
        colors = np.random.default_rng(1).integers(0, 256, (3, 256), np.uint16) * 257
        options, expected = {"photometric": "palette", "colormap": colors}, (colors[:, values] >> 8).transpose(1, 2, 0)
    elif values.ndim == 3:
        options = {"photometric": "rgb"}
    stored = values
    if "planes" in kind:
        stored = np.moveaxis(values, -1, 0).copy()
        options |= {"planarconfig": "separate"}
    if kind == "alpha in planes":
        stored = np.concatenate([stored, np.full((1, *SHAPE), 255, np.uint8)])
        options |= {"extrasamples": ["unassalpha"]}
    data = reversed_bits(written(stored, compression=compression, rowsperstrip=8, **options))
    np.testing.assert_array_equal(tifffile.imread(io.BytesIO(data)), stored)
    if kind == "alpha in planes" or (compression is None and kind in {"white is 0", "planes"}):
        with pytest.raises(ImageError, match=r"TIFF of .*fill order 2.* is not read"):
            read_bytes(data)
    else:
        np.testing.assert_array_equal(read_bytes(data, channels="each").values, expected)


@pytest.mark.parametrize("compression", ["packbits", "lzw", "deflate"])
@pytest.mark.parametrize("extra", ["unspecified", "unspecified unspecified", "unassalpha unspecified"])
@pytest.mark.parametrize("colour", ["rgb", "ycbcr", "separated"])
def test_planes_beside_the_colours_are_left_out_or_named(colour, extra, compression):
    extras = extra.split()
    values = samples("u1", (*SHAPE, (4 if colour == "separated" else 3) + len(extras)))
    data = written(
        np.moveaxis(values, -1, 0).copy(),
        photometric=colour,
        planarconfig="separate",
        extrasamples=extras,
        compression=compression,
        subsampling=(1, 1) if colour == "ycbcr" else None,
    )
    if colour == "rgb" and set(extras) == {"unspecified"} and tiff_module.UNKNOWN_PLANES:
        np.testing.assert_array_equal(read_bytes(data, channels="each").values, values[..., :3])
    elif colour == "separated" and set(extras) == {"unspecified"} and tiff_module.UNKNOWN_PLANES:
        inks = Image.fromarray(values[..., :4].copy(), "CMYK").convert("RGB")
        np.testing.assert_array_equal(read_bytes(data, channels="each").values, np.asarray(inks))
    else:
        with pytest.raises(ImageError, match=r"TIFF of 8-bit .*channels in separate planes\) is not read"):
            read_bytes(data)
