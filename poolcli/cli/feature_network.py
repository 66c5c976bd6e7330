"""The options of `poolcli features --model`: a layer of a network in the place of a bank."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

from poolcli.cli.console import align_columns, write_stdout
from poolcli.cli.parameters import FileName, ParsedType, option
from poolcli.cli.runner import to_stdout
from poolcli.errors import OptionError
from poolcli.experiments.features import GLOBAL_KINDS
from poolcli.experiments.networks import PRESETS, NetworkExtraction, listed, network
from poolcli.pipeline.options import KEYWORDS
from poolcli.pipeline.options import recipe as make_recipe
from poolcli.pipeline.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Sequence

READING = ("background", "nan", "page", "resize", "resize_filter", "layout")
"""Options of a recipe that say how pictures are read; the others say what a network does itself."""

ONLY = ("layer", "list_layers", "preset", "order", "mean", "std")
"""Options that need --model."""


def numbers_value(text: str) -> tuple[float, ...]:
    """One number, or three for red, green and blue, separated by commas.

    Raises
    ------
    OptionError

    Examples
    --------
    >>> numbers_value("0.5,0.5,0.5")
    (0.5, 0.5, 0.5)
    """
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) not in (1, 3) or not all(map(math.isfinite, numbers)):
        msg = f"{text!r}: write one number, or three separated by commas, such as 0.485,0.456,0.406"
        raise OptionError(msg)
    return numbers


_OPTIONS = (
    option(
        "--model",
        type=FileName("NETWORK.onnx"),
        help="Features of a layer of this network instead of a bank; needs poolcli[onnx]. Pictures are resized to its "
        "input, or to --resize where it takes any size (224x224 if not given).",
        default_text="none",
    ),
    option(
        "--layer",
        metavar="NAME",
        help="The layer whose maps are taken, as --list-layers names it.",
        default_text="the last one that gives maps",
    ),
    click.option("--list-layers", is_flag=True, help="Print the network's layers, their shapes and parameters."),
    option(
        "--preset",
        type=click.Choice(tuple(PRESETS), case_sensitive=False),
        help=f"What the network gets: {'; '.join(f'{name}: {one.summary}' for name, one in PRESETS.items())}.",
        default_text="unit",
    ),
    option(
        "--order",
        type=click.Choice(("nchw", "nhwc"), case_sensitive=False),
        help="Where the network's input has its channels.",
        default_text="where there are 1 or 3",
    ),
    option(
        "--mean",
        type=ParsedType("R,G,B", numbers_value),
        help="Subtracted from the pixels, in the preset's order of colours and units.",
        default_text="the preset's",
    ),
    option("--std", type=ParsedType("R,G,B", numbers_value), help="Divides them.", default_text="the preset's"),
)


def network_options(command: Any) -> Any:
    """The options of a network."""
    for one in reversed(_OPTIONS):
        command = one(command)
    return command


def check_network_options(options: dict[str, Any], inputs: Sequence[str]) -> None:
    """Refuse options that do not go together.

    Raises
    ------
    OptionError
    """
    if options["model"] is None:
        for name in ONLY:
            if options[name] is not None and options[name] is not False:
                msg = f"--{name.replace('_', '-')} without --model: it says which network"
                raise OptionError(msg)
        return
    for name in ("bank", *(name for name in KEYWORDS if name not in READING)):
        given = options[name] is not None and (options[name] is not False or name == "relu")
        if given:
            msg = f"--{name.replace('_', '-')} with --model: the network says itself what is done; leave it out"
            raise OptionError(msg)
    if options["nan"] == "ignore":
        msg = "--nan ignore with --model: a network has no rule for missing cells; write error or zero"
        raise OptionError(msg)
    if options["list_layers"] and inputs:
        msg = "--list-layers with INPUT: it prints what the network has; leave the pictures out"
        raise OptionError(msg)
    if options["std"] is not None and 0 in options["std"]:
        msg = "--std 0: the pixels are divided by it; write numbers other than 0"
        raise OptionError(msg)


def network_of(options: dict[str, Any]) -> NetworkExtraction:
    """The network's extraction.

    Raises
    ------
    PoolcliError
    """
    return network(
        options["model"],
        options["layer"],
        preset=options["preset"] or "unit",
        order=options["order"],
        mean=options["mean"],
        std=options["std"],
        recipe=_reading(options),
        kinds=GLOBAL_KINDS[options["global_kind"]],
        levels=options["pyramid"] or (),
    )


def list_layers(options: dict[str, Any]) -> None:
    """Print the layers.

    Raises
    ------
    PoolcliError
    """
    layers, _, size = listed(options["model"], order=options["order"], resize=_reading(options).resize)
    rows = [["layer", "operator", f"shape for {size[0]}x{size[1]}", "parameters"]]
    for one in layers:
        if not one.computes:
            continue  # types and orders of axes: they can be named, and say nothing
        shape = "x".join("?" if n is None else str(n) for n in one.shape) or "?"
        rows.append([one.name, one.operator, shape, f"{one.parameters:,}"])
    rows.append(["total", "", "", f"{sum(one.parameters for one in layers):,}"])
    to_stdout(write_stdout, ("\n".join(align_columns(rows, left=2)) + "\n").encode("utf-8", "backslashreplace"))


def _reading(options: dict[str, Any]) -> Recipe:
    given = {name: options[name] for name in READING if options[name] is not None}
    filter_ = given.pop("resize_filter", None)
    made = make_recipe(recipe=Recipe(stages=()), **given)
    if filter_ is None:
        return made
    from dataclasses import replace

    return replace(made, resize_filter=filter_)
