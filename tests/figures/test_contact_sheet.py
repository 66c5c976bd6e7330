"""The contact sheet: its contents and their places; any name can be drawn."""

import io
import itertools
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from poolcli.errors import OptionError
from poolcli.figures import text as lettering
from poolcli.figures.contact_page import EMPTY_FILL, Tile
from poolcli.figures.contact_sheet import (
    PER_PAGE,
    SHEET_FORMATS,
    page,
    page_names,
    page_slices,
    sheet_format,
)
from poolcli.figures.palettes import FAILURE, INK, MUTED
from poolcli.figures.text import drawable, font, shorten, text_width, wrap
from poolcli.figures.thumbnail import TILE

ROOT = Path(__file__).parents[2]
NASTY = [
    "two\nlines\x1b[31m.png",
    "\x00\t\r\v\x7f\x85",
    "latin1_\udce9.png",
    "\ud800\udfff",
    "猫の写真.jpg",
    "תמונה 12.jpg",
    "صورة.png",
    "\u202egnp.exe",
    "a\u2028b\u00a0c\u3000d\ufeff\ufe0f",
    "e\u0301 $x_y^2$ \\frac",
    "😀 smile.png",
    "\U0010ffff\uffff",
    "x" * 255,
    "long " * 500_000,
    "",
    " ",
]


def reopened(data, kind="PNG"):
    with Image.open(io.BytesIO(data), formats=[kind]) as image:
        image.load()
        return np.asarray(image.convert("RGB"))


def color(red, green, blue, height=120, width=160):
    return np.full((height, width, 3), (red, green, blue), np.uint8)


def where(sheet, rgb):
    """Top, bottom, left and right, inclusive, of all pixels of a colour."""
    rows, columns = np.nonzero((sheet == rgb).all(-1))
    assert rows.size, f"no {rgb} on the sheet"
    return int(rows.min()), int(rows.max()), int(columns.min()), int(columns.max())


def sizes(count, height=120, width=160):
    tiles = [Tile("name.jpg", color(0, 0, 200, height, width), color(0, 200, 0, height, width), detail="1x1 → 1x1")]
    return reopened(page(tiles * count, "title")).shape[:2]


def test_input_and_result_stand_side_by_side_pixel_for_pixel():
    rng = np.random.default_rng(0)
    first, second = rng.integers(1, 250, (90, 160, 3), np.uint8), rng.integers(1, 250, (160, 60), np.uint8)
    sheet = reopened(page([Tile("a", first, second)], ""))

    def find(picture):
        rgb = np.broadcast_to(picture[..., None] if picture.ndim == 2 else picture, (*picture.shape[:2], 3))
        corners = np.argwhere((sheet == rgb[0, 0]).all(-1))
        found = [(y, x) for y, x in corners if np.array_equal(sheet[y : y + len(rgb), x : x + rgb.shape[1]], rgb)]
        assert len(found) == 1
        return found[0]

    (top, left), (other_top, other_left) = find(first), find(second)
    assert left + 160 < other_left < left + 160 + 40
    assert abs((top + 45) - (other_top + 80)) <= 1, "centred on one line"


def test_pairs_are_in_reading_order_and_apart():
    shades = [(10 * i + 5, 0, 250 - 10 * i) for i in range(12)]
    sheet = reopened(page([Tile("name", color(*rgb), None, "reason") for rgb in shades], "title"))
    boxes = [where(sheet, rgb) for rgb in shades]
    assert all((bottom - top, right - left) == (119, 159) for top, bottom, left, right in boxes)
    places = [(top, left) for top, _, left, _ in boxes]
    assert places == sorted(places)
    assert len(set(places)) == 12


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 12, 40, 60, 123, 200])
@pytest.mark.parametrize("shape", [(120, 160), (160, 120), (160, 160), (6, 160)])
def test_pages_are_neither_wide_nor_tall(count, shape):
    height, width = sizes(count, *shape)
    assert 1 / 2 < width / height < (3 if count > 2 else 7)
    assert max(height, width) < 7000


