"""Averages and sums of large float windows: the bits of additions one by one, in row-major order."""

import itertools

import numpy as np
import pytest
from tiny import tiny_strips

import poolcli
from poolcli.ops import ordered_sums

RANDOM = np.random.default_rng(5)


def in_order(x, size, stride, pads, dilation):
    """Sum and number of the cells of each window, added one after the other in the type of the sums."""
    kind = np.result_type(x.dtype, np.float32)
    (height, width), (dy, dx), (sy, sx) = size, dilation, stride
    padded = np.pad(x.astype(kind), ((0, 0), *pads), constant_values=-0.0)
    there = np.pad(np.ones(x.shape[1:], int), pads)
    rows = (padded.shape[1] - dy * (height - 1) - 1) // sy + 1
    cols = (padded.shape[2] - dx * (width - 1) - 1) // sx + 1
    total, count = np.zeros((len(x), rows, cols), kind), np.zeros((rows, cols), int)
    with np.errstate(all="ignore"):
        for i, j in itertools.product(range(height), range(width)):
            total += padded[:, i * dy :: sy, j * dx :: sx][:, :rows, :cols]
            count += there[i * dy :: sy, j * dx :: sx][:rows, :cols]
    return total, count


def scattered(shape, dtype):
    """Cells so unlike in size that another order of additions gives other bits."""
    return np.ldexp(RANDOM.normal(size=shape), RANDOM.integers(-3, 4, shape)).astype(dtype)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("size", [(5, 5), (9, 9), (15, 15), (16, 16), (7, 23), (31, 3)])
def test_the_order_of_additions(size, dtype):
    for stride, dilation, pads in itertools.product(
        ((1, 1), (2, 3)), ((1, 1), (1, 2)), (((0, 0), (0, 0)), ((1, 2), (1, 0)))
    ):
        x = scattered((2, 231, 149), dtype)
        options = {"size": size, "stride": stride, "padding": pads, "dilation": dilation}
        total, count = in_order(x, size, stride, pads, dilation)
        once = poolcli.pool2d(x, "average", **options)
        np.testing.assert_array_equal(once, total / count.astype(total.dtype))
        with tiny_strips():
            np.testing.assert_array_equal(poolcli.pool2d(x, "average", threads=2, **options), once)


def test_maps_of_any_width():
    for width in (*range(9, 60, 7), 255, 256, 257, 700):
        x = scattered((1, 100, width), np.float32)
        total, _ = in_order(x, (9, 9), (1, 1), ((0, 0), (0, 0)), (1, 1))
        np.testing.assert_array_equal(poolcli.pool2d(x, "sum", size=9, stride=1), total)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_what_is_not_finite(value):
    x = scattered((1, 120, 90), np.float32)
    x[0, 5, 80] = x[0, 70, 0] = x[0, 71, 2] = value
    total, count = in_order(x, (9, 9), (1, 1), ((4, 4), (4, 4)), (1, 1))
    found = poolcli.pool2d(x, "average", size=9, stride=1, padding=4)
    np.testing.assert_array_equal(found, total / count.astype(np.float32))


def test_a_library_that_adds_in_another_order_is_not_used(monkeypatch):
    x = scattered((1, 120, 90), np.float32)
    total, _ = in_order(x, (9, 9), (1, 1), ((0, 0), (0, 0)), (1, 1))
    ordered_sums._adds_in_order.cache_clear()
    monkeypatch.setattr(np, "matmul", lambda a, b, out: np.copyto(out, (a[:, ::-1] @ b[..., ::-1, :])))
    np.testing.assert_array_equal(poolcli.pool2d(x, "sum", size=9, stride=1), total)
    ordered_sums._adds_in_order.cache_clear()
