"""File names of any kind in a batch: processed or refused, shown escaped, with a row in every report."""

import csv
import json
import os
import re
import shlex
import string
from contextlib import chdir
from pathlib import Path

import pytest
from batches import OWN, pgm, tree
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from invoke import runner

from poolcli.batch.plan import natural
from poolcli.cli.group import cli as command
from poolcli.display import display_name

HOSTILE = [
    b"caf\xe9.png", b"\xff\xfe.png", b"a\nb.png", b"\r.png", b"e\x1b[31mred.png", b"\x1b]0;title\x07.png", b"\x07.png",
    b"-rf.png", b"--help.png", b"$x.png", b"$(touch pwned).png", b"`touch pwned`.png", b"; touch pwned;.png",
    b"{stem}.png", b"{0.__class__}.png", b"%s%(x)s%n.png", b"~.png", b" .png", b"  a.png", b"a .png", b"a..png",
    b"*.png", b"?.png", b"[a].png", b"'.png", b'".png', b"\\.png", b"a\\n.png", b"&<>.png", b"=1+1.png", b"a,b;c.png",
    b"\t.png", b"\x7f.png", b"\x01.png", "x\u202egnp.png".encode(), "\u2028.png".encode(), "\u200b.png".encode(),
    "\u0645\u0631\u062d\u0628\u0627.png".encode(), "猫.png".encode(), "\U0001f600.png".encode(), b"con.png", b"nul.png",
    b"$x_y^2$.png", b"\\frac{1}{2}.png", b"x" * 200 + b".png", "é".encode() * 118 + b".png", b".\xe9.png",
]  # fmt: skip


def printable(stderr):
    return all(character.isprintable() or character == "\n" for character in stderr)


@pytest.fixture
def hostile(here):
    """A folder of pictures with such names."""
    os.mkdir("in")
    for number, name in enumerate(HOSTILE):
        with open(b"in/" + name, "wb") as file:
            file.write(pgm(number))
    return here


def finished(process):
    out, stderr = process.communicate(timeout=60)
    return process.returncode, out, stderr.decode("utf-8")


