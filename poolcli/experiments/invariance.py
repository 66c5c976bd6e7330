"""What survives a shift: a picture is shifted, pooled again and again, and its maps are compared at every level.

Level 0 is the map that the first pooling reads: the picture, after the filter and detect steps of the recipe.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from poolcli.errors import OptionError, SizeError
from poolcli.experiments.drawn_maps import drawn_maps
from poolcli.experiments.planes import as_planes
from poolcli.experiments.shifts import view_size
from poolcli.experiments.similarity import MapsSeen, Similarity
from poolcli.experiments.views import Views
from poolcli.pipeline.kinds import recipes_of
from poolcli.pipeline.plan import plan
from poolcli.pipeline.steps import Conv2D, Pool, Pool2D

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from poolcli.experiments.drawn_maps import DrawnMaps
    from poolcli.images.read import Picture
    from poolcli.pipeline.recipe import Recipe

REPLACED = ("repeat", "blocks", "global_pool", "output_size")
"""Settings of `poolcli.recipe` that the levels take the place of."""


class Level(NamedTuple):
    """One level: its map's shape, and what survives in each kind of pooling.

    Attributes
    ----------
    level : int
        How often the map was pooled.
    shape : (H, W)
        Of the first kind's map.
    pools : dict of str to Similarity
        By kind, in the order in which they were asked for.
    shapes : dict of str to (H, W)
    """

    level: int
    shape: tuple[int, int]
    pools: dict[str, Similarity]
    shapes: dict[str, tuple[int, int]]


class Invariance(NamedTuple):
    """The outcome of `measure`.

    Attributes
    ----------
    recipes : sequence of Recipe
    max_shift, shifts : int
        The largest shift, and how many there are.
    fill : str or None
        What came in at the edge; None for crops.
    view : (H, W)
        Size of the views.
    control : str
        What the other picture is, in words.
    levels : list of Level
    drawn : DrawnMaps or None
    """

    recipes: Sequence[Recipe]
    max_shift: int
    shifts: int
    fill: str | None
    view: tuple[int, int]
    control: str
    levels: list[Level]
    drawn: DrawnMaps | None = None


def leveled_recipes(
    kinds: Sequence[str], settings: Mapping[str, Any], levels: int, *, crops: bool = False
) -> list[Recipe]:
    """For each kind the recipe with its pooling step `levels` times.

    Parameters
    ----------
    kinds : sequence of str
    settings : mapping
        Keywords of `poolcli.recipe`, without `pool` and those of `REPLACED`.
    levels : int
    crops : bool
        Filters get no padding where `settings` names none: zeros around a crop would make a frame that no shift moves.

    Raises
    ------
    OptionError
        The recipe has more than filter, detect and one pooling step by windows, or whatever `recipes_of` refuses.
    """
    made = []
    for recipe in recipes_of(kinds, settings):
        *before, last = recipe.stages
        if recipe.blocks > 1 or not isinstance(last, Pool2D) or any(isinstance(step, Pool) for step in before):
            steps = ", ".join(step.op for step in recipe.stages)
            times = f", {recipe.blocks} blocks" if recipe.blocks > 1 else ""
            msg = f"recipe of {steps}{times}: levels repeat the pooling; use a recipe that ends with its only pool2d"
            raise OptionError(msg)
        if crops and all(settings.get(name) is None for name in ("conv_padding", "conv_padding_mode")):
            before = [replace(step, padding="valid") if isinstance(step, Conv2D) else step for step in before]
        made.append(_repeated(replace(recipe, stages=(*before, last)), levels))
    return made


def check_levels(recipes: Sequence[Recipe], shape: tuple[int, int], channels: int, dtype: Any) -> None:
    """Refuse levels that a view is too small for.

    Raises
    ------
    SizeError
        With the number of levels that it is large enough for.
    """
    for recipe in recipes:
        levels = _pooling(recipe).repeat
        for fewer in range(levels, 0, -1):
            try:
                plan(replace(_repeated(recipe, fewer), resize=None), shape, channels, dtype)
            except SizeError as error:
                if fewer == 1:
                    raise
                first = str(error)
                continue
            if fewer < levels:
                kind = _pooling(recipe).kind
                msg = (
                    f"{levels} levels of {kind} are too many for views of {shape[0]}x{shape[1]} ({first}): "
                    f"write --levels {fewer}"
                )
                raise SizeError(msg)
            break


def measure(
    picture: Picture,
    control: Picture | None,
    recipes: Sequence[Recipe],
    *,
    max_shift: int,
    fill: str | None,
    threads: int | None = None,
    panel: int = 0,
    done: Callable[[int], object] = lambda _: None,
) -> Invariance:
    """Pool a picture and its shifted copies again and again, and compare the maps of every level.

    Parameters
    ----------
    picture : Picture
    control : Picture or None
        Another picture of the same size; None takes the map at level 0 with its halves exchanged along the longer side.
    recipes : sequence of Recipe
        As `leveled_recipes` makes them.
    max_shift : int
        Shifts are up to so many pixels down, up, right and left.
    fill : {"replicate", "zero", "wrap"} or None
        What comes in at the edge; None takes crops.
    threads : int, optional
    panel : int
        Largest side of the maps kept for a figure; 0 keeps none.
    done : callable
        Called with the number of shifts that have just been pooled, by each kind.

    Raises
    ------
    SizeError
        The picture is too small for the shifts or the levels, or the control has another size.
    """
    planes = as_planes(picture.values)
    size = planes.shape[1], planes.shape[2]
    view = view_size(size, max_shift, fill)
    check_levels(recipes, view, len(planes), planes.dtype)
    views = Views(picture, planes, max_shift, fill)
    if control is None:
        side = int(view[1] >= view[0])
        about = f"the same, its {('upper and lower', 'left and right')[side]} half exchanged"
        other = views.exchanged(recipes[0], 1 + side, threads)
    else:
        check_alike(control, picture)
        about = control.source
        other = Views(control, as_planes(control.values), max_shift, fill)
    found: dict[str, list[_LevelResult]] = {}
    for recipe in recipes:
        level_0 = next(iter(found.values()))[:1] if found else []  # the same for all kinds
        found[_pooling(recipe).kind] = level_0 + _compared(views, other, recipe, threads, len(level_0), done)
    levels = [
        Level(
            number,
            of_kinds[0].shape,
            {kind: one.similarity for kind, one in zip(found, of_kinds, strict=True)},
            {kind: one.shape for kind, one in zip(found, of_kinds, strict=True)},
        )
        for number, of_kinds in enumerate(zip(*found.values(), strict=True))
    ]
    drawn = drawn_maps(views, other, recipes[0], threads, panel) if panel else None
    return Invariance(recipes, max_shift, len(views.moves), fill, view, about, levels, drawn)


class _LevelResult(NamedTuple):
    """What one kind kept at one level."""

    similarity: Similarity
    shape: tuple[int, int]


def _compared(
    views: Views, other: Views, recipe: Recipe, threads: int | None, start: int, done: Callable[[int], object]
) -> list[_LevelResult]:
    """The maps of all shifts at every level from `start` on, compared with those of the picture that is not shifted."""
    first = views.maps(views.still[None], recipe, threads, start)
    controls = other.maps(other.still[None], recipe, threads, start)
    seen = [MapsSeen(one.ravel(), another.ravel()) for one, another in zip(first, controls, strict=True)]
    for batch, moves in views.batches(recipe):
        moved = np.array([move != (0, 0) for move in moves])
        for one, maps in zip(seen, views.maps(batch, recipe, threads, start), strict=True):
            one.add(maps.reshape(len(moves), -1), moved)
        done(len(moves))
    units = _units(views.picture, recipe)
    return [
        _LevelResult(one.result(units), (maps.shape[-2], maps.shape[-1])) for one, maps in zip(seen, first, strict=True)
    ]


def check_alike(control: Picture, picture: Picture) -> None:
    """Refuse a control of another size or number of channels.

    Raises
    ------
    SizeError
    """
    ours, theirs = ((*one.values.shape, 1)[:3] for one in (picture, control))
    if ours[:2] != theirs[:2]:
        msg = (
            f"{theirs[0]}x{theirs[1]}, but {picture.source} is {ours[0]}x{ours[1]}: "
            f"give a picture of the same size, or --resize both"
        )
        raise SizeError(msg)
    if ours != theirs:
        msg = f"{theirs[2]} channels, but {picture.source} has {ours[2]}: give two alike, or use --channels gray"
        raise SizeError(msg)


def _pooling(recipe: Recipe) -> Pool2D:
    """Its last step, which is repeated."""
    last = recipe.stages[-1]
    assert isinstance(last, Pool2D)
    return last


def _repeated(recipe: Recipe, levels: int) -> Recipe:
    """The recipe with its last step `levels` times."""
    return replace(recipe, stages=(*recipe.stages[:-1], replace(_pooling(recipe), repeat=levels)))


def _units(picture: Picture, recipe: Recipe) -> float:
    """How many of a map's own units are one of the recipe's: 255 for an 8-bit picture in the unit range."""
    if picture.depth is None or recipe.range == "raw":
        return 1.0
    return ((1 << picture.depth) - 1) / (255 if recipe.range == "byte" else 1)
