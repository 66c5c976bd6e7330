"""Errors that come from a lack of memory or from another limit of this process, and the limits that are set.

Libraries report a lack of memory in many ways: `MemoryError`, a shared library that cannot be mapped, a thread that
cannot be started, even a syntax error in a module that Python had no memory to parse, or the end of the process.
"""

from __future__ import annotations

import errno

_WORDS = ("failed to map segment", "cannot map", "cannot allocate memory", "out of memory", "can't start new thread")
"""Parts of messages about memory, in lower case; a thread needs memory for its stack."""

PROBE_BYTES = 1 << 24
"""Memory is taken to be short when so much cannot be allocated: it is more than most single steps need."""

LIBRARY_BYTES = 106 << 20
"""Address space that numpy, Pillow and poolcli take when they are loaded, and a small picture, measured on Linux.

With less, libraries end the process (OpenBLAS) or print tracebacks (hashlib) instead of raising an error; with hardly more,
Python itself prints errors when it ends."""


def lacks_memory(error: BaseException) -> bool:
    """Whether an error says that there was not enough memory."""
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        return True
    text = str(error).lower()
    return isinstance(error, OSError | ImportError | RuntimeError) and any(words in text for words in _WORDS)


def memory_is_short(needed: int = PROBE_BYTES) -> bool:
    """Whether this process cannot allocate `needed` more bytes, which explains an error without a known cause."""
    try:
        from mmap import mmap

        mmap(-1, needed).close()
    except (ImportError, OSError, MemoryError) as error:
        return lacks_memory(error)
    return False


def shortage(error: BaseException) -> str:
    """What this process had too little of when an unexpected error occurred, with the limits that are set.

    Returns
    -------
    str
        ``not enough memory``, ``too many open files``, or nothing where the error has another cause.
    """
    if lacks_memory(error) or memory_is_short():
        return f"not enough memory{limits()}"
    if getattr(error, "errno", None) == errno.EMFILE or "too many open files" in str(error).lower():
        return f"too many open files{limits()}"
    return ""


def too_low_to_start() -> bool:
    """Whether a limit on memory leaves too little for the libraries that every command loads."""
    return bool(memory_limits()) and memory_is_short(LIBRARY_BYTES)


def limits() -> str:
    """The limits of this process that may be the cause of an error, as a shell names them, in parentheses."""
    found = memory_limits() + _limits_below(("RLIMIT_NOFILE", "n", 64), ("RLIMIT_NPROC", "u", 1024))
    return f" ({', '.join(found)})" if found else ""


def memory_limits() -> list[str]:
    """The limits on memory that are set, in KiB as a shell names them."""
    return _limits_below(("RLIMIT_AS", "v", None), ("RLIMIT_DATA", "d", None))


def _limits_below(*kinds: tuple[str, str, int | None]) -> list[str]:
    try:
        import resource
    except ImportError:  # Windows, or no memory to load it
        return []
    found = []
    for name, letter, usual in kinds:
        soft = resource.getrlimit(getattr(resource, name))[0]
        if soft != resource.RLIM_INFINITY and (usual is None or soft < usual):
            found.append(f"ulimit -{letter} is {soft // (1024 if usual is None else 1)}")
    return found