@pytest.mark.parametrize("jobs", ["0", "2"])
def test_all_are_done_and_told(hostile, start, jobs):
    environment = {"PYTHONIOENCODING": "utf-8", "LC_ALL": "C.UTF-8"}
    options = ("--no-figure", "--jobs", jobs)
    reports = ("--report", "a.csv", "--json", "-v")
    code, out, stderr = finished(start("batch", "in", "-o", "out", *options, *reports, env=environment))
    assert code == 0, stderr
    assert printable(stderr)
    shown = [name for name in HOSTILE if not name.startswith(b".")]
    assert len(stderr.split("\n")) == len(shown) + 3, "left out, a line for each, a summary"
    made = {name for name in os.listdir(b"out") if name != OWN.encode()}
    assert made == {os.path.splitext(name)[0] + b".pooled.png" for name in shown}
    assert not [name for name in tree(".") if "pwned" in os.path.basename(name) and "touch" not in name]
    again = start("batch", "in", "-o", "out", *options, "--report", "a.jsonl", env=environment)
    assert finished(again)[2].split("\n")[1].startswith(f"0 done, {len(shown)} skipped")

    rows = [json.loads(line) for line in Path("a.jsonl").read_bytes().splitlines()]
    with open("a.csv", encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    expected = [name.decode("utf-8", "backslashreplace") for name in sorted(shown, key=lambda n: (natural(n), n))]
    for found in (rows, table, json.loads(out)["results"]):
        assert [row["name"] for row in found] == expected
    json.dumps(rows, ensure_ascii=False).encode("utf-8")


def test_failures_and_plans_show_such_names_escaped(hostile, start):
    for number, name in enumerate(HOSTILE):
        with open(b"in/" + name, "wb") as file:
            file.write(b"" if number % 2 else b"P5\n")
    shown = [name for name in HOSTILE if not name.startswith(b".")]
    for options in ((), ("--dry-run",)):
        code, out, stderr = finished(start("batch", "in", "-o", "out", "--no-figure", "-j", "1", *options))
        assert (code, out) == (1, b"")
        assert printable(stderr)
        for name in shown:
            assert f"in/{display_name(name)}: " in stderr
        assert len(stderr.split("\n")) == len(shown) + 3 - len(options)


def test_a_plan_shows_such_names_escaped(hostile, start):
    environment = {"PYTHONIOENCODING": "utf-8", "LC_ALL": "C.UTF-8"}
    code, out, _ = finished(start("batch", "in", "-o", "out", "--no-figure", "--dry-run", env=environment))
    assert code == 0
    assert printable(out.decode("utf-8"))
    assert out.count(b"\n") == len([name for name in HOSTILE if not name.startswith(b".")])


def test_names_given_one_by_one(hostile, start):
    """As a shell gives them for ``in/*``; names that begin with a minus come after ``--``."""
    os.chdir("in")
    names = [name for name in HOSTILE if not name.startswith((b".", b"-"))]
    code, _, stderr = finished(start("batch", "-o", "../out", "--no-figure", "-j", "1", "--", *HOSTILE))
    assert code == 0, stderr
    assert len(os.listdir("../out")) == len(HOSTILE) + 1
    code, _, stderr = finished(start("batch", *names, "-o", "../out", "--no-figure", "-j", "1"))
    assert (code, stderr.startswith(f"0 done, {len(names)} skipped")) == (0, True)
    assert finished(start("batch", "-rf.png", "-o", "../out"))[0] == 2


def test_clashes_of_such_names_are_one_line(hostile, start):
    code, _, stderr = finished(start("batch", "in", "-o", "out", "--name", "x\x1b[31m\udce9.png"))
    assert code == 2
    assert printable(stderr)
    assert len(stderr.strip().split("\n")) == 4
    assert not os.path.exists("out")


@pytest.mark.parametrize("what", ["-o", "--name", "--include", "--exclude", "--report", "INPUT"])
def test_options_with_such_names(hostile, start, what):
    name = "x\n\x1b[31m\udce9\u202e"
    before = tree(".")
    args = [f"in/{name}"] if what == "INPUT" else ["in", what, name]
    code, _, stderr = finished(
        start("batch", *args, *(() if what == "-o" else ("-o", "out")), "--no-figure", "-j", "0")
    )
    assert code == (0 if what in ("-o", "--exclude") else 2 if what in ("--name", "--report") else 1)
    assert printable(stderr)
    assert before.items() <= tree(".").items()


@pytest.mark.parametrize("length", [240, 243, 244, 251])
def test_stems_too_long_for_the_default_name_fail_in_words(here, cli, length):
    os.mkdir("in")
    for name in ("x" * length, "short"):
        with open(f"in/{name}.pgm", "wb") as file:
            file.write(pgm(1))
    result = cli("batch", "in", "-o", "out", "--jobs", "0")
    fits = length + len(".pooled.png") <= 255
    assert result.exit_code == (0 if fits else 1)
    assert len(tree("out")) == (4 if fits else 2)
    if not fits:
        assert result.stderr.splitlines()[0].startswith("in/xxxx")
        assert "too long" in result.stderr.splitlines()[0]
        assert cli("batch", "in", "-o", "out", "--jobs", "0", "--name", "{index}.png", "--no-figure").exit_code == 0
        assert len(tree("out")) == 4


def test_a_figure_whose_name_is_too_long_leaves_a_result_that_may_be_made_again(here, cli):
    os.mkdir("in")
    with open(f"in/{'x' * 248}.pgm", "wb") as file:
        file.write(pgm(1))
    for _ in range(2):
        result = cli("batch", "in", "-o", "out", "--jobs", "0", "--name", "{stem}.png")
        assert result.exit_code == 1
        assert "too long" in result.stderr
        assert "exists" not in result.stderr
    assert cli("batch", "in", "-o", "out", "--jobs", "0", "--name", "{stem}.png", "--no-figure").exit_code == 0


NAME = st.binary(min_size=1, max_size=30).filter(lambda raw: not set(raw) & {0, 47} and raw not in (b".", b".."))
TAME = st.text(string.printable, max_size=5).map(str.encode)


ALIKE = st.from_regex("[aAée\u0301]{1,2}([.](figure|pooled))?[.](png|PNG|jpg)", fullmatch=True).map(str.encode)
"""Names that often differ in case, accents or suffix alone, or are those of results."""


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.lists(ALIKE, min_size=2, max_size=4),
        st.lists(
            st.one_of(NAME, TAME.filter(lambda raw: raw and b"/" not in raw and raw not in (b".", b".."))), max_size=4
        ),
    )
)
@pytest.mark.promise("C3")
def test_any_names_are_done_or_refused_and_have_a_row(tmp_path_factory, names):
    with chdir(tmp_path_factory.mktemp("any")):
        check(set(names))


def check(names):
    os.mkdir("in")
    for name in names:
        with open(os.path.join(b"in", name), "wb") as file:
            file.write(pgm(1))
    args = ["batch", "in", "-o", "out", "--include", "*", "--jobs", "0", "--no-figure", "--report", "r.jsonl"]
    result = runner().invoke(command, args)
    assert isinstance(result.exception, SystemExit | None)
    assert printable(result.stderr)
    if result.exit_code == 2:
        advice = re.search(r"; give every file its own name with (--[^;\n]*)", result.stderr)
        assert advice, result.stderr
        assert not os.path.exists("out")
        args += shlex.split(advice[1])
        result = runner().invoke(command, args)
    shown = {name for name in names if not name.startswith(b".")}
    assert result.exit_code == (0 if shown else 1)
    rows = [json.loads(line) for line in Path("r.jsonl").read_bytes().splitlines()]
    assert [row["name"] for row in rows] == [
        name.decode("utf-8", "backslashreplace") for name in sorted(shown, key=lambda n: (natural(n), n))
    ]
    assert len(os.listdir(b"out")) == len(shown) + 1
    assert runner().invoke(command, args).exit_code == result.exit_code
