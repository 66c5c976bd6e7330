"""A batch in odd environments: the same files as in an ordinary one, or one line that says what does work."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from batches import fill, tree

ROOT = Path(__file__).parents[2]
BATCH = ("batch", "in", "-o", "out", "--jobs", "2", "--sheet", "out/sheet.png", "--report", "report.csv")
HOSTILE = "text.usetex: True\nbackend: TkAgg\nsavefig.dpi: 3\nfont.size: 200\nnonsense.key: 1\n"
MAIN = "from poolcli.cli import main; main()"


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The files of a batch in an ordinary environment."""
    folder = tmp_path_factory.mktemp("ordinary")
    fill(folder / "in", 3)
    done = run(folder, "-m", "poolcli", *BATCH)
    assert done.returncode == 0, done.stderr
    return tree(folder / "out")


def run(folder, *words, env=()):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **dict(env)}
    environment = {name: value for name, value in environment.items() if value is not None}
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


VARIABLES = {
    "bogus backend": {"MPLBACKEND": "bogus"},
    "no home": {"HOME": None, "XDG_CACHE_HOME": None},
    "a home that is a file": {"HOME": "/dev/null", "XDG_CACHE_HOME": None},
    "ascii": {"LC_ALL": "C", "LANG": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "dumb terminal": {"TERM": "dumb"},
    "warnings are errors": {"PYTHONWARNINGS": "error"},
}


@pytest.mark.parametrize("what", [*VARIABLES, "hostile matplotlibrc"])
def test_a_batch_is_the_same_in_any_environment(here, expected, what):
    fill("in", 3)
    (here / "matplotlibrc").write_text(HOSTILE if what.startswith("hostile") else "")
    done = run(here, "-m", "poolcli", *BATCH, env=VARIABLES.get(what, {}))
    assert done.returncode == 0, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert tree("out") == expected


PROGRAM = """
import os, sys
from poolcli.cli import main
before, sys.argv = dict(os.environ), ["poolcli", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print({name for name in {*before, *os.environ} if before.get(name) != os.environ.get(name) and not name.endswith("_THREADS")})
"""


@pytest.mark.parametrize("path", [None, str(ROOT)], ids=["no path", "path"])
def test_a_program_that_runs_a_batch_keeps_its_environment(here, path):
    fill("in", 1)
    done = run(here, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}){PROGRAM}", *BATCH, env={"PYTHONPATH": path})
    assert done.returncode == 0, done.stderr
    assert done.stdout == "set()\n"


INTERPRETERS = {
    "warnings are errors": ("-W", "error", "-m", "poolcli"),
    "development mode": ("-X", "dev", "-W", "error", "-m", "poolcli"),
    "isolated": ("-I", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {MAIN}"),
    "no environment": ("-E", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {MAIN}"),
    "optimised": ("-OO", "-m", "poolcli"),
    "no semaphores": ("-c", f"import _multiprocessing; del _multiprocessing.SemLock; {MAIN}"),
}


@pytest.mark.parametrize("words", INTERPRETERS.values(), ids=INTERPRETERS)
def test_a_batch_is_the_same_in_any_interpreter(here, expected, words):
    fill("in", 3)
    done = run(here, *words, *BATCH)
    assert done.returncode == 0, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert tree("out") == expected


def test_without_processes_the_one_that_is_there_is_named(here, expected):
    """A Python that was built without multiprocessing: --jobs 0 works, and is what the message says."""
    fill("in", 3)
    words = ("-c", f"import sys; sys.modules['_multiprocessing'] = None; {MAIN}")
    done = run(here, *words, *BATCH)
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if "no worker process" in line]
    assert "--jobs 0" in line
    done = run(here, *words, *["0" if word == "2" else word for word in BATCH])
    assert done.returncode == 0, done.stderr
    assert tree("out") == expected


@pytest.mark.skipif(os.name != "posix", reason="rights of another system")
def test_a_home_and_a_temporary_folder_that_are_closed(here, expected):
    """A user who may write nothing but the folder of the results."""
    rights = shutil.which("setpriv")
    if os.geteuid() == 0 and rights is None:
        pytest.skip("root may write anywhere, and setpriv is not installed")
    here.chmod(0o755)
    if os.geteuid() == 0 and subprocess.run(
        [rights, "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-c", f"open({str(here)!r} + '/cat.jpg')"],
        capture_output=True, check=False,
    ).returncode:  # fmt: skip
        pytest.skip("another user cannot reach the folder of the test, or the interpreter")
    fill("in", 3)
    (here / "home").mkdir(mode=0o555)
    (here / "out").mkdir()
    (here / "out").chmod(0o777)
    drop = [rights, "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    words = [word for word in BATCH if word not in ("--report", "report.csv")]
    done = subprocess.run(
        [*drop, sys.executable, "-m", "poolcli", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(here / "home"), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert tree("out") == expected
    assert os.listdir("home") == []
