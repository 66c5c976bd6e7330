"""Figures of feature maps and vectors: they are true, fit the canvas, and can be read."""

import io

import numpy as np
import pytest
from PIL import Image

from poolcli.experiments.feature_figure import pooled, sheet_of, vectors_sheet
from poolcli.experiments.features import cosine_matrix, extraction
from poolcli.experiments.vectors import Vectors
from poolcli.figures import feature_maps, feature_vectors
from poolcli.figures.feature_sheet import FeatureSheet, feature_map, fewer, reduced, scale_of, strip_scale
from poolcli.figures.items import PixelBlock, Text
from poolcli.images.read import from_array
from poolcli.ops.banks import BANKS

RNG = np.random.default_rng(3)
GRAY = RNG.integers(0, 256, (60, 91), np.uint8)
MAPS = (np.arange(200).reshape(8, 5, 5) / 199).astype(np.float32)


def sheet(array, options=None, bank=None, **how):
    made = extraction(options or {}, bank, **how)
    return sheet_of(from_array(array, **made.reading()), made)


def many(count, side=7):
    maps = RNG.random((count, side, side)).astype(np.float32)
    made = [feature_map(f"conv.{i}", one, 61) for i, one in enumerate(maps)]
    vector = maps.mean(axis=(1, 2))
    return FeatureSheet("x.png", made, pooled(vector, count, ("average",), [""]), GRAY, "conv", one_scale=True)


def texts(canvas):
    return [item.text for item in canvas.items if isinstance(item, Text)]


def check(canvas):
    """Nothing lies beyond the sheet, and no two lines of text on each other."""
    for item in canvas.items:
        if isinstance(item, Text):
            assert item.left >= 0, item.text
    boxes = [
        (item.text, box)
        for item, box in zip(canvas.items, canvas.boxes(), strict=True)
        if isinstance(item, Text) and item.text.strip()
    ]
    for text, box in boxes:
        assert box.x + box.width < canvas.width, text
        assert box.y + box.height < canvas.height, text
    for number, (text, one) in enumerate(boxes):
        for other_text, other in boxes[number + 1 :]:
            apart = (
                one.x + one.width <= other.x
                or other.x + other.width <= one.x
                or one.y + one.height <= other.y
                or other.y + other.height <= one.y
            )
            assert apart, (text, other_text)


