"""What a single run promises: killed at any call of the system, with little memory, on any damage of metadata."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hardfiles import RAMP16, chunk, hard_files, npy, oriented, png, png16, saved, tiff
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from poolcli.errors import ImageError, SizeError
from poolcli.images.read import read
from poolcli.pipeline.options import recipe
from poolcli.pipeline.plan import plan

ROOT = Path(__file__).parents[2]


def python(program, *words, cwd, flags=()):
    """A program of its own, with poolcli and the modules of tests."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    return subprocess.run(
        [sys.executable, *flags, "-c", program, *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


KILLED = """
import os, signal, sys
from poolcli.cli.group import cli

WORDS = ["run", "small.png", "-o", "out.png", "--figure", "figure.png", "-q", "-f"]
CALLS = ("open", "write", "fsync", "replace", "rename", "link", "unlink", "close", "fchmod", "chmod")
left = [0]

def killing(real):
    def call(*args, **options):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **options)
    return call

def ends_at(number):
    for name in ("out.png", "figure.png"):
        with open(name, "wb") as file:
            file.write(b"old")
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    left[0] = number
    for name in CALLS:
        setattr(os, name, killing(getattr(os, name)))
    try:
        cli(WORDS, prog_name="poolcli", standalone_mode=False)
    except BaseException:
        os._exit(1)
    os._exit(0)

assert ends_at(10**9) == 0
new = {name: open(name, "rb").read() for name in ("out.png", "figure.png")}
number, codes = 0, []
while not codes or codes[-1]:
    number += 1
    codes.append(ends_at(number))
    for name, data in new.items():
        found = open(name, "rb").read()
        assert found in (b"old", data), (number, name, len(found))
    assert number < 300
assert set(codes) == {-9, 0}, codes
assert cli(WORDS, prog_name="poolcli", standalone_mode=False) is None
print(number, [name for name in os.listdir() if "part" in name])
"""


@pytest.mark.promise("A1")
def test_killed_at_any_call_a_run_leaves_the_old_file_or_the_new(here):
    done = python(KILLED, cwd=here)

    assert done.returncode == 0, done.stderr
    calls, parts = done.stdout.split(maxsplit=1)
    assert int(calls) > 8
    assert parts.strip() == "[]", "the next run sweeps what a killed one left"


@pytest.mark.promise("A3")
@pytest.mark.parametrize(
    "words", [["--depth", "16"], ["--depth", "float"], ["--channels", "each", "--layout", "planes"]]
)
def test_what_a_format_cannot_hold_is_found_before_the_old_file_is_touched(cli, here, words):
    np.save(here / "five.npy", np.zeros((5, 8, 8), np.float32))
    (here / "out.jpg").write_bytes(b"old")

    result = cli("run", "five.npy" if "planes" in words else "small.png", "-o", "out.jpg", "-f", "--no-figure", *words)

    assert result.exit_code in {1, 2}
    assert (here / "out.jpg").read_bytes() == b"old"


SPAWNS = """
import io, sys
STARTS = {"subprocess.Popen", "os.exec", "os.posix_spawn", "os.system", "os.fork", "os.forkpty", "os.spawn"}
started = []
sys.addaudithook(lambda event, args: started.append((event, args)) if event in STARTS else None)
from contextlib import suppress
from hardfiles import color_picture, hard_files, saved
from poolcli.errors import ImageError
from poolcli.images.read import read
files = {name: file.data for name, file in hard_files().items()}
files |= {"a.eps": saved(color_picture(), "EPS"), "b.eps": saved(color_picture().convert("L"), "EPS")}
for data in files.values():
    with suppress(ImageError):
        read(io.BytesIO(data))
print(len(files), started)
"""


@pytest.mark.promise("A5")
def test_no_file_starts_a_program(here):
    done = python(SPAWNS, cwd=here)

    assert done.returncode == 0, done.stderr
    count, started = done.stdout.split(maxsplit=1)
    assert int(count) > 100
    assert started.strip() == "[]"


@pytest.mark.promise("A7")
def test_a_picture_whose_decoding_failed_is_never_decoded_again(monkeypatch):
    """A second load() of Pillow may give half a picture without an error."""
    failed, again = [], []
    for kind in (ImageFile.ImageFile, *ImageFile.ImageFile.__subclasses__()):
        if "load" not in vars(kind):
            continue

        def load(self, *args, real=kind.load):
            again.extend(one for one in failed if one is self)  # images are equal by their pixels
            try:
                return real(self, *args)
            except Exception:
                failed.append(self)
                raise

        monkeypatch.setattr(kind, "load", load)
    for file in hard_files().values():
        for channels in ("gray", "each"):
            try:
                read(io.BytesIO(file.data), channels=channels)
            except ImageError:
                continue
    assert len(failed) > 15
    assert again == []


@pytest.mark.promise("A8")
def test_ramps_of_16_bits_and_floats_keep_their_levels(cli, here):
    (here / "ramp.png").write_bytes(png16(RAMP16, 0))
    (here / "ramp.tif").write_bytes(tiff(np.linspace(0, 1, 65536, dtype=np.float32).reshape(256, 256), sample_format=3))
    (here / "ramp.pgm").write_bytes(b"P5 256 256 65535\n" + RAMP16.astype(">u2").tobytes())
    for name in ("ramp.png", "ramp.tif", "ramp.pgm"):
        result = cli("run", name, "--size", "1", "--depth", "8", "-o", "eight.png", "-f", "--no-figure")
        assert result.exit_code == 0, result.stderr
        levels = np.asarray(Image.open(here / "eight.png")).ravel().astype(int)
        assert len(np.unique(levels)) == 256
        assert (np.diff(levels) >= 0).all()
        np.testing.assert_allclose(levels, np.arange(65536) / 257, atol=0.51)


@pytest.mark.promise("A9")
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "3e38"])
def test_values_that_are_not_finite_make_no_warning_and_no_nan(here, value):
    values = np.ones((8, 8), np.float32)
    values[2, 3] = float(value)
    np.save(here / "x.npy", values)
    program = "import sys; from poolcli.cli import main; sys.argv[0] = 'poolcli'; main()"
    for nan in ("error", "zero", "ignore"):
        done = python(program, "run", "x.npy", "-o", f"{nan}.npy", "--nan", nan, cwd=here, flags=("-W", "error"))
        assert done.returncode == (nan == "error" and value != "3e38"), done.stderr
        assert "Warning" not in done.stderr
        assert "Traceback" not in done.stderr
        if not done.returncode:
            assert np.isfinite(np.load(here / f"{nan}.npy")).all()


