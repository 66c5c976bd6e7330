"""`poolcli run --preview`: what a terminal shows; without a terminal nothing is shown."""

import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from fcntl import ioctl
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from poolcli.figures.palettes import color_table
from poolcli.figures.terminal import half_blocks, nearest_256, shades

ROOT = Path(__file__).parents[2]
UNCOLORED = {"NO_COLOR": "", "COLORTERM": "", "TERM": "xterm-256color"}


def in_terminal(*words, size=(24, 80), **env):
    """What poolcli writes to a terminal of so many lines and columns; stderr goes elsewhere."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    environment = {**os.environ, **UNCOLORED, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", **env}
    environment = {name: value for name, value in environment.items() if name not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        [sys.executable, "-m", "poolcli", "run", *map(str, words)],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.PIPE,
        env=environment,
    )
    os.close(theirs)
    data, end = b"", time.monotonic() + 60
    while time.monotonic() < end and select.select([ours], [], [], 60)[0]:
        try:
            part = os.read(ours, 1 << 16)
        except OSError:  # Linux says so where others send nothing
            break
        if not part:
            break
        data += part
    os.close(ours)
    _, errors = process.communicate(timeout=60)
    return process.returncode, data.decode().replace("\r\n", "\n"), errors.decode()


def colors_of(lines):
    """The pixels of lines of half blocks in true colours; None where the terminal's own paper shows."""
    rows = []
    for line in lines:
        upper, lower = [], []
        assert line.endswith("\x1b[0m")
        for ink, paper, blocks in re.findall(r"\x1b\[38;2;([\d;]+?);(48;2;[\d;]+|49)m(▀+)", line):
            upper += [[int(n) for n in ink.split(";")]] * len(blocks)
            lower += [None if paper == "49" else [int(n) for n in paper.split(";")[2:]]] * len(blocks)
        rows += [upper, lower]
    return rows if rows[-1][0] is not None else rows[:-1]


def test_pixels_in_half_blocks_are_the_result_s(here, small):
    code, shown, errors = in_terminal("small.png", "--size", 1, "-q", "--preview", size=(30, 40), COLORTERM="truecolor")
    assert (code, errors) == (0, "")
    head, *lines = shown.splitlines()
    assert head == "Condense (MaxPool) 24x40"
    np.testing.assert_array_equal(colors_of(lines), np.repeat(small[..., None], 3, axis=2))


def test_a_small_map_is_enlarged_by_a_whole_number(here, small):
    _, shown, _ = in_terminal("small.png", "-q", "--preview", size=(40, 70), COLORTERM="24bit")
    pooled = small.reshape(12, 2, 20, 2).max((1, 3))
    wanted = pooled.repeat(3, 0).repeat(3, 1)
    np.testing.assert_array_equal(colors_of(shown.splitlines()[1:]), np.repeat(wanted[..., None], 3, axis=2))


def test_a_large_map_is_shown_by_the_means_of_its_blocks(here):
    _, shown, _ = in_terminal("cat.jpg", "--size", 1, "-q", "--preview", "--no-figure", COLORTERM="truecolor")
    head, *lines = shown.splitlines()
    assert head == "Condense (MaxPool) 300x451, shown at 1/8 (block mean)"
    assert len(lines) == 19
    with Image.open("cat.jpg") as image:
        gray = np.asarray(image.convert("L"), np.float64)
    means = gray[:296, :448].reshape(37, 8, 56, 8).mean((1, 3))
    pixels = np.array(colors_of(lines))
    assert pixels.shape == (38, 57, 3)
    assert np.abs(pixels[:37, :56, 0] - means).max() <= 1.01


def test_filtered_maps_have_the_figure_s_colours(here):
    _, shown, _ = in_terminal("cat.jpg", "--kernel", "edge", "-q", "--preview", COLORTERM="truecolor")
    magma = {tuple(color) for color in color_table("magma").tolist()}
    found = {tuple(color) for row in colors_of(shown.splitlines()[1:]) for color in row}
    assert len(found) > 50
    assert found <= magma


