"""Random configurations beside PyTorch, ONNX Runtime and slow loops; counts what is equal. Run as a program.

    python tests/conformance.py SECONDS [SEED]

Every case has random sizes, strides, paddings, dilations, ceil rule, planes, threads and element type. Prints a row per
comparison: cases, cells, how many of them are equal, and the largest difference in units in the last place. A unit is that of
what was added up (of the average of the absolute values for an average), since sums of both signs may cancel. Ends with
1 if anything differs by more than poolcli promises, and prints the settings then.
"""

import itertools
import math
import random
import sys
import time
from collections import Counter
from typing import NamedTuple

import numpy as np
import onnx
import onnxruntime
import reference
from onnx import helper

import poolcli
from poolcli.errors import PoolcliError

try:
    import torch
except ImportError:
    torch = None

onnxruntime.set_default_logger_severity(4)
ALONE = onnxruntime.SessionOptions()
ALONE.intra_op_num_threads = ALONE.inter_op_num_threads = 1
FLOATS = (np.float32, np.float64)
INTEGERS = (np.uint8, np.int8, np.int16, np.int32, np.int64)


class Comparison(NamedTuple):
    """Ours and theirs, what one unit in the last place is for each cell, and how many units are allowed."""

    mine: np.ndarray
    theirs: np.ndarray
    unit: np.ndarray | float = 1.0
    allowed: float = 0.0


def onnx_answer(op, x, *weights, **attributes):
    """What ONNX Runtime makes of an operation."""
    names = ["x", *(f"w{i}" for i in range(len(weights)))]
    kinds = {"float32": onnx.TensorProto.FLOAT, "float64": onnx.TensorProto.DOUBLE, "uint8": onnx.TensorProto.UINT8}
    kinds |= {"int8": onnx.TensorProto.INT8, "float16": onnx.TensorProto.FLOAT16}
    node = helper.make_node(op, names, ["y"], **attributes)
    inputs = [
        helper.make_tensor_value_info(name, kinds[value.dtype.name], value.shape)
        for name, value in zip(names, (x, *weights), strict=True)
    ]
    outputs = [helper.make_tensor_value_info("y", kinds[x.dtype.name], None)]
    graph = helper.make_graph([node], "pooling", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), ALONE, providers=["CPUExecutionProvider"])
    return session.run(None, dict(zip(names, (x, *weights), strict=True)))[0]


def numbers(draw, dtype, shape):
    """Values of one type; floats of any size, sometimes whole numbers, so that there are ties."""
    rng = np.random.default_rng(draw.randrange(2**32))
    if np.dtype(dtype).kind != "f":
        low, high = (np.iinfo(dtype).min, np.iinfo(dtype).max) if draw.random() < 0.5 else (0, 9)
        return rng.integers(low, high, shape, dtype=dtype, endpoint=True)
    if draw.random() < 0.3:
        return rng.integers(-3, 4, shape).astype(dtype)
    return (rng.standard_normal(shape) * 10.0 ** draw.randrange(-3, 4)).astype(dtype)