@pytest.mark.promise("A10")
@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp"])
def test_a_result_is_upright_and_has_no_orientation(cli, here, suffix):
    (here / "turned.jpg").write_bytes(oriented("JPEG", 6, quality=95))

    assert cli("run", "turned.jpg", "-o", f"o.{suffix}", "--no-figure").exit_code == 0

    with Image.open(here / f"o.{suffix}") as result:
        assert result.size == (20, 12)
        assert result.getexif().get(0x0112, 1) == 1


UPRIGHT = read(io.BytesIO(oriented("JPEG", 1))).values
STORED = np.asarray(Image.open(io.BytesIO(oriented("PNG", 6))).convert("L"))


@pytest.mark.promise("A11")
@settings(derandomize=True, deadline=None, max_examples=400)
@given(
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8),
    kept=st.floats(0.1, 1),
    orientation=st.integers(1, 8),
)
def test_damaged_exif_loses_no_picture(changes, kept, orientation):
    exif = Image.Exif()
    exif[0x0112], exif[0x010E], exif[0x8769] = orientation, "a description", {0x9286: b"ASCII\0\0\0word"}
    block = bytearray(exif.tobytes()[6:])
    for where, value in changes:
        block[int(where * len(block))] = value
    block = block[: int(len(block) * kept)]
    rows = b"".join(b"\0" + row.tobytes() for row in STORED)
    jpeg = saved(Image.fromarray(STORED), "JPEG", exif=b"Exif\0\0" + bytes(block))
    webp = saved(Image.fromarray(STORED).convert("RGB"), "WEBP", lossless=True, exif=b"Exif\0\0" + bytes(block))
    before, after = (
        png(*STORED.shape, 8, 0, rows, *middle, after=end)
        for middle, end in (((chunk(b"eXIf", bytes(block)),), b""), ((), chunk(b"eXIf", bytes(block))))
    )
    for data in (jpeg, webp, before, after):
        assert sorted(read(io.BytesIO(data)).values.shape) == sorted(STORED.shape)


FORMATS = {
    "PNG": saved(Image.new("RGB", (30, 20)), "PNG"),
    "JPEG": saved(Image.new("RGB", (30, 20)), "JPEG"),
    "GIF": saved(Image.new("P", (30, 20)), "GIF"),
    "BMP": saved(Image.new("RGB", (30, 20)), "BMP"),
    "WEBP": saved(Image.new("RGB", (30, 20)), "WEBP"),
    "TIFF": saved(Image.new("RGB", (30, 20)), "TIFF", compression="tiff_lzw"),
    "PPM": saved(Image.new("RGB", (30, 20)), "PPM"),
    "PFM": b"Pf\n30 20\n-1.0\n" + bytes(2400),
    "NPY": npy(np.zeros((20, 30), np.uint8)),
}


