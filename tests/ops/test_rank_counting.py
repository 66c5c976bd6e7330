"""Order statistics by counting equal those by sorting, for any values, windows and strips."""

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rankings import by
from tiny import tiny_strips

import poolcli
from poolcli.ops import rank_counting, window_parts
from poolcli.ops.rank_method import RankMethod

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
    with by(RankMethod.SORTING):
        by_sorting = poolcli.pool2d(x, kind, **geometry, **KINDS[kind])
    with by(RankMethod.COUNTING), tiny_strips() if tiny else contextlib.nullcontext():
        by_counting = poolcli.pool2d(x, kind, **geometry, **KINDS[kind])

    assert by_counting.dtype == by_sorting.dtype
    np.testing.assert_array_equal(by_counting, by_sorting)


@pytest.mark.parametrize("q", [0, 12.5, 50, 99.9, 100])
def test_percentiles_are_numpys(q):
    x = np.random.default_rng(0).integers(0, 256, (40, 50), np.uint8)
    windows = np.lib.stride_tricks.sliding_window_view(x, (8, 8)).reshape(33, 43, 64)

    with by(RankMethod.COUNTING):
        found = poolcli.pool2d(x, "percentile", size=8, stride=1, q=q)

    np.testing.assert_array_equal(found, np.percentile(windows, q, axis=-1).astype(np.float32))


@pytest.mark.parametrize("few", [0, 16])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_tiles_and_searches(geometry, few, monkeypatch):
    """Maps larger than a tile, smooth and not: every part of the range is searched where a window has it."""
    monkeypatch.setattr(window_parts, "TILE", (6, 8))
    monkeypatch.setattr(rank_counting, "FEW_LEVELS", few)
    monkeypatch.setattr(rank_counting, "FLAG_BYTES", 1 << 11)
    random = np.random.default_rng(3)
    slope = np.add.outer(np.arange(70), np.arange(90)) * 255 // 158
    maps = random.integers(0, 256, (2, 70, 90)), slope, slope + random.integers(-9, 1, slope.shape), slope // 200
    for x in (np.clip(one, 0, 255).astype(np.uint8) for one in maps):
        for kind, options in (("median", {}), ("percentile", {"q": 90}), ("percentile", {"q": 33.3})):
            with by(RankMethod.SORTING):
                by_sorting = poolcli.pool2d(x, kind, **geometry, **options)
            with by(RankMethod.COUNTING):
                np.testing.assert_array_equal(poolcli.pool2d(x, kind, **geometry, **options), by_sorting)
