"""Refusals: the exit code, one line with what is wrong and what to write instead, and no files."""

import os
import struct
import zlib

import click
import numpy as np
import pytest
from hardfiles import saved
from PIL import Image

WRONG_FOR_ANY_PICTURE = {
    # arguments: what the message must hold
    ("--size", "0"): ("--size", "'0'", "at least 1"),
    ("--size", "-1"): ("--size", "'-1'", "at least 1"),
    ("--size", "1.5"): ("--size", "'1.5'", "HEIGHTxWIDTH"),
    ("--size", "3y2"): ("--size", "'3y2'", "HEIGHTxWIDTH"),
    ("--size", "2x"): ("--size", "'2x'"),
    ("--size", "2x2x2"): ("--size", "'2x2x2'"),
    ("--size", ""): ("--size", "''"),
    ("--size", "9" * 20): ("--size",),
    ("--size", "9" * 5000): ("--size",),
    ("--stride", "0"): ("--stride", "at least 1"),
    ("--stride", "-2"): ("--stride", "at least 1"),
    ("--dilation", "0"): ("--dilation", "at least 1"),
    ("--padding", "foo"): ("--padding", "'foo'", "same-lower"),
    ("--padding", "-1"): ("--padding", "'-1'"),
    ("--padding", "1,2,3"): ("--padding", "'1,2,3'", "TOP,BOTTOM,LEFT,RIGHT"),
    ("--padding", "2"): ("padding 2", "a window of 2 allows 1"),
    ("--padding", "0,2,0,0"): ("padding", "a window of 2 allows 1"),
    ("--pool", "maxx"): ("--pool", "'maxx'", "did you mean 'max'"),
    ("--pool", ""): ("--pool", "average"),
    ("--p", "2"): ("p", "'max'", "lp"),
    ("--q", "50", "--pool", "average"): ("q", "'average'", "percentile"),
    ("--q", "2", "--pool", "lp"): ("q", "its parameter is p"),
    ("--p", "0", "--pool", "lp"): ("above 0",),
    ("--p", "-1", "--pool", "lp"): ("above 0",),
    ("--p", "nan", "--pool", "lp"): ("above 0",),
    ("--q", "101", "--pool", "percentile"): ("from 0 to 100",),
    ("--q", "-1", "--pool", "percentile"): ("from 0 to 100",),
    ("--q", "x", "--pool", "percentile"): ("--q", "'x'"),
    ("--repeat", "0"): ("--repeat", "1"),
    ("--repeat", "1.5"): ("--repeat",),
    ("--repeat", "99999999"): ("99999999 steps",),
    ("--repeat", "100", "--blocks", "100"): ("10000 steps",),
    ("--blocks", "0"): ("--blocks",),
    ("--blocks", "-3"): ("--blocks",),
    ("--kernel", "edgy"): ("--kernel", "'edgy'", "did you mean 'edge'"),
    ("--kernel", "zzz"): ("--kernel", "emboss", ".npy"),
    ("--kernel", "1 2; 3"): ("--kernel", "2, 1", "one length"),
    ("--kernel", "1 nan; 3 4"): ("--kernel",),
    ("--kernel", "1e999"): ("--kernel", "finite"),
    ("--kernel", "1,,2"): ("--kernel", "empty cell"),
    ("--kernel", "- 1"): ("--kernel", "'-'"),
    ("--kernel", ""): ("--kernel", "edge"),
    ("--kernel", ";"): ("--kernel", "no numbers"),
    ("--kernel", "missing.txt"): ("--kernel", "missing.txt", "No such file"),
    ("--kernel", "cat.jpg"): ("--kernel", "cat.jpg"),
    ("--conv-stride", "2"): ("conv stride", "add a kernel"),
    ("--conv-padding", "same"): ("conv padding", "add a kernel"),
    ("--kernel", "edge", "--conv-stride", "0"): ("--conv-stride", "at least 1"),
    ("--kernel", "edge", "--conv-padding", "-1"): ("--conv-padding",),
    ("--kernel", "edge", "--conv-dilation", "0"): ("--conv-dilation",),
    ("--count-include-pad",): ("count include pad", "average"),
    ("--global-pool", "--size", "3"): ("global pool excludes size",),
    ("--global-pool", "--stride", "3"): ("global pool excludes stride",),
    ("--global-pool", "--padding", "same"): ("global pool excludes padding",),
    ("--global-pool", "--dilation", "2"): ("global pool excludes dilation",),
    ("--global-pool", "--ceil"): ("global pool excludes ceil",),
    ("--global-pool", "--repeat", "2"): ("global pool excludes repeat",),
    ("--global-pool", "--output-size", "3"): ("exclude each other",),
    ("--output-size", "3", "--size", "3"): ("output size excludes size",),
    ("--output-size", "3", "--ceil"): ("output size excludes ceil",),
    ("--output-size", "0"): ("--output-size", "at least 1"),
    ("--output-size", "-3x2"): ("--output-size",),
    ("--output-size", "axb"): ("--output-size", "- keeps an axis"),
    ("--channels", "rgb"): ("--channels", "'gray', 'each'"),
    ("--range", "16"): ("--range",),
    ("--resize", "0x5"): ("--resize", "at least 1"),
    ("--resize", "100000x100000"): ("resize 100000x100000", "--max-pixels"),
    ("--resize-filter", "cubic"): ("--resize-filter", "bicubic"),
    ("--background", "nocolor"): ("nocolor", "#rrggbb"),
    ("--nan", "keep"): ("--nan", "zero"),
    ("--recipe", "kaggle"): ("kaggle", "kaggle-tutorial"),
    ("--recipe", "lennet"): ("lennet", "lenet"),
    ("--recipe", "missing.toml"): ("missing.toml", "no such recipe or file", "lenet"),
    ("--recipe", "."): ("recipe '.'", "directory"),
    ("--recipe", "cat.jpg"): ("cat.jpg", "carries no recipe"),
    ("--scale", "3,1"): ("--scale", "LO,HI"),
    ("--scale", "1,1"): ("--scale", "LO,HI"),
    ("--scale", "nan,1"): ("--scale", "LO,HI"),
    ("--scale", "0,inf"): ("--scale", "LO,HI"),
    ("--scale", "auto"): ("--scale", "stretch"),
    ("--depth", "12"): ("--depth", "16"),
    ("--depth", "float"): ("depth float", "png", "tif"),
    ("--depth", "16", "-o", "x.jpg"): ("depth 16", "jpg", "png"),
    ("-o", "x.gif"): ("x.gif", ".webp"),
    ("-o", "x"): ("'x'", "suffix"),
    ("-o", ""): ("--output is empty",),
    ("-o", "x.png", "--format", "jpg"): ("--format", "x.png"),
    ("-o", "-", "--format", "gif"): ("--format", "'gif'"),
    ("-o", "-", "--json"): ("--json", "stdout"),
    ("--figure", "x.jpg"): ("x.jpg", ".svg"),
    ("--figure", "x.png", "--no-figure"): ("--figure", "--no-figure"),
    ("--figure", "x.png", "-o", "x.png"): ("x.png", "different names"),
    ("--figure", "./x.png", "-o", "x.png"): ("x.png", "different names"),
    ("--indices", "x.npy", "-o", "x.npy"): ("x.npy", "different names"),
    ("--indices", "x.png"): ("x.png", ".npy"),
    ("--indices", "x.npy", "--pool", "average"): ("average", "max"),
    ("--save-recipe", "r.toml"): ("r.toml", ".json"),
    ("--threads", "0"): ("--threads",),
    ("--threads", "many"): ("--threads",),
    ("--max-pixels", "0"): ("--max-pixels",),
    ("--sise", "2"): ("--sise", "--size"),
    ("small.png",): ("small.png", "extra argument"),
    ("--no-relu",): None,  # nothing to switch off is no error
}


