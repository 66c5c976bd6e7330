"""The comparison figure: the picture and what each step made of it, side by side."""

from __future__ import annotations

import math
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from poolcli.figures import FORMATS, palette, words
from poolcli.figures.layout import Box, columns, magnifications, ticks
from poolcli.figures.panels import panels, remarks
from poolcli.figures.sheet import Sheet
from poolcli.figures.typeface import Typeface, quiet_matplotlib

if TYPE_CHECKING:
    from poolcli.figures.palette import Scale
    from poolcli.figures.panels import Panel
    from poolcli.figures.sheet import Color
    from poolcli.pipeline.result import Result, Stage

MARGIN, GAP = 28, 28
TITLE, BODY, SMALL = 21.0, 14.0, 13.0
LINE = 21
BAR, BAR_LENGTH, TIP = 12, 300, 11
NARROWEST = BAR_LENGTH + 20
"""Width of a column that keeps neighbouring colour bars, their arrows and labels apart."""
ICON = (17, 30)
INK: Color = (26, 26, 26)
QUIET: Color = (100, 100, 100)
RULE: Color = (160, 160, 160)
PALE: Color = (222, 222, 222)


def render(result: Result, fmt: str = "png") -> bytes:
    """Draw the comparison figure: input, filter, detect, condense, each of them that the recipe has.

    Every value is a square of whole pixels in the exact colour of its palette. Filter, detect and condense share
    one limit, the 99th percentile of the filter's magnitudes; pooled brightness keeps the grays of the input.

    Parameters
    ----------
    result : Result
        With displays and, for the numbers, statistics.
    fmt : {"png", "svg", "pdf"}

    Returns
    -------
    bytes
        The same for the same result, whatever Matplotlib settings the environment holds.

    Raises
    ------
    ValueError
        For another format, or a result without displays.
    PoolcliError
        When Matplotlib does not load.
    """
    if fmt not in FORMATS:
        raise ValueError(f"unknown figure format {fmt!r}; known: {', '.join(FORMATS)}")
    from poolcli import __version__

    software = f"poolcli {__version__}"
    with quiet_matplotlib():
        typeface = Typeface()
        shown = panels(result)
        name = words.short_name(words.drawable(result.source, typeface.covers))
        caption = words.caption(result, name, remarks(result, shown))
        done, seen = (words.drawable(text, typeface.covers) for text in caption)
        # Whoever does not see the picture reads this.
        said = "\n".join([f"{done} · {seen}", *(f"{panel.title}: {' · '.join(panel.lines)}" for panel in shown)])
        sheet = draw(shown, done, seen, typeface)
        if fmt == "png":
            return sheet.png({"Title": name, "Description": said, "Software": software})
        if fmt == "svg":
            return sheet.vector("svg", {"Title": name, "Description": said, "Creator": software, "Date": None})
        return sheet.vector("pdf", {"Title": name, "Subject": said, "Creator": software, "CreationDate": None})


