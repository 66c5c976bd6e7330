"""Palettes equal Matplotlib's and Okabe and Ito's; text on every colour has enough contrast."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib import color_sequences, colormaps
from matplotlib.colors import to_rgb

from poolcli.figures.palettes import BLACK, OKABE_ITO, PAPER, color_table, text_color_on


@pytest.mark.parametrize("name", ["gray", "RdBu_r", "magma", "Blues_r"])
def test_tables_are_matplotlibs(name: str) -> None:
    theirs = np.asarray(colormaps[name].resampled(256)(np.arange(256)))[:, :3]
    np.testing.assert_array_equal(color_table(name), np.rint(255 * theirs).astype(np.uint8))  # type: ignore[arg-type]
    assert color_table(name).shape == (256, 3)  # type: ignore[arg-type]


def test_okabe_and_ito() -> None:
    published = ["#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7"]
    assert list(OKABE_ITO.values()) == [tuple(round(255 * c) for c in to_rgb(color)) for color in published]
    if "okabe_ito" in color_sequences:  # Matplotlib has it from 3.11 on
        theirs = {tuple(round(255 * c) for c in to_rgb(color)) for color in color_sequences["okabe_ito"]}
        assert set(OKABE_ITO.values()) == theirs


@pytest.mark.parametrize("name", ["gray", "RdBu_r", "magma", "Blues_r"])
def test_text_on_any_colour_has_contrast(name: str) -> None:
    def luminance(color: tuple[int, ...]) -> float:
        c = np.array(color) / 255
        linear = np.where(c <= 0.03928, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
        return float(linear @ (0.2126, 0.7152, 0.0722))

    for red, green, blue in color_table(name).tolist():  # type: ignore[arg-type]
        color = (red, green, blue)
        low, high = sorted((luminance(color), luminance(text_color_on(color))))
        assert (high + 0.05) / (low + 0.05) >= 4.5
    assert text_color_on((0, 0, 0)) == PAPER
    assert text_color_on((255, 255, 255)) == BLACK
