"""`poolcli features --model`: a layer of a network in the place of a bank."""

import builtins
import csv
import io
import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image


@pytest.fixture
def net(here):
    """net.onnx: two convolutions, five maps of a picture of 16x16."""
    rng = np.random.default_rng(7)
    held = [
        numpy_helper.from_array(rng.normal(size=(4, 3, 3, 3)).astype(np.float32), "w1"),
        numpy_helper.from_array(rng.normal(size=(4,)).astype(np.float32), "b1"),
        numpy_helper.from_array(rng.normal(size=(5, 4, 3, 3)).astype(np.float32), "w2"),
    ]
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["a"], name="first/Conv"),
        helper.make_node("Relu", ["a"], ["b"], name="first/Relu"),
        helper.make_node("Conv", ["b", "w2"], ["c"], name="second/Conv"),
        helper.make_node("GlobalAveragePool", ["c"], ["y"], name="pool"),
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, 16, 16))]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    graph = helper.make_graph(nodes, "net", inputs, outputs, held)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), here / "net.onnx")
    return here / "net.onnx"


def table(text):
    header, *rows = csv.reader(io.StringIO(text))
    return header, {name: np.float32(values) for name, *values in rows}


def test_list_layers_prints_shapes_and_parameters(cli, net):
    result = cli("features", "--model", "net.onnx", "--list-layers")
    lines = [line.split() for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert lines == [
        ["layer", "operator", "shape", "for", "16x16", "parameters"],
        ["first/Conv", "Conv", "1x4x14x14", "112"],
        ["first/Relu", "Relu", "1x4x14x14", "0"],
        ["second/Conv", "Conv", "1x5x12x12", "180"],
        ["pool", "GlobalAveragePool", "1x5x1x1", "0"],
        ["total", "292"],
    ]


def test_a_row_per_picture_and_a_column_per_map_of_the_last_layer_with_maps(cli, net):
    header, rows = table(cli("features", "cat.jpg", "small.png", "--model", "net.onnx").stdout)
    assert header == ["name", *(f"second/Conv.{n}" for n in range(5))]
    _, pooled = table(cli("features", "cat.jpg", "small.png", "--model", "net.onnx", "--layer", "pool").stdout)
    for name, row in rows.items():
        np.testing.assert_allclose(row, pooled[name], rtol=1e-5)


def test_layer_kind_pyramid_preset_figure_and_json(cli, net, here):
    words = ["--layer", "first/Relu", "--global-kind", "both", "--pyramid", "1,2", "--preset", "imagenet-keras"]
    result = cli("features", "cat.jpg", "--model", "net.onnx", *words, "-o", "v.json", "--figure", "f.png")
    assert result.exit_code == 0, result.stderr
    told = json.loads((here / "v.json").read_bytes())
    assert told["columns"][:2] == ["first/Relu.0.1x1.0.0.average", "first/Relu.0.1x1.0.0.max"]
    assert len(told["columns"]) == 4 * 2 * 5
    assert (told["model"], told["layer"], told["preset"]) == ("net.onnx", "first/Relu", "imagenet-keras")
    with Image.open(here / "f.png") as image:
        assert "layer first/Relu of net.onnx, 16x16" in image.text["Description"]
    unit, *_ = table(cli("features", "cat.jpg", "--model", "net.onnx").stdout)[1].values()
    mean, *_ = table(cli("features", "cat.jpg", "--model", "net.onnx", "--mean", "0.5", "--std", "0.25").stdout)[1].values()  # fmt: skip
    assert (unit != mean).all()


def test_the_same_bytes_for_any_number_of_workers(shell, net, here):
    for number in range(9):
        cells = np.random.default_rng(number).integers(0, 256, (20, 30, 3), np.uint8)
        Image.fromarray(cells).save(here / f"n{number}.png")
    alone = shell("poolcli features n*.png --model net.onnx --jobs 0")
    assert alone.returncode == 0, alone.stderr
    assert shell("poolcli features n*.png --model net.onnx --jobs 2").stdout == alone.stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["cat.jpg", "--model", "gone.onnx"], 1, "network gone.onnx: No such file or directory"),
        (["cat.jpg", "--model", "cat.jpg"], 1, "network cat.jpg: no ONNX network; export one"),
        (
            ["cat.jpg", "--model", "net.onnx", "--layer", "second"],
            2,
            "layer 'second': the network has none of that name",
        ),
        (["cat.jpg", "--model", "net.onnx", "--resize", "20"], 1, "takes pictures of 16x16, not 20x20"),
        (["cat.jpg", "--model", "net.onnx", "--kernel", "edge"], 2, "--kernel with --model"),
        (["cat.jpg", "--model", "net.onnx", "--bank", "lesson"], 2, "--bank with --model"),
        (["cat.jpg", "--model", "net.onnx", "--no-relu"], 2, "--relu with --model"),
        (["cat.jpg", "--model", "net.onnx", "--pool", "max"], 2, "--pool with --model"),
        (["cat.jpg", "--model", "net.onnx", "--mean", "1,2"], 2, "'1,2': write one number, or three"),
        (["cat.jpg", "--model", "net.onnx", "--std", "0"], 2, "--std 0: the pixels are divided by it"),
        (["cat.jpg", "--model", "net.onnx", "--preset", "vgg"], 2, "vgg"),
        (["cat.jpg", "--model", "net.onnx", "--list-layers"], 2, "--list-layers with INPUT"),
        (["cat.jpg", "--layer", "pool"], 2, "--layer without --model"),
        (["--list-layers"], 2, "--list-layers without --model"),
        (["cat.jpg", "--preset", "unit"], 2, "--preset without --model"),
        (["--model", "net.onnx"], 2, "no INPUT"),
        (["--model", "net.onnx", "-o", "net.onnx", "-f", "cat.jpg"], 2, "output 'net.onnx': write a name ending in"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(cli, net, words, code, said):
    result = cli("features", *words)
    assert result.exit_code == code, result.stderr
    (line,) = (line for line in result.stderr.splitlines() if said in line)
    assert len(line) < 300
    assert result.stdout == ""


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
def test_without_the_extra_it_is_named(cli, net, monkeypatch, missing):
    from poolcli.experiments import networks

    networks._session.cache_clear()
    found = builtins.__import__

    def absent(name, *more, **others):
        if name.split(".")[0] == missing:
            raise ImportError(name)
        return found(name, *more, **others)

    monkeypatch.setattr(builtins, "__import__", absent)
    result = cli("features", "cat.jpg", "--model", "net.onnx")
    assert result.exit_code == 2
    assert "which are not installed: pip install 'poolcli[onnx]'" in result.stderr
