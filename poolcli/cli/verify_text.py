"""What a comparison with other engines found, as text and as the object of --json."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Any

from poolcli import __version__
from poolcli.cli.console import align_columns
from poolcli.experiments.engines import ENGINES
from poolcli.figures.captions import size_text
from poolcli.pipeline.serialize import finite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poolcli.experiments.verify import EngineComparison, FirstDifference, StageComparison
    from poolcli.images.read import Picture
    from poolcli.pipeline.recipe import Recipe

WIDTH = 80
MOST_ULPS = 1e6
"""Of which every digit is written."""
MOST_CELLS = 25
"""Of a window, in text."""


def report(found: Sequence[EngineComparison], picture: Picture, recipe: Recipe) -> list[str]:
    """The lines of the text: per engine a row for each step, and below it what differs."""
    lines = [f"{picture.source}: fed as {fed_as(picture)}; each step is fed with poolcli's map before it"]
    for one in found:
        title = ENGINES[one.name].title
        lines += ["", f"{title} {one.version} (times: poolcli / {title})"]
        rows = align_columns([_row(stage) for stage in one.stages], left=4)
        for row, stage in zip(rows, one.stages, strict=True):
            lines.append(f"  {row}")
            lines += [line for text in _remarks(stage, title) for line in _wrapped(text)]
    return [*lines, "", *_verdict(found)]


def fed_as(picture: Picture) -> str:
    """What the numbers of a picture are, in words."""
    if picture.depth is None:
        return "the numbers of the array"
    return f"0 to {(1 << picture.depth) - 1}"


def _row(stage: StageComparison) -> list[str]:
    name = [stage.label, size_text(stage.shape)]
    if stage.reason:
        return [*name, "not comparable", "", ""]
    times = f"{1000 * stage.seconds:.2f} / {1000 * stage.engine_seconds:.2f} ms"
    return [*name, f"{stage.equal:,} of {stage.cells:,} cells equal", "kept" if stage.kept else "BROKEN", times]


def _remarks(stage: StageComparison, title: str) -> list[str]:
    if stage.reason:
        return [stage.reason]
    if not stage.cells:
        return [f"promised: {stage.promise}"]
    if stage.first is None:
        return []
    share = 1 - stage.equal / stage.cells
    ulps = f"{stage.ulps:,.0f}" if stage.ulps < MOST_ULPS else f"{stage.ulps:.2g}"
    near = " (of numbers near 0)" if MOST_ULPS <= stage.ulps < math.inf and stage.kept else ""
    differ = f"{100 * share:.3g} % differ, by at most {stage.largest:.3g}, {ulps} ulp{'s' * (stage.ulps != 1)}{near}"
    return [f"{differ}; promised: {stage.promise}", _first(stage.first, title)]


def _first(first: FirstDifference, title: str) -> str:
    plane, row, column = first.at
    where = f"row {row}, column {column}" + (f" of plane {plane}" if plane else "")
    values = first.values
    cells = "; ".join(" ".join(f"{value:.9g}" for value in line) for line in values.tolist())
    shown = f": {cells}" if values.size <= MOST_CELLS else f", {values.size} cells"
    window = f"rows {first.rows[0]} to {first.rows[1]}, columns {first.cols[0]} to {first.cols[1]}"
    return f"first at {where}: {first.ours:.9g}, {title} {first.theirs:.9g}, of {window}{shown}"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="    ", subsequent_indent="    ")


def _verdict(found: Sequence[EngineComparison]) -> list[str]:
    stages = [stage for one in found for stage in one.stages]
    compared = [stage for stage in stages if not stage.reason]
    broken = [stage for stage in compared if not stage.kept]
    if not compared:
        return ["nothing could be compared"]
    text = f"{len(compared)} of {len(stages)} steps compared" if len(compared) < len(stages) else "all steps compared"
    return [f"{text}; {f'promise broken in {len(broken)}' if broken else 'every promise kept'}"]


def json_record(found: Sequence[EngineComparison], picture: Picture, recipe: Recipe) -> dict[str, Any]:
    """The object of --json."""
    return {
        "poolcli": __version__,
        "input": {"source": picture.source, "size": list(picture.size), "depth": picture.depth, "fed": fed_as(picture)},
        "recipe": recipe.to_dict(),
        "kept": all(one.kept for one in found),
        "engines": [
            {
                "name": one.name,
                "version": one.version,
                "kept": one.kept,
                "stages": [_stage_record(stage) for stage in one.stages],
            }
            for one in found
        ],
    }


def _stage_record(stage: StageComparison) -> dict[str, Any]:
    about = {"name": stage.op, "step": stage.label, "shape": list(stage.shape)}
    if stage.reason:
        return about | {"status": "not comparable", "reason": stage.reason}
    record: dict[str, Any] = about | {
        "status": "kept" if stage.kept else "broken",
        "promise": stage.promise,
        "cells": stage.cells,
        "equal": stage.equal,
        "unequal_share": 1 - stage.equal / stage.cells if stage.cells else None,
        "largest_difference": finite(stage.largest),
        "largest_ulps": finite(stage.ulps),
        "first": None,
        "seconds": {"poolcli": stage.seconds, "engine": stage.engine_seconds},
    }
    if stage.first is not None:
        record["first"] = {
            "at": list(stage.first.at),
            "poolcli": finite(stage.first.ours),
            "engine": finite(stage.first.theirs),
            "rows": list(stage.first.rows),
            "cols": list(stage.first.cols),
            "values": stage.first.values.tolist(),
        }
    return record