@pytest.mark.parametrize("arguments", WRONG_FOR_ANY_PICTURE, ids=lambda arguments: " ".join(arguments)[:60])
def test_wrong_usage_is_exit_2_with_one_error_line_and_writes_nothing(cli, files, arguments):
    words = WRONG_FOR_ANY_PICTURE[arguments]
    before = files()
    result = cli("run", "small.png", *arguments)

    if words is None:
        assert result.exit_code == 0
        return
    assert result.exit_code == 2, result.stderr
    assert result.stdout_bytes == b""
    *hint, line = result.stderr.splitlines()
    assert hint == ["Usage: poolcli run [OPTIONS] IMAGE", "Try 'poolcli run --help' for help.", ""]
    assert line.startswith("Error: ")
    for word in words:
        assert word in line
    assert files() == before


@pytest.mark.parametrize(
    "arguments",
    [
        ("--size", "0"),
        ("--background", "nocolor"),
        ("--p", "2"),
        ("--indices", "i.npy", "--pool", "average"),
        ("--resize", "100000x100000"),
    ],
)
@pytest.mark.promise("A13")
def test_what_is_wrong_for_any_picture_is_found_before_the_picture(cli, arguments):
    """Exit 2 even if the picture is missing: it is not opened."""
    result = cli("run", "missing.png", *arguments)

    assert result.exit_code == 2
    assert "missing.png" not in result.stderr


