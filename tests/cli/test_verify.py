"""`poolcli verify`: the text, the JSON object, the exit codes, and engines that are not there."""

import json
import os
import sys

import numpy as np
import onnxruntime
import pytest
from PIL import Image

import poolcli
from poolcli.cli.verify_text import report
from poolcli.experiments import engines
from poolcli.experiments.engine_onnxruntime import OnnxRuntimeEngine
from poolcli.experiments.verify import EngineComparison, FirstDifference, StageComparison
from poolcli.images.read import from_array


@pytest.fixture
def only_onnxruntime(monkeypatch):
    """As if neither PyTorch nor TensorFlow were installed."""
    installed = engines.is_installed
    monkeypatch.setattr(engines, "is_installed", lambda name: name in ("onnx", "onnxruntime") and installed(name))


@pytest.fixture
def wrong(monkeypatch):
    """ONNX Runtime, which pads at the top and left where it should at the bottom and right."""
    prepare = OnnxRuntimeEngine.prepare

    def swapped(self, operation, fed):
        work = prepare(self, operation, fed[:, ::-1, ::-1])
        return lambda: work()[:, ::-1, ::-1]

    monkeypatch.setattr(OnnxRuntimeEngine, "prepare", swapped)


def gray_cat(here):
    with Image.open("cat.jpg") as cat:
        cat.convert("L").resize((224, 224)).save("gray.png")
    return "gray.png"


def test_the_text(cli, here, only_onnxruntime):
    done = cli("verify", gray_cat(here))

    assert done.exit_code == 0
    first, empty, engine, row, gap, verdict = done.stdout.splitlines()
    assert first == "gray.png: fed as 0 to 255; each step is fed with poolcli's map before it"
    assert (empty, gap) == ("", "")
    assert engine == f"ONNX Runtime {onnxruntime.__version__} (times: poolcli / ONNX Runtime)"
    assert row.startswith("  pooling  112x112  12,544 of 12,544 cells equal  kept  ")
    assert row.endswith(" ms")
    assert verdict == "all steps compared; every promise kept"
    assert done.stderr.splitlines() == [
        "PyTorch is left out: torch is not installed; pip install torch",
        "TensorFlow is left out: tensorflow is not installed; pip install tensorflow",
    ]
    assert cli("verify", "gray.png", "-q").stderr == ""


def test_a_picture_that_is_not_square(cli):
    assert "33,750 of 33,750 cells equal" in cli("verify", "cat.jpg", "--with", "onnxruntime").stdout


def test_all_options_of_a_recipe(cli):
    options = (
        "--kernel emboss --conv-stride 2 --pool average --size 3 --stride 2 --padding same --repeat 2 --channels each"
    )
    done = cli("verify", "cat.jpg", "--with", "ONNXRUNTIME", *options.split())

    assert done.exit_code == 0
    assert done.stderr == ""
    labels = [line.split("  ")[1] for line in done.stdout.splitlines() if line.startswith("  ") and line[2] != " "]
    assert labels == ["filter", "detect", "repeat 1", "repeat 2"]
    assert all(len(line) <= 80 for line in done.stdout.splitlines())


def test_a_broken_promise_is_exit_code_1_with_the_first_cell(cli, small, wrong):
    done = cli("verify", "small.png", "--with", "onnxruntime", "--size", 3, "--stride", 2, "--padding", "same")

    assert done.exit_code == 1
    right = poolcli.pool2d(small, "max", 3, 2, padding="same").astype(float)
    other = poolcli.pool2d(small, "max", 3, 2, padding="same-lower").astype(float)
    at = tuple(np.argwhere(right != other)[0])
    text = " ".join(done.stdout.split())
    assert f"{np.count_nonzero(right == other)} of {right.size} cells equal BROKEN" in text
    assert f"by at most {np.abs(right - other).max():.3g}, " in text
    assert (
        f"first at row {at[0]}, column {at[1]}: {right[at]:g}, ONNX Runtime {other[at]:g}, of rows {2 * at[0]} to"
        in text
    )
    assert text.endswith("all steps compared; promise broken in 1")

    record = json.loads(
        cli(
            "verify", "small.png", "--with", "onnxruntime", "--size", 3, "--stride", 2, "--padding", "same", "--json"
        ).stdout
    )
    assert record["kept"] is record["engines"][0]["kept"] is False
    (stage,) = record["engines"][0]["stages"]
    assert (stage["status"], stage["largest_difference"]) == ("broken", np.abs(right - other).max())
    assert stage["first"]["at"] == [0, *at]
    assert (stage["first"]["poolcli"], stage["first"]["engine"]) == (right[at], other[at])
    rows = slice(stage["first"]["rows"][0], stage["first"]["rows"][1] + 1)
    cols = slice(stage["first"]["cols"][0], stage["first"]["cols"][1] + 1)
    np.testing.assert_array_equal(stage["first"]["values"], small[rows, cols])


