"""Edge, ReLU, max 2x2/2 of every picture in a folder: Pillow, and numpy by shift and add.  plain_folder.py IN OUT"""

import os
import sys

import numpy as np
from PIL import Image

EDGE = ((-1, -1, -1), (-1, 8, -1), (-1, -1, -1))

os.makedirs(sys.argv[2], exist_ok=True)
for name in sorted(os.listdir(sys.argv[1])):
    source = np.asarray(Image.open(os.path.join(sys.argv[1], name)).convert("L"), np.float32)
    height, width = source.shape
    padded = np.pad(source, 1)
    edges = np.zeros_like(source)
    for i, row in enumerate(EDGE):
        for j, weight in enumerate(row):
            edges += weight * padded[i : i + height, j : j + width]
    edges = np.maximum(edges, 0)[: height // 2 * 2, : width // 2 * 2]
    pooled = edges.reshape(height // 2, 2, width // 2, 2).max(axis=(1, 3))
    result = Image.fromarray(np.clip(pooled, 0, 255).astype(np.uint8))
    result.save(os.path.join(sys.argv[2], os.path.splitext(name)[0] + ".png"))
