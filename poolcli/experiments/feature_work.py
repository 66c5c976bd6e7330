"""The work on one picture of `features`, from its file to its vector: what a worker does."""

from __future__ import annotations

from traceback import format_exception
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from poolcli.errors import PoolcliError
from poolcli.images.read import read

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from poolcli.figures.feature_sheet import FeatureSheet
    from poolcli.images.read import Picture


class Extractor(Protocol):
    """Makes pictures into vectors; sent to the workers."""

    def reading(self, max_pixels: int | None) -> dict[str, Any]:
        """The keywords with which `images.read` reads a picture for it."""
        ...

    def vector(self, picture: Picture) -> NDArray[np.float32]:
        """The features of a picture, in the order of `columns`."""
        ...

    def columns(self, count: int) -> list[str]:
        """The names of `count` features."""
        ...

    def sheet(self, picture: Picture) -> FeatureSheet:
        """What the figure of a picture shows."""
        ...


class FeatureOutcome(NamedTuple):
    """What became of a picture: its vector, or why it has none, and notes on it."""

    values: NDArray[np.float32] | None
    error: str = ""
    notes: tuple[str, ...] = ()
    trace: str = ""


class FeatureWork(NamedTuple):
    """What is the same for all pictures."""

    extractor: Extractor
    max_pixels: int | None = None
    traces: bool = False


def extract(work: FeatureWork, path: str) -> FeatureOutcome:
    """Read a picture and make it a vector; errors are returned in the outcome and not raised."""
    cause: BaseException
    try:
        picture = read(path, **work.extractor.reading(work.max_pixels))
        return FeatureOutcome(work.extractor.vector(picture), "", picture.notes)
    except MemoryError as problem:
        error, cause = "not enough memory; use a smaller picture", problem
    except PoolcliError as problem:
        error, cause = str(problem), problem
    except Exception as problem:  # noqa: BLE001 - a mistake of ours costs this picture, not the others
        error = f"{type(problem).__name__}: {problem}; this should not happen, -vv shows where"
        cause = problem
    trace = "".join(format_exception(cause)) if work.traces else ""
    return FeatureOutcome(None, error, (), trace)
