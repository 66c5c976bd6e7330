"""POOLS: name -> what it does to the cells of a window. A new kind of pooling is one entry here.

Every reducer takes the windows of one chunk (`View`) and returns an array of shape (planes, rows, columns).
Padding never takes part: a window at the border has fewer cells, and only an average can be told to count them.
NaN in a window makes its result NaN, as in PyTorch and numpy.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from poolcli.errors import OptionError, suggestion
from poolcli.ops.counting import few
from poolcli.ops.folds import combine
from poolcli.ops.order import median, mode, percentile
from poolcli.ops.values import Values
from poolcli.ops.view import View, highest, lowest

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Reducer = Callable[[View, float], NDArray[Any]]

HIGH_POWER = 7
"""The seventh power of every float32 is a float64; beyond, a norm is computed relative to its window's largest value."""


class Parameter(NamedTuple):
    """The one number that a kind may have: its name, default and what is accepted."""

    name: str
    default: float
    accepted: str
    valid: Callable[[float], bool]


class PoolKind(NamedTuple):
    """A kind of pooling.

    Attributes
    ----------
    summary : str
        One line for help and lists.
    reference : str
        Where the definition comes from.
    reduce : callable
        ``(view, parameter) -> ndarray``.
    result : callable
        ``(values, cells) -> values``: what the result holds, from what the map holds and the window's number of cells.
    title : str
        How the lesson's figures name the layer.
    neutral : str
        What stands for a cell that is not there.
    parameter : Parameter or None
    aliases : tuple of str
    winner : (comparison, neutral value of a type) or None
        For kinds whose result is one of the cells with a position.
    display : str
        How a block of a map is drawn as one cell when the map is larger than its panel.
    keeps : bool
        Whether the result has the map's type (where that cannot overflow); otherwise it is real.
    gathers : bool
        Whether all cells of a window are held at once.
    smooth : bool
        Whether a binomial follows that takes the stride (`condense.Pooling.stages`).
    """

    summary: str
    reference: str
    reduce: Reducer
    result: Callable[[Values, int], Values]
    title: str
    neutral: str
    parameter: Parameter | None = None
    aliases: tuple[str, ...] = ()
    winner: tuple[np.ufunc, Callable[[np.dtype[Any]], Any]] | None = None
    display: str = "mean"
    keeps: bool = False
    gathers: bool = False
    smooth: bool = False


# -- what the result holds ------------------------------------------------------------------------------


def _same(values: Values, _: int) -> Values:
    return values


def _real(values: Values, cells: int) -> Values:
    """float32 where it is exact enough, else float64.

    A mean of integers whose sum fits 24 bits is rounded once in float32; larger sums stay float64 until the end.
    """
    wide = values.dtype.itemsize > 4 and not values.whole
    if values.low is not None and values.high is not None:
        wide = max(abs(values.low), abs(values.high)) * cells >= 1 << 24
    return Values(np.dtype(np.float64 if wide else np.float32))


def _sums(values: Values, cells: int) -> Values:
    if values.low is not None and values.high is not None:
        return Values.integers(min(values.low * cells, values.low), max(values.high * cells, values.high))
    return _real(values, cells)


def _span(values: Values, _: int) -> Values:
    if values.low is None or values.high is None or values.dtype.kind == "b":
        return values
    span = values.high - values.low
    if span <= np.iinfo(values.dtype).max:
        return Values(values.dtype, 0, span)
    return Values(np.dtype(f"i{2 * values.dtype.itemsize}" if values.dtype.itemsize < 8 else "u8"), 0, span)


# -- reducers -------------------------------------------------------------------------------------------


def _max(view: View, _: float) -> NDArray[Any]:
    return view.fold(np.maximum, lowest(view.values.dtype))


def _min(view: View, _: float) -> NDArray[Any]:
    return view.fold(np.minimum, highest(view.values.dtype))


def _average(view: View, _: float) -> NDArray[Any]:
    return view.mean(view.total())


