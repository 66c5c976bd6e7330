"""The ladder: its numbers, its panels pixel by pixel, its two rows, and receptive fields."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from poolcli.figures.block_mean import block_mean
from poolcli.figures.color_scale import Scale
from poolcli.figures.items import Hatch, PixelBlock, Text
from poolcli.figures.ladder import draw, render
from poolcli.figures.ladder_maps import Ladder, build_ladder
from poolcli.figures.map_row import panel_sizes
from poolcli.images.read import from_array, read
from poolcli.pipeline.engine import execute, reading
from poolcli.pipeline.options import recipe

if TYPE_CHECKING:
    from poolcli.pipeline.result import Result

SAMPLES = Path(__file__).parents[2] / "sample_images"


def made(picture: Any, **settings: Any) -> Result:
    wanted = recipe(**settings)
    source = read(str(SAMPLES / picture), **reading(wanted)) if isinstance(picture, str) else None
    source = source or from_array(np.asarray(picture), **reading(wanted))
    return execute(source, wanted, panel=600, every_map=True, keep_maps=True)


def items(steps: Ladder, kind: Any) -> list[Any]:
    return [item for item in draw(steps, "", "").items if isinstance(item, kind)]


@pytest.mark.parametrize(
    ("name", "repeat", "active"),
    [("circle64.png", 4, [156, 100, 52, 28, 12]), ("circle128.png", 5, [336, 208, 100, 60, 28, 12])],
)
def test_the_lesson_s_circle(name: str, repeat: int, active: list[int]) -> None:
    result = made(name, padding="same", repeat=repeat)
    steps = build_ladder(result)
    assert [one.title for one in steps.maps] == ["Original", *(f"MaxPool {i}" for i in range(1, repeat + 1))]
    said = [line for one in steps.maps for line in one.lines if line.startswith(">0: ")]
    assert [int(line.split()[1]) for line in said] == active
    np.testing.assert_array_equal(result.output, [[1, 1, 1, 1], [1, 0, 0, 1], [1, 0, 0, 1], [1, 1, 1, 1]])
    side = 64 if repeat == 4 else 128
    texts = [item.text for item in items(steps, Text)]
    assert [text for text in texts if text.startswith("Shape")] == [
        f"Shape: {side >> i}x{side >> i}" for i in range(repeat + 1)
    ]
    assert steps.scale == Scale("gray", 0.0, 1.0)


@pytest.mark.parametrize(
    ("picture", "settings"),
    [
        ("circle64.png", {"padding": "same", "repeat": 4}),
        ("cat.jpg", {"kernel": "edge", "repeat": 3}),
        ("cat.jpg", {"kernel": "emboss", "relu": False, "blocks": 2}),
        ("coffee.jpg", {"channels": "each", "repeat": 2, "resize": "200x300"}),
        (np.arange(16.0).reshape(4, 4), {"pool": "sum", "repeat": 2}),
    ],
)
def test_every_panel_is_its_map_in_the_colours_of_one_scale(picture: Any, settings: dict[str, Any]) -> None:
    result = made(picture, **settings)
    steps = build_ladder(result)
    maps = [(name, values) for name, values in result.maps.items() if "pool2d" in name]
    first = list(result.maps)[list(result.maps).index(maps[0][0]) - 1]
    pictures = [item.rgb for item in items(steps, PixelBlock)]
    for number, (_, values) in enumerate([(first, result.maps[first]), *maps]):
        colors = steps.scale.colors(values)
        k, unit = steps.times[number], steps.times[0]
        np.testing.assert_array_equal(pictures[2 * number], colors.repeat(k, axis=0).repeat(k, axis=1))
        np.testing.assert_array_equal(pictures[2 * number + 1], colors.repeat(unit, axis=0).repeat(unit, axis=1))


def test_a_large_map_is_shown_by_the_means_of_its_blocks() -> None:
    result = made("car.jpg", kernel="edge", repeat=2)
    steps = build_ladder(result)
    detect = result.maps["2-relu"]
    means = detect[:482].reshape(241, 2, 409, 2).mean((1, 3), dtype=np.float64)
    np.testing.assert_allclose(steps.maps[0].values[:241], means, atol=1e-6)
    assert "shown at 1/2 (block mean)" in steps.maps[0].lines
    assert steps.true_scale_factor == 2
    pooled = result.maps["3-pool2d"]
    np.testing.assert_array_equal(steps.maps[1].values, pooled)
    means = pooled[:240, :408].reshape(120, 2, 204, 2).mean((1, 3), dtype=np.float64)
    np.testing.assert_allclose(steps.maps[1].true_scale_values[:120, :204], means, atol=1e-6)


@pytest.mark.parametrize("shape", [(7, 10), (12, 9), (1, 5), (8, 8, 3)])
@pytest.mark.parametrize(("have", "wanted"), [(1, 2), (1, 3), (2, 3), (2, 6), (3, 4)])
def test_reduced_keeps_the_mean_of_what_a_cell_covers(shape: tuple[int, ...], have: int, wanted: int) -> None:
    whole = np.random.default_rng(3).normal(size=shape)
    by_hand = np.array(
        [
            [whole[r : r + have, c : c + have].mean((0, 1)) for c in range(0, shape[1], have)]
            for r in range(0, shape[0], have)
        ]
    )
    spread = by_hand.repeat(have, axis=0).repeat(have, axis=1)[: shape[0], : shape[1]]
    expected = [
        [spread[r : r + wanted, c : c + wanted].mean((0, 1)) for c in range(0, shape[1], wanted)]
        for r in range(0, shape[0], wanted)
    ]
    small = block_mean(by_hand.astype(np.float32), (shape[0], shape[1]), have, wanted)
    np.testing.assert_allclose(small, expected, atol=1e-6)


def test_reduced_magnitudes_do_not_cancel_out() -> None:
    line = np.array([[-1, 3], [1, -1]], np.float32)
    np.testing.assert_array_equal(block_mean(line, (2, 2), 1, 2, "magnitude"), [[1.5]])
    np.testing.assert_array_equal(block_mean(-line, (2, 2), 1, 2, "magnitude"), [[-1.5]])


@pytest.mark.parametrize("shapes", [[(600, 400), (300, 200), (150, 100), (75, 50)], [(64, 64), (32, 32), (1, 1)]])
@pytest.mark.parametrize("side", [260, 400])
def test_all_panels_look_equally_large(shapes: list[tuple[int, int]], side: int) -> None:
    factors, times = panel_sizes(shapes, side)
    longest = [-(-max(shape) // f) * k for shape, f, k in zip(shapes, factors, times, strict=True)]
    assert max(longest) - min(longest) <= 0.05 * max(longest)
    assert 0.7 * side < max(longest) < 1.4 * side
    assert all(f == 1 or k == 1 for f, k in zip(factors, times, strict=True))


def test_the_receptive_field_of_a_cell() -> None:
    steps = build_ladder(made(np.zeros((16, 16)), repeat=3))
    fields = [one.field for one in steps.maps]
    assert fields[0] is None
    assert [(f.cell, f.rows, f.cols) for f in fields[1:] if f is not None] == [
        ((6, 6), (12, 14), (12, 14)),
        ((3, 3), (12, 16), (12, 16)),
        ((1, 1), (8, 16), (8, 16)),
    ]
    overlapping = build_ladder(made(np.zeros((9, 9)), size=3, stride=2, padding=1))
    field = overlapping.maps[1].field
    assert field is not None
    assert (field.cell, field.rows) == ((2, 2), (3, 6))  # 2 * 2 - 1 is the first row, of three
    filtered = build_ladder(made(np.zeros((16, 16)), kernel="edge", conv_stride=2, repeat=2))
    field = filtered.maps[2].field
    assert field is not None
    assert (field.cell, field.rows) == ((1, 1), (4, 8))  # cells of Detect, which has 8 rows
    assert "receptive field 9x9, step 8" in filtered.maps[2].lines


def test_rows_that_are_not_read_are_hatched_and_said() -> None:
    steps = build_ladder(made(np.zeros((7, 10)), repeat=2))
    assert [one.unread for one in steps.maps] == [(1, 0), (1, 1), (0, 0)]
    assert len(items(steps, Hatch)) == 3
    assert "unread 1x1 (hatched)" in steps.maps[1].lines


def test_more_than_seven_maps_stand_in_two_rows() -> None:
    steps = build_ladder(made(np.arange(512.0 * 512).reshape(512, 512), repeat=7))
    titles = [item for item in items(steps, Text) if item.text.startswith(("Original", "MaxPool"))]
    assert [item.text for item in titles] == ["Original", *(f"MaxPool {i}" for i in range(1, 8))]
    assert len({item.baseline for item in titles}) == 2
    assert titles[0].x == titles[4].x


@pytest.mark.parametrize("fmt", ["png", "svg", "pdf"])
def test_the_same_bytes_every_time(fmt: str) -> None:
    result = made("circle64.png", padding="same", repeat=2)
    assert render(result, fmt) == render(result, fmt)


def test_whoever_does_not_see_it_can_read_it(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(render(made("circle64.png", padding="same", repeat=1)))
    with Image.open(tmp_path / "a.png") as image:
        said = image.info["Description"].splitlines()
    assert said[0].startswith("circle64.png · max 2x2, stride 2, same")
    assert said[1:] == [
        "Original: mean 0.04 · max 1.00 · >0: 156 of 4,096 (3.8 %) · >5 % of max: 3.8 %",
        "MaxPool 1: receptive field 2x2, step 2 · mean 0.10 · max 1.00 · >0: 100 of 1,024 (9.8 %) · >5 % of Original's max: 9.8 %",
    ]


@pytest.mark.parametrize(
    "picture",
    [np.zeros((5, 5)), np.full((1, 1), 3.0), np.ones((3, 40)), np.ones((40, 3)), np.full((6, 6), -2.0)],
)
@pytest.mark.parametrize("settings", [{}, {"kernel": "blur"}, {"output_size": (1, 2)}, {"global_pool": True}])
def test_plain_and_small_maps_can_be_drawn(picture: Any, settings: dict[str, Any]) -> None:
    one = {} if "output_size" in settings or "global_pool" in settings else {"size": 1, "stride": 1, "repeat": 2}
    if settings.get("output_size") and picture.shape == (1, 1):
        one = {"output_size": (1, 1)}
    assert render(made(picture, **(settings | one))).startswith(b"\x89PNG")


def test_the_shared_limit_is_the_first_map_s_unless_the_last_lies_beyond_it() -> None:
    result = made("cat.jpg", kernel="edge")
    assert build_ladder(result).scale == Scale("magma", 0.0, float(np.percentile(result.maps["2-relu"], 99)))
    result = made("cat.jpg", kernel="edge", repeat=4)
    assert build_ladder(result).scale == Scale("magma", 0.0, float(np.percentile(result.maps["6-pool2d"], 95)))
    result = made("cat.jpg", kernel="emboss", relu=False)
    level = float(np.percentile(np.abs(result.maps["1-conv2d"]), 99))
    assert build_ladder(result).scale == Scale("RdBu_r", -level, level)
