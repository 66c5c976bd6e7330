"""Pooling as stages over strips: windows of a kind, the binomial that antialiases them, and the settings of a step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from poolcli.ops.argmax import argmax
from poolcli.ops.pools import POOLS, PoolKind
from poolcli.ops.strips import STRIP_BYTES, WindowedStage, chunk_rows
from poolcli.ops.value_range import ValueRange
from poolcli.ops.window_view import WindowView
from poolcli.ops.windows import AdaptiveAxis, adaptive_window, pooling_window

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from poolcli.ops.settings import Padding, Pair
    from poolcli.ops.strips import Rows
    from poolcli.ops.windows import Window


ADAPTIVE_CELLS = 1 << 14
"""Cells of a chunk of adaptive windows, about: in larger ones, picking rows costs more than a Python step for each row."""


class PoolStage(WindowedStage):
    """Windows of one kind over a map of `before` values (a `strips.Stage`).

    Attributes
    ----------
    indices : ndarray of shape (planes, h, w), int64, or None
        Filled with the winners' positions when given.
    unit : float
        What the results are multiplied by at the end; for kinds that are `absolute`.
    plane : int
        The number of the array's first plane; for kinds that draw.
    """

    def __init__(
        self,
        window: Window,
        before: ValueRange,
        kind: PoolKind,
        parameters: Mapping[str, float],
        planes: int,
        count_include_pad: bool = False,
    ) -> None:
        self.window, self.before, self.kind, self.parameters = window, before, kind, parameters
        self.planes, self.count_include_pad = planes, count_include_pad
        self.indices: NDArray[np.int64] | None = None
        self.unit, self.plane = 1.0, 0
        self.shape = window.shape
        self.values = kind.result(before, window.most)._replace(missing=before.missing)
        itemsize = before.dtype.itemsize
        rows, cols = window.rows, window.cols
        self.chunk = chunk_rows(self.planes, cols.length, max(kind.itemsize, itemsize), rows.stride, least=rows.extent)
        network = sorting = False
        if kind.sorts:
            from poolcli.ops.rank_method import RankMethod, method_for

            method = method_for(before, window, all_ranks=kind.sorts == "all")
            network, sorting = method is RankMethod.NETWORK, method is RankMethod.SORTING
        if isinstance(rows, AdaptiveAxis) and not network:
            # one at a time, rows are slices; several save steps where they are short
            cells = self.planes * (rows.size * cols.length + cols.out)
            self.chunk = max(1, min(self.chunk, ADAPTIVE_CELLS // max(1, cells)))
        if sorting:  # all cells of all windows are held at once
            self.chunk = max(
                1, min(self.chunk, 4 * STRIP_BYTES // max(1, self.planes * self._held * cols.out * itemsize))
            )

    @property
    def _held(self) -> int:
        """Cells of a window that can be real for some output: not all, where it is much larger than the map."""
        rows, cols = self.window.rows, self.window.cols
        return min(rows.size, 2 * rows.length) * min(cols.size, 2 * cols.length)

    def strips(self, rows: Rows, chunks: Iterable[Pair]) -> Iterator[NDArray[Any]]:
        scratch = rows.scratch
        for chunk in chunks:
            view = WindowView(
                rows, self.window, self.before, chunk, scratch,
                count_include_pad=self.count_include_pad, unit=self.unit, plane=self.plane,
            )  # fmt: skip
            if self.indices is not None and self.kind.winner:
                better, neutral = self.kind.winner
                positions = self.indices[rows.group, chunk[0] : chunk[1]]
                best = argmax(view, better, neutral(self.before.dtype), positions)
                if self.before.missing:
                    from poolcli.ops.missing import best_of_present

                    best = best_of_present(view, better, best, positions)
                yield best
            else:
                result = self._reduced(view)
                if result.dtype != self.values.dtype:
                    cast = scratch.empty("result", result.shape, self.values.dtype)
                    np.copyto(cast, result, casting="unsafe")
                    result = cast
                yield result
        rows.drain()

    def _reduced(self, view: WindowView) -> NDArray[Any]:
        result = self.kind.reduce(view, **self.parameters)
        if not self.before.missing:
            return result
        from poolcli.ops.missing import without_missing

        return without_missing(view, self.kind, self.parameters, result, count_include_pad=self.count_include_pad)


class BinomialStage:
    """[1 2 1] x [1 2 1] / 16 with reflected border, at a stride: ceil(n / stride) outputs (a `strips.Stage`).

    Zhang, "Making Convolutional Networks Shift-Invariant Again" (2019), filter size 3. Of missing cells the weights are
    left out, and the sum is divided by the others.
    """

    def __init__(self, size: Pair, stride: Pair, before: ValueRange, planes: int) -> None:
        self.size, self.stride, self.before = size, stride, before
        self.shape = (-(-self.size[0] // self.stride[0]), -(-self.size[1] // self.stride[1]))
        self.values = ValueRange(np.dtype(np.float64 if self._wide else np.float32), missing=before.missing)
        self.chunk = chunk_rows(planes, self.size[1], 4, self.stride[0])

    @property
    def _wide(self) -> bool:
        if self.before.low is None or self.before.high is None:
            return self.before.dtype.itemsize > 4
        return max(abs(self.before.low), abs(self.before.high)) * 16 >= 1 << 24

    def needs(self, a: int, b: int) -> Pair:
        return max(a * self.stride[0] - 1, 0), min((b - 1) * self.stride[0] + 2, self.size[0])

    def boundary(self, a: int) -> int:
        return self.size[0] if a >= self.shape[0] else max(a * self.stride[0] - 1, 0)

    def strips(self, rows: Rows, chunks: Iterable[Pair]) -> Iterator[NDArray[Any]]:
        (height, width), (down, right) = self.size, self.stride
        kind = self.values.dtype.type
        columns = [_reflected(np.arange(self.shape[1]) * right + side, width) for side in (-1, 0, 1)]
        for a, b in chunks:
            lo, hi = self.needs(a, b)
            block = rows.get(lo, hi)
            above, here, below = (
                np.take(block, _reflected(np.arange(a, b) * down + side, height) - lo, axis=-2).astype(kind)
                for side in (-1, 0, 1)
            )
            mixed = above + here * kind(2) + below
            left, centre, right_ = (np.take(mixed, at, axis=-1) for at in columns)
            blurred = (left + centre * kind(2) + right_) * kind(1 / 16)
            if not np.isfinite(blurred).all():  # sums of large values may leave the range that their mean does not
                part = (above / 4 + here / 2 + below / 4).astype(kind)
                left, centre, right_ = (np.take(part, at, axis=-1) for at in columns)
                blurred = np.where(np.isfinite(blurred), blurred, left / 4 + centre / 2 + right_ / 4)
                if self.values.missing:
                    blurred = np.where(np.isnan(blurred), self._of_present(above, here, below, columns), blurred)
            yield blurred
        rows.drain()

    def _of_present(
        self, above: NDArray[Any], here: NDArray[Any], below: NDArray[Any], columns: list[NDArray[np.intp]]
    ) -> NDArray[Any]:
        """The weighted means of the cells that are not missing; NaN where there is none."""
        there = [~np.isnan(row) for row in (above, here, below)]
        cells = [
            np.where(real, row, 0).astype(np.float64) for real, row in zip(there, (above, here, below), strict=True)
        ]
        sums = []
        for up, middle, down in (cells, [real.astype(np.float64) for real in there]):
            mixed = up / 4 + middle / 2 + down / 4
            left, centre, right = (np.take(mixed, at, axis=-1) for at in columns)
            sums.append(left / 4 + centre / 2 + right / 4)
        return (sums[0] / sums[1]).astype(self.values.dtype)


def _reflected(cells: NDArray[np.intp], n: int) -> NDArray[np.intp]:
    """Cells -1 and n are 1 and n - 2; a single cell is its own neighbour."""
    mirrored = np.where(cells < 0, -cells, np.where(cells >= n, 2 * (n - 1) - cells, cells))
    return np.clip(mirrored, 0, n - 1)


class Pooling(NamedTuple):
    """The settings of a pooling step, checked: what `pool2d`, `adaptive_pool2d` and a recipe's pool stage share.

    Attributes
    ----------
    kind : str
        A name of `POOLS`.
    parameters : dict
        All parameters of the kind, by name.
    size, stride, dilation : (height, width)
        `size` is ignored where `output_size` is given.
    padding : as `settings.padding_pairs` returns it
    output_size : (height or None, width or None), or None for sliding windows
    """

    kind: str
    parameters: dict[str, float]
    size: Pair = (2, 2)
    stride: Pair = (2, 2)
    padding: Padding = "valid"
    dilation: Pair = (1, 1)
    ceil: bool = False
    count_include_pad: bool = False
    output_size: tuple[int | None, int | None] | None = None

    def stages(self, shape: Pair, values: ValueRange, planes: int) -> tuple[PoolStage, *tuple[BinomialStage, ...]]:
        """The stages that do this to a map of `shape`: the windows, and what follows them.

        Raises
        ------
        SizeError
            The window does not fit the map.
        """
        pool = POOLS[self.kind]
        if self.output_size is not None:
            window = adaptive_window(shape, self.output_size)
        else:
            stride = (1, 1) if pool.smooth else self.stride
            window = pooling_window(shape, self.size, stride, self.padding, self.dilation, ceil=self.ceil)
        stage = PoolStage(window, values, pool, self.parameters, planes, self.count_include_pad)
        if not pool.smooth:
            return (stage,)
        stride = (1, 1) if self.output_size is not None else self.stride
        return stage, BinomialStage(stage.shape, stride, stage.values, planes)
