"""`poolcli batch`: the same as `poolcli run` for each picture, and one summary."""

import csv
import json
import os
import pty
import shutil
from pathlib import Path

import numpy as np
import pytest
from batches import OWN, alive, children, done, fill, journal, lines, parts, pgm, tree, until
from hardfiles import STORED, UPRIGHT, oriented
from PIL import Image

from poolcli.batch.scheduler import CHUNK_TASKS
from poolcli.pipeline import engine

NAMES = [f"p{number:04}" for number in range(4)]


@pytest.fixture
def four(here):
    """Four small pictures in the folder `in`."""
    return fill("in", 4)


def batch(cli, *args, jobs=0, code=0):
    result = cli("batch", *args, "--jobs", jobs)
    assert result.exit_code == code, result.stderr
    return result


def finished(process):
    """Exit code and stderr of a process that ends soon."""
    stderr = process.communicate(timeout=60)[1].decode()
    return process.returncode, stderr


def untimed(text):
    """A summary without what differs from run to run."""
    return text.split(" in ")[0]


def test_the_same_bytes_for_any_number_of_jobs_and_as_run_makes(cli, here):
    fill("in", 6)
    fill("in/deep", 2)
    options = ("--kernel", "edge", "--size", "3", "--recursive", "--name", "{name}.tif")
    trees = []
    for jobs in (0, 1, 2, 3):
        batch(cli, "in", "-o", f"out{jobs}", *options, jobs=jobs)
        trees.append(tree(f"out{jobs}"))
    assert len(trees[0]) == 16
    assert all(other == trees[0] for other in trees[1:])
    for name in ("p0003", "deep/p0001"):
        files = ("-o", "single.tif", "--figure", "single.png", "-f")
        assert cli("run", f"in/{name}.pgm", "--kernel", "edge", "--size", "3", *files).exit_code == 0
        assert trees[0][f"{name}.pgm.tif"] == (here / "single.tif").read_bytes()
        assert trees[0][f"{name}.pgm.figure.png"] == (here / "single.png").read_bytes()


def test_results_are_right(cli, four):
    batch(cli, four, "-o", "out", "--pool", "min", "--size", "2", "--no-figure")
    for number, name in enumerate(NAMES):
        values = np.random.default_rng(number).integers(0, 256, (12, 16), np.uint8)
        with Image.open(f"out/{name}.pooled.png") as image:
            np.testing.assert_array_equal(np.asarray(image), values.reshape(6, 2, 8, 2).min((1, 3)))


def test_the_same_command_again_does_nothing(cli, four):
    first = batch(cli, four, "-o", "out")
    assert untimed(first.stderr) == "4 done, 0 skipped as done before, 0 failed"
    before = {name: os.stat(f"out/{name}").st_mtime_ns for name in tree("out")}
    again = batch(cli, four, "-o", "out")
    assert untimed(again.stderr) == "0 done, 4 skipped as done before, 0 failed"
    assert {name: os.stat(f"out/{name}").st_mtime_ns for name in tree("out")} == before
    assert len(lines("out")) == 4


def test_the_output_inside_the_input_is_no_input(cli, four):
    for expected in ("4 done, 0 skipped as done before, 0 failed", "0 done, 4 skipped as done before, 0 failed"):
        assert untimed(batch(cli, four, "-o", "in/sub/out", "-r").stderr.splitlines()[-1]) == expected
    assert len(tree("in/sub/out")) == 8


