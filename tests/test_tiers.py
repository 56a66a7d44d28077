"""The tiers: every file of the table is there, and each command runs what it says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import tiers

TESTS = Path(__file__).parent


def test_the_table_names_files_that_there_are_once_each() -> None:
    assert len(tiers.BY_FILE) == len(tiers.FAST) + len(tiers.THOROUGH)
    assert {name for name in tiers.BY_FILE if not (TESTS / f"test_{name}.py").exists()} == set()


def test_a_test_is_of_its_files_tier_unless_it_is_marked_and_on_a_gpu_of_none() -> None:
    assert tiers.tier("matmul", ["parametrize"]) == "fast"
    assert tiers.tier("cuda", []) == "full"
    assert tiers.tier("gallery", []) == "thorough"
    assert tiers.tier("blocks", ["thorough"]) is None
    assert tiers.tier("cuda", ["gpu"]) is None


@pytest.mark.parametrize(
    ("arguments", "files"),
    [
        ([], {"test_network.py", "test_blocks.py", "test_cuda.py"}),
        (["-m", "fast"], {"test_network.py", "test_blocks.py"}),
        (["-m", "full"], {"test_cuda.py"}),
        (["-m", "thorough"], {"test_blocks.py", "test_processors.py"}),
        (["-m", "gpu"], {"test_cuda.py"}),
    ],
    ids=["pytest", *tiers.TIERS, "gpu"],
)
def test_a_command_runs_its_tiers(arguments: list[str], files: set[str]) -> None:
    chosen = [TESTS / f"test_{name}.py" for name in ("network", "blocks", "cuda", "processors")]
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *arguments, *chosen]
    done = subprocess.run(
        command, cwd=TESTS.parent, env=os.environ | {"PYTEST_ADDOPTS": ""}, capture_output=True, text=True, check=True
    )
    found = [line for line in done.stdout.splitlines() if "::" in line]
    assert {Path(line.partition("::")[0]).name for line in found} == files
    # Those of the CPU in the simulator are of a tier, those that need a GPU of none.
    needs_a_gpu = [line for line in found if "test_large_networks_are_those_of_the_cpu" in line]
    assert bool(needs_a_gpu) == ("gpu" in arguments)


def test_ci_runs_the_thorough_tier_after_the_others_and_adds_its_coverage() -> None:
    commands = (TESTS.parent / ".ci" / "run").read_text(encoding="utf-8")
    assert "--expected-skips=tests/expected_skips.txt" in commands
    assert commands.index("&& .venv/bin/pytest -n auto\n") < commands.index("-n auto -m thorough --cov-append\n")
