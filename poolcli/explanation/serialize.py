"""An explanation as the JSON object of `poolcli explain --json`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from poolcli import __version__
from poolcli.explanation.number_text import json_number
from poolcli.pipeline.serialize import plain_name

if TYPE_CHECKING:
    from poolcli.explanation.stages import Cell, ExplainedStage, Explanation

MAX_CELLS = 4096
"""A larger map has no list of cells."""


def explanation_record(explanation: Explanation) -> dict[str, Any]:
    """The JSON object of an explanation.

    Returns
    -------
    dict
        ``poolcli`` (version), ``input``, ``recipe`` and ``stages``; with several channels all stages of the first,
        then all of the second, and so on.
    """
    top_left = explanation.crop[:2] if explanation.crop else (0, 0)
    return {
        "poolcli": __version__,
        "input": {
            "name": plain_name(explanation.source),
            "shape": list(explanation.shape),
            "picture": list(explanation.full),
            "crop": [*top_left, *explanation.shape] if explanation.crop else None,
            **({"channels": [one.channel for one in explanation.channels]} if explanation.others else {}),
        },
        "recipe": explanation.result.recipe.to_dict(),
        "stages": [
            {**({"channel": one.channel} if one.channel else {}), **stage_record(stage)}
            for one in explanation.channels
            for stage in one.stages
        ],
    }


def stage_record(stage: ExplainedStage) -> dict[str, Any]:
    """One stage: its geometry, and its cells where there are not too many."""
    record = {
        "name": stage.name,
        "title": stage.title,
        "shape": list(stage.shape),
        "size": list(stage.size),
        "stride": list(stage.stride),
        "padding": stage.padding,
        "pads": [list(pair) for pair in stage.pads],
        "dilation": list(stage.dilation),
        "formula": list(stage.formula),
        "windows": stage.windows,
        "unread": {"rows": len(stage.rows.unread), "cols": len(stage.cols.unread)},
    }
    if stage.windows <= MAX_CELLS:
        record["cells"] = [cell_record(cell) for cell in stage.cells()]
    return record


def cell_record(cell: Cell) -> dict[str, Any]:
    """One cell with its window."""
    return {
        "at": list(cell.at),
        "rows": list(cell.rows),
        "cols": list(cell.cols),
        "values": [[None if value is None else json_number(value) for value in row] for row in cell.values],
        "padded": cell.padded,
        "result": json_number(cell.result),
        "winner": None if cell.winner is None else list(cell.winner),
        "ties": cell.ties,
        "arithmetic": cell.arithmetic,
    }
