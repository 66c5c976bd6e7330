"""Parsing of sizes, paddings and kernels, as written in options, recipe files and keywords.

Sizes are height x width: ``3x2`` is three rows by two columns. Every function also takes the value itself.
"""

from __future__ import annotations

import io
import os
import re
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli.display import quoted, shortened
from poolcli.errors import OptionError, alternatives, suggestion
from poolcli.ops.kernels import KERNELS, weights_of
from poolcli.ops.settings import LARGEST, output_pair, padding_pairs, pair, python_value
from poolcli.pipeline.number_rows import rows_from_file, rows_from_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolcli.ops.settings import Padding, Pair

KernelRows = tuple[tuple[float, ...], ...]

KERNEL_FILES = (".txt", ".csv", ".npy")
# Not compiled here: `re` compiles and caches each at first use, which keeps the start of the program fast.
_SIZE = r"(\d{1,10})(?:x(\d{1,10}))?"
_OUTPUT_SIZE = r"(\d{1,10}|-)x(\d{1,10}|-)"
_SIDES = ",".join([r"(\d{1,10})"] * 4)
_ROWS = r"[-+.\d;,\seE]+"


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
        msg = f"{name} {shortened(value)}: write N or HEIGHTxWIDTH, whole numbers of at least {minimum}"
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
    value = python_value(value)
    if isinstance(value, tuple):
        value = tuple(None if v == "-" else v for v in value)  # as recipe files have it
    if not isinstance(value, str):
        return output_pair("output size", value)
    text = value.strip()
    match = re.fullmatch(_OUTPUT_SIZE, text if "x" in text else f"{text}x{text}")
    parts = tuple(None if g == "-" else int(g) for g in match.groups()) if match and text != "-" else (0, 0)
    if not all(v is None or 1 <= v <= LARGEST for v in parts):
        msg = f"output size {shortened(value)}: write HEIGHTxWIDTH, each at least 1; - keeps an axis: -x7"
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
            msg = f"{name} {shortened(value)}: write valid, same, same-lower, N, HEIGHTxWIDTH or TOP,BOTTOM,LEFT,RIGHT"
            raise OptionError(msg)
        else:
            value = text
    return padding_pairs(name, value)


def kernel_value(value: Any, *, files: bool = False) -> str | KernelRows:
    """A kernel's name, or its weights as rows of floats.

    Parameters
    ----------
    value : str, path or rows of numbers
        A name of `KERNELS`, or rows: ``"-1 -1 -1; -1 8 -1; -1 -1 -1"``.
    files : bool
        Whether it may also be a ``.txt``, ``.csv`` or ``.npy`` file. A recipe may not, as it
        would change its meaning in another folder.

    Raises
    ------
    OptionError
        None of these, or weights that are not finite numbers in rows of one length.

    Examples
    --------
    >>> kernel_value("1 2; 3 4")
    ((1.0, 2.0), (3.0, 4.0))
    """
    if not isinstance(value, str | os.PathLike):
        return _rows(weights_of(value))
    text = os.fspath(value)
    if text.lower() in KERNELS:
        return text.lower()
    if files and (_is_stream(text) or os.path.splitext(text)[1].lower() in KERNEL_FILES):
        return _kernel_file(text)
    if re.fullmatch(_ROWS, text):
        return _checked(rows_from_text(text, f"kernel {quoted(text)}"), f"kernel {quoted(text)}")
    known = suggestion(text, KERNELS)
    if "did you mean" not in known:
        known += f'; also rows such as "0 1; 1 0"{" or a " + ", ".join(KERNEL_FILES) + " file" if files else ""}'
    msg = f"kernel {quoted(text)}{known}"
    raise OptionError(msg)


MOST_BYTES = 1 << 24
"""Largest file that is read for a kernel or a bank."""


def _is_stream(path: str) -> bool:
    """Whether a name stands for stdin or a pipe that the shell has opened."""
    return path in ("-", "/dev/stdin") or re.fullmatch(r"(/dev|/proc/self)/fd/\d+", path) is not None


def small_file(path: str, what: str, accepted: str) -> bytes:
    """The bytes of a file of numbers; ``-`` is stdin.

    Parameters
    ----------
    path : str
    what : str
        What messages begin with: ``kernel 'edges.txt'``.
    accepted : str
        What to give instead: ``a .txt file``.

    Raises
    ------
    OptionError
        It is missing, no regular file or pipe of the shell, or too large.
    """
    try:
        if not _is_stream(path) and os.path.exists(path) and not os.path.isfile(path):
            msg = f"{what}: not a regular file; give {accepted}"
            raise OptionError(msg)
        if path == "-" and sys.stdin is None:
            msg = f"{what}: stdin is closed; give {accepted}"
            raise OptionError(msg)
        with open("/dev/stdin" if path == "-" else path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        msg = f"{what}: {error.strerror}"
        raise OptionError(msg) from None
    if len(data) > MOST_BYTES:
        msg = f"{what}: more than {MOST_BYTES} bytes; give {accepted}"
        raise OptionError(msg)
    return data


def _kernel_file(path: str) -> KernelRows:
    what = f"kernel {quoted(path)}"
    data = small_file(path, what, f"a {alternatives(KERNEL_FILES)} file of rows of numbers")
    if data.startswith(b"\x93NUMPY"):
        try:
            weights = np.load(io.BytesIO(data), allow_pickle=False)
        except Exception as error:  # noqa: BLE001 - a damaged header makes numpy raise errors of many kinds
            msg = f"{what}: {(str(error) or type(error).__name__).splitlines()[0]}; save it as a .npy array of shape (height, width)"
            raise OptionError(msg) from None
        if weights.ndim != 2 or weights.dtype.kind not in "biuf":
            msg = f"{what}: {weights.dtype} of shape {weights.shape}: save numbers of shape (height, width)"
            raise OptionError(msg)
        return _checked(weights, what)
    return _checked(rows_from_file(data, what), what)


def _checked(numbers: Any, what: str) -> KernelRows:
    try:
        return _rows(weights_of(numbers))
    except OptionError as error:
        msg = f"{what}: {str(error).removeprefix('kernel ')}"
        raise OptionError(msg) from None


def _rows(weights: NDArray[np.float64]) -> KernelRows:
    return tuple(tuple(float(v) + 0.0 for v in row) for row in weights)  # + 0.0 turns -0.0 into 0.0
