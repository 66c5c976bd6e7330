"""Difficult picture files, made in memory: damaged, disguised, oversized, of every mode, byte order and orientation.

`hard_files()` maps a name to bytes and to what reading them must end in: a picture, an error, or either (damage that
no decoder can notice). Deterministic; needs Pillow, numpy, struct and zlib only.
"""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

PICTURE, ERROR, EITHER = "picture", "error", "either"

UPRIGHT = np.zeros((24, 40), np.uint8)
UPRIGHT[2:20, 4:8] = 250
UPRIGHT[2:6, 4:30] = 170
UPRIGHT[10:13, 8:20] = 90
RAMP16 = np.arange(65536, dtype=np.uint16).reshape(256, 256)

# EXIF orientation -> how an upright picture is stored under it.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


class HardFile(NamedTuple):
    """A file's bytes and how reading it must end."""

    data: bytes
    ends: str


@cache
def color_picture() -> Image.Image:
    """48x64 pixels in which every row, column and channel differs."""
    rows, columns = np.mgrid[0:48, 0:64]
    channels = [(columns * 4) % 256, (rows * 5) % 256, ((rows + columns) * 3) % 256]
    return Image.fromarray(np.stack(channels, -1).astype(np.uint8))


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The bytes of a picture, by Pillow."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def npy(array: np.ndarray, **options: Any) -> bytes:
    """The bytes of a ``.npy`` file."""
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    """One PNG chunk."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(height: int, width: int, bits: int, color: int, rows: bytes, *between: bytes, after: bytes = b"") -> bytes:
    """A PNG from its unfiltered rows, chunks before and after the pixels as given."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(rows, 9))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(between) + data + after + chunk(b"IEND", b"")


def png16(values: np.ndarray, color: int, *between: bytes) -> bytes:
    """A 16-bit PNG of an array of shape (H, W) or (H, W, C)."""
    big = values.astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in big)
    return png(values.shape[0], values.shape[1], 16, color, rows, *between)


def tiff(
    values: np.ndarray, *, photometric: int = 1, sample_format: int = 1, bits: int | None = None, order: str = "<"
) -> bytes:
    """An uncompressed TIFF of one strip, of any sample type and byte order; `bits` below 16 are packed already."""
    height, width = values.shape[:2]
    count = 1 if values.ndim == 2 else values.shape[2]
    data = values.astype(values.dtype.newbyteorder(order)).tobytes()
    if bits == 12:
        flat = values.reshape(-1, 2).astype(np.uint32)
        packed = np.stack([flat[:, 0] >> 4, (flat[:, 0] & 15) << 4 | flat[:, 1] >> 8, flat[:, 1] & 255], -1)
        data = packed.astype(np.uint8).tobytes()
    depth = bits or values.dtype.itemsize * 8
    tags = [(256, 4, width), (257, 4, height), (258, 3, depth), (259, 3, 1), (262, 3, photometric), (273, 4, 0)]
    tags += [(277, 3, count), (278, 4, height), (279, 4, len(data)), (339, 3, sample_format)]
    start = 8 + 2 + 12 * len(tags) + 4
    extra = b""
    entries = b""
    for tag, kind, value in tags:
        if tag in {258, 339} and count > 2:
            entries += struct.pack(order + "HHII", tag, kind, count, start + len(extra))
            extra += struct.pack(order + "H", value) * count
        else:
            entries += struct.pack(order + ("HHII" if kind == 4 else "HHIHxx"), tag, kind, 1, value)
    entries = entries.replace(
        struct.pack(order + "HHII", 273, 4, 1, 0), struct.pack(order + "HHII", 273, 4, 1, start + len(extra))
    )
    magic = b"II*\0" if order == "<" else b"MM\0*"
    return magic + struct.pack(order + "IH", 8, len(tags)) + entries + struct.pack(order + "I", 0) + extra + data


