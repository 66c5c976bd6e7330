"""ARITHMETIC: kind of pooling -> a function that writes out how a window's result is computed. One entry per kind."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from poolcli.explanation.number_text import number_text
from poolcli.ops.smooth_maxima import LEAST

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

MOST_TERMS = 64
"""A longer list of terms loses its middle."""

WRITTEN_TWICE = 4
"""Cells of a window up to which a formula that has each of them twice is written out."""


class WindowCells(NamedTuple):
    """The numbers in a window's arithmetic.

    Attributes
    ----------
    values : sequence of float
        The cells of the window, in row-major order, without padding.
    result : float
        The result that the engine computed.
    divisor : int
        The divisor of an average; larger than the number of values where padding counts.
    parameters : mapping
        The parameters of the kind, by name.
    """

    values: Sequence[float]
    result: float
    divisor: int
    parameters: Mapping[str, float]


def _cut(terms: list[str], between: str) -> str:
    """Join terms; a long list loses its middle."""
    if len(terms) > MOST_TERMS:
        terms = [*terms[: MOST_TERMS // 2], "…", *terms[-MOST_TERMS // 2 :]]
    return between.join(terms)


def join_values(values: Sequence[float]) -> str:
    """Values as a list, ``1, 2, 5, 6``."""
    return _cut([number_text(value) for value in values], ", ")


def join_sum(terms: list[str]) -> str:
    """Terms as a sum; a term that begins with a minus is subtracted.

    Examples
    --------
    >>> join_sum(["1", "-2", "3"])
    '1 - 2 + 3'
    """
    return _cut(terms, " + ").replace("+ -", "- ")


def _sum(values: Sequence[float]) -> str:
    return join_sum([number_text(value) for value in values])


def _average(cells: WindowCells) -> str:
    zeros = [0.0] * (cells.divisor - len(cells.values))
    return f"({_sum([*cells.values, *zeros])}) / {cells.divisor}"


def _median(cells: WindowCells) -> str:
    ordered = sorted(cells.values)
    middle = len(ordered) // 2
    text = f"median({join_values(cells.values)})"
    if len(ordered) % 2 == 0:
        text += f" = ({join_sum([number_text(ordered[middle - 1]), number_text(ordered[middle])])}) / 2"
    return text


def _mode(cells: WindowCells) -> str:
    times = sum(value == cells.result for value in cells.values)
    return f"most frequent of ({join_values(cells.values)}), {times} of {len(cells.values)},"


def _percentile(cells: WindowCells) -> str:
    return f"percentile {number_text(cells.parameters['q'])} of ({join_values(cells.values)})"


def _range(cells: WindowCells) -> str:
    return f"max({join_values(cells.values)}) - min(…) = {join_sum([number_text(max(cells.values)), '-' + number_text(min(cells.values))])}"


def _std(cells: WindowCells) -> str:
    mean = number_text(np.float32(np.mean(np.asarray(cells.values, np.float64))))
    squares = [f"({join_sum([number_text(value), '-' + mean])})²".replace("- -", "+ ") for value in cells.values]
    return f"sqrt(({_cut(squares, ' + ')}) / {len(cells.values)})"


def _squares(values: Sequence[float]) -> str:
    return _cut([f"({number_text(v)})²" if v < 0 else f"{number_text(v)}²" for v in values], " + ")


def _lp(cells: WindowCells) -> str:
    p = cells.parameters["p"]
    if p == 2:
        return f"sqrt({_squares(cells.values)})"
    magnitudes = [f"|{number_text(v)}|" if v < 0 else number_text(v) for v in cells.values]
    if math.isinf(p):
        return f"max({_cut(magnitudes, ', ')})"
    if p == 1:
        return _cut(magnitudes, " + ")
    return f"({_cut([f'{term}^{number_text(p)}' for term in magnitudes], ' + ')})^(1/{number_text(p)})"


def _gem(cells: WindowCells) -> str:
    p = cells.parameters["p"]
    values = [number_text(max(value, LEAST)) for value in cells.values]
    if math.isinf(p):
        return f"max({_cut(values, ', ')})"
    if p == 1:
        return f"({_cut(values, ' + ')}) / {len(values)}"
    power = f"^{number_text(p)}"
    return f"(({_cut([value + power for value in values], ' + ')}) / {len(values)})^(1/{number_text(p)})"


def _lse(cells: WindowCells) -> str:
    r = cells.parameters["r"]
    if math.isinf(r):
        return f"max({join_values(cells.values)})"
    steep = "" if r == 1 else f"{number_text(r)}·"
    powers = [f"exp({steep}{_factor(value)})" for value in cells.values]
    return f"log(({_cut(powers, ' + ')}) / {len(powers)})" + ("" if r == 1 else f" / {number_text(r)}")


def _factor(value: float) -> str:
    return f"({number_text(value)})" if value < 0 else number_text(value)


def _soft(cells: WindowCells) -> str:
    if len(cells.values) > WRITTEN_TWICE:
        return f"sum(x·exp(x)) / sum(exp(x)) of ({join_values(cells.values)})"
    powers = [f"exp({number_text(value)})" for value in cells.values]
    products = [f"{number_text(value)}·{power}" for value, power in zip(cells.values, powers, strict=True)]
    return f"({join_sum(products)}) / ({_cut(powers, ' + ')})"


def _mixed(cells: WindowCells) -> str:
    alpha = cells.parameters["alpha"]
    return f"{number_text(alpha)}·max({join_values(cells.values)}) + {number_text(1 - alpha)}·{_average(cells)}"


def _stochastic(cells: WindowCells) -> str:
    total = sum(max(value, 0) for value in cells.values)
    if total == 0:
        return f"none of ({join_values(cells.values)}) is positive: the largest,"
    return f"drawn from ({join_values(cells.values)}), probability {number_text(cells.result)}/{number_text(total)},"


ARITHMETIC: Mapping[str, Callable[[WindowCells], str]] = {
    "max": lambda cells: f"max({join_values(cells.values)})",
    "min": lambda cells: f"min({join_values(cells.values)})",
    "average": _average,
    "median": _median,
    "mode": _mode,
    "percentile": _percentile,
    "sum": lambda cells: _sum(cells.values),
    "range": _range,
    "std": _std,
    "lp": _lp,
    "rms": lambda cells: f"sqrt(({_squares(cells.values)}) / {len(cells.values)})",
    "subsample": lambda cells: f"first of ({join_values(cells.values)})",
    "gem": _gem,
    "lse": _lse,
    "soft": _soft,
    "mixed": _mixed,
    "stochastic": _stochastic,
}


def pooling_text(kind: str, cells: WindowCells) -> str:
    """Write out the arithmetic of one pooling window.

    Parameters
    ----------
    kind : str
        A name of `POOLS`. A kind without an entry in `ARITHMETIC` is written as a function of its cells.
    cells : WindowCells

    Examples
    --------
    >>> pooling_text("average", WindowCells([1.0, 2.0, 5.0, 6.0], 3.5, 4, {}))
    '(1 + 2 + 5 + 6) / 4 = 3.5'
    """
    write = ARITHMETIC.get(kind)
    text = write(cells) if write else f"{kind}({join_values(cells.values)}{_parameter(cells)})"
    return f"{text} = {number_text(cells.result)}"


def _parameter(cells: WindowCells) -> str:
    return "".join(f"; {name} {number_text(value)}" for name, value in cells.parameters.items())


def convolution_text(
    weights: Sequence[float], values: Sequence[float], result: float, divisor: float | None = None
) -> str:
    """Write out the arithmetic of one window of a kernel, its sum divided by `divisor`; weights of zero are left out.

    Examples
    --------
    >>> convolution_text([-1.0, 0.0, 8.0], [2.0, 9.0, 0.5], 2.0)
    '-1·2 + 8·0.5 = 2'
    """
    terms = [
        f"{number_text(w)}·{f'({number_text(v)})' if v < 0 else number_text(v)}"
        for w, v in zip(weights, values, strict=True)
        if w
    ]
    total = join_sum(terms) if terms else "0"
    return f"{total if divisor is None else f'({total}) / {number_text(divisor)}'} = {number_text(result)}"


def relu_text(value: float, result: float) -> str:
    """Write out the arithmetic of ReLU.

    Examples
    --------
    >>> relu_text(-3.0, 0.0)
    'max(0, -3) = 0'
    """
    return f"max(0, {number_text(value)}) = {number_text(result)}"
