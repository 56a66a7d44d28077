"""Sessions of the playground: steps that follow from settings alone, frames, files."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import needs
import numpy as np
import pytest
from playing import PATIENCE
from processes import ROOT
from sessions import EPOCH, MAILS, TRAINING, Heard, fitted

import fastnn
from fastnn.demo.spam import HELD_OUT
from fastnn.play.session import frames
from fastnn.play.session.curve import POINTS, Curve

needs.package("starlette")
needs.package("uvicorn")
needs.package("websockets")


@pytest.fixture
def heard() -> Iterator[Heard]:
    made = Heard()
    yield made
    made.session.take(None)


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


@pytest.mark.parametrize(
    ("page", "settings"),
    [
        ("spam", {}), ("training", {}), ("training", {"optimizer": "momentum", "rate": 0.01}),
        ("activations", {"seed": 7}), ("plane", {"data": "circles", "noise": 0.1, "hidden": "none", "seed": 3}),
        ("language", {"blocks": "1", "width": "32", "rate": 0.01}),
        ("cnn", {"data": "digits"}),
    ],
)  # fmt: skip
def test_the_program_of_a_run_makes_its_bytes(page: str, settings: dict[str, Any], tmp_path: Path) -> None:
    heard = Heard(page, settings=settings)
    heard.do("train", until=5 * EPOCH + 7)
    heard.word("paused")
    (tmp_path / "again.py").write_bytes(heard.file("py"))
    heard.delivered.clear()
    kept = heard.file("safetensors")
    heard.session.take(None)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "again.py"], cwd=tmp_path, env=environment, check=True, timeout=240)
    assert (tmp_path / "network.safetensors").read_bytes() == kept


def test_what_is_kept_as_onnx_computes_the_same(heard: Heard, tmp_path: Path) -> None:
    needs.package("onnx")
    heard.do("train", until=EPOCH)
    heard.word("paused")
    (tmp_path / "network.onnx").write_bytes(heard.file("onnx"))
    heard.delivered.clear()
    (tmp_path / "network.safetensors").write_bytes(heard.file("safetensors"))
    mails = MAILS.x[:50]
    expected = fastnn.load(tmp_path / "network.safetensors")(mails)
    assert fastnn.from_onnx(tmp_path / "network.onnx")(mails).tobytes() == expected.tobytes()


def test_a_form_that_takes_another_package_is_refused_with_its_name(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    heard.do("save", form="onnx")
    assert "pip install 'fastnn[onnx]'" in heard.word("refused")["told"]
    assert Heard().word("forms") == ["safetensors", "json", "py"]
    assert Heard("neuron").word("forms") == []


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
    assert b"fastnn.SGD(learning_rate=0.2)" in heard.file("py")


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


def test_a_session_ends_when_it_is_told_to(heard: Heard) -> None:
    assert heard.session.is_alive
    heard.session.take(None)
    end = time.monotonic() + PATIENCE / 1000
    while heard.session.is_alive:
        assert time.monotonic() < end
        time.sleep(0.001)
