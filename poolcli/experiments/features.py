"""A picture as a vector: a bank of kernels, ReLU, a pooling where one is asked for, and global pooling.

A value says how much of its kernel's pattern the picture has, but not where. With a pyramid (spatial pyramid pooling:
He et al., 2014, arXiv 1406.4729) there is one value for each of 1x1, 2x2, 4x4 parts of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from poolcli.errors import OptionError
from poolcli.experiments.planes import picture_planes
from poolcli.experiments.pyramid import cell_names
from poolcli.images.quantize import output_values
from poolcli.ops import strips
from poolcli.ops.kernels import Kernel, weights_of
from poolcli.ops.pooling import pooling
from poolcli.pipeline.engine import reading, units
from poolcli.pipeline.options import recipe as make_recipe
from poolcli.pipeline.plan import input_values, plan, plan_for
from poolcli.pipeline.recipe import Recipe, load
from poolcli.pipeline.result import StageResult
from poolcli.pipeline.steps import Conv2D, Pool, ReLU

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from poolcli.figures.feature_sheet import FeatureSheet
    from poolcli.images.read import Picture
    from poolcli.ops.banks import Bank
    from poolcli.ops.settings import Pair
    from poolcli.pipeline.plan import PlacedStep

GLOBAL_KINDS: dict[str, tuple[str, ...]] = {"average": ("average",), "max": ("max",), "both": ("average", "max")}
"""What ``--global-kind`` may be -> the kinds of pooling of the vector, in the order of its columns."""

INPUT = "input"
"""The feature's name where nothing filters the picture."""

WINDOW = ("size", "stride", "padding", "dilation", "ceil", "count_include_pad", "repeat", "global_pool", "output_size")


class KernelRecipe(NamedTuple):
    """A recipe with one kernel of the bank.

    Attributes
    ----------
    name : str
    kernel : Kernel or None
    recipe : Recipe
    whole : Recipe or None
        The same with the kernel's whole weights: its maps are the kernel's divisor times larger. ReLU and global
        pooling keep such a factor. On integers it is exact, and faster.
    """

    name: str
    kernel: Kernel | None
    recipe: Recipe
    whole: Recipe | None = None


