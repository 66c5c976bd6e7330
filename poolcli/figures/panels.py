"""The panels of the comparison figure: which maps it shows, their colours, and the text under each."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

import numpy as np

from poolcli.figures import captions, color_scale
from poolcli.figures.map_scales import channel_rule, map_scales, match_channels
from poolcli.pipeline.detail import shown_maps, unread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolcli.figures.color_scale import Scale
    from poolcli.pipeline.result import Result, StageResult

RULES = {"mean": "mean", "largest": "largest magnitude"}
"""Rule of `map_scales.channel_rule` -> its name in a remark."""
PADDING_FRAME = "bright frame: zero padding; --conv-padding-mode reflect removes it"


@dataclass(frozen=True)
class Panel:
    """One map of the figure.

    Attributes
    ----------
    stage : StageResult
    title : str
    values : ndarray of shape (h, w), or (h, w, 3) for an RGB scale, float32
        The map, reduced for display where it is large.
    scale : Scale
    lines : tuple of str
        The text under the panel.
    detail : ndarray or None
        The part of the map that the detail row shows, with as many channels as `values`.
    unread : (rows, columns)
        How many rows at the bottom and columns at the right the next step does not read.
    repeats : int
        How many times in a row the step was applied.
    """

    stage: StageResult
    title: str
    values: NDArray[np.float32]
    scale: Scale
    lines: tuple[str, ...]
    detail: NDArray[np.float32] | None = None
    unread: tuple[int, int] = (0, 0)
    repeats: int = 1


def panels(result: Result) -> list[Panel]:
    """Choose the maps to show and their scales.

    These are the input, the first filter, the detect step after it, and the last map, as far as the recipe has them.
    """
    stages = (result.input, *result.stages)
    chosen = shown_maps(stages)
    detect = next((stages[i] for i in chosen if stages[i].name == "relu"), None)
    scaled = map_scales(result)
    made = []
    for i in chosen:
        title, repeats = stages[i].title, 1
        if i == len(stages) - 1:
            title, repeats = _repeated(stages)
        left = unread(stages[i], stages[i + 1]) if i + 1 < len(stages) else (0, 0)
        made.append(_panel(stages[i], title, scaled[i], detect, left, repeats))
    return made


def _panel(
    stage: StageResult, title: str, scale: Scale, detect: StageResult | None, left: tuple[int, int], repeats: int
) -> Panel:
    lines = [captions.statistics_line(stage)]
    if stage.name not in ("input", "conv2d") and scale.palette in ("magma", "RdBu_r"):  # a photograph is >0: 100 %
        lines.append(captions.shares_line(stage, detect))
    lines.append(" · ".join(filter(None, (captions.reduction_note(stage), captions.unread_note(*left)))))
    detail = None if stage.detail is None else match_channels(stage, stage.detail.values, scale)
    values = match_channels(stage, color_scale.display_of(stage).values, scale)
    return Panel(stage, title, values, scale, tuple(filter(None, lines)), detail, left, repeats)


def remarks(result: Result, shown: list[Panel]) -> str:
    """What a reader has to know about the figure: maps left out, merged channels, the frame that zero padding makes.

    Returns
    -------
    str
        Empty when there is nothing to say.
    """
    said = []
    if sum(stage.name == "conv2d" for stage in result.stages) > 1:
        said.append(f"shown: the first {' and '.join(p.title.split(' ')[0] for p in shown[1:-1])}, and the last map")
    flattened = [p for p in shown if color_scale.display_of(p.stage).values.ndim == 3 and p.values.ndim == 2]
    if flattened:
        rules = [
            f"{rule} ({', '.join(p.title.split(' ')[0] for p in group)})"
            for rule, group in groupby(flattened, lambda p: RULES[channel_rule(p.stage)])
        ]
        said.append(f"{result.channels} channels shown as their {', '.join(rules)}")
    if any(has_padding_frame(panel.stage) for panel in shown):
        said.append(PADDING_FRAME)
    return " · ".join(said)


def has_padding_frame(stage: StageResult) -> bool:
    """Whether zero padding made the border of a filtered map much brighter than its inside.

    The border counts as much brighter when its mean magnitude is more than three times that of the inside.
    """
    pads = stage.parameters.get("pads") or ((0, 0), (0, 0))
    if stage.name != "conv2d" or not any(map(any, pads)) or stage.parameters.get("padding_mode", "zeros") != "zeros":
        return False
    display = color_scale.display_of(stage)
    values = np.abs(display.values if display.values.ndim == 2 else display.values.mean(axis=2))
    if min(values.shape) < 5 or not np.isfinite(values).all():
        return False
    inside = float(values[2:-2, 2:-2].mean())
    border = float(np.mean([part.mean() for part in (values[0], values[-1], values[:, 0], values[:, -1])]))
    # The outermost cell of a reduced map averages one row of the frame with rows of the inside: take those out again.
    border = display.factor * border - (display.factor - 1) * inside
    return border > 3 * inside


def _repeated(stages: tuple[StageResult, ...]) -> tuple[str, int]:
    """Title of the last map and how many times in a row its step was applied: ``Condense (MaxPool ×3)``, 3."""
    title, times = stages[-1].title, 1
    for before, stage in pairwise(reversed(stages)):
        if (before.name, before.title) != (stage.name, stage.title):
            break
        times += 1
    if times == 1 or "×" in title:
        return title, times
    return (f"{title[:-1]} ×{times})" if title.endswith(")") else f"{title} ×{times}"), times
