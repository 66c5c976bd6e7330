"""The code of a worker process: it runs chunks of tasks until the parent closes the connection.

This module imports little, and what a worker calls arrives pickled: a lack of memory while that is loaded then happens
where it can be reported.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

from poolcli.limits import lacks_memory, memory_is_short

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

NO_MEMORY = 12
"""Exit code of a worker that had no memory to say so otherwise: the number of ENOMEM."""


def work(connection: Connection[Any, Any], call: bytes, max_memory: int | None, package: str) -> None:
    """Run chunks until the parent closes the connection; without memory for that, exit with `NO_MEMORY`.

    Parameters
    ----------
    connection : Connection
    call : bytes
        What is called with every task, pickled.
    max_memory : int or None
        Bytes that this process may have.
    package : str
        The file from which the parent imported poolcli.
    """
    try:
        _prepare(max_memory)
        _run_chunks(connection, pickle.loads(call), package)  # noqa: S301 - from our parent
    except Exception as error:
        if lacks_memory(error) or memory_is_short():
            os._exit(NO_MEMORY)
        raise


def _run_chunks(connection: Connection[Any, Any], call: Callable[[Any], Any], package: str) -> None:
    import poolcli
    from poolcli.batch.scheduler import run_chunk
    from poolcli.errors import PoolcliError

    found = os.path.realpath(poolcli.__file__)
    while True:
        try:
            tasks = connection.recv()
        except EOFError:
            return
        except OSError as error:
            if lacks_memory(error):
                raise
            return
        try:
            message: tuple[Any, BaseException | None] = run_chunk(call, tasks), None
        except Exception as error:
            if lacks_memory(error):  # it costs this worker, not the batch: the parent blames the picture
                raise
            message = None, error
        if package != found:
            wrong = f"worker processes import {found} instead of {package}; set PYTHONPATH to its folder"
            message = None, PoolcliError(wrong)
        try:
            connection.send(message)
        except OSError as error:
            if lacks_memory(error):
                raise
            return  # the parent is gone


def _prepare(max_memory: int | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where signals cannot be blocked
    gc.freeze()  # the imported modules stay: do not search them for garbage
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
    """End when the parent is killed; a worker that is busy with a picture would not notice the closed pipe."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
