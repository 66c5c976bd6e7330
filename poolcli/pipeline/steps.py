"""STEPS: what a recipe can be made of. A step is frozen settings; placed on a map it becomes stages of `ops`."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

from poolcli.errors import OptionError, suggestion
from poolcli.ops.convolution import ReluStage, convolution
from poolcli.ops.kernels import weights_of
from poolcli.ops.kinds import PARAMETERS, POOLS, parameter_of, pool_named
from poolcli.ops.pooling import pooling
from poolcli.ops.windows import is_whole
from poolcli.pipeline.forms import Rows, kernel_value, output_size_pair, padding_value, size_pair

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from poolcli.ops.condense import Pooling
    from poolcli.ops.strips import Stage
    from poolcli.ops.values import Values
    from poolcli.ops.windows import Padding, Pair


@dataclass(frozen=True, eq=False, repr=False)
class Step(ABC):
    """A step of a recipe."""

    op: ClassVar[str]

    @property
    @abstractmethod
    def title(self) -> str:
        """What figures and tables call the map it makes."""

    @abstractmethod
    def place(self, shape: Pair, values: Values, planes: int) -> Sequence[Stage]:
        """The stages that do it to a map of `shape`; SizeError where it does not fit."""

    def settings(self) -> dict[str, Any]:
        """The settings as a recipe file has them, without the op; what is not set is left out."""
        return {name: _plain(value) for name, value in vars(self).items() if value is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, float) and math.isinf(value):
        return "inf"  # JSON has no infinity
    return [_plain(v) for v in value] if isinstance(value, tuple) else "-" if value is None else value


@dataclass(frozen=True)
class Conv2D(Step):
    """The filter: a kernel by cross-correlation."""

    op: ClassVar[str] = "conv2d"

    kernel: str | Rows
    stride: Pair = (1, 1)
    padding: Padding = "same"
    dilation: Pair = (1, 1)

    def __post_init__(self) -> None:
        _set(self, "kernel", kernel_value(self.kernel))
        _set(self, "stride", size_pair("conv stride", self.stride))
        _set(self, "padding", padding_value("conv padding", self.padding))
        _set(self, "dilation", size_pair("conv dilation", self.dilation))

    @property
    def title(self) -> str:
        return "Filter"

    def place(self, shape: Pair, values: Values, planes: int) -> Sequence[Stage]:
        return convolution(self.kernel, self.stride, self.padding, self.dilation).stages(shape, values, planes)

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

    def place(self, shape: Pair, values: Values, planes: int) -> Sequence[Stage]:
        return (ReluStage(shape, values, planes),)


@dataclass(frozen=True, eq=False, repr=False)  # the steps made of it have their own
class Pool(Step):
    """What the three pooling steps share: the kind and its parameter, by name, where one is given."""

    kind: str = "max"
    parameters: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        _set(self, "kind", pool_named(self.kind)[0])
        given = {
            name: math.inf if str(value) == "inf" else value for name, value in self.parameters
        }  # as files have it
        parameter_of(self.kind, given)
        _set(self, "parameters", tuple((name, float(value)) for name, value in given.items()))
        self.checked()  # a wrong setting is found when the recipe is made, not when a picture comes

    def settings(self) -> dict[str, Any]:
        plain = super().settings()
        del plain["parameters"]
        return plain | {name: _plain(value) for name, value in self.parameters}

    @property
    def named(self) -> dict[str, Any]:
        """The parameter by its name, as keywords."""
        return dict(self.parameters)

    @abstractmethod
    def checked(self) -> Pooling:
        """The settings as `ops` takes them."""

    def place(self, shape: Pair, values: Values, planes: int) -> Sequence[Stage]:
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
            flag(name, getattr(self, name))
        super().__post_init__()
        if self.count_include_pad and self.kind != "average":
            msg = f"count include pad with kind {self.kind!r}: it belongs to average"
            raise OptionError(msg)

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
        msg = f"stage {mapping!r}: a table with an op expected, one of {', '.join(STEPS)}"
        raise OptionError(msg)
    settings = dict(mapping)
    op = settings.pop("op")
    if op not in STEPS:
        msg = f"unknown op {op!r}{suggestion(op, STEPS)}"
        raise OptionError(msg)
    pools = issubclass(STEPS[op], Pool)
    known = [f.name for f in fields(STEPS[op]) if f.name != "parameters"]
    check_keys(settings, [*known, *PARAMETERS] if pools else known)
    if pools:
        settings["parameters"] = tuple((name, settings.pop(name)) for name in PARAMETERS if name in settings)
    if op == "conv2d" and "kernel" not in settings:
        msg = "conv2d without a kernel: a name or rows of numbers expected"
        raise OptionError(msg)
    return STEPS[op](**{key: _tuples(value) for key, value in settings.items()})


def check_keys(mapping: Mapping[str, Any], known: Sequence[str]) -> None:
    """Refuse a key that is not known, with the nearest one that is.

    Raises
    ------
    OptionError
    """
    for key in mapping:
        if key not in known:
            msg = f"unknown key {key!r}{suggestion(key, known)}"
            raise OptionError(msg)


def whole(name: str, value: Any, minimum: int = 1) -> int:
    """A whole number of at least `minimum`.

    Raises
    ------
    OptionError
    """
    if not is_whole(value) or value < minimum:
        msg = f"{name} {value!r}: a whole number of at least {minimum} expected"
        raise OptionError(msg)
    return int(value)


def flag(name: str, value: Any) -> bool:
    """True or false.

    Raises
    ------
    OptionError
    """
    if not isinstance(value, bool):
        msg = f"{name} {value!r}: true or false expected"
        raise OptionError(msg)
    return value


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value


def _set(step: Step, name: str, value: Any) -> None:
    object.__setattr__(step, name, value)  # the one way to normalise a field of a frozen dataclass
