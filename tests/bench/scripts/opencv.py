"""Edge, ReLU, max 2x2/2 by OpenCV.  opencv.py IN OUT"""

import sys

import cv2
import numpy as np

source = cv2.imread(sys.argv[1], cv2.IMREAD_GRAYSCALE)
kernel = np.array([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]], np.float32)
edges = np.maximum(cv2.filter2D(source, cv2.CV_16S, kernel, borderType=cv2.BORDER_CONSTANT), 0)
pooled = cv2.dilate(edges, np.ones((2, 2), np.uint8), anchor=(0, 0))[
    : edges.shape[0] // 2 * 2 : 2, : edges.shape[1] // 2 * 2 : 2
]
cv2.imwrite(sys.argv[2], np.minimum(pooled, 255).astype(np.uint8))
