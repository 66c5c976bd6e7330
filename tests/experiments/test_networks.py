"""Layers of networks, built here: shapes and parameters, what goes in, what comes out, and what is refused."""

from contextlib import suppress

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import poolcli
from poolcli.errors import ImageError, OptionError
from poolcli.experiments import networks
from poolcli.experiments.networks import PRESETS, listed, network
from poolcli.images.read import from_array
from poolcli.pipeline.recipe import Recipe

RNG = np.random.default_rng(11)
COLOR = RNG.integers(0, 256, (12, 10, 3), np.uint8)
GRAY = RNG.integers(0, 256, (32, 32), np.uint8)


def weights(name, *shape, dtype=np.float32):
    return numpy_helper.from_array(RNG.normal(size=shape).astype(dtype), name)


def save(path, nodes, initializers=(), shape=(1, 3, 32, 32), output="y", kind=TensorProto.FLOAT, inputs=None, **model):
    inputs = inputs or [helper.make_tensor_value_info("x", kind, shape)]
    outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)]
    graph = helper.make_graph(nodes, "network", inputs, outputs, list(initializers))
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8, **model)
    onnx.save(made, path)
    return str(path)


def lenet(path, batch=1):
    """LeNet as the texts have it: 62,006 parameters."""
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], name="conv1"),
        helper.make_node("Relu", ["c1"], ["r1"], name="relu1"),
        helper.make_node("MaxPool", ["r1"], ["p1"], name="pool1", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["p1", "w2", "b2"], ["c2"], name="conv2"),
        helper.make_node("Relu", ["c2"], ["r2"], name="relu2"),
        helper.make_node("MaxPool", ["r2"], ["p2"], name="pool2", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p2"], ["f"], name="flatten"),
        helper.make_node("MatMul", ["f", "w3"], ["m3"], name="fc1"),
        helper.make_node("Add", ["m3", "b3"], ["a3"], name="bias1"),
        helper.make_node("Gemm", ["a3", "w4", "b4"], ["g4"], name="fc2"),
        helper.make_node("Gemm", ["g4", "w5", "b5"], ["y"], name="fc3"),
    ]
    held = [
        weights("w1", 6, 3, 5, 5), weights("b1", 6), weights("w2", 16, 6, 5, 5), weights("b2", 16),
        weights("w3", 400, 120), weights("b3", 120), weights("w4", 120, 84), weights("b4", 84),
        weights("w5", 84, 10), weights("b5", 10),
    ]  # fmt: skip
    return save(path, nodes, held, (batch, 3, 32, 32))


def copy(path, shape=(1, 3, "h", "w"), **more):
    """A network that gives what it gets."""
    return save(path, [helper.make_node("Relu", ["x"], ["r"], name="relu"), helper.make_node("Identity", ["x"], ["y"], name="same")], shape=shape, **more)  # fmt: skip


def maps(how, array, **options):
    return how.maps(from_array(array, **{**how.reading(), **options}))


def test_lenet_has_the_shapes_and_parameters_of_the_texts(tmp_path):
    layers, source, size = listed(lenet(tmp_path / "lenet.onnx"))
    assert [one.parameters for one in layers if one.parameters] == [456, 2416, 48120, 10164, 850]
    assert sum(one.parameters for one in layers) == 62006
    shapes = {one.name: one.shape for one in layers}
    assert shapes == {
        "conv1": (1, 6, 28, 28), "relu1": (1, 6, 28, 28), "pool1": (1, 6, 14, 14), "conv2": (1, 16, 10, 10),
        "relu2": (1, 16, 10, 10), "pool2": (1, 16, 5, 5), "flatten": (1, 400), "fc1": (1, 120), "fc2": (1, 84),
        "fc3": (1, 10),
    }  # fmt: skip
    assert (source.channels, source.channels_last, size) == (3, False, (32, 32))


def test_shared_weights_count_once_and_constants_of_arithmetic_do_not(tmp_path):
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="first"),
        helper.make_node("Conv", ["c", "w"], ["d"], name="again"),
        helper.make_node("Constant", [], ["three"], value=numpy_helper.from_array(np.float32([3]), "v")),
        helper.make_node("Add", ["d", "three"], ["e"], name="plus"),
        helper.make_node("Relu", ["e"], ["y"]),
    ]
    layers, *_ = listed(save(tmp_path / "n.onnx", nodes, [weights("w", 3, 3, 1, 1)]))
    assert [(one.name, one.parameters) for one in layers] == [("first", 9), ("again", 0), ("plus", 0), ("y", 0)]


