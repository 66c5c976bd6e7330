"""Results computed with plain numpy, so that the figures are tested without the engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from poolcli.pipeline.recipe import Recipe
from poolcli.pipeline.result import Display, Result, StageResult, Statistics

SAMPLES = Path(__file__).parents[2] / "sample_images"
EDGE = ((-1, -1, -1), (-1, 8, -1), (-1, -1, -1))


def picture(name: str, mode: str = "L") -> np.ndarray:
    """A sample picture as float32 in 0…1."""
    with Image.open(SAMPLES / name) as image:
        return np.asarray(image.convert(mode), np.float32) * np.float32(1 / 255)


def conv(x: np.ndarray, kernel: Any = EDGE, padding: str = "same") -> np.ndarray:
    weights = np.asarray(kernel, np.float32)
    h, w = weights.shape
    if padding == "same":
        wide = ((h // 2, h // 2), (w // 2, w // 2), *[(0, 0)] * (x.ndim - 2))
        x = np.pad(x, wide)
    rows, cols = x.shape[0] - h + 1, x.shape[1] - w + 1
    return sum(weights[i, j] * x[i : i + rows, j : j + cols] for i in range(h) for j in range(w))


def pool(x: np.ndarray, size: int = 2, kind: str = "max") -> np.ndarray:
    h, w = x.shape[0] // size, x.shape[1] // size
    blocks = x[: h * size, : w * size].reshape(h, size, w, size, *x.shape[2:])
    return getattr(blocks, kind)(axis=(1, 3))


def display(values: np.ndarray, rule: str, side: int = 400) -> Display:
    values = np.asarray(values, np.float32)
    factor = -(-max(values.shape[:2]) // side)
    small = values
    if factor > 1:
        wide = [(0, -values.shape[0] % factor), (0, -values.shape[1] % factor), *[(0, 0)] * (values.ndim - 2)]
        wide = np.pad(values, wide, mode="edge")
        small = pool(wide, factor, "mean")
        if rule == "magnitude":
            small = np.copysign(pool(np.abs(wide), factor, "mean"), small)
    return Display(small.astype(np.float32), factor, rule, values[:: max(1, values.shape[0] // 200)].ravel())


def stage(name: str, title: str, values: np.ndarray, rule: str = "mean", **extra: Any) -> StageResult:
    step = extra.pop("step", name)
    field, stride = extra.pop("field", (1, 1)), extra.pop("total", (1.0, 1.0))
    numbers = Statistics(float(values.min()), float(values.max()), float(values.mean()), float((values > 0).mean()))
    shape = (values.shape[0], values.shape[1])
    if name == "conv2d":
        extra = {"window": (3, 3)} | extra
    elif name.endswith("pool2d"):
        extra = {"window": (2, 2), "kind": "max"} | extra
    return StageResult(name, title, step, extra, shape, field, stride, numbers, display(values, rule))


def result(
    x: np.ndarray,
    source: str = "cat.jpg",
    *,
    kernel: Any = None,
    padding: str = "same",
    relu: bool | None = None,
    repeat: int = 1,
    blocks: int = 1,
    size: int = 2,
    kind: str = "max",
    white: float = 255.0,
    scale: float = 1 / 255,
) -> Result:
    """The result of a run on a picture: filter, detect, condense."""
    pads = ((0, 0), (0, 0))
    stages = []
    first = stage("input", "Input", x)
    field, stride = 1, 1
    for block in range(1, blocks + 1):
        where = f"block {block}, " if blocks > 1 else ""
        if kernel is not None:
            x = conv(x, kernel, padding)
            field += (len(kernel) - 1) * stride
            settings = {"kernel": "edge", "stride": 1, "padding": padding, "dilation": 1, "pads": pads}
            settings["window"] = np.shape(kernel)
            place = {"field": (field, field), "total": (float(stride), float(stride))}
            stages.append(stage("conv2d", "Filter", x, "magnitude", step=f"{where}filter", **settings, **place))
        if relu if relu is not None else kernel is not None:
            x = np.maximum(x, 0)
            place = {"field": (field, field), "total": (float(stride), float(stride))}
            stages.append(stage("relu", "Detect (ReLU)", x, "mean", step=f"{where}detect", **place))
        for i in range(1, repeat + 1):
            x = pool(x, size, kind)
            field, stride = field + (size - 1) * stride, stride * size
            settings = {"kind": kind, "size": size, "stride": None, "padding": "valid", "dilation": 1, "pads": pads}
            settings["window"] = (size, size)
            place = {"field": (field, field), "total": (float(stride), float(stride))}
            name = f"Condense ({kind.title()}Pool)"
            stages.append(stage("pool2d", name, x, "mean", step=f"{where}repeat {i}", **settings, **place))
    channels = x.shape[2] if x.ndim == 3 else 1
    raw = x / np.float32(scale)
    return Result(Recipe(), source, channels, first, tuple(stages), raw, scale, white, 8)
