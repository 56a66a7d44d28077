"""The playground without a browser: what may be set, steps that follow from settings alone, who is let in."""

from __future__ import annotations

import asyncio
import http.client
import json
import math
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import needs
import numpy as np
import pytest
from click.testing import CliRunner
from playing import PATIENCE, Playing, playing
from processes import ROOT, run_python

import fastnn
from fastnn import cli, data
from fastnn.demo.activations import SHOWN, steepest, value_and_slope
from fastnn.demo.learning_rate import steps_of
from fastnn.demo.spam import HELD_OUT
from fastnn.play.lessons.catalogue import TITLES, lesson
from fastnn.play.lessons.training import EPOCHS
from fastnn.play.session import frames
from fastnn.play.session.curve import POINTS, Curve
from fastnn.play.session.fields import Field, Number, Refused, Sizes, Whole, defaults, read
from fastnn.play.session.lesson import Lesson
from fastnn.play.session.messages import Message, parse, weights_of
from fastnn.play.session.session import Session

needs.package("starlette")
needs.package("uvicorn")
needs.package("websockets")

# Steps of an epoch of 3,072 mails.
EPOCH = 96
MAILS = data.spam()
TRAINING = MAILS.x[:-HELD_OUT], MAILS.y[:-HELD_OUT]


class Heard:
    """A session, and what it has delivered."""

    def __init__(self, name: str = "spam", **opening: Any) -> None:
        self._hear(lesson(name), **opening)

    @classmethod
    def of(cls, page: Lesson) -> Heard:
        made = cls.__new__(cls)
        made._hear(page)
        return made

    def _hear(self, page: Lesson, **opening: Any) -> None:
        self.delivered: list[str | bytes] = []
        self.session = Session(page, self.delivered.append)
        self.do("open", **opening)

    def do(self, what: str, **parts: Any) -> None:
        while not self.session.take(Message(what, parts)):
            time.sleep(0.001)

    def wait(self, wanted: Callable[[Any], bool]) -> Any:
        """What was delivered first of all that is wanted: words as objects, bytes as they are."""
        end = time.monotonic() + PATIENCE / 1000
        while time.monotonic() < end:
            for each in [*self.delivered]:
                found = json.loads(each) if isinstance(each, str) else each
                if wanted(found):
                    return found
            time.sleep(0.002)
        raise AssertionError(f"nothing of the kind among {len(self.delivered)}")

    def word(self, name: str) -> Any:
        return self.wait(lambda found: isinstance(found, dict) and name in found)[name]

    def frame(self) -> dict[str, Any]:
        """The arrays of the next one, by name."""
        self.delivered[:] = [each for each in self.delivered if isinstance(each, str)]
        self.do("frame")
        frame: bytes = self.wait(lambda found: isinstance(found, bytes))
        layouts = [json.loads(each) for each in self.delivered if isinstance(each, str) and '"arrays"' in each]
        numbers, found = np.frombuffer(frame, "<f4", offset=frames.HEADER.size), {}
        for name, size in layouts[-1]["arrays"]:
            found[name], numbers = numbers[:size], numbers[size:]
        return found

    def network(self) -> Any:
        """Its parameters by name."""
        self.delivered.clear()
        return json.loads(self.file("json"))["parameters"]

    def file(self, form: str) -> bytes:
        self.do("save", form=form)
        found: bytes = self.wait(lambda found: isinstance(found, bytes) and found[1] == frames.FILE)
        return found[frames.HEADER.size :]


@pytest.fixture
def heard() -> Iterator[Heard]:
    made = Heard()
    yield made
    made.session.take(None)


def fitted(path: Path, epochs: int, **settings: Any) -> bytes:
    """The file of `fit` with the page's settings."""
    network = fastnn.mlp(3, 4, 2, seed=0)
    network.fit(*TRAINING, epochs=epochs, seed=0, **settings)
    network.save(path / "fitted.safetensors")
    return (path / "fitted.safetensors").read_bytes()


