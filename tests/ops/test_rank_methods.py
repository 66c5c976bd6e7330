"""Order statistics and modes by networks, counting and sorting equal those of plain loops."""

import contextlib
import tracemalloc
from unittest import mock

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from rankings import by
from tiny import tiny_strips

import poolcli
from poolcli.ops import rank_method, rank_network, sorting_network
from poolcli.ops.rank_method import RankMethod
from poolcli.ops.value_range import Scratch, ValueRange
from poolcli.ops.windows import sliding_window

SETTINGS = settings(derandomize=True, deadline=None, max_examples=300)
KINDS = {"median": {}, "mode": {}, "percentile": {"q": 90}}
TYPES = ["uint8", "int8", "bool", "uint16", "int16", "int32", "uint64", "float16", "float32", "float64"]


@contextlib.contextmanager
def blocks_of(size):
    """Networks work on blocks of so many bytes."""
    with mock.patch.object(rank_network, "BLOCK_BYTES", size):
        yield


@st.composite
def maps(draw):
    """Few levels, so that there are ties, or many; zeros of both signs, infinities and NaN in floats."""
    dtype = np.dtype(draw(st.sampled_from(TYPES)))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.sampled_from([1, 1, 3])), draw(st.integers(1, 14)), draw(st.integers(1, 14))
    if dtype.kind == "f":
        levels = np.array([-0.0, 0.0, 1.5, -2, 7, *random.standard_normal(9)])
        if draw(st.booleans()):
            levels = np.append(levels, [np.inf, -np.inf])
        x = random.choice(levels[random.integers(0, len(levels), draw(st.integers(1, 14)))], shape).astype(dtype)
        if draw(st.booleans()):
            x[random.random(shape) < 0.05] = np.nan
        return x
    low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    levels = random.integers(low, high, draw(st.integers(1, 40)), "u8" if dtype == "u8" else "i8", endpoint=True)
    return random.choice(levels, shape).astype(dtype)


