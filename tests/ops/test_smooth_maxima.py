"""gem, lse, soft and mixed: their definitions, what lies at the ends of their parameters, and numbers that leave the range of floats."""

import decimal
import itertools
import math
from decimal import Decimal

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st

import poolcli
from poolcli.errors import OptionError

SETTINGS = settings(derandomize=True, deadline=None, max_examples=150)
SMOOTH = ("gem", "lse", "soft", "mixed")
inf, nan = math.inf, math.nan
signed = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=12)
ENDS = {"gem": ("p", 1e-9, 1e9), "lse": ("r", 1e-9, 1e9), "mixed": ("alpha", 0, 1)}


def pooled(values, kind, **parameters):
    """The one number that float64 cells give, in one window and as a whole map."""
    x = np.array([values], np.float64)
    y = poolcli.pool2d(x, kind, x.shape, **parameters)
    np.testing.assert_array_equal(poolcli.global_pool2d(x, kind, **parameters), y)
    return y.item()


@pytest.mark.parametrize(
    ("kind", "parameters", "expected"),
    [
        ("gem", {"p": 1}, 3.5),
        ("gem", {"p": 2}, math.sqrt((1 + 4 + 25 + 36) / 4)),
        ("gem", {}, ((1 + 8 + 125 + 216) / 4) ** (1 / 3)),
        ("gem", {"p": inf}, 6),
        ("lse", {"r": 1}, math.log((math.e + math.e**2 + math.e**5 + math.e**6) / 4)),
        ("lse", {}, 6 + math.log((1 + math.exp(-10) + math.exp(-40) + math.exp(-50)) / 4) / 10),
        ("lse", {"r": inf}, 6),
        (
            "soft",
            {},
            (math.e + 2 * math.e**2 + 5 * math.e**5 + 6 * math.e**6) / (math.e + math.e**2 + math.e**5 + math.e**6),
        ),
        ("mixed", {}, (6 + 3.5) / 2),
        ("mixed", {"alpha": 0.25}, 0.25 * 6 + 0.75 * 3.5),
    ],
)
def test_known_answers(kind, parameters, expected):
    np.testing.assert_allclose(pooled([1, 2, 5, 6], kind, **parameters), expected, rtol=2e-15)


def exactly(kind, values):
    """The definition in numbers of sixty digits, with the default parameter."""
    with decimal.localcontext(prec=60, Emin=-(10**9), Emax=10**9):
        x = [Decimal(value) for value in values]
        if kind == "gem":
            cubes = [max(value, Decimal("1e-6")) ** 3 for value in x]
            return float(((sum(cubes) / len(x)).ln() / 3).exp())
        if kind == "lse":
            return float((sum((10 * value).exp() for value in x) / len(x)).ln() / 10)
        if kind == "soft":
            return float(sum(value * value.exp() for value in x) / sum(value.exp() for value in x))
        return float((max(x) + sum(x) / len(x)) / 2)


@pytest.mark.parametrize("kind", SMOOTH)
@SETTINGS
@given(values=st.lists(st.one_of(st.floats(-1e3, 1e3), st.floats(1e-12, 1e-9)), min_size=1, max_size=12))
def test_float64_is_as_exact_as_float64_allows(kind, values):
    scale = max(map(abs, values))
    values = [value if abs(value) > 1e-12 else 0.0 for value in values]  # sixty digits hold no more
    np.testing.assert_allclose(pooled(values, kind), exactly(kind, values), rtol=1e-14, atol=1e-15 * scale)


@pytest.mark.parametrize("kind", SMOOTH)
@SETTINGS
@given(values=signed, share=st.floats(0, 1))
def test_between_the_smallest_and_the_largest(kind, values, share):
    parameters = {"alpha": share} if kind == "mixed" else {ENDS[kind][0]: 10 ** (8 * share - 4)} if kind in ENDS else {}
    held = np.maximum(values, 1e-6) if kind == "gem" else np.array(values)
    slack = 1e-13 * np.abs(held).max()

    found = pooled(values, kind, **parameters)

    assert held.min() - slack <= found <= held.max() + slack
    if kind != "soft":  # and no less than the mean, but for a gem with p below 1
        assert found >= held.mean() - slack or parameters.get("p", 1) < 1


