"""An S3 server on loopback, whose requests are counted and, where a test asks for it, refused, delayed or cut off."""

from __future__ import annotations

import socket
import time
from threading import Event, Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs
from urllib.request import Request, urlopen

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

if TYPE_CHECKING:
    from collections.abc import Callable

BUCKET = "bucket"
KEY_ID, SECRET = "AKIAOFTHETESTS", "secret-of-the-tests"
_XML = "<?xml version='1.0'?><Error><Code>{}</Code><Message>{}</Message></Error>"
WORDS = {
    403: ("403 Forbidden", "AccessDenied", "Access Denied"),
    500: ("500 Internal Server Error", "InternalError", "We encountered an internal error."),
    503: ("503 Slow Down", "SlowDown", "Please reduce your request rate."),
}


class _Quiet(WSGIRequestHandler):
    def log(self, *_: object) -> None:
        pass


class ObjectStore:
    """moto's S3 behind a layer that sees every request.

    Attributes
    ----------
    requests : list of (method, path)
        What came, in order; a listing is the method ``LIST``.
    fault : callable or None
        Called with method and path; a status is answered, ``"cut"`` closes the connection, ``"half"`` of the object is
        sent as if it were all, or one byte of it is ``"wrong"``, seconds are waited, an `Event` is waited for.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, str]] = []
        self.fault: Callable[[str, str], Any] | None = None
        self._app = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=_Quiet)
        self._server.daemon_threads = True  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.fault = None
        urlopen(
            Request(f"{self.url}/moto-api/reset", method="POST"), timeout=10
        ).close()  # all servers share the objects
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        path, query = environ["PATH_INFO"], environ.get("QUERY_STRING", "")
        method = environ["REQUEST_METHOD"]
        if "list-type=2" in query:
            method, path = "LIST", f"{path.rstrip('/')}/{''.join(parse_qs(query).get('prefix', []))}"
        self.requests.append((method, path))
        fault = self.fault(method, path) if self.fault is not None else None
        if isinstance(fault, Event):
            fault.wait(20)
        elif isinstance(fault, float):
            time.sleep(fault)
        elif fault == "cut":
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            start("500 Cut Off", [])
            return []
        elif fault in ("half", "wrong"):
            return self._damaged(fault, environ, start)
        elif fault:
            status, code, message = WORDS[fault]
            start(status, [("Content-Type", "application/xml")])
            return [b"" if method == "HEAD" else _XML.format(code, message).encode()]
        return self._app(environ, start)

    def _damaged(self, how: str, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        said: list[Any] = []
        data = b"".join(self._app(environ, lambda status, headers, *_: said.extend((status, headers))))
        if how == "half":
            data = data[: len(data) // 2]
            headers = [(name, value) for name, value in said[1] if "checksum" not in name.lower()]
        else:
            data, headers = data[:-1] + bytes([data[-1] ^ 1]), said[1]
        start(said[0], [(name, value) for name, value in headers if name.lower() != "content-length"])
        return [data]

    def count(self, method: str, below: str = "", without: str = "\0") -> int:
        """How many requests of a kind there were for keys that begin so."""
        start = f"/{BUCKET}/{below}"
        return sum(one == method and path.startswith(start) and without not in path for one, path in self.requests)

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which S3's own clients use this store."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/nowhere",
            "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
        }
