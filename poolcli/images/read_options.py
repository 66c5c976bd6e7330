"""The settings of reading, checked once before any file is touched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from poolcli.errors import OptionError
from poolcli.images.modes import parse_color
from poolcli.images.opening import MAX_PIXELS
from poolcli.images.resize import RESIZE_FILTERS, resized

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Check = Callable[[int, int, int], None]


class Settings(NamedTuple):
    """How pictures are read, checked; the attributes are the keywords of `read`, with the colour parsed."""

    channels: str
    background: tuple[int, int, int]
    nan: str
    resize: tuple[int, int] | None
    resize_filter: str
    check: Check | None
    max_pixels: int | None

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
    ) -> Settings:
        """The settings, or `OptionError` for a value that is wrong for every picture."""
        for what, value, accepted in (
            ("channels", channels, ("gray", "each")),
            ("nan", nan, ("error", "zero")),
            ("resize filter", resize_filter, tuple(RESIZE_FILTERS)),
        ):
            if value not in accepted:
                raise OptionError(f"{what} {value!r}; {', '.join(accepted[:-1])} or {accepted[-1]} is accepted")
        if resize is not None:
            height, width = resize
            limit = MAX_PIXELS if max_pixels is None else max_pixels
            if min(height, width) < 1 or height * width > limit:
                raise OptionError(f"resize {height}x{width}; 1x1 to {limit:,} pixels (--max-pixels) are accepted")
        return cls(channels, parse_color(background), nan, resize, resize_filter, check, max_pixels)

    def announce(self, height: int, width: int, channels: int) -> None:
        """Tell the caller the size that the run will see, before anything is decoded; it may raise."""
        if self.check is not None:
            self.check(*(self.resize or (height, width)), channels)

    def resized(self, values: NDArray[Any]) -> NDArray[Any]:
        """The picture at the size asked for."""
        return values if self.resize is None else resized(values, self.resize, self.resize_filter)
