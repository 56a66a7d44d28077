"""A forward pass, a training step called from Python, and steps inside one nopython call, over the ladder."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from fastnn.bench.case import Case
from fastnn.bench.ladder import Rung, select
from fastnn.bench.results import PHASES
from fastnn.bench.rows import cost_of

# Calls of one round, so that a round is long against the clock; the same for all rungs keeps names comparable.
CALLS = 10


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("batch", [1, 32])
@pytest.mark.parametrize("rung", select(), ids=lambda rung: rung.name)
def test_train_step(rung: Rung, batch: int, phase: str, benchmark: Any, describe: Any) -> None:
    case = Case(rung, batch, 1, "float32", "sgd")
    residual = case.check().worst
    assert residual <= 1
    flops = cost_of(case, phase).flops
    describe(f"{phase}, batch {batch}", params=rung.params, flops=flops, calls=CALLS, residual=residual)
    benchmark(partial(case.run(phase), CALLS))