def test_json(cli):
    done = cli("verify", "cat.jpg", "--with", "onnxruntime", "--kernel", "edge", "--pool", "median", "--json")

    assert done.exit_code == 0
    record = json.loads(done.stdout)
    assert record["poolcli"] == poolcli.__version__
    assert record["input"] == {"source": "cat.jpg", "size": [300, 451], "depth": 8, "fed": "0 to 255"}
    assert poolcli.recipe(recipe=record["recipe"]) == poolcli.recipe(kernel="edge", pool="median")
    (engine,) = record["engines"]
    assert (engine["name"], engine["version"], engine["kept"]) == ("onnxruntime", onnxruntime.__version__, True)
    first, _, third = engine["stages"]
    assert [one["step"] for one in engine["stages"]] == ["filter", "detect", "pooling"]
    assert first["seconds"].keys() == {"poolcli", "engine"}
    del first["seconds"]
    assert first == {
        "name": "conv2d", "step": "filter", "shape": [300, 451], "status": "kept",
        "promise": "equal: sums of whole numbers", "cells": 135300, "equal": 135300, "unequal_share": 0.0,
        "largest_difference": 0.0, "largest_ulps": 0.0, "first": None,
    }  # fmt: skip
    assert third == {
        "name": "pool2d", "step": "pooling", "shape": [150, 225], "status": "not comparable",
        "reason": "ONNX has no median pooling",
    }  # fmt: skip


def test_what_cannot_be_compared_is_named(cli):
    done = cli("verify", "cat.jpg", "--with", "onnxruntime", "--kernel", "edge", "--pool", "soft")
    assert done.exit_code == 0
    assert "  pooling  150x225  not comparable\n    ONNX has no soft pooling\n" in done.stdout
    assert done.stdout.endswith("2 of 3 steps compared; every promise kept\n")

    done = cli("verify", "cat.jpg", "--with", "onnxruntime", "--pool", "soft")
    assert done.exit_code == 0
    assert done.stdout.endswith("nothing could be compared\n")


@pytest.mark.parametrize(
    ("values", "fed"),
    [
        (np.arange(600, dtype=np.uint16).reshape(20, 30) * 100, "0 to 65535"),
        (np.random.default_rng(0).standard_normal((20, 30)), "the numbers of the array"),
    ],
)
def test_arrays(cli, values, fed):
    np.save("array.npy", values)
    done = cli("verify", "array.npy", "--with", "onnxruntime", "--kernel", "edge", "--pool", "average")
    assert done.exit_code == 0
    assert done.stdout.startswith(f"array.npy: fed as {fed};")
    assert done.stdout.count(" kept ") == 3


def test_stdin(cli, here):
    done = cli("verify", "-", "--with", "onnxruntime", input=(here / "small.png").read_bytes())
    assert done.exit_code == 0
    assert "240 of 240 cells equal" in done.stdout


def test_no_engine_is_one_line_that_says_what_to_install(cli, monkeypatch):
    monkeypatch.setattr(engines, "is_installed", lambda name: False)
    done = cli("verify", "small.png")
    assert done.exit_code == 2
    assert done.stdout == ""
    usage, _, empty, error = done.stderr.splitlines()
    assert (usage, empty) == ("Usage: poolcli verify [OPTIONS] IMAGE", "")
    assert error == (
        "Error: no engine to verify with: pip install torch, or pip install tensorflow, or pip install 'poolcli[onnx]'"
    )

    done = cli("verify", "small.png", "--with", "onnxruntime")
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1] == (
        "Error: with onnxruntime: onnxruntime is not installed; pip install 'poolcli[onnx]'"
    )


