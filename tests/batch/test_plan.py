"""The plan of a batch: its files and their names, and what is refused before anything is written."""

import os
import unicodedata

import pytest
from batches import fill, pgm

from poolcli.batch.local_storage import stamp_of
from poolcli.batch.names import assign
from poolcli.batch.own_files import OwnFiles
from poolcli.batch.plan import Source, find
from poolcli.batch.templates import DEFAULT, Template
from poolcli.errors import OptionError


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A current folder with in/a.pgm, in/B.PNG, in/notes.txt, in/.hidden.png, in/sub/c.jpg and in/sub/deep/d.pgm."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.pgm", "B.PNG", "notes.txt", ".hidden.png", "sub/c.jpg", "sub/deep/d.pgm", "sub/.git/e.pgm"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pgm(1))
    return tmp_path


def names(found):
    return [source.name for source in found.sources]


def test_files_and_folders(here):
    found = find(["in"], "out")
    assert names(found) == ["B.PNG", "a.pgm"]
    assert [source.path for source in found.sources] == ["in/B.PNG", "in/a.pgm"]
    assert found.left_out == {"hidden": 1, "no picture by its suffix": 1, "folders, --recursive takes them": 1}
    assert found.problems == []


def test_folders_inside_folders(here):
    found = find(["in"], "out", recursive=True)
    assert names(found) == ["B.PNG", "a.pgm", "sub/c.jpg", "sub/deep/d.pgm"]
    assert found.left_out == {"hidden": 2, "no picture by its suffix": 1}


def test_what_is_named_is_taken_whatever_it_is_called(here):
    found = find(["in/notes.txt", "in/.hidden.png", "missing.png"], "out")
    assert names(found) == [".hidden.png", "missing.png", "notes.txt"]
    assert [source.stamp is None for source in found.sources] == [False, True, False]


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        (["*.pgm"], [], ["a.pgm", "sub/deep/d.pgm"]),
        (["*.png"], [], ["B.PNG"]),
        (["*.txt"], [], ["notes.txt"]),
        (["sub/*"], [], ["sub/c.jpg", "sub/deep/d.pgm"]),
        (["SUB/?.jpg", "b.*"], [], ["B.PNG", "sub/c.jpg"]),
        ([], ["*.pgm"], ["B.PNG", "sub/c.jpg"]),
        ([], ["sub/*"], ["B.PNG", "a.pgm"]),
        (["*"], ["*.pgm", "*.txt"], ["B.PNG", "sub/c.jpg"]),
        (["[ab].*"], ["B*"], ["a.pgm"]),
        (["x"], [], []),
    ],
)
def test_include_and_exclude(here, include, exclude, expected):
    assert names(find(["in"], "out", recursive=True, include=include, exclude=exclude)) == expected


def test_every_file_once(here):
    assert names(find(["in/a.pgm", "in", "./in/../in/a.pgm", str(here / "in")], "out")) == ["B.PNG", "a.pgm"]


def test_a_folder_and_one_inside_it_have_each_file_once(here):
    assert names(find(["in", "in/sub"], "out", recursive=True)) == ["B.PNG", "a.pgm", "sub/c.jpg", "sub/deep/d.pgm"]


@pytest.mark.parametrize(
    ("exclude", "expected"),
    [
        (["sub"], ["B.PNG", "a.pgm"]),
        (["deep"], ["B.PNG", "a.pgm", "sub/c.jpg"]),
        (["deep/"], ["B.PNG", "a.pgm", "sub/c.jpg"]),
        (["/deep"], ["B.PNG", "a.pgm", "sub/c.jpg", "sub/deep/d.pgm"]),
        (["**/deep/**"], ["B.PNG", "a.pgm", "sub/c.jpg"]),
        (["sub/deep"], ["B.PNG", "a.pgm", "sub/c.jpg"]),
        (["sub/**/d.*"], ["B.PNG", "a.pgm", "sub/c.jpg"]),
        (["sub/**/c.*"], ["B.PNG", "a.pgm", "sub/deep/d.pgm"]),
        (["*", "!*.pgm", "!sub", "!deep"], ["a.pgm", "sub/deep/d.pgm"]),
        (["[!a].*"], ["a.pgm"]),
    ],
)
def test_excluded_folders_as_git_ignores_them(here, exclude, expected):
    assert names(find(["in"], "out", recursive=True, exclude=exclude)) == expected


@pytest.mark.parametrize(
    ("include", "expected"),
    [
        (["**/*.png"], ["B.PNG"]),
        (["**/*.pgm"], ["a.pgm", "sub/deep/d.pgm"]),
        (["/*.pgm"], ["a.pgm"]),
        (["deep"], ["sub/deep/d.pgm"]),
        (["sub/"], ["sub/c.jpg", "sub/deep/d.pgm"]),
        (["*.pgm", "!deep/", "!d.*"], ["a.pgm"]),
    ],
)
def test_included_at_any_depth(here, include, expected):
    assert names(find(["in"], "out", recursive=True, include=include)) == expected


