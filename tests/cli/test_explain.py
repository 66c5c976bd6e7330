"""`poolcli explain`: its output in every format, and what it refuses."""

import json

import numpy as np
import pytest
from PIL import Image

from poolcli.explanation.demos import DEMO_MATRICES

A = "1 2 3 4; 5 6 7 8; 9 10 11 12; 13 14 15 16"


def test_the_text_has_shapes_formula_and_every_window(cli):
    result = cli("explain", "--matrix", A)

    assert result.exit_code == 0
    assert result.stderr == ""
    assert "4x4 -> 2x2, 4 windows" in result.stdout
    assert "why 2? floor((4 - 2)/2) + 1 = 2" in result.stdout
    assert "[0,0]  max(1, 2, 5, 6) = 6, from [1,1]" in result.stdout
    assert "torch.nn.MaxPool2d(2, stride=2)" in result.stdout
    assert 'keras.layers.MaxPooling2D(2, strides=2, padding="valid")' in result.stdout


def test_one_row_and_its_columns_are_counted_in_words(cli):
    result = cli("explain", "--matrix", "1 2", "--size", "1")

    assert "why 1 row? " in result.stdout
    assert "why 2 columns? " in result.stdout


def test_the_question_of_the_lesson(cli, here):
    np.save(here / "big.npy", np.zeros((398, 398), np.uint8))
    result = cli("explain", "big.npy", "--padding", "same")

    assert "why 199? ceil(398/2) = 199, pad 0" in result.stdout
    assert "39,601 windows" in result.stdout
    assert "--crop" in result.stdout


def test_224_rows_have_12544_windows(cli, here):
    np.save(here / "cat.npy", np.zeros((224, 224), np.uint8))

    assert "12,544 windows" in cli("explain", "cat.npy").stdout


def test_json_has_every_cell_as_promised(cli):
    result = cli("explain", "--matrix", A, "--json")
    (stage,) = json.loads(result.stdout)["stages"]

    assert {key: stage[key] for key in stage if key != "cells"} == {
        "name": "pool2d",
        "title": "Condense (MaxPool)",
        "shape": [2, 2],
        "size": [2, 2],
        "stride": [2, 2],
        "padding": "valid",
        "pads": [[0, 0], [0, 0]],
        "dilation": [1, 1],
        "formula": ["floor((4 - 2)/2) + 1 = 2"] * 2,
        "windows": 4,
        "unread": {"rows": 0, "cols": 0},
    }
    assert stage["cells"][0] == {
        "at": [0, 0],
        "rows": [0, 1],
        "cols": [0, 1],
        "values": [[1, 2], [5, 6]],
        "padded": 0,
        "result": 6,
        "winner": [1, 1],
        "ties": 1,
        "arithmetic": "max(1, 2, 5, 6) = 6",
    }


def test_json_of_padding_has_null_and_of_a_large_map_no_cells(cli, here):
    cell = json.loads(cli("explain", "--matrix", A, "--padding", "1", "--stride", "1", "--json").stdout)["stages"][0][
        "cells"
    ][0]
    assert cell["values"] == [[None, None], [None, 1]]
    assert cell["padded"] == 3

    np.save(here / "large.npy", np.zeros((130, 130)))
    stage = json.loads(cli("explain", "large.npy", "--json").stdout)["stages"][0]
    assert stage["windows"] == 65 * 65
    assert "cells" not in stage
    (cropped,) = json.loads(cli("explain", "large.npy", "--crop", "0,0,128x128", "--json").stdout)["stages"]
    assert len(cropped["cells"]) == 4096


def test_values_of_a_picture_are_its_own(cli, small):
    record = json.loads(cli("explain", "small.png", "--crop", "3,5,4x6", "--range", "byte", "--json").stdout)

    assert record["input"] == {"name": "small.png", "shape": [4, 6], "picture": [24, 40], "crop": [3, 5, 4, 6]}
    held = [cell["values"] for cell in record["stages"][0]["cells"]]
    part = small[3:7, 5:11]
    assert held == [part[r : r + 2, c : c + 2].tolist() for r in (0, 2) for c in (0, 2, 4)]


