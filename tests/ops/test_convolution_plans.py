"""Every plan of a convolution against slow sums over a padded map: borders, geometry, types, strips, what is not finite."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import tiny_strips

import poolcli
from poolcli.errors import OptionError, SizeError
from poolcli.ops import convolution_fft
from poolcli.ops.borders import BorderedWindow
from poolcli.ops.convolution_balanced import BalancedStage, balanced_factors
from poolcli.ops.convolution_direct import TermStage
from poolcli.ops.convolution_fft import TileStage
from poolcli.ops.convolution_integer import IntegerStage
from poolcli.ops.convolution_matrix import MatrixStage
from poolcli.ops.convolution_plan import filtered_values, stage_for
from poolcli.ops.kernels import low_rank, weights_of
from poolcli.ops.settings import padding_pairs
from poolcli.ops.strips import run
from poolcli.ops.value_range import ValueRange
from poolcli.ops.windows import sliding_window

SETTINGS = settings(derandomize=True, deadline=None, max_examples=150)
NUMPY_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge"}
RANDOM = np.random.default_rng(12)
COLUMN, ROW = np.array([1.0, 2.5, 0.25, -1.5, 2.0]), np.array([0.5, -3.0, 0.75])
KERNELS = {
    "few": RANDOM.normal(size=(3, 4)),
    "signs": np.array([[0, 1, 0], [-1, 0.5, 1], [0, -1, 0]]),
    "rank 1": np.outer(COLUMN, ROW),
    "rank 2": np.outer(COLUMN, ROW) + np.outer([1, 0, 0, 1, 3], [2, 1, 0.5]),
    "many": RANDOM.normal(size=(8, 7)),
    "whole": RANDOM.integers(-9, 10, (8, 7)).astype(float),
    "edges": np.array([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]]) / 4,
    "slope": np.outer([0.5, 0.3, 0.1, -2], [1, 0, -1, 0]),
    "whole rank 1": np.outer([1, 2, 1], [1, 4, 6, 4, 1]).astype(float),
}

PLANS = ("terms", "matrix", "factors", "tiles", "balanced")
SETTLED = ("edges", "slope")
"""Kernels that columns and rows of sum 0 make up, without rounding in flat areas."""


def expected(x, weights, stride, pads, dilation, mode):
    """Sums over the map that numpy.pad makes, in float64; Python's integers for whole numbers."""
    (sy, sx), (dy, dx) = stride, dilation
    kind = object if x.dtype.kind in "iu" and (weights == np.round(weights)).all() else np.float64
    padded = np.pad(x, pads, mode=NUMPY_MODES[mode]).astype(kind)
    (kh, kw), (height, width) = weights.shape, padded.shape
    rows, cols = (height - dy * (kh - 1) - 1) // sy + 1, (width - dx * (kw - 1) - 1) // sx + 1
    total = np.zeros((rows, cols), kind)
    for i, j in itertools.product(range(kh), range(kw)):
        weight = int(weights[i, j]) if kind is object else weights[i, j]
        with np.errstate(invalid="ignore"):
            total += weight * padded[i * dy :: sy, j * dx :: sx][:rows, :cols]
    return total


def stages(plan, window, values, weights, mode):
    """The stage of a plan, or None where the plan cannot do it."""
    made = filtered_values(values, weights, weights.size)
    if made.whole:
        if plan == "tiles":
            return TileStage(window, values, made, weights, mode)
        return IntegerStage(window, made, weights, 1, mode) if plan == "terms" else None
    if plan == "terms":
        return TermStage(window, made, weights, 1, mode)
    if plan == "balanced":
        settled = balanced_factors(weights) if window.rows.stride == window.cols.stride == 1 else []
        return (
            BalancedStage(window, filtered_values(values, weights, 0), weights, 1, mode, settled) if settled else None
        )
    if plan == "tiles":
        return TileStage(window, values, made, weights, mode)
    factor = low_rank(weights) if plan == "factors" else []
    if plan == "factors" and not factor:
        return None
    passes = len(factor) * sum(weights.shape) if factor else weights.size
    kind = filtered_values(values, weights, passes).dtype
    return MatrixStage(window, filtered_values(values, weights, 0), kind, weights, mode, factor)


