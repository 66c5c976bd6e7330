"""DEMO_PICTURES: name -> a small picture from the lesson on shifts, and another picture, the control, to compare with."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from poolcli.errors import OptionError, suggestion
from poolcli.images.read import Picture, from_array, read

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

PICTURES = os.path.join(os.path.dirname(__file__), "pictures")
"""The pictures that come with poolcli."""
WHITE = 255
BETWEEN = 2
"""Pixels between the circle and the square around it: they have no pixel in common."""


class DemoPicture(NamedTuple):
    """A picture to shift, and its control.

    Attributes
    ----------
    summary, source : str
    size : (H, W)
    draw : callable
        Returns the picture and the control, uint8.
    control : str
        What the control is, in words.
    """

    summary: str
    source: str
    size: tuple[int, int]
    draw: Callable[[], tuple[NDArray[np.uint8], NDArray[np.uint8]]]
    control: str

    def pictures(self, name: str, **reading: Any) -> tuple[Picture, Picture]:
        """The picture and its control, read with the keywords of `images.read.from_array`."""
        picture, control = self.draw()
        return from_array(picture, source=name, **reading), from_array(control, source=self.control, **reading)


def two_dots(size: int, row: int, col: int) -> NDArray[np.uint8]:
    """A black square with a white pixel at (row, col) and at (col, row)."""
    picture = np.zeros((size, size), np.uint8)
    picture[row, col] = picture[col, row] = WHITE
    return picture


def square_around(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The outline of a rectangle around all that is not black, a little larger, on the same ground."""
    sides = []
    for axis, length in zip((1, 0), picture.shape, strict=True):
        lit = np.flatnonzero(picture.any(axis=axis))
        sides.append((max(int(lit[0]) - BETWEEN, 0), min(int(lit[-1]) + BETWEEN, length - 1)))
    (top, bottom), (left, right) = sides
    outline = np.zeros_like(picture)
    outline[top : bottom + 1, left : right + 1] = picture.max()
    outline[top + 1 : bottom, left + 1 : right] = 0
    return outline


def _circle(name: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    circle = read(os.path.join(PICTURES, name)).values
    return circle, square_around(circle)


LESSON = "Kaggle, Computer Vision, exercise Maximum Pooling"
DEMO_PICTURES: dict[str, DemoPicture] = {
    "circle64": DemoPicture(
        "a circle of radius 28: 49 shifts leave one map after 4 poolings", LESSON,
        (64, 64), lambda: _circle("circle64.png"), "a square around the circle",
    ),
    "circle128": DemoPicture(
        "a circle of radius 60: 49 shifts leave one map after 5 poolings", LESSON,
        (128, 128), lambda: _circle("circle128.png"), "a square around the circle",
    ),
    "two-dots": DemoPicture(
        "dots near each other, (3, 5) and (5, 3): one dot after 3 poolings", "Kaggle, Computer Vision, Maximum Pooling",
        (16, 16), lambda: (two_dots(16, 3, 5), two_dots(16, 3, 12)), "two dots far from each other",
    ),
    "two-dots-far": DemoPicture(
        "dots far from each other, (3, 12) and (12, 3): still two after 3 poolings", "the same lesson",
        (16, 16), lambda: (two_dots(16, 3, 12), two_dots(16, 3, 5)), "two dots near each other",
    ),
}  # fmt: skip


def demo_picture(name: str) -> DemoPicture:
    """The entry of `DEMO_PICTURES` for a name, in any case.

    Raises
    ------
    OptionError
        There is none.
    """
    if name.lower() not in DEMO_PICTURES:
        msg = f"demo {name!r}{suggestion(name.lower(), DEMO_PICTURES)}"
        raise OptionError(msg)
    return DEMO_PICTURES[name.lower()]
