"""The texts of figures: numbers, sizes, the lines under a panel, and the caption. Strings only, no drawing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from poolcli.figures.color_scale import display_of, extremes
from poolcli.ops.pools import POOLS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poolcli.pipeline.result import Result, StageResult

NAME_LENGTH = 40


def number(value: float, magnitude: float | None = None) -> str:
    """Format a value for a figure, with a typographic minus sign.

    Parameters
    ----------
    value : float
    magnitude : float, optional
        Decides how many decimals are written, so that the numbers of one map agree; by default that of the value.

    Examples
    --------
    >>> number(-0.001, 3.58), number(-2.834), number(117.44, 255), number(912.0), number(0.00358)
    ('0.00', '−2.83', '117.4', '912', '0.00358')
    """
    magnitude = abs(value) if magnitude is None else magnitude
    if not math.isfinite(value):
        return str(value).replace("-", "−")
    if not magnitude < 1e6 or 0 < magnitude < 1e-4:  # NaN is not less either
        text = f"{value + 0.0:.3g}"
    elif magnitude >= 100:
        text = f"{value:z.1f}".removesuffix(".0")
    elif magnitude == 0 or magnitude >= 0.2:
        text = f"{value:z.2f}"
    else:
        text = f"{value:z.{2 - math.floor(math.log10(magnitude))}f}"
    return text.replace("-", "−")


def three_digits(value: float) -> str:
    """Format a value with at least three significant digits, for numbers that stand by themselves.

    Examples
    --------
    >>> three_digits(0.31156), three_digits(0.0603), three_digits(1.154), three_digits(117.44)
    ('0.312', '0.0603', '1.15', '117.4')
    """
    return number(value, 0.1) if 0.2 <= abs(value) < 1 else number(value)


def tick(value: float, decimals: int) -> str:
    """Format the label of a tick on a colour bar."""
    text = f"{value:z.{decimals}f}" if decimals <= 5 and abs(value) < 1e5 else f"{value:g}"
    return text.replace("-", "−")


def percent(share: float) -> str:
    """Format a share from 0 to 1 in per cent.

    Whole per cents, with one decimal below 10 and above 99. A share that is not 0 or 1 is never rounded to either.

    Examples
    --------
    >>> [percent(share) for share in (0.0, 0.0001, 0.0131, 0.48, 0.998, 0.9999, 1.0)]
    ['0 %', '<0.1 %', '1.3 %', '48 %', '99.8 %', '>99.9 %', '100 %']
    """
    value = 100 * share
    if value in (0.0, 100.0):
        return f"{value:.0f} %"
    if value < 0.1:
        return "<0.1 %"
    if value > 99.9:
        return ">99.9 %"
    return f"{value:.1f} %" if value < 9.95 or value >= 99 else f"{value:.0f} %"


def size_text(shape: Sequence[float], always: bool = True) -> str:
    """Format a size as height x width, or as one number if both are equal and `always` is false.

    Examples
    --------
    >>> size_text((2, 3)), size_text((2, 2)), size_text((2, 2), always=False)
    ('2x3', '2x2', '2')
    """
    height, width = shape
    if height == width and not always:
        return f"{height:.4g}"
    return "x".join(f"{side:d}" if isinstance(side, int) else f"{side:.4g}" for side in (height, width))


def short_name(name: str, length: int = NAME_LENGTH) -> str:
    """The file name of a path, with an ellipsis in its middle if it has more than `length` characters.

    Examples
    --------
    >>> short_name("/photos/a-very-long-name-from-a-camera-or-a-download-0001.jpg")
    'a-very-long-name-fro…a-download-0001.jpg'
    """
    name = name.rstrip("/").rsplit("/", 1)[-1] or name
    if len(name) <= length:
        return name
    return f"{name[: length // 2]}…{name[-(length // 2 - 1) :]}"


BETWEEN = " · "
"""Stands between the parts of a line."""


def statistics_line(stage: StageResult) -> str:
    """Shape, smallest, largest and mean value of a map, as ``398x398 · min −2.83 · max 3.58 · mean 0.00``."""
    low, high = (stage.statistics.min, stage.statistics.max) if stage.statistics else extremes(stage)
    largest = max(abs(low), abs(high))
    parts = [size_text(stage.shape), f"min {number(low, largest)}", f"max {number(high, largest)}"]
    if stage.mean is not None:
        parts.append(f"mean {number(stage.mean, largest)}")
    return BETWEEN.join(parts)


def shares_line(stage: StageResult, detect: StageResult | None) -> str:
    """Share of values above zero and above 5 % of the detect map's largest value; empty for a map of one cell."""
    if math.prod(stage.shape) == 1:
        return ""
    sample = display_of(stage).sample
    active = float((sample > 0).mean()) if stage.active is None else stage.active
    text = f">0: {percent(active)}"
    if detect is not None and extremes(detect)[1] > 0:
        whose = "max" if stage is detect else "Detect's max"
        text += f" · >5 % of {whose}: {percent(float((sample > 0.05 * extremes(detect)[1]).mean()))}"
    return text


def reduction_note(stage: StageResult) -> str:
    """How a map was reduced for display, as ``shown at 1/3 (block mean)``; empty if it was not."""
    display = display_of(stage)
    if display.factor == 1:
        return ""
    return f"shown at 1/{display.factor} (block mean{' magnitude' if display.rule == 'magnitude' else ''})"


