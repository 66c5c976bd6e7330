"""The registry of shared options: each is worded, typed and completed in one place, whatever command has it."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import click

from poolcli.errors import OptionError
from poolcli.images.opening import MAX_PIXELS
from poolcli.ops.kernels import KERNELS
from poolcli.ops.kinds import ALIASES, PARAMETERS, POOLS, pool_named
from poolcli.ops.windows import PADDING_NAMES
from poolcli.pipeline import forms
from poolcli.pipeline.recipe import CHOICES, recipe_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from click.shell_completion import CompletionItem

    Decorator = Callable[[Any], Any]


LEAST_MEMORY = 64 << 20
"""A worker has about half of it before it opens its first picture."""


class Form(click.ParamType[Any]):
    """A value in one of the written forms of `pipeline.forms`; `words` are offered by completion."""

    def __init__(self, metavar: str, convert: Callable[[str], Any], words: Callable[[], Iterable[str]] = tuple) -> None:
        self.name = metavar
        self._convert = convert
        self._words = words

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return self.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return self._convert(value)
        except OptionError as error:
            return self.fail(str(error), param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        words = [CompletionItem(word) for word in self._words() if word.startswith(incomplete)]
        return words or ([CompletionItem(incomplete, type="file")] if self.name.endswith("FILE") else [])


class FileName(click.Path):
    """A path as it was typed: completion offers files, and what is wrong with it is said by those who open it."""

    def __init__(self, metavar: str = "FILE", *, folder: bool = False) -> None:
        super().__init__(readable=False)
        self._metavar = metavar
        self._folder = folder

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return self._metavar

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        return [CompletionItem(incomplete, type="dir" if self._folder else "file")]


def _size(name: str) -> Form:
    return Form("HxW", lambda value: forms.size_pair(name, value))


def _padding(name: str) -> Form:
    return Form("PADDING", lambda value: forms.padding_value(name, value), lambda: PADDING_NAMES)


KERNEL = Form("NAME|ROWS|FILE", lambda value: forms.kernel_value(value, files=True), lambda: KERNELS)
KIND = Form("KIND", lambda value: pool_named(value)[0], lambda: [*POOLS, *ALIASES])
RECIPE = Form("NAME|FILE", lambda value: value, recipe_names)
OUTPUT_SIZE = Form("HxW", forms.output_size_pair)
COUNT = click.IntRange(min=1)


def option(*names: str, help: str, told: str | None = None, **settings: Any) -> Decorator:  # noqa: A002 - Click's word
    """An option whose default is told in words: what is not given stays None, so that a recipe's own setting holds."""
    return click.option(*names, help=help if told is None else f"{help}  [default: {told}]", default=None, **settings)


def _with(*options: Decorator) -> Decorator:
    def decorate(command: Any) -> Any:
        for option in reversed(options):  # so that --help keeps the order in which they are written
            command = option(command)
        return command

    return decorate


def _parameter(name: str) -> Decorator:
    kinds = [kind for kind, pool in POOLS.items() if pool.parameter and pool.parameter.name == name]
    about = POOLS[kinds[0]].parameter
    assert about is not None
    return option(
        f"--{name}",
        type=float,
        help=f"Parameter of {', '.join(kinds)}: {about.accepted}.",
        told=f"{about.default:g}",
    )


def _scale(value: str) -> str | tuple[float, float]:
    if value in ("clip", "stretch"):
        return value
    try:
        low, high = (float(part) for part in value.split(","))
    except ValueError:
        low = high = 0.0
    if not low < high or not math.isfinite(high - low):
        msg = f"scale {value!r}: clip, stretch or LO,HI with LO below HI expected"
        raise OptionError(msg)
    return low, high


def _depth(value: str) -> str | int:
    if value not in ("auto", "8", "16", "float"):
        msg = f"depth {value!r}: auto, 8, 16 or float expected"
        raise OptionError(msg)
    return int(value) if value.isdigit() else value


def memory_size(value: str) -> int:
    """Bytes, of a number with K, M, G or T, for 1024 and its powers, or without.

    Raises
    ------
    OptionError
        No such number, or less than a worker needs to begin.

    Examples
    --------
    >>> memory_size("1.5G")
    1610612736
    """
    found = re.fullmatch(r"(\d+\.?\d*)([KMGT]?)(?:i?B)?", value.strip(), re.IGNORECASE | re.ASCII)
    size = int(float(found[1]) * 1024 ** " KMGT".index(found[2].upper() or " ")) if found else 0
    if size < LEAST_MEMORY:
        msg = f"memory {value!r}: a size from {LEAST_MEMORY >> 20}M on, such as 500M or 2G, expected"
        raise OptionError(msg)
    return size


