"""Numbers at the limits of their types, plans that are refused early, and arrays that are refused."""

import math
import time
import tracemalloc
import warnings

import numpy as np
import pytest

import poolcli
from poolcli.errors import OptionError, PoolcliError, SizeError
from poolcli.ops.convolution import ReluStage
from poolcli.ops.pooling import pooling
from poolcli.ops.strips import run
from poolcli.ops.value_range import ValueRange
from poolcli.ops.windows import AdaptiveAxis

MOST = np.finfo(np.float64).max
INF = np.inf


# -- integers --------------------------------------------------------------------------------------------------


def test_sums_and_averages_of_64_bit_integers_are_exact():
    x = np.array([[2**62, 3], [-(2**62), 1]])

    for pooled in (lambda kind: poolcli.pool2d(x, kind), lambda kind: poolcli.global_pool2d(x, kind)):
        np.testing.assert_array_equal(pooled("average"), [[1.0]])
        np.testing.assert_array_equal(pooled("sum"), [[4]])


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_64_bit_windows_follow_pythons_integers(dtype):
    rng = np.random.default_rng(5)
    info = np.iinfo(dtype)
    x = rng.integers(info.min, info.max, (40, 33), dtype, endpoint=True)
    for size, stride in ((2, 1), (3, 2), (9, 4)):
        corners = [(r, c) for r in range(0, 41 - size, stride) for c in range(0, 34 - size, stride)]
        sums = [sum(int(v) for v in x[r : r + size, c : c + size].flat) for r, c in corners]
        shape = poolcli.pool2d(x, "max", size, stride).shape
        want = np.array([s / size**2 for s in sums]).reshape(shape)
        np.testing.assert_array_max_ulp(poolcli.pool2d(x, "average", size, stride), want, 2)
        small = x // dtype(100)
        sums = [sum(int(v) for v in small[r : r + size, c : c + size].flat) for r, c in corners]
        np.testing.assert_array_equal(poolcli.pool2d(small, "sum", size, stride), np.array(sums, dtype).reshape(shape))


@pytest.mark.parametrize(
    "x", [np.full((2, 2), 2**62), np.full((2, 2), -(2**62) - 1), np.full((2, 2), 2**63, np.uint64)]
)
def test_a_sum_that_does_not_fit_is_refused(x):
    with pytest.raises(SizeError, match="does not fit"):
        poolcli.pool2d(x, "sum")


