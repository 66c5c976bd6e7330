"""`poolcli invariance`: the table, JSON, CSV, the figure, and what is refused."""

import csv
import io
import json
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

KEYS = ["distinct", "unchanged", "cosine", "control", "score", "largest_change"]


@pytest.fixture
def record(cli):
    """The object of --json."""

    def call(*words):
        done = cli("invariance", *words, "--json")
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout)

    return call


def test_the_lessons_circle_without_any_word(cli, files):
    done = cli("invariance")
    assert done.exit_code == 0
    assert done.stdout == ""
    first, header, *rows = done.stderr.splitlines()
    assert first == (
        "circle64: 49 shifts of up to 3 pixels (replicate: the edge pixel repeated); control: a square around the circle"
    )
    assert header.split() == [
        "level", "shape", "pool", "distinct", "unchanged", "cosine", "control", "score", "largest", "change",
    ]  # fmt: skip
    cells = [row.split() for row in rows]
    assert [row[2] for row in cells] == ["-", *["max", "average", "blur", "subsample"] * 4]
    assert [row[3] for row in cells if row[2] in ("-", "max")] == ["49", "49", "49", "45", "1"]
    last = next(row for row in cells if row[:3] == ["4", "4x4", "max"])
    assert last[3:] == ["1", "of", "49", "100", "%", "1.0000", "1.0000", "n/a", "0"]
    vanished = next(row for row in cells if row[:3] == ["4", "4x4", "subsample"])
    assert vanished[8:] == ["empty", "empty", "n/a", "1"]
    assert set(files()) == {"cat.jpg", "small.png"}


def test_json_has_every_level_and_kind(record):
    told = record("--demo", "circle128", "--levels", "5", "--pools", "MAX,avg", "--max-shift", "8")
    assert (told["input"], told["shifts"], told["max_shift"], told["fill"]) == ("circle128", 289, 8, "replicate")
    assert [level["level"] for level in told["levels"]] == [0, 1, 2, 3, 4, 5]
    assert [level["shape"] for level in told["levels"]] == [[128 >> n] * 2 for n in range(6)]
    for level in told["levels"]:
        assert list(level) == ["level", "shape", "pools"]
        assert list(level["pools"]) == ["max", "average"]
        assert all(list(one) == KEYS for one in level["pools"].values())
    assert [level["pools"]["max"]["distinct"] for level in told["levels"]] == [289, 289, 289, 265, 125, 1]
    last = told["levels"][5]["pools"]["max"]
    assert (last["score"], last["cosine"], last["unchanged"], last["largest_change"]) == (None, 1.0, 1.0, 0.0)


def test_csv_has_the_numbers_of_json(cli, here, record):
    told = record("--csv", "table.csv")
    assert told["files"] == {"csv": "table.csv"}
    rows = list(csv.DictReader(io.StringIO((here / "table.csv").read_text())))
    assert list(rows[0]) == ["level", "shape", "pool", "shifts", *KEYS]
    assert len(rows) == 5 * 4
    found = iter(rows)
    for level in told["levels"]:
        for kind, numbers in level["pools"].items():
            row = next(found)
            assert (row["level"], row["pool"]) == (str(level["level"]), kind)
            assert row["shape"] == "{}x{}".format(*level["shape"])
            assert {key: row[key] for key in KEYS} == {
                key: "n/a" if numbers[key] is None else str(numbers[key]) for key in KEYS
            }
    assert cli("invariance", "-q", "--csv", "-").stdout == (here / "table.csv").read_text()


def test_the_same_bytes_for_any_number_of_threads(cli, here):
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (700, 900), np.uint8)).save(here / "noise.png")
    made = [
        cli("invariance", "noise.png", "--kernel", "edge", "--max-shift", "1", "--threads", n, "--json", "-q").stdout
        for n in (1, 2, 5)
    ]
    assert made[0]
    assert len(set(made)) == 1
    tables = [cli("invariance", "--csv", "-", "--threads", n).stdout for n in (1, 3)]
    assert tables[0] == tables[1]


