"""A small Hugging Face Hub on the loopback interface, for downloads and uploads without a network."""

import base64
import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.hub.processes import PATIENCE

_RESOLVE = re.compile(r"/([\w.-]+/[\w.-]+)/resolve/([^/]+)/(.+)")
_LARGE = 4096


@dataclass
class Hub:
    """What the server holds, how it misbehaves, and what it was asked."""

    url: str = ""
    files: dict[tuple[str, str], dict[str, bytes]] = field(default_factory=dict)  # by (repository, commit)
    branches: dict[tuple[str, str], str] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    status: int | None = None
    cut_to: int | None = None  # bytes after which the connection of a large file breaks
    cuts: int = 10**9  # how often it does
    stall_at: int | None = None  # bytes of a large file after which no more are sent while the Hub runs
    stalled: threading.Event = field(default_factory=threading.Event)  # set when that happened
    closing: threading.Event = field(default_factory=threading.Event)
    requests: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)  # what each request authorised itself with
    lies: dict[str, str] = field(default_factory=dict)  # headers that replace the true ones
    ranges: list[str] = field(default_factory=list)  # of the requests that asked for a part

    def add(self, repository: str, files: dict[str, bytes], *, branch: str = "main") -> str:
        """Put files under a new commit of a branch and return the commit."""
        content = b"".join(name.encode() + data for name, data in sorted(files.items()))
        commit = hashlib.sha1(repository.encode() + content).hexdigest()
        self.files[repository, commit] = files
        self.branches[repository, branch] = commit
        return commit

    def count(self, method: str = "") -> int:
        return sum(request.startswith(method) for request in self.requests)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._resolve(body=False)

    def do_GET(self) -> None:
        self._resolve(body=True)

    def do_POST(self) -> None:
        self.hub.requests.append(f"POST {self.path}")
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.hub.status is not None:
            return self._error(self.hub.status, "")
        if self.path == "/api/repos/create":
            data = json.loads(raw)
            name = f"{data.get('organization') or 'me'}/{data['name']}"
            self.hub.branches.setdefault((name, "main"), self.hub.add(name, {}))
            return self._json({"url": f"{self.hub.url}/{name}", "name": name})
        if "/preupload/" in self.path:
            wanted = [{"path": f["path"], "uploadMode": "regular"} for f in json.loads(raw)["files"]]
            return self._json({"files": [{**f, "shouldIgnore": False} for f in wanted]})
        if "/commit/" in self.path:
            name = self.path.removeprefix("/api/models/").partition("/commit/")[0]
            lines = [json.loads(line) for line in raw.splitlines() if line.strip()]
            files = {
                line["value"]["path"]: base64.b64decode(line["value"]["content"])
                for line in lines
                if line["key"] == "file"
            }
            old = self.hub.files[name, self.hub.branches[name, "main"]]
            commit = self.hub.add(name, {**old, **files})
            return self._json(
                {"commitUrl": f"{self.hub.url}/{name}/commit/{commit}", "commitOid": commit, "success": True}
            )
        return self._json({})

    def _resolve(self, *, body: bool) -> None:
        self.hub.requests.append(f"{self.command} {self.path}")
        self.hub.tokens.append(self.headers.get("Authorization") or "")
        if self.hub.status is not None:
            return self._error(self.hub.status, "")
        match = _RESOLVE.fullmatch(self.path)
        if match is None:
            return self._json({"type": "user", "name": "me", "orgs": []})
        repository, revision, file = match.groups()
        if repository in self.hub.gated:
            return self._error(403, "GatedRepo")
        if not any(name == repository for name, _ in self.hub.files):
            return self._error(401, "RepoNotFound")
        commit = self.hub.branches.get((repository, revision), revision)
        if (repository, commit) not in self.hub.files:
            return self._error(404, "RevisionNotFound")
        data = self.hub.files[repository, commit].get(file)
        if data is None:
            return self._error(404, "EntryNotFound", commit)
        self._send(data, commit, body=body)

    def _send(self, data: bytes, commit: str, *, body: bool) -> None:
        if "Range" in self.headers:
            self.hub.ranges.append(self.headers["Range"])
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
        large = len(data) > _LARGE
        sha1 = hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()
        self.send_response(206 if start else 200)
        self.send_header("X-Repo-Commit", commit)
        self.send_header("ETag", f'"{sha1}"')
        self.send_header("Accept-Ranges", "bytes")
        if large:
            self.send_header("X-Linked-Etag", f'"{hashlib.sha256(data).hexdigest()}"')
            self.send_header("X-Linked-Size", str(len(data)))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        if not body:
            return
        part = data[start:]
        if self.hub.cut_to is not None and large and self.hub.cuts > 0:
            self.hub.cuts -= 1
            self.close_connection = True
            part = part[: self.hub.cut_to]
        with contextlib.suppress(OSError):
            if self.hub.stall_at is not None and large:
                self.wfile.write(part[: self.hub.stall_at])
                self.wfile.flush()
                self.hub.stalled.set()
                self.hub.closing.wait()
            else:
                self.wfile.write(part)

    def send_header(self, keyword: str, value: str) -> None:
        super().send_header(keyword, self.hub.lies.get(keyword, value))

    def _error(self, status: int, code: str, commit: str = "") -> None:
        content = json.dumps({"error": code}).encode()
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        if commit:
            self.send_header("X-Repo-Commit", commit)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _json(self, content: object) -> None:
        text = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def point_at(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Let leworld take `url` for the Hub, and wait for it as long as a busy machine needs."""
    monkeypatch.setattr("leworld.hub._download.HubRepository.endpoint", staticmethod(lambda: url))
    monkeypatch.setattr("leworld.hub._download._PATIENCE", PATIENCE)
    for setting in ("HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT"):
        monkeypatch.setattr(f"huggingface_hub.constants.{setting}", PATIENCE)


@contextlib.contextmanager
def serving() -> Iterator[Hub]:
    """Run a Hub on a free port of 127.0.0.1 while the block lasts."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
