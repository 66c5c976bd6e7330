"""Measures poolcli beside its peers, in turn.  python tests/bench [--rounds N] [--only WORD] [--skip-arrays] [--skip-commands] [--skip-folders]

Prints a line for every comparison: the ratio of the best times, the ratio of the medians, the bar where there is one.
Peers that are not installed are skipped and named; `pip install 'poolcli[bench]'` brings those that pip has.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile

import commands
import folders
import measure
import numpy as np
import windows
from arrays import cases
from peers import MISSING
from picture import photo
from PIL import Image

SAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "sample_images")
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", default="", help="cases whose name has this word")
    parser.add_argument("--skip-commands", action="store_true")
    parser.add_argument("--skip-arrays", action="store_true")
    parser.add_argument("--skip-folders", action="store_true")
    options = parser.parse_args()

    print(f"{_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, numpy {np.__version__}")
    absent = MISSING + [name for name in ("convert", "vips") if shutil.which(name) is None]
    if absent:
        print(f"not installed, left out: {', '.join(absent)}")
    gray = np.asarray(Image.open(os.path.join(SAMPLES, "coffee.jpg")).convert("L"))
    if not options.skip_arrays:
        for case in cases(gray):
            if options.only in case.name:
                _show(case, measure.calls({"poolcli": case.ours, **case.peers}, options.rounds))
        if options.only in "growth":
            _growth(gray, options.rounds)
            _window_growth(gray, max(2, options.rounds // 3))
    if not options.skip_folders:
        folders.measure_all(options.only, max(2, options.rounds // 3))
    if not options.skip_commands:
        with tempfile.TemporaryDirectory() as folder:
            large = os.path.join(folder, "photo.jpg")
            maker = os.path.join(os.path.dirname(os.path.abspath(__file__)), "picture.py")
            subprocess.run([sys.executable, maker, os.path.join(SAMPLES, "coffee.jpg"), large], check=True)
            for case in commands.cases(large, os.path.join(SAMPLES, "cat.jpg"), folder):
                if options.only in case.name:
                    times = measure.commands({"poolcli": case.ours, **case.peers}, options.rounds, ONE_THREAD)
                    _show(case, times, memory=case.memory)


def _processor() -> str:
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as lines:
        return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return platform.processor() or platform.machine()


def _show(case: object, times: dict[str, measure.Times], memory: dict[str, float] | None = None) -> None:
    ours = times["poolcli"]
    peak = f", {ours.peak_mb:.0f} MB" if ours.peak_mb else ""
    print(f"\n{case.name}: {ours.best:.1f} ms (median +{ours.spread:.0f} %{peak})")
    for name, other in times.items():
        if name == "poolcli":
            continue
        ratio, middle = ours.best / other.best, ours.median / other.median
        bar = case.bars.get(name)
        verdict = "" if bar is None else f"  bar {bar:.3g}: {'met' if ratio <= bar else 'NOT met'}"
        print(f"  {ratio:6.3f}x best {middle:6.3f}x median  of {name} ({other.best:.1f} ms){verdict}")
        if memory is not None:
            bar = memory.get(name)
            verdict = (
                "" if bar is None else f"  bar {bar:.3g}: {'met' if ours.peak_mb <= bar * other.peak_mb else 'NOT met'}"
            )
            print(
                f"          memory {ours.peak_mb:.0f} MB, {ours.peak_mb / other.peak_mb:.2f}x of {other.peak_mb:.0f} MB{verdict}"
            )
    sys.stdout.flush()


def _growth(gray: np.ndarray, rounds: int) -> None:
    """CPU per pixel at 100 megapixels against that at one."""
    import poolcli

    recipe = poolcli.recipe(kernel="edge")
    small, large = photo(gray, 1000, 1000), photo(gray, 10000, 10000)
    times = measure.calls(
        {
            "large": lambda: poolcli.run(large, recipe, threads=1),
            "small": lambda: [poolcli.run(small, recipe, threads=1) for _ in range(10)],
        },
        max(3, rounds // 3),
    )
    ratio = times["large"].best / (10 * times["small"].best)
    print(
        f"\ngrowth: time per pixel at 100 megapixels is {ratio:.3f}x that at 1  bar 1.15: {'met' if ratio <= 1.15 else 'NOT met'}"
    )


def _window_growth(gray: np.ndarray, rounds: int) -> None:
    """Time per pixel against the size of the window, and at 16 megapixels against that at one."""
    small, large = photo(gray, 1000, 1000), photo(gray, 4000, 4000)
    for name in windows.GROWTH:
        times = measure.calls(windows.growing(small, name), rounds)
        listed = ", ".join(f"{size} {one.best:.0f}" for size, one in times.items())
        more = measure.calls({"large": windows.growing(large, name)["9x9"]}, 1)["large"].best
        print(f"\ngrowth of {name}: {listed} ms a megapixel; 16 megapixels {more / 16 / times['9x9'].best:.2f}x of one")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