@pytest.mark.parametrize("layer", ["conv1", "relu1", "pool1", "pool2", None])
def test_the_maps_of_a_layer_are_those_of_our_own_operations(tmp_path, layer):
    path = lenet(tmp_path / "lenet.onnx")
    held = {one.name: numpy_helper.to_array(one) for one in onnx.load(path).graph.initializer}
    picture = RNG.integers(0, 256, (32, 32, 3), np.uint8)
    x = np.moveaxis(picture, -1, 0) / 255

    def conv(cells, kernels, bias):
        return np.stack([
            sum(poolcli.conv2d(cells[c], k[c], padding="valid") for c in range(len(cells))) + b
            for k, b in zip(kernels.astype(np.float64), bias, strict=True)
        ])  # fmt: skip

    wanted = {"conv1": conv(x, held["w1"], held["b1"])}
    wanted["relu1"] = poolcli.relu(wanted["conv1"])
    wanted["pool1"] = poolcli.pool2d(wanted["relu1"], "max", 2)
    wanted["pool2"] = poolcli.pool2d(poolcli.relu(conv(wanted["pool1"], held["w2"], held["b2"])), "max", 2)
    how = network(path, layer)

    found = maps(how, picture)

    expected = wanted[layer or "pool2"]
    np.testing.assert_allclose(found, expected, atol=2e-4)
    assert how.columns(len(expected))[:2] == [f"{layer or 'pool2'}.0", f"{layer or 'pool2'}.1"]
    np.testing.assert_allclose(how.vector(from_array(picture, **how.reading())), expected.mean(axis=(1, 2)), atol=2e-4)


def test_a_layer_is_known_by_its_output_too_and_a_dense_one_is_a_vector(tmp_path):
    path = lenet(tmp_path / "lenet.onnx")
    picture = RNG.integers(0, 256, (32, 32, 3), np.uint8)
    np.testing.assert_array_equal(maps(network(path, "c1"), picture), maps(network(path, "conv1"), picture))
    dense = network(path, "fc3")
    assert maps(dense, picture).shape == (10, 1, 1)
    assert dense.columns(10)[-1] == "fc3.9"


def test_pyramid_and_both_kinds_of_a_layer(tmp_path):
    how = network(lenet(tmp_path / "n.onnx"), "relu1", kinds=("average", "max"), levels=(1, 2))
    picture = from_array(RNG.integers(0, 256, (32, 32, 3), np.uint8), **how.reading())
    vector, found = how.vector(picture), how.maps(picture)
    names = how.columns(len(vector))
    assert names[:4] == ["relu1.0.1x1.0.0.average", "relu1.0.1x1.0.0.max", "relu1.0.2x2.0.0.average", "relu1.0.2x2.0.0.max"]  # fmt: skip
    values = dict(zip(names, vector, strict=True))
    np.testing.assert_allclose(values["relu1.5.2x2.1.0.average"], found[5, 14:, :14].mean(), rtol=1e-5)
    assert values["relu1.5.2x2.1.0.max"] == found[5, 14:, :14].max()


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("last", [False, True])
def test_what_a_network_gets_is_what_the_frameworks_give_theirs(tmp_path, preset, last):
    shape = (1, "h", "w", 3) if last else (1, 3, "h", "w")
    how = network(copy(tmp_path / "n.onnx", shape), "same", preset=preset, recipe=Recipe(stages=(), resize=(12, 10)))
    unit = COLOR / 255
    wanted = {
        "unit": unit,
        "imagenet-torch": (unit - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225],
        "imagenet-keras": COLOR[..., ::-1] - np.array([103.939, 116.779, 123.68]),
    }[preset]
    np.testing.assert_allclose(maps(how, COLOR), np.moveaxis(wanted, -1, 0), rtol=1e-6, atol=1e-5)


def test_mean_std_and_order_of_ones_own(tmp_path):
    path = copy(tmp_path / "n.onnx", (1, 3, "h", 3))
    size = Recipe(stages=(), resize=(3, 3))
    how = network(path, "same", mean=(0.5,), std=(0.25, 0.5, 1), recipe=size)
    cells = COLOR[:3, :3]
    wanted = (cells / 255 - 0.5) / [0.25, 0.5, 1]
    np.testing.assert_allclose(maps(how, cells), np.moveaxis(wanted, -1, 0), rtol=1e-6)
    last = network(path, "same", order="nhwc", recipe=size)
    np.testing.assert_allclose(maps(last, cells), np.moveaxis(cells / 255, -1, 0), rtol=1e-6)


def test_pictures_are_resized_to_what_the_network_takes(tmp_path):
    how = network(lenet(tmp_path / "n.onnx"))
    assert how.reading()["resize"] == (32, 32)
    free = network(copy(tmp_path / "m.onnx"))
    assert free.reading()["resize"] == (224, 224)


