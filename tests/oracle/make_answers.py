"""Run PyTorch, TensorFlow and ONNX Runtime on small inputs and keep their answers in answers.npz.

The committed file is what the tests read; the frameworks are needed only to make it again:

    pip install torch==2.13.0 tensorflow==2.21.0 onnx onnxruntime
    python tests/oracle/make_answers.py

The same versions write the same bytes. The file holds the inputs by name (`in_*`), all outputs end to end in one
array per type (`out_*`), and `index`, JSON: the engines' versions and the cases. A case names its engine, the poolcli
function, the input, the function's options, and its outputs as [type, start, shape]; `rtol` and `atol` are 0 where
poolcli promises the same bits.
"""

import itertools
import json
import os
import random
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import numpy as np
import onnx
import onnxruntime
import tensorflow as tf
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper
from onnxruntime.capi import onnxruntime_pybind11_state as state

torch.set_num_threads(1)
onnxruntime.set_default_logger_severity(4)  # options that it refuses are tried and skipped
ANSWERS = Path(__file__).with_name("answers.npz")
OPSET = 22
REFUSED = (state.Fail, state.InvalidArgument, state.RuntimeException)
EMBOSS = [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]
KERNELS = {
    "emboss": EMBOSS,
    "edge": [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]],
    "sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    "even": [[1, 2], [-3, 4]],
    "wide": [[1, -2, 3, 5]],
    "rising": [[1, 2, 3], [4, 5, 6], [7, 8, 9], [-9, 2, 7], [3, 1, -4]],
}

# ---------------------------------------------------------------- inputs


