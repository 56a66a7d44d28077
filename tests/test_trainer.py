"""Trainer: steps, gradients and epochs for loops of one's own."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import needs
import numba
import numpy as np
import pytest
from processes import run_python

from fastnn import LSTM, SGD, Adam, Conv2d, Dense, Embedding, Flatten, Momentum, Network, Trainer, mlp
from fastnn.compiler.jit import DEBUG, DISABLED
from fastnn.simd.machine import thread_limit

ROWS = 23
X = np.random.default_rng(1).normal(size=(ROWS, 5))
LABELS = np.argmax(X[:, :3] + 0.3 * X[:, 2:], axis=1)
ORDER = np.arange(ROWS)


def net_of(loss: str = "cross_entropy", outputs: int = 3) -> Network:
    return mlp(5, 8, outputs, activation="tanh", loss=loss, dtype="float64", seed=0)


def test_a_step_is_a_gradient_and_its_application() -> None:
    trainers = [net_of().trainer(Adam(0.01, clip_norm=0.5), ROWS) for _ in range(2)]
    for _ in range(3):
        loss = trainers[0].step(X, LABELS)
        assert trainers[1].gradient(X, LABELS) == loss
        trainers[1].apply()
    for left, right in zip(trainers[0].arrays[1:5], trainers[1].arrays[1:5], strict=True):
        assert left.tobytes() == right.tobytes()
    assert trainers[0].steps == trainers[1].steps == 3


def test_the_trainer_trains_the_networks_own_parameters() -> None:
    net = net_of()
    trainer = net.trainer("sgd", ROWS)
    before = net(X)
    assert trainer.params is net.parameters
    assert trainer.step(X, LABELS) > net.loss(X, LABELS)
    assert net(X).tobytes() != before.tobytes()


def test_apply_uses_whatever_stands_in_grads() -> None:
    net = net_of()
    trainer = net.trainer(SGD(0.5), 1)
    before = net.named_parameters["0.bias"].copy()
    net.named(trainer.grads)["0.bias"][...] = 2.0
    trainer.apply()
    assert net.named_parameters["0.bias"].tolist() == (before - 1.0).tolist()


def test_forward_is_a_view_of_the_workspace() -> None:
    net = net_of()
    trainer = net.trainer("sgd", ROWS)
    output = trainer.forward(X)
    assert output.tobytes() == net(X).tobytes()
    assert np.shares_memory(output, trainer.workspace)


def test_an_epoch_trains_on_the_rows_of_its_order() -> None:
    trainer, twin = net_of().trainer("sgd", 4), net_of().trainer("sgd", 4)
    order = np.array([3, 3, 0, 5, 1, 1])  # rows may come twice
    right, losses = 0, []
    for part in (order[:4], order[4:]):
        right += int(np.sum(twin.network.predict(X[part]) == LABELS[part]))
        losses.append(len(part) * twin.step(X[part], LABELS[part]))
    assert trainer.epoch(X, LABELS, order) == (pytest.approx(sum(losses) / 6, rel=1e-15), 6, right, 2)
    assert trainer.params.tobytes() == twin.params.tobytes()


def test_an_epoch_makes_at_most_so_many_steps() -> None:
    trainer, twin = net_of().trainer("sgd", 4), net_of().trainer("sgd", 4)
    before = trainer.params.tobytes()
    assert trainer.epoch(X, LABELS, ORDER, steps=0) == (0, 0, 0, 0)
    assert trainer.epoch(X, LABELS, ORDER[:0]) == (0, 0, 0, 0)
    assert trainer.params.tobytes() == before
    _, rows, _, made = trainer.epoch(X, LABELS, ORDER, steps=2)
    assert (rows, made, trainer.steps) == (8, 2, 2)
    twin.epoch(X, LABELS, ORDER[:8])
    assert trainer.params.tobytes() == twin.params.tobytes()
    assert trainer.epoch(X, LABELS, ORDER, steps=99)[3] == 6


def test_labels_are_no_targets_of_losses_on_numbers() -> None:
    """A flat int64 y is what the labels of a cross-entropy look like; here it is a column of numbers."""
    x, ones = X[:5], np.ones(5, np.int64)
    for loss in ("mse", "hinge", "binary_cross_entropy_with_logits"):
        trainers = [net_of(loss, 1).trainer("sgd", 5) for _ in range(2)]
        assert trainers[0].step(x, ones) == trainers[1].step(x, ones[:, None].astype(float))
        assert trainers[0].params.tobytes() == trainers[1].params.tobytes()


@pytest.mark.parametrize(
    "twin_of", [copy.deepcopy, lambda trainer: pickle.loads(pickle.dumps(trainer))], ids=["copy", "pickle"]
)
def test_a_copied_trainer_trains_the_network_copied_with_it(twin_of: Any) -> None:
    trainer = net_of().trainer("adam", ROWS)
    trainer.step(X, LABELS)
    twin = twin_of(trainer)
    assert not np.shares_memory(twin.params, trainer.params)
    assert twin.step(X, LABELS) == trainer.step(X, LABELS)
    assert twin.network.parameters.tobytes() == trainer.network.parameters.tobytes()


def test_parameters_given_to_a_network_reach_its_trainers() -> None:
    trainer, twin = net_of().trainer("sgd", ROWS), net_of().trainer("sgd", ROWS)
    twin.step(X, LABELS)
    trainer.network.parameters = twin.params
    assert trainer.step(X, LABELS) == twin.step(X, LABELS)
    with pytest.raises(ValueError, match="parameters have shape"):
        trainer.network.parameters = np.zeros(3)


def one_step(trainer: Trainer, x: Any, y: Any) -> tuple[float, bytes]:
    """The loss of a step and the parameters after it; before it they are set to those of the seed."""
    trainer.network.parameters[:] = mlp(3, 4, 2, seed=0).parameters
    return trainer.step(x, y), trainer.network.parameters.tobytes()


def test_a_step_is_the_same_however_its_arrays_come() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random((8, 3), dtype=np.float32), rng.integers(0, 2, 8)
    trainer = mlp(3, 4, 2, seed=0).trainer(SGD(0.1), batch=8)
    expected = one_step(trainer, x, y)
    spread = np.empty((8, 6), np.float32)
    spread[:, ::2] = x
    frozen = x.copy()
    frozen.flags.writeable = False
    for other in (x.astype(np.float64), np.asfortranarray(x), spread[:, ::2], frozen, x.tolist(), x.astype(">f4")):
        assert one_step(trainer, other, y) == expected
    for labels in (y.astype(np.int32), y.tolist(), np.repeat(y, 2)[::2]):
        assert one_step(trainer, x, labels) == expected


def test_a_step_refuses_what_does_not_fit_and_changes_nothing() -> None:
    x, y = np.ones((8, 3), np.float32), np.zeros(8, np.int64)
    trainer = mlp(3, 4, 2, seed=0).trainer(SGD(0.1), batch=8)
    before = [array.tobytes() for array in (trainer.params, trainer.state, trainer.control)]
    wrong = (
        (x, y - 1), (x, y + 2), (x, y[:7]), (x[:0], y[:0]), (np.ones((9, 3), np.float32), np.zeros(9, np.int64)),
        (x[:, :2], y), (x[:, :2].copy(), y), (x.astype(np.float64)[:, :2].copy(), y), (x, y[:, None]),
    )  # fmt: skip
    for some_x, some_y in wrong:
        with pytest.raises(ValueError, match="expected|takes|has"):
            trainer.step(some_x, some_y)
    assert [array.tobytes() for array in (trainer.params, trainer.state, trainer.control)] == before


def test_a_step_follows_arrays_that_are_replaced_and_copies_train_alone() -> None:
    x, y = np.random.default_rng(1).random((8, 3), dtype=np.float32), np.zeros(8, np.int64)
    trainer = mlp(3, 4, 2, seed=0).trainer(Momentum(0.1), batch=8)
    trainer.step(x, y)
    kept, old = trainer.params.copy(), trainer.workspace
    for twin in (copy.copy(trainer), copy.deepcopy(trainer), pickle.loads(pickle.dumps(trainer))):
        trainer.network.parameters[:] = kept
        twin.network.parameters[:] = kept
        twin.state = twin.state.copy()
        state = twin.state.copy()
        twin.step(x, y)
        assert not np.array_equal(twin.state, state)
    trainer.workspace = np.zeros_like(old)
    old[:] = 7
    trainer.step(x, y)
    assert np.all(old == 7)
    assert np.any(trainer.workspace != 0)


@pytest.mark.parametrize("capacity", [16, 17, 33, 48, 64, 256])
def test_short_batches_train_as_in_a_trainer_of_their_size(capacity: int) -> None:
    rng = np.random.default_rng(capacity)
    for rows in {1, 3, 10, 16, 31, 32, 40, 48, capacity} & set(range(capacity + 1)):
        x, y = rng.random((rows, 160), dtype=np.float32), rng.integers(0, 10, rows)
        found = set()
        for size in (capacity, rows):
            net = mlp(160, 300, 600, 10, seed=0)
            trainer = net.trainer(SGD(0.1), batch=size)
            found.add((trainer.step(x, y), trainer.step(x, y), net.parameters.tobytes()))
        assert len(found) == 1, rows


def test_more_threads_than_vectors_of_outputs_train_to_the_same_bits() -> None:
    x, y = np.random.default_rng(0).random((64, 784), dtype=np.float32), np.arange(64) % 10
    found = set()
    for threads in range(1, numba.config.NUMBA_NUM_THREADS + 1):
        with thread_limit(threads):
            net = mlp(784, 10, seed=0)
            loss = net.trainer(SGD(0.1), batch=64).step(x, y)
            found.add((loss, net.parameters.tobytes()))
    assert len(found) == 1


def test_a_step_refuses_masked_values_and_arrays_of_another_kind() -> None:
    x, y = np.ones((8, 3), np.float32), np.zeros(8, np.int64)
    trainer = mlp(3, 4, 2, seed=0).trainer(SGD(0.1), batch=8)
    for _ in range(2):
        with pytest.raises(TypeError, match="masked"):
            trainer.step(np.ma.masked_less(x, 2.0), y)
        trainer.step(x, y)
    trainer.control = trainer.control.astype(np.float32)
    if not (DEBUG or DISABLED):
        with pytest.raises(TypeError, match="expected C-contiguous float64"):
            trainer.step(x, y)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_forward_pass_takes_any_array_that_its_network_does(dtype: str) -> None:
    """As the kernel wants it, in one argument, or converted first: the same output; a fresh view each time."""
    trainer = mlp(3, 4, 2, seed=0, dtype=dtype).trainer(SGD(0.1), batch=8)
    x = np.random.default_rng(0).normal(size=(8, 3)).astype(dtype)
    expected = trainer.network(x)
    frozen = x.copy()
    frozen.flags.writeable = False
    for given in (x, frozen, x.tolist(), np.asfortranarray(x), np.repeat(x, 2, axis=0)[::2]):
        found = trainer.forward(given)
        assert np.array_equal(found, expected)
        assert np.shares_memory(found, trainer.workspace)
        found.shape = (16,)
    assert np.array_equal(trainer.forward(x[:3]), expected[:3])
    trainer.workspace = np.zeros_like(trainer.workspace)
    found = trainer.forward(x)
    assert np.array_equal(found, expected)
    assert np.shares_memory(found, trainer.workspace)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.ones((9, 3), np.float32), "9 rows; this trainer takes 1 to 8"),
        (np.ones((0, 3), np.float32), "0 rows; this trainer takes 1 to 8"),
        (np.ones((8, 4), np.float32), "expected"),
    ],
)
def test_a_forward_pass_refuses_what_does_not_fit(given: np.ndarray, message: str) -> None:
    trainer = mlp(3, 4, 2, seed=0).trainer(SGD(0.1), batch=8)
    before = trainer.workspace.copy()
    with pytest.raises(ValueError, match=message):
        trainer.forward(given)
    assert np.array_equal(trainer.workspace, before)


FRAMED = """
import json
import numpy as np
from fastnn import SGD, mlp
from fastnn.learning import training
from fastnn.kernels import softmax
x, y = np.random.default_rng(0).random((8, 3), dtype=np.float32), np.arange(8) % 2
losses = []
for framed in (True, False):
    trainer = mlp(3, 4, 2, seed=0).trainer(SGD(0.1), batch=8)
    for labels in (y, y + 2, y[:3]):
        if framed:
            losses.append(training.framed_step[4](trainer._frame, x, labels))
        elif labels is y:
            losses.append(training.train_step(*trainer.arrays[:5], x, labels, trainer.workspace))
    losses.append(trainer.params.tolist())
    if framed:
        assert training.framed_forward[4](trainer._frame, x)
        assert not training.framed_forward[4](trainer._frame, x[:, :2])
        assert not training.framed_forward[4](trainer._frame, np.ones((9, 3), np.float32))
