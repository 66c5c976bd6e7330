"""`poolcli run` on valid pictures: the files can be opened and hold the right numbers."""

import io
import json
import os
import re

import numpy as np
import pytest
from PIL import Image

from poolcli import __version__

SAVED = {
    "png": "PNG",
    "jpg": "JPEG",
    "jpeg": "JPEG",
    "tif": "TIFF",
    "tiff": "TIFF",
    "webp": "WEBP",
    "bmp": "BMP",
    "pgm": "PPM",
    "PNG": "PNG",
}


def maximum(x, h=2, w=2):
    rows, cols = x.shape[0] // h, x.shape[1] // w
    return x[: rows * h, : cols * w].reshape(rows, h, cols, w).max((1, 3))


def opened(path):
    with Image.open(path) as image:
        image.load()
        return image


def test_the_default_writes_result_and_figure_beside_each_other_in_the_current_folder(cli, files, small):
    result = cli("run", "small.png")

    assert result.exit_code == 0
    assert result.stdout_bytes == b""
    assert set(files()) == {"cat.jpg", "small.png", "small.pooled.png", "small.figure.png"}
    image = opened("small.pooled.png")
    assert (image.format, image.mode) == ("PNG", "L")
    np.testing.assert_array_equal(np.asarray(image), maximum(small))
    assert opened("small.figure.png").format == "PNG"


def test_results_of_a_picture_elsewhere_still_go_to_the_current_folder(cli, here):
    (here / "photos").mkdir()
    os.rename("small.png", "photos/small.png")

    assert cli("run", "photos/small.png", "--no-figure").exit_code == 0
    assert sorted(os.listdir()) == ["cat.jpg", "photos", "small.pooled.png"]
    assert os.listdir("photos") == ["small.png"]


def test_the_figure_stands_beside_the_result(cli, here):
    (here / "out").mkdir()

    assert cli("run", "small.png", "-o", "out/result.tif").exit_code == 0
    assert sorted(os.listdir("out")) == ["result.figure.png", "result.tif"]


def test_an_existing_folder_takes_the_default_names(cli, here):
    (here / "out").mkdir()
    (here / "out.png").mkdir()

    assert cli("run", "small.png", "-o", "out").exit_code == 0
    assert sorted(os.listdir("out")) == ["small.figure.png", "small.pooled.png"]
    assert cli("run", "small.png", "-o", "out.png/").exit_code == 0
    assert sorted(os.listdir("out.png")) == ["small.figure.png", "small.pooled.png"]


@pytest.mark.parametrize("suffix", SAVED)
def test_the_suffix_chooses_the_format(cli, small, suffix):
    assert cli("run", "small.png", "-o", f"out.{suffix}", "--no-figure").exit_code == 0

    image = opened(f"out.{suffix}")
    assert image.format == SAVED[suffix]
    exact = suffix not in ("jpg", "jpeg")
    np.testing.assert_allclose(np.asarray(image.convert("L")), maximum(small), atol=0 if exact else 12)


def test_npy_and_npz_hold_raw_float32(cli, small):
    expected = maximum(small).astype(np.float32) * np.float32(1 / 255)
    assert cli("run", "small.png", "-o", "out.npy", "--no-figure").exit_code == 0
    assert cli("run", "small.png", "-o", "out.npz", "--no-figure").exit_code == 0

    for values in (np.load("out.npy"), np.load("out.npz")["output"]):
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values, expected)


def test_float_tif_holds_raw_float32_unclipped(cli, small):
    assert (
        cli(
            "run",
            "small.png",
            "-o",
            "out.tif",
            "--depth",
            "float",
            "--no-figure",
            "--kernel",
            "edge",
            "--no-relu",
            "--size",
            1,
        ).exit_code
        == 0
    )
    assert (
        cli("run", "small.png", "-o", "out.npy", "--no-figure", "--kernel", "edge", "--no-relu", "--size", 1).exit_code
        == 0
    )

    image = opened("out.tif")
    values = np.load("out.npy")
    assert image.mode == "F"
    assert values.min() < 0 < 1 < values.max()
    np.testing.assert_array_equal(np.asarray(image), values)


