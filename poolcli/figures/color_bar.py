"""Colour bars: the colours of a scale, tick labels, and the share of values beyond its limits."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from poolcli.figures import captions, color_scale
from poolcli.figures.layout import Box, ticks
from poolcli.figures.palettes import FRAME, MUTED
from poolcli.figures.text import text_width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poolcli.figures.canvas import Canvas
    from poolcli.figures.color_scale import Scale
    from poolcli.pipeline.result import StageResult

THICK, LENGTH, TIP = 14, 340, 12
SMALL = 16
GAP = 8
"""Least pixels between two labels."""
HEIGHT = THICK + 26
"""Pixels from the top of a bar to the bottom of its labels."""


def draw(canvas: Canvas, middle: int, y: int, scale: Scale, stages: Sequence[StageResult]) -> None:
    """Draw a colour bar centred on x = `middle`; an end becomes an arrow where a map has values beyond it."""
    x = middle - LENGTH // 2
    ramp = scale.colors(np.linspace(scale.low, scale.high, LENGTH, dtype=np.float32)[np.newaxis])
    canvas.picture(x, y, ramp.repeat(THICK, axis=0))
    canvas.frame(Box(x, y, LENGTH, THICK), FRAME)
    below, above = (any(sides) for sides in zip(*map(scale.exceeded_by, stages), strict=True))
    for present, left, edge, at in ((below, True, x - 1 - TIP, 0), (above, False, x + LENGTH + 1, -1)):
        if present:  # a triangle in the colour of the frame, with a smaller one on top
            red, green, blue = (int(level) for level in ramp[0, at])
            canvas.arrow(Box(edge, y - 1, TIP, THICK + 2), FRAME, left)
            canvas.arrow(Box(edge + 2 * left, y + 1, TIP - 2, THICK - 2), (red, green, blue), left)
    for value, label in _labels(scale):
        tick = x + round((value - scale.low) / (scale.high - scale.low) * (LENGTH - 1))
        canvas.rectangle(Box(tick, y + THICK + 1, 1, 4), FRAME)
        canvas.text(tick, y + THICK + 21, label, SMALL, MUTED, anchor="middle")


def _labels(scale: Scale) -> list[tuple[float, str]]:
    """The values that are labelled, with their labels: as many as have room side by side."""
    labels: list[tuple[float, str]] = []
    for most in (6, 4, 3, 2):
        values, decimals = ticks(scale.low, scale.high, most)
        labels = [(value, captions.tick(value, decimals)) for value in values]
        apart = min((after - before for before, after in pairwise(values)), default=scale.high - scale.low)
        widest = max((text_width(label, SMALL) for _, label in labels), default=0)
        if widest + GAP <= apart / (scale.high - scale.low) * (LENGTH - 1):
            break
    return labels


def outside_note(scale: Scale, members: Sequence[tuple[str, StageResult]]) -> str:
    """The line under a colour bar: which share of each map lies beyond the scale, as ``1.0 % beyond scale``.

    Parameters
    ----------
    scale : Scale
    members : sequence of (name, stage)
        The maps that use the scale.

    Returns
    -------
    str
        Empty when no value lies beyond.
    """
    said = []
    for name, stage in members:
        share = scale.share_outside(color_scale.display_of(stage))
        if share or any(scale.exceeded_by(stage)):
            percent = captions.percent(max(share, 1e-9))  # the sample may miss the few values beyond
            said.append(percent if len(members) == 1 else f"{name} {percent}")
    return f"{', '.join(said)} beyond scale" if said else ""
