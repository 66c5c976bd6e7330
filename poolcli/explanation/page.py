"""An explanation as one self-contained HTML page: the maps as data and a script that draws them, without network."""

from __future__ import annotations

import base64
import html
import json
import math
import os
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from poolcli import __version__
from poolcli.errors import SizeError
from poolcli.explanation.framework_code import keras_line, pytorch_line
from poolcli.explanation.grid_maps import padding_rings
from poolcli.explanation.text import unread_lines, window_settings
from poolcli.images.png import encode_png
from poolcli.ops.pools import POOLS
from poolcli.ops.windows import AdaptiveAxis

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolcli.explanation.axis_windows import AxisWindows
    from poolcli.explanation.stages import ExplainedStage, Explanation
    from poolcli.ops.settings import Pair

DEFAULT_SIDE, MAX_SIDE = 128, 512
"""Most rows and columns of a picture that a page shows without ``--crop``, and with it."""

FLOAT_LIMIT = float(np.finfo(np.float32).max)

_TYPES = {"u1": "u1", "u2": "u2", "i2": "i2", "i4": "i4", "f4": "f4", "i1": "i2", "b1": "u1"}


def page(explanation: Explanation, window: Pair | None = None) -> str:
    """The HTML text of the page.

    Parameters
    ----------
    explanation : Explanation
    window : (row, column), optional
        The cell of the last map that is pinned when the page opens.

    Returns
    -------
    str

    Raises
    ------
    SizeError
        The input has more than `MAX_SIDE` rows or columns, or there is no such cell.
    """
    height, width = explanation.shape
    if max(height, width) > MAX_SIDE:
        msg = f"{height}x{width}: a page shows up to {MAX_SIDE}x{MAX_SIDE}; --crop 0,0,{min(height, MAX_SIDE)}x{min(width, MAX_SIDE)} takes a part"
        raise SizeError(msg)
    if window is not None:
        explanation.stages[-1].cell(*window)
    title = html.escape(f"{os.path.basename(explanation.source)}, explained")
    parts = {
        "@VERSION@": __version__,
        "@TITLE@": title,
        "@DETAIL@": html.escape(_detail(explanation)),
        "@ALT@": html.escape(
            f"the input, {height}x{width}, and the result, {'x'.join(map(str, explanation.stages[-1].shape))}"
            + (
                f", of each channel: {', '.join(one.channel for one in explanation.channels)}"
                if explanation.others
                else ""
            )
        ),
        "@STATIC@": base64.b64encode(_still(explanation)).decode(),
        "@CSS@": _asset("page.css"),
        "@DATA@": _data(explanation, window),
        "@JS@": _asset("arithmetic.js") + _asset("page.js"),
    }
    # All marks are replaced in one pass, so that a mark inside a part, such as a file name, stays as it is.
    return re.sub("@[A-Z]+@", lambda mark: parts[mark[0]], _asset("page.html"))


def _asset(name: str) -> str:
    with open(os.path.join(os.path.dirname(__file__), name), encoding="utf-8") as file:
        return file.read()


def _detail(explanation: Explanation) -> str:
    height, width = explanation.shape
    each = f", {len(explanation.channels)} channels, each by itself" if explanation.others else ""
    if not explanation.crop:
        return f"{height}x{width}{each}"
    top, left = explanation.crop[:2]
    full = "x".join(map(str, explanation.full))
    return f"rows {top} to {top + height - 1} and columns {left} to {left + width - 1} of {full}{each}"


def _data(explanation: Explanation, window: Pair | None) -> str:
    scale = float(np.float32(explanation.result.scale))
    data = {
        "channels": [{"name": one.channel, "maps": _maps(one, scale)} for one in explanation.channels],
        "stages": [_stage(stage) for stage in explanation.stages],
        "white": explanation.result.white * scale,
        "window": list(window or (0, 0)),
        "pinned": window is not None,
    }
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _maps(explanation: Explanation, scale: float) -> list[dict[str, Any]]:
    """The data of the input and of every stage's map; the page computes the map of ReLU itself."""
    maps = [{"title": "Input", **_map(next(iter(explanation.result.raw_maps.values())), scale)}]
    for stage in explanation.stages:
        derived = stage.operation == "relu" and np.array_equal(stage.after, np.maximum(stage.before, 0))
        maps.append({"title": stage.heading, **_map(stage.raw, scale), **({"data": None} if derived else {})})
    return maps


def _map(raw: NDArray[Any], scale: float) -> dict[str, Any]:
    height, width = raw.shape
    kind = _TYPES.get(raw.dtype.str[1:], "f4")
    if kind != "f4" and raw.dtype.kind != "f" and raw.size and np.abs(raw.astype(np.int64)).max() < 1 << 15:
        low = int(raw.min())
        kind = "u1" if low >= 0 and int(raw.max()) < 256 else "i2"
    with np.errstate(over="ignore"):  # values beyond float32 become infinity, as in the output
        data = np.ascontiguousarray(raw, np.dtype(f"<{kind}")).tobytes()
    return {
        "height": height,
        "width": width,
        "type": kind,
        "scale": scale,
        "data": base64.b64encode(data).decode(),
    }


def _stage(stage: ExplainedStage) -> dict[str, Any]:
    return {
        "operation": stage.operation,
        "rows": _axis(stage.rows),
        "cols": _axis(stage.cols),
        "weights": None if stage.weights is None else stage.weights.tolist(),
        "parameters": {name: _parameter(value) for name, value in stage.parameters.items()},
        "counted": stage.counted,
        "chooses": stage.operation in POOLS and POOLS[stage.operation].chooses,
        "formula": list(stage.formula),
        "geometry": window_settings(stage) if stage.operation != "relu" else "cell by cell",
        "unread": list(unread_lines(stage)),
        "pytorch": pytorch_line(stage),
        "keras": keras_line(stage),
        "rings": [list(pair) for pair in padding_rings(stage)],
    }


def _parameter(value: float) -> float | str:
    """As JavaScript reads it: its JSON has no infinity, and its numbers do not hold every seed."""
    if isinstance(value, int):
        return str(value)
    return "inf" if math.isinf(value) else value


def _axis(reads: AxisWindows) -> dict[str, Any]:
    axis = reads.axis
    return {
        "adaptive": isinstance(axis, AdaptiveAxis),
        "length": axis.length,
        "size": axis.size,
        "stride": axis.stride,
        "dilation": axis.dilation,
        "before": axis.before,
        "after": axis.after,
        "out": axis.out,
        "mode": reads.mode,
    }


def _still(explanation: Explanation) -> bytes:
    """PNG of the input beside the result, in gray, for browsers without JavaScript; one pair per channel."""
    maps = [values for one in explanation.channels for values in (one.values, one.stages[-1].after)]
    height = max(one.shape[0] for one in maps)
    parts = []
    for values in maps:
        one = np.nan_to_num(values.astype(np.float64), posinf=FLOAT_LIMIT, neginf=-FLOAT_LIMIT)
        low, high = min(float(one.min()), 0.0), max(float(one.max()), 1e-30)
        gray = np.full((height, one.shape[1] + 4), 255, np.uint8)
        gray[: one.shape[0], : one.shape[1]] = np.rint((one - low) / (high - low) * 255)
        parts.append(gray)
    return encode_png(np.concatenate(parts, axis=1), {}, dpi=72)
