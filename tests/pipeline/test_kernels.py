"""The written forms of a kernel: names, rows and files; and texts that are refused."""

import numpy as np
import pytest

import poolcli
from poolcli.errors import OptionError
from poolcli.ops.kernels import KERNELS
from poolcli.pipeline.parsing import kernel_value, output_size_pair, padding_value, size_pair

ROWS = ((1.0, 2.0, 3.0), (4.0, 5.5, -6.0))


def weights(value):
    return kernel_value(value, files=True)


@pytest.mark.parametrize("name", KERNELS)
def test_a_name_stays_a_name(name):
    assert weights(name) == name


@pytest.mark.parametrize(
    "text",
    [
        "1 2 3; 4 5.5 -6",
        "1,2,3;4,5.5,-6",
        " 1  2\t3 ;4 , 5.5 , -6; ",
        "1 2 3;\n4 55e-1 -6",
        "+1 2. 3; 4 5.50 -06",
        "1 2 3\n4 5.5 -6",
        "\n1,2,3\n4,5.5,-6\n",
        "1 2 3;\r\n4 5.5 -6;\r\n",
    ],
)
def test_rows_end_with_a_semicolon_or_a_line_and_numbers_with_spaces_or_commas(text):
    assert weights(text) == ROWS


@pytest.mark.parametrize("values", [[[1, 2, 3], [4, 5.5, -6]], ROWS, np.array(ROWS), np.array(ROWS, np.float32)])
def test_rows_are_lists_tuples_and_arrays(values):
    assert weights(values) == ROWS


def test_one_number_and_one_row_are_kernels():
    assert weights("2") == ((2.0,),)
    assert weights("-1 1") == ((-1.0, 1.0),)
    assert weights("1;2") == ((1.0,), (2.0,))


FILES = {
    "k.txt": b"1 2 3\n4 5.5 -6\n",
    "k.csv": b"1,2,3\n4,5.5,-6\n",
    "windows.csv": b"\xef\xbb\xbf1,2,3\r\n4,5.5,-6\r\n",
    "semicolons.csv": b"1;2;3\n4;5.5;-6\n",
    "comments.txt": b"# a kernel\n1 2 3  # first\n\n4 5.5 -6",
    "oneline.txt": b"1 2 3; 4 5.5 -6;\n",
    "K.TXT": b"1\t2\t3\n4\t5.5\t-6\n",
}


@pytest.mark.parametrize("name", [name for name in FILES if name != "semicolons.csv"])
def test_text_files(tmp_path, name):
    (tmp_path / name).write_bytes(FILES[name])

    assert weights(str(tmp_path / name)) == ROWS
    assert weights(tmp_path / name) == ROWS


def test_a_csv_file_with_semicolons_is_never_read_as_another_kernel(tmp_path):
    """Decimal commas, as many spreadsheets write: the same kernel or an error, but never twice as many columns."""
    (tmp_path / "k.csv").write_bytes(FILES["semicolons.csv"])
    try:
        found = weights(tmp_path / "k.csv")
    except OptionError:
        return
    assert found == ROWS


@pytest.mark.parametrize("dtype", ["<f8", ">f4", "i1", "<u2", "f2"])
def test_npy_files(tmp_path, dtype):
    np.save(tmp_path / "k.npy", np.array([[1, 2], [3, 4]], dtype))

    assert weights(tmp_path / "k.npy") == ((1.0, 2.0), (3.0, 4.0))


