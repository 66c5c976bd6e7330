"""Maps of several strips, windows taller than one, against whole-array numpy: sliding windows, then one reduction."""

import numpy as np
import pytest
import reference
from numpy.lib.stride_tricks import sliding_window_view

import poolcli
from poolcli.ops.stochastic import uniform

RANDOM = np.random.default_rng(0)
WHOLE = (300, 400)
GEOMETRIES = {
    "2": ((700, 900), {"size": 2}),
    "3/2 pad": ((700, 900), {"size": 3, "stride": 2, "padding": 1}),
    "stride beyond": ((700, 900), {"size": (2, 3), "stride": (7, 5), "ceil": True}),
    "same, dilated": ((3000, 40), {"size": (5, 3), "stride": (3, 2), "dilation": (3, 2), "padding": "same"}),
    "overlapping": ((3000, 40), {"size": (4, 2), "stride": (1, 2), "padding": ((3, 0), (0, 1))}),
    "sides": ((3000, 40), {"size": 3, "stride": (4, 1), "padding": ((0, 2), (1, 0)), "ceil": True}),
    "tall": ((700, 900), {"size": (200, 3), "stride": (50, 7)}),
    "tall, padded": ((700, 60), {"size": (200, 3), "stride": (9, 3), "padding": ((150, 199), (2, 0))}),
    "planes": ((40, 50, 60), {"size": 3, "stride": 2, "padding": "same-lower"}),
    "whole": (WHOLE, {"size": WHOLE}),
    "whole, dilated": ((299, 399), {"size": (150, 200), "dilation": 2}),
}


def picture(shape, dtype):
    """Sixteen levels, so that modes and ties exist; floats with every bit in use."""
    random = np.random.default_rng(4)
    levels = {
        "float32": random.normal(1, 2, 16).astype(np.float32),
        "uint8": np.array([0, 255, *random.integers(1, 255, 14)], np.uint8),
        "int16": np.array([-32768, 32767, *random.integers(-999, 999, 14)], np.int16),
    }[dtype]
    return levels[random.integers(0, 16, shape)]


def windows(x, size, stride=None, padding="valid", dilation=1, ceil=False):
    """(..., h, w, cells) in float64, NaN where a window reaches beyond the map."""
    sizes, dilations = reference.pair(size), reference.pair(dilation)
    strides = sizes if stride is None else reference.pair(stride)
    around, outputs = [(0, 0)] * (x.ndim - 2), []
    for axis in zip(x.shape[-2:], sizes, strides, dilations, reference.axis_padding(padding), strict=True):
        n, k, s, d, _ = axis
        before, _ = reference.pads(*axis)
        outputs.append(reference.output_size(*axis, ceil))
        around.append((before, max((outputs[-1] - 1) * s - before + reference.extent(k, d) - n, 0)))
    padded = np.pad(x.astype(np.float64), around, constant_values=np.nan)
    spans = [reference.extent(k, d) for k, d in zip(sizes, dilations, strict=True)]
    view = sliding_window_view(padded, spans, axis=(-2, -1))[
        ..., :: strides[0], :: strides[1], :: dilations[0], :: dilations[1]
    ]
    view = view[..., : outputs[0], : outputs[1], :, :]
    return view.reshape(*view.shape[:-2], -1)


def ranked(cells, real, q):
    """Linear between the nearest ranks of the real cells."""
    ordered = np.sort(cells, axis=-1)
    position = (real.sum(-1) - 1) * (q / 100)
    below = np.floor(position).astype(int)
    above = np.ceil(position).astype(int)
    low, high = (np.take_along_axis(ordered, rank[..., None], -1)[..., 0] for rank in (below, above))
    return low + (high - low) * (position - below)


def commonest(cells):
    """The smallest of the most frequent levels."""
    levels = np.unique(cells[~np.isnan(cells)])
    counts = np.stack([(cells == level).sum(-1, dtype=np.int32) for level in levels])
    return levels[counts.argmax(0)]


