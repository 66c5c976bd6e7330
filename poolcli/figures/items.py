"""The items of a canvas: pictures, rectangles, arrows, lines, hatching and texts, with their places in pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from poolcli.figures import text as lettering
from poolcli.figures.layout import Box

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from poolcli.figures.palettes import Color

Anchor = Literal["left", "middle", "right"]
HATCH_STEP = 6
"""Pixels between the lines of a hatched area."""


@dataclass(frozen=True)
class PixelBlock:
    """An array of pixels, drawn unchanged."""

    box: Box
    rgb: NDArray[np.uint8]


@dataclass(frozen=True)
class Rectangle:
    """A filled rectangle."""

    box: Box
    color: Color


@dataclass(frozen=True)
class Arrow:
    """A triangle that fills its box and points to the left or to the right."""

    box: Box
    color: Color
    left: bool


@dataclass(frozen=True)
class Line:
    """A straight line with round ends, between the middles of two pixels; a disc where both are the same."""

    x: int
    y: int
    to_x: int
    to_y: int
    color: Color
    thickness: int

    @property
    def box(self) -> Box:
        """The pixels that it may touch."""
        far = self.thickness // 2 + 1
        left, top = min(self.x, self.to_x) - far, min(self.y, self.to_y) - far
        return Box(left, top, abs(self.to_x - self.x) + 2 * far + 1, abs(self.to_y - self.y) + 2 * far + 1)


@dataclass(frozen=True)
class Hatch:
    """Thin diagonal lines, each dark one beside a light one, so that they show on dark and on light colours."""

    box: Box


@dataclass(frozen=True)
class Text:
    """A line of text; the anchor says whether x is its left end, its middle or its right end."""

    x: int
    baseline: int
    text: str
    size: int
    color: Color
    bold: bool
    anchor: Anchor

    @property
    def left(self) -> int:
        """X of the left end of the line."""
        if self.anchor == "left":
            return self.x
        wide = lettering.text_width(self.text, self.size, self.bold)
        return self.x - (wide // 2 if self.anchor == "middle" else wide)


CanvasItem = PixelBlock | Rectangle | Arrow | Line | Hatch | Text
