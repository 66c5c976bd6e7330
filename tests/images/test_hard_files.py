"""Every difficult file is read or refused in one line, quickly and with little memory."""

import io
import os
import socket
import struct
import subprocess
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hardfiles import EITHER, ERROR, PICTURE, bomb_headers, color_picture, hard_files, late_bomb, npy, saved
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import EpsImagePlugin, Image

from poolcli.display import display_name
from poolcli.errors import ImageError
from poolcli.images.embedded import embedded_recipe
from poolcli.images.known_formats import check_prefix
from poolcli.images.read import read

ROOT = Path(__file__).parents[2]
SMALL = sorted(name for name, file in hard_files().items() if len(file.data) < 20_000)


def outcome(data, **options):
    try:
        picture = read(io.BytesIO(data), **options)
    except ImageError as error:
        message = str(error)
    else:
        message = None
    if message is not None:
        assert message
        assert message.isprintable()
        assert "_io" not in message, "no Python object is shown"
        return ERROR
    assert picture.values.dtype.kind in "iuf"
    assert picture.values.shape == picture.size
    return PICTURE


@pytest.mark.parametrize("name", hard_files())
@pytest.mark.promise("A6")
def test_ends_as_it_must(name):
    file = hard_files()[name]
    before = time.perf_counter()
    end = outcome(file.data)
    assert time.perf_counter() - before < 5
    assert file.ends in {end, EITHER}


@pytest.mark.parametrize("name", ["base.jpg", "cut50-base.jpg", "eps_named.jpg", "bomb.png", "frames.gif"])
def test_a_path_ends_like_its_bytes(tmp_path, name):
    file = hard_files()[name]
    path = tmp_path / name
    path.write_bytes(file.data)
    if file.ends == ERROR:
        with pytest.raises(ImageError):
            read(path)
    else:
        np.testing.assert_array_equal(read(path).values, read(io.BytesIO(file.data)).values)


@pytest.mark.parametrize("name", sorted(bomb_headers()))
def test_bomb_message_has_size_limit_and_option(name):
    with pytest.raises(ImageError, match=r"\d+x\d+ .*[\d,]+ pixels; at most 178,956,970 are .*--max-pixels"):
        read(io.BytesIO(bomb_headers()[name]))


@pytest.mark.promise("A14")
def test_bombs_need_no_memory(tmp_path):
    for name, data in bomb_headers().items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "later.gif").write_bytes(late_bomb())
    program = (
        "import resource, sys\n"
        "from poolcli.errors import ImageError\n"
        "from poolcli.images.read import read\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024\n"
        "before = peak()\n"
        "for name in sys.argv[1:]:\n"
        "    try: read(name, page=2 if 'later' in name else 1)\n"
        "    except ImageError: continue\n"
        "    sys.exit(name)\n"
        "print(peak() - before)\n"
    )
    command = [sys.executable, "-W", "error", "-c", program, *map(str, tmp_path.iterdir())]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, cwd=ROOT)
    assert int(result.stdout) < 60


def test_max_pixels_raises_and_lowers_the_limit():
    data = saved(Image.new("L", (40, 30)), "PNG")
    assert read(io.BytesIO(data), max_pixels=1200).size == (30, 40)
    with pytest.raises(ImageError, match=r"30x40 \(height x width\) is 1,200 pixels; at most 1,199"):
        read(io.BytesIO(data), max_pixels=1199)
    with pytest.raises(ImageError, match="at most 15"):
        read(io.BytesIO(npy(np.zeros((4, 4), np.uint8))), max_pixels=15)


@pytest.mark.parametrize(
    ("shape", "options", "said"),
    [
        ((700_000_000, 1, 1), {"layout": "planes"}, r"1x1x700000000 \(height x width x planes\) is 700,000,000 cells"),
        ((100, 20, 500, 500), {"layout": "planes"}, r"500x500x2000 \(height x width x planes\) is 500,000,000 cells"),
        ((500, 500, 3000), {"channels": "each"}, r"500x500x3000 \(height x width x channels\) is 750,000,000 cells"),
    ],
)
def test_every_plane_and_channel_of_an_array_counts_before_it_is_decoded(shape, options, said):
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "|u1", "fortran_order": False, "shape": shape})
    header = head.getvalue()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.npy", header)
    for data in (header, stream.getvalue()):  # no cell is there: a file that is decoded is a truncated one
        with pytest.raises(ImageError, match=said + r"; at most 178,956,970 are allowed; raise the limit with --max-"):
            read(io.BytesIO(data), **options)


def with_header(text, version):
    size = len(text).to_bytes(2 * version, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + size + text + bytes(16)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), " + b" " * 20_000 + b"}\n",
            "NPY header of 20,060 b",
        ),
        (
            b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), 'more': 1}\n",
            "damaged NPY file: its header is none",
        ),
        (
            b"{'descr': '<q9', 'fortran_order': False, 'shape': (2, 2)}\n",
            "damaged NPY file: its header is none that numpy",
        ),
        (b"__import__('os')\n", "damaged NPY file: its header is none that numpy.save writes"),
        (b"(" * 4000, "damaged NPY file: its header is none that numpy.save writes"),
        (b"", "damaged NPY file: its header is none that numpy.save writes"),
    ],
)
def test_headers_of_arrays_are_refused_in_our_own_words(text, said, version):
    with pytest.raises(ImageError, match=said) as refused:
        read(io.BytesIO(with_header(text, version)))
    assert not any(word in str(refused.value) for word in ("max_header_size", "allow_pickle", "object at", "\\x0a"))


