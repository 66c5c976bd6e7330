"""The figure of invariance: exact pixels of its maps, lines and marks of its chart."""

import numpy as np
import pytest

from poolcli.experiments.demo_pictures import DEMO_PICTURES
from poolcli.experiments.drawn_maps import level_maps
from poolcli.experiments.invariance import leveled_recipes, measure
from poolcli.figures import PANEL
from poolcli.figures.canvas import Canvas
from poolcli.figures.items import Line, PixelBlock, Text
from poolcli.figures.layout import Box
from poolcli.figures.score_chart import COLORS, Series, draw_chart, draw_mark
from poolcli.figures.shift_maps import ShiftFigure, draw
from poolcli.images.read import from_array
from poolcli.ops.pooling import pool2d


def made(picture, control, levels, most=3, fill="replicate"):
    recipes = leveled_recipes(["max"], {}, levels)
    maps = measure(picture, control, recipes, max_shift=most, fill=fill, panel=PANEL).drawn
    rows = [level_maps(one, recipes[0]) for one in (maps.still, maps.moved, maps.control)]
    scores = [
        Series("max", [0.1, 0.3, 0.6, 0.7, None][: levels + 1]),
        Series("blur", [0.1, 0.5, 0.7, 1.0, 0.9][: levels + 1]),
    ]
    distinct = [(["49 of 49"] * 4 + ["1 of 49"])[: levels + 1], ["49 of 49"] * (levels + 1)]
    sides = (rows[0], rows[1], maps.differences, rows[2])
    return draw(ShiftFigure(maps.still, sides, maps.shift, distinct, scores, "circle64", ("done", "and seen " * 40)))


@pytest.fixture(scope="module")
def drawn():
    return made(*DEMO_PICTURES["circle64"].pictures("circle64"), 4)


def test_the_four_rows_hold_the_maps_of_every_level(drawn):
    circle, square = DEMO_PICTURES["circle64"].draw()
    moved = np.pad(circle, 3, mode="edge")[:64, :64]
    pictures = [item for item in drawn.items if isinstance(item, PixelBlock)]
    expected = [[circle], [moved], [], [square]]
    for row in (0, 1, 3):
        for _ in range(4):
            expected[row].append(pool2d(expected[row][-1]))
    expected[2] = [np.abs(a.astype(int) - b) for a, b in zip(expected[0], expected[1], strict=True)]
    pixels = drawn.pixels()
    for row in range(4):
        for level in range(3):  # without numbers in their cells
            item, values = pictures[5 * row + level], expected[row][level]
            part = pixels[item.box.y : item.box.y + item.box.height, item.box.x : item.box.x + item.box.width]
            times = item.box.height // values.shape[0]
            lit = part.astype(int).sum(axis=2) > 380
            np.testing.assert_array_equal(lit, (values > 0).repeat(times, 0).repeat(times, 1))


def test_every_level_has_its_count_and_score_and_the_chart_a_mark_where_there_is_one(drawn):
    words = [item.text for item in drawn.items if isinstance(item, Text)]
    assert "1 of 49 · n/a" in words
    assert "49 of 49 · 1.00" in words
    assert [w for w in words if w in ("picture", "shifted", "difference", "control")] == [
        "picture", "shifted", "difference", "control", "difference",
    ]  # fmt: skip
    lines = [item for item in drawn.items if isinstance(item, Line) and (item.x, item.y) != (item.to_x, item.to_y)]
    assert [sum(line.color == color for line in lines) for color in COLORS[:2]] == [3, 4]


