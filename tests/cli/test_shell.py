"""poolcli in shell scripts: odd encodings, closed streams, control characters, missing folders, limits."""

import errno
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from batches import fill, parts, pgm, tree, until
from PIL import Image

from poolcli.images.atomic import atomic_write, sweep
from poolcli.images.embedded import embedded_recipe
from poolcli.pipeline import cores

COMMANDS = (["--help"], ["run", "--help"], ["batch", "--help"], ["explain", "--help"], ["list", "pools"])


@pytest.mark.parametrize(
    ("command", "encoding"),
    [*((command, "latin-1") for command in COMMANDS), *((COMMANDS[1], one) for one in ("ascii", "cp1252", "utf-8"))],
)
def test_help_in_any_encoding(start, command, encoding):
    out, stderr = (process := start(*command, env={"PYTHONIOENCODING": encoding})).communicate(timeout=30)
    assert (process.returncode, stderr) == (0, b"")
    assert len(out) > 200


@pytest.mark.parametrize("command", ["--version", "--help", "run --help", "list kernels"])
@pytest.mark.parametrize("where", [">&-", "> /dev/full"])
def test_what_cannot_be_printed_is_an_error(shell, command, where):
    done = shell(f"poolcli {command} {where}")
    assert done.returncode == 1
    assert done.stderr.startswith(b"stdout: ")


def test_a_run_with_stdout_closed_is_fine(shell, here):
    assert shell("poolcli run small.png >&-").returncode == 0
    assert shell("poolcli batch small.png -o out --jobs 2 >&-").returncode == 0


@pytest.mark.parametrize(
    "words",
    [
        ["run", "small.png", "b\x1b[31m.png"],
        ["run", "small.png", "--bo\x1bgus"],
        ["run", "small.png", "--size", "\x1b[2J"],
        ["run", "small.png", "--jo\nError: forged", "1"],
        ["batch", "small.png", "-o", "o", "--jobs", "\x07"],
        ["b\x1bgus"],
        ["list", "\x1b]0;title\x07"],
    ],
)
def test_messages_hold_no_control_characters(start, words):
    _, stderr = (process := start(*words)).communicate(timeout=30)
    assert process.returncode == 2
    assert not set(stderr.decode()) & {chr(code) for code in (*range(10), *range(11, 32), 127)}
    assert stderr.count(b"\n") <= 4


@pytest.mark.parametrize("variable", [{"TERM": "dumb"}, {"NO_COLOR": "1"}])
def test_a_dumb_terminal_gets_no_codes(start, here, variable):
    import pty

    fill("in", 3)
    ours, theirs = pty.openpty()
    process = start("batch", "in", "-o", "out", "--jobs", "0", env=variable, stderr=theirs)
    os.close(theirs)
    process.communicate(timeout=30)
    stderr = b""
    while True:
        try:
            more = os.read(ours, 4096)
        except OSError:
            break
        if not more:
            break
        stderr += more
    os.close(ours)
    assert b"3 done" in stderr
    assert b"\x1b" not in stderr


# -- a folder that is gone, limits ----------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", ["0", "2"])
def test_a_current_folder_that_was_deleted_is_named(shell, here, jobs):
    fill("in", 2)
    gone = f"mkdir gone; cd gone; rmdir ../gone; poolcli batch {here}/in"
    relative = shell(f"{gone} -o rel --jobs {jobs}")
    assert relative.returncode == 1
    absolute = shell(f"{gone} -o {here}/out --jobs {jobs}")
    if jobs == "0":
        assert absolute.returncode == 0, absolute.stderr
    else:
        assert b"current folder does not exist any more" in absolute.stderr
        assert b"--jobs 0" in absolute.stderr
        assert b"fewer" not in absolute.stderr
    single = shell("mkdir gone; cd gone; rmdir ../gone; poolcli run a.png")
    assert single.returncode == 1
    assert b"stdout" not in single.stderr


