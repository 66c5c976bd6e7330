"""Cases on arrays in this process: poolcli beside other libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import filters
import numpy as np
import windows
from case import Case
from peers import cv2, one_thread, scipy_ndimage, skimage_measure, torch
from picture import photo

import poolcli

if TYPE_CHECKING:
    from collections.abc import Callable

EDGE = np.array([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]], np.float32)


def cases(gray: np.ndarray) -> list[Case]:
    """Every case, with the peers that are installed."""
    u8 = photo(gray)
    f32 = u8.astype(np.float32) / 255
    into = np.empty_like(f32)
    copy = {"copy into existing memory": lambda: np.copyto(into, f32)}
    return [
        Case(
            "max 2x2/2, float32, 1 thread",
            lambda: poolcli.pool2d(f32),
            {**copy, **_torch_max(f32, 2, 2), **_block_reduce(f32)},
            {"copy into existing memory": 1.6, "PyTorch, 1 thread": 1 / 9, "scikit-image block_reduce": 1 / 30},
        ),
        Case(
            "average 2x2/2, float32, 1 thread",
            lambda: poolcli.pool2d(f32, "average"),
            {**copy, **_torch_average(f32)},
            {"copy into existing memory": 3.0},
        ),
        Case(
            "max 3x3/2, float32, 1 thread",
            lambda: poolcli.pool2d(f32, size=3, stride=2),
            {**copy, **_torch_max(f32, 3, 2)},
            {"copy into existing memory": 3.0},
        ),
        *_fused(u8),
        *_large(f32, u8),
        *windows.cases(u8[:1440, :2560].copy()),
        *filters.cases(u8[:1440, :2560].copy()),
    ]


def _torch_max(x: np.ndarray, size: int, stride: int) -> dict[str, Callable[[], Any]]:
    if torch is None:
        return {}
    tensor = torch.from_numpy(x)[None, None]
    return {
        "PyTorch, 1 thread": lambda: one_thread(lambda: torch.nn.functional.max_pool2d(tensor, size, stride)),
    }


def _torch_average(x: np.ndarray) -> dict[str, Callable[[], Any]]:
    if torch is None:
        return {}
    tensor = torch.from_numpy(x)[None, None]
    expected = torch.nn.functional.avg_pool2d(tensor, 2)[0, 0].numpy()
    np.testing.assert_array_equal(poolcli.pool2d(x, "average"), expected)
    return {"PyTorch, 1 thread": lambda: one_thread(lambda: torch.nn.functional.avg_pool2d(tensor, 2))}


def _block_reduce(x: np.ndarray) -> dict[str, Callable[[], Any]]:
    if skimage_measure is None:
        return {}
    return {"scikit-image block_reduce": lambda: skimage_measure.block_reduce(x, (2, 2), np.max)}


def _fused(u8: np.ndarray) -> list[Case]:
    """Edge 3x3, ReLU, max 2x2/2 of an 8-bit picture."""
    recipe, deep = poolcli.recipe(kernel="edge"), poolcli.recipe(kernel="edge", repeat=5)

    def ours(**options: Any) -> Callable[[], Any]:
        return lambda: poolcli.run(u8, recipe, **options)

    def opencv(threads: int) -> Callable[[], Any]:
        def work() -> Any:
            cv2.setNumThreads(threads)
            detected = np.maximum(cv2.filter2D(u8, cv2.CV_16S, EDGE, borderType=cv2.BORDER_CONSTANT), 0)
            return cv2.dilate(detected, np.ones((2, 2), np.uint8), anchor=(0, 0))[::2, ::2]

        return work

    peers: dict[str, dict[str, Callable[[], Any]]] = {"one": {}, "all": {}}
    if cv2 is not None:
        np.testing.assert_array_equal(poolcli.run(u8, recipe).raw, opencv(1)())
        peers = {"one": {"OpenCV, 1 thread": opencv(1)}, "all": {"OpenCV, all cores": opencv(-1)}}
    return [
        Case(
            "edge, ReLU, max 2x2/2, 8-bit, 1 thread",
            ours(threads=1, statistics=False),
            peers["one"],
            {"OpenCV, 1 thread": 0.85},
        ),
        Case("the same, all cores", ours(statistics=False), peers["all"], {"OpenCV, all cores": 0.6}),
        Case("the same with statistics, 1 thread", ours(threads=1), peers["one"], {"OpenCV, 1 thread": 1.4}),
        Case(
            "the same with five poolings, 1 thread",
            lambda: poolcli.run(u8, deep, threads=1, statistics=False),
            {"one pooling": ours(threads=1, statistics=False)},
            {"one pooling": 1.4},
        ),
    ]


def _large(f32: np.ndarray, u8: np.ndarray) -> list[Case]:
    small = np.ascontiguousarray(f32[:1440, :2560])
    small8 = np.ascontiguousarray(u8[:1440, :2560])
    peers: dict[str, Callable[[], Any]] = {"3x3": lambda: poolcli.pool2d(f32, size=3, stride=1)}
    if cv2 is not None:
        window = np.ones((31, 31), np.uint8)

        def dilate() -> Any:
            cv2.setNumThreads(1)
            return cv2.dilate(f32, window)

        peers["OpenCV dilate, 1 thread"] = dilate
    corner = np.ascontiguousarray(f32[:360, :640])
    found = [
        Case(
            "max 31x31, stride 1, float32",
            lambda: poolcli.pool2d(f32, size=31, stride=1),
            peers,
            {"OpenCV dilate, 1 thread": 3.0, "3x3": 4.0},
        ),
        Case(
            "max 31x31, stride 1, float32, 360x640",
            lambda: poolcli.pool2d(corner, size=31, stride=1),
            _torch_max(corner, 31, 1),
            {"PyTorch, 1 thread": 1 / 50},
        ),
        Case("max 31x31/31, float32", lambda: poolcli.pool2d(f32, size=31), _torch_max(f32, 31, 31), {}),
        Case(
            "average 31x31, stride 1, float32, 1440x2560",
            lambda: poolcli.pool2d(small, "average", size=31, stride=1),
            {},
            {},
        ),
    ]
    if scipy_ndimage is not None:
        inside = slice(2, -2)
        np.testing.assert_array_equal(
            poolcli.pool2d(small8, "median", size=5, stride=1),
            scipy_ndimage.median_filter(small8, 5)[inside, inside],
        )
        found.append(
            Case(
                "median 5x5, stride 1, 8-bit, 1440x2560",
                lambda: poolcli.pool2d(small8, "median", size=5, stride=1),
                {"SciPy median_filter": lambda: scipy_ndimage.median_filter(small8, 5)},
                {"SciPy median_filter": 1.0},
            )
        )
    return found
