"""Which part of a picture is explained, and which window: the values of ``--crop`` and ``--window``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from poolcli.display import shortened
from poolcli.errors import OptionError, SizeError
from poolcli.images import read

if TYPE_CHECKING:
    from poolcli.images.read import Picture
    from poolcli.ops.settings import Pair
    from poolcli.pipeline.recipe import Recipe

Crop = tuple[int, int, int, int]
"""Top row, left column, height and width."""


def parse_crop(text: str) -> Crop:
    """Parse a crop, ``TOP,LEFT,HEIGHTxWIDTH``; one number after the corner is both height and width.

    Returns
    -------
    (top, left, height, width)

    Raises
    ------
    OptionError
        The text has another form, or a side is 0.

    Examples
    --------
    >>> parse_crop("10,20,8x12")
    (10, 20, 8, 12)
    >>> parse_crop("10,20,8")
    (10, 20, 8, 8)
    """
    found = re.fullmatch(r"\s*([0-9]{1,9})\s*,\s*([0-9]{1,9})\s*,\s*([0-9]{1,9})(?:x([0-9]{1,9}))?\s*", text)
    top, left, height, width = (int(part or found[3]) for part in found.groups()) if found else (0, 0, 0, 0)
    if not height or not width:
        msg = f"crop {shortened(text)}: write TOP,LEFT,HEIGHTxWIDTH, such as 10,20,8x12, with sides of at least 1"
        raise OptionError(msg)
    return top, left, height, width


def parse_window(text: str) -> Pair:
    """Parse the position of a cell, ``ROW,COLUMN``, counted from 0.

    Raises
    ------
    OptionError
        The text has another form.

    Examples
    --------
    >>> parse_window("1,2")
    (1, 2)
    """
    found = re.fullmatch(r"\s*([0-9]{1,9})\s*,\s*([0-9]{1,9})\s*", text)
    if not found:
        msg = f"window {shortened(text)}: write ROW,COLUMN, whole numbers from 0, such as 1,2"
        raise OptionError(msg)
    return int(found[1]), int(found[2])


def check_crop(crop: Crop, shape: Pair) -> None:
    """Refuse a crop that reaches beyond a picture of this shape, (height, width).

    Raises
    ------
    SizeError
        The crop is not inside the picture.
    """
    top, left, height, width = crop
    if top + height > shape[0] or left + width > shape[1]:
        msg = (
            f"crop {top},{left},{height}x{width}: rows {top} to {top + height - 1} and columns {left} to "
            f"{left + width - 1} of a {shape[0]}x{shape[1]} picture; give a crop inside it"
        )
        raise SizeError(msg)


def crop_picture(picture: Picture, crop: Crop | None) -> tuple[Picture, Pair]:
    """Cut a part out of a picture.

    Parameters
    ----------
    picture : Picture
    crop : (top, left, height, width) or None
        None keeps the whole picture.

    Returns
    -------
    part : Picture
    full : (height, width)
        The size of the whole picture.

    Raises
    ------
    SizeError
        The crop is not inside the picture.
    """
    height, width = picture.values.shape[:2]
    if crop is None:
        return picture, (height, width)
    check_crop(crop, (height, width))
    top, left, rows, cols = crop
    return picture._replace(values=picture.values[top : top + rows, left : left + cols]), (height, width)


def centre_crop(shape: Pair, most: int) -> Crop | None:
    """The crop of at most `most` rows and columns in the middle of a picture; None if the picture is not larger.

    Examples
    --------
    >>> centre_crop((300, 451), 128), centre_crop((64, 64), 128)
    ((86, 161, 128, 128), None)
    """
    height, width = min(shape[0], most), min(shape[1], most)
    if (height, width) == shape:
        return None
    return (shape[0] - height) // 2, (shape[1] - width) // 2, height, width


def read_picture(source: Any, recipe: Recipe, crop: Crop | None, max_pixels: int | None = None) -> tuple[Picture, Pair]:
    """Read a picture from a file or a stream and crop it.

    Parameters
    ----------
    source : path or binary stream
    recipe : Recipe
        Its settings of reading: channels, range, resizing and others.
    crop : (top, left, height, width) or None
    max_pixels : int, optional
        Larger pictures are refused before they are decoded.

    Returns
    -------
    part : Picture
    full : (height, width)
        The size of the whole picture.

    Raises
    ------
    ImageError
        The file cannot be read.
    SizeError
        The crop is not inside the picture, or a window does not fit it.
    """
    return crop_picture(read.read(source, **reading_options(recipe, crop, max_pixels)), crop)


def reading_options(recipe: Recipe, crop: Crop | None, max_pixels: int | None = None) -> dict[str, Any]:
    """Keywords of `images.read.read` for a recipe; with a crop, the crop is checked instead of the recipe's windows."""
    from poolcli.pipeline.engine import reading

    def check(height: int, width: int, channels: int) -> None:
        if crop is not None:
            check_crop(crop, recipe.resize or (height, width))

    options = reading(recipe, max_pixels)
    return {**options, "check": check} if crop is not None else options