@pytest.mark.promise("A14")
@pytest.mark.parametrize("kind", FORMATS)
def test_one_pixel_more_than_the_limit_is_refused_from_the_header(kind, monkeypatch):
    assert read(io.BytesIO(FORMATS[kind]), max_pixels=600).size == (20, 30)

    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(
        ImageError, match=r"20x30 .*600 pixels; at most 599 are allowed; raise the limit with --max-pixels"
    ):
        read(io.BytesIO(FORMATS[kind]), max_pixels=599)


@pytest.mark.promise("A14")
@pytest.mark.parametrize(
    "settings_of",
    [
        {"kernel": "edge", "conv_padding": 9},
        {"pool": "max", "output_size": (36, 46)},
        {"size": 2, "stride": 1, "padding": 1},
    ],
)
def test_a_map_of_one_pixel_more_than_the_limit_is_refused_while_planning(settings_of):
    made = recipe(**settings_of)
    largest = max(height * width for height, width in (one.shape for one in plan(made, (20, 30))))
    plan(made, (20, 30), max_pixels=largest)
    with pytest.raises(SizeError, match=f"--max-pixels {largest - 1} is the limit"):
        plan(made, (20, 30), max_pixels=largest - 1)


LIMITED = """
import resource, sys
import numpy, PIL.PngImagePlugin, poolcli.cli.run, poolcli.pipeline.engine, poolcli.images.write  # before the limit
from poolcli.cli import main
now = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmSize"))
limit = int(now) * 1024 + int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
sys.argv[:] = ["poolcli", *sys.argv[2:]]
main()
"""


@pytest.mark.promise("A15")
@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone limits address space and tells it")
@pytest.mark.parametrize("words", [["--pool", "max"], ["--kernel", "edge", "--pool", "average"]], ids=["max", "edge"])
def test_memory_a_little_too_small_fails_cleanly_and_enough_passes(here, words):
    """Of a gray picture: Pillow's pixels, their array and the result, at most 4 bytes a pixel, and 32 MB for all else."""
    pixels = 4000 * 6000
    Image.fromarray(np.tile(np.arange(250, dtype=np.uint8), (4000, 24))).save(here / "large.png", compress_level=1)
    words = ["run", "large.png", *words, "--no-figure", "-q", "--threads", "1", "-f"]

    enough = python(LIMITED, str(4 * pixels + (32 << 20)), *words, "-o", "enough.png", cwd=here)
    less = python(LIMITED, str(pixels), *words, "-o", "less.png", cwd=here)

    assert enough.returncode == 0, enough.stderr
    assert (here / "enough.png").exists()
    assert less.returncode == 1
    assert "memory" in less.stderr
    assert len(less.stderr.splitlines()) == 1, less.stderr
    assert not (here / "less.png").exists()


@pytest.mark.promise("A20")
def test_two_runs_and_any_number_of_workers_give_the_same_bytes(cli, here):
    (here / "in").mkdir()
    for name in ("cat.jpg", "small.png"):
        (here / "in" / name).write_bytes((here / name).read_bytes())
    made = []
    for number, words in enumerate((["--jobs", "0"], ["--jobs", "1"], ["--jobs", "2"])):
        result = cli("batch", "in", "-o", f"out{number}", "--kernel", "edge", "-q", *words)
        assert result.exit_code == 0, result.stderr
        made.append({p.name: p.read_bytes() for p in sorted((here / f"out{number}").iterdir()) if p.is_file()})
    for number in range(2):
        folder = here / f"run{number}"
        folder.mkdir()
        for name in ("cat", "small"):
            source = next((here / "in").glob(f"{name}.*"))
            words = [
                "--kernel",
                "edge",
                "-q",
                "-o",
                folder / f"{name}.pooled.png",
                "--figure",
                folder / f"{name}.figure.png",
            ]
            assert cli("run", source, *words).exit_code == 0
        made.append({p.name: p.read_bytes() for p in sorted(folder.iterdir())})

    assert len(made[0]) == 4
    assert all(one == made[0] for one in made)
    assert json.loads((here / "out0" / ".poolcli" / "journal.jsonl").read_text().splitlines()[-1])
