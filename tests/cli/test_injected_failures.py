"""Every system call fails once, at call 1, 2, 3 …: each file is the old one or the complete new one."""

import errno
import os

import pytest
from batches import OWN, fill, parts, tree
from invoke import runner

from poolcli.batch import local_journal as batch_journal
from poolcli.cli.group import cli as command

CALLS = (
    "open",
    "write",
    "fsync",
    "replace",
    "link",
    "unlink",
    "close",
    "makedirs",
    "scandir",
    "stat",
    "lstat",
    "fstat",
)
KINDS = {
    "no space": lambda: OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
    "input/output error": lambda: OSError(errno.EIO, os.strerror(errno.EIO)),
    "memory": MemoryError,
    "interrupt": KeyboardInterrupt,
}
SOME_KINDS = [
    kind if kind in ("no space", "interrupt") else pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS
]
MOST_CALLS = 400


class FailsAt:
    """A call that works, but for one time."""

    def __init__(self, real, number, kind):
        self.real, self.left, self.kind = real, number, kind
        self.has_failed = False

    def __call__(self, *args, **options):
        self.left -= 1
        if self.left == 0:
            self.has_failed = True
            if self.real is os_close:  # the descriptor is closed whatever close says
                self.real(*args)
            failure = KINDS[self.kind]()
            raise failure
        return self.real(*args, **options)


os_close = os.close


def with_failures(monkeypatch, call, kind, work):
    """Call `work` with the failure at call 1, 2, … until it does not come; yields after each."""
    real = getattr(os, call)
    for number in range(1, MOST_CALLS):
        fails = FailsAt(real, number, kind)
        monkeypatch.setattr(os, call, fails)
        result = work()
        monkeypatch.setattr(os, call, real)
        yield result, fails.has_failed
        if not fails.has_failed:
            return
    pytest.fail("it never was clean")


def invoke(*args):
    result = runner().invoke(command, args, prog_name="poolcli")
    unexpected = result.exception is not None and not isinstance(result.exception, SystemExit | OSError | MemoryError)
    assert not unexpected, repr(result.exception)
    return result


@pytest.mark.parametrize("kind", SOME_KINDS)
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.promise("A1", "A2")
def test_c5_a_single_run_leaves_the_old_file_or_the_new(here, monkeypatch, call, kind):
    assert invoke("run", "small.png", "-o", "new.png", "--figure", "f.png", "-q").exit_code == 0
    new = {name: (here / name).read_bytes() for name in ("new.png", "f.png")}
    before = {"new.png": b"old", "f.png": b"old figure"}
    inputs = {name: (here / name).read_bytes() for name in ("small.png", "cat.jpg")}

    def work():
        for name, data in before.items():
            (here / name).write_bytes(data)
        return invoke("run", "small.png", "-o", "new.png", "--figure", "f.png", "-q", "-f")

    for result, has_failed in with_failures(monkeypatch, call, kind, work):
        for name, data in before.items():
            found = (here / name).read_bytes()
            assert found in (data, new[name])
            assert found == new[name] or result.exit_code or isinstance(result.exception, OSError), "a lie"
        if not has_failed:
            assert result.exit_code == 0
        if call not in ("unlink", "close") and kind != "interrupt":
            assert parts(here) == []
        assert {name: (here / name).read_bytes() for name in inputs} == inputs
    assert invoke("run", "small.png", "-o", "new.png", "--figure", "f.png", "-q", "-f").exit_code == 0
    assert parts(here) == []


@pytest.mark.parametrize("kind", SOME_KINDS)
@pytest.mark.parametrize("call", CALLS)
def test_c5_b3_a_batch_ends_byte_equal_after_any_failure(here, monkeypatch, call, kind):
    fill("in", 2)
    # Between a result and its figure, test_batch_kills.py interrupts at every call.
    figures = ("--no-figure",) if kind == "interrupt" else ()
    options = ("--jobs", "0", "--report", "r.csv", "-q", *figures)
    assert invoke("batch", "in", "-o", "whole", "--jobs", "0", "-q", *figures).exit_code == 0
    whole = tree("whole")
    number = 0

    def work():
        nonlocal number
        number += 1
        return invoke("batch", "in", "-o", f"out{number}", *options)

    for result, _ in with_failures(monkeypatch, call, kind, work):
        found = tree(f"out{number}") if os.path.isdir(f"out{number}") else {}
        assert all(whole.get(name) == data for name, data in found.items() if not name.endswith(".part"))
        complete = {name: data for name, data in found.items() if not name.endswith(".part")} == whole
        assert complete or result.exit_code or result.exception, "a lie"
        again = invoke("batch", "in", "-o", f"out{number}", *options)
        assert again.exit_code == 0, again.stderr
        assert tree(f"out{number}") == whole
        assert sorted(os.listdir(f"out{number}/{OWN}")) == ["begun", "journal.jsonl", "lock"]
        os.unlink("r.csv")


FILES = {  # what cannot be written -> how the line about it begins
    "journal.jsonl": "out/.poolcli/journal.jsonl: ",
    "begun": "stopped: out/.poolcli/begun: ",
    "p0000.pooled.png": "stopped: out/p0000.pooled.png: ",
    "p0000.figure.png": "stopped: out/p0000.figure.png: ",
    "r.csv": "r.csv: ",
    "s.png": "s.png: ",
}


@pytest.mark.parametrize(("name", "jobs"), [*((name, "0") for name in FILES), ("journal.jsonl", "2"), ("r.csv", "2")])
def test_a_full_disk_is_told_with_the_file_that_met_it(here, monkeypatch, name, jobs):
    """C5: the message of every refusal by the system names the file."""
    fill("in", 2)
    full = KINDS["no space"]()
    real_open, real_write = os.open, batch_journal._write_all

    def open_file(path, *args, **options):
        if isinstance(path, str) and os.path.basename(path).startswith(f".{name}."):
            raise full
        return real_open(path, *args, **options)

    def write_all(file, data):
        if os.path.basename(file.name) == name:
            raise full
        real_write(file, data)

    monkeypatch.setattr(os, "open", open_file)
    monkeypatch.setattr(batch_journal, "_write_all", write_all)
    result = invoke("batch", "in", "-o", "out", "--jobs", jobs, "--report", "r.csv", "--sheet", "s.png")
    assert result.exit_code == 1
    (line,) = [line for line in result.stderr.splitlines() if "No space left" in line]
    assert line.removeprefix("Error: ").startswith(FILES[name]), line