# Settings and messages ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TITLES)
def test_defaults_of_every_page_are_what_it_takes(name: str) -> None:
    fields = lesson(name).fields
    sent = json.loads(json.dumps(defaults(fields)))
    assert read(fields, sent) == defaults(fields)


@pytest.mark.parametrize(
    ("page", "given", "told"),
    [
        ("spam", {"layers": 2000}, "layers is no setting"), ("spam", {"rate": "0.1"}, "rate is str"),
        ("spam", {"rate": True}, "rate is bool"), ("spam", {"rate": 11}, "rate is 11; expected 1e-05 to 10"),
        ("spam", {"money": float("nan")}, "money is nan"), ("spam", {"activation": "step"}, "activation is 'step'"),
        ("spam", {"seed": 0.5}, "seed is 0.5; expected a whole number"), ("spam", [], "settings is list"),
        ("builder", {"sizes": [2] * 2000}, "sizes has 2000 entries; expected 2 to 12"),
        ("builder", {"sizes": [3, 0, 2]}, "sizes[1] is 0"), ("builder", {"sizes": [3, 1e9, 2]}, "sizes[1] is"),
    ],
)  # fmt: skip
def test_what_no_page_says_is_refused_by_the_name_of_its_field(page: str, given: Any, told: str) -> None:
    with pytest.raises(Refused) as error:
        read(lesson(page).fields, given)
    assert str(error.value).startswith(told)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "message is no JSON"), ("[]", "message is list"), ('{"do": "exec"}', "do is 'exec'"), ("{}", "do is None"),
        ('{"do": "set"}', "settings is missing"), ('{"do": "pause", "file": "/x"}', "file is no part of pause"),
        ('{"do": "save", "form": "../x"}', "form is '../x'"), ('{"do": "train", "until": 1e99}', "until is 1e+99"),
        ('{"do": "put", "index": 0, "value": NaN}', "message is no JSON"), ("[" * 100_000, "message is no JSON"),
    ],
)  # fmt: skip
def test_messages_are_these_alone(text: str, told: str) -> None:
    with pytest.raises(Refused) as error:
        parse(text)
    assert str(error.value).startswith(told)


@pytest.mark.parametrize(
    ("text", "told"),
    [("AAAA", "holds 3 bytes"), ("@@@", "no base64url"), (7, "is int"), ("AADAfw" + "A" * 133, "not finite")],
)
def test_weights_of_a_link_are_all_there_and_finite(text: Any, told: str) -> None:
    with pytest.raises(Refused, match=told):
        weights_of(text, 26)


def test_random_messages_are_taken_or_refused_by_name() -> None:
    """And the session goes on."""
    rng, heard = random.Random(0), Heard()
    texts = ['{"do": "set", "settings": {"rate": 0.5}}', '{"do": "put", "index": 3, "value": 1.5}', '{"do": "step"}']
    taken = 0
    for _ in range(2_000):
        letters = [*rng.choice(texts)]
        for _ in range(rng.randrange(4)):
            letters[rng.randrange(len(letters))] = rng.choice('{}[]":,0123456789eE-.abcdonx\\\x00')
        try:
            message = parse("".join(letters))
        except Refused:
            continue
        heard.do(message.do, **message.parts)
        taken += 1
    assert taken > 100
    assert len(heard.file("safetensors")) > 26 * 4
    heard.session.take(None)


# Answers --------------------------------------------------------------------------------------------------------------


def extremes(field: Field) -> list[Any]:
    """Of what can be set: the least, the most, every option."""
    if isinstance(field, (Number, Whole)):
        return [field.low, field.high]
    if isinstance(field, Sizes):
        return [[1] * field.fewest, [1] * field.most, [3, 1], [field.widest, 1]]
    return [*getattr(field, "options")]  # noqa: B009