@pytest.mark.parametrize(
    "line",
    ["explain --demo tensorflow -o x.svg", "batch in -o x", "run a.png", "compare a.png", "features a.png -o v.csv"],
)
def test_every_command_names_a_current_folder_that_was_deleted(shell, here, line):
    done = shell(f"mkdir gone; cd gone; rmdir ../gone; poolcli {line}")
    assert done.returncode != 0
    said = [line for line in done.stderr.splitlines() if not line.startswith(b"sh: ")]
    assert said == [b"the current folder does not exist any more; change to another one (cd)"]


@pytest.mark.parametrize("limit", ["-n 14", "-n 12"])
def test_too_few_descriptors_are_named_and_jobs_0_works(shell, here, limit):
    fill("in", 2)
    done = shell(f"ulimit {limit}; poolcli batch in -o out --jobs 2")
    if done.returncode:
        assert f"ulimit -n is {limit[3:]}".encode() in done.stderr
        assert b"--jobs 0" in done.stderr
    assert shell("ulimit -n 16; poolcli batch in -o out --jobs 0").returncode == 0
    assert len(tree("out")) == 4


def test_a_quota_of_the_container_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(cores, "CGROUPS", str(tmp_path))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    assert cores.available_cores() == 64
    for text, expected in (("200000 100000", 2), ("150000 100000", 2), ("10000 100000", 1), ("max 100000", 64)):
        (tmp_path / "cpu.max").write_text(f"{text}\n")
        assert cores.available_cores() == expected
    (tmp_path / "cpu.max").unlink()
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000\n")
    for quota, expected in (("-1", 64), ("300000", 3)):
        (tmp_path / "cpu/cpu.cfs_quota_us").write_text(f"{quota}\n")
        assert cores.available_cores() == expected


# -- file systems that lack calls -----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP])
def test_without_fsync_files_are_written(cli, here, monkeypatch, number):
    def refuse(_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    assert cli("run", "small.png", "-o", "x.png").exit_code == 0
    atomic_write("a", b"new", force=True)
    assert (here / "a").read_bytes() == b"new"


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP])
def test_without_fchmod_files_are_replaced(cli, here, monkeypatch, number):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    (here / "a").write_bytes(b"old")
    monkeypatch.setattr(os, "fchmod", refuse)
    atomic_write("a", b"new", force=True)
    assert (here / "a").read_bytes() == b"new"


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_an_fsync_that_fails_for_another_reason_is_an_error(cli, here, monkeypatch, number):
    def refuse(_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    assert cli("run", "small.png", "-o", "x.png", "--no-figure").exit_code == 1
    assert not (here / "x.png").exists()
    assert parts(here) == []


# -- what a killed run leaves ---------------------------------------------------------------------------------------


def test_the_part_file_of_a_killed_run_is_swept_by_the_next(cli, here):
    left = here / ".x.png.0123456789abcdef.poolcli.part"
    others = here / ".y.png.0123456789abcdef.poolcli.part"
    for path in (left, others):
        path.write_bytes(b"half")
    assert cli("run", "small.png", "-o", "x.png").exit_code == 0
    assert parts(here) == [others.name]


def test_what_is_being_written_is_not_swept(here):
    code = (
        "import sys; from poolcli.images.atomic import atomic_write\n"
        "def write(stream): stream.write(b'x'); stream.flush(); print(flush=True); sys.stdin.read()\n"
        "atomic_write('x.png', write, force=True)"
    )
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    writer = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": root},
    )
    writer.stdout.readline()
    assert sweep(["."]) == 0
    assert len(parts(here)) == 1
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    assert sweep(["."]) == 1
    assert parts(here) == []


# -- metadata of results --------------------------------------------------------------------------------------------


def test_a_result_is_the_same_by_any_path_and_tells_no_folder(cli, here):
    made = []
    for number, path in enumerate(("small.png", "./small.png", str(here / "small.png"), f"../{here.name}/small.png")):
        assert cli("run", path, "-o", f"{number}.png", "--no-figure").exit_code == 0
        made.append((here / f"{number}.png").read_bytes())
    assert len(set(made)) == 1
    assert json.loads(embedded_recipe("0.png"))["source"] == "small.png"
    assert here.name.encode() not in made[0]


# -- batch: messages --------------------------------------------------------------------------------------------


def test_quiet_wins_over_verbose(cli, here):
    fill("in", 2)
    result = cli("batch", "in", "-o", "out", "-q", "-v", "--jobs", "0")
    assert (result.exit_code, result.stderr) == (0, "")


