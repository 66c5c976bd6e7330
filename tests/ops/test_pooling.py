"""Pooling against the loops of reference.py, over shapes, layouts, types and all options; and known answers."""

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st

import poolcli
from poolcli.errors import SizeError

DTYPES = [
    "bool",
    "uint8",
    "int8",
    "uint16",
    "int16",
    "uint32",
    "int32",
    "uint64",
    "int64",
    "float16",
    "float32",
    "float64",
]
FLOATS = ["float32", "float64", "float16"]
INFINITE_KINDS = (
    "max",
    "min",
    "mode",
    "subsample",
    "average",
    "sum",
    "lp",
    "rms",
    "gem",
    "lse",
    "soft",
    "mixed",
    "stochastic",
)
SETTINGS = settings(derandomize=True, deadline=None, max_examples=120)
inf, nan = np.inf, np.nan


# ---------------------------------------------------------------- what is drawn


def values(draw, shape, dtype, *, infinite):
    """Numbers of a type: few and often equal, or over its whole range; floats sometimes with NaN and infinities."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    few = draw(st.booleans())
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return random.random(shape) < 0.5
    if dtype.kind in "iu":
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        return random.integers(max(low, -2), 3, shape, dtype) if few else random.integers(low, high, shape, dtype, True)
    x = random.integers(-2, 3, shape).astype(dtype) if few else random.normal(0, 5, shape).astype(dtype)
    if draw(st.integers(0, 3)) == 0:
        x[random.random(shape) < 0.1] = nan
    if infinite and draw(st.integers(0, 3)) == 0:
        x[random.random(shape) < 0.1] = inf
        x[random.random(shape) < 0.3] = -inf
    return x


def stretched(x):
    big = np.zeros((*x.shape[:-2], 2 * x.shape[-2], 3 * x.shape[-1]), x.dtype)
    big[..., ::2, ::3] = x
    return big[..., ::2, ::3]


def planes_last(x):
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, (-2, -1), (0, 1))), (0, 1), (-2, -1))


def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


LAYOUTS = {
    "C": lambda x: x,
    "Fortran": np.asfortranarray,
    "reversed": lambda x: x[..., ::-1, ::-1].copy()[..., ::-1, ::-1],
    "stretched": stretched,
    "transposed": lambda x: x.swapaxes(-1, -2).copy().swapaxes(-1, -2),
    "planes last": planes_last,
    "read-only": read_only,
}


@st.composite
def maps(draw, dtypes=DTYPES, *, infinite=False):
    """An array (..., H, W) in any memory layout."""
    leading = draw(st.sampled_from([(), (), (2,), (1, 2), (2, 3)]))
    side = st.integers(1, 9) if len(leading) < 2 else st.integers(1, 5)
    shape = (
        *leading,
        *draw(st.one_of(st.tuples(side, side), st.tuples(st.just(1), side), st.tuples(side, st.just(1)))),
    )
    x = values(draw, shape, draw(st.sampled_from(dtypes)), infinite=infinite)
    return LAYOUTS[draw(st.sampled_from(sorted(LAYOUTS)))](x)


@st.composite
def geometries(draw):
    """Keywords of pool2d: size, stride, padding, dilation and ceil, in each of their forms, within what is allowed."""

    def one_or_two(low, high):
        number = st.integers(low, high)
        return draw(st.one_of(number, st.tuples(number, number)))

    options = {"size": one_or_two(1, 4)}
    if draw(st.booleans()):
        options["stride"] = one_or_two(1, 5)
    if draw(st.integers(0, 2)) == 0:
        options["dilation"] = one_or_two(1, 3)
    spans = [
        reference.extent(k, d)
        for k, d in zip(reference.pair(options["size"]), reference.pair(options.get("dilation", 1)), strict=True)
    ]
    rows, columns = (st.integers(0, span - 1) for span in spans)
    both = st.integers(0, min(spans) - 1)
    options["padding"] = draw(
        st.one_of(
            st.sampled_from(["valid", "same", "same-lower"]),
            both,
            st.tuples(rows, columns),
            st.tuples(st.tuples(rows, rows), st.tuples(columns, columns)),
        )
    )
    if options["padding"] not in ("same", "same-lower") and draw(st.booleans()):
        options["ceil"] = True
    return options


OWN = {
    "gem": ("p", (1, 2.5, 0.01, 40, inf)),
    "lse": ("r", (1, 0.01, 100, inf)),
    "mixed": ("alpha", (0, 0.3, 1)),
    "stochastic": ("seed", (1, 2**64 - 1)),
}


@st.composite
def parameters(draw, kind):
    """The kind's own parameter, or its default."""
    if kind == "lp":
        return draw(st.sampled_from([{}, {"p": 1}, {"p": 2}, {"p": 3}, {"p": 2.5}, {"p": inf}]))
    if kind == "percentile":
        return draw(st.sampled_from([{}, {"q": 0}, {"q": 10}, {"q": 37.5}, {"q": 90}, {"q": 100}]))
    if kind in OWN:
        name, values = OWN[kind]
        return draw(st.sampled_from([{}, *({name: value} for value in values)]))
    return {"count_include_pad": draw(st.booleans())} if kind == "average" else {}