def lesson_picture():
    """A gray 400 x 400 uint8 picture: a ramp, rings, stripes and a bright square, in whole numbers only."""
    h, w = np.mgrid[0:400, 0:400]
    picture = (h + 2 * w) // 8
    picture += 60 * (((h - 180) ** 2 + (w - 220) ** 2) // 3000 % 2)
    picture += 40 * ((h // 25 + w // 40) % 2)
    picture[300:360, 40:120] = 255
    return np.clip(picture, 0, 255).astype(np.uint8)


def inputs():
    """Every input by name, from one seed."""
    draw = np.random.default_rng(20)
    mixed = draw.normal(0, 3, (13, 11)).astype(np.float32)
    holes = draw.normal(0, 1, (9, 12)).astype(np.float32)
    holes[draw.random(holes.shape) < 0.12] = np.nan
    holes[draw.random(holes.shape) < 0.25] = -np.inf
    holes[0:3, 0:4] = -np.inf
    return {
        "mixed": mixed,
        "planes": draw.normal(-1, 2, (2, 3, 7, 8)).astype(np.float32),
        "holes": holes,
        "ties": draw.integers(-2, 2, (8, 9)).astype(np.float32),
        "unit": draw.random((10, 9), np.float32),
        "byte": draw.integers(0, 256, (10, 12)).astype(np.float32),
        "row": draw.normal(0, 5, (1, 12)).astype(np.float32),
        "column": draw.normal(0, 5, (12, 1)).astype(np.float32),
        "negative": -np.arange(1, 26, dtype=np.float32).reshape(5, 5),
        "wide": draw.normal(0, 1, (20, 37)).astype(np.float32),
        "uint8": draw.integers(0, 256, (10, 9), np.uint8),
        "int16": draw.integers(-9, 9, (7, 10), np.int16),
        "int64": draw.integers(-(2**60), 2**60, (7, 6), np.int64),
        "float64": draw.normal(0, 1, (9, 8)),
        "float16": draw.normal(0, 1, (8, 8)).astype(np.float16),
        "lesson": lesson_picture(),
    }


X = inputs()

# ---------------------------------------------------------------- the three engines


def pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)


def nchw(x):
    """(N, C, H, W) for the engines."""
    return x.reshape((-1, 1, *x.shape[-2:]))


def back(y, x):
    """The engine's (N, 1, h, w) as (..., h, w)."""
    return np.asarray(y).reshape((*x.shape[:-2], *y.shape[-2:]))


def tensor(x):
    return torch.from_numpy(np.ascontiguousarray(nchw(x)))


_sessions = {}


def ort(op, x, *more, opset=OPSET, outputs=1, **attributes):
    """One ONNX operator through ONNX Runtime."""
    attributes = {k: list(v) if isinstance(v, tuple) else v for k, v in attributes.items() if v is not None}
    feeds = {f"x{i}": a for i, a in enumerate([np.ascontiguousarray(nchw(x)), *more])}
    key = op, outputs, json.dumps(attributes, sort_keys=True), str([(a.shape, a.dtype) for a in feeds.values()])
    if key not in _sessions:
        node = helper.make_node(op, list(feeds), [f"y{i}" for i in range(outputs)], **attributes)
        kind = {name: helper.np_dtype_to_tensor_dtype(a.dtype) for name, a in feeds.items()}
        graph = helper.make_graph(
            [node],
            "one",
            [helper.make_tensor_value_info(name, kind[name], a.shape) for name, a in feeds.items()],
            [
                helper.make_tensor_value_info(f"y{i}", TensorProto.INT64 if i else kind["x0"], None)
                for i in range(outputs)
            ],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
        model.ir_version = 10
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        _sessions[key] = onnxruntime.InferenceSession(model.SerializeToString(), options)
    answers = _sessions[key].run(None, feeds)
    return answers if outputs > 1 else answers[0]


def ort_geometry(size, stride=None, padding="valid", dilation=1, ceil=False):
    """poolcli's options as ONNX attributes."""
    geometry = {"strides": pair(size if stride is None else stride), "dilations": pair(dilation)}
    geometry["kernel_shape"] = pair(size)
    if padding in ("same", "same-lower"):
        return geometry | {"auto_pad": "SAME_UPPER" if padding == "same" else "SAME_LOWER"}
    (top, bottom), (left, right) = sides(padding)
    return geometry | {"pads": (top, left, bottom, right), "ceil_mode": int(ceil)}


def sides(padding):
    """((top, bottom), (left, right)) of an explicit padding."""
    rows, columns = (0, 0) if padding == "valid" else pair(padding)
    return pair(rows), pair(columns)


def tf_padding(padding):
    return padding.upper() if isinstance(padding, str) else [(0, 0), *sides(padding), (0, 0)]


def nhwc(x):
    return np.moveaxis(nchw(x), 1, 3)


def tf_back(y, x):
    return back(np.moveaxis(y.numpy(), 3, 1), x)


# ---------------------------------------------------------------- cases

cases = []
outputs = {}


def case(engine, function, name, options, *answers, rtol=0.0, atol=0.0):
    """Keep one question and its answers."""
    places = []
    for answer in map(np.asarray, answers):
        kept = outputs.setdefault(answer.dtype.name, [])
        places.append([answer.dtype.name, sum(a.size for a in kept), list(answer.shape)])
        kept.append(answer.ravel())
    cases.append(
        {"engine": engine, "function": function, "input": name, "options": options, "outputs": places}
        | ({"rtol": rtol, "atol": atol} if rtol or atol else {})
    )


def every(count, **choices):
    """`count` of the combinations, drawn with a fixed seed; options at their default are left out."""
    combinations = [dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())]
    drawn = random.Random(7).sample(combinations, min(count, len(combinations)))
    return [{k: v for k, v in options.items() if v is not None and v is not False} for options in drawn]


def has_pixels(n, size, stride, before, dilation, count):
    """Whether each of `count` windows along an axis holds a real pixel."""
    return all(any(0 <= o * stride - before + i * dilation < n for i in range(size)) for o in range(count))


def full(x, y, size, stride=None, padding=0, dilation=1, **_):
    """Whether every window of symmetric padding holds a real pixel: PyTorch makes -inf of the others."""
    axes = zip(x.shape[-2:], pair(size), pair(size if stride is None else stride), pair(padding), strict=True)
    dilations = pair(dilation)
    return all(has_pixels(n, k, s, b, d, o) for (n, k, s, b), d, o in zip(axes, dilations, y.shape[-2:], strict=True))


def torch_max(x, size, stride=None, padding=0, dilation=1, ceil=False, indices=True):
    """PyTorch's max pooling with indices, or None where it refuses the options."""
    try:
        return F.max_pool2d(tensor(x), size, stride, padding, dilation, ceil_mode=ceil, return_indices=indices)
    except RuntimeError:
        return None


SIZES = [1, 2, 3, (2, 3), (3, 1), 4, (1, 5)]
STRIDES = [None, 1, 2, 3, (2, 1), (1, 4)]


def make_torch_max():
    grid = every(
        230,
        size=SIZES,
        stride=STRIDES,
        padding=[None, 1, (1, 0), (0, 2), 2],
        dilation=[None, 2, (1, 3)],
        ceil=[False, True],
    )
    names = [
        "mixed",
        "holes",
        "ties",
        "uint8",
        "int16",
        "row",
        "column",
        "mixed",
        "holes",
        "float64",
        "int64",
        "float16",
    ]
    for number, options in enumerate(grid):
        name = names[number % len(names)]
        x = X[name]
        answers = torch_max(x, **options)
        if answers is None or not full(x, answers[0], **options):
            continue
        case("torch", "pool2d", name, {"kind": "max", "return_indices": True} | options, *(back(a, x) for a in answers))
        if number % 8 == 0 and x.dtype.kind == "f":  # min is max of the negatives
            values, indices = torch_max(-x, **options)
            asked = {"kind": "min", "return_indices": True} | options
            case("torch", "pool2d", name, asked, back(-values, x), back(indices, x))
    for options in ({"size": 2}, {"size": 3, "stride": 2, "padding": 1}, {"size": (2, 3), "stride": 1, "ceil": True}):
        values, indices = torch_max(X["planes"], **options)
        answers = back(values, X["planes"]), back(indices, X["planes"])
        case("torch", "pool2d", "planes", {"return_indices": True} | options, *answers)


def make_torch_average():
    grid = every(
        150,
        size=SIZES,
        stride=STRIDES,
        padding=[None, 1, (1, 0), 2],
        ceil=[False, True],
        count_include_pad=[False, True],
    )
    names = ["mixed", "holes", "unit", "planes", "row", "column"]
    for number, options in enumerate(grid):
        name = names[number % len(names)]
        keywords = dict(options, count_include_pad=options.get("count_include_pad", False))
        ask(name, keywords, options, "average")
        if number % 5 == 0 and "count_include_pad" not in options:
            ask(name, keywords | {"divisor_override": 1}, options, "sum")
    for size, stride in ((16, 1), ((15, 17), 2), ((8, 32), 1), (16, (3, 5))):  # 256 cells and just below
        ask("wide", {"kernel_size": size, "stride": stride}, {"size": size, "stride": stride}, "average")
    for size in (17, (13, 20), (20, 37)):  # above 256 cells another order of summation is allowed
        ask("wide", {"kernel_size": size, "stride": 1}, {"size": size, "stride": 1}, "average", rtol=1e-6, atol=1e-6)


def ask(name, keywords, options, kind, **tolerance):
    """PyTorch's avg_pool2d, where it accepts the options."""
    keywords = {{"size": "kernel_size", "ceil": "ceil_mode"}.get(k, k): v for k, v in keywords.items()}
    try:
        y = F.avg_pool2d(tensor(X[name]), **keywords)
    except RuntimeError:
        return
    case("torch", "pool2d", name, {"kind": kind} | options, back(y, X[name]), **tolerance)


def make_torch_other_kinds():
    """Kinds that PyTorch has only as reductions: over its unfolded windows, or composed from what it has."""
    for name in ("mixed", "unit"):
        x = X[name]
        for size, stride in ((2, 2), (3, 2), ((2, 3), 1), (4, 3)):
            options = {"size": size, "stride": stride}
            windows = F.unfold(tensor(x), pair(size), stride=stride)[0]
            shape = F.max_pool2d(tensor(x), size, stride).shape[-2:]
            close = {"rtol": 1e-5, "atol": 1e-6}
            case(
                "torch", "pool2d", name, {"kind": "median"} | options, windows.quantile(0.5, 0).reshape(shape), **close
            )
            case(
                "torch", "pool2d", name, {"kind": "std"} | options, windows.std(0, correction=0).reshape(shape), **close
            )
            rms = windows.square().mean(0).sqrt().reshape(shape)
            case("torch", "pool2d", name, {"kind": "rms"} | options, rms, **close)
            for q in (10, 75):
                answer = windows.quantile(q / 100, 0).reshape(shape)
                case("torch", "pool2d", name, {"kind": "percentile", "q": q} | options, answer, **close)
            spread = F.max_pool2d(tensor(x), size, stride) + F.max_pool2d(-tensor(x), size, stride)
            case("torch", "pool2d", name, {"kind": "range"} | options, spread[0, 0])
            maxima = F.pad(F.max_pool2d(tensor(x), size, 1), (1, 1, 1, 1), mode="reflect")
            binomial = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]).reshape(1, 1, 3, 3) / 16
            blurred = F.conv2d(maxima, binomial, stride=stride)[0, 0]
            case("torch", "pool2d", name, {"kind": "blur"} | options, blurred, **close)


