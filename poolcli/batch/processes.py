"""Worker processes: forked by a server that has imported what they need; they end when their parent ends."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import time
from contextlib import contextmanager, suppress
from multiprocessing import connection as mp_connection
from multiprocessing import resource_tracker
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import poolcli
from poolcli.batch.scheduler import CHUNK_SECONDS, CHUNK_TASKS, WorkerLostError
from poolcli.batch.worker_process import NO_MEMORY, work
from poolcli.errors import PoolcliError
from poolcli.images.pillow_guard import silent_stderr
from poolcli.limits import lacks_memory, limits, memory_limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

_ENVIRONMENT = {
    # Without it new interpreters would import modules from the current folder, which is the user's.
    "PYTHONSAFEPATH": "1",
    # A worker keeps the memory of one picture for the next: memory that was given back costs page faults (glibc).
    "MALLOC_TRIM_THRESHOLD_": str(1 << 28),
    "MALLOC_MMAP_THRESHOLD_": str(1 << 25),
}

_PACKAGE = str(Path(poolcli.__file__).resolve())
_PAUSES = (0.0, 0.1, 0.5)
"""Seconds before each attempt to start a worker: a server that is dying is replaced only when it is gone."""
_END_SECONDS = 1.0
"""The longest wait for a process that was killed."""
_MOST_OF_TMPDIR = 64
"""Bytes of a temporary folder below which the socket of the server has a name of 104 bytes at most."""
_SHORT_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - multiprocessing makes a closed folder of its own there
_UNKNOWN = 255
"""Exit code that multiprocessing reports of a process whose server died."""
_AHEAD_BYTES = 1 << 16
"""A busy worker gets no more than this: it does not read, and the parent would wait for it."""


class ProcessBackend:
    """A backend (`scheduler.Backend`) of worker processes.

    Each has a pipe of its own and nothing else is shared: no queue, lock or semaphore that a killed worker could leave
    taken, and no thread in the parent.

    Parameters
    ----------
    jobs : int
        How many.
    max_memory : int, optional
        Bytes that each may have.
    preload : sequence of str
        Modules to be imported once, for all of them.
    """

    send_ahead = True
    chunk_seconds, chunk_tasks = CHUNK_SECONDS, CHUNK_TASKS

    def __init__(self, jobs: int, max_memory: int | None = None, preload: Sequence[str] = ()) -> None:
        self.jobs = jobs
        self._max_memory, self._preload = max_memory, preload
        self._context: Any = multiprocessing.get_context(_method())

    def start(self, call: Callable[[Any], Any]) -> ProcessWorker:
        """Start a worker that calls `call` with every task.

        Raises
        ------
        PoolcliError
            The system lets no process begin.
        """
        for pause in _PAUSES:
            time.sleep(pause)
            try:
                prepare(self._preload)
                return self._start(call)
            except (EOFError, ConnectionError):
                continue  # the server died; the next attempt starts another one
            except (OSError, MemoryError) as error:
                reason = "not enough memory" if isinstance(error, MemoryError) else error.strerror or str(error)
                raise PoolcliError(_no_workers(reason)) from None
            except RuntimeError as error:
                if not lacks_memory(error):
                    raise
                raise PoolcliError(_no_workers("not enough memory")) from None
        raise PoolcliError(_no_workers("the process that forks them died, perhaps for lack of memory"))

    def _start(self, call: Callable[[Any], Any]) -> ProcessWorker:
        ours, theirs = self._context.Pipe()
        try:
            arguments = (theirs, pickle.dumps(call), self._max_memory, _PACKAGE)
            process = self._context.Process(target=work, args=arguments, daemon=True)
            with _quiet_birth(), _without_main(), _environment(_ENVIRONMENT):  # spawned, it gets what the server had
                process.start()
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return ProcessWorker(process, ours, is_limited=bool(self._max_memory or memory_limits()))

    def wait(self, workers: Sequence[ProcessWorker], seconds: float) -> Sequence[ProcessWorker]:
        """Return the workers that have sent something or have ended, after at most `seconds`.

        Raises
        ------
        PoolcliError
            The system refuses to wait.
        """
        by_connection = {worker.connection: worker for worker in workers}
        try:
            ready = mp_connection.wait(list(by_connection), seconds)
        except OSError as error:
            msg = f"worker processes cannot be waited for: {error.strerror}{limits()}; use --jobs 0, which works in this process"
            raise PoolcliError(msg) from None
        return [by_connection[one] for one in ready]  # type: ignore[index]

    def close(self) -> None:
        """Nothing is shared."""


class ProcessWorker:
    """The parent's end of a worker process."""

    def __init__(self, process: BaseProcess, connection: Connection[Any, Any], *, is_limited: bool = False) -> None:
        self._process, self.connection = process, connection
        self._is_limited = is_limited
        self._chunks = 0
        self._held: bytes | None = None
        self._reading = self._was_ended = False

    def send(self, tasks: list[Any]) -> None:
        """Send a chunk."""
        self._chunks += 1
        data = pickle.dumps(tasks)
        if self._chunks > 1 and len(data) > _AHEAD_BYTES:
            self._held = data
        else:
            self._send(data)

    def _send(self, data: bytes) -> None:
        try:
            self.connection.send_bytes(data)
        except ConnectionError:
            pass  # it is gone, which `receive` reports
        except OSError:  # it would wait for ever for the rest
            self._end()

    def receive(self) -> tuple[list[Any], float]:
        """Return the outcomes of the oldest chunk and the seconds that it took.

        Raises
        ------
        WorkerLostError
            The process is gone, or an earlier call was interrupted halfway through a message.
        """
        if self._reading:
            raise WorkerLostError
        self._reading = True
        try:
            found, error = self.connection.recv()
        except (EOFError, ConnectionError):
            raise WorkerLostError from None
        except (OSError, pickle.UnpicklingError):
            self._end()
            raise WorkerLostError from None
        self._reading = False
        self._chunks -= 1
        if error is not None:
            raise error
        if self._held is not None:
            held, self._held = self._held, None
            self._send(held)
        outcomes: tuple[list[Any], float] = found
        return outcomes

    def _end(self) -> None:
        """End a process whose pipe has failed: it would wait, and nothing more can be had from it."""
        self._was_ended = True
        with suppress(Exception):
            self._process.kill()

    def kill(self) -> None:
        """End the process at once."""
        with suppress(Exception):  # it is gone already
            self._process.kill()
        self.connection.close()
        with suppress(Exception):
            self._process.join(_END_SECONDS)

    def cause_of_death(self) -> str:
        """Why the process ended; empty if that is not known."""
        with suppress(Exception):
            self._process.join(_END_SECONDS)
        code = self._process.exitcode
        return "" if self._was_ended or code in (None, _UNKNOWN) else _death(code, is_limited=self._is_limited)


