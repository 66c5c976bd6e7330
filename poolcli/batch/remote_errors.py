"""What has gone wrong at a store, in one line, from the exceptions of fsspec's many file systems."""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING

from poolcli.batch.storage import DamagedError, StoreLostError
from poolcli.display import printable
from poolcli.errors import OutputError
from poolcli.images.atomic import EXISTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


NO_BUCKET = "the bucket does not exist; create it, or correct its name"
MISSING = "No such file or directory"
DAMAGED = "what the store sent is damaged; the same command asks for it again"
DENIED = "access denied; use credentials that allow it"
NO_CREDENTIALS = (
    "no credentials; give them as the protocol's own programs take them (for S3: the environment, or a profile), with "
    "--storage-option KEY=VALUE, or read public data with --storage-option anon=true"
)

_IN_URL = re.compile(r"://[^\s/@]+@")
"""A name and a password in the address of a store."""

_NO_CREDENTIALS = {
    "NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "ProfileNotFound", "NoAuthTokenError",
    "DefaultCredentialsError", "ClientAuthenticationError", "TokenRetrievalError", "SSOError",
}  # fmt: skip
_NO_CONNECTION = {
    "ConnectionError", "HTTPClientError", "EndpointConnectionError", "ClientConnectionError", "ClientPayloadError",
    "TimeoutError", "FSTimeoutError", "IncompleteRead", "ConnectTimeoutError", "ReadTimeoutError", "gaierror",
    "ServiceRequestError", "ServiceResponseError",
}  # fmt: skip
"""Names of exceptions, those they inherit from included: their packages are imported nowhere here."""


def as_ours(error: Exception, secrets: Iterable[str] = ()) -> OutputError:
    """The error as one of ours; `secrets` are left out of its message. Its number is that of a similar local error."""
    chain = list(_chain(error))
    names = {base.__name__ for one in chain for base in type(one).__mro__}
    codes = {str(_response(one).get("Error", {}).get("Code")) for one in chain}
    status = next((found for one in chain if (found := _http_status(one))), 0)
    made: type[OutputError] = OutputError
    number: int | None = None
    what, said = f"the store refuses: {type(error).__name__}", chain[0]
    if names & _NO_CREDENTIALS:
        made, what = StoreLostError, NO_CREDENTIALS
    elif "NoSuchBucket" in codes | names:
        return OutputError(NO_BUCKET, errno.ENOENT)
    elif isinstance(error, FileNotFoundError) or status == 404:
        return OutputError(MISSING, errno.ENOENT)
    elif isinstance(error, FileExistsError):
        return OutputError(EXISTS, errno.EEXIST)
    elif isinstance(error, PermissionError) or status in (401, 403):
        number, what, said = errno.EACCES, DENIED, chain[-1]
    elif status >= 500 or status == 429:
        made, what, said = StoreLostError, f"the store answers {status}, again and again; try later", chain[-1]
    elif "FlexibleChecksumError" in names:
        made, what = DamagedError, DAMAGED
    elif names & _NO_CONNECTION:
        made, what = StoreLostError, "the store cannot be reached; check the address and the connection"
    return made(_said(what, said, secrets), number)


def is_precondition(error: Exception) -> bool:
    """Whether a conditional write was refused because the object is another one by now."""
    return isinstance(error, FileExistsError) or any(_http_status(one) in (409, 412) for one in _chain(error))


def is_unknown(error: Exception) -> bool:
    """Whether a store does not know the kind of request."""
    return any(_http_status(one) == 501 for one in _chain(error))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _response(error: BaseException) -> dict[str, dict[str, object]]:
    found = getattr(error, "response", None)
    return found if isinstance(found, dict) else {}


def _http_status(error: BaseException) -> int:
    found = _response(error).get("ResponseMetadata", {}).get("HTTPStatusCode") or getattr(error, "status", None)
    return found if isinstance(found, int) else 0


def _said(what: str, error: BaseException, secrets: Iterable[str]) -> str:
    """The words of an error behind ours, on one line."""
    message = _response(error).get("Error", {}).get("Message") or getattr(error, "strerror", None) or str(error)
    text = _IN_URL.sub("://…@", " ".join(str(message).split()))
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "…")
    text = printable(text)[:200]
    head, semicolon, tail = what.partition(";")
    return f"{head} ({text}){semicolon}{tail}" if text else what