@pytest.mark.parametrize("kind", ENDS)
@SETTINGS
@given(values=signed)
def test_the_ends_of_the_parameter_are_means_and_the_maximum(kind, values):
    name, least, most = ENDS[kind]
    held = np.maximum(values, 1e-6) if kind == "gem" else np.array(values)
    mean = np.exp(np.log(held).mean()) if kind == "gem" else held.mean()
    scale = np.abs(held).max()

    np.testing.assert_allclose(
        pooled(values, kind, **{name: least}), mean, rtol=1e-6, atol=2e-3 * scale * (kind == "lse")
    )
    np.testing.assert_allclose(pooled(values, kind, **{name: most}), held.max(), rtol=1e-6, atol=1e-8)
    if kind == "gem":
        np.testing.assert_allclose(pooled(values, "gem", p=1), held.mean(), rtol=1e-13)


@pytest.mark.parametrize("kind", ENDS)
@SETTINGS
@given(values=signed)
def test_a_larger_parameter_never_gives_less(kind, values):
    name = ENDS[kind][0]
    steps = (0, 0.1, 0.5, 0.9, 1) if kind == "mixed" else (0.1, 1, 2, 5, 30, inf)
    found = [pooled(values, kind, **{name: step}) for step in steps]

    slack = 1e-13 * max(1e-6, *map(abs, values))
    assert all(one <= other + slack for one, other in itertools.pairwise(found))


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32", "float64"])
def test_mixed_is_the_average_and_the_maximum_at_its_ends(dtype):
    x = np.random.default_rng(0).integers(0, 100, (2, 9, 11)).astype(dtype)
    for options in ({"size": 3, "stride": 2, "padding": 1}, {"size": 2}):
        for alpha, kind in ((0, "average"), (1, "max")):
            y = poolcli.pool2d(x, "mixed", **options, alpha=alpha)
            np.testing.assert_array_equal(y, poolcli.pool2d(x, kind, **options))
            assert y.dtype == reference.output_type("mixed", x.dtype)


@SETTINGS
@given(values=signed, shift=st.floats(-1e3, 1e3))
def test_a_constant_added_is_added_to_lse_soft_and_mixed(values, shift):
    for kind in ("lse", "soft", "mixed"):
        np.testing.assert_allclose(
            pooled(np.add(values, shift), kind), pooled(values, kind) + shift, rtol=1e-9, atol=1e-9
        )


@pytest.mark.parametrize("kind", SMOOTH)
@pytest.mark.parametrize("size", [1e-300, 1e-12, 1.0, 1e6, 1e300, 1.7e308])
def test_numbers_at_the_ends_of_float64(kind, size):
    """Equal cells are what they are; of very different ones the largest decides, without overflow."""
    if kind == "mixed" and size > 1e308:
        size = 1e307  # an average is a sum before it is divided
    same = pooled([size] * 5, kind)
    np.testing.assert_allclose(same, max(size, 1e-6) if kind == "gem" else size, rtol=1e-15)
    for low in (0.0, -size):
        found = pooled([size, low], kind)
        assert math.isfinite(found)
        assert low <= found <= max(size, 1e-6)
    if size >= 1e6:
        expected = {"gem": size * 0.5 ** (1 / 3), "lse": size - math.log(2) / 10, "soft": size, "mixed": 0.75 * size}[
            kind
        ]
        np.testing.assert_allclose(pooled([size, 0.0], kind), expected, rtol=1e-14)


@pytest.mark.parametrize("kind", SMOOTH)
def test_nan_and_infinity(kind):
    assert pooled([1, inf, 2], kind) == inf
    assert math.isnan(pooled([1, nan, inf], kind))
    least = {"gem": 1e-6}.get(kind, -inf)
    np.testing.assert_allclose(pooled([-inf, -inf], kind), least)
    beside = {
        "gem": ((1e-18 + 8) / 2) ** (1 / 3), "lse": 2 - math.log(2) / 10, "soft": 2, "mixed": -inf,
    }  # fmt: skip
    np.testing.assert_allclose(pooled([-inf, 2], kind), beside[kind])
    x = np.full((6, 6), 1.5, np.float32)
    x[1, 1], x[4, 4] = nan, inf
    y = poolcli.pool2d(x, kind)
    assert np.isnan(y[0, 0])
    assert y[2, 2] == inf
    np.testing.assert_allclose(np.delete(y.ravel(), [0, 8]), 1.5)


