"""Order statistics by counting are those by sorting, whatever the values, windows and strips."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import tiny_strips

import poolcli
from poolcli.ops import counting

SETTINGS = settings(derandomize=True, deadline=None, max_examples=150)
GEOMETRIES = [
    {"size": 3, "stride": 1},
    {"size": 4, "stride": 1, "padding": "same"},
    {"size": (5, 2), "stride": (2, 1), "padding": ((4, 0), (1, 1)), "ceil": True},
    {"size": (3, 4), "stride": (1, 3), "dilation": (2, 1), "padding": "same-lower"},
    {"size": (9, 3), "stride": 1},
    {"size": (17, 16), "stride": (1, 2), "padding": (8, 4)},
]
KINDS = {"median": {}, "mode": {}, "percentile": {"q": 90}}


def counting_from(cells):
    """Windows of so many cells and more are counted."""
    return mock.patch.object(counting, "LEAST_CELLS", cells)


@st.composite
def maps(draw):
    """Few levels with gaps, all levels, one level; types with and without a sign."""
    dtype = draw(st.sampled_from([np.uint8, np.int8, np.bool_]))
    low, high = (0, 1) if dtype is np.bool_ else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    levels = draw(st.lists(st.integers(low, high), min_size=1, max_size=300, unique=dtype is not np.bool_))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return random.choice(np.array(levels), (draw(st.integers(1, 2)), 20, draw(st.integers(18, 25)))).astype(dtype)


@SETTINGS
@given(x=maps(), kind=st.sampled_from(list(KINDS)), geometry=st.sampled_from(GEOMETRIES), tiny=st.booleans())
def test_counted_is_sorted(x, kind, geometry, tiny):
    with counting_from(10**9):
        by_sorting = poolcli.pool2d(x, kind, **geometry, **KINDS[kind])
    with counting_from(1), tiny_strips() if tiny else counting_from(1):
        by_counting = poolcli.pool2d(x, kind, **geometry, **KINDS[kind])

    assert by_counting.dtype == by_sorting.dtype
    np.testing.assert_array_equal(by_counting, by_sorting)


@pytest.mark.parametrize("q", [0, 12.5, 50, 99.9, 100])
def test_percentiles_are_numpys(q):
    x = np.random.default_rng(0).integers(0, 256, (40, 50), np.uint8)
    windows = np.lib.stride_tricks.sliding_window_view(x, (8, 8)).reshape(33, 43, 64)

    found = poolcli.pool2d(x, "percentile", size=8, stride=1, q=q)

    np.testing.assert_array_equal(found, np.percentile(windows, q, axis=-1).astype(np.float32))


@pytest.mark.parametrize(
    ("kind", "dtype", "taken"), [("median", "uint8", True), ("median", "float32", False), ("mode", "int16", False)]
)
def test_only_maps_of_few_values_are_counted(kind, dtype, taken):
    x = np.random.default_rng(0).integers(0, 100, (40, 50)).astype(dtype)
    with mock.patch("poolcli.ops.view.View.count", side_effect=AssertionError("counted")):
        if taken:
            with pytest.raises(AssertionError, match="counted"):
                poolcli.pool2d(x, kind, size=6, stride=1)
            poolcli.pool2d(x, kind, size=5, stride=1)
        else:
            assert poolcli.pool2d(x, kind, size=6, stride=1).shape == (35, 45)