def damaged(header, cells=b"\0" * 32):
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + cells


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (damaged(b"{'descr': '<f8', 'fortran_order': F(lse, 'shape': (2, 2), }\n"), "damaged NPY file"),
        (damaged(b"{'descr': '<f8', 'fortran_order': False, 'shape': (900000, 900000), }\n"), "truncated NPY file"),
        (damaged(b"{'descr': '<f8', 'fortran_order': False, 'shape': (2, 0), }\n"), "array of shape (2, 0)"),
        (damaged(b"{'descr': '<f8', 'fortran_order': False, 'shape': (4,), }\n"), "array of shape (4,)"),
        (damaged(b"{'descr': '<c8', 'fortran_order': False, 'shape': (2, 2), }\n"), "array of type complex64"),
        (b"\x93NUMPY", "damaged NPY file"),
        (b"", "damaged NPY file"),
    ],
)
def test_a_damaged_matrix_or_kernel_file_is_told_in_one_line(cli, here, data, message):
    (here / "m.npy").write_bytes(data)
    done = cli("explain", "--matrix", "m.npy")

    assert done.exit_code == 1
    assert f"matrix m.npy: {message}" in done.stderr
    assert done.stderr.count("\n") == 1
    kernel = cli("explain", "--matrix", "1 2; 3 4", "--kernel", "m.npy")
    assert kernel.exit_code == 2
    assert "kernel 'm.npy': " in kernel.stderr


def test_a_crop_of_one_number_has_equal_sides(cli, small):
    done = cli("explain", "small.png", "--crop", "3,5,4", "--json")

    assert done.exit_code == 0
    assert json.loads(done.stdout)["input"]["crop"] == [3, 5, 4, 4]


def test_a_demo_has_its_own_windows_unless_options_are_given(cli):
    assert "   4  5\n   7  8\n" in cli("explain", "--demo", "d2l").stdout
    assert "   5   7\n   13  15\n".replace("5   7", " 5   7") in cli("explain", "--demo", "D2L-padding").stdout
    assert "   10\n" in cli("explain", "--demo", "d2l-padding", "--size", "3").stdout
    assert "   2  7\n   5  9\n" in cli("explain", "--demo", "tensorflow").stdout


def test_the_demos_are_listed_with_their_sources(cli):
    listed = cli("list", "demos").stdout

    for name, demo in DEMO_MATRICES.items():
        assert name in listed
        assert demo.source in listed


def test_one_window_is_followed_back_to_the_picture(cli):
    result = cli("explain", "--matrix", A, "--kernel", "edge", "--window", "0,1")

    assert "[0,1] of Condense (MaxPool)" in result.stdout
    assert "of Filter" in result.stdout
    assert "of the input" in result.stdout


@pytest.mark.parametrize("suffix", ["txt", "png", "svg", "gif", "html"])
def test_the_suffix_chooses_what_is_written(cli, here, suffix):
    result = cli("explain", "--matrix", A, "-o", f"a.{suffix}")

    assert result.exit_code == 0
    assert result.stdout == ""
    assert result.stderr == f"wrote a.{suffix}\n"
    data = (here / f"a.{suffix}").read_bytes()
    assert data.startswith(
        {"txt": b"matrix: 4x4", "png": b"\x89PNG", "svg": b"<?xml", "gif": b"GIF89a", "html": b"<!DOC"}[suffix]
    )
    again = cli("explain", "--matrix", A, "-o", f"a.{suffix}")
    assert again.exit_code == 1
    assert "a." + suffix in again.stderr
    assert cli("explain", "--matrix", A, "-o", f"a.{suffix}", "-f", "-q").stderr == ""
    assert (here / f"a.{suffix}").read_bytes() == data


@pytest.mark.parametrize("rows", ["1 2\n3 4", "1 2;\n3 4;\n", "1,2\n3,4", " 1 2 ; 3 4 "])
def test_rows_end_with_a_semicolon_or_a_line(cli, rows):
    assert "max(1, 2, 3, 4) = 4" in cli("explain", "--matrix", rows).stdout


