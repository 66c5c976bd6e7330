"""Image pooling: filter, detect and condense a picture, with the same numbers as PyTorch, TensorFlow and ONNX.

The public names are imported at first use, so that importing poolcli takes almost no time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "KERNELS": "poolcli.ops.kernels",
    "POOLS": "poolcli.ops.pools",
    "adaptive_pool2d": "poolcli.ops.pooling",
    "conv2d": "poolcli.ops.convolution",
    "explain": "poolcli.explanation.explain",
    "global_pool2d": "poolcli.ops.pooling",
    "pool2d": "poolcli.ops.pooling",
    "recipe": "poolcli.pipeline.options",
    "relu": "poolcli.ops.convolution",
    "run": "poolcli.api",
    "unpool2d": "poolcli.ops.pooling",
}

if TYPE_CHECKING:
    from poolcli.api import run
    from poolcli.explanation.explain import explain
    from poolcli.ops.convolution import conv2d, relu
    from poolcli.ops.kernels import KERNELS
    from poolcli.ops.pooling import adaptive_pool2d, global_pool2d, pool2d, unpool2d
    from poolcli.ops.pools import POOLS
    from poolcli.pipeline.options import recipe

__all__ = [
    "KERNELS",
    "POOLS",
    "adaptive_pool2d",
    "conv2d",
    "explain",
    "global_pool2d",
    "pool2d",
    "recipe",
    "relu",
    "run",
    "unpool2d",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
