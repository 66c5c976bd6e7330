"""Which storage has a path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from poolcli.batch.local_storage import LOCAL

if TYPE_CHECKING:
    from poolcli.batch.storage import Storage


@dataclass(frozen=True)
class Stores:
    """The storages of a batch."""

    def of(self, path: str) -> Storage:
        """The storage that has a path."""
        return LOCAL


LOCAL_ONLY = Stores()
"""Every path is that of a local file."""
