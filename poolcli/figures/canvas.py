"""The canvas on which every figure is drawn; it encodes itself as PNG, SVG or PDF.

Maps are drawn in whole pixels, so that each pixel of a panel has exactly the colour of its value. PNG needs numpy and
Pillow's fonts only; Matplotlib draws SVG and PDF. Coordinates are whole pixels, x to the right and y downwards, and a
`Box` is a rectangle. A text is placed by its baseline, and must have passed `text.drawable`.

Examples
--------
>>> from poolcli.figures.layout import Box
>>> from poolcli.figures.palettes import FRAME, MUTED
>>> canvas = Canvas(120, 60)
>>> canvas.picture(10, 10, np.zeros((4, 4, 3), np.uint8), times=10)  # each pixel becomes a square of 10x10
>>> canvas.frame(Box(10, 10, 40, 40), FRAME)
>>> canvas.cell(Box(60, 10, 40, 40), "9", (252, 253, 191), 18)  # a number, black or white by contrast
>>> canvas.dashed(Box(60, 10, 40, 40), MUTED)
>>> canvas.pixels().shape
(60, 120, 3)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from poolcli.figures import FORMATS, raster
from poolcli.figures import text as lettering
from poolcli.figures.items import Arrow, Hatch, Line, PixelBlock, Rectangle, Text
from poolcli.figures.layout import Box
from poolcli.figures.palettes import INK, PAPER, text_color_on
from poolcli.images.png import encode_png

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from poolcli.figures.items import Anchor, CanvasItem
    from poolcli.figures.palettes import Color


class Canvas:
    """A white canvas of a fixed size; items are drawn in the order in which they were added.

    Parameters
    ----------
    width, height : int
        In pixels.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.items: list[CanvasItem] = []

    def picture(self, x: int, y: int, rgb: NDArray[np.uint8], times: int = 1) -> None:
        """Add an array of shape (h, w, 3), or (h, w) for gray, uint8; each pixel becomes `times` x `times` pixels."""
        if rgb.ndim == 2:
            rgb = np.repeat(rgb[..., np.newaxis], 3, axis=2)
        height, width = rgb.shape[:2]
        if times > 1:
            rgb = rgb.repeat(times, axis=1).repeat(times, axis=0)
        self.items.append(PixelBlock(Box(x, y, width * times, height * times), rgb))

    def rectangle(self, box: Box, color: Color) -> None:
        """Add a filled rectangle."""
        self.items.append(Rectangle(box, color))

    def frame(self, box: Box, color: Color, thickness: int = 1) -> None:
        """Add a line around a box, outside it."""
        for side in _sides(box, thickness):
            self.rectangle(side, color)

    def dashed(self, box: Box, color: Color, thickness: int = 1, dash: int = 4) -> None:
        """Add a dashed line around a box, outside it; dashes and gaps are `dash` pixels long."""
        for x, y, width, height in ((s.x, s.y, s.width, s.height) for s in _sides(box, thickness)):
            for at in range(0, max(width, height), 2 * dash):
                if width > height:
                    self.rectangle(Box(x + at, y, min(dash, width - at), height), color)
                else:
                    self.rectangle(Box(x, y + at, width, min(dash, height - at)), color)

    def hatch(self, box: Box) -> None:
        """Add thin diagonal lines over a box, which mark cells that are not read."""
        self.items.append(Hatch(box))

    def line(self, x: int, y: int, to_x: int, to_y: int, color: Color, thickness: int = 2) -> None:
        """Draw a straight line with round ends."""
        self.items.append(Line(x, y, to_x, to_y, color, thickness))

    def arrow(self, box: Box, color: Color, left: bool = False) -> None:
        """Add a triangle that fills a box and points to the right, or to the left."""
        self.items.append(Arrow(box, color, left))

    def text(
        self, x: int, baseline: int, text: str, size: int, color: Color, bold: bool = False, anchor: Anchor = "left"
    ) -> None:
        """Add a line of text; x is its left end, middle or right end, as `anchor` says."""
        if text:
            self.items.append(Text(x, baseline, text, size, color, bold, anchor))

    def cell(self, box: Box, text: str, fill: Color | None, size: int, bold: bool = False) -> None:
        """Add a filled cell with a centred text, black or white, whichever has more contrast with the fill.

        With None as `fill` only the text is added, in the dark colour.
        """
        if fill is not None:
            self.rectangle(box, fill)
        baseline = box.y + (box.height - lettering.bitmap("0", size, bold)[2]) // 2
        color = text_color_on(fill) if fill is not None else INK
        self.text(box.x + box.width // 2, baseline, text, size, color, bold, "middle")

    def pixels(self) -> NDArray[np.uint8]:
        """Draw all items into a new array of shape (height, width, 3), uint8."""
        line = np.empty((self.width, 3), np.uint8)
        line[:] = PAPER
        canvas = np.empty((self.height, self.width, 3), np.uint8)
        canvas[:] = line  # eight times as fast as assigning the colour itself to every pixel
        self.paint(canvas)
        return canvas

    def paint(self, canvas: NDArray[np.uint8]) -> None:
        """Draw all items onto an array of shape (height, width, 3), uint8, in place."""
        raster.paint(self.items, canvas)

    def boxes(self) -> list[Box]:
        """The boxes of all items, clipped to the canvas; items outside it are left out."""
        found = []
        for item in self.items:
            if isinstance(item, Text):
                ink, left, top = lettering.bitmap(item.text, item.size, item.bold)
                box = Box(item.left + left, item.baseline + top, ink.shape[1], ink.shape[0])
            else:
                box = item.box
            x, y = max(box.x, 0), max(box.y, 0)
            right, bottom = min(box.x + box.width, self.width), min(box.y + box.height, self.height)
            if right > x and bottom > y:
                found.append(Box(x, y, right - x, bottom - y))
        return found

    def png(self, metadata: Mapping[str, str]) -> bytes:
        """Encode as PNG with these text chunks."""
        return encode_png(self.pixels(), metadata, dpi=144, drawn=True)

    def encode(self, fmt: str, title: str, description: str) -> bytes:
        """Encode the canvas.

        Parameters
        ----------
        fmt : {"png", "svg", "pdf"}
        title, description : str
            Metadata of the file; the description says in words what the figure shows.

        Raises
        ------
        ValueError
            `fmt` is another format.
        PoolcliError
            Matplotlib, which draws SVG and PDF, cannot be imported.
        """
        from poolcli import __version__

        software = f"poolcli {__version__}"
        if fmt == "png":
            return self.png({"Title": title, "Description": description, "Software": software})
        if fmt == "svg":
            return self.encode_vector(
                "svg", {"Title": title, "Description": description, "Creator": software, "Date": None}
            )
        if fmt != "pdf":
            raise ValueError(f"unknown figure format {fmt!r}; known: {', '.join(FORMATS)}")
        return self.encode_vector(
            "pdf", {"Title": title, "Subject": description, "Creator": software, "CreationDate": None}
        )

    def encode_vector(self, fmt: Literal["svg", "pdf"], metadata: Mapping[str, str | None]) -> bytes:
        """Encode as SVG or PDF: text as outlines or embedded glyphs, pictures as pixels.

        Raises
        ------
        PoolcliError
            Matplotlib cannot be imported.
        """
        from poolcli.figures.vector import encode

        return encode(self.items, self.width, self.height, fmt, metadata)


def _sides(box: Box, thickness: int) -> tuple[Box, Box, Box, Box]:
    """The four lines around a box."""
    x, y, t = box.x, box.y, thickness
    return (
        Box(x - t, y - t, box.width + 2 * t, t),
        Box(x - t, y + box.height, box.width + 2 * t, t),
        Box(x - t, y, t, box.height),
        Box(x + box.width, y, t, box.height),
    )
