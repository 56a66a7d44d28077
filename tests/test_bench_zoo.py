"""Convolutional and recurrent networks in the bench: their rungs, the reference that they are checked against."""

from __future__ import annotations

from typing import Any

import needs
import numpy as np
import pytest

from fastnn import (
    GRU,
    LSTM,
    RNN,
    Activation,
    AvgPool2d,
    BatchNorm,
    Conv2d,
    Dense,
    Embedding,
    Flatten,
    GlobalAvgPool2d,
    MaxPool2d,
    Network,
    Residual,
    reference,
)  # fmt: skip
from fastnn.bench import ladder, zoo
from fastnn.bench.beside import prepared
from fastnn.bench.case import Case
from fastnn.bench.perturbed import perturbed_residual
from fastnn.bench.residual import NotChecked

# By their names: the counts of the books, of a row.
PUBLISHED = {"simplechains": (44_426, 758_520), "lenet5": (61_706, 1_131_960), "keras-convnet": (34_826, 7_128_192)}

CHECKED = [*zoo.images()[:2], zoo.images()[3], *zoo.sequences()[:3], zoo.sequences()[-1]]


def test_the_rungs_are_asked_for_by_name_and_are_those_of_the_books() -> None:
    found = {rung.name: rung for rung in ladder.select(models="images")}
    assert list(found) == [*PUBLISHED, "resnet10"]
    for name, (parameters, macs) in PUBLISHED.items():
        network = found[name].build(dtype="float32", seed=0, device="cpu", precision=None)
        cost = network.cost(1)
        assert (found[name].params, cost.forward.macs + cost.backward.macs) == (parameters, macs)
    names = [rung.name for rung in ladder.select(models="sequences")]
    assert names[:3] == ["rnn-64-28", "gru-64-28", "lstm-64-28"]
    assert names[9:] == ["char-lstm-128-64"]
    with pytest.raises(ValueError, match="run on the cpu"):
        found["lenet5"].build(dtype="float32", seed=0, device="cuda", precision=None)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rung", CHECKED, ids=lambda rung: rung.name)
def test_a_network_is_checked_against_the_reference(rung: Any, dtype: str) -> None:
    """And what is wrong is seen: weights with two of their axes, or gates, in each other's place."""
    case = Case(rung, 4, 1, dtype, "adam")
    assert case.check().worst < 0.5
    wrong = case.network.copy()
    first = "0.weight" if isinstance(wrong.layers[0], Conv2d) else ".hh_l0.weight"
    name = next(name for name in wrong.named_parameters if name.endswith(first))
    weight = wrong.named_parameters[name]
    weight[...] = np.flip(weight, (0, 1)) if weight.ndim > 2 else np.roll(weight, weight.shape[0], axis=1)[::-1]
    assert perturbed_residual(wrong, case.trainer, *case.batches[0]).worst > 1


NETWORKS = (
    Network((7, 6, 2), [Conv2d(3, (3, 2), (2, 1), (1, 2), dilation=(1, 2)), AvgPool2d((2, 3), 2), Flatten(), Dense(3)]),
    Network((9, 8, 2), [Conv2d(4, 3, bias=False), MaxPool2d(3, 1), GlobalAvgPool2d(), Flatten(), Dense(3)]),
    Network(
        (7, 6, 2), [Conv2d(3, 3), Residual(BatchNorm(), Activation("tanh")), BatchNorm(1e-3, 0.3), Flatten(), Dense(3)]
    ),
    *(Network((5, 3), [kind(4), kind(3, return_sequences=False), Dense(3)]) for kind in (RNN, LSTM, GRU)),
    Network(5, [Embedding(4, 3), LSTM(4), Dense(3)]),
)


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: type(network.layers[0]).__name__)
def test_the_reference_is_in_float64_what_the_network_is(network: Network) -> None:
    net, rng = Network(network.input_shape, network.layers, dtype="float64", seed=0), np.random.default_rng(0)
    for values in net.named_parameters.values():
        values += rng.normal(0, 0.3, values.shape)
    x, y = rng.normal(size=(3, *net.input_shape)), rng.integers(0, 3, (3, *net.output_shape[:-1]))
    if isinstance(net.layers[0], Embedding):
        x = rng.integers(0, 4, x.shape).astype(np.float64)
    output, loss, gradients = reference.zoo.loss_and_gradient(
        net.description()["layers"], net.named_parameters, x, y, "cross_entropy"
    )
    trainer = net.trainer("sgd", 3)
    assert trainer.gradient(x, y) == pytest.approx(loss, rel=1e-12)
    found = net.named(trainer.grads)
    inferred = reference.zoo.infer(net.description()["layers"], net.named_parameters, x)
    np.testing.assert_allclose(net(x), inferred, atol=1e-12)
    assert (np.abs(inferred - output).max() > 0.01) == any(isinstance(layer, BatchNorm) for layer in net.layers)
    assert set(found) == set(gradients)
    for name, values in gradients.items():
        np.testing.assert_allclose(found[name], values, atol=1e-12)


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (Conv2d(4, 3, padding="same"), "conv2d with padding 'same'"),
        (Conv2d(4, 3, groups=2), "2 groups"),
        (LSTM(4, layers=2), "of several layers"),
    ],
)
def test_what_the_reference_has_not_is_named(layer: Any, said: str) -> None:
    shape = (6, 6, 2) if isinstance(layer, Conv2d) else (6, 2)
    net = Network(shape, [layer, Flatten(), Dense(3)], seed=0)
    x, y = np.zeros((2, *shape), np.float32), np.zeros(2, np.int64)
    with pytest.raises(NotChecked, match=said):
        perturbed_residual(net, net.trainer("sgd", 2), x, y)


@pytest.mark.thorough
def test_a_peer_whose_forward_pass_trains_nothing_begins_with_the_losses_of_ours() -> None:
    """Of each phase its own, where a batch norm does something else in each."""
    needs.peer("torch")
    (rung,) = (each for each in zoo.images() if each.name == "resnet10")
    with prepared("torch", Case(rung, 4, 1, "float32", "sgd")) as (process, _):
        assert process.time("forward", 1) > 0


@pytest.mark.parametrize(
    ("text", "name", "shape"),
    [
        ("lenet5", "lenet5", (32, 32, 1)),
        ("gru-64-28", "gru-64-28", (28, 28)),
        ("rnn-9-28-28", "rnn-9-28", (28, 28)),
        ("lstm-5-7-3", "lstm-5-7-3", (7, 3)),
    ],
)
def test_a_rung_by_its_name_has_data_and_layers_of_its_shape(text: str, name: str, shape: tuple[int, ...]) -> None:
    rung = ladder.parse(text)
    network = rung.build(dtype="float32", seed=0, device="cpu", precision=None)
    assert rung.name == name
    assert rung.data().x.shape[1:] == network.input_shape == shape
    assert rung.params == network.parameter_count
    assert rung.layered == (network.layers, shape)
    assert set(rung.data().y) <= set(range(10))


def test_positions_that_no_digit_has_are_refused() -> None:
    with pytest.raises(ValueError, match="9 positions, which do not share the 784 pixels of a digit; .* lstm-5-9-3"):
        ladder.parse("lstm-5-9")
