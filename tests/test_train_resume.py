"""Trainings that are killed at random moments end in the same bytes; see kills.py, where they are made."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from processes import ROOT

KILLS = 20


@pytest.fixture(scope="module")
def found() -> Any:
    """In a process of its own, which starts no thread and so can be forked."""
    command = [sys.executable, "-W", "error", "tests/kills.py", str(KILLS)]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


def test_killed_at_20_random_moments_and_resumed_it_ends_in_the_same_bytes(found: Any) -> None:
    assert found["kills"] == KILLS
    assert len(set(found["epochs_at_kills"])) > 3  # the kills came at different epochs
    assert found["same_model"]
    assert found["same_history"]
    assert found["epochs"] == 1500


def test_kills_leave_no_other_files(found: Any) -> None:
    assert found["files"] == ["model.safetensors", "run.checkpoint", "run.jsonl"]


def test_ctrl_c_stops_after_the_epoch_and_what_was_trained_is_kept(found: Any) -> None:
    stopped = found["interrupted"]
    assert stopped["status"] == 130
    assert 30 <= stopped["epochs"] < 1000
    assert stopped["kept_a_model"]
    assert stopped["same_model"]  # after it was resumed
