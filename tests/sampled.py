"""Random pictures written byte by byte from the formats' specifications, beside the colours that they must give.

`picture(kind, seed)` returns a file, RGBA of shape (H, W, 4) in 0…255 as the specification reads it, and whether the
file is gray. No library of pictures has a part in either.
"""

from __future__ import annotations

import random
import struct
import zlib
from typing import NamedTuple

import numpy as np

PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Of an interlaced PNG: first column, first row, step of columns, step of rows."""


class Sampled(NamedTuple):
    """A file, its colours with alpha, whether it is gray, and how many levels its decoder may round away."""

    data: bytes
    rgba: np.ndarray
    gray: bool
    rounding: int = 0
    page: int = 1
    note: str = ""
    deep: bool = False
    """Whether it is read with 16 bits, of which `rgba` has the higher eight."""
    runs: bool = False
    """Whether it is a BMP with run-length coding."""


def picture(kind: str, seed: int) -> Sampled:
    """A random picture of a kind of `KINDS`."""
    return KINDS[kind](random.Random(seed), np.random.default_rng(seed))


def packed(row: np.ndarray, bits: int) -> bytes:
    """Samples of 1 to 16 bits side by side, the first in the highest bits; the last byte filled with zeros."""
    if bits == 16:
        return row.astype(">u2").tobytes()
    text = "".join(f"{int(sample):0{bits}b}" for sample in row.ravel())
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


def with_alpha(colors: np.ndarray, alpha: np.ndarray | None = None) -> np.ndarray:
    """RGBA of gray or RGB; opaque without alpha."""
    rgb = np.repeat(colors[..., None], 3, -1) if colors.ndim == 2 else colors
    return np.dstack([rgb, np.full(rgb.shape[:2], 255) if alpha is None else alpha]).astype(np.int64)


# ---------------------------------------------------------------- PNG


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _paeth(a: int, b: int, c: int) -> int:
    guess = a + b - c
    return min((a, b, c), key=lambda one: abs(guess - one))


def _filtered(rows: list[bytes], step: int, draw: random.Random) -> bytes:
    """Rows, each by one of the five filters."""
    made, above = b"", bytes(len(rows[0]))
    for row in rows:
        kind = draw.randrange(5)
        cells = bytearray([kind])
        for i, cell in enumerate(row):
            a, b, c = (row[i - step] if i >= step else 0), above[i], (above[i - step] if i >= step else 0)
            cells.append((cell - (0, a, b, (a + b) // 2, _paeth(a, b, c))[kind]) & 255)
        made, above = made + bytes(cells), row
    return made


def png(draw: random.Random, rng: np.random.Generator) -> Sampled:
    """Every colour type and depth, filters, interlacing, palettes and keys with tRNS, several IDAT."""
    color = draw.choice((0, 0, 2, 3, 4, 6))
    bits = draw.choice({0: (1, 2, 4, 8, 16), 3: (1, 2, 4, 8)}.get(color, (8, 16)))
    channels = {2: 3, 4: 2, 6: 4}.get(color, 1)
    shape = draw.choice((1, 2, 3, 5, 9)), draw.choice((1, 3, 4, 8, 17))
    values = rng.integers(0, 1 << bits, shape if channels == 1 else (*shape, channels))
    before, top = [], (1 << bits) - 1
    eight = values * (255 // top) if bits < 8 else values >> (bits - 8)
    if color == 3:
        count = draw.randrange(1, top + 2)
        values = values % count
        palette, alphas = rng.integers(0, 256, (count, 3)), np.full(count, 255)
        before.append(_chunk(b"PLTE", palette.astype(np.uint8).tobytes()))
        if draw.random() < 0.5:
            some = draw.randrange(1, count + 1)
            alphas[:some] = rng.choice([0, 128, 255], some)
            before.append(_chunk(b"tRNS", alphas[:some].astype(np.uint8).tobytes()))
        rgba = with_alpha(palette[values], alphas[values])
    elif color in {4, 6}:
        rgba = with_alpha(eight[..., 0] if color == 4 else eight[..., :3], eight[..., -1])
    else:
        alpha = None
        if draw.random() < 0.5 and (color, bits) != (0, 16):
            key = values[draw.randrange(shape[0]), draw.randrange(shape[1])]
            before.append(_chunk(b"tRNS", np.ravel(key).astype(">u2").tobytes()))
            alpha = np.where((values == key).all(axis=-1) if color == 2 else values == key, 0, 255)
        rgba = with_alpha(eight, alpha)
    interlaced, step = draw.randrange(2), max(1, bits * channels // 8)
    passes = PASSES if interlaced else ((0, 0, 1, 1),)
    parts = [values[y::down, x::across] for x, y, across, down in passes]
    raw = b"".join(_filtered([packed(row, bits) for row in part], step, draw) for part in parts if part.size)
    data, pieces = zlib.compress(raw, draw.randrange(10)), draw.randrange(1, 4)
    header = struct.pack(">IIBBBBB", shape[1], shape[0], bits, color, 0, 0, interlaced)
    chunks = [_chunk(b"IHDR", header), *before]
    chunks += [_chunk(b"IDAT", data[len(data) * i // pieces : len(data) * (i + 1) // pieces]) for i in range(pieces)]
    made = b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + _chunk(b"IEND", b"")
    return Sampled(made, rgba, color in {0, 4}, note=f"color type {color}, {bits} bits", deep=(color, bits) == (0, 16))


def _over(top: np.ndarray, below: np.ndarray) -> np.ndarray:
    """RGBA over RGBA, unrounded."""
    a, b = top[..., 3:] / 255, below[..., 3:] / 255
    alpha = a + b * (1 - a)
    mixed = (top[..., :3] * a + below[..., :3] * b * (1 - a)) / np.where(alpha > 0, alpha, 1)
    return np.concatenate([mixed, alpha * 255], -1)


def apng(draw: random.Random, rng: np.random.Generator) -> Sampled:
    """Frames that are parts, with every disposal and blend, after a picture that may be none of them."""
    color, high, wide = draw.choice((0, 2, 3, 4, 6)), draw.randrange(1, 8), draw.randrange(1, 8)
    bits = draw.choice((1, 2, 4, 8)) if color in {0, 3} else 8
    channels, top = {2: 3, 4: 2, 6: 4}.get(color, 1), (1 << bits) - 1
    palette, alphas = rng.integers(0, 256, (top + 1, 3)), rng.choice([0, 128, 255], top + 1)
    key = rng.integers(0, top + 1, channels) if color in {0, 2} and draw.random() < 0.5 else None
    shared = {
        3: _chunk(b"PLTE", palette.astype(np.uint8).tobytes()) + _chunk(b"tRNS", alphas.astype(np.uint8).tobytes())
    }.get(color, b"" if key is None else _chunk(b"tRNS", key.astype(">u2").tobytes()))

    def drawn(height: int, width: int) -> tuple[bytes, np.ndarray]:
        values = rng.integers(0, top + 1, (height, width, channels))
        rows = b"".join(b"\0" + packed(row, bits) for row in values)
        if color == 3:
            return zlib.compress(rows), with_alpha(palette[values[..., 0]], alphas[values[..., 0]])
        alpha = (
            values[..., -1] if color in {4, 6} else None if key is None else np.where((values == key).all(-1), 0, 255)
        )
        levels = values * (255 // top)
        return zlib.compress(rows), with_alpha(levels[..., 0] if color in {0, 4} else levels[..., :3], alpha)

    body, count, shown, sequence = b"", draw.randrange(1, 5), [], 0
    canvas = np.zeros((high, wide, 4))
    if draw.random() < 0.3:  # the first picture is for programs that know no animations
        data, rgba = drawn(high, wide)
        body, shown = _chunk(b"IDAT", data), [rgba]
    for number in range(count):
        part = number > 0 and draw.random() < 0.8
        across, down = (draw.randrange(1, wide + 1), draw.randrange(1, high + 1)) if part else (wide, high)
        left, upper = draw.randrange(wide - across + 1), draw.randrange(high - down + 1)
        disposal, blend = draw.randrange(3), draw.randrange(2)
        data, rgba = drawn(down, across)
        body += _chunk(b"fcTL", struct.pack(">5IHHBB", sequence, across, down, left, upper, 1, 9, disposal, blend))
        named = body.count(b"IDAT") > 0
        body += _chunk(b"fdAT", struct.pack(">I", sequence + 1) + data) if named else _chunk(b"IDAT", data)
        sequence += 1 + named
        before, area = canvas.copy(), canvas[upper : upper + down, left : left + across]
        area[...] = _over(rgba, area) if blend else rgba
        shown.append(np.floor(canvas + 0.5).astype(np.int64))
        if disposal == 1 or (disposal == 2 and number == 0):
            area[...] = 0
        elif disposal == 2:
            canvas = before
    page = draw.randrange(1, len(shown) + 1)
    header = struct.pack(">IIBBBBB", wide, high, bits, color, 0, 0, 0)
    start = _chunk(b"IHDR", header) + _chunk(b"acTL", struct.pack(">II", count, 0)) + shared
    made = b"\x89PNG\r\n\x1a\n" + start + body + _chunk(b"IEND", b"")
    # What is half transparent is mixed again and again, in 8 bits.
    return Sampled(made, shown[page - 1], color in {0, 4}, 2, page, f"color type {color}, {bits} bits, frame {page}")


# ---------------------------------------------------------------- GIF


def _codes(pixels: np.ndarray, least: int) -> bytes:
    """LZW without any compression: the table is cleared before its codes grow."""
    clear = 1 << least
    numbers = [clear]
    for count, pixel in enumerate(pixels.ravel(), 1):
        numbers.append(int(pixel))
        if count % (clear - 2) == 0:
            numbers.append(clear)
    bits = "".join(f"{number:0{least + 1}b}"[::-1] for number in [*numbers, clear + 1])
    data = bytes(int(bits[i : i + 8][::-1], 2) for i in range(0, len(bits), 8))
    blocks = [data[i : i + 255] for i in range(0, len(data), 255)]
    return bytes([least]) + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"


def gif(draw: random.Random, rng: np.random.Generator) -> Sampled:
    """Frames smaller than the canvas, interlaced, transparent, of own palettes, with every disposal."""
    width, height, depth = draw.randrange(1, 12), draw.randrange(1, 12), draw.randrange(2, 5)
    shared = rng.integers(0, 256, (1 << depth, 3))
    data = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80 | depth - 1, draw.randrange(1 << depth), 0)
    data += shared.astype(np.uint8).tobytes()
    canvas, shown = np.zeros((height, width, 4), np.int64), []
    for _ in range(draw.randrange(1, 4)):
        part = draw.random() < 0.5
        wide, high = (draw.randrange(1, width + 1), draw.randrange(1, height + 1)) if part else (width, height)
        left, top = draw.randrange(width - wide + 1), draw.randrange(height - high + 1)
        pixels, clear = rng.integers(0, 1 << depth, (high, wide)), draw.choice((None, draw.randrange(1 << depth)))
        disposal, own, interlaced = draw.randrange(4), draw.random() < 0.3, draw.random() < 0.3
        palette = rng.integers(0, 256, shared.shape) if own else shared
        data += b"\x21\xf9\x04" + struct.pack("<BHB", disposal << 2 | (clear is not None), 5, clear or 0) + b"\0\x2c"
        data += struct.pack("<HHHHB", left, top, wide, high, (0x80 | depth - 1 if own else 0) | 0x40 * interlaced)
        data += palette.astype(np.uint8).tobytes() if own else b""
        rows = [pixels[a::b] for a, b in ((0, 8), (4, 8), (2, 4), (1, 2))] if interlaced else [pixels]
        data += _codes(np.concatenate(rows), depth)
        before = canvas.copy()
        area, there = canvas[top : top + high, left : left + wide], pixels != (-1 if clear is None else clear)
        area[there] = with_alpha(palette[pixels])[there]
        shown.append(canvas.copy())
        if disposal == 2:
            area[...] = 0
        canvas = before if disposal == 3 else canvas
    page = draw.randrange(1, len(shown) + 1)
    return Sampled(data + b";", shown[page - 1], gray=False, page=page, note=f"frame {page}")


# ---------------------------------------------------------------- BMP


def _runs(rows: np.ndarray, bits: int, draw: random.Random) -> bytes:
    """RLE8 or RLE4, as runs and as absolute pixels."""
    made = b""
    for row in rows:
        at = 0
        while at < len(row):
            if draw.random() < 0.5 and len(row) - at >= 3:
                count = min(len(row) - at, draw.randrange(3, 20))
                pixels = packed(row[at : at + count], bits)
                made += bytes([0, count]) + pixels + b"\0" * (len(pixels) % 2)
            else:
                same = np.flatnonzero(row[at:] != row[at])
                count = min(int(same[0]) if len(same) else len(row) - at, 255)
                made += bytes([count, int(row[at]) * (1 if bits == 8 else 17)])
            at += count
        made += b"\0\0"
    return made + b"\0\1"


def bmp(draw: random.Random, rng: np.random.Generator) -> Sampled:
    """Palettes, runs, 5-5-5 and 5-6-5, 24 and 32 bits with and without alpha, from the top down, every header."""
    bits, high, wide = draw.choice((1, 4, 8, 16, 24, 32)), draw.randrange(1, 9), draw.choice((1, 2, 3, 7, 9, 31, 33))
    down, size, masks, layout = draw.random() < 0.3, draw.choice((40, 52, 56, 108, 124)), (0, 0, 0, 0), 0
    palette, body, rounding = b"", b"", 0
    if bits <= 8:
        colors, pixels = rng.integers(0, 256, (1 << bits, 3)), rng.integers(0, 1 << bits, (high, wide))
        rgba, rows = with_alpha(colors[pixels]), [packed(row, bits) for row in pixels]
        palette = b"".join(bytes([*color[::-1].tolist(), 0]) for color in colors)
        if bits > 1 and not down and draw.random() < 0.4:
            layout, body = (1 if bits == 8 else 2), _runs(pixels[::-1], bits, draw)
    elif bits == 16:
        pixels, green = rng.integers(0, 1 << 16, (high, wide)), draw.choice((5, 6))
        layout = 3 if green == 6 else draw.choice((0, 3))
        fields = ((5 + green, 5), (5, green), (0, 5))
        masks = (*((1 << width) - 1 << shift for shift, width in fields), 0)
        parts = [(pixels >> s & (1 << n) - 1) * 255 / ((1 << n) - 1) for s, n in fields]
        rgba, rows, rounding = with_alpha(np.stack(parts, -1) + 0.5), [row.astype("<u2").tobytes() for row in pixels], 1
    else:
        pixels = rng.integers(0, 256, (high, wide, bits // 8))
        alpha = bits == 32 and size >= 56 and draw.random() < 0.5
        masks, layout = ((0xFF0000, 0xFF00, 0xFF, 0xFF000000), 3) if alpha else (masks, 0)
        rgba = with_alpha(pixels[..., 2::-1], pixels[..., 3] if alpha else None)
        rows = [row.astype(np.uint8).tobytes() for row in pixels]
    if not body:
        length = (wide * bits + 31) // 32 * 4
        body = b"".join(row.ljust(length, b"\0") for row in (rows if down else rows[::-1]))
    header = struct.pack("<IiiHHIIii", size, wide, -high if down else high, 1, bits, layout, len(body), 2835, 2835)
    header += struct.pack("<II", 1 << bits if bits <= 8 else 0, 0)
    fields = struct.pack("<4I", *masks)
    header = (
        header + (fields[:12] if layout == 3 else b"") if size == 40 else (header + fields).ljust(size, b"\0")[:size]
    )
    start = 14 + len(header) + len(palette)
    data = b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + header + palette + body
    return Sampled(
        data,
        rgba,
        gray=False,
        rounding=rounding,
        note=f"{bits} bits, layout {layout}, header of {size}",
        runs=layout in {1, 2},
    )


# ---------------------------------------------------------------- PNM


def pnm(draw: random.Random, rng: np.random.Generator) -> Sampled:
    """Plain and raw, any maximum, comments and white space of all kinds."""

    def space() -> str:
        return draw.choice((" ", "\n", "\t", "  ", "\n# a comment 12 34\n", " # c\n", "\r\n"))

    number, high, wide = draw.randrange(1, 7), draw.randrange(1, 8), draw.choice((1, 2, 5, 8, 9, 17))
    most = 1 if number in {1, 4} else draw.choice((1, 2, 3, 7, 15, 100, 254, 255, 300, 1023, 4095, 65535))
    deep = number in {2, 5} and most > 255
    values = rng.integers(0, most + 1, (high, wide, 3) if number in {3, 6} else (high, wide))
    head = f"P{number}{space()}{wide}{space()}{high}"
    head += "" if number in {1, 4} else f"{space()}{most}"
    if number <= 3:
        numbers = draw.choice((" ", "\n")).join(map(str, values.ravel()))
        data = (head + space() + numbers + draw.choice(("", "\n"))).encode()
    else:
        rows = [packed(row, 1 if number == 4 else 8 if most < 256 else 16) for row in values]
        data = head.encode() + draw.choice((b" ", b"\n", b"\t")) + b"".join(rows)
    white, rounding = 65535 if deep else 255, int(most == 100 or most > 255)
    levels = np.floor((1 - values if number in {1, 4} else values) * white / most + 0.5) // (256 if deep else 1)
    return Sampled(data, with_alpha(levels), number not in {3, 6}, rounding, note=f"P{number} of {most}", deep=deep)


# ---------------------------------------------------------------- TIFF


def tiff(draw: random.Random, rng: np.random.Generator) -> Sampled:
    """Gray and palettes of 1 to 8 bits in both byte orders and fill orders, strips of some rows, raw and deflated."""
    bits, order, fill = draw.choice((1, 2, 4, 8)), draw.choice("<>"), draw.choice((1, 2))
    photometric, high, wide = draw.choice((0, 1, 3)), draw.randrange(1, 12), draw.choice((1, 3, 8, 13, 17))
    fill = 1 if photometric == 3 or (photometric, bits) == (0, 8) else fill  # the others are refused
    pixels, rows, packing = rng.integers(0, 1 << bits, (high, wide)), draw.randrange(1, high + 1), draw.choice((1, 8))
    strips = [b"".join(packed(row, bits) for row in pixels[at : at + rows]) for at in range(0, high, rows)]
    strips = [zlib.compress(strip) if packing == 8 else strip for strip in strips]
    if fill == 2:
        turned = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
        strips = [strip.translate(turned) for strip in strips]
    colors = rng.integers(0, 1 << 16, (3, 1 << bits))
    levels = pixels * (255 // ((1 << bits) - 1))
    rgba = with_alpha(
        np.moveaxis(colors[:, pixels] >> 8, 0, -1) if photometric == 3 else levels if photometric else 255 - levels
    )
    count = len(strips)
    tags = [(256, (wide,)), (257, (high,)), (258, (bits,)), (259, (packing,)), (262, (photometric,)), (266, (fill,))]
    tags += [(273, (0,) * count), (277, (1,)), (278, (rows,)), (279, tuple(map(len, strips)))]
    tags += [(320, tuple(colors.ravel().tolist()))] if photometric == 3 else []
    place = {}
    at = 8 + 2 + 12 * len(tags) + 4
    for tag, values in tags:
        place[tag] = at
        at += 4 * len(values) if len(values) > 1 and tag != 320 else 2 * len(values) if tag == 320 else 0
    starts = [at + sum(map(len, strips[:i])) for i in range(count)]
    entries, beyond = b"", b""
    for tag, values in tags:
        numbers = starts if tag == 273 else values
        form = "H" if tag == 320 else "I"
        inline = struct.pack(f"{order}I", numbers[0] if len(numbers) == 1 else place[tag])
        if len(numbers) > 1:
            beyond += struct.pack(f"{order}{len(numbers)}{form}", *numbers)
        entries += struct.pack(f"{order}HHI", tag, 3 if tag == 320 else 4, len(numbers)) + inline
    magic = b"II*\0" if order == "<" else b"MM\0*"
    data = magic + struct.pack(f"{order}IH", 8, len(tags)) + entries + bytes(4) + beyond + b"".join(strips)
    return Sampled(data, rgba, photometric != 3, note=f"{bits} bits, photometric {photometric}, fill order {fill}")


KINDS = {"png": png, "apng": apng, "gif": gif, "bmp": bmp, "pnm": pnm, "tiff": tiff}
