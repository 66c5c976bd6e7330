"""Inputs of a batch: lists of names, patterns, pruning, numbers in names; files of poolcli are no inputs."""

import csv
import errno
import json
import os
import re
import shlex
import signal
import unicodedata
from threading import Thread

import pytest
from batches import OWN, done, fill, pgm, tree, until
from PIL import Image

from poolcli.batch.journal import Journal
from poolcli.cli import batch_options
from poolcli.images.embedded import carries_mark


def batch(cli, *args, code=0, **options):
    result = cli("batch", *args, "--jobs", "0", **options)
    assert result.exit_code == code, result.stderr
    return result


def pictures(cli, *args):
    """The names that a dry run has in its plan."""
    plan = json.loads(batch(cli, *args, "--dry-run", "--json").stdout)["plan"]
    return sorted(os.path.basename(row["source"]) for row in plan)


# -- what poolcli made ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inputs", ["work/phots", "work/phots/*.png"])
def test_a_batch_that_failed_leaves_no_journal_beside_pictures(cli, here, inputs):
    fill("work/photos", 2)
    batch(cli, inputs, "-o", "work/photos", code=1)
    assert sorted(os.listdir("work/photos")) == ["p0000.pgm", "p0001.pgm"]
    assert pictures(cli, "work", "-r", "-o", "out") == ["p0000.pgm", "p0001.pgm"]


def test_a_refused_report_leaves_nothing(cli, here):
    fill("in", 2)
    batch(cli, "in", "-o", "out", "--report", "nowhere/r.csv", code=1)
    batch(cli, "in", "-o", "in", code=2)
    assert not os.path.exists("out")
    assert sorted(os.listdir("in")) == ["p0000.pgm", "p0001.pgm"]


def test_pictures_beside_their_results_are_still_pictures(cli, here):
    fill("album/p", 2)
    batch(cli, "album/p/p0000.pgm", "album/p/p0001.pgm", "-o", "album/p")
    result = batch(cli, "album", "-r", "-o", "out")
    assert "4 made by poolcli" in result.stderr
    assert sorted(tree("out")) == [f"p/p000{n}.{kind}.png" for n in (0, 1) for kind in ("figure", "pooled")]


def test_results_in_the_folder_of_the_pictures_are_no_inputs(shell, here):
    line = "poolcli batch *.png *.jpg -o . --jobs 0"
    assert shell(line).returncode == 0
    before = tree(".")
    again = shell(line)
    assert b"left out: 4 made by poolcli" in again.stderr
    assert b"0 done, 2 skipped" in again.stderr
    assert tree(".") == before


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp"])
def test_results_of_run_are_no_inputs(cli, here, suffix):
    for name in ("cat.jpg", "small.png"):
        assert cli("run", name, "-o", f"{name[:3]}-pooled.{suffix}").exit_code == 0
    assert pictures(cli, ".", "-o", "out") == ["cat.jpg", "small.png"]
    assert pictures(cli, *sorted(os.listdir(".")), "-o", "out") == ["cat.jpg", "small.png"]
    told = batch(cli, f"cat-pooled.{suffix}", "-o", "out", "-q", code=1).stderr
    assert told == "no pictures found but 1 made by poolcli; poolcli run pools one of these\n"
    assert cli("run", f"cat-pooled.{suffix}", "-o", "again.png").exit_code == 0


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_sheets_and_reports_are_no_inputs(cli, here, suffix):
    fill("in", 2)
    batch(cli, "in", "-o", "out", "--sheet", f"in/all.{suffix}", "--report", "in/r.csv")
    for folder in ("out", "other"):
        assert pictures(cli, "in", "-o", folder, "--exclude", "*.csv") == ["p0000.pgm", "p0001.pgm"]


def test_a_sliding_window_is_no_input(cli, here):
    assert cli("explain", "--matrix", "1 2 3; 4 5 6", "-o", "w.gif").exit_code == 0
    assert pictures(cli, ".", "-o", "out") == ["cat.jpg", "small.png"]


def test_a_picture_that_speaks_of_poolcli_is_a_picture(cli, here):
    Image.new("L", (9, 9)).save("poolcli.png")
    (here / "x.png").write_bytes((here / "small.png").read_bytes() + b"tEXtSoftware\0poolcli")
    assert pictures(cli, "poolcli.png", "-o", "out") == ["poolcli.png"]


def test_a_named_pipe_is_not_opened_for_its_mark(here):
    os.mkfifo("pipe.png")
    found = []
    thread = Thread(target=lambda: found.append(carries_mark("pipe.png")), daemon=True)
    thread.start()
    thread.join(30)
    assert found == [False]