def test_the_lesson_in_one_line_is_filter_detect_condense(cli, small):
    """Against plain numpy: cross-correlation with zeros around, ReLU, 2x2 maximum, on 0...1."""
    assert (
        cli(
            "run", "small.png", "-o", "out.npy", "--no-figure", "--kernel", "edge", "--pool", "max", "--size", 2
        ).exit_code
        == 0
    )

    wide = np.pad(small.astype(np.int64), 1)
    around = sum(wide[i : i + 24, j : j + 40] for i in range(3) for j in range(3))
    edges = np.maximum(9 * small.astype(np.int64) - around, 0)
    np.testing.assert_array_equal(np.load("out.npy"), maximum(edges).astype(np.float32) * np.float32(1 / 255))


def test_sizes_are_height_by_width(cli, small):
    cli("run", "small.png", "-o", "out.pgm", "--no-figure", "--size", "3x2")
    np.testing.assert_array_equal(np.asarray(opened("out.pgm")), maximum(small, 3, 2))

    cli("run", "small.png", "-o", "resized.pgm", "--no-figure", "--size", 1, "--resize", "10x20")
    assert opened("resized.pgm").size == (20, 10)

    cli("run", "small.png", "-o", "adaptive.pgm", "--no-figure", "--output-size", "-x7")
    assert opened("adaptive.pgm").size == (7, 24)


def test_a_pipe_gives_the_same_bytes_as_a_file(cli, files):
    data = files()["small.png"]
    piped = cli("run", "-", "-o", "-", "--kernel", "edge", input=data)
    saved = cli("run", "-", "-o", "out.png", "--kernel", "edge", "--no-figure", input=data)

    assert piped.exit_code == saved.exit_code == 0
    assert piped.stdout_bytes[:1] == b"\x89"
    assert piped.stdout_bytes == files()["out.png"]
    assert "out.png" not in piped.stderr
    assert sorted(files()) == ["cat.jpg", "out.png", "small.png"], "no figure with -o -"


@pytest.mark.parametrize("name", ["png", "jpg", "tif", "webp", "bmp", "pgm", "npy", "npz"])
def test_format_names_the_format_of_stdout(cli, files, small, name):
    result = cli("run", "small.png", "-o", "-", "--format", name, "-q")
    cli("run", "small.png", "-o", f"file.{name}", "--no-figure")

    assert result.exit_code == 0
    stream = io.BytesIO(result.stdout_bytes)
    if name in ("npy", "npz"):
        loaded = np.load(stream)
        values = loaded["output"] if name == "npz" else loaded
        np.testing.assert_array_equal(values, maximum(small).astype(np.float32) * np.float32(1 / 255))
    else:
        with Image.open(stream) as image:
            assert image.size == (20, 12)
    if name != "npz":  # a zip file holds the time
        assert result.stdout_bytes == files()[f"file.{name}"]


def test_the_stem_of_stdin_is_stdin(cli, files):
    result = cli("run", "-", input=files()["small.png"])

    assert result.exit_code == 0
    assert {"stdin.pooled.png", "stdin.figure.png"} < set(files())


def test_a_file_called_minus_is_reached_with_its_folder(cli, files):
    os.rename("small.png", "-")

    assert cli("run", "./-", "--no-figure", "-o", "out.png").exit_code == 0
    assert "out.png" in files()


def test_a_figure_can_go_beside_a_result_on_stdout(cli):
    result = cli("run", "small.png", "-o", "-", "--figure", "f.png")

    assert result.exit_code == 0
    with Image.open(io.BytesIO(result.stdout_bytes)) as image:
        assert image.size == (20, 12)
    assert opened("f.png").format == "PNG"