def make_torch_adaptive():
    for name in ("mixed", "planes", "unit", "row", "byte"):
        x = X[name]
        for shape in ((3, 2), (4, 5), (5, 3), (1, 4), (7, 7), (16, 14), (None, 3), (2, None)):
            y = F.adaptive_avg_pool2d(tensor(x), shape)
            case("torch", "adaptive_pool2d", name, {"output_size": shape}, back(y, x))
            if shape in ((3, 2), (5, 3), (16, 14)):
                y = F.adaptive_max_pool2d(tensor(x), shape)
                case("torch", "adaptive_pool2d", name, {"output_size": shape, "kind": "max"}, back(y, x))
        y = F.adaptive_avg_pool2d(tensor(x), 1)
        case("torch", "adaptive_pool2d", name, {"output_size": 1}, back(y, x), rtol=1e-6, atol=1e-6)
        case("torch", "global_pool2d", name, {}, back(y, x), rtol=1e-6, atol=1e-6)
        case("torch", "global_pool2d", name, {"kind": "max"}, back(F.adaptive_max_pool2d(tensor(x), 1), x))
        y = ort("GlobalLpPool", x, p=2, opset=21)
        case("onnxruntime", "global_pool2d", name, {"kind": "lp"}, back(y, x), rtol=2e-6)
        y = tf.reduce_mean(nhwc(x), (1, 2), keepdims=True)
        case("tensorflow", "global_pool2d", name, {}, tf_back(y, x), rtol=1e-6, atol=1e-6)
    keras = tf.keras.layers.AdaptiveAveragePooling2D
    for name, shape in (("byte", (3, 5)), ("byte", (4, 7)), ("mixed", (5, 4))):
        y = keras(shape)(nhwc(X[name]))
        case("tensorflow", "adaptive_pool2d", name, {"output_size": shape}, tf_back(y, X[name]), rtol=1e-6, atol=1e-6)