def cells(size):
    return int(np.prod(reference.pair(size)))


def answer_or_error(function, *arguments, **options):
    """The reference's answer, or None where the sizes forbid one."""
    try:
        return function(*arguments, **options)
    except ValueError:
        return None


def summable(x, kind):
    """Sums of 64-bit integers that do not fit are refused: smaller ones, where sums are wanted."""
    return x // x.dtype.type(100) if kind == "sum" and x.dtype in (np.int64, np.uint64) else x


# ---------------------------------------------------------------- against the loops


def test_every_kind_has_a_reference():
    assert set(poolcli.POOLS) - set(reference.ALIASES) == set(reference.KINDS)


@pytest.mark.parametrize("kind", reference.KINDS)
@SETTINGS
@given(data=st.data())
@pytest.mark.promise("C2")
def test_windows(kind, data):
    """Every kind, type, layout and geometry: shape, type, values; the input untouched, the output contiguous."""
    x = summable(data.draw(maps(infinite=kind in INFINITE_KINDS)), kind)
    options = data.draw(geometries()) | data.draw(parameters(kind))
    before = x.tobytes()
    expected = answer_or_error(reference.pool2d, x, kind, **options)
    if expected is None:
        with pytest.raises(SizeError):
            poolcli.pool2d(x, kind, **options)
    else:
        y = poolcli.pool2d(x, kind, **options)
        reference.assert_pooled(y, expected, kind, x, cells(options["size"]))
        assert y.flags.c_contiguous
        assert not np.shares_memory(x, y)
    assert x.tobytes() == before


@pytest.mark.parametrize("kind", ["max", "min"])
@SETTINGS
@given(data=st.data())
def test_indices(kind, data):
    """Positions in the unpadded plane: the first of equals, the last NaN."""
    x = data.draw(maps(infinite=True))
    options = data.draw(geometries())
    expected = answer_or_error(reference.pool2d, x, kind, return_indices=True, **options)
    if expected is None:
        with pytest.raises(SizeError):
            poolcli.pool2d(x, kind, return_indices=True, **options)
        return
    y, indices = poolcli.pool2d(x, kind, return_indices=True, **options)
    reference.assert_pooled(y, expected[0], kind, x)
    assert indices.dtype == np.int64
    np.testing.assert_array_equal(indices, expected[1])
    flat = x.reshape(*x.shape[:-2], -1)
    taken = np.take_along_axis(flat, indices.reshape(*x.shape[:-2], -1), -1).reshape(y.shape)
    np.testing.assert_array_equal(taken, y)


