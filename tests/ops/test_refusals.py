"""Refusals of numeric functions: the class of each error, and the values that its message must name."""

import re

import numpy as np
import pytest
import reference

import poolcli
from poolcli.errors import OptionError, PoolcliError, SizeError

X = np.zeros((3, 2), np.float32)


def names(message, *parts):
    """One line, with every part as a word of its own."""
    assert "\n" not in message
    for part in parts:
        assert re.search(rf"(?<![\w.]){re.escape(part)}(?![\w])", message), f"{part!r} is not in {message!r}"


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"size": 0}, ["size", "0"]),
        ({"size": (2, 0)}, ["size", "0"]),
        ({"size": -3}, ["size", "-3"]),
        ({"size": (1, 2, 3)}, ["size", "3"]),
        ({"size": 2.5}, ["size", "2.5"]),
        ({"size": "big"}, ["size", "big"]),
        ({"stride": 0}, ["stride", "0"]),
        ({"stride": (1, -1)}, ["stride", "-1"]),
        ({"dilation": 0}, ["dilation", "0"]),
        ({"dilation": (0, 1)}, ["dilation", "0"]),
        ({"padding": -1}, ["padding", "-1"]),
        ({"padding": (0, -2)}, ["padding", "-2"]),
        ({"padding": ((0, -1), (0, 0))}, ["padding", "-1"]),
        ({"padding": "full"}, ["padding", "full", "valid", "same", "same-lower"]),
        ({"padding": (1, 2, 3)}, ["padding", "3"]),
        ({"padding": 2}, ["padding", "2", "1"]),
        ({"padding": (0, 5)}, ["padding", "5", "1"]),
        ({"padding": ((0, 3), (0, 0)), "size": 3}, ["padding", "3", "2"]),
        ({"padding": 5, "size": 3, "dilation": 2}, ["padding", "5", "4"]),
        ({"kind": "maximum"}, ["kind", "maximum", "max"]),
        ({"kind": None}, ["None"]),
        ({"kind": "lp", "p": 0}, ["p", "0"]),
        ({"kind": "lp", "p": -1}, ["p", "-1"]),
        ({"kind": "lp", "p": np.nan}, ["p", "nan"]),
        ({"kind": "percentile", "q": -1}, ["q", "-1"]),
        ({"kind": "percentile", "q": 100.5}, ["q", "100.5", "100"]),
        ({"kind": "percentile", "q": np.nan}, ["q", "nan"]),
        ({"kind": "max", "p": 2}, ["p", "max", "lp"]),
        ({"kind": "lp", "q": 50}, ["q", "lp", "percentile"]),
        ({"kind": "percentile", "p": 2}, ["p", "percentile", "lp"]),
        ({"kind": "average", "return_indices": True}, ["average", "max", "min"]),
        ({"kind": "blur", "return_indices": True}, ["blur", "max", "min"]),
    ],
)
def test_wrong_for_every_picture(options, parts):
    with pytest.raises(OptionError) as caught:
        poolcli.pool2d(np.zeros((30, 30), np.float32), **options)
    assert isinstance(caught.value, ValueError)
    names(str(caught.value), *parts)


@pytest.mark.parametrize("kind", reference.KINDS)
@pytest.mark.parametrize(
    ("name", "value", "owner"),
    [
        ("r", 10.0, "lse"), ("alpha", 0.5, "mixed"), ("seed", 1, "stochastic"), ("seed", 0, "stochastic"),
        ("alpha", 0.0, "mixed"),
    ],
)  # fmt: skip
def test_parameters_of_other_kinds(kind, name, value, owner):
    """Also those that are 0 or the owner's default."""
    if kind == owner:
        poolcli.pool2d(np.zeros((4, 4), np.float32), kind, **{name: value})
        return
    with pytest.raises(OptionError, match=rf"{name}={value} with kind '{kind}': .*{name} belongs to {owner}"):
        poolcli.pool2d(np.zeros((4, 4), np.float32), kind, **{name: value})


@pytest.mark.parametrize(
    ("x", "options", "parts"),
    [
        (X, {"size": 4}, ["3x2", "4x4"]),
        (X, {"size": (4, 1)}, ["3x2", "4x1"]),
        (X, {"size": (1, 3)}, ["3x2", "1x3"]),
        (X, {"size": 2, "dilation": 2}, ["3x2", "2x2", "3x3"]),
        (X, {"size": 5, "padding": ((0, 1), (1, 0))}, ["3x2", "5x5"]),
        (X, {"size": 4, "stride": 1, "ceil": True}, ["3x2", "4x4"]),
        (X[:1, :1], {"size": 2, "kind": "average"}, ["1x1", "2x2"]),
        (np.zeros((5, 3, 2), np.uint8), {"size": 3, "kind": "median"}, ["3x2", "3x3"]),
        (X, {"size": 3, "kind": "blur"}, ["3x2", "3x3"]),
    ],
)
def test_window_larger_than_the_map(x, options, parts):
    with pytest.raises(SizeError) as caught:
        poolcli.pool2d(x, **options)
    assert isinstance(caught.value, ValueError)
    names(str(caught.value), *parts)


@pytest.mark.parametrize("kind", reference.KINDS)
@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((1, 4), {"size": (2, 1), "dilation": (2, 1), "padding": (1, 0)}),
        ((4, 1), {"size": (1, 2), "dilation": (1, 2), "padding": (0, 1)}),
        ((1, 1), {"size": 2, "dilation": 2, "padding": "same"}),
        ((2, 2), {"size": 2, "stride": 1, "dilation": 5, "padding": ((3, 3), (3, 3))}),
    ],
)
def test_window_without_a_real_pixel(shape, options, kind):
    with pytest.raises(SizeError, match="padding"):
        poolcli.pool2d(np.zeros(shape, np.float32), kind, **options)


