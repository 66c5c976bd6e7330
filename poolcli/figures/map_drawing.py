"""Drawing one map: cells as squares, numbers in the cells of a small map, and the kernel as a grid of numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from poolcli.figures import captions
from poolcli.figures import text as lettering
from poolcli.figures.layout import Box
from poolcli.figures.palettes import FRAME, color_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from poolcli.figures.canvas import Canvas
    from poolcli.figures.color_scale import Scale
    from poolcli.figures.palettes import Color

NUMBERED = 8
"""Most rows and columns of a map whose cells show their numbers."""
KERNEL = 7
"""Most rows and columns of a kernel that is drawn."""
KERNEL_CELL, KERNEL_TEXT = 24, 14


def draw_map(
    canvas: Canvas,
    x: int,
    y: int,
    values: NDArray[np.float32],
    scale: Scale,
    times: int | tuple[int, int],
    unread: tuple[float, float] = (0, 0),
) -> Box:
    """Draw a map with a frame around it.

    Parameters
    ----------
    canvas : Canvas
    x, y : int
        Position of its top left corner.
    values : ndarray of shape (h, w), or (h, w, 3) for an RGB scale, float32
    scale : Scale
    times : int or (height, width)
        Size of a cell in pixels.
    unread : (rows, columns)
        How many rows at the bottom and columns at the right are hatched; fractions of a displayed cell are allowed.

    Returns
    -------
    Box
        The pixels of the map.
    """
    high, wide = (times, times) if isinstance(times, int) else times
    colors = scale.colors(values)
    canvas.picture(x, y, colors.repeat(high, axis=0).repeat(wide, axis=1))
    box = Box(x, y, values.shape[1] * wide, values.shape[0] * high)
    canvas.frame(box, FRAME)
    low, right = (max(1, round(n * side)) if n else 0 for n, side in zip(unread, (high, wide), strict=True))
    if low:
        canvas.hatch(Box(box.x, box.y + box.height - low, box.width, low))
    if right:
        canvas.hatch(Box(box.x + box.width - right, box.y, right, box.height))
    if values.ndim == 2 and max(values.shape) <= NUMBERED:
        largest = float(np.abs(values).max(initial=0, where=np.isfinite(values)))
        number_cells(canvas, box, values, colors, lambda value: captions.number(value, largest), over=True)
    return box


def number_cells(
    canvas: Canvas,
    box: Box,
    values: NDArray[np.float32],
    colors: NDArray[np.uint8],
    label: Callable[[float], str] = captions.number,
    largest: int = 60,
    over: bool = False,
) -> None:
    """Write the numbers of a map into its cells, if all of them fit.

    Parameters
    ----------
    canvas : Canvas
    box : Box
        The pixels of the map.
    values : ndarray of shape (h, w), float32
    colors : ndarray of shape (h, w, 3), uint8
        The colours of the cells.
    label : callable
        Gives the text of a value.
    largest : int
        Largest size of the text, in pixels.
    over : bool
        The map is drawn already: fill only the ground behind each number, so that numbers on hatching can be read.
    """
    rows, cols = values.shape
    high, wide = box.height // rows, box.width // cols
    texts = [[label(float(value)) for value in row] for row in values]
    longest = max((text for row in texts for text in row), key=len)
    sizes = [size for size in (60, 48, 36, 26, 22, 18, 16, 14, 12, 10) if size <= largest]
    size = next((s for s in sizes if lettering.text_width(longest, s) <= 0.86 * wide and s <= 0.7 * high), 0)
    if not size:
        return
    for i, row in enumerate(texts):
        for j, text in enumerate(row):
            red, green, blue = (int(level) for level in colors[i, j])
            fill: Color = (red, green, blue)
            cell = Box(box.x + j * wide, box.y + i * high, wide, high)
            if over:
                cell = cell.centred(min(wide, lettering.text_width(text, size) + 8), min(high, size + 4))
            canvas.cell(cell, text, fill, size)


def kernel_size(weights: NDArray[np.float32] | None) -> tuple[int, int]:
    """Width and height in pixels of a kernel's grid; (0, 0) without kernel or for one that is too large to draw."""
    if weights is None or max(weights.shape) > KERNEL:
        return 0, 0
    wide = max(KERNEL_CELL, *(lettering.text_width(_weight(w), KERNEL_TEXT) + 8 for w in weights.ravel().tolist()))
    return weights.shape[1] * wide, weights.shape[0] * KERNEL_CELL


def draw_kernel(canvas: Canvas, x: int, y: int, weights: NDArray[np.float32]) -> None:
    """Draw the weights of a kernel as a grid of numbers; large weights are light, as in Kaggle's lessons."""
    width, height = kernel_size(weights)
    low, high = float(weights.min()), float(weights.max())
    levels = np.full(weights.shape, 160.0) if low == high else (weights - low) / (high - low) * 255
    colors = color_table("Blues_r")[np.rint(levels).astype(np.uint8)]
    box = Box(x, y, width, height)
    canvas.frame(box, FRAME)
    number_cells(canvas, box, weights, colors, _weight, KERNEL_TEXT)


def _weight(value: float) -> str:
    text = f"{value:.3g}".replace("-", "−")
    return text.replace("0.", ".", 1) if "e" not in text and abs(value) < 1 else text