@pytest.mark.parametrize("kind", [kind for kind in reference.KINDS if kind != "blur"])
@SETTINGS
@given(data=st.data())
@pytest.mark.promise("C2")
def test_adaptive(kind, data):
    """Overlapping windows where the sizes do not divide, repeated pixels where the output is larger, None to keep an axis."""
    x = summable(data.draw(maps()), kind)
    side = st.one_of(st.none(), st.integers(1, 11))
    shape = data.draw(st.one_of(st.integers(1, 9), st.tuples(side, side)))
    y = poolcli.adaptive_pool2d(x, shape, kind)
    reference.assert_pooled(y, reference.adaptive_pool2d(x, shape, kind), kind, x, x.shape[-2] * x.shape[-1])
    assert y.flags.c_contiguous
    assert not np.shares_memory(x, y)


@pytest.mark.parametrize("kind", reference.KINDS)
@SETTINGS
@given(data=st.data())
def test_global(kind, data):
    """The whole plane is one window: (..., 1, 1)."""
    x = summable(data.draw(maps()), kind)
    y = poolcli.global_pool2d(x, kind)
    assert y.shape == (*x.shape[:-2], 1, 1)
    reference.assert_pooled(y, reference.global_pool2d(x, kind), kind, x, cells=257)  # any order of addition


@SETTINGS
@given(data=st.data())
def test_unpool(data):
    """ValueRange go back where they came from; zeros elsewhere."""
    x = data.draw(maps())
    options = data.draw(geometries())
    answers = answer_or_error(reference.pool2d, x, return_indices=True, **options)
    if answers is None:
        return
    y = poolcli.unpool2d(*answers, x.shape[-2:])
    expected = reference.unpool2d(*answers, x.shape[-2:])
    assert y.dtype == expected.dtype
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("alias", sorted(reference.ALIASES))
def test_aliases(alias):
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    for function, argument in (
        (poolcli.pool2d, {}),
        (poolcli.adaptive_pool2d, {"output_size": 2}),
        (poolcli.global_pool2d, {}),
    ):
        answer = function(x, kind=alias, **argument)
        np.testing.assert_array_equal(answer, function(x, kind="average", **argument))


@pytest.mark.parametrize("kind", reference.KINDS)
@pytest.mark.parametrize("dtype", ["uint16", "int32", "float32", "float64"])
def test_byte_order_does_not_matter(kind, dtype):
    x = np.random.default_rng(1).integers(0, 200, (6, 7)).astype(dtype)
    y = poolcli.pool2d(x.astype(x.dtype.newbyteorder()), kind, 3, 2)
    np.testing.assert_array_equal(y, poolcli.pool2d(x, kind, 3, 2))


# ---------------------------------------------------------------- types


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", reference.KINDS)
def test_result_type(kind, dtype):
    """max, min, mode, subsample keep the type, range may widen it, sums of integers have 64 bits, the others are floats."""
    y = poolcli.pool2d(np.ones((4, 4), dtype), kind)
    assert y.dtype == reference.output_type(kind, np.dtype(dtype))


@pytest.mark.parametrize("dtype", [name for name in DTYPES if name.startswith(("int", "uint"))])
def test_range_of_the_extremes_does_not_wrap(dtype):
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    x = np.array([[low, high], [0, 1]], dtype)
    assert int(poolcli.pool2d(x, "range")[0, 0]) == high - low


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_sums_of_the_largest_value_do_not_wrap(dtype):
    high = np.iinfo(dtype).max
    x = np.full((64, 64), high, dtype)
    if x.itemsize < 8:
        np.testing.assert_array_equal(poolcli.pool2d(x, "sum", 32), np.full((2, 2), 1024 * int(high)))
    else:
        with pytest.raises(SizeError, match="does not fit"):
            poolcli.pool2d(x, "sum", 32)
    np.testing.assert_allclose(poolcli.pool2d(x, "average", 32), float(high), rtol=1e-6)
    np.testing.assert_allclose(poolcli.pool2d(x, "rms", 32), float(high), rtol=1e-6)
    np.testing.assert_allclose(poolcli.pool2d(x, "std", 32), 0, atol=1e-6 * high)


