"""Values beyond those of float32, which figures are drawn with: no warning of numpy reaches the user."""

import numpy as np
import pytest

from poolcli.pipeline.engine import execute, read_picture
from poolcli.pipeline.kinds import compare, recipes_of
from poolcli.pipeline.options import recipe


@pytest.fixture
def picture():
    return read_picture(np.random.default_rng(3).normal(size=(40, 30)) * 1e300, recipe())


@pytest.mark.parametrize("kernel", [None, "sobel-left"])
@pytest.mark.parametrize("kind", ["comparison", "ladder"])
def test_the_figures_of_a_run(picture, kind, kernel):
    import importlib

    result = execute(picture, recipe(kernel=kernel, repeat=2), panel=600, every_map=True)
    assert importlib.import_module(f"poolcli.figures.{kind}").render(result, "png").startswith(b"\x89PNG")


@pytest.mark.parametrize("kernel", [None, "sobel-left"])
def test_the_preview_and_the_pictures_of_stages(picture, kernel):
    from poolcli.artifacts import KINDS, PixelOptions, artifact
    from poolcli.figures.terminal import preview

    result = execute(picture, recipe(kernel=kernel, repeat=2), panel=600, keep_maps=True)
    assert preview(result, 40, 20, "256")
    stages = artifact("stages", "maps")
    assert len(KINDS["stages"].encode(result, stages, PixelOptions())) == len(stages.files(result.recipe))


@pytest.mark.parametrize("kernel", [None, "sobel-left"])
def test_the_figure_of_kinds(picture, kernel):
    from poolcli.figures.kind_comparison import render

    found = compare(picture, recipes_of(["max", "average", "range"], {"kernel": kernel}), panel=600)
    assert render(found, "png").startswith(b"\x89PNG")


@pytest.mark.parametrize("kernel", [None, "sobel-left"])
def test_the_figure_of_shifts(picture, kernel):
    from poolcli.cli.invariance_figure import figure_bytes
    from poolcli.experiments.invariance import leveled_recipes, measure

    recipes = leveled_recipes(["max", "sum"], {"kernel": kernel}, 2)
    found = measure(picture, None, recipes, max_shift=1, fill=None, panel=600)
    assert figure_bytes(found, "9 shifts", "png").startswith(b"\x89PNG")
