"""The statements of a comparison figure are true: reduced panels, limits, numbers in cells, unread rows, remarks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from poolcli.figures import captions, comparison
from poolcli.figures.color_scale import Scale
from poolcli.figures.items import Hatch, Text
from poolcli.figures.map_scales import map_scales
from poolcli.figures.panels import panels, remarks
from poolcli.figures.text import drawable
from poolcli.images.read import from_array, read
from poolcli.pipeline.engine import execute, reading
from poolcli.pipeline.options import recipe
from poolcli.pipeline.recipe import load

if TYPE_CHECKING:
    from poolcli.pipeline.result import Result

SAMPLES = Path(__file__).parents[2] / "sample_images"
RANDOM = np.random.default_rng(11)


def made(picture: Any, panel: int = 600, **settings: Any) -> Result:
    wanted = recipe(**settings)
    source = read(str(SAMPLES / picture), **reading(wanted)) if isinstance(picture, str) else None
    source = source or from_array(np.asarray(picture), channels=settings.get("channels", "gray"))
    return execute(source, wanted, panel=panel, keep_maps=True)


def texts(result: Result) -> list[str]:
    done, seen = captions.caption(result, "name", remarks(result, panels(result)))
    sheet = comparison.draw(panels(result), drawable(done), drawable(seen))
    return [item.text for item in sheet.items if isinstance(item, Text)]


def test_detect_and_condense_of_a_reduced_picture_differ() -> None:
    wanted = load("kaggle-tutorial")
    result = execute(read(str(SAMPLES / "car.jpg"), **reading(wanted)), wanted, panel=600, keep_maps=True)
    source, filtered, detect, condense = panels(result)
    assert detect.stage.display is not None
    assert detect.stage.display.factor == 2
    colors = detect.scale.colors(detect.values)[: condense.values.shape[0], : condense.values.shape[1]]
    differ = (colors != condense.scale.colors(condense.values)[: colors.shape[0], : colors.shape[1]]).any(-1)
    assert differ.mean() > 0.1
    assert condense.scale == detect.scale
    whole = [result.maps[name] for name in ("0-input", "1-conv2d", "2-relu")]
    for panel, values in zip((source, filtered, detect), whole, strict=True):
        even = values[:482]
        blocks = even.reshape(241, 2, 409, 2).astype(np.float64)
        expected = blocks.mean((1, 3))
        if panel is filtered:
            flat = np.abs(expected) < 1e-6  # both sides alike: neither is stronger
            expected = np.copysign(np.abs(blocks).mean((1, 3)), expected)
            np.testing.assert_allclose(np.abs(panel.values[:241]), np.abs(expected), atol=1e-6)
            np.testing.assert_array_equal(np.sign(panel.values[:241])[~flat], np.sign(expected)[~flat])
        else:
            np.testing.assert_allclose(panel.values[:241], expected, atol=1e-6)


def test_the_detail_row_is_drawn_when_a_panel_is_reduced_and_says_where() -> None:
    large = texts(made("car.jpg", kernel="edge"))
    assert sum(text == "the same place" for text in large) == 3
    assert any(text.startswith("detail: rows ") for text in large)
    assert "a cell stands for 2x2 pixels of the input" in large
    assert not any("detail" in text for text in texts(made("cat.jpg", kernel="edge")))


def test_a_map_that_is_nearly_all_beyond_the_limit_gets_its_own() -> None:
    result = made("cat.jpg", kernel="edge", repeat=4)
    _, filtered, detect, condense = panels(result)
    sample = np.abs(np.asarray(result.stages[-1].display.sample))  # type: ignore[union-attr]
    assert filtered.scale.high == detect.scale.high == condense.scale.high == pytest.approx(np.percentile(sample, 95))
    first = np.percentile(np.abs(np.asarray(result.stages[0].display.sample)), 99)  # type: ignore[union-attr]
    assert (sample > first).mean() > 0.05
    few = made("cat.jpg", kernel="edge")
    first = np.percentile(np.abs(np.asarray(few.stages[0].display.sample)), 99)  # type: ignore[union-attr]
    if (np.asarray(few.stages[-1].display.sample) > first).mean() <= 0.05:  # type: ignore[union-attr]
        assert panels(few)[1].scale.high == pytest.approx(first)


def test_a_map_of_few_cells_is_shown_on_its_full_range_with_its_numbers() -> None:
    result = made("cat.jpg", kernel="edge", repeat=6)
    condense = panels(result)[-1]
    assert result.stages[-1].shape == (4, 7)
    assert condense.scale == Scale("magma", 0.0, result.stages[-1].max)  # type: ignore[arg-type]
    numbers = [f"{value:.2f}" for value in result.output.ravel()]
    shown = texts(result)
    assert all(number in shown for number in numbers)


def test_one_cell_shows_its_value_large_and_no_shares() -> None:
    result = made("cat.jpg", kernel="edge", pool="max", global_pool=True)
    done, seen = captions.caption(result, "name")
    items = [i for i in comparison.draw(panels(result), done, seen).items if isinstance(i, Text)]
    value = f"{float(result.output[0, 0]):.2f}"
    assert max(item.size for item in items if item.text == value) == 60
    assert not any(line.startswith(">0") for line in panels(result)[-1].lines)


def test_numbers_stand_in_cells_up_to_eight() -> None:
    eight = made(RANDOM.integers(1, 255, (8, 8), np.uint8), size=1, range="byte")
    numbers = [f"{v:.0f}" for v in eight.maps["0-input"].ravel()]
    assert set(numbers) <= set(texts(eight))
    nine = texts(made(np.full((9, 9), 77, np.uint8), size=1, range="byte"))
    assert "77" not in nine


def test_numbers_are_dark_on_light_and_light_on_dark() -> None:
    result = made(np.array([[0, 255]], np.uint8), size=1, range="byte")
    done, seen = captions.caption(result, "name")
    colors = {
        i.text: i.color
        for i in comparison.draw(panels(result), done, seen).items
        if isinstance(i, Text) and i.size > 30
    }
    assert colors["0"] == (255, 255, 255)
    assert sum(colors["255"]) < 150


@pytest.mark.parametrize(("shape", "unread"), [((9, 8), "1x0"), ((8, 9), "0x1"), ((8, 8), ""), ((9, 9), "1x1")])
def test_unread_rows_are_hatched_and_said(shape: tuple[int, int], unread: str) -> None:
    result = made(RANDOM.integers(0, 255, shape, np.uint8))
    sheet = comparison.draw(panels(result), "", "")
    hatched = [item.box for item in sheet.items if isinstance(item, Hatch)]
    assert len(hatched) == (sum(map(int, unread.split("x"))) if unread else 0)
    assert any(f"unread {unread}" in text for text in texts(result)) == bool(unread)
    if unread == "1x0":
        (box,) = hatched
        times = box.width // 8
        assert box.height == times


def test_numbers_of_hatched_cells_can_be_read() -> None:
    result = made(RANDOM.integers(1, 255, (3, 3), np.uint8), range="byte")
    items = comparison.draw(panels(result), "", "").items
    hatched = max(i for i, item in enumerate(items) if isinstance(item, Hatch))
    numbers = [i for i, item in enumerate(items) if isinstance(item, Text) and item.size == 60]
    assert sum(i > hatched for i in numbers) >= 9


def test_the_frame_of_zero_padding_is_said_where_it_is_seen() -> None:
    assert any("bright frame: zero padding" in text for text in texts(made("car.jpg", kernel="edge")))
    assert not any("bright frame" in text for text in texts(made("car.jpg", kernel="edge", conv_padding="valid")))
    assert not any("bright frame" in text for text in texts(made("circle64.png", kernel="edge")))


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [((3, 3), (2, 2), "44 %"), ((4, 4), (2, 2), "1/4"), ((10, 10), (8, 8), "64 %"), ((6, 5), (5, 5), "83 %")],
)
def test_shares_of_the_input(first: tuple[int, int], second: tuple[int, int], said: str) -> None:
    sizes = [s - t + 1 for s, t in zip(first, second, strict=True)]
    size = "2" if said == "1/4" else "x".join(map(str, sizes))
    result = made(np.zeros(first, np.uint8), size=size, stride=2 if said == "1/4" else 1)
    assert f"{said} of the input's pixels" in texts(result)


def test_shares_name_the_maximum_that_they_refer_to() -> None:
    _, _, detect, condense = panels(made("cat.jpg", kernel="edge"))
    assert "of max: " in detect.lines[1]
    assert "of Detect's max: " in condense.lines[1]


def test_colours_of_the_input_with_channels_each() -> None:
    source = panels(made("coffee.jpg", kernel="edge", channels="each"))[0]
    assert source.scale == Scale("rgb", 0.0, 1.0)
    assert source.values.shape[2] == 3


def test_there_is_a_scale_for_every_map() -> None:
    result = made("cat.jpg", kernel="edge", repeat=3, blocks=2)
    assert len(map_scales(result)) == 1 + len(result.stages)
    shown = panels(result)
    assert map_scales(result)[1] == shown[1].scale
    assert map_scales(result)[-1] == shown[-1].scale


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (16, 1000), (1000, 16), (1, 2000), (700, 900), (40, 30, 3)])
@pytest.mark.parametrize("settings", [{}, {"kernel": "edge"}, {"kernel": "edge", "blocks": 2}], ids=str)
@pytest.mark.parametrize("fill", ["noise", "black"])
def test_every_picture_is_drawn(shape: tuple[int, ...], settings: dict[str, Any], fill: str) -> None:
    picture = RANDOM.integers(0, 256, shape, np.uint8) if fill == "noise" else np.zeros(shape, np.uint8)
    channels = "each" if len(shape) == 3 else "gray"
    result = made(picture, **settings, size=1, channels=channels)
    assert comparison.render(result)[:4] == b"\x89PNG"


@pytest.mark.parametrize("settings", [{}, {"kernel": "edge"}])
def test_three_planes_are_not_red_green_and_blue(settings: dict[str, Any]) -> None:
    planes = RANDOM.random((3, 12, 10)).astype(np.float32)
    wanted = recipe(layout="planes", **settings)
    result = execute(from_array(planes, layout="planes"), wanted, panel=600)
    whole = execute(from_array(np.moveaxis(planes, 0, -1), channels="each"), recipe(channels="each"), panel=600)

    assert map_scales(whole)[0].palette == "rgb"
    assert "rgb" not in [scale.palette for scale in map_scales(result)]
    assert all(panel.values.ndim == 2 for panel in panels(result))
    assert "3 channels shown as their" in remarks(result, panels(result))
