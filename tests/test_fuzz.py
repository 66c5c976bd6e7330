"""A short run of the fuzzing in every run of the tests; `tests/fuzzing.py` runs for longer."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SECONDS = 20


@pytest.mark.promise("C1")
def test_mutated_input_ends_in_errors_of_ours_alone():
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", ROOT / "tests/fuzzing.py", str(SECONDS)],
        capture_output=True,
        text=True,
        timeout=SECONDS + 60,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests")))},
    )

    *_, last = done.stdout.splitlines() or [""]
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    cases, failures = (int(word) for word in last.split() if word.isdigit())
    assert failures == 0
    assert cases > 500
