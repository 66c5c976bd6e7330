"""The comparison figure: exact pixels and colours, texts in their places, the same bytes everywhere."""

from __future__ import annotations

import dataclasses
import io
import os
import pickle
import subprocess
import sys
import xml.etree.ElementTree as ET
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from figures.made import EDGE, conv, picture, pool, result, stage
from matplotlib import colormaps
from matplotlib.colors import Normalize
from PIL import Image

from poolcli.display import printable
from poolcli.errors import PoolcliError
from poolcli.figures import FORMATS, captions, color_bar, comparison
from poolcli.figures.color_scale import Scale
from poolcli.figures.items import Arrow, PixelBlock, Rectangle, Text
from poolcli.figures.layout import Box
from poolcli.figures.map_drawing import KERNEL_CELL
from poolcli.figures.palettes import FRAME, PALE
from poolcli.figures.panels import panels
from poolcli.figures.text import bitmap, drawable, text_width, wrap
from poolcli.pipeline.recipe import Recipe
from poolcli.pipeline.result import Result

RANDOM = np.random.default_rng(8)
NASTY = "$\\frac{$ <b>&amp; 猫_ \n \x1b[31m \udcff \u202e %s {0}.jpg"

STEP = ((0, 0, 0), (0, 1, 0), (0, -1, 0))


def decoded(png: bytes) -> tuple[np.ndarray, dict[str, str]]:
    with Image.open(io.BytesIO(png)) as image:
        image.load()
        return np.asarray(image), dict(image.text)  # type: ignore[attr-defined]


def coloured(values: np.ndarray, palette: str, low: float, high: float, times: int) -> np.ndarray:
    """A map as Matplotlib colours it, enlarged."""
    rgba = colormaps[palette](Normalize(low, high)(np.asarray(values, np.float32)))
    return np.rint(255 * np.asarray(rgba)[..., :3]).astype(np.uint8).repeat(times, axis=0).repeat(times, axis=1)