def _method() -> str:
    # Plain fork would copy locks that threads hold which do not exist in the child.
    return "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"


def _no_workers(reason: str) -> str:
    if not _current_folder():
        reason = "the current folder does not exist any more"
        return f"no worker process can be started: {reason}; change to another one (cd), or use --jobs 0"
    return f"no worker process can be started: {reason}{limits()}; use fewer --jobs, or --jobs 0, which works in this process"


def prepare(preload: Sequence[str]) -> None:
    """Start the server and let it import `preload` while this process does something else.

    A failure is ignored here: it comes again, and is reported, when the first worker is started.
    """
    with suppress(OSError), _environment(_ENVIRONMENT):
        if sys.platform != "win32":
            resource_tracker.ensure_running()  # starting it later would unblock SIGINT
        if _method() == "forkserver":
            from multiprocessing import forkserver

            # An isolated interpreter (-I, -E) ignores PYTHONPATH and might import another poolcli; workers then import
            # by themselves, after they were given this process's path.
            forkserver.set_forkserver_preload([] if sys.flags.ignore_environment else list(preload))
            with _quiet_birth(), _environment({"PYTHONPATH": _import_path()}), _short_temporary_folder():
                forkserver.ensure_running()


@contextmanager
def _short_temporary_folder() -> Iterator[None]:
    """Replace a TMPDIR with a long name, below which no socket could have a name."""
    import tempfile

    before = tempfile.tempdir
    if len(os.fsencode(tempfile.gettempdir())) > _MOST_OF_TMPDIR:
        short = (folder for folder in _SHORT_FOLDERS if os.access(folder, os.W_OK | os.X_OK))
        tempfile.tempdir = next(short, before)
    try:
        yield
    finally:
        tempfile.tempdir = before


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables for the processes that begin meanwhile; what this program starts later is not ours."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _import_path() -> str:
    """The import path of this interpreter, for a new one, which could else import another installed poolcli."""
    package = str(Path(_PACKAGE).parent.parent)
    here = {"", os.curdir} if os.path.realpath(package) == _current_folder() else {"", os.curdir, _current_folder()}
    paths = [path for path in sys.path if path not in here]
    return os.pathsep.join(paths if package in paths else [package, *paths])


def _current_folder() -> str:
    try:
        return os.path.realpath(os.getcwd())
    except OSError:  # it was deleted
        return ""


@contextmanager
def _quiet_birth() -> Iterator[None]:
    """Start processes with SIGINT blocked, since the parent handles Ctrl-C, and with stderr discarded.

    What Python or a C library would write there names no picture; an outcome says what is wrong with a picture.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if hasattr(signal, "pthread_sigmask") else None
    try:
        with silent_stderr():
            yield
    finally:
        if before is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _without_main() -> Iterator[None]:
    """Hide the main program, which a worker would import: a script that calls poolcli would run once more there."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _death(code: int, *, is_limited: bool) -> str:
    """Why a process ended, from its exit code, or from the signal if the code is negative."""
    if code == NO_MEMORY:
        return f"not enough memory{limits()}; use a smaller picture, fewer --jobs, or a higher limit"
    if code >= 0:
        return f"its worker process ended with exit code {code}, perhaps out of memory{limits()}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    perhaps = f", perhaps out of memory{limits()}" if name == "SIGKILL" or is_limited else ""
    return f"its worker process died of {name}{perhaps}"
