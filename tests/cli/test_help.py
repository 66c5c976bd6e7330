"""Help, examples, lists, suggestions and shell completion, all from the tables."""

import os
import re
import shlex
import shutil

import click
import pytest

from poolcli import __version__
from poolcli.cli.group import COMMANDS, cli
from poolcli.ops.banks import BANKS
from poolcli.ops.kernels import KERNELS
from poolcli.ops.pools import ALIASES, POOLS
from poolcli.pipeline.recipe import recipe_names

RUN = cli.get_command(None, "run")


def examples():
    for name in [None, *COMMANDS]:
        command = cli if name is None else cli.get_command(None, name)
        for line in (command.epilog or "").splitlines():
            if line.strip().startswith("poolcli "):
                yield name or "poolcli", line.strip()


EXAMPLES = list(examples())


def test_every_command_has_examples():
    assert {name for name, _ in EXAMPLES} == {"poolcli", *COMMANDS}


@pytest.mark.parametrize("line", sorted({line for _, line in EXAMPLES}))
def test_every_example_of_the_help_runs(here, shell, line):
    (here / "photos").mkdir()
    for name in ("cat.jpg", "small.png"):
        shutil.copy(here / name, here / "photos")
    done = shell(line)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_every_command_has_help(request, name, option):
    result = request.getfixturevalue("cli")(name, option)

    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: poolcli {name} ")
    assert result.stderr == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_the_summary_in_the_list_of_commands_is_the_commands_own(name):
    command = cli.get_command(None, name)

    assert command.get_short_help_str(200) == COMMANDS[name].summary
    assert (command.help or "").splitlines()[0] == COMMANDS[name].summary


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_in_the_help_with_words(request, name):
    text = request.getfixturevalue("cli")(name, "--help").stdout
    for param in cli.get_command(None, name).params:
        if isinstance(param, click.Option):
            assert param.help, param.name
            for option in param.opts + param.secondary_opts:
                assert re.search(rf"(^|[\s,/]){re.escape(option)}\b", text), option


PRODUCT = [
    "--kernel",
    "--conv-stride",
    "--conv-padding",
    "--conv-padding-mode",
    "--conv-dilation",
    "--relu",
    "--no-relu",
    "--pool",
    "--size",
    "--stride",
    "--dilation",
    "--padding",
    "--ceil",
    "--count-include-pad",
    "--repeat",
    "--blocks",
    "--global-pool",
    "--output-size",
    "--channels",
    "--range",
    "--resize",
    "--resize-filter",
    "--background",
    "--nan",
    "--recipe",
    "--save-recipe",
    "-o",
    "--output",
    "--format",
    "--figure",
    "--no-figure",
    "--scale",
    "--depth",
    "--indices",
    "--stages",
    "-f",
    "--force",
    "--json",
    "-q",
    "-v",
    "--threads",
    "--max-pixels",
]


@pytest.mark.parametrize("option", PRODUCT)
def test_run_has_every_option_of_its_description(option):
    assert option in {o for param in RUN.params for o in (*param.opts, *param.secondary_opts)}


def test_every_parameter_of_a_kind_has_its_option():
    options = {o for param in RUN.params for o in param.opts}
    assert {f"--{one.name}" for pool in POOLS.values() for one in pool.parameters} <= options


def test_help_lists_the_commands_and_fits_80_columns(request):
    call = request.getfixturevalue("cli")
    for words in ((), ("run",), ("list",)):
        text = call(*words, "--help", env={"COLUMNS": "80"}, terminal_width=80).stdout
        wide = [line for line in text.splitlines() if len(line) > 80 and not line.strip().startswith("poolcli ")]
        assert wide == []
    for name in COMMANDS:
        assert name in call("--help").stdout


def test_version_is_one_line(request):
    assert request.getfixturevalue("cli")("--version").stdout == f"poolcli {__version__}\n"


def test_no_command_is_help_and_exit_2(request):
    result = request.getfixturevalue("cli")()

    assert result.exit_code == 2
    assert "Usage: poolcli" in result.stderr + result.stdout


@pytest.mark.parametrize(
    ("word", "meant"), [("rnu", "run"), ("runn", "run"), ("lst", "list"), ("ls", "list"), ("lists", "list")]
)
def test_a_command_that_is_nearly_one_is_suggested(request, word, meant):
    result = request.getfixturevalue("cli")(word)

    assert result.exit_code == 2
    assert f"Did you mean {meant!r}?" in result.stderr


def test_a_command_that_is_like_none_lists_them_all(request):
    result = request.getfixturevalue("cli")("xyzzy")

    assert result.exit_code == 2
    assert all(name in result.stderr for name in COMMANDS)