@pytest.mark.parametrize(
    ("suffix", "head"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF-"), ("PNG", b"\x89PNG")]
)
def test_the_figure_is_png_svg_or_pdf(cli, files, suffix, head):
    result = cli("run", "small.png", "--figure", f"f.{suffix}", "--kernel", "edge")

    assert result.exit_code == 0
    assert files()[f"f.{suffix}"].startswith(head)
    assert "small.figure.png" not in files()


def test_json_is_one_object_of_the_stated_shape(cli, small):
    result = cli("run", "small.png", "--json", "--kernel", "edge", "--repeat", 2, "--stages", "st")

    assert result.exit_code == 0
    record = json.loads(result.stdout)
    assert set(record) == {"poolcli", "input", "recipe", "recipe_hash", "stages", "files", "seconds"}
    assert record["poolcli"] == __version__
    assert record["input"]["source"] == "small.png"
    assert record["input"]["shape"] == [24, 40]
    assert record["input"]["mean"] == pytest.approx(small.mean() / 255, rel=1e-6)
    assert [stage["name"] for stage in record["stages"]] == ["conv2d", "relu", "pool2d", "pool2d"]
    assert [stage["shape"] for stage in record["stages"]] == [[24, 40], [24, 40], [12, 20], [6, 10]]
    for stage in record["stages"]:
        assert stage["min"] <= stage["mean"] <= stage["max"]
        assert 0 <= stage["active"] <= 1
    assert record["stages"][-1]["receptive_field"] == [6, 6]
    assert record["stages"][-1]["total_stride"] == [4, 4]
    assert re.fullmatch(r"[0-9a-f]{16}", record["recipe_hash"])
    assert 0 < record["seconds"] < 60
    written = [record["files"]["result"], record["files"]["figure"], *record["files"]["stages"]]
    assert all(os.path.getsize(name) for name in written)


def test_the_recipe_in_json_can_be_used_as_one(cli, files):
    record = json.loads(
        cli("run", "small.png", "--json", "--no-figure", "--kernel", "1 2; 3 4", "--pool", "lp", "--p", "inf").stdout
    )
    with open("printed.json", "w", encoding="utf-8") as file:
        json.dump(record["recipe"], file, allow_nan=False)

    assert cli("run", "small.png", "--recipe", "printed.json", "-o", "again.png", "--no-figure").exit_code == 0
    assert files()["again.png"] == files()["small.pooled.png"]


def test_no_number_in_json_is_nan_or_infinite(cli):
    np.save("zero.npy", np.zeros((4, 4), np.float32))
    result = cli("run", "zero.npy", "--json", "--no-figure", "--kernel", "1e300 1e300", "-o", "o.npy")

    def refuse(word):
        raise AssertionError(word)

    json.loads(result.stdout, parse_constant=refuse)


def test_the_table_is_on_stderr_only_and_names_every_step(cli):
    result = cli("run", "small.png", "--kernel", "edge", "--repeat", 2, "--no-figure")

    assert result.stdout == ""
    for word in (
        "Input",
        "Filter edge",
        "Detect (ReLU)",
        "Condense (MaxPool) 1",
        "Condense (MaxPool) 2",
        "24x40",
        "6x10",
    ):
        assert word in result.stderr
    last = next(line for line in result.stderr.splitlines() if line.startswith("Condense (MaxPool) 2"))
    assert last.split()[-2:] == ["6x6", "4"], "receptive field and step"
    assert "small.pooled.png" in result.stderr
    assert "\x1b" not in result.stderr


def test_the_table_says_which_rows_and_columns_no_window_reads(cli):
    result = cli("run", "small.png", "--size", 3, "--repeat", 2, "--no-figure")  # 24x40, 8x13, 2x4

    header, *rows = [line.rstrip() for line in result.stderr.splitlines()[:4]]
    assert header.endswith("step  unread")
    assert [row.split()[-1] for row in rows] == ["0x1", "2x1", "9"]
    assert "unread" not in cli("run", "small.png", "--force", "--no-figure").stderr


def test_quiet_says_nothing(cli):
    result = cli("run", "small.png", "-q")

    assert (result.exit_code, result.output) == (0, "")


def test_quiet_still_says_errors_and_still_prints_json(cli):
    assert cli("run", "missing.png", "-q").stderr.startswith("missing.png: ")
    assert json.loads(cli("run", "small.png", "-q", "--json", "--no-figure").output)


def test_verbose_tells_the_recipe(cli):
    plain = cli("run", "small.png", "--no-figure", "-f").stderr
    loud = cli("run", "small.png", "--no-figure", "-f", "-v").stderr

    hash_ = json.loads(cli("run", "small.png", "--no-figure", "-f", "--json").stdout)["recipe_hash"]
    assert hash_ in loud
    assert hash_ not in plain


@pytest.mark.promise("A12")
def test_more_frames_than_one_are_noted_and_quiet_silences_the_note(cli, small):
    image = Image.fromarray(small)
    image.save("anim.gif", save_all=True, append_images=[Image.fromarray(255 - small)])

    assert "anim.gif: frame 1 of 2" in cli("run", "anim.gif", "--no-figure").stderr
    assert cli("run", "anim.gif", "--no-figure", "-f", "-q").stderr == ""


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg", "webp"])
def test_a_result_makes_itself_again(cli, files, suffix):
    options = [
        "--kernel",
        "0.5 -1 0.25; 0 1 1",
        "--pool",
        "percentile",
        "--q",
        "12.5",
        "--size",
        "3x2",
        "--stride",
        "2x1",
        "--range",
        "byte",
    ]
    assert cli("run", "cat.jpg", *options, "-o", f"first.{suffix}", "--no-figure").exit_code == 0
    os.makedirs("elsewhere")
    os.rename(f"first.{suffix}", "elsewhere/found")

    assert cli("run", "cat.jpg", "--recipe", "elsewhere/found", "-o", f"again.{suffix}", "--no-figure").exit_code == 0
    assert files()[f"again.{suffix}"] == files()["elsewhere/found"], "the pixels and the recipe they carry"


@pytest.mark.parametrize("suffix", ["bmp", "pgm", "npy"])
def test_formats_without_a_place_for_the_recipe_say_so(cli, suffix):
    cli("run", "small.png", "-o", f"first.{suffix}", "--no-figure")
    result = cli("run", "small.png", "--recipe", f"first.{suffix}")

    assert result.exit_code == 2
    assert f"first.{suffix}" in result.stderr
    assert "Error: " in result.stderr


def test_version_source_and_recipe_are_written_into_the_result(cli):
    cli("run", "small.png", "--no-figure")
    text = json.loads(opened("small.pooled.png").text["poolcli"])

    assert text["poolcli"] == __version__
    assert text["source"] == "small.png"
    assert text["recipe"]["stages"][0]["op"] == "pool2d"


def test_save_recipe_and_recipe_are_a_round_trip(cli, files):
    assert (
        cli(
            "run",
            "small.png",
            "--kernel",
            "emboss",
            "--blocks",
            2,
            "--resize",
            "30x33",
            "--save-recipe",
            "r.json",
            "--no-figure",
        ).exit_code
        == 0
    )
    assert (
        cli(
            "run", "small.png", "--recipe", "r.json", "-o", "again.png", "--save-recipe", "again.json", "--no-figure"
        ).exit_code
        == 0
    )

    assert files()["again.json"] == files()["r.json"]
    assert files()["again.png"] == files()["small.pooled.png"]


def test_an_option_wins_over_the_recipe_file(cli, small):
    cli("run", "small.png", "--size", 3, "--pool", "min", "--save-recipe", "r.json", "--no-figure", "-q")
    cli("run", "small.png", "--recipe", "r.json", "--pool", "max", "-o", "out.pgm", "--no-figure")

    np.testing.assert_array_equal(np.asarray(opened("out.pgm")), maximum(small, 3, 3))


def test_a_recipe_may_come_through_a_pipe(shell, files):
    line = """poolcli run small.png --size 3 --save-recipe r.json --no-figure -q &&
        poolcli run small.png --recipe <(cat r.json) -o again.png --no-figure -q"""
    done = shell(line)

    assert done.returncode == 0, done.stderr
    assert files()["again.png"] == files()["small.pooled.png"]


def test_named_recipes_run(cli):
    for name in ("kaggle-tutorial", "kaggle-exercise", "lenet"):
        assert cli("run", "cat.jpg", "--recipe", name, "-o", f"{name}.png", "--no-figure").exit_code == 0
    assert opened("kaggle-exercise.png").size == (199, 199)
    assert opened("kaggle-tutorial.png").size == (226, 150)


@pytest.mark.parametrize("kind", ["max", "min"])
def test_indices_are_the_positions_of_the_winners(cli, small, kind):
    assert (
        cli(
            "run",
            "small.png",
            "--pool",
            kind,
            "--size",
            "3x2",
            "--stride",
            "2x3",
            "--indices",
            "i.npy",
            "-o",
            "o.npy",
            "--no-figure",
        ).exit_code
        == 0
    )

    indices = np.load("i.npy")
    assert indices.dtype == np.int64
    best = getattr(np, f"arg{kind}")
    for i, j in np.ndindex(indices.shape):
        window = small[2 * i : 2 * i + 3, 3 * j : 3 * j + 2]
        row, col = divmod(int(best(window)), 2)
        assert indices[i, j] == (2 * i + row) * 40 + 3 * j + col
    np.testing.assert_array_equal(np.load("o.npy"), small.ravel()[indices].astype(np.float32) * np.float32(1 / 255))


def test_stages_are_every_map_as_picture_and_as_values(cli, small):
    assert (
        cli(
            "run", "small.png", "--kernel", "edge", "--repeat", 2, "--stages", "st", "--no-figure", "-o", "o.npy"
        ).exit_code
        == 0
    )

    names = ["0-input", "1-conv2d", "2-relu", "3-pool2d", "4-pool2d"]
    assert sorted(os.listdir("st")) == sorted(f"{n}.{s}" for n in names for s in ("npy", "png"))
    np.testing.assert_array_equal(np.load("st/0-input.npy"), small.astype(np.float32) * np.float32(1 / 255))
    np.testing.assert_array_equal(np.load("st/2-relu.npy"), np.maximum(np.load("st/1-conv2d.npy"), 0))
    np.testing.assert_array_equal(np.load("st/3-pool2d.npy"), maximum(np.load("st/2-relu.npy")))
    np.testing.assert_array_equal(np.load("st/4-pool2d.npy"), np.load("o.npy"))
    np.testing.assert_array_equal(np.asarray(opened("st/0-input.png")), small)


def test_pictures_of_stages_have_the_colours_of_the_figure(cli, here):
    """The figure shows a map of 24x40 cell by cell: each of its colours is the stage's picture, enlarged."""
    cli("run", "small.png", "--kernel", "edge", "--stages", "st", "-o", "o.png")
    figure = np.asarray(opened("o.figure.png"))
    for name in ("0-input", "1-conv2d", "2-relu"):
        picture = np.asarray(opened(f"st/{name}.png").convert("RGB"))
        times = next(k for k in range(20, 0, -1) if _holds(figure, picture[12].repeat(k, axis=0)))
        assert times > 1

    cli("run", "small.png", "--kernel", "edge", "--stages", "gray", "-o", "p.png", "--scale", "0,1", "--no-figure")
    relu = np.load("gray/2-relu.npy").astype(np.float64)
    np.testing.assert_array_equal(np.asarray(opened("gray/2-relu.png")), np.floor(np.clip(relu, 0, 1) * 255 + 0.5))


def _holds(figure, row):
    """Whether these pixels stand side by side somewhere."""
    bytes_of_row = row.tobytes()
    return any(bytes_of_row in line.tobytes() for line in figure)


def test_channels_each_pools_every_channel(cli):
    rgb = np.random.default_rng(1).integers(0, 256, (9, 11, 3), np.uint8)
    Image.fromarray(rgb).save("rgb.png")

    assert cli("run", "rgb.png", "--channels", "each", "--no-figure", "--pool", "min").exit_code == 0
    image = opened("rgb.pooled.png")
    assert image.mode == "RGB"
    expected = np.stack([-maximum(-rgb[..., c].astype(int)) for c in range(3)], -1)
    np.testing.assert_array_equal(np.asarray(image), expected)


@pytest.mark.promise("A8")
def test_sixteen_bits_stay_sixteen_bits(cli):
    deep = np.arange(0, 65536, 67, dtype=np.uint16)[:960].reshape(24, 40)
    Image.fromarray(deep).save("deep.png")

    cli("run", "deep.png", "--no-figure")
    image = opened("deep.pooled.png")
    assert image.mode == "I;16"
    np.testing.assert_array_equal(np.asarray(image), maximum(deep))
    cli("run", "deep.png", "--no-figure", "--depth", 8, "-o", "eight.png")
    np.testing.assert_array_equal(np.asarray(opened("eight.png")), np.floor(maximum(deep) / 257 + 0.5))


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        ("clip", [[0, 64], [255, 255]]),
        ("stretch", [[0, 96], [191, 255]]),
        ("0,2", [[0, 32], [128, 191]]),
        ("-1,1", [[64, 159], [255, 255]]),
    ],
)
def test_scale_says_how_values_become_pixels(cli, scale, expected):
    np.save("x.npy", np.array([[-0.5, 0.25], [1.0, 1.5]], np.float32))

    assert cli("run", "x.npy", "--size", 1, "--no-figure", "--scale", scale).exit_code == 0
    np.testing.assert_array_equal(np.asarray(opened("x.pooled.png")), expected)