def test_a_photograph_is_cropped_and_a_fill_keeps_its_size(cli, record):
    crops = record("cat.jpg", "--kernel", "edge")
    assert (crops["fill"], crops["view"]) == (None, [294, 445])
    assert crops["levels"][0]["shape"] == [292, 443]  # no padding: zeros around a crop would be a frame
    scores = [level["pools"] for level in crops["levels"]]
    assert scores[1]["subsample"]["score"] < scores[1]["average"]["score"] < scores[1]["max"]["score"]
    assert scores[1]["max"]["score"] < scores[1]["blur"]["score"]
    said = "makes a frame that no shift moves"
    assert said not in cli("invariance", "cat.jpg", "--kernel", "edge", "--levels", "1").stderr
    words = ("cat.jpg", "--fill", "zero", "--kernel", "edge", "--levels", "1", "--pools", "max")
    assert said in cli("invariance", *words).stderr
    assert said not in cli("invariance", *words, "--conv-padding-mode", "replicate").stderr
    assert said not in cli("invariance", *words, "--conv-padding", "valid").stderr
    filled = record("cat.jpg", "--kernel", "edge", "--fill", "WRAP", "--pools", "max", "--levels", "1")
    assert (filled["fill"], filled["levels"][0]["shape"]) == ("wrap", [300, 451])


def test_the_scores_in_the_readme_are_those_of_its_command(record):
    told = record("cat.jpg", "--kernel", "edge")["levels"]
    lines = (Path(__file__).parents[2] / "README.md").read_text("utf-8").splitlines()
    start = lines.index("| pooling | " + " | ".join("{}x{}".format(*level["shape"]) for level in told) + " |")
    for kind, line in zip(("max", "average", "blur", "subsample"), lines[start + 2 :], strict=False):
        name, *scores = [cell.strip() for cell in line.strip("|").split("|")]
        assert name.startswith(f"`{kind}`")
        for score, level in zip(scores, told, strict=True):
            decimals = len(score) - 2
            assert round(level["pools"][kind]["score"], decimals) == float(score)


def test_a_circle_given_as_a_file_is_the_demo_when_it_is_filled(record, here):
    from poolcli.experiments.demo_pictures import DEMO_PICTURES

    circle, square = DEMO_PICTURES["circle64"].draw()
    Image.fromarray(circle).save(here / "circle.png")
    Image.fromarray(square).save(here / "square.png")
    told = record("circle.png", "--against", "square.png", "--fill", "replicate")
    assert told["levels"] == record()["levels"]
    assert told["control"] == "square.png"


def test_the_picture_and_its_control_are_resized_first(record, here):
    told = record("cat.jpg", "--against", "small.png", "--resize", "60x50", "-o", "a.png")
    assert (told["view"], told["recipe"]["resize"]) == ([54, 44], [60, 50])
    assert [level["shape"] for level in told["levels"]] == [[54, 44], [27, 22], [13, 11], [6, 5], [3, 2]]
    with Image.open("a.png") as image:
        assert "resized to 60x50" in image.info["Description"]


def test_kinds_whose_maps_have_another_shape_tell_it(record, here):
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (27, 27), np.uint8)).save(here / "odd.png")
    level = record("odd.png", "--fill", "zero", "--ceil", "--pools", "max,blur", "--levels", "1")["levels"][1]
    assert level["shape"] == [14, 14]
    assert "shape" not in level["pools"]["max"]
    assert level["pools"]["blur"]["shape"] == [13, 13]


