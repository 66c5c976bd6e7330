"""`--detail`: where the figure looks, and what is refused."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

CAR = Path(__file__).parents[2] / "sample_images" / "car.jpg"


def poolcli(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "poolcli", "run", str(CAR), "-q", *arguments],
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
    )


def test_a_place_changes_the_figure_and_nothing_else(tmp_path):
    for name, place in (("a", []), ("b", ["--detail", "120,300"]), ("c", ["--detail", " 120, 300"])):
        done = poolcli(tmp_path, "--kernel", "edge", "-o", f"{name}.png", "--figure", f"{name}.figure.png", *place)
        assert (done.returncode, done.stderr) == (0, "")
    data = {name: (tmp_path / f"{name}.figure.png").read_bytes() for name in "abc"}
    assert data["a"] != data["b"] == data["c"]
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.figure.png") as first, Image.open(tmp_path / "b.figure.png") as second:
        assert first.size == second.size


@pytest.mark.parametrize("place", ["483,0", "0,818", "99999999999999999999,0"])
def test_a_place_outside_the_picture_is_refused(tmp_path, place):
    done = poolcli(tmp_path, "--kernel", "edge", "--detail", place)
    assert done.returncode == 1
    assert done.stderr.strip().endswith(f"detail {place} lies outside the picture of 483x818: at most 482,817")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", ["", "1", "1,2,3", "-1,2", "1.5,2", "a,b", "1x2", "²,1"])
def test_other_texts_are_usage_errors(tmp_path, place):
    done = poolcli(tmp_path, f"--detail={place}")
    assert done.returncode == 2
    assert "write TOP,LEFT" in done.stderr


@pytest.mark.parametrize("without", [["--no-figure"], ["-o", "-"]])
def test_a_place_without_a_figure_is_refused(tmp_path, without):
    done = poolcli(tmp_path, "--detail", "1,2", *without)
    assert done.returncode == 2
    assert "--detail without a figure" in done.stderr