def sequential(cells, x):
    """Row-major sums in the map's own float32; float64 for integers and above 256 cells."""
    zeros = np.nan_to_num(cells)
    if x.dtype != np.float32 or cells.shape[-1] > 256:
        return zeros.sum(-1)
    total = np.zeros(cells.shape[:-1], np.float32)
    for tap in np.moveaxis(zeros.astype(np.float32), -1, 0):
        total += tap
    return total


def blurred(x, options):
    """The maxima of all windows at stride 1, then the binomial at the stride."""
    stride = reference.pair(options.get("stride", options["size"]))
    maxima = np.nanmax(windows(x, **(options | {"stride": 1})), axis=-1)
    for axis in (-2, -1):
        n = maxima.shape[axis]
        places = np.arange(n)
        before, after = np.abs(places - 1) % n, (n - 1 - np.abs(n - 2 - places)) % n
        maxima = maxima.take(before, axis) + 2 * maxima + maxima.take(after, axis)
    return maxima[..., :: stride[0], :: stride[1]] / 16


def deviation(cells, count):
    """From the deviations themselves."""
    mean = np.nan_to_num(cells).sum(-1) / count
    return np.sqrt(np.nan_to_num((cells - mean[..., None]) ** 2).sum(-1) / count)


def extremes(cells, x):
    """(max, min), in float32 for float32 so that their difference is rounded as poolcli's."""
    kind = np.float32 if x.dtype == np.float32 else np.float64
    return np.nanmax(cells, axis=-1).astype(kind), np.nanmin(cells, axis=-1).astype(kind)


def log_mean_exp(cells, count, r):
    top = np.nanmax(cells, axis=-1)
    return top + np.log(np.nan_to_num(np.exp(r * (cells - top[..., None]))).sum(-1) / count) / r


def softened(cells):
    weights = np.nan_to_num(np.exp(cells - np.nanmax(cells, axis=-1, keepdims=True)))
    return (weights * np.nan_to_num(cells)).sum(-1) / weights.sum(-1)


def drawn(cells):
    """The first cell at which the sum passes a share of the whole, drawn for the place of the window."""
    sums = np.maximum(np.nan_to_num(cells), 0).cumsum(-1)
    places = np.indices((1, *cells.shape[:-1])[-3:])
    passed = sums > (uniform(0, *places).reshape(cells.shape[:-1]) * sums[..., -1])[..., None]
    chosen = np.take_along_axis(cells, passed.argmax(-1)[..., None], -1)[..., 0]
    return np.where(sums[..., -1] > 0, chosen, np.nanmax(cells, axis=-1))


REDUCERS = {  # kind -> what makes the answers of all windows: cells, which of them are real, how many, the map
    "max": lambda cells, real, count, x: extremes(cells, x)[0],
    "min": lambda cells, real, count, x: extremes(cells, x)[1],
    "range": lambda cells, real, count, x: np.subtract(*extremes(cells, x)),
    "sum": lambda cells, real, count, x: sequential(cells, x),
    "average": lambda cells, real, count, x: (total := sequential(cells, x)) / count.astype(total.dtype),
    "median": lambda cells, real, count, x: ranked(cells, real, 50),
    "percentile": lambda cells, real, count, x: ranked(cells, real, 30),
    "mode": lambda cells, real, count, x: commonest(cells),
    "subsample": lambda cells, real, count, x: np.take_along_axis(cells, real.argmax(-1)[..., None], -1)[..., 0],
    "lp": lambda cells, real, count, x: (np.nan_to_num(np.abs(cells)) ** 3).sum(-1) ** (1 / 3),
    "rms": lambda cells, real, count, x: np.sqrt(np.nan_to_num(cells**2).sum(-1) / count),
    "std": lambda cells, real, count, x: deviation(cells, count),
    "gem": lambda cells, real, count, x: np.cbrt(np.nan_to_num(np.maximum(cells, 1e-6) ** 3).sum(-1) / count),
    "lse": lambda cells, real, count, x: log_mean_exp(cells, count, 0.1),
    "soft": lambda cells, real, count, x: softened(cells),
    "mixed": lambda cells, real, count, x: extremes(cells, x)[0] / 2 + sequential(cells, x) / count / 2,
    "stochastic": lambda cells, real, count, x: drawn(cells),
}


