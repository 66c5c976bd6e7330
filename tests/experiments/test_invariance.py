"""Invariance: the lesson's own results, and every number against plain numpy."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from poolcli.errors import OptionError, SizeError
from poolcli.experiments import views
from poolcli.experiments.demo_pictures import DEMO_PICTURES, PICTURES, square_around
from poolcli.experiments.invariance import leveled_recipes, measure
from poolcli.images.read import from_array

MODES = {"replicate": "edge", "zero": "constant", "wrap": "wrap"}


def demo(name, most, levels, kinds=("max",)):
    picture, control = DEMO_PICTURES[name].pictures(name)
    return measure(picture, control, leveled_recipes(kinds, {}, levels), max_shift=most, fill="replicate").levels


@pytest.mark.parametrize(
    ("name", "most", "distinct"),
    [
        ("circle64", 3, [49, 49, 49, 45, 1]),
        ("circle128", 3, [49, 49, 49, 45, 33, 1]),
        ("circle64", 4, [81, 81, 81, 69, 9]),
        ("circle128", 8, [289, 289, 289, 265, 125, 1]),
    ],
)
def test_the_lessons_circles(name, most, distinct):
    levels = demo(name, most, len(distinct) - 1)
    assert [level.pools["max"].distinct for level in levels] == distinct
    side = int(name.removeprefix("circle"))
    assert [level.shape for level in levels] == [(side >> n, side >> n) for n in range(len(distinct))]


def test_averages_keep_every_map_apart_and_change_by_little():
    levels = [level.pools["average"] for level in demo("circle64", 3, 5, ["average"])]
    assert [one.distinct for one in levels] == [49] * 6
    assert [one.largest_change for one in levels[4:]] == [0.046875, 0.01171875]


def test_nothing_is_left_to_tell_the_circle_from_the_square_at_level_4():
    *before, last = (level.pools["max"] for level in demo("circle64", 3, 4))
    assert (last.cosine, last.control, last.score) == (1.0, 1.0, None)
    assert (last.unchanged, last.largest_change) == (1.0, 0.0)
    assert before[0].control == 0.0  # circle and square have no pixel in common
    assert all(one.score == pytest.approx((one.cosine - one.control) / (1 - one.control)) for one in before)


def test_the_last_map_is_a_ring():
    from poolcli.ops.pooling import pool2d

    maps = [picture.values for picture in DEMO_PICTURES["circle64"].pictures("circle64")]
    ring = np.pad(np.zeros((2, 2), np.uint8), 1, constant_values=255)
    for one in maps:
        for _ in range(4):
            one = pool2d(one)  # noqa: PLW2901
        np.testing.assert_array_equal(one, ring)


@pytest.mark.parametrize(
    ("name", "expected"), [("two-dots", [[255, 0], [0, 0]]), ("two-dots-far", [[0, 255], [255, 0]])]
)
def test_near_dots_merge_and_far_dots_stay(name, expected):
    from poolcli.ops.pooling import pool2d

    picture, other = (one.values for one in DEMO_PICTURES[name].pictures(name))
    assert picture.shape == other.shape == (16, 16)
    assert np.argwhere(picture).tolist() in ([[3, 5], [5, 3]], [[3, 12], [12, 3]])
    assert not (picture & other).any()
    np.testing.assert_array_equal(pool2d(pool2d(pool2d(picture))), expected)


def test_a_square_is_drawn_around_what_is_not_black():
    x = np.zeros((9, 12), np.uint8)
    x[3:5, 4:7] = 9
    expected = np.zeros((9, 12), np.uint8)
    expected[1:7, 2:9] = 9
    expected[2:6, 3:8] = 0
    np.testing.assert_array_equal(square_around(x), expected)


# -- every number against plain numpy ---------------------------------------------------------------------


def pooled(x, kind):
    h, w = x.shape[-2] // 2, x.shape[-1] // 2
    blocks = x[..., : 2 * h, : 2 * w].reshape(*x.shape[:-2], h, 2, w, 2)
    return (
        blocks[..., 0, :, 0] if kind == "subsample" else getattr(blocks, {"average": "mean"}.get(kind, kind))((-3, -1))
    )


def cosine(a, b):
    return float((a * b).sum() / math.sqrt((a * a).sum() * (b * b).sum()))


@pytest.mark.parametrize("batch", [1 << 21, 1])
@pytest.mark.parametrize("fill", [*MODES, None])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_number_of_noise(monkeypatch, fill, channels, batch):
    monkeypatch.setattr(views, "BATCH_CELLS", batch)
    rng = np.random.default_rng(7)
    x, y = rng.integers(1, 256, (2, channels, 20, 29), np.uint8)
    most, levels, kinds = 2, 3, ["max", "average", "min", "subsample"]
    mode = "edge" if fill is None else MODES[fill]
    n = 0 if fill else most
    size = 20 - 2 * n, 29 - 2 * n
    shifts = list(itertools.product(range(-most, most + 1), repeat=2))

    def cut(values, down, right):
        padded = np.pad(values, ((0, 0), (most, most), (most, most)), mode=mode)
        top, left = most + n - down, most + n - right
        return padded[:, top : top + size[0], left : left + size[1]] / 255

    copies = np.array([cut(x, *shift) for shift in shifts])
    pictures = [from_array(np.moveaxis(one, 0, -1) if channels > 1 else one[0], channels="each") for one in (x, y)]
    found = measure(*pictures, leveled_recipes(kinds, {}, levels), max_shift=most, fill=fill)
    assert (found.shifts, found.view) == (25, size)
    for kind in kinds:
        maps, control = copies, cut(y, 0, 0)
        for level in found.levels:
            if level.level:
                maps, control = pooled(maps, kind), pooled(control, kind)
            one, still = level.pools[kind], maps[12]
            assert level.shape == maps.shape[-2:]
            assert one.distinct == len({np.round(m, 9).tobytes() for m in maps})
            assert one.unchanged == np.mean([np.allclose(m, still, atol=1e-9) for m in maps])
            expected = np.mean([cosine(still, m) for i, m in enumerate(maps) if i != 12])
            assert one.cosine == pytest.approx(expected, rel=1e-6)
            assert one.control == pytest.approx(cosine(still, control), rel=1e-6)
            assert one.largest_change == pytest.approx((maps.max(0) - maps.min(0)).max(), rel=1e-6)


def test_the_usual_control_is_the_filtered_map_with_its_halves_exchanged():
    x = np.random.default_rng(8).integers(0, 256, (40, 31), np.uint8)
    recipes = leveled_recipes(["max"], {"kernel": "edge"}, 2, crops=True)
    found = measure(from_array(x), None, recipes, max_shift=1, fill=None)
    view = x[1:-1, 1:-1].astype(float)
    inner = 9 * view[1:-1, 1:-1] - sum(view[i : i + 36, j : j + 27] for i in range(3) for j in range(3))
    still = np.maximum(inner, 0)
    control = np.roll(still, 18, axis=0)  # along the longer side
    assert "upper and lower" in found.control
    for level in found.levels:
        assert level.pools["max"].control == pytest.approx(cosine(still, control), rel=1e-6)
        still, control = pooled(still, "max"), pooled(control, "max")


def test_filters_of_crops_add_no_frame_unless_one_is_asked_for():
    def padding(settings, **more):
        return leveled_recipes(["max"], {"kernel": "edge", **settings}, 2, **more)[0].stages[0].padding

    assert padding({}, crops=True) == "valid"
    assert padding({}) == "same"
    assert padding({"conv_padding": "same"}, crops=True) == "same"
    assert (
        leveled_recipes(["max"], {"kernel": "edge", "conv_padding_mode": "reflect"}, 2, crops=True)[0].stages[0].padding
        == "same"
    )


def test_the_filter_and_relu_come_before_the_first_pooling_only():
    recipe = leveled_recipes(["average"], {"kernel": "edge", "size": 3}, 4)[0]
    assert [step.op for step in recipe.stages] == ["conv2d", "relu", "pool2d"]
    assert (recipe.stages[-1].repeat, recipe.stages[-1].size, recipe.stages[-1].kind) == (4, (3, 3), "average")


@pytest.mark.parametrize("value", [0, 200])
def test_a_flat_picture_says_so_instead_of_a_score(value):
    picture = from_array(np.full((24, 24), value, np.uint8))
    for level in measure(picture, None, leveled_recipes(["max", "average"], {}, 2), max_shift=1, fill=None).levels:
        for one in level.pools.values():
            assert (one.distinct, one.unchanged, one.largest_change, one.score) == (1, 1.0, 0.0, None)
            assert one.empty == (value == 0)
            assert one.cosine == (None if value == 0 else 1.0)


def test_one_picture_against_itself_has_no_score():
    picture = from_array(np.random.default_rng(9).integers(0, 256, (24, 24), np.uint8))
    levels = measure(picture, picture, leveled_recipes(["max"], {}, 2), max_shift=1, fill=None).levels
    assert all(level.pools["max"].control == 1.0 and level.pools["max"].score is None for level in levels)


def test_the_units_are_those_of_the_recipe():
    x = np.zeros((12, 12), np.uint16)
    x[5, 5] = 65535
    for settings, expected in (({}, 1.0), ({"range": "byte"}, 255.0), ({"range": "raw"}, 65535.0)):
        level = measure(
            from_array(x), None, leveled_recipes(["average"], settings, 1), max_shift=1, fill="zero"
        ).levels[1]
        assert level.pools["average"].largest_change == pytest.approx(expected / 4, rel=1e-7)


@pytest.mark.parametrize(
    ("shape", "levels", "said"),
    [((20, 30), 5, "write --levels 3"), ((9, 30), 2, "write --levels 1"), ((8, 8), 1, "smaller than the 3x3 window")],
)
def test_levels_that_do_not_fit_are_told_with_the_number_that_does(shape, levels, said):
    picture = from_array(np.zeros(shape, np.uint8))
    settings = {} if levels > 1 else {"size": 3}
    with pytest.raises(SizeError, match=said):
        measure(picture, None, leveled_recipes(["max", "blur"], settings, levels), max_shift=3, fill=None)


@pytest.mark.parametrize(
    "settings",
    [{"recipe": "lenet"}, {"blocks": 2}, {"global_pool": True}, {"output_size": (2, 2)}],
)
def test_recipes_whose_pooling_cannot_be_repeated_are_refused(settings):
    with pytest.raises(OptionError, match="ends with its only pool2d"):
        leveled_recipes(["max"], settings, 2)


def test_controls_of_another_size_or_kind_are_refused():
    gray, small = (from_array(np.zeros(shape, np.uint8)) for shape in ((24, 24), (24, 25)))
    color = from_array(np.zeros((24, 24, 3), np.uint8), channels="each")
    recipes = leveled_recipes(["max"], {}, 1)
    with pytest.raises(SizeError, match=r"24x25, but array is 24x24.*--resize"):
        measure(gray, small, recipes, max_shift=1, fill=None)
    with pytest.raises(SizeError, match=r"3 channels.*--channels gray"):
        measure(gray, color, recipes, max_shift=1, fill=None)


def test_random_kinds_draw_for_every_shift_as_for_the_picture_alone():
    from poolcli.ops.pooling import pool2d

    x = np.random.default_rng(6).integers(1, 256, (20, 20), np.uint8)
    recipes = leveled_recipes(["stochastic"], {"seed": 5}, 1)
    one = measure(from_array(x), None, recipes, max_shift=1, fill=None).levels[1].pools["stochastic"]
    shifts = itertools.product((2, 1, 0), repeat=2)
    maps = [pool2d(x[top : top + 18, left : left + 18], kind="stochastic", seed=5) / 255 for top, left in shifts]
    assert one.unchanged == np.mean([np.array_equal(m, maps[4]) for m in maps])
    assert one.cosine == pytest.approx(np.mean([cosine(maps[4], m) for m in maps[:4] + maps[5:]]), rel=1e-6)


@pytest.mark.parametrize("name", ["circle64.png", "circle128.png"])
def test_the_circles_are_those_of_the_sample_pictures(name):
    assert (Path(PICTURES) / name).read_bytes() == (Path(__file__).parents[2] / "sample_images" / name).read_bytes()