CHANGES = {
    "changed": lambda: Path("in/p0001.pgm").write_bytes(pgm(99)),
    "longer": lambda: Path("in/p0001.pgm").write_bytes(pgm(1) + b"\n"),
    "touched": lambda: os.utime("in/p0001.pgm", (1, 1)),
    "result deleted": lambda: os.unlink("out/p0001.pooled.png"),
    "result truncated": lambda: os.truncate("out/p0001.pooled.png", 20),
    "result emptied": lambda: os.truncate("out/p0001.pooled.png", 0),
    "figure deleted": lambda: os.unlink("out/p0001.figure.png"),
    "figure truncated": lambda: os.truncate("out/p0001.figure.png", 20),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_is_missing_or_changed_is_done_again(cli, four, what):
    batch(cli, four, "-o", "out")
    CHANGES[what]()
    assert untimed(batch(cli, four, "-o", "out").stderr) == "1 done, 3 skipped as done before, 0 failed"
    assert done("out")[4:] == ["p0001.pooled.png"]
    batch(cli, four, "-o", "undisturbed")
    assert tree("out") == tree("undisturbed")


def test_another_algorithm_makes_all_again(cli, four):
    batch(cli, four, "-o", "out", "--no-figure")
    number = b'"algorithm":%d,'
    data = journal("out").read_bytes()
    journal("out").write_bytes(data.replace(number % engine.ALGORITHM, number % (engine.ALGORITHM - 1)))
    assert journal("out").read_bytes() != data
    assert untimed(batch(cli, four, "-o", "out", "--no-figure").stderr).startswith("4 done, 0 skipped")
    assert untimed(batch(cli, four, "-o", "out", "--no-figure").stderr).startswith("0 done, 4 skipped")


def test_figures_wanted_later_are_drawn_later(cli, four):
    batch(cli, four, "-o", "out", "--no-figure")
    assert untimed(batch(cli, four, "-o", "out").stderr).startswith("4 done")
    assert untimed(batch(cli, four, "-o", "out", "--no-figure").stderr).startswith("0 done, 4 skipped")


def test_failures_are_told_and_tried_again(cli, four):
    (four / "p0001.pgm").write_bytes(b"P5\n16 12\n255\nshort")
    (four / "x.png").write_bytes(b"")
    result = batch(cli, four, "-o", "out", "--no-figure", code=1)
    first, second, summary = result.stderr.splitlines()
    assert first.startswith("in/p0001.pgm: ")
    assert second.startswith("in/x.png: empty file")
    assert untimed(summary) == "3 done, 0 skipped as done before, 2 failed"
    assert sorted(tree("out")) == [f"{name}.pooled.png" for name in NAMES if name != "p0001"]
    assert untimed(batch(cli, four, "-o", "out", "--no-figure", code=1).stderr.splitlines()[-1]).endswith("2 failed")
    (four / "p0001.pgm").write_bytes(pgm(1))
    (four / "x.png").unlink()
    again = batch(cli, four, "-o", "out", "--no-figure")
    assert untimed(again.stderr) == "1 done, 3 skipped as done before, 0 failed"


def test_all_is_done_beside_every_kind_of_bad_file(cli, four):
    from hardfiles import ERROR, hard_files

    bad = {name: file.data for name, file in hard_files().items() if file.ends == ERROR and "bomb" not in name}
    for name, data in bad.items():
        (four / f"{name.replace('.', '-')}.png").write_bytes(data)
    os.mkfifo(four / "pipe.png")
    os.mkdir(four / "folder.png")
    result = batch(cli, four, "-o", "out", "--no-figure", jobs=2, code=1)
    assert len(tree("out")) == 4
    assert len(result.stderr.splitlines()) == len(bad) + 3
    assert f"4 done, 0 skipped as done before, {len(bad) + 1} failed" in result.stderr
    assert "Traceback" not in result.stderr


def test_fail_fast_begins_nothing_new(cli, here):
    fill("in", 40)
    for name in ("p0000", "p0001", "p0005"):
        (here / f"in/{name}.pgm").write_bytes(b"P5")
    result = batch(cli, "in", "-o", "out", "--no-figure", "--fail-fast", code=1)
    assert len(tree("out")) <= 4
    assert "at the first failure" in result.stderr
    assert "the same command continues with them" in result.stderr.splitlines()[-1]


def test_foreign_files_are_replaced_with_force_only(cli, four):
    os.mkdir("out")
    for name in ("p0001.pooled.png", "p0002.figure.png"):
        with open(f"out/{name}", "wb") as file:
            file.write(b"mine")
    result = batch(cli, four, "-o", "out", code=1)
    assert "in/p0001.pgm: out/p0001.pooled.png exists already" in result.stderr
    assert "in/p0002.pgm: out/p0002.figure.png exists already" in result.stderr
    assert len(tree("out")) == 6
    assert tree("out")["p0001.pooled.png"] == tree("out")["p0002.figure.png"] == b"mine"
    batch(cli, four, "-o", "out", "--force")
    batch(cli, four, "-o", "undisturbed")
    assert tree("out") == tree("undisturbed")


def test_another_recipe_needs_force(cli, four):
    batch(cli, four, "-o", "out", "--no-figure")
    before, noted = tree("out"), journal("out").read_bytes()
    for other in (["--size", "3"], ["--scale", "stretch"], ["--depth", "16"]):
        for dry in ([], ["--dry-run"]):
            result = batch(cli, four, "-o", "out", "--no-figure", *other, *dry, code=2)
            assert "its results were made with another recipe" in result.stderr
    assert (tree("out"), journal("out").read_bytes()) == (before, noted)
    assert untimed(batch(cli, four, "-o", "out", "--no-figure", "--size", "3", "-f").stderr).startswith("4 done")
    assert untimed(batch(cli, four, "-o", "out", "--no-figure", "--size", "3").stderr).startswith("0 done, 4 skipped")
    batch(cli, four, "-o", "out", "--no-figure", code=2)


def test_a_result_of_another_picture_is_not_replaced(cli, here):
    fill("one", 1)
    (here / "two").mkdir()
    (here / "two/p0000.pgm").write_bytes(pgm(7, 20, 20))
    batch(cli, "one", "-o", "out", "--no-figure")
    before = tree("out")
    result = batch(cli, "two", "-o", "out", "--no-figure", code=1)
    assert f"its result would replace that of {here / 'one/p0000.pgm'}" in result.stderr
    assert tree("out") == before
    os.rename("one/p0000.pgm", "gone.pgm")
    batch(cli, "two", "-o", "out", "--no-figure")


USAGE = {
    "collision": (["in", "in/p0000.pgm", "small.png", "other/small.pgm"], ["small.png", "other/small.pgm"]),
    "one name": (["in", "--name", "x.png"], ["in/p0000.pgm", "in/p0001.pgm"]),
    "attribute": (["in", "--name", "{0.__class__}.png"], ["unknown field"]),
    "up": (["in", "--name", "../{stem}.png"], ["without folders"]),
    "root": (["in", "--name", "/etc/{stem}.png"], ["without folders"]),
    "percent": (["in", "--name", "%s"], ["no suffix"]),
    "dots": (["in", "--name", ".."], ["no suffix"]),
    "empty": (["in", "--name", ""], ["no suffix"]),
    "long": (["in", "--name", "{stem}" + "x" * 300 + ".png"], ["255"]),
    "suffix": (["in", "--name", "{stem}.gif"], [".gif"]),
    "depth": (["in", "--name", "{stem}.jpg", "--depth", "16"], ["depth"]),
    "report": (["in", "--report", "x.txt"], [".csv", ".jsonl"]),
    "report is an input": (["in", "small.csv", "--report", "small.csv"], ["input"]),
    "report is a result": (["in", "--name", "{stem}.npy", "--report", "out/p0000.csv"], None),
    "output is input": (["in", "out", "other"], ["the folder of the results is an input"]),
    "kernel": (["in", "--kernel", "nothing"], ["kernel"]),
    "timeout in this process": (["in", "--timeout", "3"], ["--jobs 1 or more"]),
    "memory in this process": (["in", "--max-memory", "1G"], ["--jobs 1 or more"]),
    "no input": ([], ["INPUT"]),
}


@pytest.mark.parametrize("what", [what for what in USAGE if USAGE[what][1] is not None])
def test_what_is_wrong_for_all_is_refused_before_anything_is_written(cli, four, files, what):
    args, words = USAGE[what]
    fill("other", 0)
    shutil.copyfile("in/p0000.pgm", "other/small.pgm")
    shutil.copyfile("in/p0000.pgm", "small.csv")
    if "out" in args:
        os.mkdir("out")
    before = files()
    result = batch(cli, *args, "-o", "out", code=2)
    for word in words:
        assert word in result.stderr
    assert {name for name in files() if OWN not in name} == set(before)
    assert "Traceback" not in result.stderr


def test_a_link_that_leads_out_is_refused(cli, here, files):
    fill("in/sub", 2)
    (here / "out").mkdir()
    (here / "elsewhere").mkdir()
    os.symlink("../elsewhere", "out/sub")
    before = files()
    assert "leads out of out" in batch(cli, "in", "-r", "-o", "out", code=2).stderr
    assert files() == before


def test_a_dry_run_prints_plan_and_sizes_and_writes_nothing(cli, four, files):
    for orientation in (1, 6):
        (four / f"turned{orientation}.jpg").write_bytes(oriented("JPEG", orientation))
    assert STORED[6] is not None
    before = files()
    result = batch(cli, four, "-o", "out", "--size", "4", "--dry-run")
    height, width = UPRIGHT.shape
    sizes = [("12x16", "3x4")] * 4 + [(f"{height}x{width}", f"{height // 4}x{width // 4}")] * 2
    names = [*(f"{name}.pgm" for name in NAMES), "turned1.jpg", "turned6.jpg"]
    assert result.stdout.splitlines() == [
        f"in/{name} {size} -> out/{os.path.splitext(name)[0]}.pooled.png {pooled}"
        for name, (size, pooled) in zip(names, sizes, strict=True)
    ]
    assert result.stderr == ""
    assert files() == before

    batch(cli, four, "-o", "out", "--size", "4", "--no-figure")
    for name, (_, pooled) in zip(names, sizes, strict=True):
        with Image.open(f"out/{os.path.splitext(name)[0]}.pooled.png") as image:
            assert f"{image.height}x{image.width}" == pooled
    (four / "p0001.pgm").write_bytes(b"P5")
    (four / "p0002.pgm").write_bytes(pgm(7))
    before = files()
    again = batch(cli, four, "-o", "out", "--size", "4", "--no-figure", "--dry-run", "--json", code=1)
    plan = json.loads(again.stdout)["plan"]
    assert [row["status"] for row in plan] == ["skipped", "failed", "left", "skipped", "skipped", "skipped"]
    assert plan[2]["size"] == [12, 16]
    assert plan[1]["error"]
    assert again.stderr.startswith("in/p0001.pgm: ")
    assert files() == before


def test_a_dry_run_into_a_file_is_about_the_file(cli, four):
    for dry in ([], ["--dry-run"]):
        assert batch(cli, four, "-o", "small.png", *dry, code=1).stderr == "small.png: Not a directory\n"


@pytest.mark.parametrize("jobs", [0, 2])
def test_the_report_has_a_row_for_every_picture(cli, four, jobs):
    (four / "p0001.pgm").write_bytes(b"P5")
    options = ("--kernel", "edge", "--size", "2", "--no-figure")
    record = json.loads(batch(cli, four, "-o", "out", *options, "--json", jobs=jobs, code=1).stdout)
    assert record["counts"] == {"done": 3, "skipped": 0, "failed": 1, "left": 0}
    assert [row["status"] for row in record["results"]] == ["done", "failed", "done", "done"]
    batch(cli, four, "-o", "out", *options, "--report", "a.csv", jobs=jobs, code=1)
    batch(cli, four, "-o", "out", *options, "--report", "a.jsonl", jobs=jobs, code=1)
    with open("a.jsonl", encoding="ascii") as file:
        rows = [json.loads(line) for line in file]
    with open("a.csv", encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == [row["name"] for row in table] == [f"{name}.pgm" for name in NAMES]
    assert (
        [row["status"] for row in rows]
        == [row["status"] for row in table]
        == ["skipped", "failed", "skipped", "skipped"]
    )
    assert rows[1]["error"] == table[1]["error"] == record["results"][1]["error"]
    assert None not in table[1]
    single = json.loads(cli("run", "in/p0002.pgm", *options, "-o", "single.png", "--json").stdout)
    for number, stage in enumerate(single["stages"]):
        for key in ("min", "max", "mean", "active", "shape"):
            assert rows[2]["stages"][number][key] == stage[key] == record["results"][2]["stages"][number][key]
    assert float(table[2]["3-pool2d.max"]) == single["stages"][-1]["max"]
    assert [table[2]["3-pool2d.height"], table[2]["3-pool2d.width"]] == ["6", "8"]
    assert [table[2]["0-input.height"], table[2]["0-input.width"]] == ["12", "16"]


def test_a_report_is_replaced_by_the_same_command_and_never_a_foreign_one(cli, four):
    with open("a.csv", "wb") as file:
        file.write(b"mine")
    result = batch(cli, four, "-o", "out", "--no-figure", "--report", "a.csv", code=1)
    assert result.stderr == "a.csv: exists already; choose another name with --report, or replace it with --force\n"
    with open("a.csv", "rb") as file:
        assert file.read() == b"mine"
    assert tree("out") == {}
    for _ in range(2):
        batch(cli, four, "-o", "out", "--no-figure", "--report", "out/b.csv")
    assert len(tree("out")["b.csv"].splitlines()) == 5
    batch(cli, four, "-o", "out", "--no-figure", "--report", "a.csv", "--force")
    with open("a.csv", "rb") as file:
        assert len(file.read().splitlines()) == 5
    batch(cli, four, "-o", "out", "--no-figure", "--report", "a.csv")


def test_no_pictures(cli, here):
    fill("empty", 0)
    assert batch(cli, "empty", "-o", "out", code=1).stderr.splitlines()[0] == "no pictures found"
    fill("in", 1)
    batch(cli, "in", "-o", "out", "--include", "*.tiff", code=1)
    report = batch(cli, "empty", "-o", "out2", "--json", "--report", "x.csv", code=1)
    assert json.loads(report.stdout)["results"] == []


def test_quiet_and_verbose(cli, four):
    (four / "p0001.pgm").write_bytes(b"P5")
    quiet = batch(cli, four, "-o", "out", "--no-figure", "-q", code=1)
    assert quiet.stdout == ""
    (line,) = quiet.stderr.splitlines()
    assert line.startswith("in/p0001.pgm: ")
    verbose = batch(cli, four, "-o", "other", "--no-figure", "-v", code=1).stderr.splitlines()
    assert verbose[0] == "in/p0000.pgm: other/p0000.pooled.png"
    assert verbose[1].startswith("in/p0001.pgm: ")
    assert "Traceback" not in "".join(verbose)
    assert len(verbose) == 5


def test_nothing_on_stdout_without_json(cli, four):
    assert batch(cli, four, "-o", "out", jobs=1).stdout_bytes == b""


@pytest.mark.parametrize("redirection", ["> /dev/full", ">&-", "| head -c1 > /dev/null"])
def test_a_stdout_that_takes_nothing_costs_no_result(shell, four, redirection):
    fill("in", 200)
    result = shell(f"poolcli batch in -o out --json --no-figure --jobs 2 {redirection}")
    assert b"Traceback" not in result.stderr
    assert result.returncode == 1 or "head" in redirection
    assert len(tree("out")) == 200
    if "head" not in redirection:
        assert b"stdout: " in result.stderr


@pytest.mark.parametrize("redirection", ["2> /dev/full", "2>&-"])
def test_a_stderr_that_takes_nothing_costs_no_result(shell, four, redirection):
    (four / "p0001.pgm").write_bytes(b"P5")
    for jobs in (0, 2):
        result = shell(f"poolcli batch in -o out{jobs} --no-figure --jobs {jobs} {redirection}")
        assert (result.returncode, result.stdout) == (1, b"")
        assert len(tree(f"out{jobs}")) == 3


def read_all(descriptor):
    """What a terminal shows until all writers have closed it."""
    shown = b""
    while True:
        try:
            data = os.read(descriptor, 65536)
        except OSError:
            return shown
        if not data:
            return shown
        shown += data


def on_terminal(start, *args):
    """Run with a terminal as stderr; returns the exit code and what it showed."""
    master, slave = pty.openpty()
    process = start("batch", *args, stderr=slave)
    os.close(slave)
    shown = read_all(master)
    os.close(master)
    process.communicate(timeout=60)
    return process.returncode, shown


def test_progress_is_shown_on_a_terminal_only(start, here):
    fill("in", 120, 200, 300)
    (here / "in/p0003.pgm").write_bytes(b"P5")
    code, shown = on_terminal(start, "in", "-o", "out", "--no-figure", "--jobs", "2")
    assert code == 1
    bars = [piece for piece in shown.split(b"\r") if b"/120" in piece]
    assert len(bars) >= 2
    assert b"/s" in bars[-1]
    assert b"1 failed" in bars[-1]
    assert b"120/120" in bars[-1]
    assert b"119 done, 0 skipped as done before, 1 failed" in shown
    process = start("batch", "in", "-o", "piped", "--no-figure", "--jobs", "2")
    stderr = process.communicate(timeout=60)[1].decode()
    assert "\r" not in stderr
    assert "/120" not in stderr
    assert len(stderr.splitlines()) == 2
    _, shown = on_terminal(start, "small.png", "-o", "quiet", "--no-figure", "--jobs", "0", "-q")
    assert shown == b""
    _, shown = on_terminal(start, "small.png", "-o", "verbose", "--no-figure", "--jobs", "0", "-v")
    assert b"1/1" not in shown


def test_what_vanishes_or_shrinks_meanwhile_is_a_failure(start, start_held, here):
    fill("in", 90, 40, 60)
    raw = Image.fromarray(np.zeros((90, 90), np.uint8))
    raw.save("in/z.tif")
    raw.save("in/z2.bmp")
    process = start_held("in", "-o", "out", "--no-figure", "--jobs", "2")
    until(lambda: done("out"))
    assert len(done("out")) + 2 * 2 * CHUNK_TASKS < 70, "these are begun at most"
    for number in range(70, 90):
        os.unlink(f"in/p{number:04}.pgm")
    for name in ("p0069.pgm", "z.tif", "z2.bmp"):
        os.truncate(f"in/{name}", 900)
    (here / "in/new.pgm").write_bytes(pgm(1))
    stderr = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 1
    assert "Traceback" not in stderr
    assert "should not happen" not in stderr
    assert "No such file" in stderr
    assert "new.pgm" not in stderr
    results = tree("out")
    assert 0 < len(results) < 72
    assert f"{len(results)} done, 0 skipped as done before, {92 - len(results)} failed" in stderr
    for name in results:
        with Image.open(f"out/{name}") as image:
            image.load()
    again = start("batch", "in", "-o", "out", "--no-figure", "--jobs", "2")
    again.communicate(timeout=60)
    assert "new.pooled.png" in tree("out")


@pytest.fixture
def unprivileged(shell):
    """Run poolcli without the right of root to go everywhere."""
    prefix = "setpriv --bounding-set=-all --inh-caps=-all " if not os.geteuid() else ""
    if shell(f"{prefix}poolcli --version").returncode:
        pytest.skip("root, and no way to give up its rights")

    def call(*args):
        done = shell(f"{prefix}poolcli {' '.join(args)}")
        return done.returncode, done.stderr.decode()

    return call


def test_folders_and_files_that_are_closed_to_us_are_told(here, unprivileged):
    fill("in/closed", 2)
    fill("in/open", 2)
    os.chmod("in/closed", 0)
    os.chmod("in/open/p0001.pgm", 0)
    code, stderr = unprivileged("batch", "in", "-r", "-o", "out", "--no-figure", "--jobs", "0")
    assert code == 1
    assert "in/closed: Permission denied\n" in stderr
    assert "in/open/p0001.pgm: Permission denied\n" in stderr
    assert list(tree("out")) == ["open/p0000.pooled.png"]
    os.chmod("in/open/p0001.pgm", 0o644)
    assert unprivileged("batch", "in", "-r", "-o", "out", "--no-figure", "--jobs", "0")[0] == 1, "a folder is"
    os.chmod("in/closed", 0o755)


def test_an_output_that_is_closed_to_us_is_one_line(here, unprivileged):
    fill("in", 3)
    os.mkdir("out", 0o555)
    command = ("batch", "in", "--no-figure", "--jobs", "0", "-o")
    assert unprivileged(*command, "out") == (1, "out: Permission denied\n")
    assert unprivileged(*command, "out/deeper") == (1, "out/deeper: Permission denied\n")


def test_the_parents_memory_and_descriptors_do_not_grow(start, here):
    """The parent keeps little for each picture: with 1000 it is as large as with 200."""
    fill("in", 1200, 2, 2)
    process = start("batch", "in", "-o", "out", "--no-figure", "--jobs", "1", "-v", pipesize=4096)
    sampled = []
    for number in range(1200):
        assert process.stderr.readline()
        if number in (200, 600, 1000):  # it is some hundred lines ahead, then the pipe is full
            with open(f"/proc/{process.pid}/statm", encoding="ascii") as file:
                pages = int(file.read().split()[1])
            sampled.append((pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir(f"/proc/{process.pid}/fd"))))
    stderr = process.communicate()[1]
    assert process.returncode == 0, stderr
    assert sampled[-1][0] - sampled[0][0] < 6 << 20
    assert max(sample[1] for sample in sampled) - min(sample[1] for sample in sampled) <= 3
    assert len(tree("out")) == 1200


def test_memory_that_is_not_enough_is_that_pictures_failure(start, here):
    fill("in", 6)
    (here / "in/large.pgm").write_bytes(pgm(1, 6000, 6000))
    options = ("in", "-o", "out", "--no-figure", "--jobs", "2", "--pool", "lp", "--size", "3", "--stride", "1")
    process = start("batch", *options, "--max-memory", "128M")
    stderr = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 1
    first, summary = stderr.splitlines()
    assert first.startswith("in/large.pgm: not enough memory")
    assert "6 done" in summary
    assert finished(start("batch", *options))[0] == 0


def test_a_picture_that_takes_too_long_is_named(start, here):
    fill("in", 6)
    (here / "in/slow.pgm").write_bytes(pgm(1, 3000, 4000))
    slow = ("--pool", "median", "--size", "31", "--stride", "1", "--padding", "same", "--repeat", "50")
    process = start("batch", "in", "-o", "out", "--no-figure", "--jobs", "2", "--timeout", "1.5", *slow)
    stderr = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 1
    assert stderr.splitlines()[0] == "in/slow.pgm: took longer than --timeout 1.5 s"
    assert "6 done" in stderr
    assert parts("out") == []


def test_another_run_on_the_same_folder_is_refused_at_once(start, start_held, here):
    fill("in", 3)
    options = ("-o", "out", "--no-figure", "--jobs", "1")
    first = start_held("in", *options)
    until(lambda: done("out"))
    code, stderr = finished(start("batch", "in", *options))
    assert code == 1
    assert "out: in use by another run" in stderr
    assert first.poll() is None, "it holds the folder"
    below = list(children(first.pid))
    first.kill()
    first.communicate()
    until(lambda: not any(map(alive, below)))
    assert finished(start("batch", "small.png", *options))[0] == 0


def test_figures_do_not_need_a_home(start, four):
    process = start("batch", "in", "-o", "out", "--jobs", "2", env={"HOME": "/proc/nothing", "MPLCONFIGDIR": None})
    code, stderr = finished(process)
    assert code == 0
    assert len(stderr.splitlines()) == 1


def test_a_worker_that_is_killed_costs_one_picture_at_most(start, start_held, here):
    fill("in", 100)
    process = start_held("in", "-o", "out", "--no-figure", "--jobs", "2")
    until(lambda: done("out"))
    for pid in children(process.pid):
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            if b"forkserver" in file.read() and list(children(pid)) == []:
                os.kill(pid, 9)
                break
    else:
        pytest.fail("no worker")
    stderr = process.communicate(timeout=60)[1].decode()
    failed = [line for line in stderr.splitlines() if "its worker process died" in line]
    assert len(failed) <= 1
    assert process.returncode == (1 if failed else 0), stderr
    assert 100 - len(failed) <= len(tree("out")) <= 100  # it may have been killed between its last byte and its word
    assert finished(start("batch", "in", "-o", "out", "--no-figure"))[0] == 0
    assert len(tree("out")) == 100
    assert parts("out") == []


def test_a_run_whose_workers_cannot_begin_was_not_interrupted(shell, here):
    fill("in", 3)
    result = shell("ulimit -n 16; poolcli batch in -o out --no-figure --jobs 8")
    stderr = result.stderr.decode()
    assert result.returncode == 1
    assert "Too many open files (ulimit -n is 16); use fewer --jobs, or --jobs 0" in stderr
    assert "interrupted" not in stderr