WRONG_FOR_THIS_PICTURE = {
    ("--size", "25"): "small.png: pooling: the 24x40 map is smaller than the 25x25 window",
    ("--size", "3x41"): "small.png: pooling: the 24x40 map is smaller than the 3x41 window",
    ("--size", "99999999"): "small.png: pooling: the 24x40 map is smaller than the 99999999x99999999 window",
    ("--size", "4", "--repeat", "4"): "small.png: repeat 3: the 1x2 map is smaller than the 4x4 window",
    ("--repeat", "900"): "small.png: repeat 5: the 1x2 map is smaller than the 2x2 window",
    ("--size", "2", "--dilation", "30"): "small.png: pooling: the 24x40 map is smaller than the 2x2 window",
    (
        "--kernel",
        "edge",
        "--conv-padding",
        "valid",
        "--resize",
        "2x2",
    ): "small.png: filter: the 2x2 map is smaller than the 3x3 ",
    (
        "--kernel",
        "edge",
        "--conv-padding",
        "valid",
        "--blocks",
        "9",
    ): "small.png: block 4, filter: the 1x3 map is smaller than the 3x3 ",
    (
        "--max-pixels",
        "959",
    ): "small.png: 24x40 (height x width) is 960 pixels; at most 959 are allowed; raise the limit with --max-pixels",
}


@pytest.mark.parametrize("arguments", WRONG_FOR_THIS_PICTURE, ids=lambda arguments: " ".join(arguments)[:60])
def test_wrong_for_this_picture_is_exit_1_with_one_line_and_writes_nothing(cli, files, arguments):
    before = files()
    result = cli("run", "small.png", *arguments)

    assert result.exit_code == 1, result.stderr
    (line,) = result.stderr.splitlines()
    assert line.startswith(WRONG_FOR_THIS_PICTURE[arguments])
    assert "; use a " in line or "; raise " in line, "what to write instead"
    assert files() == before


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


BOMB = (
    b"\x89PNG\r\n\x1a\n"
    + chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0))
    + chunk(b"IDAT", zlib.compress(b""))
    + chunk(b"IEND", b"")
)
NOISE = Image.fromarray(np.random.default_rng(2).integers(0, 256, (64, 64), np.uint8))


