"""Networks with residual blocks, norms and dropout: values, gradients, updates, names, costs, and what refuses them."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import needs
import numba
import numpy as np
import pytest
from example_networks import DTYPES, normal
from limits import Array
from processes import run_python
from reference_networks import assert_within, expected, layers_of, loss_and_gradient
from test_fused import OPTIMIZERS, SPAN, batch_of, in_spans, state_of
from test_network_values import central_difference, check_against_reference, poison

import fastnn
from fastnn import Activation, Adam, Dense, Dropout, LayerNorm, Network, Residual, RMSNorm, Shared, cost
from fastnn.bench.residual import residual
from fastnn.learning.training import FUSED_PARAMETERS
from fastnn.lowering import CHUNK_ROWS
from fastnn.reference import network as reference
from fastnn.tape import goes_in_chunks

# Each on 9 inputs, to 3 outputs.
NETWORKS: dict[str, list[Any]] = {
    "layer norm": [Dense(17, "tanh"), LayerNorm(), Dense(3)],
    "RMS norm": [Dense(17, "tanh"), RMSNorm(), Dense(3)],
    "norms before any other parameter": [LayerNorm(), RMSNorm(), Dense(3)],
    "a norm at the end": [Dense(3), LayerNorm(1e-3)],
    "residual": [Dense(17), Residual(Dense(12, "gelu"), Dense(17)), Dense(3)],
    "residual at once": [Residual(Dense(9, "tanh")), Dense(3)],
    "residual before any parameter": [Residual(Activation("tanh")), Residual(Dropout(0.5)), Dense(3)],
    "residual at the end": [Dense(3), Residual(Dense(5, "silu"), Dense(3))],
    "residual in residual": [
        Residual(LayerNorm(), Residual(Dense(9, "tanh"), Residual(Dense(9, "gelu"))), RMSNorm(), Dense(9)), Dense(3),
    ],
    "residual beginning and ending in residual": [
        Dense(9, "tanh"), Residual(Residual(Dense(9, "elu")), Residual(Dense(9))), Residual(Dense(9)), Dense(3),
    ],
    "pre-norm blocks": [
        Dense(16, "relu"), *[Residual(LayerNorm(), Dense(24, "gelu"), Dropout(0.1), Dense(16))] * 3, RMSNorm(),
        Dense(3),
    ],
    "activations around": [
        Dense(8), Activation("tanh"), Residual(Activation("gelu"), Dense(8, bias=False), Activation("tanh")), Dense(3),
    ],
}  # fmt: skip
LABELS = np.arange(37) % 3


def built(name: str, dtype: str = "float64", **options: Any) -> Network:
    """With parameters that are none of the ones and zeros that norms and biases begin at."""
    net = Network(9, NETWORKS[name], dtype=dtype, seed=1, **options)
    rng = np.random.default_rng(5)
    for key, view in net.named_parameters.items():
        if view.ndim == 1:
            view[...] = rng.normal(key.endswith("weight"), 0.3, view.shape)
    return net


# Values ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NETWORKS)
def test_output_loss_and_gradient_are_those_of_the_reference(name: str, dtype: str) -> None:
    check_against_reference(built(name, dtype), normal(37, 9), LABELS)


@pytest.mark.parametrize("name", NETWORKS)
def test_gradient_is_the_slope_of_the_loss(name: str) -> None:
    net, x = built(name), normal(6, 9, seed=4)
    if "pre-norm" in name:  # a unit of relu lies beside its kink
        net = built("residual in residual")
    y = np.arange(6) % 3
    gradient = net.named(net.gradient(x, y))
    for key, view in net.named_parameters.items():
        for index in list(np.ndindex(view.shape))[::3]:
            slope = central_difference(net, x, y, view, index)
            assert gradient[key][index] == pytest.approx(slope, rel=1e-6, abs=1e-8), (key, index)


def test_float64_gradients_are_the_references_to_the_last_digits() -> None:
    """Where the running errors of a deep network are wide."""
    for name in NETWORKS:
        net, x = built(name), normal(37, 9)
        _, right = loss_and_gradient(net, x, LABELS)
        for key, values in net.named(net.gradient(x, LABELS)).items():
            np.testing.assert_allclose(values, right[key], rtol=1e-9, atol=1e-12 * np.abs(right[key]).max())


def test_a_gradient_without_the_way_around_is_rejected() -> None:
    net, x = built("residual"), normal(37, 9)
    y, trace = reference.run(layers_of(net), x)
    _, dy = reference.LOSSES["cross_entropy"](y, LABELS)
    dy, _ = reference.differentiate(trace[2:], dy, input_gradient=True)
    through, _ = reference.differentiate(trace[1][2], dy, input_gradient=True)
    assert dy is not None
    assert through is not None
    found, limit = net.named(net.gradient(x, LABELS))["0.bias"], expected(net, x, LABELS).gradient_errors["0.bias"]
    assert_within(found, (dy + through).sum(axis=0), limit)
    for wrong in (dy, through):
        with pytest.raises(AssertionError, match="times the limit"):
            assert_within(found, wrong.sum(axis=0), limit)


@pytest.mark.thorough
def test_torch_gives_the_same_output_and_gradients() -> None:
    torch = needs.package("torch")

    class Block(torch.nn.Sequential):  # type: ignore[name-defined, misc]
        def forward(self, x: Any) -> Any:
            return x + super().forward(x)

    layers = [Dense(16, "relu"), Residual(LayerNorm(), Dense(24), Activation("gelu"), Dense(16)), RMSNorm(), Dense(3)]
    net = Network(9, layers, dtype="float64", seed=0)
    block = Block(torch.nn.LayerNorm(16), torch.nn.Linear(16, 24), torch.nn.GELU(), torch.nn.Linear(24, 16))
    body = torch.nn.Sequential(torch.nn.Linear(9, 16), block, torch.nn.RMSNorm(16, eps=1e-6), torch.nn.Linear(16, 3))
    twin = body.double()
    assert set(dict(twin.named_parameters())) == set(net.named_parameters)
    with torch.no_grad():
        for name, view in net.named_parameters.items():
            twin.get_parameter(name).copy_(torch.from_numpy(view.T.copy()))
    x = normal(37, 9)

    def run() -> Any:
        first, *rest = twin
        y = torch.relu(first(torch.from_numpy(x)))
        for layer in rest:
            y = layer(y)
        return y

    loss = torch.nn.functional.cross_entropy(run(), torch.from_numpy(LABELS))
    loss.backward()
    np.testing.assert_allclose(net(x), run().detach().numpy(), rtol=1e-11, atol=1e-12)
    assert net.loss(x, LABELS) == pytest.approx(loss.item(), rel=1e-12)
    for name, gradient in net.named(net.gradient(x, LABELS)).items():
        np.testing.assert_allclose(gradient, twin.get_parameter(name).grad.numpy().T, rtol=1e-9, atol=1e-13)


# The same bits, whatever the way --------------------------------------------------------------------------------------


@pytest.mark.parametrize("byte", [0x00, 0xFF, None], ids=["zeros", "ones", "NaN"])
@pytest.mark.parametrize("name", ["residual in residual", "pre-norm blocks", "residual before any parameter"])
def test_no_result_depends_on_what_the_workspace_held(name: str, byte: int | None) -> None:
    net, x = built(name, "float32"), normal(21, 9).astype("f4")
    clean, used = net.trainer("sgd", 32), net.trainer("sgd", 32)
    poison(used.workspace, byte)
    assert used.gradient(x, LABELS[:21]) == clean.gradient(x, LABELS[:21])
    assert used.grads.tobytes() == clean.grads.tobytes()
    poison(used.workspace, byte)
    assert used.forward(x).tobytes() == clean.forward(x).tobytes() == net(x).tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_many_rows_give_the_bits_of_single_rows(dtype: str) -> None:
    net, x = built("pre-norm blocks", dtype), normal(2 * CHUNK_ROWS + 37, 9).astype(dtype)
    assert net(x).tobytes() == b"".join(net(row[None]).tobytes() for row in x)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["residual in residual", "activations around", "norms before any other parameter"])
def test_chunks_give_the_bits_of_small_batches(name: str, dtype: str) -> None:
    net = built(name, dtype, loss=fastnn.CrossEntropy(reduction="sum"))
    for rows in (CHUNK_ROWS + 1, 2 * SPAN + CHUNK_ROWS + 5):
        assert goes_in_chunks(net.plan(rows).tape, rows)
        x, y = batch_of(net, rows)
        assert net.gradient(x, y).tobytes() == in_spans(net, x, y).tobytes()


def wide(dtype: str = "float32", units: int = 48) -> Network:
    block = Residual(LayerNorm(), Dense(units, "gelu"), Dropout(0.2), RMSNorm(), Dense(units))
    return Network(9, [Dense(units, "relu"), block, LayerNorm(), Dense(3)], dtype=dtype, seed=3)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda optimizer: type(optimizer).__name__)
def test_a_fused_step_gives_the_bits_of_a_gradient_and_its_application(optimizer: Any, dtype: str) -> None:
    fused, plain = (wide(dtype).trainer(optimizer, 33) for _ in range(2))
    assert fused.params.size >= FUSED_PARAMETERS
    before = {name: view.copy() for name, view in fused.network.named_parameters.items()}
    for step in range(3):
        x, y = batch_of(fused.network, 33, step)  # type: ignore[arg-type]
        assert fused.step(x, y) == plain.gradient(x, y)
        plain.apply()
    assert state_of(fused) == state_of(plain)
    assert not fused.grads.any(), "a fused step wrote its gradient"
    assert all((view != before[name]).any() for name, view in fused.network.named_parameters.items())


@pytest.mark.parametrize("rows", [33, SPAN + 77])
def test_clipping_and_steps_in_chunks_are_gradients_and_their_application(rows: int) -> None:
    stepped, plain = (
        built("pre-norm blocks", "float32").trainer(Adam(0.01, clip_norm=0.05), rows) for _ in range(2)
    )  # fmt: skip
    for step in range(3):
        x, y = batch_of(stepped.network, rows, step)  # type: ignore[arg-type]
        assert stepped.step(x, y) == plain.gradient(x, y)
        plain.apply()
    assert state_of(stepped) == state_of(plain)


def trained(units: int, rows: int, threads: int) -> str:
    numba.set_num_threads(threads)
    trainer = wide(units=units).trainer(Adam(0.001), rows)
    for step in range(3):
        trainer.step(*batch_of(trainer.network, rows, step))  # type: ignore[arg-type]
    return trainer.params.tobytes().hex()


def with_four_threads() -> None:
    shapes = (16, 5 * SPAN + 3), (16, 300), (300, 64)
    print(json.dumps([len({trained(*shape, threads) for threads in (1, 2, 3, 4)}) for shape in shapes]))


@needs.compiled_kernels
def test_any_number_of_threads_gives_the_same_bits() -> None:
    assert run_python("import test_blocks; test_blocks.with_four_threads()", NUMBA_NUM_THREADS="4") == [1, 1, 1]


# Names, files, tables -------------------------------------------------------------------------------------------------


def test_parameters_are_named_as_in_a_torch_sequential_and_norms_begin_at_1_and_0() -> None:
    net = Network(9, [Dense(9), Residual(LayerNorm(), Residual(RMSNorm(), Dense(9))), Dense(3)], seed=0)
    shapes = {name: view.shape for name, view in net.named_parameters.items()}
    assert shapes == {
        "0.weight": (9, 9), "0.bias": (9,), "1.0.weight": (9,), "1.0.bias": (9,), "1.1.0.weight": (9,),
        "1.1.1.weight": (9, 9), "1.1.1.bias": (9,), "2.weight": (9, 3), "2.bias": (3,),
    }  # fmt: skip
    views = net.named_parameters
    assert (views["1.0.weight"] == 1).all()
    assert (views["1.1.0.weight"] == 1).all()
    assert not views["1.0.bias"].any()
    assert net.parameter_count == sum(view.size for view in views.values())


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_comes_back_from_a_file_and_from_its_text(name: str, tmp_path: Path) -> None:
    net = built(name)
    net.save(tmp_path / "net")
    again = fastnn.load(tmp_path / "net")
    assert again.layers == net.layers
    assert again.parameters.tobytes() == net.parameters.tobytes()
    assert again(normal(5, 9)).tobytes() == net(normal(5, 9)).tobytes()
    assert eval(repr(net), vars(fastnn)).layers == net.layers


@pytest.mark.parametrize("name", NETWORKS)
def test_the_summary_adds_up(name: str) -> None:
    net = built(name)
    _, _, *lines, _, total, _ = net.summary().splitlines()
    numbers = [[int(word.replace(",", "")) for word in line.split()[-2:]] for line in [*lines, total]]
    assert np.sum(numbers[:-1], axis=0).tolist() == numbers[-1]
    assert numbers[-1] == [net.parameter_count, net.cost(1).forward.flops]


def test_the_summary_shows_a_residual_as_its_layers_and_its_add() -> None:
    first_words = [line.split("  ")[0] for line in wide().summary().splitlines()]
    assert first_words[2:-3] == [
        "0 dense relu", "1.0 layernorm", "1.1 dense gelu", "1.2 dropout", "1.3 rmsnorm", "1.4 dense identity",
        "1 residual", "2 layernorm", "3 dense identity",
    ]  # fmt: skip


def test_the_cost_of_a_network_is_that_of_its_operations() -> None:
    net, batch = wide(units=8), 5
    found = net.cost(batch, "adam")
    dense = [cost.dense_forward(batch, 9, 8, "relu"), cost.dense_forward(batch, 8, 8, "gelu"),
             cost.dense_forward(batch, 8, 8), cost.dense_forward(batch, 8, 3)]  # fmt: skip
    norms = [cost.norm_forward(batch, 8, centred=centred) for centred in (True, False, True)]
    others = [cost.dropout(batch * 8), cost.addition(batch * 8)]
    assert found.forward == sum(dense + norms + others, cost.Cost())


@pytest.mark.parametrize("layers", [[LayerNorm(), Dense(3)], [Residual(LayerNorm()), Dense(3)]], ids=["norm", "block"])
def test_nobody_pays_for_the_gradient_of_the_input(layers: list[Any]) -> None:
    net = Network(9, layers, seed=0)
    without = cost.norm_backward(4, 9, input_gradient=False, centred=True)
    way_around = cost.copy(4 * 9) if isinstance(layers[0], Residual) else cost.Cost()
    assert net.cost(4).backward == without + way_around + cost.dense_backward(4, 9, 3)


# What it is for, and what refuses it ----------------------------------------------------------------------------------


def gradient_norms(depth: int, layers: list[Any]) -> list[float]:
    net = Network(16, [*layers * depth, Dense(2)], dtype="float64", seed=0)
    gradient = net.named(net.gradient(normal(64, 16), np.arange(64) % 2))
    return [float(np.linalg.norm(values)) for name, values in gradient.items() if values.ndim == 2]


def test_a_way_around_keeps_gradients_alive_at_depth() -> None:
    plain = gradient_norms(32, [Dense(16, "sigmoid")])
    around = gradient_norms(32, [Residual(LayerNorm(), Dense(16, "sigmoid"))])
    assert all(a < b for a, b in pairwise(plain[:16]))
    assert plain[0] < 1e-10 * plain[-1]
    assert around[0] > 1e-3 * around[-1]


def test_a_deep_network_of_blocks_learns_what_a_plain_one_does_not() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(256, 8))
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    block = [Residual(LayerNorm(), Dense(16, "gelu"), Dropout(0.05), Dense(16))]
    scores = []
    for layers in (block * 8, [Dense(16, "sigmoid")] * 16):
        net = Network(8, [Dense(16), *layers, Dense(2)], seed=0)
        net.fit(x, y, epochs=60, batch=32, optimizer=Adam(0.003), seed=0)
        scores.append(net.accuracy(x, y))
    assert scores[0] > 0.97
    assert scores[1] < 0.7


@pytest.mark.parametrize(
    ("layers", "error", "message"),
    [
        ([Residual(Dense(5)), Dense(3)], ValueError, "layer 0 is a Residual that takes 9 features and .* give 5"),
        ([Dense(4), Residual(Residual(Dense(4)), Dense(6))], ValueError, "layer 1 .* takes 4 .* give 6; let its last"),
        ([Residual(Residual(Dense(5)))], ValueError, r"layer 0\.0 is a Residual"),
        ([Residual("Dense")], TypeError, r"layer 0\.0 is 'Dense'; expected a layer"),
        ([LayerNorm, Dense(3)], TypeError, "layer 0 is <class .*LayerNorm'>; expected a layer"),
        ([Residual, Dense(3)], TypeError, "layer 0 is <class .*Residual'>; expected a layer"),
    ],
)  # fmt: skip
def test_a_block_that_changes_the_width_and_what_is_no_layer_are_refused(
    layers: list[Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Network(9, layers)


def test_a_residual_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="has no layers"):
        Residual()


def test_a_step_inside_a_block_does_not_train() -> None:
    net = Network(9, [Dense(4), Residual(Dense(4, "step")), Dense(3)], seed=0)
    assert net(normal(5, 9)).shape == (5, 3)
    with pytest.raises(ValueError, match=r"layer 1\.0 has the activation step"):
        net.trainer()


@pytest.mark.parametrize("layer", [LayerNorm(), RMSNorm(), Dropout(0.1), Residual(Dense(9)), Shared("0")], ids=repr)
def test_a_gpu_refuses_them_by_name_before_it_is_looked_for(layer: Any) -> None:
    name = type(layer).__name__
    with pytest.raises(ValueError, match=f"layer 1 is {name}, and device='cuda' runs Dense and Activation alone"):
        Network(9, [Dense(9), layer], device="cuda")
    with pytest.raises(ValueError, match="use device='cpu'"):
        Network(9, [Dense(9), layer]).to("cuda")


def test_a_gpu_refuses_rows_of_positions() -> None:
    with pytest.raises(ValueError, match=r"layer 0 takes \(5, 9\), and device='cuda' runs on features alone"):
        Network((5, 9), [Dense(9)], device="cuda")


@pytest.mark.parametrize("layer", [LayerNorm(), Residual(Dense(9)), Dense(9, "tanh"), Dense(9, bias=False)], ids=repr)
def test_the_benchmarks_residual_refuses_what_it_has_no_limits_for(layer: Any) -> None:
    x = normal(4, 9)
    with pytest.raises(ValueError, match="layer 0 is .*; expected Dense with a bias"):
        residual(Network(9, [layer, Dense(3)], dtype="float64").trainer("sgd", 4), x, LABELS[:4])  # type: ignore[arg-type]


def test_rows_alone_are_normalised_and_not_the_batch() -> None:
    net, x = built("layer norm"), normal(8, 9)
    changed: Array = x.copy()
    changed[1:] *= 100
    assert net(changed)[0].tobytes() == net(x)[0].tobytes()
