"""Rows that are held: checked once, whatever is written to the caller's arrays later, and for one network alone."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fit_cases import BATCH, LABELS, ORDER, ROWS, Array, X, net_of

from fastnn import SGD, Dense, Network
from fastnn.bench.case import Case
from fastnn.bench.ladder import parse
from fastnn.learning import targets
from fastnn.learning import trainer as trainer_module
from fastnn.learning.held import Held, MadeRows, as_order
from fastnn.learning.trainer import Trainer


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows of labels at each check of them."""
    rows: list[int] = []
    as_labels = targets.as_labels

    def counted(values: Any, *arguments: Any) -> Array:
        rows.append(len(values))
        return as_labels(values, *arguments)

    monkeypatch.setattr(targets, "as_labels", counted)
    return rows


def after_two_epochs(write: Callable[[Array, Array], object]) -> bytes:
    """Parameters, where write(x, y) comes between two epochs."""
    x, y = X.copy(), LABELS.copy()
    trainer = net_of().trainer(SGD(0.1), BATCH)
    held = trainer.hold(x, y)
    trainer.epoch(held, ORDER)
    write(x, y)
    trainer.epoch(held, ORDER)
    return trainer.params.tobytes()


class Made(MadeRows):
    """Halves of what is kept, and of a training each step's own number besides."""

    def __init__(self, x: Array) -> None:
        self.shape, self.dtype, self._twice = x.shape, x.dtype, 2 * x

    def __getitem__(self, rows: slice) -> Array:
        return self._twice[rows] / 2

    def for_steps(self, order: Array, step: int, batch: int) -> Array:
        steps = step + np.arange(len(order), dtype=self.dtype) // batch
        return self._twice[order] / 2 + steps[:, None] / 16


@pytest.mark.parametrize("weights", [None, np.linspace(0, 2, ROWS)])
def test_rows_that_are_made_are_those_of_their_steps(weights: Array | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer_module, "CALL_WORK", 1)  # a call a step
    net, plain = net_of(), net_of()
    trainer, steps = net.trainer(SGD(0.1), BATCH), plain.trainer(SGD(0.1), BATCH)
    held = trainer.hold(Made(X), LABELS, weights)
    for _ in range(2):
        trainer.epoch(held, ORDER)
        for at in range(0, len(ORDER), BATCH):
            rows = ORDER[at : at + BATCH]
            weigh = None if weights is None else weights[rows]
            steps.step(X[rows] + np.float32(steps.steps / 16), LABELS[rows], weigh)
    assert net.parameters.tobytes() == plain.parameters.tobytes()
    assert net.evaluate(held) == plain.evaluate(X, LABELS, weights)


def test_rows_that_are_made_have_the_networks_width() -> None:
    with pytest.raises(ValueError, match=f"rows of {X.shape[1] - 1} numbers are made; expected {X.shape[1]}"):
        net_of().trainer(SGD(0.1), BATCH).hold(Made(X[:, 1:]), LABELS)


def test_rows_that_are_made_have_a_gradient_and_the_networks_type() -> None:
    net = net_of()
    held = net.trainer(SGD(0.1), BATCH).hold(Made(X), LABELS)
    assert net.gradient(held, None).tobytes() == net.gradient(X, LABELS).tobytes()
    with pytest.raises(ValueError, match="rows are made as float32; expected float64"):
        net.trainer(SGD(0.1), BATCH).hold(Made(X.astype(np.float32)), LABELS)


def test_fit_checks_labels_once_however_many_epochs_there_are(checks: list[int]) -> None:
    net_of().fit(X, LABELS, epochs=5, batch=BATCH, seed=0)
    assert checks == [ROWS]
    net_of().fit(X, LABELS, epochs=5, batch=BATCH, seed=0, validation=(X[:7], LABELS[:7]))
    assert checks[1:] == [ROWS, 7]


def test_epochs_on_held_rows_check_no_label(checks: list[int]) -> None:
    trainer = net_of().trainer(SGD(0.1), BATCH)
    held = trainer.hold(X, LABELS)
    checks.clear()
    for _ in range(3):
        trainer.epoch(held, ORDER)
    assert checks == []


def test_held_rows_train_as_rows_that_are_checked_each_time() -> None:
    trainers = [net_of().trainer(SGD(0.1), BATCH) for _ in range(3)]
    held = trainers[0].hold(X, LABELS)
    for steps in (None, 2):
        seen = [
            trainers[0].epoch(held, ORDER, steps=steps),
            trainers[1].epoch(X, LABELS, ORDER, steps),
            trainers[2].epoch(X.tolist(), LABELS.astype(np.uint8), ORDER.tolist(), steps=steps),
        ]
        assert seen[0] == seen[1] == seen[2]
    assert trainers[0].epoch(held, ORDER, 1) == trainers[1].epoch(X, LABELS, ORDER[:BATCH])
    assert trainers[0].params.tobytes() == trainers[1].params.tobytes()


@pytest.mark.parametrize("label", [2**40, -5, 3])
def test_a_label_that_is_written_after_hold_reaches_no_kernel(label: int) -> None:
    def spoil(x: Array, y: Array) -> None:
        y[:] = label

    assert after_two_epochs(spoil) == after_two_epochs(lambda x, y: None)


