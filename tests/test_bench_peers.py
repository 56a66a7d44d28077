"""Peers: which there are, the work in another process, in turn with ours, and what is refused or left out."""

from __future__ import annotations

import io
import json
import sys
import time
from functools import partial
from importlib.metadata import version
from typing import Any

import needs
import numpy as np
import pytest
from click.testing import CliRunner
from peer_steps import case
from processes import run_python

from fastnn import cli
from fastnn.bench import beside as rows
from fastnn.bench import command, turns
from fastnn.bench.ladder import parse
from fastnn.bench.measuring import Budget
from fastnn.bench.peers import numpy_peer, registry, worker
from fastnn.bench.peers.process import PeerFailed, Process
from fastnn.bench.rows import rows_of
from fastnn.bench.run import Report, Settings, run
from fastnn.simd.machine import Ceilings, Level

CEILINGS = Ceilings(1, "float32", 1e11, 5e-8, 2e-7, (Level("DRAM", float("inf"), 1000, {"copy": 1e10}),))
QUICK = Budget(0.02)


@pytest.mark.parametrize("name", registry.NAMES)
def test_a_peer_in_its_process_starts_from_our_loss_and_measures_what_it_declares(name: str) -> None:
    needs.peer(name)
    with rows.prepared(name, case("64-16-10", "adam")) as (process, first_calls):
        assert [*first_calls] == [phase for phase in registry.PEERS[name].phases if phase != registry.GENERATE]
        for phase in first_calls:
            started = time.perf_counter()
            told = process.time(phase, 3)
            assert 0 < told < time.perf_counter() - started


def test_ours_and_the_peer_take_turns_and_the_ratio_lands_in_our_row() -> None:
    of = case()
    ours = list(rows_of(of, ("forward", "step", "epoch"), CEILINGS, QUICK))
    started = time.perf_counter()
    theirs = list(rows.compare(of, "numpy", ours, CEILINGS, QUICK))
    elapsed = time.perf_counter() - started
    assert [row["phase"] for row in theirs] == ["forward", "step"]
    assert all(row["peer"] == "numpy" for row in theirs)
    for our, their in zip(ours[:2], theirs, strict=True):
        ratio = our["ratio_to"]["numpy"]
        assert their["ratio"] == ratio
        assert 0 < ratio["low"] <= ratio["median"] <= ratio["high"]
        assert len(their["times_s"]) >= turns.LEAST_PAIRS
        assert 0 < their["compile_s"] < elapsed
    assert "ratio_to" not in ours[2]
    assert ours[1]["ratio_to"]["numpy"]["median"] > 2


def test_the_first_calls_of_a_peer_that_compiles_take_longer_than_its_others() -> None:
    needs.peer("jax")
    of = case()
    ours = list(rows_of(of, ("forward", "step"), CEILINGS, QUICK))
    for row in rows.compare(of, "jax", ours, CEILINGS, QUICK):
        assert row["compile_s"] > 100 * row["median_s"]


def test_a_peer_that_cannot_train_is_compared_at_the_forward_pass_alone() -> None:
    needs.peer("onnxruntime")
    of = case()
    ours = list(rows_of(of, ("forward", "step"), CEILINGS, QUICK))
    assert [row["phase"] for row in rows.compare(of, "onnxruntime", ours, CEILINGS, QUICK)] == ["forward"]
    assert "ratio_to" not in ours[1]
    assert list(rows.compare(of, "onnxruntime", ours[1:], CEILINGS, QUICK)) == []


def test_a_peer_with_another_first_loss_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    of = case()
    monkeypatch.setattr(of.trainer, "step", lambda x, y: 0.5)
    with pytest.raises(PeerFailed, match=r"first loss is 0\.\d+, ours 0\.5"), rows.prepared("numpy", of):
        pass


WRONG_TWINS = {
    "step": "peer.cross_entropy = lambda *given: right.cross_entropy(*given) * 1.001",
    "forward": "peer.Model.logits = lambda self, output: output * 1.001",
}


