"""benchmarks/compiling.py: what is kept compiles nothing, and one's own function alone beside kernels that are."""

from __future__ import annotations

import json
import os
from pathlib import Path

import needs
import pytest
from click.testing import CliRunner
from processes import ROOT, uncovered

from fastnn.compiler import jit as _jit


@pytest.fixture(autouse=True)
def _uncovered(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ.keys() - uncovered().keys():
        monkeypatch.delenv(name)


@needs.compiled_kernels
def test_what_is_kept_is_not_compiled_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    from compiling import main

    file = tmp_path / "compiling.json"
    step, kept = "a step of 3-4-2", "a step of 3-4-2, kernels kept"
    result = CliRunner().invoke(main, ["--only", step, "--only", kept, "--json", str(file)])
    assert result.exit_code == 0, result.output
    parts = json.loads(file.read_text())["parts"]
    assert parts[step]["compiled"] > 0 == parts[kept]["compiled"]
    assert parts[step]["cpu_s"] > parts[kept]["cpu_s"] > 0
    assert [line.rpartition(": ")[2] for line in result.stdout.splitlines()] == [step, kept]


@needs.compiled_kernels
def test_ones_own_function_compiles_itself_and_no_kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The function and the inlined forward; whatever is called late is kept."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    from compiling import OWN, measured

    kernels = Path(_jit.CACHE_DIRECTORY or tmp_path)  # those that other tests compiled are not compiled once more
    measured(OWN, kernels, ROOT)
    assert 0 < measured(OWN, kernels, ROOT)["compiled"] <= 2