def test_a_header_that_is_cut_off_is_truncated():
    data = npy(np.zeros((2, 2)))
    for size in (8, 9, 10, 60):
        with pytest.raises(ImageError, match="truncated NPY file: its header is cut off"):
            read(io.BytesIO(data[:size]))


def test_channels_of_a_picture_are_not_counted():
    for shape, options in (((4, 4, 4), {}), ((4, 4, 5), {"channels": "each"}), ((5, 4, 4), {"layout": "planes"})):
        data, cells = npy(np.zeros(shape, np.uint8)), 16 if shape[2] == 4 and not options else 80
        read(io.BytesIO(data), max_pixels=cells, **options)
        with pytest.raises(ImageError, match=f"at most {cells - 1} are allowed"):
            read(io.BytesIO(data), max_pixels=cells - 1, **options)


def test_max_pixels_holds_above_pillows_own_limit(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert read(io.BytesIO(saved(Image.new("L", (40, 30)), "PNG"))).size == (30, 40)
    assert Image.MAX_IMAGE_PIXELS == 100, "restored"


@pytest.mark.promise("A5")
def test_no_other_program_is_started(monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a program was started"))
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_, **__: pytest.fail("Ghostscript was called"))
    assert outcome(saved(color_picture(), "EPS")) == ERROR


def test_nothing_is_printed(tmp_path):
    # Pillow logs some damage as errors, and Python prints those unless a handler takes them.
    path = tmp_path / "many.tif"
    path.write_bytes(hard_files()["samples.tif"].data)
    program = (
        "import sys\n"
        "from poolcli.errors import ImageError\n"
        "from poolcli.images.read import read\n"
        "try: read(sys.argv[1])\n"
        "except ImageError: print('refused')\n"
    )
    command = [sys.executable, "-W", "always", "-c", program, str(path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True, cwd=ROOT)
    assert (result.stdout, result.stderr) == ("refused\n", "")


@pytest.mark.promise("A16")
def test_a_named_pipe_without_a_writer_is_refused_within_a_bound(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr("poolcli.images.safe_open.WRITER_SECONDS", 0.2)
    with pytest.raises(ImageError, match=r"is a pipe that nobody wrote to within 0\.2 s"):
        read(tmp_path / "pipe")


def test_pipes_are_read_once(tmp_path):
    data = saved(color_picture(), "PNG")
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with ThreadPoolExecutor() as pool:
        writing = pool.submit(path.write_bytes, data)
        np.testing.assert_array_equal(read(path).values, read(io.BytesIO(data)).values)
        writing.result()


class Endless(io.RawIOBase):
    """A stream without an end that counts what is taken from it."""

    def __init__(self, start):
        self.start, self.taken = start, 0

    def read(self, count=-1):
        assert 0 <= count < 10_000, "read to the end"
        data = (self.start + bytes(count))[self.taken : self.taken + count].ljust(count, b"\0")
        self.taken += count
        return data


@pytest.mark.parametrize("start", [b"", b"plain text", b"%PDF-1.7", b"<!doctype html>", b"\x7fELF"])
def test_streams_that_are_no_picture_are_refused_after_a_kilobyte(start):
    stream = Endless(start)
    with pytest.raises(ImageError, match=r"not a picture|is not read"):
        read(stream)
    assert stream.taken == 1024
    with pytest.raises(ImageError, match="not a picture"):
        read("/dev/zero")


@pytest.mark.parametrize("name", [name for name, file in hard_files().items() if file.ends == PICTURE])
def test_the_first_kilobyte_refuses_no_picture(name):
    check_prefix(hard_files()[name].data[:1024])


@pytest.mark.promise("A16")
def test_what_is_no_regular_file_is_named(tmp_path, monkeypatch):
    with pytest.raises(ImageError, match="is a directory"):
        read(tmp_path)
    with pytest.raises(ImageError, match="empty file"):
        read("/dev/null")
    with pytest.raises(ImageError, match="No such file or directory"):
        read(tmp_path / "missing.png")
    with pytest.raises(ImageError, match="File name too long"):
        read(tmp_path / ("x" * 300))
    with pytest.raises(ImageError, match="not a usable file name"):
        read("a\0b.png")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        with pytest.raises(ImageError, match=r"No such device|socket"):
            read("s")


def test_file_descriptors_are_closed(tmp_path):
    (tmp_path / "bad.png").write_bytes(hard_files()["cut50-rgb.png"].data)
    (tmp_path / "good.tif").write_bytes(hard_files()["frames.tif"].data)
    before = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0
    for _ in range(5):
        read(tmp_path / "good.tif")
        for name in ("bad.png", "missing", "."):
            with pytest.raises(ImageError):
                read(tmp_path / name)
    after = len(os.listdir("/proc/self/fd")) if before else 0
    assert after <= before


@pytest.mark.promise("A17")
def test_a_shrinking_file_is_an_error_and_kills_nothing(tmp_path):
    path = tmp_path / "raw.tif"
    path.write_bytes(saved(Image.new("RGB", (800, 800)), "TIFF"))
    with pytest.raises(ImageError, match="damaged TIFF"):
        read(path, check=lambda *_: os.truncate(path, 4096))


def test_memory_errors_are_image_errors(monkeypatch):
    def no_memory(*_, **__):
        raise MemoryError

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", no_memory)
    with pytest.raises(ImageError, match="not enough memory"):
        read(io.BytesIO(hard_files()["rgb.png"].data))
    monkeypatch.setattr("poolcli.images.read.finite", no_memory)
    with pytest.raises(ImageError, match="not enough memory"):
        read(io.BytesIO(npy(np.zeros((4, 4)))))
    monkeypatch.setattr("numpy.lib.format.read_array", no_memory)
    with pytest.raises(ImageError, match="not enough memory"):
        read(io.BytesIO(hard_files()["gray.npy"].data))


@pytest.mark.parametrize("kind", [SyntaxError, struct.error, TypeError, AttributeError, OverflowError, RecursionError])
@pytest.mark.parametrize("where", ["open", "load", "n_frames", "getexif"])
def test_whatever_pillow_raises_is_an_image_error_or_ignored(monkeypatch, kind, where):
    def broken(*_, **__):
        raise kind("two\nlines")

    data = hard_files()["base.jpg"].data
    if where == "open":
        monkeypatch.setattr(Image, "open", broken)
    elif where == "n_frames":
        monkeypatch.setattr(Image.Image, "n_frames", property(broken), raising=False)
    else:
        monkeypatch.setattr("PIL.ImageFile.ImageFile.load" if where == "load" else "PIL.Image.Image.getexif", broken)
    if where in {"open", "load"}:
        with pytest.raises(ImageError, match=r"damaged .*\(two\\x0alines\)"):
            read(io.BytesIO(data))
    else:
        assert read(io.BytesIO(data)).notes == ()


def test_arrays_are_refused_by_their_header():
    header = npy(np.zeros((500, 500), np.complex64))[:128]
    with pytest.raises(ImageError, match="array of type complex64"):
        read(io.BytesIO(header))
    header = npy(np.zeros((500, 500)))[:128]
    with pytest.raises(ImageError, match="truncated NPY file: 0 bytes of data, 2,000,000 expected"):
        read(io.BytesIO(header))
    with pytest.raises(ImageError, match=r"NPY format 9\.0 is not read; 1\.0 and 2\.0"):
        read(io.BytesIO(hard_files()["version9.npy"].data))


@pytest.mark.promise("A15")
def test_peak_memory_is_the_decoded_picture_and_the_gray_one(tmp_path):
    height, width = 3000, 4000
    Image.new("RGB", (width, height), "red").save(tmp_path / "big.jpg")
    program = (
        "import io, resource, sys\n"
        "from poolcli.images.read import read\n"
        "read(io.BytesIO(b'P5 1 1 255 0'))\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = peak()\n"
        "read(sys.argv[1], channels=sys.argv[2])\n"
        "print((peak() - before) * (1 if sys.platform == 'darwin' else 1024))\n"
    )
    for channels, per_pixel in (("gray", 4 + 1), ("each", 4 + 3)):
        command = [sys.executable, "-c", program, str(tmp_path / "big.jpg"), channels]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, cwd=ROOT)
        assert int(result.stdout) < height * width * per_pixel + 12_000_000


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plain é 日本.png", "plain é 日本.png"),
        ("esc\x1b[31m.png", r"esc\x1b[31m.png"),
        ("bell\x07\x9b.png", r"bell\x07\x9b.png"),
        ("two\nlines\r\t\x7f", r"two\x0alines\x0d\x09\x7f"),
        ("rtl\u202egnp.exe", r"rtl\u202egnp.exe"),
        ("line\u2028\u2029", r"line\u2028\u2029"),
        ("latin1_\udce9.png", r"latin1_\xe9.png"),
    ],
)
def test_display_name(name, shown):
    assert display_name(name) == shown


def test_display_name_of_bytes_and_paths():
    assert display_name(Path("a/b.png")) == os.path.join("a", "b.png")
    assert display_name(b"\xff.png") == r"\xff.png"


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"GIF89a", b"\x93NUMPY\1\0", b"BM", b"P5 "]),
    st.binary(max_size=400),
)
@pytest.mark.promise("C1")
def test_any_bytes(start, rest):
    outcome(start + rest)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(
    st.sampled_from(SMALL),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6),
    st.floats(0.2, 1),
)
@pytest.mark.promise("C1")
def test_any_damage(name, changes, kept):
    data = bytearray(hard_files()[name].data)
    for where, value in changes:
        if data:
            data[int(where * len(data))] = value
    damaged = bytes(data[: int(len(data) * kept)])
    outcome(damaged, max_pixels=1_000_000)
    with suppress(ImageError):
        embedded_recipe(io.BytesIO(damaged))
