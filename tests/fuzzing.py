"""Mutated files, recipes, kernels and arrays: only `PoolcliError` may come out. Run as a program, so that a crash is seen.

    python tests/fuzzing.py SECONDS [SEED]

Cases follow from the seed alone; what fails is printed with its case number, and the program ends with 1.
"""

import io
import json
import random
import struct
import sys
import time
import traceback
import warnings
import zlib

import numpy as np
import sampled
from hardfiles import hard_files
from PIL import Image

import poolcli
from poolcli.errors import PoolcliError
from poolcli.images.read import read
from poolcli.pipeline.recipe import recipe_from

MAX_PIXELS = 1 << 20
SLOW = 5.0
"""Seconds of a processor that no case may take."""


def _seeds():
    gradient = np.arange(12 * 17, dtype=np.uint8).reshape(12, 17)
    color = Image.fromarray(np.stack([gradient, gradient[::-1], gradient[:, ::-1]], -1))
    deep = Image.fromarray(gradient.astype(np.uint16) * 257)
    made = {}

    def save(name, image, kind, **options):
        stream = io.BytesIO()
        image.save(stream, kind, **options)
        made[name] = stream.getvalue()

    exif = Image.Exif()
    exif[0x0112] = 6
    for kind in ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF", "DIB"):
        save(kind, color, kind)
    save("PNG gray", Image.fromarray(gradient), "PNG", transparency=3)
    save("PNG 16", deep, "PNG")
    save("PNG palette", color.quantize(16), "PNG", transparency=3)
    save("JPEG turned", color, "JPEG", exif=exif)
    save("JPEG CMYK", color.convert("CMYK"), "JPEG")
    for compression in ("tiff_lzw", "tiff_deflate", "packbits", "jpeg"):
        save(f"TIFF {compression}", color, "TIFF", compression=compression)
    save("TIFF float", Image.fromarray(gradient.astype(np.float32)), "TIFF")
    save("TIFF pages", color, "TIFF", save_all=True, append_images=[color.rotate(90)])
    save("GIF frames", color.quantize(8), "GIF", save_all=True, append_images=[color.quantize(4)])
    for name, array in (
        ("NPY", gradient),
        ("NPY float", gradient.astype(">f4")),
        ("NPY planes", gradient.reshape(3, 4, 17)),
    ):
        stream = io.BytesIO()
        np.save(stream, array)
        made[name] = stream.getvalue()
    stream = io.BytesIO()
    np.savez_compressed(stream, x=gradient)
    made["NPZ"] = stream.getvalue()
    made["PFM"] = b"Pf\n3 2\n-1.0\n" + np.arange(6, dtype="<f4").tobytes()
    made["PGM"] = b"P2 3 2 255 0 1 2 3 4 5"
    made |= {name: file.data for name, file in hard_files().items() if len(file.data) < 20_000}
    return made


def _mutated(data, rng):
    data = bytearray(data or b"\0")
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data)) if rng.random() < 0.5 else rng.randrange(min(len(data), 96))
        way = rng.randrange(7)
        if way == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif way == 1:
            data[at] = rng.choice((0, 1, 127, 128, 255))
        elif way == 2:
            del data[at : at + rng.randint(1, 16)]
        elif way == 3:
            data[at:at] = bytes(rng.randrange(256) for _ in range(rng.randint(1, 8)))
        elif way == 4:
            data = data[: max(1, at)]
        elif way == 5:
            data[at : at + 4] = struct.pack(rng.choice("<>") + "I", rng.choice((0, 1, 2, 2**31 - 1, 2**32 - 1, 65536)))
        else:
            data += data[at : at + 64]
        if not data:
            data = bytearray(b"\0")
    if data.startswith(b"\x89PNG") and rng.random() < 0.7:
        data = _checked(bytes(data))
    return bytes(data)


def _checked(data):
    """A PNG whose checksums are right again, so that what is inside is looked at."""
    out, at = data[:8], 8
    while at + 12 <= len(data):
        length = struct.unpack(">I", data[at : at + 4])[0]
        body = data[at + 4 : at + 8 + length]
        out += data[at : at + 4] + body + struct.pack(">I", zlib.crc32(body))
        at += 12 + length
    return out + data[at:]


def _file(rng, seeds):
    if rng.random() < 0.5:
        whole = rng.choice(seeds)
    else:
        whole = sampled.picture(rng.choice(list(sampled.KINDS)), rng.randrange(10_000)).data
    data = _mutated(whole, rng)
    options = {
        "channels": rng.choice(("gray", "each")),
        "layout": rng.choice(("hwc", "planes")),
        "nan": rng.choice(("error", "zero", "ignore")),
        "nodata": rng.choice((None, None, None, 0, 7, -9999, 0.5)),
        "background": rng.choice(("white", "black", "#ff8000")),
        "own_numbers": rng.random() < 0.2,
        "resize": rng.choice((None, None, None, (3, 5))),
        "resize_filter": rng.choice(("bilinear", "box", "tf-bilinear", "nearest")),
        "page": rng.choice((1, 1, 1, 2)),
    }
    picture = read(io.BytesIO(data), max_pixels=MAX_PIXELS, **options)
    assert picture.values.ndim in (2, 3)
    assert picture.values.size
    missing = options["nan"] == "ignore" or options["nodata"] is not None
    assert missing or np.isfinite(picture.values).all()
    assert options["resize"] is None or picture.values.shape[:2] == options["resize"]


