"""The figures of `poolcli features`: which files they are, and drawing them."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from poolcli.cli.runner import errors_about
from poolcli.display import display_name, quoted
from poolcli.errors import OptionError, alternatives
from poolcli.figures import FORMATS
from poolcli.images.atomic import atomic_write
from poolcli.images.embedded import marked_files
from poolcli.images.read import read

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poolcli.experiments.feature_work import FeatureWork
    from poolcli.experiments.vectors import Vectors
    from poolcli.figures.feature_sheet import FeatureSheet

MOST = 16
"""Pictures whose maps are drawn, where there are several."""


def check_figure(path: str | None) -> None:
    """Refuse a name whose suffix is that of no format.

    Raises
    ------
    OptionError
    """
    if path is not None and _format(path) not in FORMATS:
        msg = f"figure {quoted(path)}: write a name ending in {alternatives(f'.{one}' for one in FORMATS)}"
        raise OptionError(msg)


def _format(path: str) -> str:
    return os.path.splitext(path)[1].lower().removeprefix(".")


def figure_files(path: str | None, pictures: int) -> list[str]:
    """The files of --figure: of several pictures the first is that of their vectors, then one for the maps of each.

    Examples
    --------
    >>> figure_files("f.png", 1), figure_files("f.png", 2), len(figure_files("f.png", 100))
    (['f.png'], ['f.png', 'f-1.png', 'f-2.png'], 1)
    """
    if path is None or not pictures:
        return []
    stem, suffix = os.path.splitext(path)
    each = range(1, pictures + 1) if 1 < pictures <= MOST else ()
    return [path, *(f"{stem}-{number}{suffix}" for number in each)]


def _remove_old_figures(files: Sequence[str]) -> None:
    """Remove the figures of more pictures that an earlier run of the same name made; poolcli's mark identifies them."""
    folder, name = os.path.split(files[0])
    stem, suffix = os.path.splitext(name)
    with suppress(OSError):
        for path in marked_files(folder, f"{re.escape(stem)}-[0-9]+{re.escape(suffix)}", files):
            os.unlink(path)


def draw_figures(
    files: Sequence[str], pictures: Sequence[str | None], vectors: Vectors, work: FeatureWork, *, force: bool
) -> list[str]:
    """Draw and write the figures; returns the files written.

    Parameters
    ----------
    files : sequence of path
        As `figure_files` names them.
    pictures : sequence of path or None
        None for one that has no vector: nothing is drawn of it.
    vectors : Vectors
    work : FeatureWork
    force : bool
        Whether existing files may be replaced.
    """
    if not files:
        return []
    first, *others = files
    wrote = []
    alone = len(pictures) == 1
    done = ""
    for path, source in zip([first] if alone else others, pictures, strict=False):
        if source is None:
            continue
        with errors_about(display_name(source)):
            from poolcli.figures.feature_maps import render

            sheet = _sheet(source, work)
            data, done = render(sheet, _format(path)), sheet.done
        with errors_about(display_name(path)):
            atomic_write(path, data, force=force)
            wrote.append(path)
    if force:
        _remove_old_figures(files)
    if alone:
        return wrote
    if not others:  # so many that none is drawn: the first says what was done to each
        source = next(path for path in pictures if path is not None)
        with errors_about(display_name(source)):
            done = _sheet(source, work).done
    with errors_about(display_name(first)):
        data = _vectors_figure(pictures, vectors, done, _format(first), work.max_pixels)
        atomic_write(first, data, force=force)
    return [first, *wrote]


def _sheet(source: str, work: FeatureWork) -> FeatureSheet:
    return work.extractor.sheet(read(source, **work.extractor.reading(work.max_pixels)))


def _vectors_figure(
    pictures: Sequence[str | None], vectors: Vectors, done: str, fmt: str, max_pixels: int | None
) -> bytes:
    from poolcli.experiments.feature_figure import vectors_sheet
    from poolcli.figures.feature_vectors import MOST_THUMBNAILS, render
    from poolcli.figures.thumbnail import input_thumbnail
    from poolcli.images.safe_open import MAX_PIXELS

    found = [path for path in pictures if path is not None]
    thumbnails = []
    if len(found) == len(vectors.names) <= MOST_THUMBNAILS:
        thumbnails = [input_thumbnail(path, max_pixels=max_pixels or MAX_PIXELS) for path in found]
    return render(vectors_sheet(vectors, done, thumbnails), fmt)
