"""POOLS: name -> what it does to the cells of a window. A new kind of pooling is one entry here.

Every reducer takes the windows of one chunk (`WindowView`) and returns an array of shape (planes, rows, columns).
Padding never takes part: a window at the border has fewer cells, and only an average can be told to count them.
NaN in a window makes its result NaN, as in PyTorch and numpy.
"""

from __future__ import annotations

import math
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from poolcli.display import shortened
from poolcli.errors import OptionError, suggestion
from poolcli.ops.exact_sum import exceeds_64_bits, halves, total_64
from poolcli.ops.settings import is_whole, python_value
from poolcli.ops.value_range import ValueRange
from poolcli.ops.window_view import SCALE, WindowView, highest, lowest

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Reducer = Callable[..., NDArray[Any]]


class Parameter(NamedTuple):
    """A number that changes what a kind does.

    Attributes
    ----------
    name : str
        The keyword of `pool2d`, of recipes and, with --, of the command line.
    default : int or float
    accepted : str
        What messages and help say is accepted.
    valid : callable
        ``(value) -> bool``.
    whole : bool
        Whether it is a whole number, as a seed is.
    """

    name: str
    default: float
    accepted: str
    valid: Callable[[float], bool]
    whole: bool = False

    def checked(self, value: Any) -> float:
        """The value as Python's own number.

        Raises
        ------
        OptionError
            It is no number, or none that the kind accepts.
        """
        number = python_value(value)
        known = is_whole(number) if self.whole else isinstance(number, int | float) and not isinstance(number, bool)
        if known:
            try:
                number = int(number) if self.whole else float(number)
            except OverflowError:  # a whole number that no float holds
                number = math.nan
        if not known or not self.valid(number):
            msg = f"{self.name}={shortened(value)}: write {self.accepted}"
            raise OptionError(msg)
        return number


class PoolKind(NamedTuple):
    """A kind of pooling.

    Attributes
    ----------
    summary : str
        One line for help and lists.
    reference : str
        Where the definition comes from.
    reduce : callable
        ``(view, **parameters) -> ndarray``: takes its parameters by their names.
    result : callable
        ``(values, cells) -> values``: what the result holds, from what the map holds and how many cells a window reads at
        most.
    title : str
        How the lesson's figures name the layer.
    neutral : str
        What stands for a cell that is not there.
    parameters : tuple of Parameter
    aliases : tuple of str
    winner : (comparison, neutral value of a type) or None
        For kinds whose result is one of the cells with a position.
    keeps : bool
        Whether the result has the map's type (where that cannot overflow); otherwise it is real.
    first : bool
        Whether only the first cell of a window is read.
    sorts : "", "some" or "all"
        Whether some or all ranks of a window's sorted cells are wanted.
    itemsize : int
        Bytes of the numbers that are computed with, where these are larger than the map's: strips then have fewer rows,
        to stay in the caches.
    smooth : bool
        Whether a binomial follows that takes the stride (`pool_stage.Pooling.stages`).
    absolute : bool
        Whether twice the values do not give twice the result: `reduce` then reads `WindowView.unit`.
    draws : bool
        Whether the result is a cell that was drawn by chance.
    """

    summary: str
    reference: str
    reduce: Reducer
    result: Callable[[ValueRange, int], ValueRange]
    title: str
    neutral: str
    parameters: tuple[Parameter, ...] = ()
    aliases: tuple[str, ...] = ()
    winner: tuple[np.ufunc, Callable[[np.dtype[Any]], Any]] | None = None
    keeps: bool = False
    first: bool = False
    sorts: Literal["", "some", "all"] = ""
    itemsize: int = 0
    smooth: bool = False
    absolute: bool = False
    draws: bool = False

    @property
    def chooses(self) -> bool:
        """Whether the result is one cell of the window, which has a place."""
        return self.winner is not None or self.first or self.draws


# -- what the result holds ------------------------------------------------------------------------------


def _same(values: ValueRange, _: int) -> ValueRange:
    return values


def _real(values: ValueRange, cells: int) -> ValueRange:
    """float32 where it is exact enough, else float64.

    A mean of integers whose sum fits 24 bits is rounded once in float32; larger sums stay float64 until the end.
    """
    wide = values.dtype.itemsize > 4 and not values.whole
    if values.low is not None and values.high is not None:
        wide = max(abs(values.low), abs(values.high)) * cells >= 1 << 24
    return ValueRange(np.dtype(np.float64 if wide else np.float32))


def _sums(values: ValueRange, cells: int) -> ValueRange:
    if values.low is not None and values.high is not None:
        sums = ValueRange.integers(min(values.low * cells, values.low), max(values.high * cells, values.high))
        return sums if sums.whole else ValueRange.of(values.dtype)  # refused where a sum does not fit
    return _real(values, cells)


