"""Banks of kernels: those that poolcli has, and those from files, also damaged ones."""

import json

import numpy as np
import pytest

from poolcli.errors import OptionError
from poolcli.experiments.banks import bank_named, bank_of
from poolcli.ops.banks import BANKS, gabor_weights
from poolcli.ops.kernels import KERNELS

DEFAULT = BANKS["default"].kernels


def test_the_default_bank_looks_for_what_the_lessons_look_for():
    assert len(DEFAULT) >= 16
    assert list(DEFAULT)[:2] == ["edge", "sobel-left"]
    assert {"laplacian", "emboss", "blur"} <= set(DEFAULT)
    assert sum(name.startswith("sobel-") for name in DEFAULT) == 8
    assert sum(name.startswith("gabor-") for name in DEFAULT) == 8
    for name in set(DEFAULT) & set(KERNELS):
        assert DEFAULT[name] is KERNELS[name]


def test_a_sobel_kernel_looks_to_each_of_eight_directions():
    y, x = np.mgrid[-1:2, -1:2]
    ways = {"left": (0, -1), "right": (0, 1), "top": (-1, 0), "bottom": (1, 0)}
    for name, kernel in BANKS["sobel"].kernels.items():
        down, right = np.sum([ways[side] for side in name.removeprefix("sobel-").split("-")], axis=0)
        weights = kernel.weights
        best = np.sign(y * down + x * right)
        assert ((weights * best) >= 0).all(), name
        np.testing.assert_array_equal(weights, -weights[::-1, ::-1])
        assert weights.sum() == 0


@pytest.mark.parametrize("wavelength", [4, 8])
def test_gabor_kernels_are_whole_flat_areas_become_0_and_8_bits_stay_in_16(wavelength):
    for degrees in (0, 45, 90, 135):
        weights = gabor_weights(wavelength, degrees)
        np.testing.assert_array_equal(weights, np.round(weights))
        assert weights.sum() == 0
        assert 60 <= weights[weights > 0].sum() <= 128
        np.testing.assert_array_equal(weights, weights[::-1, ::-1])
    np.testing.assert_array_equal(gabor_weights(wavelength, 90), gabor_weights(wavelength, 0).T)
    np.testing.assert_array_equal(gabor_weights(wavelength, 135), gabor_weights(wavelength, 45)[:, ::-1])


@pytest.mark.parametrize("wavelength", [4, 8])
@pytest.mark.parametrize("degrees", [0, 45, 90, 135])
def test_a_gabor_kernel_answers_most_to_waves_of_its_own_angle_and_length(wavelength, degrees):
    y, x = np.mgrid[:13, :13] - 6
    angle = np.deg2rad(degrees)
    along = x * np.cos(angle) + y * np.sin(angle)
    wave = np.cos(2 * np.pi * along / wavelength)

    answers = {}
    for name, kernel in BANKS["gabor"].kernels.items():
        weights = kernel.weights
        rim = (13 - len(weights)) // 2
        answers[name] = float((np.pad(weights, rim) * wave).sum())

    assert max(answers, key=answers.get) == f"gabor-{wavelength}-{degrees}"


ROWS = {"edge": [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]], "half": [[0.5, 0.25], [0, 0]], "row": [[1, 2, 3]]}


@pytest.mark.parametrize("suffix", ["toml", "json", "npz", "JSON"])
def test_a_bank_by_names_from_a_file(tmp_path, suffix):
    path = tmp_path / f"mine.{suffix}"
    if suffix == "npz":
        np.savez(path, **{name: np.array(rows) for name, rows in ROWS.items()})
    elif suffix == "toml":
        path.write_text("".join(f"{name} = {rows}\n" for name, rows in ROWS.items()))
    else:
        path.write_text(json.dumps(ROWS))

    bank = bank_named(str(path))

    assert list(bank.kernels) == list(ROWS)
    for name, rows in ROWS.items():
        np.testing.assert_array_equal(bank.kernels[name].weights, np.array(rows, float))
    assert (bank.kernels["half"].rows, bank.kernels["half"].divisor) == (((2.0, 1.0), (0.0, 0.0)), 4)