def damaged():
    """Name -> bytes of files that are no picture."""
    for kind in ("png", "jpeg", "tiff", "webp", "gif"):
        data = saved(NOISE, kind.upper())
        yield f"cut.{kind}", data[: len(data) // 2]
    yield "empty.png", b""
    yield "text.png", b"hello world\n"
    yield "page.jpg", b"<html><body>404</body></html>"
    yield "figure.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n"
    yield "bomb.png", BOMB
    yield (
        "cut.npy",
        b"\x93NUMPY\x01\x00v\x00{'descr': '|u1', 'fortran_order': False, 'shape': (4, 4), }".ljust(127) + b"\n",
    )


DAMAGED = dict(damaged())


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_no_picture_is_exit_1_with_one_line(cli, here, files, name):
    (here / name).write_bytes(DAMAGED[name])
    before = files()
    result = cli("run", name, "-o", "out.png")

    assert result.exit_code == 1
    assert result.stdout_bytes == b""
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"{name}: ")
    assert len(line) > len(name) + 8
    assert files() == before


@pytest.mark.promise("A14")
def test_a_bomb_is_refused_with_its_size_and_the_limit(cli, here):
    (here / "bomb.png").write_bytes(BOMB)
    line = cli("run", "bomb.png").stderr

    for word in ("60000x60000", "3,600,000,000", "178,956,970", "--max-pixels"):
        assert word in line


@pytest.mark.parametrize(
    "make",
    [
        os.mkdir,
        os.mkfifo,
        lambda name: os.symlink("nowhere", name),
        lambda name: os.symlink(name, name),
        lambda _: None,
    ],
    ids=["folder", "pipe", "dangling", "loop", "missing"],
)
@pytest.mark.promise("A16")
def test_what_is_no_file_is_exit_1_with_one_line(cli, make):
    make("thing.png")
    result = cli("run", "thing.png", "--no-figure")

    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("thing.png: ")


def test_an_empty_name_is_shown_as_one(cli):
    (line,) = cli("run", "").stderr.splitlines()[-1:]
    assert line != "No such file or directory", "it says of what"


def _names_of_files():
    from poolcli.cli.group import cli as group

    context = click.Context(group)
    for name in group.list_commands(context):
        for parameter in group.get_command(context, name).params:
            if isinstance(parameter, click.Option) and isinstance(parameter.type, click.Path):
                yield name, max(parameter.opts, key=len)


@pytest.mark.parametrize(("command", "option"), sorted(set(_names_of_files())))
def test_an_empty_name_of_a_file_is_wrong_usage(cli, here, files, command, option):
    before = sorted(os.listdir(here))
    result = cli(command, "in.png", option, "")
    assert result.exit_code == 2
    assert f"{option} is empty" in result.stderr
    assert sorted(os.listdir(here)) == before


@pytest.mark.parametrize("words", [["", "--demo", "a"], ["--demo", "a", "--matrix", ""], ["--matrix", ""]])
def test_explain_ignores_no_empty_value(cli, words):
    assert cli("explain", *words).exit_code == 2


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.promise("A9")
def test_values_that_are_not_finite_are_refused_or_read_as_zero(cli, files, bad):
    values = np.ones((4, 4), np.float32)
    values[:2, :2] = bad
    np.save("float.npy", values)
    before = files()
    result = cli("run", "float.npy", "--no-figure")

    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("float.npy: 4 values")
    assert "--nan zero" in line
    assert files() == before
    assert cli("run", "float.npy", "--nan", "zero", "-o", "o.npy", "--no-figure").exit_code == 0
    np.testing.assert_array_equal(np.load("o.npy"), [[0, 1], [1, 1]])


def test_many_channels_need_channels_each(cli):
    np.save("five.npy", np.zeros((4, 4, 5), np.uint8))
    result = cli("run", "five.npy", "-o", "o.npy")

    assert result.exit_code == 1
    assert "--channels each" in result.stderr
    assert cli("run", "five.npy", "-o", "o.npy", "--channels", "each", "--no-figure").exit_code == 0
    assert np.load("o.npy").shape == (2, 2, 5)
    assert cli("run", "five.npy", "-o", "o.png", "--channels", "each", "--no-figure").exit_code == 1


