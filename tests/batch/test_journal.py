"""The journal: whatever is left of it, only finished results count as done, and files of poolcli stay known as such."""

import errno
import json
import os
import subprocess
import sys
from contextlib import suppress

import pytest
from batches import OWN, journal
from hypothesis import given
from hypothesis import strategies as st

from poolcli.batch import journal as module
from poolcli.batch.batch import check_recipe, next_task
from poolcli.batch.journal import Journal, read
from poolcli.batch.journal_state import JournalState, ResultKey, to_line
from poolcli.batch.local_storage import stamp_of
from poolcli.batch.plan import Item, Source
from poolcli.batch.worker import WorkOptions
from poolcli.errors import OptionError, OutputError
from poolcli.images.atomic import sweep
from poolcli.pipeline.options import recipe

MAKING = ResultKey("abc", 1, "clip auto")
HEADER = {"journal": 1, "poolcli": "0", "hash": "abc", "recipe": {}, "pixels": "clip auto"}


def record(result, status="done", **more):
    return {
        "result": result, "source": f"/in/{result}", "size": 10, "mtime_ns": 5, **MAKING._asdict(),
        "bytes": 7, "figure": f"{result}.figure", "figure_bytes": 8, "status": status, **more,
    }  # fmt: skip


@pytest.fixture
def full(tmp_path):
    """A folder whose journal has a header, two results and a report."""
    with Journal(str(tmp_path)) as one:
        for entry in (HEADER, record("a.png"), record("caf\udce9\n.png"), {"ours": "/report.csv"}):
            one.add(to_line(entry))
    return tmp_path


def test_what_was_added_is_known_again(full):
    with Journal(str(full)) as again:
        for known in (again.known, read(str(full))):
            assert known.header == HEADER
            assert list(known.entries) == ["a.png", "caf\udce9\n.png"]
            assert known.entries["a.png"].key == MAKING
            assert known.entries["a.png"].done
            assert known.ours == {
                "a.png", "a.png.figure", "caf\udce9\n.png", "caf\udce9\n.png.figure", "/report.csv"
            }  # fmt: skip
        assert again.record("caf\udce9\n.png") == record("caf\udce9\n.png")
        assert again.record("a.png") == record("a.png")


def test_lines_whose_sense_the_caller_knows_are_not_read(full, monkeypatch):
    """They are found again by their place, before and after others, and the files are ours at once."""
    last = record("new.png", source="/in/second")
    with Journal(str(full)) as one:
        one.note_started(["new.png", "new.png.figure", "lost.png"])
        for name in ("new.png", "new.png.figure", "lost.png"):
            (full / name).touch()
        with monkeypatch.context() as patch:
            patch.setattr(module.json, "loads", None)
            one.add(to_line(record("new.png")), "new.png", ["new.png", "new.png.figure"])
            one.add(to_line(record("failed.png", "failed")), "failed.png")
        one.add(to_line(record("b.png")))
        one.add(to_line(last), "new.png", ["new.png", "new.png.figure"])
        assert one.record("new.png") == last
        assert one.record("failed.png")["status"] == "failed"
        assert one.record("b.png") == record("b.png")
        assert {"new.png", "new.png.figure", "b.png"} <= one.known.ours
        one.forget_started()
    again = read(str(full))
    assert {"new.png", "new.png.figure", "b.png", "lost.png"} <= again.ours
    assert again.entries["new.png"].source == "/in/second"
    assert journal(full).read_bytes().count(b"ours") == 2, "of the three that were begun only the lost one"


def test_it_is_lines_of_ascii(full):
    data = journal(full).read_bytes()
    assert data.isascii()
    assert data.count(b"\n") == 4
    assert all(json.loads(line) for line in data.splitlines())


def test_the_last_line_about_a_result_holds(full):
    with Journal(str(full)) as one:
        one.add(to_line(record("a.png", "failed", error="no")))
        assert not one.known.entries["a.png"].done
        assert one.record("a.png")["error"] == "no"
    known = read(str(full))
    assert not known.entries["a.png"].done
    assert "a.png" in known.ours, "it was made here once"
    with Journal(str(full)) as one:
        one.add(to_line(record("a.png", bytes=99)))
    assert read(str(full)).entries["a.png"].bytes == 99