def test_a_matrix_may_be_a_file(cli, here):
    (here / "m.csv").write_text("1,2\n3,4\n")
    (here / "m.txt").write_text("# four\n1 2\n3 4\n")
    np.save(here / "m.npy", np.array([[1, 2], [3, 4]], np.uint8))

    for name in ("m.csv", "m.txt", "m.npy"):
        assert "max(1, 2, 3, 4) = 4" in cli("explain", "--matrix", name).stdout


def test_a_matrix_of_a_spreadsheet_has_its_rows_and_columns(cli, here):
    (here / "m.csv").write_text("1;2\n3;4\n")
    assert "m.csv" not in cli("explain", "--matrix", "m.csv").stderr
    assert "max(1, 2, 3, 4) = 4" in cli("explain", "--matrix", "m.csv").stdout
    (here / "m.csv").write_text("1,5;2,5\n3;4\n")
    assert "'1,5' is no number" in cli("explain", "--matrix", "m.csv").stderr


def test_a_picture_may_come_from_stdin(shell):
    done = shell("poolcli explain - --crop 0,0,2x2 --range byte < small.png")

    assert done.returncode == 0
    assert done.stdout.startswith(b"stdin: 2x2, rows 0 to 1 and columns 0 to 1 of 24x40")


def test_a_page_of_a_large_picture_shows_the_middle(cli, here):
    result = cli("explain", "cat.jpg", "-o", "cat.html")

    assert "--crop 86,161,128x128" in result.stderr
    assert (here / "cat.html").stat().st_size < 300_000


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "nothing to explain: give one of IMAGE, --matrix and --demo"),
        (("cat.jpg", "--demo", "a"), "IMAGE and --demo to explain"),
        (("1 2; 3 4",), "IMAGE '1 2; 3 4' is no file; write --matrix before it"),
        (("--matrix", "1 2; 3"), "rows of 2, 1 numbers"),
        (("--matrix", "1 x; 3 4"), "'x' is no number"),
        (("--matrix", "1_0 2; 3 4"), "'1_0' is no number"),
        (("--matrix", "１ 2; 3 4"), "'１' is no number"),
        (("--matrix", "1,2 3; 4,5 6"), "spaces and commas both separate numbers"),
        (("--matrix", "1;;2"), "an empty cell is no number"),
        (("--matrix", " "), "matrix ' ': no numbers in it"),
        (("--matrix", "empty.csv"), "matrix empty.csv: no numbers in it"),
        (("--demo", "tensorflo"), "did you mean 'tensorflow'?"),
        (("cat.jpg", "--crop", "1,2"), "write TOP,LEFT,HEIGHTxWIDTH"),
        (("cat.jpg", "--crop", "1,2,0x3"), "sides of at least 1"),
        (("cat.jpg", "--crop", "1,2,0"), "sides of at least 1"),
        (("cat.jpg", "--crop", "1,2,３x3"), "write TOP,LEFT,HEIGHTxWIDTH"),
        (("cat.jpg", "--crop", "1,2,3x"), "write TOP,LEFT,HEIGHTxWIDTH"),
        (("cat.jpg", "--crop", "-1,2,2x3"), "write TOP,LEFT,HEIGHTxWIDTH"),
        (("cat.jpg", "--window", "1"), "write ROW,COLUMN"),
        (("cat.jpg", "-o", "x.pdf"), "write a name ending in .txt, .png, .svg, .gif, .html"),
        (("cat.jpg", "-o", "x.png", "--every", "2"), "write -o FILE.gif"),
        (("cat.jpg", "-o", "x.gif", "--window", "0,0"), "shows all windows"),
    ],
)
def test_wrong_usage_is_exit_2(cli, here, files, words, message):
    (here / "empty.csv").write_text("# nothing\n\n")
    before = files()
    result = cli("explain", *words)

    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""
    assert files() == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("cat.jpg", "--crop", "299,0,2x2"), "cat.jpg: crop 299,0,2x2: rows 299 to 300"),
        (("--matrix", "1 2; 3 4", "--crop", "0,0,3x1"), "of a 2x2 picture"),
        (("--matrix", "1 2; 3 4", "--size", "3"), "smaller than the 3x3 window"),
        (("cat.jpg", "--crop", "0,0,2x2", "--size", "3"), "smaller than the 3x3 window"),
        (("--matrix", "1 2; 3 4", "--window", "1,0"), "its map is 1x1, write 0,0 to 0,0"),
        (("--matrix", "1 nan; 3 4"), "NaN"),
        (("--matrix", "1 1e39; 3 4"), "too large for float32"),
        (("--matrix", "none.csv"), "No such file"),
        (("none.png",), "none.png: "),
        (("cat.jpg", "-o", "cat.png"), "cat.jpg: 300x451: a number grid shows up to 16x16"),
        (("cat.jpg", "-o", "none/x.txt"), "none/x.txt: "),
    ],
)
def test_a_picture_that_does_not_fit_is_exit_1_and_one_line(cli, files, words, message):
    before = files()
    result = cli("explain", *words)

    assert result.exit_code == 1
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""
    assert files() == before