def _span(values: ValueRange, _: int) -> ValueRange:
    if values.low is None or values.high is None or values.dtype.kind == "b":
        return values
    span = values.high - values.low
    if span <= np.iinfo(values.dtype).max:
        return ValueRange(values.dtype, 0, span)
    return ValueRange(np.dtype(f"i{2 * values.dtype.itemsize}" if values.dtype.itemsize < 8 else "u8"), 0, span)


# -- reducers -------------------------------------------------------------------------------------------


def _from(module: str, name: str) -> Reducer:
    """A reducer of another module of this package, imported when it is first used: a run uses one or two of them all."""

    def reduce(view: WindowView, **parameters: float) -> NDArray[Any]:
        reducer: Reducer = getattr(import_module(f"poolcli.ops.{module}"), name)
        return reducer(view, **parameters)

    return reduce


def _max(view: WindowView) -> NDArray[Any]:
    return view.reduce(np.maximum, lowest(view.values.dtype))


def _min(view: WindowView) -> NDArray[Any]:
    return view.reduce(np.minimum, highest(view.values.dtype))


def _average(view: WindowView) -> NDArray[Any]:
    if exceeds_64_bits(view):
        high, low = halves(view)
        total = high * 2.0**32 + low
        return np.divide(total, view.counts()) if view.window.adaptive else view.mean(total)
    mean = view.mean(view.total())
    return _in_range(view, mean, view.mean)


def _sum(view: WindowView) -> NDArray[Any]:
    return total_64(view) if exceeds_64_bits(view) else _in_range(view, view.total(), lambda total: total)


def _in_range(view: WindowView, found: NDArray[Any], result: Reducer) -> NDArray[Any]:
    """Sums or means of windows; those again whose partial sums left the range of float64, from smaller numbers."""
    if found.dtype != np.float64 or np.isfinite(found).all():
        return found
    scaled = view.scaled_total()
    if scaled is None:
        return found
    return np.where(np.isfinite(found), found, result(scaled) / SCALE)  # a sum may be infinite by right


def _range(view: WindowView) -> NDArray[Any]:
    dtype = view.values.dtype
    high, low = view.reduce_many((np.maximum, lowest(dtype)), (np.minimum, highest(dtype)))
    if dtype.kind == "b":
        return high & ~low
    wide = _span(view.values, 1).dtype
    if wide == np.uint64:
        return high.view(np.uint64) - low.view(np.uint64)  # modulo 2^64, which is exact here
    return np.subtract(high, low, dtype=wide)


def _mixed(view: WindowView, alpha: float) -> NDArray[Any]:
    if alpha == 0:
        return _average(view)
    view.block  # noqa: B018 - held, since it is read twice
    largest = _max(view).astype(np.float64)
    if alpha == 1:
        return largest
    mean = _average(view).astype(np.float64)
    mixed = mean + alpha * (largest - mean)  # exact where they are equal
    return np.where(np.isfinite(mixed), mixed, alpha * largest + (1 - alpha) * mean)


def _subsample(view: WindowView) -> NDArray[Any]:
    return view.first()


