"""The dense layer, forward and backward, and the gradients of every kernel against central differences."""

from __future__ import annotations

import numpy as np
import pytest
from case import Case, has_gradients, unwritten, verify, verify_gradients
from cases import TABLE, of
from layer_cases import DenseBackward, DenseForward
from limits import Array

from fastnn.kernels import activation, dense
from fastnn.kernels.optimizer import KEEP, NO_RULE
from fastnn.products import matmul
from fastnn.products.blocks import NN, NT

EMPTY = {dtype: np.empty(0, dtype) for dtype in ("float32", "float64")}


@pytest.mark.parametrize("case", of("dense_forward", "dense_backward"), ids=str)
def test_dense_agrees_with_the_reference(case: Case) -> None:
    verify(case)


@pytest.mark.parametrize("case", [case for case in TABLE if has_gradients(case)], ids=str)
def test_gradient_is_the_slope_of_the_value(case: Case) -> None:
    verify_gradients(case)


def test_every_kernel_with_a_gradient_has_been_differentiated() -> None:
    with_gradients = {case.op for case in TABLE if case.gradients}
    assert {case.op for case in TABLE if has_gradients(case)} == with_gradients
    names = {getattr(case, "activation", None) for case in TABLE if has_gradients(case)}
    assert names >= set(activation.NAMES) - {"step"}


def forward(case: DenseForward, inputs: dict[str, Array], alias: bool) -> tuple[Array, Array]:
    z = unwritten((len(inputs["x"]), case.o), case.dtype)
    y = z if alias else np.empty_like(z)
    dense.dense_forward(y, z, inputs["x"], inputs["w"], inputs["b"], case.kind, case.alpha, case.scratch())
    return z, y


@pytest.mark.parametrize("name", [n for i, n in enumerate(activation.NAMES[1:], 1) if i not in activation.NEEDS_Z])
def test_y_may_be_z_where_the_derivative_needs_no_z(name: str) -> None:
    case = DenseForward(activation=name, alpha=0.3, b=5, i=7, o=9)
    inputs = case.inputs()
    z, y = forward(case, inputs, alias=False)
    assert forward(case, inputs, alias=True)[1].tobytes() == y.tobytes()
    # Then the backward pass cannot depend on z.
    results = []
    for kept in (z, y):
        outputs = {"dx": np.empty((5, 7), "f4"), "dw": np.empty((7, 9), "f4"), "db": np.empty(9, "f4"), "dz": y.copy()}
        backward = DenseBackward(activation=name, alpha=0.3, b=5, i=7, o=9)
        backward.bind(inputs | {"z": kept, "y": y}, outputs)()
        results.append([array.tobytes() for array in outputs.values()])
    assert results[0] == results[1]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("o", [1, 3, 10, 50, 130])
def test_a_batch_equals_batches_of_one_bit_for_bit(dtype: str, o: int) -> None:
    # 37 rows are whole tiles, single rows and, alone, the scalar loop.
    case = DenseForward(activation="tanh", b=37, i=11, o=o, dtype=dtype)
    inputs = case.inputs()
    z, y = forward(case, inputs, alias=False)
    for row in range(37):
        z_row, y_row = forward(case, inputs | {"x": inputs["x"][row : row + 1].copy()}, alias=False)
        assert z_row.tobytes() == z[row].tobytes()
        assert y_row.tobytes() == y[row].tobytes()


def test_input_gradients_of_a_batch_equal_those_of_batches_of_one_bit_for_bit() -> None:
    case = DenseBackward(activation="silu", b=19, i=40, o=33)
    inputs = case.inputs()
    dx = case.run(inputs)["dx"]
    for row in range(19):
        one = DenseBackward(activation="silu", b=1, i=40, o=33)
        alone = one.run(inputs | {name: inputs[name][row : row + 1].copy() for name in ("x", "z", "y", "dy")})
        assert alone["dx"].tobytes() == dx[row].tobytes()


def run_backward(case: DenseBackward, inputs: dict[str, Array], wants_dx: bool) -> dict[str, Array]:
    outputs = case.outputs(inputs)
    results = (outputs[name] for name in ("dx", "dw", "db", "dz"))
    case.bind_backward(*results, *(inputs[name] for name in ("x", "w", "z", "y")), wants_dx)()
    return outputs


