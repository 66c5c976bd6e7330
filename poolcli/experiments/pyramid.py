"""Spatial pyramid pooling: the levels of a pyramid, and the names of its cells (He et al., 2014, arXiv 1406.4729)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poolcli.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Sequence

LARGEST_LEVEL = 64


def levels_value(text: str) -> tuple[int, ...]:
    """The levels of a pyramid: ``1,2,4``.

    Raises
    ------
    OptionError

    Examples
    --------
    >>> levels_value("1,2,4")
    (1, 2, 4)
    """
    try:
        levels = tuple(int(part) for part in text.split(","))
    except ValueError:
        levels = ()
    if not levels or len(set(levels)) < len(levels) or not 1 <= min(levels) <= max(levels) <= LARGEST_LEVEL:
        msg = f"pyramid {text!r}: write different whole numbers from 1 to {LARGEST_LEVEL}, such as 1,2,4"
        raise OptionError(msg)
    return levels


def cell_names(levels: Sequence[int]) -> list[str]:
    """What follows a map's name for each of its cells; one empty name without a pyramid.

    Examples
    --------
    >>> cell_names((1, 2))
    ['.1x1.0.0', '.2x2.0.0', '.2x2.0.1', '.2x2.1.0', '.2x2.1.1']
    >>> cell_names(())
    ['']
    """
    return [f".{n}x{n}.{row}.{col}" for n in levels for row in range(n) for col in range(n)] or [""]