POOLS: dict[str, PoolKind] = {
    "max": PoolKind(
        "the largest value: keeps what is strongest",
        "torch.nn.MaxPool2d, tf.nn.max_pool2d",
        _max, _same, "MaxPool", "the type's least value",
        winner=(np.greater, lowest), keeps=True,
    ),
    "min": PoolKind(
        "the smallest value: keeps dark lines on light ground",
        "-max(-x)",
        _min, _same, "MinPool", "the type's greatest value",
        winner=(np.less, highest), keeps=True,
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
        _from("rank", "median"), _real, "MedianPool", "left out",
        sorts="some",
    ),
    "mode": PoolKind(
        "the most frequent value; the smallest of equals",
        "scipy.stats.mode",
        _from("rank", "mode"), _same, "ModePool", "left out",
        keeps=True, sorts="all",
    ),
    "percentile": PoolKind(
        "the value below which q percent of the cells lie, interpolated linearly",
        "numpy.percentile, method linear",
        _from("rank", "percentile"), _real, "PercentilePool", "left out",
        parameters=(Parameter("q", 50.0, "a number from 0 to 100", lambda q: 0 <= q <= 100),),
        sorts="some",
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
        keeps=True,
    ),
    "std": PoolKind(
        "the standard deviation: local texture",
        "numpy.std, ddof 0",
        _from("deviation", "std"), _real, "StdPool", "left out",
        itemsize=4,
    ),
    "lp": PoolKind(
        "the p-norm: the p-th root of the sum of abs(x)^p",
        "ONNX LpPool",
        _from("norms", "lp"), _real, "LpPool", "0",
        parameters=(Parameter("p", 2.0, "a number above 0, or inf", lambda p: p > 0),),
    ),
    "rms": PoolKind(
        "the root of the mean of the squares",
        "GDAL rms",
        _from("norms", "rms"), _real, "RMSPool", "left out",
    ),
    "subsample": PoolKind(
        "the window's first value: what striding without pooling does",
        "x[::stride, ::stride]",
        _subsample, _same, "Subsample", "left out",
        keeps=True, first=True,
    ),
    "blur": PoolKind(
        "max pooling antialiased: maximum at stride 1, then a 3x3 binomial at the stride",
        "Zhang 2019, arXiv 1904.11486",
        _max, _same, "MaxBlurPool", "the type's least value",
        smooth=True,
    ),
    "gem": PoolKind(
        "the generalized mean: the p-th root of the mean of max(x, 1e-6)^p",
        "Radenovic 2018, arXiv 1711.02512",
        _from("smooth_maxima", "gem"), _real, "GeMPool", "left out",
        parameters=(Parameter("p", 3.0, "a number above 0, or inf", lambda p: p > 0),),
        absolute=True, itemsize=8,
    ),
    "lse": PoolKind(
        "log-sum-exp: log(mean(exp(r x))) / r, a smooth maximum",
        "Pinheiro 2015, arXiv 1411.6228, timm LsePlus2d",
        _from("smooth_maxima", "lse"), _real, "LSEPool", "left out",
        parameters=(Parameter("r", 10.0, "a number above 0, or inf", lambda r: r > 0),),
        absolute=True, itemsize=8,
    ),
    "soft": PoolKind(
        "the mean of the cells weighted by exp(x)",
        "Stergiou 2021, arXiv 2101.00440",
        _from("smooth_maxima", "soft"), _real, "SoftPool", "left out",
        absolute=True, itemsize=8,
    ),
    "mixed": PoolKind(
        "alpha times the maximum plus 1 - alpha times the average",
        "Lee 2016, arXiv 1509.08985, timm avgmax",
        _mixed, _real, "MixedPool", "left out",
        parameters=(Parameter("alpha", 0.5, "a number from 0 to 1", lambda alpha: 0 <= alpha <= 1),),
        itemsize=8,
    ),
    "stochastic": PoolKind(
        "one cell, drawn with a probability in proportion to its value",
        "Zeiler 2013, arXiv 1301.3557",
        _from("stochastic", "stochastic"), _real, "StochasticPool", "left out",
        parameters=(
            Parameter("seed", 0, "a whole number from 0 to 2^64 - 1", lambda s: 0 <= s < 2**64, whole=True),
        ),
        itemsize=8, draws=True,
    ),
}  # fmt: skip

PARAMETERS = tuple(sorted({parameter.name for pool in POOLS.values() for parameter in pool.parameters}))
"""The names of all parameters that some kind has."""

ALIASES = {alias: name for name, pool in POOLS.items() for alias in pool.aliases}


def pool_named(kind: Any) -> tuple[str, PoolKind]:
    """The entry of `POOLS` for a name or an alias, in any case.

    Raises
    ------
    OptionError
        There is none.
    """
    name = kind.lower() if isinstance(kind, str) else kind
    name = ALIASES.get(name, name) if isinstance(name, str) else name
    if not isinstance(name, str) or name not in POOLS:
        msg = f"kind {shortened(kind)}{suggestion(kind, [*POOLS, *ALIASES])}"
        raise OptionError(msg)
    return name, POOLS[name]


def parameters_of(kind: str, given: dict[str, Any]) -> dict[str, float]:
    """The values of all parameters of a kind, by name: its defaults where `given` has None.

    Raises
    ------
    OptionError
        A value that the kind does not accept, or a parameter that belongs to another kind.
    """
    name, pool = pool_named(kind)
    own = {parameter.name: parameter for parameter in pool.parameters}
    for key, value in given.items():
        if value is not None and key not in own:
            owners = ", ".join(n for n, p in POOLS.items() if any(one.name == key for one in p.parameters))
            has = f"its parameter is {' and '.join(own)}" if own else "it has no parameter"
            belongs = f"{key} belongs to {owners}" if owners else f"no kind has {key}"
            msg = f"{key}={shortened(value)} with kind {name!r}: {has}, {belongs}"
            raise OptionError(msg)
    return {
        key: parameter.default if given.get(key) is None else parameter.checked(given[key])
        for key, parameter in own.items()
    }
