"""`poolcli features`: tables of vectors, in every form, whatever the inputs."""

import csv
import io
import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from poolcli.cli import features as module
from poolcli.ops.banks import BANKS

DEFAULT = BANKS["default"].kernels


@pytest.fixture
def photos(here):
    """A folder of ten pictures, one of them damaged."""
    folder = here / "photos"
    folder.mkdir()
    for number in range(10):
        cells = np.random.default_rng(number).integers(0, 256, (30, 41), np.uint8)
        Image.fromarray(cells).save(folder / f"p{number}.png")
    (folder / "p7.png").write_bytes((folder / "p7.png").read_bytes()[:200])
    return folder


def table(text):
    header, *rows = csv.reader(io.StringIO(text))
    return header, {name: np.float32(values) for name, *values in rows}


def test_a_row_per_picture_and_a_column_per_kernel_on_stdout(cli):
    result = cli("features", "small.png", "cat.jpg")

    header, rows = table(result.stdout)
    assert result.exit_code == 0
    assert header == ["name", *DEFAULT]
    assert list(rows) == ["cat.jpg", "small.png"]
    assert "\r" not in result.stdout
    assert "2 pictures, 20 features each" in result.stderr


def test_all_forms_hold_the_same_numbers(cli, here):
    _, rows = table(cli("features", "small.png", "cat.jpg", "-q").stdout)
    for name in ("-", "/dev/stdout"):
        assert table(cli("features", "small.png", "cat.jpg", "-q", "-o", name).stdout)[1].keys() == rows.keys()
    for name in ("v.csv", "v.npy", "v.json"):
        assert cli("features", "small.png", "cat.jpg", "-o", name).exit_code == 0

    values = np.array([*rows.values()])
    told = json.loads((here / "v.json").read_bytes())
    array = np.load(here / "v.npy")
    assert table((here / "v.csv").read_text())[1].keys() == rows.keys()
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, values)
    np.testing.assert_array_equal(np.float32([row["features"] for row in told["pictures"]]), values)
    assert [row["name"] for row in told["pictures"]] == ["cat.jpg", "small.png"]
    assert told["columns"] == list(DEFAULT) == list(told["kernels"])
    assert [stage["op"] for stage in told["recipe"]["stages"]] == ["conv2d", "relu"]


def test_a_bad_picture_is_told_and_the_others_go_on(cli, photos):
    result = cli("features", "photos", "missing.png", "--bank", "lesson")

    _, rows = table(result.stdout)
    assert result.exit_code == 1
    assert list(rows) == [f"p{i}.png" for i in range(10) if i != 7]
    assert [line.split(":")[0] for line in result.stderr.splitlines()][:2] == ["missing.png", "photos/p7.png"]
    assert "9 pictures, 5 features each, 2 failed" in result.stderr


@pytest.mark.parametrize("jobs", ["0", "1", "2", "5"])
def test_the_same_bytes_for_any_number_of_workers_and_any_order(shell, photos, jobs):
    (photos / "p7.png").unlink()
    words = "--global-kind both --pyramid 1,2 -q"
    wanted = shell(f"poolcli features photos --jobs 0 {words}")
    assert wanted.returncode == 0, wanted.stderr
    found = shell(f"poolcli features $(ls -r photos/*.png) --jobs {jobs} {words}")
    assert found.returncode == 0, found.stderr
    assert found.stdout == wanted.stdout


def test_a_permutation_of_the_pictures_changes_no_vector(cli, photos):
    names = [f"photos/p{i}.png" for i in (0, 1, 2)]
    _, one = table(cli("features", *names).stdout)
    _, other = table(cli("features", *names[::-1]).stdout)
    _, alone = table(cli("features", names[1]).stdout)
    for name, row in one.items():
        np.testing.assert_array_equal(other[name], row)
    np.testing.assert_array_equal(alone["p1.png"], one["p1.png"])


