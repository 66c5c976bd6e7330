"""Vectors of pictures as files: a table, an array, or one JSON object."""

from __future__ import annotations

import csv
import io
import json
import os
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from poolcli.batch.report import UnixLines
from poolcli.display import quoted
from poolcli.errors import OptionError, alternatives
from poolcli.pipeline.serialize import finite

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray


class Vectors(NamedTuple):
    """One row per picture.

    Attributes
    ----------
    names : sequence of str
        Of the pictures, as any reader of text can hold them.
    columns : sequence of str
        The features' names.
    values : ndarray of shape (pictures, features), float32
    """

    names: Sequence[str]
    columns: Sequence[str]
    values: NDArray[np.float32]

    @property
    def infinite(self) -> int:
        """How many rows hold NaN or infinity."""
        return int((~np.isfinite(self.values)).any(axis=1).sum())


def _csv(vectors: Vectors, about: Mapping[str, Any]) -> bytes:
    stream = io.StringIO()
    writer = csv.writer(UnixLines(stream))
    writer.writerow(["name", *vectors.columns])
    for name, row in zip(vectors.names, vectors.values, strict=True):
        writer.writerow([name, *map(str, row)])  # the shortest decimals that are this float32
    return stream.getvalue().encode("utf-8", "backslashreplace")


def _npy(vectors: Vectors, about: Mapping[str, Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, vectors.values, allow_pickle=False)
    return stream.getvalue()


def _json(vectors: Vectors, about: Mapping[str, Any]) -> bytes:
    rows = [
        {"name": name, "features": [finite(float(str(value))) for value in row]}
        for name, row in zip(vectors.names, vectors.values, strict=True)
    ]
    lines = ",\n".join(json.dumps(row) for row in rows)
    head = json.dumps({**about, "columns": list(vectors.columns)})
    return f'{head[:-1]}, "pictures": [\n{lines}\n]}}\n'.encode()


FORMATS: dict[str, Callable[[Vectors, Mapping[str, Any]], bytes]] = {".csv": _csv, ".npy": _npy, ".json": _json}
"""Suffix -> what encodes vectors, and what a JSON object says besides."""


def encoder(path: str) -> Callable[[Vectors, Mapping[str, Any]], bytes]:
    """Choose what encodes vectors, by the suffix of the file's name.

    Raises
    ------
    OptionError
        Another suffix.
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in FORMATS:
        msg = f"output {quoted(path)}: write a name ending in {alternatives(FORMATS)}"
        raise OptionError(msg)
    return FORMATS[suffix]
