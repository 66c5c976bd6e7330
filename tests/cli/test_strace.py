"""The system refuses the Nth call, or kills the program there, by strace: A1, A2 of a run, C5 and B3 of a batch."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from batches import fill, parts, tree

ROOT = Path(__file__).parents[2]
REFUSED = {"write": "ENOSPC", "fsync": "EIO", "rename,renameat,renameat2,link,linkat": "EIO", "openat": "EMFILE"}
SLOW_CALLS = ("openat",)
MOST = 400


@pytest.fixture(scope="module")
def strace():
    """The path of strace, where it may trace."""
    path = shutil.which("strace")
    if path is None:
        pytest.skip("strace is not installed")
    if subprocess.run([path, "-o", os.devnull, "true"], capture_output=True, check=False).returncode:
        pytest.skip("strace may not trace here")
    return path


@pytest.fixture
def traced(strace, here):
    """Run poolcli with an injection at call `number`; the exit code (negative: killed), stderr, whether it happened."""

    def call(injection, number, *args):
        names, _, what = injection.partition(":")
        command = [strace, "-f", "-qq", "-o", "trace", "-e", f"trace={names}", "-e"]
        command += [f"inject={names}:{what}:when={number}", sys.executable, "-m", "poolcli", *args]
        done = subprocess.run(
            command,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        trace = Path("trace").read_text("utf-8", "replace")
        return done.returncode, done.stderr.decode(), bool(re.search(r"INJECTED|killed by SIGKILL", trace))

    return call


INJECTIONS = [
    pytest.param(
        f"{calls}:{kind}",
        id=f"{calls.split(',')[0]}-{kind.split('=')[0]}",
        marks=[pytest.mark.slow] if calls in SLOW_CALLS else [],
    )
    for calls, number in REFUSED.items()
    for kind in (f"error={number}", "signal=KILL")
]


@pytest.mark.parametrize("injection", INJECTIONS)
def test_a1_a2_a_run_leaves_the_old_file_or_the_new(traced, here, injection):
    args = ("run", "small.png", "-o", "x.png", "--no-figure", "-q", "-f")
    assert traced("fsync:error=EIO", MOST, *args)[0] == 0
    new = (here / "x.png").read_bytes()
    for number in range(1, MOST):
        (here / "x.png").write_bytes(b"old")
        code, stderr, happened = traced(injection, number, *args)
        found = (here / "x.png").read_bytes()
        assert found in (b"old", new), number
        assert "Traceback" not in stderr or "import" in stderr, stderr
        if "error" in injection:
            assert parts(here) == []
            assert found == new or code, "a lie"
        if not happened:
            assert (code, found) == (0, new), stderr
            break
    else:
        pytest.fail("it never was clean")
    assert traced("fsync:error=EIO", MOST, *args)[0] == 0
    assert parts(here) == [], "swept by the next run"


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["0", "2"])
@pytest.mark.parametrize("injection", INJECTIONS)
def test_c5_b3_a_batch_ends_byte_equal_after_any_refusal_or_kill(traced, here, injection, jobs):
    fill("in", 3)
    args = ("batch", "in", "-q", "--jobs", jobs, "-o")
    assert traced("fsync:error=EIO", 10 * MOST, *args, "whole")[0] == 0
    whole = tree("whole")
    for number in range(1, MOST):
        shutil.rmtree("out", ignore_errors=True)
        _, _, happened = traced(injection, number, *args, "out")
        found = {name: data for name, data in tree("out").items() if not name.endswith(".part")}
        assert found.items() <= whole.items(), "complete or absent"
        code, stderr, _ = traced("fsync:error=EIO", 10 * MOST, *args, "out")
        assert code == 0, stderr
        assert tree("out") == whole
        assert parts("out") == []
        if not happened:
            break
    else:
        pytest.fail("it never was clean")
