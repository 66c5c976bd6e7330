"""Laws that hold for all numbers: symmetries of the kinds, independence of strips, bands, threads and planes."""

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import tiny_strips

import poolcli

SETTINGS = settings(derandomize=True, deadline=None, max_examples=60)
SHIFTING = ("max", "min", "average", "median", "mode", "percentile", "subsample", "blur")
BETWEEN = (
    "average",
    "median",
    "mode",
    "percentile",
    "rms",
    "subsample",
    "blur",
    "gem",
    "lse",
    "soft",
    "mixed",
    "stochastic",
)
GEOMETRIES = [
    {"size": 2},
    {"size": 3, "stride": 2, "padding": 1},
    {"size": (3, 2), "stride": (1, 3), "dilation": (2, 1), "padding": "same"},
    {"size": (5, 2), "stride": (2, 1), "padding": ((4, 0), (1, 1)), "ceil": True},
    {"size": 1, "stride": 3},
    {"size": (18, 1), "stride": (1, 2), "padding": "same-lower"},
]


def numbers(seed, shape, dtype):
    random = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return random.normal(0, 3, shape).astype(dtype)
    return random.integers(0, 40, shape).astype(dtype)


shapes = st.tuples(st.integers(20, 30), st.integers(4, 12))
seeds = st.integers(0, 2**32 - 1)
geometries = st.sampled_from(GEOMETRIES)


@SETTINGS
@given(seeds, shapes, geometries)
def test_max_is_minus_min_of_minus(seed, shape, geometry):
    x = numbers(seed, shape, "float32")
    values, indices = poolcli.pool2d(x, "max", return_indices=True, **geometry)
    others, same = poolcli.pool2d(-x, "min", return_indices=True, **geometry)
    np.testing.assert_array_equal(values, -others)
    np.testing.assert_array_equal(indices, same)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64", "float32", "float64"])
@pytest.mark.parametrize("kind", SHIFTING)
@pytest.mark.promise("C2")
def test_a_constant_is_a_fixed_point(kind, dtype):
    x = np.full((24, 9), 7, dtype)
    for geometry in GEOMETRIES:
        y = poolcli.pool2d(x, kind, **geometry)
        np.testing.assert_array_equal(y, np.full(y.shape, 7))


@pytest.mark.parametrize("kind", ["range", "std"])
def test_a_constant_has_no_spread(kind):
    for geometry in [*GEOMETRIES, {"size": (20, 20)}]:
        y = poolcli.pool2d(np.full((24, 24), 7.25, np.float32), kind, **geometry)
        np.testing.assert_array_equal(y, np.zeros(y.shape))


@pytest.mark.parametrize("kind", SHIFTING)
@SETTINGS
@given(seeds, shapes, st.sampled_from(["uint8", "int16", "int32", "float32"]), st.integers(1, 200), geometries)
@pytest.mark.promise("C2")
def test_adding_a_constant_commutes(kind, seed, shape, dtype, constant, geometry):
    """pool(x + c) = pool(x) + c; exact for kinds that choose, within rounding for kinds that average."""
    x = numbers(seed, shape, dtype)
    if dtype == "float32":
        x = np.round(x)
    shifted = poolcli.pool2d(x + np.array(constant, dtype), kind, **geometry)
    y = poolcli.pool2d(x, kind, **geometry)
    np.testing.assert_allclose(
        shifted, y + np.array(constant, y.dtype), rtol=0 if kind in reference.EXACT_KINDS else 3e-7
    )


@pytest.mark.parametrize("kind", BETWEEN)
@SETTINGS
@given(seeds, shapes, geometries)
@pytest.mark.promise("C2")
def test_between_min_and_max(kind, seed, shape, geometry):
    x = np.abs(numbers(seed, shape, "float32"))
    if kind == "blur":  # its windows reach one row and column further
        y = poolcli.pool2d(x, "blur", **geometry)
        assert y.min() >= x.min() * (1 - 1e-6)
        assert y.max() <= x.max() * (1 + 1e-6)
        return
    y = poolcli.pool2d(x, kind, **geometry)
    assert (y >= poolcli.pool2d(x, "min", **geometry) * (1 - 1e-6)).all()
    assert (y <= poolcli.pool2d(x, "max", **geometry) * (1 + 1e-6)).all()


