"""Peers: the same work in another process, in turn with ours."""

from __future__ import annotations

import importlib.util
import io
import json
import sys
from typing import Any

import numpy as np
import pytest
from processes import run_python

from fastnn.bench import numpy_peer, peer_worker, peers
from fastnn.bench.case import Case
from fastnn.bench.ladder import parse
from fastnn.bench.measuring import Budget
from fastnn.bench.rows import rows_of
from fastnn.machine import Ceilings, Level

CEILINGS = Ceilings(1, "float32", 1e11, 5e-8, 2e-7, (Level("DRAM", float("inf"), 1000, {"copy": 1e10}),))
QUICK = Budget(0.02)
INSTALLED = [name for name in peers.NAMES if importlib.util.find_spec(name)]


def case(name: str = "3-4-2", optimizer: str = "sgd", dtype: str = "float32") -> Case:
    return Case(parse(name), 32, 1, dtype, optimizer)


def numpy_model(of: Case) -> numpy_peer.Model:
    parameters = of.network.named(of.initial)
    weights, biases = (
        [parameters[f"{i}.{kind}"] for i in range(len(of.network.layers))] for kind in ("weight", "bias")
    )
    return numpy_peer.Model(weights, biases, of.batch, of.optimizer_name, of.trainer.optimizer.learning_rate, 1)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "adamw"])
@pytest.mark.parametrize("name", ["3-4-2", "64-16-10", "64-9-8-10"])
def test_the_numpy_step_is_ours(name: str, optimizer: str) -> None:
    of = case(name, optimizer, "float64")
    model = numpy_model(of)
    of.restart()
    for x, y in of.batches[:20]:
        assert model.step((x, y)) == pytest.approx(of.trainer.step(x, y), rel=1e-9)
    for i, (w, b) in enumerate(zip(model.w, model.b, strict=True)):
        np.testing.assert_allclose(w, of.network.named_parameters[f"{i}.weight"], rtol=1e-7, atol=1e-10)
        np.testing.assert_allclose(b, of.network.named_parameters[f"{i}.bias"], rtol=1e-7, atol=1e-10)


def test_the_numpy_step_allocates_nothing_but_the_buffer_of_a_cast() -> None:
    import tracemalloc

    of = case("784-128-10")
    model = numpy_model(of)
    batch = model.prepare(*of.batches[0])
    for _ in range(3):
        model.step(batch)
    tracemalloc.start()
    model.step(batch)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 8192 * 4


@pytest.mark.parametrize("name", INSTALLED)
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_peer_in_its_process_starts_from_our_loss_and_measures(name: str, optimizer: str) -> None:
    of = case("64-16-10", optimizer)
    with peers.prepared(name, of) as process:
        for phase in peers.PHASES:
            assert 0 < process.time(phase, 3) < 30


def test_ours_and_the_peer_take_turns_and_the_ratio_lands_in_our_row() -> None:
    of = case()
    ours = list(rows_of(of, ("forward", "step", "epoch"), CEILINGS, QUICK))
    theirs = list(peers.compare(of, "numpy", ours, CEILINGS, QUICK))
    assert [row["phase"] for row in theirs] == ["forward", "step"]
    assert all(row["peer"] == "numpy" for row in theirs)
    for our, their in zip(ours[:2], theirs, strict=True):
        ratio = our["ratio_to"]["numpy"]
        assert 0 < ratio["low"] <= ratio["median"] <= ratio["high"]
        assert len(their["times_s"]) >= peers.LEAST_PAIRS
    assert "ratio_to" not in ours[2]
    assert ours[1]["ratio_to"]["numpy"]["median"] > 2


def test_a_peer_with_another_first_loss_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    of = case()
    monkeypatch.setattr(of.trainer, "step", lambda x, y: 0.5)
    with pytest.raises(peers.PeerFailed, match=r"first loss is 0\.\d+, ours 0\.5"), peers.prepared("numpy", of):
        pass


def test_refused_rows_are_not_compared() -> None:
    assert list(peers.compare(case(), "numpy", [{"phase": "step", "verdict": "refused"}], CEILINGS, QUICK)) == []


def test_a_peer_that_fails_says_why() -> None:
    process = peers.Process("numpy", 1)
    try:
        with pytest.raises(peers.PeerFailed, match="FileNotFoundError"):
            process.ask(do="prepare", file="/nowhere.npz", layers=1, optimizer="sgd", learning_rate=0.1)
        with pytest.raises(peers.PeerFailed, match="its process ended"):
            process.ask(do="time", phase="step", calls=1)
    finally:
        process.close()


def test_names_of_peers_are_checked() -> None:
    assert peers.parse("numpy, torch,numpy") == ["numpy", "torch"]
    assert peers.parse("") == []
    with pytest.raises(ValueError, match="sklearn' is not available yet"):
        peers.parse("numpy,sklearn")
    with pytest.raises(ValueError, match="expected some of numpy, torch, jax"):
        peers.parse("keras")


class Double:
    """A peer whose calls are recorded."""

    def __init__(
        self, weights: Any, biases: Any, batch: int, optimizer: str, learning_rate: float, threads: int
    ) -> None:
        self.calls: list[str] = []

    def prepare(self, x: Any, y: Any) -> tuple[Any, Any]:
        return x, y

    def forward(self, batch: Any) -> None:
        self.calls.append("forward")

    def step(self, batch: Any) -> float:
        self.calls.append("step")
        return 0.25

    def wait(self) -> None:
        self.calls.append("wait")


def test_the_worker_times_all_calls_and_waits_for_the_last(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numpy_peer, "Model", Double)
    worker = peer_worker.Worker("numpy", 1)
    file = tmp_path / "case.npz"
    np.savez(file, w0=np.ones((3, 2)), b0=np.ones(2), x=np.ones((4, 5, 3)), y=np.zeros((4, 5), int))
    assert worker.prepare(str(file), 1, "sgd", 0.1) == {"loss": 0.25}
    assert worker.time("forward", 6)["seconds"] > 0
    assert worker.peer.calls == ["step", *["forward"] * 6, "wait"]  # type: ignore[attr-defined]


def test_the_worker_keeps_the_protocols_stdout_to_itself(monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps({"do": "time", "phase": "step", "calls": 1}) + "\n"))
    monkeypatch.setattr(sys, "stdout", sys.__stdout__)
    monkeypatch.setattr(sys, "stderr", sys.__stderr__)
    peer_worker.main("numpy", 1)
    assert json.loads(capfd.readouterr().out)["error"].startswith("AttributeError")


def test_a_peer_has_the_environment_that_fastnn_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    source = """
import io, json, os, sys
from fastnn.bench import peer_worker

sys.stdin = io.StringIO()
before = os.environ.get("GOMP_SPINCOUNT")
seen = []
real = os.dup(1)
peer_worker.serve(lambda: seen.append(os.environ.get("GOMP_SPINCOUNT")))
os.dup2(real, 1)
print(json.dumps([before, seen]))
"""
    assert run_python(source) == ["1000", [None]]
