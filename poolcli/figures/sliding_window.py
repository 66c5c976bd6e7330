"""Number grids as an animated GIF: one palette without dithering, and only the changed parts of a frame are drawn."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from poolcli.figures import grid, grid_layout
from poolcli.figures.canvas import Canvas
from poolcli.images.embedded import maker

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from poolcli.figures.grid_layout import GridMap, Layout
    from poolcli.figures.layout import Box

MAX_FRAMES = 100
STEP, LAST = 900, 2500
"""Milliseconds that a frame is shown, and that the last one is."""
UNCHANGED = 255
"""Index in the palette that keeps the pixel of the frame before; it is the transparent colour."""


class AnimationFrame(NamedTuple):
    """One frame of the animation.

    Attributes
    ----------
    maps : sequence of GridMap
        With outlines and winners.
    lines : sequence of str
        The text below the maps.
    filled : int
        How many cells of the results show their value.
    """

    maps: Sequence[GridMap]
    lines: Sequence[str]
    filled: int


class GifPalette:
    """A palette of 255 colours for all frames: the most frequent colours, to which others are rounded.

    Parameters
    ----------
    samples : iterable of ndarray of shape (h, w, 3), uint8
        Frames that together contain nearly all colours of the animation.

    Attributes
    ----------
    colors : ndarray of shape (n, 3), uint8
    """

    def __init__(self, samples: Iterable[NDArray[np.uint8]]) -> None:
        packed = np.concatenate([_packed(one).ravel() for one in samples])
        colors, counts = np.unique(packed, return_counts=True)
        kept = np.sort(colors[np.argsort(-counts, kind="stable")[:UNCHANGED]])
        self.colors: NDArray[np.uint8] = np.stack([kept >> 16, kept >> 8 & 255, kept & 255], axis=1).astype(np.uint8)
        self._places = np.full(1 << 24, -1, np.int16)
        self._places[kept] = np.arange(len(kept))

    def indices(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The index of each pixel's colour: ndarray of shape (h, w), uint8, from one of shape (h, w, 3)."""
        packed = _packed(rgb)
        found = self._places[packed]
        if (found < 0).any():
            missing = np.unique(packed[found < 0])
            wanted = np.stack([missing >> 16, missing >> 8 & 255, missing & 255], axis=1)
            distance = np.square(wanted[:, None] - self.colors[None].astype(np.int32)).sum(axis=2)
            self._places[missing] = distance.argmin(axis=1)
            found = self._places[packed]
        return found.astype(np.uint8)


def _packed(rgb: NDArray[np.uint8]) -> NDArray[np.int32]:
    wide = rgb.astype(np.int32)
    return wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]


def draw_frames(frames: Iterable[AnimationFrame], placed: Layout) -> Iterator[tuple[NDArray[np.uint8], list[Box]]]:
    """Draw frames one after the other into one array, changing only the parts that differ.

    Parameters
    ----------
    frames : iterable of AnimationFrame
        Their maps differ in outlines and winners only.
    placed : Layout

    Yields
    ------
    sheet : ndarray of shape (height, width, 3), uint8
        The frame, equal to what `grid.draw` makes of it. The next frame is drawn into the same array.
    boxes : list of Box
        The parts that may differ from the frame before.
    """
    plain, sheet, done = None, None, 0
    marked: list[Box] = []
    for frame in frames:
        if plain is None or sheet is None:
            bare = [replace(one, outlines=(), winners=()) for one in frame.maps]
            plain = grid.draw(grid_layout.fill_first(bare, 0), [], placed).pixels()
            sheet = plain.copy()
        for box in marked:  # restore what the marks of the frame before covered
            _part(sheet, box)[:] = _part(plain, box)
        filled = Canvas(placed.width, placed.height)
        for one, origin in zip(frame.maps, placed.places, strict=True):
            if one.last:
                _cells(filled, one, origin, placed, range(done, frame.filled))
        done = frame.filled
        filled.paint(plain)
        for box in filled.boxes():
            _part(sheet, box)[:] = _part(plain, box)
        marks = Canvas(placed.width, placed.height)
        for one, origin in zip(frame.maps, placed.places, strict=True):
            wide = one.values.shape[1]
            _cells(marks, one, origin, placed, [row * wide + col for row, col in one.winners])
            grid.draw_marks(marks, one, origin, placed.side)
        grid.draw_lines(marks, frame.lines, placed)
        marks.paint(sheet)
        before, marked = marked, marks.boxes()
        yield sheet, [*before, *filled.boxes(), *marked]


def _cells(canvas: Canvas, one: GridMap, origin: tuple[int, int], placed: Layout, numbers: Iterable[int]) -> None:
    """Draw some cells of a map, given by their numbers in row-major order."""
    colors = one.colors()
    for number in numbers:
        grid.draw_cell(canvas, one, divmod(number, one.values.shape[1]), origin, placed, colors, lines=True)


def _part(sheet: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    return sheet[box.y : box.y + box.height, box.x : box.x + box.width]


def encode_gif(frames: Sequence[AnimationFrame], placed: Layout, palette: GifPalette) -> bytes:
    """Encode frames as a GIF that repeats without end.

    Parameters
    ----------
    frames : sequence of AnimationFrame
        Each differs from the one before; Pillow would merge equal neighbours into one.
    placed : Layout
    palette : GifPalette

    Returns
    -------
    bytes
    """
    images = _images(frames, placed, palette)
    data = io.BytesIO()
    next(images).save(
        data, "GIF", save_all=True, append_images=images, duration=[*[STEP] * (len(frames) - 1), LAST], loop=0,
        optimize=False, disposal=1, **maker("GIF"),
    )  # fmt: skip
    return data.getvalue()


def _images(frames: Sequence[AnimationFrame], placed: Layout, palette: GifPalette) -> Iterator[Image.Image]:
    """The first frame whole, then the changed pixels of each, as images of palette indices."""
    colors = palette.colors.tobytes().ljust(768, b"\0")
    held: NDArray[np.uint8] | None = None
    for sheet, boxes in draw_frames(frames, placed):
        if held is None:
            held = palette.indices(sheet)
            image = Image.fromarray(held.copy())  # Pillow may share the memory of the array, which changes
        else:
            frame = np.full_like(held, UNCHANGED)
            for box in boxes:
                there, new = _part(held, box), palette.indices(_part(sheet, box))
                differ = there != new
                _part(frame, box)[differ] = new[differ]
                there[differ] = new[differ]
            image = Image.fromarray(frame)
            image.info["transparency"] = UNCHANGED
        image.putpalette(colors)
        yield image