def test_an_npy_file_is_known_by_its_content(tmp_path):
    np.save(tmp_path / "k.npy", np.array([[1, 2]]))
    (tmp_path / "k.npy").rename(tmp_path / "k.txt")

    assert weights(tmp_path / "k.txt") == ((1.0, 2.0),)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        ";",
        ";;",
        "1 2; 3",
        "1;;2",
        "1,,2",
        "1 2,",
        ",1",
        "a b",
        "1 nan",
        "inf",
        "1e999",
        "1_0",
        "0x1",
        "1j",
        "- 1",
        "--1",
        "1 2 3; 4 5 6 7",
        "edgy",
        "True",
        "1.2.3",
        "no.txt",
        "./edge",
        "k.pdf",
    ],
)
def test_what_is_no_kernel_is_one_line_of_error(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OptionError) as caught:
        weights(text)
    assert str(caught.value).startswith("kernel")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        b"# only words\n",
        b"1 2\n3\n",
        b"1 x\n",
        b"root:x:0:0\n",
        b"1 nan\n",
        bytes(range(256)),
        b"\x93NUMPY",
        b"\x93NUMPY\x01\x00",
        b"1,,2\n",
        b"1_0 2\n",
        "\uff11 2\n".encode(),
    ],
)
@pytest.mark.parametrize("name", ["k.txt", "k.csv", "k.npy"])
def test_a_file_that_is_no_kernel_is_one_line_that_names_it(tmp_path, data, name):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(OptionError) as caught:
        weights(tmp_path / name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


ARRAYS = {
    "three axes": np.ones((3, 3, 3)),
    "one axis": np.ones(3),
    "empty": np.ones((0, 3)),
    "no columns": np.ones((3, 0)),
    "nan": np.array([[1, np.nan]]),
    "inf": np.array([[1, np.inf]]),
    "complex": np.array([[1 + 1j]]),
    "words": np.array([["a"]]),
    "objects": np.array([[{}]], object),
}


@pytest.mark.parametrize("what", ARRAYS)
def test_an_array_that_is_no_kernel_is_refused_in_a_file_and_by_itself(tmp_path, what):
    np.save(tmp_path / "k.npy", ARRAYS[what], allow_pickle=True)

    with pytest.raises(OptionError):
        weights(tmp_path / "k.npy")
    with pytest.raises(OptionError):
        poolcli.recipe(kernel=ARRAYS[what])


def test_a_pickle_is_never_opened(tmp_path):
    (tmp_path / "k.npy").write_bytes(b"cos\nsystem\n(S'touch " + bytes(tmp_path / "made") + b"'\ntR.")

    with pytest.raises(OptionError):
        weights(tmp_path / "k.npy")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("value", ["3", 3, (3, 3), [3, 3], "3x3", " 3x3 ", np.int32(3), np.array([3, 3])])
def test_sizes(value):
    assert size_pair("size", value) == (3, 3)


@pytest.mark.parametrize(
    "value",
    [
        "0",
        "-1",
        "1.5",
        "",
        "x",
        "3x",
        "x3",
        "3x3x3",
        "3 x 3",
        "3,3",
        0,
        -1,
        1.0,
        True,
        None,
        (1, 2, 3),
        (1,),
        (0, 1),
        "9" * 5000,
        1 + 0j,
        {},
    ],
)
def test_what_is_no_size(value):
    with pytest.raises(OptionError, match="size"):
        size_pair("size", value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("valid", "valid"), ("same", "same"), ("same-lower", "same-lower"), ("1", ((1, 1), (1, 1))), ("1x2", ((1, 1), (2, 2))), ("1,2,3,4", ((1, 2), (3, 4))),
        (0, ((0, 0), (0, 0))), ((1, 2), ((1, 1), (2, 2))), (((1, 2), (3, 4)), ((1, 2), (3, 4))), ([[1, 2], [3, 4]], ((1, 2), (3, 4))), ((1, (2, 3)), ((1, 1), (2, 3))),
    ],
)  # fmt: skip
def test_paddings(value, expected):
    assert padding_value("padding", value) == expected


@pytest.mark.parametrize(
    "value",
    [
        "",
        "half",
        "-1",
        "1,2",
        "1,2,3",
        "1,2,3,4,5",
        "1.5",
        -1,
        1.5,
        None,
        (1, 2, 3),
        ((1, 2, 3), 1),
        True,
        "9" * 5000,
    ],
)
def test_what_is_no_padding(value):
    with pytest.raises(OptionError, match="padding"):
        padding_value("padding", value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (7, (7, 7)),
        ("7", (7, 7)),
        ("7x5", (7, 5)),
        ("-x7", (None, 7)),
        ("7x-", (7, None)),
        ("-x-", (None, None)),
        ((None, 7), (None, 7)),
        (["-", 7], (None, 7)),
        (np.int64(7), (7, 7)),
    ],
)
def test_output_sizes(value, expected):
    assert output_size_pair(value) == expected


@pytest.mark.parametrize(
    "value", [0, -1, "0", "-", "-x0", "x", "7x", "-7x7", "7x7x7", 1.5, (1, 2, 3), (0, 1), None, True, "9" * 5000]
)
def test_what_is_no_output_size(value):
    with pytest.raises(OptionError, match="output size"):
        output_size_pair(value)


def test_padding_is_also_read_as_tensorflow_writes_it():
    assert padding_value("padding", "SAME") == "same"
    assert padding_value("padding", "VALID") == "valid"


@pytest.mark.parametrize("text", ["0,5 0,5; 0,5 0,5", "1 2; 0,5 0,5", "0,5 0,5", "1, 2 3; 4, 5 6", "0,5\t0,5"])
def test_rows_that_mix_spaces_and_commas_are_refused(tmp_path, text):
    with pytest.raises(OptionError, match=r"spaces and commas both separate numbers; .* decimal point"):
        weights(text)
    for name, lines in (("k.txt", text.replace("; ", "\n")), ("k.csv", text)):
        (tmp_path / name).write_text(lines)
        with pytest.raises(OptionError, match="spaces and commas both"):
            weights(str(tmp_path / name))
