"""benchmarks/gallery/measure.py: what it writes is whole, twins do the same work, and one that does not is refused."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import needs
import numpy as np
import pytest
from click.testing import CliRunner, Result

sys.path.append(str(Path(__file__).parents[1] / "benchmarks" / "gallery"))

import gallery_cases
import measure
import td_learning
from gallery_cases import blind_cart_poles, cart_poles, pendulums, walks

from fastnn.bench.measuring import Budget
from fastnn.bench.peers.process import PeerFailed, Process

FEW = (cart_poles, 4, True), (blind_cart_poles, 4, True), (pendulums, 1, False), (pendulums, 3, True), (walks, 1, False)
WAYS = {
    (cart_poles, 4): ("loop", "bare", "batched", "compiled"),
    (blind_cart_poles, 4): ("loop", "bare", "batched", "compiled"), (pendulums, 1): ("loop", "bare", "compiled"),
    (pendulums, 3): ("batched", "compiled"), (walks, 1): ("loop", "bare", "compiled"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "CASES", FEW)
    monkeypatch.setattr(measure, "SEEDS", {"fast": 2})
    monkeypatch.setattr(measure, "BUDGETS", {"fast": Budget(0.001)})
    monkeypatch.setattr(gallery_cases, "MOVES", 20)
    monkeypatch.setattr(gallery_cases, "SHORT", 8)
    monkeypatch.setattr(gallery_cases.ode_surrogate, "STEPS", 12)
    monkeypatch.setattr(td_learning, "MOVES", 2000)


def run(file: Path, *more: str) -> Result:
    return CliRunner().invoke(measure.main, ["--json", str(file), "--fast", "--threads", "1", *more])


@pytest.fixture(scope="module")
def torch_process() -> Iterator[Process]:
    needs.package("torch")
    process = Process("torch", 1, measure.WORKER)
    yield process
    process.close()


def test_without_torch_ours_is_measured_and_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "find_spec", lambda name: None)
    result = run(tmp_path / "gallery.json")
    assert result.exit_code == 0, result.output
    assert "torch is left out: it is not installed" in result.stderr
    document = json.loads((tmp_path / "gallery.json").read_text())
    assert document["schema"] == measure.SCHEMA
    assert "torch" not in document["context"]["versions"]
    assert [each["example"] for each in document["learned"]] == [
        "cart_pole", "blind_cart_pole", "ode_surrogate", "td_learning"
    ]  # fmt: skip
    assert [(each["learned"], each["seeds"]) for each in document["learned"][:2]] == [(2, 2)] * 2
    rows = document["rows"]
    assert [(row["example"], row["size"]) for row in rows] == [
        ("cart_pole", 4), ("blind_cart_pole", 4), ("ode_surrogate", 1), ("ode_surrogate", 3), ("td_learning", 1)
    ]  # fmt: skip
    for row in rows:
        assert row["peers"] == {}
        assert row["ours"]["unit_s"] == row["ours"]["median_s"] / row["units"]
        assert 0 < row["ours"]["min_s"] <= row["ours"]["median_s"]
    assert [row["units"] for row in rows[2:]] == [4 * 12, 4 * 8 * 3, 20]


@needs.two_cores
def test_on_two_threads_only_what_they_share_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "find_spec", lambda name: None)
    monkeypatch.setattr(measure, "learned", lambda threads, seeds: [])
    result = CliRunner().invoke(measure.main, ["--json", str(tmp_path / "x.json"), "--fast", "--threads", "2"])
    assert result.exit_code == 0, result.output
    rows = json.loads((tmp_path / "x.json").read_text())["rows"]
    assert [(row["example"], row["size"], row["threads"]) for row in rows] == [
        ("cart_pole", 4, 2), ("blind_cart_pole", 4, 2), ("ode_surrogate", 3, 2)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "size", "way"),
    [(make, size, way) for make, size, _ in FEW for way in WAYS[make, size]],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_a_twin_answers_as_ours_does(make: Any, size: int, way: str, torch_process: Process) -> None:
    if way == "compiled":
        needs.peer("torch-compile")
    ours = make(1, size)
    assert ours.ways == WAYS[make, size]
    told = measure._prepared(torch_process, ours, way)
    assert told["error"] <= ours.limit
    assert told["first_call_s"] > 0
    started = time.perf_counter()
    took = torch_process.time("call", 2)
    assert 0 < took < time.perf_counter() - started


def test_twins_of_other_networks_answer_otherwise(torch_process: Process) -> None:
    """So that agreeing says something."""
    for make, size, _ in FEW:
        ours = make(1, size)
        name = "w1" if "w1" in ours.inputs else "weight_hh"
        ours.inputs[name] = -ours.inputs[name]
        assert measure._prepared(torch_process, ours, ours.ways[0])["error"] > ours.limit


def test_a_run_with_torch_has_ratios_of_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs.peer("torch-compile")
    monkeypatch.setattr(measure, "CASES", ((pendulums, 1, False),))
    monkeypatch.setattr(measure, "learned", lambda threads, seeds: [])
    result = run(tmp_path / "x.json")
    assert result.exit_code == 0, result.output
    document = json.loads((tmp_path / "x.json").read_text())
    assert "torch" in document["context"]["versions"]
    (row,) = document["rows"]
    assert list(row["peers"]) == ["loop", "bare", "compiled"]
    for peer in row["peers"].values():
        assert 0 < peer["ratio"]["low"] <= peer["ratio"]["median"] <= peer["ratio"]["high"]
        assert peer["unit_s"] == peer["median_s"] / row["units"]
    assert "torch loop" in result.stdout


class Other:
    """A peer whose answer is another."""

    def __init__(self, *arguments: Any) -> None:
        pass

    def ask(self, answer: str, **request: Any) -> dict[str, float]:
        np.save(answer, np.full(1, 1e9))
        return {"first_call_s": 0.1}

    def close(self) -> None:
        pass


class Gone(Other):
    """A peer that ends."""

    def ask(self, **request: Any) -> dict[str, float]:
        raise PeerFailed("torch: its process ended")


@pytest.mark.parametrize(("peer", "message"), [(Other, "refused: 1e+09"), (Gone, "its process ended")])
def test_a_twin_that_fails_makes_the_run_fail(
    peer: type, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "CASES", ((pendulums, 1, False),))
    monkeypatch.setattr(measure, "Process", peer)
    monkeypatch.setattr(measure, "find_spec", lambda name: name)
    monkeypatch.setattr(measure, "version", lambda name: "0")
    monkeypatch.setattr(measure, "learned", lambda threads, seeds: [])
    result = run(tmp_path / "x.json")
    assert result.exit_code == 1
    assert message in result.output


@pytest.mark.parametrize(
    ("arguments", "message"), [(["--threads", "4096"], "--threads is 4096"), (["--json", "."], "it is a folder")]
)
def test_what_cannot_be_is_refused_before_anything_runs(arguments: list[str], message: str, tmp_path: Path) -> None:
    result = run(tmp_path / "x.json", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


KEPT = sorted((Path(__file__).parents[1] / "bench_results").glob("*-gallery.json"))


@pytest.mark.parametrize("file", KEPT, ids=lambda file: file.stem)
def test_a_kept_run_shows_what_is_claimed_of_it(file: Path) -> None:
    """All learn; a loop in PyTorch takes 50 times as long at least, and no way of it is faster than ours."""
    document = json.loads(file.read_text(encoding="utf-8"))
    evolutions = [each for each in document["learned"] if "learned" in each]
    assert {(each["learned"], each["seeds"]) for each in evolutions} == {(100, 100)}
    peers = [(way, peer["ratio"]["low"]) for row in document["rows"] for way, peer in row["peers"].items()]
    loops = [ratio for way, ratio in peers if way == "loop"]
    assert len(loops) == 2 + len(evolutions)
    assert min(loops) >= 50
    assert min(ratio for _, ratio in peers) > 1


def test_runs_are_kept() -> None:
    assert KEPT