print(json.dumps([str(loss) for loss in losses]))
"""


def test_a_frame_in_plain_python_holds_the_arrays_of_the_trainer() -> None:
    loss, above, short, after, expected, expected_after = run_python(FRAMED, NUMBA_DISABLE_JIT="1")
    assert (loss, after) == (expected, expected_after)
    assert above == short == "nan"


@needs.compiled_kernels
@pytest.mark.parametrize(
    ("layers", "shape", "given"),
    [
        ([Conv2d(2, 2), Flatten(), Dense(3)], (4, 4, 1), np.float32),
        ([LSTM(4, return_sequences=False), Dense(3)], (5, 2), np.float32),
        ([Embedding(7, 4), Dense(3)], (5,), np.float32),
        ([Embedding(7, 4), Dense(3)], (5,), np.int64),
    ],
)
def test_forward_of_rows_of_any_shape_is_one_call(
    layers: list[Any], shape: tuple[int, ...], given: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the checks in Python, which took 50 us for a LeNet of 16."""
    net = Network(shape, layers, seed=0)
    x = np.random.default_rng(0).integers(0, 7, (6, *shape)).astype(given)
    expected = net(x)
    trainer = net.trainer(SGD(0.1), 6)
    monkeypatch.setattr("fastnn.learning.trainer.tape.forward", None)
    for rows in (6, 2):
        np.testing.assert_array_equal(trainer.forward(x[:rows]), expected[:rows])
    monkeypatch.undo()
    for wrong in (x[:, :1], x[:0]):
        with pytest.raises(ValueError, match="expected|takes 1 to 6"):
            trainer.forward(wrong)
    if net.vocabulary:
        with pytest.raises(ValueError, match="7"):
            trainer.forward(np.full_like(x, 7))
