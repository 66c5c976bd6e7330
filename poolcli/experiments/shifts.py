"""Shifted views of a picture, and whether a pooled dot stays where it is when it moves by one pixel."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli.errors import OptionError, SizeError, alternatives
from poolcli.ops.pooling import pool2d

if TYPE_CHECKING:
    from numpy.typing import NDArray

FILLS = {
    "replicate": "the edge pixel repeated",
    "zero": "0, black",
    "wrap": "what left at the opposite side",
}
"""What comes in where the content has moved away from the edge."""


def shifts(most: int) -> list[tuple[int, int]]:
    """All shifts of up to `most` pixels down or up and right or left, (rows, columns), in row-major order.

    Examples
    --------
    >>> len(shifts(3)), shifts(3)[0], shifts(3)[24]
    (49, (-3, -3), (0, 0))
    """
    steps = range(-most, most + 1)
    return list(product(steps, steps))


def view_size(size: tuple[int, int], most: int, fill: str | None) -> tuple[int, int]:
    """Height and width of the views of a picture of `size`.

    Raises
    ------
    OptionError
        `fill` is none of `FILLS`.
    SizeError
        The picture is too small: of a crop or of the shifted content nothing would be left.
    """
    if fill is not None and fill not in FILLS:
        msg = f"fill {fill!r}: write {alternatives(FILLS)}"
        raise OptionError(msg)
    height, width = size
    taken = most if fill else 2 * most
    if min(size) <= taken:
        allowed = (min(size) - 1) // (1 if fill else 2)
        what = "shifted by" if fill else "cropped to views shifted by"
        advice = f"write --max-shift {allowed} or a larger picture" if allowed else "use a larger picture"
        msg = f"{height}x{width} is too small to be {what} up to {most} pixels: {advice}"
        raise SizeError(msg)
    return (height, width) if fill else (height - 2 * most, width - 2 * most)


def shifted(values: NDArray[Any], shift: tuple[int, int], most: int, fill: str | None) -> NDArray[Any]:
    """One view of a picture: its content moved down and right.

    Parameters
    ----------
    values : ndarray of shape (..., H, W)
    shift : (rows, columns)
        From -`most` to `most`; positive numbers move the content down and right.
    most : int
        The largest shift of the experiment: views of all shifts have one size.
    fill : {"replicate", "zero", "wrap"} or None
        What comes in at the edge; None takes crops of (H - 2 most, W - 2 most), so that nothing has to come in.

    Returns
    -------
    ndarray of shape (..., h, w)
        For crops a view of `values`, without a copy.

    Examples
    --------
    >>> x = np.arange(9).reshape(3, 3)
    >>> shifted(x, (0, 1), 1, "replicate").tolist()
    [[0, 0, 1], [3, 3, 4], [6, 6, 7]]
    >>> shifted(x, (1, 0), 1, "zero").tolist()
    [[0, 0, 0], [0, 1, 2], [3, 4, 5]]
    >>> shifted(x, (0, 1), 1, None).tolist()
    [[3]]
    """
    size = values.shape[-2], values.shape[-1]
    if fill is None:
        rows, cols = (slice(most - by, most - by + n - 2 * most) for by, n in zip(shift, size, strict=True))
        return values[..., rows, cols]
    down, right = (np.arange(n) - by for by, n in zip(shift, size, strict=True))
    if fill == "wrap":
        return values[..., (down % size[0])[:, np.newaxis], right % size[1]]
    moved = values[..., np.clip(down, 0, size[0] - 1)[:, np.newaxis], np.clip(right, 0, size[1] - 1)]
    if fill == "zero":
        outside = ((down < 0) | (down >= size[0]))[:, np.newaxis] | (right < 0) | (right >= size[1])
        moved[..., outside] = 0
    return moved


def stay_probability(size: int | tuple[int, int], step: int = 1) -> Fraction:
    """How probably a dot is pooled to the same map after it moved by one pixel in one of the 8 directions.

    The mean over all places of the dot in its window and all directions, counted on max-pooled maps. By hand: a move
    stays in a window of k with probability (k - 1) / k along an axis, so (4 (k - 1) k + 4 (k - 1)^2) / 8 k^2.

    Parameters
    ----------
    size : int or (height, width)
        Of the window; its stride is the same.
    step : int
        Pixels of a move, along each axis that it changes.

    Returns
    -------
    Fraction

    Examples
    --------
    >>> stay_probability(2), stay_probability(3), stay_probability(4)
    (Fraction(3, 8), Fraction(5, 9), Fraction(21, 32))
    """
    height, width = (size, size) if isinstance(size, int) else size
    around = -(-step // height), -(-step // width)  # windows that a move may reach, on each side
    places = list(product(range(height), range(width)))
    steps = (-step, 0, step)
    moves = [(down, right) for down, right in product(steps, steps) if down or right]
    dots = np.zeros((len(places), height * (2 * around[0] + 1), width * (2 * around[1] + 1)), np.uint8)
    for dot, (row, col) in zip(dots, places, strict=True):
        dot[around[0] * height + row, around[1] * width + col] = 1
    still = pool2d(dots, size=(height, width))
    kept = 0
    for move in moves:
        moved = pool2d(shifted(dots, move, step, "zero"), size=(height, width))
        kept += int((moved == still).all(axis=(-2, -1)).sum())
    return Fraction(kept, len(places) * len(moves))
