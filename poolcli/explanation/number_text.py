"""How numbers are written in explanations: whole numbers without a point, short ones in full, others rounded."""

from __future__ import annotations

import math

import numpy as np


def json_number(value: float | np.generic) -> float:
    """The value as JSON prints it: the shortest decimal number that gives the same float32, or float64.

    Examples
    --------
    >>> json_number(np.float32(0.1)), json_number(np.float64(0.1))
    (0.1, 0.1)
    """
    return float(str(value)) if isinstance(value, np.float32) else float(value)


def number_text(value: float | np.generic) -> str:
    """Format a number for arithmetic.

    Whole numbers have no decimal point, numbers of up to seven characters are written in full, and others get four
    decimals, or four digits where they are very large or small.

    Examples
    --------
    >>> [number_text(value) for value in (5.0, 8.3125, -0.0, np.float32(0.643137), 1234.56789, 1.5e-7)]
    ['5', '8.3125', '0', '0.6431', '1234.5679', '1.5e-07']
    """
    number = json_number(value) + 0.0
    if not math.isfinite(number):
        return str(number)
    if number == int(number) and abs(number) < 1e15:
        return str(int(number))
    shortest = repr(number)
    if len(shortest.lstrip("-")) <= 7:
        return shortest
    if 1e-3 <= abs(number) < 1e6:
        return f"{number:.4f}".rstrip("0").rstrip(".")
    return f"{number:.4g}"