def make_tensorflow():
    for name in ("mixed", "negative", "planes", "row", "unit"):
        x = X[name]
        for size, stride, padding in itertools.product((2, 3, (2, 3), 4), (1, 2, 3, 5), ("same", "valid")):
            if padding == "valid" and any(n < k for n, k in zip(x.shape[-2:], pair(size), strict=True)):
                continue
            options = {"size": size, "stride": stride, "padding": padding}
            y = tf.nn.max_pool2d(nhwc(x), size, stride, padding.upper())
            case("tensorflow", "pool2d", name, options, tf_back(y, x))
            y = tf.nn.avg_pool2d(nhwc(x), size, stride, padding.upper())
            case("tensorflow", "pool2d", name, {"kind": "average"} | options, tf_back(y, x), rtol=2e-7, atol=1e-6)
    for padding in (((1, 0), (0, 2)), ((0, 2), (1, 1)), ((2, 1), (0, 0))):
        options = {"size": 3, "stride": 2, "padding": padding}
        y = tf.nn.max_pool2d(nhwc(X["mixed"]), 3, 2, tf_padding(padding))
        case("tensorflow", "pool2d", "mixed", options, tf_back(y, X["mixed"]))


def make_onnx():
    paddings = ["valid", "same", "same-lower", 1, ((0, 1), (1, 0)), ((1, 2), (2, 0)), ((0, 2), (2, 1))]
    grid = every(
        240,
        size=[2, 3, (2, 3), (3, 4)],
        stride=[None, 1, 2, 3],
        padding=paddings,
        dilation=[None, 2, (1, 3)],
        ceil=[False, True],
    )
    for number, options in enumerate(grid):
        if options["padding"] in ("same", "same-lower") and "dilation" in options:
            continue  # ONNX Runtime sizes auto_pad as if there were no dilation
        name = ("mixed", "unit", "negative", "planes")[number % 4]
        x = X[name]
        try:
            if not has_answer(x, options):
                continue
            geometry = ort_geometry(**options)
            if number % 3 == 0:
                y, indices = ort("MaxPool", x, outputs=2, **geometry)
                answers = [back(y, x), back(indices, x)] if x.ndim == 2 else [back(y, x)]  # indices run on over planes
                asked = {"return_indices": True} | options if x.ndim == 2 else options
                case("onnxruntime", "pool2d", name, asked, *answers)
            elif number % 3 == 1:
                include = number % 2
                y = ort("AveragePool", x, count_include_pad=include, **geometry)
                asked = {"kind": "average"} | options | ({"count_include_pad": True} if include else {})
                case("onnxruntime", "pool2d", name, asked, back(y, x))
            else:
                p = 1 + number // 3 % 3
                y = ort("LpPool", x, p=p, **geometry)
                asked = {"kind": "lp"} | options | ({"p": p} if p != 2 else {})
                case("onnxruntime", "pool2d", name, asked, back(y, x), rtol=2e-6)
        except REFUSED:
            continue


