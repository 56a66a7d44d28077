"""benchmarks/sklearn_estimators.py: its rows hold what was fitted, and other scores than scikit-learn's fail it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import sklearn_estimators
from estimator_peer import CASES, Worker


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(sklearn_estimators.main, [str(argument) for argument in arguments])


def row(**changes: Any) -> dict[str, Any]:
    fitted = {"ours_scores": [0.9, 0.8], "sklearn_scores": [0.9, 0.8], "ours_epochs": [3, 5], "sklearn_epochs": [3, 5]}
    times = {"ours_s": 0.01, "sklearn_s": 0.04, "ratio": {"median": 4.0, "low": 3.5, "high": 4.5}}
    return {"case": "digits", "dtype": "float32", "threads": 1, **fitted, **times, **changes}


def test_a_run_fits_both_alike_and_writes_what_it_prints(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    options = ("--seeds", "2", "--epochs", "3", "--seconds", "0.01", "--threads", "1", "--case", "diabetes")
    result = invoke("--json", file, *options)
    assert result.exit_code == 0, result.output
    document = json.loads(file.read_text())
    assert document["schema"] == "fastnn-sklearn/1"
    assert document["context"]["versions"]["scikit-learn"]
    assert [(each["dtype"], each["threads"]) for each in document["rows"]] == [("float64", 1), ("float32", 1)]
    for each in document["rows"]:
        assert each["ours_scores"] == pytest.approx(each["sklearn_scores"], rel=1e-4)
        assert each["ours_epochs"] == each["sklearn_epochs"] == [3, 3]
        assert each["ratio"]["low"] <= each["ratio"]["median"] <= each["ratio"]["high"]
        assert f"{each['ratio']['median']:.2f} (" in result.output


@pytest.mark.parametrize("case", CASES)
def test_the_two_libraries_are_given_the_same_work(case: str) -> None:
    request: dict[str, Any] = {"case": case, "dtype": "float64", "seeds": 2, "epochs": 2}
    ours, theirs = (Worker(name).prepare(**request) for name in ("fastnn", "sklearn"))
    assert ours["scores"] == pytest.approx(theirs["scores"], rel=1e-10)
    assert ours["scores"][0] != ours["scores"][1]


def test_times_are_of_whole_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker("fastnn")
    worker.prepare("diabetes", "float64", 1, 2)
    fits = []
    monkeypatch.setattr(worker, "_fit", lambda: fits.append(1))
    assert worker.time("fit", 3)["seconds"] > 0
    assert len(fits) == 3


@pytest.mark.parametrize(("scores", "code"), [([0.903, 0.806], 0), ([0.91, 0.81], 1), ([float("nan"), 0.8], 1)])
def test_a_score_that_differs_by_more_than_half_a_percent_fails_and_is_named(
    scores: list[float], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sklearn_estimators, "compare", lambda *_: row(ours_scores=scores))
    result = invoke("--threads", "1", "--case", "digits")
    assert result.exit_code == code
    assert ("our score differs by" in result.stderr) == (code == 1)
    assert "4.00 (3.50-4.50)" in result.stdout


def test_more_threads_than_there_are_is_bad_usage() -> None:
    result = invoke("--threads", "9999")
    assert result.exit_code == 2
    assert "--threads is 9999; this machine has" in result.stderr