@st.composite
def geometries(draw, height, width):
    """Any window with padding on any side that fits the map."""
    options = {"size": [], "stride": [], "dilation": [], "padding": [], "ceil": draw(st.booleans())}
    for length in (height, width):
        dilation = draw(st.integers(1, 2))
        size = draw(st.integers(1, max(1, min(5, (length - 1) // dilation + 1))))
        extent = dilation * (size - 1) + 1
        options["size"].append(size)
        options["dilation"].append(dilation)
        options["stride"].append(draw(st.integers(1, 4)))
        options["padding"].append((draw(st.integers(0, extent - 1)), draw(st.integers(0, extent - 1))))
    return {key: value if key == "ceil" else tuple(value) for key, value in options.items()}


def methods_of(x):
    return [RankMethod.NETWORK, RankMethod.SORTING, *([RankMethod.COUNTING] if x.dtype.itemsize == 1 else [])]


def close_percentiles(found, expected, kind):
    """Equal; a percentile between two cells is rounded once more by numpy's formula than by the plain one."""
    if kind == "percentile":
        np.testing.assert_allclose(found, expected, rtol=1e-6 if found.dtype == np.float32 else 1e-13)
    else:
        np.testing.assert_array_equal(found, expected)


@SETTINGS
@given(
    data=st.data(),
    x=maps(),
    kind=st.sampled_from(list(KINDS)),
    tiny=st.booleans(),
    block=st.sampled_from([64, 1 << 16]),
)
def test_sliding_windows(data, x, kind, tiny, block):
    options = data.draw(geometries(*x.shape[1:])) | KINDS[kind]
    try:
        with np.errstate(all="ignore"):
            expected = reference.pool2d(x, kind, **options)
    except ValueError:
        return
    if kind == "percentile" and np.isinf(x.astype(float)).any():  # numpy's formula makes NaN of some
        with by(RankMethod.SORTING):
            expected = poolcli.pool2d(x, kind, **options)

    for method in methods_of(x):
        with by(method), blocks_of(block), tiny_strips() if tiny else contextlib.nullcontext():
            found = poolcli.pool2d(x, kind, **options, threads=1 + tiny)
        assert found.dtype == expected.dtype
        close_percentiles(found, expected, kind)
        assert not np.signbit(found[found == 0]).any()


@SETTINGS
@given(x=maps(), kind=st.sampled_from(list(KINDS)), size=st.tuples(st.integers(1, 16), st.integers(1, 16)))
def test_adaptive_windows(x, kind, size):
    with by(RankMethod.SORTING):
        expected = poolcli.adaptive_pool2d(x, size, kind, **KINDS[kind])

    with by(RankMethod.NETWORK):
        found = poolcli.adaptive_pool2d(x, size, kind, **KINDS[kind])

    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("stride", [(1, 1), (2, 1), (1, 3), (4, 4)])
@pytest.mark.parametrize("size", [(2, 2), (3, 3), (5, 5), (1, 7), (7, 1), (9, 9), (12, 11), (15, 15)])
def test_networks_sort(size, stride):
    x = np.random.default_rng(0).integers(0, 1 << 16, (2, 40, 37), np.uint16)
    view = np.lib.stride_tricks.sliding_window_view(x, size, (1, 2))[:, :: stride[0], :: stride[1]]
    expected = np.sort(view.reshape(*view.shape[:3], -1), axis=-1)
    cells = size[0] * size[1]

    for ranks in [(0,), (cells // 2,), (cells // 3, cells - 1), ((cells - 1) // 2, cells // 2)]:
        plan = sorting_network.network_plan(sorting_network.NetworkShape(size, stride, (1, 1)), ranks)
        found = rank_network.ranked(plan, x, view.shape[:3], Scratch())
        for cell, rank_ in zip(found, ranks, strict=True):
            np.testing.assert_array_equal(cell, expected[..., rank_])


@pytest.mark.parametrize(
    ("size", "most"), [(2, 6), (3, 17), (4, 37), (5, 57), (7, 150), (9, 222), (11, 330), (15, 720)]
)
def test_operations_for_a_median(size, most):
    made = sorting_network.network_plan(
        sorting_network.NetworkShape((size, size), (1, 1), (1, 1)), ((size * size - 1) // 2,)
    )

    assert made.calls / made.tile <= most


@pytest.mark.parametrize(
    ("dtype", "size", "shape", "method"),
    [
        ("uint8", 3, (1440, 2560), RankMethod.NETWORK),
        ("uint8", 15, (1440, 2560), RankMethod.NETWORK),
        ("uint8", 31, (1440, 2560), RankMethod.NETWORK),
        ("uint8", 63, (1440, 2560), RankMethod.COUNTING),
        ("float32", 5, (1440, 2560), RankMethod.NETWORK),
        ("float32", 63, (1440, 2560), RankMethod.SORTING),
        ("uint16", 5, (1440, 2560), RankMethod.NETWORK),
        ("uint8", 31, (40, 40), RankMethod.SORTING),
        ("uint8", 3, (4, 4), RankMethod.SORTING),
    ],
)
def test_the_fastest_method_is_chosen(dtype, size, shape, method):
    window = sliding_window(shape, (size, size), (1, 1), "valid")

    assert rank_method.method_for(ValueRange.of(np.dtype(dtype)), window) is method


@pytest.mark.parametrize("q", [0, 12.5, 50, 99.9, 100])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64", "int64"])
def test_percentiles_are_numpys(q, dtype):
    x = np.random.default_rng(0).integers(0, 256, (140, 150)).astype(dtype)
    exact = x.astype(np.float64)  # numpy before 2.2 interpolates float32 in float32
    windows = np.lib.stride_tricks.sliding_window_view(exact, (4, 6)).reshape(137, 145, 24)

    for method in (RankMethod.NETWORK, RankMethod.SORTING):
        with by(method):
            found = poolcli.pool2d(x, "percentile", size=(4, 6), stride=1, q=q)
        np.testing.assert_array_equal(found, np.percentile(windows, q, axis=-1).astype(found.dtype))


def test_float16_without_numbers():
    x = np.arange(30, dtype=np.float16).reshape(5, 6)
    x[2, 2] = np.nan

    with by(RankMethod.NETWORK):
        found = poolcli.pool2d(x, "median", size=3, stride=1)

    np.testing.assert_array_equal(np.isnan(found), [[True, True, True, False]] * 3)
    np.testing.assert_array_equal(found[:, 3], [10, 16, 22])


def test_memory_does_not_follow_the_window():
    plan = sorting_network.network_plan(sorting_network.NetworkShape((15, 15), (1, 1), (1, 1)), (112,))
    scratch = Scratch()

    rank_network.ranked(plan, np.zeros((1, 200, 2560), np.float32), (1, 186, 2546), scratch)

    (network,) = scratch.kept("networks", dict).values()
    assert network.nbytes <= 1.2 * rank_network.NETWORK_BYTES


@pytest.mark.parametrize("kind", ["median", "mode", "percentile"])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
def test_a_row_of_large_windows_is_not_held_at_once(kind, dtype):
    x = np.random.default_rng(5).integers(0, 60_000, (51, 3000)).astype(dtype)
    parameters = {"q": 90} if kind == "percentile" else {}

    tracemalloc.start()
    made = poolcli.pool2d(x, kind, 51, 1, **parameters)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    windows = np.lib.stride_tricks.sliding_window_view(x, (51, 51))[0, ::977].reshape(-1, 51 * 51)
    for window, value in zip(windows, made[0, ::977], strict=True):
        numbers, counts = np.unique(window, return_counts=True)
        best = {"mode": lambda w, n=numbers, c=counts: n[c.argmax()], "median": np.median}.get(kind)
        expected = best(window) if best else np.percentile(window, 90)
        np.testing.assert_allclose(value, expected, rtol=1e-6)
    assert peak < 60 * x.nbytes  # all windows of a row are 2,951 times 51 cells of 51 rows: 2,500 times the map
