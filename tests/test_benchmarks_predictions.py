"""benchmarks/check_predictions.py --layers: which networks it times, and what it says of them."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from machine_documents import machine_document

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import check_predictions

from fastnn.bench.calibration.layered import COUNTS, Case, cases_of
from fastnn.study.layered import FAMILIES, LayeredCall
from fastnn.study.layered_model import Observed
from fastnn.study.machine_model import DRIFT

PACE = 1e9  # that of the made-up machine


def test_no_network_is_one_that_the_machine_is_measured_with() -> None:
    found = check_predictions.layered_cases()
    counts = {family: max(each[family.name] for each in COUNTS.values()) for family in FAMILIES}
    seen = {network for family, count in counts.items() for network, _ in cases_of(family, count)}
    assert not seen & {network for network, _ in found}
    names = {name for group, name in found.values() if not group.startswith("other")}
    assert names >= {"lenet5", "resnet10", "lstm-64-28", "gru-256-112", "gpt-4x64"}


def test_errors_and_intervals_are_those_of_what_was_timed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Steps take 3 ms there, and a tenth more here; forward passes 1 ms, and twice that, which no interval holds."""
    took = {"forward": 2e-3, "step": 3.3e-3}

    def observe(
        cases: Sequence[Case], threads: Sequence[int], dtype: str, advance: Callable[[], Any]
    ) -> list[Observed]:
        ((network, batch),) = cases
        return [Observed(LayeredCall(network, batch, 1, phase), seconds, PACE) for phase, seconds in took.items()]

    monkeypatch.setattr(check_predictions, "measured", lambda *_: machine_document())
    monkeypatch.setattr(check_predictions, "observe_layered", observe)
    monkeypatch.setattr(check_predictions.machine, "handover_time", lambda: None)
    monkeypatch.setattr(check_predictions, "DRAWN", 1)
    file = tmp_path / "found.json"
    result = CliRunner().invoke(check_predictions.main, ["--layers", "--json", str(file)])
    assert result.exit_code == 0, result.output
    document = json.loads(file.read_text())
    for each in document["calls"]:
        assert each["error"] == pytest.approx(math.log(2.0 if each["phase"] == "forward" else 1.1))
        assert each["held"] == (each["phase"] == "step")
    assert math.log(1.1) < math.hypot(0.2, DRIFT)  # what the document's interval holds
    assert document["all"]["intervals_held"] == 0.5
    assert {each["group"] for each in document["summaries"]} >= {"images", "sequences", "gpt", "other images"}
