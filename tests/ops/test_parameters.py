"""Kinds with parameters, and numbers of numpy as settings: they become numbers of Python before use."""

import inspect

import numpy as np
import pytest

import poolcli
from poolcli.errors import OptionError, PoolcliError
from poolcli.ops import pools
from poolcli.ops.pools import POOLS, Parameter, PoolKind
from poolcli.pipeline import options

RAMP = np.arange(46 * 27, dtype=np.float64).reshape(46, 27) * 1.7 % 11


@pytest.fixture
def scaled_sum(monkeypatch):
    """A kind with two parameters: a real one and a whole one."""

    def reduce(view, q, seed):
        assert type(seed) is int
        return view.total() * q + seed

    kind = PoolKind(
        "a sum, scaled and shifted", "none", reduce, POOLS["sum"].result, "ScaledSum", "0",
        parameters=(
            Parameter("q", 2.0, "a number", lambda q: True),
            Parameter("seed", 0, "a whole number of at least 0", lambda seed: seed >= 0, whole=True),
        ),
    )  # fmt: skip
    monkeypatch.setitem(pools.POOLS, "scaled", kind)


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, 20), ({"q": 3}, 30), ({"seed": 5}, 25), ({"q": np.float32(0.5), "seed": np.uint8(7)}, 12)],
)
def test_a_kind_has_several_parameters_and_defaults(scaled_sum, given, expected):
    x = [[1.0, 2.0], [3.0, 4.0]]

    np.testing.assert_array_equal(poolcli.pool2d(x, "scaled", **given), [[expected]])
    np.testing.assert_array_equal(poolcli.adaptive_pool2d(x, 1, "scaled", **given), [[expected]])
    np.testing.assert_array_equal(poolcli.global_pool2d(x, "scaled", **given), [[expected]])


@pytest.mark.parametrize("seed", [1.5, True, "1", -1])
def test_a_whole_parameter_takes_whole_numbers_only(scaled_sum, seed):
    with pytest.raises(OptionError, match="seed="):
        poolcli.pool2d(RAMP, "scaled", seed=seed)


def test_adaptive_and_global_pooling_take_parameters():
    np.testing.assert_allclose(poolcli.global_pool2d(RAMP, "percentile", q=90), np.percentile(RAMP, 90).reshape(1, 1))
    np.testing.assert_allclose(
        poolcli.adaptive_pool2d(RAMP, (1, None), "lp", p=3), (RAMP**3).sum(0, keepdims=True) ** (1 / 3)
    )
    with pytest.raises(OptionError, match="q belongs to percentile"):
        poolcli.global_pool2d(RAMP, "max", q=90)


def test_the_signature_of_recipe_lists_every_option():
    names = {name for name, one in inspect.signature(poolcli.recipe).parameters.items() if one.kind == one.KEYWORD_ONLY}

    assert names == set(options.KEYWORDS)


@pytest.mark.parametrize(
    ("odd", "plain"),
    [
        ({"kind": "MAX"}, {"kind": "max"}),
        ({"kind": "Avg", "padding": "SAME"}, {"kind": "average", "padding": "same"}),
        ({"padding": "Same-Lower"}, {"padding": "same-lower"}),
    ],
)
def test_names_are_taken_in_any_case(odd, plain):
    np.testing.assert_array_equal(poolcli.pool2d(RAMP, **odd), poolcli.pool2d(RAMP, **plain))
    words = {("pool" if name == "kind" else name): value for name, value in odd.items()}
    same = {("pool" if name == "kind" else name): value for name, value in plain.items()}
    assert poolcli.recipe(**words) == poolcli.recipe(**same)


def test_kernels_are_named_in_any_case():
    np.testing.assert_array_equal(
        poolcli.conv2d(RAMP, "Edge", padding="VALID"), poolcli.conv2d(RAMP, "edge", padding="valid")
    )
    assert poolcli.recipe(kernel="EDGE") == poolcli.recipe(kernel="edge")


WHOLE = [np.uint8, np.int8, np.int16, np.int64, np.uint64, np.array]


