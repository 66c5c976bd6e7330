"""The canvas: every item is where it was placed, in PNG and in SVG."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np

from poolcli.figures.canvas import Canvas
from poolcli.figures.layout import Box
from poolcli.figures.palettes import BLACK, FRAME, INK, PAPER


def test_pictures_are_whole_pixels() -> None:
    rng = np.random.default_rng(3)
    rgb, gray = rng.integers(0, 256, (5, 7, 3), np.uint8), rng.integers(0, 256, (4, 3), np.uint8)
    canvas = Canvas(60, 40)
    canvas.picture(2, 3, rgb, times=4)
    canvas.picture(40, 3, gray, times=2)
    drawn = canvas.pixels()
    np.testing.assert_array_equal(drawn[3:23, 2:30], rgb.repeat(4, 0).repeat(4, 1))
    np.testing.assert_array_equal(drawn[3:11, 40:46], gray.repeat(2, 0).repeat(2, 1)[..., None].repeat(3, 2))
    assert (drawn[:3] == 255).all()


def test_a_frame_lies_outside_its_box() -> None:
    canvas = Canvas(20, 20)
    canvas.frame(Box(5, 6, 8, 7), FRAME, thickness=2)
    ink = (canvas.pixels() == FRAME).all(-1)
    expected = np.zeros((20, 20), bool)
    expected[4:15, 3:15] = True
    expected[6:13, 5:13] = False
    np.testing.assert_array_equal(ink, expected)


def test_a_dashed_frame_is_half_of_a_frame() -> None:
    canvas = Canvas(60, 60)
    canvas.dashed(Box(10, 10, 40, 40), FRAME, dash=2)
    ink = (canvas.pixels() == FRAME).all(-1)
    assert ink[9, 9:51].sum() == 22
    assert not ink[10:50, 10:50].any()
    assert ink[9, 9:13].tolist() == [True, True, False, False]


def test_a_hatch_is_seen_on_black_and_on_white_and_only_in_its_box() -> None:
    canvas = Canvas(40, 20)
    canvas.rectangle(Box(0, 0, 20, 20), (0, 0, 0))
    canvas.hatch(Box(4, 4, 32, 12))
    drawn = canvas.pixels()
    assert (drawn[4:16, 4:20] == PAPER).all(-1).any()
    assert (drawn[4:16, 20:36] == INK).all(-1).any()
    assert (drawn[:4, :20] == 0).all()
    assert (drawn[16:, 20:] == 255).all()


def test_a_cell_has_its_number_in_the_middle_dark_on_light_and_light_on_dark() -> None:
    for fill, expected in (((252, 253, 191), BLACK), ((0, 0, 4), PAPER)):
        canvas = Canvas(60, 60)
        canvas.cell(Box(10, 10, 40, 40), "0", fill, 18)
        drawn = canvas.pixels()
        rows, cols = np.nonzero((drawn[10:50, 10:50] == expected).all(-1))
        assert abs((rows.min() + rows.max()) / 2 - 19.5) <= 1
        assert abs((cols.min() + cols.max()) / 2 - 19.5) <= 1


def test_text_begins_is_centred_or_ends_where_it_was_put() -> None:
    spans = []
    for anchor in ("left", "middle", "right"):
        canvas = Canvas(200, 40)
        canvas.text(100, 30, "HHHH", 18, INK, anchor=anchor)  # type: ignore[arg-type]
        cols = np.flatnonzero((canvas.pixels() < 128).all(-1).any(0))
        spans.append((cols[0], cols[-1]))
    (left, _), (first, last), (_, right) = spans
    assert 100 <= left <= 103
    assert abs((first + last) / 2 - 100) <= 2
    assert 97 <= right <= 100


def test_what_sticks_out_of_the_paper_is_cut() -> None:
    canvas = Canvas(10, 10)
    canvas.picture(5, 5, np.zeros((9, 9), np.uint8))
    canvas.text(6, 9, "wide text", 18, INK)
    canvas.frame(Box(0, 0, 10, 10), INK)
    canvas.hatch(Box(8, 8, 9, 9))
    assert canvas.pixels().shape == (10, 10, 3)


def test_svg_holds_every_item() -> None:
    canvas = Canvas(100, 50)
    canvas.rectangle(Box(0, 0, 10, 10), (1, 2, 3))
    canvas.hatch(Box(20, 20, 20, 20))
    canvas.arrow(Box(50, 20, 10, 10), (4, 5, 6))
    canvas.cell(Box(70, 10, 20, 20), "7", None, 12)
    root = ET.fromstring(canvas.encode_vector("svg", {"Date": None}))
    styles = " ".join(e.attrib.get("style", "") for e in root.iter())
    for color in ("#010203", "#040506", "#1a1a1a"):
        assert color in styles
    assert root.attrib["viewBox"] == "0 0 100 50"
