"""The explanation of a run: its stages with their maps, and each value with its window, arithmetic and winner."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from poolcli.errors import SizeError
from poolcli.explanation.arithmetic import WindowCells, convolution_text, pooling_text, relu_text
from poolcli.explanation.number_text import number_text
from poolcli.ops.pools import POOLS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from poolcli.explanation.axis_windows import AxisWindows
    from poolcli.ops.settings import Pair
    from poolcli.pipeline.result import Result


class Cell(NamedTuple):
    """One value of a map and the window that it is computed from.

    Attributes
    ----------
    at : (row, column)
        The position of the value in the stage's map.
    rows, cols : (first, last)
        The positions that the window covers in the map before; below 0, and from the size of that map on, is padding.
    values : list of list of float or None
        The cells of the window, in its shape; None for padding without a value and for missing cells.
    padded : int
        How many cells of the window are padding without a value.
    result : float
        The value.
    winner : (row, column) or None
        The first cell of the map before that equals the result; None for kinds that do not choose a cell.
    ties : int
        How many cells of the window equal the result; 0 for kinds that do not choose a cell.
    arithmetic : str
        ``"max(1, 2, 5, 6) = 6"``.
    """

    at: Pair
    rows: Pair
    cols: Pair
    values: list[list[Any]]
    padded: int
    result: Any
    winner: Pair | None
    ties: int
    arithmetic: str


@dataclass(frozen=True, eq=False)
class ExplainedStage:
    """One step of a run, with the map before and after it and the windows between them.

    Attributes
    ----------
    name, title, label : str
        As in `Result.stages`; `label` says where in the recipe the step is.
    operation : str
        ``"conv2d"``, ``"relu"`` or the kind of pooling.
    before, after : ndarray of shape (h, w), float32
        The maps before and after the step.
    raw : ndarray of shape (h, w)
        The map after the step in the numbers that the engine computes with, such as 0 to 255.
    rows, cols : AxisWindows
        The windows along both axes.
    size, stride, dilation : (height, width)
        Of the windows; the stride of an adaptive step is the mean distance between them.
    pads : ((top, bottom), (left, right))
        Rows and columns of padding.
    padding : str or ((top, bottom), (left, right))
        As in the recipe.
    weights : ndarray of shape (kh, kw), float64, or None
        The kernel of a filter.
    divisors : ndarray of shape (h, w), or None
        The divisor of each window's average.
    parameters : mapping
        The parameters of the kind of pooling, by name.
    counted : bool
        Whether padded zeros count in an average.
    number : int
        Which of several steps with the same heading this is, from 1; 0 if there is one only.
    """

    name: str
    title: str
    label: str
    operation: str
    before: NDArray[np.float32] = field(repr=False)
    after: NDArray[np.float32] = field(repr=False)
    raw: NDArray[Any] = field(repr=False)
    rows: AxisWindows
    cols: AxisWindows
    size: Pair
    stride: tuple[float, float]
    dilation: Pair
    pads: tuple[Pair, Pair]
    padding: Any
    weights: NDArray[np.float64] | None = field(default=None, repr=False)
    divisors: NDArray[np.intp] | None = field(default=None, repr=False)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    counted: bool = False
    number: int = 0

    @property
    def heading(self) -> str:
        """The title; with a number, or the block or repeat, where several steps have the same title."""
        places = [part for part in self.label.split(", ") if part.startswith(("block", "repeat"))]
        return ", ".join([f"{self.title} {self.number}" if self.number else self.title, *places])

    @property
    def shape(self) -> Pair:
        """Height and width of the map after the step."""
        height, width = self.after.shape
        return height, width

    @property
    def windows(self) -> int:
        """The number of windows."""
        return self.shape[0] * self.shape[1]

    @property
    def formula(self) -> tuple[str, str]:
        """The formulas of the number of rows and of columns, with their numbers."""
        return self.rows.formula, self.cols.formula

    def cells(self) -> Iterator[Cell]:
        """All cells of the map, in row-major order."""
        return (self.cell(row, col) for row in range(self.shape[0]) for col in range(self.shape[1]))

    def cell(self, row: int, col: int) -> Cell:
        """One value of the map, with its window.

        Raises
        ------
        SizeError
            The map has no such cell.
        """
        if not (0 <= row < self.shape[0] and 0 <= col < self.shape[1]):
            height, width = self.shape
            msg = (
                f"window {row},{col} of {self.label}: its map is {height}x{width}, "
                f"write 0,0 to {height - 1},{width - 1}"
            )
            raise SizeError(msg)
        lines, columns = self.rows.cells(row), self.cols.cells(col)
        places = [(r, c) for r in lines if r is not None for c in columns if c is not None]
        padded = len(lines) * len(columns) - len(places)
        missing = 0
        if self.operation != "relu":
            inside, places = places, [place for place in places if not np.isnan(self.before[place])]
            missing = len(inside) - len(places)
        there = set(places)
        held = [self.before[place] for place in places]
        values = [[self.before[r, c] if (r, c) in there else None for c in columns] for r in lines]
        result = self.after[row, col]
        winner, ties = self._winner(places, held, result)
        return Cell(
            (row, col),
            self.rows.span(row),
            self.cols.span(col),
            values,
            padded,
            result,
            winner,
            ties,
            self._arithmetic(row, col, lines, columns, held, missing)
            + self._padding_note(padded, len(places) + missing)
            + _missing_note(missing, len(lines) * len(columns)),
        )

    def _winner(self, places: list[Pair], held: list[Any], result: Any) -> tuple[Pair | None, int]:
        if not places:
            return None, 0
        if self.operation == "subsample":
            return places[0], 1
        if self.operation in POOLS and POOLS[self.operation].chooses:
            equal = [place for place, value in zip(places, held, strict=True) if value == result]
            return equal[0], len(equal)
        return None, 0

    def _arithmetic(
        self, row: int, col: int, lines: list[Any], columns: list[Any], held: list[Any], missing: int
    ) -> str:
        result = self.after[row, col]
        if self.operation == "relu":
            return relu_text(held[0], result)
        if not held and missing:
            return f"no cell = {number_text(result)}"
        if self.weights is None:
            divisor = len(held) if self.divisors is None else int(self.divisors[row, col]) - missing
            return pooling_text(self.operation, WindowCells(held, result, divisor, self.parameters))
        weights = [
            float(self.weights[i, j])
            for i, r in enumerate(lines)
            for j, c in enumerate(columns)
            if r is not None and c is not None and not (missing and np.isnan(self.before[r, c]))
        ]
        return convolution_text(weights, held, result, sum(weights) if missing else None)

    def _padding_note(self, padded: int, there: int) -> str:
        if not padded:
            return ""
        verb = "is" if padded == 1 else "are"
        what = "zeros" if self.weights is not None else "counted as 0" if self.counted else "not counted"
        return f" ({padded} of {padded + there} cells {verb} padding, {what})"


def _missing_note(missing: int, window: int) -> str:
    return f" ({missing} of {window} cells {'is' if missing == 1 else 'are'} missing, left out)" if missing else ""


@dataclass(frozen=True, eq=False)
class Explanation:
    """A picture, or a part of one, with every map that a recipe computes from it.

    Attributes
    ----------
    source : str
        Name of the picture.
    crop : (top, left, height, width) or None
        The part of the picture that is explained; None for the whole.
    full : (height, width)
        Size of the whole picture.
    values : ndarray of shape (h, w), float32
        The input.
    result : Result
        That of the run.
    stages : tuple of ExplainedStage
        One per step.
    channel : str
        Name of the channel; empty for a picture that has one only.
    others : tuple of Explanation
        Only in that of the first channel: the explanations of the other channels.
    """

    source: str
    crop: tuple[int, int, int, int] | None
    full: Pair
    values: NDArray[np.float32]
    result: Result
    stages: tuple[ExplainedStage, ...]
    channel: str = ""
    others: tuple[Explanation, ...] = ()

    @property
    def channels(self) -> tuple[Explanation, ...]:
        """The explanations of all channels."""
        return self, *self.others

    @property
    def shape(self) -> Pair:
        """Height and width of the input."""
        height, width = self.values.shape
        return height, width