def test_a_last_line_torn_at_any_byte_is_cut_off(full):
    path = journal(full)
    data = path.read_bytes()
    last = to_line(record("torn.png"))
    for length in range(len(last)):
        path.write_bytes(data + last[:length])
        assert "torn.png" not in read(str(full)).entries
        assert path.stat().st_size == len(data) + length, "who only looks changes nothing"
        with Journal(str(full)) as one:
            assert "torn.png" not in one.known.entries
            one.add(to_line(record("next.png")))
            assert one.record("next.png") == record("next.png")
        assert path.read_bytes() == data + to_line(record("next.png"))
    path.write_bytes(data + last)
    assert read(str(full)).entries["torn.png"].done


SPOILT = [
    b"\n", b"null\n", b"[]\n", b"{}\n", b"7\n", b'"result"\n', b"{\n", b"\xff\xfe\n", b"\0\0\0\n", b'{"result":"x"}\n',
    b'{"result":null,"status":"done"}\n', b'{"ours":[]}\n', b"[" * 100_000 + b"\n", b'{"result":"y","status":"done"}\n',
    b'{"result":"z","status":"done","size":1e999,"bytes":"7","figure":[],"mtime_ns":{}}\n', b"1" * 5000 + b"\n",
    b'{"result":"w","source":{},"recipe":[],"algorithm":"1","status":["done"]}\n', b'{"status":"done"}\n',
]  # fmt: skip


@pytest.mark.parametrize("line", SPOILT, ids=lambda line: repr(line[:30]))
def test_a_spoilt_line_costs_no_other(full, line):
    data = journal(full).read_bytes().splitlines(keepends=True)
    journal(full).write_bytes(b"".join([*data[:1], line, data[1], line, *data[2:], line]))
    with Journal(str(full)) as one:
        assert one.record("a.png") == record("a.png")
        assert {"a.png", "caf\udce9\n.png"} <= set(one.known.entries)
        one.add(to_line(record("next.png")))
    with Journal(str(full)) as one:
        assert one.record("next.png") == record("next.png")


