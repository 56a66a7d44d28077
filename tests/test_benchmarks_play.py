"""benchmarks/play.py: figures of a page that trains, from the frames that came to it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import needs
import pytest
from click.testing import CliRunner
from processes import ROOT, uncovered

needs.playground()


def test_figures_are_of_the_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in set(os.environ) - set(uncovered()):
        monkeypatch.delenv(name)
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    from play import main

    file = tmp_path / "play.json"
    result = CliRunner().invoke(main, ["--seconds", "1", "--starts", "1", "--json", str(file)])
    assert result.exit_code == 0, result.output
    found = json.loads(file.read_text())
    for batch in ("1", "32"):
        of = found["training"][batch]
        assert of["steps_per_s"] > 1_000
        assert 1 < of["frames_per_s"] <= 1.3 * of["browser_frames_per_s"]
        assert 0 < of["page_ms_per_frame"] < 1_000
    assert 0 < found["slide_median_ms"] <= found["slide_p95_ms"]
    assert len(found["start_s"]) == 1
    assert "cold_start_s" not in found
    lines = result.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["batch 1", "batch 32", "slider to answer", "start"]
