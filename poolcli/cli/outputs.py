"""Writing what a run made: everything is encoded before anything is written."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli.cli import report
from poolcli.cli.console import write_stdout
from poolcli.cli.group import Failure, failure
from poolcli.errors import PoolcliError
from poolcli.images.opening import display_name
from poolcli.images.write import FORMATS, atomic_write, encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from poolcli.cli.targets import Targets
    from poolcli.pipeline.result import Result


def write(result: Result, targets: Targets, options: dict[str, Any]) -> dict[str, Any]:
    """Encode everything first, then write: a result that cannot be encoded leaves no file behind."""
    force = options["force"]
    text = report.carried_text(result.recipe, result.source)

    def encoded(raw: Any, scale: float, white: float, depth: Any) -> Any:
        return encode(
            targets.format, raw, scale_factor=scale, white=white, depth=depth,
            source_depth=result.depth, value_scale=options["scale"], description=text,
        )  # fmt: skip

    data = encoded(result.raw, result.scale, result.white, options["depth"])
    drawn = None
    if targets.figure is not None:
        from poolcli.figures.comparison import render

        drawn = render(result, targets.figure_format)
    files: dict[str, Any] = {}
    if targets.result is None:
        to_stdout(write_stdout, data)
    else:
        files["result"] = _put(targets.result, data, force=force)
    if targets.figure is not None and drawn is not None:
        files["figure"] = _put(targets.figure, drawn, force=force)
    if targets.indices is not None and result.indices is not None:
        files["indices"] = _put(targets.indices, _npy(result.indices), force=force)
    if targets.recipe is not None:
        files["recipe"] = _put(targets.recipe, result.recipe.to_json().encode(), force=force)
    if targets.stages is not None:
        files["stages"] = _write_stages(result, targets.stages, options)
    return files


def _write_stages(result: Result, folder: str, options: dict[str, Any]) -> list[str]:
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise Failure(f"{display_name(folder)}: {error.strerror}") from None
    written = []
    for name, values in result.maps.items():
        path = os.path.join(folder, name)
        picture = encode(
            FORMATS["png"], values, scale_factor=1.0, white=result.white * result.scale,
            value_scale=options["scale"], source_depth=result.depth,
        )  # fmt: skip
        written.append(_put(f"{path}.png", picture, force=options["force"]))
        written.append(_put(f"{path}.npy", _npy(values), force=options["force"]))
    return written


def _npy(values: Any) -> Callable[[Any], None]:
    return lambda file: np.lib.format.write_array(file, values, allow_pickle=False)


def _put(path: str, data: Any, *, force: bool) -> str:
    try:
        atomic_write(path, data, force=force)
    except PoolcliError as error:
        raise failure(error, display_name(path)) from None
    return path


def to_stdout(write: Callable[[Any], None], value: Any) -> None:
    """Write to stdout; what goes wrong there is about stdout, not about the picture."""
    try:
        write(value)
    except PoolcliError as error:
        raise failure(error, "stdout") from None


def names(files: dict[str, Any]) -> list[str]:
    """All files that were written."""
    return [name for value in files.values() for name in (value if isinstance(value, list) else [value])]
