"""The number grid of an explanation: every value in its cell, windows outlined, the arithmetic below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poolcli.errors import SizeError
from poolcli.explanation.grid_maps import all_windows_maps, traced_maps
from poolcli.explanation.text import unread_lines, winner_note
from poolcli.figures import grid, grid_layout
from poolcli.figures.palettes import OUTLINES
from poolcli.ops.windows import Axis

if TYPE_CHECKING:
    from poolcli.explanation.stages import ExplainedStage, Explanation
    from poolcli.ops.settings import Pair

MAX_SIDE = 16
"""Most rows and columns of an input whose numbers can be read."""


def check_grid_size(explanation: Explanation) -> None:
    """Refuse maps with so many cells that their numbers could not be read.

    Raises
    ------
    SizeError
        A map has more than `MAX_SIDE` rows or columns; two more are allowed for padding.
    """
    height, width = explanation.shape
    if max(height, width, *(side for stage in explanation.stages for side in stage.shape)) > MAX_SIDE + 2:
        msg = f"{height}x{width}: a number grid shows up to {MAX_SIDE}x{MAX_SIDE}; --crop 0,0,{min(height, 12)}x{min(width, 12)} takes a part"
        raise SizeError(msg)


def number_grid(explanation: Explanation, window: Pair | None, fmt: str) -> bytes:
    """Draw the number grid.

    Parameters
    ----------
    explanation : Explanation
    window : (row, column) or None
        The cell of the last map to trace back to the input. None shows all windows of a single step if none overlap,
        else the window of cell (0, 0).
    fmt : {"png", "svg"}

    Returns
    -------
    bytes
        The contents of a file.

    Raises
    ------
    SizeError
        A map is too large, or there is no such cell.
    """
    check_grid_size(explanation)
    last = explanation.stages[-1]
    if (
        window is None
        and len(explanation.stages) == 1
        and not explanation.others
        and _no_overlap(last)
        and last.windows <= len(OUTLINES) ** 2
    ):
        maps = all_windows_maps(explanation)
        lines = [f"[{cell.at[0]},{cell.at[1]}]  {cell.arithmetic}{winner_note(cell)}" for cell in last.cells()]
        most = grid_layout.MAX_LINES - len(_notes(explanation))
        if len(lines) > most:
            lines = [*lines[: most - 1], f"… and {len(lines) - most + 1} more windows"]
    else:
        maps, lines = traced_maps(explanation, window or (0, 0))
    lines = [*lines, *_notes(explanation)]
    return grid.encode(grid.draw_fitted(maps, lines), fmt, "\n".join(lines))


def _no_overlap(stage: ExplainedStage) -> bool:
    """Whether every cell is read by at most one window."""
    return all(
        isinstance(windows.axis, Axis) and windows.axis.stride >= windows.axis.extent
        for windows in (stage.rows, stage.cols)
    )


def _notes(explanation: Explanation) -> list[str]:
    """A line for each map with rows or columns that no window reads."""
    notes = []
    for number, stage in enumerate(explanation.stages):
        before = explanation.stages[number - 1].heading if number else "the input"
        missed = [line.removesuffix(" unread") for line in unread_lines(stage)]
        if missed:
            notes.append(f"hatched cells are read by no window: {', '.join(missed)} of {before}")
    return notes
