"""Names of results and figures: each is unique, inside DIR, and different from every source."""

from __future__ import annotations

import os
import unicodedata
from itertools import count
from typing import TYPE_CHECKING

from poolcli.batch.plan import Item, Source
from poolcli.batch.storage import absolute
from poolcli.batch.stores import LOCAL_ONLY
from poolcli.batch.templates import Template, figure_name, is_too_long
from poolcli.display import display_name
from poolcli.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from poolcli.batch.storage import Storage
    from poolcli.batch.stores import Stores


def assign(
    sources: Sequence[Source],
    output: str,
    template: Template,
    *,
    figures: bool,
    numbers: Mapping[str, int] | None = None,
    stores: Stores = LOCAL_ONLY,
) -> list[Item]:
    """Assign every source a number, and names for its result and figure.

    Parameters
    ----------
    sources : sequence of Source
    output : path
        DIR.
    template : Template
    figures : bool
    numbers : mapping of path to int, optional
        Numbers that sources, by their absolute paths, had in earlier runs, and keep; new ones take what is free.
    stores : Stores, optional

    Raises
    ------
    OptionError
        Two sources would write one file, as file systems that ignore case or Unicode's forms see it, or one a file
        and the other a folder; a result would replace a source, or lie outside `output`.
    """
    items = _named(sources, output, template, _numbers(sources, numbers or {}), figures=figures)
    _check_places(items, output, stores.of(output))
    return items


def _named(
    sources: Sequence[Source], output: str, template: Template, numbers: Sequence[int], *, figures: bool
) -> list[Item]:
    """The items, whose names all differ."""
    items, taken, clashes = _names(sources, numbers, template, figures=figures)
    if clashes:
        more = f" (and {len(clashes) - 1} more)" if len(clashes) > 1 else ""
        advice = _advice(sources, numbers, template, figures=figures)
        raise OptionError(f"{_clash(*clashes[0], output)}{more}; {advice}")
    _check_folders(items, taken, output)
    return items


def _numbers(sources: Sequence[Source], known: Mapping[str, int]) -> list[int]:
    kept = [known.get(absolute(source.path)) for source in sources] if known else [None] * len(sources)
    used = set(known.values())
    free = (number for number in count(1) if number not in used)
    return [next(free) if number is None else number for number in kept]


Names = tuple[list[Item], dict[str, tuple[Source, str]], list[tuple[Source, str, Source, str]]]


def _names(sources: Sequence[Source], numbers: Sequence[int], template: Template, *, figures: bool) -> Names:
    """The items, which source uses which name, and pairs of sources that use the same name."""
    items: list[Item] = []
    taken: dict[str, tuple[Source, str]] = {}
    clashes: list[tuple[Source, str, Source, str]] = []
    for source, index in zip(sources, numbers, strict=True):
        folder = os.path.dirname(source.name)
        result = os.path.join(folder, template.result_name(source.path, index))
        figure = figure_name(result) if figures else None
        items.append(Item(source, result, figure, index))
        for path in filter(None, (result, figure)):
            other, first = taken.setdefault(_key(path), (source, path))
            if other is not source or first is not path:
                clashes.append((other, first, source, path))
    return items, taken, clashes


def _key(path: str) -> str:
    """A key that is equal for all spellings of a name that some file system treats as one."""
    return unicodedata.normalize("NFC", path).casefold()


def _check_folders(items: Sequence[Item], taken: Mapping[str, tuple[Source, str]], output: str) -> None:
    """Refuse a result with the name of a folder that another result needs."""
    seen: set[str] = set()
    for item in items:
        folder = os.path.dirname(item.result)
        while folder and folder not in seen:
            seen.add(folder)
            if _key(folder) in taken:
                source, path = taken[_key(folder)]
                raise OptionError(
                    f"{display_name(source.path)} would write {display_name(os.path.join(output, path))}, which "
                    f"would be a folder for that of {display_name(item.source.path)}; choose another --name"
                )
            folder = os.path.dirname(folder)


def _clash(first: Source, one: str, second: Source, other: str, output: str) -> str:
    target = display_name(os.path.join(output, other))
    like = "" if one == other else f", which is {display_name(one)} where case or accents do not count"
    return f"{display_name(first.path)} and {display_name(second.path)} would both write {target}{like}"


def _advice(sources: Sequence[Source], numbers: Sequence[int], template: Template, *, figures: bool) -> str:
    """What to write instead: options with which all names differ; those that change the least come first."""
    suffix = os.path.splitext(template.name("x.png", 1))[1]
    ending = f".pooled{suffix}" if template.name("x.png", 1) == "x.pooled.png" else suffix
    stems = ("{parent}-{stem}", "{parent}-{name}", "{stem}-{index}", "{index}")
    tries = [template, Template(f"{{name}}{ending}"), *(Template(f"{stem}{suffix}") for stem in stems)]
    for figure in (True, False) if figures else (False,):
        for one in tries:
            try:
                items, taken, clashes = _names(sources, numbers, one, figures=figure)
                _check_folders(items, taken, "")
            except OptionError:
                continue
            if not clashes and not any(is_too_long(item.result, item.figure or "") for item in items):
                name = [] if one is template else [f"--name '{one.text}'"]
                options = " ".join([*name, *(["--no-figure"] if figures and not figure else [])])
                return f"give every file its own name with {options}"
    return "choose another folder for each of them"


def _check_places(items: Sequence[Item], output: str, storage: Storage) -> None:
    """Refuse results that links would place outside the folder, and results that are sources."""
    inside = storage.real(output)
    for folder in {os.path.dirname(item.result) for item in items}:
        real = storage.real(os.path.join(output, folder))
        if real != inside and not real.startswith(os.path.join(inside, "")):
            raise OptionError(
                f"{display_name(os.path.join(output, folder))}: leads out of {display_name(output)}; choose a folder inside it"
            )
    sources = {source.stamp.file: source for source, *_ in items if source.stamp}
    below = os.path.join(output, "")
    for item in items:
        for path in filter(None, (item.result, item.figure)):
            found = storage.status(below + path)
            other = sources.get(found.stamp.file) if found else None
            if other is not None:
                raise OptionError(
                    f"{display_name(item.source.path)}: its result would replace {display_name(other.path)}, "
                    "which is an input; choose another folder or --name"
                )
