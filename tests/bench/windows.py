"""Cases of order statistics, deviations, positions and averages over sliding windows, 1440x2560, one thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from case import Case
from peers import cv2, scipy_ndimage

import poolcli

if TYPE_CHECKING:
    from collections.abc import Callable

    Work = Callable[[], Any]


def cases(u8: np.ndarray) -> list[Case]:
    """Every case on a picture of 8 bits, with the peers that are installed."""
    u16, f32 = u8.astype(np.uint16) * 257, u8.astype(np.float32) / 255

    def ours(x: np.ndarray, kind: str, size: int, stride: int = 1, **options: Any) -> Work:
        return lambda: poolcli.pool2d(x, kind, size=size, stride=stride, **options)

    rows = [
        Case(f"median {size}x{size}, 8-bit", ours(u8, "median", size), _median(u8, size), bars)
        for size, bars in ((3, {}), (5, {}), (9, {"OpenCV": 1.0}), (15, {"OpenCV": 3.0}), (31, {}))
    ]
    rows += [
        Case(f"median {size}x{size}, {x.dtype}", ours(x, "median", size), _median(x, size), {})
        for x, size in ((f32, 3), (f32, 5), (u16, 5))
    ]
    return [
        *rows,
        Case("percentile 90, 5x5, 8-bit", ours(u8, "percentile", 5, q=90), _percentile(u8, 90, 5), {"SciPy": 1 / 25}),
        Case("std 15x15, float32", ours(f32, "std", 15), {"rms 15x15": ours(f32, "rms", 15)}, {"rms 15x15": 2.0}),
        Case("std 3x3, 8-bit", ours(u8, "std", 3), {"rms 3x3": ours(u8, "rms", 3)}, {}),
        Case("mode 2x2/2, 8-bit", ours(u8, "mode", 2, 2), {"median 2x2/2": ours(u8, "median", 2, 2)}, {}),
        Case("mode 4x4/4, 8-bit", ours(u8, "mode", 4, 4), {"median 4x4/4": ours(u8, "median", 4, 4)}, {}),
        Case(
            "max 3x3/2 with indices, float32",
            ours(f32, "max", 3, 2, return_indices=True),
            {"without": ours(f32, "max", 3, 2)},
            {"without": 3.0},
        ),
        Case("average 15x15, float32", ours(f32, "average", 15), _box(f32, 15), {}),
    ]


GROWTH = {
    "median, 8-bit": (np.uint8, "median"),
    "median, float32": (np.float32, "median"),
    "percentile, 8-bit": (np.uint8, "percentile"),
    "std, float32": (np.float32, "std"),
    "mode, 8-bit": (np.uint8, "mode"),
    "max with indices, float32": (np.float32, "max"),
    "average, float32": (np.float32, "average"),
}
"""What is measured against the size of its window."""


def growing(u8: np.ndarray, name: str) -> dict[str, Work]:
    """One call for each window from 5x5 to 31x31."""
    dtype, kind = GROWTH[name]
    x, options = u8.astype(dtype), {"return_indices": True} if kind == "max" else {}

    def work(size: int) -> Work:
        return lambda: poolcli.pool2d(x, kind, size=size, stride=1, **options)

    return {f"{size}x{size}": work(size) for size in (5, 9, 15, 21, 31)}


def _median(x: np.ndarray, size: int) -> dict[str, Work]:
    if cv2 is None or (x.dtype != np.uint8 and size > 5):
        return {}
    inside = slice(size // 2, -(size // 2))
    np.testing.assert_array_equal(
        poolcli.pool2d(x, "median", size=size, stride=1), cv2.medianBlur(x, size)[inside, inside]
    )
    return {"OpenCV": _one_thread(lambda: cv2.medianBlur(x, size))}


def _percentile(x: np.ndarray, q: float, size: int) -> dict[str, Work]:
    if scipy_ndimage is None:
        return {}
    return {"SciPy": lambda: scipy_ndimage.percentile_filter(x, q, size)}


def _box(x: np.ndarray, size: int) -> dict[str, Work]:
    return {} if cv2 is None else {"OpenCV": _one_thread(lambda: cv2.boxFilter(x, -1, (size, size)))}


def _one_thread(work: Work) -> Work:
    def alone() -> Any:
        cv2.setNumThreads(1)
        return work()

    return alone