def share_of_input(source: StageResult, stage: StageResult) -> str:
    """Number of cells of a map relative to the input, as ``1/4 of the input's pixels``; per cent if no such fraction.

    Examples
    --------
    >>> from poolcli.pipeline.result import StageResult
    >>> maps = [StageResult("", "", "", {}, (n, n), (1, 1), (1.0, 1.0)) for n in (3, 2, 1)]
    >>> share_of_input(maps[0], maps[1]), share_of_input(maps[0], maps[2])
    ("44 % of the input's pixels", "1/9 of the input's pixels")
    """
    ratio = math.prod(source.shape) / math.prod(stage.shape)
    whole = round(ratio)
    if whole >= 2 and abs(ratio - whole) <= 0.03 * ratio:
        return f"1/{whole} of the input's pixels"
    return f"{percent(1 / ratio)} of the input's pixels"


def unread_note(rows: int, cols: int) -> str:
    """How many rows and columns the next step does not read, as ``unread 0x1 (hatched)``; empty if it reads all."""
    return f"unread {rows}x{cols} (hatched)" if rows or cols else ""


def caption(result: Result, name: str, remarks: str = "") -> tuple[str, str]:
    """The two sentences under a figure.

    Parameters
    ----------
    result : Result
    name : str
        Name of the picture.
    remarks : str
        Added to the second sentence.

    Returns
    -------
    done : str
        The picture and the steps:
        ``cat.jpg · edge 3x3, same, cross-correlation → ReLU → max 2x2, stride 2, valid (pad 0,0/0,0)``
    notes : str
        The receptive field, the notes of the result and the remarks:
        ``receptive field of an output value: 4x4 input pixels, step 2``
    """
    steps = [step_text(stage) for stage in result.stages]
    resized = f"resized to {size_text(result.recipe.resize)}" if result.recipe.resize else ""
    done = " · ".join(filter(None, (name, resized, " → ".join(_folded(steps)))))
    last = (result.input, *result.stages)[-1]
    notes = []
    height, width = last.receptive_field
    if height >= result.input.shape[0] and width >= result.input.shape[1]:
        notes.append("receptive field of an output value: the whole picture")
    elif last.receptive_field != (1, 1) or last.total_stride != (1, 1):
        pixels = "pixel" if height == width == 1 else "pixels"
        step = size_text(last.total_stride, always=False)
        field = size_text(last.receptive_field)
        notes.append(f"receptive field of an output value: {field} input {pixels}, step {step}")
    return done, " · ".join(filter(None, (*notes, *result.notes, remarks)))


def _folded(steps: list[str]) -> list[str]:
    """Repeated steps written once: first equal steps in a row, then whole blocks."""
    runs: list[str] = []
    counts: list[int] = []
    for step in steps:
        if runs and runs[-1] == step:
            counts[-1] += 1
        else:
            runs.append(step)
            counts.append(1)
    runs = [f"{step}, {count} times" if count > 1 else step for step, count in zip(runs, counts, strict=True)]
    for length in range(2, len(runs) // 2 + 1):
        times, rest = divmod(len(runs), length)
        if not rest and runs == runs[:length] * times:
            return [f"{times} times ({' → '.join(runs[:length])})"]
    return runs


def step_text(stage: StageResult) -> str:
    """A step and its settings: ``edge 3x3, same, cross-correlation``."""
    settings = stage.parameters
    kind = str(settings.get("kind", ""))
    if stage.name == "relu":
        return "ReLU"
    if stage.name == "conv2d":
        kernel = settings.get("kernel")
        name = kernel if isinstance(kernel, str) else "kernel"
        return ", ".join([f"{name} {size_text(settings['window'])}", *geometry_words(settings), "cross-correlation"])
    given = [
        f"{one.name} {settings[one.name] if one.whole else format(float(settings[one.name]), 'g')}"
        for one in POOLS[kind].parameters
        if settings.get(one.name) is not None
    ]
    if given:
        kind += f" ({', '.join(given)})"
    if stage.name == "global_pool2d":
        return f"global {kind}"
    if stage.name == "adaptive_pool2d":
        return f"adaptive {kind} to {size_text(stage.shape)}"
    if stage.name == "pool2d":
        window = settings["window"]
        words = [
            f"{kind} {size_text(window)}",
            f"stride {size_text(_pair(settings.get('stride')) or window, always=False)}",
        ]
        words += [w for w in geometry_words(settings) if not w.startswith("stride")]
        if settings.get("ceil"):
            words.append("ceil")
        if settings.get("count_include_pad"):
            words.append("pads counted")
        return ", ".join(words)
    return stage.title


def geometry_words(settings: Any) -> list[str]:
    """Stride and dilation where they are not 1, then the padding and how many rows and columns it added."""
    words = [
        f"{name} {size_text(pair, always=False)}"
        for name in ("stride", "dilation")
        if (pair := _pair(settings.get(name))) and pair != (1, 1)
    ]
    padding, pads = settings.get("padding"), settings.get("pads")
    named = isinstance(padding, str)
    if pads is not None:
        (top, bottom), (left, right) = pads
        sides = f"pad {top},{bottom}/{left},{right}"
        # A filter's "same" and "valid" need no numbers; a pool's do, frameworks disagree about them.
        words.append((f"{padding} ({sides})" if "kind" in settings else str(padding)) if named else sides)
    elif named:
        words.append(str(padding))
    if settings.get("padding_mode", "zeros") != "zeros":
        words.append(str(settings["padding_mode"]))
    return words


def _pair(value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    if isinstance(value, int):
        return value, value
    height, width = value
    return int(height), int(width)
