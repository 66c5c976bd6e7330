"""What an experiment on shifts found, as rows of a table, as CSV and as the object of --json."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from poolcli import __version__
from poolcli.experiments.shifts import FILLS
from poolcli.figures.captions import percent, size_text
from poolcli.pipeline.serialize import finite

if TYPE_CHECKING:
    from poolcli.experiments.invariance import Invariance, Level
    from poolcli.experiments.similarity import Similarity
    from poolcli.images.read import Picture

HEADER = ("level", "shape", "pool", "distinct", "unchanged", "cosine", "control", "score", "largest change")
COLUMNS = (
    "level", "shape", "pool", "shifts", "distinct", "unchanged", "cosine", "control", "score", "largest_change",
)  # fmt: skip


def table_rows(found: Invariance) -> list[list[str]]:
    """One row per level and kind, cells as in `HEADER`; level 0, which is not pooled, is the same for all kinds."""
    rows = []
    for level in found.levels:
        for kind, one in level.pools.items():
            name = kind if level.level else "-"
            rows.append([str(level.level), size_text(level.shapes[kind]), name, *cells(one, found.shifts)])
            if not level.level:
                break
    return rows


def cells(one: Similarity, shifts: int) -> list[str]:
    """The numbers of a level as the table has them, in the order of `HEADER`."""
    empty = "empty" if one.empty else None
    return [
        f"{one.distinct} of {shifts}",
        percent(one.unchanged),
        empty or ratio(one.cosine, "empty"),
        empty or ratio(one.control, "empty"),
        ratio(one.score),
        f"{one.largest_change:.7g}",
    ]


def ratio(value: float | None, none: str = "n/a") -> str:
    """A cosine or score with four decimals, never rounded to 1.

    Examples
    --------
    >>> ratio(0.87560), ratio(1.0), ratio(0.99999), ratio(None)
    ('0.8756', '1.0000', '>0.9999', 'n/a')
    """
    if value is None:
        return none
    text = f"{value:z.4f}"
    return ">0.9999" if text == "1.0000" and value < 1 else text


def summary(found: Invariance) -> str:
    """What was shifted how far, what came in at the edge, and what the control is."""
    edge = f"{found.fill}: {FILLS[found.fill]}" if found.fill else f"crops of {size_text(found.view)}"
    far = f"{found.max_shift} pixel{'s' * (found.max_shift > 1)}"
    return f"{found.shifts} shifts of up to {far} ({edge}); control: {found.control}"


def csv_text(found: Invariance) -> str:
    """The table as CSV: one row per level and kind, numbers in full, ``n/a`` where there is none."""
    out = io.StringIO()
    write = csv.writer(out, lineterminator="\n").writerow
    write(COLUMNS)
    for level in found.levels:
        for kind, one in level.pools.items():
            numbers = _numbers(one)
            shape = size_text(level.shapes[kind])
            write([level.level, shape, kind, found.shifts, *("n/a" if v is None else v for v in numbers.values())])
    return out.getvalue()


def json_record(found: Invariance, picture: Picture, files: dict[str, str]) -> dict[str, Any]:
    """The object of --json; it holds nothing that differs from run to run."""
    return {
        "poolcli": __version__,
        "input": picture.source,
        "size": list(picture.size),
        "recipe": found.recipes[0].to_dict(),
        "max_shift": found.max_shift,
        "shifts": found.shifts,
        "fill": found.fill,
        "view": list(found.view),
        "control": found.control,
        "levels": [_level(level) for level in found.levels],
        "files": files,
    }


def _level(level: Level) -> dict[str, Any]:
    """A level as JSON; kinds whose map differs in shape from the first kind's have a shape of their own."""
    return {
        "level": level.level,
        "shape": list(level.shape),
        "pools": {
            kind: _numbers(one) | ({} if level.shapes[kind] == level.shape else {"shape": list(level.shapes[kind])})
            for kind, one in level.pools.items()
        },
    }


def _numbers(one: Similarity) -> dict[str, int | float | None]:
    return {
        "distinct": one.distinct,
        "unchanged": one.unchanged,
        "cosine": one.cosine,
        "control": one.control,
        "score": one.score,
        "largest_change": finite(one.largest_change),
    }
