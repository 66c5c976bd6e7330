"""C5: starting workers, and the pipes to them, fail once at call N: no hang, nothing lost, the same command ends it."""

import errno
import multiprocessing.connection
import multiprocessing.forkserver
import multiprocessing.util
import os
import time

import pytest
from batches import fill, parts, tree, until
from invoke import runner

from poolcli.cli.group import cli as command

SECONDS = 30
"""The longest that a run may take with one failure; without, it takes one."""

Connection = multiprocessing.connection.Connection
CALLS = {
    "fork": (multiprocessing.forkserver, "connect_to_new_process"),
    "start of the server": (multiprocessing.util, "spawnv_passfds"),
    "pipe": (os, "pipe"),
    "send": (Connection, "_send"),
    "receive": (Connection, "_recv"),
    "wait": (multiprocessing.connection, "wait"),
}
KINDS = {
    "no process": lambda: OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)),
    "broken pipe": lambda: BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)),
    "memory": MemoryError,
    "interrupt": KeyboardInterrupt,
}
SOME = ("no process",)


class FailsAt:
    """A call that works, but for one time."""

    def __init__(self, real, number, kind):
        self.real, self.left, self.kind = real, number, kind

    def __call__(self, *args, **options):
        self.left -= 1
        if self.left == 0:
            failure = KINDS[self.kind]()
            raise failure
        return self.real(*args, **options)

    def __get__(self, instance, owner=None):
        return self if instance is None else lambda *args, **options: self(instance, *args, **options)


def stop_server():
    """Let the next worker need a new server."""
    multiprocessing.forkserver._forkserver._stop()


@pytest.mark.parametrize(
    "kind", [kind if kind in SOME else pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS]
)
@pytest.mark.parametrize("call", CALLS)
def test_c5_b4_a_failure_between_parent_and_worker_loses_nothing(here, monkeypatch, call, kind):
    fill("in", 5)
    options = ("--no-figure", "--jobs", "2", "-q")
    batch("whole", *options)
    whole = tree("whole")
    place, name = CALLS[call]
    for number in range(1, 100):
        if call == "start of the server":
            stop_server()
        fails = FailsAt(getattr(place, name), number, kind)
        begun = time.monotonic()
        with monkeypatch.context() as patch:
            patch.setattr(place, name, fails)
            result = batch(f"out{number}", *options)
        assert time.monotonic() - begun < SECONDS
        found = tree(f"out{number}") if os.path.isdir(f"out{number}") else {}
        assert found.items() <= whole.items(), "complete or absent"
        assert found == whole or result.exit_code, "a lie"
        assert parts(".") == []
        assert result.exit_code in (0, 1), result.stderr
        assert len(result.stderr.splitlines()) <= 6
        assert "Traceback" not in result.stderr
        until(lambda: not multiprocessing.active_children(), 5)
        again = batch(f"out{number}", *options)
        assert again.exit_code == 0, again.stderr
        assert tree(f"out{number}") == whole
        if fails.left > 0:
            return
    pytest.fail("it never was clean")


def batch(out, *options):
    result = runner().invoke(command, ["batch", "in", "-o", out, *options], prog_name="poolcli")
    assert isinstance(result.exception, SystemExit | None), repr(result.exception)
    return result