def test_gray_pictures_become_three_channels_and_colour_one(tmp_path):
    three = network(copy(tmp_path / "n.onnx", (1, 3, 32, 32)), "same")
    np.testing.assert_allclose(maps(three, GRAY), np.stack([GRAY / 255] * 3), rtol=1e-6)
    one = network(copy(tmp_path / "m.onnx", (1, 1, 32, 32)), "same")
    assert one.reading()["channels"] == "gray"
    np.testing.assert_allclose(maps(one, GRAY), GRAY[None] / 255, rtol=1e-6)


def test_16_bits_and_floats_keep_their_values(tmp_path):
    how = network(copy(tmp_path / "n.onnx", (1, 1, 32, 32)), "same")
    deep = (GRAY.astype(np.uint16) << 8) + 77
    np.testing.assert_allclose(maps(how, deep), deep[None] / 65535, rtol=1e-6)
    floats = RNG.random((32, 32)).astype(np.float32)
    np.testing.assert_array_equal(maps(how, floats), floats[None])


@pytest.mark.parametrize("kind", ["float16", "float64", "uint8"])
def test_other_types_of_input(tmp_path, kind):
    number = {"float16": TensorProto.FLOAT16, "float64": TensorProto.DOUBLE, "uint8": TensorProto.UINT8}[kind]
    nodes = [helper.make_node("Cast", ["x"], ["y"], name="cast", to=TensorProto.FLOAT)]
    how = network(save(tmp_path / "n.onnx", nodes, shape=(1, 1, 32, 32), kind=number), "cast")
    wanted = GRAY if kind == "uint8" else GRAY / 255
    np.testing.assert_allclose(maps(how, GRAY)[0], wanted, rtol=1e-3 if kind == "float16" else 1e-6)


def test_a_transposed_input_and_output_as_keras_exports_them(tmp_path):
    """tf2onnx: (N, H, W, C) in, transposed for ONNX's operations, and back."""
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], name="in", perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["t", "w"], ["c"], name="conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"], name="relu"),
        helper.make_node("Transpose", ["r"], ["b"], name="back", perm=[0, 2, 3, 1]),
        helper.make_node("Relu", ["b"], ["y"], name="last"),
    ]
    path = save(tmp_path / "n.onnx", nodes, [weights("w", 5, 3, 3, 3)], (1, 12, 10, 3))
    relu = maps(network(path, "relu"), COLOR)
    assert relu.shape == (5, 12, 10)
    for name in ("back", "last"):
        np.testing.assert_array_equal(maps(network(path, name), COLOR), relu)


def test_weights_and_biases_that_come_by_detours_as_keras_exports_them_from_pytorch(tmp_path):
    nodes = [
        helper.make_node("Identity", ["b1"], ["b2"], name="same"),
        helper.make_node("Transpose", ["x"], ["t"], name="in", perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["t", "w1"], ["c1"], name="conv1", pads=[1, 1, 1, 1]),
        helper.make_node("Transpose", ["c1"], ["d1"], name="back1", perm=[0, 2, 3, 1]),
        helper.make_node("Cast", ["d1"], ["e1"], name="cast1", to=TensorProto.FLOAT),
        helper.make_node("Add", ["e1", "b1"], ["a1"], name="add1"),
        helper.make_node("Relu", ["a1"], ["r1"], name="relu1"),
        helper.make_node("Add", ["r1", "b2"], ["a2"], name="add2"),
        helper.make_node("Cast", ["a2"], ["y"], name="cast2", to=TensorProto.FLOAT),
    ]
    held = [weights("w1", 5, 3, 3, 3), weights("b1", 1, 1, 1, 5)]
    path = save(tmp_path / "n.onnx", nodes, held, (1, 12, 10, 3))
    layers, *_ = listed(path)
    assert [(one.name, one.parameters) for one in layers if one.computes] == [("conv1", 140), ("relu1", 0), ("add2", 0)]
    assert network(path).layer.name == "add2"
    found = maps(network(path, "conv1"), COLOR)
    assert found.shape == (5, 12, 10)
    np.testing.assert_array_equal(maps(network(path, "relu1"), COLOR), np.maximum(found, 0))
    np.testing.assert_array_equal(maps(network(path, "cast2"), COLOR), maps(network(path, "add2"), COLOR))


