"""Ctrl-C leaves what a whole step left. See interruptions.py, which tries as many moments as one likes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import needs
import numpy as np
import pytest
from processes import run_python

from fastnn import mlp
from fastnn.learning import trainer as trainers


@pytest.mark.thorough
@needs.compiled_kernels
def test_ctrl_c_at_random_moments_leaves_whole_steps_and_whole_checkpoints() -> None:
    found = run_python("import json, interruptions; print(json.dumps(interruptions.report(12, 3)))")
    assert (found["whole steps"], found["whole checkpoints"]) == (12, 12)
    # The signal may come before the command listens, when Python itself ends it, or after the end.
    assert set(found["statuses"]) <= {0, 130}, found["failures"]


@pytest.mark.parametrize("together", [1, 7_000, 10**12])
def test_an_epoch_in_several_calls_is_that_of_one_to_the_bit(monkeypatch: pytest.MonkeyPatch, together: int) -> None:
    rng = np.random.default_rng(0)
    x, y, order = rng.standard_normal((53, 3)), rng.integers(0, 2, 53), rng.permutation(53)
    found = []
    for work in (10**15, together):
        monkeypatch.setattr(trainers, "CALL_WORK", work)
        network = mlp(3, 4, 2, dtype="float64", seed=1)
        trainer = network.trainer("adam", 4)
        epochs = [trainer.epoch(x, y, order), trainer.epoch(x, y, order, 5)]
        found.append((epochs, network.parameters.tobytes(), trainer.steps))
    assert found[0] == found[1]
    assert found[0][2] == 14 + 5


@needs.compiled_kernels
def test_fastnn_train_does_not_wait_for_the_end_of_a_long_epoch(tmp_path: Path) -> None:
    rows = "a,b,y\n" + "".join(f"{i % 13},{i % 7},{i % 2}\n" for i in range(120_000))
    (tmp_path / "t.csv").write_text(rows)
    arguments = ["train", "t.csv", "--layers", "1024-1024-1024", "--batch", "16", "--epochs", "2", "--threads", "1"]
    child = subprocess.Popen(
        [sys.executable, "-m", "fastnn", *arguments, "--checkpoint", "c"], cwd=tmp_path, text=True,
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert child.stderr is not None
    for line in child.stderr:
        if "parameters" in line:
            break
    time.sleep(1)
    told: list[str] = []
    reader = threading.Thread(target=lambda: told.extend(child.stderr or ()))
    reader.start()
    child.send_signal(signal.SIGINT)
    try:
        assert child.wait(60) == 130
    finally:
        child.kill()
    reader.join(10)
    child.stderr.close()
    assert any("stopping after this epoch, or in 3 s" in line for line in told), told
    assert any("interrupted; --checkpoint c --resume goes on" in line for line in told), told


def test_what_is_asserted_would_fail_for_half_a_step() -> None:
    """The digests tell parameters of a step from others."""
    source = """
import json, interruptions
found = interruptions.network()
before = interruptions.digest(found)
found.parameters[5] += 1e-6
print(json.dumps(before != interruptions.digest(found)))
"""
    assert run_python(source) is True