def _sum(view: View, _: float) -> NDArray[Any]:
    return view.total()


def _range(view: View, _: float) -> NDArray[Any]:
    dtype = view.values.dtype
    high, low = view.folds((np.maximum, lowest(dtype)), (np.minimum, highest(dtype)))
    if dtype.kind == "b":
        return high & ~low
    wide = _span(view.values, 1).dtype
    if wide == np.uint64:
        return high.view(np.uint64) - low.view(np.uint64)  # modulo 2^64, which is exact here
    return np.subtract(high, low, dtype=wide)


def _squares(view: View) -> NDArray[Any]:
    """Sum of squares of each window: exact for integers, float64 otherwise."""
    if view.values.whole and view.total_values(power=2).dtype not in (np.uint64, np.float64):
        return view.fold(np.add, dtype=np.int64, prepare=lambda x: np.square(x, dtype=np.int64)).astype(np.float64)
    return view.fold(np.add, dtype=np.float64, prepare=lambda x: np.square(x, dtype=np.float64))


def _rms(view: View, _: float) -> NDArray[Any]:
    return np.sqrt(_squares(view) / view.counts())


def _std(view: View, _: float) -> NDArray[Any]:
    # Always from the deviations: sums of squares lose their digits where the mean is large.
    view.block  # noqa: B018 - held, since it is read twice
    if few(view.window):
        result = np.empty(view.shape)
        for (i, j), cells in view.each():
            result[:, i, j] = np.std(cells, axis=(1, 2), dtype=np.float64)
        return result
    counts = view.counts()
    mean = view.fold(np.add, dtype=np.float64) / counts
    squares = np.zeros(view.shape)
    for where, cells in view.taps():
        combine(np.add, squares, where, np.square(cells - mean[where]))
    return np.sqrt(squares / counts)


def _lp(view: View, p: float) -> NDArray[Any]:
    if p == 2:
        return np.sqrt(_squares(view))
    if math.isinf(p):
        return view.fold(np.maximum, 0, dtype=np.float64, prepare=_magnitude)
    if p <= HIGH_POWER:
        total = view.fold(np.add, dtype=np.float64, prepare=lambda cells: np.power(_magnitude(cells), p))
        return np.power(total, 1 / p)
    # High powers leave the range of floats: of what is left when each window's largest value is divided out, they do not.
    view.block  # noqa: B018 - held, since it is read twice
    largest = view.fold(np.maximum, 0, dtype=np.float64, prepare=_magnitude)
    unit = np.where(np.isfinite(largest) & (largest > 0), largest, 1.0)
    total = np.zeros(view.shape)
    if few(view.window):
        for (i, j), cells in view.each():
            total[:, i, j] = np.sum(np.power(_magnitude(cells) / unit[:, i, j, None, None], p), axis=(1, 2))
    else:
        for where, cells in view.taps():
            combine(np.add, total, where, np.power(_magnitude(cells) / unit[where], p))
    return unit * np.power(total, 1 / p)


def _magnitude(cells: NDArray[Any]) -> NDArray[Any]:
    return np.abs(cells.astype(np.float64))


def _subsample(view: View, _: float) -> NDArray[Any]:
    return view.first()