# -- old pages and figures ------------------------------------------------------------------------------------------


def test_old_pages_of_a_sheet_are_removed(cli, here, monkeypatch):
    from poolcli.figures import contact_sheet

    fill("in", 5)
    monkeypatch.setattr(contact_sheet, "MOST_TILES", 2, raising=False)
    from poolcli.batch import sheet

    pages = iter([["s-1.png", "s-2.png", "s-3.png"], ["s.png"]])
    now = []
    monkeypatch.setattr(sheet, "pages", lambda path, count: now[-1])
    monkeypatch.setattr(sheet, "draw", lambda path, *_: ((name, b"page") for name in now[-1]))
    (here / "s-9.png").write_bytes(b"mine")
    for names in pages:
        now.append(names)
        batch(cli, "in", "-o", "out", "--no-figure", "--sheet", "s.png")
    assert sorted(name for name in os.listdir(".") if name.startswith("s")) == ["s-9.png", "s.png", "small.png"]


def test_an_old_figure_does_not_stay_beside_a_new_result(cli, here):
    fill("in", 2)
    batch(cli, "in", "-o", "out")
    batch(cli, "in", "-o", "out", "--no-figure", "--size", "3", "-f")
    assert sorted(tree("out")) == ["p0000.pooled.png", "p0001.pooled.png"]


# -- numbers --------------------------------------------------------------------------------------------------------


def test_a_file_keeps_its_number_when_others_are_added(cli, here):
    fill("in", 3)
    name = ("--name", "{index:04}.png", "--no-figure")
    batch(cli, "in", "-o", "out", *name)
    before = tree("out")
    (here / "in/p0000b.pgm").write_bytes(pgm(9))
    result = batch(cli, "in", "-o", "out", *name)
    assert "1 done, 3 skipped" in result.stderr
    assert sorted(tree("out")) == ["0001.png", "0002.png", "0003.png", "0004.png"]
    assert {name: tree("out")[name] for name in before} == before


def test_a_run_that_was_stopped_gives_the_numbers_of_one_that_was_not(cli, here):
    fill("in", 6)
    name = ("--name", "{index}.png", "--no-figure")
    batch(cli, "in", "-o", "whole", *name)
    batch(cli, "in", "-o", "out", *name)
    path = here / "out" / OWN / "journal.jsonl"
    path.write_bytes(b"".join(line for at, line in enumerate(path.read_bytes().splitlines(True)) if at not in (2, 5)))
    for one in ("2.png", "5.png"):
        os.unlink(f"out/{one}")
    batch(cli, "in", "-o", "out", *name)
    assert tree("out") == tree("whole")


# -- advice ---------------------------------------------------------------------------------------------------------

CLASHES = {
    "case of a suffix": ["in/IMG_1.JPG", "in/IMG_1.jpg"],
    "case of all": ["in/same.png", "in/same.PNG", "in/SAME.png"],
    "parents of one name": ["a/trip/x.png", "b/trip/x.png"],
    "parents": ["a/x.png", "b/x.png"],
    "two formats": ["in/a.jpg", "in/a.png"],
    "forms of Unicode": [f"in/{unicodedata.normalize(form, 'é')}.png" for form in ("NFC", "NFD")],
    "all at once": ["a/t/x.png", "b/t/x.PNG", "c/X.png", "c/x.jpg"],
}


@pytest.mark.parametrize("template", ["{stem}.pooled.png", "{name}.png", "same.tif", "{parent}.png"])
@pytest.mark.parametrize("figure", [(), ("--no-figure",)])
@pytest.mark.parametrize("case", CLASHES)
def test_an_advice_that_is_followed_works(cli, here, case, template, figure):
    paths = CLASHES[case]
    for number, path in enumerate(paths):
        (here / path).parent.mkdir(parents=True, exist_ok=True)
        (here / path).write_bytes(pgm(number))
    result = cli("batch", *paths, "-o", "out", "--jobs", "0", "--name", template, *figure)
    if result.exit_code:
        assert result.exit_code == 2
        found = re.search(
            r"; give every file its own name with ((?:--name '[^']*' ?)?(?:--no-figure)?)$", result.stderr.strip()
        )
        assert found, result.stderr
        result = cli("batch", *paths, "-o", "out", "--jobs", "0", "--name", template, *figure, *shlex.split(found[1]))
    assert result.exit_code == 0, result.stderr
    assert len([name for name in tree("out") if ".figure." not in name]) == len(paths)


