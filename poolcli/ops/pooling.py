"""Pooling as functions of arrays: `pool2d`, `adaptive_pool2d`, `global_pool2d`, `unpool2d`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from poolcli.errors import OptionError
from poolcli.ops import arrays
from poolcli.ops.pool_stage import Pooling
from poolcli.ops.pools import PARAMETERS, POOLS, PoolKind, parameters_of, pool_named
from poolcli.ops.settings import flag, output_pair, padding_pairs, pair
from poolcli.ops.strips import group_size, run
from poolcli.ops.value_range import ValueRange
from poolcli.ops.windows import check_pooling_padding, check_size

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from poolcli.ops.settings import Pair


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
    values = parameters_of(name, parameters)
    if output_size is not None:
        return Pooling(name, values, output_size=output_pair("output_size", output_size))
    ceil, count_include_pad = flag("ceil", ceil), flag("count include pad", count_include_pad)
    if count_include_pad and name != "average":
        msg = f"count include pad with kind {name!r}: it belongs to average"
        raise OptionError(msg)
    k, d = pair("size", size), pair("dilation", dilation)
    s = k if stride is None else pair("stride", stride)
    p = padding_pairs("padding", padding)
    check_pooling_padding(k, p, d)
    return Pooling(name, values, k, s, p, d, ceil, count_include_pad)


def _result_type(kind: PoolKind, given: np.dtype[Any], values: ValueRange) -> np.dtype[Any]:
    """The type of a result: the map's own, 64 bits for sums of integers, or a float."""
    if kind.keeps:
        return values.dtype
    if values.whole:
        return np.dtype(np.uint64 if given.kind == "u" else np.int64)
    return arrays.real_type(given)


def _apply(x: ArrayLike, step: Pooling, *, threads: int = 1, return_indices: bool = False) -> Any:
    planes, lead = arrays.planes_of(x)
    kind = POOLS[step.kind]
    if flag("return_indices", return_indices) and kind.winner is None:
        msg = f"return_indices with kind {step.kind!r}: use {' or '.join(n for n, p in POOLS.items() if p.winner)}"
        raise OptionError(msg)
    threads = arrays.thread_count(threads)
    group = group_size(len(planes), planes.shape[2], planes.itemsize)
    stages = step.stages((planes.shape[1], planes.shape[2]), ValueRange.of(planes.dtype), group)
    final = stages[-1]
    shape = (planes.shape[0], *final.shape)
    if return_indices:
        stages[0].indices = np.empty(shape, np.int64)
    out = np.empty(shape, _result_type(kind, planes.dtype, final.values))
    run(planes, stages, out, threads=threads)
    y = out.reshape(*lead, *final.shape)
    return (y, stages[0].indices.reshape(y.shape)) if stages[0].indices is not None else y


def _known(function: str, parameters: dict[str, float | None]) -> dict[str, Any]:
    """Parameters that a kind of `POOLS` has but the signatures do not; anything else is Python's own error."""
    for name in parameters:
        if name not in PARAMETERS:
            msg = f"{function}() got an unexpected keyword argument {name!r}"
            raise TypeError(msg)
    return parameters


@overload
def pool2d(
    x: ArrayLike,
    kind: str = ...,
    size: int | Pair = ...,
    stride: int | Pair | None = ...,
    padding: Any = ...,
    dilation: int | Pair = ...,
    ceil: bool = ...,
    count_include_pad: bool = ...,
    p: float | None = ...,
    q: float | None = ...,
    r: float | None = ...,
    alpha: float | None = ...,
    seed: int | None = ...,
    return_indices: Literal[False] = ...,
    threads: int = ...,
    **parameters: float | None,
) -> NDArray[Any]: ...
@overload
def pool2d(
    x: ArrayLike,
    kind: str = ...,
    size: int | Pair = ...,
    stride: int | Pair | None = ...,
    padding: Any = ...,
    dilation: int | Pair = ...,
    ceil: bool = ...,
    count_include_pad: bool = ...,
    p: float | None = ...,
    q: float | None = ...,
    r: float | None = ...,
    alpha: float | None = ...,
    seed: int | None = ...,
    *,
    return_indices: Literal[True],
    threads: int = ...,
    **parameters: float | None,
) -> tuple[NDArray[Any], NDArray[np.int64]]: ...
@overload
def pool2d(
    x: ArrayLike,
    kind: str = ...,
    size: int | Pair = ...,
    stride: int | Pair | None = ...,
    padding: Any = ...,
    dilation: int | Pair = ...,
    ceil: bool = ...,
    count_include_pad: bool = ...,
    p: float | None = ...,
    q: float | None = ...,
    r: float | None = ...,
    alpha: float | None = ...,
    seed: int | None = ...,
    return_indices: bool = ...,
    threads: int = ...,
    **parameters: float | None,
) -> NDArray[Any] | tuple[NDArray[Any], NDArray[np.int64]]: ...
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
    **parameters: float | None,
) -> Any:
    """Pool windows of the last two axes.

    Parameters
    ----------
    x : array_like of shape (..., H, W)
        Any real type; leading axes are independent planes.
    kind : str
        A name of `POOLS`, in any case.
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
        An average divides by padded cells too; refused with other kinds.
    p, q, r, alpha, seed : float, optional
        Parameters of the kinds that have them (``POOLS[kind].parameters``), their defaults where not given; refused
        with other kinds.
    return_indices : bool
        Also return the winners' positions (max and min): row * W + column in the unpadded plane, first one on ties.
    threads : int
        Threads to use; the result does not depend on it.

    Returns
    -------
    y : ndarray of shape (..., h, w)
        h = floor((H + pads - extent) / stride) + 1, extent = dilation (size - 1) + 1. max, min, mode and subsample
        keep the type of x, range widens it where it could overflow; sums of integers are int64 (uint64 for unsigned
        ones); the others are float32 (float64 for float64 and for integers of more than 16 bits).
    indices : ndarray of int64, shape of y
        With `return_indices`.

    Raises
    ------
    OptionError
        A setting that is wrong for every x.
    SizeError
        The window is larger than the padded plane, or would hold nothing but padding; the result would be too large,
        or the sum of a window does not fit 64 bits.

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
    array([[9.77777778, 8.77777778],
           [8.66666667, 7.88888889]])
    """
    step = pooling(
        kind, size, stride, padding, dilation,
        ceil=ceil, count_include_pad=count_include_pad, p=p, q=q, r=r, alpha=alpha, seed=seed,
        **_known("pool2d", parameters),
    )  # fmt: skip
    return _apply(x, step, threads=threads, return_indices=return_indices)