@pytest.mark.parametrize("kind", SMOOTH)
@pytest.mark.parametrize("channels", ["gray", "each"])
def test_a_picture_is_pooled_in_its_own_unit(kind, channels):
    """0 to 1 or 0 to 255: the bytes are computed on, and the result is that of the numbers they stand for."""
    pixels = np.random.default_rng(1).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    pixels = pixels if channels == "each" else pixels[..., 0]
    for unit, word in ((1 / 255, "unit"), (1.0, "byte")):
        made = poolcli.recipe(pool=kind, size=3, stride=2, padding=1, repeat=2, channels=channels, range=word)
        found = poolcli.run(pixels, made).output
        planes = np.moveaxis(pixels.astype(np.float64) * unit, -1, 0) if channels == "each" else pixels * unit
        for _ in range(2):
            planes = poolcli.pool2d(planes, kind, 3, 2, padding=1)
        np.testing.assert_allclose(found, np.moveaxis(planes, 0, -1) if channels == "each" else planes, rtol=1e-6)


def test_the_detail_of_a_figure_is_the_map_in_its_unit():
    from poolcli.images.read import from_array
    from poolcli.pipeline.engine import execute

    pixels = np.random.default_rng(1).integers(0, 256, (400, 600), dtype=np.uint8)
    for kind in ("lse", "stochastic"):
        result = execute(from_array(pixels), poolcli.recipe(pool=kind), panel=50)
        patch = result.stages[-1].detail
        top, left = (int(v / 2) for v in (patch.top, patch.left))
        rows, cols = patch.values.shape
        np.testing.assert_array_equal(patch.values, result.output[top : top + rows, left : left + cols])


@pytest.mark.parametrize(
    ("kind", "parameters", "words"),
    [
        ("gem", {"p": 0}, "p=0: write a number above 0, or inf"),
        ("gem", {"p": nan}, "above 0"),
        ("lse", {"r": -1}, "r=-1: write a number above 0, or inf"),
        ("mixed", {"alpha": 1.5}, "alpha=1.5: write a number from 0 to 1"),
        ("mixed", {"alpha": nan}, "from 0 to 1"),
        ("mixed", {"r": 2}, "its parameter is alpha, r belongs to lse"),
        ("soft", {"p": 2}, "it has no parameter, p belongs to lp, gem"),
        ("lse", {"count_include_pad": True}, "belongs to average"),
        ("gem", {"return_indices": True}, "use max or min"),
    ],
)
def test_what_a_kind_does_not_take_is_refused(kind, parameters, words):
    with pytest.raises(OptionError, match=words):
        poolcli.pool2d(np.ones((4, 4)), kind, **parameters)


def test_pytorch_formulas():
    torch = pytest.importorskip("torch")
    random = np.random.default_rng(2)
    for size, stride, padding in ((2, 2, 0), (3, 2, 1), ((3, 5), (1, 2), 0)):
        x = random.standard_normal((2, 3, 20, 22)).astype(np.float32) * 3
        t = torch.from_numpy(x)
        at = {"stride": stride, "padding": padding}

        def mean(values, size=size, at=at):
            return torch.nn.functional.avg_pool2d(values, size, **at, count_include_pad=False)

        top = torch.nn.functional.max_pool2d(t, size, **at)
        expected = {
            "gem": mean(t.clamp(min=1e-6).pow(3)).pow(1 / 3),
            "lse": mean(torch.exp(10 * (t - t.max()).double())).log() / 10 + t.max(),
            "soft": mean(torch.exp(t) * t) / mean(torch.exp(t)),
            "mixed": 0.5 * (top + mean(t)),
        }
        for kind, theirs in expected.items():
            mine = poolcli.pool2d(x, kind, size, stride, padding=padding)
            np.testing.assert_allclose(mine, theirs.numpy(), rtol=2e-5, atol=2e-6, err_msg=kind)
