"""Atomic writing: under its name a file is always complete, either the old one or the new one."""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO

from poolcli.display import display_name
from poolcli.errors import OptionError, OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    Data = bytes | bytearray | memoryview | Callable[[BinaryIO], object]
    Path = str | os.PathLike[str]

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
"""Errors that writing the next file would raise as well."""


def exists(option: str) -> str:
    """What is said of an existing file whose name an option gives."""
    return f"exists already; choose another name with {option}, or replace it with --force"


EXISTS = exists("-o")
PART = r"\..*\.[0-9a-f]{16}\.poolcli\.part"
"""Names of files while they are written; one that is left over is from a process that was killed."""

READER_SECONDS = 5
"""How long a named pipe may have no reader."""
_DIRECTORY = "is a directory; write the name of a file"

# Error numbers of file systems without hard links, and of those without fsync of folders.
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES, errno.EXDEV}
_NO_SYNC = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
_NO_FOLDER_SYNC = {*_NO_SYNC, errno.EACCES, errno.EPERM, errno.EISDIR, errno.EBADF}
_NO_MODE = {errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


def check_target(path: Path, *, force: bool, inputs: Iterable[Path] = (), option: str = "-o") -> None:
    """Refuse, before any work, a result that could not be written or would replace its own input.

    Parameters
    ----------
    path : path
    force : bool
        Whether an existing file may be replaced.
    inputs : iterable of path
        Compared as files, so that a link or another spelling of the name is recognised.
    option : str
        The option that gives the path.

    Raises
    ------
    OptionError
        The path is one of the inputs, whatever `force` is.
    OutputError
        It exists, is a directory, or its folder is missing or not writable.

    Examples
    --------
    >>> check_target("/nowhere/at/all.png", force=False)
    Traceback (most recent call last):
    ...
    poolcli.errors.OutputError: the folder /nowhere/at does not exist; create it, or write the name of an existing folder
    """
    with _os_errors():
        status = _status(path)
        if status is not None and stat.S_ISDIR(status.st_mode):
            raise OutputError(_DIRECTORY)
        if status is not None and not stat.S_ISREG(status.st_mode):
            return
        if any(_same(path, status, other) for other in inputs):
            raise OptionError("is the input itself; choose another name")
        if status is not None and not force:
            raise OutputError(exists(option))
        folder = os.path.dirname(os.path.realpath(path))
        if not os.path.isdir(folder):
            what = "is not a folder" if os.path.exists(folder) else "does not exist"
            raise OutputError(
                f"the folder {display_name(folder)} {what}; create it, or write the name of an existing folder"
            )
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OutputError(f"the folder {display_name(folder)} is not writable; choose another folder")


def _same(path: Path, status: os.stat_result | None, other: Path) -> bool:
    try:
        other_status = _status(other)
    except OSError:  # reading the input reports this error
        return False
    if status is None or other_status is None:
        return os.path.realpath(path) == os.path.realpath(other)
    return os.path.samestat(status, other_status)


def _status(path: Path) -> os.stat_result | None:
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def atomic_write(path: Path, data: Data, *, force: bool) -> None:
    """Write a file under its name only when it is complete and on the disk.

    The bytes go to a hidden file in the same folder, are flushed to the disk, and renamed in one step. If this
    is interrupted (full disk, Ctrl-C), the old file is unchanged and nothing is left over. A symbolic link is kept and
    the file that it points to is replaced; permissions are those of the replaced file, or follow the umask. An existing target that
    is no regular file (``/dev/null``, a pipe) is written directly.

    Parameters
    ----------
    path : path
    data : bytes-like, or callable
        The contents, or a function that writes them to the binary stream it is given.
    force : bool
        Whether an existing file may be replaced; if not, the file is written only if no file has the name at that moment.

    Raises
    ------
    OutputError
        It exists, or the operating system refused: no space, no permission.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     atomic_write(pathlib.Path(folder, "a"), b"whole", force=False)
    ...     pathlib.Path(folder, "a").read_bytes()
    b'whole'
    """
    with _os_errors():
        status = _status(path)
        if status is not None and stat.S_ISDIR(status.st_mode):
            raise OutputError(_DIRECTORY)
        if status is not None and not stat.S_ISREG(status.st_mode):
            _write(_open_special(path, status.st_mode), data, sync=False)
            return
        if status is not None and not force:
            raise OutputError(EXISTS)
        target = os.path.realpath(path) if os.path.islink(path) else os.fspath(path)
        folder, name = os.path.split(target)
        temporary = os.path.join(folder, _hidden_name(name))
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _flags(), 0o666)
            _write(descriptor, data, sync=True, mode=None if status is None else stat.S_IMODE(status.st_mode))
            if force:
                os.replace(temporary, target)
            else:
                _publish(temporary, target)
        except BaseException:
            # The name is random, so this file is ours.
            with suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
        _sync_folder(folder or os.curdir)


