"""An explanation as plain text: shapes, formulas and, for small maps, every number."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from poolcli.explanation.framework_code import keras_line, pytorch_line
from poolcli.explanation.number_text import number_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from poolcli.explanation.stages import Cell, ExplainedStage, Explanation
    from poolcli.ops.settings import Pair

MAX_WRITTEN = 16
"""Most rows and columns of a map whose numbers are written out."""


def explanation_text(explanation: Explanation, window: Pair | None = None) -> str:
    """The whole text of an explanation.

    Parameters
    ----------
    explanation : Explanation
    window : (row, column), optional
        A cell of the last map: its arithmetic alone is written, traced back to the input, instead of that of all cells.

    Returns
    -------
    str
        Lines, the last one ending in a newline too.

    Raises
    ------
    SizeError
        There is no such cell.
    """
    if explanation.others:
        return "\n".join(_channels(explanation, window))
    lines = [*_head(explanation)]
    if _small(explanation.values):
        lines += _matrix(explanation.values)
    for number, stage in enumerate(explanation.stages, 1):
        lines += ["", *_stage(stage, number)]
        if _small(stage.after):
            lines += _matrix(stage.after)
            if window is None and _small(stage.before):
                lines += [_cell_line(cell, stage) for cell in stage.cells()]
    if window is not None:
        lines += ["", *_traced(explanation, window)]
    elif not all(_small(stage.after) for stage in explanation.stages):
        height, width = (min(8, side) for side in explanation.shape)
        lines += [
            "",
            f"maps larger than {MAX_WRITTEN}x{MAX_WRITTEN} are not written out; --crop 0,0,{height}x{width} explains a part",
        ]
    return "\n".join(lines) + "\n"


def _channels(explanation: Explanation, window: Pair | None) -> Iterator[str]:
    """The text of every channel, or of the first only where no numbers are written: the rest is the same for all."""
    names = ", ".join(one.channel for one in explanation.channels)
    what = "planes" if explanation.channel.startswith("plane") else "channels"
    yield f"{len(explanation.channels)} {what}, each by itself: {names}\n"
    written = window is not None or _small(explanation.stages[-1].after)
    for one in explanation.channels if written else explanation.channels[:1]:
        yield explanation_text(replace(one, others=()), window)


def _head(explanation: Explanation) -> Iterator[str]:
    height, width = explanation.shape
    part = ""
    if explanation.crop:
        top, left = explanation.crop[:2]
        part = (
            f", rows {top} to {top + height - 1} and columns {left} to {left + width - 1} of {_size(explanation.full)}"
        )
    name = f"{explanation.source}, {explanation.channel}" if explanation.channel else explanation.source
    yield f"{name}: {height}x{width}{part}"


def _stage(stage: ExplainedStage, number: int) -> Iterator[str]:
    count = "window" if stage.windows == 1 else "windows"
    yield f"{number}. {stage.heading}: {_size(stage.before.shape)} -> {_size(stage.shape)}, {stage.windows:,} {count}"
    if stage.operation != "relu":
        yield f"   {window_settings(stage)}"
    rows, cols = stage.formula
    height, width = stage.shape
    if rows == cols:
        yield f"   why {height}? {rows}"
    else:
        yield f"   why {height} {'row' if height == 1 else 'rows'}? {rows}"
        yield f"   why {width} {'column' if width == 1 else 'columns'}? {cols}"
    yield from (f"   {line}" for line in unread_lines(stage))
    yield f"   PyTorch: {pytorch_line(stage)}"
    yield f"   Keras:   {keras_line(stage)}"


def window_settings(stage: ExplainedStage) -> str:
    """The settings of the windows: ``windows of 2x2, stride 2x2, no padding``."""
    (top, bottom), (left, right) = stage.pads
    words = f"windows of {_size(stage.size)}"
    if stage.stride[0] == int(stage.stride[0]) and stage.stride[1] == int(stage.stride[1]):
        words += f", stride {_size(stage.stride)}"
    if stage.dilation != (1, 1):
        words += f", dilation {_size(stage.dilation)}"
    if not (top or bottom or left or right):
        named = f"padding {stage.padding} (adds none)" if stage.padding in ("same", "same-lower") else "no padding"
        return f"{words}, {named}"
    named = f"padding {stage.padding}: " if isinstance(stage.padding, str) else "padding of "
    mode = f", {stage.rows.mode}" if stage.rows.mode != "zeros" else ""
    return f"{words}, {named}{top} + {bottom} rows and {left} + {right} columns{mode}"


def unread_lines(stage: ExplainedStage) -> Iterator[str]:
    """A line for each axis on which no window reads some rows or columns."""
    for name, reads in (("row", stage.rows), ("column", stage.cols)):
        missed = reads.unread
        if not missed:
            continue
        n = reads.axis.length
        if missed == list(range(n - len(missed), n)):
            yield f"last {name} unread" if len(missed) == 1 else f"last {len(missed)} {name}s unread"
        else:
            shown = ", ".join(map(str, missed[:8])) + (", …" if len(missed) > 8 else "")
            yield f"{name}{'s' if len(missed) > 1 else ''} {shown} unread"


def _cell_line(cell: Cell, stage: ExplainedStage) -> str:
    row, col = cell.at
    return f"   [{row},{col}]  {cell.arithmetic}{winner_note(cell)}"


def winner_note(cell: Cell) -> str:
    """The position of the winner and the number of ties, ``, from [1,1], tie: 2 cells``; empty if no cell is chosen."""
    if cell.winner is None:
        return ""
    tie = f", tie: {cell.ties} cells" if cell.ties > 1 else ""
    return f", from [{cell.winner[0]},{cell.winner[1]}]{tie}"


def _traced(explanation: Explanation, window: Pair) -> Iterator[str]:
    """The arithmetic of one cell of the last map, traced back to the input."""
    for depth, (stage, at) in enumerate(trace_back(explanation, window)):
        cell = stage.cell(*at)
        yield f"[{at[0]},{at[1]}] of {stage.heading}: {cell.arithmetic}{winner_note(cell)}"
        yield f"   reads rows {cell.rows[0]} to {cell.rows[1]}, columns {cell.cols[0]} to {cell.cols[1]} of {before_title(explanation, depth)}"


def before_title(explanation: Explanation, depth: int) -> str:
    """Heading of the map that is read by the stage `depth` places before the last."""
    i = len(explanation.stages) - 2 - depth
    return explanation.stages[i].heading if i >= 0 else "the input"


def trace_back(explanation: Explanation, window: Pair) -> list[tuple[ExplainedStage, Pair]]:
    """Trace a cell of the last map back: in each earlier map, the winner of the window, or its middle cell.

    Returns
    -------
    list of (ExplainedStage, (row, column))
        Last stage first; the position is in the map after the stage.

    Raises
    ------
    SizeError
        There is no such cell.
    """
    found, at = [], window
    for stage in reversed(explanation.stages):
        cell = stage.cell(*at)
        found.append((stage, at))
        at = cell.winner or middle_cell(stage, at)
    return found


def middle_cell(stage: ExplainedStage, at: Pair) -> Pair:
    """Position, in the map before, of the middle cell of a window."""
    sides = []
    for reads, window in zip((stage.rows, stage.cols), at, strict=True):
        there = [cell for cell in reads.cells(window) if cell is not None]
        places = reads.cells(window)
        centre = places[len(places) // 2]
        sides.append(centre if centre is not None else there[len(there) // 2])
    return sides[0], sides[1]


def _small(values: NDArray[np.float32]) -> bool:
    return max(values.shape) <= MAX_WRITTEN


def _matrix(values: NDArray[np.float32]) -> list[str]:
    cells = [[number_text(value) for value in row] for row in values]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["   " + "  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in cells]


def _size(shape: Sequence[float]) -> str:
    return "x".join(f"{side:g}" for side in shape)