TARGETS = {
    "result": ["-o", "old.png", "--no-figure"],
    "figure": ["-o", "new.png", "--figure", "old.svg"],
    "indices": ["-o", "new.png", "--indices", "old.npy", "--no-figure"],
    "recipe": ["-o", "new.png", "--save-recipe", "old.json", "--no-figure"],
    "a stage": ["-o", "new.png", "--stages", "st", "--no-figure"],
    "the input's stage": ["-o", "new.png", "--stages", "in", "--no-figure"],
}


@pytest.mark.parametrize("what", TARGETS)
def test_an_existing_file_is_not_touched_and_nothing_else_is_written(cli, here, files, what):
    (here / "st").mkdir()
    (here / "in").mkdir()
    for name in ("old.png", "old.svg", "old.npy", "old.json", "st/1-pool2d.png", "in/0-input.npy"):
        (here / name).write_bytes(b"dear")
    before = files()
    times = {name: os.stat(name).st_mtime_ns for name in before}
    result = cli("run", "small.png", *TARGETS[what])

    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert "exists already" in line
    assert "--force" in line
    assert files() == before
    assert {name: os.stat(name).st_mtime_ns for name in files()} == times
    assert cli("run", "small.png", *TARGETS[what], "--force").exit_code == 0


@pytest.mark.parametrize("name", ["cat.jpg", "./cat.jpg", "../{}/cat.jpg", "soft.jpg", "hard.jpg", "chain.jpg"])
@pytest.mark.promise("A4")
def test_the_output_may_not_be_the_input_even_with_force(cli, here, files, name):
    os.symlink("cat.jpg", "soft.jpg")
    os.symlink("soft.jpg", "chain.jpg")
    os.link("cat.jpg", "hard.jpg")
    before = files()
    result = cli("run", "cat.jpg", "-o", name.format(here.name), "--force", "--no-figure")

    assert result.exit_code == 2
    assert "is the input itself" in result.stderr
    assert files() == before


@pytest.mark.promise("A4")
def test_the_input_may_be_a_link_to_the_output_too(cli, files):
    os.symlink("small.png", "soft.png")
    before = files()

    assert cli("run", "soft.png", "-o", "small.png", "--force", "--no-figure").exit_code == 2
    assert files() == before


@pytest.mark.parametrize("option", ["--figure", "--save-recipe", "--indices", "--stages"])
def test_no_other_result_may_be_the_input_either(cli, here, files, small, option):
    (here / "st").mkdir()
    name = {"--figure": "in.png", "--save-recipe": "in.json", "--indices": "in.npy", "--stages": "st/0-input.png"}[
        option
    ]
    Image.fromarray(small).save(here / name, "PNG")
    before = files()
    result = cli(
        "run",
        name,
        "-o",
        "out.png",
        option,
        "st" if option == "--stages" else name,
        "--force",
        *(() if option == "--figure" else ["--no-figure"]),
    )

    assert result.exit_code == 2
    assert "is the input itself" in result.stderr
    assert files() == before


def test_a_stage_may_not_be_another_result(cli, here, files):
    (here / "st").mkdir()
    for name in ("st/0-input.png", "st/1-pool2d.png"):
        assert cli("run", "small.png", "-o", name, "--stages", "st", "--no-figure").exit_code == 2
    assert sorted(files()) == ["cat.jpg", "small.png"]


@pytest.mark.parametrize("target", ["missing/out.png", "cat.jpg/out.png", "folder.png"])
def test_a_place_that_cannot_be_written_is_found_before_the_work(cli, here, files, target):
    (here / "folder.png").mkdir()
    before = files()
    result = cli("run", "missing.jpg", "-o", target, "--no-figure")

    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"{target}: "), "not the missing picture: that would have come later"
    assert files() == before