def count(figure: np.ndarray, block: np.ndarray) -> int:
    """How often the figure contains exactly this block of pixels."""
    h, w = block.shape[:2]
    rows, cols = figure.shape[0] - h + 1, figure.shape[1] - w + 1
    possible = np.ones((rows, cols), bool)
    for y, x in ((0, 0), (0, w - 1), (h - 1, 0), (h - 1, w - 1), (h // 2, w // 3), (h // 3, w // 2)):
        possible &= (figure[y : y + rows, x : x + cols] == block[y, x]).all(axis=-1)
    return sum((figure[y : y + h, x : x + w] == block).all() for y, x in zip(*possible.nonzero(), strict=True))


def sheet_of(made: Result) -> comparison.Canvas:
    name = captions.short_name(printable(made.source))
    done, seen = (drawable(text) for text in captions.caption(made, name))
    return comparison.draw(panels(made), done, seen)


def within(box: Box, other: Box) -> bool:
    return (
        other.x <= box.x
        and other.y <= box.y
        and box.x + box.width <= other.x + other.width
        and box.y + box.height <= other.y + other.height
    )


def kernels(sheet: comparison.Canvas) -> list[Box]:
    """Cells of kernels."""
    return [item.box for item in sheet.items if isinstance(item, Rectangle) and item.box.height == KERNEL_CELL]


def of_sides(first: int, second: int) -> Result:
    """A filtered map of one size and a condensed map of another, of random values."""
    wide = RANDOM.normal(size=(first, first)).astype(np.float32)
    small = 0.5 * RANDOM.exponential(size=(second, second)).astype(np.float32)
    ratio, field = first / second, -(-first // second)
    stages = (
        stage("conv2d", "Filter", wide, "magnitude"),
        stage("relu", "Detect (ReLU)", np.maximum(wide, 0)),
        stage("pool2d", "Condense (MaxPool)", small, field=(field, field), total=(ratio, ratio)),
    )
    source = stage("input", "Input", RANDOM.random((first, first), np.float32))
    return Result(Recipe(), "random.png", 1, source, stages, small, 1.0, 1.0, None)


class TestPixels:
    @pytest.mark.parametrize(
        ("side", "times"), [(398, 1), (199, 2), (100, 4), (50, 8), (25, 16), (7, 57), (1, 398)], ids=str
    )
    def test_every_value_is_a_square_of_its_colour(self, side: int, times: int) -> None:
        made = of_sides(398, side)
        figure, _ = decoded(comparison.render(made))
        limit = float(np.percentile(np.abs(made.stages[0].display.sample), 99))
        wide, _, small = (np.asarray(s.display.values) for s in made.stages)
        assert count(figure, coloured(made.input.display.values, "gray", 0, 1, 1)) == 1
        assert count(figure, coloured(wide, "RdBu_r", -limit, limit, 1)) == 1
        assert count(figure, coloured(np.maximum(wide, 0), "magma", 0, limit, 1)) == 1
        last = coloured(small, "magma", 0, small.max() if side < 8 else limit, times)
        for part in (last,) if side > 8 else (last[:4], last[-4:]):  # between them are the numbers
            assert count(figure, part) >= 1

    def test_small_maps_are_magnified_alike_and_shown_on_their_full_range(self) -> None:
        made = of_sides(7, 3)
        limit = max(float(np.abs(made.stages[0].display.values).max()), float(made.stages[2].display.values.max()))
        figure, _ = decoded(comparison.render(made))
        for values, palette, low, high, times in (
            (made.input.display.values, "gray", 0, 1, 57),
            (made.stages[0].display.values, "RdBu_r", -limit, limit, 57),
            (made.stages[2].display.values, "magma", 0, made.stages[2].display.values.max(), 133),
        ):
            block = coloured(values, palette, low, high, times)
            assert count(figure, block[:6]) >= 1
            assert count(figure, block[-6:]) >= 1

    def test_gray_levels_of_a_photograph_are_its_own(self) -> None:
        with Image.open(Path(__file__).parents[2] / "sample_images" / "circle128.png") as image:
            levels = np.array(image.convert("L"))
        levels[:, :2] = np.arange(256, dtype=np.uint8).reshape(128, 2)
        figure, _ = decoded(comparison.render(result(levels * np.float32(1 / 255))))
        block = levels.repeat(3, axis=0).repeat(3, axis=1)[..., np.newaxis].repeat(3, axis=2)
        assert count(figure, block) == 1

    def test_a_colour_picture_keeps_its_colours(self) -> None:
        levels = RANDOM.integers(0, 256, (40, 30, 3), np.uint8)
        made = result(levels * np.float32(1 / 255))
        figure, _ = decoded(comparison.render(made))
        assert count(figure, levels.repeat(10, axis=0).repeat(10, axis=1)) == 1
        pooled = pool(levels).repeat(20, axis=0).repeat(20, axis=1)
        assert count(figure, pooled) == 1

    def test_svg_and_pdf_hold_the_same_pixels(self) -> None:
        made = of_sides(60, 30)
        limit = float(np.percentile(np.abs(made.stages[0].display.sample), 99))
        block = coloured(made.stages[0].display.values, "RdBu_r", -limit, limit, 7)
        root = ET.fromstring(comparison.render(made, "svg"))
        link = "{http://www.w3.org/1999/xlink}href"
        pictures = [e.attrib[link].partition(",")[2] for e in root.iter("{http://www.w3.org/2000/svg}image")]
        import base64

        decoded_pictures = [np.asarray(Image.open(io.BytesIO(base64.b64decode(p))).convert("RGB")) for p in pictures]
        assert any(p.shape == block.shape and (p[::-1] == block).all() for p in decoded_pictures) or any(
            p.shape == block.shape and (p == block).all() for p in decoded_pictures
        )


class TestColours:
    def test_same_value_same_colour_in_detect_and_condense(self) -> None:
        cat = picture("cat.jpg")
        _, filtered, detect, condense = panels(result(cat, kernel=EDGE, repeat=3))
        assert detect.scale == condense.scale
        assert detect.scale.low == 0
        assert detect.scale.high == filtered.scale.high
        values = condense.values
        block = detect.scale.colors(values)
        assert (block == coloured(values, "magma", 0, detect.scale.high, 1)).all()

    def test_zero_is_the_middle_in_filter_and_black_in_detect(self) -> None:
        _, filtered, detect, _ = panels(result(np.zeros((8, 8), np.float32), kernel=EDGE))
        zero = np.zeros((1, 1), np.float32)
        assert filtered.scale.palette == "RdBu_r"
        assert tuple(filtered.scale.colors(zero)[0, 0]) == tuple(round(255 * c) for c in colormaps["RdBu_r"](0.5)[:3])
        assert tuple(detect.scale.colors(zero)[0, 0]) == (0, 0, 4)
        for level in (1e-6, 1.0, 3.7e5):
            assert (Scale("RdBu_r", -level, level).colors(zero) == filtered.scale.colors(zero)).all()

    @pytest.mark.parametrize("palette", ["gray", "magma", "RdBu_r"])
    def test_colours_are_those_of_matplotlib(self, palette: str) -> None:
        values = RANDOM.normal(size=(50, 60)).astype(np.float32)
        values[0, :4] = -1.25, 1.25, np.inf, -np.inf
        assert (Scale(palette, -1.25, 1.25).colors(values) == coloured(values, palette, -1.25, 1.25, 1)).all()

    def test_pooled_brightness_keeps_the_grays_of_the_input(self) -> None:
        source, condense = panels(result(picture("cat.jpg"), repeat=2))
        assert source.scale == condense.scale == Scale("gray", 0, 1)
        source, condense = panels(result(picture("cat.jpg") * 255, scale=1.0))
        assert source.scale == condense.scale == Scale("gray", 0, 255)

    def test_maps_that_outgrow_the_input_have_their_own_scale(self) -> None:
        source, condense = panels(result(picture("cat.jpg"), kind="sum"))
        assert source.scale == Scale("gray", 0, 1)
        assert condense.scale == Scale("gray", 0, condense.stage.max)
        heights = 300 * picture("cat.jpg") - 100
        source, condense = panels(result(heights, white=1.0, scale=1.0))
        assert source.scale == condense.scale == Scale("gray", source.stage.min, source.stage.max)
        source, condense = panels(result(heights, white=1.0, scale=1.0, kind="sum"))
        assert condense.scale.palette == "RdBu_r"
        assert condense.scale.low == -condense.scale.high

    def test_a_filter_without_relu_keeps_the_diverging_palette(self) -> None:
        _, filtered, condense = panels(result(picture("cat.jpg"), kernel=EDGE, relu=False, kind="min"))
        assert condense.scale == filtered.scale

    def test_sparse_and_empty_maps_have_limits(self) -> None:
        dot = np.zeros((100, 100), np.float32)
        dot[50, 50] = 0.5
        made = result(dot, kernel=EDGE)
        assert panels(made)[1].scale.high == 4.0
        assert panels(result(np.zeros((9, 9), np.float32), kernel=EDGE))[1].scale.high == 1.0

    def test_channels_become_one_after_the_filter_and_the_caption_says_how(self) -> None:
        made = result(picture("coffee.jpg", "RGB"), kernel=EDGE)
        source, filtered, detect, _ = panels(made)
        values = np.asarray(made.stages[0].display.values)
        np.testing.assert_array_equal(source.values, made.input.display.values)
        assert source.scale == Scale("rgb", 0, 1)
        np.testing.assert_array_equal(np.abs(filtered.values), np.abs(values).max(axis=2))
        assert (filtered.values < 0).any()
        np.testing.assert_array_equal(detect.values, np.asarray(made.stages[1].display.values).max(axis=2))
        _, text = decoded(comparison.render(made))
        assert "3 channels shown as their largest magnitude (Filter, Detect, Condense)" in text["Description"]

    def test_what_lies_beyond_the_scale_is_told(self) -> None:
        texts = [item.text for item in sheet_of(of_sides(398, 199)).items if isinstance(item, Text)]
        assert "1.0 % beyond scale" in texts
        texts = [item.text for item in sheet_of(result(picture("cat.jpg"))).items if isinstance(item, Text)]
        assert not any("beyond" in text for text in texts)


class TestWords:
    def test_panels_are_the_steps_that_there_are(self) -> None:
        cat = picture("cat.jpg")

        def titles(made: Result) -> list[str]:
            return [panel.title for panel in panels(made)]

        assert titles(result(cat, kernel=EDGE)) == ["Input", "Filter", "Detect (ReLU)", "Condense (MaxPool)"]
        assert titles(result(cat)) == ["Input", "Condense (MaxPool)"]
        assert titles(result(cat, relu=True, repeat=3)) == ["Input", "Detect (ReLU)", "Condense (MaxPool ×3)"]
        assert titles(result(cat, kernel=EDGE, relu=False)) == ["Input", "Filter", "Condense (MaxPool)"]
        blocks = result(cat, kernel=EDGE, blocks=2, repeat=2)
        assert titles(blocks) == ["Input", "Filter", "Detect (ReLU)", "Condense (MaxPool ×2)"]
        shown = panels(blocks)
        assert shown[1].scale.high == shown[2].scale.high != shown[3].scale.high, "a later filter has its own limit"
        assert [panel.stage for panel in shown[1:]] == [blocks.stages[0], blocks.stages[1], blocks.stages[-1]]
        assert titles(dataclasses.replace(blocks, stages=())) == ["Input"]

    def test_the_caption_tells_what_was_done(self) -> None:
        cat = picture("cat.jpg")
        assert captions.caption(result(cat, kernel=EDGE), "cat.jpg") == (
            "cat.jpg · edge 3x3, same, cross-correlation → ReLU → max 2x2, stride 2, valid (pad 0,0/0,0)",
            "receptive field of an output value: 4x4 input pixels, step 2",
        )
        done, seen = captions.caption(result(cat, repeat=3), "cat.jpg")
        assert done == "cat.jpg · max 2x2, stride 2, valid (pad 0,0/0,0), 3 times"
        assert seen == "receptive field of an output value: 8x8 input pixels, step 8"
        done, _ = captions.caption(result(cat, kernel=EDGE, blocks=2), "cat.jpg")
        assert done.startswith("cat.jpg · 2 times (edge 3x3, same, cross-correlation → ReLU → max 2x2, ")

    def test_numbers_under_a_panel(self) -> None:
        source, _, detect, _ = panels(result(picture("cat.jpg"), kernel=EDGE))
        assert source.lines[0] == "300x451 · min 0.01 · max 0.76 · mean 0.47"
        assert source.lines[1] == "shown at 1/2 (block mean)"
        assert detect.lines[1] == ">0: 51 % · >5 % of max: 14 %"

    @pytest.mark.parametrize("mean", [-0.001, -0.0])
    def test_no_negative_zero(self, mean: float) -> None:
        made = result(picture("circle64.png"), kernel=EDGE)
        numbers = dataclasses.replace(made.stages[0].statistics, mean=mean)
        stages = (dataclasses.replace(made.stages[0], statistics=numbers), *made.stages[1:])
        _, text = decoded(comparison.render(dataclasses.replace(made, stages=stages)))
        assert "mean 0.00" in text["Description"]
        assert "-0.00" not in text["Description"]
        assert "−0.00" not in text["Description"]

    def test_without_statistics_the_display_speaks(self) -> None:
        made = result(picture("circle64.png"), kernel=EDGE)
        bare = tuple(dataclasses.replace(s, statistics=None) for s in made.stages)
        _, text = decoded(comparison.render(dataclasses.replace(made, stages=bare)))
        assert "Filter: 64x64 · min −3.00 · max 6.00\n" in text["Description"]

    @pytest.mark.parametrize(
        "made",
        [
            result(picture("cat.jpg"), kernel=EDGE),
            result(picture("cat.jpg"), NASTY * 3, kernel=EDGE, blocks=3),
            result(picture("truck.png"), "truck" * 40, repeat=2),
            result(picture("coffee.jpg", "RGB"), kernel=EDGE),
            result(RANDOM.random((1000, 16), np.float32), kernel=EDGE),
            result(RANDOM.random((16, 1000), np.float32), NASTY),
            result(1e7 * RANDOM.normal(size=(1000, 3)).astype(np.float32), kernel=EDGE, white=1, scale=1.0),
            result(picture("circle64.png"), kernel=EDGE, repeat=4),
            result(RANDOM.integers(0, 256, (9, 1)).astype(np.float32), kernel=STEP, size=1, scale=1.0),
        ],
        ids=["photo", "nasty", "long", "channels", "tall", "strip", "millions", "circle", "narrow"],
    )
    def test_texts_stay_on_the_sheet_and_clear_of_each_other(self, made: Result) -> None:
        made = dataclasses.replace(made, notes=("frames=20, using 1", "a note that is rather long " * 9))
        sheet = sheet_of(made)
        boxes, pictures = [], [item.box for item in sheet.items if isinstance(item, PixelBlock)]
        for item in sheet.items:
            if isinstance(item, Text):
                ink, left, top = bitmap(item.text, item.size, item.bold)
                left, top = item.left + left, item.baseline + top
                box = Box(left, top, ink.shape[1], ink.shape[0])
            elif isinstance(item, PixelBlock | Rectangle) or (isinstance(item, Arrow) and item.color == FRAME):
                box = item.box
            else:
                continue
            if isinstance(item, Rectangle) and item.color != PALE:
                continue
            if isinstance(item, PixelBlock) or not any(within(box, other) for other in (*pictures, *kernels(sheet))):
                boxes.append((box.x, box.y, box.x + box.width, box.y + box.height))
        assert all(a >= 0 and b >= 0 and c <= sheet.width and d <= sheet.height for a, b, c, d in boxes)
        assert sum(isinstance(item, Text) and item.size == comparison.BODY for item in sheet.items) < 30
        for (a, b, c, d), (e, f, g, h) in combinations(boxes, 2):
            assert c <= e or g <= a or d <= f or h <= b
        assert sheet.pixels().shape == (sheet.height, sheet.width, 3)


class TestShapes:
    @pytest.mark.parametrize("kernel", [None, EDGE], ids=["plain", "filter"])
    @pytest.mark.parametrize(
        "values",
        [
            np.zeros((40, 30), np.float32),
            np.full((40, 30), 0.4, np.float32),
            np.full((1, 1), 0.4, np.float32),
            RANDOM.random((1, 50), np.float32),
            RANDOM.random((50, 1), np.float32),
            RANDOM.random((4, 4), np.float32),
            np.full((30, 30), -5, np.float32),
            np.full((30, 30), 3e38, np.float32) * RANDOM.choice([-1, 1], (30, 30)).astype(np.float32),
            np.full((30, 30), 1e-40, np.float32),
        ],
        ids=["zero", "constant", "1x1", "1xN", "Nx1", "4x4", "negative", "enormous", "denormal"],
    )
    def test_every_shape_and_value_is_drawn(self, values: np.ndarray, kernel: object) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            made = result(values, kernel=kernel, size=1)
        figure, text = decoded(comparison.render(made))
        assert min(figure.shape[:2]) > 150
        assert text["Description"].count("\n") == len(panels(made))

    def test_nan_and_infinity_are_drawn(self) -> None:
        values = RANDOM.random((20, 20), np.float32)
        values[3, 3], values[4, 4], values[5, 5] = np.nan, np.inf, -np.inf
        with np.errstate(invalid="ignore"):
            made = result(values, kernel=EDGE)
        decoded(comparison.render(made))

    def test_a_large_picture_is_shown_reduced(self) -> None:
        wave = np.sin(np.arange(3000, dtype=np.float32)[:, np.newaxis] / 40) * np.ones((1, 5000), np.float32)
        _, text = decoded(comparison.render(result(wave, "wave.npy", white=1, scale=1.0)))
        assert "3000x5000 · min −1.00 · max 1.00 · mean 0.00 · shown at 1/13 (block mean)" in text["Description"]

    @pytest.mark.parametrize("fmt", FORMATS)
    def test_names_are_text_and_nothing_else(self, fmt: str) -> None:
        made = result(picture("circle64.png"), NASTY, kernel=EDGE)
        data = comparison.render(made, fmt)
        assert data == comparison.render(made, fmt)
        if fmt == "png":
            assert r"$\frac{$ <b>&amp; 猫_…f \u202e %s {0}.jpg · edge" in decoded(data)[1]["Description"]

    def test_unknown_format_and_missing_display_are_refused(self) -> None:
        made = result(picture("circle64.png"))
        with pytest.raises(ValueError, match="unknown figure format 'gif'; known: png, svg, pdf"):
            comparison.render(made, "gif")
        bare = tuple(dataclasses.replace(s, display=None) for s in made.stages)
        with pytest.raises(ValueError, match="has no display"):
            comparison.render(dataclasses.replace(made, stages=bare))


class TestFiles:
    @pytest.mark.parametrize("fmt", FORMATS)
    def test_same_call_same_bytes(self, fmt: str) -> None:
        made = result(picture("circle64.png"), kernel=EDGE)
        assert comparison.render(made, fmt) == comparison.render(made, fmt)

    def test_png_says_who_made_it_and_what_it_shows(self) -> None:
        _, text = decoded(comparison.render(result(picture("cat.jpg"), kernel=EDGE)))
        assert text["Software"].startswith("poolcli ")
        assert "cat.jpg · edge 3x3" in text["Description"]
        assert "Condense (MaxPool): 150x225 · min 0.00 · max 2.74" in text["Description"]

    def test_svg_stands_alone(self) -> None:
        data = comparison.render(result(picture("circle64.png"), NASTY, kernel=EDGE), "svg")
        root = ET.fromstring(data)
        links = [v for e in root.iter() for k, v in e.attrib.items() if k.endswith("href")]
        assert links
        assert all(link.startswith(("data:image/png;base64,", "#")) for link in links)
        assert not list(root.iter("{http://www.w3.org/2000/svg}text")), "outlines need no font"
        assert b"<dc:date>" not in data

    def test_pdf_is_one(self) -> None:
        data = comparison.render(result(picture("circle64.png"), kernel=EDGE), "pdf")
        assert data.startswith(b"%PDF")
        assert b"CreationDate" not in data


HOSTILE = """
text.usetex: True
text.color: red
text.hinting: none
font.family: fantasy
font.size: 50
savefig.bbox: tight
savefig.dpi: 300
savefig.transparent: True
figure.dpi: 20
figure.facecolor: black
figure.autolayout: True
image.interpolation: bicubic
image.lut: 4
image.cmap: jet
svg.fonttype: none
svg.image_inline: False
svg.hashsalt: other
pdf.compression: 0
pdf.fonttype: 42
axes.unicode_minus: False
patch.linewidth: 9
toolbar: nonsense
no.such.key: 1
backend: nonsense
"""

ALONE = """
import os, pickle, sys
assert "poolcli" not in sys.modules
import poolcli.figures.comparison as comparison
assert "matplotlib" not in sys.modules
made = pickle.load(open(sys.argv[1], "rb"))
for fmt in sys.argv[2:]:
    open(f"figure.{fmt}", "wb").write(comparison.render(made, fmt))
    if fmt == "png":
        assert "matplotlib" not in sys.modules
assert "matplotlib.pyplot" not in sys.modules
assert os.environ.get("MPLBACKEND") == "bogus"
"""


def alone(folder: Path, made: Result, *formats: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Draw in a new process and a new folder."""
    pickled = folder / "result.pickle"
    pickled.write_bytes(pickle.dumps(made))
    root = Path(__file__).parents[2]
    keep = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "XDG_CACHE_HOME")}
    keep |= {"PYTHONPATH": str(root), "MPLBACKEND": "bogus", "HOME": "/proc", **environment}
    command = [sys.executable, "-c", ALONE, str(pickled), *formats]
    return subprocess.run(command, cwd=folder, env=keep, capture_output=True, text=True, check=False, timeout=60)


class TestEnvironment:
    def test_nothing_around_changes_a_byte(self, tmp_path: Path) -> None:
        made = result(picture("circle64.png"), kernel=EDGE)
        (tmp_path / "matplotlibrc").write_text(HOSTILE)
        done = alone(tmp_path, made, *FORMATS, MPLCONFIGDIR="/proc/none", SOURCE_DATE_EPOCH="1")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        for fmt in FORMATS:
            assert (tmp_path / f"figure.{fmt}").read_bytes() == comparison.render(made, fmt), fmt

    def test_rc_settings_of_this_process_change_nothing(self) -> None:
        import matplotlib

        made = result(picture("circle64.png"), kernel=EDGE)
        expected = [comparison.render(made, fmt) for fmt in FORMATS]
        with matplotlib.rc_context({"figure.dpi": 33, "savefig.dpi": 300, "savefig.bbox": "tight", "font.size": 40}):
            before = dict(matplotlib.rcParams)
            assert [comparison.render(made, fmt) for fmt in FORMATS] == expected
            assert dict(matplotlib.rcParams) == before

    def test_an_unreadable_matplotlibrc_is_one_line(self, tmp_path: Path) -> None:
        (tmp_path / "matplotlibrc").write_bytes(b"\xff\xfe\x00")
        done = alone(tmp_path, result(picture("circle64.png")), "png", "svg")
        last = done.stderr.splitlines()[-1]
        assert last.startswith(
            f"{PoolcliError.__module__}.PoolcliError: cannot draw a figure: Matplotlib does not load"
        )

    @pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's own numbers")
    def test_sixty_figures_leave_no_memory_behind(self) -> None:
        def resident() -> int:
            return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

        made = result(picture("car.jpg"), kernel=EDGE)
        for fmt in FORMATS:
            comparison.render(made, fmt)
        before = resident()
        for i in range(60):
            comparison.render(made, FORMATS[max(0, i - 49) % 3])
        assert resident() - before < 30 * 2**20


def test_the_engine_of_these_tests_is_what_it_says() -> None:
    square = np.arange(16, dtype=np.float32).reshape(4, 4)
    assert (pool(square) == [[5, 7], [13, 15]]).all()
    assert conv(square)[1, 1] == 0


@pytest.mark.parametrize("exponent", [-20, -3, 0, 3, 30])
@pytest.mark.parametrize("lowest", [-3.2, -1.0, 0.0])
def test_labels_of_a_colour_bar_do_not_touch(exponent, lowest):
    scale = Scale("gray", lowest * 10.0**exponent, 3.2 * 10.0**exponent)
    labels = color_bar._labels(scale)
    assert len(labels) >= 2
    places = [(value - scale.low) / (scale.high - scale.low) * (color_bar.LENGTH - 1) for value, _ in labels]
    widths = [text_width(label, color_bar.SMALL) for _, label in labels]
    for left, right, one, two in zip(places, places[1:], widths, widths[1:], strict=False):
        assert right - left >= (one + two) / 2 + 4


def test_a_caption_breaks_between_its_parts():
    line = "60x80 · min −3.41e−20 · max 3.48e−20 · mean 2.22e−22"
    width = text_width("60x80 · min −3.41e−20 · max 3.48e−20 · mean", comparison.BODY)
    assert wrap(line, comparison.BODY, width, 3, apart=" · ") == [
        "60x80 · min −3.41e−20 · max 3.48e−20", "mean 2.22e−22",
    ]  # fmt: skip
