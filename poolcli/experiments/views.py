"""Views of a picture, shifted or not, and the maps that a recipe makes of many of them in one run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli.experiments.planes import as_planes
from poolcli.experiments.shifts import shifted, shifts
from poolcli.ops.pools import POOLS
from poolcli.pipeline.engine import execute
from poolcli.pipeline.plan import map_names
from poolcli.pipeline.steps import Pool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from poolcli.images.read import Picture
    from poolcli.pipeline.recipe import Recipe
    from poolcli.pipeline.result import Result

BATCH_CELLS = 1 << 21
"""Cells of the views that are pooled together: small pictures all at once, large ones one by one."""


class Views:
    """A picture, and its views of one size: as it is, and shifted.

    Parameters
    ----------
    picture : Picture
    planes : ndarray of shape (C, H, W)
    most : int
        The largest shift.
    fill : str or None
    filtered : bool
        Whether the planes are maps at level 0: of a recipe, only the last step is then to be done.
    """

    def __init__(
        self, picture: Picture, planes: NDArray[Any], most: int, fill: str | None, *, filtered: bool = False
    ) -> None:
        self.picture, self.planes, self.most, self.fill, self.filtered = picture, planes, most, fill, filtered
        self.moves = shifts(most)
        self.still = self.shifted((0, 0))

    def shifted(self, move: tuple[int, int]) -> NDArray[Any]:
        """One view, of shape (C, h, w)."""
        return shifted(self.planes, move, self.most, self.fill)

    def batches(self, recipe: Recipe) -> Iterator[tuple[NDArray[Any], list[tuple[int, int]]]]:
        """Views of some shifts, of shape (n, C, h, w), and these shifts; how many does not depend on the machine.

        A kind that draws by the place of a plane gets one view at a time, as when each were pooled by itself.
        """
        count = 1 if draws(recipe) else max(1, BATCH_CELLS // self.still.size)
        for start in range(0, len(self.moves), count):
            some = self.moves[start : start + count]
            yield np.stack([self.shifted(move) for move in some]) if count > 1 else self.shifted(some[0])[None], some

    def maps(self, views: NDArray[Any], recipe: Recipe, threads: int | None, first: int = 0) -> list[NDArray[Any]]:
        """The maps of every level from `first` on, of shape (n, C, h, w), before scaling: all views in one run."""
        result = self.run(views, recipe, threads)
        maps = list(result.raw_maps.values())[first:]
        return [as_planes(one).reshape(*views.shape[:2], *one.shape[:2]) for one in maps]

    def run(self, views: NDArray[Any], recipe: Recipe, threads: int | None, **kept: Any) -> Result:
        """Take views of shape (n, C, h, w) through a recipe, as independent planes; the maps of all levels are kept."""
        if self.filtered:
            recipe = replace(recipe, stages=recipe.stages[-1:])
        planes = views.reshape(-1, *views.shape[2:])
        values = planes[0] if len(planes) == 1 else np.moveaxis(planes, 0, -1)
        one = self.picture._replace(values=values, size=views.shape[2:], leading=None)
        kept = {"statistics": False, "keep_maps": level_names(recipe), **kept}
        result = execute(one, replace(recipe, resize=None), threads=threads, **kept)  # the picture has been resized
        return replace(result, recipe=recipe)

    def exchanged(self, recipe: Recipe, axis: int, threads: int | None) -> Views:
        """The map at level 0 with its halves exchanged along an axis: every cell comes from half a map away."""
        level_0 = self.maps(self.still[None], recipe, threads)[0][0]
        halves = np.roll(level_0, level_0.shape[axis] // 2, axis)
        return Views(self.picture._replace(bits=self.picture.depth), halves, 0, None, filtered=True)


def draws(recipe: Recipe) -> bool:
    """Whether the recipe has a kind of pooling that draws at random."""
    return any(POOLS[step.kind].draws for step in recipe.stages if isinstance(step, Pool))


def level_names(recipe: Recipe) -> list[str]:
    """Names of the maps that are levels, as in `Result.raw_maps`."""
    return map_names(recipe)[len(recipe.stages) - 1 :]
