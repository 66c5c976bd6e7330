"""A sheet of paper measured in pixels: what is put on it is drawn as PNG by us, as SVG or PDF by Matplotlib.

The PNG is made in one array: pictures are copied into it, so every pixel of a panel is exactly the colour of its
value, and text is blended over it. SVG and PDF show the same sheet, one pixel being one point.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from poolcli.figures.layout import Box
from poolcli.images.png import encode_png

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.artist import Artist
    from matplotlib.backend_bases import RendererBase
    from numpy.typing import NDArray

    from poolcli.figures.typeface import Typeface

Color = tuple[int, int, int]

PAPER = 255


@dataclass(frozen=True)
class Picture:
    """Pixels, each as it is."""

    box: Box
    rgb: NDArray[np.uint8]


@dataclass(frozen=True)
class Rectangle:
    """A filled rectangle."""

    box: Box
    color: Color


@dataclass(frozen=True)
class Arrow:
    """A triangle that fills its box."""

    box: Box
    color: Color
    left: bool


@dataclass(frozen=True)
class Text:
    """A line of text, from the left end of its baseline."""

    x: int
    baseline: int
    text: str
    size: float
    color: Color
    bold: bool


class Sheet:
    """Paper of a fixed size; things are drawn in the order in which they are put on it.

    Parameters
    ----------
    width, height : int
        In pixels.
    typeface : Typeface
    """

    def __init__(self, width: int, height: int, typeface: Typeface) -> None:
        self.width, self.height, self.typeface = width, height, typeface
        self.items: list[Picture | Rectangle | Arrow | Text] = []

    def picture(self, x: int, y: int, rgb: NDArray[np.uint8], times: int = 1) -> None:
        """Put down an array of shape (h, w, 3), each of its pixels a square of `times` x `times`."""
        height, width = rgb.shape[:2]
        if times > 1:
            rgb = rgb.repeat(times, axis=1).repeat(times, axis=0)
        self.items.append(Picture(Box(x, y, width * times, height * times), rgb))

    def rectangle(self, box: Box, color: Color) -> None:
        """Put down a filled rectangle."""
        self.items.append(Rectangle(box, color))

    def frame(self, box: Box, color: Color) -> None:
        """Put a line of one pixel around a box, outside it."""
        self.rectangle(Box(box.x - 1, box.y - 1, box.width + 2, 1), color)
        self.rectangle(Box(box.x - 1, box.y + box.height, box.width + 2, 1), color)
        self.rectangle(Box(box.x - 1, box.y, 1, box.height), color)
        self.rectangle(Box(box.x + box.width, box.y, 1, box.height), color)

    def arrow(self, box: Box, color: Color, left: bool) -> None:
        """Put down a triangle that fills a box and points to its left or right."""
        self.items.append(Arrow(box, color, left))

    def text(
        self, x: int, baseline: int, text: str, size: float, color: Color, bold: bool = False, centred: bool = False
    ) -> None:
        """Put down a line of text, starting or centred at x."""
        if not text:
            return
        if centred:
            x -= self.typeface.width(text, size, bold) // 2
        self.items.append(Text(x, baseline, text, size, color, bold))

    def pixels(self) -> NDArray[np.uint8]:
        """Draw everything into an array of shape (height, width, 3)."""
        canvas = np.full((self.height, self.width, 3), PAPER, np.uint8)
        for item in self.items:
            match item:
                case Picture(box, rgb):
                    _part(canvas, box)[:] = rgb
                case Rectangle(box, color):
                    _part(canvas, box)[:] = color
                case Arrow(box, color, left):
                    _blend(_part(canvas, box), _triangle(box.width, box.height, left), color)
                case Text(x, baseline, text, size, color, bold):
                    ink, descent = self.typeface.bitmap(text, size, bold)
                    height, width = ink.shape
                    part = _part(canvas, Box(x, baseline + descent - height, width, height))
                    _blend(part, ink[: part.shape[0], : part.shape[1]], color)
        return canvas

    def png(self, metadata: Mapping[str, str]) -> bytes:
        """Encode as PNG with the given text chunks."""
        return encode_png(self.pixels(), metadata, dpi=144, drawn=True)

    def vector(self, fmt: str, metadata: Mapping[str, str | None]) -> bytes:
        """Encode as ``"svg"`` or ``"pdf"``: text as outlines or embedded glyphs, pictures as pixels."""
        import matplotlib
        from matplotlib.figure import Figure

        # Every setting that a user's matplotlibrc could have changed; the backend is not asked for.
        defaults = {key: value for key, value in matplotlib.rcParamsDefault.items() if not key.startswith("backend")}
        with matplotlib.rc_context({**defaults, "svg.hashsalt": "poolcli"}):
            figure = Figure(figsize=(self.width / 72, self.height / 72), dpi=72)
            for item in self.items:
                figure.add_artist(self._artist(item))
            data = io.BytesIO()
            figure.savefig(data, format=fmt, dpi=72, metadata=metadata)
        return data.getvalue()

    def _artist(self, item: Picture | Rectangle | Arrow | Text) -> Artist:
        from matplotlib import patches
        from matplotlib.font_manager import FontProperties
        from matplotlib.text import Text as Line
        from matplotlib.transforms import Affine2D

        down = Affine2D().scale(1, -1).translate(0, self.height)  # our y counts downwards
        artist: Artist
        match item:
            case Picture(box, rgb):
                return _picture_artist(rgb, box.x, self.height - box.y - box.height)
            case Rectangle(box, color):
                fill = _hex(color)
                artist = patches.Rectangle(
                    (box.x, box.y), box.width, box.height, facecolor=fill, linewidth=0, transform=down
                )
            case Arrow(box, color, left):
                flat, tip = (box.x + box.width, box.x) if left else (box.x, box.x + box.width)
                corners = [(flat, box.y), (tip, box.y + box.height / 2), (flat, box.y + box.height)]
                artist = patches.Polygon(corners, facecolor=_hex(color), linewidth=0, transform=down)
            case Text(x, baseline, text, size, color, bold):
                font = FontProperties(fname=self.typeface.files[bold], size=size)
                artist = Line(
                    x, baseline, text, color=_hex(color), fontproperties=font, parse_math=False, transform=down
                )
        return artist


def _part(canvas: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    return canvas[max(box.y, 0) : box.y + box.height, max(box.x, 0) : box.x + box.width]


def _blend(part: NDArray[np.uint8], ink: NDArray[np.uint8], color: Color) -> None:
    """Lay ink of one colour over a part of the canvas, 255 covering it fully."""
    cover = ink[..., np.newaxis].astype(np.uint16)
    part[:] = (part * (255 - cover) + np.array(color, np.uint16) * cover + 127) // 255


def _triangle(width: int, height: int, left: bool, fine: int = 8) -> NDArray[np.uint8]:
    """Coverage of a triangle pointing right or left, smooth at its slanted sides."""
    rows = np.abs((np.arange(height * fine) + 0.5) / (height * fine) * 2 - 1)  # 0 at the tip's row, 1 at the corners
    inside = (np.arange(width * fine) + 0.5) / (width * fine) < 1 - rows[:, np.newaxis]
    share = inside.reshape(height, fine, width, fine).mean(axis=(1, 3))
    ink: NDArray[np.uint8] = np.rint(255 * (share[:, ::-1] if left else share)).astype(np.uint8)
    return ink


def _hex(color: Color) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def _picture_artist(rgb: NDArray[np.uint8], x: int, y: int) -> Artist:
    """An artist that hands its pixels to the renderer as they are: Matplotlib's own image artists resample."""
    from matplotlib.artist import Artist
    from matplotlib.transforms import Affine2D

    class Pixels(Artist):
        def draw(self, renderer: RendererBase) -> None:
            rgba = np.dstack((rgb, np.full(rgb.shape[:2], 255, np.uint8)))
            context = renderer.new_gc()
            # Renderers take the bottom row first; with a transform, SVG says that the pixels must not be smoothed.
            renderer.draw_image(context, x, y, rgba[::-1], Affine2D().scale(rgb.shape[1], rgb.shape[0]))
            context.restore()

    return Pixels()
