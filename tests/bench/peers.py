"""The libraries to compare with; None for those that are not installed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def _installed(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        return None


cv2 = _installed("cv2")
scipy_ndimage = _installed("scipy.ndimage")
skimage_measure = _installed("skimage.measure")
torch = _installed("torch")

MISSING = [
    name
    for name, module in {
        "opencv-python-headless": cv2,
        "scipy": scipy_ndimage,
        "scikit-image": skimage_measure,
        "torch": torch,
    }.items()
    if module is None
]


def one_thread(work: Callable[[], Any]) -> Any:
    """Run on one of PyTorch's threads."""
    torch.set_num_threads(1)
    return work()