def has_answer(x, options):
    """Whether there are windows, each with a real pixel: ONNX Runtime answers with nothing or -FLT_MAX otherwise."""
    if isinstance(options["padding"], tuple) or options["padding"] in (1, "valid"):
        spans = [d * (k - 1) + 1 for k, d in zip(pair(options["size"]), pair(options.get("dilation", 1)), strict=True)]
        room = [n + sum(side) - e for n, side, e in zip(x.shape[-2:], sides(options["padding"]), spans, strict=True)]
        if min(room) < 0:  # ONNX Runtime rounds the negative quotient towards zero and makes an output of nothing
            return False
    y = ort("MaxPool", x, **ort_geometry(**options))
    return y.size > 0 and bool((y > -1e30).all())


def make_convolution():
    for number, (name, kernel, stride, dilation, padding) in enumerate(
        itertools.product(
            ("byte", "unit"),
            KERNELS,
            (1, 2, (1, 3)),
            (1, 2),
            ("same", "same-lower", "valid", 4, (1, 0), ((0, 3), (5, 1))),
        )
    ):
        x, weights = X[name], np.array(KERNELS[kernel], np.float32)
        if name == "unit" and number % 4:
            continue
        options = {"kernel": weights.tolist(), "stride": stride, "padding": padding, "dilation": dilation}
        # on 0...1 the engines themselves differ in the last bits of the sum, so large weights need more room
        tolerance = {} if name == "byte" else {"atol": 2e-6 * max(1.0, float(abs(weights).sum()) / 16)}
        if padding in ("same", "same-lower"):
            geometry = {"strides": pair(stride), "dilations": pair(dilation)}
            geometry["auto_pad"] = "SAME_UPPER" if padding == "same" else "SAME_LOWER"
            if dilation == 1:  # ONNX Runtime refuses others with auto_pad
                y = ort("Conv", x, weights[None, None], kernel_shape=weights.shape, **geometry)
                case("onnxruntime", "conv2d", name, options, back(y, x), **tolerance)
            if padding == "same" and pair(stride)[0] == pair(stride)[1]:
                y = tf.nn.conv2d(nhwc(x), weights[:, :, None, None], stride, "SAME", dilations=dilation)
                case("tensorflow", "conv2d", name, options, tf_back(y, x), **tolerance)
        else:
            (top, bottom), (left, right) = sides(padding)
            around = F.pad(tensor(x), (left, right, top, bottom))
            y = F.conv2d(around, torch.from_numpy(weights)[None, None], stride=stride, dilation=dilation)
            case("torch", "conv2d", name, options, back(y, x), **tolerance)