@pytest.mark.parametrize("version", [0, 2, "1", None, [1]])
def test_a_journal_of_another_form_is_refused_and_left_alone(tmp_path, version):
    (tmp_path / OWN).mkdir()
    data = to_line({**HEADER, "journal": version}) + to_line(record("a.png"))
    journal(tmp_path).write_bytes(data)
    for look in (read, Journal):
        with pytest.raises(OptionError, match="its journal has the form"):
            look(str(tmp_path))
    assert journal(tmp_path).read_bytes() == data


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 9) | st.floats() | st.sampled_from(["done", "a.png", "\udce9", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)
KEYS = ["result", "status", "source", "size", "mtime_ns", "bytes", "figure", "figure_bytes", "recipe", "hash", "pixels",
        "algorithm", "ours", "journal"]  # fmt: skip
LINE = st.one_of(
    st.binary(max_size=60),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(st.sampled_from(KEYS), JSON, max_size=9).map(lambda value: json.dumps(value).encode()),
)


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """A folder with a picture, a finished result and figure, and the line that says so."""
    folder = tmp_path_factory.mktemp("case")
    for name, size in (("a.pgm", 10), ("a.png", 7), ("a.figure.png", 8)):
        (folder / name).write_bytes(bytes(size))
    settings = WorkOptions(recipe())
    stamp = stamp_of(str(folder / "a.pgm"))
    line = {
        "result": "a.png", "source": str(folder / "a.pgm"), "size": stamp.size, "mtime_ns": stamp.mtime_ns,
        **settings.key._asdict(), "bytes": 7, "figure": "a.figure.png", "figure_bytes": 8, "status": "done",
    }  # fmt: skip
    return folder, Item(Source(str(folder / "a.pgm"), "a.pgm", stamp), "a.png", "a.figure.png"), settings, line


def decision(case, known, **options):
    folder, item, settings, _ = case
    return next_task(item, known, str(folder), settings, **options)


def known_of(*records):
    known = JournalState()
    for entry in records:
        known.add_record(entry, 0)
    return known


def test_the_right_line_means_done(case):
    assert decision(case, known_of(case[3])) == (None, "")


@pytest.mark.parametrize(
    "other",
    [
        {"status": "failed"}, {"status": True}, {"size": 11}, {"size": None}, {"size": 10.0}, {"mtime_ns": 0},
        {"recipe": "other"}, {"algorithm": 0}, {"algorithm": "1"}, {"pixels": "stretch auto"}, {"bytes": 8},
        {"bytes": None}, {"figure": None}, {"figure": "b.figure.png"}, {"figure_bytes": 9}, {"figure_bytes": "8"},
    ],
    ids=str,
)  # fmt: skip
def test_a_line_that_differs_in_anything_means_redone(case, other):
    known = known_of({**case[3], **other})
    known.ours.update(("a.png", "a.figure.png"))
    task, refusal = decision(case, known)
    assert refusal == ""
    assert task.replace


def test_what_is_not_ours_is_not_replaced_without_force(case):
    for known in (JournalState(), known_of({**case[3], "status": "failed"})):
        task, refusal = decision(case, known)
        assert task is None
        assert "exists already" in refusal
        assert decision(case, known, force=True).task.replace


def test_a_figure_that_is_not_ours_is_not_replaced_without_force(case):
    known = known_of({**case[3], "figure": None, "figure_bytes": None})
    assert "a.figure.png exists already" in decision(case, known).refusal


def test_a_result_of_another_picture_that_is_still_there_is_refused(case, tmp_path):
    other = tmp_path / "other.pgm"
    line = {**case[3], "source": str(other), "size": 99}
    assert decision(case, known_of(line)).task.replace, "the other picture is gone"
    other.write_bytes(b"x")
    task, refusal = decision(case, known_of(line))
    assert task is None
    assert str(other) in refusal
    assert decision(case, known_of(line), force=True).task


@given(st.lists(LINE, max_size=5), st.integers(0, 5), st.booleans())
@pytest.mark.promise("C4")
def test_any_bytes_are_read_and_never_mean_done(case, tmp_path_factory, found, place, torn):
    """Nothing that is not the right line makes the finished result count; the right one, whole, always does."""
    folder, _, settings, right = case
    own = folder / OWN
    own.mkdir(exist_ok=True)
    journal(folder).write_bytes(b"\n".join(found) + (b"" if torn else b"\n"))
    try:
        known = read(str(folder))
        with Journal(str(folder)) as one:
            assert one.known.entries == known.entries
            for name in one.known.entries:
                one.record(name)
    except OptionError:
        assert any(b"journal" in line for line in found)
        return
    with suppress(OptionError):
        check_recipe(known, settings)
    assert decision(case, known) != (None, "")
    with Journal(str(folder)) as one:
        one.add(to_line(right))
    assert decision(case, read(str(folder))) == (None, "")


@given(st.lists(st.binary(min_size=1, max_size=20).filter(lambda raw: not set(raw) & {0, 47}), unique=True, max_size=8))
@pytest.mark.promise("C3")
def test_any_names_come_back_bytewise(tmp_path_factory, raw):
    folder = str(tmp_path_factory.mktemp("any"))
    names = [os.fsdecode(name) for name in raw]
    with Journal(folder) as one:
        one.note_started(names[::2])
        for name in names[1::2]:
            one.add(to_line(record(name, figure=None)))
    assert read(folder).ours == set(names)


def test_another_recipe_is_refused_and_the_difference_is_told():
    old, new = WorkOptions(recipe(pool="max", size=2)), WorkOptions(recipe(pool="max", size=3))
    known = JournalState()
    known.add_record({"journal": 1, "hash": old.key.recipe, "recipe": old.recipe.to_dict(), "pixels": "clip auto"}, 0)
    check_recipe(known, old)
    check_recipe(known, new, force=True)
    with pytest.raises(OptionError, match=r"another recipe: .*size 2x2, now 3x3;"):
        check_recipe(known, new)
    with pytest.raises(OptionError, match=r"another recipe: pixels clip auto, now clip 16;"):
        check_recipe(known, WorkOptions(old.recipe, depth=16))


def test_the_journal_is_written_anew_when_most_of_it_is_outdated(full, monkeypatch):
    monkeypatch.setattr(module, "LEAST_OUTDATED", 5)
    with Journal(str(full)) as one:
        for turn in range(20):
            one.add(to_line(record("b.png", "done" if turn == 7 else "failed", figure="b.figure.png", turn=turn)))
    with journal(full).open("ab") as file:
        file.write(b"garbage\n")
    long = journal(full).stat().st_size
    before = read(str(full))
    with Journal(str(full)) as one:
        assert journal(full).stat().st_size < long / 3
        assert one.record("b.png")["turn"] == 19
        assert one.record("a.png") == record("a.png")
        one.add(to_line(record("c.png")))
        assert one.record("c.png") == record("c.png")
        after = read(str(full))
        assert after.header == before.header
        assert after.ours == before.ours | {"c.png", "c.png.figure"}
        assert {name: entry._replace(offset=0) for name, entry in after.entries.items() if name != "c.png"} == {
            name: entry._replace(offset=0) for name, entry in before.entries.items()
        }
        assert one.known.entries == after.entries, "with the places of their lines"
    assert sorted(os.listdir(full / OWN)) == ["begun", "journal.jsonl", "lock"]


def test_what_a_killed_run_has_begun_is_ours_until_the_next_orderly_end(tmp_path):
    with Journal(str(tmp_path)) as killed:
        killed.note_started(["a.png", "a.figure.png"])
        killed.note_started(["b\udce9\n.png"])
    assert read(str(tmp_path)).ours == {"a.png", "a.figure.png", "b\udce9\n.png"}
    with Journal(str(tmp_path)) as again:
        assert again.known.ours == {"a.png", "a.figure.png", "b\udce9\n.png"}
        again.forget_started()
    assert read(str(tmp_path)).ours == set(), "no file of these names came to be"


def test_files_that_were_made_but_not_noted_stay_ours(tmp_path):
    """A worker that died between result and figure, a disk that was full in between: the next run must go on there."""
    with Journal(str(tmp_path)) as one:
        one.note_started(["x.png", "x.figure.png", "sub/y.png", "z.png"])
        (tmp_path / "sub").mkdir()
        for name in ("x.png", "sub/y.png", "z.png"):
            (tmp_path / name).write_bytes(b"made")
        one.add(to_line(record("z.png", figure=None)))
        one.forget_started()
    assert read(str(tmp_path)).ours == {"x.png", "sub/y.png", "z.png"}
    size = journal(tmp_path).stat().st_size
    with Journal(str(tmp_path)) as again:
        again.note_started(["x.png"])
        again.forget_started()
    assert journal(tmp_path).stat().st_size == size, "said once"


def test_what_an_earlier_run_has_begun_outlives_a_run_over_other_pictures(tmp_path):
    with Journal(str(tmp_path)) as killed:
        killed.note_started(["x.png"])
        (tmp_path / "x.png").write_bytes(b"made")
    with Journal(str(tmp_path)) as other:
        other.note_started(["y.png"])
        other.add(to_line(record("y.png")))
        other.forget_started()
    assert "x.png" in read(str(tmp_path)).ours


def test_a_torn_name_of_what_has_begun_spoils_no_other(tmp_path):
    with Journal(str(tmp_path)) as killed:
        killed.note_started(["whole.png"])
    with open(tmp_path / OWN / "begun", "ab") as file:
        file.write(b"to")
    assert read(str(tmp_path)).ours == {"whole.png"}
    with Journal(str(tmp_path)) as killed:
        killed.note_started(["next.png"])
    assert read(str(tmp_path)).ours == {"whole.png", "next.png"}


class Full:
    """A file on a disk that has room for some more bytes."""

    def __init__(self, file, room):
        self._file, self.room = file, room

    def write(self, data):
        if self.room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = self._file.write(data[: self.room])
        self.room -= written
        return written

    def __getattr__(self, name):
        return getattr(self._file, name)


@pytest.mark.parametrize("room", [0, 1, 50])
def test_a_line_for_which_there_is_no_room_leaves_nothing(full, room):
    before = journal(full).read_bytes()
    with Journal(str(full)) as one:
        one._files._file = Full(one._files._file, room)
        with pytest.raises(OutputError, match="No space left") as caught:
            one.add(to_line(record("b.png")))
        assert caught.value.errno == errno.ENOSPC
        assert "b.png" not in one.known.entries
        assert journal(full).read_bytes() == before
        one._files._file.room = 10_000
        one.add(to_line(record("c.png")))
        assert one.record("c.png") == record("c.png")


@pytest.mark.parametrize("room", [0, 3])
def test_a_name_for_which_there_is_no_room_leaves_nothing(tmp_path, room):
    with Journal(str(tmp_path)) as one:
        begun = one._files._begun
        one._files._begun = Full(begun, room)
        with pytest.raises(OutputError, match="No space left"):
            one.note_started(["first.png"])
        one._files._begun = begun
        one.note_started(["second.png"])
    assert read(str(tmp_path)).ours == {"second.png"}


@pytest.mark.parametrize("room", [0, 5])
def test_an_end_for_which_there_is_no_room_forgets_nothing(tmp_path, room):
    with Journal(str(tmp_path)) as one:
        one.note_started(["x.png"])
        (tmp_path / "x.png").write_bytes(b"made")
        one._files._file = Full(one._files._file, room)
        one.forget_started()
    assert "x.png" in read(str(tmp_path)).ours


def test_a_second_one_is_refused_at_once(full):
    with Journal(str(full)):
        with pytest.raises(OutputError, match="in use by another run: process"):
            Journal(str(full))
        assert read(str(full)).entries, "looking is free"
    with Journal(str(full)):
        pass


def test_the_lock_ends_with_its_process_and_is_not_inherited(full):
    """A program that the owner of the lock has started, and that outlives it, does not hold the lock."""
    code = (
        "import os, subprocess, sys; from poolcli.batch.journal import Journal; held = Journal(sys.argv[1]);"
        "print(subprocess.Popen(['sleep', '9'], close_fds=False, stdout=2, stderr=2).pid, flush=True);"
        "os.kill(os.getpid(), 9)"
    )
    command = [sys.executable, "-c", code, str(full)]
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False, timeout=20)
    assert ended.returncode == -9
    try:
        with Journal(str(full)):
            pass
    finally:
        os.kill(int(ended.stdout), 9)