@pytest.mark.parametrize("jobs", ["0", "2"])
def test_tracebacks_with_vv(start, here, jobs):
    fill("in", 2)
    (here / "in/p0001.pgm").write_bytes(b"P5\n")
    stderr = {}
    for verbose in ("-v", "-vv"):
        process = start("batch", "in", "-o", verbose[1:], verbose, "--jobs", jobs)
        stderr[verbose] = process.communicate(timeout=30)[1]
        assert process.returncode == 1
    assert b"Traceback" not in stderr["-v"]
    assert stderr["-vv"].count(b"poolcli.errors.ImageError") == 1
    assert b"Traceback" in stderr["-vv"]


def test_a_dry_run_finds_a_file_where_a_folder_would_be(cli, here):
    fill("in/sub/deep", 1)
    fill("in", 1)
    (here / "out").mkdir()
    (here / "out/sub").write_bytes(b"mine")
    for dry in (["--dry-run"], []):
        result = cli("batch", "in", "-r", "-o", "out", "--jobs", "0", *dry)
        assert result.exit_code == 1
        assert "in/sub/deep/p0000.pgm: out/sub is a file; choose another folder" in result.stderr
    assert (here / "out/sub").read_bytes() == b"mine"
    assert (here / "out/p0000.pooled.png").exists()


def test_the_bytes_of_names_come_back_from_a_report(cli, here):
    names = [b"in/caf\xe9.pgm", "in/é.pgm".encode(), b"in/caf\\xe9.pgm"]
    os.mkdir("in")
    for number, name in enumerate(names):
        with open(name, "wb") as file:
            file.write(pgm(number))
    assert cli("batch", "in", "-o", "out", "--jobs", "0", "--report", "r.jsonl").exit_code == 0
    rows = [json.loads(line) for line in (here / "r.jsonl").read_bytes().splitlines()]
    for key in ("source", "result", "figure"):
        found = [bytes.fromhex(row[f"{key}_bytes"]) if f"{key}_bytes" in row else row[key].encode() for row in rows]
        assert all(os.path.exists(name) for name in found)
        assert len(set(found)) == 3
    assert sum("source_bytes" in row for row in rows) == 1


def test_a_folder_given_to_run_points_to_batch(cli, here):
    (here / "in").mkdir()
    assert "poolcli batch" in cli("run", "in").stderr
    both = cli("run", "small.png", "cat.jpg")
    assert both.exit_code == 2
    assert "poolcli batch" in both.stderr


