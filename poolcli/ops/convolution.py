"""Conv2D and ReLU, as stages over strips and as functions of arrays.

Convolution is cross-correlation, as in every framework: the kernel is not flipped. The padding is zeros, which add
nothing, so a tap that falls into it is left out. Weights of zero are skipped, and +-1 need no multiplication.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from poolcli.ops import arrays
from poolcli.ops.kernels import factors, weights_of
from poolcli.ops.strips import Windowed, chunk_rows, group_size, run
from poolcli.ops.values import Values
from poolcli.ops.windows import Axis, padding_pairs, pair, sliding_window

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import ArrayLike, NDArray

    from poolcli.ops.strips import Rows
    from poolcli.ops.values import Scratch
    from poolcli.ops.windows import AdaptiveAxis, Padding, Pair, Window

LARGEST_SUM = 2.0**100
"""Weights that add up to more could leave float32's range on the way to a sum that does not."""

FLOAT32_TAPS = 32
"""Kernels of more weights are summed in float64: their rounding would otherwise show in the sixth digit."""


def filtered_values(before: Values, weights: NDArray[np.float64]) -> Values:
    """What a filtered map holds: the smallest integer type for whole weights on integers, else floats."""
    if before.low is not None and before.high is not None and (weights == np.round(weights)).all():
        ends = [sorted((int(w) * before.low, int(w) * before.high)) for w in weights.flat if w]
        values = Values.integers(min(0, sum(e[0] for e in ends)), max(0, sum(e[1] for e in ends)))
        if values.whole:
            return values
    wide = before.dtype.itemsize > 4 or weights.size > FLOAT32_TAPS or np.abs(weights).sum() > LARGEST_SUM
    return Values(np.dtype(np.float64 if wide else np.float32))


class ConvStage(Windowed):
    """A kernel over a map of `before` values (a `strips.Stage`)."""

    def __init__(self, window: Window, before: Values, weights: NDArray[np.float64], planes: int) -> None:
        self.window = window
        self.shape = window.shape
        self.values = filtered_values(before, weights)
        # In any order, integers that wrap around on the way come back: only the result has to fit.
        top = np.iinfo(self.values.dtype).max if self.values.dtype.kind == "i" else 0
        self.down, self.across, self.weights = factors(weights, top)
        self.stacks = bool(self.down.any())
        self.chunk = chunk_rows(planes, window.cols.length, self.values.dtype.itemsize, window.rows.stride)

    def strips(self, rows: Rows, chunks: Iterable[Pair]) -> Iterator[NDArray[Any]]:
        scratch = rows.scratch
        kind = self.values.dtype
        for a, b in chunks:
            cells = rows.get(*self.needs(a, b))
            if cells.dtype != kind:
                wide = scratch.empty("cells", cells.shape, kind)
                wide[...] = cells
                cells = wide
            acc = scratch.empty("acc", (rows.planes, b - a, self.window.cols.out), kind)
            # 0 times NaN or infinity is NaN in every framework, so zeros are skipped among finite values only.
            every = kind.kind == "f" and not np.isfinite(np.add.reduce(cells, axis=None))
            stacked, taps = _taps_of(self, a, b, every)
            tall = cells
            if self.stacks:
                tall = scratch.empty("tall", (rows.planes, b - a, self.window.cols.length), kind)
                _weigh(stacked, cells, cells, tall, scratch)
            _weigh(taps, cells, tall, acc, scratch)
            yield acc
        rows.drain()

    def taps(self, a: int, b: int, *, every: bool) -> tuple[list[Tap], list[Tap]]:
        """What is added up for output rows a…b-1: what is stacked to the tall map first, and then what all is made of.

        With `every`, weights of zero too.
        """
        window, whole = self.window, self.values.whole
        lines = _numbered(window.rows, a, b, self.needs(a, b)[0])
        columns = _numbered(window.cols, 0, window.cols.out, 0)
        here = _Side(slice(0, b - a), slice(0, b - a))
        taps = [
            Tap(line, column, self.weights[i, j])
            for i, line in lines
            for j, column in columns
            if self.weights[i, j] or every
        ]
        taps += [Tap(here, column, self.across[j], tall=True) for j, column in columns if self.across[j]]
        if not self.stacks:
            return [], _fullest_first(taps, self.shape[1], b - a) if whole else taps
        wide = _Side(slice(0, window.cols.length), slice(0, window.cols.length))
        stacked = [Tap(line, wide, self.down[i]) for i, line in lines if self.down[i]]
        return _fullest_first(stacked, window.cols.length, b - a), _fullest_first(taps, self.shape[1], b - a)


