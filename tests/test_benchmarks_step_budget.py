"""benchmarks/step_budget.py: its parts are the step's, and its tables hold what was measured."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import step_budget
from budget.parts import KIND, LOSS, PARTS, UPDATE, Step

from fastnn.bench.case import Case
from fastnn.bench.ladder import parse

BATCH = 32


@pytest.mark.parametrize("network", ["3-4-2", "64-16-10", "64-9-8-10"])
def test_the_parts_make_the_gradient_of_the_step(network: str) -> None:
    case = Case(parse(network), BATCH, 1, "float64", "sgd")
    step = Step(case)
    case.trainer.gradient(*case.batches[0])
    np.testing.assert_allclose(step.grads, case.trainer.grads, rtol=1e-12, atol=1e-15)


def test_a_walk_leaves_everything_as_the_first_did() -> None:
    step = Step(Case(parse("64-16-10"), BATCH, 1, "float32", "sgd"))
    first = step.grads.copy()
    step.walk(5)
    step.repeated(1)(3)
    np.testing.assert_array_equal(step.grads, first)


def test_a_program_has_every_part_once_and_the_input_has_no_gradient() -> None:
    program = Step(Case(parse("64-9-8-10"), BATCH, 1, "float32", "sgd")).program
    kinds = [PARTS[kind] for kind in program[:, KIND]]
    counts = {name: kinds.count(name) for name in PARTS}
    assert counts == {
        "clock": 1, "product": 3, "activation": 2, "loss": 1, "slope": 2, "bias gradient": 3, "dW": 3, "dx": 2,
        "update": 1,
    }  # fmt: skip
    assert kinds.index(PARTS[LOSS]) == 6
    assert kinds[-1] == PARTS[UPDATE]


def test_the_tables_name_each_part_and_add_up(tmp_path: Path) -> None:
    file = tmp_path / "budget.md"
    result = CliRunner().invoke(
        step_budget.main, ["--fast", "--sizes", "3-4-2", "--sizes", "64-16-10", "--markdown", str(file)]
    )
    assert result.exit_code == 0, result.output
    text = file.read_text()
    for name in ("## 64-16-10, 1,210 parameters, batch 32", "| dx | 1 |", "| loss | 1 |", "| whole step, nopython |"):
        assert name in text
    assert "the rest: walker and calls" in result.stdout
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows} == {len(step_budget.HEADINGS) + 1}


def test_what_the_parts_do_not_explain_is_the_rest() -> None:
    parts = [step_budget.Part("product", "0", 2e-6, 1e-6, 4000), step_budget.Part("update", "", 1e-6, 1e-6, 0)]
    budget = step_budget.StepBudget("3-4-2", 26, parts, nopython=2.5e-6, python=4e-6)
    cells = {line[0]: line[2:] for line in step_budget.lines(budget)}
    assert cells["product"] == ("2.00 µs", "80.0%", "1.00 µs", "2")
    assert cells["sum of the parts"][0] == "3.00 µs"
    assert cells["the rest: walker and calls"][:2] == ("-500 ns", "-20.0%")
    assert cells["call from Python"][0] == "1.50 µs"
