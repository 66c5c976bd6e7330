"""What a figure says: numbers, sizes, the line that tells what was done. Plain text, no fonts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from poolcli.figures.palette import extremes, shown
from poolcli.ops.kinds import POOLS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from poolcli.pipeline.result import Result, Stage

NAME_LENGTH = 40


def number(value: float, magnitude: float | None = None) -> str:
    """A value with as many decimals as numbers of that magnitude deserve, and a real minus sign.

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


def tick(value: float, decimals: int) -> str:
    """Label of a colour bar's tick."""
    text = f"{value:z.{decimals}f}" if decimals <= 5 and abs(value) < 1e5 else f"{value:g}"
    return text.replace("-", "−")


def percent(share: float) -> str:
    """A share of 0…1 in per cent: whole, with a decimal only near the ends, never rounded to none or all.

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


def size(shape: Sequence[float], always: bool = True) -> str:
    """Height x width; one number when they are equal and `always` is false."""
    height, width = shape
    if height == width and not always:
        return f"{height:.4g}"
    return "x".join(f"{side:d}" if isinstance(side, int) else f"{side:.4g}" for side in (height, width))


def drawable(text: str, covers: Callable[[str], bool]) -> str:
    r"""The text with every character that the font cannot draw, or that has no shape, written as an escape.

    Examples
    --------
    >>> drawable("猫\n.jpg", str.isascii)
    '\\u732b\\n.jpg'
    """
    return "".join(
        c if c == " " or (c.isprintable() and covers(c)) else c.encode("unicode_escape").decode("ascii") for c in text
    )


def short_name(name: str, length: int = NAME_LENGTH) -> str:
    """The last part of a path, its middle replaced by an ellipsis when it is too long.

    Examples
    --------
    >>> short_name("/photos/a-very-long-name-from-a-camera-or-a-download-0001.jpg")
    'a-very-long-name-fro…a-download-0001.jpg'
    """
    name = name.rstrip("/").rsplit("/", 1)[-1] or name
    if len(name) <= length:
        return name
    return f"{name[: length // 2]}…{name[-(length // 2 - 1) :]}"


def facts(stage: Stage) -> str:
    """Size, smallest, largest and mean value of a map: ``398x398 · min −2.83 · max 3.58 · mean 0.00``."""
    low, high = (stage.statistics.min, stage.statistics.max) if stage.statistics else extremes(stage)
    largest = max(abs(low), abs(high))
    parts = [size(stage.shape), f"min {number(low, largest)}", f"max {number(high, largest)}"]
    if stage.mean is not None:
        parts.append(f"mean {number(stage.mean, largest)}")
    return " · ".join(parts)


def shares(stage: Stage, detect: Stage | None) -> str:
    """Share of values above zero, and above a twentieth of the detect map's largest value."""
    sample = shown(stage).sample
    active = float((sample > 0).mean()) if stage.active is None else stage.active
    text = f">0: {percent(active)}"
    if detect is not None and extremes(detect)[1] > 0:
        text += f" · >5 % of max: {percent(float((sample > 0.05 * extremes(detect)[1]).mean()))}"
    return text


def reduction(stage: Stage) -> str:
    """How a map too large for its panel was made smaller: ``shown at 1/3 (block max)``; empty when it was not."""
    display = shown(stage)
    if display.factor == 1:
        return ""
    rule = {"largest": "largest of each block", "subsample": "first of each block"}
    return f"shown at 1/{display.factor} ({rule.get(display.rule, f'block {display.rule}')})"


def caption(result: Result, name: str, remarks: str = "") -> tuple[str, str]:
    """What was done to which picture, and what an output pixel sees of it.

    Parameters
    ----------
    result : Result
    name : str
        What to call the picture.
    remarks : str
        What the reader should know of how the maps are shown; told at the end.

    Returns
    -------
    done : str
        ``cat.jpg · edge 3x3, same, cross-correlation → ReLU → max 2x2, stride 2, valid (pad 0,0/0,0)``
    seen : str
        ``one output pixel sees 4x4 input pixels, steps of 2``, and the notes of the result.
    """
    steps = [_step(stage) for stage in result.stages]
    resized = f"resized to {size(result.recipe.resize)}" if result.recipe.resize else ""
    done = " · ".join(filter(None, (name, resized, " → ".join(_folded(steps)))))
    last = (result.input, *result.stages)[-1]
    seen = []
    height, width = last.receptive_field
    if height >= result.input.shape[0] and width >= result.input.shape[1]:
        seen.append("one output pixel sees the whole picture")
    elif last.receptive_field != (1, 1) or last.total_stride != (1, 1):
        pixels = "pixel" if height == width == 1 else "pixels"
        steps_of = size(last.total_stride, always=False)
        seen.append(f"one output pixel sees {size(last.receptive_field)} input {pixels}, steps of {steps_of}")
    return done, " · ".join(filter(None, (*seen, *result.notes, remarks)))


def _folded(steps: list[str]) -> list[str]:
    """Steps that come again and again, said once: first the same step in a row, then whole blocks."""
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


def _step(stage: Stage) -> str:
    settings = stage.parameters
    kind = str(settings.get("kind", ""))
    if stage.name == "relu":
        return "ReLU"
    if stage.name == "conv2d":
        kernel = settings.get("kernel")
        name = kernel if isinstance(kernel, str) else "kernel"
        return ", ".join([f"{name} {size(settings['window'])}", *_geometry(settings), "cross-correlation"])
    parameter = POOLS[kind].parameter
    if parameter and settings.get(parameter.name) is not None:
        kind += f" ({parameter.name} {float(settings[parameter.name]):g})"
    if stage.name == "global_pool2d":
        return f"global {kind}"
    if stage.name == "adaptive_pool2d":
        return f"adaptive {kind} to {size(stage.shape)}"
    if stage.name == "pool2d":
        window = settings["window"]
        words = [f"{kind} {size(window)}", f"stride {size(_pair(settings.get('stride')) or window, always=False)}"]
        words += [w for w in _geometry(settings) if not w.startswith("stride")]
        if settings.get("ceil"):
            words.append("ceil")
        if settings.get("count_include_pad"):
            words.append("pads counted")
        return ", ".join(words)
    return stage.title


def _geometry(settings: Any) -> list[str]:
    """Stride and dilation where they are not 1, then the padding with the pads that came of it."""
    words = [
        f"{name} {size(pair, always=False)}"
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
    return words


def _pair(value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    if isinstance(value, int):
        return value, value
    height, width = value
    return int(height), int(width)
