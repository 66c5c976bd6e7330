"""Number grids and sliding windows, read back: colours, outlines, frames, times."""

import io

import numpy as np
import pytest
from PIL import Image

import poolcli
from poolcli.errors import SizeError
from poolcli.explanation import grid_maps, number_grid
from poolcli.explanation.explain_picture import explain_picture
from poolcli.explanation.window_gif import sliding_window_gif
from poolcli.figures import grid, grid_layout, sliding_window
from poolcli.images.read import from_array

A = np.arange(1.0, 17).reshape(4, 4)
NOISE = np.random.default_rng(2).integers(0, 256, (12, 12), np.uint8)


def explained(values=A, **options):
    return explain_picture(from_array(values), poolcli.recipe(**options))


def plain_maps(explanation):
    return grid_maps.unmarked_maps(explanation, grid_maps.largest_magnitude(explanation))


def opened(data):
    return np.array(Image.open(io.BytesIO(data)).convert("RGB"))


def test_every_value_is_written_in_its_cell():
    before, after = plain_maps(explained(pool="average"))

    assert before.texts == [[str(int(v)) for v in row] for row in A]
    assert after.texts == [["3.5", "5.5"], ["11.5", "13.5"]]


def test_cells_have_the_colour_of_their_value_and_the_window_its_outline():
    maps, _ = grid_maps.traced_maps(explained(size=3, stride=2, padding=1), (0, 0))
    placed = grid_layout.layout(maps, 0)
    pixels = grid.draw(maps, []).pixels()

    before = maps[0]
    for row in range(4):
        for col in range(4):
            box = before.box((row, row), (col, col), placed.places[0], placed.side)
            corner = pixels[box.y + placed.side - 12, box.x + 12]
            if (row, col) not in before.winners:
                np.testing.assert_array_equal(corner, before.colors()[row, col])
    outline = before.outlines[0]
    assert (outline.rows, outline.cols) == ((-1, 1), (-1, 1))
    box = before.box(outline.rows, outline.cols, placed.places[0], placed.side)
    np.testing.assert_array_equal(pixels[box.y + 2, box.x + 10 : box.x + 100], [outline.color] * 90)
    assert before.winners == [(1, 1)]
    assert before.padding == "−∞"


def test_windows_apart_are_all_outlined_each_as_its_output():
    before, after = grid_maps.all_windows_maps(explained())

    assert [(o.rows, o.cols) for o in before.outlines] == [((r, r + 1), (c, c + 1)) for r in (0, 2) for c in (0, 2)]
    assert [o.color for o in before.outlines] == [o.color for o in after.outlines]
    assert len({o.color for o in after.outlines}) == 4
    assert before.winners == [(1, 1), (1, 3), (3, 1), (3, 3)]


def test_a_picture_is_shown_from_black_to_white():
    half = plain_maps(explained(np.full((4, 4), 128, np.uint8)))[0]
    np.testing.assert_array_equal(half.colors(), np.full((4, 4, 3), 128))
    numbers = plain_maps(explained(A))[0]
    assert numbers.colors()[3, 3].tolist() == [255, 255, 255]


def test_unread_rows_are_hatched():
    explanation = explained(np.arange(12.0).reshape(3, 4))
    before = plain_maps(explanation)[0]
    plain = grid_layout.GridMap(
        before.title, before.detail, before.values, before.texts, before.palette, before.low, before.high
    )
    hatched, bare = (grid.draw([one], [], grid_layout.layout([before], 0)).pixels() for one in (before, plain))

    changed = np.flatnonzero((hatched != bare).any(axis=(1, 2)))
    placed = grid_layout.layout([before], 0)
    assert changed.min() == placed.places[0][1] + 2 * placed.side
    assert changed.max() == placed.places[0][1] + 3 * placed.side - 1
    assert number_grid._notes(explanation) == ["hatched cells are read by no window: last row of the input"]


@pytest.mark.parametrize(
    ("options", "padding"),
    [
        ({}, "−∞"),
        ({"pool": "min"}, "∞"),
        ({"pool": "average"}, "–"),
        ({"pool": "average", "count_include_pad": True}, "0"),
    ],
)
def test_padding_says_what_it_holds(options, padding):
    assert plain_maps(explained(padding=1, **options))[0].padding == padding


def test_one_scale_for_all_stages_and_the_zero_of_a_filter_is_white():
    _, filtered, detected, condensed = plain_maps(explained(NOISE.astype(float), kernel="edge"))

    assert filtered.palette == "RdBu_r"
    assert filtered.high == -filtered.low == detected.high == condensed.high
    zero = grid_layout.GridMap(
        "", "", np.zeros((1, 1), np.float32), [["0"]], "RdBu_r", filtered.low, filtered.high
    ).colors()
    assert (zero > 240).all()


@pytest.mark.parametrize("fmt", ["png", "svg"])
def test_a_grid_is_written_in_both_formats(fmt):
    data = number_grid.number_grid(explained(kernel="edge", size=3, stride=1), (1, 1), fmt)

    assert data.startswith(b"\x89PNG" if fmt == "png" else b"<?xml")
    assert data == number_grid.number_grid(explained(kernel="edge", size=3, stride=1), (1, 1), fmt)


def test_the_gif_has_a_frame_for_every_window():
    data, every = sliding_window_gif(explained(stride=1), None)
    image = Image.open(io.BytesIO(data))

    assert every == 1
    assert image.n_frames == 9
    assert image.info["loop"] == 0
    times = []
    for number in range(9):
        image.seek(number)
        times.append(image.info["duration"])
    assert times == [900] * 8 + [2500]


