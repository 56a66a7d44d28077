"""Batch norm in training: the statistics of a span, what moves the running ones, and what leaves them alone."""

from __future__ import annotations

from typing import Any

import needs
import numba
import numpy as np
import pytest

import fastnn
from fastnn import Adam, AdamW, BatchNorm, Conv2d, Dense, Flatten, MaxPool2d, Network, Residual, Shared, data
from fastnn.layers import Activation
from fastnn.reference import batch_norm as reference

SHAPES: dict[str, tuple[int, ...]] = {"rows": (5,), "sequences": (4, 5), "images": (3, 4, 5)}


def network(shape: tuple[int, ...] = (5,), dtype: str = "float64", **settings: Any) -> Network:
    return Network(shape, [BatchNorm(**settings), Flatten(), Dense(3)], loss="mse", dtype=dtype, seed=0)


def rows(net: Network, count: int, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(2.0, 3.0, (count, *net.input_shape)), rng.normal(size=(count, *net.output_shape))
    return x.astype(net.dtype), y.astype(net.dtype)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_step_in_training_is_that_of_the_reference(shape: tuple[int, ...], dtype: str) -> None:
    net = network(shape, dtype)
    net.named_parameters["0.weight"][...] = np.linspace(0.5, 2, 5)
    trainer, (x, y) = net.trainer("sgd", 40), rows(net, 40)
    before = {name: values.astype(float) for name, values in net.named_parameters.items()}
    loss, found = trainer.gradient(x, y), {name: each.copy() for name, each in net.named(trainer.grads).items()}
    wide = x.astype(float)
    mean, variance = reference.statistics(wide)
    normal = reference.forward(wide, before["0.weight"], before["0.bias"], mean, variance, 1e-5)
    error = normal.reshape(40, -1) @ before["2.weight"] + before["2.bias"] - y
    dy = (2 * error / error.size @ before["2.weight"].T).reshape(x.shape)
    _, dw, db = reference.backward(dy, wide, before["0.weight"], mean, variance, 1e-5)
    tolerance = 1e-12 if dtype == "float64" else 2e-5
    np.testing.assert_allclose(loss, np.mean(error**2), rtol=tolerance)
    np.testing.assert_allclose(found["0.weight"], dw, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(found["0.bias"], db, rtol=tolerance, atol=tolerance)
    trainer.apply()
    moved = reference.moved((before["0.running_mean"], before["0.running_var"]), wide, 0.1)
    np.testing.assert_allclose(net.named_parameters["0.running_mean"], moved[0], rtol=tolerance)
    np.testing.assert_allclose(net.named_parameters["0.running_var"], moved[1], rtol=tolerance)
    assert net.named_parameters["0.num_batches_tracked"] == 1


def images() -> list[Any]:
    """Without biases before a batch norm, whose gradient is but rounding, of which Adam makes steps."""
    return [
        Conv2d(6, 3, padding=1, bias=False), BatchNorm(), Activation("relu"),
        Residual(Conv2d(6, 3, padding=1, bias=False), BatchNorm(1e-3, 0.3), Activation("tanh")), MaxPool2d(2),
        Flatten(), Dense(8, bias=False), BatchNorm(), Activation("relu"), Dense(3),
    ]  # fmt: skip


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_training_is_that_of_torch_in_float64(optimizer: str) -> None:
    torch: Any = needs.package("torch")
    layers = [each for each in images() if not isinstance(each, Residual)]
    net = Network((6, 8, 2), layers, loss="mse", dtype="float64", seed=0)
    module = fastnn.to_torch(net).train()
    rate = {"sgd": 0.1, "adam": 0.01}[optimizer]
    theirs = getattr(torch.optim, optimizer.upper() if optimizer == "sgd" else "Adam")(module.parameters(), lr=rate)
    trainer = net.trainer(fastnn.SGD(rate) if optimizer == "sgd" else Adam(rate), 24)
    for seed in range(5):
        x, y = rows(net, 24, seed)
        theirs.zero_grad()
        loss = torch.nn.functional.mse_loss(module(torch.from_numpy(np.moveaxis(x, -1, 1).copy())), torch.from_numpy(y))
        loss.backward()
        theirs.step()
        assert abs(trainer.step(x, y) - loss.item()) < 1e-12
    ours = fastnn.state_dict(net)
    assert list(ours) == list(module.state_dict())
    for name, values in module.state_dict().items():
        np.testing.assert_allclose(ours[name], values.numpy(), rtol=1e-9, atol=1e-11, err_msg=name)
    back = fastnn.from_torch(module.eval(), "mse", input_shape=(2, 6, 8))
    assert [type(layer) for layer in back.layers].count(BatchNorm) == 2
    theirs_now = module(torch.from_numpy(np.moveaxis(x, -1, 1).copy())).detach().numpy()
    np.testing.assert_allclose(back(x), theirs_now, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(net(x), theirs_now, rtol=1e-8, atol=1e-8)
    assert back.named_parameters["1.num_batches_tracked"] == 5


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"affine": False}, "weight"),
        ({"track_running_stats": False}, "track_running_stats"),
        ({"momentum": None}, "momentum"),
    ],
)
def test_a_batch_norm_of_torch_that_is_another_function_is_refused(setting: dict[str, Any], message: str) -> None:
    torch: Any = needs.package("torch")
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4, **setting))
    with pytest.raises(ValueError, match=message):
        fastnn.from_torch(module)


