"""`poolcli.run` in a program and in a notebook: the result can be saved and drawn, and shows itself."""

import io
import re
import subprocess
import sys

import numpy as np
import pytest
from IPython.core.formatters import DisplayFormatter
from PIL import Image

import poolcli
from poolcli.errors import ImageError, OptionError

PICTURE = np.random.default_rng(4).integers(0, 256, (40, 60), np.uint8)
RECIPE = poolcli.recipe(kernel="edge", size=2)


@pytest.fixture
def picture(tmp_path):
    Image.fromarray(PICTURE).save(tmp_path / "in.png")
    return tmp_path / "in.png"


def command(*words):
    done = subprocess.run([sys.executable, "-m", "poolcli", *map(str, words)], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("suffix", ["png", "tif", "npy", "npz", "pgm", "jpg"])
def test_what_is_saved_is_what_run_writes(picture, tmp_path, suffix):
    saved = poolcli.run(picture, RECIPE).save(tmp_path / f"a.{suffix}")
    command("run", picture, "--kernel", "edge", "-o", tmp_path / f"b.{suffix}", "--no-figure")

    assert saved == str(tmp_path / f"a.{suffix}")
    assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


def test_scale_and_depth_are_those_of_the_command(picture, tmp_path):
    poolcli.run(picture, RECIPE).save(tmp_path / "a.png", scale="stretch", depth=16)
    command(
        "run", picture, "--kernel", "edge", "--scale", "stretch", "--depth", 16, "-o", tmp_path / "b.png", "--no-figure"
    )

    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_files_that_are_there_and_the_input_stay(picture, tmp_path):
    result = poolcli.run(picture, RECIPE)
    before = picture.read_bytes()
    (tmp_path / "old.png").write_bytes(b"old")
    for target, force in ((tmp_path / "old.png", False), (picture, True), (tmp_path / "none" / "a.png", False)):
        with pytest.raises((OptionError, poolcli.errors.OutputError), match=re.escape(target.name)):
            result.save(target, force=force)
    with pytest.raises(poolcli.errors.OutputError, match="choose another name, or replace it with force=True"):
        result.save(tmp_path / "old.png")
    with pytest.raises(OptionError, match="write a name ending in"):
        result.save(tmp_path / "a.gif")
    assert (tmp_path / "old.png").read_bytes() == b"old"
    assert picture.read_bytes() == before
    result.save(tmp_path / "old.png", force=True)
    assert (tmp_path / "old.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(("fmt", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_the_figure_is_that_of_the_command(picture, tmp_path, fmt, start):
    figure = poolcli.run(picture, RECIPE).figure(fmt)
    command("run", picture, "--kernel", "edge", "-o", tmp_path / "b.png", "--figure", tmp_path / f"f.{fmt}")

    assert figure.startswith(start)
    assert figure == (tmp_path / f"f.{fmt}").read_bytes()


@pytest.mark.parametrize("statistics", [True, False])
def test_a_notebook_shows_figure_and_table(statistics):
    result = poolcli.run(PICTURE, RECIPE, statistics=statistics)
    shown, _ = DisplayFormatter().format(result)

    assert set(shown) == {"text/plain", "text/html", "image/png"}
    with Image.open(io.BytesIO(shown["image/png"])) as image:
        image.load()
        assert image.width > 600
    cells = re.findall(r"<td>(.*?)</td>", shown["text/html"])
    assert cells[:2] == ["Input", "40x60"]
    assert len(cells) == 8 * 4
    assert 'src="data:image/png;base64,' in shown["text/html"]
    assert len(shown["text/plain"]) < 3000


def test_names_are_escaped_in_a_notebook(tmp_path):
    Image.fromarray(PICTURE).save(tmp_path / "<b>&.png")
    result = poolcli.run(tmp_path / "<b>&.png", poolcli.recipe(kernel=((1, 2), (3, 4))))
    assert "<b>" not in result._repr_html_()


class Tensor:
    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype)


def test_anything_with_an_array_inside_is_read():
    expected = poolcli.run(PICTURE).output
    for image in (Tensor(PICTURE), Image.fromarray(PICTURE), PICTURE.tolist()):
        output = poolcli.run(image).output
        scale = 1 if isinstance(image, list) else np.float32(1 / 255)
        np.testing.assert_array_equal(
            output * np.float32(1), np.float32(PICTURE.reshape(20, 2, 30, 2).max((1, 3))) * scale
        )
    assert expected.shape == (20, 30)
    with pytest.raises(ImageError, match="detach"):
        poolcli.run(type("Broken", (), {"__array__": lambda self, dtype=None, copy=None: 1 / 0})())
