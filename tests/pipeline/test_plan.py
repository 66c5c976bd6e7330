"""What a plan states about a map before it is computed: receptive fields, measured by changing single cells."""

import warnings

import numpy as np
import pytest

import poolcli
from poolcli.pipeline.plan import plan

RECIPES = {
    "subsample": {"pool": "subsample"},
    "subsample 3x2": {"pool": "subsample", "size": (3, 2), "repeat": 2},
    "max": {"pool": "max", "size": 3, "stride": 2, "repeat": 2},
    "filter": {"kernel": "edge", "relu": False, "pool": "average", "size": 2},
    "adaptive": {"pool": "average", "output_size": (4, 5)},
    "filter, adaptive": {"kernel": "box", "relu": False, "pool": "average", "output_size": (6, 7)},
    "adaptive subsample": {"pool": "subsample", "output_size": (4, 5)},
    "global": {"pool": "average", "global_pool": True},
    "blur": {"pool": "blur", "size": 2},
}
STACKS = {
    "adaptive twice": [{"op": "adaptive_pool2d", "kind": "average", "output_size": [6, 7]},
                       {"op": "adaptive_pool2d", "kind": "average", "output_size": [4, 3]}],
    "adaptive, windows": [{"op": "adaptive_pool2d", "kind": "average", "output_size": [9, 7]},
                          {"op": "pool2d", "kind": "average", "size": 3, "stride": 2}],
    "adaptive, subsample": [{"op": "adaptive_pool2d", "kind": "average", "output_size": [4, 4]},
                            {"op": "pool2d", "kind": "subsample", "size": 4, "dilation": 2, "padding": "same-lower"}],
    "adaptive, small subsample": [{"op": "adaptive_pool2d", "kind": "average", "output_size": [3, 3]},
                                  {"op": "pool2d", "kind": "subsample", "size": 3, "dilation": 2, "padding": "same"}],
    "subsample, adaptive": [{"op": "pool2d", "kind": "subsample", "size": 4, "stride": 1, "dilation": 3, "padding": 4},
                            {"op": "adaptive_pool2d", "kind": "average", "output_size": [5, 6]}],
    "subsample, windows": [{"op": "pool2d", "kind": "subsample", "size": 2, "stride": 1, "dilation": 5, "padding": 4},
                           {"op": "pool2d", "kind": "average", "size": 2, "stride": 1}],
    "windows, adaptive": [{"op": "pool2d", "kind": "average", "size": 3, "stride": 2},
                          {"op": "adaptive_pool2d", "kind": "average", "output_size": [4, 3]}],
}  # fmt: skip


def measured(made, shape):
    """The largest height and width of the cells that one value of the last map depends on."""
    x = np.random.default_rng(3).random(shape)
    plain = poolcli.run(x, made).output
    reads = np.zeros((*plain.shape, *shape), bool)
    for r in range(shape[0]):
        for c in range(shape[1]):
            for value in (-1e3, 1e3):
                changed = x.copy()
                changed[r, c] = value
                reads[..., r, c] |= poolcli.run(changed, made).output != plain
    spans = []
    for axis in (3, 2):
        lines = reads.any(axis=axis).reshape(-1, shape[0] if axis == 3 else shape[1])
        spans.append(max(np.flatnonzero(line)[-1] - np.flatnonzero(line)[0] + 1 for line in lines if line.any()))
    return tuple(spans)


@pytest.mark.parametrize("name", [*RECIPES, *STACKS])
def test_the_receptive_field_is_what_is_measured(name):
    made = poolcli.recipe(**RECIPES[name]) if name in RECIPES else poolcli.recipe(recipe={"stages": STACKS[name]})
    shape = (23, 26)

    assert plan(made, shape)[-1].receptive_field == measured(made, shape)


@pytest.mark.parametrize("length", [4, 7])
@pytest.mark.parametrize("padding", ["same", "same-lower"])
def test_the_receptive_field_of_padded_subsamples_is_never_too_small(length, padding):
    for windows in range(2, 8):
        for stride in (1, 2, 3):
            given = {"size": 3, "stride": stride, "dilation": 2, "padding": padding}
            subsample = {"op": "pool2d", "kind": "subsample", **given}
            adaptive = {"op": "adaptive_pool2d", "kind": "average", "output_size": windows}
            for stages in ([adaptive, subsample], [subsample, adaptive]):
                made = poolcli.recipe(recipe={"stages": stages})
                said = plan(made, (length, length))[-1].receptive_field
                assert min(said) >= 1
                if windows in (3, 5) and stride > 1:
                    found = measured(made, (length, length))
                    assert said[0] >= found[0]
                    assert said[1] >= found[1]


def test_statistics_have_one_zero_and_no_infinity_beside_a_finite_mean():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        zeros = poolcli.run(np.array([[0.0, -0.0], [-0.0, 0.0]]), poolcli.recipe(size=1))
        large = poolcli.run(np.array([[1e300, -1e300], [0.0, 2.0]]), poolcli.recipe(size=1))
        assert np.isinf(large.output).sum() == 2

    for stage in (zeros.input, *zeros.stages):
        assert str(stage.min) == str(stage.max) == "0.0"
    for stage in (large.input, *large.stages):
        assert (stage.min, stage.max) == (-1e300, 1e300)
