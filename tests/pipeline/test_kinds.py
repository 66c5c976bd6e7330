"""Several kinds of pooling on one picture: their numbers, recipes and differences."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from poolcli.errors import OptionError, SizeError
from poolcli.images.read import from_array, read
from poolcli.ops.pools import POOLS
from poolcli.pipeline.engine import execute, reading
from poolcli.pipeline.kinds import compare, kinds_value, recipes_of, spread

CAT = Path(__file__).parents[2] / "sample_images/cat.jpg"
FOUR = ["max", "average", "min", "subsample"]


def compared(kinds, picture=CAT, panel=0, **settings):
    recipes = recipes_of(kinds, settings)
    options = reading(recipes[0])
    source = read(str(picture), **options) if isinstance(picture, Path) else from_array(picture, **options)
    return compare(source, recipes, panel=panel)


@pytest.mark.parametrize(
    ("settings", "source", "means", "largest"),
    [
        ({}, 0.4686, [0.4895, 0.4685, 0.4472, 0.4681], 0.248),
        ({"kernel": "edge"}, 0.0720, [0.1591, 0.0688, 0.0048, 0.0695], 1.516),
    ],
)
def test_the_cat(settings, source, means, largest):
    found = compared(FOUR, **settings)
    assert round(found.source.mean, 4) == source
    assert [round(kind.stage.mean, 4) for kind in found.kinds] == means
    assert round(found.kinds[1].difference.largest, 3) == largest
    assert found.kinds[0].difference is None


def test_deviations_and_differences_are_those_of_numpy():
    with Image.open(CAT) as image:
        gray = np.asarray(image.convert("L"), np.float64) / 255
    cells = gray[:300, :450].reshape(150, 2, 225, 2)
    found = compared(FOUR)
    by_hand = [cells.max((1, 3)), cells.mean((1, 3)), cells.min((1, 3)), cells[:, 0, :, 0]]
    assert found.source_std == pytest.approx(gray.std(), rel=1e-6)
    for kind, values in zip(found.kinds, by_hand, strict=True):
        assert kind.std == pytest.approx(values.std(), rel=1e-6)
    for kind, values in zip(found.kinds[1:], by_hand[1:], strict=True):
        apart = values - by_hand[0]
        assert kind.difference.mean == pytest.approx(np.abs(apart).mean(), rel=1e-5)
        assert kind.difference.largest == pytest.approx(np.abs(apart).max(), rel=1e-5)
        assert kind.difference.stage.mean == pytest.approx(apart.mean(), rel=1e-5)


def test_every_kind_is_what_run_makes_of_it():
    settings = {"kernel": "blur", "size": 3, "stride": 2, "padding": 1, "repeat": 2, "blocks": 2, "p": 3, "q": 20}
    found = compared(list(POOLS), **settings)
    assert [kind.name for kind in found.kinds] == list(POOLS)
    for kind, recipe in zip(found.kinds, recipes_of(list(POOLS), settings), strict=True):
        alone = execute(read(str(CAT), **reading(recipe)), recipe)
        np.testing.assert_array_equal(kind.result.output, alone.output)
        assert kind.result.recipe == recipe
        assert kind.result.raw_maps == {}
    assert found.source.title == "Detect (ReLU)"
    assert found.source.shape == (300, 451)


def test_every_channel_counts():
    picture = np.random.default_rng(2).random((6, 8, 3)).astype(np.float32)
    found = compared(["min", "max"], picture, channels="each", panel=600)
    cells = picture.reshape(3, 2, 4, 2, 3)
    apart = cells.max((1, 3)) - cells.min((1, 3))
    assert found.kinds[1].difference.largest == pytest.approx(apart.max())
    assert found.source_std == pytest.approx(picture.astype(np.float64).std())
    np.testing.assert_array_equal(found.kinds[1].difference.stage.display.values, apart)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_spread_of_many_rows(dtype):
    values = (np.random.default_rng(1).random((700, 9)) * 200).astype(dtype)
    assert spread(values, 0.5) == pytest.approx(values.astype(np.float64).std() / 2)


def test_a_parameter_goes_to_the_kinds_that_have_it():
    lp, percentile, average = recipes_of(
        ["lp", "percentile", "avg"], {"p": 3.0, "count_include_pad": True, "padding": 1}
    )
    assert lp.stages[-1].named == {"p": 3.0}
    assert percentile.stages[-1].named == {}
    assert average.stages[-1].count_include_pad


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"p": 3.0}, "p belongs to lp and gem: add one of them to the pools, or leave it out"),
        ({"q": 3.0}, "q belongs to percentile: add it to the pools, or leave it out"),
        ({"count_include_pad": True}, "count include pad belongs to average: add it to the pools, or leave it out"),
    ],
)
def test_a_parameter_of_none_of_them_is_refused(settings, said):
    with pytest.raises(OptionError, match=f"^{said}$"):
        recipes_of(["max", "min"], settings)


def test_a_window_that_does_not_fit_is_said_with_the_kind():
    with pytest.raises(SizeError, match=r"^max: .*window"):
        compare(from_array(np.zeros((2, 2))), recipes_of(["max", "min"], {"size": 3}))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("max", "name two or more"),
        ("", "one of max, min"),
        ("max,", "one of max, min"),
        ("max,mux", "mux"),
        ("max,avg,mean", "average is named twice"),
        ("max;min", "did you mean 'min'"),
    ],
)
def test_wrong_lists_of_kinds(text, said):
    with pytest.raises(OptionError, match=said):
        kinds_value(text)


def test_lists_of_kinds_in_any_case_with_spaces():
    assert kinds_value(" Max , AVG,subsample") == ["max", "average", "subsample"]
