"""Cases of whole commands: poolcli beside scripts that do the same, by CPU time and peak memory."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from peers import MISSING

if TYPE_CHECKING:
    from collections.abc import Sequence

SCRIPTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "scripts")
EDGE = "3x3: -1,-1,-1 -1,8,-1 -1,-1,-1"


@dataclass
class Command:
    """What is run: ours, peers by name, and the bars: CPU ratio ours / peer, and memory as a ratio or in MB more."""

    name: str
    ours: Sequence[str]
    peers: dict[str, Sequence[str]]
    bars: dict[str, float]
    memory: dict[str, float]


def _poolcli(*arguments: str) -> list[str]:
    installed = os.path.join(os.path.dirname(sys.executable), "poolcli")
    return [installed, *arguments]


def _python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def cases(photo: str, sample: str, folder: str) -> list[Command]:
    """Every case; `photo` is a large JPEG, `sample` a small one, results go to `folder`."""
    out = os.path.join(folder, "out.png")
    figure, slide = os.path.join(folder, "figure.png"), os.path.join(folder, "slide.gif")
    panels = {"four panels by Matplotlib": [sys.executable, os.path.join(SCRIPTS, "four_panels.py"), sample, out]}
    job = ("--kernel", "edge", "--pool", "max", "--size", "2", "-o", out, "-f", "-q")
    scripts = {"Pillow and numpy by hand": "plain.py"}
    if "opencv-python-headless" not in MISSING:
        scripts["OpenCV script"] = "opencv.py"
    if "torch" not in MISSING:
        scripts["PyTorch script"] = "pytorch.py"
    peers = {name: [sys.executable, os.path.join(SCRIPTS, file), photo, out] for name, file in scripts.items()}
    if shutil.which("convert"):
        peers["ImageMagick"] = [
            "convert", photo, "-colorspace", "Gray", "-define", "convolve:scale=1", "-morphology", "Correlate", EDGE,
            "-statistic", "Maximum", "2x2", "-define", "sample:offset=75", "-sample", "50%", out,
        ]  # fmt: skip
    if shutil.which("vips"):
        peers["libvips, gray and rank only"] = [
            "sh",
            "-c",
            f"vips colourspace {photo} {out}.v b-w && vips rank {out}.v {out} 2 2 3",
        ]
    return [
        Command(
            "run photo.jpg, edge, max 2/2, --no-figure",
            _poolcli("run", photo, *job, "--no-figure"),
            peers,
            {"Pillow and numpy by hand": 1.0, "OpenCV script": 1.15, "PyTorch script": 1 / 4, "ImageMagick": 1 / 6},
            {"Pillow and numpy by hand": 1.1},
        ),
        Command(
            "the same with the figure",
            _poolcli("run", photo, *job, "--figure", figure),
            {"without": _poolcli("run", photo, *job, "--no-figure")},
            {},
            {},
        ),
        Command("--help", _poolcli("--help"), {"import click": _python("import click")}, {"import click": 1.3}, {}),
        Command(
            "--version", _poolcli("--version"), {"import click": _python("import click")}, {"import click": 1.3}, {}
        ),
        Command(
            "run cat.jpg --no-figure",
            _poolcli("run", sample, "--output", out, "--force", "--quiet", "--no-figure"),
            {"import click, numpy, PIL.Image": _python("import click, numpy, PIL.Image")},
            {"import click, numpy, PIL.Image": 1.3},
            {},
        ),
        Command(
            "run cat.jpg, edge, with the figure",
            _poolcli("run", sample, *job, "--figure", figure),
            panels,
            {"four panels by Matplotlib": 0.9},
            {},
        ),
        Command(
            "run cat.jpg, edge, four times, with the ladder",
            _poolcli("run", sample, *job, "--repeat", "4", "--no-figure", "--ladder", figure),
            panels,
            {},
            {},
        ),
        Command(
            "compare cat.jpg, edge, four kinds, with the figure",
            _poolcli("compare", sample, "--kernel", "edge", "-o", figure, "-f", "-q"),
            panels,
            {},
            {},
        ),
        Command(
            "explain, number grid of 12x12, edge, ReLU, max",
            _poolcli("explain", sample, "--crop", "100,150,12x12", "--kernel", "edge", "-o", figure, "-f", "-q"),
            panels,
            {"four panels by Matplotlib": 1.4},
            {},
        ),
        Command(
            "explain, sliding window of 100 frames, edge, ReLU, max",
            _poolcli(
                "explain",
                sample,
                "--crop",
                "100,150,11x11",
                "--kernel",
                "edge",
                "--stride",
                "1",
                "-o",
                slide,
                "-f",
                "-q",
            ),
            panels,
            {"four panels by Matplotlib": 2.8},
            {},
        ),
    ]
