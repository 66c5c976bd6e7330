"""A result depends on the map and the settings only, not on threads, strips or other planes."""

from unittest import mock

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import tiny_strips

import poolcli
from poolcli.ops import strips

SETTINGS = settings(derandomize=True, deadline=None, max_examples=300)
PARAMETERS = {"percentile": {"q": 90}}


def same_bytes(one, other):
    """Bit for bit, so that 0.0 and -0.0 differ."""
    assert one.dtype == other.dtype
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(np.signbit(one), np.signbit(other))


@pytest.mark.parametrize("kind", ["average", "sum", "rms", "lp", "std"])
@pytest.mark.parametrize("scale", [1.0, 2.0**30])
def test_deep_padding_with_threads(kind, scale):
    x = np.random.default_rng(0).standard_normal((1500, 700)) * scale
    options = {"kind": kind, "size": (61, 61), "stride": (3, 16), "padding": ((60, 60), (0, 0))}

    alone, shared = (poolcli.pool2d(x, **options, threads=threads) for threads in (1, 2))

    same_bytes(alone, shared)


@st.composite
def cases(draw):
    """A window of any overlap, deep padding and partial windows on a small map; values that round when added."""
    height, width = draw(st.integers(1, 70)), draw(st.sampled_from([1, 2, 3, 17, 40]))
    size = draw(st.integers(1, height)), draw(st.integers(1, width))
    dilation = (draw(st.integers(1, 2)) if 2 * size[0] <= height else 1), 1
    extent = dilation[0] * (size[0] - 1) + 1
    options = {
        "size": size,
        "stride": (draw(st.integers(1, height)), draw(st.integers(1, 3))),
        "dilation": dilation,
        "padding": ((draw(st.integers(0, extent - 1)), draw(st.integers(0, extent - 1))), (0, draw(st.integers(0, size[1] - 1)))),
        "ceil": draw(st.booleans()),
    }  # fmt: skip
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = random.standard_normal((draw(st.integers(1, 3)), height, width))
    if draw(st.booleans()):
        x = np.round(x) * random.choice([-1.0, 1.0])  # ties, 0.0 and -0.0
    dtype = draw(st.sampled_from([np.float32, np.float64, np.uint8, np.int16]))
    return (np.abs(x) * 50).astype(dtype) if dtype == np.uint8 else (x * 50).astype(dtype), options


@SETTINGS
@given(case=cases(), kind=st.sampled_from(sorted(poolcli.POOLS)))
@pytest.mark.promise("A20")
def test_threads_strips_and_planes(case, kind):
    x, options = case
    options = options | PARAMETERS.get(kind, {})
    try:
        together = poolcli.pool2d(x, kind, **options)
    except poolcli.SizeError:
        return

    # What is drawn by chance depends on the number of the plane.
    expected = (
        together
        if kind in reference.PLACED_KINDS
        else np.stack([poolcli.pool2d(plane, kind, **options) for plane in x])
    )
    with tiny_strips():
        cut = [poolcli.pool2d(x, kind, **options, threads=threads) for threads in (1, 2)]
    with mock.patch.object(strips, "BAND_CELLS", 97):
        banded = poolcli.pool2d(x, kind, **options, threads=2)

    for found in (together, *cut, banded):
        same_bytes(found, expected)


@SETTINGS
@given(case=cases(), kind=st.sampled_from(sorted(poolcli.POOLS)), out=st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_adaptive_windows(case, kind, out):
    x = case[0]
    expected = poolcli.adaptive_pool2d(x, out, kind)
    if kind not in reference.PLACED_KINDS:
        expected = np.stack([poolcli.adaptive_pool2d(plane, out, kind) for plane in x])

    with tiny_strips():
        cut = poolcli.adaptive_pool2d(x, out, kind)

    same_bytes(poolcli.adaptive_pool2d(x, out, kind), expected)
    same_bytes(cut, expected)


@pytest.mark.parametrize("kind", poolcli.POOLS)
@pytest.mark.parametrize("dtype", ["f4", "f8", "i8"])
def test_the_order_of_the_memory_does_not_matter(kind, dtype):
    x = (np.random.default_rng(0).standard_normal((2, 70, 66)) * 100).astype(dtype)
    strided = np.zeros((4, 210, 132), dtype)
    strided[::2, 1::3, ::2] = x
    layouts = [
        np.asfortranarray(x),
        np.moveaxis(np.moveaxis(x, 0, -1).copy(), -1, 0),
        x.transpose(0, 2, 1).copy().transpose(0, 2, 1),
        x[::-1, ::-1, ::-1].copy()[::-1, ::-1, ::-1],
        strided[::2, 1::3, ::2],
        x.astype(x.dtype.newbyteorder(">")),
    ]

    for call in (
        lambda cells: poolcli.pool2d(cells, kind, 16),
        lambda cells: poolcli.pool2d(cells, kind, (33, 31), (3, 16)),
        lambda cells: poolcli.pool2d(cells, kind, (5, 4), 2),
        lambda cells: poolcli.global_pool2d(cells, kind),
        *([] if kind == "blur" else [lambda cells: poolcli.adaptive_pool2d(cells, (7, 3), kind)]),
    ):
        made = call(x)
        for other in layouts:
            same_bytes(made, call(other))
