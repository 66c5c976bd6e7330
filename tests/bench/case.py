"""The description of a comparison."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Case:
    """What is timed: ours, peers by name, and the bar as the largest ratio ours / peer (for named peers)."""

    name: str
    ours: Callable[[], Any]
    peers: dict[str, Callable[[], Any]]
    bars: dict[str, float]
