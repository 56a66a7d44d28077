"""fit meets a loss that is no number: it stops, and the parameters are those of the last finite one."""

from __future__ import annotations

import numpy as np
import pytest
from fit_cases import BATCH, LABELS, NUMBERS, ROWS, Array, X, net_of, shuffled

from fastnn import (
    MSE,
    SGD,
    Adam,
    CrossEntropy,
    Dense,
    Momentum,
    Nesterov,
    Network,
    NonFiniteLoss,
    mlp,
)
from fastnn.learning.optimizers import Optimizer


def run_until_not_finite(
    net: Network, x: Array, y: Array, optimizer: Optimizer, epochs: list[list[Array]], batch: int
) -> tuple[int, int, bytes]:
    """Step by step: the steps that stand, the epoch of the bad loss, and the parameters of the last finite one."""
    trainer = net.trainer(optimizer, batch)
    kept = [net.parameters.tobytes()]
    for epoch, batches in enumerate(epochs):
        for rows in batches:
            loss = trainer.step(x[rows], y[rows])
            if not np.isfinite(loss):
                steps = max(len(kept) - 2, 0)
                return steps, epoch, kept[steps]
            kept.append(net.parameters.tobytes())
    raise AssertionError("every loss was finite")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch", [4, BATCH, ROWS])
@pytest.mark.parametrize("rate", [0.5, 1e3, 1e12])
@pytest.mark.parametrize("kind", [SGD, Momentum, Nesterov])
def test_divergence_stops_with_the_parameters_of_the_last_finite_loss(
    kind: type[Optimizer], rate: float, batch: int, dtype: str
) -> None:
    y = 100 * NUMBERS
    networks = [mlp(5, 8, 2, loss=MSE("sum"), dtype=dtype, seed=0) for _ in range(2)]
    epochs = list(shuffled(seed=4, batch=batch, epochs=400))
    steps, epoch, right = run_until_not_finite(networks[0], X, y, kind(rate), epochs, batch)
    with pytest.raises(NonFiniteLoss, match=f"after {steps} steps .epoch {epoch}.*smaller learning rate") as caught:
        networks[1].fit(X, y, epochs=400, batch=batch, optimizer=kind(rate), seed=4)
    assert (caught.value.step, caught.value.epoch) == (steps, epoch)
    assert not np.isfinite(caught.value.loss)
    assert networks[1].parameters.tobytes() == right
    assert np.isfinite(networks[1].parameters).all()


@pytest.mark.parametrize("row", [0, 3, 7, 8, 15, 16, 22])
def test_a_nan_in_the_data_stops_before_it_spreads(row: int) -> None:
    x = X.copy()
    x[row, 2] = np.nan
    epochs = [[np.arange(at, min(at + BATCH, ROWS)) for at in range(0, ROWS, BATCH)]]
    net, twin = net_of(), net_of()
    steps, _, right = run_until_not_finite(twin, x, LABELS, Adam(0.01), epochs, BATCH)
    with pytest.raises(NonFiniteLoss, match=f"nan after {steps} steps .epoch 0"):
        net.fit(x, LABELS, epochs=2, batch=BATCH, optimizer=Adam(0.01), shuffle=False)
    assert steps == max(row // BATCH - 1, 0)
    assert net.parameters.tobytes() == right
    assert (right == net_of().parameters.tobytes()) is (row < 2 * BATCH)


def test_a_nan_in_the_first_batch_changes_nothing() -> None:
    net = net_of()
    before = net.parameters.tobytes()
    with pytest.raises(NonFiniteLoss, match="after 0 steps"):
        net.fit(np.full_like(X, np.nan), LABELS, epochs=1)
    assert net.parameters.tobytes() == before


def test_labels_that_are_all_ignored_are_refused() -> None:
    with pytest.raises(ValueError, match="nothing but ignore_index, -100"):
        net_of().fit(X, np.full(ROWS, -100), epochs=1)


def test_a_batch_of_ignored_labels_is_passed_over() -> None:
    y = LABELS.copy()
    y[BATCH : 2 * BATCH] = -100
    net, twin = net_of(), net_of()
    history = net.fit(X, y, epochs=1, batch=BATCH, optimizer=Adam(0.01), shuffle=False)
    trainer = twin.trainer(Adam(0.01), BATCH)
    kept = [at for at in range(0, ROWS, BATCH) if at != BATCH]
    losses = [len(X[at : at + BATCH]) * trainer.step(X[at : at + BATCH], y[at : at + BATCH]) for at in kept]
    assert net.parameters.tobytes() == twin.parameters.tobytes()
    assert history.loss == [pytest.approx(sum(losses) / (ROWS - BATCH), rel=1e-12)]
    assert history.steps == len(kept)


def test_the_history_is_the_weighted_mean_that_loss_gives() -> None:
    net = net_of(CrossEntropy(class_weight=[1, 10, 3]))
    history = net.fit(X, LABELS, epochs=1, batch=4, optimizer=SGD(0), shuffle=False)
    assert history.loss == [pytest.approx(net.loss(X, LABELS), rel=1e-12)]


def test_a_last_update_that_leaves_the_finite_is_taken_back() -> None:
    """No later loss would tell: one epoch of one step, at a rate that overflows float32."""
    net = mlp(5, 8, 3, seed=0)
    before = net.parameters.tobytes()
    with pytest.raises(NonFiniteLoss, match="after 0 steps"):
        net.fit(X, LABELS, epochs=1, batch=ROWS, optimizer=SGD(1e39))
    assert net.parameters.tobytes() == before


def test_a_batch_that_is_passed_over_is_no_update_to_go_back_by() -> None:
    """The second batch is ignored: the first update, which made the parameters infinite, is the one to undo."""
    net = Network(1, [Dense(2, bias=False)], dtype="float64", seed=0, loss=CrossEntropy(ignore_index=-1))
    net.named_parameters["0.weight"][...] = 1e-201
    with pytest.raises(NonFiniteLoss) as caught:
        net.fit([[1e200], [1.0]], [0, -1], epochs=1, batch=1, optimizer=SGD(1e150), shuffle=False)
    assert caught.value.step == 0
    assert (net.named_parameters["0.weight"] == 1e-201).all()


def test_going_back_passes_over_what_training_passed_over() -> None:
    """Updates by rows 0, 2, 5, 6 and 8; the loss of row 9 is not finite, so that of row 8 is the one to undo."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 3)), np.array([0, -1, 1, -1, -1, 0, 1, -1, 0, 1, -1, 0])
    x[9] = np.nan
    nets = [Network(3, [Dense(2)], dtype="float64", seed=0, loss=CrossEntropy(ignore_index=-1)) for _ in range(2)]
    with pytest.raises(NonFiniteLoss) as caught:
        nets[0].fit(x, y, epochs=1, batch=1, optimizer=SGD(0.5), shuffle=False)
    nets[1].fit(x[:8], y[:8], epochs=1, batch=1, optimizer=SGD(0.5), shuffle=False)
    assert caught.value.step == 4
    assert (nets[0].parameters == nets[1].parameters).all()