def adaptive_pool2d(
    x: ArrayLike,
    output_size: Any,
    kind: str = "average",
    p: float | None = None,
    q: float | None = None,
    r: float | None = None,
    alpha: float | None = None,
    seed: int | None = None,
    **parameters: float | None,
) -> NDArray[Any]:
    """Pool the last two axes to a given size.

    Parameters
    ----------
    x : array_like of shape (..., H, W)
    output_size : int or (height, width)
        None keeps an axis: ``(None, 7)``. May be larger than the plane: cells are then repeated.
    kind : str
        A name of `POOLS`, in any case.
    p, q, r, alpha, seed : float, optional
        Parameters of the kinds that have them, as in `pool2d`.

    Returns
    -------
    ndarray of shape (..., height, width)
        Types as in `pool2d`.

    Raises
    ------
    OptionError
        A size below 1, an unknown kind, or a parameter that the kind does not have.

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
    known = _known("adaptive_pool2d", parameters)
    step = pooling(kind, output_size=output_size, p=p, q=q, r=r, alpha=alpha, seed=seed, **known)
    pooled: NDArray[Any] = _apply(x, step)
    return pooled


def global_pool2d(
    x: ArrayLike,
    kind: str = "average",
    p: float | None = None,
    q: float | None = None,
    r: float | None = None,
    alpha: float | None = None,
    seed: int | None = None,
    **parameters: float | None,
) -> NDArray[Any]:
    """Pool every plane to one value.

    Parameters
    ----------
    x : array_like of shape (..., H, W)
    kind : str
        A name of `POOLS`, in any case.
    p, q, r, alpha, seed : float, optional
        Parameters of the kinds that have them, as in `pool2d`.

    Returns
    -------
    ndarray of shape (..., 1, 1)
        Types as in `pool2d`.

    Examples
    --------
    >>> global_pool2d([[1, 2], [3, 4]])
    array([[2.5]])
    >>> global_pool2d([[1, 2], [3, 4]], "percentile", q=100)
    array([[4.]])
    """
    known = _known("global_pool2d", parameters)
    return adaptive_pool2d(x, (1, 1), kind, p=p, q=q, r=r, alpha=alpha, seed=seed, **known)


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
    SizeError
        The plane would be too large.

    Examples
    --------
    >>> y, where = pool2d([[1, 2], [4, 3]], return_indices=True)
    >>> unpool2d(y, where, 2)
    array([[0, 0],
           [4, 0]])
    """
    planes, lead = arrays.planes_of(y)
    height, width = pair("output_size", output_size)
    check_size((height, width), (planes.shape[1], planes.shape[2]))
    where = arrays.as_array(indices)
    if where.dtype.kind not in "iu":
        msg = f"indices of {where.dtype}: give integers"
        raise OptionError(msg)
    if where.shape != np.shape(y):
        msg = f"indices of shape {where.shape}: give indices of the values' shape, {np.shape(y)}"
        raise OptionError(msg)
    if where.size and not (where.min() >= 0 and where.max() < height * width):
        worst = where.min() if where.min() < 0 else where.max()
        msg = (
            f"index {worst}: a {height}x{width} plane has 0 to {height * width - 1}; use the indices of its own pooling"
        )
        raise OptionError(msg)
    x = np.zeros((planes.shape[0], height * width), planes.dtype)
    for plane, places, values in zip(x, where.reshape(planes.shape), planes, strict=True):
        plane[places.ravel()] = values.ravel()
    return x.reshape(*lead, height, width)
