"""A run gives the same output in any environment, and takes no more memory than needed."""

import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
HOSTILE_SETTINGS = """text.usetex: True
backend: TkAgg
savefig.dpi: 3
savefig.facecolor: red
axes.facecolor: none
font.size: 200
figure.figsize: 1, 1
svg.hashsalt: other
nonsense.key: 1
"""
ENVIRONMENTS = {
    "bogus backend": {"MPLBACKEND": "bogus"},
    "no home": {"HOME": None},
    "home that is not there": {"HOME": "/nonexistent"},
    "no display": {"DISPLAY": None, "WAYLAND_DISPLAY": None},
    "ascii": {"LC_ALL": "C", "LANG": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "warnings are errors": {"PYTHONWARNINGS": "error"},
    "unbuffered": {"PYTHONUNBUFFERED": "1"},
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """What a run in an ordinary environment writes and says."""
    folder = tmp_path_factory.mktemp("plain")
    Image.fromarray(np.random.default_rng(5).integers(0, 256, (24, 40), np.uint8)).save(folder / "small.png")
    done = subprocess.run(
        [sys.executable, "-m", "poolcli", "run", "small.png", "--kernel", "edge"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
    )
    return (folder / "small.pooled.png").read_bytes(), (folder / "small.figure.png").read_bytes(), done.stderr


@pytest.mark.parametrize("what", [*ENVIRONMENTS, "hostile matplotlibrc"])
@pytest.mark.promise("A18")
def test_result_figure_and_words_are_the_same_in_any_environment(plain, start, here, what):
    (here / "matplotlibrc").write_text(HOSTILE_SETTINGS if what.startswith("hostile") else "")
    process = start("run", "small.png", "--kernel", "edge", env=ENVIRONMENTS.get(what, {}))
    out, stderr = process.communicate()

    assert process.returncode == 0, stderr
    assert out == b""
    assert stderr == plain[2], "nothing odd on stderr"
    assert (here / "small.pooled.png").read_bytes() == plain[0]
    assert (here / "small.figure.png").read_bytes() == plain[1]


def test_a_home_that_cannot_be_written_makes_no_noise(plain, start, here):
    (here / "home").mkdir(mode=0o555)
    process = start(
        "run",
        "small.png",
        "--kernel",
        "edge",
        env={
            "HOME": str(here / "home"),
            "XDG_CONFIG_HOME": None,
            "XDG_CACHE_HOME": None,
            "MPLCONFIGDIR": str(here / "small.png"),
        },
    )
    _, stderr = process.communicate()

    assert process.returncode == 0
    assert stderr == plain[2]


def test_help_can_be_shown_on_an_ascii_terminal(start):
    for words in (["run", "--help"], ["list", "pools"], ["list", "kernels"], ["list", "recipes"]):
        process = start(*words, env=ENVIRONMENTS["ascii"])
        out, stderr = process.communicate()
        assert process.returncode == 0, stderr
        assert out


MEGA = 1 << 20


def bomb(height, width):
    """A PNG file of no more than its header."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + header
        + struct.pack(">I", zlib.crc32(header))
        + b"\0\0\0\0IDAT\x35\xaf\x06\x1e"
    )


MEASURE = """
import os, resource, sys
pid = os.posix_spawn(sys.executable, [sys.executable, "-m", "poolcli", *sys.argv[1:]], os.environ)
_, status = os.waitpid(pid, 0)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(os.waitstatus_to_exitcode(status), peak * (1 if sys.platform == "darwin" else 1024))
"""


def peak_of(folder, *words):
    """Highest resident memory in bytes of a run in a new process that is no fork of this one."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
    )
    code, peak = done.stdout.split()
    assert code == b"0", done.stderr
    return int(peak)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A folder with a gray picture of 48 million pixels, and the memory of a run on a small one."""
    folder = tmp_path_factory.mktemp("large")
    row = np.random.default_rng(0).integers(0, 256, (60, 8000), np.uint8)
    Image.fromarray(np.tile(row, (100, 1))).save(folder / "large.png", compress_level=1)
    Image.fromarray(row[:, :60]).save(folder / "tiny.png")
    return folder, peak_of(folder, "run", "tiny.png", "-o", "tiny.out.png", "--no-figure", "-q", "--kernel", "edge")


@pytest.mark.parametrize(
    "options",
    [["--pool", "max"], ["--kernel", "edge"], ["--kernel", "blur", "--pool", "average", "--size", "4"]],
    ids=" ".join,
)
@pytest.mark.promise("A15")
def test_memory_is_the_picture_twice_the_result_and_little_else(large, options):
    """Pillow's pixels, their array, the result: 48 + 48 + at most 4 bytes for each of its values. One float32 map would be 192 MB."""
    folder, base = large
    pixels, cells = 6000 * 8000, 3000 * 4000 if "4" not in options else 1500 * 2000
    peak = peak_of(
        folder, "run", "large.png", "-o", f"{options[-1]}.png", "--no-figure", "-q", "--threads", "2", *options
    )

    assert peak < base + 2 * pixels + 4 * cells + 25 * MEGA
    assert peak < base + 4 * pixels, "no float32 map of the picture's size exists"


def steps(threads):
    """Words of a run with four stages, whose maps are as wide as their input after the first."""
    words = "--kernel blur --conv-stride 4 --pool max --size 3 --stride 1 --padding same --repeat 3 --no-figure -q"
    return ["run", "large.png", "-o", f"many{threads}.png", *words.split(), "--threads", str(threads)]


def test_more_steps_take_no_more_memory(large):
    folder, base = large
    peak = peak_of(folder, *steps(2))

    assert peak < base + 2 * 6000 * 8000 + 25 * MEGA


def test_a_thread_takes_a_few_strips(large):
    """Two strips of 1 MB for each of four stages, in each thread; the cores say how many threads hold them at one moment.

    The map and its result, 48 + 6 MB, stay below the peak of reading, 96 MB.
    """
    folder, base = large
    peak = peak_of(folder, *steps(8))

    assert peak < base + 2 * 6000 * 8000 + 8 * 4 * 2 * MEGA


def test_a_figure_takes_no_copy_of_the_maps(large):
    folder, base = large
    peak = peak_of(folder, "run", "large.png", "-o", "drawn.png", "-q", "--kernel", "edge", "--threads", "2")

    assert peak < base + 2 * 6000 * 8000 + 2 * 3000 * 4000 + 80 * MEGA


@pytest.mark.promise("A14")
def test_a_bomb_is_refused_without_memory(large):
    folder, base = large
    (folder / "bomb.png").write_bytes(bomb(40000, 40000))
    process = subprocess.run(
        [sys.executable, "-c", MEASURE, "run", "bomb.png", "-o", "b.png", "--threads", "2"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
    )
    code, peak = process.stdout.split()

    assert code == b"1"
    assert b"1,600,000,000 pixels" in process.stderr
    assert int(peak) < base + 10 * MEGA
