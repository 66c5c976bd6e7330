"""What a run tells: the table of stages for people, one JSON object for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from poolcli import __version__
from poolcli.ops.kernels import weights_of
from poolcli.pipeline.record import input_record, map_record, plain_name

if TYPE_CHECKING:
    from poolcli.images.read import Picture
    from poolcli.pipeline.result import Result, Stage

HEADER = ("step", "shape", "min", "max", "mean", "above 0", "sees", "every")


def stage_rows(result: Result) -> list[list[str]]:
    """One row for the input and each stage, cells as in `HEADER`."""
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
                f"{stage.shape[0]}x{stage.shape[1]}",
                *(number(value) for value in (stage.min, stage.max, stage.mean)),
                "" if stage.active is None else f"{100 * stage.active:.0f} %",
                "{}x{}".format(*stage.receptive_field),
                _distance(stage.total_stride),
            ]
        )
    return rows


def kernel_words(stage: Stage) -> str:
    """A kernel's name, or its size."""
    kernel = stage.parameters["kernel"]
    if isinstance(kernel, str):
        return kernel
    return "{}x{}".format(*weights_of(kernel).shape)


def clipped(result: Result) -> list[str]:
    """A line about values that the saved picture cannot tell apart, if there are any."""
    last = result.stages[-1]
    white = result.white * result.scale
    if last.max is None or last.max <= 1.001 * white:  # a rounding is no clipping
        return []
    top, shown = number(last.max), f"{white:g}"
    return [
        f"values above {shown}, up to {top}, are saved as white; --scale stretch or --scale 0,{top} keeps them apart"
    ]


def number(value: float | None) -> str:
    """Five significant places at the most, no minus sign on zero."""
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
