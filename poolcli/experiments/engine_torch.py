"""Steps of a recipe in PyTorch: its own layers' padding where they have it, else padding written out before."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli.experiments.engine_operation import NotExpressibleError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from poolcli.experiments.engine_operation import Map, Operation, SlidingWindows, Work

    Function = Callable[[Any], Any]


class TorchEngine:
    """PyTorch on the processor."""

    def __init__(self) -> None:
        self.torch: Any = import_module("torch")
        self.functional: Any = import_module("torch.nn.functional")
        self.version = str(self.torch.__version__).split("+")[0]

    def prepare(self, operation: Operation, fed: Map) -> Work:
        """Make ready to do an operation to a map of shape (planes, H, W).

        Raises
        ------
        NotExpressibleError
        """
        function = self._function(operation, fed)
        x = self.torch.from_numpy(np.ascontiguousarray(fed[:, None]))

        def work() -> NDArray[Any]:
            with self.torch.no_grad():
                made: NDArray[Any] = function(x)[:, 0].numpy()
                return made

        return work

    def _function(self, operation: Operation, fed: Map) -> Function:
        if operation.op == "relu":
            relu: Function = self.functional.relu
            return relu
        if operation.op == "conv2d":
            return self._convolution(operation)
        windows = operation.sliding
        if windows is None or (operation.op != "pool2d" and operation.kind in ("max", "min", "average")):
            return self._adaptive(operation)
        made = {"max": self._largest, "min": self._largest, "average": self._mean, "sum": self._mean, "lp": self._norm}
        if operation.kind not in made:
            msg = f"PyTorch has no {operation.kind} pooling"
            raise NotExpressibleError(msg)
        return made[operation.kind](operation, windows, fed)

    def _convolution(self, operation: Operation) -> Function:
        windows = operation.sliding
        assert windows is not None
        assert operation.weights is not None
        weights = self.torch.from_numpy(operation.weights[None, None].copy())
        pad = self._pad(windows, {"zeros": "constant"}.get(operation.mode, operation.mode))
        return lambda x: self.functional.conv2d(pad(x), weights, stride=windows.stride, dilation=windows.dilation)

    def _adaptive(self, operation: Operation) -> Function:
        assert operation.window is not None
        out = operation.window.shape
        if operation.kind == "average":
            return lambda x: self.functional.adaptive_avg_pool2d(x, out)
        if operation.kind == "max":
            return lambda x: self.functional.adaptive_max_pool2d(x, out)
        if operation.kind == "min":
            return lambda x: -self.functional.adaptive_max_pool2d(-x, out)
        msg = f"PyTorch has no adaptive {operation.kind} pooling"
        raise NotExpressibleError(msg)

    def _largest(self, operation: Operation, windows: SlidingWindows, fed: Map) -> Function:
        ceil = _own_rule(windows, operation, fed)
        options: dict[str, Any] = {"stride": windows.stride, "dilation": windows.dilation}
        pad = self._pad(windows, "constant", -np.inf)
        if ceil is not None:
            options |= {"padding": (windows.pads[0][0], windows.pads[1][0]), "ceil_mode": ceil}
            pad = _unchanged
        sign = -1 if operation.kind == "min" else 1
        return lambda x: sign * self.functional.max_pool2d(pad(sign * x), windows.size, **options)

    def _mean(self, operation: Operation, windows: SlidingWindows, fed: Map) -> Function:
        if windows.dilation != (1, 1):
            msg = f"PyTorch's average pooling has no dilation (here {windows.dilation[0]}x{windows.dilation[1]})"
            raise NotExpressibleError(msg)
        ceil = _own_rule(windows, operation, fed)
        if operation.kind == "average" and ceil is not None:
            padding = (windows.pads[0][0], windows.pads[1][0])
            return lambda x: self.functional.avg_pool2d(
                x, windows.size, windows.stride, padding, ceil, operation.counted
            )
        pad = self._pad(windows, "constant")
        counts = self.torch.from_numpy(operation.counts) if operation.kind == "average" else 1.0
        return lambda x: self.functional.avg_pool2d(pad(x), windows.size, windows.stride, divisor_override=1) / counts

    def _norm(self, operation: Operation, windows: SlidingWindows, fed: Map) -> Function:
        p = operation.parameters["p"]
        if np.isinf(p) or (p % 2 and fed.min() < 0):
            msg = f"PyTorch's Lp pooling takes powers of the values, not of their sizes: p {p:g} of negative values"
            raise NotExpressibleError(msg if np.isfinite(p) else "PyTorch's Lp pooling has no infinite p")
        if windows.padded or windows.dilation != (1, 1):
            what = "padding or partial windows" if windows.padded else "dilation"
            msg = f"PyTorch's Lp pooling has no {what}"
            raise NotExpressibleError(msg)
        return lambda x: self.functional.lp_pool2d(x, float(p), windows.size, windows.stride)

    def _pad(self, windows: SlidingWindows, mode: str, value: float = 0.0) -> Function:
        if not windows.padded:
            return _unchanged
        (top, bottom), (left, right) = windows.reach
        options = {"value": value} if mode == "constant" else {}
        return lambda x: self.functional.pad(x, (left, right, top, bottom), mode=mode, **options)


def _unchanged(x: Any) -> Any:
    return x


def _own_rule(windows: SlidingWindows, operation: Operation, fed: Map) -> bool | None:
    """The ceil_mode with which PyTorch's own padding makes these windows; None where it does not."""
    fits = windows.even and all(2 * sides[0] <= k for sides, k in zip(windows.pads, windows.size, strict=True))
    lengths = (fed.shape[1], fed.shape[2])
    rules = (operation.ceil, not operation.ceil)
    return next((ceil for ceil in rules if fits and windows.counted(lengths, ceil=ceil) == windows.out), None)