@pytest.mark.slow
def test_a_suspended_batch_does_not_age(start_held, here):
    """A slow one: test_scheduler.py has the same without waiting."""
    fill("in", 12)
    process = start_held("in", "-o", "out", "--no-figure", "--jobs", "2", "--timeout", "1.5")
    until(lambda: tree("out"))
    os.killpg(process.pid, signal.SIGSTOP)
    time.sleep(4)
    os.killpg(process.pid, signal.SIGCONT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr


def test_values_that_overflow_are_said(cli, here):
    Image.fromarray(np.full((8, 8), 3e38, np.float32)).save("huge.tif")
    stderr = cli("run", "huge.tif", "--kernel", "edge", "--range", "raw", "-o", "x.png", "--no-figure").stderr
    assert "not finite" in stderr
    assert "up to nan" not in stderr


def test_values_that_overflow_are_said_by_every_command(cli, here):
    (here / "in").mkdir()
    Image.fromarray(np.full((8, 8), 3e38, np.float32)).save("in/huge.tif")
    for words in (
        ["run", "in/huge.tif", "-o", "x.png", "--no-figure", "--kernel", "edge", "--scale", "stretch"],
        ["batch", "in", "-o", "out", "--jobs", "0", "--kernel", "edge"],
        ["batch", "in", "-o", "out2", "--jobs", "0", "--kernel", "edge", "-v"],
        ["features", "in", "-o", "v.csv"],
    ):
        result = cli(*words)
        assert result.exit_code == 0
        assert "not finite" in result.stderr
    assert "not finite" not in cli("batch", "in", "-o", "out3", "--jobs", "0").stderr


def test_no_folders_of_matplotlib_are_left(start, here):
    fill("in", 2)
    (here / "tmp").mkdir()
    for words in (["batch", "in", "-o", "out", "--sheet", "s.png"], ["run", "small.png", "--figure", "f.svg"]):
        process = start(*words, env={"HOME": None, "XDG_CACHE_HOME": None, "TMPDIR": str(here / "tmp")})
        _, stderr = process.communicate(timeout=60)
        assert process.returncode == 0, stderr
    assert os.listdir("tmp") == []


# -- settings from stdin, maps of an earlier run --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["-", "/dev/stdin", "<(cat k)"])
def test_a_kernel_comes_from_a_stream(shell, here, name):
    (here / "k").write_text("-1 -1 -1\n-1 8 -1\n-1 -1 -1\n")
    assert shell("poolcli run small.png --kernel edge -o a.npy --no-figure").returncode == 0
    done = shell(f"cat k | poolcli run small.png --kernel {name} -o b.npy --no-figure")
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(np.load(here / "b.npy"), np.load(here / "a.npy"))
    assert shell("poolcli run small.png --kernel - -o c.npy < k").returncode == 0
    assert shell("poolcli run small.png --kernel - -o d.npy").returncode == 2


@pytest.mark.parametrize("name", ["-", "/dev/stdin", "<(cat r.toml)"])
def test_a_recipe_comes_from_a_stream(shell, here, name):
    assert shell("poolcli run small.png --pool min --size 3 -o a.npy --save-recipe r.toml --no-figure").returncode in (
        0,
        2,
    )
    assert (
        shell("poolcli run small.png --pool min --size 3 -o a.npy --save-recipe r.json --no-figure -f").returncode == 0
    )
    os.replace("r.json", "r.toml") if not (here / "r.toml").exists() else None
    done = shell(f"cat r.toml | poolcli run small.png --recipe {name} -o b.npy --no-figure")
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(np.load(here / "b.npy"), np.load(here / "a.npy"))


@pytest.mark.parametrize(
    ("words", "labels"),
    [
        ("run - --kernel -", "--kernel - and IMAGE -"),
        ("run - --recipe -", "--recipe - and IMAGE -"),
        ("run cat.jpg --kernel - --recipe -", "--kernel - and --recipe -"),
        ("run /dev/stdin --kernel=-", "--kernel - and IMAGE /dev/stdin"),
        ("run cat.jpg --kernel /dev/fd/0 --recipe /proc/self/fd/0", "--kernel /dev/fd/0 and --recipe /proc/self/fd/0"),
        ("batch - -o out --files-from -", "INPUT - and --files-from -"),
        ("batch -o out --files-from - --kernel -", "--kernel - and --files-from -"),
        ("batch -o out --files-from /dev/stdin --recipe -", "--recipe - and --files-from /dev/stdin"),
        ("explain - --kernel -", "--kernel - and IMAGE -"),
        ("compare - --pools max,min --recipe -", "--recipe - and IMAGE -"),
    ],
)
def test_two_readers_of_stdin_are_refused(shell, here, words, labels):
    (here / "k").write_text("0 1 0\n")
    before = sorted(os.listdir())
    done = shell(f"cat k | poolcli {words}")
    (line,) = [line for line in done.stderr.decode().splitlines() if line.startswith("Error: ")]
    first, _, second = labels.partition(" and ")
    assert {first, second} == set(
        line.removeprefix("Error: ").partition(": stdin can be read only once")[0].split(" and ")
    )
    assert done.returncode == 2
    assert sorted(os.listdir()) == before


def test_maps_of_an_earlier_recipe_are_removed_with_force(cli, here):
    assert cli("run", "small.png", "--kernel", "edge", "--repeat", "3", "--stages", "maps").exit_code == 0
    (here / "maps/9-mine.png").write_bytes(b"mine")
    (here / "maps/notes.txt").write_bytes(b"mine")
    assert cli("run", "small.png", "--pool", "min", "--stages", "new", "-f").exit_code == 0
    expected = sorted(os.listdir("new"))
    assert cli("run", "small.png", "--pool", "min", "--stages", "maps", "-f").exit_code == 0
    assert sorted(os.listdir("maps")) == sorted([*expected, "9-mine.png", "notes.txt"])


# -- workers --------------------------------------------------------------------------------------------------------

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def test_workers_import_the_poolcli_of_their_parent(here):
    fill("in", 3)
    (here / "other/poolcli").mkdir(parents=True)
    (here / "other/poolcli/__init__.py").write_text("raise ImportError('another one that is installed')\n")
    code = f"import sys; sys.path.insert(0, {ROOT!r}); from poolcli.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "batch", "in", "-o", "out", "--jobs", "2"],
        env={**os.environ, "PYTHONPATH": str(here / "other")}, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(tree("out")) == 6


def test_workers_do_not_run_the_program_that_started_poolcli(here):
    """A launcher without `if __name__ == "__main__"`."""
    fill("in", 3)
    (here / "launcher").write_text(f"import sys; sys.path.insert(0, {ROOT!r}); from poolcli.cli import main; main()")
    done = subprocess.run(
        [sys.executable, "launcher", "batch", "in", "-o", "out", "--no-figure", "--jobs", "2"],
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(tree("out")) == 3


def test_a_temporary_folder_with_a_long_name_is_no_obstacle(shell, here):
    """No socket can have a name of more than 107 bytes."""
    fill("in", 2)
    (here / ("t" * 120)).mkdir()
    done = shell("poolcli batch in -o out --no-figure --jobs 2", env={"TMPDIR": str(here / ("t" * 120))})
    assert done.returncode == 0, done.stderr
    assert len(tree("out")) == 2
    assert os.listdir("t" * 120) == []


def test_without_shared_memory_workers_work(shell, here):
    fill("in", 3)
    command = "poolcli batch in -o out --jobs 2"
    inside = f"mount -t tmpfs -o ro none /dev/shm && {command}"
    if shell("unshare -m mount -t tmpfs -o ro none /dev/shm").returncode:  # no rights to mount: at least the call
        inside = command
        done = shell(inside)
    else:
        done = shell(f"unshare -m sh -c '{inside}'")
    assert done.returncode == 0, done.stderr
    assert len(tree("out")) == 6


LIMITED = {
    "jobs 2": "batch in -o out --jobs 2 --no-figure",
    "jobs 1": "batch in -o out --jobs 1 --sheet out/sheet.png",
    "jobs 0": "batch in -o out --jobs 0",
    "run": "run cat.jpg --kernel edge",
}


@pytest.mark.parametrize("kilobytes", [20_000, 90_000, 126_000, 134_000, 250_000])
@pytest.mark.parametrize("words", LIMITED.values(), ids=LIMITED)
def test_with_little_address_space_work_is_done_or_the_memory_is_named(shell, here, words, kilobytes):
    fill("in", 3)
    check_limited(shell(f"ulimit -v {kilobytes}; poolcli {words}"), b"memory")


@pytest.mark.slow
@pytest.mark.parametrize("words", LIMITED.values(), ids=LIMITED)
def test_with_any_address_space_work_is_done_or_the_memory_is_named(shell, here, words):
    fill("in", 3)
    for kilobytes in range(20_000, 400_000, 2_000):
        check_limited(shell(f"ulimit -v {kilobytes}; poolcli {words} -f"), b"memory")


@pytest.mark.parametrize("number", range(6, 41, 2))
def test_with_few_descriptors_work_is_done_or_the_limit_is_named(shell, here, number):
    fill("in", 3)
    words = list(LIMITED.values())[number // 2 % len(LIMITED)]
    python = f"exec {sys.executable} -m poolcli"  # a shell script would need descriptors of its own
    check_limited(shell(f"ulimit -n {number}; {python} {words}"), b"open files", b"ulimit -n")


def check_limited(done, *causes):
    """The work is done, or a few lines say what was missing."""
    assert done.returncode in (0, 1), done.stderr
    assert len(done.stderr.splitlines()) <= 8
    assert b"should not happen" not in done.stderr
    assert b"bug" not in done.stderr
    assert b"Traceback" not in done.stderr
    if done.returncode:
        assert any(cause in done.stderr.lower() for cause in causes), done.stderr
