"""Cases of convolution beside OpenCV, 1440x2560, one thread."""

from __future__ import annotations

import numpy as np
from case import Case
from peers import cv2

import poolcli


def cases(u8: np.ndarray) -> list[Case]:
    """Kernels of real weights, of rank 1, and of whole weights on 8 bits."""
    f32, random = u8.astype(np.float32) / 255, np.random.default_rng(0)
    rows = [
        _case(f"conv {k}x{k}, real weights", f32, random.standard_normal((k, k)), 6.0 if k < 7 else None)
        for k in (3, 5, 7, 11, 15)
    ]
    rows.append(_case("conv 31x31, real weights", f32, random.standard_normal((31, 31)), 1.6))
    for size in (11, 31):
        column = np.exp(-(((np.arange(size) - size // 2) / (size / 6)) ** 2) / 2)
        column /= column.sum()
        rows.append(_gaussian(f"conv {size}x{size}, Gaussian", f32, column))
    rows.append(_case("conv 15x15, whole weights, 8-bit", u8, random.integers(-3, 4, (15, 15)), 1.2))
    return rows


def _case(name: str, x: np.ndarray, kernel: np.ndarray, bar: float | None) -> Case:
    def opencv() -> np.ndarray:
        cv2.setNumThreads(1)
        return cv2.filter2D(x, cv2.CV_32F, kernel, borderType=cv2.BORDER_CONSTANT)

    peers = {} if cv2 is None else {"OpenCV filter2D": opencv}
    return Case(name, lambda: poolcli.conv2d(x, kernel), peers, {} if bar is None else {"OpenCV filter2D": bar})


def _gaussian(name: str, x: np.ndarray, column: np.ndarray) -> Case:
    def opencv() -> np.ndarray:
        cv2.setNumThreads(1)
        return cv2.sepFilter2D(x, -1, column, column, borderType=cv2.BORDER_CONSTANT)

    kernel = np.outer(column, column)
    peers = {} if cv2 is None else {"OpenCV sepFilter2D": opencv}
    return Case(name, lambda: poolcli.conv2d(x, kernel), peers, {"OpenCV sepFilter2D": 5.0})
