"""The maps of an explanation as the number grid draws them: numbers, colours, padding, outlines of windows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli.explanation.number_text import number_text
from poolcli.explanation.text import trace_back, winner_note
from poolcli.figures import grid_layout
from poolcli.figures.palettes import OUTLINES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from poolcli.explanation.stages import ExplainedStage, Explanation
    from poolcli.figures.grid_layout import GridMap
    from poolcli.figures.palettes import Palette
    from poolcli.ops.settings import Pair


def traced_maps(
    explanation: Explanation, window: Pair, unmarked: Sequence[list[GridMap]] | None = None
) -> tuple[list[GridMap], list[str]]:
    """The maps with one cell of the last map traced back to the input, and a line of arithmetic for each step.

    Parameters
    ----------
    explanation : Explanation
        With several channels, the cell is traced in each.
    window : (row, column)
        The cell of the last map.
    unmarked : sequence of list of GridMap, optional
        For each channel, its maps as `unmarked_maps` gives them, where they were made before.
    """
    unmarked = unmarked or [unmarked_maps(one, largest_magnitude(explanation)) for one in explanation.channels]
    maps: list[GridMap] = []
    lines: list[str] = []
    for one, bare in zip(explanation.channels, unmarked, strict=True):
        marked, said = _traced(one, window, list(bare))
        maps += marked
        lines += [f"{one.channel}: {line}" for line in said] if explanation.others else said
    return maps, lines


def _traced(explanation: Explanation, window: Pair, maps: list[GridMap]) -> tuple[list[GridMap], list[str]]:
    """`traced_maps` for one channel: `maps` with outlines and winners added."""
    lines = []
    count = len(explanation.stages)
    for depth, (stage, at) in enumerate(trace_back(explanation, window)):
        before, after = count - 1 - depth, count - depth
        color = OUTLINES[before % len(OUTLINES)]
        cell = stage.cell(*at)
        shown = _window_outlines(stage, at, color)
        maps[before] = replace(
            maps[before], outlines=[*maps[before].outlines, *shown], winners=[cell.winner] if cell.winner else []
        )
        here = grid_layout.Outline(color, (at[0], at[0]), (at[1], at[1]))
        # Drawn after the window of the next step, inside of which the cell lies.
        maps[after] = replace(maps[after], outlines=[*maps[after].outlines, here])
        lines.append(f"{stage.heading} [{at[0]},{at[1]}]:  {cell.arithmetic}{winner_note(cell)}")
    return maps, lines[::-1]


def all_windows_maps(explanation: Explanation) -> list[GridMap]:
    """The input and the result of a single step with every window outlined; windows must not overlap."""
    before, after = unmarked_maps(explanation, largest_magnitude(explanation))
    stage = explanation.stages[0]
    windows, cells, winners = [], [], []
    for number, cell in enumerate(stage.cells()):
        row, _ = cell.at
        color = OUTLINES[(number + row * (stage.shape[1] % len(OUTLINES) == 0)) % len(OUTLINES)]
        windows += _window_outlines(stage, cell.at, color)
        cells.append(grid_layout.Outline(color, (cell.at[0],) * 2, (cell.at[1],) * 2))
        winners += [cell.winner] if cell.winner else []
    return [replace(before, outlines=windows, winners=winners), replace(after, outlines=cells)]


def _window_outlines(stage: ExplainedStage, at: Pair, color: Any) -> list[grid_layout.Outline]:
    """The outline of a window, or one around each of its cells if it is dilated."""
    rows, cols = stage.rows.positions(at[0]), stage.cols.positions(at[1])
    (top, bottom), (left, right) = padding_rings(stage)
    low, high = (-top, -left), (stage.before.shape[0] + bottom, stage.before.shape[1] + right)
    rows = [place for place in rows if low[0] <= place < high[0]]
    cols = [place for place in cols if low[1] <= place < high[1]]
    if stage.dilation == (1, 1):
        return [grid_layout.Outline(color, (rows[0], rows[-1]), (cols[0], cols[-1]))]
    return [grid_layout.Outline(color, (row, row), (col, col)) for row in rows for col in cols]


def padding_rings(stage: ExplainedStage) -> tuple[Pair, Pair]:
    """How many rows and columns of padding the windows of a stage read: ((top, bottom), (left, right))."""
    sides = []
    for reads in (stage.rows, stage.cols):
        ends = [reads.span(window) for window in (0, reads.axis.out - 1)]
        before = max(0, -min(first for first, _ in ends))
        sides.append((before, max(0, max(last for _, last in ends) - reads.axis.length + 1)))
    return sides[0], sides[1]


def largest_magnitude(explanation: Explanation) -> float:
    """The largest magnitude in any map after the input, of all channels."""
    stages = [stage for one in explanation.channels for stage in one.stages]
    return max([1e-30, *(float(np.abs(s.after).max(initial=0, where=np.isfinite(s.after))) for s in stages)])


def unmarked_maps(explanation: Explanation, limit: float) -> list[GridMap]:
    """The input and the map of every stage, without outlines and winners; `limit` is the end of their colour scale."""
    stages = explanation.stages
    values = [explanation.values, *(stage.after for stage in stages)]
    white = explanation.result.white * explanation.result.scale
    maps = []
    for number, held in enumerate(values):
        stage = stages[number - 1] if number else None
        reader = stages[number] if number < len(stages) else None
        palette, low, high = _scale(held, limit, white if stage is None else None)
        maps.append(
            grid_layout.GridMap(
                title=stage.heading if stage else f"Input, {explanation.channel}".removesuffix(", "),
                detail=_detail(stage, held.shape),
                values=held,
                texts=_texts(held),
                palette=palette,
                low=low,
                high=high,
                pads=padding_rings(reader) if reader else ((0, 0), (0, 0)),
                padding=_padding_text(reader) if reader else "",
                unread=(reader.rows.unread, reader.cols.unread) if reader else ((), ()),
                first=stage is None,
                last=reader is None,
            )
        )
    return maps


def _scale(values: NDArray[np.float32], limit: float, white: float | None) -> tuple[Palette, float, float]:
    """The palette of a map and the values at its ends: the input has a scale of its own, all other maps share one."""
    low, high = (float(extreme.reduce(values, None)) for extreme in (np.fmin, np.fmax))  # NaN does not count
    low, high = (0.0, 0.0) if np.isnan(low) else (low, high)
    if white is not None:
        level = max(-low, high, 1e-30)
        return ("gray", 0.0, max(high, white)) if low >= 0 else ("RdBu_r", -level, level)
    return ("magma", 0.0, limit) if low >= 0 else ("RdBu_r", -limit, limit)


def _detail(stage: ExplainedStage | None, shape: Sequence[int]) -> str:
    """The second line above a map."""
    size = f"{shape[0]}x{shape[1]}"
    if stage is None or stage.operation == "relu":
        return size
    stride = "" if not all(float(s).is_integer() for s in stage.stride) else ", stride {:g}x{:g}".format(*stage.stride)
    return f"{size} · windows {stage.size[0]}x{stage.size[1]}{stride}"


def _padding_text(stage: ExplainedStage) -> str:
    """The text of a padded cell: the value that it counts as, or a dash where it is left out."""
    if stage.weights is not None:
        return "0" if stage.rows.mode == "zeros" else ""
    if stage.counted:
        return "0"
    return {"max": "−∞", "min": "∞"}.get(stage.operation, "–")


def _texts(values: NDArray[np.float32]) -> list[list[str]]:
    """The texts of the cells: the shortest form, or two decimals for the whole map if one number is long."""
    texts = [[number_text(value) for value in row] for row in values]
    if max(len(text.lstrip("-")) for row in texts for text in row) > 4:
        texts = [[f"{float(v):z.2f}" if abs(v) < 1000 else f"{float(v):.3g}" for v in row] for row in values]
    return [[text.replace("-", "−") for text in row] for row in texts]
