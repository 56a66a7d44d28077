"""The one generator of epochs: when it asks for an order, what it tells, and losses that are not finite."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from fit_cases import BATCH, LABELS, NUMBERS, ORDER, ROWS, Array, X, net_of

from fastnn import SGD, NonFiniteLoss
from fastnn.learning.epochs import epochs_of
from fastnn.learning.held import Epoch


def test_an_order_is_asked_for_when_the_epoch_before_was_consumed() -> None:
    trainer = net_of().trainer(SGD(0.1), BATCH)
    done: list[int] = []

    def orders() -> Iterator[Array]:
        while len(done) < 3:
            yield ORDER

    for result in epochs_of(trainer, trainer.hold(X, LABELS), orders(), first=4):
        done.append(result.epoch)
    assert done == [4, 5, 6]
    assert trainer.steps == 9


def test_a_result_is_what_the_epoch_saw_and_what_came_after_it() -> None:
    trainer, twin = net_of().trainer(SGD(0.1), BATCH), net_of().trainer(SGD(0.1), BATCH)
    held, held_out = trainer.hold(X, LABELS), trainer.hold(X[:7], LABELS[:7])
    for result in epochs_of(trainer, held, [ORDER, ORDER], validation=held_out):
        seen = twin.epoch(X, LABELS, ORDER)
        assert result[1:3] == (seen.loss, seen.hits / ROWS)
        assert result[3:5] == (twin.network.loss(X[:7], LABELS[:7]), twin.network.accuracy(X[:7], LABELS[:7]))
        assert result.seconds > 0


def test_what_is_not_there_is_nan() -> None:
    trainer = net_of("mse", 2).trainer(SGD(0.1), BATCH)
    result = next(epochs_of(trainer, trainer.hold(X, NUMBERS), [ORDER]))
    assert np.isfinite(result.loss)
    assert np.isnan(result[2:5]).all()


def test_an_epoch_is_made_by_the_call_that_is_asked_for() -> None:
    trainer = net_of().trainer(SGD(0.1), BATCH)
    made: list[Epoch] = []

    def run(epoch: Callable[[], Epoch]) -> Epoch:
        made.append(epoch())
        return made[-1]

    losses = [result.loss for result in epochs_of(trainer, trainer.hold(X, LABELS), [ORDER, ORDER], run=run)]
    assert losses == [each.loss for each in made]


def test_a_loss_that_is_not_finite_ends_epochs_or_is_given_where_none_can_be_made_again() -> None:
    bad = X.copy()
    bad[BATCH] = np.nan
    trainer, twin = (net_of().trainer(SGD(0.1), BATCH) for _ in range(2))
    with pytest.raises(NonFiniteLoss, match="epoch 7"):
        list(epochs_of(trainer, trainer.hold(bad, LABELS), [ORDER], first=7))
    given = list(epochs_of(twin, twin.hold(bad, LABELS), [ORDER, ORDER], rewinds=False))
    assert [result.epoch for result in given] == [0, 1]
    assert not np.isfinite([result.loss for result in given]).any()