def test_the_frames_fill_the_output_and_keep_the_exact_colours():
    explanation = explained(stride=1)
    data, _ = sliding_window_gif(explanation, None)
    image = Image.open(io.BytesIO(data))
    maps, _ = grid_maps.traced_maps(explanation, (0, 0))
    placed = grid_layout.layout(maps, 4, map_side=360)
    after = maps[1]

    for number in (0, 4, 8):
        image.seek(number)
        pixels = np.array(image.convert("RGB"))
        for at in range(9):
            row, col = divmod(at, 3)
            box = after.box((row, row), (col, col), placed.places[1], placed.side)
            wanted = after.colors()[row, col] if at <= number else grid.EMPTY
            np.testing.assert_array_equal(pixels[box.y + placed.side - 11, box.x + 11], wanted)


@pytest.mark.parametrize(
    ("values", "options", "every"),
    [
        (A, {"size": 3, "stride": 1, "padding": 1}, 1),
        (A, {"dilation": 2, "stride": 1}, 1),
        (NOISE[:7, :9].astype(float) - 99, {"kernel": "emboss", "size": 3, "stride": 2}, 5),
        (NOISE[:11, :10], {"recipe": "lenet"}, 1),
        (np.zeros((5, 5)), {"pool": "median", "ceil": True}, 2),
    ],
)
def test_every_frame_is_the_whole_grid_of_its_window(values, options, every):
    explanation = explained(values, **options)
    data, _ = sliding_window_gif(explanation, every)
    last = explanation.stages[-1]
    cells = range(0, last.windows, every)
    slides = []
    for cell in cells:
        maps, lines = grid_maps.traced_maps(explanation, divmod(cell, last.shape[1]))
        slides.append(sliding_window.AnimationFrame(maps, lines, last.windows if cell == cells[-1] else cell + 1))
    bare = grid_layout.layout(slides[0].maps, 0, map_side=360)
    placed = grid_layout.layout(
        slides[0].maps, max(len(grid_layout.wrap_lines(one.lines, bare)) for one in slides), map_side=360
    )
    sheets = [grid.draw(grid_layout.fill_first(one.maps, one.filled), one.lines, placed).pixels() for one in slides]

    for whole, (sheet, _) in zip(sheets, sliding_window.draw_frames(slides, placed), strict=True):
        np.testing.assert_array_equal(sheet, whole)
    image = Image.open(io.BytesIO(data))
    assert image.n_frames == len(sheets)
    palette = sliding_window.GifPalette([sheets[0], sheets[len(sheets) // 2], sheets[-1]])
    for number, whole in enumerate(sheets):
        image.seek(number)
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), palette.colors[palette.indices(whole)])


def test_a_gif_of_many_windows_shows_every_nth():
    data, every = sliding_window_gif(explained(NOISE, stride=1), None)

    assert every == 2
    assert Image.open(io.BytesIO(data)).n_frames == 61
    with pytest.raises(
        SizeError, match=r"121 windows make 121 frames; a \.gif has at most 100, write --every 2 or more"
    ):
        sliding_window_gif(explained(NOISE, stride=1), 1)


def test_the_palette_keeps_frequent_colours_exactly():
    colors = np.random.default_rng(1).integers(0, 256, (20, 20, 3), np.uint8)
    palette = sliding_window.GifPalette([np.repeat(colors[:2], 9, axis=0)])

    np.testing.assert_array_equal(palette.colors[palette.indices(colors[:2])], colors[:2])


def test_a_map_too_large_for_numbers_is_refused_with_a_crop():
    with pytest.raises(SizeError, match="40x40: a number grid shows up to 16x16; --crop 0,0,12x12 takes a part"):
        number_grid.number_grid(explained(np.zeros((40, 40))), None, "png")


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (3, 3), (16, 2)])
def test_small_and_long_maps_can_be_drawn(shape):
    values = np.zeros(shape, np.uint8)
    pixels = opened(number_grid.number_grid(explained(values, size=1), None, "png"))

    assert pixels.std() > 0


def test_every_channel_has_a_row_of_maps_and_all_share_one_scale():
    values = np.random.default_rng(6).integers(0, 256, (6, 6, 3), np.uint8)
    recipe = poolcli.recipe(channels="each", kernel="edge")
    explanation = explain_picture(from_array(values, channels="each"), recipe)
    maps, lines = grid_maps.traced_maps(explanation, (0, 1))
    placed = grid_layout.layout(maps, 0)

    assert [one.title for one in maps[::4]] == ["Input, red", "Input, green", "Input, blue"]
    assert len({y for _, y in placed.places}) == 3
    assert len({one.high for one in maps if not one.first}) == 1
    assert [line.split(":")[0] for line in lines] == ["red"] * 3 + ["green"] * 3 + ["blue"] * 3
    data, _ = sliding_window_gif(explanation, None)
    image = Image.open(io.BytesIO(data))
    image.seek(4)
    pixels = np.array(image.convert("RGB"))
    bare = grid_layout.layout(maps, 0, map_side=360)
    for one, origin in [(one, origin) for one, origin in zip(maps, bare.places, strict=True) if one.last]:
        box = one.box((2, 2), (2, 2), origin, bare.side)
        np.testing.assert_array_equal(pixels[box.y + bare.side - 11, box.x + 11], grid.EMPTY)
        box = one.box((0, 0), (0, 0), origin, bare.side)
        np.testing.assert_array_equal(pixels[box.y + bare.side - 9, box.x + 9], one.colors()[0, 0])
