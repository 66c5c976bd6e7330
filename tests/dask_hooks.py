"""Loaded by the Dask workers of tests (``--preload``): lets a test hold them, and kill one at a chosen moment.

The environment variable HOOKS names a folder; files in it say what to do: ``hold`` lets every chunk wait before it is
begun, ``die`` kills the first worker that has finished a chunk, before it can say so, and is removed then. A picture
with ``killer`` in its name kills its worker; ``pid-N`` exists for every worker that waits, ``worked-N`` for every one that has worked.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

from poolcli.batch import dask_worker
from poolcli.batch.scheduler import run_chunk


def dask_setup(_worker):
    """Called by Dask in every worker."""
    dask_worker.run_chunk = partial(_hooked, Path(os.environ["HOOKS"]))


def _hooked(hooks, call, tasks):
    mine = hooks / f"pid-{os.getpid()}"
    while (hooks / "hold").exists():
        mine.touch()
        time.sleep(0.005)
    mine.unlink(missing_ok=True)
    for task in tasks:
        if "killer" in os.path.basename(task.source):
            (hooks / f"death-{os.getpid()}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
    (hooks / f"worked-{os.getpid()}").touch()
    done = run_chunk(call, tasks)
    with suppress(FileNotFoundError):
        (hooks / "die").unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    return done
