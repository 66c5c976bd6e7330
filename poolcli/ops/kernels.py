"""KERNELS: name -> weights, summary, source. A new kernel is one entry here."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from poolcli.display import shortened
from poolcli.errors import OptionError, suggestion
from poolcli.ops.arrays import as_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Factor = tuple[NDArray[np.float64], NDArray[np.float64]]
    """A column and a row, whose product is a kernel."""

_LESSON = "Kaggle computer-vision course, visiontools.py"

NEGLIGIBLE = 1e-12
"""A sum or a singular value that is smaller, beside the largest possible, is rounding and stands for 0."""

CELL_BITS, SUM_BITS = 24, 53
"""Of float32 cells and of the float64 sums of their products."""

LARGEST_RANK = 2
"""Kernels of higher rank are cheaper whole."""


class Kernel(NamedTuple):
    """Weights of a Conv2D filter, applied by cross-correlation (never flipped).

    Attributes
    ----------
    rows : tuple of tuple of float
        The weights, top row first.
    divisor : int
        Divisor of all weights.
    summary, source : str
    """

    rows: tuple[tuple[float, ...], ...]
    summary: str
    source: str
    divisor: int = 1

    @property
    def weights(self) -> NDArray[np.float64]:
        """The weights as an ndarray of shape (h, w), float64."""
        return np.array(self.rows, np.float64) / self.divisor


KERNELS: dict[str, Kernel] = {
    "edge": Kernel(
        ((-1, -1, -1), (-1, 8, -1), (-1, -1, -1)), "outlines in every direction; flat areas become 0", _LESSON
    ),
    "emboss": Kernel(((-2, -1, 0), (-1, 1, 1), (0, 1, 2)), "relief lit from the lower right", _LESSON),
    "sharpen": Kernel(((0, -1, 0), (-1, 5, -1), (0, -1, 0)), "the picture plus its edges", _LESSON),
    "blur": Kernel(((1, 2, 1), (2, 4, 2), (1, 2, 1)), "binomial smoothing", _LESSON, divisor=16),
    "box": Kernel(((1, 1, 1), (1, 1, 1), (1, 1, 1)), "mean of the 3x3 neighbourhood", "moving average", divisor=9),
    "sobel-top": Kernel(((1, 2, 1), (0, 0, 0), (-1, -2, -1)), "brighter above than below", "Sobel & Feldman, 1968"),
    "sobel-bottom": Kernel(((-1, -2, -1), (0, 0, 0), (1, 2, 1)), "brighter below than above", _LESSON),
    "sobel-left": Kernel(((1, 0, -1), (2, 0, -2), (1, 0, -1)), "brighter left than right", "Sobel & Feldman, 1968"),
    "sobel-right": Kernel(((-1, 0, 1), (-2, 0, 2), (-1, 0, 1)), "brighter right than left", "Sobel & Feldman, 1968"),
    "sobel-top-left": Kernel(
        ((2, 1, 0), (1, 0, -1), (0, -1, -2)),
        "brighter at the top left than at the bottom right",
        "Sobel, turned by 45°",
    ),
    "sobel-top-right": Kernel(
        ((0, 1, 2), (-1, 0, 1), (-2, -1, 0)),
        "brighter at the top right than at the bottom left",
        "Sobel, turned by 45°",
    ),
    "sobel-bottom-left": Kernel(
        ((0, -1, -2), (1, 0, -1), (2, 1, 0)),
        "brighter at the bottom left than at the top right",
        "Sobel, turned by 45°",
    ),
    "sobel-bottom-right": Kernel(
        ((-2, -1, 0), (-1, 0, 1), (0, 1, 2)),
        "brighter at the bottom right than at the top left",
        "Sobel, turned by 45°",
    ),
    "laplacian": Kernel(
        ((0, 1, 0), (1, -4, 1), (0, 1, 0)), "second derivative, four neighbours", "discrete Laplace operator"
    ),
    "identity": Kernel(((0, 0, 0), (0, 1, 0), (0, 0, 0)), "leaves the picture as it is", "unit impulse"),
}


def weights_of(kernel: Any) -> NDArray[np.float64]:
    """Weights of a kernel given by name or as rows of numbers.

    Parameters
    ----------
    kernel : str or array_like of shape (h, w)
        A name of `KERNELS`, in any case, or the weights themselves: any size, odd or even, square or not.

    Returns
    -------
    ndarray of shape (h, w), float64

    Raises
    ------
    OptionError
        An unknown name; rows of different length, no numbers, or numbers that are not finite.

    Examples
    --------
    >>> weights_of("laplacian").sum()
    np.float64(0.0)
    """
    if isinstance(kernel, str):
        if kernel.lower() not in KERNELS:
            msg = f"kernel {shortened(kernel)}{suggestion(kernel, KERNELS)}"
            raise OptionError(msg)
        return KERNELS[kernel.lower()].weights
    try:
        given = as_array(kernel)
        weights = given.astype(np.float64) if given.dtype.kind in "biuf" else np.empty(0)
    except OptionError as error:
        msg = f"kernel: {error}"
        raise OptionError(msg) from None
    if weights.ndim != 2 or weights.size == 0:
        msg = f"kernel {shortened(kernel)}: write rows of numbers, all of one length"
        raise OptionError(msg)
    if not np.isfinite(weights).all():
        msg = f"kernel with {np.count_nonzero(~np.isfinite(weights))} values that are not finite: write finite numbers"
        raise OptionError(msg)
    return weights


def factors(
    weights: NDArray[np.float64], top: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Split a kernel of whole numbers: a column times a row, added up one after the other, and what is left.

    The row is the one of the kernel's that leaves least, added or subtracted. Everything is left, and the column is
    zero, where that takes as many additions as the kernel has weights, and where a weight could be larger than `top`.

    Parameters
    ----------
    weights : ndarray of shape (h, w), float64
    top : int

    Returns
    -------
    column : ndarray of shape (h,)
    row : ndarray of shape (w,)
    rest : ndarray of shape (h, w)
        ``weights - column[:, None] * row``

    Examples
    --------
    >>> column, row, rest = factors(KERNELS["edge"].weights, 2040)
    >>> column.tolist(), row.tolist(), rest.tolist()
    ([1.0, 1.0, 1.0], [-1.0, -1.0, -1.0], [[0.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 0.0, 0.0]])
    """
    height, width = weights.shape
    best = np.zeros(height), np.zeros(width), weights
    if 2 * np.abs(weights).max() > top:
        return best
    least = np.count_nonzero(weights)
    for row in np.unique(weights, axis=0):
        signs = np.array([0.0, 1.0, -1.0])
        left = np.count_nonzero(weights[:, None] - signs[:, None] * row, axis=2)
        column = signs[left.argmin(axis=1)]
        additions = left.min(axis=1).sum() + np.count_nonzero(column) + np.count_nonzero(row)
        if additions < least:
            least, best = additions, (column, row, weights - column[:, None] * row)
    return best