def draw(shown: list[Panel], done: str, seen: str, typeface: Typeface) -> Sheet:
    """Lay the panels and their texts out on a sheet.

    Parameters
    ----------
    shown : list of Panel
    done, seen : str
        The caption's two sentences.
    typeface : Typeface
    """
    times = magnifications([panel.values.shape[:2] for panel in shown])
    height = max(panel.values.shape[0] * k for panel, k in zip(shown, times, strict=True))
    width = max(panel.values.shape[1] * k for panel, k in zip(shown, times, strict=True))
    widths = [
        max(
            width,
            NARROWEST,
            typeface.width(panel.title, TITLE, bold=True),
            *(typeface.width(t, BODY) for t in panel.lines),
        )
        for panel in shown
    ]
    edges = columns(widths, GAP, MARGIN)
    total = edges[-1] + widths[-1] + MARGIN
    sentences = _sentences(done, seen, typeface, total - 2 * MARGIN)

    top = MARGIN + 34  # of the slots
    under = top + height + 26  # baseline of the first line under them
    rows = max(len(panel.lines) + _is_condensed(panel, shown) for panel in shown)
    bars = under + (rows - 1) * LINE + 22
    scales = [(scale, list(group)) for scale, group in groupby(range(len(shown)), lambda i: shown[i].scale)]
    scales = [(scale, members) for scale, members in scales if scale.palette != "rgb"]
    overruns = [_overruns(scale, [shown[i] for i in members]) for scale, members in scales]
    end = bars + (BAR + 24 if scales else 0) + (LINE - 1 if any(overruns) else 0)  # of everything but the caption
    sheet = Sheet(total, end + 22 + (len(sentences) - 1) * LINE + MARGIN - 8, typeface)

    for panel, k, x, column in zip(shown, times, edges, widths, strict=True):
        middle = x + column // 2
        sheet.text(middle, MARGIN + 17, panel.title, TITLE, INK, bold=True, centred=True)
        h, w = panel.values.shape[:2]
        box = Box(x, top, column, height).centred(w * k, h * k)
        sheet.picture(box.x, box.y, panel.scale.colors(panel.values), k)
        sheet.frame(box, RULE)
        for i, line in enumerate(panel.lines):
            sheet.text(middle, under + i * LINE, line, BODY, QUIET if i else INK, centred=True)
        if _is_condensed(panel, shown):
            _true_size(sheet, middle, under + len(panel.lines) * LINE, shown[0].stage, panel.stage)
    for (scale, members), beyond in zip(scales, overruns, strict=True):
        left, right = edges[members[0]], edges[members[-1]] + widths[members[-1]]
        _bar(sheet, (left + right) // 2, bars, scale, [shown[i].stage for i in members])
        sheet.text((left + right) // 2, bars + BAR + 37, beyond, SMALL, QUIET, centred=True)
    for i, sentence in enumerate(sentences):
        sheet.text(total // 2, end + 22 + i * LINE, sentence, BODY, QUIET, centred=True)
    return sheet


def _sentences(done: str, seen: str, typeface: Typeface, room: int) -> list[str]:
    both = " · ".join(filter(None, (done, seen)))
    if typeface.width(both, BODY) <= room:
        return [both]
    return [*typeface.wrap(done, BODY, room, 2), *(typeface.wrap(seen, BODY, room, 2) if seen else [])]


def _is_condensed(panel: Panel, shown: list[Panel]) -> bool:
    return panel is shown[-1] and math.prod(panel.stage.shape) < math.prod(shown[0].stage.shape)


def _true_size(sheet: Sheet, middle: int, baseline: int, source: Stage, stage: Stage) -> None:
    """Show how small the map really is: panels of equal size hide that it has a quarter of the pixels."""
    ratio = math.prod(source.shape) / math.prod(stage.shape)
    text = f"1/{ratio:.0f} of the input's pixels" if ratio >= 1.95 else f"{100 / ratio:.0f} % of the input's pixels"
    scale = min(ICON[0] / source.shape[0], ICON[1] / source.shape[1])
    h, w = (max(2, round(scale * side)) for side in source.shape)
    small_h, small_w = (min(full, max(2, round(scale * side))) for full, side in zip((h, w), stage.shape, strict=True))
    x = middle - (w + 8 + sheet.typeface.width(text, BODY)) // 2
    y = baseline - 5 - h // 2
    sheet.rectangle(Box(x, y, w, h), PALE)
    sheet.rectangle(Box(x, y, small_w, small_h), INK)
    sheet.text(x + w + 8, baseline, text, BODY, QUIET)


def _overruns(scale: Scale, members: list[Panel]) -> str:
    """How much of the maps that share a scale lies beyond it: ``1.0 % beyond scale``; empty when nothing does."""
    said = []
    for panel in members:
        share = scale.beyond(palette.shown(panel.stage))
        if share or any(scale.overruns(panel.stage)):
            percent = words.percent(max(share, 1e-9))  # the sample may have missed the few that are
            said.append(percent if len(members) == 1 else f"{panel.title.split(' ')[0]} {percent}")
    return f"{', '.join(said)} beyond scale" if said else ""


def _bar(sheet: Sheet, middle: int, y: int, scale: Scale, stages: list[Stage]) -> None:
    """Put down a colour bar with ticks, its ends arrows where a map has values beyond it."""
    x = middle - BAR_LENGTH // 2
    ramp = scale.colors(np.linspace(scale.low, scale.high, BAR_LENGTH, dtype=np.float32)[np.newaxis])
    sheet.picture(x, y, ramp.repeat(BAR, axis=0))
    sheet.frame(Box(x, y, BAR_LENGTH, BAR), RULE)
    below, above = (any(sides) for sides in zip(*map(scale.overruns, stages), strict=True))
    for present, left, edge, at in ((below, True, x - 1 - TIP, 0), (above, False, x + BAR_LENGTH + 1, -1)):
        if present:  # a triangle in the colour of the frame, and a smaller one over it
            red, green, blue = (int(level) for level in ramp[0, at])
            sheet.arrow(Box(edge, y - 1, TIP, BAR + 2), RULE, left)
            sheet.arrow(Box(edge + 2 * left, y + 1, TIP - 2, BAR - 2), (red, green, blue), left)
    values, decimals = ticks(scale.low, scale.high)
    for value in values:
        tick = x + round((value - scale.low) / (scale.high - scale.low) * (BAR_LENGTH - 1))
        sheet.rectangle(Box(tick, y + BAR + 1, 1, 4), RULE)
        sheet.text(tick, y + BAR + 18, words.tick(value, decimals), SMALL, QUIET, centred=True)