def test_range_byte_clips_at_255(cli, small):
    cli("run", "small.png", "--range", "byte", "-o", "o.npy", "--no-figure")
    cli("run", "small.png", "--range", "byte", "-o", "o.png", "--no-figure")

    np.testing.assert_array_equal(np.load("o.npy"), maximum(small).astype(np.float32))
    np.testing.assert_array_equal(np.asarray(opened("o.png")), maximum(small))


@pytest.mark.promise("A20")
def test_the_number_of_threads_changes_no_byte(cli, files):
    for count in (1, 2, 3):
        cli(
            "run",
            "cat.jpg",
            "--kernel",
            "blur",
            "--pool",
            "average",
            "--size",
            3,
            "--threads",
            count,
            "-o",
            f"{count}.png",
            "--figure",
            f"{count}f.png",
        )
    saved = files()

    assert saved["1.png"] == saved["2.png"] == saved["3.png"]
    assert saved["1f.png"] == saved["2f.png"] == saved["3f.png"]


def test_force_replaces_and_keeps_the_permissions(cli, files):
    with open("small.pooled.png", "wb") as file:
        file.write(b"old")
    os.chmod("small.pooled.png", 0o640)

    assert cli("run", "small.png", "--no-figure", "-f").exit_code == 0
    assert files()["small.pooled.png"].startswith(b"\x89PNG")
    assert os.stat("small.pooled.png").st_mode & 0o777 == 0o640


