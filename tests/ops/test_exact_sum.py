"""Sums of integers are exact for every type, range, length and layout."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poolcli.ops.exact_sum import exact_sum
from poolcli.ops.value_range import ValueRange

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
