"""The report of a run: a table of stages, and a JSON object for programs."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

from poolcli import __version__
from poolcli.ops.kernels import weights_of
from poolcli.pipeline.detail import unread
from poolcli.pipeline.serialize import input_record, map_record, plain_name

if TYPE_CHECKING:
    from poolcli.images.quantize import Scale
    from poolcli.images.read import Picture
    from poolcli.pipeline.result import Result, StageResult

HEADER = ("stage", "shape", "min", "max", "mean", "above 0", "receptive field", "step")


def table(result: Result) -> tuple[list[str], list[list[str]]]:
    """The table of a run's maps.

    Returns
    -------
    (header, rows)
        A row for the input and each stage, its cells as in `HEADER`. Where a step reads a map without its last rows
        or columns, each row also says how many of its map the next step leaves unread, as ``1x0``.
    """
    maps = (result.input, *result.stages)
    left = [unread(before, stage) for before, stage in itertools.pairwise(maps)]
    rows = _rows(result)
    if not any(map(any, left)):
        return [*HEADER], rows
    said = ["{}x{}".format(*one) if any(one) else "" for one in (*left, (0, 0))]
    return [*HEADER, "unread"], [[*row, cell] for row, cell in zip(rows, said, strict=True)]


def _rows(result: Result) -> list[list[str]]:
    rows = []
    repeat = 0
    for stage in (result.input, *result.stages):
        repeat = repeat + 1 if "repeat" in stage.step else 0
        name = f"{stage.title} {repeat}" if repeat else stage.title
        if stage.name == "conv2d":
            name += f" {kernel_words(stage)}"
        rows.append(
            [
                name,
                "x".join(str(side) for side in (*stage.shape, *([result.channels] if result.channels > 1 else []))),
                *(number(value) for value in (stage.min, stage.max, stage.mean)),
                "" if stage.active is None else f"{100 * stage.active:.0f} %",
                "{}x{}".format(*stage.receptive_field),
                _distance(stage.total_stride),
            ]
        )
    return rows


def kernel_words(stage: StageResult) -> str:
    """A kernel's name, or its size."""
    kernel = stage.parameters["kernel"]
    if isinstance(kernel, str):
        return kernel
    return "{}x{}".format(*weights_of(kernel).shape)


def has_infinite(result: Result) -> bool:
    """Whether the final map has values that are NaN or infinite, as after an overflow; missing cells do not count."""
    last = result.stages[-1]
    if last.min is None or last.max is None or (result.recipe.leaves_out and math.isnan(last.min)):
        return False  # not known, or all cells are missing
    return not (math.isfinite(last.min) and math.isfinite(last.max))


def beyond_scale(result: Result, scale: Scale) -> list[str]:
    """Lines about values outside the picture's scale, which are saved as black or white; empty if there are none."""
    last = result.stages[-1]
    if has_infinite(result):
        return ["some values are not finite (NaN or infinity): the picture shows them as black or white"]
    if last.min is None or last.max is None or scale == "stretch" or math.isnan(last.min):
        return []
    low, high = (0.0, result.white * result.scale) if scale == "clip" else scale
    slack = 0.001 * (high - low)  # ignores rounding errors
    bottom, top = number(last.min), number(last.max)
    lines = []
    if last.min < low - slack:
        lines.append(f"values below {low:g}, down to {bottom}, are saved as black")
    if last.max > high + slack:
        lines.append(f"values above {high:g}, up to {top}, are saved as white")
    if lines:
        lines[-1] += f"; to keep them apart, use --scale stretch or --scale {_wider(last, low, high)}"
    return lines


def _wider(last: StageResult, low: float, high: float) -> str:
    """The range LO,HI that covers the scale and all values."""
    return f"{min(low, last.min or 0.0):.6g},{max(high, last.max or 0.0):.6g}"


def number(value: float | None) -> str:
    """A value with three decimals; one from 100 on, four digits from a million on; no minus sign on zero."""
    if value is None:
        return ""
    digits = 3 if abs(value) < 100 else 1
    return f"{value:z.{digits}f}" if abs(value) < 1e6 else f"{value:.4g}"


def _distance(total: tuple[float, float]) -> str:
    rows, cols = total
    return f"{rows:.4g}" if rows == cols else f"{rows:.4g}x{cols:.4g}"


def as_json(result: Result, picture: Picture, files: dict[str, Any], seconds: float) -> dict[str, Any]:
    """The object of --json."""
    return {
        "poolcli": __version__,
        "input": input_record(result, picture),
        "recipe": result.recipe.to_dict(),
        "recipe_hash": result.recipe.hash,
        "stages": [
            {
                "name": stage.name,
                "title": stage.title,
                "step": stage.step,
                **map_record(stage),
                "receptive_field": list(stage.receptive_field),
                "total_stride": list(stage.total_stride),
                "parameters": dict(stage.parameters),
            }
            for stage in result.stages
        ],
        "files": {
            key: [plain_name(path) for path in value] if isinstance(value, list) else plain_name(value)
            for key, value in files.items()
        },
        "seconds": round(seconds, 4),
    }
