"""Network: parameters, initial weights, copies, predictions and descriptions."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from example_networks import DTYPES, deep, normal, with_biases

import fastnn
from fastnn import Activation, AdamW, BinaryCrossEntropy, CrossEntropy, Dense, Network, mlp

Array = npt.NDArray[Any]


# Shape, parameters and names ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "count"),
    [((3, 4, 2), 26), ((3, 4, 4, 2), 46), ((784, 128, 10), 101_770), ((784, 256, 128, 10), 235_146), ((1, 2), 4)],
)
def test_parameter_count_is_the_published_one_and_leaves_padding_out(sizes: tuple[int, ...], count: int) -> None:
    net = mlp(*sizes, seed=0)
    assert net.parameter_count == count
    assert net.parameters.size >= count
    assert sum(view.size for view in net.named_parameters.values()) == count


@pytest.mark.parametrize("dtype", DTYPES)
def test_each_parameter_begins_on_64_bytes_and_shares_no_element(dtype: str) -> None:
    net = deep("relu", dtype)
    owner = np.zeros(net.parameters.size, int)
    for view in net.named(owner).values():
        view += 1
    assert owner.max() == 1
    assert owner.sum() == net.parameter_count
    for view in net.named_parameters.values():
        assert view.ctypes.data % 64 == 0


def test_named_parameters_are_views_in_input_by_output_order() -> None:
    net = mlp(3, 4, 2, seed=0, dtype="float64")
    views = net.named_parameters
    assert {name: view.shape for name, view in views.items()} == {
        "0.weight": (3, 4),
        "0.bias": (4,),
        "1.weight": (4, 2),
        "1.bias": (2,),
    }
    for view in views.values():
        assert np.shares_memory(view, net.parameters)
    net.parameters[:] = 0
    views["0.weight"][1, 2] = 3  # input 1 to hidden unit 2
    views["1.weight"][2, 1] = 5  # hidden unit 2 to output 1
    views["1.bias"][:] = 7, 11
    assert net([[10.0, 1.0, 100.0]]).tolist() == [[7.0, 11.0 + 15.0]]


def test_padding_stays_zero_through_training() -> None:
    net = deep("gelu", "float32")
    used = np.zeros(net.parameters.size, bool)
    for view in net.named(used).values():
        view[...] = True
    assert not used.all()
    net.fit(normal(40, 9), np.arange(40) % 3, epochs=3, optimizer=AdamW(0.1, clip_norm=1.0), seed=0)
    assert not net.parameters[~used].any()
    assert net.parameters[used].all()


def test_mlp_is_the_network_of_its_dense_layers() -> None:
    short = mlp(5, 7, 6, 2, activation="tanh", output_activation="sigmoid", loss="binary_cross_entropy", seed=3)
    layers = [Dense(7, "tanh"), Dense(6, "tanh"), Dense(2, "sigmoid")]
    long = Network(5, layers, loss=BinaryCrossEntropy(), seed=3)
    assert short.layers == long.layers
    assert short.loss_function == long.loss_function
    assert short.parameters.tobytes() == long.parameters.tobytes()


def test_shapes_of_what_a_network_returns() -> None:
    net = mlp(3, 4, 2, seed=0)
    x, y = normal(7, 3), np.arange(7) % 2
    assert net.inputs == 3
    assert net.outputs == 2
    assert net(x).shape == net.predict_proba(x).shape == (7, 2)
    assert net.predict(x).shape == (7,)
    assert isinstance(net.loss(x, y), float)
    assert isinstance(net.accuracy(x, y), float)
    assert net.gradient(x, y).shape == net.parameters.shape


@pytest.mark.parametrize("dtype", DTYPES)
def test_parameters_results_and_gradients_have_the_networks_dtype(dtype: str) -> None:
    net = mlp(3, 4, 2, dtype=dtype, seed=0)
    x, y = normal(7, 3), np.arange(7) % 2
    for array in (net.parameters, net(x), net(x.tolist()), net.predict_proba(x), net.gradient(x, y)):
        assert array.dtype == dtype


@pytest.mark.parametrize("outputs", [2, 3])
def test_zero_rows_give_zero_rows(outputs: int) -> None:
    net = mlp(3, 4, outputs, seed=0)
    empty = np.empty((0, 3))
    assert net(empty).shape == net.predict_proba(empty).shape == (0, outputs)
    assert net.predict(empty).shape == (0,)


# Initial weights ------------------------------------------------------------------------------------------------------


def test_a_seed_fixes_the_weights_and_no_seed_does_not() -> None:
    assert mlp(3, 4, 2, seed=7).parameters.tobytes() == mlp(3, 4, 2, seed=7).parameters.tobytes()
    generator = np.random.default_rng(7)
    assert mlp(3, 4, 2, seed=generator).parameters.tobytes() == mlp(3, 4, 2, seed=7).parameters.tobytes()
    assert mlp(3, 4, 2, seed=generator).parameters.tobytes() != mlp(3, 4, 2, seed=7).parameters.tobytes()
    assert mlp(3, 4, 2, seed=8).parameters.tobytes() != mlp(3, 4, 2, seed=7).parameters.tobytes()
    assert mlp(3, 4, 2).parameters.tobytes() != mlp(3, 4, 2).parameters.tobytes()


def test_float32_weights_are_the_float64_ones_rounded() -> None:
    single, double = (mlp(30, 40, 20, dtype=dtype, seed=7) for dtype in DTYPES)
    for name, view in double.named_parameters.items():
        np.testing.assert_array_equal(single.named_parameters[name], view.astype(np.float32))


def test_initialize_draws_as_a_new_network_does() -> None:
    net = with_biases(mlp(3, 4, 2, seed=1))
    net.initialize(7)
    assert net.parameters.tobytes() == mlp(3, 4, 2, seed=7).parameters.tobytes()


def test_numpys_global_random_state_is_never_touched() -> None:
    np.random.seed(1)  # noqa: NPY002
    before = np.random.get_state()[1].tobytes()  # type: ignore[index]  # noqa: NPY002
    for seed in (None, 3):
        net = mlp(3, 4, 2, seed=seed)
        net.initialize(seed)
        net.fit(normal(9, 3), np.arange(9) % 2, epochs=2, batch=2, seed=seed)
    assert np.random.get_state()[1].tobytes() == before  # type: ignore[index]  # noqa: NPY002


# Copies ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "duplicate", [Network.copy, copy.copy, copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))]
)
def test_a_copy_computes_the_same_and_owns_its_parameters(duplicate: Callable[[Network], Network]) -> None:
    net = deep("silu", "float32", loss=CrossEntropy(class_weight=[1, 2, 3], label_smoothing=0.1))
    x, y = normal(7, 9), np.arange(7) % 3
    before = net(x)
    twin = duplicate(net)
    assert twin.layers == net.layers
    assert twin.loss_function == net.loss_function
    assert twin(x).tobytes() == before.tobytes()
    assert twin.loss(x, y) == net.loss(x, y)
    assert not np.shares_memory(twin.parameters, net.parameters)
    twin.fit(x, y, epochs=2, seed=0)
    assert twin(x).tobytes() != before.tobytes()
    assert net(x).tobytes() == before.tobytes()
    assert all(view.ctypes.data % 64 == 0 for view in twin.named_parameters.values())


# Prediction -----------------------------------------------------------------------------------------------------------


def one_layer(loss: Any, activation: str = "identity", outputs: int = 2) -> Network:
    """Passes its inputs through: y = f(x)."""
    net = Network(outputs, [Dense(outputs, activation)], loss=loss, dtype="float64", seed=0)
    net.named_parameters["0.weight"][...] = np.eye(outputs)
    return net


X = np.array([[1.0, 3.0], [0.5, -0.5], [-2.0, 0.0], [2.0, 2.0]])


def test_cross_entropy_predicts_the_first_largest_logit_and_its_softmax() -> None:
    net = one_layer("cross_entropy")
    assert net.predict(X).tolist() == [1, 0, 1, 0]
    p = np.exp(X) / np.exp(X).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(net.predict_proba(X), p, rtol=1e-15)
    np.testing.assert_allclose(net.predict_proba(X, 0.5), p**2 / (p**2).sum(axis=1, keepdims=True), rtol=1e-14)
    assert net.predict_proba(X, 0).tolist() == [[0, 1], [1, 0], [0, 1], [1, 0]]
    assert net.accuracy(X, [1, 0, 0, 0]) == 0.75
    assert net.accuracy(X, [1, -100, 0, -100]) == 0.5
    assert net.accuracy(X, [[0.2, 0.8], [0.9, 0.1], [0.6, 0.4], [1.0, 0.0]]) == 0.75
    assert np.isnan(net.accuracy(X, [-100] * 4))


def test_binary_logits_predict_above_zero_and_a_half() -> None:
    net = one_layer("binary_cross_entropy_with_logits")
    assert net.predict(X).tolist() == [[1, 1], [1, 0], [0, 0], [1, 1]]
    np.testing.assert_allclose(net.predict_proba(X), 1 / (1 + np.exp(-X)), rtol=1e-15)
    assert net.accuracy(X, [[1, 1], [1, 1], [0, 0], [0, 1]]) == 0.5


def test_probabilities_predict_above_a_half() -> None:
    net = one_layer("binary_cross_entropy", "sigmoid")
    assert net.predict(X).tolist() == [[1, 1], [1, 0], [0, 0], [1, 1]]
    assert net.predict_proba(X).tobytes() == net(X).tobytes()
    assert net.accuracy(X, [[1, 1], [1, 0], [0, 0], [0, 1]]) == 0.75


def test_hinge_predicts_the_sign() -> None:
    net = one_layer("hinge")
    assert net.predict(X).tolist() == [[1, 1], [1, -1], [-1, -1], [1, 1]]
    assert net.accuracy(X, [[1, 1], [1, -1], [-1, 1], [1, 1]]) == 0.75
    with pytest.raises(ValueError, match="hinge gives no probabilities"):
        net.predict_proba(X)


def test_mse_predicts_its_output() -> None:
    net = one_layer("mse")
    assert net.predict(X).tolist() == X.tolist()
    with pytest.raises(ValueError, match="mse gives no probabilities"):
        net.predict_proba(X)
    with pytest.raises(ValueError, match="mse has none"):
        net.accuracy(X, X)


def test_perceptron_predicts_its_step() -> None:
    net = one_layer("perceptron", "step", 1)
    x = np.array([[-1.0], [0.0], [2.0]])
    assert net.predict(x).tolist() == [[0], [1], [1]]
    assert net.accuracy(x, [0, 0, 1]) == pytest.approx(2 / 3)


# Description ----------------------------------------------------------------------------------------------------------


def test_summary_lists_layers_shapes_parameters_and_flops_that_add_up() -> None:
    net = Network(784, [Dense(128, "relu"), Activation("tanh"), Dense(10, bias=False)], seed=0)
    lines = net.summary().splitlines()
    assert lines[0].split() == ["layer", "output", "parameters", "FLOPs", "a", "row"]
    rows = [line.replace(",", "").split() for line in lines[2:5]]
    assert [row[:3] for row in rows] == [
        ["0", "dense", "relu"],
        ["1", "activation", "tanh"],
        ["2", "dense", "identity"],
    ]
    assert [row[3:6] for row in rows] == [["(784)", "->", "(128)"], ["(128)", "->", "(128)"], ["(128)", "->", "(10)"]]
    assert [int(row[6]) for row in rows] == [784 * 128 + 128, 0, 128 * 10]
    total = lines[6].replace(",", "").split()
    assert total[:4] == ["total", "(784)", "->", "(10)"]
    assert int(total[4]) == net.parameter_count
    assert int(total[5]) == sum(int(row[7]) for row in rows) == net.cost(1).forward.flops
    assert str(net) == net.summary()


def test_repr_names_what_builds_the_network_again() -> None:
    net = Network(3, [Dense(4, "elu", alpha=0.5), Activation("tanh"), Dense(2)], loss=CrossEntropy("sum"), seed=0)
    again = eval(repr(net), vars(fastnn))
    assert again.layers == net.layers
    assert again.loss_function == net.loss_function
    assert again.dtype == net.dtype


def test_cost_of_the_published_network() -> None:
    step = mlp(784, 128, 10, seed=0).cost(batch=4)
    assert step.forward.macs == 4 * 101_632
    assert 2 * (step.forward.macs + step.backward.macs) == 4 * 409_088
