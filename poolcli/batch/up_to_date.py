"""What is to be done of an item, by what the journal and the disk say; and whether the folder takes this recipe."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any, NamedTuple

from poolcli import __version__
from poolcli.batch.known import VERSION
from poolcli.batch.plan import stamp_of
from poolcli.batch.work import Task
from poolcli.errors import OptionError
from poolcli.images.atomic import EXISTS
from poolcli.images.opening import display_name

if TYPE_CHECKING:
    from poolcli.batch.known import Entry, Known
    from poolcli.batch.plan import Item, Stamp
    from poolcli.batch.work import Settings


class Decision(NamedTuple):
    """What is to be done of an item: a task, or the reason why it cannot be; neither when it is done already."""

    task: Task | None = None
    refusal: str = ""


def decide(item: Item, known: Known, folder: str, settings: Settings, *, force: bool = False) -> Decision:
    """Compare an item with what the journal and the disk say."""
    source, entry = item.source, known.entries.get(item.result)
    names = [name for name in (item.result, item.figure) if name is not None]
    found = {name: _status(os.path.join(folder, name)) for name in names}
    if entry is not None and entry.done and _is_current(item, entry, found, settings):
        return Decision()
    for name, status in found.items():
        if status is not None and not stat.S_ISREG(status.st_mode):  # a link may lead out of the folder
            where = display_name(os.path.join(folder, name))
            return Decision(refusal=f"{where} exists and is no regular file; a free name is expected")
    task = Task(source.path, item.result, folder, item.figure, replace=True)
    if force:
        return Decision(task)
    if entry is not None and entry.done and _is_anothers(source.path, source.stamp, entry):
        other = display_name(entry.source)
        return Decision(refusal=f"its result would replace that of {other}; --name, another folder or --force expected")
    for name, status in found.items():
        if status is not None and name not in known.ours:
            return Decision(refusal=f"{display_name(os.path.join(folder, name))} {EXISTS}")
    return Decision(task._replace(replace=any(found.values())))


def _is_current(item: Item, entry: Entry, found: dict[str, os.stat_result | None], settings: Settings) -> bool:
    stamp = item.source.stamp
    result = found[item.result]
    if stamp is None or (stamp.size, stamp.mtime_ns) != (entry.size, entry.mtime_ns) or entry.making != settings.making:
        return False
    if _is_anothers(item.source.path, stamp, entry):
        return False
    if result is None or result.st_size != entry.bytes:
        return False
    if item.figure is None:
        return True
    figure = found[item.figure]
    return entry.figure == item.figure and figure is not None and figure.st_size == entry.figure_bytes


def _is_anothers(path: str, stamp: Stamp | None, entry: Entry) -> bool:
    """Whether a result was made from another file, which is still there; else the file has been moved."""
    if os.path.abspath(path) == entry.source:
        return False
    other = stamp_of(entry.source)
    return other is not None and (stamp is None or other[2:] != stamp[2:])


def _status(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)  # a link is not what we made
    except (OSError, ValueError):
        return None


def check_recipe(known: Known, settings: Settings, *, force: bool = False) -> None:
    """Refuse a folder whose results were made in another way, without `force`.

    Raises
    ------
    OptionError
    """
    if known.header and not is_header_of(known, settings) and not force:
        raise OptionError(
            f"its results were made with another recipe: {_difference(known.header, header(settings))}; "
            "the same recipe, another folder or --force is expected"
        )


def is_header_of(known: Known, settings: Settings) -> bool:
    """Whether the last header says that results are made with these settings."""
    making = settings.making
    return (known.header.get("hash"), known.header.get("pixels")) == (making.recipe, making.pixels)


def _difference(old: Any, new: Any, where: str = "") -> str:
    """The first setting in which two headers differ, in words: ``stages 3 size 2x2, now 3x3``."""
    pairs: list[tuple[str, Any, Any]] = []
    if isinstance(old, dict) and isinstance(new, dict):
        pairs = [(key, old.get(key), new.get(key)) for key in {**new, **old} if key not in ("poolcli", "hash")]
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new) and isinstance(old[0], dict):
        pairs = [(str(number), a, b) for number, (a, b) in enumerate(zip(old, new, strict=True), 1)]
    for key, a, b in pairs:
        if a != b:
            return _difference(a, b, f"{where} {key}".strip())
    return f"{where} {_plain(old)}, now {_plain(new)}"


def _plain(value: Any) -> str:
    if isinstance(value, list):
        if value and all(isinstance(item, dict) and "op" in item for item in value):
            return " ".join(item["op"] for item in value)
        flat = len(value) < 5 and not any(isinstance(item, dict | list) for item in value)
        return "x".join(map(_plain, value)) if flat else f"of {len(value)} parts"
    return "none" if value is None else str(value)


def header(settings: Settings) -> dict[str, Any]:
    """What a journal begins with: how the results after it are made."""
    return {
        "journal": VERSION,
        "poolcli": __version__,
        "hash": settings.making.recipe,
        "recipe": settings.recipe.to_dict(),
        "pixels": settings.making.pixels,
    }
