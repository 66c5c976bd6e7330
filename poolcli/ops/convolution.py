"""Conv2D and ReLU, as stages over strips and as functions of arrays.

Convolution is cross-correlation, as in every framework: the kernel is not flipped. The padding is zeros, which add
nothing, so a tap that falls into it is left out. Weights of zero are skipped, and +-1 need no multiplication.
"""

from __future__ import annotations

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

    Tap = tuple[Any, NDArray[Any], float]
    """Where in the output, the cells, their weight."""

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
        self.chunk = chunk_rows(planes, window.cols.length, self.values.dtype.itemsize, window.rows.stride)

    def strips(self, rows: Rows, chunks: Iterable[Pair]) -> Iterator[NDArray[Any]]:
        scratch = rows.scratch
        kind = self.values.dtype
        columns = dict(_numbered(self.window.cols, 0, self.window.cols.out, 0))
        for a, b in chunks:
            lo, hi = self.needs(a, b)
            cells = rows.get(lo, hi)
            if cells.dtype != kind:
                wide = scratch.empty("cells", cells.shape, kind)
                wide[...] = cells
                cells = wide
            acc = scratch.empty("acc", (rows.planes, b - a, self.window.cols.out), kind)
            # 0 times NaN or infinity is NaN in every framework, so zeros are skipped among finite values only.
            every = kind.kind == "f" and not np.isfinite(np.add.reduce(cells, axis=None))
            lines = list(_numbered(self.window.rows, a, b, lo))
            taps = [
                ((slice(None), out_rows, out_cols), cells[:, in_rows, in_cols], self.weights[i, j])
                for i, (out_rows, in_rows) in lines
                for j, (out_cols, in_cols) in columns.items()
                if self.weights[i, j] or every
            ]
            if self.down.any():
                tall = scratch.empty("tall", (rows.planes, b - a, self.window.cols.length), kind)
                stacked = [
                    ((slice(None), out_rows), cells[:, in_rows], self.down[i])
                    for i, (out_rows, in_rows) in lines
                    if self.down[i]
                ]
                _weigh(_fullest_first(stacked, tall), tall, scratch)
                taps += [
                    ((slice(None), slice(None), out_cols), tall[:, :, in_cols], self.across[j])
                    for j, (out_cols, in_cols) in columns.items()
                    if self.across[j]
                ]
            _weigh(taps if kind.kind == "f" else _fullest_first(taps, acc), acc, scratch)
            yield acc
        rows.drain()


def _numbered(axis: Axis | AdaptiveAxis, a: int, b: int, first: int) -> Iterator[tuple[int, tuple[slice, slice]]]:
    """Taps that read real cells for some output, with their place in the kernel."""
    assert isinstance(axis, Axis)  # kernels slide
    for i in range(axis.size):
        one = axis.tap(i, a, b, first)
        if one is not None:
            yield i, one


def _fullest_first(taps: list[Tap], acc: NDArray[Any]) -> list[Tap]:
    """Integers are exact in any order: first a tap that every output has, so that nothing need be cleared."""
    return sorted(taps, key=lambda tap: (tap[1].shape != acc.shape, abs(tap[2]) == 1))


def _weigh(taps: list[Tap], acc: NDArray[Any], scratch: Scratch) -> None:
    """Sum weight * cells over the taps, in their order."""
    kind = acc.dtype.type
    if taps and taps[0][1].shape == acc.shape:
        np.multiply(taps[0][1], kind(taps[0][2]), out=acc)
        taps = taps[1:]
    else:
        acc.fill(0)
    for where, cells, weight in taps:
        part = acc[where]
        if weight == 1:
            np.add(part, cells, out=part)
        elif weight == -1:
            np.subtract(part, cells, out=part)
        else:
            product = scratch.empty("product", cells.shape, acc.dtype)
            np.multiply(cells, kind(weight), out=product)
            np.add(part, product, out=part)


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