def test_an_excluded_folder_is_never_opened(here, monkeypatch):
    opened = []
    scan = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: opened.append(path) or scan(path))
    found = find(["in"], "out", recursive=True, exclude=["deep"])
    assert "in/sub/deep" not in opened
    assert found.left_out["excluded folders"] == 1
    assert found.problems == []


def test_patterns_look_at_the_folders_of_named_files_too(here):
    assert names(find(["in/sub/c.jpg", "./in/a.pgm"], "out", exclude=["sub"])) == ["a.pgm"]


def test_numbers_in_names_are_sorted_by_their_value(here):
    fill("n", 0)
    for name in ("frame10", "frame2", "frame1", "frame02", "2", "b", "10x3", "10x20"):
        (here / f"n/{name}.pgm").write_bytes(pgm(1))
    expected = ["2", "10x3", "10x20", "b", "frame1", "frame02", "frame2", "frame10"]
    assert names(find(["n"], "out")) == [f"{name}.pgm" for name in expected]


def test_two_dots_after_a_link_lead_to_another_file(here):
    """If ``link/..`` were removed from the text, two files would become one, and one would never be processed."""
    os.symlink("sub/deep", "in/link")
    (here / "in/sub/a.pgm").write_bytes(pgm(2))
    found = find(["in/a.pgm", "in/link/../a.pgm"], "out")
    assert len(found.sources) == 2


def test_sorted_by_the_bytes_of_names_whatever_the_order_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    raw = [b"\xff.png", b"a.png", "é.png".encode(), b"Z.png", b"\xc3.png", b" .png"]
    for name in raw:
        with open(name, "wb"):
            pass
    found = find([os.fsdecode(name) for name in raw], "out")
    assert [os.fsencode(name) for name in names(found)] == sorted(raw)
    assert names(find(["."], "out")) == names(found)


def test_links(here):
    os.symlink("..", "in/sub/up")
    os.symlink("itself.png", "in/itself.png")
    os.symlink("nowhere.png", "in/dangling.png")
    os.symlink("a.pgm", "in/other.pgm")
    found = find(["in"], "out", recursive=True)
    expected = ["B.PNG", "a.pgm", "dangling.png", "itself.png", "other.pgm", "sub/c.jpg", "sub/deep/d.pgm"]
    assert names(found) == expected
    assert found.left_out["links to folders"] == 1
    assert [source.name for source in found.sources if source.stamp is None] == ["dangling.png", "itself.png"]


def test_a_link_to_a_folder_is_followed_when_it_is_named(here):
    os.symlink("in", "link")
    assert names(find(["link"], "out")) == ["B.PNG", "a.pgm"]


def test_the_folder_of_results_is_left_out(here):
    fill("in/sub/out", 2)
    assert "sub/out/p0000.pgm" in names(find(["in"], "elsewhere", recursive=True))
    found = find(["in"], "in/sub/out", recursive=True)
    assert names(found) == ["B.PNG", "a.pgm", "sub/c.jpg", "sub/deep/d.pgm"]
    assert found.left_out["folders of results"] == 1
    os.symlink("in/sub/out", "link")
    assert names(find(["in"], "link", recursive=True)) == names(found)


def test_a_folder_whose_journal_knows_nothing_holds_pictures(here):
    fill("in/sub/old/.poolcli", 1)
    fill("in/sub/old/more", 2)
    found = find(["in"], "out", recursive=True)
    assert names(found)[-2:] == ["sub/old/more/p0000.pgm", "sub/old/more/p0001.pgm"]


def test_what_a_journal_knows_is_left_out_and_the_rest_are_pictures(here):
    fill("in/sub/old/more", 3)
    os.mkdir("in/sub/old/.poolcli")

    def read(folder):
        assert os.path.samefile(folder, "in/sub/old")
        return {"more/p0000.pgm", "more/p0002.pgm"}

    found = find(["in"], "out", recursive=True, made=OwnFiles("out", (), read))
    assert names(found)[-1] == "sub/old/more/p0001.pgm"
    assert found.left_out["made by poolcli"] == 2
    found = find(["in/sub/old/more"], "out", made=OwnFiles("out", (), read))
    assert names(found) == ["p0001.pgm"]


@pytest.mark.parametrize("spelling", ["in", "./in", "in/", "in/sub/..", "link"])
def test_a_folder_that_is_input_and_output_is_refused(here, spelling):
    os.symlink("in", "link")
    with pytest.raises(OptionError, match="the folder of the results is an input"):
        find(["in"], spelling)
    with pytest.raises(OptionError, match="the folder of the results is an input"):
        find([spelling], "in")


def test_very_deep_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(300):
        os.mkdir("d")
        os.chdir("d")
    with open("x.pgm", "wb") as file:
        file.write(pgm(1))
    monkeypatch.chdir(tmp_path)
    (source,) = find(["d"], "out", recursive=True).sources
    assert source.name == "d/" * 299 + "x.pgm"


def plan(*paths, output="out", template=DEFAULT, figures=True, flat=False):
    sources = [Source(path, os.path.basename(path) if flat else path, stamp_of(path)) for path in paths]
    return assign(sources, output, Template(template), figures=figures)


