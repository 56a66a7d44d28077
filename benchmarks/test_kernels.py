"""Every kernel at the sizes of the ladder: python -m pytest benchmarks --benchmark-only"""

from __future__ import annotations

from typing import Any

import pytest
from case import Case
from cases import benchmarks


@pytest.mark.parametrize("case", list(benchmarks()), ids=str)
def test_kernel(case: Case, benchmark: Any, describe: Any) -> None:
    inputs = case.inputs()
    residual = case.residual(inputs, case.run(inputs))
    assert residual <= 1
    cost = case.cost()
    describe(case.op, flops=cost.flops, bytes=cost.bytes, transcendentals=cost.transcendentals, residual=residual)
    benchmark(case.bind(inputs, case.outputs(inputs)))
