"""fit: whole runs against the reference, what it tells on the way, and losses that are not finite."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fit_cases import BATCH, EPOCHS, LABELS, NUMBERS, ROWS, Array, X, net_of, shuffled
from reference_networks import train

from fastnn import (
    MSE,
    SGD,
    Adam,
    AdamW,
    Cosine,
    CrossEntropy,
    Dense,
    History,
    InverseScaling,
    Momentum,
    Nesterov,
    Network,
    StepDecay,
    fit,
)
from fastnn.learning import progress
from fastnn.learning.early_stopping import BestEpoch
from fastnn.learning.optimizers import OPTIMIZERS, Optimizer
from fastnn.reference import optimizer as reference


def constant(rate: float) -> Callable[[int], float]:
    return lambda step: rate


# A whole run against the reference -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("optimizer", "update", "rate", "options"),
    [
        (SGD(0.2), "sgd", constant(0.2), {}),
        (SGD(0.2, weight_decay=0.1, clip_norm=0.3), "sgd", constant(0.2), {"weight_decay": 0.1, "clip": 0.3}),
        (Momentum(0.1, momentum=0.8), "momentum", constant(0.1), {"momentum": 0.8}),
        (Nesterov(0.1, weight_decay=0.01), "nesterov", constant(0.1), {"weight_decay": 0.01}),
        (Adam(0.02, beta1=0.8, beta2=0.95), "adam", constant(0.02), {"beta1": 0.8, "beta2": 0.95}),
        (Adam(0.02, weight_decay=0.1, clip_norm=0.2), "adam", constant(0.02), {"weight_decay": 0.1, "clip": 0.2}),
        (AdamW(0.02, weight_decay=0.3), "adamw", constant(0.02), {"weight_decay": 0.3}),
        (AdamW(0.02), "adamw", constant(0.02), {}),
        (SGD(0.3, schedule=StepDecay(4, 0.5)), "sgd", lambda k: reference.step_decay(0.3, k, 4, 0.5), {}),
        (Momentum(0.3, schedule=InverseScaling(0.7)), "momentum", lambda k: reference.inverse_scaling(0.3, k, 0.7), {}),
        (Adam(0.05, schedule=Cosine(7, 3, 0.01)), "adam", lambda k: reference.cosine(0.05, k, 7, 3, 0.01), {}),
    ],
    ids=lambda value: "rate" if callable(value) else repr(value),
)
def test_a_run_is_that_of_the_reference_step_by_step(
    optimizer: Optimizer, update: str, rate: Callable[[int], float], options: dict[str, Any]
) -> None:
    check_run(net_of(), LABELS, optimizer, update, rate, options)


def check_run(
    net: Network, y: Array, optimizer: Optimizer, update: str, rate: Callable[[int], float], options: dict[str, Any]
) -> None:
    """Nine steps of size 0.3 at most take errors of 1e-15 in the gradients no further than 1e-12."""
    epochs = list(shuffled(seed=4))
    batches = [batch for epoch in epochs for batch in epoch]
    right, losses = train(net, X, y, batches, update, rate, **options)
    history = net.fit(X, y, epochs=EPOCHS, batch=BATCH, optimizer=optimizer, seed=4)
    for name, values in net.named_parameters.items():
        np.testing.assert_allclose(values, right[name], rtol=0, atol=1e-12)
    assert history.steps == len(batches) == 9
    weight = np.array(getattr(net.loss_function, "class_weight", None) or np.ones(net.outputs))
    ignored = getattr(net.loss_function, "ignore_index", None)
    counts = [weight[y[batch][y[batch] != ignored]].sum() if y.ndim == 1 else len(batch) for batch in batches]
    per_epoch = np.reshape(np.multiply(losses, counts), (EPOCHS, -1)).sum(axis=1) / np.sum(counts[:3])
    if net.loss_function.reduction == "sum":
        per_epoch = np.reshape(losses, (EPOCHS, -1)).sum(axis=1)
    np.testing.assert_allclose(history.loss, per_epoch, rtol=1e-12)


SOME_IGNORED = np.where(np.arange(ROWS) % 4 == 1, 7, LABELS)


@pytest.mark.parametrize(
    ("loss", "y"),
    [
        (CrossEntropy(class_weight=[0.2, 1, 5]), LABELS),
        (CrossEntropy(label_smoothing=0.3), LABELS),
        (CrossEntropy(ignore_index=7), SOME_IGNORED),
        (CrossEntropy("sum", label_smoothing=0.1, class_weight=[0.2, 1, 5], ignore_index=7), SOME_IGNORED),
        (CrossEntropy(), np.random.default_rng(2).dirichlet(np.ones(3), ROWS)),
        (MSE(), np.c_[NUMBERS, NUMBERS[:, :1]]),
        ("binary_cross_entropy_with_logits", np.eye(3)[LABELS]),
        ("hinge", 2 * np.eye(3)[LABELS] - 1),
    ],
    ids=["class weights", "smoothing", "ignored", "all and sum", "probabilities", "mse", "logits", "hinge"],
)
def test_a_run_with_the_options_of_a_loss_is_that_of_the_reference(loss: Any, y: Array) -> None:
    check_run(net_of(loss), y, Momentum(0.05), "momentum", constant(0.05), {})


def test_accuracy_of_an_epoch_is_that_before_each_update() -> None:
    net, twin = net_of(), net_of()
    history = net.fit(X, LABELS, epochs=1, batch=BATCH, optimizer=SGD(0.2), shuffle=False)
    trainer, hits = twin.trainer(SGD(0.2), BATCH), 0
    for at in range(0, ROWS, BATCH):
        hits += int(np.sum(twin.predict(X[at : at + BATCH]) == LABELS[at : at + BATCH]))
        trainer.step(X[at : at + BATCH], LABELS[at : at + BATCH])
    assert history.accuracy == [hits / ROWS]


def test_ignored_labels_count_neither_as_right_nor_as_wrong() -> None:
    net = net_of(CrossEntropy(ignore_index=7))
    history = net.fit(X, SOME_IGNORED, epochs=1, batch=ROWS, optimizer=SGD(0))
    kept = SOME_IGNORED != 7
    assert history.accuracy == [np.mean(net.predict(X)[kept] == SOME_IGNORED[kept])]


def test_a_dense_layer_without_bias_trains() -> None:
    net = Network(5, [Dense(8, "relu", bias=False), Dense(3, bias=False)], dtype="float64", seed=0)
    check_run(net, LABELS, SGD(0.1), "sgd", constant(0.1), {})


# Order, history, validation, callback ---------------------------------------------------------------------------------


def parameters_after(seed: Any, shuffle: bool = True) -> bytes:
    net = net_of()
    net.fit(X, LABELS, epochs=EPOCHS, batch=BATCH, seed=seed, shuffle=shuffle)
    return net.parameters.tobytes()


def test_the_seed_fixes_the_order_and_with_it_every_bit() -> None:
    assert parameters_after(4) == parameters_after(4) == parameters_after(np.random.default_rng(4))
    assert parameters_after(4) != parameters_after(5)
    assert parameters_after(None) != parameters_after(None)


def test_without_shuffling_rows_come_in_their_order() -> None:
    assert parameters_after(4, shuffle=False) == parameters_after(5, shuffle=False)
    trainer = (net := net_of()).trainer("adam", BATCH)
    for _ in range(EPOCHS):
        for at in range(0, ROWS, BATCH):
            trainer.step(X[at : at + BATCH], LABELS[at : at + BATCH])
    assert net.parameters.tobytes() == parameters_after(4, shuffle=False)


def test_history_has_an_entry_an_epoch() -> None:
    net = net_of()
    history = fit(net, X, LABELS, epochs=4, batch=BATCH, seed=0, validation=(X[:5], LABELS[:5]))
    assert isinstance(history, History)
    assert history.steps == 12
    for entries in (history.loss, history.accuracy, history.val_loss, history.val_accuracy, history.seconds):
        assert len(entries) == 4
        assert np.isfinite(entries).all()
    assert all(0 <= share <= 1 for share in history.accuracy + history.val_accuracy)
    assert all(seconds > 0 for seconds in history.seconds)


def test_without_validation_and_for_mse_there_is_less_history() -> None:
    history = net_of("mse", 2).fit(X, NUMBERS, epochs=2, seed=0)
    assert len(history.loss) == 2
    assert history.accuracy == history.val_loss == history.val_accuracy == []


def test_validation_is_scored_after_the_epoch_and_leaves_training_alone() -> None:
    with_it, without = net_of(), net_of()
    held_out = X[:7].tolist(), LABELS[:7].tolist()
    history = with_it.fit(X[7:], LABELS[7:], epochs=EPOCHS, batch=BATCH, seed=0, validation=held_out)
    without.fit(X[7:], LABELS[7:], epochs=EPOCHS, batch=BATCH, seed=0)
    assert with_it.parameters.tobytes() == without.parameters.tobytes()
    assert history.val_loss[-1] == with_it.loss(*held_out)
    assert history.val_accuracy[-1] == with_it.accuracy(*held_out)


def test_a_callback_sees_each_epoch_and_stops_by_returning_true() -> None:
    seen: list[tuple[int, int]] = []

    def callback(epoch: int, history: History) -> bool:
        seen.append((epoch, len(history.loss)))
        return epoch == 2

    net, twin = net_of(), net_of()
    history = net.fit(X, LABELS, epochs=10, batch=BATCH, seed=0, callback=callback)
    twin.fit(X, LABELS, epochs=3, batch=BATCH, seed=0)
    assert seen == [(0, 1), (1, 2), (2, 3)]
    assert len(history.loss) == 3
    assert net.parameters.tobytes() == twin.parameters.tobytes()


def test_a_callback_that_returns_nothing_does_not_stop() -> None:
    assert len(net_of().fit(X, LABELS, epochs=3, callback=lambda epoch, history: None).loss) == 3


@pytest.mark.parametrize("metric", ["val_loss", "val_accuracy", "loss", "accuracy"])
def test_patience_ends_a_run_with_the_parameters_of_the_best_epoch(metric: str) -> None:
    kept: list[bytes] = []
    net = net_of()
    history = net.fit(
        X[8:], LABELS[8:], epochs=300, batch=BATCH, optimizer=Adam(0.1), seed=0, validation=(X[:8], LABELS[:8]),
        patience=5, metric=metric, callback=lambda epoch, history: kept.append(net.parameters.tobytes()),
    )  # fmt: skip
    values = getattr(history, metric)
    best = int(np.argmax(values) if "accuracy" in metric else np.argmin(values))
    assert history.best_epoch == best
    assert len(values) == min(best + 6, 300)
    assert net.parameters.tobytes() == kept[best]
    assert kept[best] != kept[-1] or metric == "loss"  # which goes on falling


def test_the_best_epoch_is_kept_where_patience_lasts() -> None:
    net = net_of()
    history = net.fit(X, LABELS, epochs=4, optimizer=Adam(0.01), seed=0, patience=50, metric="loss")
    assert len(history.loss) == 4
    assert history.best_epoch == int(np.argmin(history.loss))
    assert net_of().fit(X, LABELS, epochs=4, seed=0).best_epoch is None


def test_a_score_that_is_nan_is_never_the_best() -> None:
    best = BestEpoch("val_loss", patience=2)
    for epoch, score in enumerate([np.nan, np.nan]):
        best.see(epoch, score, np.zeros(2))
    assert best.epoch == -1
    assert best.parameters is None
    assert best.is_over(1)
    best.see(2, 3.0, np.ones(2))
    best.see(3, np.nan, np.zeros(2))
    best.see(4, 3.0, np.zeros(2))
    assert (best.epoch, best.score) == (2, 3.0)
    assert best.parameters is not None
    assert best.parameters.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"patience": 0}, "patience is 0"),
        ({"patience": 2, "metric": "f1"}, "metric is 'f1'"),
        ({"patience": 2}, "metric is val_loss, and there is no validation data"),
    ],
)
def test_patience_that_cannot_be_is_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        net_of().fit(X, LABELS, **options)
    with pytest.raises(ValueError, match="mse has no classes"):
        net_of("mse", 2).fit(X, NUMBERS, patience=2, metric="accuracy")


def test_no_epochs_change_nothing() -> None:
    net = net_of()
    before = net.parameters.tobytes()
    history = net.fit(X, LABELS, epochs=0)
    assert history == History()
    assert net.parameters.tobytes() == before


def test_a_batch_larger_than_the_data_is_all_of_it() -> None:
    nets = net_of(), net_of()
    for net, batch in zip(nets, (ROWS, 10**12), strict=True):
        assert net.fit(X, LABELS, epochs=2, batch=batch, seed=0).steps == 2
    assert nets[0].parameters.tobytes() == nets[1].parameters.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_lowers_the_loss(name: str, dtype: str) -> None:
    net = net_of(dtype=dtype)
    history = net.fit(X, LABELS, epochs=60, batch=BATCH, optimizer=OPTIMIZERS[name](0.01), seed=0)
    assert history.loss[-1] < 0.9 * history.loss[0]
    assert net.loss(X, LABELS) < net_of(dtype=dtype).loss(X, LABELS)


def test_optimizers_by_name_have_their_defaults() -> None:
    for name, kind in OPTIMIZERS.items():
        nets = net_of(), net_of()
        for net, optimizer in zip(nets, (name, kind()), strict=True):
            net.fit(X, LABELS, epochs=1, optimizer=optimizer, seed=0)
        assert nets[0].parameters.tobytes() == nets[1].parameters.tobytes()


@pytest.mark.parametrize(
    ("wanted", "terminal", "shown"),
    [(True, False, True), (None, True, True), (None, False, False), (False, True, False)],
)
def test_a_progress_bar_is_shown_where_wanted_and_on_stderr(
    wanted: bool | None,
    terminal: bool,
    shown: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", 0.0)
    net_of().fit(X, LABELS, epochs=3, seed=0, progress=wanted)
    net_of("mse", 2).fit(X, NUMBERS, epochs=1, seed=0, progress=wanted)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert ("epoch" in captured.err and "loss" in captured.err) is shown


def test_short_training_shows_no_bar_by_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    net_of().fit(X, LABELS, epochs=3, seed=0)
    assert capsys.readouterr().err.strip() == ""
