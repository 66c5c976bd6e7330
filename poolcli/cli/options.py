"""The options that several commands share, each defined once, and the sections of --help."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import click

from poolcli.cli.parameters import Argument, FileName, ParsedType, combine, option
from poolcli.cli.stdin import check_one_reader
from poolcli.errors import OptionError
from poolcli.images.nodata import nodata_value
from poolcli.images.safe_open import MAX_PIXELS
from poolcli.ops.borders import PADDING_MODES
from poolcli.ops.kernels import KERNELS
from poolcli.ops.pools import ALIASES, PARAMETERS, POOLS, pool_named
from poolcli.ops.settings import PADDING_NAMES
from poolcli.pipeline import parsing
from poolcli.pipeline.options import KEYWORDS
from poolcli.pipeline.recipe import CHOICES, recipe_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poolcli.cli.parameters import Decorator

LEAST_MEMORY = 64 << 20
"""Smallest --max-memory, in bytes; a worker uses about half of it before it opens its first picture."""


def _size(name: str) -> ParsedType:
    return ParsedType("HxW", lambda value: parsing.size_pair(name, value))


def _padding(name: str) -> ParsedType:
    return ParsedType("PADDING", lambda value: parsing.padding_value(name, value), lambda: PADDING_NAMES)


KERNEL = ParsedType("NAME|ROWS|FILE", lambda value: parsing.kernel_value(value, files=True), lambda: KERNELS)
KIND = ParsedType("KIND", lambda value: pool_named(value)[0], lambda: [*POOLS, *ALIASES])
RECIPE = ParsedType("NAME|FILE", lambda value: "/dev/stdin" if value == "-" else value, recipe_names)
OUTPUT_SIZE = ParsedType("HxW", parsing.output_size_pair)
NODATA = ParsedType("V", nodata_value)
COUNT = click.IntRange(min=1)


def _parameter(name: str) -> Decorator:
    owners = {kind: one for kind, pool in POOLS.items() for one in pool.parameters if one.name == name}
    about = [f"of {kind}: {one.accepted}, {one.default:g} if not given" for kind, one in owners.items()]
    first = next(iter(owners.values()))
    return option(
        f"--{name}",
        type=int if first.whole else float,
        help=f"Parameter {'; '.join(about) if len(owners) > 1 else f'of {next(iter(owners))}: {first.accepted}'}.",
        default_text="of each kind" if len(owners) > 1 else f"{first.default:g}",
    )


def _scale(value: str) -> str | tuple[float, float]:
    if value in ("clip", "stretch"):
        return value
    try:
        low, high = (float(part) for part in value.split(","))
    except ValueError:
        low = high = 0.0
    if not low < high or not math.isfinite(high - low):
        msg = f"scale {value!r}: write clip, stretch or LO,HI with LO below HI"
        raise OptionError(msg)
    return low, high


def _depth(value: str) -> str | int:
    if value not in ("auto", "8", "16", "float"):
        msg = f"depth {value!r}: write auto, 8, 16 or float"
        raise OptionError(msg)
    return int(value) if value.isdigit() else value


def memory_size(value: str) -> int:
    """Parse a size in bytes: a number, alone or with K, M, G or T for powers of 1024.

    Raises
    ------
    OptionError
        The text has another form, or the size is less than a worker needs.

    Examples
    --------
    >>> memory_size("1.5G")
    1610612736
    """
    found = re.fullmatch(r"(\d+\.?\d*)([KMGT]?)(?:i?B)?", value.strip(), re.IGNORECASE | re.ASCII)
    size = int(float(found[1]) * 1024 ** " KMGT".index(found[2].upper() or " ")) if found else 0
    if size < LEAST_MEMORY:
        msg = f"memory {value!r}: write a size of at least {LEAST_MEMORY >> 20}M, such as 500M or 2G"
        raise OptionError(msg)
    return size


recipe_options = combine(
    option(
        "--kernel",
        type=KERNEL,
        help='Filter with a kernel: a name of `poolcli list kernels`, rows such as "0 1; 1 0", a .txt, .csv or .npy file, '
        "or - for rows on stdin. The filter is a cross-correlation, as in every framework.",
        default_text="no filter",
    ),
    option("--conv-stride", type=_size("conv stride"), help="Stride of the filter.", default_text="1"),
    option("--conv-padding", type=_padding("conv padding"), help="Padding of the filter.", default_text="same"),
    option(
        "--conv-padding-mode",
        type=click.Choice(tuple(PADDING_MODES), case_sensitive=False),
        help="What the padding of the filter holds: zeros, the map mirrored at its edge (reflect: the edge cell is not "
        "repeated), or its edge cell repeated (replicate).",
        default_text="zeros",
    ),
    option("--conv-dilation", type=_size("conv dilation"), help="Dilation of the filter.", default_text="1"),
    option("--relu/--no-relu", help="Detect: set negative values to 0.", default_text="on with a kernel"),
    option("--pool", type=KIND, help=f"Condense, by this kind of pooling: {', '.join(POOLS)}.", default_text="max"),
    option("--size", type=_size("size"), help="Size of the pooling window, height x width; one number is both.", default_text="2"),
    option("--stride", type=_size("stride"), help="Distance between neighbouring windows.", default_text="the size"),
    option("--dilation", type=_size("dilation"), help="Distance between neighbouring cells of a window.", default_text="1"),
    option(
        "--padding",
        type=_padding("padding"),
        help="Cells added around the map: valid (none), same (the output is the input divided by the stride, rounded up; "
        "an odd cell is added at the bottom and right), same-lower (at the top and left), N, HxW or "
        "TOP,BOTTOM,LEFT,RIGHT. Padded cells are left out of every window.",
        default_text="valid",
    ),
    option("--ceil", is_flag=True, help="Keep partial windows at the bottom and right, as PyTorch's ceil_mode."),
    option("--count-include-pad", is_flag=True, help="Count padded cells, as zeros, in an average."),
    *(_parameter(name) for name in PARAMETERS),
    option("--repeat", type=COUNT, metavar="N", help="Apply the pooling step N times.", default_text="1"),
    option("--blocks", type=COUNT, metavar="N", help="Apply the whole list of steps (filter, detect, condense) N times.", default_text="1"),
    option("--global-pool", is_flag=True, help="Pool the whole map to one value."),
    option("--output-size", type=OUTPUT_SIZE, help="Adaptive pooling: choose the windows that give this size; - keeps an axis: -x7."),
    option("--channels", type=click.Choice(CHOICES["channels"]), help="gray converts to one gray channel; each pools every channel by itself.", default_text="gray"),
    option("--layout", type=click.Choice(CHOICES["layout"]), help="How arrays of three or more axes are read: hwc is (height, width, channels); planes is (..., height, width), as in PyTorch, each plane pooled by itself.", default_text="hwc"),
    option("--range", type=click.Choice(CHOICES["range"]), help="The values of 8- and 16-bit pictures: unit is 0 to 1, byte is 0 to 255, raw is the numbers in the file.", default_text="unit"),
    option("--resize", type=_size("resize"), help="Resize the picture before the first step."),
    option("--resize-filter", type=click.Choice(CHOICES["resize_filter"]), help="How to resize. All are antialiased, except nearest, which picks pixels, and tf-bilinear, the default of tf.image.resize.", default_text="bilinear"),
    option("--background", metavar="COLOR", help="Colour behind transparent pixels: a name or #rrggbb.", default_text="white"),
    option("--nan", type=click.Choice(CHOICES["nan"]), help="NaN and infinity in float pictures: error refuses them, zero makes them 0, ignore leaves them out of every window, as padding is.", default_text="error"),
    option("--nodata", type=NODATA, help="The value in the file that marks missing cells, which are left out of every window. A window without other cells becomes NaN in arrays and the gray of --background in pictures.", default_text="none"),
    option("--page", type=COUNT, metavar="N", help="Which frame of an animation or page of a TIFF to read, from 1.", default_text="1"),
    option(
        "--recipe",
        type=RECIPE,
        help="Start from a recipe: a name of `poolcli list recipes`, a TOML or JSON file (- is stdin), or a result that carries its recipe. Options override its settings.",
    ),
)  # fmt: skip


def recipe_options_without(*names: str, conv_padding: str | None = None) -> Decorator:
    """The options of a recipe without some of them, for a command that has its own instead, such as --pools.

    `conv_padding` says in --help what the padding of the filter is by default in such a command.
    """

    def decorate(command: Any) -> Any:
        command = recipe_options(command)
        command.__click_params__ = [param for param in command.__click_params__ if param.name not in names]
        for param in command.__click_params__:
            if param.name == "conv_padding" and conv_padding is not None:
                param.help = param.help.replace("[default: same]", f"[default: {conv_padding}]")
        return command

    return decorate


def recipe_settings(options: Mapping[str, Any], *without: str) -> dict[str, Any]:
    """Keywords of `poolcli.recipe` from a command's options, without those that the command has replaced."""
    return {name: options[name] for name in KEYWORDS if name not in without}


