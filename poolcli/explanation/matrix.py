"""A matrix of numbers as the input of an explanation: the value of ``--matrix``."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import numpy as np

from poolcli.display import display_name, shortened
from poolcli.errors import ImageError, SizeError
from poolcli.explanation.crop import crop_picture, reading_options
from poolcli.images import read
from poolcli.images.arrays import read_npy
from poolcli.pipeline.number_rows import rows_from_file, rows_from_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolcli.explanation.crop import Crop
    from poolcli.images.read import Picture
    from poolcli.ops.settings import Pair
    from poolcli.pipeline.recipe import Recipe

MATRIX_FILES = (".csv", ".txt", ".npy")


def parse_matrix(text: str) -> NDArray[np.float64]:
    """Parse rows of numbers, or read them from a ``.csv``, ``.txt`` or ``.npy`` file.

    Numbers are separated by spaces or by commas, rows by semicolons or line ends.

    Returns
    -------
    ndarray of shape (h, w), float64

    Raises
    ------
    OptionError
        A cell is no number, or rows differ in length.
    ImageError
        The file cannot be read.

    Examples
    --------
    >>> parse_matrix("1 2; 3 4").tolist()
    [[1.0, 2.0], [3.0, 4.0]]
    """
    suffix = os.path.splitext(text)[1].lower()
    if suffix in MATRIX_FILES and ";" not in text:
        return _from_file(text, suffix)
    return np.array(rows_from_text(text, f"matrix {shortened(text)}"), np.float64)


def _from_file(path: str, suffix: str) -> NDArray[np.float64]:
    what = f"matrix {display_name(path)}"
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise ImageError(f"{what}: {error.strerror}") from None
    if suffix == ".npy":
        try:
            array = read_npy(io.BytesIO(data), len(data), None, _check_axes)
        except ImageError as error:
            raise ImageError(f"{what}: {error}") from None
        return array.astype(np.float64)
    return np.array(rows_from_file(data, what), np.float64)


def _check_axes(shape: tuple[int, ...], _: int | None) -> None:
    if len(shape) != 2 or 0 in shape:
        raise ImageError(f"array of shape {shape}; give numbers of shape (height, width)")


def matrix_picture(values: NDArray[np.float64], recipe: Recipe, source: str, crop: Crop | None) -> tuple[Picture, Pair]:
    """Make a picture of a matrix; its numbers are not scaled.

    Parameters
    ----------
    values : ndarray of shape (h, w), float64
    recipe : Recipe
    source : str
        Name of the matrix in messages.
    crop : (top, left, height, width) or None

    Returns
    -------
    part : Picture
    full : (height, width)
        The size of the whole matrix.

    Raises
    ------
    ImageError
        A number is not finite, or too large for float32.
    SizeError
        The crop is not inside the matrix.
    """
    if np.isfinite(values).all() and np.abs(values).max() > np.finfo(np.float32).max:
        raise ImageError(f"{source}: {np.abs(values).max():g} is too large for float32; give numbers up to 3.4e38")
    try:
        whole = read.from_array(values, source=source, **reading_options(recipe, crop))
    except (ImageError, SizeError) as error:
        msg = f"{source}: {error}"
        raise type(error)(msg) from None
    return crop_picture(whole, crop)
