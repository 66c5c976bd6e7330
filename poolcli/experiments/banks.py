"""A bank of kernels by name, or from a file: TOML and JSON hold rows by name, .npy and .npz arrays of weights."""

from __future__ import annotations

import io
import json
import os
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli.display import quoted
from poolcli.errors import OptionError, alternatives, suggestion
from poolcli.ops.banks import BANKS, Bank
from poolcli.ops.kernels import KERNELS, Kernel, weights_of
from poolcli.pipeline.parsing import MOST_BYTES, kernel_value, small_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NONE = "none"
"""Stands for no bank: the features are those of the picture's own channels."""

MOST_KERNELS = 4096


def bank_named(value: str) -> Bank:
    """A bank of `BANKS`, in any case, or one from a file.

    Parameters
    ----------
    value : str
        A name, or a path that ends in ``.toml``, ``.json``, ``.npy`` or ``.npz``.

    Raises
    ------
    OptionError
        No such bank, or a file that holds none.

    Examples
    --------
    >>> list(bank_named("lesson").kernels)
    ['edge', 'sobel-bottom', 'emboss', 'sharpen', 'blur']
    """
    if value.lower() in BANKS:
        return BANKS[value.lower()]
    stem, suffix = os.path.splitext(os.path.basename(value))
    read = FILES.get(suffix.lower())
    if read is None:
        known = suggestion(value, [*BANKS, NONE])
        if "did you mean" not in known:
            known += f" or a {alternatives(FILES)} file"
        msg = f"bank {quoted(value)}{known}"
        raise OptionError(msg)
    what = f"bank {quoted(value)}"
    data = small_file(value, what, f"a {alternatives(FILES)} file")
    try:
        kernels = read(data, stem)
    except OptionError as error:
        msg = f"{what}: {error}"
        raise OptionError(msg) from None
    if not 1 <= len(kernels) <= MOST_KERNELS:
        msg = f"{what}: {len(kernels)} kernels; give 1 to {MOST_KERNELS}"
        raise OptionError(msg)
    return Bank(kernels, f"from {os.path.basename(value)}")


def bank_of(kernel: Any) -> Bank:
    """The bank of one kernel, given as in ``--kernel``: its feature has the kernel's name, or is called ``kernel``."""
    held = kernel_value(kernel, files=True)
    if isinstance(held, str):
        return Bank({held: KERNELS[held]}, KERNELS[held].summary)
    return Bank({"kernel": _kernel(held)}, "one kernel")


def _kernel(value: Any) -> Kernel:
    """Weights as a kernel; fractions of a power of two as whole weights and their divisor, which are exact."""
    if isinstance(value, str) and value.lower() in KERNELS:
        return KERNELS[value.lower()]
    weights = weights_of(kernel_value(value))
    divisor = 1
    while divisor < 256 and (weights * divisor != np.round(weights * divisor)).any():
        divisor *= 2
    if (weights * divisor != np.round(weights * divisor)).any():
        divisor = 1
    rows = tuple(tuple(float(weight) for weight in row) for row in weights * divisor)
    return Kernel(rows, "", "", divisor)


def _from_table(table: Any) -> dict[str, Kernel]:
    if not isinstance(table, dict):
        msg = f"holds a {type(table).__name__}: write names and rows of numbers, such as edge = [[0, 1], [1, 0]]"
        raise OptionError(msg)
    made = {}
    for name, rows in table.items():
        if not name.strip():
            msg = "a kernel without a name: give every kernel one"
            raise OptionError(msg)
        if isinstance(rows, dict):
            msg = f"{name}: a table; write rows of numbers, such as {name} = [[0, 1], [1, 0]]"
            raise OptionError(msg)
        try:
            made[name] = _kernel(rows)
        except OptionError as error:
            msg = f"{name}: {error}"
            raise OptionError(msg) from None
    return made


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeError:
        msg = "no text in UTF-8; save it as UTF-8"
        raise OptionError(msg) from None


def _toml(data: bytes, stem: str) -> dict[str, Kernel]:
    import tomllib

    try:
        table = tomllib.loads(_text(data))
    except (ValueError, RecursionError) as error:
        if isinstance(error, OptionError):
            raise
        msg = f"no TOML: {str(error).splitlines()[0]}"
        raise OptionError(msg) from None
    return _from_table(table)


def _json(data: bytes, stem: str) -> dict[str, Kernel]:
    try:
        table = json.loads(_text(data), object_pairs_hook=_each_once)
    except (ValueError, RecursionError) as error:
        if isinstance(error, OptionError):
            raise
        msg = f"no JSON: {str(error).splitlines()[0]}"
        raise OptionError(msg) from None
    return _from_table(table)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, refused if a name occurs twice: Python would silently keep the last one."""
    table: dict[str, Any] = {}
    for name, value in pairs:
        if name in table:
            msg = f"{name!r} occurs twice; give every kernel its own name"
            raise OptionError(msg)
        table[name] = value
    return table


def _npy(data: bytes, stem: str) -> dict[str, Kernel]:
    try:
        weights = np.load(io.BytesIO(data), allow_pickle=False)
    except Exception as error:  # noqa: BLE001 - a damaged header makes numpy raise errors of many kinds
        msg = f"no .npy array: {(str(error) or type(error).__name__).splitlines()[0]}"
        raise OptionError(msg) from None
    return _from_array(weights, stem)


def _from_array(weights: Any, name: str) -> dict[str, Kernel]:
    """Kernels of an array of shape (h, w), (K, h, w) or, as frameworks keep them, (K, 1, h, w)."""
    if not isinstance(weights, np.ndarray) or weights.dtype.kind not in "biuf":
        msg = f"{name}: no array of numbers; save weights of shape (K, height, width)"
        raise OptionError(msg)
    if weights.ndim == 4 and weights.shape[1] == 1:
        weights = weights[:, 0]
    if weights.ndim not in (2, 3) or 0 in weights.shape:
        msg = f"{name}: shape {weights.shape}; save weights of shape (K, height, width), for one channel"
        raise OptionError(msg)
    if weights.ndim == 2:
        return _from_table({name: weights})
    if len(weights) > MOST_KERNELS:
        msg = f"{name}: {len(weights)} kernels; give at most {MOST_KERNELS}"
        raise OptionError(msg)
    return _from_table({f"{name}.{number}": one for number, one in enumerate(weights)})


def _npz(data: bytes, stem: str) -> dict[str, Kernel]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        held = {}
        if unpacked <= MOST_BYTES:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                held = {name: arrays[name] for name in arrays.files}
    except Exception as error:  # noqa: BLE001 - as above
        msg = f"no .npz file of arrays: {(str(error) or type(error).__name__).splitlines()[0]}"
        raise OptionError(msg) from None
    if unpacked > MOST_BYTES:
        msg = f"arrays of more than {MOST_BYTES} bytes; give fewer or smaller kernels"
        raise OptionError(msg)
    made: dict[str, Kernel] = {}
    for name, weights in held.items():
        made |= _from_array(weights, name)
    return made


FILES: Mapping[str, Callable[[bytes, str], dict[str, Kernel]]] = {
    ".toml": _toml,
    ".json": _json,
    ".npy": _npy,
    ".npz": _npz,
}
"""Suffix -> what reads a bank; the second argument is the file's name without it."""
