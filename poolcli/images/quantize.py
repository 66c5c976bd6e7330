"""From a final map to pixels: the one place that scales and rounds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from poolcli.errors import OptionError
from poolcli.images.arrays import gray_of, row_chunks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Scale = Literal["clip", "stretch"] | tuple[float, float]


def pixels(
    raw: NDArray[Any],
    white: float,
    *,
    depth: int | str,
    scale: Scale = "clip",
    unit_scale: float = 1.0,
    missing: tuple[int, int, int] = (0, 0, 0),
) -> NDArray[Any]:
    """Pixels of a map: ``floor((raw - low) * full / (high - low) + 1/2)``, clipped to 0…full.

    `low` and `high` are 0 and `white` to clip, the map's own range to stretch. Halves round up. It is computed
    in float64, which is exact at every half for clipped integers and float32 values.

    Parameters
    ----------
    raw : ndarray of shape (H, W) or (H, W, C)
        The map before scaling; integers or floats.
    white : float
        The raw value shown as white: 255, 65535 or 1.
    depth : 8, 16 or ``"float"``
        `full` is 255 or 65535; ``"float"`` gives the unscaled float output, ``float32(raw) * float32(unit_scale)``.
    scale : ``"clip"``, ``"stretch"`` or (low, high)
        A given range is in units of the output, after `unit_scale`.
    unit_scale : float
        Factor from raw values to output values.
    missing : (r, g, b), each 0…255
        The colour of NaN, of which gray maps have the gray; black by default.

    Returns
    -------
    ndarray of raw's shape, uint8, uint16 or float32

    Raises
    ------
    OptionError
        A given range that is empty or not finite.

    Examples
    --------
    >>> pixels(np.array([[1.4999999, 2.5, 300.0]], np.float32), 255, depth=8)
    array([[  1,   3, 255]], dtype=uint8)
    >>> pixels(np.array([[-1.0, 0.0, 3.0]], np.float32), 1.0, depth=8, scale="stretch")
    array([[  0,  64, 255]], dtype=uint8)
    """
    if depth == "float":
        return output_values(raw, unit_scale)
    dtype = np.dtype(np.uint8 if depth == 8 else np.uint16)
    full = 255.0 if depth == 8 else 65535.0
    if scale == "clip" and white == full and raw.dtype == dtype:
        return raw
    out = np.zeros(raw.shape, dtype)
    chunks = row_chunks(raw.shape[0], max(1, (1 << 18) // max(1, raw[:1].size)))
    if scale == "clip" and white == full and raw.dtype.kind in "iu":  # whole values need no rounding
        top = raw.dtype.type(min(full, np.iinfo(raw.dtype).max))
        for rows in chunks:
            out[rows] = np.clip(raw[rows], raw.dtype.type(0), top)
        return out
    low, high = _limits(raw, white, scale, unit_scale)
    if high > low:
        for rows in chunks:
            out[rows] = _rounded(raw[rows], low, high, full)
    if any(missing) and raw.dtype.kind == "f":
        shown = np.array(missing if raw.ndim == 3 else gray_of(missing), dtype) * dtype.type(full // 255)
        np.copyto(out, shown, where=np.isnan(raw))
    return out


def output_values(raw: NDArray[Any], unit_scale: float) -> NDArray[np.float32]:
    """The float output: ``float32(raw) * float32(unit_scale)``, in one new array.

    Examples
    --------
    >>> output_values(np.array([0, 255], np.uint8), 1 / 255)
    array([0., 1.], dtype=float32)
    """
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinity
        values = raw.astype(np.float32)
    if unit_scale != 1.0:
        np.multiply(values, np.float32(unit_scale), out=values)
    return values


def _limits(raw: NDArray[Any], white: float, scale: Scale, unit_scale: float) -> tuple[float, float]:
    if scale == "clip":
        return 0.0, white
    if scale == "stretch":
        return _range(raw)
    low, high = scale
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise OptionError(f"scale {low:g},{high:g}; write two finite numbers, the smaller first")
    # In raw units, so that a range of 0,1 gives the same pixels as clip.
    return low / unit_scale, high / unit_scale


def _range(raw: NDArray[Any]) -> tuple[float, float]:
    if raw.dtype.kind != "f":
        return float(raw.min()), float(raw.max())
    low, high = math.inf, -math.inf
    for rows in row_chunks(raw.shape[0]):
        chunk = raw[rows]
        chunk = chunk[np.isfinite(chunk)]
        if chunk.size:
            low, high = min(low, float(chunk.min())), max(high, float(chunk.max()))
    return low, high


def _rounded(chunk: NDArray[Any], low: float, high: float, full: float) -> NDArray[np.float64]:
    values = chunk.astype(np.float64)
    np.fmin(np.fmax(values, low, out=values), high, out=values)  # fmax also takes NaN to the low end
    if low:
        values -= low
    if high - low != full:
        # Multiply, then divide: each is exact or rounded once, while a factor full/white would add an error.
        values *= full
        values /= high - low
    whole = np.floor(values)
    values -= whole
    whole += values >= 0.5
    return whole
