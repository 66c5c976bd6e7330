"""A run as plain data: what JSON objects and reports say of it, and the bytes of its result with the recipe inside."""

from __future__ import annotations

import json
import math
import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from poolcli import __version__
from poolcli.errors import OptionError, OutputError
from poolcli.images.write import encode

if TYPE_CHECKING:
    from poolcli.images.pixels import Scale
    from poolcli.images.read import Picture
    from poolcli.images.write import Format
    from poolcli.pipeline.recipe import Recipe
    from poolcli.pipeline.result import Result, Stage


def carried_text(recipe: Recipe, source: str) -> str:
    """What is written into a result: who made it, of what, and how to make it again; ASCII."""
    return f'{{"poolcli": "{__version__}", "source": {json.dumps(source)}, "recipe": {_recipe_text(recipe)}}}'


@lru_cache(maxsize=8)
def _recipe_text(recipe: Recipe) -> str:
    """The same for all pictures of a batch."""
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
    try:
        return encode(
            fmt, result.raw if raw is None else raw, scale_factor=result.scale, white=result.white, depth=depth,
            source_depth=result.depth, value_scale=scale, description=carried,
        )  # fmt: skip
    except OptionError as error:  # a number of channels: wrong for this picture, not for every one
        raise OutputError(str(error)) from None


def input_record(result: Result, picture: Picture) -> dict[str, Any]:
    """The picture as it was found, and as the first step saw it."""
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


def map_record(stage: Stage) -> dict[str, Any]:
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
