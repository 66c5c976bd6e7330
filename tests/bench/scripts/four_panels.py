"""Four panels with titles and colour bars by Matplotlib alone, Agg.  four_panels.py IN OUT"""

import sys

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

source = np.asarray(Image.open(sys.argv[1]).convert("L")).astype(np.float32) / 255
padded = np.pad(source, 1)
edges = 8 * source - sum(
    padded[i : i + source.shape[0], j : j + source.shape[1]] for i in range(3) for j in range(3) if (i, j) != (1, 1)
)
detected = np.maximum(edges, 0)
rows, cols = source.shape[0] // 2, source.shape[1] // 2
pooled = detected[: 2 * rows, : 2 * cols].reshape(rows, 2, cols, 2).max(axis=(1, 3))
figure = Figure(figsize=(19.44, 5.5), dpi=100)
panels = {
    "Input": (source, "gray"),
    "Filter": (edges, "RdBu_r"),
    "Detect": (detected, "magma"),
    "Condense": (pooled, "magma"),
}
for number, (title, (values, palette)) in enumerate(panels.items(), 1):
    axes = figure.add_subplot(1, 4, number)
    axes.set_title(title)
    axes.axis("off")
    figure.colorbar(axes.imshow(values, cmap=palette), ax=axes, orientation="horizontal")
FigureCanvasAgg(figure).print_png(sys.argv[2])
