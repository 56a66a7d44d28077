"""The ladder on a GPU writes whole results, refuses wrong networks, and says what a machine without a GPU lacks."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import cuda_ladder

from fastnn.bench import case
from fastnn.bench.ladder import parse
from fastnn.cuda import target

pytestmark = pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_ladder, "select", lambda sizes, most: [parse("3-4-2")])
    monkeypatch.setattr(cuda_ladder, "PEERS", {})
    monkeypatch.setattr(cuda_ladder, "BLOCKS", 2)
    monkeypatch.setattr(case, "MOST_EPOCH_ROWS", 1)


def run(file: Path, *arguments: str) -> Result:
    command = ["--json", str(file), "--batch", "8", "--seconds", "0.01", *arguments]
    return CliRunner().invoke(cuda_ladder.main, command)


def test_a_run_writes_checked_and_timed_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_ladder, "seconds_of", lambda step, budget: 1e-3)
    result = run(tmp_path / "gpu.json")
    assert result.exit_code == 0, result.output
    document = json.loads((tmp_path / "gpu.json").read_text())
    (row,) = document["rows"]
    assert (row["name"], row["batch"], row["path"], row["verdict"]) == ("3-4-2", 8, "fused", "ok")
    assert 0 <= row["residual"] <= 1
    assert row["gflops"] > 0
    assert document["ceilings"]["copy"] > 0
    assert document["wins_from"] == {"8": None}
    assert "3-4-2, batch 8: 1.00 ms" in result.stderr


def test_tensor_cores_are_checked_and_timed_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_ladder, "seconds_of", lambda step, budget: 1e-3)
    result = run(tmp_path / "gpu.json", "--precision", "bf16")
    assert result.exit_code == 0, result.output
    document = json.loads((tmp_path / "gpu.json").read_text())
    (row,) = document["rows"]
    assert (document["context"]["precision"], row["path"]) == ("bf16", "tiled")
    assert 0 < row["residual"] <= 1


def test_a_wrong_network_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastnn.bench.residual.UNIT_ROUNDOFF", {"float32": 1e-30})
    result = run(tmp_path / "gpu.json")
    assert result.exit_code == 1
    assert "refused" in result.stderr
    (row,) = json.loads((tmp_path / "gpu.json").read_text())["rows"]
    assert (row["verdict"], "seconds" in row) == ("refused", False)


def test_a_network_that_fails_does_not_end_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("the device\nis gone")

    monkeypatch.setattr(cuda_ladder, "residual_of", fail)
    result = run(tmp_path / "gpu.json")
    assert (result.exit_code, "refused, the device" in result.stderr) == (1, True)


def test_what_the_time_does_not_allow_is_named(tmp_path: Path) -> None:
    result = run(tmp_path / "gpu.json", "--minutes", "0")
    assert "no time left for 3-4-2, batch 8" in result.stderr


def test_without_a_gpu_it_ends_with_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise target.DeviceUnavailable("there is none")

    monkeypatch.setattr("fastnn.cuda.ceilings.require_device", refuse)
    result = run(tmp_path / "gpu.json")
    assert (result.exit_code, "there is none" in result.stderr) == (2, True)


def test_the_gpu_wins_from_the_size_above_which_it_loses_nowhere() -> None:
    def row(params: int, gpu: float, cpu: float, batch: int = 32) -> dict[str, Any]:
        return {"batch": batch, "params": params, "seconds": gpu, "cpu_seconds": cpu}

    rows = [row(10, 2, 1), row(100, 1, 2), row(1000, 2, 1), row(10_000, 1, 2), row(10, 1, 2, batch=1)]
    assert cuda_ladder.begins_to_win(rows) == {"32": 10_000, "1": 10}
    assert cuda_ladder.begins_to_win([row(10, 2, 1)]) == {"32": None}


@pytest.mark.parametrize(("share", "count"), [(1e-6, 1), (60.0, 20)])
def test_seconds_are_of_one_step(share: float, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock that steps alone move, by three seconds each; of the budget a block has an equal part."""
    counts: list[int] = []
    monkeypatch.setattr(cuda_ladder, "time", SimpleNamespace(perf_counter=lambda: 3.0 * sum(counts)))
    assert cuda_ladder.seconds_of(counts.append, cuda_ladder.BLOCKS * share) == 3
    assert set(counts[2:]) == {count}
