"""The server of the playground: who is let in, and the command."""

from __future__ import annotations

import asyncio
import http.client
import json
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import needs
import pytest
from click.testing import CliRunner
from playing import PATIENCE, Playing, playing
from processes import run_python
from sessions import EPOCH, fitted

import fastnn
from fastnn import cli
from fastnn.play.lessons.catalogue import lesson
from fastnn.play.session import frames

needs.package("starlette")
needs.package("uvicorn")
needs.package("websockets")


# Who is let in --------------------------------------------------------------------------------------------------------


def answered(server: Playing, path: str = "/spam", method: str = "GET", **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(server.host, timeout=60)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    response.body = response.read()  # type: ignore[attr-defined]
    connection.close()
    return response


def test_the_first_address_gives_a_cookie_and_a_clean_one(server: Playing) -> None:
    first = answered(server, f"/spam?token={server.token}")
    assert (first.status, first.headers["location"]) == (303, "/spam")
    cookie = first.headers["set-cookie"]
    assert cookie.startswith(server.cookie)
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert answered(server, cookie=server.cookie).status == 200


def test_headers_allow_this_page_and_nothing_else(server: Playing) -> None:
    headers = answered(server, cookie=server.cookie).headers
    policy = headers["content-security-policy"]
    wanted = {"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"}
    assert wanted | {f"connect-src 'self' ws://{server.host}"} <= {*policy.split("; ")}
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert not [name for name in headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403), ({"cookie": "fastnn-play-1=x"}, 403), ({"host": "evil.example"}, 400), ({"host": "127.0.0.1"}, 400),
        ({"host": "127.0.0.1:1"}, 400), ({"host": "localhost.evil.example"}, 400),
    ],
)  # fmt: skip
def test_who_has_no_key_or_another_name_for_us_gets_no_page(
    headers: dict[str, str], status: int, server: Playing
) -> None:
    with_key = headers if status == 403 else {**headers, "cookie": server.cookie}
    for path in ("/spam", "/", "/static/page.js", "/static/style.css"):
        assert answered(server, path, **with_key).status == status


@pytest.mark.parametrize(
    "path", ["/static/../server/guard.py", "/static/%2e%2e/server/guard.py", "/static//etc/passwd", "/nothing", "/a/b"]
)
def test_no_path_of_the_machine_is_a_page(path: str, server: Playing) -> None:
    assert answered(server, path, cookie=server.cookie).status == 404


def test_pages_are_only_read(server: Playing) -> None:
    assert answered(server, method="POST", cookie=server.cookie).status == 405


def test_a_wrong_token_leads_nowhere(server: Playing) -> None:
    assert answered(server, "/spam?token=" + "A" * 22).status == 403
    elsewhere = answered(server, f"//evil.example/?token={server.token}").headers["location"]
    assert elsewhere == "/"


def connected(server: Playing, path: str = "/socket/spam", **headers: str | None) -> Any:
    from websockets.sync.client import connect

    given = {"Cookie": server.cookie, "Origin": f"http://{server.host}"} | {
        name.capitalize(): value for name, value in headers.items()
    }
    return connect(
        f"ws://{server.host}{path}", additional_headers={name: value for name, value in given.items() if value},
        open_timeout=60, proxy=None,
    )  # fmt: skip


@pytest.mark.parametrize(
    "headers",
    [
        {"cookie": None}, {"cookie": "fastnn-play-1=x"}, {"origin": None}, {"origin": "http://evil.example"},
        {"origin": "null"}, {"origin": "http://127.0.0.1:1"},
    ],
    ids=str,
)  # fmt: skip
def test_sockets_of_other_pages_are_refused(headers: dict[str, str | None], server: Playing) -> None:
    from websockets.exceptions import InvalidStatus

    with pytest.raises(InvalidStatus, match="403"), connected(server, **headers):
        pass


