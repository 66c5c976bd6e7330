"""The engine against plain numpy, exact fractions and brute force."""

import gc
import math
import os
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from PIL import Image

import poolcli
from poolcli import recipe, run
from poolcli.errors import ImageError, OptionError, PoolcliError, SizeError
from poolcli.images.quantize import pixels
from poolcli.images.read import from_array
from poolcli.images.read import read as read_picture
from poolcli.ops import strips
from poolcli.pipeline.engine import execute
from poolcli.pipeline.plan import plan
from poolcli.pipeline.recipe import recipe_from

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CAT = os.path.join(ROOT, "sample_images", "cat.jpg")
NOISE = np.random.default_rng(11).integers(0, 256, (53, 47), np.uint8)
DEEP = np.random.default_rng(12).integers(0, 65536, (53, 47), np.uint16)
FLOATS = np.random.default_rng(13).normal(0, 1, (53, 47)).astype(np.float32)


def windows(x, size, stride):
    view = np.lib.stride_tricks.sliding_window_view(x, size)
    return view[:: stride[0], :: stride[1]]


def saved(result, depth=8):
    return pixels(result.raw, result.white, depth=depth, unit_scale=result.scale)


# -- values --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["max", "min"])
@pytest.mark.parametrize(("size", "stride"), [((2, 2), (2, 2)), ((3, 2), (1, 2)), ((5, 7), (4, 3)), ((53, 47), (1, 1))])
def test_maximum_and_minimum_of_a_file_are_the_exact_bytes_of_pillows_gray(kind, size, stride):
    with Image.open(CAT) as image:
        gray = np.asarray(image.convert("L"))
    result = run(CAT, recipe(pool=kind, size=size, stride=stride))

    expected = getattr(windows(gray, size, stride), kind)((2, 3))
    np.testing.assert_array_equal(saved(result), expected)
    np.testing.assert_array_equal(result.output, expected.astype(np.float32) * np.float32(1 / 255))


@pytest.mark.parametrize(("picture", "depth"), [(NOISE, 8), (DEEP, 16)])
@pytest.mark.parametrize("size", [(2, 2), (3, 3), (3, 2), (7, 5), (16, 16)])
def test_saved_averages_are_exact_means_with_halves_up(picture, depth, size):
    result = run(picture, recipe(pool="average", size=size))
    expected = [
        [math.floor(Fraction(int(cells.sum()), cells.size) + Fraction(1, 2)) for cells in row]
        for row in windows(picture, size, size)
    ]

    np.testing.assert_array_equal(saved(result, depth), expected)


@pytest.mark.parametrize("picture", [NOISE, DEEP, FLOATS, FLOATS.astype(np.float64)], ids=lambda a: a.dtype.name)
@pytest.mark.parametrize(
    ("kind", "by_numpy"),
    [
        ("average", np.mean), ("sum", np.sum), ("median", np.median), ("std", np.std), ("range", np.ptp),
        ("rms", lambda w, axis: np.sqrt(np.mean(np.square(w), axis))), ("lp", lambda w, axis: np.sqrt(np.sum(np.square(w), axis))),
        ("percentile", lambda w, axis: np.percentile(w, 50, axis)), ("subsample", lambda w, axis: w[..., 0, 0]),
    ],
)  # fmt: skip
def test_every_kind_against_numpy(picture, kind, by_numpy):
    result = run(picture, recipe(pool=kind, size=(3, 4), stride=(2, 3)))
    scale = {1: 255, 2: 65535}.get(picture.dtype.itemsize, 1)

    expected = by_numpy(windows(picture.astype(np.float64) / scale, (3, 4), (2, 3)), axis=(2, 3))
    assert result.output.dtype == np.float32
    np.testing.assert_allclose(result.output, expected, rtol=3e-6, atol=1e-6)