def test_pictures_of_one_name_are_told_apart_by_their_folders(cli, here, photos):
    (here / "other").mkdir()
    shutil.copy(photos / "p1.png", here / "other" / "p1.png")
    _, rows = table(cli("features", "photos/p1.png", "other", "photos/p2.png").stdout)
    assert set(rows) == {"photos/p1.png", "other/p1.png", "p2.png"}


def test_a_result_is_a_picture_where_it_is_named_and_none_in_a_folder(cli, here):
    assert cli("run", "cat.jpg", "-o", "made.png", "--no-figure").exit_code == 0
    assert list(table(cli("features", "made.png").stdout)[1]) == ["made.png"]
    result = cli("features", ".")
    assert list(table(result.stdout)[1]) == ["cat.jpg", "small.png"]
    assert "left out: 1 made by poolcli" in result.stderr


def test_files_from_include_and_exclude(cli, here, photos):
    (here / "list").write_text("photos/p1.png\nphotos/p2.png\n")
    assert list(table(cli("features", "--files-from", "list").stdout)[1]) == ["p1.png", "p2.png"]
    found = cli("features", "photos", "--include", "p[1-3].png", "--exclude", "p2.png")
    assert list(table(found.stdout)[1]) == ["p1.png", "p3.png"]


def test_one_kernel_a_bank_of_a_file_and_no_bank(cli, here):
    (here / "mine.toml").write_text('cross = "0 1 0; 1 1 1; 0 1 0"\n"a, b" = [[1, -1]]\n')
    assert table(cli("features", "cat.jpg", "--kernel", "edge").stdout)[0] == ["name", "edge"]
    assert table(cli("features", "cat.jpg", "--kernel", "1 -1").stdout)[0] == ["name", "kernel"]
    assert table(cli("features", "cat.jpg", "--bank", "mine.toml").stdout)[0] == ["name", "cross", "a, b"]
    header, rows = table(cli("features", "cat.jpg", "--bank", "none", "--channels", "each").stdout)
    assert header == ["name", "input.0", "input.1", "input.2"]
    with Image.open(here / "cat.jpg") as image:
        means = np.asarray(image).astype(np.float64).mean(axis=(0, 1)) / 255
    np.testing.assert_allclose(rows["cat.jpg"], means, rtol=1e-6)


