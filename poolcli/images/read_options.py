"""The settings of reading, checked once before any file is opened."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from poolcli.display import shortened
from poolcli.errors import ImageError, OptionError, alternatives
from poolcli.images.arrays import check_cells, check_planes, check_shape, finite
from poolcli.images.modes import parse_color
from poolcli.images.nodata import missing_note, nodata_value, with_missing
from poolcli.images.resize import RESIZE_FILTERS, resized
from poolcli.images.safe_open import MAX_PIXELS

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    Check = Callable[[int, int, int], None]


class ReadOptions(NamedTuple):
    """How pictures are read, checked; the attributes are the keywords of `read`, with the colour parsed."""

    channels: str
    background: tuple[int, int, int]
    nan: str
    resize: tuple[int, int] | None
    resize_filter: str
    check: Check | None
    max_pixels: int | None
    page: int = 1
    layout: str = "hwc"
    own_numbers: bool = False
    nodata: float | None = None

    @classmethod
    def checked(
        cls,
        channels: str,
        background: str,
        nan: str,
        resize: tuple[int, int] | None,
        resize_filter: str,
        check: Check | None,
        max_pixels: int | None,
        page: int = 1,
        layout: str = "hwc",
        own_numbers: bool = False,
        nodata: float | None = None,
    ) -> ReadOptions:
        """The settings; `OptionError` if one is wrong for every picture."""
        for what, value, known in (
            ("channels", channels, ("gray", "each")),
            ("layout", layout, ("hwc", "planes")),
            ("nan", nan, ("error", "zero", "ignore")),
            ("resize filter", resize_filter, tuple(RESIZE_FILTERS)),
        ):
            if not isinstance(value, str) or value not in known:
                raise OptionError(f"{what} {shortened(value)}; write {alternatives(known)}")
        if resize is not None:
            height, width = resize
            limit = MAX_PIXELS if max_pixels is None else max_pixels
            if min(height, width) < 1 or height * width > limit:
                raise OptionError(f"resize {height}x{width}; write a size from 1x1 to {limit:,} pixels (--max-pixels)")
        return cls(
            channels, parse_color(background), nan, resize, resize_filter, check, max_pixels, page, layout, own_numbers,
            nodata_value(nodata),
        )  # fmt: skip

    def check_shape(self, shape: tuple[int, ...], max_pixels: int | None) -> None:
        """Refuse an array whose shape does not fit the layout, and one of more cells than `max_pixels`."""
        if self.layout == "planes":
            check_planes(shape, max_pixels)
            check_cells((*shape[-2:], math.prod(shape[:-2])), "planes", max_pixels)
        else:
            check_shape(shape, max_pixels)
            check_cells((*shape[:2], math.prod(shape[2:])), "channels", max_pixels)

    def announce(self, height: int, width: int, channels: int) -> None:
        """Call `check` with the size that the run will have, before anything is decoded; it may raise."""
        if self.check is not None:
            self.check(*(self.resize or (height, width)), channels)

    def present(self, values: NDArray[Any], missing: NDArray[np.bool_] | None = None) -> NDArray[Any]:
        """The picture without NaN and infinity, or with NaN where cells are missing."""
        values = finite(values, self.nan)
        return values if missing is None else with_missing(values, missing)

    def notes(self, values: NDArray[Any]) -> tuple[str, ...]:
        """The note about missing cells, if there are any."""
        note = missing_note(values) if self.nan == "ignore" or self.nodata is not None else None
        return (note,) if note else ()

    def resized(self, values: NDArray[Any]) -> NDArray[Any]:
        """The picture at the size asked for.

        Raises
        ------
        ImageError
            A filter would mix missing cells with others.
        """
        if self.resize is None:
            return values
        notes = self.notes(values)
        if notes and self.resize_filter != "nearest" and self.resize != values.shape[:2]:
            raise ImageError(
                f"resize: {notes[0]}, but {self.resize_filter} would mix them with others; use --resize-filter nearest"
            )
        return resized(values, self.resize, self.resize_filter)
