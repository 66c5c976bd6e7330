"""A line of PyTorch and a line of Keras that compute the same as a stage, where such a layer exists."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from poolcli.explanation.number_text import number_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poolcli.explanation.stages import ExplainedStage

NONE = "no layer does this"


def _pair(values: Sequence[float]) -> str:
    first, second = (int(value) for value in values)
    return str(first) if first == second else f"({first}, {second})"


def _call(name: str, *settings: str) -> str:
    return f"{name}({', '.join(filter(None, settings))})"


def pytorch_line(stage: ExplainedStage) -> str:  # noqa: PLR0911 - a list of cases
    """The stage as a line of PyTorch.

    Padding that a layer cannot express becomes a padding layer before it. The line has the shape of a kernel and not
    its weights, which are set afterwards.

    Returns
    -------
    str
        `NONE` where no layer computes the same.
    """
    if stage.operation == "relu":
        return "torch.nn.ReLU()"
    if _too_far(stage) or _has_missing(stage):
        return NONE
    if stage.name in {"global_pool2d", "adaptive_pool2d"}:
        names = {"max": "AdaptiveMaxPool2d", "average": "AdaptiveAvgPool2d"}
        name = names.get(stage.operation)
        return f"torch.nn.{name}({_pair(stage.shape)})" if name else NONE
    (top, bottom), (left, right) = stage.pads
    even = top == bottom and left == right
    fits = even and (stage.weights is not None or (2 * top <= stage.size[0] and 2 * left <= stage.size[1]))
    padding = f"padding={_pair((top, left))}" if fits and (top or left) else ""
    stride = f"stride={_pair(stage.stride)}"
    dilation = f"dilation={_pair(stage.dilation)}" if stage.dilation != (1, 1) else ""
    ceil = "ceil_mode=True" if stage.formula[0].startswith("ceil((") or stage.formula[1].startswith("ceil((") else ""
    if stage.weights is not None:
        mode = f"padding_mode={stage.rows.mode!r}" if stage.rows.mode != "zeros" else ""
        first = "" if fits else f"{_padded(stage)}, "
        line = _call(
            "torch.nn.Conv2d", "1, 1", _pair(stage.size), "" if stride == "stride=1" else stride, padding, dilation, mode, "bias=False"
        )  # fmt: skip
        return first + line
    if stage.operation == "max":
        if fits:
            return _call("torch.nn.MaxPool2d", _pair(stage.size), stride, padding, dilation, ceil)
        # PyTorch drops windows that start in the padding of the pooling, but not those in that of a layer before.
        (top, bottom), (left, right) = _reached(stage) if ceil else stage.pads
        line = _call("torch.nn.MaxPool2d", _pair(stage.size), stride, dilation)
        return f"torch.nn.ConstantPad2d(({left}, {right}, {top}, {bottom}), float('-inf')), {line}"
    if dilation:
        return NONE
    if stage.operation == "average" and (fits or (stage.counted and not ceil)):
        counts = "count_include_pad=False" if padding and not stage.counted else ""
        line = _call("torch.nn.AvgPool2d", _pair(stage.size), stride, padding, ceil, counts)
        return line if fits else f"{_padded(stage)}, {line}"
    # PyTorch takes the powers of the values, not of their magnitudes, and scales a partial window as if it were whole.
    if stage.operation == "lp" and not (top or bottom or left or right or ceil) and _positive(stage):
        return _call("torch.nn.LPPool2d", number_text(stage.parameters["p"]), _pair(stage.size), stride)
    return NONE


def _has_missing(stage: ExplainedStage) -> bool:
    """Whether cells are missing, which no framework leaves out."""
    return bool(np.isnan(stage.before).any())


def _too_far(stage: ExplainedStage) -> bool:
    """Whether reflected padding is as large as the map, which PyTorch refuses."""
    mirrored = stage.weights is not None and stage.rows.mode == "reflect"
    return mirrored and any(max(pads) >= length for pads, length in zip(stage.pads, stage.before.shape, strict=True))


def _reached(stage: ExplainedStage) -> list[tuple[int, int]]:
    """Padding of rows and columns that ends with the last window; a negative number cuts cells off."""
    axes = zip(stage.pads, stage.before.shape, stage.shape, stage.size, stage.stride, stage.dilation, strict=True)
    return [
        (near, int((windows - 1) * stride) + (size - 1) * dilation + 1 - near - length)
        for (near, _), length, windows, size, stride, dilation in axes
    ]


def _positive(stage: ExplainedStage) -> bool:
    """Whether the p-th powers of the values equal those of their magnitudes."""
    p = float(stage.parameters["p"])
    return math.isfinite(p) and (p % 2 == 0 or bool(stage.before.min() >= 0))


def _padded(stage: ExplainedStage) -> str:
    (top, bottom), (left, right) = stage.pads
    layer = {"reflect": "ReflectionPad2d", "replicate": "ReplicationPad2d"}.get(stage.rows.mode, "ZeroPad2d")
    return f"torch.nn.{layer}(({left}, {right}, {top}, {bottom}))"


def keras_line(stage: ExplainedStage) -> str:  # noqa: PLR0911 - a list of cases
    """The stage as a line of Keras, whose layers have the paddings "valid" and "same" only.

    Returns
    -------
    str
        `NONE` where no layer computes the same.
    """
    if stage.operation == "relu":
        return "keras.layers.ReLU()"
    if _has_missing(stage):
        return NONE
    names = {"max": "MaxPooling2D", "average": "AveragePooling2D"}
    if stage.name == "global_pool2d":
        name = names.get(stage.operation)
        return f"keras.layers.Global{name}(keepdims=True)" if name else NONE
    (top, bottom), (left, right) = stage.pads
    none = not (top or bottom or left or right)
    same = stage.padding == "same" and not none
    if stage.name == "adaptive_pool2d" or not (none or same) or stage.formula[0].startswith("ceil(("):
        return NONE
    padding = '"same"' if same else '"valid"'
    if stage.weights is not None:
        # Keras allows a stride or a dilation above 1, not both.
        if stage.rows.mode != "zeros" or (max(stage.stride) > 1 and max(stage.dilation) > 1):
            return NONE
        stride = f"strides={_pair(stage.stride)}" if stage.stride != (1, 1) else ""
        dilation = f"dilation_rate={_pair(stage.dilation)}" if stage.dilation != (1, 1) else ""
        return _call(
            "keras.layers.Conv2D", "1", _pair(stage.size), stride, f"padding={padding}", dilation, "use_bias=False"
        )
    name = names.get(stage.operation)
    if name is None or stage.dilation != (1, 1) or stage.counted:
        return NONE
    return _call(f"keras.layers.{name}", _pair(stage.size), f"strides={_pair(stage.stride)}", f"padding={padding}")
