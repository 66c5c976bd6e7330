"""Composed stages: a chain gives the same as its steps one after the other, for any geometry."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import poolcli
from poolcli.ops import pool_stage, strips, window_view

kernels = st.sampled_from(["edge", "emboss", "blur", [[1, 2, 3]], [[-1], [2]]])
pads = st.one_of(
    st.sampled_from(["same", "valid", "same-lower"]),
    st.tuples(st.tuples(*[st.integers(0, 9)] * 2), st.tuples(*[st.integers(0, 3)] * 2)),
)
filters = st.builds(
    lambda kernel, stride, padding: {"op": "conv2d", "kernel": kernel, "stride": stride, "padding": padding},
    kernels, st.integers(1, 4), pads,
)  # fmt: skip
pools = st.builds(
    lambda kind, size, stride: {"op": "pool2d", "kind": kind, "size": size, "stride": stride, "padding": "same"},
    st.sampled_from([kind for kind in poolcli.POOLS if kind not in ("std", "stochastic")]), st.integers(1, 5), st.integers(1, 6),
)  # fmt: skip
steps = st.lists(st.one_of(filters, pools, st.just({"op": "relu"})), min_size=1, max_size=4)


def one_by_one(x, stages):
    for stage in stages:
        options = {key: value for key, value in stage.items() if key != "op"}
        if stage["op"] == "pool2d":
            x = poolcli.pool2d(x, **options)
        else:
            x = poolcli.relu(x) if stage["op"] == "relu" else poolcli.conv2d(x, **options)
    return x


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.integers(1, 40), st.integers(1, 12), steps, st.sampled_from(["uint8", "float64"]), st.booleans())
def test_a_chain_is_its_steps(height, width, stages, dtype, statistics):
    """With strips and bands of a few rows, so that every edge of every band is met; and so are their statistics."""
    x = np.random.default_rng(height * 13 + width).integers(0, 256, (height, width)).astype(dtype)
    made = poolcli.recipe(
        recipe={"stages": [{k: list(v) if isinstance(v, tuple) else v for k, v in s.items()} for s in stages]},
        range="byte",
    )
    try:
        expected = one_by_one(x.astype(np.float64), stages)
    except poolcli.errors.SizeError:
        with pytest.raises(poolcli.errors.SizeError):
            poolcli.run(x, made)
        return
    patches = [mock.patch.object(m, "STRIP_BYTES", 64) for m in (pool_stage, strips, window_view)]
    with (
        mock.patch.object(strips, "BAND_CELLS", 1),
        mock.patch.object(strips, "DEEPEST", 2),
        patches[0],
        patches[1],
        patches[2],
    ):
        result = poolcli.run(x, made, threads=1, statistics=statistics)

    np.testing.assert_allclose(result.output, expected, rtol=1e-5, atol=1e-3)
    if statistics:
        np.testing.assert_allclose(result.stages[-1].mean, expected.mean(), rtol=1e-4, atol=1e-3)
        assert result.stages[-1].max == pytest.approx(expected.max(), rel=1e-5, abs=1e-3)


@pytest.mark.parametrize("pool", ["average", "sum", "rms", "std", "lp"])
@pytest.mark.parametrize("size", [2, 3, 5, 20])
def test_sums_of_what_a_relu_leaves(pool, size):
    """The map is signed, its sum need not be: every type between them is met."""
    x = np.random.default_rng(2).integers(0, 256, (40, 50), dtype=np.uint8)
    result = poolcli.run(x, poolcli.recipe(kernel="edge", pool=pool, size=size, range="byte"))

    detected = poolcli.relu(poolcli.conv2d(x, "edge"))
    np.testing.assert_allclose(
        result.output, poolcli.pool2d(detected.astype(np.float64), pool, size), rtol=1e-6, atol=1e-4
    )


def test_a_tall_window_after_a_filter_is_read_as_often_as_its_kind_needs():
    x = np.random.default_rng(2).integers(0, 256, (330, 10000), dtype=np.uint8)
    for pool in ("std", "lp", "median"):
        options = {"p": 9} if pool == "lp" else {}
        result = poolcli.run(
            x, poolcli.recipe(kernel="edge", relu=False, pool=pool, size="100x1", range="byte", **options)
        )

        filtered = poolcli.conv2d(x, "edge")
        np.testing.assert_allclose(
            result.output, poolcli.pool2d(filtered, pool, (100, 1), **options), rtol=1e-6, atol=1e-4
        )


def test_bands_that_lie_in_padding():
    stages = [
        {"op": "conv2d", "kernel": "edge"},
        {"op": "conv2d", "kernel": "blur", "padding": [[5000, 5000], [0, 0]]},
        {"op": "pool2d", "size": 4},
    ]
    x = np.random.default_rng(2).integers(0, 256, (4000, 1000), dtype=np.uint8)
    for statistics in (False, True):
        result = poolcli.run(x, poolcli.recipe(recipe={"stages": stages}), statistics=statistics)

        assert result.output.shape == (3499, 249)
        assert not result.output[:1249].any()
        assert result.output[1250:2249].any()


def test_last_rows_that_lie_in_padding():
    for height in range(120, 135):
        made = poolcli.recipe(kernel="1", conv_padding=60, conv_stride=3, relu=False, size=1, blocks=2)
        result = poolcli.run(np.ones((height, 10000), np.float32), made, threads=1, statistics=False)

        first = -(-(height + 120) // 3)
        assert result.output.shape[0] == -(-(first + 120) // 3)


@pytest.mark.parametrize("kind", poolcli.POOLS)
def test_a_window_that_dwarfs_the_map_costs_what_the_map_costs(kind):
    x = np.random.default_rng(2).integers(0, 256, (12, 9), dtype=np.uint8)
    y = poolcli.pool2d(x, kind, size=30_000_001, stride=5, padding="same")

    assert y.shape == (3, 2)
    if kind == "stochastic":  # other windows draw other cells
        assert np.isin(y, x).all()
    elif kind != "blur":
        whole = poolcli.pool2d(x, kind, size=(12, 9))
        expected = x[:1, :1] if kind == "subsample" else whole
        np.testing.assert_allclose(y, np.broadcast_to(expected, y.shape), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "float32"])
@pytest.mark.parametrize("p", [17, 40, 200])
def test_norms_of_a_window_do_not_depend_on_its_type_or_its_neighbours(dtype, p):
    x = np.full((4, 4), 3, dtype)
    x[0, 0] = 255
    y = poolcli.pool2d(x, "lp", p=p)

    np.testing.assert_allclose(y[1], 3 * 4 ** (1 / p), rtol=1e-6)
    np.testing.assert_allclose(poolcli.pool2d(np.array([[1, 2], [3, 4]], dtype), "lp", p=17), 4.0018, rtol=1e-4)
