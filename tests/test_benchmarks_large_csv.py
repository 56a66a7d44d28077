"""benchmarks/large_csv.py at a small size."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from processes import ROOT


def test_a_small_file_is_trained_on_and_its_cost_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    from large_csv import main

    result = CliRunner().invoke(main, ["--gigabytes", "0.001"])
    assert result.exit_code == 0, result.output
    size, train, predict = result.stdout.splitlines()
    assert "20,000 rows of 50 numbers: 4 MB of float32" in size
    for line, name in ((train, "train"), (predict, "predict-on")):
        found = re.fullmatch(name + r": ([\d.]+) s, ([\d,]+) MB at most", line)
        assert found
        assert 50 < int(found[2].replace(",", "")) < 1500


def test_a_command_that_fails_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import large_csv
    from click import ClickException

    with pytest.raises(ClickException, match="fastnn train ended with 2"):
        large_csv.measured(("train", str(tmp_path / "nothing.csv")))


def test_the_memory_is_that_of_the_command_and_not_of_who_started_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import large_csv

    ballast = np.ones(60_000_000)  # 480 MB
    _, peak = large_csv.measured(("--version",))
    assert 20e6 < peak < ballast.nbytes
