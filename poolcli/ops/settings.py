"""Settings of windows and steps, checked: whole numbers, flags, sizes of two axes, padding.

What comes in may be numpy's; what goes on is Python's own number, and anything else is refused with the setting's name.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from poolcli.display import shortened
from poolcli.errors import OptionError

PADDING_NAMES = {
    "valid": "whole windows only",
    "same": "ceil(n / stride) outputs, the odd cell of padding at the bottom and right (TensorFlow, ONNX SAME_UPPER)",
    "same-lower": "the same, the odd cell at the top and left (ONNX SAME_LOWER)",
}
LARGEST = 2**31 - 1
"""No size, stride, dilation or padding is larger; far beyond any picture, and far from what integers can hold."""

MOST = 2**63 - 1
"""No other whole number is larger."""

PADDING_FORMS = "valid, same, same-lower, N, (height, width) or ((top, bottom), (left, right))"

Pair = tuple[int, int]
Padding = str | tuple[Pair, Pair]


def python_value(value: Any) -> Any:
    """Python's own numbers for numpy's, which overflow and which JSON cannot write; lists and arrays become tuples."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    return tuple(python_value(one) for one in value) if isinstance(value, list | tuple) else value


def is_whole(value: object) -> bool:
    """Whether `value` is a whole number and no bool."""
    return isinstance(value, int) and not isinstance(value, bool)


def flag(name: str, value: Any) -> bool:
    """True or false.

    Raises
    ------
    OptionError
        `value` is neither.
    """
    given = python_value(value)
    if not isinstance(given, bool):
        msg = f"{name} {shortened(value)}: write true or false"
        raise OptionError(msg)
    return given


def whole(name: str, value: Any, minimum: int = 1) -> int:
    """A whole number of at least `minimum`.

    Raises
    ------
    OptionError
        `value` is none.
    """
    given = python_value(value)
    if not is_whole(given) or given < minimum:
        msg = f"{name} {shortened(value)}: write a whole number of at least {minimum}"
        raise OptionError(msg)
    if given > MOST:
        msg = f"{name} {shortened(value)}: write a whole number from {minimum} to {MOST}"
        raise OptionError(msg)
    return int(given)


def pair(name: str, value: Any, minimum: int = 1) -> Pair:
    """Turn ``3`` or ``(3, 2)`` into ``(3, 2)``: height, width.

    Raises
    ------
    OptionError
        `value` is neither, or below `minimum`.
    """
    given = python_value(value)
    both = given if isinstance(given, tuple) else (given, given)
    if len(both) != 2 or not all(is_whole(v) and minimum <= v <= LARGEST for v in both):
        msg = f"{name} {shortened(value)}: write a whole number from {minimum} to {LARGEST}, or two (height, width)"
        raise OptionError(msg)
    return both[0], both[1]


def output_pair(name: str, value: Any) -> tuple[int | None, int | None]:
    """Turn ``7`` or ``(None, 7)`` into (height, width), None for an axis that is kept.

    Raises
    ------
    OptionError
        `value` is neither, or has a number below 1.
    """
    given = python_value(value)
    both = given if isinstance(given, tuple) else (given, given) if is_whole(given) else ()
    if len(both) != 2 or not all(v is None or (is_whole(v) and 1 <= v <= LARGEST) for v in both):
        msg = f"{name} {shortened(value)}: write a whole number from 1 to {LARGEST}, or two (height, width); None keeps an axis"
        raise OptionError(msg)
    return both[0], both[1]


def padding_pairs(name: str, value: Any) -> Padding:
    """Turn any of `PADDING_FORMS` into a name of `PADDING_NAMES` or ``((top, bottom), (left, right))``.

    Names may be in any case.

    Raises
    ------
    OptionError
        `value` has none of the forms, or a negative number in it.
    """
    if isinstance(value, str) and value.lower() in PADDING_NAMES:
        return value.lower()
    msg = f"{name} {shortened(value)}: write {PADDING_FORMS}, all numbers at least 0"
    value = python_value(value)
    if is_whole(value):
        value = (value, value)
    try:
        rows, cols = value
        top, bottom = (rows, rows) if is_whole(rows) else rows
        left, right = (cols, cols) if is_whole(cols) else cols
    except (TypeError, ValueError):
        raise OptionError(msg) from None
    sides = (top, bottom, left, right)
    if isinstance(value, str) or not all(is_whole(v) and 0 <= v <= LARGEST for v in sides):
        raise OptionError(msg)
    return (top, bottom), (left, right)