@pytest.mark.parametrize("name", [name for name in TITLES if lesson(name).answer is not None])
def test_a_page_answers_the_least_the_most_and_every_option(name: str) -> None:
    page = lesson(name)
    assert page.answer is not None
    for field, each in page.fields.items():
        for value in extremes(each):
            settings = defaults(page.fields) | read(page.fields, {field: value})
            json.dumps(page.answer(settings), allow_nan=False)


@pytest.mark.parametrize("name", [name for name in TITLES if lesson(name).begin is not None])
def test_a_page_trains_at_the_least_the_most_and_every_option(name: str) -> None:
    page = lesson(name)
    assert page.begin is not None
    for field, each in page.fields.items():
        for value in extremes(each):
            made = page.begin(defaults(page.fields) | read(page.fields, {field: value}))
            made.run.advance(until=1)
            assert made.run.steps == 1


def test_no_slope_is_above_the_steepest() -> None:
    for name in SHOWN:
        assert value_and_slope(name, np.linspace(-60, 60, 100_001))[1].max() <= steepest(name) * (1 + 1e-12)
    assert [steepest(name) for name in ("step", "sigmoid", "tanh", "softplus")] == [0, 0.25, 1, 1]
    # gelu is steepest at the root of 2.
    assert steepest("gelu") == pytest.approx(0.5 * (1 + math.erf(1)) + math.exp(-1) / math.sqrt(math.pi), rel=1e-12)


def test_the_best_matrix_is_judged_and_a_network_of_zeros_is_told() -> None:
    page = lesson("linear")
    assert page.answer is not None
    for depth, activation, low, high in (
        (100, "off", 0, 1e-4),
        (1, "tanh", 0, 1e-4),
        (2, "relu", 0.1, 1),
        (100, "tanh", 0.1, 1),
    ):
        found = page.answer(defaults(page.fields) | {"depth": depth, "activation": activation})
        assert low <= found["residual"] <= high
    assert page.answer(defaults(page.fields) | {"activation": "relu"})["residual"] is None


def test_what_is_refused_is_told_in_part() -> None:
    for page, given in (
        ("spam", {"rate": 10**4000}),
        ("spam", {"activation": "x" * 4000}),
        ("builder", {"sizes": [3, 10**4000]}),
    ):
        with pytest.raises(Refused) as error:
            read(lesson(page).fields, given)
        assert len(str(error.value)) < 200


def test_a_schedule_that_has_ended_is_not_trained_beyond() -> None:
    heard = Heard("training")
    last = steps_of(EPOCHS)
    heard.do("train")
    assert heard.word("paused") == last
    heard.do("train")
    assert f"the schedule ended with step {last}" in heard.word("refused")["told"]
    heard.do("reset")
    heard.do("set", settings={"schedule": "constant"})
    heard.do("train", until=last + 1)
    heard.wait(lambda found: isinstance(found, dict) and found.get("paused") == last + 1)
    heard.session.take(None)


def test_what_no_network_can_be_is_refused_and_the_session_goes_on() -> None:
    def impossible(settings: Any) -> Any:
        if settings["size"] == 2:
            fastnn.mlp(1, -1)
        return {"size": settings["size"]}

    fields = {"size": Whole(label="", default=1, low=1, high=3)}
    heard = Heard.of(Lesson(fields=fields, texts=dict, answer=impossible))
    heard.do("set", settings={"size": 2})
    assert "make no network" in heard.word("refused")["told"]
    heard.do("set", settings={"size": 3})
    heard.wait(lambda found: found == {"answer": {"size": 3}})
    heard.session.take(None)


# Steps ----------------------------------------------------------------------------------------------------------------


def test_steps_to_a_number_are_those_of_fit_to_the_byte(heard: Heard, tmp_path: Path) -> None:
    """However many frames were shown in between."""
    heard.do("train", until=5 * EPOCH + 7)
    for _ in range(5):
        heard.do("frame")
        heard.do("step")
        heard.do("train", until=20 * EPOCH)
    heard.wait(lambda found: found == {"paused": 20 * EPOCH, "over": False})
    assert heard.file("safetensors") == fitted(tmp_path, 20, batch=32, optimizer=fastnn.SGD(0.1))


