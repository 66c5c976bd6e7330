"""The written forms of sizes, paddings and kernels: what an option, a recipe file and a keyword may all say.

Sizes are height x width: ``3x2`` is three rows by two columns. Every function also takes the value itself.
"""

from __future__ import annotations

import io
import os
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli.errors import OptionError, suggestion
from poolcli.ops.kernels import KERNELS, weights_of
from poolcli.ops.windows import LARGEST, output_pair, padding_pairs, pair

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolcli.ops.windows import Padding, Pair

Rows = tuple[tuple[float, ...], ...]

KERNEL_FILES = (".txt", ".csv", ".npy")
# As text: compiled, and kept by `re`, when one is first needed, not at every start.
_SIZE = r"(\d{1,10})(?:x(\d{1,10}))?"
_OUTPUT_SIZE = r"(\d{1,10}|-)x(\d{1,10}|-)"
_SIDES = ",".join([r"(\d{1,10})"] * 4)
_CELLS = r"\s*,\s*|\s+"
_ROWS = r"[-+.\d;,\seE]+"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:40]}… ({len(text)} characters)"


def size_pair(name: str, value: Any, minimum: int = 1) -> Pair:
    """``3``, ``"3"``, ``"3x2"`` or ``(3, 2)`` as (height, width).

    Raises
    ------
    OptionError

    Examples
    --------
    >>> size_pair("size", "3x2")
    (3, 2)
    """
    if not isinstance(value, str):
        return pair(name, value, minimum)
    match = re.fullmatch(_SIZE, value.strip())
    height, width = (int(match[1]), int(match[2] or match[1])) if match else (-1, -1)
    if not minimum <= min(height, width) <= max(height, width) <= LARGEST:
        msg = f"{name} {_shown(value)}: N or HEIGHTxWIDTH expected, whole numbers of at least {minimum}"
        raise OptionError(msg)
    return height, width


def output_size_pair(value: Any) -> tuple[int | None, int | None]:
    """``7``, ``"7x5"``, ``"-x7"`` or ``(None, 7)`` as (height, width), None for an axis that is kept.

    Raises
    ------
    OptionError

    Examples
    --------
    >>> output_size_pair("-x7")
    (None, 7)
    """
    if isinstance(value, tuple | list):
        value = tuple(None if v == "-" else v for v in value)  # as recipe files have it
    if not isinstance(value, str):
        return output_pair("output size", value)
    text = value.strip()
    match = re.fullmatch(_OUTPUT_SIZE, text if "x" in text else f"{text}x{text}")
    parts = tuple(None if g == "-" else int(g) for g in match.groups()) if match and text != "-" else (0, 0)
    if not all(v is None or 1 <= v <= LARGEST for v in parts):
        msg = f"output size {_shown(value)}: HEIGHTxWIDTH of at least 1 expected, - keeps an axis: -x7"
        raise OptionError(msg)
    return parts[0], parts[1]


def padding_value(name: str, value: Any) -> Padding:
    """``"same"``, ``"1"``, ``"1x2"``, ``"1,1,2,2"`` (top, bottom, left, right) or any value of `padding_pairs`.

    Raises
    ------
    OptionError

    Examples
    --------
    >>> padding_value("padding", "0,1,0,1")
    ((0, 1), (0, 1))
    """
    if isinstance(value, str):
        text = value.strip().lower()  # TensorFlow writes SAME
        sides = re.fullmatch(_SIDES, text)
        size = re.fullmatch(_SIZE, text)
        if sides:
            top, bottom, left, right = map(int, sides.groups())
            value = ((top, bottom), (left, right))
        elif size:
            value = (int(size[1]), int(size[2] or size[1]))
        elif text not in ("valid", "same", "same-lower"):
            msg = f"{name} {_shown(value)}: valid, same, same-lower, N, HEIGHTxWIDTH or TOP,BOTTOM,LEFT,RIGHT expected"
            raise OptionError(msg)
        else:
            value = text
    return padding_pairs(name, value)


