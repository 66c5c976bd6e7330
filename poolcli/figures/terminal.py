"""A map as text for a terminal: coloured half blocks, characters from dark to light, or the numbers of a small map."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Literal

import numpy as np

from poolcli.figures import captions, color_scale
from poolcli.figures.block_mean import block_mean
from poolcli.figures.color_scale import Scale
from poolcli.figures.map_scales import map_scales, match_channels
from poolcli.figures.palettes import text_color_on

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from poolcli.figures.palettes import Color
    from poolcli.pipeline.result import Result, StageResult

Colors = Literal["true", "256", "none"]
"""Colours that a terminal can show: any, the 256 of xterm, or none."""

NUMBERED = 12
"""Most rows and columns of a map that is shown as numbers."""
HALF = "▀"
RAMP = " .:-=+*#%@"
"""From dark to light."""
LUMINANCE = (0.2126, 0.7152, 0.0722)
LEVELS = (0, 95, 135, 175, 215, 255)
"""The six levels of a channel in xterm's cube of 216 colours."""
PLAIN = "\x1b[0m"


@np.errstate(over="ignore", invalid="ignore")  # of values beyond float32
def preview(result: Result, columns: int, lines: int, colors: Colors) -> list[str]:
    """The last map of a run as lines of text.

    A map of up to `NUMBERED` rows and columns is shown as numbers if they fit. Other maps are shown as pixels, two per
    character, one above the other: large maps are reduced to the means of blocks, small ones enlarged by a whole number.

    Parameters
    ----------
    result : Result
        With displays.
    columns, lines : int
        Size of the terminal in characters.
    colors : {"true", "256", "none"}

    Returns
    -------
    list of str
        The first line says what is shown.
    """
    stage, scale = result.stages[-1], map_scales(result)[-1]
    head = f"{stage.title} {captions.size_text(stage.shape)}"
    if max(stage.shape) <= NUMBERED:
        grid = _numbers(stage, scale, columns, colors)
        if grid:
            return [head, *grid]
    factor, times = _fit(stage.shape, columns, 2 * max(1, lines - 4))
    display = color_scale.display_of(stage)
    factor = max(factor, display.factor)
    if factor > 1:
        head += f", shown at 1/{factor} (block mean)"
    values = match_channels(stage, block_mean(display.values, stage.shape, display.factor, factor, display.rule), scale)
    pixels = scale.colors(values).repeat(times, axis=0).repeat(times, axis=1)
    return [head, *(shades(pixels) if colors == "none" else half_blocks(pixels, colors))]


def _fit(shape: tuple[int, int], columns: int, rows: int) -> tuple[int, int]:
    """Side of the block that is averaged to one cell, and pixels per cell along a side; one of the two is 1."""
    factor = max(1, -(-shape[1] // columns), -(-shape[0] // rows))
    return factor, max(1, min(columns // shape[1], rows // shape[0])) if factor == 1 else 1


def half_blocks(pixels: NDArray[np.uint8], colors: Colors) -> list[str]:
    """Pixels of shape (h, w, 3), uint8, as lines of half blocks.

    The upper pixel is the foreground colour of a character, the lower pixel its background colour.
    """
    lines = []
    for row in range(0, len(pixels), 2):
        upper = pixels[row].tolist()
        lower: list[list[int] | None] = pixels[row + 1].tolist() if row + 1 < len(pixels) else [None] * len(upper)
        line = []
        for (ink, paper), same in groupby(zip(upper, lower, strict=True)):
            codes = [_code(ink, 38, colors), "49" if paper is None else _code(paper, 48, colors)]
            line.append(f"\x1b[{';'.join(codes)}m{HALF * len(list(same))}")
        lines.append("".join(line) + PLAIN)
    return lines


def shades(pixels: NDArray[np.uint8]) -> list[str]:
    """Pixels of shape (h, w, 3), uint8, as lines of the characters of `RAMP`, each for two pixels one above the other."""
    light = pixels @ np.array(LUMINANCE) / 255
    if len(light) % 2:
        light = np.concatenate([light, light[-1:]])
    steps = np.minimum((light.reshape(-1, 2, light.shape[1]).mean(axis=1) * len(RAMP)).astype(int), len(RAMP) - 1)
    return ["".join(RAMP[step] for step in row).rstrip() for row in steps]


def _code(color: Sequence[int], ground: int, colors: Colors) -> str:
    """The numbers of an escape code for a colour; `ground` is 38 for the foreground and 48 for the background."""
    red, green, blue = color
    return f"{ground};2;{red};{green};{blue}" if colors == "true" else f"{ground};5;{nearest_256((red, green, blue))}"


def nearest_256(color: Color) -> int:
    """The nearest of xterm's 256 colours, without the first 16, which differ between terminals.

    Examples
    --------
    >>> nearest_256((0, 0, 0)), nearest_256((255, 0, 0)), nearest_256((128, 128, 128))
    (16, 196, 244)
    """
    places = [min(range(6), key=lambda i, level=level: abs(LEVELS[i] - level)) for level in color]  # type: ignore[misc]
    gray = min(23, max(0, round((sum(color) / 3 - 8) / 10)))
    choices = {
        16 + 36 * places[0] + 6 * places[1] + places[2]: [LEVELS[place] for place in places],
        232 + gray: [8 + 10 * gray] * 3,
    }
    return min(choices, key=lambda one: sum((a - b) ** 2 for a, b in zip(choices[one], color, strict=True)))


def _numbers(stage: StageResult, scale: Scale, columns: int, colors: Colors) -> list[str]:
    """The numbers of a map on their colours, channel after channel; empty if a line does not fit."""
    values = color_scale.display_of(stage).values
    planes = [values] if values.ndim == 2 else list(np.moveaxis(values, -1, 0))
    if scale.palette == "rgb":
        scale = Scale("gray", scale.low, scale.high)
    low, high = color_scale.extremes(stage)
    lines: list[str] = []
    for number, plane in enumerate(planes, 1):
        texts = [[captions.number(float(value), max(abs(low), abs(high))) for value in row] for row in plane]
        wide = max(len(text) for row in texts for text in row) + 2
        if wide * stage.shape[1] > columns:
            return []
        if len(planes) > 1:
            lines.append(f"channel {number} of {len(planes)}")
        for row, shown in zip(texts, scale.colors(plane), strict=True):
            lines.append(_cells(row, shown.tolist(), wide, colors))
    return lines


def _cells(texts: Iterable[str], shown: Sequence[Sequence[int]], wide: int, colors: Colors) -> str:
    if colors == "none":
        return "".join(text.rjust(wide) for text in texts)
    line = []
    for text, color in zip(texts, shown, strict=True):
        red, green, blue = color
        ink = text_color_on((red, green, blue))
        line.append(f"\x1b[{_code(ink, 38, colors)};{_code(color, 48, colors)}m{text.rjust(wide - 1)} ")
    return "".join(line) + PLAIN