def test_channels_that_differ_are_told(cli):
    result = cli("features", "cat.jpg", "small.png", "--channels", "each", "--bank", "lesson")
    assert result.exit_code == 1
    assert list(table(result.stdout)[1]) == ["cat.jpg"]
    assert "small.png: 5 features, cat.jpg has 15: the channels differ" in result.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "no INPUT"),
        (["-"], 2, "-: files and folders expected"),
        (["cat.jpg", "--bank", "edges"], 2, "bank 'edges'"),
        (["cat.jpg", "--bank", "gone.toml"], 2, "bank 'gone.toml': No such file"),
        (["cat.jpg", "--bank", "lesson", "--kernel", "edge"], 2, "--bank with --kernel"),
        (["cat.jpg", "--size", "3"], 2, "size without a pooling step"),
        (["cat.jpg", "--pyramid", "1,1"], 2, "pyramid '1,1'"),
        (["cat.jpg", "--global-kind", "median"], 2, "median"),
        (["cat.jpg", "-o", "v.txt"], 2, "output 'v.txt': write a name ending in .csv, .npy or .json"),
        (["cat.jpg", "-o", "no/v.csv"], 1, "no/v.csv"),
        (["gone.jpg"], 1, "gone.jpg: No such file"),
        (["cat.jpg", "--pool", "max", "--size", "2000"], 1, "cat.jpg: pooling: "),
        (["empty"], 1, "no pictures found"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(cli, here, words, code, said):
    (here / "empty").mkdir()
    result = cli("features", *words)
    assert result.exit_code == code
    (line,) = (line for line in result.stderr.splitlines() if said in line)
    assert len(line) < 400
    assert result.stdout == ""


def test_an_existing_file_is_replaced_with_force_only_and_an_input_never(cli, here, files):
    (here / "v.csv").write_text("kept")
    before = files()
    result = cli("features", "cat.jpg", "-o", "v.csv")
    assert result.exit_code == 1
    assert "v.csv: exists already" in result.stderr
    np.save(here / "x.npy", np.zeros((4, 4), np.float32))
    assert cli("features", "x.npy", "-o", "x.npy", "-f").exit_code == 2
    assert files() == {**before, "x.npy": (here / "x.npy").read_bytes()}
    assert cli("features", "cat.jpg", "-o", "v.csv", "--force").exit_code == 0
    assert (here / "v.csv").read_text().startswith("name,edge,")


def test_a_picture_that_cannot_be_measured_leaves_no_file(cli, here, files):
    (here / "bad.png").write_bytes(b"no picture")
    before = files()
    assert cli("features", "bad.png", "-o", "v.csv").exit_code == 1
    assert files() == before


def test_the_figure_of_one_picture_and_those_of_several(cli, here, photos):
    assert cli("features", "cat.jpg", "--figure", "one.png", "-q").exit_code == 0
    result = cli("features", "cat.jpg", "photos", "--exclude", "p[3-6].png", "--figure", "f.png", "-o", "v.csv")
    assert result.exit_code == 1  # p7.png is damaged
    assert "wrote v.csv, f.png, f-1.png, f-2.png, f-3.png, f-4.png, f-6.png, f-7.png" in result.stderr
    for name in ("one.png", "f.png", "f-1.png"):
        with Image.open(here / name) as image:
            assert image.format == "PNG"
            assert "Description" in image.text
    with Image.open(here / "f-1.png") as image, Image.open(here / "one.png") as alone:
        np.testing.assert_array_equal(np.asarray(image), np.asarray(alone))


def test_figures_exist_already_or_have_another_suffix(cli, here, files):
    (here / "f-2.png").write_bytes(b"kept")
    before = files()
    assert cli("features", "cat.jpg", "--figure", "f.jpg").exit_code == 2
    result = cli("features", "cat.jpg", "small.png", "--figure", "f.png", "-o", "v.csv")
    assert result.exit_code == 1
    assert "f-2.png: exists already" in result.stderr
    assert files() == before


def test_of_many_pictures_the_vectors_alone_are_drawn(cli, here):
    for number in range(17):
        Image.fromarray(np.full((5, 6), number, np.uint8)).save(here / f"n{number}.png")
    result = cli("features", ".", "--include", "n*.png", "--figure", "f.png", "--jobs", "0", "-o", "v.npy")
    assert result.exit_code == 0
    assert sorted(path.name for path in here.glob("f*.png")) == ["f.png"]
    with Image.open("f.png") as figure:
        assert "each of 20 kernels, same, cross-correlation → ReLU → global average" in figure.text["Description"]


def test_verbose_tells_each_picture_and_a_fault_of_ours_costs_one(cli, monkeypatch):
    def broken(work, path):
        raise ZeroDivisionError

    monkeypatch.setattr(module.extraction.__globals__["Extraction"], "vector", broken)
    result = cli("features", "cat.jpg", "-vv")
    assert result.exit_code == 1
    assert "cat.jpg: ZeroDivisionError" in result.stderr
    assert "Traceback" in result.stderr


def test_names_that_are_no_text_are_escaped(cli, here):
    shutil.copy(here / "small.png", here / "new\nline,x.png")
    result = cli("features", "new\nline,x.png")
    assert list(table(result.stdout)[1]) == ["new\nline,x.png"]


def test_figures_of_more_pictures_than_before_are_removed_and_foreign_ones_are_not(cli, here):
    shutil.copy("small.png", "other.png")
    shutil.copy("small.png", "f-7.png")
    assert cli("features", "small.png", "other.png", "--figure", "f.png").exit_code == 0
    assert {"f-1.png", "f-2.png"} <= set(os.listdir())
    assert cli("features", "small.png", "--figure", "f.png", "--force").exit_code == 0
    assert sorted(name for name in os.listdir() if name.startswith("f")) == ["f-7.png", "f.png"]