def kernel_value(value: Any, *, files: bool = False) -> str | Rows:
    """A kernel's name, or its weights as rows of floats.

    Parameters
    ----------
    value : str, path or rows of numbers
        A name of `KERNELS`, or rows: ``"-1 -1 -1; -1 8 -1; -1 -1 -1"``.
    files : bool
        Whether it may also be a ``.txt``, ``.csv`` or ``.npy`` file. A recipe may not: it would mean something else
        in another folder.

    Raises
    ------
    OptionError
        None of these, or weights that are no finite rectangle of numbers.

    Examples
    --------
    >>> kernel_value("1 2; 3 4")
    ((1.0, 2.0), (3.0, 4.0))
    """
    if not isinstance(value, str | os.PathLike):
        return _rows(weights_of(value))
    text = os.fspath(value)
    if text in KERNELS:
        return text
    if os.path.splitext(text)[1].lower() in KERNEL_FILES and files:
        return _kernel_file(text)
    if re.fullmatch(_ROWS, text):
        return _parsed(text, f"kernel {text!r}")
    known = suggestion(text, KERNELS)
    if "did you mean" not in known:
        known += f'; also rows such as "0 1; 1 0"{" or a " + ", ".join(KERNEL_FILES) + " file" if files else ""}'
    msg = f"kernel {text!r}{known}"
    raise OptionError(msg)


def _kernel_file(path: str) -> Rows:
    what = f"kernel {path!r}"
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            msg = f"{what}: not a regular file; a {', '.join(KERNEL_FILES)} file expected"
            raise OptionError(msg)
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        msg = f"{what}: {error.strerror}"
        raise OptionError(msg) from None
    if data.startswith(b"\x93NUMPY"):
        try:
            weights = np.load(io.BytesIO(data), allow_pickle=False)
        except (ValueError, OSError, EOFError) as error:
            msg = f"{what}: {str(error).splitlines()[0]}; a .npy array of shape (height, width) expected"
            raise OptionError(msg) from None
        if weights.ndim != 2 or weights.dtype.kind not in "biuf":
            msg = f"{what}: {weights.dtype} of shape {weights.shape}: numbers of shape (height, width) expected"
            raise OptionError(msg)
        return _checked(weights, what)
    text = data.decode("utf-8", "replace").removeprefix("\ufeff")
    lines = [line.split("#")[0].strip() for line in text.splitlines()]
    lines = [line for line in lines if line]
    if len(lines) == 1:
        return _parsed(lines[0], what)
    # What spreadsheets write where the comma is decimal: only ; separates, and 1,5 is no number of ours.
    separator = r"\s*;\s*" if any(";" in line.rstrip(";") for line in lines) else _CELLS
    return _numbers([re.split(separator, line.rstrip(";").strip()) for line in lines], what)


def _parsed(text: str, what: str) -> Rows:
    text = text.strip().rstrip(";").strip()
    return _numbers([re.split(_CELLS, row.strip()) for row in text.split(";")] if text else [], what)


def _numbers(rows: list[list[str]], what: str) -> Rows:
    if not rows:
        msg = f"{what}: empty; rows of numbers expected"
        raise OptionError(msg)
    numbers: list[list[float]] = []
    for row in rows:
        numbers.append([])
        for cell in row:
            try:
                numbers[-1].append(float(cell))
            except ValueError:
                shown = repr(cell) if cell else "an empty cell"
                msg = f"{what}: {shown} is no number; rows of numbers separated by ; expected, all of one length"
                raise OptionError(msg) from None
    lengths = [len(row) for row in numbers]
    if len(set(lengths)) != 1:
        msg = f"{what}: rows of {', '.join(map(str, lengths))} numbers; all rows of one length expected"
        raise OptionError(msg)
    return _checked(numbers, what)


def _checked(numbers: Any, what: str) -> Rows:
    try:
        return _rows(weights_of(numbers))
    except OptionError as error:
        msg = f"{what}: {str(error).removeprefix('kernel ')}"
        raise OptionError(msg) from None


def _rows(weights: NDArray[np.float64]) -> Rows:
    return tuple(tuple(float(v) + 0.0 for v in row) for row in weights)  # + 0.0: there is one zero
