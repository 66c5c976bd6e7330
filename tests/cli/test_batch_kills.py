"""A batch killed, interrupted or out of space at any moment: files are complete, and the same command continues."""

import errno
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
from batches import OWN, alive, children, done, fill, journal, lines, parts, pgm, tree, until
from invoke import runner
from PIL import Image

from poolcli.batch import local_journal as batch_journal
from poolcli.batch.scheduler import CHUNK_TASKS

JOBS = 2
IN_FLIGHT = 2 * JOBS * CHUNK_TASKS
FAST = ("--no-figure", "--jobs", str(JOBS))


@pytest.fixture
def run(start):
    """Run a batch of `in` to its end; returns exit code and stderr."""

    def call(output="out", *args, **options):
        process = start("batch", "in", "-o", output, *(args or FAST), **options)
        stderr = process.communicate(timeout=60)[1].decode()
        return process.returncode, stderr

    return call


def readable(folder):
    """Check that all results of a folder are complete, and return their number."""
    names = [name for name in tree(folder) if name.endswith(".png")]
    for name in names:
        with Image.open(os.path.join(folder, name)) as image:
            image.load()
    return len(names)


def killed(process):
    """Kill a process and all its workers; whether it was still there."""
    was = process.poll() is None
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=20)
    return was


@pytest.mark.parametrize("most", [10, pytest.param(200, marks=pytest.mark.slow)])
def test_kills_and_the_tree_of_an_undisturbed_run(here, start, run, most):
    """Results in the journal are never made again; the next run makes the others."""
    chance = random.Random(3)
    fill("in", 60, 200, 300)
    fill("in/sub", 8)
    options = ("-r", "--kernel", "edge", "--jobs", str(JOBS), "--no-figure")
    assert run("undisturbed", *options)[0] == 0
    expected = tree("undisturbed")
    kills = deleted = 0
    while kills < most:
        process = start("batch", "in", "-o", "out", *options)
        # Most kills fall into the work, which begins after about 0.3 s, some into the start and the end.
        if chance.random() < 0.7:
            enough = len(done("out")) + chance.randint(0, 3)
            until(lambda process=process, enough=enough: len(done("out")) >= enough or process.poll() is not None)
            time.sleep(chance.random() * 0.01)
        else:
            time.sleep(chance.random() * 0.4)
        if killed(process):
            kills += 1
        else:
            for name in chance.sample(sorted(tree("out")), 20):
                os.unlink(f"out/{name}")
                deleted += 1
    code, stderr = run("out", *options)
    assert (code, stderr.splitlines()[:-1]) == (0, [])
    assert tree("out") == expected
    assert parts("out") == []
    assert set(done("out")) == set(expected)
    assert len(done("out")) <= len(expected) + deleted


def test_kills_with_figures(here, start_held, run):
    """A run may be killed between a result and its figure."""
    chance = random.Random(2)
    fill("in", 9)
    options = ("--jobs", str(JOBS))
    assert run("undisturbed", *options)[0] == 0
    for turn in range(2):  # of four pictures at most: each of two workers has one and a second one waiting
        process = start_held("in", "-o", "out", *options)
        enough = 2 * turn + chance.randint(0, 1)
        until(lambda turn=turn, enough=enough: len(tree("out")) >= enough or len(done("out")) > turn)
        time.sleep(chance.random() * 0.03)
        assert killed(process)
    code, stderr = run("out", *options)
    assert code == 0, stderr
    assert tree("out") == tree("undisturbed")
    assert parts("out") == []


def test_a_killed_parent_takes_its_workers_along_and_leaves_no_lock(here, start_held, run):
    fill("in", 30)
    process = start_held("in", "-o", "out", *FAST)
    until(lambda: done("out"))
    below = list(children(process.pid))
    assert len(below) >= JOBS
    process.kill()
    process.communicate(timeout=20)
    until(lambda: not any(map(alive, below)), 5)
    code, stderr = run("out", *FAST)
    assert code == 0, stderr
    assert len(tree("out")) == 30
    assert parts("out") == []


SIGNALS = {signal.SIGINT: (130, -signal.SIGINT), signal.SIGTERM: (143,)}
"""A shell sees 130 for both: Python ends by the signal itself when it came inside an `eval`, as some imports have."""


