"""File names of any kind: read, written, and shown escaped, so that none can imitate a line or control a terminal."""

import io
import json
import os
import re
import shutil

import numpy as np
import pytest
from PIL import Image

HOSTILE = {
    "latin1": (b"caf\xe9.png", r"caf\xe9.pooled.png"),
    "newline": (b"a\nb.png", r"a\x0ab.pooled.png"),
    "escape": (b"e\x1b[31mred.png", r"e\x1b[31mred.pooled.png"),
    "bell": (b"\x07.png", r"\x07.pooled.png"),
    "right-to-left": ("x\u202egnp.png".encode(), r"x\u202egnp.pooled.png"),
    "dollar": (b"$x_y^2$.png", "$x_y^2$.pooled.png"),
    "backslash": (b"\\frac{1}{2}.png", "\\frac{1}{2}.pooled.png"),
    "percent": (b"%s%(x)s.png", "%s%(x)s.pooled.png"),
    "braces": (b"{stem}.png", "{stem}.pooled.png"),
    "tilde": (b"~.png", "~.pooled.png"),
    "space": (b" .png", " .pooled.png"),
    "dots": (b"a.b.c.png", "a.b.c.pooled.png"),
    "hidden": (b".hidden", ".hidden.pooled.png"),
    "cjk": ("猫.png".encode(), "猫.pooled.png"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_name_of_any_bytes_is_read_written_and_shown_escaped(start, files, what):
    raw, shown = HOSTILE[what]
    os.rename(b"small.png", raw)
    process = start("run", raw, env={"PYTHONIOENCODING": "utf-8", "LC_ALL": "C.UTF-8"})
    out, stderr = process.communicate()

    assert process.returncode == 0, stderr
    assert out == b""
    stem = os.path.splitext(raw)[0]
    assert set(os.listdir(b".")) == {b"cat.jpg", raw, stem + b".pooled.png", stem + b".figure.png"}
    lines = stderr.decode().splitlines()
    assert lines[-1] == f"wrote {shown}, {shown.replace('pooled', 'figure')}"
    assert len(lines) == 4, "a header, two steps, one line of files"
    assert all(line.isprintable() for line in lines)


def test_an_error_about_such_a_name_is_still_one_line(start):
    for raw in (b"a\nb.png", b"\xe9\x1b[2J.png"):
        process = start("run", raw)
        _, stderr = process.communicate()
        assert process.returncode == 1
        (line,) = stderr.decode().splitlines()
        assert line.isprintable()


@pytest.mark.parametrize("where", ["-o", "--figure", "--recipe", "--kernel", "--size", "--stages", "--format"])
def test_a_usage_error_about_such_a_name_is_still_one_line(start, where):
    process = start("run", "small.png", where, "x\n\x1b[31m\udce9/y.txt")
    _, stderr = process.communicate()

    assert process.returncode in (1, 2)
    assert b"\x1b" not in stderr
    assert len(stderr.decode().splitlines()) in (1, 4)


def test_a_name_that_begins_with_a_minus_goes_after_two(cli, files):
    os.rename("small.png", "-rf")

    assert cli("run", "-rf").exit_code == 2
    assert cli("run", "--no-figure", "--", "-rf").exit_code == 0
    assert "-rf.pooled.png" in files()


@pytest.mark.parametrize("length", [250, 251, 255])
def test_a_stem_too_long_for_the_default_name_is_one_line_and_another_name_helps(cli, files, length):
    name = "x" * (length - 4) + ".png"
    os.rename("small.png", name)
    before = files()
    result = cli("run", name)

    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("xxxx")
    assert line.endswith("too long")
    assert files() == before
    assert cli("run", name, "-o", "short.png", "--figure", "short.svg").exit_code == 0


def test_the_longest_names_can_be_written(cli, files):
    name = "y" * 251 + ".png"

    assert cli("run", "small.png", "-o", name, "--no-figure").exit_code == 0
    assert name in files()


def test_names_in_json_are_valid_unicode_and_one_spelling(start):
    os.rename(b"small.png", b"\xe9.png")
    process = start("run", b"\xe9.png", "--json", "--no-figure")
    out, _ = process.communicate()
    record = json.loads(out)

    json.dumps(record, ensure_ascii=False).encode("utf-8")
    assert os.path.splitext(record["input"]["source"])[0] == record["files"]["result"].removesuffix(".pooled.png")


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg", "webp"])
def test_a_result_carries_such_a_name_and_can_be_used(start, suffix):
    raw = "]]><poolcli:recipe>&\udce9\u202e\n猫.png"
    os.rename("small.png", os.fsencode(raw))
    first = start("run", os.fsencode(raw), "-o", f"first.{suffix}", "--no-figure", "--size", "3")
    assert first.communicate()[1].decode()
    again = start("run", os.fsencode(raw), "--recipe", f"first.{suffix}", "-o", f"again.{suffix}", "--no-figure")
    again.communicate()

    assert (first.returncode, again.returncode) == (0, 0)
    with open(f"first.{suffix}", "rb") as one, open(f"again.{suffix}", "rb") as other:
        assert one.read() == other.read()


def test_content_decides_and_not_the_suffix(cli, small):
    shutil.move("small.png", "small.jpg")

    assert cli("run", "small.jpg", "-o", "-", "--format", "pgm", "-q").exit_code == 0
    with Image.open(io.BytesIO(cli("run", "small.jpg", "-o", "-", "--size", 1).stdout_bytes)) as image:
        np.testing.assert_array_equal(np.asarray(image), small)


@pytest.mark.parametrize(
    "args",
    [
        ["run", "small.png", "--kernel", "{}"],
        ["run", "small.png", "--kernel", "{}.txt"],
        ["run", "small.png", "--pool", "{}"],
        ["run", "small.png", "--recipe", "{}"],
        ["run", "small.png", "--recipe", "{}.json"],
        ["run", "small.png", "-o", "{}.png.xyz"],
        ["run", "small.png", "-o", "x.{}"],
        ["run", "small.png", "--figure", "{}"],
        ["run", "small.png", "--size", "{}"],
        ["run", "small.png", "--depth", "{}"],
        ["run", "small.png", "--scale", "{}"],
        ["run", "small.png", "--background", "{}"],
        ["run", "{}"],
        ["batch", ".", "-o", "out", "--report", "{}"],
        ["batch", ".", "-o", "out", "--sheet", "{}"],
        ["batch", ".", "-o", "out", "--name", "{}/x"],
        ["compare", "small.png", "--pools", "{}"],
        ["explain", "small.png", "-o", "{}"],
        ["features", "small.png", "--bank", "{}"],
        ["features", "small.png", "-o", "{}"],
        ["list", "{}"],
        ["{}"],
    ],
    ids=" ".join,
)
def test_what_is_named_in_a_message_is_escaped_once(start, args):
    named = [arg.format("a\x1b\udce9") for arg in args]
    process = start(*named, env={"PYTHONIOENCODING": "utf-8", "LC_ALL": "C.UTF-8"})
    stderr = process.communicate(timeout=60)[1].decode()
    assert process.returncode in (1, 2), stderr
    assert re.search(r"a\\x1b\\(xe9|udce9)", stderr), "escaped"
    assert r"\\" not in stderr, "once"
