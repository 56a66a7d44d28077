"""Weights of rows: a row of weight 2 counts as two of it, in every loss, everywhere a target goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import needs
import numpy as np
import pytest
from click.testing import CliRunner
from numba import njit

import fastnn
from fastnn import Dense, Network, Trainer, training
from fastnn.cli import main
from fastnn.losses import MSE, BinaryCrossEntropyWithLogits, CrossEntropy, Hinge, Loss
from fastnn.tables import DataError, open_source, read

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 5))
LABELS = RNG.integers(0, 3, 40)
NUMBERS = RNG.normal(size=(40, 3))
SOME = np.where(RNG.random((40, 3)) < 0.2, np.nan, NUMBERS)
TIMES = RNG.integers(0, 4, 40)
REPEATED = np.repeat(np.arange(40), TIMES)
SHARES = np.exp(NUMBERS) / np.exp(NUMBERS).sum(1, keepdims=True)

CASES = {
    "labels": (CrossEntropy(), LABELS),
    "labels with weights of classes": (CrossEntropy(label_smoothing=0.1, class_weight=(1, 2, 0.5)), LABELS),
    "labels some of which are ignored": (CrossEntropy(ignore_index=1), LABELS),
    "a sum": (CrossEntropy(reduction="sum"), LABELS),
    "probabilities": (CrossEntropy(), SHARES),
    "numbers": (MSE(), NUMBERS),
    "numbers some of which are missing": (MSE(ignore_missing=True), SOME),
    "0 and 1": (BinaryCrossEntropyWithLogits(), (NUMBERS > 0).astype(float)),
    "-1 and 1": (Hinge(), np.sign(NUMBERS)),
}
each_loss = pytest.mark.parametrize(("loss", "y"), CASES.values(), ids=CASES)


def network(loss: Loss | str = "cross_entropy", **settings: Any) -> Network:
    return Network(5, [Dense(7, "tanh"), Dense(3)], loss=loss, seed=1, **({"dtype": "float64"} | settings))


@each_loss
def test_a_row_counts_as_often_as_it_weighs(loss: Loss, y: Any) -> None:
    net = network(loss)
    assert net.loss(X, y, TIMES) == pytest.approx(net.loss(X[REPEATED], y[REPEATED]), rel=1e-14)
    np.testing.assert_allclose(
        net.gradient(X, y, TIMES), net.gradient(X[REPEATED], y[REPEATED]), rtol=1e-12, atol=1e-14
    )
    assert net.evaluate(X, y, TIMES).hits == net.evaluate(X, y).hits


@each_loss
def test_what_weighs_one_changes_no_bit(loss: Loss, y: Any) -> None:
    a, b = network(loss, dtype="float32"), network(loss, dtype="float32")
    a.fit(X, y, epochs=3, batch=16, seed=0, progress=False)
    b.fit(X, y, epochs=3, batch=16, seed=0, progress=False, sample_weight=np.ones(40))
    np.testing.assert_array_equal(a.parameters, b.parameters)


def test_fractions_are_a_weighted_mean() -> None:
    net, weights = network(), RNG.random(40)
    losses = [net.loss(X[i : i + 1], LABELS[i : i + 1]) for i in range(40)]
    assert net.loss(X, LABELS, weights) == pytest.approx(np.average(losses, weights=weights), rel=1e-14)


def test_a_row_that_weighs_nothing_may_hold_anything() -> None:
    x, y = X.copy(), NUMBERS.copy()
    y[TIMES == 0] = 1e300
    net = network(MSE())
    np.testing.assert_array_equal(net.gradient(x, y, TIMES), net.gradient(X, NUMBERS, TIMES))


@pytest.mark.parametrize("threads", [1, pytest.param(2, marks=needs.two_cores)])
def test_more_rows_than_a_span(threads: int) -> None:
    before = fastnn.get_num_threads()
    fastnn.set_num_threads(threads)
    try:
        net, x, y, w = network(), np.tile(X, (60, 1)), np.tile(LABELS, 60), np.tile(TIMES, 60)
        rows = np.repeat(np.arange(2400), w)
        np.testing.assert_allclose(net.gradient(x, y, w), net.gradient(x[rows], y[rows]), rtol=1e-12, atol=1e-14)
        trained = Trainer(net, batch=2400)
        trained.step(x, y, w)
        again = Trainer(network(), batch=2400)
        again.epoch(again.hold(x, y, w), np.arange(2400))
        np.testing.assert_array_equal(trained.params, again.params)
    finally:
        fastnn.set_num_threads(before)


def test_nopython_code_gives_a_pair() -> None:
    @njit
    def train(tape: Any, params: Any, grads: Any, state: Any, control: Any, workspace: Any, x: Any, y: Any,
              w: Any) -> Any:  # fmt: skip
        return training.train_step(tape, params, grads, state, control, x, (y, w), workspace)

    a, b = Trainer(network(), batch=40), Trainer(network(), batch=40)
    weights = TIMES.astype(float)
    assert train(*a.arrays, X, LABELS, weights) == b.step(X, LABELS, weights)
    np.testing.assert_array_equal(a.params, b.params)


def test_held_rows_keep_weights_of_their_own() -> None:
    trainer, weights = Trainer(network()), TIMES.astype(float)
    held = trainer.hold(X, LABELS, weights)
    weights[:] = 7
    np.testing.assert_array_equal(held.sample_weight, TIMES)
    x, y = held
    np.testing.assert_array_equal(y, LABELS)
    assert trainer.hold(X, LABELS).sample_weight is None
    assert trainer.network.evaluate(held).loss == trainer.network.loss(X, LABELS, TIMES)
    with pytest.raises(ValueError, match="read-only"):
        held.sample_weight[0] = 1


def test_the_penalty_is_shared_by_what_rows_weigh() -> None:
    a, b = (Trainer(network(), fastnn.SGD(0.1, l2=0.5), batch=200) for _ in range(2))
    a.gradient(X, LABELS, TIMES)
    b.gradient(X[REPEATED], LABELS[REPEATED])
    np.testing.assert_allclose(a.grads, b.grads, rtol=1e-12, atol=1e-14)


def test_fit_reports_means_by_weight() -> None:
    net = network()
    before = net.loss(X, LABELS, TIMES)
    history = net.fit(X, LABELS, sample_weight=TIMES, validation=(X, LABELS, TIMES), epochs=1, batch=40, progress=False)
    assert history.loss[0] == pytest.approx(before, rel=1e-14)
    assert history.val_loss[0] == net.loss(X, LABELS, TIMES)


@pytest.mark.parametrize(
    ("weights", "error", "told"),
    [
        (TIMES[:3], ValueError, r"sample_weight has shape \(3,\); expected \(40,\)"),
        (-TIMES, ValueError, r"sample_weight\[\d+\] is -\d; expected numbers of at least 0"),
        (TIMES * np.nan, ValueError, r"sample_weight\[0\] is nan"),
        (["a"] * 40, TypeError, "sample_weight has dtype"),
        (np.zeros(40), ValueError, "weighs nothing"),
    ],
    ids=["shape", "negative", "nan", "text", "nothing"],
)
def test_refusals(weights: Any, error: type[Exception], told: str) -> None:
    net = network()
    before = net.parameters.copy()
    with pytest.raises(error, match=told):
        net.fit(X, LABELS, sample_weight=weights, progress=False)
    np.testing.assert_array_equal(net.parameters, before)


# Tables -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def survey(tmp_path: Path) -> Path:
    """Two numbers, how often each row counts, and a class."""
    file, rng = tmp_path / "survey.csv", np.random.default_rng(3)
    a, b, w = rng.random(120), rng.random(120), rng.integers(0, 3, 120)
    rows = [f"{i:.3f},{j:.3f},{k},{'yes' if i + j > 1 else 'no'}" for i, j, k in zip(a, b, w, strict=True)]
    file.write_text("\n".join(["a,b,times,answer", *rows]) + "\n")
    return file


def test_a_column_of_weights_is_no_input(survey: Path) -> None:
    table = read(open_source(str(survey)), "answer", weights="times")
    assert [column.name for column in table.columns] == ["a", "b"]
    assert table.weights is not None
    assert set(table.weights) == {0, 1, 2}
    assert table.told.endswith("weights: times")


def test_fastnn_train_takes_weights(survey: Path, tmp_path: Path) -> None:
    runs = {}
    for name, options in {"alike": [], "weighed": ["--weights", "times"]}.items():
        output = tmp_path / f"{name}.safetensors"
        drop = [] if options else ["--drop", "times"]
        run = CliRunner().invoke(main, ["train", str(survey), "-o", str(output), "--epochs", "2", *options, *drop])
        assert run.exit_code == 0, run.output
        runs[name] = fastnn.load(output)
    assert runs["alike"].inputs == runs["weighed"].inputs == 2
    assert (runs["alike"].parameters != runs["weighed"].parameters).any()


@pytest.mark.parametrize(
    ("cell", "told"),
    [("-1", "line 3, column 'times': '-1' is no weight"), ("", "no weight of a row"), ("many", "is no number")],
)
def test_a_weight_that_is_none(survey: Path, cell: str, told: str) -> None:
    lines = survey.read_text().splitlines()
    parts = lines[2].split(",")
    parts[2] = cell
    lines[2] = ",".join(parts)
    survey.write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match=told):
        read(open_source(str(survey)), weights="times")


def test_weights_are_one_thing_only(survey: Path) -> None:
    with pytest.raises(DataError, match="leave one of them out"):
        read(open_source(str(survey)), "answer", weights="answer")
    with pytest.raises(DataError, match="'answer' holds text"):
        read(open_source(str(survey)), "a", weights="answer")
    with pytest.raises(DataError, match="no column weight"):
        read(open_source(str(survey)), weights="weight")
    survey.write_text("a,times,y\n" + "1,0,2.5\n2,0,3.5\n")
    with pytest.raises(DataError, match="is 0 in every row"):
        read(open_source(str(survey)), weights="times")


def test_rows_that_are_held_have_their_weights() -> None:
    network = fastnn.mlp(3, 4, 2, seed=0)
    x, y = np.ones((4, 3)), np.array([0, 1, 1, 0])
    held = network.trainer().hold(x, y, sample_weight=[1, 0, 0, 0])
    assert network.evaluate(held).loss == pytest.approx(network.evaluate(x, y, [1, 0, 0, 0]).loss)
    for more in ({"sample_weight": [1, 0, 0, 0]}, {"y": y}):
        with pytest.raises(TypeError, match="expected neither"):
            network.evaluate(held, **more)  # type: ignore[call-overload]
