"""Forward pass and training step of each case that fastnn.testing checks: `pytest benchmarks/test_operations.py`."""

from __future__ import annotations

from typing import Any

import pytest

from fastnn.testing import Case
from fastnn.testing.case import targets
from fastnn.testing.layers import CASES

ROWS = 64


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.benchmark(group="forward")
def test_forward(benchmark: Any, case: Case) -> None:
    trainer = case.amid("float32").trainer("sgd", ROWS)
    benchmark(trainer.forward, case.rows(ROWS, "float32"))


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.benchmark(group="step")
def test_step(benchmark: Any, case: Case) -> None:
    net = case.amid("float32")
    trainer = net.trainer("sgd", ROWS)
    benchmark(trainer.step, case.rows(ROWS, "float32"), targets(net, ROWS))
