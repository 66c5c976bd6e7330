"""Which maps of a run a comparison shows, in which colours, and what it says about each."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from poolcli.figures import palette, words
from poolcli.figures.palette import Scale

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolcli.pipeline.result import Result, Stage

RULES = {"mean": "mean", "largest": "largest magnitude", "max": "maximum"}
"""How several channels are shown as one, in words."""


@dataclass(frozen=True)
class Panel:
    """One map of the figure.

    Attributes
    ----------
    stage : Stage
    title : str
    values : ndarray of shape (h, w), or (h, w, 3) when `scale` shows RGB
    scale : Scale
    lines : tuple of str
        What stands under it.
    """

    stage: Stage
    title: str
    values: NDArray[np.float32]
    scale: Scale
    lines: tuple[str, ...]


def panels(result: Result) -> list[Panel]:
    """Choose the maps to show, and their scales.

    Of a longer recipe these are the first filter, the detect step after it, and the last map.
    """
    stages = result.stages
    filters = [i for i, stage in enumerate(stages) if stage.name == "conv2d"]
    after = filters[0] + 1 if filters else 0
    has_detect = after < len(stages) and stages[after].name == "relu"
    detect = stages[after] if has_detect else None
    chosen = sorted({*filters[:1], *([after] if has_detect else []), *([len(stages) - 1] if stages else [])})

    white = float(np.float32(result.white) * np.float32(result.scale))
    plain = palette.brightness(result.input, white)
    if not filters and result.channels == 3 and plain == Scale("gray", 0.0, white):
        plain = Scale("rgb", 0.0, white)
    level = palette.limit(stages[filters[0]]) if filters else 0.0

    made = [_panel(result.input, result.input.title, plain, detect)]
    for i in chosen:
        stage = stages[i]
        if not filters:
            scale = palette.brightness(stage, white, plain)
        elif len(filters) > 1 and i >= filters[1]:  # values of a later filter have a scale of their own
            scale = palette.filtered(stage, palette.limit(stage))
        else:
            scale = palette.filtered(stage, level)
        made.append(_panel(stage, _repeated(stages) if i == len(stages) - 1 else stage.title, scale, detect))
    return made


def _panel(stage: Stage, title: str, scale: Scale, detect: Stage | None) -> Panel:
    values = palette.shown(stage).values
    if values.ndim == 3 and scale.palette != "rgb":
        values = palette.one_channel(values, _rule(stage))
    lines = [words.facts(stage)]
    if stage.name not in ("input", "conv2d") and scale.palette in ("magma", "RdBu_r"):  # a photograph is >0: 100 %
        lines.append(words.shares(stage, detect))
    lines.append(words.reduction(stage))
    return Panel(stage, title, values, scale, tuple(filter(None, lines)))


def _rule(stage: Stage) -> str:
    return {"input": "mean", "conv2d": "largest"}.get(stage.name, "max")


def remarks(result: Result, shown: list[Panel]) -> str:
    """What the figure leaves out, and how maps of several channels became panels of one; empty when neither."""
    said = []
    if sum(stage.name == "conv2d" for stage in result.stages) > 1:
        said.append(f"shown: the first {' and '.join(p.title.split(' ')[0] for p in shown[1:-1])}, and the last map")
    flattened = [p for p in shown if palette.shown(p.stage).values.ndim == 3 and p.values.ndim == 2]
    if flattened:
        rules = [
            f"{rule} ({', '.join(p.title.split(' ')[0] for p in group)})"
            for rule, group in groupby(flattened, lambda p: RULES[_rule(p.stage)])
        ]
        said.append(f"{result.channels} channels shown as their {', '.join(rules)}")
    return " · ".join(said)


def _repeated(stages: tuple[Stage, ...]) -> str:
    """Title of the last map, with how often its step was done in a row: ``Condense (MaxPool ×3)``."""
    title = stages[-1].title
    times = 0
    for stage in reversed(stages):
        if (stage.name, stage.title) != (stages[-1].name, title):
            break
        times += 1
    if times == 1 or "×" in title:
        return title
    return f"{title[:-1]} ×{times})" if title.endswith(")") else f"{title} ×{times}"