def signalled(process, number, group):
    begun = time.monotonic()
    (os.killpg if group else os.kill)(process.pid, number)
    stderr = process.communicate(timeout=60)[1].decode()
    return time.monotonic() - begun, stderr


def endless(count):
    """Make pictures that take minutes each; the options that make them slow."""
    fill("in", count, 1500, 2000)
    return ("--pool", "median", "--size", "31", "--stride", "1", "--padding", "same", "--repeat", "60")


def is_begun():
    """Whether the names of pictures have been noted, after which they are sent to workers."""
    with suppress(FileNotFoundError):
        return b"p0001" in (Path("out") / OWN / "begun").read_bytes()


@pytest.mark.parametrize(("group", "jobs"), [(True, 2), (False, 2), (True, 0)], ids=["group", "parent", "no workers"])
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_in_the_middle_ends_the_run_and_the_same_command_goes_on(here, start, run, number, group, jobs):
    fill("in", 200)
    options = ("--no-figure", "--jobs", str(jobs))
    process = start("batch", "in", "-o", "out", *options, "-v", pipesize=4096)  # holds after about a hundred lines
    until(lambda: len(done("out")) >= 3)
    below = list(children(process.pid))
    seconds, stderr = signalled(process, number, group)
    assert process.returncode in SIGNALS[number], stderr
    assert seconds < 2
    assert "Traceback" not in stderr
    assert "the same command continues with them" in stderr
    assert len([line for line in stderr.splitlines() if not line.startswith("in/")]) <= 4, "summary, how it goes on"
    until(lambda: not any(map(alive, below)), 2)
    assert parts("out") == []
    made = len(done("out"))
    assert 3 <= made < 200
    assert readable("out") - made <= IN_FLIGHT
    assert run("out", *options)[0] == 0
    assert len(tree("out")) == 200
    assert len(done("out")) <= 200 + IN_FLIGHT


