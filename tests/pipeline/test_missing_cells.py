"""Missing cells, NaN or a number that stands for no data, are left out of every window, as padding is."""

import io
import itertools
import json
import math
import warnings

import numpy as np
import pytest
import reference
from hardfiles import npy, png, png16, saved, tiff
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from invoke import runner
from PIL import Image
from tiny import tiny_strips

import poolcli
from poolcli import recipe, run
from poolcli.cli.group import cli
from poolcli.errors import ImageError, OptionError, SizeError
from poolcli.figures.palettes import MISSING
from poolcli.images.read import read
from poolcli.pipeline.engine import execute, read_picture

SETTINGS = settings(derandomize=True, deadline=None, max_examples=150)
NAN = np.nan


def invoke(*arguments):
    """Run the program in this process."""
    return runner().invoke(cli, [str(one) for one in arguments], prog_name="poolcli")


def rms(cells):
    return math.sqrt(np.nanmean(np.square(cells, dtype=np.float64)))


def mode(cells):
    values, counts = np.unique(cells[~np.isnan(cells)], return_counts=True)
    return values[counts.argmax()]


def present(cells):
    return cells[~np.isnan(cells)]


NUMPY = {
    "max": np.nanmax,
    "min": np.nanmin,
    "average": np.nanmean,
    "sum": np.nansum,
    "median": np.nanmedian,
    "percentile": lambda cells: np.nanpercentile(cells, 90),
    "range": lambda cells: np.nanmax(cells) - np.nanmin(cells),
    "std": lambda cells: np.nanstd(cells.astype(np.float64)),
    "rms": rms,
    "lp": lambda cells: math.sqrt(np.nansum(np.square(cells, dtype=np.float64))),
    "mode": mode,
    "subsample": lambda cells: cells[~np.isnan(cells)][0],
    "gem": lambda cells: reference.generalized_mean(present(cells), 3),
    "lse": lambda cells: reference.log_mean_exp(present(cells), 10),
    "soft": lambda cells: reference.softmax_mean(present(cells)),
    "mixed": lambda cells: (np.nanmax(cells) + np.nanmean(cells, dtype=np.float64)) / 2,
}
PARAMETERS = {"percentile": {"q": 90}}


