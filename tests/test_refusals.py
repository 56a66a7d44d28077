"""What networks, their settings, fit and trainers refuse: with what was expected, and before anything changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from example_networks import normal

import fastnn
from fastnn import Network, mlp

Array = npt.NDArray[Any]

# The same package, to those who do not check types.
unchecked: Any = fastnn

# Settings and networks ------------------------------------------------------------------------------------------------

LABELLED = normal(6, 3), np.arange(6) % 2

BAD_SETTINGS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: unchecked.mlp(3), ValueError, "at least one layer"),
    (lambda: unchecked.mlp(0, 2), ValueError, "inputs is 0; expected at least 1"),
    (lambda: unchecked.mlp(3, 0), ValueError, "units is 0; expected at least 1"),
    (lambda: unchecked.mlp(3, -1, 2), ValueError, "units is -1"),
    (lambda: unchecked.mlp(3.0, 2), TypeError, "inputs is 3.0; expected a whole number"),
    (lambda: unchecked.mlp(3, "2"), TypeError, "units is '2'; expected a whole number"),
    (lambda: unchecked.mlp(True, 2), TypeError, "inputs is True"),
    (lambda: unchecked.mlp(3, 4, 2, activation="rellu"), ValueError, "activation is 'rellu'; expected one of"),
    (lambda: fastnn.Dense(3, "leaky_relu", alpha=-0.1), ValueError, "alpha is -0.1; expected"),
    (lambda: unchecked.Dense(3, bias="no"), TypeError, "bias is 'no'; expected True or False"),
    (lambda: fastnn.Adam(epsilon=0), ValueError, "epsilon is 0; expected"),
    (lambda: mlp(3, 4, 1), ValueError, "cross_entropy over 1 output is always 0"),
    (lambda: unchecked.mlp(3, 2, activation="rellu"), ValueError, "activation is 'rellu'; expected one of"),
    (lambda: unchecked.mlp(3, 2, output_activation="softmax"), ValueError, "activation is 'softmax'; expected one of"),
    (lambda: unchecked.mlp(3, 4, 2, initializer="he"), ValueError, "initializer is 'he'; expected 'auto' or one of"),
    (lambda: unchecked.mlp(3, 2, loss="nll"), ValueError, "loss is 'nll'; expected one of cross_entropy"),
    (lambda: unchecked.mlp(3, 2, loss=None), ValueError, "loss is None"),
    (lambda: unchecked.mlp(3, 2, dtype="float16"), ValueError, "dtype is float16; expected float32 or float64"),
    (lambda: unchecked.mlp(3, 2, dtype="int32"), ValueError, "dtype is int32"),
    (lambda: unchecked.mlp(3, 2, dtype="number"), ValueError, "dtype is number"),
    (lambda: unchecked.mlp(3, 2, dtype=None), ValueError, "dtype is None"),
    (lambda: unchecked.mlp(3, 2, seed=-1), ValueError, "non-negative"),
    (lambda: unchecked.mlp(3, 2, seed="a"), TypeError, "int"),
    (lambda: unchecked.mlp(2**32, 2**32), ValueError, "GiB"),
    (lambda: unchecked.mlp(2**30, 2**34), ValueError, "make the network or the batch smaller"),
    (lambda: unchecked.mlp(3, 10**30), ValueError, "GiB"),
    (lambda: unchecked.Network(3, []), ValueError, "at least one layer"),
    (lambda: unchecked.Network(3, 5), TypeError, "not iterable"),
    (lambda: unchecked.Network(3, "ab"), TypeError, "layer 0 is 'a'; expected a layer, such as Dense"),
    (lambda: unchecked.Network(3, [4, 2]), TypeError, "layer 0 is 4; expected a layer, such as Dense"),
    (lambda: unchecked.Dense(4, alpha=0.1), ValueError, "identity has none"),
    (lambda: unchecked.Dense(4, "elu", alpha="a"), TypeError, "alpha is 'a'; expected a number"),
    (lambda: unchecked.Dense(4, "elu", alpha=np.nan), ValueError, "alpha is nan; expected a finite number"),
    (lambda: unchecked.Dense(4, None), ValueError, "activation is None"),
    (lambda: unchecked.Activation("gleu"), ValueError, "activation is 'gleu'"),
    (lambda: unchecked.Activation("relu", alpha=1.0), ValueError, "relu has none"),
    (lambda: unchecked.MSE("none"), ValueError, "reduction is 'none'; expected one of mean, sum"),
    (lambda: unchecked.CrossEntropy(label_smoothing=1.5), ValueError, "label_smoothing is 1.5"),
    (lambda: unchecked.CrossEntropy(label_smoothing="a"), TypeError, "label_smoothing is 'a'"),
    (lambda: unchecked.CrossEntropy(class_weight=[1, -1]), ValueError, "class_weight is -1"),
    (lambda: unchecked.CrossEntropy(class_weight=[1, np.inf]), ValueError, "class_weight is inf"),
    (lambda: unchecked.CrossEntropy(class_weight="ab"), TypeError, "class_weight is 'a'"),
    (lambda: unchecked.CrossEntropy(ignore_index=1.5), TypeError, "ignore_index is 1.5; expected a whole number"),
    (
        lambda: unchecked.CrossEntropy(ignore_index=2**63),
        ValueError,
        "ignore_index is 9223372036854775808; expected",
    ),
    (
        lambda: unchecked.mlp(3, 2, loss=unchecked.CrossEntropy(class_weight=[1, 2, 3])),
        ValueError,
        "class_weight has 3 entries; expected 2",
    ),
    (
        lambda: unchecked.mlp(3, 2, loss=unchecked.CrossEntropy(class_weight=[])),
        ValueError,
        "class_weight has 0 entries; expected 2",
    ),
    (
        lambda: unchecked.mlp(3, 2, loss="binary_cross_entropy"),
        ValueError,
        "last activation is identity; make it sigmoid",
    ),
    (lambda: unchecked.mlp(3, 2, loss="perceptron"), ValueError, "one Dense layer with activation 'step'"),
    (lambda: unchecked.mlp(3, 2, 1, output_activation="step", loss="perceptron"), ValueError, "one Dense layer"),
    (lambda: unchecked.SGD(-0.1), ValueError, "learning_rate is -0.1"),
    (lambda: unchecked.SGD("fast"), TypeError, "learning_rate is 'fast'; expected a number"),
    (lambda: unchecked.SGD(np.inf), ValueError, "learning_rate is inf; expected a finite number"),
    (lambda: unchecked.SGD(weight_decay=-1), ValueError, "weight_decay is -1"),
    (lambda: unchecked.SGD(l2=-1), ValueError, "l2 is -1"),
    (lambda: unchecked.SGD(clip_norm=0), ValueError, "clip_norm is 0; expected a positive number, or None"),
    (lambda: unchecked.SGD(clip_norm=-1), ValueError, "clip_norm is -1"),
    (lambda: unchecked.SGD(schedule="cosine"), TypeError, "schedule is 'cosine'; expected a Schedule"),
    (lambda: unchecked.Momentum(momentum=1.1), ValueError, "momentum is 1.1"),
    (lambda: unchecked.Nesterov(momentum=None), TypeError, "momentum is None"),
    (lambda: unchecked.Adam(beta1=1.0), ValueError, "beta1 is 1; expected less"),
    (lambda: unchecked.Adam(beta2=-0.1), ValueError, "beta2 is -0.1"),
    (lambda: unchecked.Adam(epsilon_hat=1), TypeError, "epsilon_hat is 1; expected True or False"),
    (lambda: unchecked.AdamW(epsilon=-1e-8), ValueError, "epsilon is -1e-08"),
    (lambda: unchecked.StepDecay(0), ValueError, "every is 0"),
    (lambda: unchecked.StepDecay(5, factor=-1), ValueError, "factor is -1"),
    (lambda: unchecked.InverseScaling(power=-1), ValueError, "power is -1"),
    (lambda: unchecked.Cosine(0), ValueError, "total is 0"),
    (lambda: unchecked.Cosine(10, warmup=11), ValueError, "warmup is 11; expected at most total = 10"),
    (lambda: unchecked.Cosine(10, floor=-1), ValueError, "floor is -1"),
    (lambda: unchecked.Cosine(1.5), TypeError, "total is 1.5; expected a whole number"),
]


@pytest.mark.parametrize(("build", "error", "message"), BAD_SETTINGS)
def test_bad_settings_are_refused_with_what_was_expected(
    build: Callable[[], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        build()


ROWS, MARKS = LABELLED
BAD_CALLS: list[tuple[Callable[[Any], Any], type[Exception], str]] = [
    (lambda net: net(ROWS[:, :2]), ValueError, r"x has shape \(6, 2\); expected \(N, 3\)"),
    (lambda net: net(ROWS[0]), ValueError, r"x has shape \(3,\); expected \(N, 3\); for one row pass x\[None, :\]"),
    (lambda net: net(ROWS[None]), ValueError, r"x has shape \(1, 6, 3\)"),
    (lambda net: net(3.0), ValueError, r"x has shape \(\)"),
    (lambda net: net("abc"), TypeError, "x has dtype <U3; expected real numbers"),
    (lambda net: net(None), TypeError, "x has dtype object"),
    (lambda net: net([[1, 2, 3], [1, 2]]), ValueError, "inhomogeneous"),
    (lambda net: net(ROWS.astype(complex)), TypeError, "x has dtype complex128"),
    (lambda net: net(ROWS.astype(object)), TypeError, "x has dtype object"),
    (lambda net: net(np.ma.array(ROWS)), TypeError, "x is a masked array; fill or drop"),
    (lambda net: net.predict(ROWS.T), ValueError, r"x has shape \(3, 6\)"),
    (lambda net: net.predict_proba(ROWS.T), ValueError, r"x has shape \(3, 6\)"),
    (lambda net: net.predict_proba(ROWS, -1), ValueError, "temperature is -1"),
    (lambda net: net.predict_proba(ROWS, np.nan), ValueError, "temperature is nan"),
    (lambda net: net.predict_proba(ROWS, "hot"), TypeError, "temperature is 'hot'"),
    (lambda net: net.loss(ROWS.T, MARKS), ValueError, r"x has shape \(3, 6\)"),
    (lambda net: net.loss(ROWS, MARKS[:5]), ValueError, r"y has shape \(5,\); expected \(6,\), one label a row"),
    (lambda net: net.loss(ROWS, MARKS + 1), ValueError, r"y\[1\] is 2; expected 0..1 or -100 \(ignored\)"),
    (lambda net: net.loss(ROWS, -MARKS), ValueError, r"y\[1\] is -1; expected 0..1"),
    (lambda net: net.loss(ROWS, np.full(6, 2**64 - 100, np.uint64)), ValueError, r"y\[0\] is 18446744073709551516"),
    (lambda net: net.loss(ROWS, MARKS * 1.0), TypeError, "y has dtype float64; expected whole-number class labels"),
    (lambda net: net.loss(ROWS, None), TypeError, "y has dtype object"),
    (lambda net: net.loss(ROWS, np.ma.array(MARKS, mask=MARKS > 0)), TypeError, "y is a masked array"),
    (lambda net: net.loss(ROWS, ROWS), ValueError, r"y has shape \(6, 3\); expected \(N, 2\)"),
    (lambda net: net.loss(ROWS, np.full((6, 2), 1.5)), ValueError, "y spans 1.5..1.5; cross_entropy expects 0..1"),
    (lambda net: net.loss(ROWS, np.full((6, 2), np.nan)), ValueError, "y spans nan..nan"),
    (lambda net: net.loss(ROWS, np.eye(2)), ValueError, "y has 2 rows; expected 6, as x"),
    (lambda net: net.loss(ROWS[:0], MARKS[:0]), ValueError, "x has no rows"),
    (lambda net: net.accuracy(ROWS[:0], MARKS[:0]), ValueError, "x has no rows"),
    (lambda net: net.accuracy(ROWS, MARKS[:5]), ValueError, r"y has shape \(5,\)"),
    (lambda net: net.gradient(ROWS[:0], MARKS[:0]), ValueError, "x has no rows"),
    (lambda net: net.gradient(ROWS, MARKS + 1), ValueError, r"y\[1\] is 2"),
    (lambda net: net.gradient(ROWS.T, MARKS), ValueError, r"x has shape \(3, 6\)"),
    (lambda net: net.named(np.zeros(3)), ValueError, r"vector has shape \(3,\); expected"),
    (lambda net: net.named([0.0] * net.parameters.size), TypeError, "vector is a list"),
    (lambda net: net.initialize("a"), TypeError, "int"),
    (lambda net: net.initialize(-1), ValueError, "non-negative"),
    (lambda net: net.plan(0), ValueError, "batch is 0"),
    (lambda net: net.plan(2**62), ValueError, "GiB"),
    (lambda net: net.plan(10**30), ValueError, "GiB"),
    (lambda net: net.cost(0), ValueError, "batch is 0"),
    (lambda net: net.cost(1.5), TypeError, "batch is 1.5"),
    (lambda net: net.cost(1, "rmsprop"), ValueError, "rmsprop"),
    (lambda net: net.trainer("rmsprop"), ValueError, "optimizer is 'rmsprop'; expected one of sgd"),
    (lambda net: net.trainer(None), ValueError, "optimizer is None"),
    (lambda net: net.trainer("sgd", 0), ValueError, "batch is 0"),
    (lambda net: net.trainer("sgd", 2.5), TypeError, "batch is 2.5"),
    (lambda net: net.trainer("sgd", 10**14), ValueError, "make the network or the batch smaller"),
    (lambda net: net.trainer("sgd", 2**62), ValueError, "GiB"),
]


@pytest.mark.parametrize(("call", "error", "message"), BAD_CALLS)
def test_bad_input_is_refused_and_changes_nothing(
    call: Callable[[Any], Any], error: type[Exception], message: str
) -> None:
    net = mlp(3, 4, 2, seed=0)
    before = net.parameters.tobytes()
    with pytest.raises(error, match=message):
        call(net)
    assert net.parameters.tobytes() == before


@pytest.mark.parametrize(
    ("net", "y", "message"),
    [
        (mlp(3, 1, loss="binary_cross_entropy_with_logits"), -MARKS, "y spans -1..0; binary_cross_entropy_with_logits"),
        (mlp(3, 1, loss="binary_cross_entropy", output_activation="sigmoid"), 2 * MARKS, "expects 0..1"),
        (mlp(3, 1, loss="hinge"), MARKS, "y spans 0..1; hinge expects -1 and 1"),
        (mlp(3, 1, loss="hinge"), 2 * MARKS, "hinge expects -1 and 1, nothing between"),
        (mlp(3, 1, loss="perceptron", output_activation="step"), 2 * MARKS - 1, "perceptron expects 0 and 1"),
        (mlp(3, 2, loss="mse"), MARKS, r"y has shape \(6,\); expected \(N, 2\)"),
        (mlp(3, 2, loss="mse"), ROWS.astype(complex), "y has dtype complex128"),
        (mlp(3, 1, loss="mse"), MARKS[:5], "y has 5 rows; expected 6, as x"),
    ],
)
def test_targets_outside_the_losss_domain_are_refused(net: Network, y: Array, message: str) -> None:
    before = net.parameters.tobytes()
    trainer = net.trainer("sgd", 6)
    for call in (net.loss, net.gradient, net.fit, trainer.step, trainer.gradient):
        with pytest.raises((ValueError, TypeError), match=message):
            call(ROWS, y)
    assert net.parameters.tobytes() == before
    assert trainer.steps == 0


def test_a_step_inside_a_network_runs_but_does_not_train() -> None:
    net = mlp(3, 4, 2, activation="step", seed=0)
    assert np.isfinite(net(ROWS)).all()
    for call in (net.gradient, net.fit):
        with pytest.raises(ValueError, match="layer 0 has the activation step, which has no gradient"):
            call(ROWS, MARKS)
    with pytest.raises(ValueError, match="layer 0 has the activation step"):
        net.trainer()


# fit and Trainer ------------------------------------------------------------------------------------------------------

X = np.random.default_rng(1).normal(size=(23, 5))
LABELS = np.argmax(X[:, :3], axis=1)
ORDER = np.arange(23)


def net_of() -> Network:
    return mlp(5, 8, 3, dtype="float64", seed=0)


BAD_FITS: list[tuple[Callable[[Any], Any], type[Exception], str]] = [
    (lambda net: unchecked.fit(net, X[:, :4], LABELS), ValueError, r"x has shape \(23, 4\); expected \(N, 5\)"),
    (lambda net: unchecked.fit(net, X, LABELS[:9]), ValueError, r"y has shape \(9,\); expected \(23,\)"),
    (lambda net: unchecked.fit(net, X, LABELS + 1), ValueError, "expected 0..2 or -100"),
    (lambda net: unchecked.fit(net, X, X), ValueError, r"y has shape \(23, 5\); expected \(N, 3\)"),
    (lambda net: unchecked.fit(net, X[:0], LABELS[:0]), ValueError, "x has no rows"),
    (lambda net: unchecked.fit(net, X.astype(str), LABELS), TypeError, "expected real numbers"),
    (lambda net: unchecked.fit(net, X, np.ma.array(LABELS)), TypeError, "y is a masked array"),
    (lambda net: unchecked.fit(net, X, LABELS, epochs=-1), ValueError, "epochs is -1; expected at least 0"),
    (lambda net: unchecked.fit(net, X, LABELS, epochs=2.0), TypeError, "epochs is 2.0; expected a whole number"),
    (lambda net: unchecked.fit(net, X, LABELS, batch=0), ValueError, "batch is 0; expected at least 1"),
    (lambda net: unchecked.fit(net, X, LABELS, batch=None), TypeError, "batch is None"),
    (
        lambda net: unchecked.fit(net, X, LABELS, optimizer="rmsprop"),
        ValueError,
        "optimizer is 'rmsprop'; expected one of",
    ),
    (lambda net: unchecked.fit(net, X, LABELS, optimizer=unchecked.SGD), ValueError, "optimizer is <class"),
    (lambda net: unchecked.fit(net, X, LABELS, seed=-1), ValueError, "non-negative"),
    (lambda net: unchecked.fit(net, X, LABELS, seed="a"), TypeError, "int"),
    (
        lambda net: unchecked.fit(net, X, LABELS, validation=0.2),
        TypeError,
        "validation is float; expected a pair",
    ),
    (lambda net: unchecked.fit(net, X, LABELS, validation=(X, LABELS, X)), ValueError, "sample_weight has shape"),
    (lambda net: unchecked.fit(net, X, LABELS, validation=(X[:, :2], LABELS)), ValueError, r"x has shape \(23, 2\)"),
    (lambda net: unchecked.fit(net, X, LABELS, validation=(X, LABELS - 1)), ValueError, r"is -1; expected 0..2"),
    (lambda net: unchecked.fit(net, X, LABELS, validation=(X[:0], LABELS[:0])), ValueError, "validation has no rows"),
    (lambda net: unchecked.fit(net, X, LABELS, callback=5), TypeError, "callback is 5; expected a function"),
    (lambda net: unchecked.fit(net, X, LABELS, epoch=5), TypeError, "epoch"),
]


@pytest.mark.parametrize(("call", "error", "message"), BAD_FITS)
def test_fit_refuses_bad_input_before_it_changes_anything(
    call: Callable[[Any], Any], error: type[Exception], message: str
) -> None:
    net = net_of()
    before = net.parameters.tobytes()
    with pytest.raises(error, match=message):
        call(net)
    assert net.parameters.tobytes() == before


BAD_STEPS: list[tuple[Callable[[Any], Any], type[Exception], str]] = [
    (lambda t: t.step(X, LABELS), ValueError, "x has 23 rows; this trainer takes 1 to 8"),
    (lambda t: t.step(X[:0], LABELS[:0]), ValueError, "x has 0 rows"),
    (lambda t: t.step(X[:5], LABELS[:4]), ValueError, r"y has shape \(4,\); expected \(5,\)"),
    (lambda t: t.step(X[:5], LABELS[:5] + 2), ValueError, "expected 0..2 or -100"),
    (lambda t: t.step(X[:5], LABELS[:5] - 9), ValueError, "expected 0..2 or -100"),
    (lambda t: t.step(X[:5], (LABELS[:5] - 9).tolist()), ValueError, "expected 0..2 or -100"),
    (lambda t: t.step(X[:5], LABELS[:5] * 1.0), TypeError, "y has dtype float64"),
    (lambda t: t.step(X[0], LABELS[:1]), ValueError, r"pass x\[None, :\]"),
    (lambda t: t.step(None, LABELS[:1]), TypeError, "x has dtype object"),
    (lambda t: t.gradient(X, LABELS), ValueError, "x has 23 rows; this trainer takes 1 to 8"),
    (lambda t: t.gradient(X[:0], LABELS[:0]), ValueError, "x has 0 rows"),
    (lambda t: t.gradient(X[:5], LABELS[:4]), ValueError, r"y has shape \(4,\); expected \(5,\)"),
    (lambda t: t.gradient(X[:5], LABELS[:5] - 9), ValueError, "expected 0..2 or -100"),
    (lambda t: t.gradient(X[:5], None), TypeError, "y has dtype object"),
    (lambda t: t.forward(X), ValueError, "x has 23 rows"),
    (lambda t: t.forward(X[:, :2]), ValueError, r"x has shape \(23, 2\)"),
    (lambda t: t.epoch(X[:, :2], LABELS, ORDER), ValueError, r"x has shape \(23, 2\)"),
    (lambda t: t.epoch(X, LABELS[:5], ORDER), ValueError, r"y has shape \(5,\)"),
    (lambda t: t.epoch(X, LABELS, ORDER + 1), ValueError, "order spans 1..23; expected rows of x, 0..22"),
    (lambda t: t.epoch(X, LABELS, ORDER - 1), ValueError, "order spans -1..21"),
    (lambda t: t.epoch(X, LABELS, np.full(3, 2**64 - 1, np.uint64)), ValueError, "order spans 18446744073709551615"),
    (lambda t: t.epoch(X, LABELS, ORDER * 1.0), TypeError, "order is float64"),
    (lambda t: t.epoch(X, LABELS, ORDER > 3), TypeError, "order is bool"),
    (lambda t: t.epoch(X, LABELS, ORDER[None]), TypeError, r"order is int64 \(1, 23\)"),
    (lambda t: t.epoch(X, LABELS, "abc"), TypeError, "order has dtype"),
    (lambda t: t.epoch(X, LABELS, ORDER, steps=-1), ValueError, "steps is -1; expected at least 0"),
    (lambda t: t.epoch(X, LABELS, ORDER, steps=1.5), TypeError, "steps is 1.5"),
]


@pytest.mark.parametrize(("call", "error", "message"), BAD_STEPS)
def test_a_trainer_refuses_bad_input_and_changes_nothing(
    call: Callable[[Any], Any], error: type[Exception], message: str
) -> None:
    trainer = net_of().trainer("adam", 8)
    trainer.step(X[:5], LABELS[:5])
    before = [array.tobytes() for array in trainer.arrays[:5]]
    with pytest.raises(error, match=message):
        call(trainer)
    assert [array.tobytes() for array in trainer.arrays[:5]] == before
