"""fastnn.sklearn beside MLPClassifier and MLPRegressor themselves: same draws, same losses, same rules."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from inspect import signature
from typing import Any

import curves
import numpy as np
import numpy.typing as npt
import pytest
from sklearn.datasets import load_diabetes  # type: ignore[import-untyped]
from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped]
from sklearn.model_selection import train_test_split  # type: ignore[import-untyped]
from sklearn.neural_network import MLPClassifier, MLPRegressor  # type: ignore[import-untyped]
from threadpoolctl import threadpool_limits  # type: ignore[import-not-found]

from fastnn import Trainer
from fastnn.learning import targets
from fastnn.simd.machine import thread_limit
from fastnn.sklearn import FastMLPClassifier, FastMLPRegressor

Array = npt.NDArray[Any]
Pair = tuple[Any, Any]

PIXELS, LABELS = curves.digits()
HIGH = (LABELS > 4).astype(np.int64)
SEVERAL = np.stack([LABELS % 2, LABELS > 4, LABELS == 3], axis=1).astype(np.int64)
PATIENTS, PROGRESSION = load_diabetes(return_X_y=True)
PROGRESSION = (PROGRESSION - PROGRESSION.mean()) / PROGRESSION.std()

# To rounding: 30 epochs of any of these were 7e-16 apart.
TOLERANCE = 1e-10


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """OpenBLAS's threads spin where ours would run."""
    with threadpool_limits(1, "blas"), thread_limit(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def classifiers(x: Array, y: Array, **options: Any) -> Pair:
    """Fitted alike: ours, scikit-learn's."""
    settings = {"random_state": 0, "max_iter": 8, "hidden_layer_sizes": (30,)} | options
    return FastMLPClassifier(**settings).fit(x, y), MLPClassifier(**settings).fit(x, y)


def regressors(x: Array, y: Array, **options: Any) -> Pair:
    settings = {"random_state": 0, "max_iter": 8, "hidden_layer_sizes": (30,)} | options
    return FastMLPRegressor(**settings).fit(x, y), MLPRegressor(**settings).fit(x, y)


@pytest.mark.skipif("sample_weight" not in signature(MLPRegressor.fit).parameters, reason="needs scikit-learn 1.7")
@pytest.mark.parametrize("options", [{}, {"early_stopping": True}, {"solver": "sgd"}], ids=["adam", "held-out", "sgd"])
@pytest.mark.parametrize(
    ("ours", "theirs", "x", "y"),
    [
        (FastMLPClassifier, MLPClassifier, PIXELS, LABELS),
        (FastMLPClassifier, MLPClassifier, PIXELS, HIGH),
        (FastMLPClassifier, MLPClassifier, PIXELS, SEVERAL),
        (FastMLPRegressor, MLPRegressor, PATIENTS, PROGRESSION),
    ],
    ids=["classes", "two-classes", "labels", "numbers"],
)
def test_weighted_samples(ours: Any, theirs: Any, x: Array, y: Array, options: dict[str, Any]) -> None:
    weights = np.random.default_rng(2).integers(0, 4, len(x)).astype(float)
    fitted = [
        kind(random_state=0, max_iter=5, hidden_layer_sizes=(20,), alpha=0.1, **options).fit(x, y, weights)
        for kind in (ours, theirs)
    ]
    for name in ("coefs_", "intercepts_"):
        for mine, other in zip(*(getattr(each, name) for each in fitted), strict=True):
            np.testing.assert_allclose(mine, other, rtol=TOLERANCE, atol=TOLERANCE)
    if options.get("early_stopping"):
        np.testing.assert_allclose(*(each.validation_scores_ for each in fitted), rtol=TOLERANCE)
    parts = [kind(random_state=0, hidden_layer_sizes=(20,)) for kind in (ours, theirs)]
    classes = {} if y is PROGRESSION else {"classes": range(y.shape[1]) if y.ndim > 1 else np.unique(y)}
    for each in parts:
        each.partial_fit(x, y, sample_weight=weights, **classes)
    np.testing.assert_allclose(parts[0].coefs_[0], parts[1].coefs_[0], rtol=TOLERANCE, atol=TOLERANCE)


def assert_same_fit(pair: Pair, x: Array, rtol: float = TOLERANCE) -> None:
    ours, theirs = pair
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=rtol)
    for name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_"):
        assert getattr(ours, name) == getattr(theirs, name), name
    for name in ("loss_", "best_loss_", "best_validation_score_"):
        expected = getattr(theirs, name)
        assert getattr(ours, name) == (None if expected is None else pytest.approx(expected, rel=rtol)), name
    for name in ("coefs_", "intercepts_"):
        for mine, other in zip(getattr(ours, name), getattr(theirs, name), strict=True):
            np.testing.assert_allclose(mine, other, rtol=rtol, atol=rtol)
    predicted = ours.predict(x)
    assert predicted.dtype == theirs.predict(x).dtype
    np.testing.assert_allclose(predicted, theirs.predict(x), rtol=rtol, atol=rtol)