def filtered(stage, x, threads=1):
    out = np.empty((1, *stage.shape), stage.values.dtype)
    run(x[None], (stage,), out, threads=threads)
    return out[0]


@pytest.mark.parametrize(
    ("plan", "kernel"),
    [pair for pair in itertools.product(PLANS, KERNELS) if pair[0] != "balanced" or pair[1] in SETTLED],
)
@pytest.mark.parametrize("mode", NUMPY_MODES)
def test_every_plan_gives_the_padded_sums(plan, mode, kernel, monkeypatch):
    monkeypatch.setattr(convolution_fft, "SIDES", (24, 40))  # many tiles on a small map
    weights = KERNELS[kernel]
    largest = float(np.abs(weights).sum())
    for dtype, stride, dilation, pads in itertools.product(
        ("uint8", "int16", "float32", "float64"),
        ((1, 1), (2, 3)),
        ((1, 1), (2, 1)),
        (((0, 0), (0, 0)), ((3, 1), (0, 5)), ((9, 9), (9, 9))),
    ):
        shape = (53, 47)
        x = RANDOM.integers(0, 200, shape).astype(dtype) if dtype[0] != "f" else RANDOM.normal(size=shape).astype(dtype)
        window = sliding_window(shape, weights.shape, stride, padding_pairs("padding", pads), dilation)
        stage = stages(plan, window, ValueRange.of(x.dtype), weights, mode)
        if stage is None:
            continue
        wanted = expected(x, weights, stride, pads, dilation, mode)
        if stage.values.whole:
            np.testing.assert_array_equal(filtered(stage, x), wanted.astype(np.int64))
        else:
            bound = 2e-7 * largest * float(np.abs(x).max())
            np.testing.assert_allclose(filtered(stage, x), wanted, rtol=0, atol=bound)
        once = filtered(stage, x)
        with tiny_strips():
            stage = stages(plan, window, ValueRange.of(x.dtype), weights, mode)
            for threads in (1, 2, 3):
                np.testing.assert_array_equal(filtered(stage, x, threads), once)