@pytest.mark.parametrize("folder", ["cat.jpg", "cat.jpg/st", "missing/st"])
def test_a_folder_for_the_stages_that_cannot_be_is_found_before_the_work(cli, files, folder):
    before = files()
    result = cli("run", "small.png", "-o", "out.png", "--no-figure", "--stages", folder)

    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"{folder}: ")
    assert files() == before


def test_an_unknown_key_of_a_recipe_file_is_named_with_the_nearest_known_one(cli, here):
    (here / "r.toml").write_text('[[stages]]\nop = "relu"\n[[stages]]\nop = "pool2d"\nsise = 3\n')
    (here / "s.json").write_text('{"stages": [{"op": "pool"}], "chanels": "each"}')

    assert (
        "recipe 'r.toml': stage 2: unknown key 'sise', did you mean 'size'?"
        in cli("run", "small.png", "--recipe", "r.toml").stderr
    )
    assert "did you mean 'channels'?" in cli("run", "small.png", "--recipe", "s.json").stderr


@pytest.mark.parametrize(
    "text",
    [
        '{"stages":' + "[" * 100000,
        "[" * 100000,
        "{",
        "x = ",
        "",
        "[]",
        "\x00",
        "\ufeff",
        '{"stages": [{"op": "conv2d", "kernel": "k.txt"}]}',
    ],
)
def test_a_recipe_file_that_is_none_is_one_error_line(cli, here, text):
    (here / "k.txt").write_text("1 2; 3 4")
    (here / "r.json").write_text(text, "utf-8")
    result = cli("run", "small.png", "--recipe", "r.json")

    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith("Error: recipe 'r.json': ")
    assert len(result.stderr.splitlines()) == 4


@pytest.mark.parametrize(
    "arguments",
    [
        ("--size", "3", "--stride", "1", "--padding", "same", "--repeat", "400"),
        ("--kernel", "identity", "--size", "1", "--blocks", "300"),
    ],
)
def test_several_hundred_steps_that_do_not_shrink_are_done(cli, arguments):
    assert cli("run", "small.png", *arguments, "--no-figure", "-q").exit_code == 0


ABSURD = [
    "--stride 9999999999999999999999999 --padding 1",
    "--size 1 --dilation 9999999999999999999999999",
    "--kernel edge --conv-padding 99999999999999999999",
    "--kernel edge --conv-padding 200000",
    "--output-size 1x999999999999",
    "--output-size 200000x200000",
]


@pytest.mark.parametrize("arguments", ABSURD)
@pytest.mark.promise("A13")
def test_absurd_numbers_end_at_once_in_at_most_one_error_line(shell, files, arguments):
    before = files()
    done = shell(f"ulimit -v 6000000; timeout 10 poolcli run small.png --no-figure -q -o out.npy {arguments}")

    if done.returncode:  # a stride beyond the picture is no error: there is one window
        assert done.returncode in (1, 2)
        assert done.stderr.decode().splitlines()[-1].split(": ")[0] in ("small.png", "Error")
        assert files() == before


OUTPUTS = {
    "result": ("run small.png", "-o", "made.png"),
    "figure": ("run small.png -o p.png", "--figure", "made.png"),
    "figure beside": ("run small.png", "--figure", "small.figure.png"),
    "ladder": ("run small.png --repeat 2 -o p.png", "--ladder", "made.png"),
    "indices": ("run small.png -o p.png", "--indices", "made.npy"),
    "recipe": ("run small.png -o p.png", "--save-recipe", "made.json"),
    "stages": ("run small.png -o p.png", "--stages", "made"),
    "comparison": ("compare small.png", "-o", "made.png"),
    "explanation": ("explain small.png --crop 0,0,4x4", "-o", "made.png"),
    "shifts": ("invariance small.png --max-shift 1 --levels 1", "--csv", "made.csv"),
    "curves": ("invariance small.png --max-shift 1 --levels 1", "-o", "made.png"),
    "vectors": ("features small.png", "-o", "made.csv"),
    "feature figure": ("features small.png", "--figure", "made.png"),
    "report": ("batch small.png -o out", "--report", "made.csv"),
    "sheet": ("batch small.png -o out", "--sheet", "made.png"),
}


