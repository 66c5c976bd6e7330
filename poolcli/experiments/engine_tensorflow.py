"""Steps of a recipe in TensorFlow: its own "SAME" and "VALID", else padding written out before."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli.experiments.engine_operation import NotExpressibleError, padded
from poolcli.figures.captions import size_text
from poolcli.images.pillow_guard import silent_stderr

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from poolcli.experiments.engine_operation import Map, Operation, SlidingWindows, Work

    Function = Callable[[Any], Any]


class TensorFlowEngine:
    """TensorFlow on the processor."""

    def __init__(self) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # it logs to stderr while it is imported
        with silent_stderr():
            self.tf: Any = import_module("tensorflow")
            self.tf.constant(0)  # it starts at the first operation
        self.version = str(self.tf.__version__)

    def prepare(self, operation: Operation, fed: Map) -> Work:
        """Make ready to do an operation to a map of shape (planes, H, W).

        Raises
        ------
        NotExpressibleError
        """
        with self.tf.device("CPU:0"):
            function, given = self._function(operation, fed)
            x = self.tf.constant(given[..., None])

        def work() -> NDArray[Any]:
            with self.tf.device("CPU:0"):
                made: NDArray[Any] = function(x).numpy()
            return made[..., 0]

        return work

    def _function(self, operation: Operation, fed: Map) -> tuple[Function, Map]:
        """What is done, and the map it is done to."""
        if operation.op == "relu":
            return self.tf.nn.relu, fed
        windows = operation.sliding
        if operation.op == "conv2d":
            assert windows is not None
            assert operation.weights is not None
            weights = self.tf.constant(operation.weights[..., None, None])
            options = {"strides": windows.stride, "padding": "VALID", "dilations": windows.dilation}
            given = padded(fed, windows.reach, operation.mode)
            return lambda x: self.tf.nn.conv2d(x, weights, **options), given
        if operation.kind not in ("max", "min", "average"):
            msg = f"TensorFlow has no {operation.kind} pooling"
            raise NotExpressibleError(msg)
        if operation.op == "global_pool2d":
            reduce = {"max": self.tf.reduce_max, "min": self.tf.reduce_min, "average": self.tf.reduce_mean}
            return lambda x: reduce[operation.kind](x, axis=(1, 2), keepdims=True), fed
        if windows is None:
            return self._adaptive(operation, fed), fed
        if operation.kind == "average":
            return self._mean(operation, windows, fed)
        return self._largest(operation, windows, fed)

    def _adaptive(self, operation: Operation, fed: Map) -> Function:
        """Keras's layers: TensorFlow itself has no adaptive pooling."""
        assert operation.window is not None
        name = "AdaptiveAveragePooling2D" if operation.kind == "average" else "AdaptiveMaxPooling2D"
        layer = getattr(self.tf.keras.layers, name, None)
        if layer is None:
            sizes = f"{size_text(fed.shape[1:])} is no multiple of {size_text(operation.window.shape)}"
            msg = f"TensorFlow has no adaptive pooling, Keras has it from 3.15 on, and {sizes}"
            raise NotExpressibleError(msg)
        pool, sign = layer(operation.window.shape), -1.0 if operation.kind == "min" else 1.0
        return lambda x: sign * pool(sign * x)

    def _largest(self, operation: Operation, windows: SlidingWindows, fed: Map) -> tuple[Function, Map]:
        pool = self._pool(windows, "MAX", _own_padding(operation, windows))
        value = np.inf if operation.kind == "min" else -np.inf
        given = fed if _own_padding(operation, windows) == "SAME" else padded(fed, windows.reach, value=value)
        sign = -1.0 if operation.kind == "min" else 1.0
        return lambda x: sign * pool(sign * x), given

    def _mean(self, operation: Operation, windows: SlidingWindows, fed: Map) -> tuple[Function, Map]:
        own = _own_padding(operation, windows)
        counted = operation.counted and any(side > 0 for sides in windows.pads for side in sides)
        if (own == "SAME" and not counted) or not windows.padded:
            return self._pool(windows, "AVG", own), fed
        whole = all(after >= reached for (_, after), (_, reached) in zip(windows.pads, windows.reach, strict=True))
        if counted and whole:
            return self._pool(windows, "AVG", "VALID"), padded(fed, windows.reach)
        rows, cols = windows.reach
        msg = f"TensorFlow's average pooling has the paddings same and valid only (here {rows[0]},{rows[1]}/{cols[0]},{cols[1]})"
        raise NotExpressibleError(msg)

    def _pool(self, windows: SlidingWindows, kind: str, padding: str) -> Function:
        if windows.dilation == (1, 1):
            pool = self.tf.nn.max_pool2d if kind == "MAX" else self.tf.nn.avg_pool2d
            return lambda x: pool(x, windows.size, windows.stride, padding)
        (down, across), options = windows.stride, {"padding": "VALID", "dilations": windows.dilation}
        # Dilated windows have stride 1 there: the others are left out afterwards.
        return lambda x: self.tf.nn.pool(x, windows.size, kind, **options)[:, ::down, ::across]


def _own_padding(operation: Operation, windows: SlidingWindows) -> str:
    return "SAME" if operation.padding == "same" and windows.dilation == (1, 1) else "VALID"