@st.composite
def borders(draw):
    """A map, weights and a geometry for one of the modes."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    pads = tuple(
        tuple(draw(st.integers(0, n - 1 if draw(st.booleans()) else n + 3)) for _ in range(2)) for n in (height, width)
    )
    weights = random.integers(-3, 4, (draw(st.integers(1, 4)), draw(st.integers(1, 4)))).astype(float)
    if draw(st.booleans()):
        weights += random.normal(size=weights.shape)
    dtype = draw(st.sampled_from(["uint8", "int32", "float32", "float64"]))
    x = random.integers(0, 100, (height, width)).astype(dtype)
    one = st.integers(1, 3)
    return x, weights, (draw(one), draw(one)), pads, (draw(one), draw(one)), draw(st.sampled_from(list(NUMPY_MODES)))


@SETTINGS
@given(borders())
def test_any_border(question):
    x, weights, stride, pads, dilation, mode = question
    options = {"stride": stride, "padding": pads, "dilation": dilation, "padding_mode": mode}
    beyond = mode == "reflect" and any(max(sides) >= n for sides, n in zip(pads, x.shape, strict=True))
    small = any(
        n + sum(sides) < d * (k - 1) + 1 for n, sides, d, k in zip(x.shape, pads, dilation, weights.shape, strict=True)
    )
    if beyond or small:
        with pytest.raises(SizeError):
            poolcli.conv2d(x, weights, **options)
        return
    wanted = expected(x, weights, stride, pads, dilation, mode)
    bound = 0 if (weights == np.round(weights)).all() else 2e-7 * np.abs(weights).sum() * 100
    actual = poolcli.conv2d(x, weights, **options)
    np.testing.assert_allclose(actual, wanted.astype(actual.dtype), rtol=0, atol=bound)
    with tiny_strips():
        np.testing.assert_array_equal(poolcli.conv2d(x, weights, threads=2, **options), actual)


@pytest.mark.parametrize("mode", ["reflect", "replicate"])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_a_border_needs_no_memory_for_what_no_window_reads(mode, dtype):
    """Windows whose cells are far apart: a copy of a strip with its border would be far larger than the map."""
    x = np.arange(900 * 30).reshape(900, 30).astype(dtype)
    pads = ((800, 800), (20, 20))
    y = poolcli.conv2d(x, np.arange(9).reshape(3, 3), padding=pads, dilation=(800, 5), padding_mode=mode)
    wanted = expected(x, np.arange(9.0).reshape(3, 3), (1, 1), pads, (800, 5), mode)
    np.testing.assert_array_equal(y, wanted.astype(np.float32))


@pytest.mark.parametrize("kernel", ["edge", "laplacian"])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_a_constant_picture_has_no_edge_where_it_is_mirrored(kernel, dtype):
    x = np.full((20, 30), 7, dtype)
    np.testing.assert_array_equal(poolcli.conv2d(x, kernel, padding_mode="reflect"), np.zeros((20, 30)))
    assert np.any(poolcli.conv2d(x, kernel))


def test_reflection_beyond_the_map_is_refused():
    x = np.ones((4, 9))
    assert poolcli.conv2d(x, np.ones((3, 3)), padding=3, padding_mode="REFLECT").shape == (8, 13)
    with pytest.raises(SizeError, match="padding 4 is too large to reflect: a map of 4 rows allows 3"):
        poolcli.conv2d(x, np.ones((3, 3)), padding=4, padding_mode="reflect")
    with pytest.raises(OptionError, match="padding mode 'mirror'"):
        poolcli.conv2d(x, np.ones((3, 3)), padding_mode="mirror")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kernel", ["few", "signs", "rank 1", "rank 2", "many", *SETTLED])
@pytest.mark.parametrize("plan", PLANS)
def test_what_is_not_finite_reaches_its_windows_and_no_other(plan, kernel, value, monkeypatch):
    monkeypatch.setattr(convolution_fft, "SIDES", (24, 40))
    weights = KERNELS[kernel]
    x = RANDOM.normal(size=(60, 50)).astype(np.float32)
    x[10, 12] = x[11, 40] = x[59, 0] = value
    pads = ((3, 3), (3, 3))
    window = sliding_window(x.shape, weights.shape, (1, 1), pads)
    stage = stages(plan, window, ValueRange.of(x.dtype), weights, "zeros")
    if stage is None:
        return
    wanted = expected(x, weights, (1, 1), pads, (1, 1), "zeros")
    np.testing.assert_allclose(filtered(stage, x), wanted, rtol=0, atol=1e-6 * np.abs(weights).sum())


@pytest.mark.parametrize("large", [1e9, 1e20, -3e38])
def test_a_huge_cell_does_not_drown_its_tile(large):
    """A cell of no data beside values of 0…1: windows without it are as exact as before."""
    x = RANDOM.random((300, 300)).astype(np.float32)
    x[150, 150] = x[10, 200] = large
    weights = RANDOM.normal(size=(15, 15))
    window = sliding_window(x.shape, weights.shape, (1, 1), "same")
    assert isinstance(stage_for(window, ValueRange.of(x.dtype), weights, 1), TileStage)
    y, wanted = poolcli.conv2d(x, weights), expected(x, weights, (1, 1), ((7, 7), (7, 7)), (1, 1), "zeros")
    far = np.abs(wanted) < 1e3
    assert far.mean() > 0.9
    np.testing.assert_allclose(y[far], wanted[far], rtol=0, atol=1e-7 * np.abs(weights).sum())


def test_black_stays_black_in_a_tile():
    """Where every cell of a window is 0 the sum is 0, not rounding: a share above 0 would count it."""
    x = np.zeros((280, 290), np.float32)
    x[:100] = RANDOM.random((100, 290))
    y = poolcli.conv2d(x, RANDOM.normal(size=(13, 13)))
    assert not y[110:].any()


@pytest.mark.parametrize("side", [3, 5, 7, 11, 15, 31])
@pytest.mark.parametrize("form", ["random", "gauss", "ones", "constant"])
def test_the_bound_of_the_docstring(side, form):
    """2e-7 of the sum of the weights on values of 0…1; 1e-7 by tiles."""
    x = RANDOM.random((150, 160)).astype(np.float32)
    bell = np.hanning(side + 2)[1:-1]
    weights = {"random": RANDOM.normal(size=(side, side)), "gauss": np.outer(bell, bell)}.get(
        form, np.full((side, side), 0.7)
    )
    if form == "constant":
        x[:] = 0.7
    pads = ((side // 2, side // 2),) * 2
    window = sliding_window(x.shape, weights.shape, (1, 1), pads)
    tiles = isinstance(stage_for(window, ValueRange.of(x.dtype), weights, 1), TileStage)
    error = np.abs(poolcli.conv2d(x, weights) - expected(x, weights, (1, 1), pads, (1, 1), "zeros")).max()
    assert error <= (1e-7 if tiles else 2e-7) * np.abs(weights).sum()


@pytest.mark.parametrize("dtype", ["uint32", "int32", "uint64", "float32"])
def test_large_sums_that_cancel(dtype):
    """Weights of 6e29 leave float32's range on the way; their sum does not."""
    x = np.full((40, 40), 4e9 if dtype != "int32" else 2e9).astype(dtype)
    y = poolcli.conv2d(x, [[6e29, -6e29], [6e29, -6e29]], padding="valid")
    np.testing.assert_array_equal(y, np.zeros((39, 39)))