@pytest.mark.parametrize("kind", WHOLE)
def test_sizes_of_any_integer_type_are_pythons_own(kind):
    want = poolcli.adaptive_pool2d(RAMP, (85, 44))
    np.testing.assert_array_equal(poolcli.adaptive_pool2d(RAMP, (kind(85), kind(44))), want)
    np.testing.assert_array_equal(poolcli.adaptive_pool2d(RAMP, np.array([85, 44])), want)
    options = {"size": kind(3), "stride": (kind(2), kind(1)), "padding": kind(1), "dilation": kind(1)}
    plain = {"size": 3, "stride": (2, 1), "padding": 1, "dilation": 1}
    np.testing.assert_array_equal(poolcli.pool2d(RAMP, **options), poolcli.pool2d(RAMP, **plain))
    np.testing.assert_array_equal(poolcli.conv2d(RAMP, "edge", kind(2), kind(3)), poolcli.conv2d(RAMP, "edge", 2, 3))
    assert poolcli.recipe(**options, repeat=kind(2)).to_json() == poolcli.recipe(**plain, repeat=2).to_json()
    made = poolcli.recipe(output_size=(kind(3),) * 2, blocks=kind(1), resize=(kind(9), kind(7)))
    assert made.hash == poolcli.recipe(output_size=(3, 3), blocks=1, resize=(9, 7)).hash


def test_flags_of_numpy_are_pythons_own():
    np.testing.assert_array_equal(
        poolcli.pool2d(RAMP, "average", 2, padding=1, ceil=np.True_, count_include_pad=np.True_),
        poolcli.pool2d(RAMP, "average", 2, padding=1, ceil=True, count_include_pad=True),
    )
    made = poolcli.recipe(pool="average", padding=1, ceil=np.True_, count_include_pad=np.bool_(1), relu=np.True_)
    assert made.hash == poolcli.recipe(pool="average", padding=1, ceil=True, count_include_pad=True, relu=True).hash
    y, where = poolcli.pool2d(RAMP, return_indices=np.True_)
    assert y.shape == where.shape


@pytest.mark.parametrize(
    "call",
    [
        lambda: poolcli.pool2d(RAMP, "max", count_include_pad=True),
        lambda: poolcli.pool2d(RAMP, ceil="no"),
        lambda: poolcli.pool2d(RAMP, ceil=1),
        lambda: poolcli.pool2d(RAMP, return_indices=1),
        lambda: poolcli.pool2d(RAMP, size=np.float64(2)),
        lambda: poolcli.pool2d(RAMP, size=np.array([[2, 2]])),
        lambda: poolcli.pool2d(RAMP, "percentile", q=np.array([1, 2])),
        lambda: poolcli.pool2d(RAMP, "lp", p=10**400),
        lambda: poolcli.run(RAMP, {}),
        lambda: poolcli.run(RAMP, ""),
    ],
)
def test_what_is_no_setting_is_refused(call):
    with pytest.raises(PoolcliError):
        call()


def test_a_kind_may_have_parameters_that_no_signature_lists(monkeypatch):
    """A new kind is one entry of the table, whatever its parameters are called."""

    def reduce(view, low, high):
        held = view.reduce(np.add, dtype=np.float64, prepare=lambda x: ((x >= low) & (x <= high)).astype(np.float64))
        return held / view.counts()

    kind = PoolKind(
        "the share of cells between two values", "none", reduce, POOLS["average"].result, "BetweenPool", "left out",
        parameters=tuple(Parameter(name, 0.0, "a number", lambda _: True) for name in ("low", "high")),
    )  # fmt: skip
    monkeypatch.setitem(pools.POOLS, "between", kind)
    for module in ("poolcli.ops.pools", "poolcli.ops.pooling", "poolcli.pipeline.options", "poolcli.pipeline.steps"):
        monkeypatch.setattr(f"{module}.PARAMETERS", ("high", "low", *pools.PARAMETERS))
    monkeypatch.setattr("poolcli.pipeline.options.KEYWORDS", ("low", "high", *options.KEYWORDS))
    x = np.array([[1.0, 2.0], [3.0, 4.0]])

    for y in (
        poolcli.pool2d(x, "between", low=2, high=4),
        poolcli.adaptive_pool2d(x, 1, "between", low=2, high=4),
        poolcli.global_pool2d(x, "between", low=2, high=4),
        poolcli.run(x, poolcli.recipe(pool="between", low=2, high=4)).output,
    ):
        np.testing.assert_array_equal(y, [[0.75]])
    for function in (poolcli.pool2d, poolcli.global_pool2d):
        with pytest.raises(TypeError, match="unexpected keyword argument 'sise'"):
            function(x, sise=3)
