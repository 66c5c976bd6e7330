"""The ladder figure: a map before and after every pooling, drawn equally large and, below, at one scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from poolcli.display import printable
from poolcli.figures import captions, color_bar
from poolcli.figures import text as lettering
from poolcli.figures.canvas import Canvas
from poolcli.figures.ladder_maps import build_ladder, maps_per_row
from poolcli.figures.layout import Box
from poolcli.figures.map_drawing import draw_map
from poolcli.figures.map_row import (
    BODY,
    GAP,
    LINE,
    MARGIN,
    MIN_COLUMN,
    SMALL,
    TITLE,
    TITLE_LINE,
    draw_caption,
    draw_lines,
    draw_title,
)
from poolcli.figures.palettes import FRAME, MUTED, PAPER
from poolcli.figures.panels import PADDING_FRAME, has_padding_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poolcli.figures.ladder_maps import Ladder, LadderMap
    from poolcli.figures.palettes import Color
    from poolcli.pipeline.result import Result

SWATCH = 14


@np.errstate(over="ignore", invalid="ignore")  # of values beyond float32
def render(result: Result, fmt: str = "png") -> bytes:
    """Draw the ladder: the map before the first pooling and the map after each one.

    All maps share one colour scale. In the upper row they are drawn equally large; in the lower row a cell has the same
    size in every map. Outlines on the first map show the receptive field of one cell of each later map.

    Parameters
    ----------
    result : Result
        With a display of every map, and statistics.
    fmt : {"png", "svg", "pdf"}

    Returns
    -------
    bytes
        The contents of a file.

    Raises
    ------
    ValueError
        The result has no displays, or `fmt` is another format.
    PoolcliError
        Matplotlib, which draws SVG and PDF, cannot be imported.
    """
    made = build_ladder(result)
    name = captions.short_name(printable(result.source))
    done, notes = captions.caption(result, name, _remarks(result, made))
    said = [f"{done} · {notes}".removesuffix(" · "), *(f"{r.title}: {' · '.join(r.lines)}" for r in made.maps)]
    canvas = draw(made, lettering.drawable(done), lettering.drawable(notes))
    return canvas.encode(fmt, name, "\n".join(said))


def _remarks(result: Result, made: Ladder) -> str:
    said = (
        [PADDING_FRAME] if any(has_padding_frame(stage) for stage in result.stages if stage.display is not None) else []
    )
    if any(one.field is not None for one in made.maps):
        first = made.maps[0].title.split(" ")[0]
        said.append(f"an outline on {first} is the receptive field of the cell in the same colour")
    if result.channels > 1 and made.scale.palette != "rgb":
        said.append(f"{result.channels} channels shown as one")
    return " · ".join(said)


def draw(made: Ladder, done: str, notes: str) -> Canvas:
    """Place the maps and their texts on a canvas.

    Parameters
    ----------
    made : Ladder
    done, notes : str
        The caption's two sentences, which have passed `text.drawable`.
    """
    maps, times = made.maps, made.times
    columns = maps_per_row(len(maps))
    wide = max(one.values.shape[1] * k for one, k in zip(maps, times, strict=True))
    high = max(one.values.shape[0] * k for one, k in zip(maps, times, strict=True))
    column = max(wide, MIN_COLUMN, *(lettering.text_width(one.title, TITLE, bold=True) for one in maps))
    total = 2 * MARGIN + columns * (column + GAP) - GAP
    texts = [[part for line in one.lines for part in lettering.wrap(line, BODY, column, 2)] for one in maps]
    under = high + 32 + max(map(len, texts)) * LINE  # from the top of a panel to the line above the true-scale row
    top, bottom = MARGIN + 2 * TITLE_LINE, 0
    places = []
    for first in range(0, len(maps), columns):
        if first:
            top = bottom + GAP + 2 * TITLE_LINE
        bottom = (
            top + under + LINE + max(one.true_scale_values.shape[0] for one in maps[first : first + columns]) * times[0]
        )
        places += [_Place(MARGIN + i * (column + GAP), top, bottom) for i in range(len(maps[first : first + columns]))]
    bar = made.scale.palette != "rgb"
    beyond = color_bar.outside_note(made.scale, [(one.title, one.stage) for one in maps]) if bar else ""
    sentences = [part for text in (done, notes) for part in lettering.wrap(text, BODY, total - 2 * MARGIN, 4)]
    bars = bottom + 30
    foot = bars + (color_bar.HEIGHT if bar else -14) + (LINE if beyond else 0) + 30
    canvas = Canvas(total, foot + (len(sentences) - 1) * LINE + MARGIN - 8)
    for number, (one, at) in enumerate(zip(maps, places, strict=True)):
        _draw_panel(canvas, Box(at.x, at.top, column, high).centred(wide, high), made, number, texts[number])
        if not number % columns:
            canvas.text(MARGIN, at.top + under + 8, _true_scale(made), SMALL, MUTED)
        small = made.scale.colors(one.true_scale_values)
        box = Box(at.x, at.bottom - small.shape[0] * times[0], small.shape[1] * times[0], small.shape[0] * times[0])
        canvas.picture(box.x, box.y, small, times[0])
        canvas.frame(box, FRAME)
    if bar:
        color_bar.draw(canvas, total // 2, bars, made.scale, [one.stage for one in maps])
        canvas.text(total // 2, bars + color_bar.HEIGHT + 18, beyond, SMALL, MUTED, anchor="middle")
    draw_caption(canvas, foot, sentences)
    return canvas


class _Place(NamedTuple):
    """Left edge and top of a panel's column, and the bottom of the true-scale row."""

    x: int
    top: int
    bottom: int


