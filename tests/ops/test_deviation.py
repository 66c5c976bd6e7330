"""Standard deviations equal those of plain loops, for every method of computing them."""

import contextlib
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import tiny_strips

import poolcli
from poolcli.ops import deviation, reductions
from poolcli.ops.value_range import Scratch
from poolcli.ops.windows import Axis

SETTINGS = settings(derandomize=True, deadline=None, max_examples=300)


@contextlib.contextmanager
def looked_at_one_by_one(share):
    """Windows whose sums are not safe, up to this share of all."""
    with mock.patch.object(deviation, "SCATTERED", share):
        yield


@st.composite
def maps(draw):
    """Integers of every size; floats that scatter, that hardly differ beside their mean, or that do not differ."""
    dtype = np.dtype(
        draw(st.sampled_from(["bool", "uint8", "int8", "uint16", "int32", "int64", "float16", "float32", "float64"]))
    )
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.sampled_from([1, 2])), draw(st.integers(1, 14)), draw(st.integers(1, 14))
    if dtype.kind == "f":
        x = random.standard_normal(shape) * draw(st.sampled_from([0, 1e-4, 1]))
        x[:, shape[1] // 2 :] += draw(st.sampled_from([0, 1, 1000]))
        if draw(st.booleans()):
            x[random.random(shape) < 0.03] = draw(st.sampled_from([np.nan, np.inf]))
        return x.astype(dtype)
    low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return random.integers(low, high, shape, "i8", endpoint=True).astype(dtype)


def looped(x, shape, size, stride, dilation, padding, **_):
    """numpy's, of each window's real cells; of integers by Python's own."""
    found = np.empty(shape)
    for plane, row, column in np.ndindex(*shape):
        down = row * stride[0] - padding[0][0] + dilation[0] * np.arange(size[0])
        across = column * stride[1] - padding[1][0] + dilation[1] * np.arange(size[1])
        rows, cols = (at[(at >= 0) & (at < n)] for at, n in zip((down, across), x.shape[1:], strict=True))
        cells = x[plane][np.ix_(rows, cols)].ravel()
        if x.dtype.kind != "f":
            n, cells = len(cells), [int(cell) for cell in cells]
            found[plane, row, column] = (n * sum(c * c for c in cells) - sum(cells) ** 2) ** 0.5 / n
        else:
            found[plane, row, column] = np.std(cells.astype(np.longdouble))
    return found


@SETTINGS
@given(x=maps(), data=st.data(), share=st.sampled_from([0, 0.125, 2]), tiny=st.booleans())
def test_any_window(x, data, share, tiny):
    options = {"size": [], "stride": [], "dilation": [], "padding": []}
    for length in x.shape[1:]:
        dilation = data.draw(st.integers(1, 2))
        size = data.draw(st.integers(1, max(1, min(5, (length - 1) // dilation + 1))))
        extent = dilation * (size - 1) + 1
        options["size"].append(size)
        options["dilation"].append(dilation)
        options["stride"].append(data.draw(st.integers(1, 4)))
        options["padding"].append((data.draw(st.integers(0, extent - 1)), data.draw(st.integers(0, extent - 1))))
    options = {key: tuple(value) for key, value in options.items()}
    try:
        with looked_at_one_by_one(share), tiny_strips() if tiny else contextlib.nullcontext():
            found = poolcli.pool2d(x, "std", **options)
    except poolcli.SizeError:
        return

    with np.errstate(all="ignore"):
        expected = looped(x, found.shape, **options)

    rtol, scale = (2e-7, 0) if found.dtype == np.float32 else (1e-12, 1e-13)
    atol = scale * (np.abs(x[np.isfinite(x)].astype(float)).max(initial=0) if x.dtype.kind == "f" else 0) + 1e-12
    if x.dtype.itemsize == 8 and x.dtype.kind != "f":  # deviations of integers that float64 does not hold
        atol, rtol = 1e-12, 1e-9
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)


@pytest.mark.parametrize("share", [0, 0.125, 2])
def test_a_window_is_computed_alike_wherever_it_is(share):
    """Beside windows that are safe or not, few or many: whether it is safe is its own matter."""
    random = np.random.default_rng(0)
    x = random.random((300, 2000)).astype(np.float32)
    x[100:200, 50:150] = 1000 + x[100:200, 50:150] / 100

    with looked_at_one_by_one(share):
        found = poolcli.pool2d(x, "std", size=(9, 7), stride=1)

    with looked_at_one_by_one(0.125):
        np.testing.assert_array_equal(found, poolcli.pool2d(x, "std", size=(9, 7), stride=1))
        np.testing.assert_array_equal(
            found[90:210, 40:160], poolcli.pool2d(x[90:218, 40:166], "std", size=(9, 7), stride=1)
        )


def test_what_does_not_differ_deviates_by_nothing():
    x = np.full((90, 100), 0.1, np.float32)
    x[:, 60:] = np.random.default_rng(0).random((90, 40))

    found = poolcli.pool2d(x, "std", size=15, stride=1)

    assert not found[:, :46].any()
    assert found[:, 46:].all()


@pytest.mark.parametrize("stride", [1, 2, 5])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 15, 16, 31, 55])
def test_the_additions_that_a_cell_goes_through_are_known(size, stride):
    """Counted by adding counters: how many digits a sum may lose follows from it."""
    axis = Axis(60 * stride + size, size, stride, 1, 0, 0, 61)
    count = np.frompyfunc(lambda one, other: max(one, other) + 1, 2, 1)
    cells = np.zeros((1, 1, axis.length), object)
    chunk = reductions.AxisChunk(axis, 0, axis.out, 0, -1)
    found = reductions.reduce_axis(
        reductions.Reduction(count), cells, chunk, np.dtype(object), reductions.Buffers(Scratch(), "")
    )

    assert reductions.additions(axis) == max(found.flat)


@pytest.mark.parametrize("looked_for", [0, 2])
@pytest.mark.parametrize("share", [0, 0.125, 2])
@pytest.mark.parametrize("shape", [(3, 4), (1, 5), (6, 1), (15, 15)])
def test_even_areas_deviate_by_nothing_and_their_edges_by_something(looked_for, share, shape):
    """Areas that differ from their neighbours by a millionth, so little that sums do not tell, and one such cell."""
    x = np.full((40, 50), 0.9106542, np.float32)  # whose square sums round
    x[7:19, 11:30] += np.float32(1e-6)
    x[12:16, 25:41] += np.float32(1e-6)
    x[30, 20] += np.float32(1e-6)
    windows = np.lib.stride_tricks.sliding_window_view(x, shape)
    even = windows.min(axis=(2, 3)) == windows.max(axis=(2, 3))

    with looked_at_one_by_one(share), mock.patch.multiple(deviation, LOOKED_FOR=looked_for, MANY_CELLS=0):
        found = poolcli.pool2d(x, "std", size=shape, stride=1)

    np.testing.assert_array_equal(found == 0, even)


def test_float32_is_rounded_once():
    """A few digits more than float32 holds are right, also where the cells differ by a thousandth of their mean."""
    random = np.random.default_rng(0)
    x = (1 + random.random((60, 70)) * np.geomspace(1e-5, 1, 70)).astype(np.float32)

    found = poolcli.pool2d(x, "std", size=7, stride=1)

    windows = np.lib.stride_tricks.sliding_window_view(x.astype(np.longdouble), (7, 7)).reshape(54, 64, 49)
    expected = windows.std(axis=-1)
    np.testing.assert_array_less(np.abs(found - expected), 0.55 * np.spacing(expected.astype(np.float32)))


@pytest.mark.parametrize(("dtype", "size"), [("uint8", 3), ("uint8", 31), ("uint16", 9), ("int16", 25), ("int8", 5)])
def test_integers_are_exact(dtype, size):
    info = np.iinfo(dtype)
    x = np.random.default_rng(0).choice(np.array([info.min, info.max, 0], dtype), (80, 90))

    found = poolcli.pool2d(x, "std", size=size, stride=(2, 1))

    windows = np.lib.stride_tricks.sliding_window_view(x.astype(object), (size, size))[::2]
    cells = windows.reshape(*windows.shape[:2], -1)
    n = size * size
    exact = (n * (cells * cells).sum(-1) - cells.sum(-1) ** 2).astype(float)
    np.testing.assert_array_equal(found, (np.sqrt(exact) / n).astype(np.float32))


@pytest.mark.parametrize(("dtype", "size"), [("uint8", 257), ("uint8", 258), ("uint16", 150), ("int16", 181)])
def test_sums_of_large_windows_do_not_wrap(dtype, size):
    """Squares, and cells, whose sums just have room in 4 bytes, or have none."""
    info = np.iinfo(dtype)
    x = np.full((620, 640), info.min or info.max, dtype)
    x[:300] = np.random.default_rng(0).choice(np.array([info.min, info.max], dtype), (300, 640))

    found = poolcli.pool2d(x, "std", size=size, stride=1)

    sums = []
    for power in (1, 2):
        corners = np.pad(x.astype(np.int64) ** power, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
        rows = corners[size:] - corners[:-size]
        sums.append(rows[:, size:] - rows[:, :-size])
    n = size * size
    exact = n * sums[1] - sums[0] ** 2
    np.testing.assert_allclose(found, np.sqrt(exact.astype(float)) / n, rtol=1e-7)
