"""poolcli against the answers of PyTorch, TensorFlow and ONNX Runtime kept in tests/oracle/answers.npz."""

import json
from pathlib import Path

import numpy as np
import pytest

import poolcli

with np.load(Path(__file__).parents[1] / "oracle" / "answers.npz") as _file:
    ANSWERS = {name: _file[name] for name in _file.files}
INDEX = json.loads(ANSWERS.pop("index").tobytes())
EMBOSS = [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]


def case_id(number, case):
    """7-torch-pool2d-average-mixed."""
    kind = case["options"].get("kind", "")
    return "-".join(part for part in (str(number), case["engine"], case["function"], kind, case["input"]) if part)


def cases(*functions):
    return pytest.mark.parametrize(
        "case",
        [pytest.param(c, id=case_id(i, c)) for i, c in enumerate(INDEX["cases"]) if c["function"] in functions],
    )


def tuples(value):
    """JSON's lists as the tuples that poolcli's options are."""
    return tuple(tuples(part) for part in value) if isinstance(value, list) else value


def given(case):
    """The input, read-only so that nothing can write into it."""
    x = ANSWERS[f"in_{case['input']}"]
    x.flags.writeable = False
    return x


def outputs(case):
    answers = []
    for name, start, shape in case["outputs"]:
        answers.append(ANSWERS[f"out_{name}"][start : start + int(np.prod(shape))].reshape(shape))
    return answers


def assert_answer(actual, expected, case):
    """Shape, type and values: the same numbers (NaN included), or close by the case's own tolerance."""
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype
    if "rtol" in case:
        np.testing.assert_allclose(actual, expected, rtol=case["rtol"], atol=case["atol"])
    else:
        np.testing.assert_array_equal(actual, expected)


def test_every_engine_and_function_is_asked():
    asked = {(case["engine"], case["function"]) for case in INDEX["cases"]}
    assert asked >= {
        (engine, name) for engine in ("torch", "tensorflow", "onnxruntime") for name in ("pool2d", "conv2d")
    }
    assert {name for _, name in asked} == {"pool2d", "adaptive_pool2d", "global_pool2d", "conv2d", "unpool2d", "lesson"}


@cases("pool2d", "adaptive_pool2d", "global_pool2d")
def test_pooling(case):
    options = {name: tuples(value) for name, value in case["options"].items()}
    answer = getattr(poolcli, case["function"])(given(case), **options)
    expected = outputs(case)
    if len(expected) == 2:
        answer, indices = answer
        assert indices.dtype == np.int64
        np.testing.assert_array_equal(indices, expected[1])
    assert_answer(answer, expected[0], case)


@cases("conv2d")
def test_convolution(case):
    options = {name: tuples(value) for name, value in case["options"].items()}
    kernel = np.array(options.pop("kernel"), np.float32)
    assert_answer(poolcli.conv2d(given(case), kernel, **options), outputs(case)[0], case)


@cases("unpool2d")
def test_unpooling(case):
    x = given(case)
    options = {name: tuples(value) for name, value in case["options"].items()}
    values, indices = poolcli.pool2d(x, return_indices=True, **options)
    assert_answer(poolcli.unpool2d(values, indices, x.shape[-2:]), outputs(case)[0], case)


@cases("lesson")
def test_lesson(case):
    """Kaggle's chain: emboss VALID, ReLU, max 2/2 SAME: 400 x 400 to 199 x 199."""
    picture = given(case)
    expected = outputs(case)[0].astype(np.float32)
    unit = case["options"]["range"] == "unit"
    x = picture * np.float32(1 / 255) if unit else picture.astype(np.float32)
    y = poolcli.pool2d(poolcli.relu(poolcli.conv2d(x, EMBOSS, padding="valid")), padding="same")
    assert y.shape == (199, 199)
    assert_answer(y[::7] if unit else y, expected, case)


def test_lesson_is_exact_on_the_bytes_themselves():
    """An 8-bit picture and an integer kernel need no float at all."""
    case = next(case for case in INDEX["cases"] if case["options"].get("range") == "byte")
    y = poolcli.pool2d(poolcli.relu(poolcli.conv2d(given(case), EMBOSS, padding="valid")), padding="same")
    np.testing.assert_array_equal(y, outputs(case)[0])
