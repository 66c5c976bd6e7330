"""Random configurations beside the engines themselves: ONNX Runtime always, PyTorch where it is installed.

Where poolcli refuses a window that does not fit, ONNX Runtime gives an empty map or windows of padding alone; PyTorch refuses too.
"""

import itertools

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

import poolcli
from poolcli.errors import PoolcliError

CASES = 1200
onnxruntime.set_default_logger_severity(4)


def onnx_answer(op, x, *weights, **attributes):
    names = ["x", *(f"w{i}" for i in range(len(weights)))]
    node = helper.make_node(op, names, ["y"], **attributes)
    inputs = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, value.shape)
        for name, value in zip(names, (x, *weights), strict=True)
    ]
    outputs = [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)]
    graph = helper.make_graph([node], "pooling", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, dict(zip(names, (x, *weights), strict=True)))[0]


def configurations(seed):
    """Maps and windows of every kind of geometry, with what poolcli and ONNX call them."""
    random = np.random.default_rng(seed)
    for _ in range(CASES):
        height, width = (int(side) for side in random.integers(1, 22, 2))
        size, stride, dilation = (tuple(int(v) for v in random.integers(1, top, 2)) for top in (6, 5, 4))
        padding = tuple(int(random.integers(0, side // 2 + 1)) for side in size)
        ceil = bool(random.integers(2))
        x = (random.standard_normal((2, 3, height, width)) * 10.0 ** random.integers(-3, 4)).astype(np.float32)
        window = {"size": size, "stride": stride, "padding": padding, "dilation": dilation, "ceil": ceil}
        attributes = {
            "kernel_shape": size, "strides": stride, "pads": padding * 2, "dilations": dilation, "ceil_mode": int(ceil),
        }  # fmt: skip
        yield x, window, attributes, random


def ulps(a, b):
    """How many float32 lie between two arrays, at most; the same NaN and zeros count as equal."""
    close = np.abs(a - b) / np.spacing(np.maximum(np.abs(a), np.abs(b)))
    return float(np.nanmax(close, initial=0))


@pytest.mark.parametrize(
    ("kind", "op", "allowed"), [("max", "MaxPool", 0), ("average", "AveragePool", 2), ("lp", "LpPool", 16)]
)
def test_onnx_runtime_agrees_on_windows(kind, op, allowed):
    """Exact but for averages and norms, which ONNX Runtime adds up in float32: a few ulps of up to 25 cells."""
    compared = refused = 0
    for x, window, attributes, random in configurations(len(op)):
        counted = {"count_include_pad": bool(random.integers(2))} if kind == "average" else {}
        power = int(random.integers(1, 4)) if kind == "lp" else None
        extra = {"p": power} if power else {name: int(value) for name, value in counted.items()}
        try:
            mine = poolcli.pool2d(x, kind, **window, **counted, p=power, threads=int(random.integers(1, 3)))
        except PoolcliError:
            refused += 1
            continue
        theirs = onnx_answer(op, x, **attributes, **extra)
        assert mine.shape == theirs.shape, (window, x.shape)
        if kind == "average":  # sums of both signs may cancel: what counts is the size of what was added
            scale = poolcli.pool2d(np.abs(x), kind, **window, **counted)
            np.testing.assert_array_less(
                np.abs(mine - theirs), np.spacing(scale) * 8 + 1e-30, err_msg=str((window, x.shape))
            )
        else:
            assert ulps(mine, theirs) <= allowed, (window, x.shape, power)
        compared += 1
    assert compared > CASES // 3
    assert refused > 0


@pytest.mark.parametrize(("kind", "op"), [("max", "GlobalMaxPool"), ("average", "GlobalAveragePool")])
def test_onnx_runtime_agrees_on_whole_maps(kind, op):
    for x, *_ in itertools.islice(configurations(3), 200):
        mine, theirs = poolcli.global_pool2d(x, kind), onnx_answer(op, x)
        scale = poolcli.global_pool2d(np.abs(x), kind)
        np.testing.assert_array_less(
            np.abs(mine - theirs), np.spacing(scale) * (1 if kind == "max" else 16), err_msg=str(x.shape)
        )


def test_onnx_runtime_agrees_on_convolution():
    for x, window, attributes, random in itertools.islice(configurations(4), 400):
        kernel = random.standard_normal(window["size"]).astype(np.float32)
        geometry = {name: window[name] for name in ("stride", "padding", "dilation")}
        try:
            mine = poolcli.conv2d(x, kernel, **geometry)
        except PoolcliError:
            continue
        del attributes["ceil_mode"]
        planes = x.reshape(-1, 1, *x.shape[2:])
        theirs = onnx_answer("Conv", planes, kernel[None, None], **attributes).reshape(mine.shape)
        bound = np.abs(kernel).sum() * np.abs(x).max() * 1e-6
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=bound, err_msg=str(window))


def test_pytorch_agrees_on_windows():
    torch = pytest.importorskip("torch")
    for x, window, _, random in configurations(5):
        values = torch.from_numpy(x)
        named = {"stride": window["stride"], "padding": window["padding"], "ceil_mode": window["ceil"]}
        try:
            mine, places = poolcli.pool2d(x, "max", **window, return_indices=True)
        except PoolcliError:
            continue
        theirs, where = torch.nn.functional.max_pool2d(
            values, window["size"], dilation=window["dilation"], return_indices=True, **named
        )
        np.testing.assert_array_equal(mine, theirs.numpy())
        np.testing.assert_array_equal(places, where.numpy())
        if window["dilation"] == (1, 1):
            counted = bool(random.integers(2))
            mine = poolcli.pool2d(x, "average", **window, count_include_pad=counted)
            theirs = torch.nn.functional.avg_pool2d(values, window["size"], count_include_pad=counted, **named)
            np.testing.assert_array_equal(mine, theirs.numpy())
