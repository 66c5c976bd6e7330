"""The README is true: its tables are those of the program, and its commands run."""

import doctest
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import poolcli
from poolcli.cli import group
from poolcli.ops.settings import PADDING_NAMES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
SHELL = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
COMMANDS = [line for block in SHELL for line in block.splitlines() if line.startswith(("poolcli ", "find "))]


@pytest.mark.parametrize("kind", poolcli.POOLS)
def test_readme_has_every_kind_with_its_summary(kind):
    pool = poolcli.POOLS[kind]
    (row,) = (line for line in README.splitlines() if line.startswith(f"| `{kind}` |") and pool.summary in line)

    assert pool.reference in row
    for alias in pool.aliases:
        assert f"`{alias}`" in row
    for one in pool.parameters:
        assert f"`--{one.name}`, {one.default:g}" in row


@pytest.mark.parametrize("name", poolcli.KERNELS)
def test_readme_has_every_kernel_with_its_weights(name):
    kernel = poolcli.KERNELS[name]
    weights = "; ".join(" ".join(f"{weight:g}" for weight in row) for row in kernel.rows)
    (row,) = (line for line in README.splitlines() if line.startswith(f"| `{name}` | `{weights}"))

    assert kernel.summary in row


@pytest.mark.parametrize("name", PADDING_NAMES)
def test_readme_has_every_padding(name):
    assert any(line.startswith(f"| `{name}` |") for line in README.splitlines())


@pytest.mark.parametrize("name", group.COMMANDS)
def test_readme_has_every_command_and_runs_it(name):
    (row,) = (
        line for line in README.splitlines() if re.match(rf"\| (\[`poolcli {name}`\]\(#|`poolcli {name}` \|)", line)
    )
    if section := re.search(r"\(#([^)]*)\)", row):
        headings = re.findall(r"^#+ (.*)$", README, re.MULTILINE)
        assert section[1] in [re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings]
        assert any(f"poolcli {name} " in line for line in COMMANDS)


def test_first_screen_has_the_two_commands_each_on_one_line():
    first, second = (block.strip() for block in SHELL[:2])

    assert first.count("\n") == second.count("\n") == 0
    assert re.fullmatch(r"python3 -m venv \S+ && .*pip install .* && .*poolcli run sample_images/cat\.jpg .*", first)
    assert re.fullmatch(r"python3 -m venv \S+ && .*pip install .*\[test\].* && .*pytest -n 2 --dist worksteal", second)


def test_the_picture_in_the_readme_is_what_its_command_makes(tmp_path):
    command = SHELL[0].strip().split(" && ")[-1]
    arguments = shlex.split(command)[1:]
    arguments[1] = str(ROOT / arguments[1])
    subprocess.run(
        [sys.executable, "-m", "poolcli", *arguments], cwd=tmp_path, env=environment(), check=True, capture_output=True
    )
    with (
        Image.open(tmp_path / "cat.figure.png") as made,
        Image.open(ROOT / "sample_images" / "cat.figure.png") as shown,
    ):
        assert made.size == shown.size
        difference = np.abs(np.asarray(made.convert("RGB"), int) - np.asarray(shown.convert("RGB"), int))

    # Text may be drawn a shade differently by another Matplotlib; the maps may not.
    assert (difference.max(axis=-1) > 8).mean() < 0.01


def test_readme_commands_run_one_after_the_other(tmp_path):
    shutil.copytree(ROOT / "sample_images", tmp_path / "sample_images")
    (make,) = (block.strip() for block in SHELL if block.startswith("mkdir "))
    subprocess.run(["sh", "-c", make], cwd=tmp_path, check=True)
    failed = {}
    for command in COMMANDS:  # in one folder, as a reader runs them
        arguments = command.replace("poolcli", f"{shlex.quote(sys.executable)} -m poolcli", 1)
        done = subprocess.run(
            ["sh", "-c", arguments],
            cwd=tmp_path / "trial",
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            failed[command] = done.stderr

    assert len(COMMANDS) > 20
    assert failed == {}


def test_readme_python_runs(monkeypatch):
    monkeypatch.chdir(ROOT)
    blocks = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, "README", "README.md", 0)
    assert test.examples

    assert doctest.DocTestRunner().run(test).failed == 0


def test_readme_recipe_is_one():
    (text,) = re.findall(r"^```toml\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    made = poolcli.recipe(recipe=tomllib.loads(text))

    assert [step.op for step in made.stages] == ["conv2d", "relu", "pool2d"]
    assert made.stages[-1].repeat == 2


def test_changelog_has_an_unreleased_section_on_top():
    sections = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)

    assert sections[0] == "Unreleased"


def environment():
    return {**os.environ, "PYTHONPATH": str(ROOT)}
