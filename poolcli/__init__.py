"""Image pooling: filter, detect, condense, with the frameworks' exact numbers.

The public names are resolved when they are first used, so that importing poolcli costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "KERNELS": "poolcli.ops.kernels",
    "POOLS": "poolcli.ops.kinds",
    "adaptive_pool2d": "poolcli.ops.pooling",
    "conv2d": "poolcli.ops.convolution",
    "global_pool2d": "poolcli.ops.pooling",
    "pool2d": "poolcli.ops.pooling",
    "recipe": "poolcli.pipeline.options",
    "relu": "poolcli.ops.convolution",
    "run": "poolcli.pipeline.engine",
    "unpool2d": "poolcli.ops.pooling",
}

if TYPE_CHECKING:
    from poolcli.ops.convolution import conv2d, relu
    from poolcli.ops.kernels import KERNELS
    from poolcli.ops.kinds import POOLS
    from poolcli.ops.pooling import adaptive_pool2d, global_pool2d, pool2d, unpool2d
    from poolcli.pipeline.engine import run
    from poolcli.pipeline.options import recipe

__all__ = [
    "KERNELS",
    "POOLS",
    "adaptive_pool2d",
    "conv2d",
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
