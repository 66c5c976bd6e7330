"""What a batch refuses before it begins: empty names, a folder in use, no pictures, results of other pictures."""

import os
import re
import shutil

import numpy as np
import pytest
from batches import OWN, fill, tree
from PIL import Image

from poolcli.batch.journal import Journal


@pytest.mark.parametrize("name", ["output", "report", "sheet"])
def test_an_empty_name_is_refused(cli, here, name):
    fill("in", 1)
    result = cli("batch", "in", *(() if name == "output" else ("-o", "out")), f"--{name}", "")
    assert result.exit_code == 2
    assert f"--{name} is empty" in result.stderr
    assert not (here / "out").exists()


@pytest.mark.parametrize(("option", "value"), [("-o", "-"), ("--timeout", "nan"), ("--timeout", "inf")])
def test_values_that_mean_nothing_are_refused(cli, here, option, value):
    fill("in", 1)
    assert cli("batch", "in", "-o", "out", option, value).exit_code == 2
    assert not (here / "out").exists()
    assert not (here / "-").exists()


@pytest.mark.parametrize("quiet", [(), ("-q",)])
def test_a_batch_that_finds_nothing_fails_and_says_so(cli, here, quiet):
    (here / "in").mkdir()
    (here / "in/a.raw").write_bytes(b"x")
    result = cli("batch", "in", "-o", "out", *quiet)
    assert result.exit_code == 1
    assert "no pictures found" in result.stderr


def test_a_batch_with_nothing_left_to_do_is_fine(cli, here):
    fill("in", 2)
    assert [cli("batch", "in", "-o", "out", "--jobs", "0").exit_code for _ in range(2)] == [0, 0]


def test_b8_a_folder_in_use_is_exit_1_and_names_the_lock_and_the_process(cli, here):
    fill("in", 1)
    with Journal("out"):
        result = cli("batch", "in", "-o", "out")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert re.search(rf"out: in use by another run: process {os.getpid()} holds out/{OWN}/lock", result.stderr)
    assert cli("batch", "in", "-o", "out").exit_code == 0


@pytest.mark.parametrize("same", [False, True])
def test_a_result_of_another_path_is_not_taken_for_this_ones(cli, here, same):
    """Same name, size and time: only the folder tells the two apart."""
    for folder, seed in (("A", 1), ("B", 1 if same else 2)):
        (here / folder).mkdir()
        values = np.random.default_rng(seed).integers(0, 256, (12, 16), np.uint8)
        Image.fromarray(values).save(here / folder / "f.pgm")
        os.utime(here / folder / "f.pgm", ns=(10**18, 10**18))
    assert cli("batch", "A/f.pgm", "-o", "out", "--no-figure", "--jobs", "0").exit_code == 0
    shutil.rmtree("A")
    assert cli("batch", "B/f.pgm", "-o", "out", "--no-figure", "--jobs", "0").exit_code == 0
    assert cli("batch", "B/f.pgm", "-o", "fresh", "--no-figure", "--jobs", "0").exit_code == 0
    with Image.open("out/f.pooled.png") as found, Image.open("fresh/f.pooled.png") as expected:
        np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))
    assert list(tree("out")) == ["f.pooled.png"]


@pytest.mark.parametrize("gone", ["folder", "file", "nothing"])
def test_a_result_of_another_folder_is_replaced_only_where_its_picture_is_known_to_be_gone(cli, here, gone):
    """The first folder may be on a disk that is not plugged in."""
    for folder, height in (("A", 12), ("B", 14)):
        (here / folder).mkdir()
        Image.fromarray(np.full((height, 16), height, np.uint8)).save(here / folder / "f.pgm")
    arguments = ("batch", "B/f.pgm", "-o", "out", "--no-figure", "--jobs", "0")
    assert cli("batch", "A/f.pgm", *arguments[2:]).exit_code == 0
    before = tree("out")
    if gone == "folder":
        os.rename("A", "unplugged")
    elif gone == "file":
        os.unlink("A/f.pgm")

    result = cli(*arguments)

    assert result.exit_code == (0 if gone == "file" else 1)
    assert (tree("out") == before) == (gone != "file")
    if gone != "file":
        assert "its result would replace that of" in result.stderr
        assert cli(*arguments, "--force").exit_code == 0
        assert tree("out") != before


def test_a_table_has_unix_line_ends(cli, here):
    fill("in", 2)
    cli("batch", "in", "-o", "out", "--report", "r.csv", "--jobs", "0")
    assert b"\r" not in (here / "r.csv").read_bytes()
