"""The comparison figure: the picture and the map after each step, side by side, with one part of it enlarged below."""

from __future__ import annotations

import math
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from poolcli.display import printable
from poolcli.figures import captions, color_bar
from poolcli.figures import text as lettering
from poolcli.figures.canvas import Canvas
from poolcli.figures.layout import Box, column_edges, magnifications
from poolcli.figures.map_drawing import draw_kernel, draw_map, kernel_size
from poolcli.figures.palettes import INK, MUTED, OKABE_ITO, PALE, PAPER
from poolcli.figures.panels import panels, remarks
from poolcli.ops.kernels import weights_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolcli.figures.panels import Panel
    from poolcli.pipeline.result import Result, StageResult

MARGIN, GAP = 28, 32
TITLE, BODY, SMALL = 26, 18, 16
"""Sizes of the text in pixels, large enough for a projector."""
LINE = 26
DETAIL = 8
"""Pixels per input pixel in the detail row, along a side."""
NARROWEST = color_bar.LENGTH + 2 * color_bar.TIP + 8
"""Least width of a column, so that neighbouring colour bars with their arrows and labels do not touch."""
WIDEST = 460
"""A line under a panel that is wider than the panel and than this is wrapped."""
ICON = (22, 36)
MARK = OKABE_ITO["vermillion"]


@np.errstate(over="ignore", invalid="ignore")  # of values beyond float32
def render(result: Result, fmt: str = "png") -> bytes:
    """Draw the comparison figure: input, filter, detect and condense, as far as the recipe has them.

    Every value is a square of whole pixels in exactly the colour of its palette. Filter, detect and condense share one
    limit, see `color_scale.color_limit`; without a filter the pooled map has the grays of the input. If a map is too
    large to be shown cell by cell, a second row shows one part of the picture enlarged, in every step.

    Parameters
    ----------
    result : Result
        With displays and, for the numbers, statistics.
    fmt : {"png", "svg", "pdf"}

    Returns
    -------
    bytes
        The contents of a file; the same for the same result, whatever Matplotlib settings the environment has.

    Raises
    ------
    ValueError
        The result has no displays, or `fmt` is another format.
    PoolcliError
        Matplotlib, which draws SVG and PDF, cannot be imported.
    """
    shown = panels(result)
    name = captions.short_name(printable(result.source))
    done, notes = captions.caption(result, name, remarks(result, shown))
    # The description inside the file, for readers who cannot see the picture.
    said = "\n".join([f"{done} · {notes}", *(f"{panel.title}: {' · '.join(panel.lines)}" for panel in shown)])
    canvas = draw(shown, lettering.drawable(done), lettering.drawable(notes))
    return canvas.encode(fmt, name, said)