@pytest.mark.parametrize("phase", WRONG_TWINS)
def test_a_wrong_twin_is_refused_by_the_loss_of_each_phase(phase: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = f"""
import sys
from types import SimpleNamespace
from fastnn.bench.peers import numpy_peer as peer
from fastnn.bench.peers.worker import main
right = SimpleNamespace(cross_entropy=peer.cross_entropy)
{WRONG_TWINS[phase]}
main(sys.argv[1], int(sys.argv[2]))
"""
    monkeypatch.setattr(rows, "Process", partial(Process, worker=("-c", source)))
    report = Report(Settings([parse("3-4-2")], [32], [1], effort="fast", peers=["numpy"], phases=("forward", "step")))
    said: list[str] = []
    run(report, said.append, lambda: None, said.append)
    assert report.failed
    assert [row.get("peer") for row in report.rows] == [None, None]
    assert said[-1].startswith("3-4-2, 1 thread(s): refused, numpy: its first loss is")
    assert said[-1].endswith(f"({phase})")


def test_refused_rows_are_not_compared() -> None:
    assert list(rows.compare(case(), "numpy", [{"phase": "step", "verdict": "refused"}], CEILINGS, QUICK)) == []


def test_a_peer_that_fails_says_why() -> None:
    process = Process("numpy", 1)
    try:
        with pytest.raises(PeerFailed, match="FileNotFoundError"):
            process.ask(do="prepare", file="/nowhere.npz", heads=0, phases=[], optimizer="sgd", learning_rate=0.1)
        with pytest.raises(PeerFailed, match="its process ended"):
            process.ask(do="time", phase="step", calls=1)
    finally:
        process.close()


def test_a_reason_is_one_line() -> None:
    assert worker.in_a_line(ValueError("\nbad\nSet VERBOSE=1 to see more")) == "ValueError: bad"
    assert worker.in_a_line(ValueError()) == "ValueError"


def test_names_of_peers_are_checked() -> None:
    assert registry.parse("numpy, torch-compile,numpy") == ["numpy", "torch-compile"]
    assert registry.parse("") == []
    with pytest.raises(ValueError, match="expected some of numpy, torch, torch-compile, jax, sklearn, onnxruntime"):
        registry.parse("keras")


def test_the_help_names_every_peer() -> None:
    text = CliRunner().invoke(cli.main, ["bench", "--help"]).stdout
    assert ", ".join(registry.NAMES) in " ".join(text.split())


def test_a_peer_needs_all_of_its_packages(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(registry, "find_spec", lambda name: name if name in ("numpy", "onnxruntime") else None)
    assert command._present(["numpy", "torch-compile", "onnxruntime"]) == ["numpy"]
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("torch-compile is left out: torch not installed; pip install")
    assert said[1].startswith("onnxruntime is left out: onnx not installed; pip install")


def test_rows_are_counted_by_what_each_peer_can_do() -> None:
    rungs = [parse("3-4-2"), parse("64-16-10")]
    settings = partial(Settings, rungs, [1, 32], [1])
    assert settings().row_count == 2 * (3 + 3)
    assert settings(peers=["numpy"]).row_count == 2 * (5 + 5)
    assert settings(peers=["onnxruntime"]).row_count == 2 * (4 + 4)
    assert settings(peers=["sklearn"]).row_count == 2 * (3 + 5)
    assert settings(peers=["sklearn"], optimizer="adamw").row_count == 2 * (3 + 3)
    assert settings(peers=["numpy", "onnxruntime"], phases=("step", "epoch")).row_count == 2 * (3 + 3)


def test_the_versions_of_peers_stand_in_the_results() -> None:
    found = Report(Settings([parse("64-16-10")], [32], [1], peers=["numpy", "sklearn"])).document["context"]
    assert found["peer_versions"] == {"numpy": np.__version__, "sklearn": version("scikit-learn")}
    assert found["effort"] == "normal"


def test_a_sentence_says_what_a_peer_is_left_out_of() -> None:
    rungs = [parse(name) for name in ("3-4-2", "3-4-4-2", "64-16-10")]
    assert Settings(rungs, [1, 32], [1, 2], peers=["numpy", "sklearn"]).left_out == [
        "sklearn is left out of 3-4-2, 3-4-4-2: for two classes it has one logistic output, which is another network"
    ]
    assert Settings(rungs, [1], [1], optimizer="adamw", peers=["sklearn"]).left_out == [
        "sklearn is left out of 3-4-2, 3-4-4-2, 64-16-10: it has no adamw"
    ]


def test_what_a_peer_is_left_out_of_is_no_failure() -> None:
    sizes = ["--sizes", "3-4-2", "64-16-10", "--threads", "1", "--fast"]
    result = CliRunner().invoke(cli.main, ["bench", *sizes, "--peers", "sklearn", "--json", "-"])
    assert result.exit_code == 0, result.output
    assert "sklearn is left out of 3-4-2: for two classes" in result.stderr
    found = json.loads(result.stdout)["benchmarks"]
    assert [(row["name"], row["phase"]) for row in found if "peer" in row] == [
        ("64-16-10", "forward"), ("64-16-10", "step")
    ]  # fmt: skip


class Double:
    """A peer whose calls are recorded, and the clock that they move: a wait takes a second, a first call 16."""

    now = 0

    def __init__(self, task: Any) -> None:
        self.calls: list[str] = []

    @classmethod
    def perf_counter(cls) -> int:
        return cls.now

    def prepare(self, x: Any, y: Any) -> tuple[Any, Any]:
        return x, y

    def forward(self, batch: Any) -> Any:
        Double.now += 2 if self.calls else 16
        self.calls.append("forward")
        return np.zeros((5, 2))

    def logits(self, output: Any) -> Any:
        return output

    def step(self, batch: Any) -> float:
        self.calls.append("step")
        return 0.25

    def wait(self) -> None:
        Double.now += 1
        self.calls.append("wait")


def test_the_worker_times_all_calls_and_waits_for_the_last(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numpy_peer, "Model", Double)
    monkeypatch.setattr(worker, "time", Double)
    answering = worker.Worker("numpy", 1)
    file = tmp_path / "case.npz"
    arrays = {"0.weight": np.ones((3, 2)), "0.bias": np.ones(2), "x": np.ones((4, 5, 3)), "y": np.zeros((4, 5), int)}
    np.savez(file, allow_pickle=False, **arrays)
    answer = answering.prepare(str(file), 0, ("forward", "step"), "sgd", 0.1)
    assert answer["losses"] == {"forward": pytest.approx(np.log(2)), "step": 0.25}
    assert answer["seconds"] == {"forward": 16 + 1, "step": 0 + 1}
    assert answering.time("forward", 6)["seconds"] == 6 * 2 + 1
    assert answering.peer.calls == ["forward", "wait", "step", "wait", *["forward"] * 6, "wait"]  # type: ignore[attr-defined]


def test_the_worker_keeps_the_protocols_stdout_to_itself(monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps({"do": "time", "phase": "step", "calls": 1}) + "\n"))
    monkeypatch.setattr(sys, "stdout", sys.__stdout__)
    monkeypatch.setattr(sys, "stderr", sys.__stderr__)
    worker.main("numpy", 1)
    assert json.loads(capfd.readouterr().out)["error"].startswith("AttributeError")


def test_a_peer_has_the_environment_that_fastnn_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    source = """
import io, json, os, sys
from fastnn.bench.peers import worker

sys.stdin = io.StringIO()
before = os.environ.get("GOMP_SPINCOUNT")
seen = []
real = os.dup(1)
worker.serve(lambda: seen.append(os.environ.get("GOMP_SPINCOUNT")))
os.dup2(real, 1)
print(json.dumps([before, seen]))
"""
    assert run_python(source) == ["30000", [None]]
