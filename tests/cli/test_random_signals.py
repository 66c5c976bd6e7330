"""A signal at a random moment of any phase (start, plan, work, report, sheet): poolcli ends soon and loses nothing."""

import os
import random
import shutil
import signal
import time

import pytest
from batches import OWN, alive, children, fill, parts, tree, until

SECONDS = 2.0
"""The longest that a run may take to end."""
COUNTS = [3, pytest.param(200, marks=pytest.mark.slow)]


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_b3_b7_a_signal_at_any_moment(here, start, number, count):
    fill("in/deep", 12, 150, 200)
    fill("in", 12, 150, 200)
    files = ("--report", "r.csv", "--sheet", "s.png")
    options = ("in", "-r", "-o", "out", "--kernel", "edge", "--jobs", "2", *files)
    process = start("batch", *(word if word != "out" else "whole" for word in options[:4]), *options[4:8], "-j", "2")
    begun = time.monotonic()
    process.communicate(timeout=60)
    whole, length = tree("whole"), time.monotonic() - begun
    assert len(whole) == 48
    choose = random.Random(count)
    for _ in range(count):
        process = start("batch", *options)
        time.sleep(choose.uniform(0.0, 1.3 * length))
        below = list(children(process.pid))
        process.send_signal(number)
        sent = time.monotonic()
        process.communicate(timeout=20)
        assert time.monotonic() - sent < SECONDS
        until(lambda below=below: not any(map(alive, below)), SECONDS)
        found = tree("out") if os.path.isdir("out") else {}
        assert all(whole[name] == data for name, data in found.items() if not name.endswith(".part"))
        if choose.random() < 0.5:  # else the next one finds what this one left
            process = start("batch", *options)
            _, stderr = process.communicate(timeout=60)
            assert process.returncode == 0, stderr
            assert tree("out") == whole
            assert parts(here) == []
            assert {name for name in os.listdir(".") if not name.startswith("in")} == {
                "cat.jpg", "small.png", "whole", "out", "r.csv", "s.png"
            }  # fmt: skip
            assert sorted(os.listdir(f"out/{OWN}")) == ["begun", "journal.jsonl", "lock"]
            shutil.rmtree("out", ignore_errors=True)
            for name in ("r.csv", "s.png"):
                if os.path.exists(name):
                    os.unlink(name)