def test_a_batch_of_spans_has_statistics_of_its_spans_and_moves_by_their_mean() -> None:
    net = network()
    x, y = rows(net, 80)
    trainer = net.trainer("sgd", 80, span=32)
    gradient = np.zeros_like(net.parameters)
    for at, count in ((0, 32), (32, 32), (64, 16)):
        part = net.copy().trainer("sgd", 80, span=32)
        part.gradient(x[at : at + count], y[at : at + count])
        gradient += part.grads * count / 80
    trainer.gradient(x, y)
    mine, expected = net.named(trainer.grads), net.named(gradient)
    for name in ("0.weight", "0.bias", "2.weight", "2.bias"):
        np.testing.assert_allclose(mine[name], expected[name], rtol=1e-11, atol=1e-13)
    trainer.apply()
    parts = [reference.moved((np.zeros(5), np.ones(5)), x[at : at + 32], 0.1) for at in (0, 32, 64)]
    for number, name in enumerate(("0.running_mean", "0.running_var")):
        mean = np.average([part[number] for part in parts], axis=0, weights=[32, 32, 16])
        np.testing.assert_allclose(net.named_parameters[name], mean, rtol=1e-12)
    assert net.named_parameters["0.num_batches_tracked"] == 1


@needs.two_cores
def test_bits_are_the_same_for_any_number_of_threads_and_for_parts() -> None:
    found, most = set(), numba.get_num_threads()
    for threads in (1, 2):
        numba.set_num_threads(threads)
        net = Network((6, 8, 2), images(), loss="mse", seed=0)
        x, y = rows(net, 150)
        trainer = net.trainer("adam", 150, span=32)
        for _ in range(3):
            trainer.step(x, y)
        trainer.accumulate([(x[:64], y[:64]), (x[64:], y[64:])])
        trainer.apply()
        found.add(net.parameters.tobytes())
    numba.set_num_threads(most)
    assert len(found) == 1


def test_inference_takes_running_statistics_and_moves_none() -> None:
    net = Network((6, 8, 2), images(), loss="mse", seed=0)
    x, y = rows(net, 40)
    trainer = net.trainer("adam", 40)
    trainer.step(x, y)
    kept = net.parameters.tobytes()
    whole = net(x)
    assert whole.tobytes() == np.concatenate([net(row[None]) for row in x]).tobytes()
    assert trainer.forward(x).tobytes() == whole.tobytes()
    assert net.loss(x, y) != trainer.gradient(x, y)
    slopes = net.named(net.gradient(x, y))
    assert not any(slopes[name].any() for name in slopes if "running" in name or "tracked" in name)
    assert net.parameters.tobytes() == kept


@pytest.mark.parametrize(
    "optimizer",
    [Adam(0.01, weight_decay=0.1), AdamW(0.01, weight_decay=0.5), fastnn.SGD(0.1, clip_norm=1e-3), Adam(0.01, l2=1.0)],
    ids=["adam", "adamw", "clipped", "l2"],
)
def test_no_optimizer_decay_or_clipping_moves_statistics_nor_sees_them(optimizer: Any) -> None:
    plain, net = network(momentum=0.2), network(momentum=0.2)
    x, y = rows(net, 16)
    net.named_parameters["0.running_mean"][...] = 1e6  # of which a norm would tell
    plain.trainer(optimizer, 16).step(x, y)
    net.trainer(optimizer, 16).step(x, y)
    for name in ("0.weight", "0.bias", "2.weight", "2.bias"):
        assert plain.named_parameters[name].tobytes() == net.named_parameters[name].tobytes(), name
    moved = reference.moved((np.full(5, 1e6), np.ones(5)), x, 0.2)
    np.testing.assert_allclose(net.named_parameters["0.running_mean"], moved[0], rtol=1e-12)
    np.testing.assert_allclose(net.named_parameters["0.running_var"], moved[1], rtol=1e-12)


