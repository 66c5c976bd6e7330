"""Edge, ReLU, max 2x2/2 of every picture in a folder by OpenCV.  opencv_folder.py IN OUT [color]

With `color` the picture is decoded in colour and made gray from it, as Pillow does; without, the JPEG's own luminance
is taken, which is faster and differs by some levels.
"""

import os
import sys

import cv2
import numpy as np

cv2.setNumThreads(1)
kernel = np.array([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]], np.float32)
square = np.ones((2, 2), np.uint8)
os.makedirs(sys.argv[2], exist_ok=True)
for name in sorted(os.listdir(sys.argv[1])):
    path = os.path.join(sys.argv[1], name)
    if len(sys.argv) > 3:
        source = cv2.cvtColor(cv2.imread(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2GRAY)
    else:
        source = cv2.imread(path, cv2.IMREAD_GRAYSCALE)
    edges = np.maximum(cv2.filter2D(source, cv2.CV_16S, kernel, borderType=cv2.BORDER_CONSTANT), 0)
    height, width = (side // 2 * 2 for side in edges.shape)
    pooled = cv2.dilate(edges, square, anchor=(0, 0))[:height:2, :width:2]
    result = np.minimum(pooled, 255).astype(np.uint8)
    cv2.imwrite(os.path.join(sys.argv[2], os.path.splitext(name)[0] + ".png"), result)
