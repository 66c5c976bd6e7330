"""Resizing by area and by TensorFlow's rule, against plain formulas."""

from fractions import Fraction

import numpy as np
import pytest

from poolcli.api import run
from poolcli.errors import ImageError
from poolcli.images.read import from_array
from poolcli.images.resize import RESIZE_FILTERS, area_average, resized, tf_bilinear
from poolcli.pipeline.options import recipe


def area_weights(length, size):
    """Row i: how much of each pixel cell i covers, as fractions."""
    step = Fraction(length, size)
    cells = [(step * i, step * (i + 1)) for i in range(size)]
    return np.array([[max(Fraction(0), min(high, j + 1) - max(low, j)) for j in range(length)] for low, high in cells])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_box_is_the_exact_area_average(dtype):
    rng = np.random.default_rng(1)
    for height, width, size in [(19, 5, (10, 5)), (7, 11, (3, 4)), (5, 3, (8, 7)), (6, 8, (3, 2)), (1, 9, (4, 2))]:
        values = rng.integers(0, np.iinfo(dtype).max, (height, width), dtype=dtype, endpoint=True)
        exact = area_weights(height, size[0]) @ values.astype(object) @ area_weights(width, size[1]).T
        exact = exact / (Fraction(height, size[0]) * Fraction(width, size[1]))
        expected = np.vectorize(lambda v: (v + Fraction(1, 2)).__floor__())(exact).astype(dtype)
        np.testing.assert_array_equal(area_average(values, size), expected, strict=True)
        floats = area_average(values.astype(np.float64), size)
        np.testing.assert_allclose(floats, exact.astype(np.float64), rtol=2e-7)


def test_box_loses_no_row():
    for length in range(1, 60):
        for size in range(1, length + 1):
            one = np.eye(length, dtype=np.float32)
            assert (area_average(one, (size, length)).sum(0) > 0).all(), (length, size)
    line = np.zeros((19, 5), np.uint8)
    line[9] = 255
    assert from_array(line, resize=(10, 5), resize_filter="box").values.max() > 0


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.int32])
def test_box_is_symmetric_under_mirrors(dtype):
    rng = np.random.default_rng(2)
    for size in [(10, 5), (3, 17), (30, 40), (13, 13)]:
        values = (rng.standard_normal((23, 31)) * 50 + 100).clip(0, 255).astype(dtype)
        for turn in (np.flipud, np.fliplr):
            np.testing.assert_array_equal(area_average(turn(values), size), turn(area_average(values, size)))


def published(values, size):
    """The formula of tf.image.resize, pixel by pixel, every operation in float32."""
    f = np.float32
    places = []
    for length, cells in zip(values.shape, size, strict=True):
        place = [f(f(f(i) + f(0.5)) * f(f(length) / f(cells))) - f(0.5) for i in range(cells)]
        places.append([(max(int(np.floor(x)), 0), min(int(np.ceil(x)), length - 1), f(x - np.floor(x))) for x in place])
    out = np.empty(size, f)
    for i, (top, bottom, down) in enumerate(places[0]):
        for j, (left, right, across) in enumerate(places[1]):
            upper, lower = (
                f(values[r, left]) + (f(values[r, right]) - f(values[r, left])) * across for r in (top, bottom)
            )
            out[i, j] = upper + (lower - upper) * down
    return out


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_tf_bilinear_is_the_published_formula_bit_for_bit(dtype):
    values = (np.random.default_rng(4).random((23, 31)) * 255).astype(dtype)
    for size in [(23, 31), (10, 50), (40, 7), (1, 1), (65, 62)]:
        np.testing.assert_array_equal(tf_bilinear(values, size), published(values, size), strict=True)


def test_the_exercise_is_not_rounded_to_eight_bits():
    photo = np.random.default_rng(5).integers(0, 256, (123, 211), dtype=np.uint8)
    exercise = recipe(recipe="kaggle-exercise")
    result = run(photo, exercise)
    assert [stage.shape for stage in result.stages] == [(398, 398), (398, 398), (199, 199)]
    unrounded = run(tf_bilinear(photo, (400, 400)), recipe(recipe="kaggle-exercise", resize_filter="nearest"))
    np.testing.assert_array_equal(result.output, unrounded.output)
    assert result.depth == 8
    whole = run(photo, recipe(size=1, resize="60x50", resize_filter="tf-bilinear"))
    np.testing.assert_array_equal(whole.output, tf_bilinear(photo, (60, 50)) * np.float32(1 / 255))


@pytest.mark.parametrize("method", [name for name in RESIZE_FILTERS if name != "nearest"])
@pytest.mark.parametrize("dtype", ["int32", "uint32", "int64"])
def test_whole_numbers_that_float32_would_round_are_refused(method, dtype):
    labels = np.full((4, 4), (1 << 24) + 1, dtype)
    with pytest.raises(ImageError, match=r"up to 16777217 .*float32.*nearest"):
        resized(labels, (2, 2), method)
    np.testing.assert_array_equal(resized(labels, (2, 2), "nearest"), labels[:2, :2])
    np.testing.assert_array_equal(resized(labels - 1, (2, 2), method), labels[:2, :2] - 1)