def test_eight_maps_stand_in_a_row_above_their_strip():
    made = sheet(MAPS, {"layout": "planes"})
    canvas = feature_maps.draw(made)
    said = texts(canvas)
    pictures = [item for item in canvas.items if isinstance(item, PixelBlock)]
    assert fewer(made) == "200 → 8 numbers, 25x fewer"
    assert said.count("Feature Maps") == said.count("Pooled Feature Maps") == 1
    assert any("200 → 8 numbers, 25x fewer" in text for text in said)
    assert len(pictures) == 9
    *panels, strip = pictures
    assert len({one.box.y for one in panels}) == 1
    assert strip.box.y > panels[0].box.y + panels[0].box.height
    for panel, values in zip(panels, MAPS, strict=True):
        times = panel.box.width // 5
        np.testing.assert_array_equal(
            panel.rgb, scale_of(made, made.maps[0]).colors(values).repeat(times, 0).repeat(times, 1)
        )
    wide = strip.box.width // 8
    colors = strip_scale(made, made.pooled[0]).colors(MAPS.mean(axis=(1, 2))[None])
    np.testing.assert_array_equal(strip.rgb[0, wide // 2 :: wide], colors[0])
    for number, panel in enumerate(panels):
        middle = panel.box.x + panel.box.width // 2
        assert strip.box.x + number * wide <= middle < strip.box.x + (number + 1) * wide
    check(canvas)


def test_the_eight_planes_are_drawn_from_0_to_1():
    made = sheet(MAPS[:4], {"layout": "planes"})
    assert scale_of(made, made.maps[0]).high == strip_scale(made, made.pooled[0]).high == 1


CASES = {
    "one kernel": ({"kernel": "edge"}, None, {}),
    "a bank": ({}, BANKS["default"], {}),
    "pooled": ({"pool": "max", "size": 4}, BANKS["lesson"], {"kinds": ("average", "max"), "levels": (1, 2, 4)}),
    "no relu": ({"relu": False}, BANKS["sobel"], {}),
    "gray alone": ({}, None, {}),
}


@pytest.mark.parametrize("case", CASES)
def test_maps_and_strip_hold_the_features(case):
    options, bank, how = CASES[case]
    extractor = extraction(options, bank, **how)
    picture = from_array(GRAY, **extractor.reading())
    made = sheet_of(picture, extractor)
    names = extractor.columns(len(extractor.vector(picture)))
    found = dict(zip(names, extractor.vector(picture), strict=True))
    for one in made.maps:
        for strip in made.pooled:
            place = [each.name for each in made.maps].index(one.name)
            kind = f".{strip.title[21:-1]}" if len(made.pooled) > 1 else ""
            for row, cell in enumerate(strip.cells):
                key = f"{one.name}.{cell}{kind}" if cell else f"{one.name}{kind}"
                assert strip.values[row, place] == found[key]
    canvas = feature_maps.draw(made)
    assert (("Input" in texts(canvas)) is True) == (case != "gray alone")
    check(canvas)


def test_three_channels_are_each_drawn_and_the_input_in_colour():
    color = RNG.integers(0, 256, (40, 30, 3), np.uint8)
    made = sheet(color, {"channels": "each"}, BANKS["default"])
    assert len(made.maps) == 60
    assert made.picture.shape == (40, 30, 3)
    canvas = feature_maps.draw(made)
    np.testing.assert_array_equal(
        next(item for item in canvas.items if isinstance(item, PixelBlock)).rgb[::6, ::6], color
    )
    check(canvas)


@pytest.mark.parametrize("count", [3, 80])
@pytest.mark.parametrize("shape", [(1, 40), (40, 1), (2, 3)])
def test_maps_of_another_shape_than_the_picture_leave_room_for_it(count, shape):
    maps = RNG.random((count, *shape)).astype(np.float32)
    made = [feature_map(f"conv.{i}", one, 260) for i, one in enumerate(maps)]
    vector = pooled(maps.mean(axis=(1, 2)), count, ("average",), [""])
    picture = RNG.integers(0, 256, (200, 190), np.uint8)
    canvas = feature_maps.draw(FeatureSheet("x.png", made, vector, picture, "conv", one_scale=True))
    check(canvas)
    drawn = [item.box for item in canvas.items if isinstance(item, PixelBlock)]
    for number, one in enumerate(drawn):
        assert one.x >= 0
        assert one.x + one.width <= canvas.width
        for other in drawn[number + 1 :]:
            apart = (
                one.x + one.width <= other.x
                or other.x + other.width <= one.x
                or one.y + one.height <= other.y
                or other.y + other.height <= one.y
            )
            assert apart, (one, other)
    titles = [
        box
        for item, box in zip(canvas.items, canvas.boxes(), strict=True)
        if getattr(item, "text", "") == "Feature Maps"
    ]
    assert min(one.y for one in drawn) > titles[0].y + titles[0].height
    assert any("maps: scale 0 to " in text for text in texts(canvas))


def test_a_small_picture_beside_many_maps_is_magnified():
    made = many(80)
    small = RNG.integers(0, 256, (24, 20), np.uint8)
    canvas = feature_maps.draw(FeatureSheet("x.png", made.maps, made.pooled, small, "conv", one_scale=True))
    assert any(
        (one.box.height, one.box.width) == (24 * 9, 20 * 9) for one in canvas.items if isinstance(one, PixelBlock)
    )


def test_512_features_are_16_rows_of_32():
    made = many(512)
    canvas = feature_maps.draw(made)
    strip = [item for item in canvas.items if isinstance(item, PixelBlock)][-1]
    assert (strip.box.height, strip.box.width) == (16 * 20, 32 * 20)
    colors = strip_scale(made, made.pooled[0]).colors(made.pooled[0].values.reshape(16, 32))
    np.testing.assert_array_equal(strip.rgb[10::20, 10::20], colors)
    check(canvas)


@pytest.mark.parametrize("count", [65, 100, 300])
def test_other_numbers_of_thumbnails_end_in_a_shorter_row(count):
    made = many(count)
    canvas = feature_maps.draw(made)
    rows = [item for item in canvas.items if isinstance(item, PixelBlock) and item.box.height % 20 == 0][-2:]
    assert sum(item.box.height // 20 * (item.box.width // 20) for item in rows) == count
    check(canvas)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (700, 3), (3, 700)])
def test_odd_shapes(shape):
    cells = RNG.integers(0, 256, shape, np.uint8)
    check(feature_maps.draw(sheet(cells, {}, BANKS["default"])))


def test_nothing_and_values_that_are_not_finite_are_drawn():
    check(feature_maps.draw(sheet(np.zeros((20, 20), np.uint8), {}, BANKS["default"])))
    large = np.full((20, 20), 3e38, np.float32)
    check(feature_maps.draw(sheet(large, {}, BANKS["default"])))


def test_a_block_is_its_mean():
    values = RNG.random((7, 11, 3))
    found = reduced(values, 3)
    assert found.shape == (3, 4, 3)
    np.testing.assert_allclose(found[0, 1], values[:3, 3:6].mean(axis=(0, 1)), rtol=1e-6)
    np.testing.assert_allclose(found[2, 3], values[6:, 9:].mean(axis=(0, 1)), rtol=1e-6)


def vectors(pictures, features, low=0.0):
    values = RNG.uniform(low, 1, (pictures, features)).astype(np.float32)
    return Vectors([f"p{i}.png" for i in range(pictures)], [f"f{i}" for i in range(features)], values)


def test_vectors_side_by_side_and_their_cosines():
    made = vectors(4, 20)
    shown = vectors_sheet(made, "done", [np.zeros((107, 160, 3), np.uint8)] * 4)
    np.testing.assert_array_equal(shown.cosines, cosine_matrix(made.values))
    np.testing.assert_allclose(shown.relative, cosine_matrix(made.values / made.values.max(axis=0)), rtol=1e-6)
    canvas = feature_vectors.draw(shown)
    said = texts(canvas)
    for name in made.names:
        assert name in said
    assert said.count("1.000") == 8
    for i in range(4):
        for j in range(i):
            assert f"{shown.cosines[i, j]:.3f}" in said
    check(canvas)


@pytest.mark.parametrize(("pictures", "features"), [(2, 1), (2, 512), (17, 60), (90, 5), (1500, 3), (3, 1600)])
@pytest.mark.parametrize("low", [0.0, -1.0])
def test_few_and_many_pictures_and_features(pictures, features, low):
    canvas = feature_vectors.draw(vectors_sheet(vectors(pictures, features, low), "done"))
    assert max(canvas.width, canvas.height) < 6000
    check(canvas)


def test_a_vector_of_zeros_has_no_cosine():
    made = vectors(3, 4)
    made.values[1] = 0
    canvas = feature_vectors.draw(vectors_sheet(made, "done"))
    assert texts(canvas).count("n/a") == 10
    assert any("n/a: a vector of zeros" in text for text in texts(canvas))


@pytest.mark.parametrize("fmt", ["png", "svg", "pdf"])
def test_all_formats(fmt):
    start = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[fmt]
    for data in (
        feature_maps.render(sheet(GRAY, {}, BANKS["lesson"]), fmt),
        feature_vectors.render(vectors_sheet(vectors(3, 5), "done"), fmt),
    ):
        assert data.startswith(start)


def test_the_description_tells_the_numbers():
    with Image.open(io.BytesIO(feature_maps.render(sheet(MAPS, {"layout": "planes"})))) as image:
        assert "200 → 8 numbers, 25x fewer" in image.text["Description"]
        assert "input.7: mean 0.940, max 1.00" in image.text["Description"]
