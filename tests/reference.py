"""Every operation of `poolcli.ops` as slow, obvious loops: the specification in code, one number at a time.

Written from the definitions, not from the package, of which it has only the parameters' names: the tests compare the two. Arrays are `(..., H, W)`;
rows come before columns everywhere; a *cell* is a (row, column) of one plane. Nothing here is fast, and
nothing checks options; only what the sizes themselves forbid is refused, with a `ValueError`.
"""

import itertools
import math
from collections import Counter

import numpy as np

from poolcli.ops.pools import PARAMETERS

KEEP_TYPE = ("max", "min", "mode", "subsample")
ALIASES = {"avg": "average", "mean": "average"}
WIDER = {"int8": "int16", "int16": "int32", "int32": "int64", "int64": "uint64"}
BINOMIAL = ((1, 2, 1), (2, 4, 2), (1, 2, 1))


# ---------------------------------------------------------------- geometry of a window along one axis


def pair(value):
    """One number for both axes, or (rows, columns)."""
    return (value, value) if isinstance(value, (int, np.integer)) else tuple(value)


def extent(size, dilation):
    """Cells a dilated window spans: d (k - 1) + 1."""
    return dilation * (size - 1) + 1


def pads(n, size, stride, dilation, padding):
    """Virtual cells before and after one axis; `padding` is a name or that axis' (before, after).

    Source: TensorFlow's SAME puts the odd cell after (framework/kernel_shape_util.cc), ONNX's SAME_LOWER before.
    """
    if padding == "valid":
        return 0, 0
    if padding in ("same", "same-lower"):
        outputs = -(-n // stride)
        total = max((outputs - 1) * stride + extent(size, dilation) - n, 0)
        less, more = total // 2, total - total // 2
        return (less, more) if padding == "same" else (more, less)
    return tuple(padding)


def output_size(n, size, stride, dilation=1, padding="valid", ceil=False):
    """Outputs along one axis: ceil(n / s) for same, else PyTorch's rule (aten/src/ATen/native/Pool.h)."""
    if padding in ("same", "same-lower"):
        return -(-n // stride)
    before, after = pads(n, size, stride, dilation, padding)
    room = n + before + after - extent(size, dilation)
    outputs = (room + (stride - 1 if ceil else 0)) // stride + 1
    if ceil and (outputs - 1) * stride >= n + before:  # the last window may not start in the padding after the map
        outputs -= 1
    if outputs < 1:
        raise ValueError("the window is larger than the padded map")
    return outputs


def axis_padding(padding):
    """The padding of the rows and of the columns, from any of the accepted forms."""
    if isinstance(padding, str):
        return padding, padding
    rows, columns = pair(padding)
    return pair(rows), pair(columns)


def axis_taps(n, size, stride, dilation, padding, ceil):
    """For each output along an axis, its positions inside the padded axis, as coordinates of the map."""
    before, after = pads(n, size, stride, dilation, padding)
    outputs = output_size(n, size, stride, dilation, padding, ceil)
    return [
        [o * stride - before + i * dilation for i in range(size) if o * stride - before + i * dilation < n + after]
        for o in range(outputs)
    ]


# ---------------------------------------------------------------- one window to one number


def output_type(kind, dtype):
    """The result's type: see "Python API" of the design; range is widened where max - min could overflow."""
    dtype = dtype.newbyteorder("=")
    if kind in KEEP_TYPE:
        return dtype
    if kind == "range":
        return np.dtype(WIDER.get(dtype.name, dtype))
    if kind == "sum" and dtype.kind in "biu":
        return np.dtype(np.uint64 if dtype.kind == "u" else np.int64)
    wide = dtype == np.float64 or (dtype.kind in "iu" and dtype.itemsize > 2)
    return np.dtype(np.float64 if wide else np.float32)


def is_nan(value):
    """Not a number, for scalars of any type."""
    return bool(isinstance(value, np.floating) and np.isnan(value))


def winner(cells, values, beats):
    """The cell that wins a scan in row-major order: the first of equals, or the last NaN (PyTorch's scan)."""
    best = cells[0], values[0]
    for cell, value in zip(cells[1:], values[1:], strict=True):
        if beats(value, best[1]) or is_nan(value):
            best = cell, value
    return best


def larger(a, b):
    """a beats b in max pooling."""
    return bool(a > b)


def smaller(a, b):
    """a beats b in min pooling."""
    return bool(a < b)


def total(values, dtype):
    """The sum in row-major order in the result's own precision (PyTorch, ONNX Runtime); exact for integers.

    That order is promised up to 256 cells; above, only to be close to the sum itself.
    """
    if not isinstance(values[0], np.floating):
        return sum(int(value) for value in values)
    precision = dtype.type if len(values) <= 256 else np.float64
    running = precision(0)
    for value in values:
        running = precision(running + precision(value))
    return running


def average(values, count, dtype):
    """The sum, divided once and truly."""
    summed = total(values, dtype)
    return summed / count if isinstance(summed, int) else summed / dtype.type(count)


def mode(values):
    """The most frequent value, the smallest of equally frequent ones (scipy.stats.mode)."""
    often = max(Counter(values).values())
    return min(value for value, times in Counter(values).items() if times == often)


def percentile(values, q):
    """Linear between the two nearest ranks, the first rank being 0 % and the last 100 % (numpy's default)."""
    ranked = sorted(float(value) for value in values)
    position = (len(ranked) - 1) * q / 100
    below = math.floor(position)
    above = min(below + 1, len(ranked) - 1)
    return ranked[below] + (ranked[above] - ranked[below]) * (position - below)


def median(values):
    """The middle value, or the mean of the two middles (numpy.median)."""
    ranked = sorted(float(value) for value in values)
    half = len(ranked) // 2
    return ranked[half] if len(ranked) % 2 else (ranked[half - 1] + ranked[half]) / 2


def deviation(values):
    """The population's standard deviation, from the deviations themselves (numpy.std, ddof 0)."""
    values = [np.float64(value) for value in values]
    mean = sum(values) / len(values)
    return np.sqrt(sum((value - mean) ** 2 for value in values) / len(values))


def lp(values, p):
    """(sum of |x|^p)^(1/p), over the real pixels (ONNX LpPool); the largest |x| for p = infinity."""
    values = [abs(np.float64(value)) for value in values]
    return max(values) if math.isinf(p) else sum(value**p for value in values) ** (1 / p)


def root_mean_square(values):
    """(mean of x^2)^(1/2)."""
    return np.sqrt(sum(np.float64(value) ** 2 for value in values) / len(values))


def spread(values, dtype):
    """max - min, in the (widened) type of the result."""
    if isinstance(values[0], np.floating):
        return max(values) - min(values)
    return dtype.type(int(max(values)) - int(min(values)))


def generalized_mean(values, p):
    """(mean of max(x, 1e-6)^p)^(1/p) (Radenovic 2018), by logarithms: powers may leave the range of floats."""
    logs = [math.log(max(float(value), 1e-6)) for value in values]
    return math.inf if max(logs) == math.inf else np.exp(log_mean_exp(logs, p))


def log_mean_exp(values, r):
    """log(mean(exp(r x))) / r; for r = infinity the largest (Pinheiro 2015, timm LsePlus2d)."""
    values = [float(value) for value in values]
    top = max(values)
    if math.isinf(top) or math.isinf(r):
        return top
    return top + math.log(math.fsum(math.exp(r * (value - top)) for value in values) / len(values)) / r


def softmax_mean(values):
    """Sum of x exp(x), divided by the sum of exp(x) (Stergiou 2021); infinity decides alone."""
    values = [float(value) for value in values]
    top = max(values)
    if math.isinf(top):
        return top
    weights = [math.exp(value - top) for value in values]
    products = [weight * value for weight, value in zip(weights, values, strict=True) if weight]
    return math.fsum(products) / math.fsum(weights)


def mixed(values, alpha, count, dtype):
    """alpha max + (1 - alpha) average (Lee 2016); either alone for 1 and 0."""
    if alpha in (0, 1):
        return max(values) if alpha else average(values, count, dtype)
    return alpha * float(max(values)) + (1 - alpha) * float(average(values, count, dtype))


def splitmix(state):
    """The output of SplitMix64 from a state (Steele, Lea and Flood 2014)."""
    state = (state + 0x9E3779B97F4A7C15) % 2**64
    state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    state = (state ^ state >> 27) * 0x94D049BB133111EB % 2**64
    return state ^ state >> 31


def drawn(values, seed, place):
    """The first cell at which the sum of positive values passes its share u of the whole (Zeiler and Fergus 2013).

    u comes from the seed, the plane, the row and the column: 52 bits of their hash.
    """
    weights = [max(float(value), 0.0) for value in values]
    if max(weights) in (0, math.inf):
        return max(values)
    state = splitmix(seed)
    for number in place:
        state = splitmix((state + number) % 2**64)
    top = math.frexp(max(weights))[1]
    weights = [math.ldexp(weight, -top) for weight in weights]
    sums = list(itertools.accumulate(weights))
    goal = (state >> 12) / 2**52 * sums[-1]
    return next(value for value, passed in zip(values, sums, strict=True) if passed > goal)


def given(value, default):
    """A parameter, or its default."""
    return default if value is None else value


# kind -> what makes one number of a window's values; count is what an average divides by. The values (v) are numpy's:
# float(value) before arithmetic, or float16 rounds it. A parameter that is not given is None.
REDUCERS = {
    "max": lambda v, **_: max(v),
    "min": lambda v, **_: min(v),
    "average": lambda v, count, dtype, **_: average(v, count, dtype),
    "sum": lambda v, dtype, **_: total(v, dtype),
    "median": lambda v, **_: median(v),
    "percentile": lambda v, q, **_: percentile(v, 50 if q is None else q),
    "mode": lambda v, **_: mode(v),
    "range": lambda v, dtype, **_: spread(v, dtype),
    "std": lambda v, **_: deviation(v),
    "lp": lambda v, p, **_: lp(v, 2 if p is None else p),
    "rms": lambda v, **_: root_mean_square(v),
    "subsample": lambda v, **_: v[0],
    "gem": lambda v, p, **_: generalized_mean(v, given(p, 3)),
    "lse": lambda v, r, **_: log_mean_exp(v, given(r, 10)),
    "soft": lambda v, **_: softmax_mean(v),
    "mixed": lambda v, alpha, count, dtype, **_: mixed(v, given(alpha, 0.5), count, dtype),
    "stochastic": lambda v, seed, place, **_: drawn(v, given(seed, 0), place),
}


def reduce(kind, values, count, dtype, place, parameters):
    """One window's real pixels, in row-major order, to one number; a NaN among them is the answer."""
    if kind != "subsample" and any(is_nan(value) for value in values):
        return np.nan
    parameters = dict.fromkeys(PARAMETERS) | parameters
    return REDUCERS[kind](values, count=count, dtype=dtype, place=place, **parameters)


# ---------------------------------------------------------------- the operations


def planes(x):
    """The index of each independent plane of (..., H, W)."""
    return np.ndindex(x.shape[:-2])


def pool2d(
    x,
    kind="max",
    size=2,
    stride=None,
    padding="valid",
    dilation=1,
    ceil=False,
    count_include_pad=False,
    return_indices=False,
    **parameters,
):
    """Each window's real pixels to one number; padding is never a value (ONNX MaxPool, AveragePool; PyTorch)."""
    kind = ALIASES.get(kind, kind)
    if kind == "blur":
        return blur(x, size, stride, padding, dilation, ceil)
    size, dilation = pair(size), pair(dilation)
    stride = size if stride is None else pair(stride)
    geometry = zip(x.shape[-2:], size, stride, dilation, axis_padding(padding), strict=True)
    rows, columns = (axis_taps(*axis, ceil) for axis in geometry)
    dtype = output_type(kind, x.dtype)
    y = np.zeros((*x.shape[:-2], len(rows), len(columns)), dtype)
    indices = np.zeros(y.shape, np.int64)
    height, width = x.shape[-2:]
    for number, plane in enumerate(planes(x)):
        for (o, window_rows), (u, window_columns) in every_window(rows, columns):
            cells = [(h, w) for h in window_rows for w in window_columns if 0 <= h < height and 0 <= w < width]
            if not cells:
                raise ValueError("a window without a single real pixel")
            values = [x[plane][cell] for cell in cells]
            count = len(window_rows) * len(window_columns) if count_include_pad else len(cells)
            with np.errstate(all="ignore"):
                y[(*plane, o, u)] = reduce(kind, values, count, dtype, (number, o, u), parameters)
            if kind in ("max", "min"):
                (h, w), _ = winner(cells, values, larger if kind == "max" else smaller)
                indices[(*plane, o, u)] = h * width + w
    return (y, indices) if return_indices else y


def every_window(rows, columns):
    """Every (output row, its taps) with every (output column, its taps), in row-major order."""
    return [(row, column) for row in enumerate(rows) for column in enumerate(columns)]


def reflect(i, n):
    """The position mirrored at the border without repeating it: -1 is 1, n is n - 2; a single cell mirrors itself."""
    if n == 1:
        return 0
    return -i if i < 0 else 2 * (n - 1) - i if i >= n else i


def blur(x, size, stride, padding, dilation, ceil):
    """Max of the window at stride 1, then the 3x3 binomial at the stride: ceil(n' / s) (arXiv 1904.11486, MaxBlurPool)."""
    stride = pair(size if stride is None else stride)
    maxima = pool2d(x, "max", size, 1, padding, dilation, ceil)
    height, width = maxima.shape[-2:]
    shape = (-(-height // stride[0]), -(-width // stride[1]))
    y = np.zeros((*x.shape[:-2], *shape), output_type("blur", x.dtype))
    for plane in planes(x):
        for o, u in np.ndindex(shape):
            summed = np.float64(0)
            for i, j in np.ndindex(3, 3):
                h = reflect(o * stride[0] + i - 1, height)
                w = reflect(u * stride[1] + j - 1, width)
                with np.errstate(all="ignore"):
                    summed += np.float64(BINOMIAL[i][j]) * np.float64(maxima[plane][h, w])
            y[(*plane, o, u)] = summed / 16
    return y


def adaptive_pool2d(x, output_size, kind="average", **parameters):
    """Windows floor(i n / o) to ceil((i + 1) n / o); averages are divided by the height, then by the width (PyTorch)."""
    kind = ALIASES.get(kind, kind)
    height, width = x.shape[-2:]
    rows, columns = pair(output_size) if not isinstance(output_size, tuple) else output_size
    rows, columns = height if rows is None else rows, width if columns is None else columns
    dtype = output_type(kind, x.dtype)
    y = np.zeros((*x.shape[:-2], rows, columns), dtype)
    for number, plane in enumerate(planes(x)):
        for o, u in np.ndindex(rows, columns):
            window_rows = range(o * height // rows, -(-(o + 1) * height // rows))
            window_columns = range(u * width // columns, -(-(u + 1) * width // columns))
            values = [x[plane][h, w] for h in window_rows for w in window_columns]
            with np.errstate(all="ignore"):
                if kind == "average":
                    summed = dtype.type(total(values, dtype))
                    answer = summed / dtype.type(len(window_rows)) / dtype.type(len(window_columns))
                else:
                    answer = reduce(kind, values, len(values), dtype, (number, o, u), parameters)
            y[(*plane, o, u)] = answer
    return y


def global_pool2d(x, kind="average", **parameters):
    """One window: the whole plane; (..., 1, 1)."""
    return pool2d(x, kind, size=x.shape[-2:], **parameters)


def unpool2d(y, indices, output_size):
    """Zeros, and each value put back where `indices` (h * W + w) says; the last of several wins (PyTorch MaxUnpool2d)."""
    x = np.zeros((*y.shape[:-2], *pair(output_size)), y.dtype)
    for plane in planes(y):
        for cell in np.ndindex(y.shape[-2:]):
            h, w = divmod(int(indices[plane][cell]), x.shape[-1])
            x[plane][h, w] = y[plane][cell]
    return x


def conv2d(x, kernel, stride=1, padding="same", dilation=1):
    """Cross-correlation with zeros around the map: the kernel is not flipped (tf.nn.conv2d, ONNX Conv)."""
    kernel = np.asarray(kernel)
    stride, dilation = pair(stride), pair(dilation)
    geometry = zip(x.shape[-2:], kernel.shape, stride, dilation, axis_padding(padding), strict=True)
    rows, columns = (axis_taps(*axis, ceil=False) for axis in geometry)
    height, width = x.shape[-2:]
    y = np.zeros((*x.shape[:-2], len(rows), len(columns)), output_type("conv2d", x.dtype))
    for plane in planes(x):
        for (o, window_rows), (u, window_columns) in every_window(rows, columns):
            summed = np.float64(0)
            for i, h in enumerate(window_rows):
                for j, w in enumerate(window_columns):
                    if 0 <= h < height and 0 <= w < width:
                        with np.errstate(all="ignore"):
                            summed += np.float64(kernel[i, j]) * np.float64(x[plane][h, w])
            y[(*plane, o, u)] = summed
    return y


def relu(x):
    """Negative values become 0; NaN stays."""
    y = x.copy()
    for index in np.ndindex(x.shape):
        if x[index] < 0:
            y[index] = 0
    return y


# ---------------------------------------------------------------- how close poolcli promises to be

KINDS = (*REDUCERS, "blur")
EXACT_KINDS = ("max", "min", "mode", "subsample", "range", "stochastic")
PLACED_KINDS = ("stochastic",)
"""Their results depend on where in the map a window is."""
UNPLACED_KINDS = tuple(kind for kind in KINDS if kind not in PLACED_KINDS)
SMALL_INTEGERS = ("bool", "int8", "uint8", "int16", "uint16")


def tolerance(kind, dtype, cells):
    """Allowed error, relative to the value and to the largest value of the window; 0 means the same number."""
    small = dtype.name in SMALL_INTEGERS
    if kind in EXACT_KINDS or (small and cells <= 256 and kind in ("average", "sum", "median", "blur")):
        return 0.0
    if kind in ("average", "sum"):
        return 0.0 if dtype == np.float32 and cells <= 256 else 1e-12 if dtype == np.float64 else 1e-6
    if kind == "median":
        return 2.5e-7
    return 1e-5 if kind == "std" else 2e-6


def assert_pooled(actual, expected, kind, x, cells=1):
    """The shape, then the type, then the values, as close as promised for windows of `cells` cells of x."""
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype
    relative = tolerance(kind, x.dtype, cells)
    if not relative:
        np.testing.assert_array_equal(actual, expected)
        return
    finite = np.abs(x[np.isfinite(x)].astype(np.float64))
    largest = finite.max(initial=0) * (cells if kind == "sum" else 1)
    np.testing.assert_allclose(
        actual.astype(np.float64), expected.astype(np.float64), rtol=relative, atol=relative * largest
    )
