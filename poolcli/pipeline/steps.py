"""STEPS: the operations that a recipe can have. A step holds settings and makes stages of `ops` for a map of known size."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

from poolcli.display import shortened
from poolcli.errors import OptionError, suggestion
from poolcli.ops.borders import padding_mode_named
from poolcli.ops.convolution import ReluStage, convolution
from poolcli.ops.kernels import weights_of
from poolcli.ops.pooling import pooling
from poolcli.ops.pools import PARAMETERS, POOLS, parameters_of, pool_named
from poolcli.ops.settings import flag, whole
from poolcli.pipeline.parsing import KernelRows, kernel_value, output_size_pair, padding_value, size_pair

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from poolcli.ops.pool_stage import Pooling
    from poolcli.ops.settings import Padding, Pair
    from poolcli.ops.strips import Stage
    from poolcli.ops.value_range import ValueRange


@dataclass(frozen=True, eq=False, repr=False)
class Step(ABC):
    """A step of a recipe."""

    op: ClassVar[str]

    @property
    @abstractmethod
    def title(self) -> str:
        """The name of its map in figures and tables."""

    @abstractmethod
    def place(self, shape: Pair, values: ValueRange, planes: int) -> Sequence[Stage]:
        """The stages that apply the step to a map of `shape`; SizeError if it does not fit."""

    def settings(self) -> dict[str, Any]:
        """The settings as a recipe file has them, without the op; settings that are None are left out."""
        return {name: _plain(value) for name, value in vars(self).items() if value is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, float) and math.isinf(value):
        return "inf"  # JSON has no infinity
    return [_plain(v) for v in value] if isinstance(value, tuple) else "-" if value is None else value


@dataclass(frozen=True)
class Conv2D(Step):
    """The filter: a kernel by cross-correlation."""

    op: ClassVar[str] = "conv2d"

    kernel: str | KernelRows
    stride: Pair = (1, 1)
    padding: Padding = "same"
    dilation: Pair = (1, 1)
    padding_mode: str = "zeros"

    def __post_init__(self) -> None:
        _set(self, "kernel", kernel_value(self.kernel))
        _set(self, "stride", size_pair("conv stride", self.stride))
        _set(self, "padding", padding_value("conv padding", self.padding))
        _set(self, "dilation", size_pair("conv dilation", self.dilation))
        _set(self, "padding_mode", padding_mode_named("conv padding mode", self.padding_mode))

    def settings(self) -> dict[str, Any]:
        plain = super().settings()
        if self.padding_mode == "zeros":
            del plain["padding_mode"]  # the default is left out: recipes from before this setting keep their hash
        return plain

    @property
    def title(self) -> str:
        return "Filter"

    def place(self, shape: Pair, values: ValueRange, planes: int) -> Sequence[Stage]:
        step = convolution(self.kernel, self.stride, self.padding, self.dilation, self.padding_mode)
        return step.stages(shape, values, planes)

    @property
    def shape(self) -> Pair:
        """Height and width of the kernel."""
        height, width = weights_of(self.kernel).shape
        return height, width


@dataclass(frozen=True)
class ReLU(Step):
    """The detect step: negative values become 0."""

    op: ClassVar[str] = "relu"

    @property
    def title(self) -> str:
        return "Detect (ReLU)"

    def place(self, shape: Pair, values: ValueRange, planes: int) -> Sequence[Stage]:
        return (ReluStage(shape, values, planes),)


@dataclass(frozen=True, eq=False, repr=False)  # its subclasses define their own
class Pool(Step):
    """Base of the three pooling steps: the kind, and those of its parameters that are given, by name."""

    kind: str = "max"
    parameters: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        _set(self, "kind", pool_named(self.kind)[0])
        # Files write infinity as a word.
        given = {
            name: math.inf if isinstance(value, str) and value == "inf" else value for name, value in self.parameters
        }
        values = parameters_of(self.kind, given)
        _set(self, "parameters", tuple((name, value) for name, value in values.items() if given.get(name) is not None))
        self.checked()  # so that a wrong setting is refused when the recipe is made

    def settings(self) -> dict[str, Any]:
        plain = super().settings()
        del plain["parameters"]
        return plain | {name: _plain(value) for name, value in self.parameters}

    @property
    def named(self) -> dict[str, Any]:
        """The given parameters, as keywords."""
        return dict(self.parameters)

    @abstractmethod
    def checked(self) -> Pooling:
        """The settings as `ops` takes them."""

    def place(self, shape: Pair, values: ValueRange, planes: int) -> Sequence[Stage]:
        return self.checked().stages(shape, values, planes)

    @property
    def layer(self) -> str:
        """The layer's name: MaxPool, Global AvgPool."""
        return POOLS[self.kind].title

    @property
    def title(self) -> str:
        """Condense, with the layer's name."""
        return f"Condense ({self.layer})"