def test_settings_of_a_recipe_and_its_parameters(record):
    told = record(
        "small.png", "--kernel", "blur", "--no-relu", "--size", "3", "--stride", "2", "--pools", "lp,percentile", "--q", "90",
        "--levels", "2",
    )  # fmt: skip
    steps = told["recipe"]["stages"]
    assert [step["op"] for step in steps] == ["conv2d", "pool2d"]
    assert (steps[1]["size"], steps[1]["stride"], steps[1]["repeat"]) == ([3, 3], [2, 2], 2)
    assert [level["shape"] for level in told["levels"]] == [[16, 32], [7, 15], [3, 7]]
    assert record("cat.jpg", "--recipe", "kaggle-tutorial", "--levels", "1")["levels"][1]["shape"] == [146, 222]


@pytest.mark.parametrize("fmt", ["png", "svg", "pdf"])
def test_figures_can_be_read_again(cli, here, fmt):
    done = cli("invariance", "-o", f"shifts.{fmt}")
    assert done.exit_code == 0
    assert done.stderr.splitlines()[-1] == f"wrote shifts.{fmt}"
    data = (here / f"shifts.{fmt}").read_bytes()
    assert data.startswith({"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[fmt])
    if fmt == "png":
        with Image.open(here / "shifts.png") as image:
            said = image.info["Description"].splitlines()
        assert said[-4] == "max: 49 of 49 · 0.13, 49 of 49 · 0.34, 49 of 49 · 0.65, 45 of 49 · 0.71, 1 of 49 · n/a"


def test_figure_and_table_are_written_together(cli, files):
    told = json.loads(cli("invariance", "--pools", "max", "-o", "a.png", "--csv", "a.csv", "--json", "-q").stdout)
    assert told["files"] == {"figure": "a.png", "csv": "a.csv"}
    assert set(files()) == {"cat.jpg", "small.png", "a.png", "a.csv"}
    done = cli("invariance", "--pools", "max", "-o", "b.png", "--csv", "a.csv")
    assert done.exit_code == 1
    assert "a.csv: exists" in done.stderr
    assert "b.png" not in files()
    assert cli("invariance", "--pools", "max", "-o", "b.png", "--csv", "a.csv", "-f").exit_code == 0


def test_a_picture_on_stdin(cli, here):
    data = (here / "small.png").read_bytes()
    words = ("--levels", "2", "--csv", "-", "-q")
    assert cli("invariance", "-", *words, input=data).stdout == cli("invariance", "small.png", *words).stdout


@pytest.mark.parametrize("name", ["circle64", "circle128", "two-dots", "two-dots-far"])
def test_demos_are_listed_and_run(cli, name):
    assert f"\n{name} " in cli("list", "demos").stdout
    assert cli("invariance", "--demo", name.upper(), "--levels", "3").exit_code == 0


def test_help_says_what_every_column_means_and_what_crops_do_to_the_padding(cli):
    said = cli("invariance", "--help").stdout
    columns = said[said.index("Columns of the table") :]
    for name in (*KEYS[:-1], "largest change", "empty"):
        assert f"\n    {name} " in columns
    assert "which the filter gets without padding" in " ".join(said.split())


def test_what_a_dot_promises_is_told_with_v(cli):
    assert (
        "stays in its window of 3x3 with probability 5/9"
        in cli("invariance", "--size", "3", "--levels", "2", "-v").stderr
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["small.png", "--demo", "circle64"], "IMAGE and --demo: give one of them"),
        (["circle64"], "IMAGE 'circle64': no such file; the demo of this name is --demo circle64"),
        (["--demo", "circle65"], "did you mean 'circle64'?"),
        (["--pools", "max,nix"], "nix"),
        (["--pools", "max,max"], "max is named twice"),
        (["--max-shift", "0"], "--max-shift"),
        (["--levels", "0"], "--levels"),
        (["--fill", "reflect"], "'replicate', 'zero', 'wrap'"),
        (["--q", "3"], "q belongs to percentile"),
        (["--repeat", "2"], "--repeat"),
        (["small.png", "--recipe", "lenet"], "ends with its only pool2d"),
        (["-o", "k.jpg"], "write a name ending in .png, .svg, .pdf"),
        (["--csv", "-", "--json"], "both would go to stdout"),
        (["-", "--against", "-"], "stdin can be read only once"),
    ],
)
def test_what_is_wrong_for_any_picture_exits_2(cli, files, words, said):
    before = files()
    done = cli("invariance", *words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
    assert "distinct" not in done.stderr  # refused before any work
    assert files() == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["missing.png"], "missing.png: "),
        (["small.png", "--against", "missing.png"], "missing.png: "),
        (["small.png", "--max-shift", "12"], "small.png: 24x40 is too small to be cropped to views shifted by up to 12"),
        (["small.png", "--max-shift", "24", "--fill", "zero"], "write --max-shift 23"),
        (["small.png", "--levels", "5"], "small.png: 5 levels of max are too many for views of 18x34"),
        (["--levels", "7"], "circle64: 7 levels of max are too many for views of 64x64"),
        (["small.png", "--against", "cat.jpg"], "cat.jpg: 300x451, but small.png is 24x40: give a picture of the same size"),
        (["small.png", "--against", "color.png", "--channels", "each"], "color.png: 3 channels, but small.png has 1"),
        (["small.png", "-o", "a.png", "--csv", "./a.png"], "two outputs have this name"),
        (["small.png", "--max-pixels", "9"], "small.png: "),
    ],
)  # fmt: skip
def test_what_is_wrong_for_this_picture_is_one_line(cli, here, files, words, said):
    Image.fromarray(np.zeros((24, 40, 3), np.uint8)).save(here / "color.png")
    before = files()
    done = cli("invariance", *words)
    assert done.exit_code == (2 if "two outputs" in said else 1)
    assert said in done.stderr
    assert done.stdout == ""
    if done.exit_code == 1:
        assert len(done.stderr.splitlines()) == 1
    assert files() == before


