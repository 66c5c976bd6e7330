"""Reading takes the decoded picture, the array that is made of it, and little else; with a little less it ends in one line."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hardfiles import npy, saved
from PIL import Image

ROOT = Path(__file__).parents[2]
HEIGHT, WIDTH = 2000, 3000
GRAY = np.tile(np.arange(250, dtype=np.uint8), (HEIGHT, WIDTH // 250))
SLACK = 8 << 20
"""Bytes for all that does not grow with the picture."""


def files():
    """Name -> the file, and bytes a pixel: as Pillow holds it, and of the gray array."""
    gray, color = Image.fromarray(GRAY), Image.fromarray(np.stack([GRAY, GRAY[::-1], GRAY], -1))
    head = b"P5 %d %d %d\n"
    deep = GRAY.astype(">u2").tobytes()
    return {
        "gray.png": (saved(gray, "PNG", compress_level=1), 1, 1),
        "color.png": (saved(color, "PNG", compress_level=1), 4, 1),
        "color.jpg": (saved(color, "JPEG"), 4, 1),
        "palette.gif": (saved(gray.quantize(16), "GIF"), 1, 1),
        "color.bmp": (saved(color, "BMP"), 4, 1),
        "lzw.tif": (saved(color, "TIFF", compression="tiff_lzw"), 4, 1),
        "float.tif": (saved(Image.fromarray(GRAY.astype(np.float32)), "TIFF"), 4, 4),
        "deep.pgm": (head % (WIDTH, HEIGHT, 65535) + deep, 4, 2),
        "twelve.pgm": (head % (WIDTH, HEIGHT, 4095) + deep, 4, 2),
        "gray.npy": (npy(GRAY), 0, 1),
        "float.npy": (npy(GRAY.astype(np.float32)), 0, 4),
    }


LIMITED = """
import os, resource, sys
from PIL import BmpImagePlugin, GifImagePlugin, JpegImagePlugin, PngImagePlugin, PpmImagePlugin, TiffImagePlugin
from poolcli.errors import ImageError
from poolcli.images.read import read

def ends(name, more):
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    size = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmSize"))
    resource.setrlimit(resource.RLIMIT_AS, (size * 1024 + more,) * 2)
    try:
        read(name)
    except ImageError as error:
        os._exit(1 if "not enough memory" in str(error) else 2)
    except BaseException:
        os._exit(3)
    os._exit(0)

for name, less, enough in zip(sys.argv[1::3], sys.argv[2::3], sys.argv[3::3]):
    print(name, ends(name, int(less)), ends(name, int(enough)))
"""


@pytest.mark.promise("A15")
@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone limits address space and tells it")
def test_every_format_fails_with_a_little_too_little_and_passes_with_just_enough(tmp_path):
    words, pixels = [], HEIGHT * WIDTH
    for name, (data, decoded, made) in files().items():
        (tmp_path / name).write_bytes(data)
        need = (decoded + made) * pixels
        words += [name, str(need * 9 // 10), str(need + SLACK)]

    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *words],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip

    assert done.stdout.splitlines() == [f"{name} 1 0" for name in words[::3]]
