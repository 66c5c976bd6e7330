"""Geometry and text of figures: the functions that only compute."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poolcli.figures.layout import magnifications, ticks
from poolcli.figures.text import bitmap, text_width, wrap

SIDES = st.tuples(st.integers(1, 600), st.integers(1, 600))


@given(st.lists(SIDES, min_size=1, max_size=4))
def test_maps_look_alike_in_size(shapes: list[tuple[int, int]]) -> None:
    times = magnifications(shapes)
    largest = max(range(len(shapes)), key=lambda i: (max(shapes[i]), min(shapes[i])))
    height, width = (side * times[largest] for side in shapes[largest])
    assert 2 / 3 * 400 <= max(height, width) <= max(600, *shapes[largest])
    for (h, w), k in zip(shapes, times, strict=True):
        assert k >= 1
        if k > 1:
            assert h * k <= height * 5 / 4 or (h, w) == shapes[largest]
            assert w * k <= width * 5 / 4 or (h, w) == shapes[largest]


def test_course_sizes() -> None:
    shapes = [(side, side) for side in (398, 199, 99, 49, 24, 7, 1)]
    assert magnifications(shapes) == [1, 2, 4, 8, 17, 57, 398]
    assert magnifications([(300, 451), (150, 225)]) == [1, 2]
    assert magnifications([(64, 64), (32, 32), (1, 1)]) == [6, 12, 384]


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_ticks_are_few_round_and_on_the_bar(low: float, span: float) -> None:
    high = low + span
    if high - low < 1e-7 * abs(low):
        return  # nothing lies between the two numbers
    values, _ = ticks(low, high)
    assert 1 <= len(values) <= 6
    slack = 1e-5 * (high - low)
    assert all(low - slack <= value <= high + slack for value in values)
    assert values == sorted(set(values))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0, 255, ["0", "50", "100", "150", "200", "250"]),
        (-1.31, 1.31, ["-1.0", "-0.5", "0.0", "0.5", "1.0"]),
        (0, 0.0043, ["0.000", "0.001", "0.002", "0.003", "0.004"]),
        (0, 10, ["0", "2", "4", "6", "8", "10"]),
        (0, 50, ["0", "10", "20", "30", "40", "50"]),
        (0, 49, ["0", "10", "20", "30", "40"]),
    ],
)
def test_tick_labels(low: float, high: float, expected: list[str]) -> None:
    values, decimals = ticks(low, high)
    assert [f"{value:.{decimals}f}" for value in values] == expected


@settings(max_examples=60)
@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200), st.integers(60, 900))
def test_wrapped_lines_fit(text: str, max_width: int) -> None:
    lines = wrap(text, 14, max_width, 2)
    assert bool(text.split()) <= len(lines) <= 2
    assert all(text_width(line, 14) <= max_width for line in lines)
    if lines and not lines[-1].endswith("…"):
        assert "".join("".join(lines).split()) == "".join(text.split())


def test_width_is_that_of_the_pixels() -> None:
    for text in ("Condense (MaxPool ×3)", "398x398 · min −2.83", "i"):
        ink, _, top = bitmap(text, 21, bold=True)
        assert ink.shape[1] <= text_width(text, 21, bold=True) + 2
        assert ink[:-top].any()
        assert math.isclose(ink.max(), 255, abs_tol=16)
