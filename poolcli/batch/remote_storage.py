"""The storage of URLs: object stores, and other places that fsspec's file systems reach.

Objects are read whole and written whole, so that nothing partial is ever seen. A folder is listed once, and questions
about what is in it are answered from the list: a picture costs one request, a result another.
"""

from __future__ import annotations

import errno
import io
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, BinaryIO

from poolcli.batch.file_systems import file_system, secrets_of
from poolcli.batch.listing import Listing, seconds_of, status_of
from poolcli.batch.remote_errors import NO_BUCKET, as_ours, is_precondition, is_unknown
from poolcli.batch.storage import FILE, FOLDER, DamagedError, Entry, Status, StoreLostError
from poolcli.errors import ImageError, OptionError, OutputError
from poolcli.images.atomic import EXISTS, exists

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from poolcli.batch.remote_journal import RemoteJournal
    from poolcli.batch.storage import Data

WHOLE = ("s3", "gs", "az")
"""Protocols of stores whose objects appear whole, or not at all: these can hold results."""

_OF_KNOWN_SIZE = ("s3", "az")
"""Protocols that send what they list; others may send it unpacked."""

_FEW = 2
"""Named objects of one folder up to which each is asked for by itself; for more the folder is listed."""


class RemoteStorage:
    """A `storage.Storage` of one protocol, or of one host.

    Parameters
    ----------
    protocol : str
    options : sequence of (str, str)
        Keys and values for the file system.
    place : str
        A URL with nothing but the host, where the file system belongs to one.

    Raises
    ------
    OptionError, OutputError
        As `file_systems.file_system`.
    """

    def __init__(self, protocol: str, options: Sequence[tuple[str, str]] = (), place: str = "") -> None:
        self._protocol, self._place = protocol, place
        self._secrets = secrets_of(options)
        self._fs = file_system(protocol, place, options, self._secrets)
        self._listings: dict[str, Listing] = {}
        self._asked: dict[str, Status | None] = {}
        self._changed: set[str] = set()  # since they were listed
        self.is_lost = False  # whether the last request found no store at work

    def modules(self) -> list[str]:
        """The modules of the storage and of its file system."""
        return [__name__, type(self._fs).__module__]

    def _key(self, path: str) -> str:
        key: str = self._fs._strip_protocol(path)  # noqa: SLF001 - fsspec has no other name for it
        return key

    def _url(self, key: str) -> str:
        if self._place and "://" not in key:
            return f"{self._place}/{key.lstrip('/')}"
        return key if "://" in key else f"{self._protocol}://{key}"

    @contextmanager
    def _errors(self, path: str | None) -> Iterator[None]:
        """Convert what a file system raises into `OutputError` about `path`."""
        try:
            yield
            self.is_lost = False
        except (OptionError, OutputError):
            raise
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a file system raises
            problem = as_ours(error, self._secrets)
            problem.path = path
            self.is_lost = self.is_lost or isinstance(problem, StoreLostError)
            raise problem from None

    def real(self, path: str) -> str:
        """The URL without a slash at its end."""
        return self._url(self._key(path)).rstrip("/")

    def remember(self, paths: Sequence[str], *, recursive: bool) -> None:
        """List the folders among the paths; of many objects in one folder, list the folder."""
        self._asked.clear()
        by_folder: dict[str, list[str]] = {}
        for path in paths:
            if not path.endswith("/") and "/" in path.partition("://")[2]:
                by_folder.setdefault(os.path.dirname(path), []).append(path)
        for folder, inside in by_folder.items():
            if len(inside) > _FEW:
                self._list(folder, recursive=False)
        for path in paths:
            found = None if path.endswith("/") else self.status(path)
            if path.endswith("/") or (found and found.kind == FOLDER) or "/" not in path.partition("://")[2]:
                self._list(path, recursive=recursive)

    def _list(self, path: str, *, recursive: bool) -> None:
        top = self.real(path)
        self._changed = {url for url in tuple(self._changed) if not url.startswith(f"{top}/")}
        refusal: OSError | None = None
        found: list[dict[str, Any]] = []
        try:
            with self._errors(path):
                key = self._key(path)
                found = (
                    list(self._fs.find(key, detail=True).values()) if recursive else [*self._fs.ls(key, detail=True)]
                )
        except OutputError as error:
            if error.errno not in (errno.ENOENT, errno.EACCES):
                raise
            refusal = OSError(error.errno, str(error))
        found.reverse()
        ones = (found.pop() for _ in range(len(found)))  # each is let go when it has been read: they are large
        self._listings[top] = Listing(
            top, ((self._url(one["name"]), one) for one in ones), refusal, recursive=recursive
        )

    def scan(self, folder: str) -> list[Entry]:
        """What is in a folder, from its listing."""
        real = self.real(folder)
        listing = self._listing(real) or self._listings.get(real)
        if listing is None:
            self._list(folder, recursive=False)
            listing = self._listings[real]
        if listing.refusal is not None:
            raise listing.refusal
        return listing.scan(real)

    def _listing(self, top: str, real: str = "") -> Listing | None:
        """The listing, of `top` or a folder above, that knows everything about a place, if there is one.

        Of an object that has the name of a folder, the listing of what is in that folder tells nothing.
        """
        real = real or top
        while real not in self._changed:
            listing = self._listings.get(top)
            if listing is not None and listing.knows(real):
                return listing
            above = os.path.dirname(top)
            if above == top or not above.partition("://")[2]:
                break
            top = above
        return None

    def status(self, path: str, *, follow: bool = True) -> Status | None:
        """The state of an object, or that there are some below the name; from a listing where one has it."""
        real = self.real(path)
        listing = self._listing(os.path.dirname(real), real) or self._listing(real)
        if listing is not None:
            return listing.status(real)
        if real in self._changed or real not in self._asked:
            try:
                self._asked[real] = self._ask(real)
            except StoreLostError:
                raise
            except OutputError:  # whoever reads it says why
                self._asked[real] = None
        return self._asked[real]

    def _ask(self, real: str) -> Status | None:
        try:
            with self._errors(real):
                return status_of(real, self._fs.info(self._key(real)))
        except OutputError as error:
            if error.errno == errno.ENOENT and str(error) != NO_BUCKET:
                return None
            raise

    def exists(self, path: str) -> bool:
        """Whether there is something; raises `OutputError` where that cannot be known."""
        real = self.real(path)
        listing = self._listing(os.path.dirname(real), real) or self._listing(real)
        return (listing.status(real) if listing is not None else self._ask(real)) is not None

    def exists_now(self, path: str) -> bool:
        """Whether there is something at this moment, whatever was listed before."""
        return self._ask(self.real(path)) is not None

    def is_marked(self, path: str) -> bool:
        """False: looking would cost a request for each picture."""
        return False

    def read(self, path: str, about: str | None = None, size: int | None = None) -> bytes:
        """The bytes of an object; asked for once more if they arrive damaged, or are not `size`. Raises `OutputError`."""
        with suppress(DamagedError):
            return self._read(path, about, size)
        return self._read(path, about, size)

    def _read(self, path: str, about: str | None, size: int | None) -> bytes:
        with self._errors(about):
            data: bytes = self._fs.cat_file(self._key(path))
        if size is not None and len(data) != size and self._protocol in _OF_KNOWN_SIZE:
            raise DamagedError(
                f"{len(data)} bytes were sent, and the listing says {size}: it was replaced meanwhile, or the answer was "
                "cut off; the same command asks for it again",
                None,
                about,
            )
        return data

    def look(self, path: str) -> tuple[bytes, str, float] | None:
        """The bytes of an object, its tag, and the time of its last change in seconds; None where there is none."""
        try:
            with self._errors(path):
                info = self._fs.info(self._key(path))
                return self._fs.cat_file(self._key(path)), str(info.get("ETag", "")), seconds_of(info)
        except OutputError as error:
            if error.errno == errno.ENOENT and str(error) != NO_BUCKET:
                return None
            raise

    def names(self, folder: str) -> list[str]:
        """The objects in a folder, sorted by name, from a listing of it alone or one that has it."""
        real = self.real(folder)
        if self._listing(real) is None:
            self._list(folder, recursive=False)
        listing = self._listing(real)
        return sorted(entry.path for entry in listing.scan(real)) if listing is not None else []

    def picture(self, path: str, size: int | None = None) -> BinaryIO:
        """The bytes of an object as a stream that has its name."""
        try:
            stream = _Named(self.read(path, size=size))
        except StoreLostError:
            raise
        except OutputError as error:
            raise ImageError(str(error)) from None
        stream.name = path
        return stream

    def check_target(self, path: str, *, force: bool, option: str = "-o") -> None:
        """Refuse an object that exists, without `force`, and a protocol that holds no results."""
        self.check_writable()
        found = self._ask(self.real(path))
        if found is not None and found.kind == FILE and not force:
            raise OutputError(exists(option))

    def check_writable(self) -> None:
        """Refuse a protocol whose files could be seen half-written."""
        if self._protocol not in WHOLE:
            raise OptionError(
                f"{self._protocol}:// is only read: files could be seen there half-written; results go to "
                f"{', '.join(f'{one}://' for one in WHOLE)}, or a local folder"
            )

    def may_be_claimed(self, path: str) -> bool:
        """True: objects are neither pipes nor devices."""
        return True

    def write(self, path: str, data: Data, *, force: bool) -> None:
        """Put an object, whole; without `force` only where there is none."""
        if callable(data):
            stream = io.BytesIO()
            data(stream)
            data = stream.getvalue()
        try:
            self.put(path, data, create=not force)
        except OutputError as error:
            # An answer that was lost, and the request sent again: then the object is ours.
            if error.errno != errno.EEXIST or self.read(path) != data:
                raise

    def put(self, path: str, data: bytes, *, create: bool = False, replacing: str = "") -> str:
        """Put an object and return its tag: `create` where there is none, `replacing` where it has this tag.

        Raises
        ------
        OutputError
            With EEXIST, where the condition does not hold. A store that knows no conditions puts it in any case.
        """
        settings: dict[str, Any] = {"mode": "create"} if create else {}
        if replacing and self._protocol == "s3":
            settings = {"IfMatch": replacing}
        with self._errors(path):
            try:
                found = self._fs.pipe_file(self._key(path), data, **settings)
            except Exception as error:
                if settings and is_precondition(error):
                    raise OutputError(EXISTS, errno.EEXIST) from None
                if not settings or not is_unknown(error):
                    raise
                found = self._fs.pipe_file(self._key(path), data)
        self._changed.add(self.real(path))
        return str(found.get("ETag", "")) if isinstance(found, dict) else ""

    def make_folder(self, path: str) -> None:
        """Nothing: objects need no folder."""

    def remove(self, path: str) -> None:
        """Remove an object."""
        if self.status(path) is None:
            raise FileNotFoundError(errno.ENOENT, "no such object", path)
        try:
            self.discard(path)
        except StoreLostError:
            raise
        except OutputError as error:
            raise OSError(error.errno or errno.EIO, str(error)) from None

    def discard(self, path: str) -> None:
        """Remove an object, or find it gone."""
        try:
            with self._errors(path):
                self._fs.rm_file(self._key(path))
        except OutputError as error:
            if error.errno != errno.ENOENT:
                raise
        self._changed.add(self.real(path))

    def remove_folder(self, path: str) -> None:
        """Nothing: a folder is gone with its last object."""

    def sweep(self, folders: Iterable[str], of: str = "", *, locked: bool = False) -> None:
        """Nothing: no object is ever half-written."""

    def open_journal(
        self,
        folder: str,
        waiting: Callable[[str], None] | None,
        *,
        force: bool = False,
        tell: Callable[[str], None] = lambda _: None,
    ) -> RemoteJournal:
        """Claim a folder by a lease, list it, and open its journal."""
        from poolcli.batch.remote_journal import RemoteJournal

        return RemoteJournal(self, folder, waiting, force=force, tell=tell)

    def read_lines(self, folder: str) -> Iterator[tuple[int, bytes]]:
        """Yield the lines of a journal, in the order of its segments."""
        from poolcli.batch.remote_journal import read_lines

        return read_lines(self, folder)

    def read_started(self, folder: str) -> list[str]:
        """The names that a journal notes as begun."""
        from poolcli.batch.remote_journal import read_started

        return read_started(self, folder)


class _Named(io.BytesIO):
    name = ""