@dataclass(frozen=True)
class Extraction:
    """How pictures become vectors: the same for all of them.

    Attributes
    ----------
    recipe : Recipe
        Of the maps, without the global pooling. Its filters get the kernels of the bank, one after the other.
    kernels : tuple of (str, Kernel)
        Empty for a recipe that is taken as it is.
    kinds : tuple of str
        Of the global pooling.
    levels : tuple of int
        Of the pyramid; empty for one value per map.
    """

    recipe: Recipe
    kernels: tuple[tuple[str, Kernel], ...] = ()
    kinds: tuple[str, ...] = ("average",)
    levels: tuple[int, ...] = ()

    @cached_property
    def parts(self) -> tuple[KernelRecipe, ...]:
        """One for each kernel."""
        if not self.kernels:
            filters = [step.kernel for step in self.recipe.stages if isinstance(step, Conv2D)]
            name = (
                filters[0]
                if len(filters) == 1 and isinstance(filters[0], str)
                else "map"
                if len(filters) > 1
                else "kernel"
                if filters
                else INPUT
            )
            held = Kernel(_rows(filters[0]), "", "") if len(filters) == 1 else None
            return (KernelRecipe(name, held, self.recipe),)
        return tuple(self._part(name, kernel) for name, kernel in self.kernels)

    def _part(self, name: str, kernel: Kernel) -> KernelRecipe:
        steps = self.recipe.stages
        late = (
            self.recipe.blocks == 1
            and isinstance(steps[0], Conv2D)
            and all(isinstance(step, ReLU) for step in steps[1:])
        )

        def made(rows: Any) -> Recipe:
            stages = tuple(replace(step, kernel=rows) if isinstance(step, Conv2D) else step for step in steps)
            return replace(self.recipe, stages=stages)

        return KernelRecipe(name, kernel, made(_rows(kernel.weights)), made(kernel.rows) if late else None)

    def columns(self, count: int = 1) -> list[str]:
        """The names of so many features, in order: as many as the pictures' channels give.

        Examples
        --------
        >>> extraction({"kernel": "edge"}, kinds=("average", "max")).columns(2)
        ['edge.average', 'edge.max']
        >>> extraction({"kernel": "edge"}, levels=(1, 2)).columns(5)[:3]
        ['edge.1x1.0.0', 'edge.2x2.0.0', 'edge.2x2.0.1']
        """
        cells, names = self.cells, []
        channels = max(1, count // (len(self.parts) * len(cells) * len(self.kinds)))
        for part in self.parts:
            for channel in range(channels):
                name = f"{part.name}.{channel}" if channels > 1 else part.name
                for cell in cells:
                    names += [f"{name}{cell}.{kind}" if len(self.kinds) > 1 else f"{name}{cell}" for kind in self.kinds]
        return names

    def reading(self, max_pixels: int | None = None) -> dict[str, Any]:
        """The keywords with which `images.read` reads a picture for this."""
        return reading(self.recipe, max_pixels)

    def vector(self, picture: Picture) -> NDArray[np.float32]:
        """The features of a picture."""
        return vector(picture, self)

    def sheet(self, picture: Picture) -> FeatureSheet:
        """What the figure of a picture shows."""
        from poolcli.experiments.feature_figure import sheet_of

        return sheet_of(picture, self)

    @cached_property
    def cells(self) -> list[str]:
        """What follows a map's name for each of its cells: ``.2x2.0.1``; once nothing without a pyramid."""
        return cell_names(self.levels)


def extraction(
    options: Mapping[str, Any],
    bank: Bank | None = None,
    kinds: tuple[str, ...] = ("average",),
    levels: tuple[int, ...] = (),
) -> Extraction:
    """Check the settings and make one of them.

    Parameters
    ----------
    options : mapping
        Keywords of `poolcli.recipe`. A pooling step is there only where `pool` is given, or a recipe has one.
    bank : Bank, optional
        Without it the recipe's own filter stays, if it has one.
    kinds, levels
        As in `Extraction`.

    Raises
    ------
    OptionError
    """
    given = {name: value for name, value in options.items() if value is not None and value is not False}
    if options.get("relu") is False:
        given["relu"] = False
    base = load(given.pop("recipe")) if "recipe" in given else Recipe(stages=())
    if bank is not None and "kernel" in given:
        msg = "kernel and bank exclude each other: leave one of them out"
        raise OptionError(msg)
    if bank is not None and not any(isinstance(step, Conv2D) for step in base.stages):
        base = replace(base, stages=(Conv2D(kernel="identity"), ReLU(), *base.stages))
    window = [name for name in WINDOW if name in given]
    if window and "pool" not in given and not any(isinstance(step, Pool) for step in base.stages):
        words = ", ".join(name.replace("_", " ") for name in window)
        msg = f"{words} without a pooling step: add pool, such as max; the global pooling at the end has no window"
        raise OptionError(msg)
    if given.get("relu") is False and not base.stages and "kernel" not in given and "pool" not in given:
        del given["relu"]  # there is none
    made = make_recipe(recipe=base, **given)
    return Extraction(made, tuple(bank.kernels.items()) if bank else (), kinds, levels)


def _map_name(filters: Sequence[Any]) -> str:
    """The name of the map that a recipe with these filters makes."""
    if not filters:
        return INPUT
    if len(filters) > 1:
        return "map"
    return filters[0] if isinstance(filters[0], str) else "kernel"


def _rows(weights: Any) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(weight) for weight in row) for row in weights_of(weights))


class KernelPlan(NamedTuple):
    """A `KernelRecipe` placed on pictures of one size: the stages to the map, and those of each pooling of it.

    The map's values are to be divided by `divisor`.
    """

    placed: tuple[PlacedStep, ...]
    stages: tuple[strips.Stage, ...]
    poolings: tuple[tuple[tuple[strips.Stage, ...], ...], ...]
    """For each level those of each kind."""
    divisor: int


@lru_cache(maxsize=256)
def _kernel_plan(
    part: KernelRecipe,
    kinds: tuple[str, ...],
    levels: tuple[int, ...],
    shape: Pair,
    channels: int,
    dtype: Any,
    unit: float,
) -> KernelPlan:
    """The plan, cached: many pictures have one size. `unit` is what the picture's own numbers are multiplied by."""
    whole = part.whole if dtype.kind in "iu" else None  # floats could leave their range
    placed = plan(whole or part.recipe, shape, channels, dtype) if part.recipe.stages else ()
    values = placed[-1].values if placed else input_values(part.recipe, dtype)
    size = placed[-1].shape if placed else shape
    planes = strips.group_size(channels, size[1], values.dtype.itemsize)

    def stages(kind: str, level: int) -> tuple[strips.Stage, ...]:
        return tuple(pooling(kind, output_size=(level, level)).stages(size, values, planes))

    poolings = tuple(tuple(stages(kind, level) for kind in kinds) for level in levels or (1,))
    divisor = part.kernel.divisor if whole and part.kernel else 1
    placed = plan_for(placed, unit, 0)
    return KernelPlan(placed, tuple(stage for one in placed for stage in one.stages), poolings, divisor)


