"""Windows of which most cells lie beyond the map."""

import numpy as np
import pytest

import poolcli
from poolcli.ops import windows
from poolcli.ops.pools import POOLS


@pytest.mark.parametrize("kind", sorted(POOLS.keys() - {"blur"}))
def test_time_does_not_grow_with_what_lies_beyond_the_map(kind):
    """Of four windows with a thousand million rows, each reads a corner of the map."""
    size = 10**9
    x = np.random.default_rng(9).normal(size=(16, 20))

    y = poolcli.pool2d(x, kind, size, padding=size - 1)

    def pooled(part):
        return poolcli.pool2d(part, kind, part.shape)[0, 0]

    expected = [[pooled(x[rows, cols]) for cols in (slice(0, 1), slice(1, 20))] for rows in (slice(0, 1), slice(1, 16))]
    if kind == "stochastic":
        assert np.isin(y, x).all()
    else:
        np.testing.assert_allclose(y, expected, rtol=1e-12)


@pytest.mark.parametrize("kind", sorted(POOLS.keys() - {"stochastic"}))
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "int64"])
def test_windows_taken_by_themselves_are_the_same(kind, dtype, monkeypatch):
    x = np.random.default_rng(8).integers(0, 9, (2, 6, 7)).astype(dtype)
    if x.dtype.kind == "f":
        x[0, 2, 3] = x[0, 4, 4] = np.nan
    for size, stride, padding, dilation in [(9, 1, 8, 1), (20, 7, 19, 1), ((12, 3), (5, 1), (11, 0), (2, 1))]:
        given = {"size": size, "stride": stride, "padding": padding, "dilation": dilation}
        if POOLS[kind].winner:
            given["return_indices"] = True
        expected = poolcli.pool2d(x, kind, **given)
        with monkeypatch.context() as patched:
            patched.setattr(windows, "FAR", 0)
            patched.setattr(windows, "FAR_OFFSETS", -1)
            found = poolcli.pool2d(x, kind, **given)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6)