WORDS = (
    None, True, -1, 0, 1, 2, 3, 1.5, 1e300, 2**70, float("inf"), float("nan"), "", "max", "average", "2x3", "same", "-",
    "1,2,3,4", "x", [], [1, 2], [[1, 2], [3, 4]], [[1], [2, 3]], {}, "edge", "reflect", "raw", "inf", [None, 7], "\0", "é",
)  # fmt: skip
KEYS = (
    "kernel", "stride", "padding", "dilation", "padding_mode", "kind", "size", "ceil", "count_include_pad", "repeat",
    "p", "q", "output_size", "sise", "op",
)  # fmt: skip


STAGES = (
    {"op": "conv2d", "kernel": "edge", "stride": 1, "padding": "same", "dilation": 1, "padding_mode": "reflect"},
    {"op": "conv2d", "kernel": [[1, 2], [3, 4]]},
    {"op": "relu"},
    {"op": "pool2d", "kind": "percentile", "q": 90, "size": "2x3", "stride": [1, 2], "padding": 0, "repeat": 2},
    {"op": "pool2d", "kind": "average", "ceil": True, "count_include_pad": True, "size": 3, "padding": "same"},
    {"op": "adaptive_pool2d", "kind": "lp", "p": 3, "output_size": "2x3"},
    {"op": "global_pool2d", "kind": "median"},
)
SETTINGS = {
    "blocks": 2,
    "channels": "each",
    "layout": "planes",
    "range": "raw",
    "resize": "7x9",
    "nan": "zero",
    "page": 1,
}


def _recipe(rng, _):
    """A recipe that is right, with some of its values replaced."""
    stages = [dict(rng.choice(STAGES)) for _ in range(rng.randint(1, 3))]
    table = {"stages": stages, **{key: SETTINGS[key] for key in rng.sample(sorted(SETTINGS), 2)}}
    for _ in range(rng.randint(0, 3)):
        part = rng.choice([*stages, table])
        part[rng.choice([*part, *KEYS, "background", "bloks"])] = rng.choice(WORDS)
    made = recipe_from(table)
    assert recipe_from(json.loads(made.to_json())).hash == made.hash
    poolcli.run(np.ones((rng.randint(1, 12), rng.randint(1, 12))), made)


def _kernel(rng, _):
    text = "".join(rng.choice("0123456789 .,;-+e\n#abx\t") for _ in range(rng.randint(0, 24)))
    poolcli.run(np.ones((5, 6)), poolcli.recipe(kernel=text))


def _array(rng, _):
    shape = tuple(rng.choice((0, 1, 2, 3, 5, 8)) for _ in range(rng.randint(0, 4)))
    dtype = rng.choice(("?", "u1", "i2", ">u4", "i8", "u8", "f2", "f4", ">f8", "c8", "U3", "O", "M8[s]"))
    x = (np.random.default_rng(rng.randrange(2**32)).integers(0, 100, shape)).astype(dtype)
    kind = rng.choice([*poolcli.POOLS, "none"])
    poolcli.pool2d(
        x, kind, rng.choice((1, 2, (2, 3), 0, "a")), rng.choice((None, 1, 3)), rng.choice(("valid", "same", 1, -1))
    )
    poolcli.adaptive_pool2d(x, rng.choice((1, (2, None), (3, 3), (0, 1))), kind)
    poolcli.global_pool2d(x, kind)
    poolcli.run(x, poolcli.recipe(pool=kind))


TARGETS = {"file": _file, "recipe": _recipe, "kernel": _kernel, "array": _array}


def main(seconds, seed):
    """Run cases of every target in turn; the number of failures."""
    seeds = list(_seeds().values())
    end, failures, case = time.monotonic() + seconds, 0, 0
    while time.monotonic() < end:
        case += 1
        for name, target in TARGETS.items():
            begun = time.process_time()
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    target(random.Random(f"{seed} {name} {case}"), seeds)
            except PoolcliError as error:
                if not str(error).strip() or "\n" in str(error):
                    failures += 1
                    print(f"{name} {case}: message {str(error)!r}")
            except BaseException:  # noqa: BLE001 - each of them is a find
                failures += 1
                print(f"{name} {case}:")
                traceback.print_exc(file=sys.stdout)
            if time.process_time() - begun > SLOW:
                failures += 1
                print(f"{name} {case}: {time.process_time() - begun:.1f} s")
            sys.stdout.flush()
    print(f"{case} cases of each target, {failures} failures")
    return failures


if __name__ == "__main__":
    sys.exit(1 if main(float(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "0") else 0)
