"""Winners and their positions are those of a scan of every window in row-major order."""

import contextlib

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import tiny_strips

import poolcli

SETTINGS = settings(derandomize=True, deadline=None, max_examples=400)


@st.composite
def cases(draw):
    """Few values, so that there are ties, the type's extremes among them; zeros of both signs, NaN; any window."""
    dtype = np.dtype(draw(st.sampled_from(["bool", "uint8", "int16", "int64", "float16", "float32", "float64"])))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.sampled_from([1, 2])), draw(st.integers(1, 12)), draw(st.integers(1, 12))
    if dtype.kind == "f":
        levels = np.array([-np.inf, np.inf, -0.0, 0.0, 1, -2, np.nan], dtype)
        x = random.choice(levels[random.permutation(7)[: draw(st.integers(1, 6))]], shape)
    else:
        low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        x = random.choice(np.array([low, high, *([3, 7] if dtype.kind != "b" else [])], dtype), shape)
    options = {"size": [], "stride": [], "dilation": [], "padding": [], "ceil": draw(st.booleans())}
    for length in shape[1:]:
        dilation = draw(st.integers(1, 3))
        size = draw(st.integers(1, max(1, (length - 1) // dilation + 1)))
        extent = dilation * (size - 1) + 1
        options["size"].append(size)
        options["dilation"].append(dilation)
        options["stride"].append(draw(st.integers(1, 5)))
        options["padding"].append((draw(st.integers(0, extent - 1)), draw(st.integers(0, extent - 1))))
    return x, {key: value if key == "ceil" else tuple(value) for key, value in options.items()}


def scanned(x, kind, shape, size, stride, dilation, padding, ceil):
    """One cell after the other: better than all before it, or NaN."""
    values, positions = np.empty(shape, x.dtype), np.empty(shape, np.int64)
    for plane, row, column in np.ndindex(*shape):
        best = None
        for i in range(size[0]):
            for j in range(size[1]):
                r = row * stride[0] - padding[0][0] + i * dilation[0]
                c = column * stride[1] - padding[1][0] + j * dilation[1]
                if 0 <= r < x.shape[1] and 0 <= c < x.shape[2]:
                    cell = x[plane, r, c]
                    if best is None or np.isnan(cell) or (cell > best if kind == "max" else cell < best):
                        best, values[plane, row, column], positions[plane, row, column] = cell, cell, r * x.shape[2] + c
    return values, positions


@SETTINGS
@given(case=cases(), kind=st.sampled_from(["max", "min"]), tiny=st.booleans())
def test_first_of_equals_or_last_nan(case, kind, tiny):
    x, options = case
    try:
        with tiny_strips() if tiny else contextlib.nullcontext():
            values, positions = poolcli.pool2d(x, kind, **options, return_indices=True)
    except poolcli.SizeError:
        return

    expected, where = scanned(x, kind, values.shape, **options)

    np.testing.assert_array_equal(positions, where)
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(np.signbit(values.astype(float)), np.signbit(expected.astype(float)))


def test_windows_wider_than_an_8_bit_number():
    x = np.random.default_rng(0).integers(0, 1 << 15, (700, 310))

    values, positions = poolcli.pool2d(x, size=(600, 300), stride=(7, 3), return_indices=True)

    view = np.lib.stride_tricks.sliding_window_view(x, (600, 300))[::7, ::3]
    best = view.reshape(*view.shape[:2], -1).argmax(-1)
    top, left = np.ix_(np.arange(view.shape[0]) * 7, np.arange(view.shape[1]) * 3)
    np.testing.assert_array_equal(positions, (top + best // 300) * 310 + left + best % 300)
    np.testing.assert_array_equal(values, x.ravel()[positions])