def test_a_network_of_own_functions_is_none_of_another_domain(tmp_path):
    double = helper.make_function("mine", "Double", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])], [helper.make_opsetid("", 13)])  # fmt: skip
    node = helper.make_node("Double", ["x"], ["y"], name="double", domain="mine")
    path = save(tmp_path / "n.onnx", [node], shape=(1, 1, 32, 32), functions=[double])
    made = onnx.load(path)
    made.opset_import.append(helper.make_opsetid("mine", 1))
    onnx.save(made, path)
    np.testing.assert_allclose(maps(network(path, "double"), GRAY)[0], GRAY / 255 * 2, rtol=1e-6)


def value(name, *shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


RELU = [helper.make_node("Relu", ["x"], ["y"], name="relu")]
CASES = {
    "a batch of 8": (RELU, {"shape": (8, 3, 32, 32)}, "takes 8 pictures at once"),
    "a vector": (RELU, {"shape": (1, 10)}, "input x 1x10: a network that takes a picture"),
    "no shape": (RELU, {"shape": None}, "input x without shape: a network that takes a picture"),
    "five axes": (RELU, {"shape": (1, 3, 4, 32, 32)}, "a network that takes a picture"),
    "four channels": (RELU, {"shape": (1, 4, 32, 32)}, "has 4 channels: 1 or 3 are needed; --order"),
    "whole numbers": (RELU, {"kind": TensorProto.INT64}, "neither float nor uint8"),
    "two inputs": (
        [helper.make_node("Add", ["x", "z"], ["y"])],
        {"inputs": [value("x", 1, 3, 8, 8), value("z", 1, 3, 8, 8)]},
        r"2 inputs \(x 1x3x8x8, z 1x3x8x8\)",
    ),
    "an operator of another domain": (
        [helper.make_node("Thing", ["x"], ["y"], domain="com.example")],
        {},
        "operator com.example:Thing, which ONNX Runtime does not have",
    ),
    "an operator that is none": (
        [helper.make_node("Thing", ["x"], ["y"], name="t")],
        {},
        "operator Thing, which ONNX Runtime does not have",
    ),
    "a cycle": (
        [helper.make_node("Relu", ["y"], ["z"]), helper.make_node("Relu", ["z"], ["y"])],
        {},
        "ONNX Runtime refuses it|no layer",
    ),
    "no node": ([], {}, "no ONNX network; export one"),
}


@pytest.mark.parametrize("case", CASES)
def test_networks_that_cannot_be_used_are_refused_in_one_line(tmp_path, case):
    nodes, settings, said = CASES[case]
    path = save(tmp_path / "n.onnx", nodes, **settings)
    with pytest.raises((ImageError, OptionError), match=said) as refused:
        network(path, "y" if case == "a cycle" else None)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 400


def test_weights_in_another_file_are_refused_before_anything_opens_it(tmp_path):
    made = onnx.load(lenet(tmp_path / "n.onnx"))
    onnx.save(made, tmp_path / "out.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    with pytest.raises(ImageError, match=r"network .*out.onnx: weights in w.bin; save them inside the network"):
        listed(str(tmp_path / "out.onnx"))
    inside = helper.make_tensor("v", TensorProto.FLOAT, [1], [1.0])
    inside.ClearField("float_data")
    inside.data_location = TensorProto.EXTERNAL
    entry = inside.external_data.add()
    entry.key, entry.value = "location", "../../etc/\x1b[31mpasswd"
    then = helper.make_graph([helper.make_node("Constant", [], ["a"], value=inside)], "g", [], [value("a", 1)])
    node = helper.make_node("If", ["x"], ["y"], then_branch=then, else_branch=then)
    with pytest.raises(ImageError, match=r"weights in \.\./\.\./etc/") as refused:
        listed(save(tmp_path / "m.onnx", [node]))
    assert "\x1b" not in str(refused.value)


@pytest.mark.parametrize("data", [b"", b"no network", b"\x08\x08", bytes(range(256)), b"\xff" * 1000])
def test_files_that_are_no_network_are_refused(tmp_path, data):
    (tmp_path / "n.onnx").write_bytes(data)
    with pytest.raises(ImageError, match="no ONNX network"):
        listed(str(tmp_path / "n.onnx"))


def test_cut_and_changed_files_are_refused_or_read(tmp_path, capfd):
    """Whatever is wrong with a file, it is told as such."""
    whole = bytearray(onnx.load(lenet(tmp_path / "n.onnx")).SerializeToString())
    for number in range(60):
        data = bytearray(whole[: RNG.integers(len(whole))] if number % 2 else whole)
        for place in RNG.integers(0, min(len(data), 1500), 3 if number % 3 else 0):
            data[place] = RNG.integers(256)
        (tmp_path / "b.onnx").write_bytes(data)
        networks._session.cache_clear()
        with suppress(ImageError, OptionError):
            how = network(str(tmp_path / "b.onnx"))
            maps(how, RNG.integers(0, 256, (*how.size, how.source.channels), np.uint8))
    assert capfd.readouterr() == ("", "")


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(ImageError, match=r"network .*gone.onnx: No such file"):
        listed(str(tmp_path / "gone.onnx"))
    with pytest.raises(ImageError, match="not a regular file"):
        listed(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("conv3", "layer 'conv3': the network has none of that name, did you mean 'conv1|2'"),
        ("zzz", "layer 'zzz': the network has none of that name; --list-layers shows them"),
    ],
)
def test_an_unknown_layer_is_told(tmp_path, name, said):
    with pytest.raises(OptionError, match=said):
        network(lenet(tmp_path / "n.onnx"), name)


def test_a_layer_of_three_axes_is_no_map(tmp_path):
    nodes = [
        helper.make_node("Reshape", ["x", "s"], ["r"], name="tokens"),
        helper.make_node("Relu", ["r"], ["y"], name="relu"),
    ]
    path = save(tmp_path / "n.onnx", nodes, [numpy_helper.from_array(np.int64([1, 3, 1024]), "s")])
    with pytest.raises(OptionError, match="layer 'relu' gives 1x3x1024: choose one that gives maps"):
        network(path, "relu")
    with pytest.raises(OptionError, match="no layer gives maps"):
        network(path)


def test_maps_folded_into_another_shape_are_not_the_layer_that_is_taken(tmp_path):
    """TensorFlow's exports fold the pooled maps, 1xCx1x1, into 1x1x1xC: C columns are no map."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="conv"),
        helper.make_node("GlobalAveragePool", ["c"], ["p"], name="pool"),
        helper.make_node("Reshape", ["p", "s"], ["y"], name="fold"),
    ]
    held = [weights("w", 5, 3, 3, 3), numpy_helper.from_array(np.int64([1, 1, 1, 5]), "s")]
    assert network(save(tmp_path / "n.onnx", nodes, held)).layer.name == "conv"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            (
                "[ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned while running Concat node. Name:'a.7' Status "
                "Message: concatbase.h:135 PrepareForComputeImpl Non concat axis dimensions must match"
            ),
            "Concat a.7: Non concat axis dimensions must match",
        ),
        ("[ONNXRuntimeError] : 9 : NOT_IMPLEMENTED : Could not\nfind it", "Could not find it"),
        ("x" * 300, "x" * 199 + "…"),
    ],
)
def test_what_onnx_runtime_says_becomes_one_line(said, expected):
    assert networks.one_line(RuntimeError(said)) == expected


def test_a_size_or_preset_that_the_network_does_not_take(tmp_path):
    path = lenet(tmp_path / "n.onnx")
    with pytest.raises(ImageError, match="takes pictures of 32x32, not 40x32; leave --resize out"):
        network(path, recipe=Recipe(stages=(), resize=(40, 32)))
    with pytest.raises(OptionError, match="and the network takes 1; use --preset unit"):
        network(copy(tmp_path / "m.onnx", (1, 1, 32, 32)), "same", preset="imagenet-torch")


def test_a_size_that_does_not_go_through_is_told_at_the_picture(tmp_path):
    nodes = [
        helper.make_node("Flatten", ["x"], ["f"], name="flat"),
        helper.make_node("MatMul", ["f", "w"], ["y"], name="dense"),
    ]
    path = save(tmp_path / "n.onnx", nodes, [weights("w", 300, 4)], (1, 3, "h", "w"))
    assert maps(network(path, "dense", recipe=Recipe(stages=(), resize=(10, 10))), COLOR[:10]).shape == (4, 1, 1)
    with pytest.raises(ImageError, match=r"the network does not run on 12x10: .*; choose another size with --resize$"):
        maps(network(path, "dense", recipe=Recipe(stages=(), resize=(12, 10))), COLOR)


def test_512_maps_make_a_figure(tmp_path):
    from poolcli.figures import feature_maps

    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], name="block5_conv3", pads=[1, 1, 1, 1])]
    how = network(save(tmp_path / "vgg.onnx", nodes, [weights("w", 512, 3, 3, 3)], (1, 3, 14, 14)))
    picture = from_array(RNG.integers(0, 256, (14, 14, 3), np.uint8), **how.reading())
    sheet = how.sheet(picture)
    np.testing.assert_array_equal(sheet.pooled[0].values[0], how.vector(picture))
    assert len(sheet.maps) == 512
    assert "layer block5_conv3 of vgg.onnx, 14x14 → global average" in sheet.done
    assert feature_maps.render(sheet).startswith(b"\x89PNG")