SOLVERS: list[dict[str, Any]] = [
    {},
    {"alpha": 0.5, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-3},
    {"solver": "sgd", "learning_rate_init": 0.2, "alpha": 0.1},
    {"solver": "sgd", "learning_rate_init": 0.2, "nesterovs_momentum": False},
    {"solver": "sgd", "learning_rate_init": 0.2, "momentum": 0},
    {"solver": "sgd", "learning_rate_init": 0.2, "learning_rate": "invscaling", "power_t": 0.2},
    {"shuffle": False, "batch_size": 97},
]


@pytest.mark.parametrize("options", SOLVERS, ids=str)
def test_classes_are_learned_as_by_scikit_learn(options: dict[str, Any]) -> None:
    assert_same_fit(classifiers(PIXELS, LABELS, **options), PIXELS)


@pytest.mark.parametrize("options", SOLVERS, ids=str)
@pytest.mark.parametrize("outputs", [1, 3])
def test_numbers_are_learned_as_by_scikit_learn(options: dict[str, Any], outputs: int) -> None:
    y = PROGRESSION if outputs == 1 else np.stack([PROGRESSION, PATIENTS[:, 0], PATIENTS[:, 1] ** 2], axis=1)
    rate = {"learning_rate_init": 0.02} if "solver" in options else {}
    assert_same_fit(regressors(PATIENTS, y, **options | rate), PATIENTS)


@pytest.mark.parametrize("options", SOLVERS, ids=str)
@pytest.mark.parametrize("y", [HIGH, SEVERAL], ids=["two classes", "several labels"])
def test_logistic_outputs_are_learned_as_by_scikit_learn(options: dict[str, Any], y: Array) -> None:
    rate = {"learning_rate_init": 0.05} if "solver" in options else {}
    assert_same_fit(classifiers(PIXELS, y, **options | rate), PIXELS)


@pytest.mark.parametrize(
    ("activation", "hidden"), [("logistic", (30,)), ("tanh", (20, 10)), ("identity", 7), ("relu", ())]
)
def test_activations_and_depths_are_scikit_learns(activation: str, hidden: Any) -> None:
    assert_same_fit(classifiers(PIXELS, LABELS, activation=activation, hidden_layer_sizes=hidden), PIXELS)


@pytest.mark.parametrize(
    "options",
    [
        {"early_stopping": True, "n_iter_no_change": 2, "max_iter": 40, "tol": 0.01},
        {"n_iter_no_change": 2, "tol": 0.05, "max_iter": 60},
        {"n_iter_no_change": np.inf, "tol": 10.0, "max_iter": 15},
        {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.5, "n_iter_no_change": 1, "tol": 0.03,
         "max_iter": 60},
    ],
    ids=["early stopping", "loss", "never", "adaptive"],
)  # fmt: skip
@pytest.mark.parametrize("y", [LABELS, HIGH], ids=["ten classes", "two"])
def test_training_stops_by_scikit_learns_rules(options: dict[str, Any], y: Array) -> None:
    pair = classifiers(PIXELS, y, **options)
    assert_same_fit(pair, PIXELS)
    assert pair[0].validation_scores_ == pair[1].validation_scores_
    assert (pair[0].n_iter_ < options["max_iter"]) == (options["n_iter_no_change"] != np.inf)


def test_a_regressor_stops_early_by_its_score() -> None:
    options = {"early_stopping": True, "n_iter_no_change": 2, "max_iter": 100, "tol": 0.01}
    pair = regressors(PATIENTS, PROGRESSION, **options)
    assert_same_fit(pair, PATIENTS)
    np.testing.assert_allclose(pair[0].validation_scores_, pair[1].validation_scores_, rtol=TOLERANCE)
    assert pair[0].n_iter_ < 100


