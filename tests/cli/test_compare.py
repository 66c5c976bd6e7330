"""`poolcli compare`: the table, the JSON, the figure, and what is refused."""

import json

import numpy as np
import pytest
from PIL import Image


def test_a_table_of_the_input_and_every_kind(cli, files):
    done = cli("compare", "cat.jpg", "--pools", "max,average,min,subsample")
    assert done.exit_code == 0
    assert done.stderr == ""
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == [
        "kind",
        "shape",
        "min",
        "max",
        "mean",
        "deviation",
        "above",
        "0",
        "mean",
        "difference",
        "largest",
        "difference",
    ]
    assert [(line[0], line[4]) for line in lines[1:]] == [
        ("Input", "0.4686"),
        ("max", "0.4895"),
        ("average", "0.4685"),
        ("min", "0.4472"),
        ("subsample", "0.4681"),
    ]
    assert lines[3][-2:] == ["0.0210", "0.2480"]
    assert set(files()) == {"cat.jpg", "small.png"}


def test_these_kinds_are_compared_when_none_are_named(cli):
    assert cli("compare", "cat.jpg").stdout == cli("compare", "cat.jpg", "--pools", "max,average,min,subsample").stdout


def test_json(cli, files):
    done = cli("compare", "cat.jpg", "--pools", "max,avg", "--kernel", "edge", "-o", "k.png", "--json")
    assert done.exit_code == 0
    assert done.stderr == "wrote k.png\n"
    record = json.loads(done.stdout)
    assert list(record) == ["poolcli", "input", "recipe", "source", "pools", "files", "seconds"]
    assert record["input"]["source"] == "cat.jpg"
    assert (record["source"]["title"], record["source"]["shape"]) == ("Detect (ReLU)", [300, 451])
    assert list(record["pools"]) == ["max", "average"]
    average = record["pools"]["average"]
    assert list(average) == [
        "title", "shape", "min", "max", "mean", "active", "std", "mean_difference", "largest_difference",
    ]  # fmt: skip
    assert average["largest_difference"] == pytest.approx(1.516, abs=5e-4)
    assert record["pools"]["max"]["largest_difference"] is None
    assert record["files"] == {"figure": "k.png"}
    assert set(files()) == {"cat.jpg", "small.png", "k.png"}


def test_the_figure_can_be_read_again(cli):
    assert cli("compare", "small.png", "-o", "k.png", "-q").stderr == ""
    with Image.open("k.png") as image:
        assert image.info["Title"] == "small.png"
        assert "AvgPool − MaxPool" in image.info["Description"]


def test_a_picture_on_stdin(cli, here):
    data = (here / "small.png").read_bytes()
    assert cli("compare", "-", input=data).stdout == cli("compare", "small.png").stdout


@pytest.mark.parametrize("size", ["1", "24x40"])
def test_windows_of_one_cell_and_of_the_whole_map(cli, size):
    done = cli("compare", "small.png", "--size", size, "--json")
    kinds = json.loads(done.stdout)["pools"]
    if size == "1":
        assert {kind["largest_difference"] for kind in kinds.values()} == {None, 0}
    else:
        assert {tuple(kind["shape"]) for kind in kinds.values()} == {(1, 1)}
        assert {kind["std"] for kind in kinds.values()} == {0}


def test_the_picture_itself_is_never_replaced(cli, here, files):
    (here / "copy.png").symlink_to("small.png")
    before = files()
    done = cli("compare", "small.png", "-o", "copy.png", "-f")
    assert done.exit_code == 2
    assert "copy.png: " in done.stderr
    assert files() == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--pools", "max"], "name two or more"),
        (["--pools", "max,nix"], "nix"),
        (["--pools", "max,max"], "max is named twice"),
        (["--pool", "max"], "--pools"),
        (["--p", "3"], "p belongs to lp"),
        (["--size", "0"], "size"),
        (["-o", "k.jpg"], "write a name ending in .png, .svg, .pdf"),
        (["-o", "k"], "write a name ending in .png, .svg, .pdf"),
        (["-o", "-"], "write a name ending in .png, .svg, .pdf"),
    ],
)
def test_what_is_wrong_for_any_picture_exits_2(cli, files, words, said):
    done = cli("compare", "small.png", *words)
    assert done.exit_code == 2
    assert said in done.stderr
    assert set(files()) == {"cat.jpg", "small.png"}


@pytest.mark.parametrize(
    ("name", "words", "said"),
    [
        ("small.png", ["--size", "25"], "small.png: pooling: "),
        ("nan.npy", [], "nan.npy: "),
        ("missing.png", [], "missing.png: No such file"),
        ("small.png", ["-o", "cat.png"], "cat.png: "),
        ("small.png", ["-o", "no/k.png"], "no/k.png: "),
    ],
)
def test_what_this_picture_cannot_have_exits_1(cli, here, files, name, words, said):
    np.save(here / "nan.npy", np.full((4, 4), np.nan))
    (here / "cat.png").write_bytes(b"mine")
    before = files()
    done = cli("compare", name, *words)
    assert done.exit_code == 1
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert files() == before


@pytest.mark.filterwarnings("error")
def test_values_as_large_as_float32_raise_no_warning(cli, here):
    np.save(here / "large.npy", np.array([[3e38, -3e38, 3e38, 3e38]] * 4, np.float32))
    done = cli("compare", "large.npy", "--pools", "sum,max,range", "--stride", "1", "--json", "-o", "k.png", "-q")
    assert (done.exit_code, done.stderr) == (0, "")
    assert json.loads(done.stdout)["pools"]["max"]["max"] == pytest.approx(3e38)