def _open_special(path: Path, mode: int) -> int:
    """Open a device or a named pipe; of a pipe, the program that reads it may begin a little later."""
    if not stat.S_ISFIFO(mode):
        return os.open(path, os.O_WRONLY | _flags())
    late = time.monotonic() + READER_SECONDS
    while True:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | _flags())  # else it would wait for ever
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            if time.monotonic() > late:
                msg = f"no program reads this pipe within {READER_SECONDS} s; start the program that reads first"
                raise OutputError(msg) from None
            time.sleep(0.02)
        else:
            os.set_blocking(descriptor, True)
            return descriptor


def _flags() -> int:
    return getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def _hidden_name(name: str) -> str:
    # Cut to fit file systems that allow 143 bytes; a cut inside a character drops the character.
    short = os.fsencode(name)[:100].decode("utf-8", "ignore")
    return f".{short}.{os.urandom(8).hex()}.poolcli.part"


def _write(descriptor: int, data: Data, *, sync: bool, mode: int | None = None) -> None:
    try:
        _hold(descriptor)
        if mode is not None and hasattr(os, "fchmod"):
            with _passing(_NO_MODE):
                os.fchmod(descriptor, mode)
        if callable(data):
            with open(descriptor, "wb", closefd=False) as stream:
                data(stream)
        else:
            with memoryview(data).cast("B") as rest:
                done = 0
                while done < len(rest):
                    done += os.write(descriptor, rest[done:])
        if sync:
            with _passing(_NO_SYNC):
                os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _passing(numbers: Collection[int]) -> Iterator[None]:
    """Ignore errors of a call that a file system does not know (FUSE, CIFS, DrvFs): the file is written all the same."""
    try:
        yield
    except OSError as error:
        if error.errno not in numbers:
            raise


def _hold(descriptor: int) -> bool:
    """Show by a lock that a file is being written; False when another process shows that."""
    if fcntl is not None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            pass
    return True


def sweep(folders: Iterable[str], of: str = "", *, locked: bool = False) -> int:
    """Remove what killed runs have left half-written in these folders; returns how many files that were.

    Only of the file `of`, when that is given: in a folder that is not the batch's own, others may be writing. What is
    being written just now is locked, and stays, unless `locked` says that its process has been killed: the system
    releases the lock a moment later.
    """
    swept = 0
    for folder in folders:
        with suppress(OSError), os.scandir(folder) as entries:
            names = [
                entry.name
                for entry in entries
                if entry.name.startswith(f".{of}") and re.fullmatch(PART, entry.name, re.DOTALL)
            ]
            for name in names:
                with suppress(OSError):
                    swept += _sweep_file(os.path.join(folder, name), locked)
    return swept


def _sweep_file(path: str, locked: bool) -> bool:
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _flags())
    try:
        is_left = locked or _hold(descriptor)
    finally:
        os.close(descriptor)
    if is_left:
        os.unlink(path)
    return is_left


def _publish(temporary: str, target: str) -> None:
    """Give the file its name unless the name is taken: unlike a rename, a hard link never replaces a file."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise OutputError(EXISTS) from None
    except (OSError, AttributeError) as error:  # some systems and file systems have no hard links
        if isinstance(error, OSError) and error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(target):
            raise OutputError(EXISTS) from None
        os.replace(temporary, target)
    else:
        os.unlink(temporary)


def _sync_folder(folder: str) -> None:
    """Flush the folder to the disk as well, where the file system can, so that the new name survives a crash."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | _flags())
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise


@contextmanager
def _os_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(error.strerror or str(error), error.errno) from None
    except ValueError as error:  # a NUL in the name
        if isinstance(error, OptionError):
            raise
        raise OutputError(f"not a usable file name ({error})") from None
