"""An explanation as an animated GIF in which the window slides over the input."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poolcli.errors import SizeError
from poolcli.explanation.grid_maps import largest_magnitude, traced_maps, unmarked_maps
from poolcli.explanation.number_grid import check_grid_size
from poolcli.figures import grid, grid_layout, sliding_window

if TYPE_CHECKING:
    from poolcli.explanation.stages import Explanation


def sliding_window_gif(explanation: Explanation, every: int | None) -> tuple[bytes, int]:
    """Draw the windows of the last step one after the other, each traced back to the input.

    Parameters
    ----------
    explanation : Explanation
    every : int or None
        Every how many-th window gets a frame; None takes the smallest number that gives at most 100 frames.

    Returns
    -------
    data : bytes
        The contents of a ``.gif`` file.
    every : int
        Every how many-th window has a frame.

    Raises
    ------
    SizeError
        A map is too large for a number grid, or `every` gives more than 100 frames.
    """
    check_grid_size(explanation)
    last = explanation.stages[-1]
    least = -(-last.windows // sliding_window.MAX_FRAMES)
    step = least if every is None else every
    cells = range(0, last.windows, step)
    if len(cells) > sliding_window.MAX_FRAMES:
        msg = f"{last.windows} windows make {len(cells)} frames; a .gif has at most {sliding_window.MAX_FRAMES}, write --every {least} or more"
        raise SizeError(msg)
    unmarked = [unmarked_maps(one, largest_magnitude(explanation)) for one in explanation.channels]
    frames = []
    for cell in cells:
        maps, lines = traced_maps(explanation, divmod(cell, last.shape[1]), unmarked)
        frames.append(sliding_window.AnimationFrame(maps, lines, last.windows if cell == cells[-1] else cell + 1))
    without_lines = grid_layout.layout(frames[0].maps, 0, map_side=360)
    placed = grid_layout.layout(
        frames[0].maps, max(len(grid_layout.wrap_lines(one.lines, without_lines)) for one in frames), map_side=360
    )
    samples = [frames[0], frames[len(frames) // 2], frames[-1]]
    palette = sliding_window.GifPalette(
        grid.draw(grid_layout.fill_first(one.maps, one.filled), one.lines, placed).pixels() for one in samples
    )
    return sliding_window.encode_gif(frames, placed, palette), step
