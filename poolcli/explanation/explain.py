"""`poolcli.explain`: explains every number of a small picture; a notebook shows the result as a page."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from poolcli.explanation import page as pages
from poolcli.explanation.crop import centre_crop, crop_picture
from poolcli.explanation.explain_picture import explain_picture
from poolcli.explanation.serialize import explanation_record
from poolcli.explanation.text import explanation_text
from poolcli.pipeline.engine import read_picture
from poolcli.pipeline.recipe import Recipe

if TYPE_CHECKING:
    from poolcli.explanation.stages import ExplainedStage, Explanation
    from poolcli.ops.settings import Pair


@dataclass(frozen=True, eq=False)
class ExplainResult:
    """What `poolcli.explain` returns: shown as a page in a notebook, and as text when printed.

    Attributes
    ----------
    explanation : Explanation
        All maps and windows. With several channels those of the first; `explanation.channels` has all.
    window : (row, column) or None
        The cell of the last map that text and page begin with.
    """

    explanation: Explanation
    window: Pair | None = None

    @property
    def stages(self) -> tuple[ExplainedStage, ...]:
        """The stages of the first channel, one per step; `stage.cell(row, col)` is one value and its window."""
        return self.explanation.stages

    @property
    def text(self) -> str:
        """The explanation as plain text."""
        return explanation_text(self.explanation, self.window)

    @property
    def page(self) -> str:
        """The explanation as an HTML page that needs no network."""
        return pages.page(self.explanation, self.window)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of ``poolcli explain --json``."""
        return explanation_record(self.explanation)

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        held = html.escape(self.page, quote=True)
        return (
            f'<iframe srcdoc="{held}" style="width: 100%; height: 720px; border: 0" sandbox="allow-scripts"></iframe>'
        )


def explain(x: Any, recipe: Recipe | None = None, window: Pair | None = None) -> ExplainResult:
    """Explain every number that a recipe computes from a small picture.

    Parameters
    ----------
    x : path, Pillow image, or array_like of shape (H, W) or (H, W, C)
        As in `run`. Of a picture of more than 128 rows or columns the middle is explained.
    recipe : Recipe, optional
        Made by `poolcli.recipe`; 2x2 max pooling by default.
    window : (row, column), optional
        The cell of the last map to begin with, counted from 0.

    Returns
    -------
    ExplainResult
        Shows itself as a page in a notebook, and as text when printed.

    Raises
    ------
    ImageError
        The picture cannot be read.
    SizeError
        A window does not fit its map, or `window` is outside the last map.

    Examples
    --------
    >>> import numpy as np
    >>> explained = explain(np.arange(1.0, 17).reshape(4, 4))
    >>> explained.stages[0].cell(0, 1).arithmetic
    'max(3, 4, 7, 8) = 8'
    """
    recipe = Recipe() if recipe is None else recipe
    picture = read_picture(x, recipe)
    shape = (picture.values.shape[0], picture.values.shape[1])
    crop = centre_crop(shape, pages.DEFAULT_SIDE)
    part, full = crop_picture(picture, crop)
    made = explain_picture(part, recipe, crop, full)
    if window is not None:
        made.stages[-1].cell(*window)
    return ExplainResult(made, window)
