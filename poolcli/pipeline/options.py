"""From options to a recipe: the keywords of `poolcli.recipe` are the long option names of the command line.

Options change an existing recipe: a file, a named one, or the default. A kind or geometry of pooling given as an option
applies to every pooling step of the recipe, a kernel to every filter.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from poolcli.errors import OptionError, suggestion
from poolcli.ops.pools import PARAMETERS, pool_named
from poolcli.ops.settings import flag, python_value, whole
from poolcli.pipeline.parsing import kernel_value
from poolcli.pipeline.recipe import Recipe, load
from poolcli.pipeline.steps import AdaptivePool2D, Conv2D, GlobalPool2D, Pool, Pool2D, ReLU, Step

if TYPE_CHECKING:
    from collections.abc import Iterable

SETTINGS = ("channels", "layout", "range", "resize", "resize_filter", "background", "nan", "nodata", "page", "blocks")
FILTER = {
    "kernel": "kernel",
    "conv_stride": "stride",
    "conv_padding": "padding",
    "conv_padding_mode": "padding_mode",
    "conv_dilation": "dilation",
}
WINDOW = ("size", "stride", "padding", "dilation", "ceil", "count_include_pad", "repeat")
KEYWORDS = ("recipe", *FILTER, "relu", "pool", *PARAMETERS, *WINDOW, "global_pool", "output_size", *SETTINGS)


def recipe(
    *,
    recipe: Any = None,
    kernel: Any = None,
    conv_stride: Any = None,
    conv_padding: Any = None,
    conv_padding_mode: str | None = None,
    conv_dilation: Any = None,
    relu: bool | None = None,
    pool: str | None = None,
    p: float | None = None,
    q: float | None = None,
    r: float | None = None,
    alpha: float | None = None,
    seed: int | None = None,
    size: Any = None,
    stride: Any = None,
    padding: Any = None,
    dilation: Any = None,
    ceil: bool | None = None,
    count_include_pad: bool | None = None,
    repeat: int | None = None,
    global_pool: bool | None = None,
    output_size: Any = None,
    channels: str | None = None,
    layout: str | None = None,
    range: str | None = None,  # noqa: A002 - the option's name
    resize: Any = None,
    resize_filter: str | None = None,
    background: str | None = None,
    nan: str | None = None,
    nodata: float | None = None,
    page: int | None = None,
    blocks: int | None = None,
    **unknown: Any,
) -> Recipe:
    """Make a recipe from settings named like the command line's long options, - written as _.

    Parameters
    ----------
    recipe : str, path, dict or Recipe, optional
        The recipe to start from: a name, a TOML or JSON file, or a result that carries one. Other keywords override it.
    kernel : str or rows of numbers, optional
        The filter step; `conv_stride`, `conv_padding` and `conv_dilation` are its geometry, `conv_padding_mode`
        the values of the padding: zeros, reflect or replicate.
    relu : bool, optional
        The detect step; on when there is a kernel.
    pool : str, default "max"
        A name of `POOLS`; `p`, `q` and the like are the parameters of the kinds that have them.
    size, stride, padding, dilation, ceil, count_include_pad, repeat
        The pooling windows, as in `pool2d`; also in the written forms of the command line, ``"3x2"``.
    global_pool : bool, output_size : (height, width)
        Instead of windows.
    blocks : int
        How often the whole list of steps is repeated.
    channels, layout, range, resize, resize_filter, background, nan, nodata, page
        How the picture is read. ``nan="ignore"`` and `nodata`, the number of missing cells, leave cells out of every
        window.

    Returns
    -------
    Recipe

    Raises
    ------
    OptionError
        An unknown keyword, a wrong value, or settings that exclude each other.

    Examples
    --------
    >>> made = recipe(kernel="edge", pool="max", size=2, repeat=3)
    >>> [step.op for step in made.stages], made.stages[-1].repeat
    (['conv2d', 'relu', 'pool2d'], 3)
    """
    options = locals() | unknown
    for name in unknown:  # refused here, with a suggestion, which Python's TypeError would not have
        if name not in PARAMETERS:  # of a kind whose parameters the signature does not list
            msg = f"unknown setting {name!r}{suggestion(name, KEYWORDS)}"
            raise OptionError(msg)
    given = {name: options[name] for name in KEYWORDS if options.get(name) is not None}
    made = load(given.pop("recipe")) if "recipe" in given else Recipe()
    stages = _filtered(list(made.stages), given)
    stages = _detected(stages, given, added=len(stages) > len(made.stages))
    stages = _pooled(stages, given)
    settings = {name: given[name] for name in SETTINGS if name in given}
    if "resize_filter" in given and made.resize is None and "resize" not in given:
        msg = "resize filter without resize: add resize, or leave it out"
        raise OptionError(msg)
    return replace(made, stages=tuple(stages), **settings)


def _filtered(stages: list[Step], given: dict[str, Any]) -> list[Step]:
    changes = {FILTER[name]: value for name, value in given.items() if name in FILTER}
    if not changes:
        return stages
    if "kernel" in changes:
        changes["kernel"] = kernel_value(changes["kernel"], files=True)
    if not any(isinstance(step, Conv2D) for step in stages):
        if "kernel" not in changes:
            msg = f"{_words(name for name in FILTER if name in given)} without a kernel: add a kernel, or leave it out"
            raise OptionError(msg)
        return [Conv2D(**changes), *stages]
    return [replace(step, **changes) if isinstance(step, Conv2D) else step for step in stages]


def _detected(stages: list[Step], given: dict[str, Any], *, added: bool) -> list[Step]:
    wanted = given.get("relu")
    if wanted is None and not added:
        return stages
    if wanted is not None and not flag("relu", wanted):
        kept = [step for step in stages if not isinstance(step, ReLU)]
        if not kept:
            msg = "no relu: the recipe has no other stage; add one"
            raise OptionError(msg)
        return kept
    if any(isinstance(step, ReLU) for step in stages):
        return stages
    if not any(isinstance(step, Conv2D) for step in stages):
        return [ReLU(), *stages]
    return [part for step in stages for part in ((step, ReLU()) if isinstance(step, Conv2D) else (step,))]


def _pooled(stages: list[Step], given: dict[str, Any]) -> list[Step]:
    kind = {"kind": given["pool"]} if "pool" in given else {}
    named = tuple((name, given[name]) for name in PARAMETERS if name in given)
    parameters = {"parameters": named} if named else {}
    window = {name: given[name] for name in WINDOW if name in given}
    instead = _instead(given, window)
    if not (kind or parameters or window or instead):
        return stages
    if not any(isinstance(step, Pool) for step in stages):
        stages = [*stages, Pool2D()]
    last = max(i for i, step in enumerate(stages) if isinstance(step, Pool))
    made: list[Step] = []
    for i, step in enumerate(stages):
        if not isinstance(step, Pool):
            made.append(step)
        elif i == last and instead:
            settings = _carried(step, (AdaptivePool2D if "output_size" in instead else GlobalPool2D), kind, parameters)
            made.append(AdaptivePool2D(**settings, **instead) if "output_size" in instead else GlobalPool2D(**settings))
        elif window and not isinstance(step, Pool2D):
            made.append(Pool2D(**{**_carried(step, Pool2D, kind, parameters), **window}))
        else:
            made.append(type(step)(**{**_carried(step, type(step), kind, parameters), **window}))
    return made


def _instead(given: dict[str, Any], window: dict[str, Any]) -> dict[str, Any]:
    """What replaces windows, if anything: an output size, or the whole map."""
    instead = {}
    if "output_size" in given:
        instead["output_size"] = given["output_size"]
    if flag("global pool", given.get("global_pool", False)):
        if instead:
            msg = "global pool and output size exclude each other: give one of them"
            raise OptionError(msg)
        instead["global_pool"] = True
    if instead:
        excluded = [
            name
            for name, value in window.items()
            if not (name == "repeat" and whole("repeat", value) == 1) and python_value(value) is not False
        ]
        if excluded:
            msg = f"{_words(list(instead)[:1])} excludes {_words(excluded)}: leave them out, the window follows from the map"
            raise OptionError(msg)
    return instead


def _words(names: Iterable[str]) -> str:
    """Names of settings with spaces, for messages to both shell and Python users."""
    return ", ".join(name.replace("_", " ") for name in names)


def _carried(step: Pool, to: type[Pool], kind: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
    """The settings that a new step takes over from `step`; another kind starts with its own default parameters."""
    known = {item.name for item in fields(to)}
    settings = {item.name: getattr(step, item.name) for item in fields(step) if item.name in known}
    if kind and pool_named(kind["kind"])[0] != step.kind:
        for name in ("parameters", "count_include_pad"):
            settings.pop(name, None)
    return {**settings, **kind, **parameters}