def test_a_picture_in_the_place_of_a_command_is_met_with_the_command(request):
    result = request.getfixturevalue("cli")("cat.jpg")

    assert result.exit_code == 2
    assert "poolcli run cat.jpg" in result.stderr


@pytest.mark.parametrize(
    ("word", "meant"),
    [("--kernal", "--kernel"), ("--strid", "--stride"), ("--out", "--output"), ("--no-figur", "--no-figure")],
)
def test_an_option_that_is_nearly_one_is_suggested(request, word, meant):
    result = request.getfixturevalue("cli")("run", "cat.jpg", word, "2")

    assert result.exit_code == 2
    assert meant in result.stderr


@pytest.mark.parametrize(
    ("what", "names"),
    [
        ("pools", [*POOLS, *ALIASES]),
        ("kernels", KERNELS),
        ("banks", [*BANKS, *BANKS["default"].kernels]),
        ("recipes", recipe_names()),
        ("formats", ["png", "npy", "webp"]),
        ("demos", ["a", "b", "tensorflow", "d2l"]),
    ],
)
def test_list_shows_the_tables_on_stdout(request, what, names):
    result = request.getfixturevalue("cli")("list", what)

    assert result.exit_code == 0
    assert result.stderr == ""
    for name in names:
        assert re.search(rf"\b{re.escape(name)}\b", result.stdout)
    assert len({len(line.split("  ")[0]) > 0 for line in result.stdout.splitlines()}) == 1


def test_list_without_or_with_another_word_names_what_there_is(request):
    for words in ((), ("colours",)):
        result = request.getfixturevalue("cli")("list", *words)
        assert result.exit_code == 2
        assert "pools" in result.stderr


@pytest.mark.parametrize("of", ["bash", "zsh", "fish"])
def test_the_completion_script_is_printed(shell, of):
    done = shell("poolcli", {"_POOLCLI_COMPLETE": f"{of}_source"})

    assert done.returncode == 0
    assert b"_POOLCLI_COMPLETE" in done.stdout
    assert done.stderr == b""


def completions(request, line):
    words = shlex.split(line)
    if line.endswith(" "):
        words.append("")
    result = request.getfixturevalue("shell")(
        "poolcli", {"_POOLCLI_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    )
    assert result.stderr == b""
    return [item.split(",", 1)[1] for item in result.stdout.decode().splitlines()]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("poolcli ", list(COMMANDS)),
        ("poolcli run --pool ", [*POOLS, *ALIASES]),
        ("poolcli run --pool m", [name for name in [*POOLS, *ALIASES] if name.startswith("m")]),
        ("poolcli compare cat.jpg --pools ", list(POOLS)),
        ("poolcli compare cat.jpg --pools max,av", ["max,average"]),
        (
            "poolcli compare cat.jpg --pools max,m",
            [f"max,{name}" for name in POOLS if name[0] == "m" and name != "max"],
        ),
        ("poolcli run --kernel ", list(KERNELS)),
        ("poolcli run --kernel sobel-l", ["sobel-left"]),
        ("poolcli features --bank ", [*BANKS, "none"]),
        ("poolcli run --recipe ", recipe_names()),
        ("poolcli run --padding sa", ["same", "same-lower"]),
        ("poolcli run --channels ", ["gray", "each"]),
        ("poolcli run --si", ["--size"]),
        ("poolcli run --conv-", ["--conv-stride", "--conv-padding", "--conv-padding-mode", "--conv-dilation"]),
        ("poolcli list ", ["pools", "kernels", "banks", "recipes", "formats", "paddings", "demos"]),
    ],
)
def test_completion_knows_the_tables(request, line, expected):
    assert sorted(completions(request, line)) == sorted(expected)


@pytest.mark.parametrize(
    "line",
    [
        "poolcli run ca",
        "poolcli run --recipe ca",
        "poolcli run --kernel ca",
        "poolcli run cat.jpg -o ",
        "poolcli run cat.jpg --stages s",
    ],
)
def test_completion_offers_files_where_a_file_may_stand(shell, line):
    words = shlex.split(line) + ([""] if line.endswith(" ") else [])
    done = shell(
        "poolcli", {"_POOLCLI_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    )

    assert {item.split(b",")[0] for item in done.stdout.splitlines()} <= {b"file", b"dir"}
    assert done.stdout


def test_help_names_no_file_of_this_machine(request):
    text = request.getfixturevalue("cli")("run", "--help").stdout
    assert os.sep + "home" not in text
    assert os.getcwd() not in text
