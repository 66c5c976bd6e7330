"""Draws the items of a canvas as SVG or PDF with Matplotlib; no other module imports it."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
from typing import TYPE_CHECKING, Literal

import numpy as np

from poolcli.errors import PoolcliError
from poolcli.figures.items import HATCH_STEP, Arrow, Hatch, Line, PixelBlock, Rectangle, Text
from poolcli.figures.palettes import INK, PAPER
from poolcli.figures.text import FILES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from matplotlib.artist import Artist
    from matplotlib.backend_bases import RendererBase
    from numpy.typing import NDArray

    from poolcli.figures.items import CanvasItem
    from poolcli.figures.layout import Box
    from poolcli.figures.palettes import Color

_ANCHORS: dict[str, Literal["left", "center", "right"]] = {"left": "left", "middle": "center", "right": "right"}


def encode(items: Iterable[CanvasItem], width: int, height: int, fmt: str, metadata: Mapping[str, str | None]) -> bytes:
    """Draw items as SVG or PDF; one pixel becomes one point.

    Parameters
    ----------
    items : iterable of CanvasItem
        Those of a canvas, in their order.
    width, height : int
        Of the canvas, in pixels.
    fmt : {"svg", "pdf"}
    metadata : mapping
        As `matplotlib.figure.Figure.savefig` takes it.

    Raises
    ------
    PoolcliError
        Matplotlib cannot be imported.
    """
    with quiet_matplotlib():
        import matplotlib
        from matplotlib.figure import Figure

        # Undo every setting of a user's matplotlibrc. Asking for the backend would import one, so it is left out.
        defaults = {key: value for key, value in matplotlib.rcParamsDefault.items() if not key.startswith("backend")}
        with matplotlib.rc_context({**defaults, "svg.hashsalt": "poolcli"}):
            figure = Figure(figsize=(width / 72, height / 72), dpi=72)
            for item in items:
                figure.add_artist(_artist(item, height))
            data = io.BytesIO()
            figure.savefig(data, format=fmt, dpi=72, metadata=metadata)
    return data.getvalue()


@contextlib.contextmanager
def quiet_matplotlib() -> Iterator[None]:
    """Import Matplotlib if it is not yet, ignoring ``MPLBACKEND``; inside the context it logs nothing to stderr.

    Raises
    ------
    PoolcliError
        Matplotlib cannot be imported, for example because of an unreadable ``matplotlibrc``.
    """
    log = logging.getLogger("matplotlib")
    level = log.level
    log.setLevel(logging.CRITICAL)  # such as "created a temporary cache directory", or a bad line of a matplotlibrc
    try:
        if "matplotlib" not in sys.modules:
            _import_matplotlib()
        yield
    finally:
        log.setLevel(level)


def _import_matplotlib() -> None:
    backend = os.environ.get("MPLBACKEND")
    if backend:
        os.environ["MPLBACKEND"] = "agg"  # the import fails if the variable holds an unknown name
    try:
        import matplotlib
    except MemoryError:
        raise
    except Exception as error:
        raise PoolcliError(
            f"cannot draw a figure: Matplotlib does not load ({' '.join(str(error).split())})"
        ) from error
    finally:
        if backend:
            os.environ["MPLBACKEND"] = backend
    if backend:  # code that plots later in this process gets the backend of the variable
        with contextlib.suppress(ValueError):
            matplotlib.rcParams["backend"] = backend


def _artist(item: CanvasItem, height: int) -> Artist:
    import matplotlib
    from matplotlib import patches
    from matplotlib.font_manager import FontProperties
    from matplotlib.text import Text as Words
    from matplotlib.transforms import Affine2D

    down = Affine2D().scale(1, -1).translate(0, height)  # y of the canvas points down, that of Matplotlib up
    artist: Artist
    match item:
        case PixelBlock(box, rgb):
            return _picture_artist(rgb, box.x, height - box.y - box.height)
        case Rectangle(box, color):
            artist = patches.Rectangle(
                (box.x, box.y), box.width, box.height, facecolor=_hex(color), linewidth=0, transform=down
            )
        case Arrow(box, color, left):
            flat, tip = (box.x + box.width, box.x) if left else (box.x, box.x + box.width)
            corners = [(flat, box.y), (tip, box.y + box.height / 2), (flat, box.y + box.height)]
            artist = patches.Polygon(corners, facecolor=_hex(color), linewidth=0, transform=down)
        case Line(x, y, to_x, to_y, color, thickness):
            from matplotlib.lines import Line2D

            ends = [x + 0.5, to_x + 0.5], [y + 0.5, to_y + 0.5]
            if (x, y) == (to_x, to_y):
                artist = patches.Circle(
                    (ends[0][0], ends[1][0]), thickness / 2, facecolor=_hex(color), linewidth=0, transform=down
                )
            else:
                artist = Line2D(*ends, color=_hex(color), linewidth=thickness, solid_capstyle="round", transform=down)
                artist.set_zorder(1)  # that of patches: what is drawn later lies above
        case Hatch(box):
            from matplotlib.collections import LineCollection

            lines = [line for start in (0, 1) for line in _hatch_lines(box, start)]
            colors = [_hex(color) for start, color in ((0, INK), (1, PAPER)) for _ in _hatch_lines(box, start)]
            artist = LineCollection(lines, colors=colors, linewidths=0.7, capstyle="butt", transform=down)
        case Text(x, baseline, text, size, color, bold, anchor):
            file = os.path.join(matplotlib.get_data_path(), "fonts", "ttf", FILES[bold])
            font = FontProperties(fname=file, size=size)
            artist = Words(
                x,
                baseline,
                text,
                color=_hex(color),
                fontproperties=font,
                horizontalalignment=_ANCHORS[anchor],
                parse_math=False,
                transform=down,
            )
    return artist


def _hatch_lines(box: Box, start: int) -> list[list[tuple[float, float]]]:
    """Diagonal lines through a box, each ending at its sides."""
    lines = []
    for slant in range(start, box.width + box.height, HATCH_STEP):
        at = slant + 0.5  # x + y of the line
        top, bottom = max(0.0, at - box.width), min(float(box.height), at)
        if top < bottom:
            lines.append([(box.x + at - top, box.y + top), (box.x + at - bottom, box.y + bottom)])
    return lines


def _hex(color: Color) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def _picture_artist(rgb: NDArray[np.uint8], x: int, y: int) -> Artist:
    """An artist that passes its pixels to the renderer unchanged; Matplotlib's own image artists resample them."""
    from matplotlib.artist import Artist
    from matplotlib.transforms import Affine2D

    class Pixels(Artist):
        def draw(self, renderer: RendererBase) -> None:
            rgba = np.dstack((rgb, np.full(rgb.shape[:2], 255, np.uint8)))
            context = renderer.new_gc()
            # Renderers expect the bottom row first. With a transform, SVG marks the pixels as not to be smoothed.
            renderer.draw_image(context, x, y, rgba[::-1], Affine2D().scale(rgb.shape[1], rgb.shape[0]))
            context.restore()

    return Pixels()