# ---------------------------------------------------------------- known answers


def row(*numbers):
    return np.array([numbers], np.float32)


FIVE = row(1, 2, 3, 4, 5)
D2L = np.arange(16, dtype=np.float32).reshape(4, 4)
FOUR = np.array([[10, 12, 8, 7], [4, 11, 5, 9], [18, 13, 7, 7], [3, 15, 2, 2]], np.float32)
DEMO = np.array([[0, 0, 1, 7], [0, 2, 0, 0], [5, 2, 0, 0], [0, 0, 9, 8]], np.float32)
SIGNED = np.array([[-1, 2, 3], [4, -5, 6], [7, 8, 9]], np.float32)


@pytest.mark.parametrize(
    ("x", "options", "expected"),
    [
        (FOUR, {"size": 2}, [[12, 9], [18, 7]]),
        (FOUR, {"size": 2, "stride": 1}, [[12, 12, 9], [18, 13, 9], [18, 15, 7]]),
        (FIVE, {"kind": "average", "size": (1, 2), "ceil": True}, [[1.5, 3.5, 5]]),
        (FIVE, {"kind": "average", "size": (1, 2), "padding": "same"}, [[1.5, 3.5, 5]]),
        (FIVE, {"kind": "average", "size": (1, 2), "padding": "same-lower"}, [[1, 2.5, 4.5]]),
        (FIVE, {"kind": "average", "size": (1, 2), "padding": "same", "count_include_pad": True}, [[1.5, 3.5, 2.5]]),
        (row(1, 2, 3, 4), {"size": (1, 2), "stride": (1, 3), "padding": (0, 1), "ceil": True}, [[1, 4]]),
        (
            row(1, 2, 3, 4),
            {
                "kind": "average",
                "size": (1, 2),
                "stride": 3,
                "padding": (0, 1),
                "ceil": True,
                "count_include_pad": True,
            },
            [[0.5, 3.5]],
        ),
        (
            row(1, 2, 3, 4),
            {"kind": "average", "size": (1, 2), "stride": 3, "padding": (0, 1), "ceil": True},
            [[1, 3.5]],
        ),
        (row(1, 2, 3), {"size": (1, 3), "padding": (0, 1), "ceil": True}, [[2, 3]]),
        (-FIVE, {"size": (1, 2), "stride": 1, "padding": "same"}, [[-1, -2, -3, -4, -5]]),
        (-FIVE, {"size": (1, 4), "stride": 2, "padding": "same"}, [[-1, -2, -4]]),
        (-FIVE, {"size": (1, 3), "padding": "same"}, [[-1, -4]]),
        (-FIVE, {"size": (1, 2), "padding": "same-lower"}, [[-1, -2, -4]]),
        (-FIVE, {"size": (1, 4), "stride": 2, "padding": "same-lower"}, [[-1, -1, -3]]),
        (-FIVE, {"size": (1, 3), "padding": "same-lower"}, [[-1, -3]]),
        (SIGNED, {"kind": "lp", "p": 1, "stride": 1}, [[12, 16], [24, 28]]),
        (SIGNED, {"kind": "lp", "p": 2, "stride": 1}, [[6.78233, 8.602325], [12.409674, 14.3527]]),
        (SIGNED, {"kind": "lp", "p": inf, "stride": 1}, [[5, 6], [8, 9]]),
        (D2L[:3, :3] * [[1], [0.75], [0.75]], {"size": 2, "stride": 1}, [[3.75, 4.5], [6.75, 7.5]]),
        (np.arange(9, dtype=np.float32).reshape(3, 3), {"size": 2, "stride": 1}, [[4, 5], [7, 8]]),
        (np.arange(9, dtype=np.float32).reshape(3, 3), {"kind": "average", "stride": 1}, [[2, 3], [5, 6]]),
        (D2L, {"size": 3}, [[10]]),
        (D2L, {"size": 3, "stride": 2, "padding": 1}, [[5, 7], [13, 15]]),
        (D2L, {"size": (2, 3), "stride": (2, 3), "padding": (0, 1)}, [[5, 7], [13, 15]]),
        (DEMO, {"size": 2, "stride": 2, "padding": "same"}, [[2, 7], [5, 9]]),
        (DEMO, {"size": 3, "stride": 2, "padding": "same"}, [[5, 7], [9, 9]]),
        (row(1, 2, 3, 4, 5, 6, 7), {"size": (1, 2), "stride": 3, "padding": "same"}, [[2, 5, 7]]),
        (row(9, 9, 9), {"kind": "lp", "size": (1, 2), "ceil": True}, [[162**0.5, 9]]),
        (FOUR, {"kind": "min"}, [[4, 5], [3, 2]]),
        (FOUR, {"kind": "median"}, [[10.5, 7.5], [14, 4.5]]),
        (FOUR, {"kind": "mode"}, [[4, 5], [3, 2]]),
        (FOUR, {"kind": "mode", "size": 4}, [[7]]),
        (FOUR, {"kind": "subsample"}, [[10, 8], [18, 7]]),
        (FOUR, {"kind": "subsample", "padding": 1, "size": 3, "stride": 2}, [[10, 12], [4, 11]]),
        (FOUR, {"kind": "range"}, [[8, 4], [15, 5]]),
        (FOUR, {"kind": "sum"}, [[37, 29], [49, 18]]),
        (row(1, 3, 3, 3), {"kind": "std", "size": (1, 2)}, [[1, 0]]),
        (row(3, 4, 1, 7), {"kind": "rms", "size": (1, 2)}, [[12.5**0.5, 5]]),
        (FIVE, {"kind": "percentile", "q": 25, "size": (1, 5)}, [[2]]),
        (FIVE, {"kind": "percentile", "q": 90, "size": (1, 5)}, [[4.6]]),
        (row(0, 0, 16, 0, 0, 0), {"kind": "blur", "size": (1, 1), "stride": (1, 2)}, [[0, 8, 0]]),
        (row(0, 16, 0, 0, 0, 0), {"kind": "blur", "size": (1, 2), "stride": (1, 2)}, [[16, 4, 0]]),
    ],
)
def test_known_answer(x, options, expected):
    np.testing.assert_allclose(poolcli.pool2d(np.float32(x), **options), np.float32(expected), rtol=1e-6)