recipe_options = _with(
    option(
        "--kernel",
        type=KERNEL,
        help='Filter: a name of `poolcli list kernels`, rows such as "0 1; 1 0", or a .txt, .csv or .npy file. '
        "Cross-correlation, as in every framework.",
        told="no filter",
    ),
    option("--conv-stride", type=_size("conv stride"), help="Stride of the filter.", told="1"),
    option("--conv-padding", type=_padding("conv padding"), help="Padding of the filter: zeros.", told="same"),
    option("--conv-dilation", type=_size("conv dilation"), help="Dilation of the filter.", told="1"),
    option("--relu/--no-relu", help="Detect: negative values become 0.", told="on with a kernel"),
    option("--pool", type=KIND, help=f"Condense: {', '.join(POOLS)}.", told="max"),
    option("--size", type=_size("size"), help="Pooling window, height x width; one number is both.", told="2"),
    option("--stride", type=_size("stride"), help="Distance between windows.", told="the size"),
    option("--dilation", type=_size("dilation"), help="Distance between the cells of a window.", told="1"),
    option(
        "--padding",
        type=_padding("padding"),
        help="valid, same (odd cell at the bottom and right), same-lower, N, HxW or TOP,BOTTOM,LEFT,RIGHT. "
        "Padded cells never win.",
        told="valid",
    ),
    option("--ceil", is_flag=True, help="Keep partial windows at the far edge."),
    option("--count-include-pad", is_flag=True, help="Padded zeros count in an average."),
    *(_parameter(name) for name in PARAMETERS),
    option("--repeat", type=COUNT, help="Pool so many times.", told="1"),
    option("--blocks", type=COUNT, help="Filter, detect and condense so many times.", told="1"),
    option("--global-pool", is_flag=True, help="Pool the whole map to one value, instead of windows."),
    option("--output-size", type=OUTPUT_SIZE, help="Pool to this size, instead of windows; - keeps an axis: -x7."),
    option("--channels", type=click.Choice(CHOICES["channels"]), help="One gray channel, or every channel by itself.", told="gray"),
    option("--range", type=click.Choice(CHOICES["range"]), help="8- and 16-bit pictures as 0 to 1, or as 0 to 255.", told="unit"),
    option("--resize", type=_size("resize"), help="Resize first, antialiased."),
    option("--resize-filter", type=click.Choice(CHOICES["resize_filter"]), help="How to resize.", told="bilinear"),
    option("--background", metavar="COLOR", help="What lies behind transparent pixels.", told="white"),
    option("--nan", type=click.Choice(CHOICES["nan"]), help="What NaN and infinity in float pictures become.", told="error"),
    option(
        "--recipe",
        type=RECIPE,
        help="Start from a recipe: a name of `poolcli list recipes`, a TOML or JSON file, or a result. Options win over it.",
    ),
)  # fmt: skip

RECIPE_OPTIONS = tuple(p.name for p in recipe_options(lambda: None).__click_params__ if p.name)
"""Their names, as keywords of `poolcli.recipe`."""

pixel_options = _with(
    click.option(
        "--scale",
        type=Form("clip|stretch|LO,HI", _scale, lambda: ("clip", "stretch")),
        default="clip",
        help="How values become pixels: clip to 0…1 (0…255 with --range byte), stretch this map's own range, "
        "or a stated range.",
        show_default=True,
    ),
    click.option(
        "--depth",
        type=Form("auto|8|16|float", _depth, lambda: ("auto", "8", "16", "float")),
        default="auto",
        help="Bits per sample; auto keeps the input's where the format can. "
        "16 (png, tif, pgm) and float (tif) are gray only.",
        show_default=True,
    ),
)

max_pixels_option = click.option(
    "--max-pixels",
    type=click.IntRange(min=1),
    default=MAX_PIXELS,
    help="Refuse larger pictures before decoding them.",
    show_default=True,
)

program_options = _with(
    click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors."),
    click.option("-v", "--verbose", count=True, help="Say more; twice: tracebacks of errors."),
)


PROGRAM_OPTIONS = ("quiet", "verbose", "threads", "jobs", "timeout", "max_memory", "max_pixels")
"""Options about the program and the machine, not about what is made."""


class Sections(click.Command):
    """A command whose --help groups the options: the recipe's first, then its own, then the program's."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {"Recipe": [], "Output": [], "Program": []}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is None or isinstance(param, click.Argument):
                continue
            if param.name in RECIPE_OPTIONS:
                sections["Recipe"].append(record)
            elif param.is_eager or param.name in PROGRAM_OPTIONS:
                sections["Program"].append(record)
            else:
                sections["Output"].append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)