def test_at_batch_1_and_another_optimizer_too(tmp_path: Path) -> None:
    heard = Heard(settings={"batch": "1", "optimizer": "adam", "rate": 0.01})
    heard.do("train", until=2 * 3072)
    heard.word("paused")
    assert heard.file("safetensors") == fitted(tmp_path, 2, batch=1, optimizer=fastnn.Adam(0.01))
    heard.session.take(None)


def test_the_program_of_a_run_makes_its_bytes(heard: Heard, tmp_path: Path) -> None:
    heard.do("train", until=5 * EPOCH + 7)
    heard.word("paused")
    program, kept = heard.file("py"), None
    heard.delivered.clear()
    kept = heard.file("safetensors")
    (tmp_path / "again.py").write_bytes(program)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "again.py"], cwd=tmp_path, env=environment, check=True, timeout=240)
    assert (tmp_path / "network.safetensors").read_bytes() == kept


def test_a_program_of_what_was_changed_by_hand_is_refused(heard: Heard) -> None:
    heard.do("put", index=3, value=0.5)
    heard.do("save", form="py")
    assert "since a parameter was typed; reset first" in heard.word("refused")["told"]


def test_a_setting_before_the_first_step_leaves_the_bytes_to_fit(heard: Heard, tmp_path: Path) -> None:
    heard.do("set", settings={"activation": "sigmoid"})
    heard.do("set", settings={"rate": 0.2})
    heard.do("train", until=10 * EPOCH)
    heard.word("paused")
    network = fastnn.mlp(3, 4, 2, activation="sigmoid", seed=0)
    network.fit(*TRAINING, epochs=10, batch=32, optimizer=fastnn.SGD(0.2), seed=0)
    network.save(tmp_path / "fitted.safetensors")
    assert heard.file("safetensors") == (tmp_path / "fitted.safetensors").read_bytes()
    heard.delivered.clear()
    assert b"STEPS, SEED = len(data.spam().x)" in heard.file("py")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"activation": "sigmoid"}, "activation was changed on the way"),
        ({"rate": 0.3}, "the rate was changed on the way"),
    ],
)
def test_a_setting_on_the_way_keeps_the_weights_and_is_named(settings: Any, told: str, heard: Heard) -> None:
    heard.do("train", until=EPOCH)
    heard.word("paused")
    learned = heard.network()
    heard.do("set", settings=settings)
    assert heard.network() == learned
    heard.do("save", form="py")
    assert f"since {told}; reset first" in heard.word("refused")["told"]


def test_weights_that_came_with_a_link_outlive_another_activation(heard: Heard) -> None:
    heard.do("put", index=3, value=0.5)
    heard.do("set", settings={"activation": "sigmoid"})
    assert heard.network()["0.weight"][0][3] == 0.5
    heard.do("save", form="py")
    assert "since a parameter was typed" in heard.word("refused")["told"]


def test_a_page_that_does_not_ask_gets_no_frame(heard: Heard) -> None:
    heard.do("train", until=2_000 * EPOCH)
    heard.word("paused")
    assert [each for each in heard.delivered if isinstance(each, bytes)] == []
    for _ in range(10):
        heard.do("frame")
    heard.wait(lambda found: isinstance(found, bytes))
    heard.file("json")
    assert sum(each[1] == frames.FRAME for each in heard.delivered if isinstance(each, bytes)) == 1


