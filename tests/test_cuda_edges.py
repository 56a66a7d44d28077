"""What goes to a GPU and comes back, what is refused there, and the commands that use one."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import needs
import numpy as np
import pytest
from device_cases import ROWS, data, pair

import fastnn
from fastnn import SGD, Adam, mlp
from fastnn.bench import rows as bench_rows
from fastnn.bench.case import Case
from fastnn.bench.ladder import parse
from fastnn.bench.measuring import Budget
from fastnn.cuda import ceilings
from fastnn.cuda.target import SIMULATED
from fastnn.samples import Rows
from fastnn.tables import Scaling

# Simulated numbers are NumPy's, which warns where a device has inf and NaN.
pytestmark = [
    pytest.mark.usefixtures("quick_turns"),
    pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning"),
]


def test_rows_on_the_device_are_for_its_trainers_alone() -> None:
    host, device = pair(3, 2, dtype="float64")
    x, y = data(3, 2, "cross_entropy")
    held = device.trainer(batch=4).hold(x, y)
    assert device.trainer(batch=2).epoch(held, np.arange(4), steps=1).steps == 1
    with pytest.raises(ValueError, match="held for another network"):
        host.trainer().epoch(held, np.arange(4))
    with pytest.raises(ValueError, match="held on the GPU; pass x and y as arrays of the CPU"):
        device.evaluate(held)
    assert device.evaluate(x, y).loss == pytest.approx(device.loss(x, y), rel=1e-15)


def test_parameters_are_copies_that_refuse_to_be_written() -> None:
    network = mlp(3, 4, 2, seed=0, device="cuda")
    with pytest.raises(ValueError, match="read-only"):
        network.parameters[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        network.named_parameters["0.weight"][0, 0] = 1
    network.parameters = np.full_like(network.parameters, 0.25)
    assert network.named_parameters["0.bias"].tolist() == [0.25] * 4
    with pytest.raises(ValueError, match="shape"):
        network.parameters = np.zeros(3)


def test_copies_files_and_devices_keep_the_parameters(tmp_path: Path) -> None:
    host, device = pair(3, 4, 2)
    for other in (device.copy(), pickle.loads(pickle.dumps(device)), device.to("cuda")):
        assert other.device == "cuda"
        np.testing.assert_array_equal(other.parameters, host.parameters)
    device.save(tmp_path / "network.safetensors")
    np.testing.assert_array_equal(fastnn.load(tmp_path / "network.safetensors").parameters, host.parameters)
    back = device.to("cpu")
    back.parameters[0] = 5
    assert device.parameters[0] == host.parameters[0] != 5


@pytest.mark.parametrize("rule", [SGD(l2=0.1), Adam(epsilon_hat=True)], ids=repr)
def test_what_the_device_cannot_do_is_refused(rule: Any) -> None:
    with pytest.raises(ValueError, match="l2, epsilon_hat, decay and rates are of training on the CPU"):
        pair(3, 4, 2)[1].trainer(rule, ROWS)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one of cpu, cuda"):
        mlp(3, 4, 2, device="gpu")
    trainer = mlp(3, 4, 2, device="cuda").trainer(batch=2)
    x, y = data(3, 2, "cross_entropy")
    with pytest.raises(ValueError, match="takes 1 to 2"):
        trainer.step(x, y)
    with pytest.raises(ValueError, match="expected rows of x"):
        trainer.epoch(x, y, np.array([len(x)]))
    with pytest.raises(ValueError, match="sample_weight has no kernels on device='cuda'"):
        trainer.hold(x, y, np.ones(len(x)))
    made = Rows(np.zeros((4, 3), np.uint8), Scaling.none(3), np.dtype(np.float32))
    with pytest.raises(ValueError, match="made when a step needs them are trained on by the CPU alone"):
        trainer.hold(made, np.zeros(4, int))
    with pytest.raises(ValueError, match="call gradient first"):
        trainer.apply()
    with pytest.raises(ValueError, match="step"):
        mlp(3, 4, 2, activation="step", device="cuda").trainer()


def test_a_row_of_the_benchmark_is_checked_trained_and_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastnn.bench.case.LEAST_STEPS", 2)
    monkeypatch.setattr("fastnn.bench.case.MOST_STEPS", 2)
    monkeypatch.setattr("fastnn.bench.case.MOST_EPOCH_ROWS", 1)
    case = Case(parse("3-4-2"), 4, 1, "float32", "sgd", "cuda")
    case.y = case.y[:8]
    case.x = case.x[:8]
    found = list(bench_rows.rows_of(case, ("forward", "step"), ceilings.measure(seconds=0.01), Budget(0.01)))
    assert [row["phase"] for row in found] == ["forward", "step"]
    for row in found:
        assert 0 <= row["residual"] <= 1
        assert row["median_s"] > 0
        assert row["floor_s"] > 0


@needs.jit
@pytest.mark.skipif(not SIMULATED, reason="needs a machine without a GPU")
def test_without_a_gpu_the_command_says_what_is_missing_and_ends_with_2() -> None:
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "0", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-m", "fastnn", "bench", "--device", "cuda", "--sizes", "3-4-2", "--fast"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert "device 'cuda' cannot be used" in lines[-1]
    assert "pip install 'fastnn[cuda]'" in lines[-1]
