"""`poolcli run --ladder`: what is written, what is printed, what is refused."""

import json

import pytest
from PIL import Image


def test_a_ladder_is_written_and_told(cli, files):
    done = cli("run", "small.png", "--repeat", 3, "--ladder", "steps.png", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["files"]["ladder"] == "steps.png"
    assert done.stderr.endswith("wrote small.pooled.png, small.figure.png, steps.png\n")
    with Image.open("steps.png") as image:
        assert image.info["Title"] == "small.png"
        assert "MaxPool 3" in image.info["Description"]
    assert set(files()) == {"cat.jpg", "small.png", "small.pooled.png", "small.figure.png", "steps.png"}


def test_the_other_files_are_what_they_are_without_it(cli, files):
    words = ("run", "cat.jpg", "-q", "--kernel", "edge", "--blocks", 2, "--repeat", 2, "-o", "a.png", "-f")
    assert cli(*words).exit_code == 0
    before = files()
    assert cli(*words, "--ladder", "l.svg").exit_code == 0
    after = files()
    assert after.pop("l.svg").lstrip().startswith(b"<?xml")
    assert after == before


def test_with_the_result_on_stdout_and_no_figure(cli, files):
    done = cli("run", "small.png", "-q", "-o", "-", "--ladder", "l.png")
    assert done.exit_code == 0
    assert done.stdout_bytes.startswith(b"\x89PNG")
    assert set(files()) == {"cat.jpg", "small.png", "l.png"}


@pytest.mark.parametrize("name", ["l.jpg", "l", "l.png.txt"])
def test_other_suffixes_are_refused(cli, files, name):
    done = cli("run", "small.png", "--ladder", name)
    assert done.exit_code == 2
    assert f"ladder '{name}': write a name ending in .png, .svg, .pdf" in done.stderr
    assert set(files()) == {"cat.jpg", "small.png"}


def test_a_recipe_without_pooling_is_refused(cli, here, files):
    (here / "only.toml").write_text('[[stages]]\nop = "relu"\n')
    done = cli("run", "small.png", "--recipe", "only.toml", "--ladder", "l.png")
    assert done.exit_code == 2
    assert "ladder of a recipe without pooling: --pool KIND adds a pooling step" in done.stderr
    assert "l.png" not in files()


def test_an_existing_file_is_kept(cli, here):
    (here / "l.png").write_bytes(b"mine")
    done = cli("run", "small.png", "--ladder", "l.png")
    assert done.exit_code == 1
    assert (here / "l.png").read_bytes() == b"mine"
    assert not (here / "small.pooled.png").exists()


def test_a_window_larger_than_the_map_is_said_plainly(cli, files):
    done = cli("run", "small.png", "--repeat", 6, "--ladder", "l.png")
    assert done.exit_code == 1
    assert "repeat 5" in done.stderr
    assert "l.png" not in files()