def vector(picture: Picture, how: Extraction) -> NDArray[np.float32]:
    """The features of a picture.

    Of 8- and 16-bit pictures and kernels of whole numbers the sums are exact, and divided once.

    Returns
    -------
    ndarray of shape (n,), float32
        In the order of `Extraction.columns`.

    Raises
    ------
    SizeError
        A window does not fit its map.
    """
    planes = picture_planes(picture)
    _, scale = units(picture, how.recipe)
    made = []
    for part in how.parts:
        way = _kernel_plan(
            part, how.kinds, how.levels, (planes.shape[1], planes.shape[2]), len(planes), planes.dtype, scale
        )
        pooled = _pooled(planes, way) * (scale / way.divisor)
        made.append(pooled.reshape(-1))
    with np.errstate(over="ignore"):
        return np.concatenate(made).astype(np.float32)


class NamedMap(NamedTuple):
    """The map before the global pooling, and the kernel that made it, if it is one."""

    name: str
    values: NDArray[np.float32]
    weights: NDArray[np.float64] | None


def maps(picture: Picture, how: Extraction) -> Iterator[NamedMap]:
    """The maps of a picture, one after the other, in the order of their features.

    Raises
    ------
    SizeError
        A window does not fit its map.
    """
    planes = picture_planes(picture)
    _, scale = units(picture, how.recipe)
    for part in how.parts:
        way = _kernel_plan(part, (), (), (planes.shape[1], planes.shape[2]), len(planes), planes.dtype, scale)
        made = _map_of(planes, way)
        weights = None if part.kernel is None else part.kernel.weights
        for channel, raw in enumerate(made):
            name = f"{part.name}.{channel}" if len(planes) > 1 else part.name
            with np.errstate(over="ignore"):
                values = output_values(raw, scale / way.divisor)
            yield NamedMap(name, values, weights)


def steps(picture: Picture, how: Extraction) -> tuple[StageResult, ...]:
    """The steps to the maps, with the sizes that they have for a picture of this size, without numbers."""
    planes = picture_planes(picture)
    _, scale = units(picture, how.recipe)
    way = _kernel_plan(how.parts[0], (), (), (planes.shape[1], planes.shape[2]), len(planes), planes.dtype, scale)
    return tuple(
        StageResult(
            one.step.op, one.step.title, one.label, one.parameters, one.shape, one.receptive_field, one.total_stride
        )
        for one in way.placed
    )


def _map_of(planes: NDArray[Any], way: KernelPlan) -> NDArray[Any]:
    if not way.stages:
        return planes
    made = np.empty((len(planes), *way.stages[-1].shape), way.stages[-1].values.dtype)
    strips.run(planes, way.stages, made)
    return made


def _pooled(planes: NDArray[Any], way: KernelPlan) -> NDArray[np.float64]:
    """What the poolings make of a map, shape (planes, cells of all levels, kinds)."""
    only = way.poolings[0][0] if len(way.poolings) == len(way.poolings[0]) == 1 else None
    if only is not None:  # no map is held: rows go from stage to stage
        return _run(planes, (*way.stages, *only))[:, :, None]
    made = _map_of(planes, way)
    return np.concatenate([np.stack([_run(made, one) for one in kinds], axis=2) for kinds in way.poolings], axis=1)


def _run(planes: NDArray[Any], stages: Sequence[strips.Stage]) -> NDArray[np.float64]:
    out = np.empty((len(planes), *stages[-1].shape), np.float64)
    strips.run(planes, stages, out)
    return out.reshape(len(planes), -1)


def cosine_matrix(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """The cosine between every two rows, shape (n, n); NaN where a row is zero or not finite.

    Examples
    --------
    >>> cosine_matrix(np.array([[1, 0], [1, 1], [0, 0]], np.float32)).round(3)
    array([[1.   , 0.707,   nan],
           [0.707, 1.   ,   nan],
           [  nan,   nan,   nan]])
    """
    rows = vectors.astype(np.float64)
    with np.errstate(all="ignore"):
        rows = rows / np.abs(rows).max(axis=1, keepdims=True)  # so that no square overflows
        rows /= np.sqrt((rows * rows).sum(axis=1, keepdims=True))
        return np.clip(rows @ rows.T, -1, 1)