@pytest.mark.parametrize("what", ["file", "own is a file", "below a file", "closed"])
def test_a_folder_that_cannot_be_used_is_an_error_of_ours(tmp_path, what, monkeypatch):
    folder = tmp_path / "out"
    if what == "file":
        folder.write_bytes(b"")
    elif what == "own is a file":
        folder.mkdir()
        (folder / OWN).write_bytes(b"")
    elif what == "below a file":
        folder.write_bytes(b"")
        folder = folder / "x"
    else:
        monkeypatch.setattr(os, "open", lambda *_: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    with pytest.raises(OutputError):
        Journal(str(folder))


@pytest.mark.parametrize("below", ["", "x", OWN])
def test_looking_into_a_file_is_refused_in_words(tmp_path, below):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match=r"^Not a directory$"):
        read(str(tmp_path / "file" / below))


def test_looking_where_nothing_is_finds_nothing(tmp_path):
    for folder in (tmp_path, tmp_path / "missing"):
        assert (read(str(folder)).entries, read(str(folder)).header) == ({}, {})


def test_what_killed_runs_left_half_written_is_swept_and_nothing_else(tmp_path):
    own = [
        ".a.png.0123456789abcdef.poolcli.part",
        "..0000000000000000.poolcli.part",
        ".\udce9\n.ffffffffffffffff.poolcli.part",
    ]
    others = ["a.0123456789abcdef.poolcli.part", ".a.png.0123456789abcde.poolcli.part", ".a.part", ".a.poolcli.part",
              ".a.png.0123456789ABCDEF.poolcli.part", ".a.0123456789abcdef.poolcli.part~"]  # fmt: skip
    for name in own + others:
        (tmp_path / name).write_bytes(b"x")
    assert sweep([str(tmp_path), str(tmp_path / "missing")]) == 3
    assert sorted(os.listdir(tmp_path)) == sorted(others)


def test_half_written_journals_are_swept(full):
    left = full / OWN / ".journal.jsonl.0123456789abcdef.poolcli.part"
    left.write_bytes(b"x")
    with Journal(str(full)):
        pass
    assert not left.exists()
