"""Rows of several positions, (B, T, C): each position is a row to dense layers, norms, dropout and the loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import needs
import numpy as np
import pytest
from example_networks import DTYPES, Array, normal

import fastnn
from fastnn import BinaryCrossEntropy, CrossEntropy, Dense, Dropout, LayerNorm, Network, Residual, RMSNorm
from fastnn.lowering import CHUNK_ROWS

T, C, CLASSES = 5, 6, 4
IGNORED = -100
LAYERS = [Dense(8, "gelu"), Residual(LayerNorm(), Dense(8, "tanh"), Dense(8)), RMSNorm(), Dense(CLASSES)]


def network(dtype: str = "float64", positions: bool = True, **settings: Any) -> Network:
    return Network((T, C) if positions else C, settings.pop("layers", LAYERS), dtype=dtype, seed=3, **settings)


def data(rows: int, dtype: str = "float64") -> tuple[Array, Array]:
    labels = np.random.default_rng(rows).integers(0, CLASSES, (rows, T))
    labels[0, 2:] = IGNORED
    return normal(rows, T, C).astype(dtype), labels


@pytest.mark.parametrize("dtype", DTYPES)
def test_outputs_loss_and_gradient_are_those_of_the_positions_as_rows(dtype: str) -> None:
    sequences, single = network(dtype), network(dtype, positions=False)
    (x, y), flat = data(7, dtype), (7 * T, C)
    assert sequences(x).shape == (7, T, CLASSES)
    assert sequences(x).tobytes() == single(x.reshape(flat)).tobytes()
    assert sequences.loss(x, y) == single.loss(x.reshape(flat), y.ravel())
    assert sequences.accuracy(x, y) == single.accuracy(x.reshape(flat), y.ravel())
    assert sequences.gradient(x, y).tobytes() == single.gradient(x.reshape(flat), y.ravel()).tobytes()
    assert sequences.predict(x).shape == (7, T)
    assert np.allclose(sequences.predict_proba(x).sum(axis=-1), 1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [CHUNK_ROWS + 9, 5 * CHUNK_ROWS + 3])
def test_many_rows_in_chunks_are_those_rows_alone(rows: int, dtype: str) -> None:
    net, (x, y) = network(dtype), data(rows, dtype)
    assert net(x).tobytes() == b"".join(net(x[at : at + 40]).tobytes() for at in range(0, rows, 40))
    trainer = net.trainer("sgd", rows)
    assert trainer.forward(x).tobytes() == net(x).tobytes()
    threads = fastnn.get_num_threads()
    fastnn.set_num_threads(1)
    alone = net.gradient(x, y)
    fastnn.set_num_threads(threads)
    assert net.gradient(x, y).tobytes() == alone.tobytes()


def test_it_trains_as_its_positions_do() -> None:
    """Epochs, steps and the rows that a report counts; ignored positions are in neither mean."""
    sequences, single = network(), network(positions=False)
    x, y = data(40)
    trainers = sequences.trainer("adam", 8), single.trainer("adam", 8 * T)
    for _ in range(3):
        found = trainers[0].epoch(x, y, np.arange(40))
        expected = trainers[1].epoch(x.reshape(-1, C), y.ravel(), np.arange(40 * T))
        assert found == expected
    assert found.rows == (y != IGNORED).sum()
    assert trainers[0].step(x[:8], y[:8]) == trainers[1].step(x[:8].reshape(-1, C), y[:8].ravel())
    assert sequences.parameters.tobytes() == single.parameters.tobytes()


def test_fit_learns_each_position() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, T, C))
    y = (x[..., 0] > x[..., 1]).astype(int)
    net = Network((T, C), [Dense(16, "tanh"), Dropout(0.05), Dense(2)], seed=0)
    net.fit(x, y, epochs=30, batch=32, optimizer=fastnn.Adam(0.01), validation=(x[:50], y[:50]), seed=0)
    assert net.accuracy(x, y) > 0.95


@pytest.mark.parametrize("loss", ["mse", BinaryCrossEntropy()], ids=["mse", "binary"])
def test_rows_of_targets_may_have_their_axes(loss: Any) -> None:
    layers = [Dense(5, "tanh"), Dense(2, "sigmoid")]
    sequences, single = (network(positions=positions, layers=layers, loss=loss) for positions in (True, False))
    x, y = normal(9, T, C), (normal(9, T, 2, seed=1) > 0).astype(float)
    flat = x.reshape(-1, C), y.reshape(-1, 2)
    assert sequences.loss(x, y) == single.loss(*flat)
    assert sequences.evaluate(x, y) == single.evaluate(*flat)
    assert sequences.gradient(x, y).tobytes() == single.gradient(*flat).tobytes()
    assert sequences.trainer("sgd", 9).epoch(x, y, np.arange(9)).loss == pytest.approx(single.loss(*flat), rel=1e-12)


def test_labels_of_several_axes_are_those_of_the_positions_in_order() -> None:
    images, single = Network((2, 3, C), [Dense(CLASSES)], seed=3), Network((6, C), [Dense(CLASSES)], seed=3)
    x, y = normal(9, 2, 3, C).astype("float32"), np.random.default_rng(0).integers(0, CLASSES, (9, 2, 3))
    flat = x.reshape(9, 6, C), y.reshape(9, 6)
    assert images.evaluate(x, y) == single.evaluate(*flat)
    for span in (4, 9):
        trainers = [net.trainer("sgd", 9, span=span) for net in (images, single)]
        assert trainers[0].gradient(x, y) == trainers[1].gradient(*flat)
        assert trainers[0].grads.tobytes() == trainers[1].grads.tobytes()
        order = np.arange(9)[::-1]
        assert trainers[0].epoch(x, y, order) == trainers[1].epoch(*flat, order)
    assert images.parameters.tobytes() == single.parameters.tobytes()


@pytest.mark.parametrize("shape", [(T, C), (2, 3, C)])
@pytest.mark.parametrize("probabilities", [False, True])
def test_held_rows_unpacked_are_taken_as_they_are(shape: tuple[int, ...], probabilities: bool) -> None:
    net = Network(shape, [Dense(CLASSES)], seed=3)
    rng, x = np.random.default_rng(0), normal(5, *shape)
    labels, shares = rng.integers(0, CLASSES, (5, *shape[:-1])), rng.dirichlet(np.ones(CLASSES), (5, *shape[:-1]))
    y = shares if probabilities else labels
    assert net.evaluate(*net.trainer("sgd", 5).hold(x, y)) == net.evaluate(x, y)


def test_a_step_takes_the_labels_that_a_gradient_takes() -> None:
    net, (x, y) = network("float32"), data(4, "float32")
    for call in (net.trainer("sgd", 4).step, net.trainer("sgd", 4).gradient):
        with pytest.raises(ValueError, match=r"y has shape \(20,\); expected \(4, 5\)"):
            call(x.reshape(4, -1), y.ravel())


def test_the_cost_and_the_summary_are_those_of_the_positions() -> None:
    sequences, single = network(), network(positions=False)
    assert sequences.cost(3) == single.cost(3 * T)
    assert "(5, 6) -> (5, 8)" in sequences.summary()
    assert sequences.parameter_count == single.parameter_count


def test_it_is_kept_with_its_shape(tmp_path: Path) -> None:
    net, (x, _) = network("float32"), data(3, "float32")
    net.save(tmp_path / "net")
    loaded = fastnn.load(tmp_path / "net")
    assert loaded.input_shape == (T, C)
    assert loaded(x).tobytes() == net(x).tobytes()
    assert "Network([5, 6], " in repr(net)


def in_torch(net: Network, x: Any) -> tuple[Any, dict[str, Any]]:
    """Logits of LAYERS in PyTorch, and the parameters by name."""
    torch = needs.package("torch")
    p = {name: torch.tensor(values, requires_grad=True) for name, values in net.named_parameters.items()}

    def dense(x: Any, name: str) -> Any:
        return x @ p[f"{name}.weight"] + p[f"{name}.bias"]

    functional = torch.nn.functional
    h = functional.gelu(dense(x, "0"))
    normal = functional.layer_norm(h, (8,), p["1.0.weight"], p["1.0.bias"], 1e-5)
    h = h + dense(torch.tanh(dense(normal, "1.1")), "1.2")
    return dense(functional.rms_norm(h, (8,), p["2.weight"], 1e-6), "3"), p


@pytest.mark.thorough
@pytest.mark.parametrize("layers", [LAYERS, [*LAYERS[:3], Dropout(0.0), LAYERS[3]]], ids=["plain", "dropout"])
def test_the_gradient_is_pytorchs(layers: list[Any]) -> None:
    """Norms, a residual block, a loss a position, of which the mask leaves some out."""
    torch = needs.package("torch")
    net, (x, y) = network(layers=layers), data(6)
    names = network(layers=LAYERS)
    for values, others in zip(names.named_parameters.values(), net.named_parameters.values(), strict=True):
        values[...] = others
    logits, parameters = in_torch(names, torch.from_numpy(x))
    loss = torch.nn.functional.cross_entropy(logits.reshape(-1, CLASSES), torch.from_numpy(y).reshape(-1))
    loss.backward()
    assert net.loss(x, y) == pytest.approx(float(loss.detach()), rel=1e-12)
    found = net.named(net.gradient(x, y)).values()
    for values, parameter in zip(found, parameters.values(), strict=True):
        np.testing.assert_allclose(values, parameter.grad.numpy(), rtol=1e-9, atol=1e-13)


@pytest.mark.thorough
def test_a_module_of_torch_takes_positions_too() -> None:
    torch = needs.package("torch")
    net, (x, _) = network(layers=[Dense(8, "tanh"), LayerNorm(), Dense(CLASSES)]), data(6)
    with torch.no_grad():
        np.testing.assert_allclose(fastnn.to_torch(net)(torch.from_numpy(x)).numpy(), net(x), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda net: net(normal(3, T, C + 1)), ValueError, r"x has shape \(3, 5, 7\); expected \(N, 5, 6\)"),
        (lambda net: net(normal(T, C)), ValueError, r"expected \(N, 5, 6\); for one row pass x\[None, :\]"),
        (lambda net: net.loss(normal(3, T, C), np.zeros(3, int)), ValueError, r"\(3, 5\), one label a position"),
        (lambda net: net.loss(normal(1, T, C), [[0, 1, 2, 9, 1]]), ValueError, r"y\[0, 3\] is 9; expected 0\.\.3"),
        (lambda net: net.loss(normal(1, T, C), np.zeros((1, T))), TypeError, "expected whole-number class labels"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(call: Any, error: type[Exception], message: str) -> None:
    net = network(layers=[Dense(CLASSES)])
    with pytest.raises(error, match=message):
        call(net)


@pytest.mark.parametrize("inputs", [(), (3, 0), (2.5, 3), "3"])
def test_shapes_that_are_none_are_refused(inputs: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="inputs is"):
        Network(inputs, [Dense(2)])


def test_labels_by_dtype_and_not_by_axes_inside_nopython_code() -> None:
    """The kernels take labels with the axes of the positions, or flat."""
    net, (x, y) = network(loss=CrossEntropy()), data(4)
    flat = x.reshape(4, -1)
    trainers = [net.copy().trainer("sgd", 4) for _ in range(2)]
    losses = [
        fastnn.learning.training.train_step(*trainer.arrays[:5], flat, labels, trainer.workspace)
        for trainer, labels in zip(trainers, (y, y.ravel()), strict=True)
    ]
    assert losses[0] == losses[1] == net.loss(x, y)
    assert trainers[0].params.tobytes() == trainers[1].params.tobytes()
