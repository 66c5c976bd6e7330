"""The window, arithmetic and winner of every cell, against numbers of textbooks and windows cut out by numpy."""

import numpy as np
import pytest

import poolcli
from poolcli.errors import SizeError
from poolcli.explanation.demos import DEMO_MATRICES
from poolcli.explanation.explain_picture import explain_picture
from poolcli.explanation.framework_code import keras_line, pytorch_line
from poolcli.images.read import from_array
from poolcli.ops.pools import POOLS

A = np.arange(1.0, 17).reshape(4, 4)
B = np.array([[10, 12, 8, 7], [4, 11, 5, 9], [18, 13, 7, 7], [3, 15, 2, 2]], np.float64)
TF = np.array([[0, 0, 1, 7], [0, 2, 0, 0], [5, 2, 0, 0], [0, 0, 9, 8]], np.float64)
RANDOM = np.random.default_rng(11).integers(-9, 10, (11, 8)).astype(np.float64)


def explained(values, **options):
    return explain_picture(from_array(values), poolcli.recipe(**options))


def last(values, **options):
    return explained(values, **options).stages[-1]


def results(stage):
    return [[stage.cell(r, c).result for c in range(stage.shape[1])] for r in range(stage.shape[0])]


@pytest.mark.parametrize(
    ("values", "options", "expected"),
    [
        (A, {}, [[6, 8], [14, 16]]),
        (A, {"pool": "average"}, [[3.5, 5.5], [11.5, 13.5]]),
        (A, {"stride": 1}, [[6, 7, 8], [10, 11, 12], [14, 15, 16]]),
        (
            A,
            {"stride": 1, "padding": 1},
            [[1, 2, 3, 4, 4], [5, 6, 7, 8, 8], [9, 10, 11, 12, 12], [13, 14, 15, 16, 16], [13, 14, 15, 16, 16]],
        ),
        (A, {"global_pool": True}, [[16]]),
        (A, {"global_pool": True, "pool": "average"}, [[8.5]]),
        (B, {"stride": 1}, [[12, 12, 9], [18, 13, 9], [18, 15, 7]]),
        (B, {}, [[12, 9], [18, 7]]),
        (B, {"pool": "average"}, [[9.25, 7.25], [12.25, 4.5]]),
        (B, {"global_pool": True}, [[18]]),
        (B, {"global_pool": True, "pool": "average"}, [[8.3125]]),
        (TF, {"padding": "same"}, [[2, 7], [5, 9]]),
        (TF, {"size": 3, "stride": 2, "padding": "same"}, [[5, 7], [9, 9]]),
        (np.arange(9.0).reshape(3, 3), {"stride": 1}, [[4, 5], [7, 8]]),
        (np.arange(16.0).reshape(4, 4), {"size": 3, "stride": 2, "padding": 1}, [[5, 7], [13, 15]]),
        (np.arange(16.0).reshape(4, 4), {"size": "2x3", "stride": "2x3", "padding": "0x1"}, [[5, 7], [13, 15]]),
        (np.arange(16.0).reshape(4, 4), {"size": 3}, [[10]]),
        (np.arange(1.0, 6)[None], {"pool": "average", "size": "1x2", "ceil": True}, [[1.5, 3.5, 5]]),
    ],
)
def test_the_numbers_of_the_texts(values, options, expected):
    np.testing.assert_array_equal(results(last(values, **options)), expected)


def test_the_winners_of_a_are_the_lower_right_cells():
    stage = last(A)

    assert [cell.winner for cell in stage.cells()] == [(1, 1), (1, 3), (3, 1), (3, 3)]
    assert [cell.arithmetic for cell in stage.cells()][:2] == ["max(1, 2, 5, 6) = 6", "max(3, 4, 7, 8) = 8"]


