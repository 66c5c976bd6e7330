"""The mean of every picture in a folder after each kernel and ReLU, by OpenCV.  opencv_features.py IN KERNELS.npz OUT.npy [color]

Kernels are float32. With `color` the picture is decoded in colour and made gray from it, as Pillow does; without, the
JPEG's own luminance is taken, which is faster and differs by some levels.
"""

import os
import sys

import cv2
import numpy as np

cv2.setNumThreads(1)
with np.load(sys.argv[2]) as arrays:
    kernels = [arrays[name].astype(np.float32) for name in arrays.files]
rows = []
for name in sorted(os.listdir(sys.argv[1])):
    path = os.path.join(sys.argv[1], name)
    if len(sys.argv) > 4:
        source = cv2.cvtColor(cv2.imread(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2GRAY)
    else:
        source = cv2.imread(path, cv2.IMREAD_GRAYSCALE)
    cells = source.astype(np.float32) / 255
    row = []
    for kernel in kernels:
        found = cv2.filter2D(cells, -1, kernel, borderType=cv2.BORDER_CONSTANT)
        row.append(cv2.mean(cv2.max(found, 0))[0])
    rows.append(row)
np.save(sys.argv[3], np.array(rows, np.float32))
