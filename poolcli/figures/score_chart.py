"""A chart of scores from 0 to 1: one line per series over the columns of a figure, with a mark of its own."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from poolcli.figures.layout import Box
from poolcli.figures.palettes import FRAME, INK, MUTED, OKABE_ITO, PALE, PAPER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poolcli.figures.canvas import Canvas
    from poolcli.figures.palettes import Color

SMALL = 16
THICK, MARK, HOLE = 3, 13, 7
COLORS: tuple[Color, ...] = tuple(
    OKABE_ITO[name] for name in ("vermillion", "blue", "bluish green", "reddish purple", "orange", "sky blue", "black")
)
TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


class Series(NamedTuple):
    """A line of the chart.

    Attributes
    ----------
    name : str
    values : sequence of float or None
        One per column, from 0 to 1; None where there is none.
    """

    name: str
    values: Sequence[float | None]


def draw_mark(canvas: Canvas, x: int, y: int, number: int) -> None:
    """The mark of the series with this number: a disc, a square, a ring or a frame, so that series differ without colours too."""
    color = COLORS[number % len(COLORS)]
    for size, ink in ((MARK, color), *(((HOLE, PAPER),) if number // 2 % 2 else ())):
        if number % 2:
            canvas.rectangle(Box(x - size // 2, y - size // 2, size, size), ink)
        else:
            canvas.line(x, y, x, y, ink, size)


def draw_chart(
    canvas: Canvas, box: Box, columns: Sequence[int], series: Sequence[Series], labels: Sequence[str]
) -> None:
    """Draw the chart into a box; labels and numbers stand outside it, below and to the left.

    Parameters
    ----------
    canvas : Canvas
    box : Box
    columns : sequence of int
        x of each column's middle.
    series : sequence of Series
    labels : sequence of str
        Of the columns.
    """
    canvas.rectangle(box, PAPER)
    places = [box.y + round((1 - value) * (box.height - 1)) for value in TICKS]
    for value, y in zip(TICKS, places, strict=True):
        canvas.rectangle(Box(box.x, y, box.width, 1), FRAME if value in {0.0, 1.0} else PALE)
        canvas.text(box.x - 10, y + 6, f"{value:g}", SMALL, MUTED, anchor="right")
    for x, label in zip(columns, labels, strict=True):
        canvas.rectangle(Box(x, box.y + box.height, 1, 5), FRAME)
        canvas.text(x, box.y + box.height + 24, label, SMALL, INK, anchor="middle")
    for number, one in reversed([*enumerate(series)]):  # the first lies on top
        spots = [
            None if value is None else (x, box.y + round((1 - value) * (box.height - 1)))
            for x, value in zip(columns, one.values, strict=True)
        ]
        for start, end in pairwise(spots):
            if start is not None and end is not None:
                canvas.line(*start, *end, COLORS[number % len(COLORS)], THICK)
        for spot in spots:
            if spot is not None:
                draw_mark(canvas, *spot, number)
