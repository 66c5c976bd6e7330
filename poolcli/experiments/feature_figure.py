"""What the figures of `features` show: the maps of a picture and its vector, ready to be drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from poolcli.display import printable
from poolcli.experiments.features import cosine_matrix, maps, steps, vector
from poolcli.experiments.planes import picture_planes
from poolcli.figures import captions
from poolcli.figures.feature_sheet import MOST_NAMED, FeatureSheet, PooledMaps, feature_map, reduced, side_for
from poolcli.figures.feature_vectors import VectorSheet, scaled
from poolcli.images.quantize import output_values
from poolcli.pipeline.engine import units

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from poolcli.experiments.features import Extraction
    from poolcli.experiments.networks import NetworkExtraction
    from poolcli.experiments.vectors import Vectors
    from poolcli.images.read import Picture
    from poolcli.pipeline.result import StageResult

TITLE = "Pooled Feature Maps"


def sheet_of(picture: Picture, how: Extraction) -> FeatureSheet:
    """The maps of a picture by a bank, and what global pooling makes of them.

    Raises
    ------
    SizeError
        A window does not fit its map.
    """
    planes = picture_planes(picture)
    found = steps(picture, how)
    side = side_for(len(how.parts) * len(planes), picture=bool(found))
    made = [feature_map(one.name, one.values, side, one.weights) for one in maps(picture, how)]
    filtered = any(stage.name == "conv2d" for stage in found)
    return FeatureSheet(
        picture.source,
        made,
        pooled(vector(picture, how), len(made), how.kinds, how.cells),
        shown_picture(picture, how, side) if found else None,
        done_text(how, found),
        one_scale=not filtered or len(made) == 1,
        padded=filtered and _is_padded(found[0]),
    )


def pooled(values: NDArray[np.float32], count: int, kinds: tuple[str, ...], cells: list[str]) -> tuple[PooledMaps, ...]:
    """A vector as the strips of its kinds."""
    split = values.reshape(count, len(cells), len(kinds))
    names = [cell.removeprefix(".") for cell in cells]
    return tuple(
        PooledMaps(f"{TITLE} ({kind})" if len(kinds) > 1 else TITLE, split[:, :, place].T, names)
        for place, kind in enumerate(kinds)
    )


def shown_picture(picture: Picture, how: Extraction | NetworkExtraction, side: int) -> NDArray[np.uint8]:
    """The input as gray or RGB, reduced to at most `side` pixels a side."""
    white, scale = units(picture, how.recipe)
    values = picture.values
    if values.ndim == 3:
        values = values[..., :3] if values.shape[2] in (3, 4) else values.mean(axis=2)
    factor = max(1, -(-max(values.shape[:2]) // side))
    shown = reduced(output_values(values, scale), factor) / np.float32(white * scale)
    return np.rint(np.clip(np.nan_to_num(shown), 0, 1) * 255).astype(np.uint8)


def _is_padded(stage: StageResult) -> bool:
    pads = stage.parameters.get("padding")
    return pads not in ("valid", None) and stage.parameters.get("padding_mode", "zeros") == "zeros"


def done_text(how: Extraction, found: tuple[StageResult, ...]) -> str:
    """The steps to the vector, in words."""
    words = []
    for stage in found:
        text = captions.step_text(stage)
        if stage.name == "conv2d" and len(how.kernels) > 1:
            geometry = captions.geometry_words(stage.parameters)
            text = ", ".join([f"each of {len(how.kernels)} kernels", *geometry, "cross-correlation"])
        elif stage.name == "conv2d" and how.kernels:
            text = text.replace("identity 1x1", how.kernels[0][0])
        words.append(text)
    return " → ".join([*words, f"global {' and '.join(how.kinds)}"])


def network_sheet(picture: Picture, how: NetworkExtraction) -> FeatureSheet:
    """The maps of a picture by a layer of a network, and what global pooling makes of them."""
    found = how.maps(picture)
    side = side_for(len(found), picture=True)
    made = [feature_map(f"{how.layer.name}.{n}", one, side) for n, one in enumerate(found)]
    network = captions.short_name(printable(how.path))
    layer = f"layer {how.layer.name} of {network}, {captions.size_text(how.size)}"
    return FeatureSheet(
        picture.source,
        made,
        pooled(how.pooled(found), len(made), how.kinds, how.cells),
        shown_picture(picture, how, side if len(made) <= MOST_NAMED else 320),
        f"{layer} → global {' and '.join(how.kinds)}",
        one_scale=True,
    )


def vectors_sheet(vectors: Vectors, done: str, thumbnails: Sequence[NDArray[np.uint8]] = ()) -> VectorSheet:
    """The vectors of several pictures, and the cosines between them."""
    finite = np.where(np.isfinite(vectors.values), vectors.values, 0)
    relative = cosine_matrix(scaled(vectors.values))
    return VectorSheet(
        vectors.names, vectors.columns, vectors.values, cosine_matrix(finite), relative, done, thumbnails
    )