@pytest.mark.parametrize("unit", ["unit", "byte"])
@pytest.mark.parametrize("picture", [NOISE, DEEP, FLOATS], ids=lambda a: a.dtype.name)
def test_range_says_what_white_is_and_leaves_floats_alone(picture, unit):
    result = run(picture, recipe(size=1, range=unit))
    full = {"unit": 1, "byte": 255}[unit]
    white = {np.uint8: 255, np.uint16: 65535}.get(picture.dtype.type)

    expected = picture if white is None else picture.astype(np.float64) * full / white
    np.testing.assert_allclose(result.output, expected, rtol=2e-7)
    assert result.scale * result.white == pytest.approx(full)


def test_filter_detect_condense_is_exact_on_integers():
    result = run(NOISE, recipe(kernel="emboss", range="byte", size=3, stride=2))
    wide = np.pad(NOISE.astype(np.int64), 1)
    weights = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])
    filtered = (windows(wide, (3, 3), (1, 1)) * weights).sum((2, 3))

    np.testing.assert_array_equal(result.output, windows(np.maximum(filtered, 0), (3, 3), (2, 2)).max((2, 3)))


@pytest.mark.parametrize("shape", [(53, 47, 3), (53, 47, 4), (53, 47, 1), (53, 47, 7)])
@pytest.mark.parametrize("kernel", [None, "edge"])
def test_channels_each_is_every_channel_by_itself(shape, kernel):
    picture = np.random.default_rng(3).integers(0, 256, shape, np.uint8)
    result = run(picture, recipe(channels="each", kernel=kernel, pool="average", size=3))

    assert result.output.shape == (17, 15, shape[2])
    assert result.channels == shape[2]
    for channel in range(shape[2]):
        alone = run(np.ascontiguousarray(picture[..., channel]), recipe(kernel=kernel, pool="average", size=3))
        np.testing.assert_array_equal(result.output[..., channel], alone.output)


def test_gray_is_pillows_gray_also_for_arrays():
    colours = np.random.default_rng(3).integers(0, 256, (20, 30, 3), np.uint8)
    gray = np.asarray(Image.fromarray(colours).convert("L"))

    np.testing.assert_array_equal(run(colours, recipe(size=1)).raw, gray)