pixel_options = combine(
    click.option(
        "--scale",
        type=ParsedType("clip|stretch|LO,HI", _scale, lambda: ("clip", "stretch")),
        default="clip",
        help="Which values become black and white: clip is 0 and 1 (0 and 255 with --range byte), stretch is the map's "
        "own smallest and largest value, LO,HI are any two.",
        show_default=True,
    ),
    click.option(
        "--depth",
        type=ParsedType("auto|8|16|float", _depth, lambda: ("auto", "8", "16", "float")),
        default="auto",
        help="Bits per sample; auto keeps the input's where the format can. "
        "16 (png, tif, pgm) and float (tif) are gray only.",
        show_default=True,
    ),
)


def image_argument(*, required: bool = True, note: str = "") -> Decorator:
    """The argument IMAGE of a command; `note` is added to its help."""
    return click.argument(
        "image",
        cls=Argument,
        required=required,
        metavar="IMAGE" if required else "[IMAGE]",
        type=FileName("IMAGE"),
        help=f"A picture or array, as in run, or - for stdin.{note and ' '}{note}",
    )


inputs_argument = click.argument(
    "inputs",
    cls=Argument,
    nargs=-1,
    type=FileName(),
    metavar="[INPUT]...",
    help="Pictures, and folders that hold pictures.",
)