def _draw_panel(canvas: Canvas, slot: Box, made: Ladder, number: int, lines: Sequence[str]) -> None:
    """Draw a map at the top left of its slot, with its title above and its lines below."""
    one = made.maps[number]
    h, w = one.values.shape[:2]
    left = (one.unread[0] * h / one.stage.shape[0], one.unread[1] * w / one.stage.shape[1])
    box = draw_map(canvas, slot.x, slot.y, one.values, made.scale, made.times[number], left)
    _outlines(canvas, box, one, made.maps)
    draw_title(canvas, slot, one.title, f"Shape: {captions.size_text(one.stage.shape)}")
    under = draw_lines(canvas, slot, lines)
    if one.field is not None:
        x = slot.x + slot.width // 2 - lettering.text_width(lines[0], BODY) // 2 - SWATCH - 8
        canvas.rectangle(Box(x, under - SWATCH, SWATCH, SWATCH), one.color)


def _true_scale(made: Ladder) -> str:
    """The line above the true-scale row: how large a cell is drawn."""
    if made.true_scale_factor > 1:
        return f"at one scale: a pixel is {captions.size_text((made.true_scale_factor, made.true_scale_factor))} cells of every map (block mean)"
    side = made.times[0]
    return f"at one scale: a cell of every map is {f'{side}x{side} pixels' if side > 1 else 'one pixel'}"


def _outlines(canvas: Canvas, box: Box, one: LadderMap, maps: Sequence[LadderMap]) -> None:
    """Draw on the first map the receptive fields of the others, largest first; on another map, the cell they belong to."""
    if one is maps[0]:
        for other in reversed(maps[1:]):
            if other.field is not None:
                _outline(canvas, box, one.stage.shape, other.field.rows, other.field.cols, other.color)
    elif one.field is not None:
        row, col = one.field.cell
        _outline(canvas, box, one.stage.shape, (row, row + 1), (col, col + 1), one.color)


def _outline(
    canvas: Canvas,
    box: Box,
    shape: tuple[int, int],
    rows: tuple[float, float],
    cols: tuple[float, float],
    color: Color,
) -> None:
    """Draw a frame around some cells of a map of `shape`, which fills `box`; the frame covers none of these cells."""
    top, bottom = (round(box.height * row / shape[0]) for row in rows)
    left, right = (round(box.width * col / shape[1]) for col in cols)
    part = Box(box.x + left, box.y + top, max(1, right - left), max(1, bottom - top))
    canvas.frame(part, PAPER, 4)
    canvas.frame(Box(part.x - 1, part.y - 1, part.width + 2, part.height + 2), color, 2)