def test_dilated_and_ceil_windows_against_numpy():
    result = run(NOISE, recipe(size=3, stride=2, dilation=2, range="byte"))
    expected = windows(NOISE, (5, 5), (2, 2))[..., ::2, ::2].max((2, 3))
    np.testing.assert_array_equal(result.output, expected)

    ceil = run(NOISE, recipe(size=4, ceil=True, range="byte"))
    rows, cols = -(-53 // 4), -(-47 // 4)
    expected = [[NOISE[4 * i : 4 * i + 4, 4 * j : 4 * j + 4].max() for j in range(cols)] for i in range(rows)]
    np.testing.assert_array_equal(ceil.output, expected)


def test_padding_never_wins_and_counts_only_when_told():
    dark = -np.ones((4, 4), np.float32)
    assert run(dark, recipe(size=2, padding=1)).output.max() == -1
    np.testing.assert_array_equal(run(dark, recipe(pool="average", size=2, padding=1)).output, -np.ones((3, 3)))
    counted = run(dark, recipe(pool="average", size=2, padding=1, count_include_pad=True)).output
    np.testing.assert_array_equal(counted, [[-0.25, -0.5, -0.25], [-0.5, -1, -0.5], [-0.25, -0.5, -0.25]])


def test_adaptive_windows_have_torchs_bounds():
    result = run(NOISE, recipe(output_size=(7, 5), range="byte"))
    expected = [
        [NOISE[i * 53 // 7 : -(-(i + 1) * 53 // 7), j * 47 // 5 : -(-(j + 1) * 47 // 5)].max() for j in range(5)]
        for i in range(7)
    ]
    np.testing.assert_array_equal(result.output, expected)
    assert run(NOISE, recipe(output_size="-x5")).output.shape == (53, 5)
    assert run(NOISE, recipe(global_pool=True, range="byte")).output.tolist() == [[NOISE.max()]]


def test_repeat_and_blocks_are_the_same_as_doing_it_by_hand():
    once = recipe(pool="average", size=3, stride=2, padding="same")
    by_hand = FLOATS
    for _ in range(3):
        by_hand = run(by_hand, once).output
    np.testing.assert_allclose(run(FLOATS, recipe(recipe=once, repeat=3)).output, by_hand, rtol=1e-6, atol=1e-7)

    block = recipe(kernel="blur", size=2)
    by_hand = run(run(FLOATS, block).output, block).output
    np.testing.assert_allclose(run(FLOATS, recipe(recipe=block, blocks=2)).output, by_hand, rtol=1e-6, atol=1e-7)


# -- what is known of every map ------------------------------------------------------------------------------

MANY = [
    {"kernel": "edge", "size": 3, "stride": 2, "repeat": 2},
    {"kernel": "sobel-left", "relu": False, "pool": "min", "size": 2},
    {"pool": "average", "size": (3, 2), "padding": "same", "repeat": 3},
    {"kernel": [[0.5, -0.25]], "pool": "std", "blocks": 2},
    {"pool": "median", "global_pool": True},
    {"pool": "lp", "p": 3, "output_size": (7, 4)},
]


@pytest.mark.parametrize("options", MANY, ids=str)
@pytest.mark.parametrize(
    "picture",
    [NOISE, DEEP, FLOATS, np.stack([NOISE, NOISE.T[:47].T, 255 - NOISE], -1)],
    ids=["uint8", "uint16", "float32", "rgb"],
)
def test_statistics_are_those_of_the_maps(options, picture):
    made = recipe(**options, channels="each")
    result = execute(from_array(picture, channels="each"), made, keep_maps=True)

    maps = list(result.maps.values())
    assert list(result.maps) == ["0-input", *(f"{i}-{stage.name}" for i, stage in enumerate(result.stages, 1))]
    for stage, values in zip((result.input, *result.stages), maps, strict=True):
        assert values.shape[:2] == stage.shape
        assert stage.min == values.min()
        assert stage.max == values.max()
        np.testing.assert_allclose(stage.mean, values.mean(dtype=np.float64), rtol=1e-5, atol=2e-7)
        assert stage.active == np.count_nonzero(values > 0) / values.size
    np.testing.assert_array_equal(maps[-1], result.output)


def test_statistics_can_be_left_out_and_change_nothing():
    with_, without = run(NOISE, recipe(kernel="edge")), run(NOISE, recipe(kernel="edge"), statistics=False)

    np.testing.assert_array_equal(with_.output, without.output)
    for stage in (without.input, *without.stages):
        assert (stage.statistics, stage.min, stage.max, stage.mean, stage.active) == (None,) * 5
        assert stage.shape


FIELDS = [
    {"pool": "average", "size": 2},
    {"pool": "average", "size": (3, 2), "stride": (2, 1)},
    {"pool": "average", "size": 2, "stride": 1, "dilation": (3, 2)},
    {"pool": "average", "size": 2, "repeat": 3},
    {"pool": "sum", "size": 3, "stride": 2, "padding": "same", "repeat": 2},
    {"kernel": [[1, 1, 1], [1, 1, 1], [1, 1, 1]], "pool": "max", "size": 2},
    {
        "kernel": [[1, 1]],
        "conv_dilation": (1, 3),
        "conv_stride": 2,
        "conv_padding": "valid",
        "pool": "max",
        "size": (1, 2),
        "stride": 1,
    },
    {"kernel": "blur", "pool": "average", "size": 2, "blocks": 2},
    {"pool": "blur", "size": 2},
    {"pool": "blur", "size": 3, "stride": 2, "repeat": 2},
    {"pool": "lp", "size": (1, 4), "stride": 3},
]


@pytest.mark.parametrize("options", FIELDS, ids=str)
def test_receptive_field_and_total_stride_are_what_a_single_lit_pixel_shows(options):
    """Each pixel of a 33x33 picture is white in one channel; an output depends on the channels in which it is not 0."""
    side = 33
    lit = np.eye(side * side, dtype=np.float32).reshape(side, side, side * side)
    made = recipe(**options, channels="each")
    result = run(lit, made, statistics=False)
    seen = (result.output != 0).reshape(*result.output.shape[:2], side, side)

    stage = result.stages[-1]
    row, col = (n // 2 for n in stage.shape)
    rows, cols = np.flatnonzero(seen[row, col].any(1)), np.flatnonzero(seen[row, col].any(0))
    assert (np.ptp(rows) + 1, np.ptp(cols) + 1) == stage.receptive_field
    below, beside = np.flatnonzero(seen[row + 1, col].any(1)), np.flatnonzero(seen[row, col + 1].any(0))
    assert (below[-1] - rows[-1], beside[-1] - cols[-1]) == stage.total_stride


def test_the_field_of_a_global_pool_is_the_map():
    stage = run(NOISE, recipe(global_pool=True, pool="average")).stages[-1]
    assert stage.receptive_field == NOISE.shape


def test_stages_say_what_was_done():
    result = run(NOISE, recipe(kernel="edge", size=3, stride=2, padding="same", repeat=2, blocks=2))

    assert [stage.name for stage in result.stages] == ["conv2d", "relu", "pool2d", "pool2d"] * 2
    assert [stage.step for stage in result.stages[:4]] == [
        "block 1, filter",
        "block 1, detect",
        "block 1, repeat 1",
        "block 1, repeat 2",
    ]
    assert result.stages[2].title == "Condense (MaxPool)"
    assert result.stages[2].parameters["pads"] == ((1, 1), (1, 1))
    assert result.stages[3].parameters["pads"] == ((1, 1), (0, 1)), "27 x 24: SAME has its odd cell at the right"
    assert (result.input.shape, result.input.name, result.source) == ((53, 47), "input", "array")


# -- threads -------------------------------------------------------------------------------------------------

LARGE = np.random.default_rng(4).integers(0, 256, (1500, 1100), np.uint8)


@pytest.mark.parametrize(
    "options",
    [
        {"kernel": "edge", "size": 2, "repeat": 2},
        {"kernel": [[0.3, -0.1, 0.7]] * 3, "pool": "average", "size": 3, "stride": 2, "padding": "same"},
        {"pool": "std", "size": 5},
        {"pool": "average", "global_pool": True},
        {"pool": "blur"},
    ],
    ids=str,
)
@pytest.mark.parametrize("picture", [LARGE, LARGE.astype(np.float32) / 7], ids=["uint8", "float32"])
def test_any_number_of_threads_gives_the_same_bytes_and_the_same_statistics(options, picture):
    made = recipe(**options)
    one, two, three = (execute(from_array(picture), made, threads=n, panel=300, indices=False) for n in (1, 2, 3))

    for other in (two, three):
        assert one.raw.tobytes() == other.raw.tobytes()
        for a, b in zip((one.input, *one.stages), (other.input, *other.stages), strict=True):
            assert a.statistics == b.statistics
            if a.display:
                assert a.display.values.tobytes() == b.display.values.tobytes()
                assert a.display.sample.tobytes() == b.display.sample.tobytes()


@pytest.mark.parametrize("kind", ["max", "min"])
def test_indices_are_numpys_also_with_threads(kind):
    results = [
        execute(from_array(LARGE), recipe(pool=kind, size=(3, 5), stride=(3, 2)), threads=n, indices=True)
        for n in (1, 3)
    ]

    assert results[0].indices.tobytes() == results[1].indices.tobytes()
    view = windows(LARGE, (3, 5), (3, 2))
    best = getattr(np, f"arg{kind}")(view.reshape(*view.shape[:2], -1), -1)
    rows = np.arange(view.shape[0])[:, None] * 3 + best // 5
    cols = np.arange(view.shape[1])[None, :] * 2 + best % 5
    np.testing.assert_array_equal(results[0].indices, rows * 1100 + cols)
    np.testing.assert_array_equal(LARGE.ravel()[results[0].indices], results[0].raw)


def test_indices_are_of_the_last_pooling_and_of_every_channel():
    colours = np.stack([NOISE, 255 - NOISE, NOISE // 2], -1)
    result = execute(
        from_array(colours, channels="each"), recipe(channels="each", repeat=2), indices=True, keep_maps=True
    )

    before = result.maps["1-pool2d"].reshape(-1, 3)
    for channel in range(3):
        np.testing.assert_array_equal(before[result.indices[..., channel], channel], result.output[..., channel])


@pytest.mark.parametrize("options", [{"pool": "average"}, {"pool": "median"}, {"pool": "blur"}])
def test_indices_of_other_kinds_are_refused(options):
    with pytest.raises(OptionError, match="max or min"):
        execute(from_array(NOISE), recipe(**options), indices=True)
    with pytest.raises(OptionError, match="no pooling"):
        execute(from_array(NOISE), recipe_from({"stages": [{"op": "relu"}]}), indices=True)


# -- display -------------------------------------------------------------------------------------------------


def blocks(x, f):
    return [[x[i : i + f, j : j + f] for j in range(0, x.shape[1], f)] for i in range(0, x.shape[0], f)]


def reduced(x, f, rule):
    means = np.array([[block.mean(dtype=np.float64) for block in row] for row in blocks(x, f)])
    if rule == "magnitude":
        means = np.copysign([[np.abs(block).mean(dtype=np.float64) for block in row] for row in blocks(x, f)], means)
    return means.astype(np.float32)


@pytest.mark.parametrize("kind", ["average", "max", "min", "subsample", "std", "median"])
@pytest.mark.parametrize("picture", [NOISE, DEEP, FLOATS], ids=lambda a: a.dtype.name)
@pytest.mark.parametrize("panel", [1, 7, 20, 52])
def test_display_is_the_map_from_further_away_whatever_the_kind(kind, picture, panel):
    made = recipe(kernel="edge", relu=False, pool=kind, size=2, stride=1)
    result = execute(from_array(picture), made, panel=panel, keep_maps=True)

    rules = ["mean", "magnitude", "mean"]
    for stage, values, rule in zip((result.input, *result.stages), result.maps.values(), rules, strict=True):
        shown = stage.display
        assert shown.factor == -(-max(values.shape) // panel)
        assert max(shown.values.shape) <= panel
        assert shown.rule == rule
        assert shown.values.dtype == np.float32
        expected = reduced(values, shown.factor, rule) if shown.factor > 1 else values
        # A block whose sum is all but zero has no stronger side.
        np.testing.assert_allclose(np.abs(shown.values), np.abs(expected), rtol=1e-5, atol=1e-6)
        sure = np.abs(reduced(values, shown.factor, "mean")) > 1e-5 * np.abs(values).max()
        np.testing.assert_array_equal(np.sign(shown.values[sure]), np.sign(expected[sure]))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_sums_of_blocks_do_not_wrap(dtype):
    top = np.iinfo(dtype).max if dtype != "float32" else 3e38
    picture = np.full((90, 90), top, dtype)
    made = recipe(kernel=" ".join(["4095"] * 7) if dtype != "float32" else "1", relu=False, size=1, range="byte")
    result = execute(from_array(picture), made, panel=2, keep_maps=True)
    np.testing.assert_allclose(
        result.stages[0].display.values, reduced(result.maps["1-conv2d"], 45, "magnitude"), rtol=1e-5
    )


def test_a_map_that_fits_is_shown_value_by_value():
    result = execute(from_array(FLOATS), recipe(pool="average", size=2), panel=53, keep_maps=True)

    assert result.input.display.factor == 1
    np.testing.assert_array_equal(result.input.display.values, FLOATS)
    np.testing.assert_array_equal(result.stages[0].display.values, result.output)


def test_display_of_colours_has_them_last():
    colours = np.stack([NOISE, 255 - NOISE, NOISE // 2], -1)
    result = execute(
        from_array(colours, channels="each"), recipe(channels="each", range="byte"), panel=10, keep_maps=True
    )

    for channel in range(3):
        expected = reduced(result.maps["0-input"][..., channel], 6, "mean")
        np.testing.assert_allclose(result.input.display.values[..., channel], expected, rtol=1e-6)


def test_the_sample_is_rows_of_the_map_and_all_of_a_small_one():
    result = execute(from_array(FLOATS), recipe(size=1), panel=10)
    np.testing.assert_array_equal(np.sort(result.input.display.sample), np.sort(FLOATS.ravel()))

    large = np.arange(2000, dtype=np.float32)[:, None] + np.zeros((1, 1500), np.float32)
    sample = execute(from_array(large), recipe(size=1), panel=10).input.display.sample
    rows = np.unique(sample)
    assert len(sample) < large.size / 8
    assert len(set(np.diff(rows))) == 1, "every k-th row"
    assert len(sample) == len(rows) * 1500


def test_of_several_repeats_only_the_last_is_drawn():
    result = execute(from_array(NOISE), recipe(repeat=3, kernel="edge"), panel=20)
    assert [stage.display is not None for stage in result.stages] == [True, True, False, False, True]

    result = execute(from_array(NOISE), recipe(repeat=11, size=2, stride=1, padding="same"), panel=20)
    assert [stage.display is not None for stage in result.stages] == [False] * 10 + [True]


def test_nothing_is_kept_that_nobody_asked_for():
    result = run(NOISE, recipe(kernel="edge"))

    assert result.maps == {}
    assert result.indices is None
    assert all(stage.display is None for stage in (result.input, *result.stages))


# -- poolcli.run ---------------------------------------------------------------------------------------------


def test_a_path_is_read_like_the_picture_it_holds(tmp_path):
    Image.fromarray(NOISE).save(tmp_path / "a.png")
    np.save(tmp_path / "a.npy", NOISE)

    expected = run(NOISE).output
    for path in (tmp_path / "a.png", str(tmp_path / "a.png"), tmp_path / "a.npy"):
        np.testing.assert_array_equal(run(path).output, expected)
    assert run(tmp_path / "a.png").source.endswith("a.png")
    assert read_picture(tmp_path / "a.png").depth == 8


@pytest.mark.parametrize(
    "picture",
    [
        NOISE.astype(bool),
        NOISE.astype(">u2"),
        FLOATS.astype(np.float16),
        FLOATS.astype(">f8"),
        np.asfortranarray(NOISE),
        NOISE[::-1, ::2],
        FLOATS.T,
    ],
    ids=lambda a: f"{a.dtype.str}{a.strides}",
)
def test_arrays_of_any_layout_are_read_as_their_values(picture):
    plain = np.ascontiguousarray(picture, picture.dtype.newbyteorder("="))

    before = picture.copy()
    np.testing.assert_array_equal(run(picture, recipe(kernel="edge")).output, run(plain, recipe(kernel="edge")).output)
    np.testing.assert_array_equal(picture, before)


def test_the_callers_array_is_never_written_and_never_handed_out():
    picture = FLOATS.copy()
    picture.setflags(write=False)
    for options in ({"size": 1}, {"kernel": "identity", "size": 1}, {"relu": True, "size": 1}):
        result = run(picture, recipe(**options))
        assert not np.shares_memory(result.output, picture)
        assert not np.shares_memory(result.raw, picture)
    np.testing.assert_array_equal(picture, FLOATS)


@pytest.mark.parametrize(
    "image",
    [
        3,
        None,
        b"bytes",
        object(),
        np.zeros((4, 4), complex),
        np.zeros((4, 4), object),
        np.zeros((4, 4), "U1"),
        np.zeros(4),
        np.zeros((2, 2, 2, 2)),
        np.zeros((0, 4)),
        np.zeros((4, 4, 2)),
        np.full((4, 4), np.nan),
        [[1.0], [1.0, 2.0]],
        "no-such.png",
        ROOT,
        os.devnull,
    ],
)
def test_what_is_no_picture_is_an_image_error_of_one_line(image):
    with pytest.raises(ImageError) as caught:
        run(image)
    assert str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_error_about_a_file_names_it():
    with pytest.raises(ImageError, match=r"no-such\.png"):
        run("no-such.png")


@pytest.mark.parametrize("wrong", [{"pool": "max"}, "max", 3])
def test_a_recipe_that_is_none_is_refused(wrong):
    with pytest.raises(OptionError, match=r"poolcli\.recipe"):
        run(NOISE, wrong)


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2", True])
def test_wrong_numbers_of_threads_are_refused(threads):
    with pytest.raises(OptionError, match="threads"):
        run(NOISE, threads=threads)


def test_more_threads_than_rows_are_no_error():
    np.testing.assert_array_equal(run(NOISE[:3], threads=64).output, run(NOISE[:3], threads=1).output)


@pytest.mark.parametrize(
    ("options", "shape", "message"),
    [
        ({"size": 4, "repeat": 4}, (200, 140), "repeat 4: the 3x2 map is smaller than the 4x4 window"),
        ({"size": 3}, (2, 9), "pooling: the 2x9 map is smaller than the 3x3 window"),
        ({"kernel": "edge", "conv_padding": "valid"}, (2, 2), "filter: the 2x2 map is smaller than the 3x3 "),
        (
            {"kernel": "edge", "conv_padding": "valid", "blocks": 3},
            (16, 16),
            "block 3, filter: the 2x2 map is smaller than the 3x3 ",
        ),
        (
            {"size": 2, "repeat": 2, "blocks": 2},
            (8, 8),
            "block 2, repeat 2: the 1x1 map is smaller than the 2x2 window",
        ),
        ({"size": 2, "dilation": 4}, (4, 9), "pooling: the 4x9 map is smaller than the 2x2 window (dilated to 5x5)"),
    ],
)
def test_a_window_larger_than_its_map_names_the_step_and_both_sizes(options, shape, message):
    for attempt in (lambda: run(np.zeros(shape, np.uint8), recipe(**options)), lambda: plan(recipe(**options), shape)):
        with pytest.raises(SizeError) as caught:
            attempt()
        assert str(caught.value).startswith(message)


def test_sizes_are_checked_before_a_pixel_is_decoded(tmp_path):
    """The header is intact and the pixels are not: the error is about the size."""
    Image.fromarray(NOISE).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(data[: len(data) // 2])

    with pytest.raises(SizeError, match="53x47"):
        run(tmp_path / "a.png", recipe(size=60))


@pytest.mark.parametrize("shape", list(product([1, 2, 3, 64], [1, 2, 3, 64])))
def test_planned_shapes_are_the_shapes_of_the_result(shape):
    picture = np.zeros(shape, np.uint8)
    for options in (
        {"size": 2, "padding": "same"},
        {"size": 1},
        {"global_pool": True},
        {"output_size": 5},
        {"kernel": "edge", "size": 1},
        {"size": 2, "ceil": True, "padding": 1},
    ):
        made = recipe(**options)
        result = run(picture, made)
        assert [placed.shape for placed in plan(made, shape)] == [stage.shape for stage in result.stages]
        assert result.output.shape == result.stages[-1].shape


def test_resize_comes_first_and_is_pillows():
    with Image.open(CAT) as image:
        small = np.asarray(image.convert("L").resize((60, 40), Image.Resampling.BILINEAR))
    result = run(CAT, recipe(resize="40x60", size=1))

    assert result.input.shape == (40, 60)
    np.testing.assert_array_equal(result.raw, small)


def test_nan_is_an_error_or_zero():
    values = FLOATS.copy()
    values[0, 0], values[5, 5] = np.nan, -np.inf
    with pytest.raises(ImageError, match="2 values"):
        run(values)
    zeroed = FLOATS.copy()
    zeroed[0, 0] = zeroed[5, 5] = 0
    np.testing.assert_array_equal(run(values, recipe(nan="zero")).output, run(zeroed).output)


def test_every_error_is_a_poolcli_error():
    for wrong in (
        lambda: recipe(size=0),
        lambda: recipe(nonsense=1),
        lambda: run("missing"),
        lambda: run(NOISE, recipe(size=99)),
    ):
        with pytest.raises(PoolcliError):
            wrong()
    assert issubclass(OptionError, ValueError)
    assert issubclass(SizeError, ValueError)


def test_several_hundred_steps_that_do_not_shrink_are_done():
    result = run(NOISE, recipe(size=3, stride=1, padding="same", repeat=500))
    np.testing.assert_array_equal(result.raw, np.full_like(NOISE, NOISE.max()))


@pytest.mark.parametrize("options", [{}, {"kernel": "edge"}, {"kernel": "edge", "repeat": 2}, {"size": 2, "stride": 5}])
def test_rows_that_no_window_reads_cost_no_strip_of_their_own(options):
    """Pooling by 2 reads 52 of 53 rows; the statistics include the last one too."""
    stages = [stage for placed in plan(recipe(**options), NOISE.shape) for stage in placed.stages]
    seen = [[] for _ in range(len(stages) + 1)]

    class Seen:
        def __init__(self, number):
            self.number = number

        def watch(self, strip, first):
            seen[self.number].append((first, first + strip.shape[1]))

    class Watcher:
        def taps(self, group, shares, first):
            return [Seen(number) for number in range(len(seen))]

    strips.run(NOISE[None], stages, np.empty((1, *stages[-1].shape), stages[-1].values.dtype), watcher=Watcher())
    assert seen == [[(0, height)] for height in (NOISE.shape[0], *(stage.shape[0] for stage in stages))]


def test_results_share_nothing_that_can_be_changed():
    """Results of pictures of one size share no mutable object."""
    made = recipe(kernel="edge")
    first, second = run(NOISE, made), run(NOISE, made)
    first.stages[0].parameters["stride"] = "mine"
    assert second.stages[0].parameters["stride"] == [1, 1]
    assert run(NOISE, made).stages[0].parameters == second.stages[0].parameters


def test_the_public_names_are_there():
    for name in poolcli.__all__:
        assert getattr(poolcli, name) is not None
    with pytest.raises(AttributeError):
        poolcli.nonsense  # noqa: B018 - it is asked for to see it fail


@pytest.mark.parametrize("settings", [{"pool": "max"}, {"kernel": "edge"}, {"pool": "median", "size": 3}], ids=str)
def test_a_run_leaves_nothing_that_only_the_search_for_cycles_frees(settings):
    """Else the memory of one picture of a folder is not there for the next."""
    picture, settings = np.zeros((20, 30), np.uint8), recipe(**settings)
    run(picture, settings)
    gc.collect()
    gc.disable()
    try:
        run(picture, settings)
        assert gc.collect() == 0
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "values",
    [
        np.array([[99999997, 99999998], [99999998, 99999999]], np.int32),
        np.array([[2**31 - 1, -(2**31)], [1, 0]], np.int32),
        np.array([[1 + 2.0**-40, 1 + 2.0**-41], [1, 1]], np.float64),
    ],
)
def test_statistics_of_numbers_that_float32_would_round(values):
    found = poolcli.run(values, poolcli.recipe(size=1, range="raw")).stages[0]
    assert (found.min, found.max) == (values.min(), values.max())
    np.testing.assert_allclose(found.mean, values.mean(), rtol=1e-15)
    assert found.min <= found.mean <= found.max
