"""The figure of an experiment on shifts, from what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poolcli.display import printable
from poolcli.experiments.drawn_maps import level_maps
from poolcli.figures import text as lettering
from poolcli.figures.captions import caption, short_name
from poolcli.figures.panels import PADDING_FRAME, has_padding_frame
from poolcli.figures.score_chart import Series
from poolcli.figures.shift_maps import ShiftFigure, render

if TYPE_CHECKING:
    from poolcli.experiments.invariance import Invariance


def figure_bytes(found: Invariance, summary: str, fmt: str) -> bytes:
    """Draw what was found, which holds the maps for it.

    Parameters
    ----------
    found : Invariance
        Measured with a panel.
    summary : str
        What was shifted how far.
    fmt : {"png", "svg", "pdf"}

    Raises
    ------
    PoolcliError
        Matplotlib, which draws SVG and PDF, does not load.
    """
    drawn = found.drawn
    assert drawn is not None
    recipe = found.recipes[0]
    still, moved, control = (level_maps(one, recipe) for one in (drawn.still, drawn.moved, drawn.control))
    kinds = list(found.levels[0].pools)
    name = short_name(printable(drawn.still.source))
    done, _ = caption(drawn.still, name)
    others = f"; numbers also of {', '.join(kinds[1:])}" if len(kinds) > 1 else ""
    notes = [*drawn.still.notes, *([PADDING_FRAME] if any(map(has_padding_frame, drawn.still.stages)) else [])]
    seen = " · ".join(
        [summary, "score: 1 if shifts change nothing, 0 if shifted copies are no more alike than the control", *notes]
    )
    figure = ShiftFigure(
        drawn.still,
        (still, moved, drawn.differences, control),
        drawn.shift,
        [[f"{level.pools[kind].distinct} of {found.shifts}" for level in found.levels] for kind in kinds],
        [Series(kind, [level.pools[kind].score for level in found.levels]) for kind in kinds],
        name,
        (lettering.drawable(f"{done}{others}"), lettering.drawable(seen)),
    )
    return render(figure, fmt)
