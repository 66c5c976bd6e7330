"""Cases of whole folders: `poolcli batch` beside scripts that loop, on files in memory where there is a tmpfs."""

from __future__ import annotations

import os
import sys
import tempfile
import time

import measure
import numpy as np
from commands import SCRIPTS
from peers import MISSING
from PIL import Image

SAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "sample_images")
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
MEMORY = "/dev/shm"


def measure_all(only: str, rounds: int) -> None:
    """Measure every case whose name has `only` in it, and print it."""
    with tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as folder:
        out = os.path.join(folder, "out")
        for name, case in (
            ("batch of photographs", _photographs),
            ("batch with figures", _figures),
            ("batch on two processes", _two),
            ("batch of tiny pictures", _tiny),
            ("features of photographs", _features),
        ):
            if only in name:
                case(folder, out, rounds)


def _poolcli(source: str, out: str, jobs: int, *more: str) -> list[str]:
    installed = os.path.join(os.path.dirname(sys.executable), "poolcli")
    return [installed, "batch", source, "-o", out, "--kernel", "edge", "-q", "--jobs", str(jobs), *more]


def _scripts(source: str, out: str) -> dict[str, list[str]]:
    found = {"plain script": [sys.executable, os.path.join(SCRIPTS, "plain_folder.py"), source, out]}
    if "opencv-python-headless" not in MISSING:
        opencv = [sys.executable, os.path.join(SCRIPTS, "opencv_folder.py"), source, out]
        found |= {"OpenCV script, gray from colour": [*opencv, "color"], "OpenCV script, the JPEG's luminance": opencv}
    return found


def _photographs(folder: str, out: str, rounds: int) -> None:
    count = 576
    source = photographs(folder, count)
    ours = _poolcli(source, out, 1, "--no-figure")
    times = measure.commands({"poolcli": ours, **_scripts(source, out)}, rounds, ONE_THREAD, out)
    best = times.pop("poolcli").best
    print(f"\n{count} JPEGs of 375x500, edge, max 2/2, --jobs 1, --no-figure: {best / count:.2f} ms of CPU for each")
    for name, other in times.items():
        _compare(best, other.best, name, 0.6 if name == "plain script" else 1.5, f"{other.best / count:.2f} ms")


def _figures(folder: str, out: str, rounds: int) -> None:
    count = 96
    source = photographs(folder, count)
    contestants = {"with": _poolcli(source, out, 1), "without": _poolcli(source, out, 1, "--no-figure")}
    times = measure.commands(contestants, rounds, ONE_THREAD, out)
    rate = count / (times["with"].best - times["without"].best) * 1e3
    verdict = "met" if rate >= 8 else "NOT met"
    print(f"\nfigures of 375x500 pictures: {rate:.1f} a second and core  bar 8: {verdict}")


def _two(folder: str, out: str, rounds: int) -> None:
    count = 5000
    source = photographs(folder, count)
    contestants = {str(jobs): _poolcli(source, out, jobs, "--no-figure") for jobs in (1, 2)}
    times = measure.commands(contestants, rounds, ONE_THREAD, out)
    ratio = min(times["1"].took_ms) / min(times["2"].took_ms)
    verdict = "met" if ratio >= 1.8 else "NOT met"
    print(f"\n{count} JPEGs of 375x500: two processes are {ratio:.2f}x as fast as one  bar 1.8: {verdict}")


def _tiny(folder: str, out: str, rounds: int) -> None:
    count = 10000
    source = _made(folder, "tiny", count, (64, 64), ".png", compress_level=1)
    ours = _poolcli(source, out, 1, "--no-figure")
    plain = {"plain script": _scripts(source, out)["plain script"]}
    times = measure.commands({"poolcli": ours, **plain}, max(1, rounds - 1), ONE_THREAD, out)
    more = (min(times["poolcli"].took_ms) - min(times["plain script"].took_ms)) / count
    verdict = "met" if more <= 1.5 else "NOT met"
    print(f"\n{count} PNGs of 64x64: {more:.2f} ms for each over the plain script  bar 1.5: {verdict}")
    print(f"  memory of the parent {times['poolcli'].peak_mb:.0f} MB")
    measure.commands({"first": ours}, 0, ONE_THREAD, out)
    begun = time.perf_counter()
    measure.commands({"again": ours}, 0, ONE_THREAD)
    again = time.perf_counter() - begun
    print(f"  again, with nothing to do: {again:.2f} s  bar 2: {'met' if again <= 2 else 'NOT met'}")


def _features(folder: str, out: str, rounds: int) -> None:
    if "opencv-python-headless" in MISSING:
        return
    from poolcli.ops.banks import BANKS

    count = 576
    source = photographs(folder, count)
    kernels, made = os.path.join(folder, "kernels.npz"), os.path.join(folder, "vectors.npy")
    bank = BANKS["default"].kernels
    np.savez(kernels, **{name: kernel.weights for name, kernel in bank.items()})
    installed = os.path.join(os.path.dirname(sys.executable), "poolcli")
    script = [sys.executable, os.path.join(SCRIPTS, "opencv_features.py"), source, kernels, made]
    contestants = {
        "poolcli": [installed, "features", source, "-o", made, "-f", "-q", "--jobs", "2"],
        "OpenCV script, gray from colour": [*script, "color"],
        "OpenCV script, the JPEG's luminance": script,
    }
    times = measure.commands(contestants, rounds, ONE_THREAD)
    best = times.pop("poolcli").best
    print(
        f"\n{count} JPEGs of 375x500, features by {len(bank)} kernels, --jobs 2: {best / count:.2f} ms of CPU for each"
    )
    for name, other in times.items():
        _compare(best, other.best, name, 3.0, f"{other.best / count:.2f} ms")


def _compare(ours: float, other: float, name: str, bar: float, shown: str) -> None:
    verdict = "met" if ours <= bar * other else "NOT met"
    print(f"  {ours / other:6.3f}x of {name} ({shown})  bar {bar:.3g}: {verdict}")


def photographs(folder: str, count: int) -> str:
    """A folder of so many JPEGs of 375x500, cut from the samples."""
    return _made(folder, f"photographs{count}", count, (375, 500), ".jpg", quality=88)


def _made(folder: str, name: str, count: int, size: tuple[int, int], suffix: str, **settings: int) -> str:
    made = os.path.join(folder, name)
    if os.path.isdir(made):
        return made
    os.makedirs(made)
    rng = np.random.default_rng(1)
    height, width = size
    pictures = []
    for sample in ("cat.jpg", "coffee.jpg", "car.jpg"):
        path = os.path.join(SAMPLES, sample)
        if os.path.exists(path):
            picture = Image.open(path).convert("RGB" if suffix == ".jpg" else "L")
            scale = 1.3 * max(width / picture.width, height / picture.height, 0.3)
            pictures.append(picture.resize((round(picture.width * scale), round(picture.height * scale))))
    for number in range(count):
        picture = pictures[number % len(pictures)]
        x, y = rng.integers(picture.width - width + 1), rng.integers(picture.height - height + 1)
        picture.crop((x, y, x + width, y + height)).save(os.path.join(made, f"{number:05}{suffix}"), **settings)
    return made
