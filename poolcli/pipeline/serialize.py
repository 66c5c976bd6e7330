"""A run as plain data: the objects of JSON and reports, and the bytes of its result with the recipe inside."""

from __future__ import annotations

import json
import math
import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from poolcli import __version__
from poolcli.errors import OptionError, OutputError
from poolcli.images.modes import parse_color
from poolcli.images.write import encode

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolcli.images.quantize import Scale
    from poolcli.images.read import Picture
    from poolcli.images.write import Format
    from poolcli.pipeline.recipe import Recipe
    from poolcli.pipeline.result import Result, StageResult


def carried_text(recipe: Recipe, source: str) -> str:
    """The text that a result carries: version, source name and recipe, in ASCII.

    The source is its file name without folders: the same picture then gives the same bytes by any path, and no name of a
    folder is passed on.
    """
    return f'{{"poolcli": "{__version__}", "source": {json.dumps(os.path.basename(source))}, "recipe": {_recipe_text(recipe)}}}'


@lru_cache(maxsize=8)
def _recipe_text(recipe: Recipe) -> str:
    """The recipe as JSON, cached: it is the same for all pictures of a batch."""
    return json.dumps(recipe.to_dict())


def encoded(
    result: Result, fmt: Format, *, scale: Scale, depth: int | str, raw: Any = None, carried: str | None = None
) -> bytes:
    """A map of a run as the bytes of a file: the final one, or `raw`.

    Raises
    ------
    OutputError
        The format cannot hold this map: its channels, its sides.
    """
    raw = result.raw if raw is None else raw
    try:
        return encode(
            fmt, result.arranged(raw) if fmt.pillow is None else raw, scale_factor=result.scale, white=result.white, depth=depth,
            source_depth=result.depth, value_scale=scale, description=carried,
            keep_numbers=_keeps_numbers(result.recipe, raw), missing=_missing_color(result.recipe),
        )  # fmt: skip
    except OptionError as error:  # a number of channels: wrong for this picture, not for every one
        raise OutputError(str(error)) from None


def _keeps_numbers(recipe: Recipe, raw: NDArray[Any]) -> bool:
    """Whether arrays keep the type of a map: integers, and with missing cells, which integers cannot mark, floats."""
    return recipe.range == "raw" and (raw.dtype.kind in "iu" or recipe.nodata is not None)


def _missing_color(recipe: Recipe) -> tuple[int, int, int]:
    return parse_color(recipe.background) if recipe.leaves_out else (0, 0, 0)


def input_record(result: Result, picture: Picture) -> dict[str, Any]:
    """The picture as the file has it, and as the first step reads it."""
    return {
        "source": picture.source,
        "format": picture.format,
        "mode": picture.mode,
        "size": list(picture.size),
        "channels": result.channels,
        "depth": picture.depth,
        "notes": list(picture.notes),
        **map_record(result.input),
    }


def map_record(stage: StageResult) -> dict[str, Any]:
    """Shape and statistics of a map; numbers that JSON does not have are None."""
    numbers = {"min": stage.min, "max": stage.max, "mean": stage.mean, "active": stage.active}
    return {"shape": list(stage.shape), **{key: finite(value) for key, value in numbers.items()}}


def finite(value: float | None) -> float | None:
    """A number, or None where JSON has none for it."""
    return value if value is None or math.isfinite(value) else None


def plain_name(path: str) -> str:
    r"""Spell a file's name as any reader of JSON can hold it: bytes that are no UTF-8 as backslash, x and two digits.

    Examples
    --------
    >>> print(plain_name("latin1_\udce9.png"))
    latin1_\xe9.png
    """
    return os.fsencode(path).decode("utf-8", "backslashreplace")