@dataclass(frozen=True)
class Pool2D(Pool):
    """The condense step: sliding windows, `repeat` times."""

    op: ClassVar[str] = "pool2d"

    size: Pair = (2, 2)
    stride: Pair | None = None
    padding: Padding = "valid"
    dilation: Pair = (1, 1)
    ceil: bool = False
    count_include_pad: bool = False
    repeat: int = 1

    def __post_init__(self) -> None:
        _set(self, "size", size_pair("size", self.size))
        _set(self, "stride", None if self.stride is None else size_pair("stride", self.stride))
        _set(self, "padding", padding_value("padding", self.padding))
        _set(self, "dilation", size_pair("dilation", self.dilation))
        _set(self, "repeat", whole("repeat", self.repeat))
        for name in ("ceil", "count_include_pad"):
            _set(self, name, flag(name.replace("_", " "), getattr(self, name)))
        super().__post_init__()

    def checked(self) -> Pooling:
        return pooling(
            self.kind, self.size, self.stride, self.padding, self.dilation,
            ceil=self.ceil, count_include_pad=self.count_include_pad, **self.named,
        )  # fmt: skip


@dataclass(frozen=True)
class AdaptivePool2D(Pool):
    """Condense to a given size."""

    op: ClassVar[str] = "adaptive_pool2d"

    output_size: tuple[int | None, int | None] = (1, 1)

    def __post_init__(self) -> None:
        _set(self, "output_size", output_size_pair(self.output_size))
        super().__post_init__()

    def checked(self) -> Pooling:
        return pooling(self.kind, output_size=self.output_size, **self.named)

    @property
    def layer(self) -> str:
        """Adaptive, with the kind's name."""
        return f"Adaptive {super().layer}"


@dataclass(frozen=True)
class GlobalPool2D(Pool):
    """Condense each map to one value."""

    op: ClassVar[str] = "global_pool2d"

    def checked(self) -> Pooling:
        return pooling(self.kind, output_size=(1, 1), **self.named)

    @property
    def layer(self) -> str:
        """Global, with the kind's name."""
        return f"Global {super().layer}"


STEPS: dict[str, type[Step]] = {step.op: step for step in (Conv2D, ReLU, Pool2D, AdaptivePool2D, GlobalPool2D)}


def step_from(mapping: Any) -> Step:
    """Make a step from an entry of a recipe file's ``stages``.

    Raises
    ------
    OptionError
        An unknown op or key, or a setting that is wrong.
    """
    if not isinstance(mapping, dict) or not isinstance(mapping.get("op"), str):
        msg = f"stage {shortened(mapping)}: write a table with an op, one of {', '.join(STEPS)}"
        raise OptionError(msg)
    settings = dict(mapping)
    op = settings.pop("op")
    if op not in STEPS:
        msg = f"unknown op {shortened(op)}{suggestion(op, STEPS)}"
        raise OptionError(msg)
    pools = issubclass(STEPS[op], Pool)
    known = [f.name for f in fields(STEPS[op]) if f.name != "parameters"]
    check_keys(settings, [*known, *PARAMETERS] if pools else known)
    if pools:
        settings["parameters"] = tuple((name, settings.pop(name)) for name in PARAMETERS if name in settings)
    if op == "conv2d" and "kernel" not in settings:
        msg = "conv2d without a kernel: add a kernel, a name or rows of numbers"
        raise OptionError(msg)
    return STEPS[op](**{key: _tuples(value) for key, value in settings.items()})


def check_keys(mapping: Mapping[str, Any], known: Sequence[str]) -> None:
    """Refuse an unknown key and suggest the most similar known one.

    Raises
    ------
    OptionError
    """
    for key in mapping:
        if key not in known:
            msg = f"unknown key {shortened(key)}{suggestion(key, known)}"
            raise OptionError(msg)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value


def _set(step: Step, name: str, value: Any) -> None:
    object.__setattr__(step, name, value)  # needed because the dataclass is frozen
