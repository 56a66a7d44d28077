"""The estimators of fastnn.sklearn as scikit-learn wants estimators: its own checks, its tools, frames, bad input."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable, Iterator
from typing import Any
from unittest import SkipTest

import needs
import numpy as np
import numpy.typing as npt
import pytest
from processes import run_python
from scipy import sparse
from sklearn.base import clone  # type: ignore[import-untyped]
from sklearn.datasets import load_iris  # type: ignore[import-untyped]
from sklearn.exceptions import ConvergenceWarning, NotFittedError  # type: ignore[import-untyped]
from sklearn.model_selection import GridSearchCV, cross_val_score  # type: ignore[import-untyped]
from sklearn.neural_network import MLPClassifier, MLPRegressor  # type: ignore[import-untyped]
from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped]
from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]
from sklearn.utils.estimator_checks import parametrize_with_checks  # type: ignore[import-untyped]

from fastnn import Trainer
from fastnn.simd.machine import thread_limit
from fastnn.sklearn import FastMLPClassifier, FastMLPRegressor
from fastnn.sklearn.mlp import Rows
from fastnn.sklearn.settings import ACTIVATIONS

Array = npt.NDArray[Any]
Kind = type[FastMLPClassifier] | type[FastMLPRegressor]

KINDS = [FastMLPClassifier, FastMLPRegressor]
IRIS, SPECIES = load_iris(return_X_y=True)
# What scikit-learn's have and these do not: solvers that look at all data at once, another loss.
LEFT_OUT = {"max_fun", "loss"}


@pytest.fixture(autouse=True)
def _unfinished_on_one_thread() -> Iterator[None]:
    with thread_limit(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def small(kind: Kind, **options: Any) -> Any:
    return kind(**{"hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0} | options)


@parametrize_with_checks([kind() for kind in KINDS])  # type: ignore[untyped-decorator]
def test_scikit_learns_own_checks(estimator: Any, check: Callable[[Any], None]) -> None:
    try:
        check(estimator)
    except SkipTest:  # of other kinds of estimators, or of arrays that SciPy must be told of
        pytest.skip("needs what a check of scikit-learn's asks for")


@pytest.mark.parametrize(("ours", "theirs"), [*zip(KINDS, [MLPClassifier, MLPRegressor], strict=True)])
def test_parameters_and_their_defaults_are_scikit_learns(ours: Kind, theirs: Any) -> None:
    expected = {name: value for name, value in theirs().get_params().items() if name not in LEFT_OUT}
    assert ours().get_params() == expected
    assert [*ours().get_params()] == [*expected]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_any_activation_with_a_gradient_learns(kind: Kind, activation: str) -> None:
    options = {"activation": activation, "hidden_layer_sizes": (20,), "max_iter": 150, "learning_rate_init": 0.01}
    assert small(kind, **options).fit(IRIS, SPECIES).score(IRIS, SPECIES) > 0.8


# Tools ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_pickled_estimator_predicts_the_same_bits_and_goes_on_learning_alike(kind: Kind) -> None:
    estimator = small(kind).fit(IRIS, SPECIES)
    copy = pickle.loads(pickle.dumps(estimator))
    assert copy.predict(IRIS).tobytes() == estimator.predict(IRIS).tobytes()
    for each in (copy, estimator):
        each.partial_fit(IRIS, SPECIES)
    assert copy.loss_curve_ == estimator.loss_curve_
    for ours, theirs in zip(copy.coefs_, estimator.coefs_, strict=True):
        assert ours.tobytes() == theirs.tobytes()
        assert not np.shares_memory(ours, theirs)


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_gives_the_same_bits_again_and_another_does_not(kind: Kind) -> None:
    first, again, other = (small(kind, random_state=seed).fit(IRIS, SPECIES) for seed in (3, 3, 4))
    assert first.coefs_[0].tobytes() == again.coefs_[0].tobytes() == clone(first).fit(IRIS, SPECIES).coefs_[0].tobytes()
    assert first.coefs_[0].tobytes() != other.coefs_[0].tobytes()


def test_a_search_in_a_pipeline_finds_what_learns() -> None:
    pipeline = make_pipeline(StandardScaler(), small(FastMLPClassifier, max_iter=100))
    grid = {"fastmlpclassifier__learning_rate_init": [1e-9, 0.02], "fastmlpclassifier__hidden_layer_sizes": [(), 6]}
    search = GridSearchCV(pipeline, grid, cv=3).fit(IRIS, SPECIES)
    assert search.best_params_["fastmlpclassifier__learning_rate_init"] == 0.02
    assert search.best_score_ > 0.93
    assert cross_val_score(search.best_estimator_, IRIS, SPECIES, cv=3).mean() == search.best_score_


def test_a_search_in_processes_gives_what_one_process_gives() -> None:
    """Workers are handed read-only, memory-mapped data."""
    estimator, grid = small(FastMLPRegressor), {"alpha": [0.0, 1.0]}
    x = np.tile(IRIS, (1500, 1))
    y = x[:, 0]
    alone, shared = (GridSearchCV(estimator, grid, cv=2, n_jobs=jobs).fit(x, y) for jobs in (1, 2))
    assert shared.cv_results_["mean_test_score"].tolist() == alone.cv_results_["mean_test_score"].tolist()


# Data -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_give_their_column_names(library: str) -> None:
    frames = needs.package(library)
    names = ["sepal length", "sepal width", "petal length", "petal width"]
    frame = frames.DataFrame({name: IRIS[:, i] for i, name in enumerate(names)})
    species = frames.Series([f"iris {label}" for label in SPECIES])
    classifier = small(FastMLPClassifier, max_iter=100, learning_rate_init=0.02).fit(frame, species)
    assert classifier.feature_names_in_.tolist() == names
    assert classifier.classes_.tolist() == ["iris 0", "iris 1", "iris 2"]
    assert (classifier.predict(frame) == np.asarray(species)).mean() > 0.9
    with pytest.raises(ValueError, match="feature names should match"):
        classifier.predict(frame[names[::-1]])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["f4", "f8", "i8"])
def test_numbers_keep_their_precision(kind: Kind, dtype: str) -> None:
    x = np.round(IRIS).astype(dtype)
    estimator = small(kind).fit(x, SPECIES)
    expected = np.dtype("f4" if dtype == "f4" else "f8")
    assert {array.dtype for array in estimator.coefs_ + estimator.intercepts_} == {expected}
    numbers = estimator.predict_proba(x) if kind is FastMLPClassifier else estimator.predict(x)
    assert numbers.dtype == expected


def test_weights_and_intercepts_are_views_that_may_be_written() -> None:
    estimator = small(FastMLPRegressor).fit(IRIS, SPECIES)
    assert [weight.shape for weight in estimator.coefs_] == [(4, 4), (4, 1)]
    estimator.coefs_[-1][...] = 0
    estimator.intercepts_[-1][...] = 7
    assert estimator.predict(IRIS).tolist() == [7.0] * len(IRIS)


def test_several_labels_a_row_may_be_sparse() -> None:
    y = np.eye(3, dtype=int)[SPECIES] | (IRIS[:, :1] > 5).astype(int)
    dense, other = (small(FastMLPClassifier).fit(IRIS, target) for target in (y, sparse.csr_array(y)))
    assert dense.predict_proba(IRIS).tolist() == other.predict_proba(IRIS).tolist()
    assert other.predict(IRIS).toarray().tolist() == dense.predict(IRIS).tolist()


def test_one_class_alone_is_always_predicted() -> None:
    assert set(small(FastMLPClassifier).fit(IRIS, ["only"] * len(IRIS)).predict(IRIS)) == {"only"}


# What is refused ------------------------------------------------------------------------------------------------------

BAD: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"hidden_layer_sizes": (4, 0)}, ValueError, "hidden_layer_sizes is 0; expected at least 1"),
    ({"hidden_layer_sizes": "4"}, TypeError, "hidden_layer_sizes is '4'; expected a whole number"),
    ({"activation": "step"}, ValueError, "activation is 'step'; expected one of logistic, identity"),
    ({"solver": "lbfgs"}, ValueError, "solver is 'lbfgs'; expected one of sgd, adam"),
    ({"alpha": -1.0}, ValueError, "alpha is -1"),
    ({"batch_size": 0}, ValueError, "batch_size is 0; expected at least 1"),
    ({"batch_size": "all"}, TypeError, "batch_size is 'all'"),
    ({"learning_rate": "fast"}, ValueError, "learning_rate is 'fast'; expected one of constant"),
    ({"learning_rate_init": 0.0}, ValueError, "learning_rate_init is 0.0; expected more"),
    ({"power_t": -1}, ValueError, "power_t is -1"),
    ({"max_iter": 0}, ValueError, "max_iter is 0; expected at least 1"),
    ({"shuffle": 1}, TypeError, "shuffle is 1; expected True or False"),
    ({"random_state": "x"}, ValueError, "'x' cannot be used to seed"),
    ({"tol": -1e-9}, ValueError, "tol is -1e-09"),
    ({"verbose": -1}, ValueError, "verbose is -1"),
    ({"warm_start": None}, TypeError, "warm_start is None; expected True or False"),
    ({"momentum": 1.5}, ValueError, "momentum is 1.5"),
    ({"nesterovs_momentum": 2}, TypeError, "nesterovs_momentum is 2"),
    ({"early_stopping": "yes"}, TypeError, "early_stopping is 'yes'"),
    ({"validation_fraction": 1.0}, ValueError, "validation_fraction is 1.0; expected less"),
    ({"beta_1": 1.0}, ValueError, "beta_1 is 1.0; expected less"),
    ({"beta_2": 1.0}, ValueError, "beta_2 is 1.0; expected less"),
    ({"epsilon": 0.0}, ValueError, "epsilon is 0.0; expected more"),
    ({"n_iter_no_change": 0}, ValueError, "n_iter_no_change is 0"),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("options", "error", "message"), BAD, ids=lambda value: str(value) if isinstance(value, dict) else ""
)
def test_bad_parameters_are_refused_when_fitting(
    kind: Kind, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        small(kind, **options).fit(IRIS[:, :2], (SPECIES > 0).astype(int))


def test_a_loss_that_is_no_number_any_more_is_told_with_its_epoch() -> None:
    estimator = small(FastMLPRegressor, solver="sgd", learning_rate_init=1e6, max_iter=50)
    with pytest.raises(ValueError, match=r"the loss became \w+ in epoch \d+; scale X and y"):
        estimator.fit(IRIS, SPECIES)


def test_parameters_that_are_no_numbers_after_the_last_update_are_told() -> None:
    estimator = small(FastMLPRegressor, solver="sgd", learning_rate_init=1e300, momentum=0, max_iter=1)
    with pytest.raises(ValueError, match="the parameters are not finite any more"):
        estimator.fit(1e20 * IRIS, SPECIES)


def test_predictions_that_are_no_numbers_are_told_where_a_part_is_held_out() -> None:
    estimator = small(FastMLPRegressor, early_stopping=True).fit(IRIS, SPECIES)
    far = np.full((3, IRIS.shape[1]), np.finfo(np.float64).max)
    with pytest.raises(ValueError, match=r"predictions are not finite after epoch \d+; scale X and y"):
        estimator._held_out_score(Rows(np.concatenate([far, -far]), np.zeros((6, 1)), None))


def test_labels_are_those_of_the_first_call() -> None:
    classifier = small(FastMLPClassifier)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        classifier.partial_fit(IRIS, SPECIES)
    classifier.partial_fit(IRIS, SPECIES, classes=[0, 1, 2, 3])
    with pytest.raises(ValueError, match=r"classes is \[0, 1\]; expected those of the first call"):
        classifier.partial_fit(IRIS, SPECIES, classes=[0, 1])
    with pytest.raises(ValueError, match=r"y has the classes \[.*4.*\]; expected those of the first call"):
        classifier.partial_fit(IRIS, SPECIES + 2)
    with pytest.raises(ValueError, match="another kind of target than at the first call"):
        classifier.partial_fit(IRIS, np.eye(3, dtype=int)[SPECIES])
    classifier.partial_fit(IRIS[:2], SPECIES[:2], classes=[0, 1, 2, 3])
    with pytest.raises(ValueError, match="expected those of the first call"):
        classifier.set_params(warm_start=True).fit(IRIS, SPECIES)


def test_several_labels_may_come_in_parts() -> None:
    y = np.eye(3, dtype=int)[SPECIES]
    classifier = small(FastMLPClassifier).partial_fit(IRIS, y, classes=[0, 1, 2]).partial_fit(IRIS, y)
    assert classifier.predict(IRIS).shape == (len(IRIS), 3)
    assert classifier.t_ == 2 * len(IRIS)


def test_a_warm_start_keeps_its_layers() -> None:
    estimator = small(FastMLPRegressor, warm_start=True).fit(IRIS, SPECIES)
    with pytest.raises(ValueError, match=r"hidden_layer_sizes is 5 and the network that goes on has \(4,\)"):
        estimator.set_params(hidden_layer_sizes=5).fit(IRIS, SPECIES)


def test_parts_hold_nothing_out_but_may_follow_a_fit_that_did() -> None:
    estimator = small(FastMLPRegressor, early_stopping=True).fit(IRIS, SPECIES)
    assert estimator.best_loss_ is None
    with pytest.raises(ValueError, match="partial_fit holds nothing out"):
        estimator.partial_fit(IRIS, SPECIES)
    estimator.set_params(early_stopping=False).partial_fit(IRIS, SPECIES)
    assert estimator.best_loss_ == estimator.loss_
    assert estimator.validation_scores_ is None


def test_a_fit_that_fails_leaves_no_trainer_of_another_network() -> None:
    estimator = small(FastMLPRegressor).fit(IRIS, SPECIES)
    with pytest.raises(ValueError, match="expected at least 2"):
        estimator.set_params(early_stopping=True, validation_fraction=1e-3).fit(IRIS[:, :2], SPECIES)
    estimator.set_params(early_stopping=False).partial_fit(IRIS[:, :2], SPECIES)
    assert estimator.t_ == len(IRIS)


@pytest.mark.parametrize("name", ["coefs_", "intercepts_"])
def test_what_is_not_fitted_has_no_weights(name: str) -> None:
    estimator = FastMLPClassifier()
    assert not hasattr(estimator, name)
    with pytest.raises(NotFittedError):
        estimator.predict(IRIS)


# What is said ---------------------------------------------------------------------------------------------------------


def test_an_end_by_max_iter_is_a_convergence_warning() -> None:
    with pytest.warns(ConvergenceWarning, match="max_iter is 3 epochs"):
        small(FastMLPClassifier).fit(IRIS, SPECIES)


def test_a_batch_larger_than_the_data_is_told() -> None:
    with pytest.warns(UserWarning, match="batch_size is 999; X has 150 rows"):
        small(FastMLPClassifier, batch_size=999).fit(IRIS, SPECIES)


def test_verbose_tells_each_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    estimator = small(FastMLPClassifier, verbose=True, early_stopping=True).fit(IRIS, SPECIES)
    lines = capsys.readouterr().out.splitlines()
    assert lines[::2] == [f"Iteration {i + 1}, loss = {loss:.8f}" for i, loss in enumerate(estimator.loss_curve_)]
    assert lines[1::2] == [f"Validation score: {score:f}" for score in estimator.validation_scores_]


@pytest.mark.parametrize("after", [0, 2])
def test_an_interrupted_fit_keeps_the_best_it_had(after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    epoch, calls = Trainer.epoch, iter(range(9))

    def interrupted(*arguments: Any) -> Any:
        if next(calls) == after:
            raise KeyboardInterrupt
        return epoch(*arguments)

    monkeypatch.setattr(Trainer, "epoch", interrupted)
    with pytest.warns(UserWarning, match=f"interrupted after {after} epochs"):
        estimator = small(FastMLPClassifier, early_stopping=True, max_iter=9).fit(IRIS, SPECIES)
    assert estimator.n_iter_ == len(estimator.validation_scores_) == after
    assert np.isfinite(estimator.predict_proba(IRIS)).all()


def test_nothing_else_of_fastnn_imports_it() -> None:
    source = """
import json, sys
import fastnn
before = "sklearn" in sys.modules
import fastnn.sklearn
print(json.dumps([before, "sklearn" in sys.modules]))
"""
    assert run_python(source) == [False, True]


@pytest.mark.parametrize("rows", [150, 50])
def test_partial_fit_goes_on_with_the_optimizer_that_it_began_with(rows: int) -> None:
    classifier = FastMLPClassifier((8,), solver="adam", random_state=0).partial_fit(IRIS, SPECIES, classes=[0, 1, 2])
    classifier.set_params(solver="sgd", learning_rate="invscaling")
    classifier.partial_fit(IRIS[:rows], SPECIES[:rows])
    other = FastMLPClassifier((8,), solver="adam", random_state=0).partial_fit(IRIS, SPECIES, classes=[0, 1, 2])
    other.partial_fit(IRIS[:rows], SPECIES[:rows])
    assert all((mine == theirs).all() for mine, theirs in zip(classifier.coefs_, other.coefs_, strict=True))
