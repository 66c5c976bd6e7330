"""Conv2D and ReLU, as stages over strips and as functions of arrays.

Convolution is cross-correlation, as in every framework: the kernel is not flipped. `convolution_plan` chooses how it is
computed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from poolcli.ops import arrays
from poolcli.ops.borders import padding_mode_named
from poolcli.ops.kernels import weights_of
from poolcli.ops.settings import padding_pairs, pair
from poolcli.ops.strips import chunk_rows, group_size, run
from poolcli.ops.value_range import ValueRange
from poolcli.ops.windows import sliding_window

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import ArrayLike, NDArray

    from poolcli.ops.settings import Padding, Pair
    from poolcli.ops.strips import Rows, Stage


class ReluStage:
    """max(x, 0) (a `strips.Stage`)."""

    def __init__(self, size: Pair, before: ValueRange, planes: int) -> None:
        self.size = self.shape = size
        self.before = self.values = before
        if before.low is not None and before.high is not None:
            self.values = ValueRange(before.dtype, max(before.low, 0), max(before.high, 0))
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
            # A strip of the stage before may be overwritten; the caller's array may not.
            strip = cells if rows.passing else scratch.empty("strip", cells.shape, cells.dtype)
            yield np.maximum(cells, zero, out=strip)
        rows.drain()


class Convolution(NamedTuple):
    """The settings of a filter step, checked."""

    weights: NDArray[np.float64]
    stride: Pair = (1, 1)
    padding: Padding = "same"
    dilation: Pair = (1, 1)
    padding_mode: str = "zeros"

    def stages(self, shape: Pair, values: ValueRange, planes: int) -> tuple[Stage]:
        """The stage that does this to a map of `shape`.

        Raises
        ------
        SizeError
            The kernel does not fit the map, or the padding is too large to reflect.
        """
        from poolcli.ops.convolution_plan import stage_for

        height, width = self.weights.shape
        window = sliding_window(shape, (height, width), self.stride, self.padding, self.dilation, what="kernel")
        stage = stage_for(window, values, self.weights, planes, self.padding_mode)
        if not values.missing:
            return (stage,)
        from poolcli.ops.missing import WholeMapStage

        return (WholeMapStage(stage),)


def convolution(
    kernel: Any, stride: Any = 1, padding: Any = "same", dilation: Any = 1, padding_mode: Any = "zeros"
) -> Convolution:
    """Check the settings of a filter step.

    Raises
    ------
    OptionError
        Any of them is wrong whatever the picture.
    """
    return Convolution(
        weights_of(kernel),
        pair("stride", stride),
        padding_pairs("padding", padding),
        pair("dilation", dilation),
        padding_mode_named("padding mode", padding_mode),
    )


def conv2d(
    x: ArrayLike,
    kernel: Any,
    stride: int | Pair = 1,
    padding: Any = "same",
    dilation: int | Pair = 1,
    padding_mode: str = "zeros",
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
        ``"same"``, ``"same-lower"``, ``"valid"`` or any number of cells.
    padding_mode : str
        What the padding holds: ``"zeros"``, ``"reflect"`` (the map mirrored, its edge cell not repeated) or
        ``"replicate"`` (the edge cell repeated), as PyTorch's `padding_mode`.
    threads : int
        Threads to use; the result does not depend on it.

    Returns
    -------
    ndarray of shape (..., h, w), float32 (float64 for float64)
        Exact before that last rounding for integers of up to 32 bits and whole weights, where the sum of the type's
        largest values fits 64 bits. Otherwise within 5e-7 of the exact result, times the sum of the absolute weights,
        times the largest absolute value in the window; within 1e-7 for kernels that are computed in tiles.

    Raises
    ------
    OptionError
        A malformed kernel or a setting that is wrong for every x.
    SizeError
        The kernel is larger than the padded plane, or the padding is as large as a plane that it should mirror.

    Examples
    --------
    >>> conv2d([[0, 0, 0], [0, 1, 0], [0, 0, 0]], "emboss")
    array([[ 2.,  1.,  0.],
           [ 1.,  1., -1.],
           [ 0., -1., -2.]])
    """
    planes, lead = arrays.planes_of(x)
    step = convolution(kernel, stride, padding, dilation, padding_mode)
    threads = arrays.thread_count(threads)
    group = group_size(len(planes), planes.shape[2], planes.itemsize)
    (stage,) = step.stages((planes.shape[1], planes.shape[2]), ValueRange.of(planes.dtype), group)
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