def test_a_picture_is_read_before_any_engine_is_imported(cli, monkeypatch):
    def imported(name):
        pytest.fail(f"{name} was imported")

    monkeypatch.setattr(engines, "import_module", imported)
    done = cli("verify", "none.png", "--with", "onnxruntime")
    assert (done.exit_code, done.stderr) == (1, "none.png: No such file or directory\n")


@pytest.mark.parametrize(
    ("ulps", "kept", "said"),
    [
        (1, True, "1 ulp; promised"),
        (12345, True, "12,345 ulps; promised"),
        (8.82e8, True, "8.8e+08 ulps (of numbers near 0); promised"),
        (8.82e8, False, "8.8e+08 ulps; promised"),
        (np.inf, False, "inf ulps; promised"),
    ],
)
def test_ulps_are_written_as_far_as_they_say_something(small, ulps, kept, said):
    first = FirstDifference((0, 0, 1), 1.0, 2.0, (0, 0), (1, 1), np.float32([[1]]))
    stage = StageComparison("conv2d", "filter", (2, 3), "", "within 1", kept, 6, 5, 1.0, ulps, first)
    lines = report([EngineComparison("torch", "2", [stage])], from_array(small), poolcli.recipe())
    assert f"16.7 % differ, by at most 1, {said}" in " ".join(" ".join(lines).split())


def test_onnx_without_its_runtime_and_the_reverse(cli, monkeypatch):
    for missing in ("onnx", "onnxruntime"):
        monkeypatch.setattr(engines, "is_installed", lambda name, missing=missing: name != missing)
        done = cli("verify", "small.png", "--with", "onnxruntime")
        assert done.stderr.splitlines()[-1].startswith(f"Error: with onnxruntime: {missing} is not installed;")


def test_an_unknown_engine_names_those_there_are(cli):
    done = cli("verify", "small.png", "--with", "jax")
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1] == (
        "Error: Invalid value for '--with': 'jax' is not one of 'torch', 'tensorflow', 'onnxruntime', 'all'."
    )


@pytest.mark.parametrize("package", ["torch", "tensorflow"])
def test_a_damaged_engine_is_one_line_or_left_out(start, here, package):
    """A package of that name that cannot be imported, in a process of its own."""
    (here / "site" / package).mkdir(parents=True)
    (here / "site" / package / "__init__.py").write_text("raise OSError('libcudart.so: cannot open shared object')\n")
    path = os.pathsep.join([str(here / "site"), *sys.path])

    process = start("verify", "small.png", "--with", package, env=[("PYTHONPATH", path)])
    out, err = (part.decode() for part in process.communicate(timeout=60))
    title = engines.ENGINES[package].title
    problem = (
        f"{package} cannot be imported (OSError: libcudart.so: cannot open shared object); pip install {package} again"
    )
    assert process.returncode == 2
    assert (out, err.splitlines()[-1]) == ("", f"Error: with {package}: {problem}")
    assert "Traceback" not in err

    process = start("verify", "small.png", env=[("PYTHONPATH", path)])
    out, err = (part.decode() for part in process.communicate(timeout=60))
    assert process.returncode == 0
    assert f"{title} is left out: {problem}" in err.splitlines()
    assert "ONNX Runtime" in out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["none.png"], 1, "none.png: No such file or directory"),
        (["small.png", "--size", "99"], 1, "small.png: pooling: the 24x40 map is smaller than the 99x99 window"),
        (["small.png", "--alpha", "0.5"], 2, "alpha belongs to mixed"),
        (["small.png", "--pool", "maxx"], 2, "did you mean 'max'"),
    ],
)
def test_refusals(cli, arguments, code, words):
    done = cli("verify", *arguments, "--with", "onnxruntime")
    assert done.exit_code == code
    assert words in done.stderr.splitlines()[-1]
    assert done.stdout == ""
