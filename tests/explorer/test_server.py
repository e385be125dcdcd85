"""A page of another origin cannot drive the explorer, and nothing stays open behind it."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import leworld
from leworld.explorer._server import Server
from tests.explorer.examples import explorer, served
from tests.hub.examples import tiny_lewm


@pytest.fixture(scope="module")
def server():
    with served(explorer()) as running:
        yield running


def ask(
    server: Server, method: str, name: str, *, token: str | None = None, body: object = None, **headers: str
) -> tuple[int, bytes, dict[str, str]]:
    """Send a request with exactly these headers beside Host and those of the page's own questions."""
    host = headers.pop("Host", f"127.0.0.1:{server.server_port}")
    usual = {"Host": host}
    if method == "POST":
        usual |= {"Origin": f"http://{host}", "Content-Type": "application/json"}
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    sent = {name: value for name, value in (usual | sent).items() if value}
    text = body if isinstance(body, str) else None if body is None else json.dumps(body)
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=120)
    try:
        path = f"/{server.token if token is None else token}/{name}"
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for key, value in sent.items():
            connection.putheader(key, value)
        if text is not None:
            connection.putheader("Content-Length", str(len(text.encode())))
        connection.endheaders()
        if text is not None:
            connection.send(text.encode())
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())
    finally:
        connection.close()


def test_the_page_and_its_questions_are_answered(server: Server) -> None:
    for name, kind in (("", "text/html"), ("explorer.js", "text/javascript"), ("explorer.css", "text/css")):
        status, body, headers = ask(server, "GET", name)
        assert status == 200
        assert body
        assert headers["Content-Type"].startswith(kind)
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["Referrer-Policy"] == "no-referrer"  # the address holds the token
        assert "Access-Control-Allow-Origin" not in headers
    status, body, _ = ask(server, "GET", "facts", Host=f"localhost:{server.server_port}")
    assert status == 200
    assert json.loads(body)["model"] == "LeWM"
    status, body, _ = ask(server, "POST", "episode", body={"episode": 1})
    assert status == 200
    assert json.loads(body) == json.loads(json.dumps(explorer().episode(1)))


def test_it_listens_on_the_loopback_interface_only(server: Server) -> None:
    assert server.socket.getsockname()[0] == "127.0.0.1"
    assert len(server.token) >= 32
    with served(explorer()) as other:
        assert other.token != server.token


@pytest.mark.parametrize(
    "host", ["evil.example:{port}", "evil.example", "127.0.0.1:1", "127.0.0.1", "", "[::1]:{port}"]
)
def test_a_foreign_name_that_resolves_here_is_refused(server: Server, host: str) -> None:
    """DNS rebinding: the browser believes the page's own origin, and only `Host` tells."""
    name = host.format(port=server.server_port)
    for method, body in (("GET", None), ("POST", {"episode": 0})):
        status, answer, _ = ask(server, method, "episode" if body else "facts", body=body, Host=name)
        assert status == 421
        assert server.token not in answer.decode()


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://127.0.0.1:{port}", "http://127.0.0.1:1", ""]
)
def test_a_question_of_another_origin_is_refused(server: Server, origin: str) -> None:
    name = origin.format(port=server.server_port)
    status, _, _ = ask(server, "POST", "episode", body={"episode": 0}, Origin=name)
    assert status == 403
    if name:
        assert ask(server, "GET", "facts", Origin=name)[0] == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_a_browser_sends_for_another_site_is_refused(server: Server, site: str) -> None:
    for name in ("", "facts", "explorer.js"):
        assert ask(server, "GET", name, Sec_Fetch_Site=site)[0] == 403
        assert ask(server, "GET", name, Sec_Fetch_Site="same-origin")[0] == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_a_form_is_no_question(server: Server, kind: str) -> None:
    """Types that a page may send elsewhere without asking first."""
    assert ask(server, "POST", "episode", body={"episode": 0}, Content_Type=kind)[0] == 415