def expected(x, kind, options):
    """What `kind` makes of all windows at once."""
    if kind == "blur":
        return blurred(x, options)
    cells = windows(x, **options)
    real = ~np.isnan(cells)
    return REDUCERS[kind](cells, real, real.sum(-1), x)


PARAMETERS = {"percentile": {"q": 30}, "lp": {"p": 3}, "lse": {"r": 0.1}}


@pytest.mark.parametrize("kind", reference.KINDS)
@pytest.mark.parametrize("name", GEOMETRIES)
def test_against_numpy(name, kind):
    shape, options = GEOMETRIES[name]
    if kind == "blur" and "tall" in name:
        options = options | {"size": (200, 3), "padding": "valid"}
        shape = (450, 30)
    dtype = {"planes": "int16", "sides": "uint8", "stride beyond": "uint8"}.get(name, "float32")
    x = picture(shape, dtype)
    y = poolcli.pool2d(x, kind, **options, **PARAMETERS.get(kind, {}))
    answer = expected(x, kind, options).astype(y.dtype)
    cells = int(np.prod(reference.pair(options["size"])))
    assert y.dtype == reference.output_type(kind, x.dtype)
    reference.assert_pooled(y, answer, kind, x, cells)


@pytest.mark.parametrize("kind", ["max", "min"])
@pytest.mark.parametrize("name", [name for name in GEOMETRIES if name != "whole, dilated"])
def test_indices_of_large_maps(name, kind):
    """The value is at the index, and nothing before it in its window is as good."""
    shape, options = GEOMETRIES[name]
    x = picture(shape, "float32")
    y, indices = poolcli.pool2d(x, kind, return_indices=True, **options)
    np.testing.assert_array_equal(y, poolcli.pool2d(x, kind, **options))
    cells = windows(x, **options)
    place = windows(np.broadcast_to(np.arange(x.shape[-2] * x.shape[-1]).reshape(x.shape[-2:]), x.shape), **options)
    best = np.where(np.isnan(cells), -np.inf, cells if kind == "max" else -cells).argmax(-1)
    np.testing.assert_array_equal(indices, np.take_along_axis(place, best[..., None], -1)[..., 0])