@pytest.mark.parametrize(
    ("size", "levels"), [((64, 64), 4), ((64, 64), 1), ((16, 900), 2), ((900, 16), 2), ((700, 800), 4), ((2, 2), 1)]
)
def test_nothing_lies_outside_the_sheet_or_on_other_texts(size, levels):
    picture = from_array(np.random.default_rng(4).integers(0, 256, size, np.uint8))
    sheet = made(picture, None, levels, most=1)
    texts = [item for item in sheet.items if isinstance(item, Text) and not item.text.replace(".", "").isdigit()]
    assert len(texts) > 4 + levels
    told = {item.text for item in texts}
    assert ({"700x800 at 1/4", "350x400 at 1/2", "175x200"} <= told) == (size == (700, 800))
    boxes = sheet.boxes()
    canvas = Canvas(3 * sheet.width, 3 * sheet.height)
    for item in sheet.items:
        if isinstance(item, Text):
            canvas.text(item.x + sheet.width, item.baseline, item.text, item.size, item.color, item.bold, item.anchor)
    for box in canvas.boxes():
        assert sheet.width <= box.x
        assert box.x + box.width <= 2 * sheet.width
        assert box.y + box.height <= sheet.height
    assert all(box.x + box.width <= sheet.width and box.y + box.height <= sheet.height for box in boxes)
    canvas = Canvas(sheet.width, sheet.height)
    canvas.items = texts
    places = canvas.boxes()
    for i, one in enumerate(places):
        for other in places[:i]:
            apart = one.x >= other.x + other.width or other.x >= one.x + one.width
            assert apart or one.y >= other.y + other.height or other.y >= one.y + one.height


def test_scores_stand_at_their_height():
    canvas = Canvas(300, 200)
    box = Box(50, 20, 200, 101)
    draw_chart(canvas, box, [100, 150, 200], [Series("a", [0.0, None, 1.0])], ["x", "y", "z"])
    marks = [(item.x, item.y) for item in canvas.items if isinstance(item, Line)]
    assert marks == [(100, 120), (200, 20)]  # and no line across the gap


def test_marks_differ_without_their_colours():
    shapes = set()
    for number in range(4):
        canvas = Canvas(31, 31)
        draw_mark(canvas, 15, 15, number)
        shapes.add(((canvas.pixels() != 255).any(axis=2)).tobytes())
    assert len(shapes) == 4


@pytest.mark.parametrize(("to", "length"), [((40, 10), 31), ((10, 40), 31), ((40, 40), None)])
def test_a_line_is_as_thick_as_it_says_and_ends_round(to, length):
    canvas = Canvas(60, 60)
    canvas.line(10, 10, *to, (0, 0, 0), 3)
    ink = 1 - canvas.pixels()[..., 0] / 255
    far = np.hypot(to[0] - 10, to[1] - 10)
    assert ink.sum() == pytest.approx(3 * far + np.pi * 1.5**2, rel=0.03)
    assert ink[10, 10] == ink[to[1], to[0]] == 1.0
    if length:
        dark = ink > 0.9
        assert max(dark.any(axis=0).sum(), dark.any(axis=1).sum()) == length + 2
        assert min(dark.any(axis=0).sum(), dark.any(axis=1).sum()) == 3


@pytest.mark.parametrize("ends", [(-20, 10, 10, 10), (55, 5, 90, 70), (10, -40, 20, -30), (70, 70, 70, 70)])
def test_a_line_that_leaves_the_sheet_is_cut(ends):
    large, small = Canvas(200, 200), Canvas(60, 60)
    small.line(*ends, (0, 0, 0), 5)
    large.line(*(end + 50 for end in ends), (0, 0, 0), 5)
    np.testing.assert_array_equal(small.pixels(), large.pixels()[50:110, 50:110])


def test_a_line_is_in_the_svg_with_its_ends_and_colour():
    canvas = Canvas(60, 40)
    canvas.line(10, 5, 50, 30, (213, 94, 0), 3)
    canvas.line(20, 20, 20, 20, (0, 114, 178), 9)
    svg = canvas.encode_vector("svg", {"Date": None}).decode()
    assert "M 10.5 5.5" in svg
    assert "L 50.5 30.5" in svg
    assert "#d55e00" in svg
    assert "#0072b2" in svg
