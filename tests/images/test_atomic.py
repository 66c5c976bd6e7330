"""Atomic writing: a name is that of the old or of the complete new file, whatever fails, and no other file is left."""

import errno
import os
import stat
import sys
import threading

import pytest

from poolcli.errors import OptionError, OutputError
from poolcli.images import atomic
from poolcli.images.atomic import atomic_write, check_target

OLD, NEW = b"old contents", b"new contents" * 1000
CALLS = ("open", "write", "fsync", "replace", "link", "fchmod", "close")


class Interruption(BaseException):
    """Stands for Ctrl-C."""


def written_by_function(stream):
    stream.write(NEW[:100])
    stream.write(NEW[100:])


@pytest.mark.parametrize("data", [NEW, bytearray(NEW), memoryview(NEW), written_by_function])
@pytest.mark.parametrize("force", [True, False])
def test_new_files(tmp_path, data, force):
    atomic_write(tmp_path / "out.png", data, force=force)
    assert (tmp_path / "out.png").read_bytes() == NEW
    assert os.listdir(tmp_path) == ["out.png"]


def test_existing_files_need_force(tmp_path):
    path = tmp_path / "out.png"
    path.write_bytes(OLD)
    with pytest.raises(OutputError, match=r"exists already; .*--force"):
        atomic_write(path, NEW, force=False)
    assert path.read_bytes() == OLD
    atomic_write(path, NEW, force=True)
    assert path.read_bytes() == NEW
    assert os.listdir(tmp_path) == ["out.png"]


class FailAt:
    """Counts the calls of several functions of `os`, and makes the n-th raise."""

    def __init__(self, monkeypatch, number, error):
        self.left, self.error, self.failed = number, error, None
        for name in CALLS:
            monkeypatch.setattr(os, name, self.wrapped(name, getattr(os, name)))

    def wrapped(self, name, function):
        def call(*args, **options):
            self.left -= 1
            if self.left == 0:
                self.failed = name
                if name == "close":
                    function(*args)
                raise self.error
            return function(*args, **options)

        return call


ERRORS = [OSError(errno.ENOSPC, "No space left on device"), OSError(errno.EIO, "Input/output error"), Interruption()]


@pytest.mark.parametrize("error", ERRORS, ids=["ENOSPC", "EIO", "interruption"])
@pytest.mark.parametrize("data", [NEW, written_by_function], ids=["bytes", "function"])
@pytest.mark.parametrize("existing", [True, False])
@pytest.mark.promise("A1", "A2")
def test_failing_at_every_call(tmp_path, error, data, existing):
    failed = []
    for number in range(1, 30):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = folder / "out.png"
        if existing:
            path.write_bytes(OLD)
        with pytest.MonkeyPatch.context() as patch:
            failing = FailAt(patch, number, error)
            try:
                atomic_write(path, data, force=existing)
            except (OutputError, Interruption) as error_seen:
                caught = error_seen
        if failing.failed is None:
            break
        assert isinstance(caught, Interruption) or str(caught) == error.strerror
        failed.append(failing.failed)
        assert os.listdir(folder) in ([["out.png"]] if existing else [["out.png"], []])
        if path.exists():
            allowed = {NEW} if "replace" in failed[:-1] or "link" in failed[:-1] else {OLD} if existing else set()
            assert path.read_bytes() in allowed
    else:
        pytest.fail("never succeeded")
    assert set(failed) >= {"open", "fsync", "close", "replace" if existing else "link"}
    assert path.read_bytes() == NEW


def test_a_function_that_fails_leaves_nothing(tmp_path):
    def half(stream):
        stream.write(NEW[:5000])
        raise Interruption

    (tmp_path / "out.png").write_bytes(OLD)
    with pytest.raises(Interruption):
        atomic_write(tmp_path / "out.png", half, force=True)
    assert (tmp_path / "out.png").read_bytes() == OLD
    assert os.listdir(tmp_path) == ["out.png"]


def test_short_writes_are_continued(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:777]))
    atomic_write(tmp_path / "out.png", NEW, force=False)
    assert (tmp_path / "out.png").read_bytes() == NEW