@pytest.mark.parametrize("output", [(13, 17), (350, 450), (1, 900), (701, 3), (None, 7), (1, 1)])
@pytest.mark.parametrize("kind", ["average", "max", "median", "std"])
def test_adaptive_of_large_maps(kind, output):
    """Against numpy on each of a sample of the windows."""
    x = picture((700, 900), "float32")
    y = poolcli.adaptive_pool2d(x, output, kind)
    rows, columns = (n if o is None else o for n, o in zip(x.shape, output, strict=True))
    assert y.shape == (rows, columns)
    reduce = {"average": np.mean, "max": np.max, "median": np.median, "std": np.std}[kind]
    for o in range(0, rows, max(1, rows // 9)):
        for u in range(0, columns, max(1, columns // 9)):
            window = x[o * 700 // rows : -(-(o + 1) * 700 // rows), u * 900 // columns : -(-(u + 1) * 900 // columns)]
            np.testing.assert_allclose(y[o, u], reduce(window.astype(np.float64)), rtol=1e-5, atol=1e-6)


KERNELS = {
    "3x3": [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]],
    "1x1": [[3]],
    "tall": np.arange(-60, 61)[:, None],
    "even": [[1, 2, 3, 4], [4, -3, -2, 1]],
}


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
@pytest.mark.parametrize("padding", ["same", "same-lower", "valid", ((150, 3), (0, 7))])
@pytest.mark.parametrize("kernel", KERNELS)
def test_convolution_of_large_maps(kernel, padding, dtype):
    """Integer kernels on whole values are exact, whatever the type that carries them."""
    x = picture((700, 300), "uint8" if dtype == "float32" else dtype).astype(dtype)
    weights = np.array(KERNELS[kernel])
    for stride, dilation in ((1, 1), ((3, 2), (1, 4))):
        geometry = {"stride": stride, "padding": padding, "dilation": dilation}
        view = np.nan_to_num(windows(x, size=weights.shape, **geometry))
        y = poolcli.conv2d(x, weights, **geometry)
        assert y.dtype == np.float32
        np.testing.assert_array_equal(y, (view @ weights.ravel()).astype(np.float32))


@pytest.mark.parametrize("kind", ["median", "mode", "percentile", "std"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "bool"])
@pytest.mark.parametrize("size", [(90, 70), (45, 35), (40, 33)])
def test_few_large_windows_are_taken_one_by_one(kind, dtype, size):
    """Also where the last ones are partial: what is missing is not counted."""
    x = (np.random.default_rng(8).normal(0, 40, (2, 90, 70)) + 60).clip(0, 200).astype(dtype)
    y = poolcli.pool2d(x, kind, size=size, ceil=True)

    for i in range(y.shape[1]):
        for j in range(y.shape[2]):
            window = x[:, i * size[0] : (i + 1) * size[0], j * size[1] : (j + 1) * size[1]].reshape(2, -1)
            for plane, cells in enumerate(window):
                if kind == "mode":
                    values, counts = np.unique(cells, return_counts=True)
                    expected = values[counts.argmax()]
                else:
                    wide = cells.astype(np.float64)
                    expected = wide.std() if kind == "std" else np.median(wide)
                np.testing.assert_allclose(y[plane, i, j], expected, rtol=1e-6)


@pytest.mark.parametrize("kind", ["max", "min", "sum", "range"])
@pytest.mark.parametrize("dtype", ["uint8", "int32", "float32", "float64"])
@pytest.mark.parametrize(
    ("size", "left_over", "planes"), [(12, 0, 1), (12, 5, 3), (31, 30, 1), (64, 1, 2), (150, 7, 1)]
)
def test_long_windows_side_by_side(kind, dtype, size, left_over, planes):
    """Windows that are taken one by one, and beyond them columns that no window reads."""
    shape = (planes, 3 * size + left_over, 5 * size + left_over)
    x = RANDOM.integers(0, 200, shape).astype(dtype)
    if x.dtype.kind == "f":
        x[0, size - 1, size - 1] = x[-1, 2 * size, 4 * size] = np.nan
    apart = x[:, : 3 * size, : 5 * size].reshape(planes, 3, size, 5, size)
    wanted = {
        "max": apart.max((2, 4)),
        "min": apart.min((2, 4)),
        "sum": apart.sum((2, 4)),
        "range": apart.max((2, 4)) - apart.min((2, 4)),
    }
    np.testing.assert_array_equal(poolcli.pool2d(x, kind, size, stride=size, padding="valid"), wanted[kind])


@pytest.mark.parametrize("kind", ["max", "min", "sum"])
def test_long_windows_of_which_some_are_partial(kind):
    x = RANDOM.integers(0, 200, (100, 130)).astype(np.int16)
    y = poolcli.pool2d(x, kind, 20, stride=20, padding=10)
    padded = np.pad(x.astype(float), 10, constant_values=0 if kind == "sum" else np.nan)
    apart = padded[:120, :140].reshape(6, 20, 7, 20)
    np.testing.assert_array_equal(y, {"max": np.nanmax, "min": np.nanmin, "sum": np.sum}[kind](apart, (1, 3)))
