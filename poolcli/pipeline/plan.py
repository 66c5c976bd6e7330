"""The plan of a run: every step of a recipe placed on a picture of some size, before a pixel is read."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from poolcli.errors import SizeError
from poolcli.ops import strips
from poolcli.ops.condense import BinomialStage
from poolcli.ops.values import Values
from poolcli.pipeline.steps import Pool2D

if TYPE_CHECKING:
    from collections.abc import Iterator

    from poolcli.ops.windows import Pair
    from poolcli.pipeline.recipe import Recipe
    from poolcli.pipeline.steps import Step


class Placed(NamedTuple):
    """A step on its map: the stages that do it, and what is known of the map it makes."""

    step: Step
    label: str
    drawn: bool
    stages: tuple[strips.Stage, ...]
    parameters: dict[str, Any]
    receptive_field: Pair
    total_stride: tuple[float, float]

    @property
    def shape(self) -> Pair:
        """Height and width of the map it makes."""
        return self.stages[-1].shape

    @property
    def values(self) -> Values:
        """What that map holds."""
        return self.stages[-1].values


def expanded(recipe: Recipe) -> Iterator[tuple[Step, str, bool]]:
    """The steps in the order they are done, with blocks and repeats written out.

    With each, what errors call it, and whether its map is drawn: of several repeats only the last is.
    """
    for block in range(1, recipe.blocks + 1):
        inside = f"block {block}, " if recipe.blocks > 1 else ""
        for step in recipe.stages:
            if isinstance(step, Pool2D) and step.repeat > 1:
                for i in range(1, step.repeat + 1):
                    yield step, f"{inside}repeat {i}", i == step.repeat
            else:
                name = {"conv2d": "filter", "relu": "detect"}.get(step.op, "pooling")
                yield step, inside + name, True


def map_names(recipe: Recipe) -> list[str]:
    """What the maps of a run are called in `Result.maps`, and as files: the input's first."""
    return ["0-input", *(f"{number}-{step.op}" for number, (step, *_) in enumerate(expanded(recipe), 1))]


def plan(
    recipe: Recipe, shape: Pair, channels: int = 1, dtype: Any = np.uint8, max_pixels: int | None = None
) -> tuple[Placed, ...]:
    """Place every step of a recipe on a picture of `shape`: all sizes, before a pixel is read.

    Parameters
    ----------
    recipe : Recipe
    shape : (height, width)
        Of the picture before `Recipe.resize`.
    channels : int
    dtype : numpy dtype
        Of the picture.
    max_pixels : int, optional
        What a map may have at most, where a step makes it larger than the one before.

    Raises
    ------
    SizeError
        A window does not fit its map, or a map would be too large; the step is named.

    Examples
    --------
    >>> from poolcli import recipe
    >>> [placed.shape for placed in plan(recipe(recipe="kaggle-exercise"), (300, 451))]
    [(398, 398), (398, 398), (199, 199)]
    """
    shape = recipe.resize or shape
    placed = _placed(recipe, shape, channels, np.dtype(dtype))
    for one in placed:
        height, width = one.shape
        if max_pixels is not None and height * width > max(max_pixels, shape[0] * shape[1]):
            limit = f"--max-pixels {max_pixels} is the limit"
            msg = f"{one.label}: a map of {height}x{width} has {height * width} pixels; {limit}"
            raise SizeError(msg)
        shape = one.shape
    return placed


@lru_cache(maxsize=64)
def _placed(recipe: Recipe, shape: Pair, channels: int, dtype: np.dtype[Any]) -> tuple[Placed, ...]:
    """The plan; kept, since a picture is planned when its header is read and again when it is run, and many are alike."""
    values = Values.of(dtype)
    planes = strips.group_size(channels, shape[1], dtype.itemsize)
    field, jump = (1, 1), (1.0, 1.0)
    placed: list[Placed] = []
    for step, label, drawn in expanded(recipe):
        try:
            stages = tuple(step.place(shape, values, planes))
        except SizeError as error:
            msg = f"{label}: {error}"
            raise SizeError(msg) from None
        for stage in stages:
            field, jump = _grown(stage, field, jump)
        parameters = step.settings()
        if (window := getattr(stages[0], "window", None)) is not None:
            parameters |= {"window": (window.rows.size, window.cols.size), "pads": window.pads}
        placed.append(Placed(step, label, drawn, stages, parameters, field, jump))
        shape, values = stages[-1].shape, stages[-1].values
    return tuple(placed)


def _grown(stage: strips.Stage, field: Pair, jump: tuple[float, float]) -> tuple[Pair, tuple[float, float]]:
    """Receptive field r += (extent - 1) * jump and jump *= stride, per axis (distill.pub/2019/computing-receptive-fields)."""
    if isinstance(stage, BinomialStage):
        extents, strides = (3, 3), stage.stride
    elif (window := getattr(stage, "window", None)) is not None:
        extents = (window.rows.extent, window.cols.extent)
        strides = (window.rows.stride, window.cols.stride)
    else:
        return field, jump
    grown = tuple(round(r + (e - 1) * j) for r, e, j in zip(field, extents, jump, strict=True))
    steps = tuple(j * s for j, s in zip(jump, strides, strict=True))
    return (grown[0], grown[1]), (steps[0], steps[1])
