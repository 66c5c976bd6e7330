"""Makes the explanation of a picture: one run that keeps every map, and the windows of every step."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli.explanation.axis_windows import AxisWindows, size_formula
from poolcli.explanation.stages import ExplainedStage, Explanation
from poolcli.images.quantize import output_values
from poolcli.ops import strips
from poolcli.ops.borders import BorderedStage
from poolcli.ops.kernels import weights_of
from poolcli.ops.pool_stage import BinomialStage, PoolStage
from poolcli.ops.strips import WindowedStage
from poolcli.ops.windows import Axis
from poolcli.pipeline.engine import execute
from poolcli.pipeline.plan import plan
from poolcli.pipeline.steps import AdaptivePool2D, Conv2D, GlobalPool2D, Pool, Pool2D

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from poolcli.images.read import Picture
    from poolcli.ops.settings import Pair
    from poolcli.ops.strips import Stage
    from poolcli.ops.windows import Window
    from poolcli.pipeline.plan import PlacedStep
    from poolcli.pipeline.recipe import Recipe

BINOMIAL = np.outer((1, 2, 1), (1, 2, 1)) / 16
"""The kernel that antialiased pooling (kind ``blur``) applies after the maximum."""


def explain_picture(
    picture: Picture,
    recipe: Recipe,
    crop: tuple[int, int, int, int] | None = None,
    full: Pair | None = None,
    plane: int = 0,
) -> Explanation:
    """Run a recipe on a picture and keep every map and every window.

    Parameters
    ----------
    picture : Picture
        With several channels, each is explained by itself.
    recipe : Recipe
    crop : (top, left, height, width), optional
        The part of a larger picture that `picture` is.
    full : (height, width), optional
        The size of that larger picture.
    plane : int
        Which of a picture's channels this one is.

    Returns
    -------
    Explanation

    Raises
    ------
    SizeError
        A window does not fit its map.
    """
    if picture.values.ndim == 3:
        count = picture.values.shape[2]
        planes = [np.ascontiguousarray(picture.values[..., channel]) for channel in range(count)]
        each = [
            explain_picture(picture._replace(values=values, leading=None), recipe, crop, full, plane)
            for plane, values in enumerate(planes)
        ]
        names = channel_names(count, picture.leading)
        named = [replace(one, channel=name) for one, name in zip(each, names, strict=True)]
        return replace(named[0], others=tuple(named[1:]))
    sized = replace(recipe, resize=None)  # the picture has its size already; a crop of it is not resized again
    result = replace(execute(picture, sized, threads=1, statistics=False, keep_maps=True, plane=plane), recipe=recipe)
    raw = list(result.raw_maps.values())
    maps = [_exact(shown, whole) for shown, whole in zip(result.maps.values(), raw, strict=True)]
    height, width = maps[0].shape
    placed = plan(sized, (height, width), 1, picture.values.dtype)
    stages: list[ExplainedStage] = []
    for one, (raw_before, raw_after), (before, after) in zip(placed, pairwise(raw), pairwise(maps), strict=True):
        if isinstance(one.stages[-1], BinomialStage):
            stages += _antialiased(one, raw_before, raw_after, result.scale)
        else:
            stages.append(_stage(one, before, after, raw_after))
    return Explanation(picture.source, crop, full or (height, width), maps[0], result, tuple(_numbered(stages)))


def _exact(shown: NDArray[np.float32], raw: NDArray[Any]) -> NDArray[Any]:
    """A map as it is shown: in float64 where it holds whole numbers that float32 would round."""
    wide = raw.reshape(shown.shape).astype(np.float64)
    if (np.abs(wide) > 1 << 24).any() and (np.rint(wide) == wide).all() and np.allclose(wide, shown, rtol=1e-6):
        return wide
    return shown


def channel_names(count: int, leading: tuple[int, ...] | None = None) -> list[str]:
    """Names of the channels of a picture, or of the planes of an array with these leading axes.

    Examples
    --------
    >>> channel_names(3), channel_names(2), channel_names(2, (1, 2))
    (['red', 'green', 'blue'], ['channel 1', 'channel 2'], ['plane 0,0', 'plane 0,1'])
    """
    if leading is not None:
        return [f"plane {','.join(map(str, index))}" for index in np.ndindex(*leading)]
    return ["red", "green", "blue"] if count == 3 else [f"channel {number}" for number in range(1, count + 1)]


def _numbered(stages: list[ExplainedStage]) -> Iterator[ExplainedStage]:
    """The stages, with a number added to headings that occur more than once."""
    headings = [stage.heading for stage in stages]
    for i, stage in enumerate(stages):
        alike = headings.count(stage.heading) > 1
        yield replace(stage, number=headings[: i + 1].count(stage.heading)) if alike else stage


def _stage(
    one: PlacedStep, before: NDArray[np.float32], after: NDArray[np.float32], raw: NDArray[Any]
) -> ExplainedStage:
    step, stage = one.step, one.stages[0]
    named = step.op, step.title, one.label
    if not isinstance(step, Conv2D | Pool):
        rows, cols = (AxisWindows(Axis(n, 1, 1, 1, 0, 0, n), "zeros", f"cell by cell: {n}") for n in before.shape)
        return ExplainedStage(
            *named, step.op, before, after, raw, rows, cols, (1, 1), (1, 1), (1, 1), ((0, 0), (0, 0)), "valid"
        )
    assert isinstance(stage, WindowedStage | BorderedStage)
    window = stage.window
    padding = getattr(step, "padding", "valid")
    mode = getattr(step, "padding_mode", "zeros")
    rows, cols = _reads(window, padding, mode, ceil=getattr(step, "ceil", False))
    geometry: dict[str, Any] = {
        "size": (window.rows.size, window.cols.size),
        "stride": (window.rows.stride, window.cols.stride),
        "dilation": (window.rows.dilation, window.cols.dilation),
        "pads": window.pads,
        "padding": padding,
    }
    if isinstance(step, Conv2D):
        weights = weights_of(step.kernel)
        return ExplainedStage(*named, "conv2d", before, after, raw, rows, cols, **geometry, weights=weights)
    assert isinstance(stage, PoolStage)
    counted = isinstance(step, Pool2D) and step.count_include_pad
    divisors = np.multiply.outer(
        window.rows.counts(0, window.rows.out, padded=counted), window.cols.counts(0, window.cols.out, padded=counted)
    )
    return ExplainedStage(
        *named, step.kind, before, after, raw, rows, cols, **geometry,
        divisors=divisors, parameters=dict(stage.parameters), counted=counted,
    )  # fmt: skip


def _reads(window: Window, padding: Any, mode: str, *, ceil: bool) -> tuple[AxisWindows, AxisWindows]:
    made = []
    for axis in (window.rows, window.cols):
        formula = size_formula(axis, padding, ceil=ceil, adaptive=window.adaptive)
        made.append(AxisWindows(axis, mode, formula))
    return made[0], made[1]


def _antialiased(
    one: PlacedStep, before: NDArray[Any], after: NDArray[Any], scale: float
) -> tuple[ExplainedStage, ExplainedStage]:
    """Antialiased pooling as two stages: the maximum at stride 1, then the binomial kernel at the stride."""
    step, blur = one.step, one.stages[-1]
    assert isinstance(step, Pool2D | AdaptivePool2D | GlobalPool2D)
    assert isinstance(blur, BinomialStage)
    assert isinstance(one.stages[0], WindowedStage)
    window = one.stages[0].window
    middle = _run_alone(before, one.stages[0])
    maximum = ExplainedStage(
        step.op, "Maximum", one.label, "max", output_values(before, scale), output_values(middle, scale), middle,
        *_reads(window, getattr(step, "padding", "valid"), "zeros", ceil=getattr(step, "ceil", False)),
        (window.rows.size, window.cols.size), (window.rows.stride, window.cols.stride),
        (window.rows.dilation, window.cols.dilation), window.pads, getattr(step, "padding", "valid"),
    )  # fmt: skip
    pads = ((1, 1), (1, 1))
    rows, cols = (
        AxisWindows(
            axis := Axis(n, 3, s, 1, 1, 1, out), "reflect", size_formula(axis, pads, ceil=False, adaptive=False)
        )
        for n, s, out in zip(middle.shape, blur.stride, blur.shape, strict=True)
    )
    binomial = ExplainedStage(
        step.op, step.title, one.label, "conv2d", maximum.after, output_values(after, scale), after, rows, cols,
        (3, 3), blur.stride, (1, 1), pads, pads, weights=BINOMIAL,
    )  # fmt: skip
    return maximum, binomial


def _run_alone(before: NDArray[Any], stage: Stage) -> NDArray[Any]:
    """What one stage makes of a map."""
    made = np.empty((1, *stage.shape), stage.values.dtype)
    strips.run(before[None], (stage,), made)
    return made[0]