def draw(shown: list[Panel], done: str, notes: str) -> Canvas:
    """Place the panels and their texts on a canvas.

    Parameters
    ----------
    shown : list of Panel
    done, notes : str
        The caption's two sentences, which have passed `text.drawable`.
    """
    times = magnifications([panel.values.shape[:2] for panel in shown])
    height = max(panel.values.shape[0] * k for panel, k in zip(shown, times, strict=True))
    width = max(panel.values.shape[1] * k for panel, k in zip(shown, times, strict=True))
    kernels = [_weights(panel.stage) for panel in shown]
    detailed = any(panel.detail is not None for panel in shown) and not _all_whole(shown)
    widths = [
        max(
            width,
            NARROWEST,
            _detail_size(panel)[0] if detailed else 0,
            *(min(WIDEST, lettering.text_width(line, BODY)) for line in panel.lines),
            lettering.text_width(panel.title, TITLE, bold=True) + _beside(kernel_size(kernel)[0]),
        )
        for panel, kernel in zip(shown, kernels, strict=True)
    ]
    edges = column_edges(widths, GAP, MARGIN)
    total = edges[-1] + widths[-1] + MARGIN
    texts = [
        [part for line in panel.lines for part in lettering.wrap(line, BODY, column, 3, apart=captions.BETWEEN)]
        for panel, column in zip(shown, widths, strict=True)
    ]

    header = max(30, *(kernel_size(kernel)[1] for kernel in kernels))
    top = MARGIN + header + 14  # of the slots
    under = top + height + 30  # baseline of the first line under them
    rows = max(len(lines) + _is_condensed(panel, shown) for panel, lines in zip(shown, texts, strict=True))
    bars = under + (rows - 1) * LINE + 22
    scales = [(scale, list(group)) for scale, group in groupby(range(len(shown)), lambda i: shown[i].scale)]
    scales = [(scale, members) for scale, members in scales if scale.palette != "rgb"]
    overruns = [
        color_bar.outside_note(scale, [(shown[i].title.split(" ")[0], shown[i].stage) for i in m])
        for scale, m in scales
    ]
    end = bars + (color_bar.HEIGHT if scales else 0) + (LINE if any(overruns) else 0)
    second = end + 14  # top of the detail row
    if detailed:
        end = second + max(_detail_size(panel)[1] for panel in shown) + 10 + 2 * LINE
    sentences = _sentences(done, notes, total - 2 * MARGIN)
    canvas = Canvas(total, end + 30 + (len(sentences) - 1) * LINE + MARGIN - 8)

    for i, (panel, k, x, column) in enumerate(zip(shown, times, edges, widths, strict=True)):
        middle = x + column // 2
        _header(canvas, middle, top - 14, panel.title, kernels[i])
        h, w = panel.values.shape[:2]
        slot = Box(x, top, column, height).centred(width, height)
        at = slot if panel.repeats > 1 else slot.centred(w * k, h * k)
        unread = (panel.unread[0] * h / panel.stage.shape[0], panel.unread[1] * w / panel.stage.shape[1])
        box = draw_map(canvas, at.x, at.y, panel.values, panel.scale, k, unread)
        if detailed:
            _mark_place(canvas, box, panel, shown[0], k)
            _detail(canvas, middle, second, panel, shown[0])
        for j, line in enumerate(texts[i]):
            canvas.text(middle, under + j * LINE, line, BODY, MUTED if j else INK, anchor="middle")
        if _is_condensed(panel, shown):
            _true_size(canvas, middle, under + len(texts[i]) * LINE, shown[0].stage, panel.stage)
    for (scale, members), beyond in zip(scales, overruns, strict=True):
        middle = (edges[members[0]] + edges[members[-1]] + widths[members[-1]]) // 2
        color_bar.draw(canvas, middle, bars, scale, [shown[i].stage for i in members])
        canvas.text(middle, bars + color_bar.HEIGHT + 18, beyond, SMALL, MUTED, anchor="middle")
    for i, sentence in enumerate(sentences):
        canvas.text(total // 2, end + 30 + i * LINE, sentence, BODY, MUTED, anchor="middle")
    return canvas


def _sentences(done: str, notes: str, max_width: int) -> list[str]:
    both = " · ".join(filter(None, (done, notes)))
    if lettering.text_width(both, BODY) <= max_width:
        return [both]
    return [*lettering.wrap(done, BODY, max_width, 3), *lettering.wrap(notes, BODY, max_width, 4)]


def _all_whole(shown: list[Panel]) -> bool:
    return all(panel.stage.display is not None and panel.stage.display.factor == 1 for panel in shown)


def _weights(stage: StageResult) -> NDArray[np.float32] | None:
    kernel = stage.parameters.get("kernel") if stage.name == "conv2d" else None
    return None if kernel is None else weights_of(kernel).astype("float32")


def _beside(width: int) -> int:
    """Width to add to a title for a kernel to its right: the same on both sides, so that the title stays centred."""
    return 2 * (width + 16) if width else 0


def _header(canvas: Canvas, middle: int, foot: int, title: str, kernel: NDArray[np.float32] | None) -> None:
    """Draw the title above a panel, with the kernel to its right."""
    wide, high = kernel_size(kernel)
    canvas.text(middle, foot - 4, title, TITLE, INK, bold=True, anchor="middle")
    if kernel is not None and wide:
        draw_kernel(canvas, middle + lettering.text_width(title, TITLE, bold=True) // 2 + 16, foot - high, kernel)


def _is_condensed(panel: Panel, shown: list[Panel]) -> bool:
    return panel is shown[-1] and math.prod(panel.stage.shape) < math.prod(shown[0].stage.shape)


def _true_size(canvas: Canvas, middle: int, baseline: int, source: StageResult, stage: StageResult) -> None:
    """Draw a small icon with the true proportion of map and input: the panels are equally large and hide it."""
    text = captions.share_of_input(source, stage)
    scale = min(ICON[0] / source.shape[0], ICON[1] / source.shape[1])
    h, w = (max(2, round(scale * side)) for side in source.shape)
    small_h, small_w = (min(full, max(2, round(scale * side))) for full, side in zip((h, w), stage.shape, strict=True))
    x = middle - (w + 8 + lettering.text_width(text, BODY)) // 2
    y = baseline - 6 - h // 2
    canvas.rectangle(Box(x, y, w, h), PALE)
    canvas.rectangle(Box(x, y, small_w, small_h), INK)
    canvas.text(x + w + 8, baseline, text, BODY, MUTED)


def _mark_place(canvas: Canvas, box: Box, panel: Panel, source: Panel, times: int) -> None:
    """Draw a thin frame around the part that the detail row shows, on a panel of `times` pixels per cell."""
    place, display = source.stage.detail, panel.stage.display
    if place is None or panel.detail is None or panel.stage.detail is None or display is None:
        return
    patch = panel.stage.detail
    unit = times / display.factor  # pixels of the canvas per cell of the map
    first_row, first_col = (round(patch.top / patch.step[0] * unit), round(patch.left / patch.step[1] * unit))
    high, wide = (max(3, round(side * unit)) for side in panel.detail.shape[:2])
    mark = Box(box.x + first_col, box.y + first_row, wide, high)
    canvas.frame(mark, PAPER, 3)
    canvas.frame(mark, MARK, 2)


def _detail_size(panel: Panel) -> tuple[int, int]:
    """Width and height in pixels of a panel of the detail row."""
    if panel.detail is None or panel.stage.detail is None:
        return 0, 0
    h, w = panel.detail.shape[:2]
    step = panel.stage.detail.step
    return w * step[1] * DETAIL, h * step[0] * DETAIL


def _detail(canvas: Canvas, middle: int, top: int, panel: Panel, source: Panel) -> None:
    """Draw the enlarged part of a map; each cell is as large as the input pixels that it stands for."""
    patch, place = panel.stage.detail, source.stage.detail
    if place is None or source.detail is None:
        return
    wide, high = _detail_size(source)
    if patch is None or panel.detail is None:
        canvas.text(middle, top + high // 2, "a cell is larger than this place", BODY, MUTED, anchor="middle")
        return
    x = middle - wide // 2 + round((patch.left - place.left) * DETAIL)
    y = top + round((patch.top - place.top) * DETAIL)
    draw_map(canvas, x, y, panel.detail, panel.scale, (patch.step[0] * DETAIL, patch.step[1] * DETAIL))
    rows, cols = source.detail.shape[:2]
    if panel is source:
        first, left = int(place.top), int(place.left)
        lines = [
            f"detail: rows {first}–{first + rows - 1}, columns {left}–{left + cols - 1}",
            f"pixels shown {DETAIL}x",
        ]
    else:
        step = "1 pixel" if patch.step == (1, 1) else f"{captions.size_text(patch.step)} pixels"
        lines = ["the same place", f"a cell stands for {step} of the input"]
    for i, line in enumerate(lines):
        canvas.text(middle, top + high + 32 + i * LINE, line, BODY, MUTED, anchor="middle")