def make_unpool():
    for name, options in (
        ("mixed", {"size": 2}),
        ("planes", {"size": 2}),
        ("mixed", {"size": (3, 2), "padding": (1, 0)}),
        ("ties", {"size": 2, "stride": 3}),
        ("unit", {"size": 3}),
    ):
        x = X[name]
        values, indices = torch_max(x, **options)
        keywords = {
            "kernel_size": options["size"],
            "stride": options.get("stride"),
            "padding": options.get("padding", 0),
        }
        y = F.max_unpool2d(values, indices, output_size=x.shape[-2:], **keywords)
        case("torch", "unpool2d", name, options, back(y, x))


def make_lesson():
    """Kaggle's exercise: emboss VALID, ReLU, max 2/2 SAME; on 0...255 (exact) and, every 7th row, on 0...1."""
    kernel = np.array(EMBOSS, np.float32)[:, :, None, None]
    byte = X["lesson"].astype(np.float32)
    unit = tf.image.convert_image_dtype(X["lesson"], tf.float32).numpy()
    for name, x in (("byte", byte), ("unit", unit)):
        y = tf.nn.conv2d(nhwc(x), kernel, 1, "VALID")
        y = tf.nn.max_pool2d(tf.nn.relu(y), 2, 2, "SAME")
        y = tf_back(y, x)
        assert y.shape == (199, 199), y.shape
        if name == "byte":
            case("tensorflow", "lesson", "lesson", {"range": name}, y.astype(np.uint16))
        else:
            case("tensorflow", "lesson", "lesson", {"range": name}, y[::7], atol=2e-6)


def main():
    make_torch_max()
    make_torch_average()
    make_torch_other_kinds()
    make_torch_adaptive()
    make_tensorflow()
    make_onnx()
    make_convolution()
    make_unpool()
    make_lesson()
    engines = {
        "torch": torch.__version__.partition("+")[0],
        "tensorflow": tf.__version__,
        "onnxruntime": onnxruntime.__version__,
        "onnx": f"{onnx.__version__}, opset {OPSET}",
        "numpy": np.__version__,
    }
    index = json.dumps({"engines": engines, "cases": cases}, separators=(",", ":"))
    np.savez_compressed(
        ANSWERS,
        index=np.frombuffer(index.encode(), np.uint8),
        **{f"in_{name}": x for name, x in X.items()},
        **{f"out_{name}": np.concatenate(parts) for name, parts in outputs.items()},
    )
    print(f"{len(cases)} cases, {ANSWERS.stat().st_size} bytes")


if __name__ == "__main__":
    main()