def test_rows_may_be_text_and_kernels_may_be_named(tmp_path):
    (tmp_path / "mine.toml").write_text('cross = "0 1 0; 1 1 1; 0 1 0"\n"the edge" = "Edge"\n')
    bank = bank_named(str(tmp_path / "mine.toml"))
    assert bank.kernels["the edge"] is KERNELS["edge"]
    np.testing.assert_array_equal(bank.kernels["cross"].weights, [[0, 1, 0], [1, 1, 1], [0, 1, 0]])


@pytest.mark.parametrize("shape", [(4, 3, 3), (4, 1, 3, 3)])
def test_an_array_of_kernels_is_named_after_its_file(tmp_path, shape):
    weights = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    np.save(tmp_path / "conv1.npy", weights)
    bank = bank_named(str(tmp_path / "conv1.npy"))
    assert list(bank.kernels) == ["conv1.0", "conv1.1", "conv1.2", "conv1.3"]
    np.testing.assert_array_equal([kernel.weights for kernel in bank.kernels.values()], weights.reshape(4, 3, 3))


def test_a_kernel_is_a_bank_of_one():
    assert list(bank_of("EDGE").kernels) == ["edge"]
    np.testing.assert_array_equal(bank_of("1 2; 3 4").kernels["kernel"].weights, [[1, 2], [3, 4]])


def broken():
    yield "x.toml", b"edge = [[1, 2], [3]]", "edge: "
    yield "x.toml", b"edge = [[1, nan]]", "edge: .*finite"
    yield "x.toml", b"edge = ", "no TOML"
    yield "x.toml", b"[edge]\nrows = [[1]]", "edge: a table"
    yield "x.toml", b"", "0 kernels"
    yield "x.toml", b"edge = 'no such'", "edge: kernel 'no such'"
    yield "x.toml", b'"" = [[1]]', "without a name"
    yield "x.json", b"[[1, 2], [3, 4]]", "holds a list"
    yield "x.json", b'{"a": [[1]], "a": [[2]]}', "'a' occurs twice"
    yield "x.json", b"{", "no JSON"
    yield "x.json", b"[" * 100000, "no JSON"
    yield "x.json", b"\xff\xfe", "UTF-8"
    yield "x.npy", b"\x93NUMPY\x01\x00", "no .npy array"
    yield "x.npy", b"PK\x03\x04", "no"
    yield "x.npz", b"PK\x03\x04", "no .npz file"
    yield "x.txt", b"1 2", "write one of default, .* or a .toml, .json, .npy or .npz file"
    yield "edeg", None, "write one of"
    yield "defualt", None, "did you mean 'default'"


@pytest.mark.parametrize(("name", "data", "said"), list(broken()))
def test_what_is_no_bank_is_refused_in_one_line(tmp_path, monkeypatch, name, data, said):
    monkeypatch.chdir(tmp_path)
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(OptionError, match=said) as refused:
        bank_named(name)
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith(f"bank {name!r}")


@pytest.mark.parametrize(
    "weights", [np.zeros((2, 3, 3, 3)), np.zeros(3), np.array(["a"]), np.zeros((0, 3, 3)), np.zeros((5000, 1, 1))]
)
def test_arrays_that_are_no_kernels_are_refused(tmp_path, weights):
    np.save(tmp_path / "x.npy", weights)
    with pytest.raises(OptionError, match=r"bank '.*x.npy': x: "):
        bank_named(str(tmp_path / "x.npy"))


def test_a_missing_file_a_folder_and_a_zip_bomb_are_refused(tmp_path):
    with pytest.raises(OptionError, match="No such file"):
        bank_named(str(tmp_path / "no.toml"))
    (tmp_path / "dir.toml").mkdir()
    with pytest.raises(OptionError, match="not a regular file"):
        bank_named(str(tmp_path / "dir.toml"))
    np.savez_compressed(tmp_path / "bomb.npz", a=np.zeros(1 << 22))
    with pytest.raises(OptionError, match="more than 16777216 bytes"):
        bank_named(str(tmp_path / "bomb.npz"))
