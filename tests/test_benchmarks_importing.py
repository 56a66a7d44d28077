"""benchmarks/importing.py: what is imported, and beside what."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from processes import ROOT


def test_imports_are_timed_beside_numbas(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    from importing import BASE, SOURCES, main

    file = tmp_path / "importing.json"
    result = CliRunner().invoke(main, ["--runs", "1", "--json", str(file)])
    assert result.exit_code == 0, result.output
    document = json.loads(file.read_text())
    assert list(document["seconds"]) == list(SOURCES)
    assert all(took > 0 for took in document["seconds"].values())
    assert f"1.000 of numba's: {BASE}" in result.stdout


def test_python_keeps_its_compiled_files_for_the_runs_that_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    from importing import environment, seconds

    seconds("import fastnn", environment(ROOT, tmp_path), tmp_path)
    assert {path.name.partition(".")[0] for path in tmp_path.rglob("fastnn/tape/*.pyc")} >= {"walk", "operations"}
