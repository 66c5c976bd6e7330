"""Writing a file so that its name always stands for a complete file: the old one, or the new one."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO

from poolcli.errors import OptionError, OutputError
from poolcli.images.opening import display_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Data = bytes | bytearray | memoryview | Callable[[BinaryIO], object]
    Path = str | os.PathLike[str]

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
"""Errors that the next file would meet as well."""

EXISTS = "exists already; another name is expected, or --force to replace it"
PART = r"\..*\.[0-9a-f]{16}\.poolcli\.part"
"""Names of files that are being written; one that stays behind belongs to a process that was killed."""

_DIRECTORY = "is a directory; a file name is expected"

# What file systems without hard links, or without fsync of folders, answer.
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES, errno.EXDEV}
_NO_FOLDER_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EACCES, errno.EISDIR, errno.EBADF}


def check_target(path: Path, *, force: bool, inputs: Iterable[Path] = ()) -> None:
    """Refuse, before any work, a result that could not be written or would replace its own input.

    Parameters
    ----------
    path : path
    force : bool
        Whether an existing file may be replaced.
    inputs : iterable of path
        Compared as files, so that links and other spellings of a name do not hide that they are the same.

    Raises
    ------
    OptionError
        The path is one of the inputs; `force` changes nothing.
    OutputError
        It exists, is a directory, or its folder is missing or closed to us.

    Examples
    --------
    >>> check_target("/nowhere/at/all.png", force=False)
    Traceback (most recent call last):
    ...
    poolcli.errors.OutputError: the folder /nowhere/at does not exist; an existing folder is expected
    """
    with _os_errors():
        status = _status(path)
        if status is not None and stat.S_ISDIR(status.st_mode):
            raise OutputError(_DIRECTORY)
        if status is not None and not stat.S_ISREG(status.st_mode):
            return
        if any(_same(path, status, other) for other in inputs):
            raise OptionError("is the input itself; another name is expected")
        if status is not None and not force:
            raise OutputError(EXISTS)
        folder = os.path.dirname(os.path.realpath(path))
        if not os.path.isdir(folder):
            what = "is not a folder" if os.path.exists(folder) else "does not exist"
            raise OutputError(f"the folder {display_name(folder)} {what}; an existing folder is expected")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OutputError(f"the folder {display_name(folder)} is not writable; a writable folder is expected")


def _same(path: Path, status: os.stat_result | None, other: Path) -> bool:
    try:
        other_status = _status(other)
    except OSError:  # an input that cannot be looked at is the reader's to report
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

    The bytes go to a hidden file in the same folder, are flushed to the disk, and take the name in one step; whatever
    stops it, a full disk or Ctrl-C, leaves the old file as it was and nothing else. A symbolic link stays and what it
    points to is replaced; permissions are those of the replaced file, or what the umask gives. An existing target that
    is no regular file (``/dev/null``, a pipe) is written directly.

    Parameters
    ----------
    path : path
    data : bytes-like, or callable
        The contents, or a function that writes them to the binary stream it is given.
    force : bool
        Whether an existing file may be replaced; without it the name is taken only if it is free at that moment.

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
            _write(os.open(path, os.O_WRONLY | _flags()), data, sync=False)
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
            # The name is random: there is never anything of others to remove.
            with suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
        _sync_folder(folder or os.curdir)


def _flags() -> int:
    return getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def _hidden_name(name: str) -> str:
    # Cut to fit file systems that allow 143 bytes; a cut inside a character drops the character.
    short = os.fsencode(name)[:100].decode("utf-8", "ignore")
    return f".{short}.{os.urandom(8).hex()}.poolcli.part"


def _write(descriptor: int, data: Data, *, sync: bool, mode: int | None = None) -> None:
    try:
        if mode is not None and hasattr(os, "fchmod"):
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
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _publish(temporary: str, target: str) -> None:
    """Give the file its name unless something has it: a hard link fails where a rename would replace."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise OutputError(EXISTS) from None
    except (OSError, AttributeError, NotImplementedError) as error:  # some systems and file systems have no hard links
        if isinstance(error, OSError) and error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(target):
            raise OutputError(EXISTS) from None
        os.replace(temporary, target)
    else:
        os.unlink(temporary)


def _sync_folder(folder: str) -> None:
    """Make the new name itself survive a crash, where folders can be synchronised."""
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