def test_256_colours_where_no_more_are_promised(here):
    _, shown, _ = in_terminal("cat.jpg", "-q", "--preview")
    assert re.search(r"\x1b\[38;5;\d+;48;5;\d+m▀", shown)
    assert ";2;" not in shown


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}])
def test_without_colours_a_ramp_of_characters(here, env):
    code, shown, _ = in_terminal("cat.jpg", "-q", "--preview", COLORTERM="truecolor", **env)
    assert code == 0
    assert shown.isascii()
    assert "\x1b" not in shown
    assert set("".join(shown.splitlines()[1:])) <= set(" .:-=+*#%@")
    assert max(map(len, shown.splitlines()[1:])) <= 80


def test_small_maps_are_numbers(here, small):
    _, shown, _ = in_terminal("small.png", "--size", "8x10", "--range", "byte", "-q", "--preview", NO_COLOR="1")
    head, *lines = shown.splitlines()
    assert head == "Condense (MaxPool) 3x4"
    wanted = small.reshape(3, 8, 4, 10).max((1, 3))
    assert [[int(word) for word in line.split()] for line in lines] == wanted.tolist()
    _, colored, _ = in_terminal("small.png", "--size", "8x10", "--range", "byte", "-q", "--preview", "-f")
    plain = re.sub(r"\x1b\[[\d;]*m", "", colored).splitlines()
    assert [[int(word) for word in line.split()] for line in plain[1:]] == wanted.tolist()
    assert colored.count("\x1b[38;5;") == 12


def test_numbers_of_every_channel(here):
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    Image.fromarray(pixels).save("rgb.png")
    words = ("rgb.png", "--channels", "each", "--range", "byte", "-q", "--preview")
    _, shown, _ = in_terminal(*words, NO_COLOR="1")
    wanted = pixels.reshape(2, 2, 2, 2, 3).max((1, 3))
    lines = shown.splitlines()
    for channel in range(3):
        assert lines[1 + 3 * channel] == f"channel {channel + 1} of 3"
        grid = [[float(word) for word in line.split()] for line in lines[2 + 3 * channel : 4 + 3 * channel]]
        assert grid == wanted[..., channel].tolist()


def test_numbers_that_do_not_fit_are_pixels(here):
    Image.fromarray(np.zeros((12, 12), np.uint8)).save("black.png")
    _, shown, _ = in_terminal("black.png", "--size", "1", "-q", "--preview", size=(24, 30))
    assert "▀" in shown


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (200, 700), (24, 80)])
@pytest.mark.parametrize("shape", [(1, 1), (1, 60), (60, 1), (13, 13)])
def test_terminals_and_maps_of_every_size(here, size, shape):
    Image.fromarray(np.full(shape, 99, np.uint8)).save("any.png")
    code, shown, errors = in_terminal("any.png", "--size", "1", "-q", "--preview", "--no-figure", size=size)
    assert (code, errors) == (0, "")
    for line in shown.splitlines()[1:]:
        assert len(re.sub(r"\x1b\[[\d;]*m", "", line)) <= size[1]


def test_nothing_is_shown_but_on_a_terminal(here, cli, files):
    done = cli("run", "small.png", "--preview", "--no-figure")
    assert done.exit_code == 0
    assert done.stdout == ""
    assert "--preview: stdout is not a terminal, nothing is shown" in done.stderr
    assert set(files()) == {"cat.jpg", "small.png", "small.pooled.png"}


@pytest.mark.parametrize("words", [["--json"], ["-o", "-"]])
def test_two_things_on_stdout_are_refused(here, cli, files, words):
    done = cli("run", "small.png", "--preview", *words)
    assert done.exit_code == 2
    assert f"--preview with {' '.join(words)}: both would go to stdout" in done.stderr
    assert set(files()) == {"cat.jpg", "small.png"}


def test_an_odd_last_row_leaves_the_terminal_s_paper():
    assert half_blocks(np.full((1, 2, 3), 7, np.uint8), "true") == ["\x1b[38;2;7;7;7;49m▀▀\x1b[0m"]


def test_the_ramp_goes_from_dark_to_light():
    ramp = np.linspace(0, 255, 10).astype(np.uint8)
    assert shades(np.repeat(ramp[None, :, None], 3, axis=2)) == [" .:-=+*#%@"]


@pytest.mark.parametrize(
    ("color", "number"), [((255, 255, 255), 231), ((0, 0, 95), 17), ((8, 8, 8), 232), ((95, 0, 0), 52)]
)
def test_exact_colours_of_xterm(color, number):
    assert nearest_256(color) == number
