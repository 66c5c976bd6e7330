"""Which storage has a path, and which URLs are taken."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from poolcli.batch.local_storage import LOCAL
from poolcli.batch.storage import VERSION, is_url
from poolcli.display import display_name
from poolcli.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from poolcli.batch.storage import Storage

_ONE_NAME = {"s3a": "s3", "gcs": "gs", "abfs": "az", "abfss": "az"}
"""Protocol -> the other name for it that is used throughout."""


_FOR_ALL_HOSTS = ("s3", "gs", "az", "http", "https")
"""Protocols of which one file system reaches every bucket or host."""

_SECRET = re.compile(r"[?&#][^=&/]*(token|sig|secret|passw|credential|access.?key)[^=&/]*=", re.IGNORECASE)
"""A setting in a URL whose value nobody may read."""

_CHAIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(://|::)(.*::)?[A-Za-z][A-Za-z0-9+.-]*://", re.DOTALL)


@dataclass(frozen=True)
class Stores:
    """The storages of a batch.

    Attributes
    ----------
    urls : bool
        Whether a path may be a URL; if not, every path is that of a local file.
    options : tuple of (str, str)
        What the file systems of URLs are made with: keys, and values as they were written. They may be credentials.
    """

    urls: bool = False
    options: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    _made: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.urls, self.options)

    def of(self, path: str) -> Storage:
        """The storage that has a path.

        Raises
        ------
        OptionError
            The path is a URL of an unknown kind, or of one that needs a package that is not installed.
        """
        if not self.urls or not is_url(path):
            return LOCAL
        place = _place_of(path)
        if place not in self._made:
            from poolcli.batch.remote_storage import RemoteStorage

            protocol, _, host = place.partition("://")
            self._made[place] = RemoteStorage(protocol, self.options, host and place)
        storage: Storage = self._made[place]
        return storage

    def remember(self, paths: Sequence[str], *, recursive: bool) -> None:
        """Let each storage learn at once what will be asked about its paths."""
        if self.urls:
            by_storage: dict[int, list[str]] = {}
            for path in filter(is_url, paths):
                by_storage.setdefault(id(self.of(path)), []).append(path)
            for some in by_storage.values():
                self.of(some[0]).remember(some, recursive=recursive)

    def modules(self) -> list[str]:
        """What a worker imports for the storages that were used."""
        return [name for storage in self._made.values() for name in storage.modules()]


LOCAL_ONLY = Stores()
"""Every path is that of a local file."""


def protocol_of(url: str) -> str:
    """The protocol of a URL, in lower case and under one name.

    Examples
    --------
    >>> protocol_of("S3A://bucket/photos")
    's3'
    """
    protocol = url.partition("://")[0].lower()
    return _ONE_NAME.get(protocol, protocol)


def _place_of(url: str) -> str:
    """What has a file system of its own: a protocol, or one of its hosts.

    Examples
    --------
    >>> _place_of("s3://bucket/photos"), _place_of("ftp://host/photos")
    ('s3', 'ftp://host')
    """
    protocol = protocol_of(url)
    return protocol if protocol in _FOR_ALL_HOSTS else f"{protocol}://{url.partition('://')[2].partition('/')[0]}"


def as_path(name: str) -> str:
    """A name as the other functions here take it: ``file://`` is left out, other URLs are checked.

    Raises
    ------
    OptionError
        The URL holds credentials, which would be written into journals and reports, or is of a kind that cannot be read.

    Examples
    --------
    >>> as_path("file:///photos/a.png"), as_path("photos/a.png"), as_path("S3://bucket/a.png")
    ('/photos/a.png', 'photos/a.png', 's3://bucket/a.png')
    """
    protocol, rest = protocol_of(name), name.partition("://")[2]
    host, slash, below = rest.partition("/")
    if is_url(name):
        if protocol in ("file", "local"):
            return _local(name, host, f"{slash}{below}")
        _check_secrets(name, protocol, host, f"{slash}{below}")
    if _CHAIN.match(name) or (is_url(name) and "::" in rest and protocol not in _FOR_ALL_HOSTS):
        raise OptionError(f"{display_name(name)}: chained URLs are not read; give the URL of the files themselves")
    if not is_url(name):
        return name
    if VERSION in name:
        raise OptionError(
            f"{display_name(name)}: versions of an object are not read; give its name alone, for the last one"
        )
    if protocol == "memory":
        raise OptionError(f"{display_name(name)}: no other process sees this memory; use files or an object store")
    if not host:
        raise OptionError(f"{display_name(name)}: names no bucket or host; write {protocol}://BUCKET/FOLDER")
    return f"{protocol}://{host}{slash}{below}"


def _local(url: str, host: str, path: str) -> str:
    if host == "localhost":
        host = ""
    if not host and not path.strip("/"):
        raise OptionError(f"{display_name(url)}: names no file or folder; write file:///PATH")
    return f"{host}{path}"


def _check_secrets(url: str, protocol: str, host: str, path: str) -> None:
    """Refuse a URL with a user, a password or a token, without repeating it."""
    if "@" in host and protocol == "az" and ":" not in host:  # the account, which is no secret
        raise OptionError(
            f"{display_name(url)}: write az://CONTAINER/FOLDER, and the account with --storage-option account_name=NAME"
        )
    if "@" in host:
        shown = f"{protocol}://…@{host.rpartition('@')[2]}{'/' if path else ''}…"
    elif _SECRET.search(url) or (protocol in ("http", "https") and urlsplit(url).query):
        shown = f"{re.split('[?&#]', url, maxsplit=1)[0]}?…"
    else:
        return
    raise OptionError(
        f"{display_name(shown)}: holds credentials, which a URL would bring into journals and reports; give them with "
        "--storage-option, or as the protocol's own programs take them"
    )


def stores_for(names: Iterable[str], options: Sequence[str]) -> Stores:
    """The storages for these names, which `as_path` has made.

    Parameters
    ----------
    names : iterable of str
    options : sequence of str
        ``KEY=VALUE``, for the file systems of URLs.

    Raises
    ------
    OptionError
        Options without a URL or a ``=``, or with URLs of several protocols or hosts.
    OutputError
        A host cannot be reached.
    """
    places = {_place_of(name): name for name in names if is_url(name)}
    pairs = []
    for option in options:
        key, equals, value = option.partition("=")
        if not equals or not key:
            raise OptionError("--storage-option: KEY=VALUE expected, such as profile=NAME or anon=true")
        pairs.append((key, value))
    if pairs and not places:
        raise OptionError("--storage-option without a URL: it is for INPUT or DIR such as s3://BUCKET/FOLDER")
    if pairs and len(places) > 1:
        raise OptionError(
            f"--storage-option with URLs of {' and '.join(sorted(places))}: it would go to both; give their settings as their "
            "own programs take them"
        )
    stores = Stores(bool(places), tuple(pairs)) if places else LOCAL_ONLY
    for name in places.values():
        stores.of(name)
    return stores