def test_b_at_stride_1_has_nine_windows():
    cells = list(last(B, stride=1).cells())

    assert len(cells) == 9
    assert cells[0].values == [[10, 12], [4, 11]]
    assert cells[-1].values == [[7, 7], [2, 2]]
    assert (cells[-1].winner, cells[-1].ties) == ((2, 2), 2)


@pytest.mark.parametrize(
    ("options", "arithmetic"),
    [
        ({}, "(1 + 2 + 5 + 6) / 4 = 3.5"),
        ({"stride": 1, "padding": 1}, "(1) / 1 = 1 (3 of 4 cells are padding, not counted)"),
        (
            {"stride": 1, "padding": 1, "count_include_pad": True},
            "(1 + 0 + 0 + 0) / 4 = 0.25 (3 of 4 cells are padding, counted as 0)",
        ),
    ],
)
def test_an_average_says_what_it_divides_by(options, arithmetic):
    cell = last(A, pool="average", **options).cell(0, 0)

    assert cell.arithmetic == arithmetic
    assert cell.winner is None
    assert cell.ties == 0


@pytest.mark.parametrize(
    ("options", "arithmetic"),
    [
        ({"pool": "gem"}, "((1^3 + 2^3 + 5^3 + 6^3) / 4)^(1/3) = 4.43952"),
        ({"pool": "gem", "p": 1}, "(1 + 2 + 5 + 6) / 4 = 3.5"),
        ({"pool": "gem", "p": "inf"}, "max(1, 2, 5, 6) = 6"),
        ({"pool": "lse"}, "log((exp(10·1) + exp(10·2) + exp(10·5) + exp(10·6)) / 4) / 10 = 5.8614"),
        ({"pool": "lse", "r": 1}, "log((exp(1) + exp(2) + exp(5) + exp(6)) / 4) = 4.9451"),
        ({"pool": "lse", "r": "inf"}, "max(1, 2, 5, 6) = 6"),
        (
            {"pool": "soft"},
            "(1·exp(1) + 2·exp(2) + 5·exp(5) + 6·exp(6)) / (exp(1) + exp(2) + exp(5) + exp(6)) = 5.6591",
        ),
        (
            {"pool": "soft", "size": 3, "stride": 1},
            "sum(x·exp(x)) / sum(exp(x)) of (1, 2, 3, 5, 6, 7, 9, 10, 11) = 10.5007",
        ),
        ({"pool": "mixed", "alpha": 0.25}, "0.25·max(1, 2, 5, 6) + 0.75·(1 + 2 + 5 + 6) / 4 = 4.125"),
        ({"pool": "stochastic", "seed": 3}, "drawn from (1, 2, 5, 6), probability 6/14, = 6"),
    ],
)
def test_kinds_of_networks_are_written_out(options, arithmetic):
    assert last(A, **options).cell(0, 0).arithmetic == arithmetic


def test_a_window_without_a_positive_cell_says_so():
    assert (
        last(-A, pool="stochastic").cell(0, 0).arithmetic == "none of (-1, -2, -5, -6) is positive: the largest, = -1"
    )
    gem = last(-A, pool="gem").cell(0, 0)
    assert gem.arithmetic == "((1e-06^3 + 1e-06^3 + 1e-06^3 + 1e-06^3) / 4)^(1/3) = 1e-06"


def test_the_windows_of_224_rows_are_12544():
    stage = last(np.zeros((224, 224)))

    assert stage.windows == 12544
    assert stage.formula == ("floor((224 - 2)/2) + 1 = 112",) * 2


