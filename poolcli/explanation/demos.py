"""DEMO_MATRICES: name -> a small matrix from a text on pooling, with the window that the text uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from poolcli.errors import OptionError, suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


class DemoMatrix(NamedTuple):
    """A small example.

    Attributes
    ----------
    rows : tuple of tuple of float
        The matrix, top row first.
    summary, source : str
        What the example shows, and the text that it is from.
    options : mapping
        The pooling of the text, as keywords of `poolcli.recipe`; used if the user gives no option.
    """

    rows: tuple[tuple[float, ...], ...]
    summary: str
    source: str
    options: Mapping[str, Any]

    @property
    def values(self) -> NDArray[np.float64]:
        """The matrix as an ndarray of shape (h, w), float64."""
        return np.array(self.rows, np.float64)


def _counting(first: int, height: int, width: int) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(first + r * width + c) for c in range(width)) for r in range(height))


DEMO_MATRICES: dict[str, DemoMatrix] = {
    "a": DemoMatrix(
        _counting(1, 4, 4), "1 to 16 in rows of four: max 2/2 is 6 8, 14 16", "common textbook example", {"size": 2}
    ),
    "b": DemoMatrix(
        ((10, 12, 8, 7), (4, 11, 5, 9), (18, 13, 7, 7), (3, 15, 2, 2)),
        "max 2/2 is 12 9, 18 7; at stride 1 there are 9 windows",
        "Radečić, Implement pooling from scratch",
        {"size": 2},
    ),
    "tensorflow": DemoMatrix(
        ((0, 0, 1, 7), (0, 2, 0, 0), (5, 2, 0, 0), (0, 0, 9, 8)),
        "each window has its maximum in another corner",
        "tf.nn.max_pool documentation",
        {"size": 2, "padding": "same"},
    ),
    "d2l": DemoMatrix(
        _counting(0, 3, 3), "overlapping windows: 2x2 at stride 1", "Dive into Deep Learning, Pooling",
        {"size": 2, "stride": 1},
    ),
    "d2l-padding": DemoMatrix(
        _counting(0, 4, 4), "3x3 at stride 2 with padding 1", "Dive into Deep Learning, Pooling",
        {"size": 3, "stride": 2, "padding": 1},
    ),
    "d2l-rectangle": DemoMatrix(
        _counting(0, 4, 4), "2x3 at stride 2x3, padding 0x1", "Dive into Deep Learning, Pooling",
        {"size": (2, 3), "stride": (2, 3), "padding": (0, 1)},
    ),
    "onnx": DemoMatrix(
        ((-1, 2, 3), (4, -5, 6), (7, 8, 9)), "the p-norm of windows: 12 16, 24 28 with p 1", "ONNX LpPool tests",
        {"pool": "lp", "p": 1, "size": 2, "stride": 1},
    ),
    "shift": DemoMatrix(
        ((0, 0, 2, 1), (0, 0, 1, 3), (1, 2, 0, 1), (4, 1, 2, 2)),
        "put a 9 anywhere in the first window: the result is the same",
        "translation invariance, worked by hand",
        {"size": 2},
    ),
}  # fmt: skip


def demo_named(name: str) -> DemoMatrix:
    """The entry of `DEMO_MATRICES` for a name, in upper or lower case.

    Raises
    ------
    OptionError
        There is no such demo.
    """
    if name.lower() not in DEMO_MATRICES:
        msg = f"demo {name!r}{suggestion(name.lower(), DEMO_MATRICES)}"
        raise OptionError(msg)
    return DEMO_MATRICES[name.lower()]
