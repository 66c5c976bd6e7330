"""Templates of names: a closed list of fields; no name can leave the folder or reach attributes of Python objects."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolcli.batch.templates import FIELDS, Template
from poolcli.errors import OptionError


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("{stem}.pooled.png", "cat.v1.pooled.png"),
        ("{name}.png", "cat.v1.jpg.png"),
        ("x{suffix}", "x.jpg"),
        ("{parent}-{stem}.npy", "holiday-cat.v1.npy"),
        ("{index}-{index}.tif", "7-7.tif"),
        ("{index:04}.tif", "0007.tif"),
        ("same.png", "same.png"),
        ("%s%(x)s.png", "%s%(x)s.png"),
        ("$HOME ~.png", "$HOME ~.png"),
    ],
)
def test_fields_are_replaced_and_the_rest_is_taken_as_it_is(text, name):
    assert Template(text).result_name("a/holiday/cat.v1.jpg", 7) == name


def test_what_fields_hold_is_not_looked_at_again():
    assert Template("{stem}.png").name("{parent}{0}%s.jpg", 1) == "{parent}{0}%s.png"


def test_the_parent_is_that_of_the_absolute_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Template("{parent}.png").name("cat.jpg", 1) == f"{tmp_path.name}.png"
    assert Template("{parent}.png").name("./x/../cat.jpg", 1) == f"{tmp_path.name}.png"


REFUSED = {
    "attribute": "{0.__class__}.png",
    "attribute of a field": "{stem.__class__}.png",
    "item": "{stem[0]}.png",
    "conversion": "{stem!r}.png",
    "format": "{index:4}.png",
    "unknown": "{stam}.png",
    "none": "{}.png",
    "open": "{stem.png",
    "closed": "stem}.png",
    "doubled": "{{stem}}.png",
    "up": "../x.png",
    "root": "/etc/x.png",
    "folder": "a/{stem}.png",
    "folder of a field": "{stem}/.png",
    "backslash": "a\\{stem}.png",
    "nul": "a\0{stem}.png",
    "long": "x" * 300 + ".png",
    "long in bytes": "é" * 130 + ".png",
    "long with fields": "x" * 150 + "{stem}" + "y" * 150 + ".png",
}


@pytest.mark.parametrize("what", REFUSED)
def test_templates_that_are_refused(what):
    with pytest.raises(OptionError, match=r"^name .*: .*(expected|did you mean|write)"):
        Template(REFUSED[what])


def test_a_near_field_is_suggested():
    with pytest.raises(OptionError, match="did you mean 'stem'"):
        Template("{stam}.png")


@pytest.mark.parametrize("text", ["", "..", ".", "%s", "{stem}", "{stem}.", ".png", "{stem}.gif", "{name}.part"])
def test_a_result_needs_a_suffix_that_can_be_written(text):
    with pytest.raises(OptionError, match=r"^a/cat\.jpg: its result would be"):
        Template(text).result_name("a/cat.jpg", 1)


ANY_NAME = st.binary(min_size=1, max_size=40).filter(lambda raw: b"/" not in raw and b"\0" not in raw)
ANY_TEMPLATE = st.lists(st.sampled_from([*(f"{{{f}}}" for f in FIELDS), "..", "/", "\\", "\0", "é", ".png", "{", "x"]))


@given(ANY_NAME, ANY_TEMPLATE.map("".join))
def test_no_name_has_a_folder(raw, text):
    try:
        name = Template(text).result_name(os.path.join("/some/where", os.fsdecode(raw)), 3)
    except OptionError:
        return
    assert os.path.basename(name) == name
    assert name not in ("", ".", "..")
    assert "\0" not in name
