"""Makes fsspec's file system for a URL, or says what it lacks."""

from __future__ import annotations

import json
from importlib import import_module
from typing import TYPE_CHECKING, Any

from poolcli.batch.remote_errors import as_ours
from poolcli.batch.storage import StoreLostError
from poolcli.display import printable
from poolcli.errors import OptionError, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_PACKAGES = {"gs": "gcsfs", "az": "adlfs"}
_DEFAULTS: dict[str, dict[str, Any]] = {
    # One GET for each object, without a question about its size first; a store that hangs is given up in 4 minutes.
    "s3": {
        "max_concurrency": 1,
        "config_kwargs": {
            "connect_timeout": 10,
            "read_timeout": 15,
            "retries": {"mode": "standard", "total_max_attempts": 4},
        },
    }
}
_RETRIES = 2
"""Attempts that s3fs makes with connections that break, each with the client's own attempts."""


def file_system(protocol: str, place: str, options: Sequence[tuple[str, str]], secrets: Sequence[str]) -> Any:
    """Make a file system.

    Parameters
    ----------
    protocol : str
    place : str
        A URL with the host, for protocols whose file systems belong to one host; else empty.
    options : sequence of (str, str)
        Keys and values for it.
    secrets : sequence of str
        What no message may hold.

    Raises
    ------
    OptionError
        The protocol is unknown, its package is missing, or it does not take these options.
    OutputError
        There is no connection to the host.
    """
    known = _class_of(protocol)
    settings: dict[str, Any] = {"use_listings_cache": False, **_DEFAULTS.get(protocol, {})}
    if place:
        of_url = known._get_kwargs_from_urls(place)  # noqa: SLF001 - fsspec has no other name for it
        settings |= {key: value for key, value in of_url.items() if value is not None}
    for key, text in options:
        given = _value(text)
        default = settings.get(key)
        settings[key] = {**default, **given} if isinstance(default, dict) and isinstance(given, dict) else given
    try:
        made = known(skip_instance_cache=True, **settings)
        if protocol == "s3":
            made.retries = _RETRIES
            if options:  # which it looks at no sooner
                made.connect()
    except Exception as error:  # noqa: BLE001 - whatever a file system raises
        problem = as_ours(error, secrets)
        if isinstance(problem, StoreLostError):
            problem.path = place or f"{protocol}://"
            raise problem from None
        if isinstance(error, ModuleNotFoundError):
            raise _missing(protocol, error.name or "a package of its own", "") from None
        how = "with these --storage-option" if options else "as it is; give what it lacks with --storage-option"
        raise OptionError(f"{protocol}:// cannot be used {how}: {problem}") from None
    return made


def secrets_of(options: Sequence[tuple[str, str]]) -> list[str]:
    """The texts in options that no message may hold.

    Examples
    --------
    >>> secrets_of([("anon", "true"), ("key", "AKIA1"), ("client_kwargs", '{"aws_session_token": "hidden"}')])
    ['AKIA1', 'hidden']
    """
    return [text for _, value in options for text in _texts(_value(value)) if len(text) > 3]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one)


def _class_of(protocol: str) -> Any:
    try:
        registry = import_module("fsspec.registry")
    except ImportError:
        raise _missing(protocol, "fsspec", "poolcli[remote]") from None
    known = {*registry.known_implementations, *registry.registry}
    if protocol not in known:
        raise OptionError(
            f"unknown protocol {protocol}://{suggestion(protocol, sorted(known & {'gs', 'az', 's3', 'http', 'https'}))}"
        )
    try:
        return registry.get_filesystem_class(protocol)
    except ImportError as error:
        if protocol == "s3":
            raise _missing(protocol, "s3fs", "poolcli[remote]") from None
        if protocol in _PACKAGES:
            raise _missing(protocol, _PACKAGES[protocol], _PACKAGES[protocol]) from None
        said = printable(str(error)).rstrip(".")
        raise OptionError(f"{protocol}:// needs a package that is not installed: {said}") from None


def _missing(protocol: str, package: str, install: str) -> OptionError:
    how = f"'{install}'" if "[" in install else install or package
    return OptionError(f"{protocol}:// needs {package}, which is not installed: pip install {how}")


def _value(text: str) -> Any:
    """A value as its file system takes it: true, false, null, and JSON's objects and lists; all else is text."""
    if text in ("true", "false", "null") or text[:1] in ("{", "["):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text
