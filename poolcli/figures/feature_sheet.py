"""What the figure of feature maps shows: the maps made smaller, the vector, their colours and the caption."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli.figures import captions
from poolcli.figures import text as lettering
from poolcli.figures.color_scale import FEW_CELLS, Scale
from poolcli.figures.map_row import BODY, MARGIN, ROW_WIDTH, panel_side
from poolcli.figures.panels import PADDING_FRAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MOST_NAMED = 64
"""Maps that are drawn with their names; more are thumbnails."""
IN_A_ROW = 8
THUMBNAIL_GAP = 4


@dataclass(frozen=True, eq=False)
class FeatureMap:
    """A map, reduced for display.

    Attributes
    ----------
    name : str
    values : ndarray of shape (h, w), float32
        Each cell the mean of `factor` x `factor` values.
    factor : int
    shape : (H, W)
        Of the whole map.
    low, high, mean : float
        Of the whole map.
    limit : float
        The 99th percentile of its magnitudes.
    weights : ndarray or None
        The kernel.
    framed : bool
        Whether its border is its brightest part.
    """

    name: str
    values: NDArray[np.float32]
    factor: int
    shape: tuple[int, int]
    low: float
    high: float
    mean: float
    limit: float
    weights: NDArray[np.float64] | None = None
    framed: bool = False


@dataclass(frozen=True, eq=False)
class PooledMaps:
    """What one kind of global pooling makes of the maps.

    Attributes
    ----------
    title : str
    values : ndarray of shape (cells, maps), float32
        A row for each cell of a pyramid.
    cells : sequence of str
        Names of the rows; one empty name without a pyramid.
    """

    title: str
    values: NDArray[np.float32]
    cells: Sequence[str] = ("",)


@dataclass(frozen=True, eq=False)
class FeatureSheet:
    """All that the figure shows.

    Attributes
    ----------
    source : str
        Name of the picture.
    maps : sequence of FeatureMap
    pooled : sequence of PooledMaps
    picture : ndarray of shape (h, w) or (h, w, 3), uint8, or None
        The input, where the maps are not the picture itself.
    done : str
        What was done, for the caption.
    one_scale : bool
        Whether all maps have one scale of colours: they have not where kernels differ in gain.
    padded : bool
        Whether zeros lie around the picture.
    """

    source: str
    maps: Sequence[FeatureMap]
    pooled: Sequence[PooledMaps]
    picture: NDArray[np.uint8] | None
    done: str
    one_scale: bool
    padded: bool = False


def feature_map(
    name: str, values: NDArray[np.float32], side: int, weights: NDArray[np.float64] | None = None
) -> FeatureMap:
    """A map of shape (H, W), reduced to at most `side` cells a side."""
    height, width = values.shape
    factor = max(1, -(-max(height, width) // side))
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    mean = float(np.float32(finite.mean(dtype=np.float64))) if finite.size else 0.0  # as the features are written
    full = max(-low, high)
    limit = full
    if finite.size >= FEW_CELLS:
        limit = float(np.percentile(np.abs(finite[:: -(-finite.size // (1 << 18))]), 99)) or full
    shown = reduced(values, factor)
    return FeatureMap(name, shown, factor, (height, width), low, high, mean, limit, weights, _is_framed(values))


def reduced(values: NDArray[Any], factor: int) -> NDArray[np.float32]:
    """The mean of each block of `factor` x `factor` values; partial ones at the bottom and right count what is there.

    Examples
    --------
    >>> reduced(np.arange(6.0).reshape(2, 3), 2)
    array([[2. , 3.5]], dtype=float32)
    """
    if factor == 1:
        return values.astype(np.float32)
    rows, cols = (np.arange(0, length, factor) for length in values.shape[:2])
    sums = np.add.reduceat(np.add.reduceat(values, rows, axis=0, dtype=np.float64), cols, axis=1)
    cells = np.outer(
        *(np.diff(starts, append=length) for starts, length in zip((rows, cols), values.shape, strict=False))
    )
    means: NDArray[np.float32] = (sums / cells.reshape(*cells.shape, *[1] * (values.ndim - 2))).astype(np.float32)
    return means


def _is_framed(values: NDArray[np.float32]) -> bool:
    """Whether the border is the brightest part of a map."""
    if min(values.shape) < 5 or not np.isfinite(values).all():
        return False
    border = float(
        np.mean([np.abs(part).mean(dtype=np.float64) for part in (values[0], values[-1], values[:, 0], values[:, -1])])
    )
    return border > 3 * float(np.abs(values[2:-2, 2:-2]).mean(dtype=np.float64))


def fewer(sheet: FeatureSheet) -> str:
    """How many numbers the maps have, and how many are left: ``200 → 8 numbers, 25x fewer``."""
    before = sum(one.shape[0] * one.shape[1] for one in sheet.maps)
    after = sum(one.values.size for one in sheet.pooled)
    times = before / after
    text = f"{times:,.0f}" if times >= 10 or times == round(times) else f"{times:.1f}"
    return f"{before:,} → {after:,} number{'s' if after > 1 else ''}, {text}x fewer"


def scale_of(sheet: FeatureSheet, one: FeatureMap) -> Scale:
    """The colours of a map."""
    alike = sheet.maps if sheet.one_scale else [one]
    low = min(each.low for each in alike)
    limit = max(each.limit for each in alike) or 1.0
    if sheet.one_scale and sheet.picture is None and low >= 0 and max(each.high for each in alike) <= 1:
        limit = 1.0  # the maps are a picture's own planes: as in the lesson, 0 to 1
    return Scale("RdBu_r", -limit, limit) if low < 0 else Scale("magma", 0.0, limit)


def strip_scale(sheet: FeatureSheet, one: PooledMaps) -> Scale:
    """The colours of a strip: from 0 to its largest value."""
    finite = one.values[np.isfinite(one.values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if low < 0:
        return Scale("RdBu_r", -max(-low, high), max(-low, high))
    if sheet.picture is None and high <= 1:
        high = 1.0
    return Scale("magma", 0.0, high or 1.0)


def ends_text(scale: Scale) -> str:
    """The values at a scale's ends."""
    start = "−" + captions.three_digits(scale.high) if scale.low < 0 else "0"
    return f"scale {start} to {captions.three_digits(scale.high)}"


