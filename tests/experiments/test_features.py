"""Features of pictures against plain numpy, laws and known numbers."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import poolcli
from poolcli.errors import OptionError, PoolcliError, SizeError
from poolcli.experiments.features import cosine_matrix, extraction
from poolcli.experiments.pyramid import levels_value
from poolcli.images.read import from_array
from poolcli.ops.banks import BANKS

DEFAULT = BANKS["default"]
SAMPLES = Path(__file__).parents[2] / "sample_images"
RNG = np.random.default_rng(14)
GRAY = RNG.integers(0, 256, (37, 53), np.uint8)


def features(array, options=None, bank=None, **how):
    made = extraction(options or {}, bank, **how)
    picture = from_array(array, **made.reading())
    vector = made.vector(picture)
    return dict(zip(made.columns(len(vector)), vector, strict=True))


def filtered(cells, kernel):
    """Zero-padded cross-correlation of the same size, exactly, of whole weights on integers."""
    rows = np.array(kernel.rows).astype(np.int64)
    (h, w), (height, width) = cells.shape, rows.shape
    padded = np.pad(cells.astype(np.int64), [((n - 1) // 2, n - 1 - (n - 1) // 2) for n in rows.shape])
    out = np.zeros((h, w), np.int64)
    for i in range(height):
        for j in range(width):
            out += rows[i, j] * padded[i : i + h, j : j + w]
    return out


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_feature_is_the_exact_mean_of_its_map(dtype):
    cells = GRAY.astype(dtype) * dtype(1 if dtype == np.uint8 else 257)
    found = features(cells, bank=DEFAULT)
    white = np.iinfo(dtype).max
    assert list(found) == list(DEFAULT.kernels)
    for name, kernel in DEFAULT.kernels.items():
        total = int(np.maximum(filtered(cells, kernel), 0).sum())
        exact = np.float64(total) / cells.size / white / kernel.divisor
        np.testing.assert_allclose(found[name], exact, rtol=2**-24, atol=0, err_msg=name)


def test_the_largest_value_of_a_map():
    found = features(GRAY, bank=DEFAULT, kinds=("max",))
    for name, kernel in DEFAULT.kernels.items():
        exact = max(0, filtered(GRAY, kernel).max()) / 255 / kernel.divisor
        np.testing.assert_allclose(found[name], exact, rtol=2**-23, err_msg=name)


def test_without_relu_negative_values_count():
    found = features(GRAY, {"relu": False}, bank=BANKS["sobel"])
    for name, kernel in BANKS["sobel"].kernels.items():
        np.testing.assert_allclose(found[name], filtered(GRAY, kernel).mean() / 255, rtol=1e-6, err_msg=name)


def test_the_eight_maps_of_the_lesson():
    found = features((np.arange(200).reshape(8, 5, 5) / 199).astype(np.float32), {"layout": "planes"})
    assert list(found) == [f"input.{i}" for i in range(8)]
    np.testing.assert_array_equal(
        np.round([*found.values()], 4), np.float32([0.0603, 0.1859, 0.3116, 0.4372, 0.5628, 0.6884, 0.8141, 0.9397])
    )


def test_a_feature_is_what_run_makes_of_the_same_recipe():
    """The default bank by the engine: filter, ReLU, pooling and global pooling of one recipe."""
    options = {"pool": "max", "size": 3, "conv_padding": "valid"}
    found = features(GRAY, options, bank=DEFAULT, kinds=("average", "max"))
    for name, kernel in DEFAULT.kernels.items():
        recipe = poolcli.recipe(kernel=kernel.weights, **options)
        last = poolcli.run(GRAY, recipe).output.astype(np.float64)
        np.testing.assert_allclose(found[f"{name}.average"], last.mean(), rtol=2e-6, err_msg=name)
        np.testing.assert_allclose(found[f"{name}.max"], last.max(), rtol=2e-6, err_msg=name)


def test_the_pyramid_is_adaptive_pooling_of_the_map():
    kinds = ("average", "max")
    found = features(GRAY, bank=BANKS["lesson"], kinds=kinds, levels=(1, 2, 4))
    assert len(found) == 5 * 2 * (1 + 4 + 16)
    for name, kernel in BANKS["lesson"].kernels.items():
        kept = np.maximum(filtered(GRAY, kernel), 0) / 255 / kernel.divisor
        for n in (1, 2, 4):
            for kind in kinds:
                cells = poolcli.adaptive_pool2d(kept, (n, n), kind)
                for row in range(n):
                    for col in range(n):
                        value = found[f"{name}.{n}x{n}.{row}.{col}.{kind}"]
                        np.testing.assert_allclose(value, cells[row, col], rtol=1e-6, atol=1e-9)


def test_columns_are_in_the_banks_order_then_channel_cell_and_kind():
    color = RNG.integers(0, 256, (9, 8, 3), np.uint8)
    found = features(color, {"channels": "each"}, bank=BANKS["lesson"], kinds=("average", "max"), levels=(1, 2))
    assert list(found)[:4] == ["edge.0.1x1.0.0.average", "edge.0.1x1.0.0.max", "edge.0.2x2.0.0.average", "edge.0.2x2.0.0.max"]  # fmt: skip
    assert list(found)[10:11] == ["edge.1.1x1.0.0.average"]
    for channel in range(3):
        alone = features(color[..., channel], bank=BANKS["lesson"])
        both = features(color, {"channels": "each"}, bank=BANKS["lesson"])
        assert [both[f"{name}.{channel}"] for name in alone] == [*alone.values()]


def test_a_recipe_keeps_its_own_filter_and_pooling():
    found = features(GRAY, {"recipe": "kaggle-exercise"})
    last = poolcli.run(GRAY, poolcli.recipe(recipe="kaggle-exercise")).output
    assert list(found) == ["emboss"]
    np.testing.assert_allclose(found["emboss"], last.astype(np.float64).mean(), rtol=1e-6)


def test_a_bank_takes_the_place_of_a_recipes_kernel_and_goes_before_one_that_has_none():
    exercise = features(GRAY, {"recipe": "kaggle-exercise"}, bank=BANKS["lesson"])
    assert exercise["emboss"] == features(GRAY, {"recipe": "kaggle-exercise"})["emboss"]
    pools = {"stages": [{"op": "pool2d", "kind": "max"}]}
    np.testing.assert_allclose(
        features(GRAY, {"recipe": pools}, bank=BANKS["lesson"])["edge"],
        features(GRAY, {"pool": "max"}, bank=BANKS["lesson"])["edge"],
    )


def test_turned_pictures_swap_the_turned_kernels():
    found, turned = (features(cells, bank=DEFAULT) for cells in (GRAY, GRAY[:, ::-1]))
    for left, right in (("left", "right"), ("top-left", "top-right"), ("bottom-right", "bottom-left")):
        assert found[f"sobel-{left}"] == turned[f"sobel-{right}"]
    assert found["gabor-4-45"] == turned["gabor-4-135"]
    assert found["edge"] == turned["edge"]


def test_range_changes_the_unit_alone():
    unit, byte, raw = (features(GRAY, {"range": name}, bank=DEFAULT) for name in ("unit", "byte", "raw"))
    np.testing.assert_allclose([*byte.values()], 255 * np.float64([*unit.values()]), rtol=1e-6)
    assert byte == raw


def test_floats_are_within_their_rounding_of_the_exact_mean():
    cells = RNG.random((40, 61)).astype(np.float32)
    found = features(cells, bank=DEFAULT)
    for name, kernel in DEFAULT.kernels.items():
        rows = np.array(kernel.rows)
        pads = [((n - 1) // 2, n - 1 - (n - 1) // 2) for n in rows.shape]
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(cells.astype(np.float64), pads), rows.shape)
        exact = np.maximum(np.einsum("ijkl,kl->ij", windows, rows), 0).mean() / kernel.divisor
        np.testing.assert_allclose(found[name], exact, rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("kind", ["gem", "lse", "soft", "stochastic", "mixed", "lp", "std", "median"])
def test_every_kind_of_pooling_between_gives_what_run_gives(kind):
    options = {"pool": kind, "kernel": "emboss", "size": 3}
    last = poolcli.run(GRAY, poolcli.recipe(**options)).output.astype(np.float64)
    np.testing.assert_allclose(features(GRAY, options)["emboss"], last.mean(), rtol=1e-6)


def test_parameters_of_zero_count():
    options = {"pool": "stochastic", "kernel": "emboss"}
    assert features(GRAY, {**options, "seed": 0}) == features(GRAY, options)
    assert features(GRAY, {**options, "seed": 1}) != features(GRAY, options)
    found = features(np.float32([[0, 4], [2, 0]]), {"nodata": 0})
    assert found == {"input": 3}


def test_missing_cells_are_left_out_where_nothing_filters_and_refused_where_a_kernel_does():
    cells = np.float32([[1, np.nan], [3, 5]])
    assert features(cells, {"nan": "ignore"}, kinds=("average", "max")) == {"input.average": 3, "input.max": 5}
    with pytest.raises(PoolcliError, match=r"NaN|missing"):
        features(cells, {"nan": "ignore"}, bank=DEFAULT)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"size": 3}, "size without a pooling step: add pool"),
        ({"global_pool": True, "stride": 2}, "stride, global pool without a pooling step"),
        ({"conv_stride": 2}, "conv stride without a kernel"),
        ({"pool": "maximum"}, "maximum"),
    ],
)
def test_wrong_settings_are_refused(options, said):
    with pytest.raises(OptionError, match=said):
        extraction(options)


def test_kernel_and_bank_exclude_each_other():
    with pytest.raises(OptionError, match="kernel and bank exclude each other"):
        extraction({"kernel": "edge"}, BANKS["lesson"])


@pytest.mark.parametrize("text", ["", "0", "1,1", "65", "a", "1,-2", "2.5", "1;2"])
def test_wrong_pyramids_are_refused(text):
    with pytest.raises(OptionError, match=r"pyramid .*: write different whole numbers from 1 to 64"):
        levels_value(text)


def test_a_window_that_does_not_fit_is_told():
    with pytest.raises(SizeError, match="filter: "):
        features(GRAY[:2, :2], {"conv_padding": "valid"}, bank=DEFAULT)


def test_cosines_are_those_of_numpy_and_have_none_for_zero():
    rows = RNG.normal(size=(4, 6)).astype(np.float32)
    rows[2] = 0
    found = cosine_matrix(rows)
    for i in range(4):
        for j in range(4):
            a, b = rows[i].astype(np.float64), rows[j].astype(np.float64)
            if 2 in (i, j):
                assert np.isnan(found[i, j])
            else:
                np.testing.assert_allclose(found[i, j], a @ b / np.linalg.norm(a) / np.linalg.norm(b), atol=1e-12)
    assert cosine_matrix(np.float32([[1e38, 1e38], [1e38, 1e38]]))[0, 1] == pytest.approx(1)


def test_a_shifted_crop_changes_the_vector_less_than_another_object_does():
    """The table of the README, recomputed."""
    pictures = {}
    for name in ("car.jpg", "truck.png", "cat.jpg", "coffee.jpg"):
        with Image.open(SAMPLES / name) as image:
            pictures[name] = np.asarray(image.convert("L"))

    def cut(cells, down, right):
        height, width = cells.shape
        return [*features(cells[8 + down : height - 8 + down, 8 + right : width - 8 + right], bank=DEFAULT).values()]

    still = {name: np.array(cut(cells, 0, 0)) for name, cells in pictures.items()}
    top = np.max([*still.values()], axis=0)

    def far(one, other):
        return np.linalg.norm((one - other) / top) / np.linalg.norm(one / top)

    rows = (Path(__file__).parents[2] / "README.md").read_text("utf-8").splitlines()
    for name, cells in pictures.items():
        ways = [(down, right) for down in (-8, 0, 8) for right in (-8, 0, 8) if down or right]
        moved = max(far(still[name], np.array(cut(cells, *way))) for way in ways)
        nearest = min(far(still[name], other) for key, other in still.items() if key != name)
        assert moved < nearest / 4
        assert f"| `{name}` | {moved:.3f} | {nearest:.3f} |" in rows


@pytest.mark.parametrize(
    ("name", "edge", "left", "top", "laplacian"),
    [("car.jpg", 0.0450, 0.0231, 0.0477, 0.0099), ("truck.png", 0.0574, 0.0456, 0.0453, 0.0142)],
)
def test_the_car_and_the_truck(name, edge, left, top, laplacian):
    with Image.open(SAMPLES / name) as image:
        found = features(image.convert("L"), bank=DEFAULT)
    for kernel, value in (("edge", edge), ("sobel-left", left), ("sobel-top", top), ("laplacian", laplacian)):
        assert round(float(found[kernel]), 4) == value