# -- lists of names -------------------------------------------------------------------------------------------------


def test_names_come_from_a_file(cli, here):
    fill("in", 3)
    (here / "list").write_bytes(b"in/p0000.pgm\n\nin/p0002.pgm")
    assert pictures(cli, "--files-from", "list", "-o", "out") == ["p0000.pgm", "p0002.pgm"]
    assert pictures(cli, "small.png", "--files-from", "list", "-o", "out") == ["p0000.pgm", "p0002.pgm", "small.png"]


@pytest.mark.parametrize(("find", "null"), [("-print0", " -0"), ("-print", "")])
def test_names_come_from_find(shell, here, find, null):
    fill("in/deep", 3)
    os.rename("in/deep/p0001.pgm", "in/deep/with space.pgm" if not null else "in/deep/two\nlines.pgm")
    done = shell(f"find in -type f {find} | poolcli batch --files-from -{null} -o out --no-figure --jobs 0")
    assert done.returncode == 0, done.stderr
    assert len(tree("out")) == 3


@pytest.mark.parametrize(
    ("args", "code", "word"),
    [
        (["--files-from", "missing"], 1, "--files-from missing: No such file"),
        (["--files-from", "empty"], 1, "no pictures found"),
        (["--files-from", "nul"], 2, "-0"),
        (["--files-from", ""], 2, "--files-from is empty"),
        (["small.png", "-0"], 2, "--files-from"),
        ([], 2, "no INPUT"),
    ],
)
def test_lists_that_are_refused(cli, here, args, code, word):
    (here / "empty").write_bytes(b"")
    (here / "nul").write_bytes(b"a\0b\0")
    assert word in batch(cli, *args, "-o", "out", code=code).stderr
    assert not os.path.exists("out")


@pytest.mark.parametrize("given", [b"a\n" * 600, bytes(1200)])
def test_a_list_without_end_is_refused_before_it_fills_the_memory(cli, here, monkeypatch, given):
    monkeypatch.setattr(batch_options, "MOST_BYTES", 1000)
    (here / "list").write_bytes(given)
    for words in (["--files-from", "list"], ["--files-from", "list", "-0"]):
        assert "more than 1000 bytes, which is no list of names" in batch(cli, *words, "-o", "out", code=1).stderr
    assert not os.path.exists("out")


# -- a folder in use, or closed -------------------------------------------------------------------------------------


def test_wait_waits_for_the_other_run(start, here):
    fill("in", 1)
    with Journal("out"):
        process = start("batch", "in", "-o", "out", "--wait", "--jobs", "0")
        assert f"process {os.getpid()} holds out/{OWN}/lock; waiting" in process.stderr.readline().decode()
        assert process.poll() is None
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"waiting" not in stderr, "once"


def test_waiting_can_be_interrupted(start, here):
    fill("in", 1)
    with Journal("out"):
        process = start("batch", "in", "-o", "out", "--wait")
        assert b"waiting" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode == 130


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_folder_that_may_only_be_read_with_nothing_to_do_is_fine(cli, here, monkeypatch, number):
    fill("in", 2)
    batch(cli, "in", "-o", "out")

    def refuse(path, mode="r", **options):
        if {"a", "w", "+"} & set(mode):
            raise OSError(number, os.strerror(number), path)
        return open(path, mode, **options)

    monkeypatch.setattr("poolcli.batch.local_journal.open", refuse, raising=False)
    assert "0 done, 2 skipped" in batch(cli, "in", "-o", "out").stderr
    (here / "in/new.pgm").write_bytes(pgm(7))
    stderr = batch(cli, "in", "-o", "out", code=1).stderr
    assert f"stopped: out/{OWN}/journal.jsonl: {os.strerror(number)}; 1 left" in stderr
    os.unlink("in/new.pgm")
    assert "0 done, 2 skipped" in batch(cli, "in", "-o", "out", "--report", "r.csv").stderr
    assert len((here / "r.csv").read_bytes().splitlines()) == 3
    assert "exists already" in batch(cli, "in", "-o", "out", "--report", "r.csv", code=1).stderr


# -- pruning --------------------------------------------------------------------------------------------------------