def test_a_symbolic_link_is_followed_and_stays(cli, files):
    with open("real.png", "wb") as file:
        file.write(b"old")
    os.symlink("real.png", "link.png")

    assert cli("run", "small.png", "--no-figure", "-o", "link.png", "-f").exit_code == 0
    assert os.readlink("link.png") == "real.png"
    assert files()["real.png"].startswith(b"\x89PNG")


def test_background_lies_behind_transparent_pixels(cli):
    clear = np.zeros((4, 4, 4), np.uint8)
    Image.fromarray(clear).save("clear.png")

    cli("run", "clear.png", "--no-figure", "-o", "white.png")
    cli("run", "clear.png", "--no-figure", "-o", "black.png", "--background", "#000000")
    assert np.asarray(opened("white.png")).min() == 255
    assert np.asarray(opened("black.png")).max() == 0


def test_a_traceback_is_shown_from_vv_on_only(cli):
    for flags in ((), ("-v",)):
        assert "Traceback" not in cli("run", "missing.png", *flags).stderr
    result = cli("run", "missing.png", "-vv")
    assert "Traceback" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("missing.png: ")
    assert result.exit_code == 1


def test_values_beyond_white_are_told_of(cli):
    """An edge map goes far beyond 0 to 255: a picture is clipped, an array is not."""
    stderr = cli("run", "cat.jpg", "--kernel", "edge", "--range", "byte", "--no-figure", "-o", "o.png").stderr
    assert "values above 255, up to " in stderr
    assert "--scale stretch" in stderr
    for arguments in (["-o", "o.npy"], ["-o", "p.png", "--scale", "stretch"], ["-o", "f.tif", "--depth", "float"]):
        assert "values above" not in cli("run", "cat.jpg", "--kernel", "edge", "--no-figure", *arguments).stderr
    assert "values above" not in cli("run", "cat.jpg", "--no-figure", "-o", "plain.png").stderr


@pytest.mark.parametrize(("suffix", "told"), [("png", True), ("tif", False), ("npy", False)])
def test_values_beyond_the_scale_are_told_only_where_they_are_lost(cli, here, suffix, told):
    np.save(here / "numbers.npy", np.full((4, 4), 7.5, np.float32))

    result = cli("run", "numbers.npy", "-o", f"out.{suffix}", "--no-figure")

    assert result.exit_code == 0, result.stderr
    assert ("saved as white" in result.stderr) == told


def test_labels_are_exact_in_tiff(cli, here):
    np.save(here / "labels.npy", np.full((4, 4), 99_999_999, np.int32))

    result = cli("run", "labels.npy", "--pool", "mode", "--range", "raw", "-o", "out.tif", "--no-figure")

    assert result.exit_code == 0, result.stderr
    np.testing.assert_array_equal(np.asarray(Image.open(here / "out.tif")), np.full((2, 2), 99_999_999, np.int32))
