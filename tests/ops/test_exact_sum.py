"""Sums of integers are exact for every type, range, length and layout."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poolcli import pool2d, recipe
from poolcli.ops.exact_sum import exact_sum
from poolcli.ops.value_range import ValueRange
from poolcli.pipeline.plan import plan

TYPES = ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "int64", "uint64"]


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.sampled_from(TYPES), st.integers(1, 5000), st.integers(0, 16), st.integers(0, 2**32 - 1))
def test_equals_pythons_own_sum(dtype, size, narrower, seed):
    """Also where the declared range is narrower than the type's, which is when more halving is done."""
    full = ValueRange.of(np.dtype(dtype))
    low, high = full.low >> narrower, max(full.high >> narrower, 1)
    cells = np.random.default_rng(seed).integers(low, high, size, dtype=dtype, endpoint=True)
    cells[: size // 3] = high
    cells[size // 3 : size // 2] = low

    assert exact_sum(cells, ValueRange(np.dtype(dtype), low, high)) == sum(cells.tolist())


@pytest.mark.parametrize("dtype", TYPES)
def test_layout_does_not_matter(dtype):
    cells = np.random.default_rng(1).integers(0, 2, (40, 30, 20)).astype(dtype)
    values = ValueRange.of(np.dtype(dtype))

    for view in (cells, cells[::-1, ::2], np.moveaxis(cells, 0, -1), np.asfortranarray(cells)):
        assert exact_sum(view, values) == int(view.astype(np.int64).sum())


@pytest.mark.parametrize(
    ("dtype", "size"),
    [("uint8", 1 << 29), ("int16", 1 << 25), ("uint16", 1 << 25), ("int32", 65537), ("uint32", 65537)],
)
def test_windows_much_larger_than_the_map(dtype, size):
    """What a window can sum to follows from the cells of the map, not from those beside it."""
    x = np.random.default_rng(2).integers(0, 100, (4, 5)).astype(dtype)
    x[0, 0] = np.iinfo(dtype).max
    total = int(x.sum(dtype=np.int64))

    def pooled(kind):
        return pool2d(x, kind, size, stride=1, padding="same")[1, 2]

    assert pooled("sum") == total
    assert pooled("average") == pytest.approx(total / 20, rel=1e-7)
    assert pooled("mixed") == pytest.approx((total / 20 + int(x.max())) / 2, rel=1e-7)
    planned = plan(
        recipe(recipe={"stages": [{"op": "pool2d", "kind": "sum", "size": size, "stride": 1, "padding": "same"}]}),
        (4, 5),
        dtype=dtype,
    )
    assert planned[-1].values.high == 20 * np.iinfo(dtype).max