def test_prune_removes_what_was_made_of_pictures_that_are_gone(cli, here):
    fill("in/deep", 2)
    fill("in", 2)
    batch(cli, "in", "-r", "-o", "out")
    os.unlink("in/p0001.pgm")
    os.unlink("in/deep/p0000.pgm")
    os.unlink("in/deep/p0001.pgm")
    (here / "out/mine.png").write_bytes(b"mine")
    assert len(tree("out")) == 9
    batch(cli, "in", "-r", "-o", "out")
    assert len(tree("out")) == 9
    result = batch(cli, "in", "-r", "-o", "out", "--prune")
    assert "6 files removed" in result.stderr
    assert sorted(tree("out")) == ["mine.png", "p0000.figure.png", "p0000.pooled.png"]
    assert not os.path.exists("out/deep")
    (here / "out/p0001.pooled.png").write_bytes(b"a new one, not ours")
    fill("in", 2)
    assert "exists already" in batch(cli, "in", "-o", "out", code=1).stderr


@pytest.mark.parametrize("where", ["missing", "empty", "broken link"])
def test_pictures_that_cannot_be_looked_for_are_not_taken_for_gone(cli, here, where):
    """A disk that is not mounted."""
    fill("disk/in", 2)
    batch(cli, "disk/in", "-o", "out", "--no-figure")
    before = tree("out")
    os.rename("disk", "unplugged")
    if where == "empty":
        (here / "disk/in").mkdir(parents=True)
    elif where == "broken link":
        fill("disk/in", 1)
        os.symlink("nowhere", "disk/in/p0001.pgm")
    result = batch(cli, "disk/in", "-o", "out", "--no-figure", "--prune", code=1)
    assert "nothing is pruned" in result.stderr
    assert tree("out") == before


def test_what_cannot_be_pruned_is_told(cli, here, monkeypatch):
    fill("in", 2)
    batch(cli, "in", "-o", "out", "--no-figure")
    os.unlink("in/p0001.pgm")
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", lambda *_: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
        result = batch(cli, "in", "-o", "out", "--no-figure", "--prune", "-q", code=1)
    assert result.stderr == "out/p0001.pooled.png: cannot be removed: Permission denied\n"
    assert "1 files removed" in batch(cli, "in", "-o", "out", "--no-figure", "--prune").stderr


def test_prune_leaves_results_that_were_changed(cli, here):
    fill("in", 2)
    batch(cli, "in", "-o", "out", "--no-figure")
    os.unlink("in/p0001.pgm")
    (here / "out/p0001.pooled.png").write_bytes(b"edited")
    batch(cli, "in", "-o", "out", "--no-figure", "--prune")
    assert tree("out")["p0001.pooled.png"] == b"edited"


# -- reports --------------------------------------------------------------------------------------------------------


def test_a_report_goes_to_stdout(shell, here):
    fill("in", 3)
    for name in ("-", "/dev/stdout"):
        done = shell(
            f"poolcli batch in -o out --no-figure --jobs 0 --report {name} | awk -F, '$2 == \"{{}}\"; END {{print NR}}'"
        )
        assert done.stdout == b"4\n", done.stderr
    done = shell("poolcli batch in -o out --no-figure --jobs 0 --report - > r.csv")
    data = (here / "r.csv").read_bytes()
    assert b"\r" not in data
    assert [row["status"] for row in csv.DictReader(data.decode().splitlines())] == ["skipped"] * 3
    assert shell("poolcli batch in -o out --jobs 0 --report - --json").returncode == 2


def test_a_pipe_is_not_noted_as_ours(shell, here):
    fill("in", 2)
    os.mkfifo("r.csv")
    done = shell("cat r.csv > got & poolcli batch in -o out --no-figure --jobs 0 --report r.csv; wait")
    assert done.returncode == 0, done.stderr
    assert (here / "got").read_bytes().count(b"\n") == 3
    assert b"r.csv" not in (here / "out" / OWN / "journal.jsonl").read_bytes()
    os.unlink("r.csv")
    (here / "r.csv").write_bytes(b"mine")
    assert shell("poolcli batch in -o out --no-figure --jobs 0 --report r.csv").returncode == 1
    assert (here / "r.csv").read_bytes() == b"mine"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_an_interrupted_run_leaves_a_report_and_json(start_held, here, number):
    fill("in", 60)
    process = start_held("in", "-o", "out", "--no-figure", "--jobs", "1", "--report", "r.csv", "--json")
    until(lambda: done("out"))
    process.send_signal(number)
    out, stderr = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    with open("r.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["status"] for row in rows} == {"done", "left"}
    assert len(rows) == 60
    found = json.loads(out)
    assert found["stopped"] == "interrupted"
    assert found["counts"]["left"] > 0
    assert b"stopped: interrupted" in stderr
    assert b"leaked" not in stderr