@pytest.mark.parametrize(
    ("call", "size", "remedy"),
    [
        (lambda: poolcli.adaptive_pool2d(X, (10**8, 1)), "100000000x1", "write a smaller output size"),
        (lambda: poolcli.adaptive_pool2d(X, (1 << 16, 1 << 16)), "65536x65536", "write a smaller output size"),
        (
            lambda: poolcli.conv2d(X, "edge", padding=10**8),
            "200000001x200000000",
            "use less padding or a larger stride",
        ),
        (
            lambda: poolcli.conv2d(X, "edge", padding=2**31 - 1),
            "4294967295x4294967294",
            "use less padding or a larger stride",
        ),
    ],
)
def test_a_map_that_is_too_large_is_refused_before_it_is_made(call, size, remedy):
    with pytest.raises(SizeError) as caught:
        call()
    names(str(caught.value), f"a map of {size} is too large", remedy)


@pytest.mark.parametrize("shape", [(), (4,), (0, 4), (4, 0), (2, 0, 3)])
def test_not_a_map(shape):
    x = np.zeros(shape, np.float32)
    for call in (
        lambda: poolcli.pool2d(x),
        lambda: poolcli.adaptive_pool2d(x, 1),
        lambda: poolcli.global_pool2d(x),
        lambda: poolcli.conv2d(x, [[1]]),
    ):
        with pytest.raises(PoolcliError, match=re.escape(str(shape))) as caught:
            call()
        assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("dtype", [complex, object, str, "datetime64[s]"])
def test_not_real_numbers(dtype):
    x = np.zeros((4, 4), dtype)
    for call in (lambda: poolcli.pool2d(x), lambda: poolcli.conv2d(x, [[1]]), lambda: poolcli.relu(x)):
        with pytest.raises(OptionError, match=re.escape(str(x.dtype))):
            call()


@pytest.mark.parametrize("output_size", [0, -1, (0, 3), (2, -1), (1, 2, 3), 2.5, "7x7", (2, 1.5)])
def test_adaptive_sizes(output_size):
    with pytest.raises(OptionError, match="output_size"):
        poolcli.adaptive_pool2d(X, output_size)


@pytest.mark.parametrize("kind", ["nothing", None, 3])
def test_unknown_kind_of_adaptive_and_global(kind):
    with pytest.raises(OptionError, match=str(kind)):
        poolcli.adaptive_pool2d(X, 1, kind)
    with pytest.raises(OptionError, match=str(kind)):
        poolcli.global_pool2d(X, kind)


@pytest.mark.parametrize("threads", [0, -1, 1.5])
def test_threads(threads):
    with pytest.raises(OptionError, match=re.escape(str(threads))):
        poolcli.pool2d(np.zeros((4, 4)), threads=threads)
    with pytest.raises(OptionError, match=re.escape(str(threads))):
        poolcli.conv2d(np.zeros((4, 4)), [[1]], threads=threads)


@pytest.mark.parametrize(
    ("y", "indices", "output_size", "pattern"),
    [
        (np.ones((1, 1)), np.array([[4]]), (2, 2), "4"),
        (np.ones((1, 1)), np.array([[-1]]), (2, 2), "-1"),
        (np.ones((2, 1)), np.array([[0]]), (2, 2), r"\(2, 1\)"),
        (np.ones((1, 1)), np.array([[0.5]]), (2, 2), "float64"),
        (np.ones((1, 1)), np.array([[0]]), (2, 0), "0"),
        (np.ones((1, 1)), np.array([[0]]), 0, "0"),
    ],
)
def test_unpooling(y, indices, output_size, pattern):
    with pytest.raises(PoolcliError, match=pattern) as caught:
        poolcli.unpool2d(y, indices, output_size)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("options", "pattern"),
    [
        ({"kernel": [1, 2, 3]}, "kernel"),
        ({"kernel": np.ones((1, 2, 2))}, "kernel"),
        ({"kernel": np.ones((0, 3))}, "kernel"),
        ({"kernel": [[np.nan]]}, "kernel"),
        ({"kernel": [[1j]]}, "kernel"),
        ({"kernel": "no such kernel"}, "no such kernel"),
        ({"stride": 0}, "stride.*0"),
        ({"dilation": (1, 0)}, "dilation.*0"),
        ({"padding": -1}, "padding.*-1"),
        ({"padding": "reflect"}, "padding.*reflect"),
    ],
)
def test_convolution_options(options, pattern):
    with pytest.raises(OptionError, match=pattern):
        poolcli.conv2d(np.zeros((9, 9), np.float32), **({"kernel": [[1.0]]} | options))


@pytest.mark.parametrize(
    ("kernel", "options", "parts"),
    [
        (np.ones((4, 1)), {"padding": "valid"}, ["3x2", "4x1"]),
        (np.ones((3, 3)), {"padding": "valid"}, ["3x2", "3x3"]),
        (np.ones((2, 2)), {"padding": "valid", "dilation": 2}, ["3x2", "2x2"]),
        (np.ones((7, 7)), {"padding": 1}, ["3x2", "7x7"]),
    ],
)
def test_kernel_larger_than_the_map(kernel, options, parts):
    with pytest.raises(SizeError) as caught:
        poolcli.conv2d(X, kernel, **options)
    names(str(caught.value), *parts)


@pytest.mark.parametrize("size", [10**30, (None, 10**30), "7", (1, 2, 3), 0])
def test_an_output_size_that_is_none_is_refused_before_any_work(size):
    with pytest.raises(OptionError, match="output_size"):
        poolcli.adaptive_pool2d(np.zeros((4, 4)), size)