def test_the_picture_and_its_control_are_never_replaced(cli, here, files):
    Image.fromarray(np.zeros((24, 40), np.uint8)).save(here / "other.png")
    before = files()
    for name in ("small.png", "other.png"):
        done = cli("invariance", "small.png", "--against", "other.png", "--levels", "2", "-o", name, "-f")
        assert done.exit_code == 2
        assert f"{name}: " in done.stderr
    assert files() == before


@pytest.mark.parametrize(("least", "terminal", "shown"), [(0, True, True), (0, False, False), (1 << 40, True, False)])
def test_long_work_tells_on_a_terminal_how_far_it_is(monkeypatch, here, least, terminal, shown):
    from poolcli.cli import invariance
    from poolcli.cli.console import Console
    from poolcli.experiments.invariance import leveled_recipes
    from poolcli.images.read import read

    stream = io.StringIO()
    stream.isatty = lambda: terminal
    monkeypatch.setattr(invariance, "LONG", least)
    monkeypatch.setattr(invariance.sys, "stderr", stream)
    recipes, console = leveled_recipes(["max", "min"], {}, 1), Console(quiet=False, verbose=0)
    with invariance._progress(read(here / "small.png"), recipes, {"max_shift": 1}, console) as done:
        done(7)
    assert ("7/18" in stream.getvalue()) == shown


def test_with_v_and_no_terminal_a_line_tells_how_far_it_is(monkeypatch, cli):
    from poolcli.cli import progress
    from poolcli.experiments import invariance

    measured = invariance.MapsSeen.add

    def slow(*args):
        measured(*args)
        time.sleep(0.05)

    monkeypatch.setattr(progress, "SECONDS", 0.02)
    monkeypatch.setattr(invariance.MapsSeen, "add", slow)
    assert " of 49 copies pooled after 0 s" in cli("invariance", "--pools", "max", "-v").stderr
    assert "copies pooled" not in cli("invariance", "--pools", "max").stderr


def test_help_names_the_filters_own_padding(cli):
    words = " ".join(cli("invariance", "--help").stdout.split())

    assert "[default: same for a demo and with --fill; valid for crops of IMAGE]" in words