@SETTINGS
@given(seeds, shapes, geometries)
def test_kinds_that_are_one_another(seed, shape, geometry):
    x = numbers(seed, shape, "float32")

    def pool(kind, **parameters):
        return poolcli.pool2d(x, kind, **geometry, **parameters)

    np.testing.assert_array_equal(pool("percentile", q=0), pool("min"))
    np.testing.assert_array_equal(pool("percentile", q=100), pool("max"))
    np.testing.assert_array_equal(pool("percentile"), pool("median"))
    np.testing.assert_array_equal(pool("percentile", q=50), pool("median"))
    np.testing.assert_array_equal(pool("range"), pool("max") - pool("min"))
    np.testing.assert_array_equal(pool("lp"), pool("lp", p=2))
    largest = poolcli.pool2d(np.abs(x), "max", **geometry)
    np.testing.assert_array_equal(pool("lp", p=np.inf), largest)
    summed = poolcli.pool2d(np.abs(x), "sum", **geometry)
    np.testing.assert_allclose(pool("lp", p=1), summed, rtol=2e-6)
    mean_square = poolcli.pool2d(x**2, "average", **geometry)
    np.testing.assert_allclose(pool("rms"), np.sqrt(mean_square), rtol=2e-6)
    variance = mean_square.astype(np.float64) - pool("average").astype(np.float64) ** 2
    np.testing.assert_allclose(pool("std") ** 2, variance, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", reference.KINDS)
def test_a_window_of_one_cell(kind):
    """Nothing to combine: the value itself, its magnitude for norms, 0 for spreads; and always a fresh array."""
    x = numbers(3, (6, 7), "float32")
    y = poolcli.pool2d(x, kind, 1)
    if kind == "blur":
        reference.assert_pooled(y, reference.pool2d(x, kind, 1), kind, x)
    else:
        np.testing.assert_allclose(
            y,
            {"range": 0 * x, "std": 0 * x, "lp": np.abs(x), "rms": np.abs(x), "gem": np.maximum(x, 1e-6)}.get(kind, x),
            rtol=2e-7,
        )
    assert not np.shares_memory(x, y)
    assert y.flags.writeable


@SETTINGS
@given(seeds, st.integers(1, 5), st.integers(1, 5), st.integers(1, 4), st.integers(1, 4), st.integers(0, 3))
def test_unpool_is_the_inverse_where_windows_do_not_overlap(seed, rows, columns, height, width, extra):
    x = np.abs(numbers(seed, (2, rows * height + extra % height, columns * width), "float32")) + 1
    y, indices = poolcli.pool2d(x, size=(height, width), return_indices=True)
    back = poolcli.unpool2d(y, indices, x.shape[-2:])
    assert back.shape == x.shape
    again, places = poolcli.pool2d(back, size=(height, width), return_indices=True)
    np.testing.assert_array_equal(again, y)
    np.testing.assert_array_equal(places, indices)
    assert np.count_nonzero(back) == y.size
    np.testing.assert_array_equal(back[back > 0], x[back > 0])


@pytest.mark.parametrize("kind", reference.UNPLACED_KINDS)
@SETTINGS
@given(seeds, st.integers(1, 4), st.integers(1, 3), st.integers(1, 2), st.integers(0, 6), st.integers(1, 6))
def test_part_of_the_output_needs_only_its_rows(kind, seed, size, stride, dilation, first, count):
    """Output rows a to b from input rows a s to (b - 1) s + extent alone: the same bytes."""
    x = numbers(seed, (45, 8), "float32")
    options = {"size": (size, 2), "stride": (stride, 2), "dilation": (dilation, 1)}
    spare = 1 if kind == "blur" else 0  # its binomial needs a row of maxima more at either side of the cut
    first += spare
    whole = poolcli.pool2d(x, kind, **options)[first : first + count]
    top = (first - spare) * stride
    bottom = (first + count - 1) * stride + reference.extent(size, dilation) + spare
    part = poolcli.pool2d(x[top:bottom], kind, **options)[spare : spare + count]
    assert part.tobytes() == whole.tobytes()


@pytest.mark.parametrize("kind", reference.KINDS)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_strips_bands_and_threads_change_no_byte(kind, dtype):
    """The fewest rows at a time, in many bands, on 1, 2 and 3 threads: the same bytes as all at once."""
    for shape in ((3, 150, 9), (400, 6)):
        x = numbers(6, shape, dtype)
        for geometry in [*GEOMETRIES, {"size": (90, 4), "stride": (7, 2)}, {"size": 2, "stride": 7, "ceil": True}]:
            whole = poolcli.pool2d(x, kind, **geometry)
            with tiny_strips():
                for threads in (1, 2, 3):
                    y = poolcli.pool2d(x, kind, threads=threads, **geometry)
                    assert y.dtype == whole.dtype
                    np.testing.assert_array_equal(y, whole)
                    assert y.tobytes() == whole.tobytes()


def test_strips_bands_and_threads_change_no_index():
    x = numbers(7, (300, 8), "uint8")
    for geometry in GEOMETRIES:
        _, whole = poolcli.pool2d(x, return_indices=True, **geometry)
        with tiny_strips():
            for threads in (1, 2, 3):
                _, indices = poolcli.pool2d(x, return_indices=True, threads=threads, **geometry)
                np.testing.assert_array_equal(indices, whole)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_strips_bands_and_threads_change_no_byte_of_a_convolution(dtype):
    x = numbers(8, (300, 9), dtype)
    kernel = np.random.default_rng(0).normal(0, 1, (5, 3))
    for weights in (kernel, np.round(3 * kernel)):
        for geometry in ({}, {"stride": (3, 1), "dilation": 2}, {"padding": ((9, 0), (1, 2))}):
            whole = poolcli.conv2d(x, weights, **geometry)
            with tiny_strips():
                for threads in (1, 2, 3):
                    assert poolcli.conv2d(x, weights, threads=threads, **geometry).tobytes() == whole.tobytes()


@pytest.mark.parametrize("kind", ["max", "average", "sum", "blur"])
def test_threads_change_no_byte_of_a_photo(kind):
    """Large enough for more than one band as they are."""
    x = numbers(9, (2600, 900), "float32")
    answers = [poolcli.pool2d(x, kind, 3, 2, padding=1, threads=threads).tobytes() for threads in (1, 2, 3)]
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize("kind", reference.UNPLACED_KINDS)
def test_planes_are_independent(kind):
    x = numbers(10, (2, 3, 21, 10), "float32")
    for geometry in GEOMETRIES:
        y = poolcli.pool2d(x, kind, **geometry)
        for plane in np.ndindex(2, 3):
            np.testing.assert_array_equal(y[plane], poolcli.pool2d(x[plane], kind, **geometry))


@pytest.mark.parametrize("function", ["pool2d", "adaptive_pool2d", "global_pool2d", "conv2d"])
def test_many_small_planes(function):
    """More planes than one strip holds: each is pooled as if it were alone."""
    x = numbers(11, (5000, 6, 7), "float32")
    arguments = {
        "pool2d": {},
        "adaptive_pool2d": {"output_size": 3},
        "global_pool2d": {},
        "conv2d": {"kernel": [[1, 2]]},
    }
    y = getattr(poolcli, function)(x, **arguments[function])
    for plane in (0, 1, 2499, 4999):
        np.testing.assert_array_equal(y[plane], getattr(poolcli, function)(x[plane], **arguments[function]))


@pytest.mark.parametrize("kind", reference.KINDS)
def test_no_planes_at_all(kind):
    assert poolcli.pool2d(np.zeros((0, 4, 6), np.float32), kind).shape == (0, 2, 3)


@pytest.mark.parametrize("kind", ["max", "min", "mode", "range", "sum", "average", "median"])
def test_transposing_the_map_transposes_the_answer(kind):
    """On whole numbers, where the order of addition cannot show."""
    x = numbers(12, (20, 26), "uint8")
    for size, stride, dilation, padding in (
        ((2, 3), (2, 1), (1, 2), ((1, 0), (2, 1))),
        ((4, 1), (3, 2), (2, 1), "same"),
    ):
        turned = padding if isinstance(padding, str) else padding[::-1]
        y = poolcli.pool2d(x, kind, size, stride, padding, dilation)
        z = poolcli.pool2d(x.T, kind, size[::-1], stride[::-1], turned, dilation[::-1])
        np.testing.assert_array_equal(y, z.T)


def test_repeated_max_pooling_is_pooling_by_the_product():
    x = numbers(13, (64, 48), "float32")
    twice = poolcli.pool2d(poolcli.pool2d(x))
    np.testing.assert_array_equal(twice, poolcli.pool2d(x, size=4))
    np.testing.assert_array_equal(twice, poolcli.adaptive_pool2d(x, (16, 12), "max"))


def test_global_is_adaptive_to_one_and_one_window():
    x = numbers(14, (3, 15, 16), "float32")
    for kind in reference.KINDS:
        y = poolcli.global_pool2d(x, kind)
        np.testing.assert_array_equal(y, poolcli.adaptive_pool2d(x, 1, kind))
        np.testing.assert_allclose(y, poolcli.pool2d(x, kind, (15, 16)), rtol=1e-6)