def side_for(maps: int, *, picture: bool) -> int:
    """The longer side of a map in pixels, by the number of maps, with or without the picture."""
    if maps > MOST_NAMED:
        return ROW_WIDTH // columns_for(maps) - THUMBNAIL_GAP
    return panel_side(columns_for(maps + picture))


def columns_for(count: int) -> int:
    """How many of `count` panels stand in a row."""
    if count > MOST_NAMED + 1:
        return 32 if count >= 256 else 16
    return -(-count // -(-count // IN_A_ROW))


def sentences_of(sheet: FeatureSheet, total: int) -> list[str]:
    """The lines of the caption, of a sheet `total` pixels wide."""
    seen = [fewer(sheet)]
    factors = {one.factor for one in sheet.maps} - {1}
    if factors:
        seen.append(f"shown at 1/{max(factors)} (block mean)")
    if sheet.one_scale:
        seen.append(f"maps: {ends_text(scale_of(sheet, sheet.maps[0]))}")
    elif len(sheet.maps) > 1:
        seen.append("each map on a scale of its own, up to its 99th percentile: the kernels differ in gain")
    if sheet.padded and any(one.framed for one in sheet.maps):
        seen.append(PADDING_FRAME)
    done = f"{captions.short_name(sheet.source)} · {sheet.done}"
    texts = [lettering.drawable(" · ".join(seen)), lettering.drawable(done)]
    return [part for text in texts for part in lettering.wrap(text, BODY, total - 2 * MARGIN, 4)]