@pytest.mark.parametrize(
    ("shape", "options", "formula"),
    [
        ((398, 398), {"padding": "same"}, "ceil(398/2) = 199, pad 0"),
        ((5, 5), {"padding": "same"}, "ceil(5/2) = 3, pad 0 + 1"),
        ((4, 4), {"stride": 1, "padding": 1}, "floor((4 + 1 + 1 - 2)/1) + 1 = 5"),
        ((5, 5), {"ceil": True}, "ceil((5 - 2)/2) + 1 = 3"),
        ((7, 7), {"dilation": 3}, "floor((7 - 4)/2) + 1 = 2, a window spans 3*(2 - 1) + 1 = 4"),
        ((4, 4), {"size": 2, "stride": 3, "padding": 1, "ceil": True}, "ceil((4 + 1 + 1 - 2)/3) + 1 - 1 = 2"),
        ((6, 6), {"output_size": 3}, "3 wanted: windows of 6/3 = 2"),
        ((7, 7), {"output_size": 3}, "3 wanted: window i reads floor(i*7/3) to ceil((i + 1)*7/3) - 1"),
        ((7, 7), {"global_pool": True}, "one window of all 7 = 1"),
    ],
)
def test_the_formula_of_a_size_has_its_numbers(shape, options, formula):
    stage = last(np.zeros(shape), **options)

    assert stage.formula[0].startswith(formula)
    assert stage.after.shape == stage.shape


@pytest.mark.parametrize(
    ("options", "rows", "cols"),
    [
        ({}, [10], []),
        ({"size": 2, "stride": 3}, [2, 5, 8], [2, 5]),
        ({"ceil": True}, [], []),
        ({"size": 3, "stride": 1}, [], []),
    ],
)
def test_rows_and_columns_that_no_window_reads(options, rows, cols):
    stage = last(RANDOM, **options)

    assert (stage.rows.unread, stage.cols.unread) == (rows, cols)


GEOMETRIES = [
    {"size": 2},
    {"size": 3, "stride": 1},
    {"size": "3x2", "stride": "2x1", "padding": "1,0,0,1"},
    {"size": 3, "stride": 2, "padding": "same"},
    {"size": 3, "stride": 2, "padding": "same-lower"},
    {"size": 2, "stride": 3, "ceil": True},
    {"size": 3, "dilation": 2, "padding": 2, "stride": 1},
    {"output_size": "4x3"},
    {"global_pool": True},
]