def test_labels_of_positions_are_copies_too() -> None:
    net = Network((2, 3), [Dense(3)], seed=0)
    labels = np.zeros((5, 2), np.int64)
    held = net.trainer("sgd", 5).hold(np.zeros((5, 2, 3)), labels)
    labels[:] = 2**40
    assert not held.y.any()


def test_a_callback_that_writes_labels_spoils_no_fit() -> None:
    x, y, net, twin = X.copy(), LABELS.copy(), net_of(), net_of()
    held_out = X[:7].copy(), LABELS[:7].copy()

    def spoil(epoch: int, history: Any) -> None:
        y[:], held_out[1][:] = 2**40, 2**40

    spoilt = net.fit(x, y, epochs=3, batch=BATCH, seed=0, validation=held_out, callback=spoil)
    history = twin.fit(X, LABELS, epochs=3, batch=BATCH, seed=0, validation=(X[:7], LABELS[:7]))
    assert net.parameters.tobytes() == twin.parameters.tobytes()
    assert spoilt.val_loss == history.val_loss


def test_held_labels_cannot_be_written() -> None:
    held = net_of().trainer().hold(X, LABELS)
    with pytest.raises(ValueError, match="read-only"):
        held.y[0] = 99
    assert held.y.tolist() == LABELS.tolist()


def test_rows_of_x_are_the_callers_and_what_is_written_there_is_trained_on() -> None:
    def double(x: Array, y: Array) -> None:
        x *= 2

    assert after_two_epochs(double) != after_two_epochs(lambda x, y: None)


def test_a_shape_that_is_changed_in_place_changes_no_held_rows() -> None:
    def reshape(x: Array, y: Array) -> None:
        x.shape = (5, ROWS)

    assert after_two_epochs(reshape) == after_two_epochs(lambda x, y: None)


def test_rows_that_another_network_checked_are_refused() -> None:
    more, fewer = net_of(outputs=5), net_of()
    held = more.trainer().hold(X, LABELS + 2)
    with pytest.raises(ValueError, match="held for another network; hold them with a trainer of this one"):
        fewer.trainer().epoch(held, ORDER)
    with pytest.raises(ValueError, match="held for another network"):
        fewer.evaluate(held)


def test_all_trainers_of_a_network_take_its_rows_and_copies_take_copies() -> None:
    net = net_of()
    trainer = net.trainer(SGD(0.1), BATCH)
    held = trainer.hold(X, LABELS)
    twin, copied = copy.deepcopy((trainer, held))
    assert twin.epoch(copied, ORDER) == trainer.epoch(held, ORDER)
    assert net.trainer(SGD(0.1), ROWS).epoch(held, ORDER).steps == 1


def test_an_order_is_checked_for_held_rows_too() -> None:
    trainer = net_of().trainer(SGD(0.1), BATCH)
    held, before = trainer.hold(X, LABELS), trainer.params.tobytes()
    for order in (ORDER + 1, ORDER - 1, ORDER - 2**40, np.array([2**64 - 1], np.uint64)):
        with pytest.raises(ValueError, match="expected rows of x, 0..22"):
            trainer.epoch(held, order)
    with pytest.raises(TypeError, match="expected whole numbers"):
        trainer.epoch(held, ORDER * 1.0)
    assert trainer.params.tobytes() == before


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint64", ">i8"])
def test_orders_of_every_whole_number_are_taken(dtype: str) -> None:
    assert as_order(ORDER.astype(dtype), ROWS).tolist() == ORDER.tolist()
    with pytest.raises(ValueError, match="order spans 0..22; expected rows of x, 0..21"):
        as_order(ORDER.astype(dtype), ROWS - 1)


def test_held_rows_are_the_pair_that_hold_gave_before_there_was_a_name_for_it() -> None:
    trainer, twin = net_of().trainer(SGD(0.1), BATCH), net_of().trainer(SGD(0.1), BATCH)
    held = trainer.hold(X, LABELS)
    x, y = held
    assert (x.tolist(), y.tolist()) == (X.tolist(), LABELS.tolist())
    assert held[0].tolist() == X.tolist()
    assert held[1].tolist() == LABELS.tolist()
    assert held.rows == ROWS
    assert trainer.epoch(*held, ORDER) == twin.epoch(X, LABELS, ORDER)


# Benchmarks -----------------------------------------------------------------------------------------------------------


def test_what_the_benchmark_calls_an_epoch_is_the_call_that_fit_makes(
    monkeypatch: pytest.MonkeyPatch, checks: list[int]
) -> None:
    rows: list[Any] = []
    epoch = Trainer.epoch
    monkeypatch.setattr(Trainer, "epoch", lambda self, *rest: (rows.append(rest[0]), epoch(self, *rest))[1])
    net_of().fit(X, LABELS, epochs=2)
    case = Case(parse("3-4-2"), 32, 1, "float32", "sgd")
    for _ in range(3):
        case.run("epoch")(5)
    assert [type(each) for each in rows] == 5 * [Held]
    assert checks == [ROWS, len(case.x)]
    assert case.trainer.steps == 15
