"""Cross-correlation and ReLU against plain loops, known answers and laws."""

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st

import poolcli
from poolcli.errors import SizeError

SETTINGS = settings(derandomize=True, deadline=None, max_examples=150)
EMBOSS = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])
PADDINGS = st.one_of(
    st.sampled_from(["valid", "same", "same-lower"]),
    st.integers(0, 6),
    st.tuples(st.integers(0, 6), st.integers(0, 6)),
    st.tuples(st.tuples(st.integers(0, 6), st.integers(0, 6)), st.tuples(st.integers(0, 6), st.integers(0, 6))),
)


def one_or_two(high):
    return st.one_of(st.integers(1, high), st.tuples(st.integers(1, high), st.integers(1, high)))


@st.composite
def questions(draw, dtypes, *, whole):
    """A map, a kernel and the geometry."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    leading = draw(st.sampled_from([(), (), (3,), (2, 2)]))
    shape = (*leading, draw(st.integers(1, 8)), draw(st.integers(1, 8)))
    size = (draw(st.integers(1, 5)), draw(st.integers(1, 5)))
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    kernel = random.integers(-9, 10, size) if whole else random.normal(0, 0.5, size)
    kernel[random.random(size) < 0.2] = draw(st.sampled_from([0, 1, -1]))
    if dtype.kind == "f":
        x = random.integers(0, 256, shape).astype(dtype) if whole else random.random(shape).astype(dtype)
    elif dtype.kind == "b":
        x = random.random(shape) < 0.5
    else:
        low, high = max(np.iinfo(dtype).min, -(2**15)), min(np.iinfo(dtype).max, 2**15)
        x = random.integers(low, high, shape, dtype, endpoint=True)
    layout = draw(st.sampled_from(["C", "Fortran", "reversed", "read-only"]))
    if layout == "Fortran":
        x = np.asfortranarray(x)
    elif layout == "reversed":
        x = x[..., ::-1, ::-1].copy()[..., ::-1, ::-1]
    x.flags.writeable = layout != "read-only"
    return x, kernel, {"stride": draw(one_or_two(4)), "padding": draw(PADDINGS), "dilation": draw(one_or_two(3))}


def compare(x, kernel, options, check):
    """poolcli and the loops agree, or both refuse."""
    before = x.tobytes()
    try:
        expected = reference.conv2d(x, kernel, **options)
    except ValueError:
        with pytest.raises(SizeError):
            poolcli.conv2d(x, kernel, **options)
        return
    y = poolcli.conv2d(x, kernel, **options)
    assert y.shape == expected.shape
    assert y.dtype == expected.dtype
    check(y, expected)
    assert y.flags.c_contiguous
    assert x.tobytes() == before


@SETTINGS
@given(
    questions(
        ["bool", "uint8", "int8", "uint16", "int16", "int32", "uint32", "int64", "float32", "float64"], whole=True
    )
)
def test_whole_numbers_are_exact(question):
    compare(*question, np.testing.assert_array_equal)


@SETTINGS
@given(questions(["float32", "float64", "float16"], whole=False))
def test_fractions_are_within_two_millionths(question):
    compare(*question, lambda y, expected: np.testing.assert_allclose(y, expected, rtol=0, atol=2e-6))


@SETTINGS
@given(questions(["uint8", "uint16", "int32"], whole=False))
def test_fractional_kernels_on_integers(question):
    x, kernel, options = question
    largest = max(1.0, float(np.abs(x.astype(np.float64)).max()))
    compare(
        x, kernel, options, lambda y, expected: np.testing.assert_allclose(y, expected, rtol=0, atol=2e-6 * largest)
    )


@pytest.mark.parametrize("dtype", ["uint8", "int32", "uint64", "int64"])
def test_extreme_integers_do_not_wrap(dtype):
    high = np.iinfo(dtype).max
    x = np.full((6, 6), high, dtype)
    y = poolcli.conv2d(x, [[100, 100], [100, 100]], padding="valid")
    np.testing.assert_allclose(y, np.full((5, 5), 400 * float(high)), rtol=1e-6)
    y = poolcli.conv2d(x, [[-100, -100], [-100, 0]], padding="valid")
    np.testing.assert_allclose(y, np.full((5, 5), -300 * float(high)), rtol=1e-6)


def test_cross_correlation_does_not_flip():
    """One bright pixel comes back as the kernel turned by 180 degrees, as in every framework."""
    x = np.zeros((5, 5), np.float32)
    x[2, 2] = 1
    np.testing.assert_array_equal(poolcli.conv2d(x, EMBOSS)[1:4, 1:4], EMBOSS[::-1, ::-1])


def test_strided_same_starts_without_padding():
    """Six columns, size 3, stride 2: no padding before, one cell after, three outputs (TensorFlow)."""
    x = np.arange(1, 7, dtype=np.float32)[None]
    y = poolcli.conv2d(x, [[1, 10, 100]], stride=(1, 2))
    np.testing.assert_array_equal(y, [[321, 543, 65]])
    y = poolcli.conv2d(x, [[1, 10, 100]], stride=(1, 2), padding="same-lower")
    np.testing.assert_array_equal(y, [[210, 432, 654]])


def test_padding_may_exceed_the_kernel():
    y = poolcli.conv2d(np.ones((1, 1), np.float32), [[2]], padding=3)
    expected = np.zeros((7, 7))
    expected[3, 3] = 2
    np.testing.assert_array_equal(y, expected)


def test_lists_and_names_are_kernels():
    x = np.random.default_rng(0).random((9, 9), np.float32)
    np.testing.assert_array_equal(poolcli.conv2d(x, EMBOSS.tolist()), poolcli.conv2d(x, EMBOSS))
    np.testing.assert_array_equal(poolcli.conv2d(x, "emboss"), poolcli.conv2d(x, EMBOSS))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_reach_every_window_that_reads_them(value):
    x = np.zeros((5, 7), np.float32)
    x[2, 3] = value
    touched = np.zeros(x.shape, bool)
    touched[1:4, 2:5] = True
    y = poolcli.conv2d(x, np.full((3, 3), 2))
    np.testing.assert_array_equal(y, np.where(touched, value, 0))


@SETTINGS
@given(questions(["float32"], whole=True), st.integers(-5, 5))
def test_linear(question, factor):
    """conv(a x + y) = a conv(x) + conv(y), exact on whole numbers."""
    x, kernel, options = question
    other = x[..., ::-1]
    try:
        together = poolcli.conv2d(factor * x + other, kernel, **options)
    except SizeError:
        return
    apart = factor * poolcli.conv2d(x, kernel, **options) + poolcli.conv2d(other, kernel, **options)
    np.testing.assert_array_equal(together, apart)


def test_ones_over_the_count_is_average_pooling():
    x = np.random.default_rng(1).integers(0, 256, (2, 20, 20)).astype(np.float32)
    summed = poolcli.conv2d(x, np.ones((4, 4)), stride=4, padding="valid")
    np.testing.assert_array_equal(summed, poolcli.pool2d(x, "sum", 4))
    np.testing.assert_array_equal(summed / 16, poolcli.pool2d(x, "average", 4))


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int64", "float16", "float32", "float64"])
def test_relu(dtype):
    x = np.random.default_rng(2).integers(-5, 5, (2, 3, 4)).astype(dtype)[:, ::-1]
    before = x.tobytes()
    y = poolcli.relu(x)
    assert y.dtype == x.dtype
    np.testing.assert_array_equal(y, reference.relu(x))
    assert x.tobytes() == before
    assert not np.shares_memory(x, y)


def test_relu_keeps_nan():
    np.testing.assert_array_equal(poolcli.relu(np.array([[np.nan, -np.inf, np.inf, -0.0]])), [[np.nan, 0, np.inf, 0]])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_zero_weights_spread_what_is_not_finite_as_the_frameworks_do(value):
    """0 * NaN and 0 * inf are NaN, so a plus-shaped kernel makes all nine neighbours NaN or infinite."""
    x = np.ones((7, 9), np.float32)
    x[3, 4] = value
    y = poolcli.conv2d(x, [[0, 1, 0], [1, 1, 1], [0, 1, 0]])

    assert np.count_nonzero(~np.isfinite(y)) == 9
    assert not np.isfinite(y[2:5, 3:6]).any()
