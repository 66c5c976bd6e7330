"""A large photograph made of the sample.  picture.py SAMPLE OUT"""

from __future__ import annotations

import sys

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 2880, 5120


def photo(sample: np.ndarray, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A picture of that size: the sample repeated, mirrored where tiles meet."""
    rows = -(-height // (2 * sample.shape[0]))
    cols = -(-width // (2 * sample.shape[1]))
    wide = np.concatenate((sample, sample[:, ::-1]), axis=1)
    tile = np.concatenate((wide, wide[::-1]), axis=0)
    return np.ascontiguousarray(np.tile(tile, (rows, cols, *[1] * (sample.ndim - 2)))[:height, :width])


if __name__ == "__main__":
    Image.fromarray(photo(np.asarray(Image.open(sys.argv[1])))).save(sys.argv[2], quality=92)
