"""The base of stages that compute several output rows at once, in groups that are the same for every strip and thread.

In another group, a sum may be rounded in another way. So groups begin at multiples of a fixed number of rows, whatever
rows are asked for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from poolcli.ops.borders import BorderedStage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from poolcli.ops.settings import Pair
    from poolcli.ops.strips import Rows
    from poolcli.ops.value_range import ValueRange
    from poolcli.ops.windows import Window


class GridStage(BorderedStage, ABC):
    """Output rows in groups of `step`, each group computed at once (a `strips.Stage`).

    Parameters
    ----------
    window : Window
    values : ValueRange
        Of the results.
    mode : str
        A name of `PADDING_MODES`.
    step : int
        Output rows of a group; the last group of a map may have fewer.
    columns : int
        Columns that a group computes: the map's, or more.
    """

    def __init__(self, window: Window, values: ValueRange, mode: str, step: int, columns: int) -> None:
        super().__init__(window, mode)
        self.values, self.step, self.chunk, self.columns = values, step, step, columns

    @abstractmethod
    def compute(self, rows: Rows, a: int, b: int, made: NDArray[Any]) -> None:
        """Write output rows a…b-1, one group, into the first rows of `made`, shape (planes, step, columns)."""

    def needs(self, a: int, b: int) -> Pair:
        return self.border.needs(*self._span(a, b))

    def _span(self, a: int, b: int) -> Pair:
        """The positions that the groups of outputs a…b-1 read."""
        step = self.step
        return self.border.span(a // step * step, min(-(-b // step) * step, self.window.rows.out))

    def strips(self, rows: Rows, chunks: Iterable[Pair]) -> Iterator[NDArray[Any]]:
        scratch, kind = rows.scratch, self.values.dtype
        step, (height, width) = self.step, self.shape
        ready, made = -1, scratch.empty("group", (rows.planes, step, self.columns), kind)
        for a, b in chunks:
            if a % step == 0 and b - a <= step:  # most strips are a group
                if a // step != ready:
                    self.compute(rows, a, min(a + step, height), made)
                    ready = a // step
                yield made[:, : b - a, :width]
                continue
            acc = scratch.empty("acc", (rows.planes, b - a, width), kind)
            for number in range(a // step, -(-b // step)):
                top = number * step
                if number != ready:
                    self.compute(rows, top, min(top + step, height), made)
                    ready = number
                lo, hi = max(a, top), min(b, top + step)
                acc[:, lo - a : hi - a] = made[:, lo - top : hi - top, :width]
            yield acc
        rows.drain()
