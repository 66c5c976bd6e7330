"""Steps of a recipe in ONNX Runtime: for each a model of one operator."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli.experiments.engine_operation import NotExpressibleError, padded
from poolcli.figures.captions import size_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolcli.experiments.engine_operation import Map, Operation, SlidingWindows, Work

OPERATORS = {"max": "MaxPool", "min": "MaxPool", "average": "AveragePool", "lp": "LpPool"}
OPERATOR_SET, FILE_VERSION = 21, 10
"""Of the models: average and Lp pooling have dilation and partial windows there, and ONNX Runtime 1.20 reads them."""
NO_PADS = ((0, 0), (0, 0))


class OnnxRuntimeEngine:
    """ONNX Runtime on the processor, with models made by the package onnx."""

    def __init__(self) -> None:
        self.onnx: Any = import_module("onnx")
        self.runtime: Any = import_module("onnxruntime")
        self.version = str(self.runtime.__version__)
        self.runtime.set_default_logger_severity(4)

    def prepare(self, operation: Operation, fed: Map) -> Work:
        """Make ready to do an operation to a map of shape (planes, H, W).

        Raises
        ------
        NotExpressibleError
        """
        name, x, weights, attributes = self._node(operation, fed)
        session = self._session(name, x.shape, weights, attributes)
        sign = np.float32(-1 if operation.kind == "min" else 1)
        inputs = {"x": np.ascontiguousarray(sign * x[:, None]), **weights}

        def work() -> NDArray[Any]:
            made: NDArray[Any] = session.run(None, inputs)[0]
            return sign * made[:, 0]

        return work

    def _node(self, operation: Operation, fed: Map) -> tuple[str, Map, dict[str, Map], dict[str, Any]]:
        """The operator, the map that it is fed, its other inputs and its attributes."""
        if operation.op == "relu":
            return "Relu", fed, {}, {}
        if operation.op == "conv2d":
            windows = operation.sliding
            assert windows is not None
            assert operation.weights is not None
            pads = windows.reach
            if operation.mode != "zeros":
                fed, pads = padded(fed, pads, operation.mode), NO_PADS
            return "Conv", fed, {"w": operation.weights[None, None]}, _attributes(windows, pads)
        if operation.kind not in OPERATORS:
            msg = f"ONNX has no {operation.kind} pooling"
            raise NotExpressibleError(msg)
        name, fed, attributes = _pooling(operation, OPERATORS[operation.kind], fed)
        return name, fed, {}, attributes

    def _session(self, name: str, shape: tuple[int, ...], weights: dict[str, Map], attributes: dict[str, Any]) -> Any:
        helper, kind = self.onnx.helper, self.onnx.TensorProto.FLOAT
        inputs = {"x": (shape[0], 1, *shape[1:]), **{other: value.shape for other, value in weights.items()}}
        graph = helper.make_graph(
            [helper.make_node(name, list(inputs), ["y"], **attributes)],
            name,
            [helper.make_tensor_value_info(one, kind, size) for one, size in inputs.items()],
            [helper.make_tensor_value_info("y", kind, None)],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPERATOR_SET)], ir_version=FILE_VERSION)
        return self.runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def _pooling(operation: Operation, name: str, fed: Map) -> tuple[str, Map, dict[str, Any]]:
    """The operator of a pooling step, the map that it is fed, and its attributes."""
    windows, power = operation.sliding, _power(operation)
    lengths = (fed.shape[1], fed.shape[2])
    if operation.op == "global_pool2d":
        return f"Global{name}", fed, power
    if windows is None:
        assert operation.window is not None
        msg = f"ONNX has no adaptive pooling, and {size_text(lengths)} is no multiple of {size_text(operation.window.shape)}"
        raise NotExpressibleError(msg)
    below = all(max(sides) < k for sides, k in zip(windows.pads, windows.size, strict=True))
    rules = (operation.ceil, not operation.ceil)  # the last windows of same may be partial ones
    ceil = next((one for one in rules if below and windows.counted(lengths, ceil=one) == windows.out), None)
    if ceil is not None:
        counted = {"count_include_pad": int(operation.counted)} if name == "AveragePool" else {}
        return name, fed, _attributes(windows, windows.pads) | power | counted | {"ceil_mode": int(ceil)}
    if name == "AveragePool":
        msg = "ONNX Runtime's average pooling takes padding below the size of the window only"
        raise NotExpressibleError(msg)
    least = -np.inf if name == "MaxPool" else 0.0
    fed = padded(fed, windows.reach, value=-least if operation.kind == "min" else least)
    return name, fed, _attributes(windows, NO_PADS) | power


def _attributes(windows: SlidingWindows, pads: Any) -> dict[str, Any]:
    (top, bottom), (left, right) = pads
    return {
        "kernel_shape": windows.size,
        "strides": windows.stride,
        "pads": (top, left, bottom, right),
        "dilations": windows.dilation,
    }


def _power(operation: Operation) -> dict[str, int]:
    if operation.kind != "lp":
        return {}
    p = operation.parameters["p"]
    if p != int(p if np.isfinite(p) else 0):
        msg = f"ONNX's Lp pooling takes whole p only (here {p:g})"
        raise NotExpressibleError(msg)
    return {"p": int(p)}
