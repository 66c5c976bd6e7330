"""Which storage has a path, and which URLs are taken."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from poolcli.batch.local_storage import LOCAL
from poolcli.batch.storage import is_url
from poolcli.display import display_name
from poolcli.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from poolcli.batch.storage import Storage

_ONE_NAME = {"s3a": "s3", "gcs": "gs", "abfs": "az", "abfss": "az"}
"""Protocol -> the other name for it that is used throughout."""


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
        protocol = protocol_of(path)
        if protocol not in self._made:
            from poolcli.batch.remote_storage import RemoteStorage

            self._made[protocol] = RemoteStorage(protocol, self.options)
        storage: Storage = self._made[protocol]
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
    if not is_url(name):
        return name
    protocol, rest = protocol_of(name), name.partition("://")[2]
    if protocol in ("file", "local"):
        return rest
    host, slash, below = rest.partition("/")
    secret = "@" in host
    if secret or (protocol in ("http", "https") and urlsplit(name).query):
        shown = f"{protocol}://…@{host.rpartition('@')[2]}{slash}…" if secret else f"{name.partition('?')[0]}?…"
        raise OptionError(
            f"{display_name(shown)}: holds credentials, which a URL would bring into journals and reports; give them with "
            "--storage-option, or as the protocol's own programs take them"
        )
    if "::" in rest:
        raise OptionError(f"{display_name(name)}: chained URLs are not read; give the URL of the files themselves")
    if protocol == "memory":
        raise OptionError(f"{display_name(name)}: no other process sees this memory; use files or an object store")
    if not host:
        raise OptionError(f"{display_name(name)}: names no bucket or host; write {protocol}://BUCKET/FOLDER")
    return f"{protocol}://{host}{slash}{below}"


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
        Options without a URL or a ``=``, or with URLs of several protocols.
    """
    protocols = sorted({protocol_of(name) for name in names if is_url(name)})
    pairs = []
    for option in options:
        key, equals, value = option.partition("=")
        if not equals or not key:
            raise OptionError("--storage-option: KEY=VALUE expected, such as profile=NAME or anon=true")
        pairs.append((key, value))
    if pairs and not protocols:
        raise OptionError("--storage-option without a URL: it is for INPUT or DIR such as s3://BUCKET/FOLDER")
    if pairs and len(protocols) > 1:
        raise OptionError(
            f"--storage-option with URLs of {' and '.join(protocols)}: it would go to both; give their settings as their "
            "own programs take them"
        )
    stores = Stores(bool(protocols), tuple(pairs)) if protocols else LOCAL_ONLY
    for protocol in protocols:
        stores.of(f"{protocol}://")
    return stores
