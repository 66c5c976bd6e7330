"""Kinds side by side: the maps in the colours of one scale, the differences in those of another."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from poolcli.figures.color_scale import Scale
from poolcli.figures.items import PixelBlock, Text
from poolcli.figures.kind_comparison import build_columns, draw, render
from poolcli.images.read import from_array, read
from poolcli.pipeline.engine import reading
from poolcli.pipeline.kinds import compare, recipes_of

CAT = Path(__file__).parents[2] / "sample_images/cat.jpg"


def compared(kinds, picture=CAT, **settings):
    recipes = recipes_of(kinds, settings)
    options = reading(recipes[0])
    source = read(str(picture), **options) if isinstance(picture, Path) else from_array(picture, **options)
    return compare(source, recipes, panel=600)


def pictures(made):
    return [item.rgb for item in draw(made, "", "").items if isinstance(item, PixelBlock)]


@pytest.mark.parametrize("settings", [{}, {"kernel": "edge"}, {"kernel": "emboss", "relu": False}])
def test_panels_are_the_maps_and_the_differences_pixel_by_pixel(settings):
    found = compared(["max", "average", "min"], **settings)
    made = build_columns(found)
    shown = pictures(made)
    outputs = [kind.result.output for kind in found.kinds]
    expected = [made.scale.colors(found.source.display.values), made.scale.colors(outputs[0]).repeat(2, 0).repeat(2, 1)]
    for output in outputs[1:]:
        expected.append(made.scale.colors(output).repeat(2, 0).repeat(2, 1))
        expected.append(made.difference_scale.colors(output - outputs[0]).repeat(2, 0).repeat(2, 1))
    for picture, colors in zip(shown, expected, strict=False):
        np.testing.assert_array_equal(picture, colors)


def test_one_scale_for_all_maps_and_one_for_all_differences():
    with Image.open(CAT) as image:
        cells = np.asarray(image.convert("L"), np.float64)[:300, :450].reshape(150, 2, 225, 2) / 255
    high = pytest.approx(cells.sum((1, 3)).max())  # beyond white
    assert build_columns(compared(["max", "average", "sum"])).scale == Scale("gray", 0.0, high)
    assert build_columns(compared(["max", "average"])).scale == Scale("gray", 0.0, 1.0)
    found = compared(["max", "average", "min"])
    outputs = [kind.result.output for kind in found.kinds]
    level = max(np.percentile(np.abs(output - outputs[0]), 99) for output in outputs[1:])
    assert build_columns(found).difference_scale == Scale("RdBu_r", pytest.approx(-level), pytest.approx(level))


def test_equal_maps_differ_by_nothing():
    made = build_columns(compared(["max", "min"], np.full((4, 4), 0.5)))
    np.testing.assert_array_equal(made.columns[2].difference, np.zeros((2, 2)))
    assert made.difference_scale == Scale("RdBu_r", -1.0, 1.0)
    assert made.columns[2].difference_lines == ("MinPool − MaxPool", "mean magnitude 0.0000", "largest 0.0000")


def test_what_the_figure_says():
    made = build_columns(compared(["max", "average", "min", "subsample"], kernel="edge"))
    said = [item.text for item in draw(made, "", "").items if isinstance(item, Text)]
    assert [one.name for one in made.columns] == ["Detect (ReLU)", "MaxPool", "AvgPool", "MinPool", "Subsample"]
    assert "mean 0.1591 · deviation 0.2606" in said
    assert "largest 1.5157" in said
    assert "AvgPool − MaxPool" in said


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (16, 1000), (1000, 16), (40, 60, 3), (5, 4, 2)])
@pytest.mark.parametrize("fmt", ["png", "svg"])
def test_pictures_of_every_shape(shape, fmt):
    values = np.random.default_rng(1).random(shape).astype(np.float32)
    found = compared(["max", "rms", "median"], values, channels="each" if len(shape) == 3 else "gray", size=1)
    assert render(found, fmt) == render(found, fmt)


def test_many_kinds_stand_in_several_rows():
    made = build_columns(compared(["max", "min", "average", "median", "mode", "sum", "range", "std"], np.ones((8, 8))))
    titles = [i for i in draw(made, "", "").items if isinstance(i, Text) and i.bold]
    assert len(titles) == 9
    assert [sum(t.baseline == b for t in titles) for b in sorted({t.baseline for t in titles})] == [5, 4]


def test_numbers_keep_their_decimals_beside_a_map_of_zeros():
    circle = np.zeros((8, 8))
    circle[0] = 1
    made = build_columns(compared(["max", "average", "min"], circle))
    assert made.columns[2].lines[0] == "mean 0.1250 · deviation 0.2165"


def test_differences_of_channels_are_said_to_be_the_largest():
    values = np.zeros((4, 4, 3), np.float32)
    values[0, 0, 1], values[0, 1, 2] = 0.2, 0.8
    found = compared(["max", "min"], values, channels="each")
    assert build_columns(found).columns[2].difference[0, 0] == np.float32(-0.8)
    assert "of 3 channels the largest difference" in render(found, "svg").decode()