def oriented(kind: str, orientation: int, **options: Any) -> bytes:
    """`UPRIGHT`, stored turned, with the EXIF tag that says so."""
    image = Image.fromarray(UPRIGHT).convert("RGB")
    turn = STORED[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(image if turn is None else image.transpose(turn), kind, exif=exif, **options)


def late_exif_png(orientation: int) -> bytes:
    """A PNG whose EXIF comes after the pixels, where it is known only once they are decoded."""
    stored = np.asarray(Image.open(io.BytesIO(oriented("PNG", orientation))).convert("L"))
    exif = Image.Exif()
    exif[0x0112] = orientation
    rows = b"".join(b"\0" + row.tobytes() for row in stored)
    return png(*stored.shape, 8, 0, rows, after=chunk(b"eXIf", exif.tobytes()[6:]))


def bomb_headers() -> dict[str, bytes]:
    """A few bytes each, with a header that promises more than two hundred million pixels."""
    side = 30000
    gif_frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0) + b"\x02\x02\x44\x01\0;"
    gif_start = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes(6)
    bmp = b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, side, side, 1, 24, *[0] * 6)
    return {
        "bomb.png": png(side, side, 8, 2, b""),
        "bomb-line.png": png(1, 2**31 - 1, 8, 0, b""),
        "bomb.gif": b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0x80, 0, 0) + bytes(6) + gif_frame,
        "bomb-frame.gif": gif_start + gif_frame,
        # Pillow fills the area that such a frame leaves behind while it opens the file.
        "bomb-cleared.gif": gif_start + b"\x21\xf9\4" + bytes([2 << 2, 0, 0, 0, 0]) + gif_frame,
        "bomb-restored.gif": gif_start + b"\x21\xf9\4" + bytes([3 << 2 | 1, 0, 0, 0, 0]) + gif_frame,
        "bomb-after-junk.gif": gif_start + b"\1\x21\xff\0\0\x21\xfe\0\x21\xf9\4" + bytes([8, 0, 0, 0, 0]) + gif_frame,
        "bomb.bmp": bmp,
        "bomb.ppm": b"P6\n30000 30000\n255\n",
        "bomb.tif": _tiff_header(60000, 60000),
        "bomb.npy": _npy_header("(30000, 30000)"),
    }


def late_bomb() -> bytes:
    """A GIF of one pixel whose second frame promises four billion."""
    frames = [b"\x2c" + struct.pack("<HHHHB", 0, 0, side, side, 0) + b"\x02\x02\x44\x01\0" for side in (1, 65535)]
    control = b"\x21\xf9\4" + bytes([2 << 2, 0, 0, 0, 0])
    return b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes(6) + frames[0] + control + frames[1] + b";"


def _tiff_header(height: int, width: int) -> bytes:
    data = tiff(np.zeros((1, 1), np.uint8))
    data = data.replace(struct.pack("<HHII", 256, 4, 1, 1), struct.pack("<HHII", 256, 4, 1, width))
    return data.replace(struct.pack("<HHII", 257, 4, 1, 1), struct.pack("<HHII", 257, 4, 1, height))


def _npy_header(shape: str, kind: str = "|u1") -> bytes:
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text.encode()


