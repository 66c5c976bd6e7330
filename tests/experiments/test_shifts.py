"""Shifted views of a picture, and the exact chances of a dot to stay in its window."""

from fractions import Fraction

import numpy as np
import pytest

from poolcli.errors import OptionError, SizeError
from poolcli.experiments.shifts import FILLS, shifted, shifts, stay_probability, view_size
from poolcli.ops.pooling import pool2d

MODES = {"replicate": "edge", "zero": "constant", "wrap": "wrap"}


@pytest.mark.parametrize("fill", FILLS)
def test_a_filled_view_is_a_crop_of_the_padded_picture(fill):
    x = np.random.default_rng(1).integers(0, 255, (2, 9, 13), np.uint8)
    padded = np.pad(x, ((0, 0), (4, 4), (4, 4)), mode=MODES[fill])
    for down, right in shifts(4):
        view = shifted(x, (down, right), 4, fill)
        np.testing.assert_array_equal(view, padded[:, 4 - down : 13 - down, 4 - right : 17 - right])
        assert view.dtype == np.uint8


def test_views_without_fill_are_crops_that_hold_only_what_is_in_the_picture():
    x = np.arange(9 * 13).reshape(9, 13)
    for down, right in shifts(3):
        np.testing.assert_array_equal(
            shifted(x, (down, right), 3, None), x[3 - down : 6 - down, 3 - right : 10 - right]
        )
    assert view_size((9, 13), 3, None) == (3, 7)


def test_every_shift_is_there_once():
    assert len(set(shifts(8))) == len(shifts(8)) == 289


@pytest.mark.parametrize(
    ("size", "most", "fill", "advice"),
    [
        ((6, 64), 3, None, "--max-shift 2"),
        ((64, 3), 3, "replicate", "--max-shift 2"),
        ((1, 9), 1, "zero", "larger picture"),
        ((2, 9), 1, None, "larger picture"),
    ],
)
def test_pictures_that_the_shifts_would_use_up_are_refused(size, most, fill, advice):
    with pytest.raises(SizeError, match=advice):
        view_size(size, most, fill)


def test_an_unknown_fill_names_the_known_ones():
    with pytest.raises(OptionError, match="replicate, zero or wrap"):
        view_size((9, 9), 1, "reflect")


@pytest.mark.parametrize(
    ("size", "chance"), [(1, Fraction(0)), (2, Fraction(3, 8)), (3, Fraction(5, 9)), (4, Fraction(21, 32))]
)
def test_a_dot_stays_in_its_window_with_exactly_this_probability(size, chance):
    assert stay_probability(size) == chance


@pytest.mark.parametrize("size", [(2, 3), (4, 1), (5, 7)])
def test_the_probability_of_oblong_windows_is_that_of_their_axes(size):
    rows, cols = (Fraction(k - 1, k) for k in size)
    assert stay_probability(size) == (2 * rows + 2 * cols + 4 * rows * cols) / 8


def test_moves_farther_than_the_window_never_stay():
    assert stay_probability(2, step=2) == 0
    # Two of eight directions change no row; from the first or last of three columns a move then stays.
    assert stay_probability((2, 3), step=2) == Fraction(2, 8) * Fraction(1, 3)


def test_a_nine_in_the_first_window_stays_and_beside_it_does_not():
    rows = np.array([[0, 0, 2, 1], [0, 0, 1, 3], [1, 2, 0, 1], [4, 1, 2, 2]])
    for place in ((0, 0), (0, 1), (1, 0), (1, 1)):
        x = rows.copy()
        x[place] = 9
        np.testing.assert_array_equal(pool2d(x), [[9, 3], [4, 2]])
    rows[0, 2] = 9
    np.testing.assert_array_equal(pool2d(rows), [[0, 9], [4, 2]])