input_options = combine(
    click.option("-r", "--recursive", is_flag=True, help="Also the folders inside folders."),
    click.option(
        "--files-from", type=FileName(), help="Read further inputs from a file, one name per line; - is stdin."
    ),
    click.option(
        "-0", "--null", is_flag=True, help="Names in --files-from end with NUL, as `find -print0` writes them."
    ),
    click.option(
        "--include",
        multiple=True,
        metavar="PATTERN",
        help="Take only files that match, such as '*.jpg'; may be repeated. Patterns are those of .gitignore: without a "
        "slash they match any part of the path, with one the path below the input; **/ stands for any folders, and ! "
        "takes an earlier pattern back. Upper and lower case are alike.",
    ),
    click.option(
        "--exclude",
        multiple=True,
        metavar="PATTERN",
        help="Leave out files that match; folders that match are not entered.",
    ),
)
"""The options that choose the inputs of a command on many pictures."""

threads_option = option(
    "--threads",
    type=COUNT,
    metavar="N",
    help="Threads for one picture; the output does not depend on it.",
    default_text="the cores, for large pictures",
)

figure_output_option = option(
    "-o", "--output", type=FileName(), help="Write a figure: .png, .svg or .pdf.", default_text="none"
)


def _kinds(text: str, least: int) -> list[str]:
    from poolcli.pipeline.kinds import kinds_value

    return kinds_value(text, least)


def pools_option(default: str, *, least: int, note: str) -> Decorator:
    """The option --pools of a command that compares at least `least` kinds; `note` is added to its help."""
    return option(
        "--pools",
        type=ParsedType("KIND,KIND,...", lambda text: _kinds(text, least), lambda: POOLS, separator=","),
        help=f"The kinds of pooling: names of `poolcli list pools`, separated by commas. {note}",
        default_text=default,
    )


def json_option(help: str) -> Decorator:  # noqa: A002 - Click's word
    """The option --json of a command; `help` says what its object holds."""
    return click.option("--json", "as_json", is_flag=True, help=help)


def jobs_option(default: str) -> Decorator:
    """The option --jobs of a command on many pictures."""
    return option(
        "-j",
        "--jobs",
        type=click.IntRange(min=0),
        metavar="N",
        help="Worker processes; the output does not depend on their number. 0 works in this process.",
        default_text=default,
    )


force_option = click.option("-f", "--force", is_flag=True, help="Replace existing files.")

max_pixels_option = click.option(
    "--max-pixels",
    type=click.IntRange(min=1),
    default=MAX_PIXELS,
    metavar="N",
    help="Refuse pictures of more pixels before they are decoded; of arrays of more than 4 channels or planes every cell "
    "counts.",
    show_default=True,
)

program_options = combine(
    click.option("-q", "--quiet", is_flag=True, help="Print errors only."),
    click.option("-v", "--verbose", count=True, help="Print more; -vv also prints tracebacks of errors."),
)


PROGRAM_OPTIONS = ("quiet", "verbose", "threads", "jobs", "timeout", "max_memory", "max_pixels")
"""Options that do not change the output; --help lists them in a section of their own."""


class Sections(click.Command):
    """A command whose --help lists its options in sections: Recipe, Output, Program."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            if not ctx.resilient_parsing:
                check_one_reader(self, ctx, args)
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            if self.name == "run" and "unexpected extra argument" in error.message:
                vars(error)["message"] = f"{error.message}; poolcli batch takes several pictures"
            raise

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_usage(ctx, formatter)
        self.format_help_text(ctx, formatter)
        self.format_arguments(ctx, formatter)  # Click calls it from 8.5 on
        self.format_options(ctx, formatter)
        self.format_epilog(ctx, formatter)

    def format_arguments(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        arguments = [param for param in self.get_params(ctx) if isinstance(param, Argument)]
        with formatter.section("Arguments"):
            formatter.write_dl([(str(param.metavar), str(param.help)) for param in arguments])

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {"Recipe": [], "Output": [], "Program": []}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is None or isinstance(param, click.Argument):
                continue
            if param.name in KEYWORDS:
                sections["Recipe"].append(record)
            elif param.is_eager or param.name in PROGRAM_OPTIONS:
                sections["Program"].append(record)
            else:
                sections["Output"].append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)