def test_the_input_gradient_is_left_alone_where_nobody_wants_it() -> None:
    case = DenseBackward(activation="relu", b=8, i=5, o=6)
    inputs = case.inputs()
    without, with_dx = (run_backward(case, inputs, wants_dx) for wants_dx in (False, True))
    assert np.isnan(without["dx"]).all()
    assert not np.isnan(with_dx["dx"]).any()
    assert without["dw"].tobytes() == with_dx["dw"].tobytes()
    assert without["db"].tobytes() == with_dx["db"].tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_whole_numbers_give_whole_numbers_exactly(dtype: str) -> None:
    rng = np.random.default_rng(3)
    x, w, b, dy = (rng.integers(-8, 9, shape).astype(dtype) for shape in ((33, 17), (17, 50), (50,), (33, 50)))
    case = DenseBackward(activation="relu", b=33, i=17, o=50, dtype=dtype)
    layer = {"x": x, "w": w, "b": b}
    inputs = layer | case.forward(layer) | {"dy": dy}
    assert np.array_equal(inputs["y"], np.maximum(x @ w + b, 0))
    outputs = case.run(inputs)
    expected = case.reference(inputs)
    assert all(np.array_equal(outputs[name], expected[name]) for name in ("dx", "dw", "db"))


@pytest.mark.parametrize("name", sorted(set(activation.NAMES) - {"step"}))
def test_nan_in_a_row_reaches_that_row_alone_and_every_weight_of_its_input(name: str) -> None:
    case = DenseForward(activation=name, b=9, i=6, o=20)
    inputs = case.inputs()
    inputs["x"][4, 2] = np.nan
    _, y = forward(case, inputs, alias=False) if name != "identity" else forward(case, inputs, alias=True)
    assert np.isnan(y).any(axis=1).tolist() == [row == 4 for row in range(9)]
    assert np.isnan(y[4]).all()
    backward = DenseBackward(activation=name, b=9, i=6, o=20)
    layer = inputs | backward.forward(inputs) | {"dy": np.ones((9, 20), np.float32)}
    assert np.isnan(backward.run(layer)["dw"][2]).all()


@pytest.mark.parametrize("itemsize", [4, 8])
@pytest.mark.parametrize(("inputs", "outputs"), [(300, 2000), (2000, 300), (784, 128), (130, 10), (4, 3)])
def test_scratch_for_a_batch_is_enough_for_every_shorter_one(inputs: int, outputs: int, itemsize: int) -> None:
    needs = [matmul.panel_of(NT, rows, inputs, outputs, itemsize) for rows in range(1, 701)]
    needs_forward = [matmul.panel_of(NN, rows, outputs, inputs, itemsize) for rows in range(1, 701)]
    chunks = [dense.chunk_scratch(rows, outputs, itemsize) for rows in range(1, 701)]
    for batch in (1, 2, 3, 7, 8, 15, 16, 17, 25, 31, 33, 36, 40, 47, 48, 50, 64, 256, 513, 700):
        has = dense.dense_scratch(batch, inputs, outputs, itemsize, 1)
        assert has >= max(needs[:batch]) + max(chunks[:batch])
        assert has >= max(needs_forward[:batch])


def test_a_short_batch_writes_nothing_beyond_the_scratch_of_a_long_one() -> None:
    inputs, outputs = 300, 2000
    rng = np.random.default_rng(0)
    for batch, rows in ((256, 32), (256, 48), (700, 16), (40, 32)):
        size = dense.dense_scratch(batch, inputs, outputs, 4, 1)
        scratch = np.full(size + 1000, np.nan, "f4")
        params = rng.normal(size=inputs * outputs).astype("f4")
        x, dy = rng.normal(size=(rows, inputs)).astype("f4"), rng.normal(size=(rows, outputs)).astype("f4")
        dx, dw, y = np.full_like(x, np.nan), np.empty((inputs, outputs), "f4"), np.ones_like(dy)
        dense.dense_backward(
            dx, dw, EMPTY["float32"], params, EMPTY["float32"], 0, 0, dy, x, y, y, activation.IDENTITY, 0.0,
            scratch[:size], True, KEEP, NO_RULE,
        )  # fmt: skip
        assert np.isnan(scratch[size:]).all()
        assert np.allclose(dx, dy @ params.reshape(inputs, outputs).T, rtol=1e-3, atol=1e-2)