def test_known_indices_and_unpooling():
    x = np.arange(25, dtype=np.float32).reshape(5, 5)
    values, indices = poolcli.pool2d(x, return_indices=True)
    np.testing.assert_array_equal(values, [[6, 8], [16, 18]])
    np.testing.assert_array_equal(indices, [[6, 8], [16, 18]])
    back = poolcli.unpool2d(values, indices, (5, 5))
    np.testing.assert_array_equal(back, np.where(np.isin(x, values), x, 0))


def test_known_adaptive_answers():
    x = np.arange(25, dtype=np.float32).reshape(5, 5)
    np.testing.assert_array_equal(poolcli.adaptive_pool2d(x, (3, 2)), [[3.5, 5.5], [11, 13], [18.5, 20.5]])
    np.testing.assert_array_equal(poolcli.adaptive_pool2d(row(0, 1, 2), (1, 5)), [[0, 0.5, 1, 1.5, 2]])
    np.testing.assert_array_equal(poolcli.adaptive_pool2d(row(0, 1, 2), (1, 5), "max"), [[0, 1, 1, 2, 2]])
    assert poolcli.adaptive_pool2d(np.ones((10, 9)), (None, 7)).shape == (10, 7)


# ---------------------------------------------------------------- NaN and infinity


@pytest.mark.parametrize("kind", [kind for kind in reference.KINDS if kind != "subsample"])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("where", range(4))
def test_nan_propagates(kind, dtype, where):
    """One NaN anywhere in the window makes the answer NaN, as in PyTorch and numpy; its neighbours stay numbers."""
    x = np.ones((2, 12), dtype)
    x[where // 2, 4 + where % 2] = nan
    touched = [False, False, True, False, False, False]
    if kind == "blur":  # the column's windows at stride 1, then one column to either side
        touched = [False, where % 2 == 0, True, where % 2 == 1, False, False]
    np.testing.assert_array_equal(np.isnan(poolcli.pool2d(x, kind)), [touched])


@pytest.mark.parametrize("kind", [kind for kind in reference.KINDS if kind not in ("subsample", "blur")])
@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_one_bad_pixel_stays_in_its_windows(kind, value):
    """Windows above 256 cells are computed another way; their neighbours must not notice."""
    x = np.random.default_rng(9).normal(5, 1, (60, 80)).astype(np.float32)
    x[25, 30] = value
    y = poolcli.pool2d(x, kind, 20)
    clean = poolcli.pool2d(np.where(np.isfinite(x), x, 5), kind, 20)
    elsewhere = np.ones((3, 4), bool)
    elsewhere[1, 1] = False
    np.testing.assert_allclose(y[elsewhere], clean[elsewhere], rtol=1e-5)
    if np.isnan(value):
        assert np.isnan(y[1, 1])


@pytest.mark.parametrize("size", [(1, 2), (1, 3), (1, 4), (1, 5), (1, 24)])
def test_median_of_infinities_is_numpys(size):
    x = np.array(
        [[1, inf, -inf, 2, inf, inf, -inf, -inf, -inf, inf, 3, 4, -inf, inf, 5, inf, 7, 6, 1, -inf, 9, 8, 0, 2]]
    )
    windows = np.lib.stride_tricks.sliding_window_view(x[0], size[1])
    with np.errstate(invalid="ignore"):  # -inf + inf
        expected = np.median(windows, axis=-1)
    np.testing.assert_array_equal(poolcli.pool2d(x, "median", size, 1), [expected])


@pytest.mark.parametrize("kind", ["max", "min"])
def test_index_of_nan_is_the_last(kind):
    y, indices = poolcli.pool2d(row(nan, 1, nan, 0, 2, nan), kind, (1, 3), return_indices=True)
    np.testing.assert_array_equal(y, [[nan, nan]])
    np.testing.assert_array_equal(indices, [[2, 5]])


def test_infinities_are_values_and_padding_is_not():
    x = row(-inf, -inf, -inf, inf, 5, -inf)
    y, indices = poolcli.pool2d(x, "max", (1, 3), 1, padding=(0, 2), return_indices=True)
    np.testing.assert_array_equal(y, [[-inf, -inf, -inf, inf, inf, inf, 5, -inf]])
    np.testing.assert_array_equal(indices, [[0, 0, 0, 3, 3, 3, 4, 5]])
    y, indices = poolcli.pool2d(-x, "min", (1, 3), 1, padding=(0, 2), return_indices=True)
    np.testing.assert_array_equal(y, [[inf, inf, inf, -inf, -inf, -inf, -5, inf]])
    np.testing.assert_array_equal(indices, [[0, 0, 0, 3, 3, 3, 4, 5]])
    np.testing.assert_array_equal(poolcli.pool2d(x, "average", (1, 3)), [[-inf, nan]])
    np.testing.assert_array_equal(poolcli.pool2d(x, "median", (1, 3)), [[-inf, 5]])


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int64", "uint64", "bool"])
def test_padding_never_wins_among_integers(dtype):
    """The type's own extremes are ordinary values, even where padding could be mistaken for them."""
    low, high = (False, True) if dtype == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    for kind, value in (("max", low), ("min", high)):
        y, indices = poolcli.pool2d(np.full((3, 3), value, dtype), kind, 3, 2, padding=1, return_indices=True)
        np.testing.assert_array_equal(y, np.full((2, 2), value, dtype))
        np.testing.assert_array_equal(indices, [[0, 1], [3, 4]])


# ---------------------------------------------------------------- precision


def test_average_adds_in_row_major_order_and_divides_once():
    """Not numpy's pairwise mean and not a multiplication by 1 / 9: both differ in the last bit."""
    x = np.random.default_rng(5).random((90, 90), np.float32)
    blocks = x.reshape(30, 3, 30, 3).transpose(0, 2, 1, 3).reshape(30, 30, 9)
    summed = np.cumsum(blocks, axis=-1, dtype=np.float32)[..., -1]
    y = poolcli.pool2d(x, "average", 3)
    np.testing.assert_array_equal(y, summed / np.float32(9))
    np.testing.assert_array_equal(poolcli.pool2d(x, "sum", 3), summed)
    assert (y != blocks.mean(-1)).any()
    assert (y != summed * np.float32(1 / 9)).any()


def test_average_of_bytes_is_the_exact_one():
    x = np.random.default_rng(6).integers(0, 256, (60, 60), np.uint8)
    exact = x.reshape(4, 15, 4, 15).sum((1, 3)) / 225
    np.testing.assert_array_equal(poolcli.pool2d(x, "average", 15), exact.astype(np.float32))


def test_adaptive_average_divides_by_the_height_then_the_width():
    x = np.random.default_rng(7).random((33, 35), np.float32)
    blocks = x.reshape(11, 3, 5, 7).transpose(0, 2, 1, 3).reshape(11, 5, 21)
    summed = np.cumsum(blocks, axis=-1, dtype=np.float32)[..., -1]
    y = poolcli.adaptive_pool2d(x, (11, 5))
    np.testing.assert_array_equal(y, summed / np.float32(3) / np.float32(7))
    assert (y != summed / np.float32(21)).any()


@pytest.mark.parametrize("size", [4, 20])
@pytest.mark.parametrize(
    ("dtype", "offset"),
    [
        ("uint16", 60000),
        ("int32", 10**9),
        ("uint32", 4 * 10**9),
        ("int64", 10**12),
        ("float32", 10**4),
        ("float64", 10**9),
    ],
)
def test_deviation_survives_a_large_offset(dtype, offset, size):
    """The mean of squares less the square of the mean would lose this."""
    x = (offset + np.random.default_rng(8).normal(0, 20, (40, 40))).astype(dtype)
    near = (x - np.array(offset, dtype)).astype(np.float64) if x.dtype.kind == "f" else x.astype(np.float64) - offset
    blocks = near.reshape(40 // size, size, 40 // size, size)
    np.testing.assert_allclose(poolcli.pool2d(x, "std", size), blocks.std((1, 3)), rtol=1e-4)


def test_average_above_256_cells_is_within_a_millionth():
    x = np.random.default_rng(10).random((1000, 700), np.float32)
    np.testing.assert_allclose(poolcli.pool2d(x, "average", (1000, 700)), [[x.mean(dtype=np.float64)]], rtol=1e-6)
    np.testing.assert_allclose(poolcli.global_pool2d(x), [[x.mean(dtype=np.float64)]], rtol=1e-6)


@pytest.mark.parametrize(
    ("shape", "output"), [((12, 12), (4, 4)), ((15, 21), (5, 3)), ((12, 14), (12, 2)), ((14, 9), (4, 3))]
)
def test_adaptive_average_is_divided_twice_whether_or_not_it_divides_evenly(shape, output):
    x = np.random.default_rng(11).random((3, *shape), np.float32)
    np.testing.assert_array_equal(poolcli.adaptive_pool2d(x, output), reference.adaptive_pool2d(x, output))


@pytest.mark.parametrize("value", [255, 1e-30])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_high_powers_neither_overflow_nor_vanish(value, dtype):
    """The 200-norm of four equal numbers is 4^(1/200) times one of them."""
    y = poolcli.pool2d(np.full((2, 2), value, dtype), "lp", p=200)

    np.testing.assert_allclose(y, [[value * 4 ** (1 / 200)]], rtol=1e-6)


def test_high_powers_of_nothing_are_nothing():
    np.testing.assert_array_equal(poolcli.pool2d(np.zeros((2, 2), np.float32), "lp", p=20), [[0]])
