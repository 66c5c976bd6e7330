"""Writing what a run made: everything is encoded before anything is written."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli.cli.console import write_stdout
from poolcli.cli.group import Failure, failure
from poolcli.errors import PoolcliError
from poolcli.images.opening import display_name
from poolcli.images.write import FORMATS, atomic_write
from poolcli.pipeline.record import carried_text, encoded

if TYPE_CHECKING:
    from collections.abc import Callable

    from poolcli.cli.targets import Targets
    from poolcli.pipeline.result import Result


def write(result: Result, targets: Targets, options: dict[str, Any]) -> dict[str, Any]:
    """Encode everything first, then write: a result that cannot be encoded leaves no file behind."""
    force = options["force"]
    scale, depth = options["scale"], options["depth"]
    text = carried_text(result.recipe, result.source)
    data = encoded(result, targets.format, scale=scale, depth=depth, carried=text)
    maps: dict[str, Any] = {}
    if targets.stages is not None:
        depth = depth if depth in FORMATS["png"].depths else "auto"
        for name, raw in result.raw_maps.items():
            maps[f"{name}.png"] = encoded(result, FORMATS["png"], scale=scale, depth=depth, raw=raw)
            maps[f"{name}.npy"] = _npy(result.maps[name])
    drawn = None
    if targets.figure is not None:
        from poolcli.figures.comparison import render

        drawn = render(result, targets.figure_format)

    files: dict[str, Any] = {}
    if targets.result is None:
        to_stdout(write_stdout, data)
    else:
        files["result"] = _put(targets.result, data, force=force)
    if targets.figure is not None:
        files["figure"] = _put(targets.figure, drawn, force=force)
    if targets.indices is not None:
        files["indices"] = _put(targets.indices, _npy(result.indices), force=force)
    if targets.recipe is not None:
        files["recipe"] = _put(targets.recipe, result.recipe.to_json().encode(), force=force)
    if targets.stages is not None:
        _make_folder(targets.stages)
        paths = {os.path.join(targets.stages, name): content for name, content in maps.items()}
        files["stages"] = [_put(path, content, force=force) for path, content in paths.items()]
    return files


def _make_folder(path: str) -> None:
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise Failure(f"{display_name(path)}: {error.strerror}") from None


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