def axis_windows(length, size, stride, dilation, pads, ceil):
    """The cells that each window reads along an axis, by PyTorch's rule; padding left out."""
    extent = dilation * (size - 1) + 1
    reach = length + sum(pads) - extent
    count = (-(-reach // stride) if ceil else reach // stride) + 1
    if ceil and (count - 1) * stride >= length + pads[0]:
        count -= 1
    starts = [o * stride - pads[0] for o in range(count)]
    return [[c for i in range(size) if 0 <= (c := start + i * dilation) < length] for start in starts]


def expected(x, kind, rows, columns):
    """Numpy's nan-functions, window by window; NaN where no cell is left."""
    made = np.full((len(rows), len(columns)), NAN)
    for o, window_rows in enumerate(rows):
        for u, window_columns in enumerate(columns):
            cells = x[np.ix_(window_rows, window_columns)].ravel().astype(np.float64)
            if not np.isnan(cells).all():
                made[o, u] = NUMPY[kind](cells)
    return made


@st.composite
def maps(draw):
    """A small map of whole numbers, some of them missing: all results are exact or rounded once."""
    height, width = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = random.integers(-9, 10, (height, width)).astype(draw(st.sampled_from([np.float32, np.float64])))
    x[random.random(x.shape) < draw(st.sampled_from([0.0, 0.1, 0.5, 0.95, 1.0]))] = NAN
    return x


@st.composite
def windows(draw):
    size = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    dilation = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    extent = [d * (k - 1) + 1 for k, d in zip(size, dilation, strict=True)]
    return {
        "size": size,
        "dilation": dilation,
        "stride": (draw(st.integers(1, 5)), draw(st.integers(1, 5))),
        "padding": tuple((draw(st.integers(0, e - 1)), draw(st.integers(0, e - 1))) for e in extent),
        "ceil": draw(st.booleans()),
    }


@SETTINGS
@given(x=maps(), geometry=windows(), kind=st.sampled_from(sorted(NUMPY)), cut=st.booleans())
def test_windows_hold_the_other_cells(x, geometry, kind, cut):
    made = recipe(pool=kind, nan="ignore", **geometry, **PARAMETERS.get(kind, {}))
    axes = zip(x.shape, *(geometry[name] for name in ("size", "stride", "dilation", "padding")), strict=True)
    try:
        if cut:
            with tiny_strips():
                result = run(x, made, threads=2).raw
        else:
            result = run(x, made, threads=1).raw
    except SizeError:  # windows that do not fit, or lie in padding
        assume(False)

    rows, columns = (axis_windows(*axis, geometry["ceil"]) for axis in axes)
    np.testing.assert_allclose(result, expected(x, kind, rows, columns), rtol=1e-6, atol=1e-12)


@SETTINGS
@given(x=maps(), kind=st.sampled_from(sorted(NUMPY)), size=st.tuples(st.integers(1, 26), st.integers(1, 26)))
def test_adaptive_windows(x, kind, size):
    result = run(x, recipe(pool=kind, nan="ignore", output_size=size, **PARAMETERS.get(kind, {}))).raw

    rows, columns = (
        [range(o * n // m, -(-(o + 1) * n // m)) for o in range(m)] for n, m in zip(x.shape, size, strict=True)
    )
    np.testing.assert_allclose(result, expected(x, kind, rows, columns), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("kind", sorted(poolcli.POOLS))
def test_without_missing_cells_nothing_changes(kind):
    x = np.random.default_rng(1).standard_normal((61, 83)).astype(np.float32)

    plain, ignoring = (run(x, recipe(pool=kind, size=5, stride=2, nan=nan)).raw for nan in ("error", "ignore"))

    np.testing.assert_array_equal(ignoring, plain)
    assert ignoring.dtype == plain.dtype


@pytest.mark.parametrize("kind", sorted(poolcli.POOLS))
def test_windows_beside_missing_cells_do_not_change_a_bit(kind):
    x = np.random.default_rng(1).standard_normal((61, 83)).astype(np.float32)
    holes = x.copy()
    holes[30, 40] = NAN
    made = recipe(pool=kind, size=5, stride=3, nan="ignore")

    plain, left_out = (run(one, made).raw for one in (x, holes))

    far = np.ones(plain.shape, bool)
    far[8:12, 11:15] = False
    np.testing.assert_array_equal(left_out[far], plain[far])
    assert np.isfinite(left_out).all()


@SETTINGS
@given(x=maps(), geometry=windows(), kind=st.sampled_from(reference.UNPLACED_KINDS), repeat=st.integers(1, 2))
def test_threads_strips_and_planes(x, geometry, kind, repeat):
    made = recipe(pool=kind, nan="ignore", layout="planes", repeat=repeat, **geometry)
    planes = np.stack([x, np.flip(x, 0) / 7, x * 3])
    try:
        alone = np.concatenate([run(plane, made, threads=1).raw for plane in planes], -1)
    except SizeError:
        assume(False)

    with tiny_strips():
        cut = run(planes, made, threads=2)
    np.testing.assert_array_equal(cut.raw, alone)


@SETTINGS
@given(x=maps(), geometry=windows(), seed=st.integers(0, 2**64 - 1))
def test_one_of_the_other_cells_is_drawn(x, geometry, seed):
    """By the window's own place, whether or not a cell of it is missing."""
    made = recipe(pool="stochastic", seed=seed, nan="ignore", layout="planes", **geometry)
    axes = zip(x.shape, *(geometry[name] for name in ("size", "stride", "dilation", "padding")), strict=True)
    planes = np.stack([np.abs(x), x])
    try:
        with tiny_strips():
            result = run(planes, made, threads=2).raw
    except SizeError:
        assume(False)

    rows, columns = (axis_windows(*axis, geometry["ceil"]) for axis in axes)
    for plane, (o, lines), (u, across) in itertools.product(range(2), enumerate(rows), enumerate(columns)):
        cells = present(planes[plane][np.ix_(lines, across)].ravel())
        expected = reference.drawn(cells, seed, (plane, o, u)) if cells.size else NAN
        np.testing.assert_array_equal(result[o, u, plane], expected)


def test_missing_cells_travel_to_the_next_pooling():
    x = np.arange(64, dtype=np.float32).reshape(8, 8)
    x[:4, :4] = NAN
    x[4:6, :4] = NAN

    once, twice, thrice = (run(x, recipe(nan="ignore", repeat=n, pool="average")).raw for n in (1, 2, 3))

    np.testing.assert_array_equal(np.isnan(once), [[True, True, False, False]] * 3 + [[False] * 4])
    np.testing.assert_array_equal(twice[:, 0], [NAN, x[6:, :4].mean()])
    np.testing.assert_array_equal(thrice, [[np.nanmean(twice)]])


def test_the_binomial_divides_by_the_weights_of_the_others():
    x = np.array([[1.0, NAN, 5.0, 7.0]])

    result = run(x, recipe(pool="blur", size=1, stride=1, nan="ignore")).raw

    # Along the row [1 2 1] / 4 of a mirrored border: 1 alone; 1 and 5; 5 (twice) and 7; 5 and 7 with 5 mirrored.
    np.testing.assert_allclose(result, [[1.0, 3.0, (2 * 5 + 7) / 3, (5 + 2 * 7 + 5) / 4]])


def test_padding_that_counts_counts_and_missing_cells_do_not():
    x = np.array([[8.0, NAN], [4.0, 12.0]])

    result = run(x, recipe(pool="average", size=2, stride=2, padding=1, count_include_pad=True, nan="ignore")).raw

    np.testing.assert_array_equal(result, [[8 / 4, NAN], [4 / 4, 12 / 4]])


def test_relu_keeps_missing_cells():
    x = np.array([[-1.0, NAN], [NAN, 2.0]])

    result = run(x, recipe(relu=True, size=1, nan="ignore")).raw

    np.testing.assert_array_equal(result, [[0, NAN], [NAN, 2]])


@pytest.mark.parametrize("threads", [1, 2])
def test_a_filter_refuses_them(threads):
    x = np.ones((9, 9), np.float32)
    x[3, 4] = NAN

    with pytest.raises(ImageError, match=r"filter: its map has missing cells.*leave the kernel out"):
        run(x, recipe(kernel="edge", nan="ignore"), threads=threads)
    x[3, 4] = 1
    run(x, recipe(kernel="edge", nan="ignore"), threads=threads)


def test_a_filter_after_the_pooling_that_filled_them():
    x = np.ones((8, 8), np.float32)
    x[3, 4] = NAN
    stages = [{"op": "pool2d", "size": [2, 2]}, {"op": "conv2d", "kernel": [[2.0]]}]

    result = run(x, recipe(recipe={"stages": stages, "nan": "ignore"}))

    np.testing.assert_array_equal(result.output, np.full((4, 4), 2))


@pytest.mark.parametrize(("kind", "best"), [("max", np.nanargmax), ("min", np.nanargmin)])
def test_indices_are_never_of_missing_cells(tmp_path, kind, best):
    x = np.random.default_rng(2).integers(0, 5, (12, 10)).astype(np.float32)
    x[np.random.default_rng(3).random(x.shape) < 0.4] = NAN
    x[:3, :4] = NAN
    np.save(tmp_path / "x.npy", x)

    done = invoke(
        "run", tmp_path / "x.npy", "--pool", kind, "--size", "3x2", "--nan", "ignore", "--no-figure",
        "-o", tmp_path / "y.npy", "--indices", tmp_path / "i.npy",
    )  # fmt: skip

    assert done.exit_code == 0, done.stderr
    places = np.load(tmp_path / "i.npy")
    for (o, u), place in np.ndenumerate(places):
        cells = x[3 * o : 3 * o + 3, 2 * u : 2 * u + 2]
        if np.isnan(cells).all():
            assert place == -1
        else:
            row, column = divmod(int(best(cells)), 2)
            assert place == (3 * o + row) * 10 + 2 * u + column
    assert (places == -1).any()


# -- numbers that stand for no data --------------------------------------------------------------------------


def test_labels_stay_exact(tmp_path):
    labels = np.full((4, 4), 99_999_999, np.int32)
    labels[0, 0], labels[2:, 2:] = 0, 0
    np.save(tmp_path / "x.npy", labels)

    done = invoke(
        "run", tmp_path / "x.npy", "--pool", "mode", "--nodata", "0", "--range", "raw", "--no-figure",
        "-o", tmp_path / "y.npy",
    )  # fmt: skip

    assert done.exit_code == 0, done.stderr
    result = np.load(tmp_path / "y.npy")
    np.testing.assert_array_equal(result, [[99_999_999, 99_999_999], [99_999_999, NAN]])
    assert "5 of 16 cells are missing and left out" in done.stderr


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<i2", ">i2", "<i4", ">i4", "<u2", ">u2", "i1", "u1", "<i8"])
def test_every_type_compares_its_own_numbers(dtype):
    x = np.arange(16).reshape(4, 4).astype(dtype)

    result = run(x, recipe(pool="min", nodata=8, range="raw"))

    np.testing.assert_array_equal(result.raw, [[0, 2], [9, 10]])


@pytest.mark.parametrize("threads", [1, 2])
def test_pictures_are_pooled_as_exactly_as_without(threads):
    """An average of the cells that are there is the one of the integers, rounded once."""
    random = np.random.default_rng(4)
    for dtype in (np.uint8, np.uint16):
        x = random.integers(1, np.iinfo(dtype).max, (40, 60), endpoint=True).astype(dtype)

        plain, left_out = (
            run(x, recipe(pool="average", size=3, **more), threads=threads) for more in ({}, {"nodata": 0})
        )

        np.testing.assert_array_equal(left_out.output, plain.output)
        assert left_out.depth == plain.depth


@pytest.mark.parametrize(
    ("values", "nodata", "words"),
    [
        (np.zeros((4, 4), np.uint8), 256, "from 0 to 255"),
        (np.zeros((4, 4), np.uint8), -1, "from 0 to 255"),
        (np.zeros((4, 4), np.int16), 0.5, "whole, from -32768 to 32767"),
        (np.zeros((4, 4), np.float32), 1e300, "too large for the picture's float32 numbers"),
        (np.full((4, 4), 2**53 + 1), 0, "beyond 9,007,199,254,740,992, which would be rounded"),
    ],
)
def test_numbers_that_no_cell_can_be(values, nodata, words):
    with pytest.raises(ImageError, match=words):
        run(values, recipe(nodata=nodata))


@pytest.mark.parametrize("nodata", [NAN, math.inf, "nan", "-inf", "white", "", True, [1]])
def test_what_is_no_number(nodata):
    with pytest.raises(OptionError, match=r"nodata .*(write a number|--nan ignore)"):
        recipe(nodata=nodata)


def test_floats_compare_in_their_own_precision():
    x = np.array([[0.1, 0.2]], np.float32)

    result = run(x, recipe(size=1, nodata=0.1)).raw

    np.testing.assert_array_equal(result, np.array([[NAN, 0.2]], np.float32))


def test_nodata_beside_nan():
    x = np.array([[1.0, -9999.0], [NAN, 4.0]])

    with pytest.raises(ImageError, match=r"1 value is NaN or infinite.*--nan ignore"):
        run(x, recipe(nodata=-9999))
    np.testing.assert_array_equal(run(x, recipe(nodata=-9999, nan="ignore", pool="sum")).raw, [[5]])
    np.testing.assert_array_equal(run(x, recipe(nodata=-9999, nan="zero", pool="min")).raw, [[0]])


def test_infinity_is_left_out_too():
    x = np.array([[1.0, math.inf], [-math.inf, 4.0]])

    np.testing.assert_array_equal(run(x, recipe(nan="ignore", pool="sum")).raw, [[5]])


def palette_picture():
    image = Image.new("P", (4, 1))
    image.putdata([0, 1, 2, 3])
    image.putpalette([9, 9, 9, 8, 8, 8, 7, 7, 7, 6, 6, 6])
    return image


ROW = np.array([[0, 1, 2, 3]], np.uint8)
FILES = {  # samples in a row, and the number of the third of them
    "L": (saved(Image.fromarray(ROW), "PNG"), 2),
    "2 bits": (png(1, 4, 2, 0, b"\0\x1b"), 2),
    "pgm of 3": (b"P5\n4 1\n3\n" + ROW.tobytes(), 2),
    "pgm of 1000": (b"P5\n4 1\n1000\n" + ROW.astype(">u2").tobytes(), 2),
    "palette": (saved(palette_picture(), "PNG"), 2),
    "MinIsWhite": (tiff(ROW, photometric=0), 2),
    "int16 big-endian": (tiff(ROW.astype(np.int16) - 2, sample_format=2, order=">"), 0),
    "float32": (tiff(ROW.astype(np.float32) / 4, sample_format=3), 0.5),
    "16 bits": (tiff(ROW.astype(np.uint16)), 2),
    "npy": (npy(ROW), 2),
    "RGB": (saved(Image.fromarray(np.stack([ROW + 10, ROW, ROW + 20], -1)), "PNG"), 2),
}


@pytest.mark.parametrize("kind", FILES)
def test_files_own_numbers(kind):
    data, number = FILES[kind]

    picture = read(io.BytesIO(data), nodata=number)
    plain = read(io.BytesIO(data))

    np.testing.assert_array_equal(np.isnan(picture.values), [[False, False, True, False]])
    np.testing.assert_array_equal(picture.values[0, [0, 1, 3]], plain.values[0, [0, 1, 3]])
    assert picture.depth == plain.depth


def test_turned_pictures():
    exif = Image.Exif()
    exif[0x0112] = 6
    row = Image.fromarray(np.array([[5, 6, 7]], np.uint8))

    picture = read(io.BytesIO(saved(row, "PNG", exif=exif)), nodata=5)

    np.testing.assert_array_equal(picture.values, [[NAN], [6], [7]])


@pytest.mark.parametrize("image", [Image.new("CMYK", (4, 4)), Image.new("LAB", (4, 4))])
def test_samples_that_are_converted_are_refused(image):
    with pytest.raises(ImageError, match="nodata with a picture of mode"):
        read(io.BytesIO(saved(image, "TIFF")), nodata=0)


def test_sixteen_bit_colour_is_refused():
    with pytest.raises(ImageError, match="nodata with 16-bit colour read at 8 bits"):
        read(io.BytesIO(png16(np.zeros((2, 2, 3), np.uint16), 2)), nodata=0)


def test_each_channel_by_itself():
    x = np.array([[[0, 5, 6], [1, 0, 3]]], np.uint8)

    each = run(x, recipe(size=(1, 2), channels="each", nodata=0, range="raw", pool="average"))
    gray = run(x, recipe(size=1, nodata=0, range="raw"))

    np.testing.assert_array_equal(each.raw, [[[1, 5, 4.5]]])
    assert np.isnan(gray.raw).all()


# -- what is written and told --------------------------------------------------------------------------------


@pytest.fixture
def holes(tmp_path):
    """8x8 of 8 bits: 100, and 0 where the first two rows and columns meet."""
    values = np.full((8, 8), 100, np.uint8)
    values[:2, :2] = 0
    path = tmp_path / "holes.png"
    Image.fromarray(values).save(path)
    return path


@pytest.mark.parametrize(("background", "level"), [("white", 255), ("#808080", 128), ("red", 76), ("black", 0)])
@pytest.mark.parametrize("suffix", ["png", "tif", "pgm", "webp", "bmp"])
def test_windows_without_a_cell_have_the_backgrounds_gray(tmp_path, holes, background, level, suffix):
    out = tmp_path / f"out.{suffix}"

    done = invoke("run", holes, "--nodata", "0", "--background", background, "-o", out, "--no-figure")

    assert done.exit_code == 0, done.stderr
    pixels = np.asarray(Image.open(out).convert("L"))
    np.testing.assert_array_equal(pixels, np.where(np.arange(16).reshape(4, 4) == 0, level, 100))


@pytest.mark.parametrize("scale", ["stretch", "0,2"])
def test_scales_do_not_change_the_background(tmp_path, holes, scale):
    done = invoke(
        "run", holes, "--nodata", "0", "--scale", scale, "--depth", "16", "-o", tmp_path / "o.png", "--no-figure"
    )

    assert done.exit_code == 0, done.stderr
    assert np.asarray(Image.open(tmp_path / "o.png"))[0, 0] == 65535


@pytest.mark.parametrize("suffix", ["npy", "tif"])
def test_arrays_and_float_tiff_have_nan(tmp_path, holes, suffix):
    done = invoke("run", holes, "--nodata", "0", "-o", tmp_path / f"o.{suffix}", "--no-figure", "--depth", "float")

    assert done.exit_code == 0, done.stderr
    path = tmp_path / f"o.{suffix}"
    values = np.load(path) if suffix == "npy" else np.asarray(Image.open(path))
    assert values.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(values), np.arange(16).reshape(4, 4) == 0)


def test_statistics_count_the_other_cells(tmp_path, holes):
    done = invoke("run", holes, "--nodata", "0", "--range", "byte", "--json", "-o", tmp_path / "o.npy", "--no-figure")

    told = json.loads(done.stdout)
    assert told["input"]["notes"] == ["4 of 64 cells are missing and left out"]
    for one in (told["input"], told["stages"][0]):
        assert (one["min"], one["max"], one["mean"], one["active"]) == (100, 100, 100, 1)
    assert told["recipe"]["nodata"] == 0


def test_a_map_of_missing_cells_alone(tmp_path):
    np.save(tmp_path / "x.npy", np.full((6, 6), NAN, np.float32))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        done = invoke("run", tmp_path / "x.npy", "--nan", "ignore", "--json", "-o", tmp_path / "o.png")

    assert done.exit_code == 0, done.stderr
    last = json.loads(done.stdout)["stages"][-1]
    assert (last["min"], last["max"], last["mean"], last["active"]) == (None, None, None, 0)
    assert (np.asarray(Image.open(tmp_path / "o.png")) == 255).all()
    assert "not finite" not in done.stderr


def test_figures_show_them_in_a_colour_of_their_own(tmp_path, holes):
    done = invoke("run", holes, "--nodata", "0", "-o", tmp_path / "o.png", "--figure", tmp_path / "f.png")

    assert done.exit_code == 0, done.stderr
    figure = np.asarray(Image.open(tmp_path / "f.png").convert("RGB"))
    assert (figure == MISSING).all(axis=-1).sum() > 500


def test_reduced_displays_count_the_other_cells():
    x = np.full((40, 40), 3.0, np.float32)
    x[:, ::2] = NAN
    x[:8] = NAN
    made = recipe(nan="ignore", size=1)
    shown = execute(read_picture(x, made), made, panel=5).input.display.values

    np.testing.assert_array_equal(shown, np.where(np.arange(5)[:, None] == 0, NAN, np.full((5, 5), 3.0)))


def test_resizing_refuses_to_mix_them():
    x = np.ones((8, 8), np.float32)
    x[0, 0] = NAN

    with pytest.raises(ImageError, match=r"1 of 64 cells is missing.*--resize-filter nearest"):
        run(x, recipe(nan="ignore", resize=(4, 4)))
    result = run(x, recipe(nan="ignore", resize=(16, 16), resize_filter="nearest", size=1)).raw
    assert np.isnan(result).sum() == 4


def test_recipes_carry_both(tmp_path, holes):
    first = tmp_path / "a.png"
    done = invoke(
        "run",
        holes,
        "--nodata",
        "-0.0",
        "--nan",
        "ignore",
        "-o",
        first,
        "--no-figure",
        "--save-recipe",
        tmp_path / "r.json",
    )
    assert done.exit_code == 0, done.stderr
    for number, source in enumerate((first, tmp_path / "r.json")):
        again = tmp_path / f"again{number}.png"
        done = invoke("run", holes, "--recipe", source, "-o", again, "--no-figure")
        assert done.exit_code == 0, done.stderr
        assert again.read_bytes() == first.read_bytes()
    assert recipe(nodata=-9999.0).hash == recipe(nodata="-9999").hash != recipe().hash
    assert "nodata" not in recipe().to_dict()


def test_compare_leaves_them_out(tmp_path, holes):
    done = invoke("compare", holes, "--nodata", "0", "--pools", "max,average", "--json")

    told = json.loads(done.stdout)
    assert told["source"]["std"] == 0
    assert told["pools"]["average"]["mean_difference"] == 0
    assert told["pools"]["average"]["mean"] == pytest.approx(100 / 255)


def test_explain_shows_them_as_left_out(tmp_path):
    np.save(tmp_path / "x.npy", np.array([[1.0, NAN, NAN, NAN], [3.0, 4.0, NAN, NAN]]))

    done = invoke("explain", tmp_path / "x.npy", "--nan", "ignore", "--pool", "average", "--json")

    assert done.exit_code == 0, done.stderr
    first, second = json.loads(done.stdout)["stages"][0]["cells"]
    assert first["values"] == [[1, None], [3, 4]]
    assert first["padded"] == 0
    assert first["arithmetic"] == "(1 + 3 + 4) / 3 = 2.6667 (1 of 4 cells is missing, left out)"
    assert second["values"] == [[None, None], [None, None]]
    assert second["result"] is None
    assert second["arithmetic"] == "no cell = nan (4 of 4 cells are missing, left out)"


@pytest.mark.parametrize("suffix", ["txt", "png", "svg", "gif", "html"])
@pytest.mark.parametrize("pool", ["max", "blur"])
def test_explanations_of_all_kinds(tmp_path, suffix, pool):
    np.save(tmp_path / "x.npy", np.array([[1.0, NAN, NAN, NAN], [3.0, 4.0, NAN, NAN]]))

    done = invoke("explain", tmp_path / "x.npy", "--nan", "ignore", "--pool", pool, "-o", tmp_path / f"e.{suffix}")

    assert done.exit_code == 0, done.stderr


def test_batch_gives_what_run_gives(tmp_path, holes):
    done = invoke("batch", holes, "-o", tmp_path / "out", "--nodata", "0", "--jobs", "0", "--no-figure")
    assert done.exit_code == 0, done.stderr
    invoke("run", holes, "--nodata", "0", "-o", tmp_path / "one.png", "--no-figure")

    assert (tmp_path / "out" / "holes.pooled.png").read_bytes() == (tmp_path / "one.png").read_bytes()
