"""From options to a recipe: the keywords of `poolcli.recipe` are the long option names of the command line.

Options change a recipe that is there (a file, a named one, or the plain default). A geometry or kind of pooling given
as an option holds for every pooling step of the recipe, a kernel for every filter.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from poolcli.errors import OptionError, suggestion
from poolcli.ops.kinds import PARAMETERS, pool_named
from poolcli.pipeline.forms import kernel_value
from poolcli.pipeline.recipe import Recipe, load
from poolcli.pipeline.steps import AdaptivePool2D, Conv2D, GlobalPool2D, Pool, Pool2D, ReLU, Step, flag, whole

if TYPE_CHECKING:
    from collections.abc import Iterable

SETTINGS = ("channels", "range", "resize", "resize_filter", "background", "nan", "blocks")
FILTER = {"kernel": "kernel", "conv_stride": "stride", "conv_padding": "padding", "conv_dilation": "dilation"}
WINDOW = ("size", "stride", "padding", "dilation", "ceil", "count_include_pad", "repeat")
KEYWORDS = ("recipe", *FILTER, "relu", "pool", *PARAMETERS, *WINDOW, "global_pool", "output_size", *SETTINGS)


def recipe(**options: Any) -> Recipe:
    """Make a recipe from settings named like the command line's long options, - written as _.

    Parameters
    ----------
    recipe : str, path, dict or Recipe, optional
        Where to start: a named recipe, a TOML or JSON file, a result that carries one. The other keywords win over it.
    kernel : str or rows of numbers, optional
        The filter step; `conv_stride`, `conv_padding` and `conv_dilation` are its geometry.
    relu : bool, optional
        The detect step; on when there is a kernel.
    pool : str, default "max"
        A name of `POOLS`; `p` and `q` are parameters of some kinds.
    size, stride, padding, dilation, ceil, count_include_pad, repeat
        The pooling windows, as in `pool2d`; also in the written forms of the command line, ``"3x2"``.
    global_pool : bool, output_size : (height, width)
        Instead of windows.
    blocks : int
        The whole list of steps so many times.
    channels, range, resize, resize_filter, background, nan
        How the picture is read.

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
    for name in options:
        if name not in KEYWORDS:
            msg = f"unknown setting {name!r}{suggestion(name, KEYWORDS)}"
            raise OptionError(msg)
    given = {name: value for name, value in options.items() if value is not None}
    made = load(given.pop("recipe")) if "recipe" in given else Recipe()
    stages = _filtered(list(made.stages), given)
    stages = _detected(stages, given, added=len(stages) > len(made.stages))
    stages = _pooled(stages, given)
    settings = {name: given[name] for name in SETTINGS if name in given}
    if "resize_filter" in given and made.resize is None and "resize" not in given:
        msg = "resize filter without resize: a size expected as well"
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
            msg = f"{_words(name for name in FILTER if name in given)} without a kernel: a kernel expected as well"
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
            msg = "no relu: nothing is left of the recipe's stages"
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
    if flag("global_pool", given.get("global_pool", False)):
        if instead:
            msg = "global pool and output size exclude each other: one of them expected"
            raise OptionError(msg)
        instead["global_pool"] = True
    if instead:
        excluded = [
            name
            for name, value in window.items()
            if not (name == "repeat" and whole("repeat", value) == 1) and value is not False
        ]
        if excluded:
            msg = f"{_words(list(instead)[:1])} excludes {_words(excluded)}: the window follows from the map"
            raise OptionError(msg)
    return instead


def _words(names: Iterable[str]) -> str:
    """Names as both a shell and Python know them: without - and _."""
    return ", ".join(name.replace("_", " ") for name in names)


def _carried(step: Pool, to: type[Pool], kind: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
    """The settings of `step` that go on: another kind starts with its own parameter."""
    known = {item.name for item in fields(to)}
    settings = {item.name: getattr(step, item.name) for item in fields(step) if item.name in known}
    if kind and pool_named(kind["kind"])[0] != step.kind:
        for name in ("parameters", "count_include_pad"):
            settings.pop(name, None)
    return {**settings, **kind, **parameters}
