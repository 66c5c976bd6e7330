"""A row of maps drawn equally large, with a title above and lines below each: sizes, titles and placement of text."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from poolcli.figures import PANEL
from poolcli.figures.layout import SIDE, magnifications
from poolcli.figures.palettes import INK, MUTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poolcli.figures.canvas import Canvas
    from poolcli.figures.layout import Box
    from poolcli.pipeline.result import StageResult

MARGIN, GAP = 28, 32
TITLE, BODY, SMALL = 26, 18, 16
LINE, TITLE_LINE = 26, 30
ROW_WIDTH = 2100
"""Wanted width in pixels of a row of many maps, about that of a projected slide."""
MIN_SIDE, MIN_COLUMN = 260, 300


def panel_side(columns: int) -> int:
    """Wanted length in pixels of a map's longer side, for a row of `columns` maps.

    Examples
    --------
    >>> panel_side(3), panel_side(6), panel_side(20)
    (400, 318, 260)
    """
    return max(MIN_SIDE, min(SIDE, ROW_WIDTH // columns - GAP))


def panel_sizes(shapes: Sequence[tuple[int, int]], side: int) -> tuple[list[int], list[int]]:
    """Reduce and magnify maps by whole numbers so that all are drawn about equally large.

    Parameters
    ----------
    shapes : sequence of (h, w)
        Of the maps.
    side : int
        Wanted length in pixels of a panel's longer side. Panels may be up to a third longer, since factors are whole.

    Returns
    -------
    factors : list of int
        Side of the block of cells that is averaged to one displayed cell; 1 for a map that is not reduced.
    times : list of int
        Pixels per displayed cell, along a side.

    Examples
    --------
    >>> panel_sizes([(400, 600), (200, 300), (100, 150)], 268)
    ([2, 1, 1], [1, 1, 2])
    """
    longest = [max(shape) for shape in shapes]
    best: tuple[float, list[int], list[int]] | None = None
    least = max(1, -(-3 * max(longest) // (4 * side)), -(-max(longest) // PANEL))
    for factor in range(least, least + 3 if least > 1 else 2):
        wanted = max(longest) / factor
        factors = [max(1, -(-length // PANEL), round(length / wanted)) for length in longest]
        small = [(-(-h // f), -(-w // f)) for (h, w), f in zip(shapes, factors, strict=True)]
        times = magnifications(small, side if factor == 1 else round(wanted))
        drawn = [max(shape) * k for shape, k in zip(small, times, strict=True)]
        unlike = sum(abs(math.log(length / max(drawn))) for length in drawn) + 0.1 * abs(math.log(max(drawn) / side))
        if best is None or unlike < best[0]:
            best = unlike, factors, times
    assert best is not None
    return best[1], best[2]


def layer_name(stage: StageResult) -> str:
    """The layer in a stage's title: ``MaxPool`` of ``Condense (MaxPool)``."""
    found = re.search(r"\((.+)\)$", stage.title)
    return found[1] if found else stage.title


def map_title(stage: StageResult, number: int = 0) -> str:
    """The title of a map as in Kaggle's lessons: Original, MaxPool 1, MaxPool 2."""
    if number:
        return f"{layer_name(stage)} {number}" if stage.name == "pool2d" else layer_name(stage)
    return "Original" if stage.name == "input" else stage.title


def draw_title(canvas: Canvas, slot: Box, name: str, under: str) -> None:
    """Draw two centred lines above a slot: the name in bold, and a second line."""
    middle = slot.x + slot.width // 2
    canvas.text(middle, slot.y - TITLE_LINE - 12, name, TITLE, INK, bold=True, anchor="middle")
    canvas.text(middle, slot.y - 12, under, BODY, INK, anchor="middle")


def draw_lines(canvas: Canvas, slot: Box, lines: Sequence[str]) -> int:
    """Draw centred lines below a slot, the first in the colour of text, the others muted.

    Returns
    -------
    int
        Baseline of the first line.
    """
    first = slot.y + slot.height + 32
    for i, line in enumerate(lines):
        canvas.text(slot.x + slot.width // 2, first + i * LINE, line, BODY, MUTED if i else INK, anchor="middle")
    return first


def draw_caption(canvas: Canvas, baseline: int, sentences: Sequence[str]) -> None:
    """Draw the caption: centred lines, the first of them on `baseline`."""
    for i, sentence in enumerate(sentences):
        canvas.text(canvas.width // 2, baseline + i * LINE, sentence, BODY, MUTED, anchor="middle")