def low_rank(weights: NDArray[np.float64]) -> list[Factor]:
    """The kernel as a sum of at most `LARGEST_RANK` columns times rows; none where that takes more.

    The columns' absolute weights add up to at most 1 each, so that nothing overflows on the way.
    """
    u, sizes, v = np.linalg.svd(weights)
    rank = int((sizes > NEGLIGIBLE * sizes[0]).sum())
    if not 1 <= rank <= LARGEST_RANK:
        return []
    found = []
    for i in range(rank):
        column, row = u[:, i], sizes[i] * v[i]
        column, row = _clean(column), _clean(row)
        scale = float(np.abs(column).sum())
        found.append((column / scale, row * scale))
    return found


def _clean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Without the rounding of the decomposition: what should be 0 or equal, is."""
    step = 2.0 ** (math.floor(math.log2(np.abs(values).max())) - 46)
    return np.round(values / step) * step


def is_balanced(weights: NDArray[np.float64]) -> bool:
    """Whether the weights add up to 0, so that flat areas become 0."""
    return abs(float(weights.sum())) <= NEGLIGIBLE * float(np.abs(weights).sum())


def rounded(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The weights with so few digits that float64 holds the sums of their products with equal float32 cells exactly.

    Weights that are balanced stay so; flat areas then become 0, in whatever order the products are added.

    Examples
    --------
    >>> float(rounded(np.array([0.1, 0.2, -0.3])).sum())
    0.0
    """
    total = float(np.abs(weights).sum())
    step = 2.0 ** (math.frexp(total)[1] + CELL_BITS - SUM_BITS)
    found = np.round(weights / step) * step
    if is_balanced(weights):
        found.flat[np.abs(found).argmax()] -= found.sum()
    return found
