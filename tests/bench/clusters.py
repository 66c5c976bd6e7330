"""Measures `poolcli batch --dask` beside local batches.  python tests/bench/clusters.py [--rounds N] [--count N]

A scheduler and one or two worker processes run on this machine, beside the client. Prints how long 576 photographs take,
and what tiny pictures cost the client: with more workers than that keeps busy, the client is the limit.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import measure
from folders import MEMORY, ONE_THREAD, _made, _poolcli, photographs

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dask_clusters import TestCluster


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=10000, help="how many tiny pictures")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None))
        out = os.path.join(folder, "out")
        clusters = {}
        for workers in (1, 2):
            place = Path(folder, f"cluster{workers}")
            place.mkdir()
            clusters[workers] = TestCluster(place, workers)
            stack.callback(clusters[workers].close)
            clusters[workers].ready()
        _photographs(folder, out, options.rounds, clusters)
        _tiny(folder, out, options.rounds, clusters[2], options.count)


def _on(cluster: TestCluster, source: str, out: str) -> list[str]:
    return [*_poolcli(source, out, 2, "--no-figure"), "--dask", cluster.address]


def _photographs(folder: str, out: str, rounds: int, clusters: dict[int, TestCluster]) -> None:
    count = 576
    source = photographs(folder, count)
    contestants = {f"--jobs {jobs}": _poolcli(source, out, jobs, "--no-figure") for jobs in (1, 2)}
    contestants |= {f"--dask, workers: {workers}": _on(cluster, source, out) for workers, cluster in clusters.items()}
    times = measure.commands(contestants, rounds, ONE_THREAD, out)
    print(f"{count} JPEGs of 375x500, edge, max 2/2, --no-figure")
    for name, found in times.items():
        took = min(found.took_ms)
        ratio = took / min(times["--jobs 1"].took_ms)
        print(f"  {name}: {took / 1e3:.2f} s, {count / took * 1e3:.0f}/s, {ratio:.2f}x of --jobs 1")


def _tiny(folder: str, out: str, rounds: int, cluster: TestCluster, most: int) -> None:
    for count in (most // 10, most):
        source = _made(folder, f"tiny{count}", count, (64, 64), ".png", compress_level=1)
        contestants = {"--dask": _on(cluster, source, out), "--jobs 2": _poolcli(source, out, 2, "--no-figure")}
        times = measure.commands(contestants, rounds, ONE_THREAD, out)
        subprocess.run(["rm", "-rf", out], check=True)
        print(f"{count} PNGs of 64x64")
        for name, found in times.items():
            print(
                f"  {name}: {count / min(found.took_ms) * 1e3:.0f}/s; the parent: {found.best / count:.3f} ms of CPU "
                f"for each, {found.peak_mb:.0f} MB"
            )


if __name__ == "__main__":
    main()