@cache
def hard_files() -> dict[str, HardFile]:
    """Name -> bytes and outcome, for every file of this module."""
    rng = np.random.default_rng(7)
    image = color_picture()
    files: dict[str, HardFile] = {}

    def add(ends: str, **entries: bytes) -> None:
        files.update({name.replace("__", "."): HardFile(data, ends) for name, data in entries.items()})

    whole = {
        "base.jpg": saved(image, "JPEG", quality=90),
        "progressive.jpg": saved(image, "JPEG", progressive=True),
        "rgb.png": saved(image, "PNG"),
        "palette.gif": saved(image.convert("P"), "GIF"),
        "raw.tif": saved(image, "TIFF"),
        "lzw.tif": saved(image, "TIFF", compression="tiff_lzw"),
        "lossy.webp": saved(image, "WEBP"),
        "lossless.webp": saved(image, "WEBP", lossless=True),
        "rgb.bmp": saved(image, "BMP"),
        "rgb.ppm": saved(image, "PPM"),
        "gray16.png": png16(RAMP16[:16], 0),
        "gray.npy": npy(RAMP16[:16]),
    }
    for name, data in whole.items():
        files[name] = HardFile(data, PICTURE)
        for percent in (5, 25, 50, 75):
            files[f"cut{percent}-{name}"] = HardFile(data[: len(data) * percent // 100], ERROR)
        # The last byte may be a terminator that decoders do not wait for.
        files[f"cut1-{name}"] = HardFile(data[:-1], EITHER)
        flipped = bytearray(data)
        for index in range(len(data) // 2, min(len(data), len(data) // 2 + 12)):
            flipped[index] ^= 0xA5
        files[f"flipped-{name}"] = HardFile(bytes(flipped), EITHER)
        files[f"trailing-{name}"] = HardFile(data + b"\0junk" * 20, EITHER)

    add(ERROR, empty__png=b"", one__png=b"\x89", random__jpg=rng.bytes(4096), zeros__bmp=bytes(4096))
    add(ERROR, page__png=b"<!doctype html><html><body>404</body></html>", signature__png=b"\x89PNG\r\n\x1a\n")
    add(ERROR, start__jpg=b"\xff\xd8", header__gif=b"GIF89a", picture__svg=b"<svg width='9' height='9'/>")
    add(
        ERROR,
        eps_named__jpg=saved(image, "EPS"),
        pdf_named__png=saved(image, "PDF"),
        tga_named__png=saved(image, "TGA"),
    )
    add(PICTURE, jpeg_named__png=whole["base.jpg"], png_named__jpg=whole["rgb.png"], no_suffix=whole["rgb.png"])
    files.update({name: HardFile(data, ERROR) for name, data in bomb_headers().items()})
    add(ERROR, no_pixels__png=png(0, 0, 8, 0, b""), no_rows__png=png(0, 10, 8, 0, b""))
    add(ERROR, long_number__ppm=b"P3\n1 1\n255\n" + b"9" * 100_000, loop__tif=b"II*\0" + struct.pack("<IHI", 8, 0, 8))
    add(EITHER, text_bomb__png=png(1, 1, 8, 0, b"\0\0", chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(4 << 20)))))
    add(PICTURE, surplus__png=png(8, 8, 8, 0, bytes(8 << 20)))

    one_page = tiff(np.zeros((8, 8), np.uint8))
    add(PICTURE, self_loop__tif=one_page[:-68] + struct.pack("<I", 8) + one_page[-64:])
    add(ERROR, samples__tif=one_page.replace(struct.pack("<HHIH", 277, 3, 1, 1), struct.pack("<HHIH", 277, 3, 1, 255)))
    add(PICTURE, signed8__tif=tiff(np.zeros((8, 8), np.int8), sample_format=2))
    add(ERROR, inverted_float__tif=tiff(np.zeros((8, 8), np.float32), photometric=0, sample_format=3))
    add(
        ERROR,
        double__tif=tiff(np.zeros((8, 8)), sample_format=3),
        half__tif=tiff(np.zeros((8, 8), np.float16), sample_format=3),
    )
    for name, value in (("nan", np.nan), ("inf", np.inf), ("minus_inf", -np.inf)):
        bad = np.zeros((8, 8), np.float32)
        bad[2, 3] = value
        files[f"{name}.tif"] = HardFile(tiff(bad, sample_format=3), ERROR)
        files[f"{name}.npy"] = HardFile(npy(bad), ERROR)
        files[f"{name}.pfm"] = HardFile(b"Pf\n8 8\n-1.0\n" + bad.tobytes(), ERROR)

    frames = [image.rotate(30 * turn) for turn in range(4)]
    for suffix, kind in (("gif", "GIF"), ("webp", "WEBP"), ("png", "PNG"), ("tif", "TIFF"), ("mpo", "MPO")):
        data = saved(frames[0], kind, save_all=True, append_images=frames[1:])
        files[f"frames.{suffix}"] = HardFile(data, PICTURE)
        files[f"frames-cut.{suffix}"] = HardFile(data[: len(data) * 9 // 10], EITHER)

    for orientation in (0, 9, 255, 65535):
        exif = Image.Exif()
        exif[0x0112] = orientation
        files[f"orientation{orientation}.jpg"] = HardFile(saved(image, "JPEG", exif=exif), PICTURE)
    add(PICTURE, bad_exif__jpg=saved(image, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff" + rng.bytes(64)))
    add(PICTURE, bad_profile__png=saved(image, "PNG", icc_profile=b"not a profile"))

    add(ERROR, complex__npy=npy(np.zeros((4, 4), complex)), text__npy=npy(np.full((4, 4), "a")))
    add(PICTURE, int32__npy=npy(np.zeros((4, 4), np.int32)), int8__npy=npy(np.zeros((4, 4), np.int8)))
    add(ERROR, objects__npy=npy(np.full((4, 4), None), allow_pickle=True), flat__npy=npy(np.zeros(4, np.uint8)))
    add(ERROR, four_axes__npy=npy(np.zeros((2, 2, 2, 2), np.uint8)), none__npy=npy(np.zeros((0, 4), np.uint8)))
    add(ERROR, fields__npy=npy(np.zeros((4, 4), [("a", "u1")])), two_channels__npy=npy(np.zeros((4, 4, 2), np.uint8)))
    add(
        ERROR, negative__npy=_npy_header("(-4, -4)") + bytes(16), bad_header__npy=b"\x93NUMPY\1\0\x10\0{'descr': '|u1'}"
    )
    add(ERROR, version9__npy=b"\x93NUMPY\x09\0" + npy(np.zeros((4, 4), np.uint8))[8:], magic__npy=b"\x93NUMPY")
    return files