def test_what_is_frozen_keeps_its_statistics() -> None:
    net = network()
    before = net.parameters.copy()
    net.trainer(Adam(0.01, rates={"0.*": 0.0}), 16).step(*rows(net, 16))
    for name, values in net.named(before).items():
        changed = net.named_parameters[name].tobytes() != values.tobytes()
        assert changed == name.startswith("2."), name


def test_a_batch_of_one_row_has_no_variance_and_moves_none() -> None:
    net = network()
    x, y = rows(net, 1)
    assert np.isfinite(net.trainer("sgd", 1).step(x, y))
    np.testing.assert_allclose(net.named_parameters["0.running_mean"], 0.1 * x[0], rtol=1e-12)
    assert (net.named_parameters["0.running_var"] == 1).all()


def test_statistics_are_no_parameters_that_are_counted() -> None:
    net = Network((6, 8, 2), [Conv2d(6, 3), BatchNorm(), Flatten(), Dense(3)], seed=0)
    assert net.parameter_count == 6 * (9 * 2 + 1) + 12 + 3 * (4 * 6 * 6 + 1)
    assert {"1.running_mean", "1.running_var", "1.num_batches_tracked"} < set(net.named_parameters)


def test_a_channel_that_is_constant_becomes_its_bias() -> None:
    net = network(dtype="float32")
    net.named_parameters["2.weight"][...] = np.eye(5)[:, :3]
    x = np.full((64, 5), 1234.5678, np.float32)
    trainer = net.trainer("sgd", 64)
    assert trainer.gradient(x, np.zeros((64, 3), np.float32)) < 1e-4


def test_a_layer_that_is_shared_counts_the_rows_of_both_places() -> None:
    net = Network(5, [BatchNorm(), Dense(5), Shared("0"), Dense(3)], loss="mse", dtype="float64", seed=0)
    x, y = rows(net, 16)
    between = reference.forward(x, np.ones(5), np.zeros(5), *reference.statistics(x), 1e-5)
    between = between @ net.named_parameters["1.weight"] + net.named_parameters["1.bias"]
    parts = [reference.moved((np.zeros(5), np.ones(5)), each, 0.1) for each in (x, between)]
    net.trainer("sgd", 16).step(x, y)
    np.testing.assert_allclose(net.named_parameters["0.running_mean"], (parts[0][0] + parts[1][0]) / 2, rtol=1e-10)
    np.testing.assert_allclose(net.named_parameters["0.running_var"], (parts[0][1] + parts[1][1]) / 2, rtol=1e-10)


def test_fit_learns_by_it_and_files_keep_the_statistics(tmp_path: Any) -> None:
    digits = data.digits()
    x = digits.x.reshape(-1, 8, 8, 1)
    layers = [Conv2d(8, 3, padding=1), BatchNorm(), Activation("relu"), MaxPool2d(2), Flatten(), Dense(10)]
    net = Network((8, 8, 1), layers, seed=0)
    net.fit(x[:1500], digits.y[:1500], epochs=3, batch=32, seed=0, optimizer=Adam(0.01), progress=False)
    accuracy = (net(x[1500:]).argmax(1) == digits.y[1500:]).mean()
    assert accuracy > 0.9
    net.save(tmp_path / "net.safetensors")
    again = fastnn.load(tmp_path / "net.safetensors")
    assert again(x).tobytes() == net(x).tobytes()
    assert again.named_parameters["1.num_batches_tracked"] == 3 * 47


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"epsilon": 0}, ValueError, "epsilon is 0; expected more"),
        ({"momentum": 1.5}, ValueError, r"momentum is 1.5; expected a finite number in \[0, 1\]"),
        ({"momentum": None}, TypeError, "momentum is None; expected a number"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        BatchNorm(**settings)


def test_positions_that_are_not_there_are_refused() -> None:
    with pytest.raises(ValueError, match="layer 2 is BatchNorm, which reads positions beside its own"):
        Network(4, [fastnn.Masking(0), fastnn.Embedding(5, 3), BatchNorm(), Dense(2)])
