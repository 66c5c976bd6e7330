"""Several kinds of pooling on one picture: the result of each kind, and its difference to the first one's."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from poolcli.errors import OptionError, PoolcliError
from poolcli.images.arrays import row_chunks
from poolcli.images.quantize import output_values
from poolcli.ops.pools import PARAMETERS, POOLS, pool_named
from poolcli.ops.value_range import ValueRange
from poolcli.pipeline.engine import execute
from poolcli.pipeline.observers import MapDisplay
from poolcli.pipeline.options import recipe as make_recipe
from poolcli.pipeline.plan import map_names
from poolcli.pipeline.result import StageResult, Statistics
from poolcli.pipeline.steps import Pool

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from poolcli.images.read import Picture
    from poolcli.pipeline.recipe import Recipe
    from poolcli.pipeline.result import Result


class Difference(NamedTuple):
    """The last map of a kind minus that of the first kind.

    Attributes
    ----------
    mean, largest : float
        Of its magnitudes.
    stage : StageResult
        The differences as a map, with their signs.
    """

    mean: float
    largest: float
    stage: StageResult


class KindResult(NamedTuple):
    """The result of one kind of pooling.

    Attributes
    ----------
    name : str
        A key of `POOLS`.
    result : Result
    std : float
        Standard deviation of the last map.
    difference : Difference or None
        To the first kind; None of the first itself, and where the maps have different shapes.
    """

    name: str
    result: Result
    std: float
    difference: Difference | None

    @property
    def stage(self) -> StageResult:
        """The last map."""
        return self.result.stages[-1]


class KindComparison(NamedTuple):
    """The results of several kinds of pooling on one picture.

    Attributes
    ----------
    source : StageResult
        The map that the first pooling step reads.
    source_std : float
    kinds : list of KindResult
        In the order in which they were asked for.
    """

    source: StageResult
    source_std: float
    kinds: list[KindResult]


def kinds_value(text: str, least: int = 2) -> list[str]:
    """Names of kinds, separated by commas; aliases and any case are allowed.

    Raises
    ------
    OptionError
        A kind that is not known or named twice, or fewer than `least`.

    Examples
    --------
    >>> kinds_value("max, AVG")
    ['max', 'average']
    """
    names = [pool_named(word.strip())[0] for word in text.split(",")]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        msg = f"pools {text!r}: {twice} is named twice; name different kinds"
        raise OptionError(msg)
    if len(names) < least:
        msg = f"pools {text!r}: only one kind; name two or more, such as max,average"
        raise OptionError(msg)
    return names


def recipes_of(kinds: Sequence[str], settings: Mapping[str, Any]) -> list[Recipe]:
    """For each kind the recipe that `run --pool KIND` would have; a parameter goes to the kinds that have it.

    Parameters
    ----------
    kinds : sequence of str
    settings : mapping
        Keywords of `poolcli.recipe`, without `pool`.

    Raises
    ------
    OptionError
        A parameter that none of the kinds has, or whatever `poolcli.recipe` refuses.
    """
    kinds = [pool_named(kind)[0] for kind in kinds]
    owners = {name: [k for k in POOLS if any(one.name == name for one in POOLS[k].parameters)] for name in PARAMETERS}
    owners["count_include_pad"] = ["average"]
    for name, having in owners.items():
        if settings.get(name) is not None and not set(having) & set(kinds):
            one = "it" if len(having) == 1 else "one of them"
            msg = f"{name.replace('_', ' ')} belongs to {' and '.join(having)}: add {one} to the pools, or leave it out"
            raise OptionError(msg)
    made = []
    for kind in kinds:
        own = {name: value for name, value in settings.items() if name not in owners or kind in owners[name]}
        made.append(make_recipe(**own, pool=kind))
    return made


def compare(
    picture: Picture, recipes: Sequence[Recipe], *, panel: int = 0, threads: int | None = None
) -> KindComparison:
    """Apply recipes that differ in their kind of pooling to one picture.

    Parameters
    ----------
    picture : Picture
    recipes : sequence of Recipe
        As `recipes_of` makes them.
    panel : int
        Largest side of the maps kept for display; 0 keeps none.
    threads : int, optional

    Raises
    ------
    SizeError
        A window does not fit its map.
    """
    before = [isinstance(step, Pool) for step in recipes[0].stages].index(True)
    name = map_names(recipes[0])[before]
    found: list[KindResult] = []
    source, deviation = None, 0.0
    for recipe in recipes:
        kind = next(step.kind for step in recipe.stages if isinstance(step, Pool))
        try:
            result = execute(picture, recipe, panel=panel, threads=threads, keep_maps=() if found else (name,))
        except PoolcliError as error:
            msg = f"{kind}: {error}"
            raise type(error)(msg) from None
        if source is None:
            source = (result.input, *result.stages)[before]
            deviation = spread(result.raw_maps[name], result.scale, missing=recipe.leaves_out)
            result = replace(result, raw_maps={})
        first = found[0].result if found else result
        same = bool(found) and result.raw.shape == first.raw.shape
        with np.errstate(over="ignore", invalid="ignore"):  # values near the limits of float32
            difference = _difference(result, first, panel) if same else None
        found.append(KindResult(kind, result, spread(result.raw, result.scale, missing=recipe.leaves_out), difference))
    assert source is not None
    return KindComparison(source, deviation, found)


def spread(raw: NDArray[Any], scale: float, *, missing: bool = False) -> float:
    """The standard deviation of a map (ddof 0), times `scale`; float64, and a few rows at a time.

    With `missing`, NaN marks missing cells, which do not count.
    """

    def present(rows: slice) -> NDArray[Any]:
        return _present(raw[rows]) if missing else raw[rows]

    chunks = [*row_chunks(raw.shape[0])]
    with np.errstate(over="ignore", invalid="ignore"):  # infinity where a map has it
        total = sum(float(present(rows).sum(dtype=np.float64)) for rows in chunks)
        cells = sum(present(rows).size for rows in chunks) if missing else raw.size
        if not cells:
            return math.nan
        mean = total / cells
        squares = sum(float(np.square(np.subtract(present(rows), mean, dtype=np.float64)).sum()) for rows in chunks)
    return math.sqrt(squares / cells) * scale


def _present(values: NDArray[Any]) -> NDArray[Any]:
    return values[~np.isnan(values)] if values.dtype.kind == "f" else values


def _difference(result: Result, first: Result, panel: int) -> Difference:
    """The difference of two last maps, a few rows at a time; cells that are missing in one of them do not count."""
    last = result.stages[-1]
    height, width = last.shape
    missing = result.recipe.leaves_out
    size = 0
    shown = None
    if panel:
        whole = (result.channels, height, width)
        held = ValueRange(np.dtype(np.float32), missing=missing)
        shown = MapDisplay(whole, held, panel, signed=True)
    low, high, total, magnitude, above = np.inf, -np.inf, 0.0, 0.0, 0
    for rows in row_chunks(height):
        values = output_values(result.raw[rows], result.scale) - output_values(first.raw[rows], first.scale)
        if shown is not None:
            planes = values[None] if values.ndim == 2 else np.moveaxis(values, -1, 0)
            shown.observe(slice(None), planes, rows.start)
        values = _present(values) if missing else values
        size += values.size
        if not values.size:
            continue
        low, high = np.minimum(low, values.min()), np.maximum(high, values.max())
        total += float(values.sum(dtype=np.float64))
        magnitude += float(np.abs(values).sum(dtype=np.float64))
        above += int(np.count_nonzero(values > 0))
    if not size:
        low = high = total = magnitude = math.nan
        size = 1
    stage = StageResult(
        "difference", "Difference", "difference", {}, last.shape, last.receptive_field, last.total_stride,
        Statistics(float(low), float(high), total / size, above / size),
        shown.result(1.0) if shown is not None else None,
    )  # fmt: skip
    return Difference(magnitude / size, max(abs(float(low)), abs(float(high))), stage)
