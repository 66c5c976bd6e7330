"""Reports: one row per picture, names of any kind, numbers that read back equal."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolcli.batch.report import FORMATS, writer
from poolcli.errors import OptionError

MAPS = ["0-input", "1-pool2d"]
STATISTICS = {"min": 0.1, "max": 1.0, "mean": 1 / 3, "active": 0.5}
ROW = {
    "name": "a.png", "source": "in/a.png", "status": "done", "result": "out/a.png", "figure": None, "seconds": 0.25,
    "error": None,
    "input": {"format": "PNG", "mode": "L", "channels": 1, "depth": 8, "shape": [4, 6], **STATISTICS},
    "stages": [{"name": "pool2d", "shape": [2, 3], **STATISTICS, "min": None}],
}  # fmt: skip
FAILED = {**ROW, "name": "b.png", "status": "failed", "result": None, "seconds": None, "error": 'no, "b"\nis none',
          "input": None, "stages": None}  # fmt: skip


def written(suffix, rows, maps=MAPS):
    stream = io.BytesIO()
    writer(f"x{suffix}")(stream, iter(rows), maps)
    assert not stream.closed
    return stream.getvalue()


def test_a_table():
    text = written(".csv", [ROW, FAILED]).decode("utf-8")
    header, first, second = csv.reader(io.StringIO(text, newline=""))
    assert header == [
        "name", "status", "error", "source", "result", "figure", "seconds", "format", "mode", "channels", "depth",
        "0-input.height", "0-input.width", "0-input.min", "0-input.max", "0-input.mean", "0-input.active",
        "1-pool2d.height", "1-pool2d.width", "1-pool2d.min", "1-pool2d.max", "1-pool2d.mean", "1-pool2d.active",
    ]  # fmt: skip
    assert first == [
        "a.png", "done", "", "in/a.png", "out/a.png", "", "0.25", "PNG", "L", "1", "8",
        "4", "6", "0.1", "1.0", str(1 / 3), "0.5", "2", "3", "", "1.0", str(1 / 3), "0.5",
    ]  # fmt: skip
    assert second == ["b.png", "failed", 'no, "b"\nis none', "in/a.png", "", "", "", "", "", "", ""]


def test_lines_of_json():
    rows = written(".jsonl", [ROW, FAILED]).splitlines(keepends=True)
    assert [json.loads(row) for row in rows] == [ROW, FAILED]
    assert all(row.endswith(b"\n") and row.isascii() for row in rows)


@pytest.mark.parametrize("suffix", FORMATS)
def test_no_rows(suffix):
    assert len(written(suffix, []).splitlines()) == (suffix == ".csv")


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), min_size=2, max_size=2))
def test_any_text_comes_back(words):
    rows = [{**ROW, "name": words[0]}, {**FAILED, "error": words[1], "name": "x"}]
    assert [json.loads(row)["name"] for row in written(".jsonl", rows).split(b"\n")[:-1]] == [words[0], "x"]
    text = written(".csv", rows).decode("utf-8")
    found = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [found[0]["name"], found[1]["error"]] == words


@pytest.mark.parametrize("name", ["a.csv", "A.CSV", "x/y.jsonl", "a.b.csv"])
def test_the_suffix_chooses(name):
    assert writer(name) is FORMATS["." + name.rsplit(".", 1)[1].lower()]


@pytest.mark.parametrize("name", ["a", "a.json", "csv", ".csv", "a.csv/", "a.csv.gz", "\x1b.txt"])
def test_other_suffixes_are_refused(name):
    with pytest.raises(OptionError, match=r"write a name ending in \.csv or \.jsonl") as caught:
        writer(name)
    assert str(caught.value).isprintable()