def test_without_the_token_nothing_is_told(server: Server) -> None:
    for token in ("", "x", server.token[:-1], f"{server.token}x", "%c3%a9"):
        for name in ("", "facts"):
            status, answer, _ = ask(server, "GET", name, token=token)
            assert status == 403
            assert server.token not in answer.decode()


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("episode", {}, 400),
        ("episode", {"episode": "0"}, 400),
        ("episode", {"episode": True}, 400),
        ("episode", {"episode": 0, "more": 1}, 400),
        ("episode", [0], 400),
        ("episode", "{", 400),
        ("episode", "[" * 4000, 400),
        ("episode", {"episode": 99}, 422),
        ("episode", {"episode": 0, "x": "y" * 5000}, 413),
        ("disturb", {"episode": 0, "frame": 3, "kind": "freez"}, 422),
        ("facts", {}, 404),
        ("_state", {"episode": 0}, 404),
    ],
)
def test_bad_questions_are_told_and_do_no_harm(server: Server, name: str, body: object, status: int) -> None:
    got, answer, _ = ask(server, "POST", name, body=body)
    assert got == status
    assert json.loads(answer)["error"]
    assert ask(server, "GET", "facts")[0] == 200


@pytest.mark.parametrize("name", ["../_server.py", "explorer.html", "page/explorer.js", "%2e%2e/__init__.py"])
def test_no_other_file_is_sent(server: Server, name: str) -> None:
    assert ask(server, "GET", name)[0] == 404


def test_the_model_answers_one_question_at_a_time(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most, guard = [0], [0], threading.Lock()
    first, go = threading.Event(), threading.Event()
    real = type(server.explorer).episode

    def watched(self, episode):
        with guard:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        first.set()
        go.wait(60)
        try:
            return real(self, episode)
        finally:
            with guard:
                inside[0] -= 1

    monkeypatch.setattr(type(server.explorer), "episode", watched)
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(ask(server, "POST", "episode", body={"episode": 0})[0]))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    assert first.wait(60)
    assert ask(server, "GET", "explorer.js")[0] == 200  # files do not wait for the model
    go.set()
    for thread in threads:
        thread.join()
    assert found == [200] * 3
    assert most == [1]


def test_a_silent_connection_does_not_keep_it_from_closing() -> None:
    with served(explorer()) as server:
        silent = socket.create_connection(("127.0.0.1", server.server_port))
        assert ask(server, "GET", "facts")[0] == 200  # others are answered meanwhile
    with silent:
        silent.settimeout(60)
        assert silent.recv(1) == b""
    assert server.socket.fileno() == -1
    assert not server.open


@pytest.mark.parametrize("task", [True, False])
def test_ctrl_c_ends_the_command_and_frees_its_port(tmp_path: Path, task: bool) -> None:
    """Warnings are errors there: a socket that was left open would be written to the error stream."""
    leworld.save(tiny_lewm(), tmp_path / "model")
    script = "from leworld.cli import main; main()"
    arguments = ["explore", str(tmp_path / "model"), "--episodes", "4"]
    if not task:
        from leworld.data import write_hdf5
        from leworld.tasks import two_room_held_out

        write_hdf5(tmp_path / "held.h5", two_room_held_out(4, image_size=16))
        arguments += ["--data", str(tmp_path / "held.h5")]
    process = subprocess.Popen(
        [sys.executable, "-W", "error::ResourceWarning", "-X", "dev", "-c", script, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(leworld.__file__).parents[1]), "PYTHONUNBUFFERED": "1",
             "PYTHONWARNINGS": "error::ResourceWarning"},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line.startswith("explorer  http://127.0.0.1:"), process.communicate()
        address = line.split()[1]
        port = int(address.split(":")[2].split("/")[0])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        connection.request("GET", address[address.index("/", 8) :] + "facts")
        facts = json.loads(connection.getresponse().read())
        connection.close()
        assert facts["plays"] == task
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=300)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130
    assert error.strip().splitlines()[-1] == "Interrupted."
    assert "ResourceWarning" not in error
    assert "Traceback" not in error
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", port))