def test_a_mean_of_large_values_does_not_overflow():
    x = np.full((50, 50), 3e38, np.float32)
    for side in (3, 5, 11):
        y = poolcli.conv2d(x, np.full((side, side), 1 / side**2), padding="valid")
        np.testing.assert_allclose(y, np.full(y.shape, 3e38), rtol=1e-6)


@pytest.mark.parametrize("stride", [(1, 1), (3, 2)])
@pytest.mark.parametrize("planes", [1, 3])
@pytest.mark.parametrize("largest", [255, 2**18 - 1, 2**18, 2**25])
def test_two_tiles_at_a_time_are_exact(monkeypatch, largest, planes, stride):
    """Up to the largest sums that two tiles can have, and beyond; extremes of both signs side by side."""
    monkeypatch.setattr(convolution_fft, "SIDES", (24, 40))
    values = ValueRange.integers(-largest, largest)
    x = RANDOM.choice(np.array([-largest, largest, 0], values.dtype), (planes, 90, 101))
    x[:, :30, :30], x[:, :30, 30:60] = largest, -largest
    weights = np.zeros((5, 7))
    weights[2, 3] = weights[0, 6] = 1.0
    window = sliding_window(x.shape[1:], weights.shape, stride, ((2, 2), (3, 3)))
    stage = TileStage(window, values, ValueRange.integers(-2 * largest, 2 * largest), weights)
    assert bool(stage.factor) == (2 * largest < 2**19)
    found = np.empty((planes, *stage.shape), stage.values.dtype)
    run(x, (stage,), found, threads=1)
    padded = np.pad(x.astype(np.int64), ((0, 0), (2, 2), (3, 3)))
    wanted = padded[:, 2:92, 3:104] + padded[:, :90, 6:107]
    np.testing.assert_array_equal(found, wanted[:, :: stride[0], :: stride[1]])


@pytest.mark.parametrize("side", [9, 15])
def test_whole_weights_by_tiles_are_exact(side):
    x = RANDOM.integers(0, 65536, (300, 310)).astype(np.uint16)
    weights = RANDOM.integers(-99, 100, (side, side)).astype(float)
    window = sliding_window(x.shape, weights.shape, (1, 1), "same")
    stage = stage_for(window, ValueRange.of(x.dtype), weights, 1)
    assert isinstance(stage, TileStage)
    half = side // 2
    wanted = expected(x, weights, (1, 1), ((half, half),) * 2, (1, 1), "zeros")
    np.testing.assert_array_equal(filtered(stage, x), wanted.astype(np.int64))


