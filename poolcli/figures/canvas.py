"""Matplotlib brought in safely, and its DejaVu Sans: how wide a text is, which characters it has, its pixels.

Text of a PNG is set by Matplotlib's FreeType wrapper alone. Compared with a `Figure` on an Agg canvas this
imports in half the time and never looks for fonts: no font cache to build, to lock or to fail on a read-only
home. The glyphs are not hinted, so a text is as wide in a PNG as the same outlines are in SVG and PDF.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from typing import TYPE_CHECKING

import numpy as np

from poolcli.errors import PoolcliError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


@contextlib.contextmanager
def quiet_matplotlib() -> Iterator[None]:
    """Import Matplotlib whatever the environment says, and keep its own log off stderr meanwhile.

    Raises
    ------
    PoolcliError
        When Matplotlib does not load, for example because of an unreadable ``matplotlibrc``.
    """
    log = logging.getLogger("matplotlib")
    level = log.level
    log.setLevel(logging.CRITICAL)  # "created a temporary cache directory", bad lines of a matplotlibrc
    try:
        if "matplotlib" not in sys.modules:
            _import_matplotlib()
        yield
    finally:
        log.setLevel(level)


def _import_matplotlib() -> None:
    backend = os.environ.get("MPLBACKEND")
    if backend:
        os.environ["MPLBACKEND"] = "agg"  # an unknown name there makes the import fail
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
    if backend:  # whoever plots later in this process finds the backend they asked for
        with contextlib.suppress(ValueError):
            matplotlib.rcParams["backend"] = backend


class Typeface:
    """DejaVu Sans, regular and bold, as it ships with Matplotlib. Sizes are pixels per em.

    Not shared between figures: a FreeType font carries the text it set last, so two threads must not use one.
    """

    def __init__(self) -> None:
        import matplotlib
        from matplotlib.ft2font import FT2Font

        folder = os.path.join(matplotlib.get_data_path(), "fonts", "ttf")
        self.files = tuple(os.path.join(folder, name) for name in ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"))
        self._fonts = tuple(FT2Font(file) for file in self.files)
        self._lines: dict[tuple[str, float, bool], tuple[NDArray[np.uint8], int, int]] = {}

    def covers(self, character: str) -> bool:
        """Whether both weights have a glyph for a character."""
        return all(font.get_char_index(ord(character)) for font in self._fonts)

    def width(self, text: str, size: float, bold: bool = False) -> int:
        """Width of a line of text in whole pixels, rounded up."""
        return self._line(text, size, bold)[2]

    def bitmap(self, text: str, size: float, bold: bool = False) -> tuple[NDArray[np.uint8], int]:
        """Pixels of a line of text.

        Returns
        -------
        coverage : ndarray of shape (h, w), uint8
            0 where the paper shows, 255 where the ink covers it.
        descent : int
            How many of the rows lie below the baseline.
        """
        return self._line(text, size, bold)[:2]

    def _line(self, text: str, size: float, bold: bool) -> tuple[NDArray[np.uint8], int, int]:
        """Pixels, descent and width; shaping a text costs more than drawing it, so it is done once."""
        from matplotlib.ft2font import LoadFlags

        key = (text, size, bold)
        if key not in self._lines:
            font = self._fonts[bold]
            font.set_size(size, 72)
            font.set_text(text, 0.0, flags=LoadFlags.NO_HINTING)
            font.draw_glyphs_to_bitmap(antialiased=True)
            width, descent = -(-font.get_width_height()[0] // 64), -(-font.get_descent() // 64)
            self._lines[key] = (np.array(font.get_image(), np.uint8), descent, width)
        return self._lines[key]

    def shorten(self, text: str, size: float, room: int) -> str:
        """The text, its end replaced by an ellipsis when it is wider than `room` pixels."""
        if self.width(text, size) <= room:
            return text
        low, high = 0, len(text)  # the longest beginning that fits together with the ellipsis
        while low < high:
            middle = (low + high + 1) // 2
            if self.width(text[:middle].rstrip() + "…", size) <= room:
                low = middle
            else:
                high = middle - 1
        return text[:low].rstrip() + "…"

    def wrap(self, text: str, size: float, room: int, lines: int) -> list[str]:
        """Break a text at spaces into at most `lines` lines of `room` pixels; what is left over becomes an ellipsis."""
        words = text.split(" ")
        wrapped: list[str] = []
        while words and len(wrapped) < lines - 1:
            count = len(words)
            while count > 1 and self.width(" ".join(words[:count]), size) > room:
                count -= 1
            wrapped.append(self.shorten(" ".join(words[:count]), size, room))
            words = words[count:]
        if words:
            wrapped.append(self.shorten(" ".join(words), size, room))
        return wrapped
