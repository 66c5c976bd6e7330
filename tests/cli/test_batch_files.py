"""Files of a batch: reports, sheets, and which result belongs to which picture."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from batches import OWN, fill, journal, pgm, tree
from PIL import Image

from poolcli.batch.scheduler import Scheduler, SerialBackend

ROOT = Path(__file__).parents[2]


def run(cli, *args, code=0):
    result = cli("batch", *args, "--no-figure", "--jobs", "0")
    assert result.exit_code == code, result.stderr
    return result


def test_another_picture_of_the_same_size_and_time_is_not_taken_for_done(cli, here):
    for folder, value in (("dark", 0), ("light", 255)):
        os.mkdir(folder)
        (here / folder / "frame.pgm").write_bytes(b"P5\n8 8\n255\n" + bytes([value]) * 64)
        os.utime(f"{folder}/frame.pgm", ns=(10**18, 10**18))
    run(cli, "dark", "-o", "out")
    stderr = run(cli, "light", "-o", "out", code=1).stderr
    assert "its result would replace that of " in stderr
    assert "dark/frame.pgm" in stderr
    run(cli, "light", "-o", "out", "--force")
    with Image.open("out/frame.pooled.png") as image:
        np.testing.assert_array_equal(np.asarray(image), 255)


def test_a_folder_that_was_moved_is_done(cli, here):
    fill("in", 3)
    run(cli, "in", "-o", "out", "--report", "in.csv", "--sheet", "in.png")
    os.mkdir("elsewhere")
    for name in ("in", "out", "in.csv", "in.png"):
        shutil.move(name, "elsewhere")
    os.chdir("elsewhere")
    assert "0 done, 3 skipped" in run(cli, "in", "-o", "out", "--report", "in.csv", "--sheet", "in.png").stderr


def test_what_others_are_writing_beside_the_report_is_left_alone(cli, here):
    fill("in", 1)
    os.mkdir("reports")
    others = here / "reports" / ".other.csv.0123456789abcdef.poolcli.part"
    ours = here / "reports" / ".r.csv.0123456789abcdef.poolcli.part"
    for _ in range(2):
        others.write_bytes(b"half")
        ours.write_bytes(b"half")
        run(cli, "in", "-o", "out", "--report", "reports/r.csv")
        assert others.exists()
        assert not ours.exists()


@pytest.mark.parametrize("name", ["journal.jsonl", "report.csv"])
def test_the_folder_of_the_journal_takes_no_report(cli, here, name):
    fill("in", 2)
    run(cli, "in", "-o", "out")
    before = journal("out").read_bytes()
    stderr = run(cli, "in", "-o", "out", "--report", f"out/{OWN}/{name}", "--force", code=2).stderr
    assert "the folder of the journal" in stderr
    assert journal("out").read_bytes() == before


def test_a_sheet_in_the_folder_of_the_pictures_is_no_picture(cli, here, monkeypatch):
    monkeypatch.setattr("poolcli.figures.contact_sheet.PER_PAGE", 2)
    fill(".", 3)
    shutil.copy("small.png", "sheet-a.png")
    for _ in range(2):
        result = run(cli, ".", "-o", "out", "--sheet", "sheet.png", "--exclude", "cat*")
        assert len(tree("out")) == 5
    assert "3 made by poolcli" in result.stderr
    assert [name for name in sorted(os.listdir()) if name.startswith("sheet")] == [
        "sheet-1.png", "sheet-2.png", "sheet-3.png", "sheet-a.png",
    ]  # fmt: skip
    with Image.open("sheet-3.png") as image:
        assert image.width > 100


@pytest.mark.parametrize("page", ["f1.png", "sheet-2.png"])
def test_a_sheet_never_replaces_a_picture_of_the_input_folder(cli, here, monkeypatch, page):
    monkeypatch.setattr("poolcli.figures.contact_sheet.PER_PAGE", 2)
    os.mkdir("in")
    names = [page, "a.png", "b.png", "c.png"] if page != "f1.png" else [page, "a.png"]
    for name in names:
        shutil.copy("small.png", f"in/{name}")
    before = Path("in", page).read_bytes()
    sheet = "in/f1.png" if page == "f1.png" else "in/sheet.png"
    stderr = run(cli, "in", "-o", "out", "--sheet", sheet, "--force", code=2).stderr
    assert "is one of the inputs" in stderr
    assert Path("in", page).read_bytes() == before
    assert not tree("out")


def test_a_picture_named_like_a_page_of_a_sheet_is_a_picture(cli, here):
    os.mkdir("in")
    for name in ("a.png", "sheet-1.png", "sheet-2.png"):
        shutil.copy("small.png", f"in/{name}")
    result = run(cli, "in", "-o", "out", "--sheet", "in/sheet.png", "--no-figure")
    assert "3 done" in result.stderr
    assert "left out" not in result.stderr
    assert "3 skipped" in run(cli, "in", "-o", "out", "--sheet", "in/sheet.png", "--no-figure").stderr


def test_a_run_killed_after_the_report_finds_it_again(cli, here, monkeypatch):
    fill("in", 2)
    monkeypatch.setattr("poolcli.batch.local_storage.atomic_write", lambda *_, **__: os.chdir("nowhere"))
    with pytest.raises(FileNotFoundError):
        run(cli, "in", "-o", "out", "--report", "r.csv")
    monkeypatch.undo()
    (here / "r.csv").write_bytes(b"as if written")
    os.chdir(here)
    run(cli, "in", "-o", "out", "--report", "r.csv")
    assert (here / "r.csv").read_text().startswith("name,")


@pytest.mark.parametrize("dry", [(), ("--dry-run",)], ids=["run", "dry run"])
def test_a_report_of_others_is_refused_before_any_work(cli, here, dry):
    fill("in", 2)
    (here / "r.jsonl").write_bytes(b"mine")
    assert "exists already" in run(cli, "in", "-o", "out", "--report", "r.jsonl", *dry, code=1).stderr
    assert (here / "r.jsonl").read_bytes() == b"mine"
    assert not os.path.exists("out") or tree("out") == {}


def test_hints_lead_out(cli, here):
    """The advice of an error message must not lead to the next error."""
    for name in ("one/a.pgm", "two/a.pgm", "one/b.pgm", "one/b.png"):
        os.makedirs(os.path.dirname(name), exist_ok=True)
        (here / name).write_bytes(pgm(0))
    stderr = cli("batch", "one/a.pgm", "two/a.pgm", "-o", "out").stderr
    assert "its own name with --name '{parent}-{stem}.png'" in stderr
    assert "--no-figure" not in stderr
    run(cli, "one/a.pgm", "two/a.pgm", "-o", "out", "--name", "{parent}-{stem}.png")
    stderr = cli("batch", "one", "-o", "out2").stderr
    assert "its own name with --name '{name}.pooled.png'" in stderr
    assert "--no-figure" not in stderr
    run(cli, "one", "-o", "out2", "--name", "{name}.pooled.png")
    assert sorted(tree("out2")) == ["a.pgm.pooled.png", "b.pgm.pooled.png", "b.png.pooled.png"]


def test_missing_folders_are_told_one_by_one(cli, here):
    result = run(cli, "nosuch/", "neither/", "-o", "out", "--json", code=1)
    stderr, problems = result.stderr, json.loads(result.stdout)["problems"]
    assert "nosuch/: No such file or directory\n" in stderr
    assert "neither/: No such file or directory\n" in stderr
    assert problems == [{"path": path, "error": "No such file or directory"} for path in ("nosuch/", "neither/")]


def test_nothing_included_is_told_even_quietly(cli, here):
    fill("in", 1)
    assert run(cli, "in", "-o", "out", "--include", "*.zzz", "-q", code=1).stderr.count("\n") == 1


def test_at_the_first_failure_nothing_is_sent_ahead():
    class Ahead(SerialBackend):
        jobs, send_ahead = 3, True

        def wait(self, workers, seconds):
            self.busy = len(workers)
            return workers

    for send_ahead, most in ((True, None), (False, 3)):
        taken = []
        with closing(Scheduler(Ahead(), str, send_ahead=send_ahead)) as scheduler:
            next(scheduler.run(taken.append(n) or n for n in range(100)))
        assert len(taken) == (most or 6)


def test_a_sheet_draws_what_a_journal_without_sizes_says(cli, here):
    fill("in", 1)
    run(cli, "in", "-o", "out")
    lines = [json.loads(line) for line in journal("out").read_text().splitlines()]
    lines[-1] = {key: value for key, value in lines[-1].items() if key not in ("input", "stages")}
    journal("out").write_text("".join(json.dumps(line) + "\n" for line in lines))
    run(cli, "in", "-o", "out", "--sheet", "sheet.png")


@pytest.mark.parametrize("name", ["numpy", "PIL", "poolcli", "random", "signal", "warnings", "ctypes"])
def test_worker_processes_take_no_module_from_the_current_folder(here, name):
    """A folder of pictures may have a file numpy.py; Python imports modules from the current folder first."""
    (here / f"{name}.py").write_text("open('taken', 'a').close(); raise SystemExit('mine')\n")
    program = f"import sys; sys.path[0] = {str(ROOT)!r}; from poolcli.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "batch", "small.png", "-o", "out", "--jobs", "1"],
        capture_output=True, check=False, timeout=60, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr[:7]) == (0, "1 done,")
    assert not (here / "taken").exists()


def test_a_dry_run_names_what_would_be_pruned_and_removes_nothing(cli, here):
    fill("in", 3)
    run(cli, "in", "-o", "out")
    os.unlink("in/p0001.pgm")
    os.unlink("in/p0002.pgm")
    before = tree("out")
    plan = run(cli, "in", "-o", "out", "--prune", "--dry-run", "-q")
    assert plan.stdout.splitlines()[-2:] == ["remove out/p0001.pooled.png", "remove out/p0002.pooled.png"]
    found = json.loads(run(cli, "in", "-o", "out", "--prune", "--dry-run", "--json").stdout)
    assert found["prune"] == ["out/p0001.pooled.png", "out/p0002.pooled.png"]
    assert tree("out") == before
    assert "2 files removed" in run(cli, "in", "-o", "out", "--prune").stderr
    assert sorted(set(before) - set(tree("out"))) == ["p0001.pooled.png", "p0002.pooled.png"]


@pytest.mark.parametrize("length", [240, 241, 250])
@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_a_name_that_is_too_long_for_the_disk_is_refused_with_advice_that_works(cli, here, length, dry):
    """241 characters and `.pooled.png` have room, 250 have none."""
    os.mkdir("in")
    for name in ("a.png", f"{'n' * length}.png"):
        shutil.copy("small.png", f"in/{name}")
    result = run(cli, "in", "-o", "out", *dry, code=int(length > 244))
    if length > 244:
        assert "is too long, more than 255 bytes; give --name '{index}.png'" in result.stderr
        assert len(tree("out")) == (0 if dry else 1)
    assert run(cli, "in", "-o", "short", "--name", "{index}.png").exit_code == 0


def test_names_that_meet_get_advice_that_is_not_too_long(cli, here):
    os.mkdir("in")
    for suffix in ("png", "jpg"):
        Image.open("small.png").convert("L").save(f"in/{'n' * 243}.{suffix}")
    refused = run(cli, "in", "-o", "out", code=2).stderr
    advised = refused.rpartition("--name '")[2].partition("'")[0]
    assert run(cli, "in", "-o", "out", "--name", advised).exit_code == 0


@pytest.mark.parametrize("wrong", [".poolcli", ".poolcli/journal.jsonl", ".poolcli/begun"])
@pytest.mark.parametrize("kind", ["file", "fifo", "folder", "dangling link"])
def test_what_is_in_the_place_of_the_journal_is_named(cli, here, wrong, kind):
    path = Path("out", wrong)
    if (kind, wrong) == ("folder", ".poolcli") or (kind == "file" and wrong != ".poolcli"):
        return
    path.parent.mkdir(parents=True)
    make = {"file": path.touch, "folder": path.mkdir, "fifo": lambda: os.mkfifo(path)}
    make.get(kind, lambda: path.symlink_to("nowhere"))()
    fill("in", 1)
    stderr = run(cli, "in", "-o", "out", code=1).stderr
    assert f"out/{wrong} is no " in stderr
    assert "remove it, or choose another folder with -o" in stderr