@lru_cache(maxsize=64)
def _taps_of(stage: ConvStage, a: int, b: int, every: bool) -> tuple[list[Tap], list[Tap]]:
    """Kept, since many pictures are alike."""
    return stage.taps(a, b, every=every)


class _Side(NamedTuple):
    """The outputs of a tap along an axis, and the cells that they read."""

    out: slice
    cells: slice


class Tap(NamedTuple):
    """One weight: the outputs that have it, the cells they read, and whether these are of the tall map."""

    rows: _Side
    cols: _Side
    weight: float
    tall: bool = False


def _numbered(axis: Axis | AdaptiveAxis, a: int, b: int, first: int) -> list[tuple[int, _Side]]:
    """Taps that read real cells for some output, with their place in the kernel."""
    assert isinstance(axis, Axis)  # kernels slide
    found = [(i, axis.tap(i, a, b, first)) for i in range(axis.size)]
    return [(i, _Side(*one)) for i, one in found if one is not None]


def _fullest_first(taps: list[Tap], width: int, height: int) -> list[Tap]:
    """Integers are exact in any order: first a tap that every output has, so that nothing need be cleared."""
    whole = slice(0, height), slice(0, width)
    return sorted(taps, key=lambda tap: ((tap.rows.out, tap.cols.out) != whole, abs(tap.weight) == 1))


def _weigh(taps: list[Tap], map_cells: NDArray[Any], tall: NDArray[Any], acc: NDArray[Any], scratch: Scratch) -> None:
    """Sum weight * cells over the taps, in their order."""
    kind, whole = acc.dtype.type, acc.dtype.kind != "f"
    begun = False
    for (out_rows, in_rows), (out_cols, in_cols), weight, of_tall in taps:
        lines = (tall if of_tall else map_cells)[:, in_rows]
        cells = lines[:, :, in_cols]
        if not begun:
            begun = True
            if cells.shape == acc.shape:
                np.multiply(cells, kind(weight), out=acc)
                continue
            acc.fill(0)
        held = acc[:, out_rows]
        moved = out_cols.start - in_cols.start
        run = whole and moved and in_cols.step == 1 and lines.shape == held.shape
        if run and lines.flags.c_contiguous and held.flags.c_contiguous:
            cells, part = lines, held
        else:
            part, moved = held[:, :, out_cols], 0
        if abs(weight) != 1:
            product = scratch.empty("product", cells.shape, acc.dtype)
            cells = np.multiply(cells, kind(weight), out=product)
        add, undo = (np.subtract, np.add) if weight == -1 else (np.add, np.subtract)
        if moved:
            _add_moved(add, undo, cells, moved, part)
        else:
            add(part, cells, out=part)
    if not begun:
        acc.fill(0)


def _add_moved(add: np.ufunc, undo: np.ufunc, cells: NDArray[Any], by: int, part: NDArray[Any]) -> None:
    """Add cells to those `by` columns to the right, in one run over all rows.

    What has moved across the end of a row is taken back: of integers nothing stays, and one long loop takes a third of
    the time of many short ones.
    """
    run, held = cells.ravel(), part.ravel()
    width = cells.shape[2]
    lines, into = cells.reshape(-1, width), part.reshape(-1, width)
    if by > 0:
        add(held[by:], run[:-by], out=held[by:])
        undo(into[1:, :by], lines[:-1, -by:], out=into[1:, :by])
    else:
        add(held[:by], run[-by:], out=held[:by])
        undo(into[:-1, by:], lines[1:, :-by], out=into[:-1, by:])