def test_a_socket_under_another_name_of_this_server_is_refused(server: Playing) -> None:
    """Host and Origin agree, as where a name of somebody else's leads here."""
    asked = (
        "GET /socket/spam HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\n"
        f"Cookie: {server.cookie}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    for given, status in ((asked, "403"), (asked.replace("evil.example", server.host), "101")):
        name, _, port = server.host.partition(":")
        with socket.create_connection((name, int(port)), timeout=60) as raw:
            raw.sendall(given.encode())
            assert raw.recv(1000).decode().split()[1] == status


@pytest.mark.parametrize("sent", ["no JSON", '{"do": "exec"}', b"\x00\x01", "x" * (1 << 20) + "x", '{"do": "set"}'])
def test_who_says_what_no_page_says_is_let_go(sent: str | bytes, server: Playing) -> None:
    from websockets.exceptions import ConnectionClosed

    with connected(server) as socket:
        socket.send(sent)
        with pytest.raises(ConnectionClosed) as closed:
            heard_until(socket, "nothing is called so")
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code in (1003, 1009)


def test_a_page_that_is_none_has_no_socket(server: Playing) -> None:
    from websockets.exceptions import ConnectionClosed

    with connected(server, "/socket/os") as socket, pytest.raises(ConnectionClosed):
        socket.recv(timeout=60)


def test_no_more_than_eight_sessions_are_open(server: Playing) -> None:
    with ExitStack() as several:
        for _ in range(8):
            socket = several.enter_context(connected(server, "/socket/neuron"))
            socket.send('{"do": "open"}')
            assert "fields" in json.loads(socket.recv(timeout=240))
        with connected(server, "/socket/neuron") as ninth:
            assert "8 pages are open" in json.loads(ninth.recv(timeout=60))["refused"]["told"]


def test_a_slow_page_costs_no_byte_and_no_memory(server: Playing, tmp_path: Path) -> None:
    """It holds its frames for two seconds of training."""
    import psutil

    with connected(server) as socket:
        socket.send('{"do": "open"}')
        socket.send('{"do": "train", "until": 960}')
        heard_until(socket, "paused")
        before = psutil.Process(server.process.pid).memory_info().rss
        socket.send(f'{{"do": "train", "until": {100_000 * EPOCH}}}')
        socket.send('{"do": "frame"}')
        time.sleep(2)
        grown = psutil.Process(server.process.pid).memory_info().rss - before
        socket.send('{"do": "pause"}')
        socket.send('{"do": "reset"}')
        socket.send(f'{{"do": "train", "until": {20 * EPOCH}}}')
        heard_until(socket, "paused")
        socket.send('{"do": "save", "form": "safetensors"}')
        while not (isinstance(found := socket.recv(timeout=60), bytes) and found[1] == frames.FILE):
            pass
    assert grown < 1 << 20
    assert found[frames.HEADER.size :] == fitted(tmp_path, 20, batch=32, optimizer=fastnn.SGD(0.1))


class Unread:
    """A socket whose other end sends and reads nothing: neither a word nor a close comes through."""

    def __init__(self) -> None:
        self.closed: list[int] = []

    async def receive(self) -> dict[str, str]:
        await asyncio.sleep(0)
        return {"type": "websocket.receive", "text": '{"do": "set", "settings": {"x1": 0.5}}'}

    async def send_text(self, content: str) -> None:
        await asyncio.Event().wait()

    async def close(self, code: int) -> None:
        self.closed.append(code)
        await asyncio.Event().wait()


def test_who_reads_nothing_is_let_go() -> None:
    from fastnn.play.server.socket import meet

    unread: Any = Unread()
    asyncio.run(asyncio.wait_for(meet(unread, lesson("neuron")), 120))
    assert unread.closed == [1008]


def test_sessions_end_with_their_pages(server: Playing) -> None:
    import psutil

    process = psutil.Process(server.process.pid)

    with connected(server, "/socket/neuron") as socket:
        socket.send('{"do": "open"}')
        heard_until(socket, "answer")
        open_now = process.num_threads()
    end = time.monotonic() + PATIENCE / 1000
    while process.num_threads() >= open_now:
        assert time.monotonic() < end
        time.sleep(0.01)


def heard_until(socket: Any, name: str) -> None:
    while True:
        found = socket.recv(timeout=240)
        if isinstance(found, str) and name in json.loads(found):
            return


# The command ------------------------------------------------------------------------------------------------------


def test_ctrl_c_ends_it_while_a_page_trains() -> None:
    with playing() as started, connected(started) as socket:
        socket.send('{"do": "open"}')
        socket.send('{"do": "train"}')
        socket.send('{"do": "frame"}')
        heard_until(socket, "layout")
        started.process.send_signal(signal.SIGINT)
        assert started.process.wait(timeout=30) == 130
        assert started.process.stderr is not None
        told = started.process.stderr.read()
    assert "interrupted" in told
    assert "Traceback" not in told


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_whatever_ends_it_the_file_with_the_token_is_cleared_away(name: str, tmp_path: Path) -> None:
    number = getattr(signal, name)
    with playing(browser="true", TMPDIR=str(tmp_path)) as started, connected(started) as socket:
        socket.send('{"do": "open"}')
        heard_until(socket, "layout")
        assert len([*tmp_path.glob("fastnn-play-*/playground.html")]) == 1
        started.process.send_signal(number)
        assert started.process.wait(timeout=30) == 128 + number
        assert started.process.stderr is not None
        assert "Traceback" not in started.process.stderr.read()
    assert [*tmp_path.glob("fastnn-play-*")] == []


def test_without_the_extra_one_sentence_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastnn.play.command.find_spec", lambda name: None if name == "uvicorn" else object())
    result = CliRunner().invoke(cli.main, ["play"])
    assert result.exit_code == 2
    assert "uvicorn must be installed for this: pip install 'fastnn[play]'" in result.output


def test_a_page_that_is_none_and_a_port_that_is_taken_are_told(server: Playing) -> None:
    assert "there is no page tank; expected one of" in CliRunner().invoke(cli.main, ["play", "tank"]).output
    taken = CliRunner().invoke(cli.main, ["play", "--port", server.host.partition(":")[2]])
    assert taken.exit_code == 2
    assert "cannot be had" in taken.output


def test_nothing_else_imports_the_playground_or_its_packages() -> None:
    source = "import json, sys; import fastnn.cli; print(json.dumps([name for name in sys.modules]))"
    loaded = run_python(source)
    assert not [name for name in loaded if name.startswith(("fastnn.play", "starlette", "uvicorn", "websockets"))]


def test_no_program_is_started_with_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a browser is started with is for all on the machine to read; the file that it names is not."""
    opened: list[tuple[str, int, str]] = []
    told = threading.Event()

    def browser(address: str) -> None:
        file = Path(url2pathname(urlsplit(address).path))
        opened.append((address, file.stat().st_mode & 0o777, file.read_text(encoding="utf-8")))
        told.set()

    def served(listener: Any, keys: Any, first: str, ready: Callable[[], object]) -> None:
        listener.close()
        ready()
        assert told.wait(60)
        assert keys.token in opened[0][2]
        assert keys.token not in opened[0][0]

    monkeypatch.setattr("webbrowser.open", browser)
    monkeypatch.setattr("fastnn.play.server.app.serve", served)
    assert CliRunner().invoke(cli.main, ["play"]).exit_code == 0
    assert opened[0][1] == 0o600
    assert not Path(url2pathname(urlsplit(opened[0][0]).path)).exists()


def test_where_no_browser_is_started_no_file_is_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def served(listener: Any, keys: Any, first: str, ready: Callable[[], object]) -> None:
        listener.close()
        ready()
        assert list(tmp_path.iterdir()) == []

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("fastnn.play.server.app.serve", served)
    assert CliRunner().invoke(cli.main, ["play", "--no-browser"]).exit_code == 0
