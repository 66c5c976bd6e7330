"""stdout carries data only and stderr everything else; each of them closed, full or a broken pipe."""

import io
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from batches import fill, until
from PIL import Image

import poolcli
from poolcli.batch.batch import Batch
from poolcli.cli import progress, runner
from poolcli.images import atomic
from poolcli.images.read import read
from poolcli.pipeline import engine
from poolcli.pipeline.observers import RunProgress

BIG = "run cat.jpg --output-size 2000x2000 -o - --format npy -q"
"""Writes 16 MB: more than any pipe holds."""


def test_a_pipeline_of_three_gives_the_bytes_of_the_file(shell, files):
    done = shell(
        "poolcli run - -o - --kernel edge < small.png | poolcli run - -o - --pool min | cat > out.png; poolcli run small.png -o one.png -q --kernel edge --no-figure; poolcli run one.png --pool min -q -o two.png --no-figure"
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout == b""
    saved = files()
    with Image.open(io.BytesIO(saved["out.png"])) as piped, Image.open(io.BytesIO(saved["two.png"])) as one:
        np.testing.assert_array_equal(np.asarray(piped), np.asarray(one))


def test_stdout_holds_the_picture_alone_from_its_first_byte(shell, files):
    done = shell("poolcli run small.png -o -; poolcli run small.png -o file.png --no-figure -q")

    assert done.stdout[:8] == b"\x89PNG\r\n\x1a\n"
    assert done.stdout == files()["file.png"]
    assert b"Condense (MaxPool)" in done.stderr


def test_nothing_is_coloured_when_stderr_is_no_terminal(shell):
    for env in ((), {"NO_COLOR": "1"}, {"TERM": "xterm-256color"}):
        done = shell(
            "poolcli run small.png --no-figure -f; poolcli run missing.png; poolcli list pools; poolcli --help", env
        )
        assert b"\x1b" not in done.stdout + done.stderr


@pytest.mark.parametrize(("no_color", "escapes"), [("1", False), ("", True), (None, True)])
def test_no_color_holds_on_a_terminal(start, no_color, escapes):
    pty = pytest.importorskip("pty")
    controller, terminal = pty.openpty()
    process = start("run", "small.png", "--no-figure", stderr=terminal, env={"NO_COLOR": no_color, "TERM": "xterm"})
    os.close(terminal)
    stderr = b""
    while True:
        try:
            data = os.read(controller, 4096)
        except OSError:  # how Linux says that the other side is closed
            break
        if not data:
            break
        stderr += data
    os.close(controller)
    process.communicate()

    assert process.returncode == 0
    assert b"Condense (MaxPool)" in stderr
    assert (b"\x1b[" in stderr) is escapes


def test_a_picture_is_not_thrown_at_a_terminal(start):
    pty = pytest.importorskip("pty")
    controller, terminal = pty.openpty()
    process = start("run", "small.png", "-o", "-", stdout=terminal)
    os.close(terminal)
    _, stderr = process.communicate()
    os.close(controller)

    assert process.returncode == 2
    assert b"terminal" in stderr


FULL = {
    "result": "run small.png -o -",
    "result-16MB": BIG,
    "json": "run small.png -o /dev/null --json --no-figure",
    "list": "list pools",
    "help": "--help",
    "version": "--version",
    "help-of-run": "run --help",
}


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("what", FULL)
@pytest.mark.promise("A21")
def test_a_full_stdout_is_exit_1_with_one_line(shell, what, unbuffered):
    done = shell(f"poolcli {FULL[what]} > /dev/full", {"PYTHONUNBUFFERED": unbuffered})

    assert done.returncode == 1
    *_, last = done.stderr.decode().splitlines()
    assert "No space left on device" in last
    assert last.startswith("stdout: ")
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_output_that_becomes_full_is_an_error_and_not_a_short_file(shell, unbuffered):
    """Writing to a file with a size limit stops in the middle; unbuffered, a write may report a part as success."""
    done = shell(f"ulimit -f 64; poolcli {BIG} > short.npy", {"PYTHONUNBUFFERED": unbuffered})

    assert done.returncode == 1
    assert done.stderr == b"stdout: File too large\n"


@pytest.mark.parametrize("what", ["result", "json", "list"])
@pytest.mark.promise("A21")
def test_a_closed_stdout_is_exit_1_with_one_line_when_data_was_to_go_there(shell, what):
    done = shell(f"poolcli {FULL[what]} >&-")

    assert done.returncode == 1
    assert done.stderr.decode().splitlines()[-1] == "stdout: Bad file descriptor"


@pytest.mark.promise("A21")
def test_a_run_that_needs_no_stdout_does_not_miss_it(shell, files):
    assert shell("poolcli run small.png --no-figure >&-").returncode == 0
    assert "small.pooled.png" in files()


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("line", [f"poolcli {BIG}", f"poolcli {BIG.removesuffix(' -q')}"])
@pytest.mark.promise("A21")
def test_a_reader_that_has_seen_enough_ends_the_run_silently(shell, line, unbuffered):
    done = shell(f"{line} | head -c 10 | wc -c; exit ${{PIPESTATUS[0]}}", {"PYTHONUNBUFFERED": unbuffered})

    assert done.stdout.split() == [b"10"]
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert b"rror" not in done.stderr


@pytest.mark.parametrize("what", ["list pools", "--help", "run --help"])
def test_a_reader_that_reads_nothing_is_no_error_to_speak_of(shell, what):
    done = shell(f"poolcli {what} | true; exit 0")

    assert done.stderr == b""


@pytest.mark.parametrize(
    ("line", "code"), [("small.png --no-figure", 0), ("missing.png", 1), ("small.png --size 0", 2)]
)
@pytest.mark.parametrize("where", ["2>&-", "2>/dev/full"])
def test_a_lost_stderr_changes_neither_exit_code_nor_stdout(shell, line, code, where):
    done = shell(f"poolcli run {line} {where}")

    assert (done.returncode, done.stdout, done.stderr) == (code, b"", b"")


def test_a_closed_pipe_on_stderr_does_not_stop_the_work(shell, files):
    shell("poolcli run small.png --no-figure 2> >(true); wait")

    assert "small.pooled.png" in files()


@pytest.mark.parametrize(
    ("given", "word"),
    [("<&-", "stdin is closed"), ("</dev/null", "stdin: empty file"), ("< recipe", "stdin: not a picture")],
)
def test_a_stdin_without_picture_is_exit_1_with_one_line(shell, here, given, word):
    (here / "recipe").write_text("hello")
    done = shell(f"poolcli run - -o out.png {given}")

    assert done.returncode == 1
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith(word)
    assert not os.path.exists("out.png")


@pytest.mark.parametrize(
    ("words", "code"),
    [("run small.png --kernel - -o out.png", 2), ("batch --files-from - -o out", 1)],
)
def test_settings_from_a_closed_stdin_are_refused_as_such(shell, words, code):
    done = shell(f"poolcli {words} <&-")
    assert done.returncode == code
    assert b"stdin is closed" in done.stderr
    assert not [name for name in os.listdir(".") if name.startswith("out")]


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_no_file_gets_the_number_of_a_closed_stream(shell, here, closed):
    """A library that writes to stderr would write into it."""
    code = "import os; from poolcli.cli.exit_codes import _prepare_streams; _prepare_streams(); os._exit(os.open('small.png', 0))"
    assert shell(f'"{sys.executable}" -c "{code}" {closed}').returncode >= 3


def test_every_stream_may_be_closed(shell, files):
    assert shell("poolcli run small.png --no-figure <&- >&- 2>&-").returncode == 0
    with Image.open(io.BytesIO(files()["small.pooled.png"])) as image:
        image.load()


@pytest.mark.parametrize("target", ["/dev/null", "null.png", "pipe.png", "pipe"])
def test_what_is_no_regular_file_is_written_directly(shell, here, target):
    os.symlink("/dev/null", "null.png")
    os.mkfifo("pipe.png")
    os.mkfifo("pipe")
    reading = f"cat {target} > copy & " if target.startswith("pipe") else ""
    done = shell(f"{reading} poolcli run small.png -o {target} --no-figure -q; code=$?; wait; exit $code")

    assert done.returncode == 0, done.stderr
    assert not os.path.isfile(target)
    assert sorted(p.name for p in here.iterdir() if p.suffix == ".part") == []
    if reading:
        with open("copy", "rb") as file:
            assert file.read(4) == b"\x89PNG"


@pytest.mark.parametrize(
    "command",
    [
        "cat small.png | poolcli run /dev/stdin -o out.png -q --no-figure",
        "bash -c 'poolcli run <(sleep 0.3; cat small.png) -o out.png -q --no-figure'",
        "mkfifo pipe; (sleep 0.5; cat small.png > pipe) & poolcli run pipe -o out.png -q --no-figure",
        "poolcli run small.png -q -o /dev/stdout > out.png",
        "poolcli run small.png -q -o /dev/fd/1 --format png > out.png",
    ],
    ids=["stdin", "substitution", "fifo", "stdout", "fd1"],
)
def test_pipes_are_read_and_stdout_is_written_by_name_too(shell, small, command):
    done = shell(command)

    assert done.returncode == 0, done.stderr
    with Image.open("out.png") as image:
        np.testing.assert_array_equal(np.asarray(image), small.reshape(12, 2, 20, 2).max((1, 3)))


def test_a_pipe_without_a_reader_is_refused_and_a_late_reader_is_waited_for(cli, here, monkeypatch):
    os.mkfifo("pipe")
    monkeypatch.setattr(atomic, "READER_SECONDS", 0.1)
    done = cli("run", "small.png", "-o", "pipe", "-f", "--format", "png", "--no-figure")
    assert (done.exit_code, done.stderr.splitlines()[-1].split(";")[0]) == (
        1, "pipe: no program reads this pipe within 0.1 s",
    )  # fmt: skip
    monkeypatch.setattr(atomic, "READER_SECONDS", 60)
    with ThreadPoolExecutor(1) as pool, monkeypatch.context() as patch:
        patch.setattr(atomic.time, "sleep", lambda _: got or got.append(pool.submit(Path("pipe").read_bytes)))
        got = []
        assert cli("run", "small.png", "-o", "pipe", "-f", "--format", "png", "--no-figure").exit_code == 0
    assert cli("run", "small.png", "-o", "one.png", "--no-figure").exit_code == 0
    assert got[0].result() == (here / "one.png").read_bytes()


def test_a_pipe_without_a_writer_is_refused_within_seconds(shell):
    done = shell("mkfifo pipe; timeout 10 poolcli run pipe --no-figure")

    assert done.returncode == 1
    (line,) = done.stderr.decode().splitlines()
    assert line == "pipe: no program writes into this pipe within 1 s; start the program that writes first"


def test_json_and_a_picture_do_not_meet_on_stdout(shell):
    done = shell("poolcli run small.png -o /dev/stdout --json")

    assert done.returncode == 2
    assert done.stdout == b""


def test_a_full_device_is_exit_1_with_its_name(shell):
    done = shell("poolcli run small.png -o /dev/full --no-figure; exit $?")

    assert done.returncode == 1
    assert done.stderr.decode().splitlines()[-1] == "/dev/full: No space left on device"


@pytest.mark.promise("A2")
def test_a_file_that_grows_too_large_leaves_the_old_one_and_nothing_else(shell, files, here):
    (here / "old.npy").write_bytes(b"dear")
    before = files()
    for force in ("-f -o old.npy", "-o new.npy"):
        done = shell(f"ulimit -f 16; poolcli run cat.jpg --no-figure --output-size 500x500 {force}")
        assert done.returncode == 1
        assert done.stderr.decode().splitlines()[-1] == f"{force.split()[-1]}: File too large"
    assert files() == before


def test_an_unwritable_folder_is_found_before_the_work(shell, here, files):
    """Root may write everywhere, so the test gives up that right first."""
    prefix = "setpriv --bounding-set=-all --inh-caps=-all " if not os.geteuid() else ""
    if shell(f"{prefix}poolcli --version").returncode:
        pytest.skip("root, and no way to give up its rights")
    os.chmod(here, 0o555)
    done = shell(f"{prefix}poolcli run missing.png -o out.png --no-figure")
    os.chmod(here, 0o755)

    assert done.returncode == 1
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("out.png: the folder ")
    assert "not writable" in line
    assert sorted(files()) == ["cat.jpg", "small.png"]


def test_a_picture_that_may_not_be_read_is_exit_1_with_the_reason(shell, here):
    prefix = "setpriv --bounding-set=-all --inh-caps=-all " if not os.geteuid() else ""
    if shell(f"{prefix}poolcli --version").returncode:
        pytest.skip("root, and no way to give up its rights")
    os.chmod("small.png", 0)
    done = shell(f"{prefix}poolcli run small.png --no-figure")

    assert done.returncode == 1
    assert done.stderr == b"small.png: Permission denied\n"


def test_json_on_stdout_is_json_alone(shell):
    done = shell("poolcli run small.png --json")

    assert json.loads(done.stdout)["files"] == {"result": "small.pooled.png", "figure": "small.figure.png"}
    assert b"Condense" in done.stderr


# -- progress where stderr is no terminal -------------------------------------------------------------------------


def test_a_long_run_tells_with_v_how_far_it_is(cli, here, monkeypatch):
    """Every step waits until a line has reported it; the lines come every 30 s, here more often."""
    lines = []
    monkeypatch.setattr(progress, "SECONDS", 0.01)
    monkeypatch.setattr(progress, "write_stderr", lines.append)

    def after_a_line(module, name, words):
        real = getattr(module, name)

        def call(*args, **options):
            result = real(*args, **options)
            count = len(lines)
            until(lambda: any(words in line for line in lines[count:]))
            return result

        monkeypatch.setattr(module, name, call)

    after_a_line(runner, "read_picture", "small.png: reading after ")
    after_a_line(engine.strips, "run", "small.png: computed, writing after ")
    assert cli("run", "small.png", "-v", "--no-figure").exit_code == 0


def test_without_v_nothing_is_told_on_the_way(cli, here, monkeypatch):
    monkeypatch.setattr(progress, "Thread", None)
    assert cli("run", "small.png", "--no-figure").exit_code == 0
    assert cli("batch", "small.png", "-o", "out", "--jobs", "0").exit_code == 0


def test_the_share_that_is_computed_grows_to_all_of_it(here):
    seen = []
    state = RunProgress()

    observe = state.observe
    state.observe = lambda *args: (observe(*args), seen.append(state.share))
    picture = read("cat.jpg", resize=(1500, 1500))
    engine.execute(picture, poolcli.recipe(kernel="edge", pool="max"), threads=1, progress=state)
    assert seen == sorted(seen)
    assert 0 < seen[0] < 1
    assert seen[-1] == 1


def test_a_long_batch_tells_with_v_how_far_it_is(cli, here, monkeypatch):
    lines = []
    monkeypatch.setattr(progress, "SECONDS", 0.01)
    monkeypatch.setattr(progress, "write_stderr", lines.append)
    fill("in", 2)
    real = Batch._record

    def record(self, *args):
        real(self, *args)
        until(lambda: any(f"{self.count_finished} of 2 done after " in line for line in lines))

    monkeypatch.setattr(Batch, "_record", record)
    assert cli("batch", "in", "-o", "out", "-v", "--jobs", "0").exit_code == 0
