"""fastnn.testing on fastnn's own layers, and on operations that are wrong: each fact fails where it should."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import needs
import numpy as np
import pytest
from processes import run_python

from fastnn import Activation, LayerNorm, Momentum
from fastnn.compiler.jit import DISABLED
from fastnn.extending import (
    Cost,
    Parameter,
    Places,
    SameShape,
    Shape,
    columns,
    kernel,
    matrix,
    register,
    register_layer,
    values_at,
    vector,
)
from fastnn.graph.forms import Form
from fastnn.layers import LAYERS
from fastnn.testing import CHECKS, Case, check_operation, checks_of
from fastnn.testing.case import targets
from fastnn.testing.layers import CASES
from fastnn.testing.operation import check_reference
from fastnn.testing.torch_module import check_torch, has_module

Array = Any


@pytest.mark.parametrize(("case", "check"), checks_of(*CASES))
def test_layers_are_right(case: Case, check: Callable[[Case], None]) -> None:
    check(case)


@dataclass(frozen=True)
class WrongNorm(LayerNorm):
    torch_names = ()

    def torch_form(self, shape: Shape) -> Form:
        return Form("LayerNorm", {"normalized_shape": shape[-1], "eps": 2 * self.epsilon})


@pytest.mark.thorough
def test_layers_are_the_modules_of_pytorch_that_they_say() -> None:
    """And one that says that it is another is found out."""
    needs.package("torch")
    cases = [case for case in CASES if has_module(case)]
    assert {type(case.layer).__name__ for case in cases} >= {"Dense", "Activation", "LayerNorm", "RMSNorm", "MaxPool2d"}
    for case in cases:
        check_torch(case)

    register_layer("wrong norm", WrongNorm)
    try:
        with pytest.raises(AssertionError, match="torch: values are .* from PyTorch's"):
            check_operation(Case(WrongNorm(), (7,)))
    finally:
        del LAYERS["wrong norm"]


def gradients(case: Case) -> list[list[float]]:
    """float64 (P,) each, of nine rows: of the layer alone, and amid others."""
    x = case.rows(9, "float64")
    nets = case.alone("float64"), case.amid("float64")
    return [net.gradient(x, targets(net, len(x))).tolist() for net in nets]


def in_plain_python() -> None:
    """Central differences of one layer, since they take long, and gradients of all."""
    assert DISABLED
    for case in CASES:
        check_reference(case)
    check_operation(CASES[-1])
    print(json.dumps([gradients(case) for case in CASES]))


@needs.jit
@pytest.mark.full
def test_layers_are_right_in_plain_python() -> None:
    plain = run_python("import test_testing; test_testing.in_plain_python()", NUMBA_DISABLE_JIT="1")
    for case, found in zip(CASES, plain, strict=True):
        for plainly, compiled in zip(found, gradients(case), strict=True):
            np.testing.assert_allclose(plainly, compiled, rtol=1e-9, atol=1e-12, err_msg=str(case))


# Wrong operations -----------------------------------------------------------------------------------------------------

# What an operation does wrong, and the facts that say so.
FAULTS = {
    "value": ("reference",),
    "gradient of the input": ("gradient",),
    "gradient of the parameter": ("gradient",),
    "gradient of the first rows": ("chunks",),
    "adds to the gradient": ("workspace", "updates"),
    "row before": ("rows are independent",),
    "reads what is not kept": ("workspace",),
    "writes beside": ("workspace",),
    "changes its input": ("workspace", "gradient"),
    "cost": ("costs",),
}
VALUE, INPUT_GRADIENT, PARAMETER_GRADIENT, FIRST_ROWS, ADDS, BEFORE, UNKEPT, BESIDE, CHANGES, COST = range(len(FAULTS))
WEIGHT, FAULT = columns.OWN, columns.OWN + 1


@kernel(late=True)
def scale(tape, i, params, x, workspace, at, rows, key, begin):  # type: ignore[no-untyped-def]
    width, fault = tape[i, columns.WIDTH_IN], tape[i, FAULT]
    source = values_at(tape[i, columns.INPUT], width, x, workspace, at, rows)
    y = matrix(workspace, tape[i, columns.OUTPUT] + at * width, rows, width)
    w = vector(params, tape[i, WEIGHT], width)
    for r in range(rows):
        for c in range(width):
            y[r, c] = source[r, c] * w[c]
            if fault == VALUE:
                y[r, c] *= 1.00001
            if fault == BEFORE and r > 0:
                y[r, c] += source[r - 1, c]
            if fault == CHANGES:
                source[r, c] += 1
    if fault == BESIDE:
        vector(workspace, tape[0, columns.WORKSPACE_SIZE], 1 + 0 * rows)[0] = 7


@kernel(late=True)
def scale_inward(tape, i, params, x, workspace, at, rows, key, begin):  # type: ignore[no-untyped-def]
    width = tape[i, columns.WIDTH_IN]
    to = 0 * at if tape[i, FAULT] == FIRST_ROWS else at
    dx = matrix(workspace, tape[i, columns.DINPUT] + to * width, rows, width)
    dy = matrix(workspace, tape[i, columns.DOUTPUT] + at * width, rows, width)
    w = vector(params, tape[i, WEIGHT], width)
    for r in range(rows):
        for c in range(width):
            dx[r, c] = dy[r, c] * w[c] * (1.001 if tape[i, FAULT] == INPUT_GRADIENT else 1.0)


@kernel(late=True)
def scale_gradient(tape, i, params, grads, first, x, workspace, at, rows):  # type: ignore[no-untyped-def]
    width, fault = tape[i, columns.WIDTH_IN], tape[i, FAULT]
    source = values_at(tape[i, columns.INPUT], width, x, workspace, at, rows)
    dy = matrix(workspace, tape[i, columns.DOUTPUT] + at * width, rows, width)
    dw = vector(grads, first + tape[i, WEIGHT], width)
    for c in range(width):
        if fault != ADDS:
            dw[c] = 0
    for r in range(rows):
        for c in range(width):
            dw[c] += dy[r, c] * source[r, c] * (1.001 if fault == PARAMETER_GRADIENT else 1.0)


SCALE = register(scale, scale_inward, scale_gradient)


@dataclass(frozen=True)
class Scale(SameShape):
    fault: int
    kind: ClassVar[int] = SCALE

    @property
    def reads_backward(self) -> tuple[str, ...]:  # type: ignore[override]
        return () if self.fault == UNKEPT else ("inputs",)

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        return {"weight": Parameter(shapes[0])}

    def initial(self, rng: np.random.Generator, *shapes: Shape) -> dict[str, Array]:
        return {"weight": np.ones(shapes[0])}

    def own_columns(self, places: Places, *shapes: Shape) -> dict[int, int]:
        return {WEIGHT: places.parameter("weight")[0], FAULT: self.fault}

    def forward_cost(self, rows: int, itemsize: int, *shapes: Shape) -> Cost:
        n = rows * shapes[0][0]
        return Cost(0, n // 2 - 50 if self.fault == COST else n, 0, (2 * n + shapes[0][0]) * itemsize)

    def backward_cost(self, rows: int, itemsize: int, input_gradient: bool, *shapes: Shape) -> Cost:
        n = rows * shapes[0][0]
        return Cost(0, 3 * n, 0, (3 * n + 2 * shapes[0][0]) * itemsize)


def scaled(fault: int) -> Case:
    return Case(Scale(fault), (7,), lambda p, x: x * p["weight"], wrong=[lambda p, x: x])


def failing(case: Case) -> set[str]:
    found = set()
    for name, check in CHECKS.items():
        try:
            check(case)
        except AssertionError:
            found.add(name)
    return found


def test_an_operation_without_a_fault_passes() -> None:
    assert failing(scaled(-1)) == set()
    check_operation(scaled(-1))


def test_what_is_written_beside_the_workspace_is_found() -> None:
    """By the check that has room there: elsewhere such an operation writes where it may harm anything."""
    with pytest.raises(AssertionError, match="written beside the workspace"):
        CHECKS["workspace"](scaled(BESIDE))


@pytest.mark.parametrize("fault", [pytest.param(at, id=name) for at, name in enumerate(FAULTS) if at != BESIDE])
def test_each_fault_is_found(fault: int) -> None:
    assert set(list(FAULTS.values())[fault]) <= failing(scaled(fault))
    with pytest.raises(AssertionError, match="Scale 7: "):
        check_operation(scaled(fault))


def test_a_trainer_from_a_pickle_calls_operations_by_the_numbers_of_its_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = scaled(-1)
    trainer, rows = case.amid("float32").trainer(Momentum(0.1), 9, span=4), case.rows(9, "float32")
    goal = targets(trainer.network, 9)
    trainer.step(rows, goal)
    kept = pickle.dumps(trainer)
    again = register(scale, scale_inward, scale_gradient)
    monkeypatch.setattr(Scale, "kind", again)  # as if others had been registered before
    other = pickle.loads(kept)
    assert again in other.tape[:, columns.KIND]
    assert trainer.network(rows).tobytes() == other.forward(rows).tobytes()
    assert (other.span, other.step(rows, goal)) == (4, trainer.step(rows, goal))
    assert other.params.tobytes() == trainer.params.tobytes()


def test_a_wrong_reference_that_passes_is_said() -> None:
    right = Case(Activation("tanh"), (4,), lambda p, x: np.tanh(x), wrong=[lambda p, x: np.tanh(x)])
    with pytest.raises(AssertionError, match="Activation 4: wrong references: wrong reference 0 passes"):
        check_operation(right)