def test_the_data_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    order = []
    for name in ("fsync", "replace"):
        function = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args, name=name, function=function: order.append(name) or function(*args))
    atomic_write(tmp_path / "out.png", NEW, force=True)
    assert order == ["fsync", "replace", "fsync"]


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP])
def test_file_systems_without_hard_links(tmp_path, monkeypatch, code):
    def no_link(*_, **__):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", no_link)
    atomic_write(tmp_path / "out.png", NEW, force=False)
    assert (tmp_path / "out.png").read_bytes() == NEW
    assert os.listdir(tmp_path) == ["out.png"]


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path):
    def race(stream):
        stream.write(NEW)
        (tmp_path / "out.png").write_bytes(OLD)

    with pytest.raises(OutputError, match="exists already"):
        atomic_write(tmp_path / "out.png", race, force=False)
    assert (tmp_path / "out.png").read_bytes() == OLD
    assert os.listdir(tmp_path) == ["out.png"]


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_permissions_follow_the_umask(tmp_path, mask):
    before = os.umask(mask)
    try:
        atomic_write(tmp_path / "out.png", NEW, force=False)
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(tmp_path / "out.png").st_mode) == 0o666 & ~mask


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o440])
def test_permissions_of_the_replaced_file_stay(tmp_path, mode):
    path = tmp_path / "out.png"
    path.write_bytes(OLD)
    path.chmod(mode)
    atomic_write(path, NEW, force=True)
    assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.parametrize("exists", [True, False])
def test_links_stay_and_their_target_is_replaced(tmp_path, exists):
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "target.png"
    if exists:
        target.write_bytes(OLD)
    link = tmp_path / "out.png"
    link.symlink_to("elsewhere/target.png")
    atomic_write(link, NEW, force=exists)
    assert link.is_symlink()
    assert target.read_bytes() == NEW
    assert os.listdir(tmp_path / "elsewhere") == ["target.png"]


@pytest.mark.parametrize("name", ["x" * 251 + ".png", "é" * 125 + ".png", "a\nb\x1b.png", "\udcff.png"])
def test_names_of_any_length_and_bytes(tmp_path, name):
    if sys.platform == "darwin" and "\udcff" in name:
        pytest.skip("macOS has UTF-8 names only")
    atomic_write(tmp_path / name, NEW, force=False)
    assert os.listdir(tmp_path) == [name]


def test_devices_and_pipes_are_written_directly(tmp_path):
    check_target("/dev/null", force=False)
    atomic_write("/dev/null", NEW, force=False)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    check_target(pipe, force=False)
    received = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()), daemon=True)
    reader.start()
    atomic_write(pipe, NEW, force=False)
    reader.join(10)
    assert received == [NEW]
    assert os.listdir(tmp_path) == ["pipe"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.promise("A2")
def test_a_full_device_is_named_as_such():
    with pytest.raises(OutputError, match="No space left on device"):
        atomic_write("/dev/full", NEW, force=False)


def test_errors_of_the_system_are_in_words(tmp_path):
    for function in (lambda path: atomic_write(path, NEW, force=True), lambda path: check_target(path, force=True)):
        with pytest.raises(OutputError, match="is a directory"):
            function(tmp_path)
        with pytest.raises(OutputError, match=r"No such file or directory|does not exist"):
            function(tmp_path / "missing" / "out.png")
        with pytest.raises(OutputError, match="File name too long"):
            function(tmp_path / ("x" * 300))
        with pytest.raises(OutputError, match="not a usable file name"):
            function(tmp_path / "a\0b")


def test_planning_refuses_what_could_not_be_written(tmp_path, monkeypatch):
    path = tmp_path / "out.png"
    check_target(path, force=False)
    assert not path.exists()
    path.write_bytes(OLD)
    with pytest.raises(OutputError, match="exists already"):
        check_target(path, force=False)
    check_target(path, force=True)
    with pytest.raises(OutputError, match="is not a folder"):
        check_target(path / "below.png", force=True)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OutputError, match="is not writable"):
        check_target(tmp_path / "other.png", force=False)


def test_the_input_is_never_the_output(tmp_path, monkeypatch):
    source = tmp_path / "in.png"
    source.write_bytes(OLD)
    (tmp_path / "soft.png").symlink_to(source)
    os.link(source, tmp_path / "hard.png")
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    for spelling in (source, "in.png", "./folder/../in.png", "soft.png", "hard.png"):
        for force in (True, False):
            with pytest.raises(OptionError, match="is the input itself"):
                check_target(spelling, force=force, inputs=["missing.png", source])
    with pytest.raises(OptionError, match="is the input itself"):
        check_target("folder/../missing.png", force=False, inputs=["missing.png"])
    check_target("other.png", force=False, inputs=[source])


def test_a_part_of_a_process_that_was_killed_is_swept_although_it_is_still_locked(tmp_path):
    fcntl = pytest.importorskip("fcntl")
    part = tmp_path / ".out.png.0123456789abcdef.poolcli.part"
    with part.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert atomic.sweep([tmp_path]) == 0
        assert part.exists()
        assert atomic.sweep([tmp_path], locked=True) == 1
    assert not part.exists()