def test_an_adaptive_rate_falls_and_then_ends_the_training(capsys: pytest.CaptureFixture[str]) -> None:
    options = {"solver": "sgd", "learning_rate": "adaptive", "n_iter_no_change": 1, "tol": 100.0, "max_iter": 60}
    ours = FastMLPClassifier((5,), random_state=0, verbose=True, **options).fit(PIXELS, LABELS)
    said = capsys.readouterr().out
    assert_same_fit((ours, MLPClassifier((5,), random_state=0, **options).fit(PIXELS, LABELS)), PIXELS)
    # 0.001 / 5**5 is the first below 1e-6.
    assert said.count("Learning rate is") == 5
    assert said.endswith("epochs in a row. Stopping.\n")


def test_partial_fits_go_on_as_scikit_learns() -> None:
    """Batches of other sizes too: the moments stay."""
    pair: Pair = FastMLPClassifier((9,), random_state=0), MLPClassifier((9,), random_state=0)
    for end in (300, 150, 150):
        for each in pair:
            each.partial_fit(PIXELS[:end], LABELS[:end], classes=np.arange(10))
    assert_same_fit(pair, PIXELS)
    pair = FastMLPRegressor((9,), random_state=0), MLPRegressor(hidden_layer_sizes=(9,), random_state=0)
    for each in pair:
        each.partial_fit(PATIENTS, PROGRESSION).partial_fit(PATIENTS[:50], PROGRESSION[:50])
    assert_same_fit(pair, PATIENTS)


def test_a_warm_start_goes_on_as_scikit_learns() -> None:
    pair = classifiers(PIXELS, LABELS, warm_start=True)
    for each in pair:
        each.fit(PIXELS, LABELS)
    assert len(pair[0].loss_curve_) == 16
    assert_same_fit(pair, PIXELS)


@pytest.mark.parametrize("y", [LABELS, HIGH, SEVERAL], ids=["ten classes", "two", "several labels"])
def test_probabilities_and_their_logarithms_are_scikit_learns(y: Array) -> None:
    ours, theirs = classifiers(PIXELS, y)
    np.testing.assert_allclose(ours.predict_proba(PIXELS), theirs.predict_proba(PIXELS), rtol=1e-9)
    np.testing.assert_allclose(ours.predict_log_proba(PIXELS), theirs.predict_log_proba(PIXELS), rtol=1e-9)


def test_a_logarithm_is_finite_where_the_probability_is_too_small_for_a_number() -> None:
    for y in (LABELS, HIGH):
        classifier = FastMLPClassifier((5,), random_state=0, max_iter=1).fit(PIXELS, y)
        classifier.coefs_[-1][...] *= 1e5
        assert classifier.predict_proba(PIXELS).min() == 0
        assert np.isfinite(classifier.predict_log_proba(PIXELS)).all()


def test_float32_learns_as_well_as_scikit_learn() -> None:
    """Mean accuracy on held-out digits, five seeds: within 0.5 %."""
    scores = []
    for seed in range(5):
        x, held_x, y, held_y = train_test_split(PIXELS.astype("f4"), LABELS, random_state=seed, stratify=LABELS)
        pair = classifiers(x, y, random_state=seed, max_iter=40, hidden_layer_sizes=(100,))
        assert {each.coefs_[0].dtype for each in pair} == {np.dtype("f4")}
        np.testing.assert_allclose(pair[0].loss_curve_, pair[1].loss_curve_, rtol=1e-3)
        scores.append([each.score(held_x, held_y) for each in pair])
    ours, theirs = np.mean(scores, axis=0)
    assert ours > 0.96
    assert abs(ours - theirs) < 0.005


def test_an_epoch_is_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[int] = []
    epoch = Trainer.epoch
    monkeypatch.setattr(
        Trainer, "epoch", lambda self, held, order: (rows.append(len(order)), epoch(self, held, order))[1]
    )
    FastMLPClassifier((5,), max_iter=7, batch_size=10).fit(PIXELS, LABELS)
    assert rows == 7 * [len(PIXELS)]


def test_labels_are_checked_as_often_for_many_epochs_as_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    checks: list[int] = []
    as_labels = targets.as_labels
    monkeypatch.setattr(targets, "as_labels", lambda y, *rest: (checks.append(len(y)), as_labels(y, *rest))[1])
    for epochs in (1, 5):
        FastMLPClassifier((5,), max_iter=epochs).fit(PIXELS, LABELS)
    assert checks[: len(checks) // 2] == checks[len(checks) // 2 :]