def test_workers_have_no_threads_of_linear_algebra(here, start_held):
    """If numpy's library started threads, waiting for them would take time."""
    fill("in", 2)
    process = start_held("in", "-o", "out", "--no-figure", "--jobs", "2", env={"OPENBLAS_NUM_THREADS": "5"})
    until(lambda: done("out"))
    environments = [Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") for pid in children(process.pid)]
    assert len(environments) == 4, "two, the server that makes them, and what watches them"
    for one in environments:
        assert {b"OPENBLAS_NUM_THREADS=1", b"OMP_NUM_THREADS=1", b"MKL_NUM_THREADS=1"} <= set(one)


@pytest.mark.parametrize(("number", "jobs"), [(signal.SIGINT, 2), (signal.SIGTERM, 2), (signal.SIGINT, 0)])
def test_a_signal_in_a_slow_picture(here, start, number, jobs):
    process = start("batch", "in", "-o", "out", "--no-figure", "--jobs", jobs, *endless(2))
    until(is_begun)
    time.sleep(0.2)  # it is among the medians then, or not yet
    below = list(children(process.pid))
    seconds, stderr = signalled(process, number, group=True)
    assert process.returncode in SIGNALS[number], stderr
    assert seconds < 2
    assert "Traceback" not in stderr
    until(lambda: not any(map(alive, below)), 2)
    assert tree("out") == {}
    assert parts("out") == []


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_at_any_moment_of_the_start(here, start, run, number):
    fill("in", 20, 100, 100)
    for step in range(8):
        shutil.rmtree("out", ignore_errors=True)
        process = start("batch", "in", "-o", "out", *FAST)
        time.sleep(0.07 * step)
        if process.poll() is not None:
            process.communicate()
            break
        begun = os.path.isdir(f"out/{OWN}")
        seconds, stderr = signalled(process, number, group=True)
        # Before poolcli has begun, and after the summary, Python and the kernel decide.
        early = () if begun else (1, -signal.SIGTERM, -signal.SIGINT)
        late = (-number,) if "20 done, " in stderr else ()
        assert process.returncode in (0, *SIGNALS[number], *early, *late), stderr
        assert seconds < 2
        assert "Traceback" not in stderr or not begun, stderr
        assert parts("out") == []
    assert run()[0] == 0
    assert len(tree("out")) == 20


def test_a_second_ctrl_c_leaves_nothing(here, start):
    """That it waits for nothing is shown without a clock in test_scheduler.py."""
    process = start("batch", "in", "-o", "out", *FAST, *endless(4))
    until(is_begun)
    below = list(children(process.pid))
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(0.15)
    _, stderr = signalled(process, signal.SIGINT, group=True)
    assert process.returncode in (130, -signal.SIGINT), stderr
    assert "Traceback" not in stderr
    until(lambda: not any(map(alive, below)), 2)
    assert parts("out") == []


@pytest.fixture
def small_disk(here):
    """A folder on a disk with little space."""
    folder = here / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize(("jobs", "figures"), [("0", True), ("2", False), ("2", True)])
def test_a_full_disk_ends_the_run_soon_and_room_lets_it_go_on(small_disk, run, jobs, figures):
    fill("in", 12 if figures else 60, 100, 150)
    options = ("--jobs", jobs, "--size", "1", *(() if figures else ("--no-figure",)))
    assert run("undisturbed", *options)[0] == 0
    code, stderr = run("disk/out", *options)
    assert code == 1
    (line,) = [line for line in stderr.splitlines() if "No space left" in line]
    assert line.startswith(f"stopped: disk/out/{'' if '/.poolcli/' in line else 'p'}")
    assert "the same command continues" in line
    assert len(stderr.splitlines()) == 2
    made = done("disk/out")
    expected = tree("undisturbed")
    assert 0 < len(made) < 60
    assert tree("disk/out").items() <= expected.items(), "complete or absent"
    assert parts("disk") == []

    code, stderr = run("disk/out", *options)
    assert code == 1
    assert "exists already" not in stderr
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    code, stderr = run("disk/out", *options)
    assert code == 0, stderr
    assert tree("disk/out") == expected
    assert len(done("disk/out")) <= len(set(done("disk/out"))) + IN_FLIGHT


@pytest.mark.parametrize("jobs", ["0", "2"])
def test_a_disk_that_is_full_for_the_journal_only(here, small_disk, run, jobs):
    """The results are elsewhere: what cannot be noted is not counted, and is made again."""
    fill("in", 120)
    (here / "out").mkdir()
    (small_disk / "own").mkdir()
    os.symlink("../disk/own", f"out/{OWN}")
    (small_disk / "filler").write_bytes(bytes(150_000))
    code, stderr = run("out", "--no-figure", "--jobs", jobs)
    assert code == 1
    (line,) = [line for line in stderr.splitlines() if "No space left" in line]
    assert f"out/{OWN}/" in line
    made = len(done("out"))
    assert 0 < made < 120
    assert readable("out") <= made + IN_FLIGHT
    (small_disk / "filler").unlink()
    code, stderr = run("out", "--no-figure", "--jobs", jobs)
    assert code == 0, stderr
    assert len(tree("out")) == 120


def test_a_limit_on_the_size_of_files(here, run):
    fill("in", 6)
    (here / "in/large.pgm").write_bytes(pgm(1, 300, 400))

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    code, stderr = run("out", *FAST, "--size", "1", preexec_fn=limit)
    assert code == 1
    assert "in/large.pgm: " in stderr
    assert "too large" in stderr
    assert readable("out") == 6
    assert parts("out") == []
    assert run("out", *FAST, "--size", "1")[0] == 0
    assert readable("out") == 7


class Interruption(KeyboardInterrupt):
    """Ctrl-C at a chosen call."""


class FailAt:
    """Counts the calls of several functions of `os`, and makes the n-th raise, and all after it if it `stays`."""

    NAMES = ("open", "write", "fsync", "replace", "link", "makedirs", "fchmod", "scandir")

    def __init__(self, patch, number, error, stays=False):
        self.left, self.error, self.stays, self.failed = number, error, stays, None
        for name in self.NAMES:
            patch.setattr(os, name, self.wrapped(name, getattr(os, name)))
        patch.setattr(batch_journal, "_write_all", self.wrapped("line", batch_journal._write_all))

    def wrapped(self, name, function):
        def call(*args, **options):
            ours = not args or "/dev/null" not in str(args[0])
            self.left -= ours
            if ours and (self.left == 0 or (self.stays and self.left < 0 and name in ("write", "fsync", "line"))):
                self.failed = self.failed or name
                raise self.error
            return function(*args, **options)

        return call


FAILURES = {
    "no room from now on": (OSError(errno.ENOSPC, "No space left on device"), True),
    "broken": (OSError(errno.EIO, "Input/output error"), False),
    "interrupted": (Interruption(), False),
}


@pytest.mark.parametrize("what", FAILURES)
def test_failing_at_every_call(here, what):
    """Results are complete or absent after any failure, and the same command goes on to the undisturbed tree."""
    from poolcli.cli.group import cli as command

    def batch():
        # Click turns Ctrl-C into an exit.
        return runner().invoke(command, ["batch", "in", "-r", "-o", "out", "--jobs", "0"])

    fill("in/sub", 1)
    shutil.copyfile("in/sub/p0000.pgm", "in/a.pgm")
    assert batch().exit_code == 0
    expected = tree("out")
    error, stays = FAILURES[what]
    failed = set()
    for number in range(1, 200):
        shutil.rmtree("out")
        with pytest.MonkeyPatch.context() as patch:
            failing = FailAt(patch, number, error, stays)
            result = batch()
        if failing.failed is None:
            break
        failed.add(failing.failed)
        where = (number, failing.failed, result.stderr)
        assert isinstance(result.exception, SystemExit | None), where
        assert parts("out") == [], where
        assert tree("out").items() <= expected.items(), where
        assert {line["result"] for line in lines("out") if line["status"] == "done"} <= set(tree("out")), where
        if result.exit_code == 0:
            assert tree("out") == expected, where
        again = batch()
        assert again.exit_code == 0, (where, again.stderr)
        assert tree("out") == expected, where
        assert parts("out") == [], where
    else:
        pytest.fail("never clean")
    assert failed >= {"open", "write", "fsync", "link", "makedirs", "line"}


def test_a_line_is_written_when_its_files_are_on_the_disk_and_not_before(here, cli, monkeypatch):
    """File, name, folder, line are synchronised in this order: after a power failure no line is without its file."""
    fill("in", 3)
    events = []
    fsync, link, write = os.fsync, os.link, batch_journal._write_all

    def place(path):
        status = os.stat(path)
        return status.st_dev, status.st_ino

    monkeypatch.setattr(os, "fsync", lambda file: events.append(("on disk", place(file))) or fsync(file))
    monkeypatch.setattr(os, "link", lambda old, new: events.append(("named", os.path.relpath(new))) or link(old, new))

    def written(file, data):
        events.extend(("line", json.loads(line)) for line in bytes(data).splitlines() if b'"done"' in line)
        write(file, data)

    monkeypatch.setattr(batch_journal, "_write_all", written)
    assert cli("batch", "in", "-o", "out", "--jobs", "0").exit_code == 0
    noted = [event for kind, event in events if kind == "line"]
    assert len(noted) == 3
    for line in noted:
        end = events.index(("line", line))
        for name in (line["result"], line["figure"]):
            named = events.index(("named", f"out/{name}"))
            assert events.index(("on disk", place(f"out/{name}"))) < named < end
            assert ("on disk", place("out")) in events[named:end]
    assert events[-1] == ("on disk", place(journal("out"))), "at the end the journal itself"


def test_a_journal_that_was_cut_at_any_byte_is_taken_up_again(here, cli):
    """After a power failure the end of the journal may be lost; results without a line are made again."""
    fill("in", 3)
    assert cli("batch", "in", "-o", "out", "--no-figure", "--jobs", "0").exit_code == 0
    expected, whole = tree("out"), journal("out").read_bytes()
    kept = [json.loads(line)["result"] for line in whole.splitlines()[1:]]
    ends = [len(b"".join(whole.splitlines(keepends=True)[: n + 1])) for n in range(4)]
    for length in range(ends[0], len(whole), 23):
        journal("out").write_bytes(whole[:length])
        (Path("out") / OWN / "begun").write_bytes(b"".join(name.encode() + b"\0" for name in kept))
        result = cli("batch", "in", "-o", "out", "--no-figure", "--jobs", "0")
        assert result.exit_code == 0, result.stderr
        count = sum(end <= length for end in ends[1:])
        assert result.stderr.startswith(f"{3 - count} done, {count} skipped")
        assert tree("out") == expected
