"""Ctrl-C and SIGTERM during a run: the right exit code, no traceback, no half-written file."""

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from batches import until
from PIL import Image

ROOT = Path(__file__).parents[2]
SIGNALS = {signal.SIGINT: (130, -signal.SIGINT), signal.SIGTERM: (143,)}
"""A shell sees 130 for both: Python ends by the signal itself when it came inside an `eval`, as some imports have."""


@pytest.fixture
def large(here):
    """A picture whose running medians take seconds."""
    noise = np.random.default_rng(0).integers(0, 256, (2000, 3000), np.uint8)
    Image.fromarray(noise).save(here / "large.png", compress_level=1)
    return here


@pytest.mark.parametrize("delay", [0.0, 0.5])
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_while_computing_leaves_nothing(large, start, files, number, delay):
    before = sorted(files())
    process = start(
        "run", "-", "--pool", "median", "--size", "11", "--stride", "1", "--repeat", "60", "-o", "out.png",
        "--stages", "st", stdin=subprocess.PIPE,
    )  # fmt: skip
    process.stdin.write((large / "large.png").read_bytes())  # of which a pipe holds little: the rest has been read
    process.stdin.close()
    process.stdin = None
    time.sleep(delay)
    assert process.poll() is None, "it is still at work"
    os.killpg(process.pid, number)
    sent = time.monotonic()
    out, stderr = process.communicate(timeout=20)

    assert process.returncode in SIGNALS[number]
    assert time.monotonic() - sent < 10, "one filter is not interrupted"
    assert out == b""
    assert b"Traceback" not in stderr
    assert len(stderr.split()) <= 1, "at most one word"
    assert sorted(files()) == before


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_while_writing_leaves_the_old_file(large, start, files, number):
    """Writing the target takes long, so that the signal arrives during it."""
    (large / "out.npy").write_bytes(b"old")
    before = files()
    process = start("run", "large.png", "--output-size", "6000x6000", "-o", "out.npy", "-f", "--no-figure")
    while process.poll() is None and not [name for name in os.listdir() if name.endswith(".part")]:
        time.sleep(0.002)
    os.killpg(process.pid, number)
    _, stderr = process.communicate(timeout=20)

    assert b"Traceback" not in stderr
    assert [name for name in files() if name.endswith(".part")] == []
    if process.returncode == 0:  # it was quicker
        assert np.load("out.npy").shape == (6000, 6000)
    else:
        assert process.returncode in SIGNALS[number]
        assert files() == before


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_while_waiting_for_stdin_ends_the_run(start, files, number):
    before = sorted(files())
    reader, writer = os.pipe()
    process = start("run", "-", "-o", "out.png", stdin=reader)
    os.write(writer, b"\x89PNG")
    until(lambda: not select.select([reader], [], [], 0)[0])  # it has read that, and waits for more
    os.close(reader)
    os.killpg(process.pid, number)
    _, stderr = process.communicate(timeout=20)
    os.close(writer)

    assert process.returncode in SIGNALS[number]
    assert b"Traceback" not in stderr
    assert sorted(files()) == before


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_among_imports_waits_for_their_end(tmp_path, name, code):
    """An exception raised during an import could be dropped by Python, and the run would continue."""
    (tmp_path / "slow.py").write_text(
        f"import os, signal\nos.kill(os.getpid(), signal.{name})\nopen('imported', 'w').close()\ncommand = None\n"
    )
    program = (
        f"import sys; sys.path[:0] = [{str(ROOT)!r}, '.']; from poolcli.cli import group, main; "
        "group.COMMANDS['run'] = group.CommandEntry('slow', ''); sys.argv = ['poolcli', 'run']; main()"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, check=False, timeout=60)
    assert done.returncode == code
    assert b"Traceback" not in done.stderr
    assert (tmp_path / "imported").exists()


AT_EXIT = """
import atexit, os, sys
from poolcli.cli import main
atexit.register(os.kill, os.getpid(), int(sys.argv.pop(1)))
main()
"""


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("args", [("--version",), ("run", "none.png")], ids=["done", "failed"])
def test_a_signal_while_python_ends_prints_nothing(here, args, number):
    """All is done, so the signal ends it at once: Python would print an exception of its handler as an error of its own."""
    command = [sys.executable, "-c", AT_EXIT, str(int(number)), *args]
    done = subprocess.run(
        command, capture_output=True, timeout=60, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False
    )
    assert done.returncode == -number
    assert b"Exception" not in done.stderr
    assert b"Traceback" not in done.stderr


def test_an_ignored_signal_stays_ignored_to_the_end(here):
    command = [sys.executable, "-c", AT_EXIT, str(int(signal.SIGINT)), "--version"]
    command = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", *command]
    done = subprocess.run(
        command, capture_output=True, timeout=60, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False
    )
    assert done.returncode == 0
    assert done.stderr == b""