@pytest.mark.parametrize("output", OUTPUTS)
def test_what_exists_is_refused_with_advice_that_works(cli, here, output):
    """The option that the message names, with another name, makes the command work."""
    command, option, name = OUTPUTS[output]
    words = command.split()
    here.joinpath(name).write_bytes(b"mine")
    if option == "--stages":
        here.joinpath(name).unlink()
        here.joinpath(name).mkdir()
        here.joinpath(name, "0-input.png").write_bytes(b"mine")
    given = [] if output == "figure beside" else [option, name]
    refused = cli(*words, *given)
    assert refused.exit_code == 1, refused.stderr
    (line,) = [line for line in refused.stderr.splitlines() if "exists already" in line]
    advised = line.partition("choose another name with ")[2].partition(",")[0]
    assert advised == option
    followed = cli(*words, advised, name.replace("made", "other").replace("small", "other"))
    assert followed.exit_code == 0, followed.stderr
    if option != "--stages":
        assert here.joinpath(name).read_bytes() == b"mine"


@pytest.mark.parametrize(
    "line",
    [
        "run small.png --kernel k.csv --save-recipe k.json",
        "run small.png --kernel k.csv --indices l.npy",
        "run small.png --recipe r.json --save-recipe r.json",
        "compare small.png --kernel k.npy -o k.png",
        "explain small.png --crop 0,0,8x8 --recipe r.png -o r.png",
        "invariance small.png --kernel k.csv --csv k.csv",
        "features small.png --bank k.npy -o k.npy",
        "features --files-from k.csv -o k.csv",
        "batch small.png -o out --kernel k.csv --report k.csv",
        "batch --files-from k.csv -o out --report k.csv",
        "batch small.png -o out --recipe r.png --sheet r.png",
    ],
)
def test_no_output_replaces_a_file_that_the_command_reads(cli, here, line):
    """Under its own name or through a link, and with --force."""
    here.joinpath("k.csv").write_text("small.png\n" if "--files-from" in line else "1,1\n1,1\n")
    np.save("k.npy", np.ones((3, 3)))
    assert cli("run", "small.png", "--no-figure", "-o", "r.png", "--save-recipe", "r.json").exit_code == 0
    words = line.split()
    at = next(i for i in range(len(words)) if words[i] in ("--kernel", "--recipe", "--bank", "--files-from")) + 1
    read, replaced = words[at], words[-1]
    if read != replaced:
        os.link(read, replaced)
    before = here.joinpath(read).read_bytes()
    refused = cli(*words, "--force")
    assert refused.exit_code == 2, refused.stderr
    assert f"{replaced}: is " in refused.stderr
    assert "choose another name" in refused.stderr
    assert here.joinpath(read).read_bytes() == before


def test_stages_are_not_written_to_stdout(cli, here, files):
    before = files()
    refused = cli("run", "small.png", "--stages", "-")
    assert refused.exit_code == 2
    assert "--stages -: maps are written into a folder; for a folder of that name give ./-" in refused.stderr
    assert files() == before
    assert cli("run", "small.png", "--stages", "./-").exit_code == 0


def test_a_missing_table_is_asked_for_in_one_line(cli, here):
    result = cli("list")
    assert result.exit_code == 2
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("Error")]
    assert line == (
        "Error: Missing argument 'TABLE'. Write one of pools, kernels, banks, recipes, formats, paddings or demos."
    )