POOLS: dict[str, PoolKind] = {
    "max": PoolKind(
        "the largest value: keeps what is strongest",
        "torch.nn.MaxPool2d, tf.nn.max_pool2d",
        _max, _same, "MaxPool", "the type's least value",
        winner=(np.greater, lowest), display="max", keeps=True,
    ),
    "min": PoolKind(
        "the smallest value: keeps dark lines on light ground",
        "-max(-x)",
        _min, _same, "MinPool", "the type's greatest value",
        winner=(np.less, highest), display="min", keeps=True,
    ),
    "average": PoolKind(
        "the mean of the cells that are there",
        "torch.nn.AvgPool2d, tf.nn.avg_pool2d",
        _average, _real, "AvgPool", "0, not counted",
        aliases=("avg", "mean"),
    ),
    "median": PoolKind(
        "the middle value; the mean of the two middles for an even count",
        "numpy.median",
        median, _real, "MedianPool", "left out",
        gathers=True,
    ),
    "mode": PoolKind(
        "the most frequent value; the smallest of equals",
        "scipy.stats.mode",
        mode, _same, "ModePool", "left out",
        keeps=True, gathers=True,
    ),
    "percentile": PoolKind(
        "the value below which q percent of the cells lie, interpolated linearly",
        "numpy.percentile, method linear",
        percentile, _real, "PercentilePool", "left out",
        parameter=Parameter("q", 50.0, "a number from 0 to 100", lambda q: 0 <= q <= 100),
        gathers=True,
    ),
    "sum": PoolKind(
        "the sum of the cells",
        "torch.nn.AvgPool2d with divisor_override=1",
        _sum, _sums, "SumPool", "0",
    ),
    "range": PoolKind(
        "largest minus smallest value: local contrast",
        "morphological gradient",
        _range, _span, "RangePool", "left out",
        display="max", keeps=True,
    ),
    "std": PoolKind(
        "the standard deviation: local texture",
        "numpy.std, ddof 0",
        _std, _real, "StdPool", "left out",
        display="max",
    ),
    "lp": PoolKind(
        "the p-norm: the p-th root of the sum of abs(x)^p",
        "ONNX LpPool",
        _lp, _real, "LpPool", "0",
        parameter=Parameter("p", 2.0, "a number above 0, or inf", lambda p: p > 0),
        display="max",
    ),
    "rms": PoolKind(
        "the root of the mean of the squares",
        "GDAL rms",
        _rms, _real, "RMSPool", "left out",
        display="max",
    ),
    "subsample": PoolKind(
        "the window's first value: what striding without pooling does",
        "x[::stride, ::stride]",
        _subsample, _same, "Subsample", "left out",
        display="subsample", keeps=True,
    ),
    "blur": PoolKind(
        "max pooling antialiased: maximum at stride 1, then a 3x3 binomial at the stride",
        "Zhang 2019, arXiv 1904.11486",
        _max, _same, "MaxBlurPool", "the type's least value",
        display="max",
        smooth=True,
    ),
}  # fmt: skip

PARAMETERS = tuple(sorted({pool.parameter.name for pool in POOLS.values() if pool.parameter}))

ALIASES = {alias: name for name, pool in POOLS.items() for alias in pool.aliases}


def pool_named(kind: Any) -> tuple[str, PoolKind]:
    """The entry of `POOLS` for a name or an alias.

    Raises
    ------
    OptionError
        There is none.
    """
    name = ALIASES.get(kind, kind) if isinstance(kind, str) else kind
    if not isinstance(name, str) or name not in POOLS:
        msg = f"kind {kind!r}{suggestion(str(kind), [*POOLS, *ALIASES])}"
        raise OptionError(msg)
    return name, POOLS[name]


def parameter_of(kind: str, given: dict[str, Any]) -> float:
    """The value of the kind's parameter, its default where `given` has None; 0 for kinds without.

    Raises
    ------
    OptionError
        A value that the kind does not accept, or a parameter that belongs to another kind.
    """
    name, pool = pool_named(kind)
    wanted = pool.parameter
    for key, value in given.items():
        if value is not None and (wanted is None or key != wanted.name):
            owners = ", ".join(n for n, p in POOLS.items() if p.parameter and p.parameter.name == key)
            has = f"its parameter is {wanted.name}" if wanted else "it has no parameter"
            belongs = f"{key} belongs to {owners}" if owners else f"no kind has {key}"
            msg = f"{key}={value!r} with kind {name!r}: {has}, {belongs}"
            raise OptionError(msg)
    if wanted is None:
        return 0.0
    value = given.get(wanted.name)
    if value is None:
        return wanted.default
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not wanted.valid(float(value)):
        msg = f"{wanted.name}={value!r}: {wanted.accepted} expected"
        raise OptionError(msg)
    return float(value)
