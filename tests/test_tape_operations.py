"""Operations that are registered: one from outside of fastnn runs, trains and is threaded as fastnn's own are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import needs
import numba
import numpy as np
import pytest
from numpy.typing import NDArray
from processes import run_python

from fastnn import Dense, LayerNorm, Network, cost
from fastnn.compiler.jit import kernel
from fastnn.graph.protocol import Parameter, Places, SameShape, Shape
from fastnn.simd.views import matrix, vector
from fastnn.tape import columns
from fastnn.tape.columns import DINPUT, DOUTPUT, INPUT, OUTPUT, OWN, WIDTH_IN
from fastnn.tape.operations import forward_operation, register, values_at

# A layer of somebody else's: y = x * w + shift, with two parameters of its own.
W, SHIFT = OWN, OWN + 1


@kernel(late=True)
def scale(tape, i, params, x, workspace, at, rows, key, begin):
    width = tape[i, WIDTH_IN]
    source = values_at(tape[i, INPUT], width, x, workspace, at, rows)
    y, w = matrix(workspace, tape[i, OUTPUT] + at * width, rows, width), vector(params, tape[i, W], width)
    for r in range(rows):
        for c in range(width):
            y[r, c] = source[r, c] * w[c] + params[tape[i, SHIFT]]


@kernel(late=True)
def scale_inward(tape, i, params, x, workspace, at, rows, key, begin):
    width = tape[i, WIDTH_IN]
    dx = matrix(workspace, tape[i, DINPUT] + at * width, rows, width)
    dy, w = matrix(workspace, tape[i, DOUTPUT] + at * width, rows, width), vector(params, tape[i, W], width)
    for r in range(rows):
        for c in range(width):
            dx[r, c] = dy[r, c] * w[c]


@kernel(late=True)
def scale_gradient(tape, i, params, grads, first, x, workspace, at, rows):
    width = tape[i, WIDTH_IN]
    source = values_at(tape[i, INPUT], width, x, workspace, at, rows)
    dy, dw = matrix(workspace, tape[i, DOUTPUT] + at * width, rows, width), vector(grads, first + tape[i, W], width)
    dw[:] = 0
    total = 0.0
    for r in range(rows):
        for c in range(width):
            dw[c] += dy[r, c] * source[r, c]
            total += dy[r, c]
    grads[first + tape[i, SHIFT]] = total


SCALE = register(scale, scale_inward, scale_gradient)


@dataclass(frozen=True)
class Scale(SameShape):
    kind: ClassVar[int] = SCALE

    def parameters(self, *shapes: Shape) -> Mapping[str, Parameter]:
        return {"weight": Parameter(shapes[0]), "shift": Parameter((1,))}

    def initial(self, rng: np.random.Generator, *shapes: Shape) -> Mapping[str, NDArray[np.float64]]:
        return {"weight": rng.uniform(0.5, 1.5, shapes[0]), "shift": rng.normal(size=1)}

    def own_columns(self, places: Places, *shapes: Shape) -> Mapping[int, int]:
        return {W: places.parameter("weight")[0], SHIFT: places.parameter("shift")[0]}

    def forward_cost(self, rows: int, itemsize: int, *shapes: Shape) -> cost.Cost:
        return cost.Cost(0, 2 * rows * shapes[0][0], 0, 2 * rows * shapes[0][0] * itemsize)

    def backward_cost(self, rows: int, itemsize: int, input_gradient: bool, *shapes: Shape) -> cost.Cost:
        return cost.Cost(0, 3 * rows * shapes[0][0], 0, 3 * rows * shapes[0][0] * itemsize)


def network(dtype: str = "float64", hidden: int = 5, first: bool = False) -> Network:
    layers: list[Any] = [Dense(hidden, "tanh"), Scale(), LayerNorm(), Dense(3)]
    return Network(4, [Scale(), *layers] if first else layers, dtype=dtype, seed=3)


def data(rows: int, dtype: str = "float64") -> tuple[Any, Any]:
    rng = np.random.default_rng(rows)
    return rng.normal(size=(rows, 4)).astype(dtype), rng.integers(0, 3, rows)


@pytest.mark.parametrize("first", [False, True])
def test_its_gradient_is_that_of_central_differences(first: bool) -> None:
    net, (x, y) = network(first=first), data(7)
    named = net.named(net.gradient(x, y))
    for name, values in net.named_parameters.items():
        for at in np.ndindex(values.shape):
            before = values[at]
            losses = []
            for moved in (before + 1e-5, before - 1e-5):
                values[at] = moved
                losses.append(net.loss(x, y))
            values[at] = before
            assert named[name][at] == pytest.approx((losses[0] - losses[1]) / 2e-5, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "adamw"])
def test_an_update_with_the_gradient_and_after_it_are_the_same(optimizer: str) -> None:
    """600 hidden units, more parameters than go unfused; the zeros between parameters stay."""
    x, y = data(9)
    together, apart = network(hidden=600), network(hidden=600)
    fused, separate = (net.trainer(optimizer, batch=9) for net in (together, apart))
    for _ in range(3):
        assert fused.step(x, y) == separate.gradient(x, y)
        separate.apply()
    assert together.parameters.tobytes() == apart.parameters.tobytes()
    named = sum(values.size for values in together.named_parameters.values())
    assert np.count_nonzero(together.parameters) <= named < together.parameters.size


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_in_chunks_by_threads_give_the_bits_of_each_alone(dtype: str) -> None:
    net, (x, y) = network(dtype), data(700, dtype)
    trainer = net.trainer("sgd", batch=700)
    whole = trainer.forward(x).copy()
    alone = np.concatenate([net(row[None]) for row in x])
    assert whole.tobytes() == alone.tobytes()
    assert trainer.step(x, y) > 0


def test_a_number_is_registered_once() -> None:
    with pytest.raises(ValueError, match=f"number {SCALE} is taken"):
        forward_operation.register(SCALE, scale)


@kernel(late=True)
def nothing(tape, i, params, x, workspace, at, rows, key, begin):
    workspace[0] = 7


@needs.compiled_kernels
def test_one_kernel_may_have_several_numbers() -> None:
    kinds = [register(nothing, nothing) for _ in range(2)]

    @numba.njit
    def call(kind, tape, params, x, workspace):  # type: ignore[no-untyped-def]
        forward_operation(kind, tape, 0, params, x, workspace, 0, 1, 0, 0)

    for kind in kinds:
        workspace = np.zeros(4)
        call(kind, np.zeros((1, columns.COLUMNS), np.int64), np.zeros(4), np.zeros((1, 4)), workspace)
        assert workspace[0] == 7


@needs.compiled_kernels
def test_arrays_that_no_kernel_of_a_table_takes_are_refused() -> None:
    @numba.njit
    def call(kind, tape, params, x, workspace):  # type: ignore[no-untyped-def]
        forward_operation(kind, tape, 0, params, x, workspace, 0, 1, 0, 0)

    tape = np.zeros((1, columns.COLUMNS), np.int64)
    for x in (np.zeros((4, 4))[:, ::2], np.zeros((4, 4), np.float32), np.zeros(4)):
        with pytest.raises(numba.TypingError):
            call(SCALE, tape, np.zeros(4), x, np.zeros(4))


def test_it_is_counted_and_shown_as_any_layer() -> None:
    net = network()
    assert net.parameter_count == 4 * 5 + 5 + 5 + 1 + 5 + 5 + 5 * 3 + 3
    assert "1 scale" in net.summary()
    assert net.cost(1).total.flops > 0


@needs.compiled_kernels
def test_a_row_of_no_known_operation_is_an_error_and_no_crash() -> None:
    source = """
import json
import numpy as np
from fastnn import Dense, LayerNorm, Network
from fastnn.tape import columns
trainer = Network(3, [Dense(4), LayerNorm(), Dense(2)], seed=0).trainer("sgd", batch=2)
trainer.tape[2, columns.KIND] = 200
try:
    trainer.forward(np.ones((2, 3), np.float32))
except RuntimeError as error:
    print(json.dumps(str(error)))
"""
    assert "could not be compiled" in run_python(source)
