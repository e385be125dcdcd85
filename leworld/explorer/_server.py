"""The explorer's server: on the loopback interface only, and deaf to every page but its own.

Another site's page can make a browser send requests to a local port. So each request must name this server in
`Host` (a foreign name that resolves here, DNS rebinding, is refused), carry the token of the address that was
printed, and come from this page: by `Sec-Fetch-Site` and `Origin` where the browser tells them, and questions
only with an `Origin` of this server and the type of JSON, which no page may send elsewhere without asking.
"""

import contextlib
import json
import os
import secrets
import socket
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any

from ..errors import LeWorldError
from ._explorer import Explorer

LOOPBACK = "127.0.0.1"
_MOST_BYTES = 4096  # of a question
_PATIENCE = 60.0  # seconds that a question waits for the model
_IDLE = 10.0  # seconds that a connection may say nothing
_MOST_CONNECTIONS = 32
_FILES = {
    "": ("explorer.html", "text/html; charset=utf-8"),
    "explorer.js": ("explorer.js", "text/javascript; charset=utf-8"),
    "explorer.css": ("explorer.css", "text/css; charset=utf-8"),
}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Refusal(Exception):
    """A request that is not answered, with its status and the reason."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Server(ThreadingHTTPServer):
    """Answers the page's questions one at a time; `server_close` ends all connections."""

    daemon_threads = False  # so that closing waits for them, and no socket is left open
    allow_reuse_address = os.name == "posix"  # elsewhere it would let two listen on one port

    def __init__(self, explorer: Explorer, port: int) -> None:
        self.explorer = explorer
        self.token = secrets.token_urlsafe(24)
        self.busy = threading.Lock()
        self.open: set[socket.socket] = set()
        self.guard = threading.Lock()
        super().__init__((LOOPBACK, port), Handler)

    @property
    def hosts(self) -> tuple[str, str]:
        """What `Host` may say."""
        return f"{LOOPBACK}:{self.server_port}", f"localhost:{self.server_port}"

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://{LOOPBACK}:{self.server_port}/{self.token}/"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own, unless too many wait already."""
        with self.guard:
            full = len(self.open) >= _MOST_CONNECTIONS
            if not full:
                self.open.add(request)
        if full:
            self.shutdown_request(request)
        else:
            super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        with self.guard:
            self.open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Stop listening, end the connections, and wait for a question that is being answered."""
        with self.guard:
            waiting = tuple(self.open)
        for connection in waiting:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RD)
        super().server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that went away."""


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server  # pyright: ignore[reportIncompatibleVariableOverride] -- it is started by this server only
    timeout = _IDLE
    server_version = "leworld"
    sys_version = ""

    def do_GET(self) -> None:
        """Send the page, its script, its style, or the facts."""
        self._answer(self._get)

    def do_POST(self) -> None:
        """Answer a question."""
        self._answer(self._post)

    def log_message(self, format: str, *args: Any) -> None:
        """Write no line a request."""

    def _answer(self, make: Callable[[], tuple[bytes, str]]) -> None:
        try:
            body, kind = make()
            status = HTTPStatus.OK
        except Refusal as refusal:
            body, kind, status = _error(str(refusal)), "application/json", refusal.status
        except LeWorldError as error:
            body, kind, status = _error(str(error)), "application/json", HTTPStatus.UNPROCESSABLE_ENTITY
        with contextlib.suppress(ConnectionError, TimeoutError):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            for name, value in _HEADERS.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    def _get(self) -> tuple[bytes, str]:
        name = self._checked()
        if name == "facts":
            return self._asked(lambda: self.server.explorer.facts())
        if name not in _FILES:
            raise Refusal(HTTPStatus.NOT_FOUND, "There is no such page.")
        file, kind = _FILES[name]
        return resources.files("leworld.explorer").joinpath("page", file).read_bytes(), kind

    def _post(self) -> tuple[bytes, str]:
        name = self._checked()
        if self.headers.get("Origin") not in [f"http://{host}" for host in self.server.hosts]:
            raise Refusal(HTTPStatus.FORBIDDEN, "Only the explorer's own page may ask.")
        if self.headers.get("Content-Type") != "application/json":
            raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "A question is JSON.")
        questions = _QUESTIONS.get(name)
        if questions is None:
            raise Refusal(HTTPStatus.NOT_FOUND, "There is no such question.")
        fields = self._fields(questions)
        return self._asked(lambda: getattr(self.server.explorer, name)(fields.pop("episode"), **fields))

    def _checked(self) -> str:
        """Hold a request to Host, token and origin; return the rest of its path."""
        if self.headers.get_all("Host") not in [[host] for host in self.server.hosts]:
            raise Refusal(HTTPStatus.MISDIRECTED_REQUEST, "This server answers to its loopback address only.")
        origin = self.headers.get("Origin")
        foreign = origin is not None and origin not in [f"http://{host}" for host in self.server.hosts]
        if foreign or self.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            raise Refusal(HTTPStatus.FORBIDDEN, "Only the explorer's own page may ask.")
        _, _, rest = self.path.partition("/")
        token, slash, name = rest.partition("/")
        same = secrets.compare_digest(token.encode("utf-8", "replace"), self.server.token.encode())
        if not slash or not same:
            raise Refusal(HTTPStatus.FORBIDDEN, "Open the address that `leworld explore` printed.")
        return name

    def _fields(self, due: Mapping[str, type]) -> dict[str, Any]:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()) or int(length) > _MOST_BYTES:
            raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A question has up to {_MOST_BYTES} bytes.")
        try:
            found = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError, TimeoutError) as error:
            raise Refusal(HTTPStatus.BAD_REQUEST, "The question is no JSON.") from error
        if not isinstance(found, dict) or set(found) != set(due):
            raise Refusal(HTTPStatus.BAD_REQUEST, f"The question needs {', '.join(due)}.")
        for name, kind in due.items():
            if type(found[name]) is not kind:
                raise Refusal(HTTPStatus.BAD_REQUEST, f"`{name}` is no {kind.__name__}.")
        return found

    def _asked(self, question: Callable[[], Mapping[str, Any]]) -> tuple[bytes, str]:
        if not self.server.busy.acquire(timeout=_PATIENCE):
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "The model is busy with an earlier question.")
        try:
            return json.dumps(question(), allow_nan=False).encode(), "application/json"
        finally:
            self.server.busy.release()


_GOAL = {"episode": int, "frame": int, "goal_episode": int, "goal_frame": int}
_QUESTIONS: dict[str, Mapping[str, type]] = {
    "episode": {"episode": int},
    "disturb": {"episode": int, "frame": int, "kind": str},
    "plan": _GOAL,
    "play": _GOAL,
}


def _error(text: str) -> bytes:
    return json.dumps({"error": text}).encode()
