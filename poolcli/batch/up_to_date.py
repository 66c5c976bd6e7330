"""Decides from the journal and the disk what an item needs, and whether the folder is for this recipe."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from poolcli import __version__
from poolcli.batch.journal_state import VERSION
from poolcli.batch.storage import FILE, FOLDER, absolute, is_url
from poolcli.batch.templates import LONGEST_NAME, is_too_long
from poolcli.batch.worker import Task
from poolcli.display import display_name
from poolcli.errors import OptionError
from poolcli.images.atomic import exists

if TYPE_CHECKING:
    from poolcli.batch.journal_state import JournalEntry, JournalState
    from poolcli.batch.plan import Item
    from poolcli.batch.storage import Stamp, Status, Storage
    from poolcli.batch.stores import Stores
    from poolcli.batch.worker import WorkOptions


class Decision(NamedTuple):
    """The decision about an item: a task, or the reason why there is none; neither if it is up to date."""

    task: Task | None = None
    refusal: str = ""


def next_task(item: Item, known: JournalState, folder: str, settings: WorkOptions, *, force: bool = False) -> Decision:
    """Compare an item with the journal and the disk."""
    source, entry = item.source, known.entries.get(item.result)
    names = [name for name in (item.result, item.figure) if name is not None]
    storage, below = settings.stores.of(folder), os.path.join(folder, "")
    found = {name: storage.status(below + name, follow=False) for name in names}  # a link is not ours
    if entry is not None and entry.done and _is_current(item, entry, found, settings):
        return Decision()
    if refusal := _in_the_way(item, folder, found, storage):
        return Decision(refusal=refusal)
    stamp = source.stamp if is_url(source.path) else None
    task = Task(source.path, item.result, folder, item.figure, replace=True, number=item.number, stamp=stamp)
    if force:
        return Decision(task)
    if entry is not None and entry.done and _is_anothers(source.path, source.stamp, entry, settings.stores):
        other = display_name(entry.source)
        return Decision(
            refusal=f"its result would replace that of {other}; choose another --name or folder, or replace it with --force"
        )
    for name, status in found.items():
        if status is not None and name not in known.ours:
            return Decision(refusal=f"{display_name(os.path.join(folder, name))} {exists('--name')}")
    ours = any(name in known.ours for name in names)  # a worker of the run before may be writing it just now
    return Decision(task._replace(replace=ours or any(found.values())))


def _in_the_way(item: Item, folder: str, found: dict[str, Status | None], storage: Storage) -> str:
    """Why the files cannot be made: a name, or an existing file in their place or that of their folder; else empty."""
    if not is_url(folder) and is_too_long(*found):
        which = "result" if is_too_long(item.result) else "figure"
        shorter = "'{index}" + os.path.splitext(item.result)[1] + "'"
        return f"the name of its {which} is too long, more than {LONGEST_NAME} bytes; give --name {shorter}"
    for name, status in found.items():
        if status is not None and status.kind != FILE:  # a link may lead out of the folder
            where = display_name(os.path.join(folder, name))
            return f"{where} exists and is no regular file; choose another --name or folder"
    below = os.path.dirname(item.result)
    while below:
        path = os.path.join(folder, below)
        if storage.exists(path):
            inside = storage.status(path)
            is_folder = inside is not None and inside.kind == FOLDER
            return "" if is_folder else f"{display_name(path)} is a file; choose another folder"
        below = os.path.dirname(below)
    return ""


def _is_current(item: Item, entry: JournalEntry, found: dict[str, Status | None], settings: WorkOptions) -> bool:
    stamp = item.source.stamp
    result = found[item.result]
    if stamp is None or (stamp.size, stamp.mtime_ns) != (entry.size, entry.mtime_ns) or entry.key != settings.key:
        return False
    moved = absolute(item.source.path) != entry.source
    if moved and (stamp.inode, stamp.ctime_ns) != (entry.inode, entry.ctime_ns):
        return False  # another picture, even of the same size and time; one whose folder was moved keeps both
    if result is None or result.stamp.size != entry.bytes:
        return False
    if item.figure is None:
        return True
    figure = found[item.figure]
    return entry.figure == item.figure and figure is not None and figure.stamp.size == entry.figure_bytes


def _is_anothers(path: str, stamp: Stamp | None, entry: JournalEntry, stores: Stores) -> bool:
    """Whether a result was made from another file that still exists, or whose folder cannot be looked into.

    If the file alone is gone, or this one has its size and time, it was moved or replaced.
    """
    if absolute(path) == entry.source:
        return False
    other = stores.of(entry.source).status(entry.source)
    if other is None:
        storage, above = stores.of(entry.source), os.path.dirname(entry.source)
        unplugged = not is_url(entry.source) and storage.status(above) is None
        return unplugged and (stamp is None or (stamp.size, stamp.mtime_ns) != (entry.size, entry.mtime_ns))
    return stamp is None or other.stamp.file != stamp.file


def check_recipe(known: JournalState, settings: WorkOptions, *, force: bool = False) -> None:
    """Refuse, without `force`, a folder whose results were made with other settings.

    Raises
    ------
    OptionError
    """
    if known.header and not is_header_of(known, settings) and not force:
        raise OptionError(
            f"its results were made with another recipe: {_difference(known.header, header(settings))}; "
            "use the same recipe or another folder, or replace them with --force"
        )


def is_header_of(known: JournalState, settings: WorkOptions) -> bool:
    """Whether the last header says that results are made with these settings."""
    key = settings.key
    return (known.header.get("hash"), known.header.get("pixels")) == (key.recipe, key.pixels)


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


def header(settings: WorkOptions) -> dict[str, Any]:
    """The header of a journal: how the results in it are made."""
    return {
        "journal": VERSION,
        "poolcli": __version__,
        "hash": settings.key.recipe,
        "recipe": settings.recipe.to_dict(),
        "pixels": settings.key.pixels,
    }
