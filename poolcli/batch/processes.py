"""Worker processes: made by a server that has imported what they need, deaf to Ctrl-C, gone when their parent is."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING, Any

from poolcli.errors import PoolcliError
from poolcli.images.quiet import silent_stderr

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Executor, Future
    from multiprocessing.process import BaseProcess

_ENVIRONMENT = {
    # Without it interpreters that begin would take modules from the current folder: the user's, by their names.
    "PYTHONSAFEPATH": "1",
    # A worker keeps what it has freed for its next picture: memory that was given back costs page faults (glibc).
    "MALLOC_TRIM_THRESHOLD_": str(1 << 28),
    "MALLOC_MMAP_THRESHOLD_": str(1 << 25),
}

_GONE = 0.05
_UNKNOWN = 255
"""What multiprocessing says of a process whose exit code was lost, with the server that made it."""


class Processes:
    """An engine (`crew.Engine`) of worker processes.

    Parameters
    ----------
    jobs : int
        How many.
    max_memory : int, optional
        Bytes that each may have.
    preload : sequence of str
        Modules to be imported once, for all of them.
    """

    far = True

    def __init__(self, jobs: int, max_memory: int | None = None, preload: Sequence[str] = ()) -> None:
        self.jobs = jobs
        self._max_memory, self._preload = max_memory, preload
        self._context: Any = multiprocessing.get_context(_method())
        self._known: set[BaseProcess] = set()

    def start(self) -> Executor:
        """Make a pool; its processes begin when tasks are submitted."""
        prepare(self._preload)
        self._known.clear()
        return _Pool(self._known, self.jobs, self._context, (self._max_memory,))

    def kill(self) -> None:
        """End all workers at once."""
        for process in self._known:
            with suppress(Exception):  # it is gone already
                process.kill()

    def death(self) -> str:
        """What a worker died of by itself; the others are ended by the pool, with SIGTERM, when one is dead."""
        codes = [process.exitcode for process in self._known]
        deaths = [code for code in codes if code not in (None, 0, -signal.SIGTERM, _UNKNOWN)]
        return _death(deaths[0]) if deaths else ""


def _method() -> str:
    # fork alone would copy the locks of threads that do not exist in the child.
    return "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"


def prepare(preload: Sequence[str]) -> None:
    """Let the server begin and import `preload` beside whatever is still to be done before processes are needed.

    If that fails it is tried again, and told of, when the first of them is made.
    """
    os.environ.update(_ENVIRONMENT)
    with suppress(OSError):
        if sys.platform != "win32":
            resource_tracker.ensure_running()  # which would let SIGINT through again, had it still to be started
        if _method() == "forkserver":
            from multiprocessing import forkserver

            forkserver.set_forkserver_preload(list(preload))
            with _quiet_birth():
                forkserver.ensure_running()


class _Pool(ProcessPoolExecutor):
    """A process pool that keeps SIGINT from its workers, and remembers them."""

    def __init__(self, known: set[BaseProcess], jobs: int, context: Any, arguments: tuple[Any, ...]) -> None:
        super().__init__(jobs, mp_context=context, initializer=_begin, initargs=arguments)
        self._jobs, self._known = jobs, known
        # All begin with the first task: one that began later would be handed the pool's pipes while another's death
        # closes them, and with them whatever has got their numbers meanwhile.
        self._safe_to_dynamically_spawn_children = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if len(self._known) == self._jobs:
            return super().submit(fn, *args, **kwargs)
        try:
            with _quiet_birth():
                return super().submit(fn, *args, **kwargs)
        except (EOFError, ConnectionError) as error:
            time.sleep(_GONE)  # another is made when this one has left the list of processes
            msg = "the server that makes processes died"
            raise BrokenProcessPool(msg) from error
        except OSError as error:
            raise PoolcliError(f"worker processes: {error.strerror or error}; fewer --jobs are expected") from None
        finally:
            self._known.update(multiprocessing.active_children())


@contextmanager
def _quiet_birth() -> Iterator[None]:
    """Let processes begin with SIGINT blocked, as Ctrl-C is the parent's to handle, and with no stderr.

    What they would write there, Python's words on a pool that went away or a C library's on a damaged file, has no
    picture's name; what is wrong with a picture is told by its outcome.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if hasattr(signal, "pthread_sigmask") else None
    try:
        with silent_stderr():
            yield
    finally:
        if before is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(max_memory: int | None) -> None:
    """Prepare a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where signals cannot be blocked
    gc.freeze()  # what has been imported is there for good: no search in it for garbage
    gc.set_threshold(10_000)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if max_memory is not None:
        import resource

        # What a process has for itself: address space that is only reserved does not count where the system can tell.
        limit = resource.RLIMIT_DATA if sys.platform == "linux" else resource.RLIMIT_AS
        _, hard = resource.getrlimit(limit)
        most = max_memory if hard == resource.RLIM_INFINITY else min(max_memory, hard)
        resource.setrlimit(limit, (most, most))


def _end_with_parent() -> None:
    """A parent that was killed tells nobody, and its workers would wait for tasks for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _death(code: int) -> str:
    if code >= 0:
        return f"its worker process ended with exit code {code}"
    with suppress(ValueError):
        name = signal.Signals(-code).name
        return f"its worker process died of {name}" + (", perhaps out of memory" if name == "SIGKILL" else "")
    return f"its worker process died of signal {-code}"