def test_the_input_is_never_overwritten(cli, here):
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(here / "same.png")
    result = cli("explain", "same.png", "-o", "same.png", "-f")

    assert result.exit_code != 0
    with Image.open(here / "same.png") as image:
        assert image.size == (4, 4)


def test_channels_are_explained_one_after_the_other(cli, here):
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    Image.fromarray(pixels).save(here / "rgb.png")
    words = ("rgb.png", "--channels", "each", "--range", "byte")
    text = cli("explain", *words).stdout
    assert text.startswith("3 channels, each by itself: red, green, blue\n\nrgb.png, red: 4x4\n")
    found = [line.split("= ")[1].split(",")[0] for line in text.splitlines() if line.strip().startswith("[")]
    assert [float(value) for value in found] == np.moveaxis(pixels[1::2, 1::2], -1, 0).ravel().tolist()
    record = json.loads(cli("explain", *words, "--json").stdout)
    assert record["input"]["channels"] == ["red", "green", "blue"]
    assert [stage["channel"] for stage in record["stages"]] == ["red", "green", "blue"]
    assert [stage["cells"][3]["result"] for stage in record["stages"]] == [45, 46, 47]
    assert "channels" not in json.loads(cli("explain", "--matrix", A, "--json").stdout)["input"]
    one = cli("explain", *words, "--window", "1,0").stdout
    assert one.count("max(") == 3
    large = cli("explain", "cat.jpg", "--channels", "each").stdout
    assert large.count("cat.jpg, red") == 1
    assert "green: " not in large


@pytest.mark.parametrize("suffix", ["txt", "png", "svg", "gif", "html"])
def test_channels_in_every_format(cli, here, suffix):
    words = ("cat.jpg", "--channels", "each", "--crop", "10,20,6x6", "--kernel", "edge", "-o", f"a.{suffix}", "-q")
    assert cli("explain", *words).exit_code == 0
    if suffix in ("png", "gif"):
        with Image.open(here / f"a.{suffix}") as image:
            assert getattr(image, "n_frames", 1) == (9 if suffix == "gif" else 1)
    data = (here / f"a.{suffix}").read_bytes()
    assert suffix in ("png", "gif", "svg") or b"green" in data


@pytest.mark.parametrize("suffix", ["txt", "png", "html", "gif"])
def test_a_crop_is_of_the_resized_picture(cli, here, suffix):
    words = ("cat.jpg", "--recipe", "kaggle-exercise", "--crop", "390,10,9x8", "-q")
    assert cli("explain", *words, "-o", f"a.{suffix}").exit_code == 0
    record = json.loads(cli("explain", *words, "--json").stdout)
    assert record["input"]["picture"] == [400, 400]
    assert record["recipe"]["resize"] == [400, 400]
    assert [stage["shape"] for stage in record["stages"]] == [[7, 6], [7, 6], [4, 3]]


@pytest.mark.parametrize("suffix", ["txt", "png", "gif", "html"])
@pytest.mark.filterwarnings("error")
def test_values_beyond_float32_are_infinite_and_no_warning(cli, here, suffix):
    words = ("--matrix", "3e38 3e38; 3e38 -3e38", "--pool", "sum", "--stride", "1")
    result = cli("explain", *words, "-o", f"a.{suffix}")
    assert (result.exit_code, result.stderr) == (0, f"wrote a.{suffix}\n")
