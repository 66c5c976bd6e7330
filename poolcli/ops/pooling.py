"""Pooling as a stage over strips, and as functions of arrays: `pool2d`, `adaptive_pool2d`, `global_pool2d`, `unpool2d`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli.errors import OptionError
from poolcli.ops import arrays
from poolcli.ops.kinds import POOLS, Pool, parameter_of, pool_named
from poolcli.ops.strips import STRIP_BYTES, Scratch, Values, chunk_rows, group_size, run
from poolcli.ops.view import View
from poolcli.ops.windows import (
    AdaptiveAxis,
    adaptive_window,
    check_pooling_padding,
    is_whole,
    padding_pairs,
    pair,
    pooling_window,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import ArrayLike, NDArray

    from poolcli.ops.strips import Rows
    from poolcli.ops.windows import Padding, Pair, Window


@dataclass
class PoolStage:
    """Windows of one kind over a map of `before` values (a `strips.Stage`).

    Attributes
    ----------
    indices : ndarray of shape (planes, h, w), int64, or None
        Filled with the winners' positions when given.
    """

    window: Window
    before: Values
    kind: Pool
    parameter: float
    planes: int
    count_include_pad: bool = False
    indices: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        self.shape = self.window.shape
        self.values = self.kind.result(self.before, self.window.cells)
        itemsize = self.before.dtype.itemsize
        rows, cols = self.window.rows, self.window.cols
        self.chunk = chunk_rows(self.planes, cols.length, itemsize, rows.stride, least=rows.extent)
        if isinstance(rows, AdaptiveAxis):
            self.chunk = 1  # then all rows of a chunk's windows are whole slices
        elif self.kind.gathers:
            self.chunk = max(
                1, min(self.chunk, 4 * STRIP_BYTES // max(1, self.planes * self.window.cells * cols.out * itemsize))
            )

    def needs(self, a: int, b: int) -> Pair:
        return self.window.rows.needs(a, b)

    def boundary(self, a: int) -> int:
        return self.window.rows.boundary(a)

    def strips(self, rows: Rows, chunks: Iterable[Pair]) -> Iterator[NDArray[Any]]:
        scratch = Scratch()
        for chunk in chunks:
            view = View(rows, self.window, self.before, chunk, scratch, count_include_pad=self.count_include_pad)
            if self.indices is not None and self.kind.winner:
                better, neutral = self.kind.winner
                strip, positions = view.winners(better, neutral(self.before.dtype))
                self.indices[rows.group, chunk[0] : chunk[1]] = positions
                yield strip
            else:
                yield self.kind.reduce(view, self.parameter).astype(self.values.dtype, copy=False)
        rows.drain()


@dataclass
class BinomialStage:
    """[1 2 1] x [1 2 1] / 16 with reflected border, at a stride: ceil(n / stride) outputs (a `strips.Stage`).

    Zhang, "Making Convolutional Networks Shift-Invariant Again" (2019), filter size 3.
    """

    size: Pair
    stride: Pair
    before: Values
    planes: int

    def __post_init__(self) -> None:
        self.shape = (-(-self.size[0] // self.stride[0]), -(-self.size[1] // self.stride[1]))
        self.values = Values(np.dtype(np.float64 if self._wide else np.float32))
        self.chunk = chunk_rows(self.planes, self.size[1], 4, self.stride[0])

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
            yield (left + centre * kind(2) + right_) * kind(1 / 16)
        rows.drain()


def _reflected(cells: NDArray[np.intp], n: int) -> NDArray[np.intp]:
    """Cells -1 and n are 1 and n - 2; a single cell is its own neighbour."""
    mirrored = np.where(cells < 0, -cells, np.where(cells >= n, 2 * (n - 1) - cells, cells))
    return np.clip(mirrored, 0, n - 1)


@dataclass(frozen=True)
class Pooling:
    """The settings of a pooling step, checked: what `pool2d`, `adaptive_pool2d` and a recipe's pool stage share.

    Attributes
    ----------
    kind : str
        A name of `POOLS`.
    size, stride, dilation : (height, width)
        `size` is ignored where `output_size` is given.
    padding : as `windows.padding_pairs` returns it
    output_size : (height or None, width or None), or None for sliding windows
    """

    kind: str
    parameter: float
    size: Pair = (2, 2)
    stride: Pair = (2, 2)
    padding: Padding = "valid"
    dilation: Pair = (1, 1)
    ceil: bool = False
    count_include_pad: bool = False
    output_size: tuple[int | None, int | None] | None = None

    def stages(self, shape: Pair, values: Values, planes: int) -> tuple[PoolStage, *tuple[BinomialStage, ...]]:
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
        stage = PoolStage(window, values, pool, self.parameter, planes, self.count_include_pad)
        if not pool.smooth:
            return (stage,)
        stride = (1, 1) if self.output_size is not None else self.stride
        return stage, BinomialStage(stage.shape, stride, stage.values, planes)


def pooling(
    kind: Any = "max",
    size: Any = 2,
    stride: Any = None,
    padding: Any = "valid",
    dilation: Any = 1,
    *,
    ceil: bool = False,
    count_include_pad: bool = False,
    output_size: Any = None,
    **parameters: Any,
) -> Pooling:
    """Check the settings of a pooling step.

    Raises
    ------
    OptionError
        Any of them is wrong whatever the picture.
    """
    name, _ = pool_named(kind)
    parameter = parameter_of(name, parameters)
    if output_size is not None:
        return Pooling(name, parameter, output_size=_output_size(output_size))
    k, d = pair("size", size), pair("dilation", dilation)
    s = k if stride is None else pair("stride", stride)
    p = padding_pairs("padding", padding)
    check_pooling_padding(k, p, d)
    return Pooling(name, parameter, k, s, p, d, bool(ceil), bool(count_include_pad))


def _output_size(value: Any) -> tuple[int | None, int | None]:
    both = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(both) != 2 or not all(v is None or (is_whole(v) and v >= 1) for v in both):
        msg = f"output_size {value!r}: a whole number of at least 1, or two (height, width), None keeping an axis, expected"
        raise OptionError(msg)
    return both[0], both[1]


def _apply(x: ArrayLike, step: Pooling, *, threads: int = 1, return_indices: bool = False) -> Any:
    planes, lead = arrays.planes_of(x)
    kind = POOLS[step.kind]
    if return_indices and kind.winner is None:
        msg = f"return_indices with kind {step.kind!r}: {' or '.join(n for n, p in POOLS.items() if p.winner)} expected"
        raise OptionError(msg)
    threads = arrays.thread_count(threads)
    group = group_size(len(planes), planes.shape[2], planes.itemsize)
    stages = step.stages((planes.shape[1], planes.shape[2]), Values.of(planes.dtype), group)
    final = stages[-1]
    shape = (planes.shape[0], *final.shape)
    if return_indices:
        stages[0].indices = np.empty(shape, np.int64)
    out = np.empty(shape, final.values.dtype if kind.keeps else arrays.real_type(planes.dtype))
    run(planes, stages, out, threads=threads)
    y = out.reshape(*lead, *final.shape)
    return (y, stages[0].indices.reshape(y.shape)) if stages[0].indices is not None else y


def pool2d(
    x: ArrayLike,
    kind: str = "max",
    size: int | Pair = 2,
    stride: int | Pair | None = None,
    padding: Any = "valid",
    dilation: int | Pair = 1,
    ceil: bool = False,
    count_include_pad: bool = False,
    p: float | None = None,
    q: float | None = None,
    r: float | None = None,
    alpha: float | None = None,
    seed: int | None = None,
    return_indices: bool = False,
    threads: int = 1,
) -> Any:
    """Pool windows of the last two axes.

    Parameters
    ----------
    x : array_like of shape (..., H, W)
        Any real type; leading axes are independent planes.
    kind : str
        A name of `POOLS`.
    size : int or (height, width)
        The window.
    stride : int or (height, width), optional
        Distance between windows; the size by default.
    padding : str, int, (height, width) or ((top, bottom), (left, right))
        ``"valid"``, ``"same"``, ``"same-lower"`` or cells, at most the dilated window less one. Padded cells never
        take part, but see `count_include_pad`.
    dilation : int or (height, width)
        Distance between the cells of a window.
    ceil : bool
        Keep partial windows at the far edge, by PyTorch's and ONNX's rule.
    count_include_pad : bool
        An average divides by padded cells too.
    p, q : float, optional
        Parameter of ``lp`` and ``percentile``; refused with other kinds. No kind here has `r`, `alpha` or `seed`.
    return_indices : bool
        Also return the winners' positions (max and min): row * W + column in the unpadded plane, first one on ties.
    threads : int
        Threads to use; the result does not depend on it.

    Returns
    -------
    y : ndarray of shape (..., h, w)
        h = floor((H + pads - extent) / stride) + 1, extent = dilation (size - 1) + 1. max, min, mode and subsample
        keep the type of x, range widens it where it could overflow; the others are float32 (float64 for float64).
    indices : ndarray of int64, shape of y
        With `return_indices`.

    Raises
    ------
    OptionError
        A setting that is wrong for every x.
    SizeError
        The window is larger than the padded plane, or would hold nothing but padding.

    Notes
    -----
    For float32, max is PyTorch's bit for bit, and so is average for windows of up to 256 cells: the cells are added in
    row-major order in float32 and divided once. Larger windows are added in float64, within 1e-6.

    Examples
    --------
    >>> x = [[10, 12, 8, 7], [4, 11, 5, 9], [18, 13, 7, 7], [3, 15, 2, 2]]
    >>> pool2d(x)
    array([[12,  9],
           [18,  7]])
    >>> pool2d(x, "average", size=3, stride=1)
    array([[9.777778, 8.777778],
           [8.666667, 7.888889]], dtype=float32)
    """
    step = pooling(
        kind, size, stride, padding, dilation,
        ceil=ceil, count_include_pad=count_include_pad, p=p, q=q, r=r, alpha=alpha, seed=seed,
    )  # fmt: skip
    return _apply(x, step, threads=threads, return_indices=return_indices)


def adaptive_pool2d(x: ArrayLike, output_size: Any, kind: str = "average") -> NDArray[Any]:
    """Pool the last two axes to a given size.

    Parameters
    ----------
    x : array_like of shape (..., H, W)
    output_size : int or (height, width)
        None keeps an axis: ``(None, 7)``. May be larger than the plane: cells are then repeated.
    kind : str
        A name of `POOLS`.

    Returns
    -------
    ndarray of shape (..., height, width)
        Types as in `pool2d`.

    Raises
    ------
    OptionError
        A size below 1, or an unknown kind.

    Notes
    -----
    Window i of o over n cells reads floor(i n / o) to ceil((i + 1) n / o) - 1, PyTorch's rule. An average is the sum
    in row-major order divided by the height, then by the width, as PyTorch does.

    Examples
    --------
    >>> adaptive_pool2d(np.arange(25.0).reshape(5, 5), (3, 2))
    array([[ 3.5,  5.5],
           [11. , 13. ],
           [18.5, 20.5]])
    """
    if output_size is None:
        output_size = (None, None)
    return _apply(x, pooling(kind, output_size=output_size))


def global_pool2d(x: ArrayLike, kind: str = "average") -> NDArray[Any]:
    """Pool every plane to one value.

    Parameters
    ----------
    x : array_like of shape (..., H, W)
    kind : str
        A name of `POOLS`.

    Returns
    -------
    ndarray of shape (..., 1, 1)
        Types as in `pool2d`.

    Examples
    --------
    >>> global_pool2d([[1, 2], [3, 4]])
    array([[2.5]], dtype=float32)
    """
    return _apply(x, pooling(kind, output_size=(1, 1)))


def unpool2d(y: ArrayLike, indices: ArrayLike, output_size: Any) -> NDArray[Any]:
    """Put pooled values back where they came from, zeros elsewhere: the inverse of `pool2d` with `return_indices`.

    Parameters
    ----------
    y : array_like of shape (..., h, w)
        Any real type.
    indices : array_like of int, shape of y
        row * W + column in the unpooled plane.
    output_size : int or (H, W)
        Height and width of the unpooled plane.

    Returns
    -------
    ndarray of shape (..., H, W), type of y
        Where windows overlapped and two values claim one place, the last in row-major order stays.

    Raises
    ------
    OptionError
        Shapes that differ, indices that are no integers or lie outside the plane.

    Examples
    --------
    >>> y, where = pool2d([[1, 2], [4, 3]], return_indices=True)
    >>> unpool2d(y, where, 2)
    array([[0, 0],
           [4, 0]])
    """
    planes, lead = arrays.planes_of(y)
    height, width = pair("output_size", output_size)
    where = np.asarray(indices)
    if where.dtype.kind not in "iu":
        msg = f"indices of {where.dtype}: integers expected"
        raise OptionError(msg)
    if where.shape != np.shape(y):
        msg = f"indices of shape {where.shape}: the shape of the values, {np.shape(y)}, expected"
        raise OptionError(msg)
    if where.size and not (where.min() >= 0 and where.max() < height * width):
        worst = where.min() if where.min() < 0 else where.max()
        msg = f"index {worst}: 0 to {height * width - 1} expected for a {height}x{width} plane"
        raise OptionError(msg)
    x = np.zeros((planes.shape[0], height * width), planes.dtype)
    x[np.arange(len(x))[:, None], where.reshape(len(x), -1)] = planes.reshape(len(x), -1)
    return x.reshape(*lead, height, width)