def test_no_row_but_the_last_has_holes_and_the_last_not_many():
    for count in (5, 12, 40, 60, 200):
        tiles = [Tile("", color(200, 0, 0), color(0, 0, 200)) for _ in range(count)]
        red = (reopened(page(tiles, "")) == (200, 0, 0)).all(-1)
        per_row = [int(n) // 160 for n in red.sum(1) if n]
        per_row = per_row[::120]
        assert sum(per_row) == count
        assert set(per_row[:-1]) <= {per_row[0]}
        assert per_row[-1] >= per_row[0] / 4


def test_a_failure_shows_its_reason_in_dark_red_beside_its_input():
    sheet = reopened(page([Tile("a", color(0, 200, 0), None, "window 3x3 is larger than the map " * 9)], ""))
    top, bottom, _, right = where(sheet, (0, 200, 0))
    red = where(sheet, FAILURE)
    assert red[2] > right
    assert red[3] < sheet.shape[1]
    assert top <= red[0]
    assert red[1] <= bottom, "many lines, yet no taller than the picture"
    assert red[1] - red[0] > 60, "several lines"


def test_a_failure_without_input_is_an_empty_frame():
    sheet = reopened(page([Tile("a", None, None, "not a picture")], ""))
    top, bottom, left, right = where(sheet, EMPTY_FILL)
    assert right - left == TILE - 1
    assert bottom - top == TILE * 3 // 4 - 1
    assert where(sheet, FAILURE)[2] > right


def test_success_has_no_red_and_no_empty_frame():
    sheet = reopened(page([Tile("a", color(0, 0, 0), color(1, 1, 1), "is not shown")], ""))
    assert not (sheet == FAILURE).all(-1).any()
    assert not (sheet == EMPTY_FILL).all(-1).any()


def test_names_titles_sizes_and_page_numbers_are_drawn():
    tile = Tile("name", color(0, 0, 200), color(0, 200, 0))
    plain = page([tile], "")
    assert (
        len({plain, page([tile], "title"), page([tile], "", number=1, pages=2), page([tile], "", number=2, pages=2)})
        == 4
    )
    assert page([tile], "", number=1, pages=1) == plain
    named, bare = reopened(plain), reopened(page([Tile("", tile.input, tile.result)], ""))
    changed = np.nonzero((named != bare).any(-1))
    bottom, left, right = (
        where(named, (0, 0, 200))[1],
        *[where(named, c)[i] for c, i in (((0, 0, 200), 2), ((0, 200, 0), 3))],
    )
    assert changed[0].min() > bottom, "under the pictures"
    assert abs((changed[1].min() + changed[1].max()) / 2 - (left + right) / 2) < 3, "in the middle"
    assert len(reopened(page([Tile("name", tile.input, tile.result, detail="1x1")], ""))) > len(named)


@pytest.mark.parametrize(("result", "ink"), [(color(0, 200, 0), MUTED), (None, FAILURE)])
def test_a_mark_between_input_and_result_tells_success_from_failure(result, ink):
    sheet = reopened(page([Tile("", color(0, 0, 200), result)], ""))
    top, bottom, _, right = where(sheet, (0, 0, 200))
    between = sheet[top : bottom + 1, right + 2 : right + 28]
    rows, columns = np.nonzero((between == ink).all(-1))
    assert abs(rows.mean() - between.shape[0] / 2) < 4
    assert abs(columns.mean() - between.shape[1] / 2) < 4


def test_a_long_name_stays_under_its_pair():
    tiles = [Tile("i" * 3 + "W" * 300, color(0, 0, 200), color(0, 200, 0))] * 4
    sheet = reopened(page(tiles, ""))
    ink = (sheet < 100).all(-1)
    lefts = np.flatnonzero((sheet == (0, 0, 200)).all(-1).any(0))[::160]
    rights = np.flatnonzero((sheet == (0, 200, 0)).all(-1).any(0))[159::160]
    assert len(lefts) == len(rights) == 2
    outside = np.ones(sheet.shape[1], bool)
    for left, right in zip(lefts, rights, strict=True):
        assert ink[:, left : right + 1].any()
        outside[left : right + 1] = False
    assert not ink[:, outside].any(), "one name does not run into the next"


@pytest.mark.parametrize("text", NASTY)
def test_any_text_is_drawn_anywhere(text):
    tiles = [Tile(text, color(0, 0, 200), None, text, text), Tile(text, None, color(0, 200, 0), "", text)]
    with_text = reopened(page(tiles, text, number=1, pages=2))
    assert where(with_text, (0, 0, 200))
    assert drawable(text).isprintable()


def test_a_page_without_tiles():
    assert reopened(page([], "nothing")).shape[1] > 300
    assert reopened(page([], "")).min() == 255


def test_the_same_tiles_give_the_same_bytes_in_another_process():
    program = (
        "import hashlib, numpy as np, sys\n"
        "from poolcli.figures.contact_sheet import page\nfrom poolcli.figures.contact_page import Tile\n"
        "grey = np.arange(120 * 160, dtype=np.uint16).reshape(120, 160).astype(np.uint8)\n"
        "tiles = [Tile('name é猫.png', grey, grey[::2], detail='1 → 2'), Tile('b', None, None, 'reason')]\n"
        "for fmt in ('png', 'jpg', 'webp'): print(hashlib.sha256(page(tiles, 'title', fmt)).hexdigest())\n"
        "assert 'matplotlib' not in sys.modules and 'click' not in sys.modules\n"
    )
    runs = {
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT).stdout
        for _ in range(2)
    }
    assert len(runs) == 1
    assert len(set(runs.pop().split())) == 3


@pytest.mark.parametrize("entry", SHEET_FORMATS)
def test_every_format_holds_the_same_sheet(entry):
    tiles = [Tile("name", color(10, 60, 200), color(20, 200, 40)), Tile("b", None, None, "reason")]
    exact, other = reopened(page(tiles, "t")), reopened(page(tiles, "t", entry.name), entry.pillow)
    assert exact.shape == other.shape
    assert np.abs(exact.astype(int) - other).mean() < 2


