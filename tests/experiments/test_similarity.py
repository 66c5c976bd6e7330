"""Cosines, distinct maps and scores, against numpy's own and by hand."""

import numpy as np
import pytest

from poolcli.experiments.similarity import MapsSeen, cosines, score


def cosine(a, b):
    a, b = (x.astype(np.longdouble) for x in (a, b))
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int64, np.float32, np.float64])
def test_cosines_of_every_type(dtype):
    rng = np.random.default_rng(2)
    maps = rng.integers(0, 200, (5, 700_001)).astype(dtype)
    found = cosines(maps[0], maps)
    assert found[0] == 1.0
    np.testing.assert_allclose(found[1:], [cosine(maps[0], one) for one in maps[1:]], rtol=1e-12)


@pytest.mark.parametrize("size", [1e-300, 1e-160, 1e160, 1e300, 5e-324])
def test_cosines_neither_overflow_nor_vanish(size):
    one = np.array([1.0, 0.0, 1.0, 0.0]) * size
    other = np.array([1.0, 1.0, 0.0, 0.0])
    assert cosines(one, np.array([one, other])) == [1.0, 0.5]
    assert cosines(other, one[np.newaxis]) == [0.5]


def test_equal_maps_have_a_cosine_of_exactly_one():
    rng = np.random.default_rng(3)
    for _ in range(200):
        one = rng.normal(size=37)
        assert cosines(one, one[np.newaxis]) == [1.0]


def test_an_empty_map_has_no_direction():
    empty, dot = np.zeros(4, np.uint8), np.array([0, 0, 9, 0], np.uint8)
    assert cosines(empty, np.array([empty, dot])) == [None, None]
    assert cosines(dot, np.array([empty, dot])) == [0.0, 1.0]


@pytest.mark.parametrize(
    ("cosine", "control", "expected"),
    [
        (1.0, 0.5, 1.0),
        (0.75, 0.5, 0.5),
        (0.5, 0.0, 0.5),
        (0.5, -1.0, 0.75),
        (1.0, 1.0, None),
        (0.5, 0.5, None),
        (0.4, 0.5, None),
        (0.9999, 1 - 1e-14, None),
        (None, 0.5, None),
        (0.5, None, None),
    ],
)
def test_the_score_is_missing_where_nothing_is_left_to_tell_apart(cosine, control, expected):
    assert score(cosine, control) == expected


def test_maps_are_counted_and_compared_with_the_one_that_is_not_shifted():
    still = np.array([1, 2, 2], np.float32)
    maps = np.array([[1, 2, 2], [1, 2, 2], [2, 1, 2], [0, 0, 0], [-0.0, 0, 0]], np.float32)
    seen = MapsSeen(still, np.array([2, 2, 1], np.float32))
    seen.add(maps[:2], np.array([False, True]))
    seen.add(maps[2:], np.array([True] * 3))
    found = seen.result(2.0)
    assert found.distinct == 3  # zeros with and without a minus sign are one
    assert found.unchanged == 0.4
    assert found.cosine == pytest.approx((1 + 8 / 9 + 0 + 0) / 4, rel=1e-15)  # the shift by nothing does not count
    assert found.control == pytest.approx(8 / 9, rel=1e-15)
    assert found.score is None
    assert found.largest_change == 1.0
    assert not found.empty


def test_a_map_that_vanished_is_empty_and_not_unchanged_in_its_cosine():
    seen = MapsSeen(np.zeros(3, np.uint8), np.ones(3, np.uint8))
    seen.add(np.array([[0, 0, 0], [0, 7, 0]], np.uint8), np.array([False, True]))
    found = seen.result(1.0)
    assert found.empty
    assert (found.cosine, found.score) == (None, None)
    assert (found.distinct, found.unchanged, found.largest_change) == (2, 0.5, 7.0)


def test_missing_cells_are_left_out_of_every_comparison():
    nan = np.nan
    still = np.array([1, 2, nan, 4], np.float32)
    maps = np.array([[1, 2, nan, 4], [2, nan, 3, 4], [nan, nan, 1, nan]], np.float32)
    assert cosines(still, maps) == pytest.approx([1.0, (2 + 16) / np.sqrt(17 * 20), 0.0])
    seen = MapsSeen(still, maps[1])
    seen.add(maps, np.array([False, True, True]))
    found = seen.result(1.0)
    assert (found.distinct, found.unchanged) == (3, 1 / 3)
    assert found.largest_change == 2.0  # of the third cell, which two of the maps have
    assert found.control == pytest.approx(18 / np.sqrt(340))
    nothing = np.full(4, nan)
    assert cosines(nothing, maps.astype(np.float64)) == [None] * 3


def test_infinite_cells_are_left_out_of_cosines_and_make_an_infinite_change():
    still = np.array([1, 2, np.inf, 4])
    maps = np.array([[1, 2, np.inf, 4], [2, np.inf, 3, 4], [-np.inf, 1, np.inf, 3]])
    assert cosines(still, maps) == pytest.approx([1.0, 18 / np.sqrt(17 * 20), 14 / np.sqrt(20 * 10)])
    seen = MapsSeen(still, maps[1])
    seen.add(maps, np.array([False, True, True]))
    assert seen.result(1.0).largest_change == np.inf
    huge = np.array([1e308, -1e308])
    seen = MapsSeen(huge, huge)
    seen.add(np.array([huge, -huge]), np.array([False, True]))
    found = seen.result(1.0)
    assert (found.cosine, found.largest_change) == (-1.0, np.inf)