def geometry(draw, most=6):
    """A window with symmetric padding, as PyTorch and ONNX have it."""
    size, stride, dilation = (tuple(draw.randrange(1, top) for _ in range(2)) for top in (most, 5, 4))
    dilation = dilation if draw.random() < 0.5 else (1, 1)
    padding = tuple(draw.randrange(side // 2 + 1) for side in size)
    return {"size": size, "stride": stride, "padding": padding, "dilation": dilation, "ceil": draw.random() < 0.5}


def attributes_of(window):
    """ONNX's names."""
    return {
        "kernel_shape": window["size"], "strides": window["stride"], "pads": window["padding"] * 2,
        "dilations": window["dilation"], "ceil_mode": int(window["ceil"]),
    }  # fmt: skip


def shape_of(draw, most=22):
    """Some planes of any height and width."""
    planes = draw.choice(((), (1,), (2, 3)))
    return (*planes, draw.randrange(1, most), draw.randrange(1, most))


def four_axes(x):
    """(N, C, H, W), as the engines want it."""
    return x.reshape(*(1,) * (4 - x.ndim), *x.shape)


def units(x, *others):
    """The unit in the last place, for the type of `x`, of the largest of some arrays, cell by cell; 1 for integers."""
    if x.dtype.kind != "f":
        return 1.0
    return np.spacing(np.max(np.abs(np.broadcast_arrays(*others)), axis=0).astype(x.dtype))


# ---------------------------------------------------------------- ONNX Runtime


def onnx_max(draw):
    x, window = numbers(draw, draw.choice((*FLOATS, np.uint8, np.int8)), shape_of(draw)), geometry(draw)
    mine = poolcli.pool2d(x, "max", **window, threads=draw.randrange(1, 4))
    return Comparison(mine, onnx_answer("MaxPool", four_axes(x), **attributes_of(window)))


def onnx_average(draw):
    x, window, counted = numbers(draw, np.float32, shape_of(draw)), geometry(draw), draw.random() < 0.5
    mine, scale = (
        poolcli.pool2d(one, "average", **window, count_include_pad=counted, threads=draw.randrange(1, 4))
        for one in (x, np.abs(x))
    )
    theirs = onnx_answer("AveragePool", four_axes(x), **attributes_of(window), count_include_pad=int(counted))
    return Comparison(mine, theirs, units(x, scale), 8)


def onnx_lp(draw):
    x, window, p = numbers(draw, np.float32, shape_of(draw)), geometry(draw), draw.randrange(1, 4)
    mine = poolcli.pool2d(x, "lp", **window, p=p, threads=draw.randrange(1, 4))
    return Comparison(mine, onnx_answer("LpPool", four_axes(x), **attributes_of(window), p=p), units(x, mine), 16)


def onnx_global(draw):
    x, kind = numbers(draw, np.float32, shape_of(draw)), draw.choice(("max", "average"))
    theirs = onnx_answer({"max": "GlobalMaxPool", "average": "GlobalAveragePool"}[kind], four_axes(x))
    scale = poolcli.global_pool2d(np.abs(x), kind)
    return Comparison(poolcli.global_pool2d(x, kind), theirs, units(x, scale), 0 if kind == "max" else 16)


def onnx_convolution(draw):
    x, window = numbers(draw, np.float32, shape_of(draw)), geometry(draw)
    kernel = numbers(draw, np.float32, window["size"])
    named = {name: window[name] for name in ("stride", "padding", "dilation")}
    mine, scale = (poolcli.conv2d(*pair, **named) for pair in ((x, kernel), (np.abs(x), np.abs(kernel))))
    attributes = attributes_of(window)
    del attributes["ceil_mode"]
    theirs = onnx_answer("Conv", x.reshape(-1, 1, *x.shape[-2:]), kernel[None, None], **attributes)
    return Comparison(mine, theirs, units(x, scale), 16)


def onnx_same(draw):
    """SAME without dilation, and strides up to the size: ONNX Runtime has other shapes or errors elsewhere."""
    x, size = numbers(draw, np.float32, shape_of(draw)), tuple(draw.randrange(1, 6) for _ in range(2))
    stride = tuple(draw.randrange(1, side + 1) for side in size)
    name = draw.choice(("same", "same-lower"))
    pad = {"same": "SAME_UPPER", "same-lower": "SAME_LOWER"}[name]
    mine = poolcli.pool2d(x, "max", size, stride, name)
    return Comparison(mine, onnx_answer("MaxPool", four_axes(x), kernel_shape=size, strides=stride, auto_pad=pad))


# ---------------------------------------------------------------- PyTorch


def torch_max(draw):
    x, window = numbers(draw, draw.choice((*FLOATS, *INTEGERS)), shape_of(draw)), geometry(draw)
    mine, places = poolcli.pool2d(x, "max", **window, return_indices=True, threads=draw.randrange(1, 4))
    theirs, where = torch.nn.functional.max_pool2d(
        torch.from_numpy(four_axes(x)), window["size"], window["stride"], window["padding"], window["dilation"],
        window["ceil"], return_indices=True,
    )  # fmt: skip
    return Comparison(
        np.stack([mine.astype(object), places.astype(object)]),
        np.stack([theirs.numpy().reshape(mine.shape).astype(object), where.numpy().reshape(mine.shape).astype(object)]),
    )


def torch_average(draw):
    x, window, counted = numbers(draw, draw.choice(FLOATS), shape_of(draw)), geometry(draw, 17), draw.random() < 0.5
    del window["dilation"]
    mine = poolcli.pool2d(x, "average", **window, count_include_pad=counted, threads=draw.randrange(1, 4))
    theirs = torch.nn.functional.avg_pool2d(
        torch.from_numpy(four_axes(x)), window["size"], window["stride"], window["padding"], window["ceil"], counted
    )
    return Comparison(mine, theirs.numpy())


def torch_adaptive(draw):
    x, out = numbers(draw, draw.choice(FLOATS), shape_of(draw)), (draw.randrange(1, 30), draw.randrange(1, 30))
    kind = draw.choice(("max", "average"))
    made = getattr(torch.nn.functional, {"max": "adaptive_max_pool2d", "average": "adaptive_avg_pool2d"}[kind])
    mine, scale = (poolcli.adaptive_pool2d(one, out, kind) for one in (x, np.abs(x)))
    exact = kind == "max" or out != (1, 1)  # an average to 1x1 is PyTorch's mean(), which adds in another order
    return Comparison(mine, made(torch.from_numpy(four_axes(x)), out).numpy(), units(x, scale), 0 if exact else 16)


def torch_convolution(draw):
    x, window = numbers(draw, draw.choice(FLOATS), shape_of(draw)), geometry(draw)
    kernel, mode = numbers(draw, x.dtype, window["size"]), draw.choice(("zeros", "reflect", "replicate"))
    named = {name: window[name] for name in ("stride", "padding", "dilation")} | {"padding_mode": mode}
    mine, scale = (poolcli.conv2d(*pair, **named) for pair in ((x, kernel), (np.abs(x), np.abs(kernel))))
    planes, (down, across) = torch.from_numpy(x.reshape(-1, 1, *x.shape[-2:])), window["padding"]
    padded = torch.nn.functional.pad(planes, (across, across, down, down), mode="constant" if mode == "zeros" else mode)
    weights = torch.from_numpy(kernel)[None, None]
    theirs = torch.nn.functional.conv2d(padded, weights, stride=window["stride"], dilation=window["dilation"])
    return Comparison(mine, theirs.numpy(), units(x, scale), 16)


def torch_unpool(draw):
    x = numbers(draw, np.float32, (1, 2, draw.randrange(2, 22), draw.randrange(2, 22)))
    size = draw.randrange(1, min(x.shape[-2:]) + 1)
    values, places = poolcli.pool2d(x, "max", size, return_indices=True)
    mine = poolcli.unpool2d(values, places, x.shape[-2:])
    theirs = torch.nn.functional.max_unpool2d(
        torch.from_numpy(values), torch.from_numpy(places), size, output_size=x.shape[-2:]
    )
    return Comparison(mine, theirs.numpy())


# ---------------------------------------------------------------- slow loops


def loops(draw):
    """Every kind and type by the definitions in `reference`, with asymmetric and named paddings."""
    kind, dtype = draw.choice(reference.KINDS), draw.choice((*FLOATS, *INTEGERS, np.uint16, np.uint32, np.float16))
    x, window = numbers(draw, dtype, shape_of(draw, 12)), geometry(draw)
    if dtype == np.float16:
        x = x.clip(-1000, 1000).astype(np.float16)
    if kind in {"lp", "rms", "std", "sum"} and x.dtype.itemsize >= 4 and x.dtype.kind != "f":
        x = x % x.dtype.type(1000)
    extent = [d * (k - 1) + 1 for d, k in zip(window["dilation"], window["size"], strict=True)]
    sides = tuple((draw.randrange(e), draw.randrange(e)) for e in extent)
    window["padding"] = draw.choice(("valid", "same", "same-lower", sides))
    window["ceil"] = window["ceil"] and not isinstance(window["padding"], str)
    extra = {"count_include_pad": True} if kind == "average" and draw.random() < 0.3 else {}
    extra |= {"percentile": {"q": draw.choice((0, 10, 33.3, 100))}, "stochastic": {"seed": draw.randrange(2**64)}}.get(
        kind, {}
    )
    mine = poolcli.pool2d(x, kind, **window, **extra, threads=draw.randrange(1, 4))
    theirs = reference.pool2d(x, kind, **window, **extra)
    reference.assert_pooled(mine, theirs, kind, x, math.prod(window["size"]))
    return Comparison(mine, theirs, units(mine, mine, theirs, np.abs(x.astype(float)).max()), math.inf)


def loops_adaptive(draw):
    kind, dtype = draw.choice(reference.UNPLACED_KINDS[:12]), draw.choice((*FLOATS, np.uint8, np.int16))
    dtype = np.float32 if kind == "average" else dtype  # of integers ours is divided once, by the number of cells
    x, out = numbers(draw, dtype, shape_of(draw, 12)), (draw.randrange(1, 15), draw.randrange(1, 15))
    mine, theirs = (one.adaptive_pool2d(x, out, kind) for one in (poolcli, reference))
    reference.assert_pooled(mine, theirs, kind, x, math.prod(x.shape[-2:]))
    return Comparison(mine, theirs, units(mine, mine, theirs, np.abs(x.astype(float)).max()), math.inf)


COMPARISONS = {
    "ONNX Runtime MaxPool": onnx_max,
    "ONNX Runtime MaxPool, SAME": onnx_same,
    "ONNX Runtime AveragePool": onnx_average,
    "ONNX Runtime LpPool": onnx_lp,
    "ONNX Runtime GlobalMaxPool, GlobalAveragePool": onnx_global,
    "ONNX Runtime Conv": onnx_convolution,
    "PyTorch max_pool2d with indices": torch_max,
    "PyTorch avg_pool2d": torch_average,
    "PyTorch adaptive_max_pool2d, adaptive_avg_pool2d": torch_adaptive,
    "PyTorch conv2d": torch_convolution,
    "PyTorch max_unpool2d": torch_unpool,
    "slow loops, every kind": loops,
    "slow loops, adaptive windows": loops_adaptive,
}


def compared(name, seed, case):
    """One case: None where poolcli refuses the settings, or a `Comparison`."""
    draw = random.Random(f"{seed} {name} {case}")
    try:
        found = COMPARISONS[name](draw)
    except (PoolcliError, ValueError) as error:
        if isinstance(error, PoolcliError) or "larger than the padded map" in str(error):
            return None
        raise
    return found._replace(theirs=np.asarray(found.theirs).reshape(found.mine.shape))


def largest_difference(found):
    """In units in the last place; infinite where types differ or only one is NaN."""
    if found.mine.dtype != found.theirs.dtype:
        return math.inf
    if found.mine.dtype.kind != "f":
        return 0.0 if (found.mine == found.theirs).all() else math.inf
    both = np.isnan(found.mine) & np.isnan(found.theirs)
    with np.errstate(invalid="ignore"):
        apart = np.where((found.mine == found.theirs) | both, 0, np.abs(found.mine - found.theirs) / found.unit)
    return float(np.nan_to_num(apart, nan=np.inf).max(initial=0))


def main(seconds, seed):
    """Run cases of every comparison in turn; the number of failures."""
    names = [name for name in COMPARISONS if torch is not None or "PyTorch" not in name]
    counts, largest, failures = Counter(), Counter(), 0
    end = time.process_time() + seconds
    for name, case in ((name, case) for case in itertools.count() for name in names):
        if time.process_time() > end:
            break
        try:
            found = compared(name, seed, case)
        except KeyboardInterrupt:  # what was counted is printed
            break
        except Exception as error:  # noqa: BLE001 - each of them is a find
            failures += 1
            print(f"{name}, case {case} of seed {seed}: {type(error).__name__}: {error}")
            continue
        if found is None:
            counts[name, "refused"] += 1
            continue
        difference = largest_difference(found)
        if difference > found.allowed:
            failures += 1
            print(f"{name}, case {case} of seed {seed}: {difference} units apart")
        counts[name, "cases"] += 1
        counts[name, "cells"] += found.mine.size
        counts[name, "equal"] += int(((found.mine == found.theirs) | (found.mine != found.mine)).sum())
        largest[name] = max(largest[name], difference)
    for name in names:
        cases, cells, equal, refused = (counts[name, what] for what in ("cases", "cells", "equal", "refused"))
        share = 100 * equal / max(1, cells)
        print(
            f"{name}: {cases:,} cases ({refused:,} refused), {cells:,} cells, {share:.4f} % equal, at most {largest[name]:.3g} units apart"
        )
    print(f"{failures} failures")
    return failures


if __name__ == "__main__":
    sys.exit(1 if main(float(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "0") else 0)
