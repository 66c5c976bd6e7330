"""Edge, ReLU, max 2x2/2 by PyTorch.  pytorch.py IN OUT"""

import sys

import numpy as np
import torch
from PIL import Image

source = torch.from_numpy(np.asarray(Image.open(sys.argv[1]).convert("L")).astype(np.float32) / 255)[None, None]
kernel = torch.tensor([[-1.0, -1, -1], [-1, 8, -1], [-1, -1, -1]])[None, None]
pooled = torch.nn.functional.max_pool2d(torch.relu(torch.nn.functional.conv2d(source, kernel, padding=1)), 2)
Image.fromarray((pooled[0, 0].clamp(0, 1) * 255 + 0.5).to(torch.uint8).numpy()).save(sys.argv[2])