def test_the_tree_is_kept():
    first, second = plan("a.jpg", "x/y/b.png")
    assert (first.result, first.figure) == ("a.pooled.png", "a.figure.png")
    assert (second.result, second.figure) == ("x/y/b.pooled.png", "x/y/b.figure.png")
    assert [item.figure for item in plan("a.jpg", figures=False)] == [None]


def test_the_index_begins_with_one():
    assert [item.result for item in plan("a.jpg", "x/b.jpg", template="{index}.png")] == ["1.png", "x/2.png"]


E_ACUTE = unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")
CLASHES = {
    "two formats": (["a.jpg", "a.png"], {}, "out/a.pooled.png"),
    "case": (["x/A.png", "x/a.png"], {}, "out/x/a.pooled.png"),
    "case of a folder": (["X/a.png", "x/a.png"], {}, "out/x/a.pooled.png"),
    "sharp s": (["strasse.png", "straße.png"], {}, "out/straße.pooled.png"),
    "forms of Unicode": ([f"{E_ACUTE[0]}.png", f"{E_ACUTE[1]}.png"], {}, "é"),
    "figures": (["a.jpg", "b.png"], {"template": "same{suffix}"}, "out/same.figure.png"),
    "result and figure": (["a.jpg", "a.figure.jpg"], {"template": "{stem}.png"}, "out/a.figure.png"),
    "one name for all": (["a.jpg", "b.jpg"], {"template": "same.png"}, "out/same.png"),
}


@pytest.mark.parametrize("what", CLASHES)
def test_two_sources_for_one_file_are_refused_with_both_names(tmp_path, what):
    paths, options, target = CLASHES[what]
    with pytest.raises(OptionError) as caught:
        plan(*paths, **options)
    for word in (*paths, target):
        assert word in str(caught.value)
    assert plan(*paths, template="{index}-{name}.png", figures=False)


@pytest.mark.parametrize(
    ("template", "figures"),
    [
        (DEFAULT, ["a.figure.png", "s/b.figure.png"]),
        ("{name}.png", ["a.jpg.figure.png", "s/b.png.figure.png"]),
        ("max-{stem}-{index}.npy", ["max-a-1.figure.png", "s/max-b-2.figure.png"]),
        ("{stem}.figure.png", ["a.figure.figure.png", "s/b.figure.figure.png"]),
        ("{index:02}.pooled.tif", ["01.figure.png", "s/02.figure.png"]),
    ],
)
def test_figures_are_named_after_results(template, figures):
    assert [item.figure for item in plan("a.jpg", "s/b.png", template=template)] == figures


def test_figures_that_clash_are_helped_by_other_names_or_by_no_figures():
    with pytest.raises(OptionError, match=r"give every file its own name with --name '\{name\}\.png'$"):
        plan("a.jpg", "a.png", template="same{suffix}")
    assert len(plan("a.jpg", "a.png", template="{name}.png")) == 2


def test_the_number_of_further_clashes_is_told():
    with pytest.raises(
        OptionError, match=r"a\.jpg and a\.png .* \(and 2 more\); give every file its own name with --name "
    ):
        plan("a.jpg", "a.png", "b.jpg", "b.png", "b.tif", figures=False)


@pytest.mark.parametrize("paths", [("x.jpg", "x.pooled.png/y.jpg"), ("X.jpg", "x.pooled.png/deep/y.jpg")])
def test_a_result_that_would_be_the_folder_of_another_is_refused(paths):
    with pytest.raises(OptionError) as caught:
        plan(*paths)
    for path in paths:
        assert path in str(caught.value)
    with pytest.raises(OptionError, match="would be a folder"):
        plan(*reversed(paths))
    assert plan(*paths, template="{stem}.png")


def test_a_result_that_is_an_input_is_refused(here):
    os.rename("in/a.pgm", "in/B.pooled.png")
    os.mkdir("links")
    os.link("in/B.pooled.png", "links/B.pooled.png")
    os.mkdir("soft")
    os.symlink("../in/B.pooled.png", "soft/B.figure.png")
    for output in ("in", "./in/sub/..", "links", "soft"):
        with pytest.raises(
            OptionError, match=r"^in/B\.PNG: its result would replace in/B\.pooled\.png, which is an inp"
        ):
            plan("in/B.PNG", "in/B.pooled.png", output=output, flat=True)


@pytest.mark.parametrize("target", ["..", "/tmp", "../in"])
def test_a_link_that_leads_out_of_the_folder_is_refused(here, target):
    os.mkdir("out")
    os.symlink(target, "out/sub")
    sources = find(["in"], "out", recursive=True).sources
    with pytest.raises(OptionError, match=r"^out/sub(/deep)?: leads out of out"):
        assign(sources, "out", Template(DEFAULT), figures=False)


def test_a_link_that_stays_inside_the_folder_is_fine(here):
    os.makedirs("out/other")
    os.symlink("other", "out/sub")
    assert len(assign(find(["in"], "out", recursive=True).sources, "out", Template(DEFAULT), figures=True)) == 4
