"""Which backend works on the pictures: worker processes, this process, or a Dask cluster."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from poolcli.batch.scheduler import SerialBackend
from poolcli.errors import PoolcliError
from poolcli.limits import shortage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from poolcli.batch.scheduler import Backend
    from poolcli.batch.stores import Stores


def backend(jobs: int, max_memory: int | None, preload: Sequence[str]) -> Backend:
    """Make the backend of `jobs` worker processes; of none, this process works.

    Parameters
    ----------
    jobs : int
    max_memory : int or None
        Bytes that each worker may have.
    preload : sequence of str
        Modules that every worker needs.

    Raises
    ------
    PoolcliError
        This Python cannot start processes.
    """
    if jobs == 0:
        return SerialBackend()
    try:
        from poolcli.batch.processes import ProcessBackend
    except ImportError as error:  # a Python without multiprocessing, or no memory to load it
        reason = shortage(error) or str(error)
        msg = f"no worker process can be started: {reason}; use --jobs 0, which works in this process"
        raise PoolcliError(msg) from None
    return ProcessBackend(jobs, max_memory, preload)


def cluster(
    address: str,
    jobs: int | None,
    folder: str,
    sources: Sequence[str],
    tell: Callable[[str], None],
    stores: Stores,
) -> Backend:
    """Make the backend of a Dask cluster; `dask_backend.DaskBackend` has the parameters.

    Raises
    ------
    PoolcliError
        No scheduler answers, it has no workers, or one of them cannot be used.
    """
    from poolcli.batch.dask_backend import DaskBackend

    return DaskBackend(address, jobs, folder, sources, tell, stores)


def start_early(preload: Sequence[str]) -> None:
    """Let worker processes be prepared while this process does something else."""
    with suppress(ImportError):  # `backend` reports it
        from poolcli.batch.processes import prepare

        prepare(preload)