def test_a_frame_holds_the_numbers_of_the_kernels(heard: Heard) -> None:
    heard.do("frame")
    frame: bytes = heard.wait(lambda found: isinstance(found, bytes))
    version, kind, layout, count, step = frames.HEADER.unpack_from(frame)
    assert (version, kind, layout, step) == (1, frames.FRAME, 1, 0)
    numbers, found = np.frombuffer(frame, "<f4", offset=frames.HEADER.size), {}
    assert numbers.size == count
    for name, size in heard.wait(lambda found: isinstance(found, dict) and "arrays" in found)["arrays"]:
        found[name], numbers = numbers[:size], numbers[size:]
    network = fastnn.mlp(3, 4, 2, seed=0)
    mail, label = [[1.0, 1.0, 0.0]], [1]
    gradient = np.concatenate([each.ravel() for each in network.named(network.gradient(mail, label)).values()])
    np.testing.assert_array_equal(found["gradient"], gradient)
    np.testing.assert_allclose(found["tried"], gradient, atol=1e-6)
    np.testing.assert_array_equal(found["sums"][4:], network(mail)[0])
    np.testing.assert_array_equal(found["probabilities"], network.predict_proba(mail)[0])
    assert found["probe_loss"][0] == np.float32(network.loss(mail, label))
    assert found["numbers"][0] == np.float32(network.accuracy(MAILS.x[-HELD_OUT:], MAILS.y[-HELD_OUT:]))


def test_a_frame_says_what_its_numbers_were_made_of_and_whether_it_trains(heard: Heard) -> None:
    heard.do("set", settings={"money": 0.25, "truth": "mail", "rate": 0.5, "activation": "tanh"})
    still, words = heard.frame(), heard.word("words")
    np.testing.assert_array_equal(still["x"], [0.25, 1, 0])
    assert (still["truth"][0], still["rate"][0]) == (0, 0.5)
    assert [words["activation_names"][int(each)] for each in still["activations"]] == ["tanh", "identity"]
    trains = words["numbers"].index("trains")
    assert still["numbers"][trains] == 0
    heard.do("train")
    assert heard.frame()["numbers"][trains] == 1


def test_of_a_moving_network_the_weight_that_is_picked_is_tried_after_a_reset_too(heard: Heard) -> None:
    heard.do("pick", index=5)
    heard.do("reset")
    heard.do("train")
    heard.do("frame")
    frame = heard.wait(lambda found: isinstance(found, bytes))
    arrays = heard.word("arrays")
    begin = sum(size for name, size in arrays[: [name for name, _ in arrays].index("tried")])
    tried = np.frombuffer(frame, "<f4", offset=frames.HEADER.size)[begin : begin + 26]
    assert np.flatnonzero(np.isfinite(tried)).tolist() == [5]


def test_a_training_that_diverges_stops_and_says_so() -> None:
    heard = Heard(settings={"rate": 10.0, "optimizer": "momentum", "activation": "leaky_relu"})
    heard.do("train")
    told = heard.wait(lambda found: isinstance(found, dict) and found.get("over"))
    heard.do("train")
    assert f"since step {told['paused']}" in heard.word("refused")["told"]
    heard.session.take(None)


def test_a_curve_follows_from_its_steps_however_they_come() -> None:
    rng, losses = np.random.default_rng(0), np.random.default_rng(1).uniform(size=1_000)
    one, other = Curve(), Curve()
    for loss in losses:
        one.add(loss, 1)
    at = 0
    while at < len(losses):
        steps = int(min(other.room, len(losses) - at, rng.integers(1, 9)))
        other.add(losses[at : at + steps].mean(), steps)
        at += steps
    assert one.window == other.window == 8
    assert POINTS / 2 <= one.count == other.count == 125 < POINTS
    np.testing.assert_allclose(one.means[:125], losses.reshape(125, 8).mean(axis=1))
    np.testing.assert_allclose(other.means[:125], one.means[:125])


# Who is let in --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[Playing]:
    with playing() as started:
        yield started


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


# The command ----------------------------------------------------------------------------------------------------------


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


def test_a_session_ends_when_it_is_told_to(heard: Heard) -> None:
    assert heard.session.is_alive
    heard.session.take(None)
    end = time.monotonic() + PATIENCE / 1000
    while heard.session.is_alive:
        assert time.monotonic() < end
        time.sleep(0.001)


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