@pytest.mark.parametrize("kernel", ["edge", "sobel-top", "sobel-left"])
def test_named_kernels_of_sum_0_take_floats_in_their_own_type(kernel):
    """In twice the bits they would take twice the time."""
    window = sliding_window((300, 310), (3, 3), (1, 1), "same")
    stage = stage_for(window, ValueRange.of(np.dtype(np.float32)), weights_of(kernel), 1)
    assert isinstance(stage, BalancedStage)
    assert stage.values.dtype == np.float32


def test_rows_are_asked_for_in_order():
    """The first row that is needed never decreases: a stage before has dropped it."""
    for mode, size, stride, pads in itertools.product(
        NUMPY_MODES, (1, 3, 6), (1, 2, 5), ((0, 0), (3, 2), (8, 9), (9, 0))
    ):
        border = BorderedWindow(sliding_window((10, 10), (size, size), (stride, stride), (pads, pads)), mode)
        needs = [border.needs(*border.span(a, a + 1)) for a in range(border.rows.out)]
        assert [lo for lo, _ in needs] == sorted(lo for lo, _ in needs)
        assert all(0 <= lo <= hi <= 10 for lo, hi in needs)


def test_with_torch():
    torch = pytest.importorskip("torch")
    x = RANDOM.random((1, 1, 60, 50)).astype(np.float32)
    for mode, side in itertools.product(NUMPY_MODES, (3, 9, 31)):
        weights = RANDOM.normal(size=(side, side)).astype(np.float32)
        layer = torch.nn.Conv2d(1, 1, side, padding=side // 2, padding_mode=mode, bias=False)
        layer.weight.data = torch.from_numpy(weights[None, None].copy())
        y = poolcli.conv2d(x[0, 0], weights, padding=side // 2, padding_mode=mode)
        theirs = layer(torch.from_numpy(x)).detach().numpy()[0, 0]
        np.testing.assert_allclose(y, theirs, rtol=0, atol=1e-6 * np.abs(weights).sum())


def centred(side):
    """Weights that add up to 0."""
    weights = RANDOM.normal(size=(side, side))
    return weights - weights.mean()


BELL = np.hanning(13)[1:-1]
SLOPE = np.gradient(BELL)
BALANCED = {
    "random": centred(5),
    "decimals": np.array([[0.1, 0.2, 0.1], [0, 0, 0], [-0.1, -0.2, -0.1]]),
    "slope down": np.outer(SLOPE, BELL),
    "slope across": np.outer(BELL, SLOPE),
    "edges": KERNELS["edges"],
    "slope": KERNELS["slope"] * 0.1,
    "both slopes": np.outer(SLOPE, BELL) + 3 * np.outer(BELL, SLOPE),
    "log": np.outer(np.gradient(SLOPE), BELL) + np.outer(BELL, np.gradient(SLOPE)),
    "two": np.array([[0.3, -0.3]]),
    "large": centred(15),
}


@pytest.mark.parametrize("kernel", BALANCED)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_flat_areas_become_zero(kernel, dtype):
    """Not nearly zero: a share of cells above 0 would count them."""
    weights = BALANCED[kernel] - (BALANCED[kernel].mean() if kernel == "log" else 0)
    for level in RANDOM.random(20):
        x = np.full((60, 70), level * 255 if dtype == "uint8" else level).astype(dtype)
        x[30:] = 0
        y = poolcli.conv2d(x, weights, padding="valid")
        assert not y[: 30 - weights.shape[0]].any()
        assert not y[30:].any()


@pytest.mark.parametrize("shape", [(40, 3000), (300, 20), (90, 90)])
def test_products_stay_too_small_for_threads_of_the_library(shape, monkeypatch):
    """Results and times of one thread are then those of one thread."""
    sizes, multiply = [], np.matmul

    def noted(a, b, out):
        sizes.append(out.shape[-2] * out.shape[-1] * a.shape[-1])
        return multiply(a, b, out=out)

    monkeypatch.setattr(np, "matmul", noted)
    x = RANDOM.random(shape).astype(np.float32)
    for side, stride in itertools.product((3, 7, 11, 31), (1, 2, 5)):
        weights = RANDOM.normal(size=(side, side))
        poolcli.conv2d(x, weights, stride)
        poolcli.conv2d(x, np.outer(weights[0], weights[1]), stride)
    assert sizes
    assert max(sizes) <= 1 << 18