class ReluStage:
    """max(x, 0) (a `strips.Stage`)."""

    def __init__(self, size: Pair, before: Values, planes: int) -> None:
        self.size = self.shape = size
        self.before = self.values = before
        if before.low is not None and before.high is not None:
            self.values = Values(before.dtype, max(before.low, 0), max(before.high, 0))
        self.chunk = chunk_rows(planes, size[1], before.dtype.itemsize, 1)

    def needs(self, a: int, b: int) -> Pair:
        return a, b

    def boundary(self, a: int) -> int:
        return a

    def strips(self, rows: Rows, chunks: Iterable[Pair]) -> Iterator[NDArray[Any]]:
        scratch = rows.scratch
        zero = np.zeros(self.size[1], self.before.dtype)  # a row: numpy's loops against one number are slower
        for a, b in chunks:
            cells = rows.get(a, b)
            # A strip is the stage's before to overwrite, an array is its owner's.
            strip = cells if rows.passing else scratch.empty("strip", cells.shape, cells.dtype)
            yield np.maximum(cells, zero, out=strip)
        rows.drain()


class Convolution(NamedTuple):
    """The settings of a filter step, checked."""

    weights: NDArray[np.float64]
    stride: Pair = (1, 1)
    padding: Padding = "same"
    dilation: Pair = (1, 1)

    def stages(self, shape: Pair, values: Values, planes: int) -> tuple[ConvStage]:
        """The stage that does this to a map of `shape`.

        Raises
        ------
        SizeError
            The kernel does not fit the map.
        """
        height, width = self.weights.shape
        window = sliding_window(shape, (height, width), self.stride, self.padding, self.dilation, what="kernel")
        return (ConvStage(window, values, self.weights, planes),)


def convolution(kernel: Any, stride: Any = 1, padding: Any = "same", dilation: Any = 1) -> Convolution:
    """Check the settings of a filter step.

    Raises
    ------
    OptionError
        Any of them is wrong whatever the picture.
    """
    return Convolution(
        weights_of(kernel), pair("stride", stride), padding_pairs("padding", padding), pair("dilation", dilation)
    )


def conv2d(
    x: ArrayLike,
    kernel: Any,
    stride: int | Pair = 1,
    padding: Any = "same",
    dilation: int | Pair = 1,
    threads: int = 1,
) -> NDArray[Any]:
    """Filter the last two axes by cross-correlation: y[r, c] = sum of kernel[i, j] x[r s + i d - top, c s + j d - left].

    Parameters
    ----------
    x : array_like of shape (..., H, W)
        Any real type; leading axes are independent planes.
    kernel : str or array_like of shape (kh, kw)
        A name of `KERNELS` or the weights; not flipped.
    stride, dilation : int or (height, width)
    padding : str, int, (height, width) or ((top, bottom), (left, right))
        ``"same"``, ``"same-lower"``, ``"valid"`` or any number of zeros.
    threads : int
        Threads to use; the result does not depend on it.

    Returns
    -------
    ndarray of shape (..., h, w), float32 (float64 for float64)
        Exact before that last rounding for integers of up to 32 bits and whole weights, where the sum of the type's
        largest values fits 64 bits; on values in 0…1 within 2e-6 of PyTorch and TensorFlow.

    Raises
    ------
    OptionError
        A malformed kernel or a setting that is wrong for every x.
    SizeError
        The kernel is larger than the padded plane.

    Examples
    --------
    >>> conv2d([[0, 0, 0], [0, 1, 0], [0, 0, 0]], "emboss")
    array([[ 2.,  1.,  0.],
           [ 1.,  1., -1.],
           [ 0., -1., -2.]], dtype=float32)
    """
    planes, lead = arrays.planes_of(x)
    step = convolution(kernel, stride, padding, dilation)
    threads = arrays.thread_count(threads)
    group = group_size(len(planes), planes.shape[2], planes.itemsize)
    (stage,) = step.stages((planes.shape[1], planes.shape[2]), Values.of(planes.dtype), group)
    out = np.empty((planes.shape[0], *stage.shape), arrays.real_type(planes.dtype))
    run(planes, (stage,), out, threads=threads)
    return out.reshape(*lead, *stage.shape)


def relu(x: ArrayLike) -> NDArray[Any]:
    """max(x, 0): negative values become 0, NaN stays.

    Parameters
    ----------
    x : array_like
        Any real type and shape.

    Returns
    -------
    ndarray, shape and type of x

    Raises
    ------
    OptionError
        x holds no real numbers.

    Examples
    --------
    >>> relu([-1.5, 2.0])
    array([0., 2.])
    """
    array = arrays.real(x)
    return np.maximum(array, array.dtype.type(0))
