"""The part that a figure enlarges: exactly the map's values, above the pixels that they come from."""

import numpy as np
import pytest

from poolcli.errors import SizeError
from poolcli.images.read import from_array
from poolcli.pipeline.detail import COLUMNS, ROWS, unread
from poolcli.pipeline.engine import execute
from poolcli.pipeline.options import recipe

RNG = np.random.default_rng(5)
PICTURE = RNG.integers(0, 256, (211, 333), np.uint8)

RECIPES = {
    "plain": {"pool": "max"},
    "edge": {"kernel": "edge"},
    "valid": {"kernel": "edge", "conv_padding": "valid", "pool": "average"},
    "even kernel": {"kernel": "1 -1; 1 -1", "size": 3},
    "overlap": {"kernel": "edge", "size": 3, "stride": 2, "padding": "same"},
    "ceil": {"kernel": "edge", "size": 3, "ceil": True},
    "repeat": {"kernel": "edge", "repeat": 3},
    "blocks": {"kernel": "edge", "blocks": 2},
    "stride": {"kernel": "edge", "conv_stride": 2},
    "oblong": {"kernel": "edge", "size": "3x2"},
}


def made_of(picture, at=None, **settings):
    return execute(from_array(picture, channels=settings.get("channels", "gray")), recipe(**settings), panel=60,
                   detail=at, keep_maps=True)  # fmt: skip


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("at", [None, (0, 0), (101, 77), (210, 332)])
def test_a_detail_is_a_part_of_the_map(name, at):
    result = made_of(PICTURE, at, **RECIPES[name])
    found = 0
    for stage, values in zip((result.input, *result.stages), result.maps.values(), strict=True):
        if stage.detail is None:
            continue
        found += 1
        patch = stage.detail
        h, w = patch.values.shape
        rows = np.flatnonzero((np.lib.stride_tricks.sliding_window_view(values, (h, w)) == patch.values).all((2, 3)))
        assert len(rows) == 1
    assert found == (4 if "kernel" in RECIPES[name] else 2)


def test_each_cell_of_a_pooling_without_overlap_lies_over_the_inputs_it_was_made_from():
    result = made_of(PICTURE, (33, 41), pool="max", size=3)
    source, condensed = result.input.detail, result.stages[0].detail
    assert (source.top, source.left) == (33, 41)
    assert condensed.step == (3, 3)
    top, left = int(condensed.top), int(condensed.left)
    h, w = condensed.values.shape
    under = PICTURE[top : top + 3 * h, left : left + 3 * w].reshape(h, 3, w, 3).max((1, 3)) * np.float32(1 / 255)
    np.testing.assert_array_equal(condensed.values, under)
    assert top >= 33
    assert top + 3 * h <= 33 + source.values.shape[0]


def test_without_a_place_the_busiest_one_is_taken_on_the_border_of_an_output():
    picture = np.full((400, 600), 128, np.uint8)
    picture[200:240, 300:350] = RNG.integers(0, 256, (40, 50), np.uint8)
    source = made_of(picture, kernel="edge", repeat=2).input.detail
    assert source.values.shape == (ROWS, COLUMNS)
    assert source.top % 4 == source.left % 4 == 0
    assert 180 <= source.top <= 205
    assert 280 <= source.left <= 305
    assert source.values.std() > 0.1


@pytest.mark.parametrize("kernel", ["emboss", "sharpen", "blur", "1 1; 1 1"])
def test_an_even_area_is_not_busy_though_a_kernel_makes_it_bright(kernel):
    picture = np.full((400, 600), 255, np.uint8)
    picture[200:240, 300:350] = RNG.integers(0, 130, (40, 50), np.uint8)
    source = made_of(picture, kernel=kernel).input.detail
    assert 180 <= source.top <= 205
    assert 280 <= source.left <= 305


def test_the_largest_values_have_a_place_without_a_warning():
    picture = np.zeros((300, 400), np.float32)
    picture[96:112, 192:208] = 3e38
    picture[96:112, 208:224] = -3e38
    source = made_of(picture).input.detail
    assert source.top <= 104 < source.top + ROWS
    assert source.left <= 208 < source.left + COLUMNS


def test_colours_are_kept():
    colours = RNG.integers(0, 256, (100, 120, 3), np.uint8)
    result = made_of(colours, (10, 20), kernel="edge", channels="each")
    np.testing.assert_array_equal(result.input.detail.values, colours[10:58, 20:84] * np.float32(1 / 255))
    assert result.stages[2].detail.values.shape == (24, 32, 3)


def test_a_picture_shown_whole_has_no_detail():
    result = execute(from_array(PICTURE), recipe(kernel="edge"), panel=400)
    assert all(stage.detail is None for stage in (result.input, *result.stages))


@pytest.mark.parametrize("settings", [{"global_pool": True}, {"output_size": "7x9"}, {"repeat": 6}])
def test_where_a_cell_is_larger_than_the_place_the_last_map_is_left_out(settings):
    result = made_of(PICTURE, kernel="edge", **settings)
    assert result.stages[1].detail is not None
    assert result.stages[-1].detail is None


@pytest.mark.parametrize("shape", [(16, 1000), (1000, 16), (1, 500), (3, 700), (70, 61)])
def test_strips_have_details(shape):
    result = made_of(RNG.integers(0, 256, shape, np.uint8), kernel="edge", size=1)
    high, wide = result.input.detail.values.shape
    assert (high, wide) == (min(ROWS, shape[0]), min(COLUMNS, shape[1]))
    assert result.stages[-1].detail.values.shape == (high, wide)


@pytest.mark.parametrize("at", [(211, 0), (0, 333), (999, 999)])
def test_a_place_outside_the_picture_is_refused(at):
    with pytest.raises(SizeError, match=f"detail {at[0]},{at[1]} lies outside the picture of 211x333: at most 210,332"):
        made_of(PICTURE, at, kernel="edge")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"size": 2}, (1, 1)),
        ({"size": 2, "padding": "same"}, (0, 0)),
        ({"size": 2, "ceil": True}, (0, 0)),
        ({"size": 5}, (1, 3)),
        ({"size": "3x2", "stride": 3}, (1, 1)),
        ({"size": 2, "dilation": 3}, (1, 1)),
        ({"global_pool": True}, (0, 0)),
    ],
)
def test_unread_rows_and_columns(settings, expected):
    result = execute(from_array(PICTURE), recipe(**settings))
    assert unread(result.input, result.stages[0]) == expected