def test_the_title_is_in_the_file():
    with Image.open(io.BytesIO(page([], "photos → edges\n"))) as image:
        assert image.text == {"Title": "photos → edges\\x0a", "Software": "poolcli"}


@pytest.mark.parametrize("suffix", [".png", ".PNG", ".jpg", ".jpeg", ".webp"])
def test_formats_by_suffix(suffix):
    fmt = sheet_format(f"out.d/sheet{suffix}")
    assert page([], "", fmt)[:4] in {b"\x89PNG", b"\xff\xd8\xff\xe0", b"RIFF"}


@pytest.mark.parametrize(("path", "seen"), [("a.gif", "suffix '.gif'"), ("a.png/b", "no suffix"), ("a.\x1b", r"\\x1b")])
def test_other_suffixes_are_refused_with_those_accepted(path, seen):
    with pytest.raises(OptionError, match=f"{seen}.*; write a name ending in .png, .jpg, .jpeg or .webp"):
        sheet_format(path)


@pytest.mark.parametrize("fmt", ["tif", "npy", "PNG", ""])
def test_other_formats_are_refused(fmt):
    with pytest.raises(OptionError, match="write png, jpg or webp"):
        page([], "", fmt)


@pytest.mark.parametrize("count", [0, 1, 199, 200, 201, 400, 401, 999, 10_000])
def test_pages_share_the_tiles_evenly(count):
    slices = page_slices(count)
    parts = [list(range(count))[part] for part in slices]
    assert list(itertools.chain.from_iterable(parts)) == list(range(count))
    lengths = [len(part) for part in parts]
    assert max(lengths) <= PER_PAGE == 200
    assert max(lengths) - min(lengths) <= 1
    assert len(slices) == max(1, -(-count // 200))


def test_page_names():
    assert page_names("a.b/sheet.PNG", 1) == ["a.b/sheet.PNG"]
    assert page_names(Path("a.b/sheet.tar.jpg"), 3) == [f"a.b/sheet.tar-{i}.jpg" for i in (1, 2, 3)]


def test_shortened_lines_fit_and_keep_their_ends():
    size = 13
    for text in ("photograph-" * 30 + "0001.jpeg", "W" * 400, "i" * 400, "猫" * 100):
        for max_width in (60, 130, 348):
            for middle in (False, True):
                short = shorten(drawable(text), size, max_width, middle=middle)
                assert text_width(short, size) <= max_width
                assert "…" in short
                assert text_width(short, size) > max_width - 16, "no more than needed is left out"
    assert shorten("photograph-" * 30 + "0001.jpeg", size, 130, middle=True) == "photogra…001.jpeg"
    assert shorten("short.jpg", size, 348) == "short.jpg"


def test_wrapped_lines_fit_and_say_everything_there_is_room_for():
    size, text = 12, "window 3x3 is larger than the map of 2x2 after 5 steps; at most 2x2 is accepted"
    lines = wrap(text, size, 168, 6)
    assert " ".join(lines) == text
    assert all(text_width(line, size) <= 168 for line in lines)
    cut = wrap(text, size, 100, 3)
    assert len(cut) == 3
    assert cut[-1].endswith("…")
    assert all(text_width(line, size) <= 100 for line in wrap("/" * 300 + " and " + "W" * 300, size, 100, 9))
    assert "".join(wrap("W" * 20, size, 100, 9)) == "W" * 20
    assert wrap("", size, 100, 3) == wrap("  ", size, 100, 3) == []


@pytest.fixture
def fresh_fonts():
    def clear():
        for cached in (lettering.font, lettering._font_file, lettering.has_glyph):
            cached.cache_clear()

    clear()
    yield
    clear()


@pytest.mark.usefixtures("fresh_fonts")
@pytest.mark.parametrize("trouble", ["missing", "no folder", "no font", "odd module"])
def test_without_matplotlibs_font_pillows_own_is_used(monkeypatch, tmp_path, trouble):
    def find_spec(name):
        if trouble == "odd module":
            raise ValueError("matplotlib.__spec__ is None")
        return None if trouble == "missing" else SimpleNamespace(submodule_search_locations=[str(tmp_path)])

    if trouble == "no font":
        folder = tmp_path / "mpl-data/fonts/ttf"
        folder.mkdir(parents=True)
        for name in ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"):
            (folder / name).write_bytes(b"no font")
    monkeypatch.setattr(lettering, "find_spec", find_spec)
    assert "DejaVu" not in lettering.font(13).getname()[0]
    assert drawable("1x1 → 2x2 é") == "1x1 -> 2x2 \\xe9"
    tiles = [Tile(text, color(0, 0, 200), color(0, 200, 0), detail="1x1 → 1x1") for text in NASTY]
    sheet = reopened(page([*tiles, Tile("a", None, None, "reason " * 40)], "title"))
    assert (sheet == INK).all(-1).any()
    assert (sheet == FAILURE).all(-1).any()


def test_dejavu_is_used():
    assert font(13).getname() == ("DejaVu Sans", "Book")
    assert font(13, bold=True).getname() == ("DejaVu Sans", "Bold")