def cut_out(stage, row, col):
    """The cells of a window, cut out of an array padded with NaN by the positions that the stage states."""
    (top, _), (left, _) = stage.pads
    wide = np.pad(stage.before.astype(np.float64), 20, constant_values=np.nan)
    if "adaptive" in stage.name or "global" in stage.name:
        h, w = stage.before.shape
        oh, ow = stage.shape
        rows = slice(20 + row * h // oh, 20 + -(-(row + 1) * h // oh))
        cols = slice(20 + col * w // ow, 20 + -(-(col + 1) * w // ow))
        return wide[rows, cols]
    first, other = 20 + row * stage.stride[0] - top, 20 + col * stage.stride[1] - left
    (down, across), (kh, kw) = stage.dilation, stage.size
    return wide[first : first + down * (kh - 1) + 1 : down, other : other + across * (kw - 1) + 1 : across]


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("kind", ["max", "min", "average", "median", "sum", "range", "std", "rms"])
def test_every_cell_has_the_window_that_numpy_cuts_out(kind, geometry):
    stage = last(RANDOM, pool=kind, **geometry)
    reference = {
        "max": np.nanmax, "min": np.nanmin, "average": np.nanmean, "median": np.nanmedian, "sum": np.nansum,
        "range": lambda x: np.nanmax(x) - np.nanmin(x), "std": np.nanstd, "rms": lambda x: np.sqrt(np.nanmean(x * x)),
    }[kind]  # fmt: skip

    for cell in stage.cells():
        window = cut_out(stage, *cell.at)
        held = np.array([[np.nan if v is None else v for v in row] for row in cell.values])
        np.testing.assert_array_equal(held, window)
        assert cell.padded == np.isnan(window).sum()
        np.testing.assert_allclose(cell.result, reference(window), rtol=1e-6)
        assert cell.result == stage.after[cell.at]
        if kind in ("max", "min"):
            assert stage.before[cell.winner] == cell.result
            assert cell.ties == (window == cell.result).sum()


@pytest.mark.parametrize("kind", POOLS)
def test_every_kind_of_pooling_is_explained(kind):
    for stage in explained(np.abs(RANDOM) + 1, pool=kind, size=3, stride=2).stages:
        for cell in stage.cells():
            assert cell.arithmetic.partition(" (")[0].count("=") >= 1 or "=" in cell.arithmetic
            assert cell.values


def test_a_kernel_is_weighted_and_zeros_are_said():
    stages = explained(A, kernel="edge").stages

    assert [stage.name for stage in stages] == ["conv2d", "relu", "pool2d"]
    corner = stages[0].cell(0, 0)
    assert corner.arithmetic == "8·1 - 1·2 - 1·5 - 1·6 = -5 (5 of 9 cells are padding, zeros)"
    assert (corner.rows, corner.cols, corner.padded) == ((-1, 1), (-1, 1), 5)
    assert stages[1].cell(0, 0).arithmetic == "max(0, -5) = 0"


def test_antialiased_pooling_is_explained_as_its_two_halves():
    maximum, blur = explained(RANDOM, pool="blur", size=2, stride=2, padding=1).stages

    weights = np.outer((1, 2, 1), (1, 2, 1)) / 16
    for cell in blur.cells():
        np.testing.assert_allclose((weights * np.array(cell.values)).sum(), cell.result, rtol=1e-6)
    np.testing.assert_array_equal(maximum.after, poolcli.pool2d(RANDOM, "max", 2, 1, 1))


@pytest.mark.parametrize("count", [2, 3, 5])
def test_every_channel_is_explained_by_itself(count):
    values = np.random.default_rng(4).integers(0, 256, (6, 8, count), np.uint8)
    settings = {"kernel": "edge", "channels": "each", "size": 3, "stride": 2}
    each = explain_picture(from_array(values, channels="each"), poolcli.recipe(**settings))
    result = poolcli.run(values, poolcli.recipe(**settings))

    assert len(each.channels) == count
    assert [one.channel for one in each.channels] == (
        ["red", "green", "blue"] if count == 3 else [f"channel {n}" for n in range(1, count + 1)]
    )
    for number, one in enumerate(each.channels):
        alone = explained(values[..., number], kernel="edge", size=3, stride=2)
        np.testing.assert_array_equal(one.stages[-1].after, result.output[..., number])
        assert [list(a.cells()) for a in one.stages] == [list(b.cells()) for b in alone.stages]


def test_every_plane_of_an_array_is_explained_by_itself():
    values = np.random.default_rng(4).random((2, 1, 6, 8)).astype(np.float32)
    recipe = poolcli.recipe(layout="planes")
    each = poolcli.explain(values, recipe).explanation

    assert [one.channel for one in each.channels] == ["plane 0,0", "plane 1,0"]
    for one, plane in zip(each.channels, values[:, 0], strict=True):
        np.testing.assert_array_equal(one.stages[0].after, plane.reshape(3, 2, 4, 2).max((1, 3)))


def test_a_cell_that_is_not_there_is_refused():
    with pytest.raises(SizeError, match="its map is 2x2, write 0,0 to 1,1"):
        last(A).cell(2, 0)


@pytest.mark.parametrize("name", DEMO_MATRICES)
def test_every_demo_can_be_explained(name):
    demo = DEMO_MATRICES[name]

    assert list(last(demo.values, **demo.options).cells())


def test_headings_tell_steps_apart():
    values = np.arange(256, dtype=np.float32).reshape(16, 16)
    blocks = explained(values, kernel="edge", blocks=2, repeat=2)
    assert [stage.heading for stage in blocks.stages[:4]] == [
        "Filter, block 1",
        "Detect (ReLU), block 1",
        "Condense (MaxPool), block 1, repeat 1",
        "Condense (MaxPool), block 1, repeat 2",
    ]
    layers = explained(values, recipe="lenet")
    assert [stage.heading for stage in layers.stages[:4]] == [
        "Filter 1",
        "Detect (ReLU) 1",
        "Condense (MaxPool) 1",
        "Filter 2",
    ]
    assert [stage.heading for stage in explained(values, kernel="edge").stages] == [
        "Filter",
        "Detect (ReLU)",
        "Condense (MaxPool)",
    ]


@pytest.mark.parametrize(
    ("values", "settings", "line"),
    [
        (A, {"pool": "lp", "p": 3}, "torch.nn.LPPool2d(3, 2, stride=2)"),
        (-A, {"pool": "lp", "p": 3}, "no layer does this"),
        (-A, {"pool": "lp", "p": 2}, "torch.nn.LPPool2d(2, 2, stride=2)"),
        (A, {"pool": "lp", "p": "inf"}, "no layer does this"),
        (A, {"pool": "lp", "size": 3, "stride": 2, "ceil": True}, "no layer does this"),
        (A, {"size": 3, "stride": 2, "ceil": True}, "torch.nn.MaxPool2d(3, stride=2, ceil_mode=True)"),
        (A, {"pool": "average", "padding": 1}, "torch.nn.AvgPool2d(2, stride=2, padding=1, count_include_pad=False)"),
        (
            np.ones((6, 7)),
            {"padding": "0,1,0,1", "ceil": True},
            "torch.nn.ConstantPad2d((0, 1, 0, 0), float('-inf')), torch.nn.MaxPool2d(2, stride=2)",
        ),
        (
            np.ones((6, 6)),
            {"size": 3, "stride": 2, "padding": "0,1,0,1"},
            "torch.nn.ConstantPad2d((0, 1, 0, 1), float('-inf')), torch.nn.MaxPool2d(3, stride=2)",
        ),
        (
            np.ones((6, 7)),
            {"pool": "average", "padding": "0,1,0,1", "ceil": True, "count_include_pad": True},
            "no layer does this",
        ),
        (
            np.ones((6, 7)),
            {"pool": "average", "padding": "0,1,0,1", "count_include_pad": True},
            "torch.nn.ZeroPad2d((0, 1, 0, 1)), torch.nn.AvgPool2d(2, stride=2)",
        ),
        (np.ones((1, 5)), {"pool": "blur", "size": 3, "stride": 3, "padding": "same"}, "no layer does this"),
    ],
)
def test_a_line_of_pytorch_is_told_only_where_it_gives_the_same(values, settings, line):
    assert pytorch_line(explained(values, **settings).stages[-1]) == line


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"conv_stride": 2}, 'keras.layers.Conv2D(1, 3, strides=2, padding="same", use_bias=False)'),
        ({"conv_dilation": 2}, 'keras.layers.Conv2D(1, 3, padding="same", dilation_rate=2, use_bias=False)'),
        ({"conv_stride": 2, "conv_dilation": 2}, "no layer does this"),
        ({"conv_stride": "2x1", "conv_dilation": "1x2"}, "no layer does this"),
    ],
)
def test_a_line_of_keras_is_told_only_where_it_gives_the_same(settings, line):
    assert keras_line(explained(np.ones((9, 9)), kernel="edge", **settings).stages[0]) == line


@pytest.mark.parametrize("kind", ["max", "min", "sum", "subsample"])
def test_whole_numbers_beyond_float32_are_shown_as_they_are(kind):
    cells = np.array([[99999999, 99999998], [99999997, 16777217]])
    found = poolcli.explain(cells.astype(np.int32), poolcli.recipe(pool=kind, size=2, range="raw"))
    np.testing.assert_array_equal(found.stages[0].before, cells)
    wanted = {"max": cells.max(), "min": cells.min(), "sum": cells.sum(), "subsample": cells[0, 0]}[kind]
    np.testing.assert_array_equal(found.stages[0].after, [[wanted]])