@pytest.mark.parametrize("name", ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"])
def test_types_of_results(name):
    x = (np.arange(9000) % 100).reshape(90, 100).astype(name)
    sums = np.uint64 if name.startswith("u") else np.int64
    real = np.float64 if name.endswith(("32", "64")) else np.float32

    assert poolcli.global_pool2d(x, "sum").dtype == sums
    np.testing.assert_array_equal(poolcli.global_pool2d(x, "sum"), [[x.sum()]])
    for kind in ("average", "median", "percentile", "std", "lp", "rms", "blur"):
        assert poolcli.pool2d(x, kind, 3).dtype == real, kind
    assert poolcli.conv2d(x, "box").dtype == real


def test_large_integers_are_not_rounded_to_float32():
    x = np.array([[16777217, 16777217], [16777217, 16777217]], np.int32)

    for kind in ("average", "median", "rms"):
        np.testing.assert_array_equal(poolcli.pool2d(x, kind), [[16777217.0]])


# -- floats ----------------------------------------------------------------------------------------------------


def test_the_median_of_the_largest_floats_is_finite():
    np.testing.assert_array_equal(poolcli.pool2d([[MOST, MOST], [MOST, MOST]], "median"), [[MOST]])
    np.testing.assert_array_equal(poolcli.pool2d([[-MOST, MOST], [INF, -INF]], "median"), [[0.0]])


@pytest.mark.parametrize("p", [1, 2, 2.5, 3, 5, 7, 9])
@pytest.mark.parametrize("value", [1e200, 1e-200, 1e300, 1e-300])
def test_norms_of_float64_keep_to_its_range(p, value):
    x = np.array([[3, 0, 0, 0], [4, 0, -3, 4]]) * value
    want = np.array([[(3.0**p + 4.0**p) ** (1 / p)] * 2]) * value

    np.testing.assert_allclose(poolcli.pool2d(x, "lp", p=p), want, rtol=1e-13)
    if p == 2:
        np.testing.assert_allclose(poolcli.pool2d(x, "rms"), want / 2, rtol=1e-13)


@pytest.mark.parametrize("value", [1.2e308, 1e200, 1.0, 1e-200, 1e-300])
@pytest.mark.parametrize("size", [2, (1, 2), (2, 4)])
def test_spreads_and_means_of_squares_of_float64_keep_to_its_range(value, size):
    x = np.array([[1, -0.5, 1, 1], [-0.75, 0.25, 1, 1]])
    tall = np.repeat(x, 300, axis=0)

    with np.errstate(all="ignore"):  # the sums of the first try may leave the range
        for kind in ("std", "rms"):
            for cells in (x, tall):
                np.testing.assert_allclose(
                    poolcli.pool2d(cells * value, kind, size), poolcli.pool2d(cells, kind, size) * value, rtol=1e-14
                )
            np.testing.assert_allclose(
                poolcli.global_pool2d(x * value, kind), poolcli.global_pool2d(x, kind) * value, rtol=1e-14
            )
    np.testing.assert_array_equal(poolcli.pool2d(np.full((4, 4), value), "std", size), 0)


def test_norms_of_nothing_and_of_no_number():
    x = np.array([[0.0, 0.0, INF, 1.0, np.nan, 1e300], [0.0, 0.0, 2.0, -INF, 1.0, 1.0]])

    for kind in ("lp", "rms"):
        np.testing.assert_array_equal(poolcli.pool2d(x, kind), [[0, INF, np.nan]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_blur_of_large_values_is_their_value(dtype):
    value = np.finfo(dtype).max / 4

    np.testing.assert_array_equal(poolcli.pool2d(np.full((6, 6), value, dtype), "blur"), np.full((3, 3), value, dtype))


@pytest.mark.parametrize("cells", [[1, INF], [-INF, INF], [-INF, 1], [INF, INF], [1, 2, INF], [-INF, -INF, 3, INF]])
@pytest.mark.parametrize("q", [0, 10, 25, 50, 60, 75, 90, 100])
def test_percentiles_with_infinities_are_numpys(cells, q):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        want = np.percentile(np.array(cells), q)

    np.testing.assert_array_equal(poolcli.global_pool2d([cells], "percentile", q=q), [[want]])


def test_large_integers_and_weights_do_not_overflow():
    x = np.array([[2**32 - 1, 2**32 - 1, 1]], np.uint32)

    np.testing.assert_allclose(poolcli.conv2d(x, [[6e29, -6e29]], padding="valid"), [[0, 6e29 * (2**32 - 2)]])


# -- plans -----------------------------------------------------------------------------------------------------

SMALL = np.ones((5, 6), np.float32)


@pytest.mark.parametrize(
    "call",
    [
        lambda: poolcli.conv2d(SMALL, "edge", padding=2**31 - 1),
        lambda: poolcli.conv2d(SMALL, "edge", padding=100_000_000),
        lambda: poolcli.conv2d(SMALL, "edge", padding=15_000_000),
        lambda: poolcli.adaptive_pool2d(SMALL, (100_000_000, 1)),
        lambda: poolcli.adaptive_pool2d(SMALL, (1, 2**31 - 1)),
        lambda: poolcli.adaptive_pool2d(SMALL, (10_000_000, 1_000)),
        lambda: poolcli.pool2d(SMALL, size=2**31 - 1, padding=2**31 - 2, stride=1),
        lambda: poolcli.pool2d(SMALL, size=2, padding=2**29, stride=1, dilation=2**30),
        lambda: poolcli.run(SMALL, poolcli.recipe(output_size=(100_000_000, 1))),
        lambda: poolcli.run(SMALL, poolcli.recipe(kernel="edge", conv_padding=2**31 - 1)),
        lambda: poolcli.run(SMALL, poolcli.recipe(kernel="edge", conv_padding=10_000)),
        lambda: poolcli.run(SMALL, poolcli.recipe(recipe={"stages": [{"op": "adaptive_pool2d", "output_size": [10**8, 1]}]})),
    ],
)  # fmt: skip
def test_maps_that_are_too_large_are_refused_from_the_plan(call):
    poolcli.run(SMALL)  # what it imports is not counted
    tracemalloc.start()
    start = time.perf_counter()
    try:
        with pytest.raises(SizeError):
            call()
        assert time.perf_counter() - start < 5
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()


def test_the_largest_adaptive_window_is_known_without_looking_at_all():
    for length in range(1, 40):
        for out in range(1, 60):
            axis = AdaptiveAxis(length, out)
            i = np.arange(out)
            starts, ends = i * length // out, -(-(i + 1) * length // out)
            assert axis.size == (ends - starts).max(), (length, out)
            np.testing.assert_array_equal(axis.starts(0, out), starts)
            np.testing.assert_array_equal(axis.counts(0, out), ends - starts)


@pytest.mark.parametrize("shape", [(4161, 1), (4161, 3), (700, 9), (31, 450), (3, 5)])
@pytest.mark.parametrize("out", [(13, 1), (63, 2), (100, 4), (997, 1), (5000, 7)])
@pytest.mark.parametrize("kind", ["max", "average", "sum", "median", "std"])
def test_adaptive_windows_of_any_shape_follow_their_bounds(shape, out, kind):
    if kind in ("median", "std") and out[0] > 100:
        pytest.skip("the loop takes long")
    x = np.random.default_rng(1).standard_normal((2, *shape))
    numpy = {"max": np.max, "average": np.mean, "sum": np.sum, "median": np.median, "std": np.std}[kind]

    def bounds(n, o):
        return [(i * n // o, -(-(i + 1) * n // o)) for i in range(o)]

    rows, cols = bounds(shape[0], out[0]), bounds(shape[1], out[1])
    want = [[numpy(x[:, a:b, c:d], axis=(1, 2)) for c, d in cols] for a, b in rows]
    pooled = poolcli.adaptive_pool2d(x, out, kind)
    np.testing.assert_allclose(pooled, np.moveaxis(want, -1, 0), rtol=1e-12, atol=1e-12)
    for plane in (0, 1):  # planes do not depend on their neighbours
        np.testing.assert_array_equal(poolcli.adaptive_pool2d(x[plane], out, kind), pooled[plane])


# -- arrays ----------------------------------------------------------------------------------------------------


class Tensor:
    """As a tensor that requires a gradient, or is of a type that numpy does not have."""

    def __init__(self, error):
        self.error = error

    def __array__(self, dtype=None, copy=None):
        raise self.error


def test_a_plane_to_unpool_to_that_is_too_large_is_refused():
    with pytest.raises(SizeError):
        poolcli.unpool2d([[1.0]], [[0]], (100_000_000, 1_000))


FUNCTIONS = [
    poolcli.pool2d, poolcli.global_pool2d, poolcli.relu, lambda x: poolcli.conv2d(x, "edge"),
    lambda x: poolcli.conv2d(np.eye(5), x),
]  # fmt: skip


@pytest.mark.parametrize("function", FUNCTIONS)
def test_masked_arrays_are_refused_unless_nothing_is_masked(function):
    x = np.arange(16.0).reshape(4, 4)

    np.testing.assert_array_equal(function(np.ma.array(x)), function(x))
    np.testing.assert_array_equal(function(np.ma.array(x, mask=np.zeros((4, 4), bool))), function(x))
    with pytest.raises(OptionError, match="masked"):
        function(np.ma.masked_equal(x, 3))
    with pytest.raises(OptionError, match="array with 2 cells masked"):
        function(list(np.ma.masked_less(x, 2)))  # numpy would drop the masks of the rows


def test_run_refuses_masked_cells_in_any_form():
    x = np.ma.masked_less(np.arange(16.0).reshape(4, 4), 2)

    for form in (x, list(x), tuple(x)):
        with pytest.raises(PoolcliError, match="2 values are masked"):
            poolcli.run(form)


@pytest.mark.parametrize(
    "call",
    [
        lambda: poolcli.conv2d(np.eye(5), np.ones((3, 3), complex)),
        lambda: poolcli.pool2d(np.eye(5), padding=np.full((3, 3), -1)),
        lambda: poolcli.pool2d(np.eye(5), size=np.zeros((4, 4))),
        lambda: poolcli.recipe(pool="lp", p=np.eye(3)),
    ],
)
def test_what_is_shown_of_an_array_is_one_line(call):
    with pytest.raises(PoolcliError) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    "error", [RuntimeError("Can't call numpy() on Tensor that requires grad."), TypeError("BFloat16")]
)
def test_what_a_tensor_raises_is_an_error_of_ours(function, error):
    with pytest.raises(PoolcliError, match="Tensor"):
        function(Tensor(error))


def test_run_refuses_such_tensors_too():
    with pytest.raises(PoolcliError, match="requires grad"):
        poolcli.run(Tensor(RuntimeError("it requires grad")))


@pytest.mark.parametrize("shape", [(17, 17), (3, 400), (40000, 3), (40000, 1)])
@pytest.mark.parametrize("kind", ["average", "mixed", "sum"])
def test_sums_of_large_values_of_both_signs(shape, kind):
    """Partial sums beyond float64 make neither NaN nor infinity of a mean, and of a sum only by right."""
    x = np.random.default_rng(0).uniform(-1, 1, shape) * 8e307
    mean = math.fsum((x / x.size).ravel())
    expected = {"average": mean, "mixed": mean / 2 + x.max() / 2, "sum": math.fsum((x / 2**64).ravel()) * 2.0**64}[kind]

    assert poolcli.pool2d(x, kind, shape)[0, 0] == pytest.approx(expected, rel=1e-9)
    assert poolcli.global_pool2d(x, kind)[0, 0] == pytest.approx(expected, rel=1e-9)
    wide = np.tile(x, (2, 2))  # windows that overlap
    found = poolcli.pool2d(wide, kind, shape, stride=1)
    assert found[0, 0] == pytest.approx(expected, rel=1e-9)
    assert not np.isnan(found).any()
    x[1, 0] = np.inf
    assert poolcli.pool2d(x, kind, shape)[0, 0] == np.inf
    x[2, 0] = -np.inf
    assert np.isnan(poolcli.pool2d(x, "average", shape)[0, 0])


def test_large_values_of_a_map_that_passes_once():
    x = np.random.default_rng(1).uniform(-1, 1, (1, 60000, 3)) * 8e307
    pooled = pooling("average", output_size=1).stages((60000, 3), ValueRange.of(x.dtype), 1)
    found = np.empty((1, 1, 1))

    run(x, (ReluStage((60000, 3), ValueRange.of(x.dtype), 1), *pooled), found)

    assert found[0, 0, 0] == pytest.approx(np.maximum(x / x.size, 0).sum(), rel=1e-9)


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
@pytest.mark.parametrize("columns", [2, 60])
def test_whole_numbers_between_those_of_float64(dtype, columns):
    """Neighbours of 2^53 and 2^62 differ by what they differ by, in many windows and in one."""

    def pooled(low, high, kind, **given):
        x = np.tile(np.array([[low, high]], dtype), (1, columns // 2))
        return poolcli.pool2d(x, kind, (1, 2), **given)

    for low, high in [(2**62, 2**62 + 2), (2**53 + 1, 2**53 + 3), (2**63 - 3, 2**63 - 1)]:
        assert (pooled(low, high, "std") == 1).all()
        assert (pooled(low, high, "median") == float((low + high) // 2)).all()
        assert (pooled(low, high, "percentile", q=75) == low + 1.5).all()
    if dtype == "int64":
        assert (pooled(-(2**62), 2**62 + 3, "median") == 1.5).all()
        assert (pooled(-(2**62), 2**62 + 3, "percentile", q=50) == 1.5).all()
        assert (pooled(-(2**63), 2**63 - 1, "median") == -0.5).all()
        assert (pooled(-(2**63), 2**63 - 1, "std") == 2.0**63).all()
