"""The suite must be able to fail: mistakes that are easily made, each of which a case's own check must reject.

A twin maps the inputs of a case, in float64, to outputs; those that it does not give are right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from block_cases import FIRST, OPERATION, SEED, STEP, Addition, Dropout, Norm, NormBackward, NormForward
from case import Case
from layer_cases import ActivationBackward, ActivationForward, DenseBackward, DenseForward, Product
from limits import Array, Arrays
from loss_cases import (
    IGNORE,
    CrossEntropy,
    CrossEntropyProbabilities,
    ElementwiseLoss,
    LogSoftmax,
    Softmax,
    SoftmaxBackward,
)
from update_cases import BETA2, EPSILON, FACTOR, LEARNING_RATE, Clip, Update

from fastnn.reference import activation as act
from fastnn.reference import dropout as reference_dropout
from fastnn.reference import loss as reference_loss
from fastnn.reference import norm as reference_norm
from fastnn.reference import optimizer as reference_optimizer
from fastnn.reference import softmax as reference_softmax

Twin = Callable[[Arrays], Arrays]


def forward(name: str, data: str = "normal", alpha: float = 0.5) -> Case:
    return ActivationForward(activation=name, alpha=alpha, n=333, data=data)


def backward(name: str, data: str = "normal") -> Case:
    return ActivationBackward(activation=name, alpha=0.5, n=333, data=data)


def value(function: Callable[[Array], Array]) -> Twin:
    return lambda a: {"y": function(a["z"])}


def slope(function: Callable[[Array, Array], Array]) -> Twin:
    return lambda a: {"dz": a["dy"] * function(a["z"], a["y"])}


ACTIVATIONS: dict[str, tuple[Case, Twin]] = {
    "tanh-GELU for erf-GELU": (forward("gelu"), value(lambda z: act.value("gelu_tanh", z))),
    "erf-GELU for tanh-GELU": (forward("gelu_tanh"), value(lambda z: act.value("gelu", z))),
    "GELU by sigmoid(1.702 z)": (forward("gelu"), value(lambda z: z * act.sigmoid(1.702 * z))),
    "ELU without its scale": (forward("elu"), value(lambda z: act.value("elu", z, 1.0))),
    "leaky ReLU with the slope of another": (forward("leaky_relu"), value(lambda z: act.value("leaky_relu", z, 0.51))),
    "softplus that loses small values": (forward("softplus", "signed"), value(lambda z: np.log(1 + np.exp(z)))),
    "sigmoid in half precision": (forward("sigmoid"), value(lambda z: act.sigmoid(z).astype(np.float16))),
    "step that is 0 at 0": (forward("step", "whole"), value(lambda z: np.where(z > 0, 1.0, 0.0))),
    "ReLU that leaves negative elements unwritten": (forward("relu"), value(lambda z: np.where(z > 0, z, np.nan))),
    ">= for > at the kink of ReLU": (backward("relu", "whole"), slope(lambda z, y: np.where(z >= 0, 1.0, 0.0))),
    ">= for > at the kink of leaky ReLU": (
        backward("leaky_relu", "whole"), slope(lambda z, y: np.where(z >= 0, 1.0, 0.5)),
    ),
    "tanh' = 1 - y": (backward("tanh"), slope(lambda z, y: 1 - y)),
    "sigmoid' of z for that of y": (backward("sigmoid"), slope(lambda z, y: z * (1 - z))),
    "GELU' without its density": (backward("gelu"), slope(lambda z, y: 0.5 * (1 + act.erf(z * act.SQRT_HALF)))),
    "GELU' of the tanh form": (backward("gelu"), slope(lambda z, y: act.derivative("gelu_tanh", z, y))),
    "SiLU' = sigmoid'": (backward("silu"), slope(lambda z, y: act.sigmoid(z) * (1 - act.sigmoid(z)))),
    "ELU' without its scale": (backward("elu"), slope(lambda z, y: act.derivative("elu", z, y, 1.0))),
    "dy forgotten": (backward("softplus"), lambda a: {"dz": act.sigmoid(a["z"])}),
}  # fmt: skip

PRODUCT = Product(form="NN", m=33, n=33, k=33, start=True)
DENSE = DenseBackward(activation="relu", b=12, i=9, o=9)


def half(a: Array) -> Array:
    rounded: Array = a.astype(np.float16).astype(np.float64)
    return rounded


def through(a: Arrays) -> Array:
    dz: Array = a["dy"] * (a["y"] > 0)
    return dz


PRODUCTS: dict[str, tuple[Case, Twin]] = {
    "transposed weight": (PRODUCT, lambda a: {"y": a["x"] @ a["w"].T + a["b"]}),
    "last term of the sum lost": (PRODUCT, lambda a: {"y": a["x"][:, :-1] @ a["w"][:-1] + a["b"]}),
    "start row forgotten": (PRODUCT, lambda a: {"y": a["x"] @ a["w"]}),
    "start row by rows": (PRODUCT, lambda a: {"y": a["x"] @ a["w"] + a["b"][:, np.newaxis]}),
    "operands in half precision": (PRODUCT, lambda a: {"y": half(a["x"]) @ half(a["w"]) + a["b"]}),
    "one element of the last row unwritten": (
        PRODUCT, lambda a: {"y": np.where(np.arange(1089).reshape(33, 33) == 1088, np.nan, a["x"] @ a["w"] + a["b"])},
    ),
    "activation before the bias": (
        DenseForward(activation="relu", b=12, i=9, o=9), lambda a: {"y": np.maximum(a["x"] @ a["w"], 0) + a["b"]},
    ),
    "weight not transposed in dx": (DENSE, lambda a: {"dx": through(a) @ a["w"]}),
    "mean over the batch for the bias gradient": (DENSE, lambda a: {"db": through(a).mean(axis=0)}),
    "mean over the batch for the weight gradient": (DENSE, lambda a: {"dw": a["x"].T @ through(a) / len(a["x"])}),
    "activation's slope forgotten": (DENSE, lambda a: {"dw": a["x"].T @ a["dy"]}),
    "last row of the batch left out": (DENSE, lambda a: {"dw": a["x"][:-1].T @ through(a)[:-1]}),
}  # fmt: skip


def unshifted(logits: Array) -> Array:
    weights = np.exp(logits.astype(np.float32))
    p: Array = weights / weights.sum(axis=1, keepdims=True)
    return p


def last_argmax(logits: Array) -> Array:
    last = logits.shape[1] - 1 - np.argmax(logits[:, ::-1], axis=1)
    hot: Array = np.eye(logits.shape[1])[last]
    return hot


SOFTMAX = Softmax(rows=33, classes=10, temperature=3.0)
SOFTMAXES: dict[str, tuple[Case, Twin]] = {
    "softmax without the maximum": (
        replace(SOFTMAX, temperature=1.0, data="signed"), lambda a: {"p": unshifted(a["logits"])},
    ),
    "temperature that multiplies": (SOFTMAX, lambda a: {"p": reference_softmax.softmax(a["logits"], 1 / 3)}),
    "softmax over the batch": (SOFTMAX, lambda a: {"p": reference_softmax.softmax(a["logits"].T, 3.0).T}),
    "last of equal maxima": (
        replace(SOFTMAX, temperature=0.0, data="whole"), lambda a: {"p": last_argmax(a["logits"])},
    ),
    "logarithm of a rounded probability": (
        LogSoftmax(rows=33, classes=10, data="signed"),
        lambda a: {"p": np.log(reference_softmax.softmax(a["logits"]).astype(np.float32))},
    ),
    "softmax' without its mean": (
        SoftmaxBackward(rows=33, classes=10), lambda a: {"dlogits": a["p"] * a["dp"]},
    ),
    "softmax' without its temperature": (
        SoftmaxBackward(rows=33, classes=10, temperature=3.0),
        lambda a: {"dlogits": reference_softmax.softmax_backward(a["dp"], a["p"], 1.0)},
    ),
}  # fmt: skip

ENTROPY = CrossEntropy(rows=33, classes=10)
WEIGHTED = replace(ENTROPY, weighted=True, smoothing=0.1)
SOME_IGNORED = replace(ENTROPY, ignored=True)


def entropy(a: Arrays, target: Array | None = None, scale: float = 1.0, **options: Any) -> Arrays:
    """The outputs of another cross-entropy than the case's."""
    arguments = a["logits"], a["target"] if target is None else target
    loss, gradient = reference_loss.cross_entropy(*arguments, **options)
    each, _ = reference_loss.cross_entropy(*arguments, **options | {"reduction": "none"})
    return {"value": loss * scale, "losses": each, "dlogits": gradient * scale}


def smoothing_without_weights(a: Arrays) -> Arrays:
    hard = entropy(a, class_weight=a["weight"], reduction="sum")
    soft = entropy(a, np.full(a["logits"].shape, 0.1), reduction="sum")
    scale = 1 / a["weight"][a["target"]].sum()
    return {name: (0.9 * hard[name] + 0.1 * soft[name]) * (1 if name == "losses" else scale) for name in hard}


def smoothing_over_the_others(a: Arrays) -> Arrays:
    q = np.where(np.eye(10)[a["target"]] == 1, 0.9, 0.1 / 9)
    return entropy(a, q)


def ignored_rows_keep_their_gradient(a: Arrays) -> Arrays:
    kept = np.where(a["target"] == IGNORE, 0, a["target"])
    scale = 33 / np.sum(a["target"] != IGNORE)
    return {"dlogits": entropy(a, kept)["dlogits"] * scale}


CROSS_ENTROPIES: dict[str, tuple[Case, Twin]] = {
    "missing 1/batch": (ENTROPY, lambda a: entropy(a, reduction="sum")),
    "1/batch in the loss alone": (ENTROPY, lambda a: {"dlogits": entropy(a, reduction="sum")["dlogits"]}),
    "gradient without the label": (ENTROPY, lambda a: {"dlogits": reference_softmax.softmax(a["logits"]) / 33}),
    "labels off by one": (ENTROPY, lambda a: entropy(a, (a["target"] + 1) % 10)),
    "ignore_index counted in the mean": (
        SOME_IGNORED, lambda a: entropy(a, scale=float(np.mean(a["target"] != IGNORE))),
    ),
    "gradient of ignored rows": (SOME_IGNORED, ignored_rows_keep_their_gradient),
    "class weights left out of the divisor": (
        WEIGHTED, lambda a: entropy(a, scale=1 / 33, class_weight=a["weight"], label_smoothing=0.1, reduction="sum"),
    ),
    "label smoothing without class weights": (WEIGHTED, smoothing_without_weights),
    "label smoothing over the other classes": (replace(ENTROPY, smoothing=0.1), smoothing_over_the_others),
    "smoothing forgotten for probabilities": (
        CrossEntropyProbabilities(rows=33, classes=10, smoothing=0.1), entropy,
    ),
}  # fmt: skip


def of_loss(name: str, data: str = "normal") -> Case:
    return ElementwiseLoss(loss=name, rows=33, classes=10, data=data)


def unclamped(a: Arrays) -> Arrays:
    p, t = a["prediction"], a["target"]
    losses = -np.where(t > 0, t * np.log(p), 0.0) - np.where(t < 1, (1 - t) * np.log1p(-p), 0.0)
    return {"losses": losses, "value": np.mean(losses)}


def hinge_at_its_kink(a: Arrays) -> Arrays:
    s, t = a["prediction"], a["target"]
    return {"dprediction": np.where(t * s <= 1, -t, 0.0) / s.size}


def mse_slope(a: Arrays) -> Array:
    gradient: Array = 2 * (a["prediction"] - a["target"])
    return gradient


def log_of_sigmoid(a: Arrays) -> Arrays:
    p, t = act.sigmoid(a["prediction"].astype(np.float32)), a["target"]
    return {"losses": -t * np.log(p) - (1 - t) * np.log(1 - p)}


LOSSES: dict[str, tuple[Case, Twin]] = {
    "log clamp missing": (of_loss("binary_cross_entropy", "whole"), unclamped),
    "log of a rounded sigmoid": (of_loss("binary_cross_entropy_with_logits", "signed"), log_of_sigmoid),
    "gradient on probabilities for that on logits": (
        of_loss("binary_cross_entropy"),
        lambda a: {"dprediction": (a["prediction"] - a["target"]) / a["prediction"].size},
    ),
    "factor 2 of the squared error missing": (of_loss("mse"), lambda a: {"dprediction": mse_slope(a) / 660}),
    "mean over rows for the mean over elements": (of_loss("mse"), lambda a: {"dprediction": mse_slope(a) / 33}),
    ">= for > at the kink of hinge": (of_loss("hinge", "whole"), hinge_at_its_kink),
    "squared hinge": (
        of_loss("hinge"), lambda a: {"losses": np.maximum(1 - a["prediction"] * a["target"], 0) ** 2},
    ),
}  # fmt: skip


def update_of(name: str, data: str = "normal", **options: Any) -> Case:
    return Update(optimizer=name, n=501, data=data, **options)


def as_another(name: str, step: int = 3, **options: float) -> Twin:
    """The update of another optimizer, or with other settings."""

    def twin(a: Arrays) -> Arrays:
        moments = tuple(a["state"].reshape(reference_optimizer.STATE_ARRAYS[name], a["p"].size))
        p, moments = reference_optimizer.UPDATES[name](a["p"], a["g"], moments, step, LEARNING_RATE, **options)
        return {"p": p, "state": np.concatenate([*moments, np.empty(0)])}

    return twin


def moments_of(a: Arrays) -> tuple[Array, Array]:
    m, v = a["state"].reshape(2, -1)
    return FACTOR * m + (1 - FACTOR) * a["g"], BETA2 * v + (1 - BETA2) * a["g"] ** 2


def without_bias_correction(a: Arrays) -> Arrays:
    m, v = moments_of(a)
    return {"p": a["p"] - LEARNING_RATE * m / (np.sqrt(v) + EPSILON)}


def epsilon_inside_the_root(a: Arrays) -> Arrays:
    m, v = moments_of(a)
    return {"p": a["p"] - LEARNING_RATE * m / (1 - FACTOR**3) / np.sqrt(v / (1 - BETA2**3) + EPSILON)}


def dampened(a: Arrays) -> Arrays:
    v = FACTOR * a["state"] + (1 - FACTOR) * a["g"]
    return {"p": a["p"] - LEARNING_RATE * v, "state": v}


CLIP = Clip(n=1001, maximum=0.3)
OPTIMIZERS: dict[str, tuple[Case, Twin]] = {
    "missing bias correction": (update_of("adam"), without_bias_correction),
    "bias correction one step late": (update_of("adam"), as_another("adam", step=2)),
    "epsilon inside the root": (update_of("adam", "signed"), epsilon_inside_the_root),
    "moments exchanged": (update_of("adam"), as_another("adam", beta1=BETA2, beta2=FACTOR)),
    "coupled for decoupled decay": (update_of("adamw", decay=0.1), as_another("adam", weight_decay=0.1)),
    "decoupled for coupled decay": (update_of("adam", decay=0.1), as_another("adamw", weight_decay=0.1)),
    "decay without the learning rate": (update_of("adamw", decay=0.1), as_another("adamw", weight_decay=0.1 / 0.01)),
    "decay that grows": (update_of("sgd", decay=0.1), as_another("sgd", weight_decay=-0.1)),
    "decay forgotten": (update_of("momentum", decay=0.1), as_another("momentum")),
    "momentum dampened": (update_of("momentum"), dampened),
    "momentum for Nesterov": (update_of("nesterov"), as_another("momentum")),
    "Nesterov for momentum": (update_of("momentum"), as_another("nesterov")),
    "ascent": (update_of("sgd"), lambda a: {"p": a["p"] + LEARNING_RATE * a["g"]}),
    "clip by value": (CLIP, lambda a: {"g": np.clip(a["g"], -0.3, 0.3)}),
    "clip that lengthens": (
        replace(CLIP, maximum=1e6), lambda a: {"g": a["g"] * 1e6 / (np.linalg.norm(a["g"]) + 1e-6)},
    ),
    "squared norm for the norm": (CLIP, lambda a: {"value": np.sum(a["g"] ** 2)}),
}  # fmt: skip

LAYER_NORM = NormForward(b=12, i=65, centred=True)
RMS_NORM = NormForward(b=12, i=65, centred=False, epsilon=1e-6)
NORM_BACKWARD = NormBackward(b=12, i=65, centred=True)
DROPOUT = Dropout(n=333, rate=0.4)


def norm_by(case: Norm, scale: Callable[[Array], Array], centre: bool | None = None) -> tuple[Case, Twin]:
    """normal = x * scale(x), of a centred x or not."""

    def twin(a: Arrays) -> Arrays:
        centred = case.centred if centre is None else centre
        x = a["x"] - a["x"].mean(axis=1, keepdims=True) if centred else a["x"]
        normal = x * scale(x)
        y = normal * a["w"]
        return {"y": y + a["b"] if case.centred else y, "normal": normal, "inverse": scale(x)[:, 0]}

    return case, twin


def mean(x: Array) -> Array:
    of_row: Array = x.mean(axis=1, keepdims=True)
    return of_row


def norm_slope(a: Arrays, whole: bool) -> Array:
    """dx without mean g, or without normal * mean(g * normal)."""
    g = a["dy"] * a["w"]
    less = a["normal"] * mean(g * a["normal"]) if whole else mean(g)
    dx: Array = (g - less) * a["inverse"][:, np.newaxis]
    return dx


def draws_of(operation: int = OPERATION, step: int = STEP, first: int = FIRST) -> Array:
    drawn: Array = reference_dropout.draws(SEED, step, operation, (first + 333,))[first:]
    return drawn


def dropped(draws: Array, rate: float = 0.4, scale: float = 1.0) -> Twin:
    return lambda a: {"y": reference_dropout.dropout(a["x"], draws, rate) * scale}


BLOCKS: dict[str, tuple[Case, Twin]] = {
    "variance with n - 1": norm_by(LAYER_NORM, lambda x: 1 / np.sqrt((x**2).sum(axis=1, keepdims=True) / 64 + 1e-5)),
    "epsilon outside the root": norm_by(LAYER_NORM, lambda x: 1 / (np.sqrt(mean(x * x)) + 1e-5)),
    "epsilon outside the root of RMS norm": norm_by(
        replace(RMS_NORM, epsilon=1e-4), lambda x: 1 / (np.sqrt(mean(x * x)) + 1e-4)
    ),
    "epsilon forgotten": norm_by(LAYER_NORM, lambda x: 1 / np.sqrt(mean(x * x))),
    "epsilon of the other norm": norm_by(RMS_NORM, lambda x: 1 / np.sqrt(mean(x * x) + 1e-5)),
    "RMS norm that is centred": norm_by(RMS_NORM, lambda x: 1 / np.sqrt(mean(x * x) + 1e-6), centre=True),
    "layer norm that is not centred": norm_by(LAYER_NORM, lambda x: 1 / np.sqrt(mean(x * x) + 1e-5), centre=False),
    "norm over the batch": norm_by(
        LAYER_NORM, lambda x: np.repeat(1 / np.sqrt((x * x).mean(axis=0, keepdims=True) + 1e-5), len(x), axis=0)
    ),
    "bias before the weight": (
        LAYER_NORM,
        lambda a: {"y": (reference_norm.forward(a["x"], np.ones(65), a["b"], 1e-5, True)[0]) * a["w"]},
    ),
    "layer norm' without the mean": (NORM_BACKWARD, lambda a: {"dx": norm_slope(a, True)}),
    "layer norm' without the variance": (NORM_BACKWARD, lambda a: {"dx": norm_slope(a, False)}),
    "layer norm' of a weight of 1": (
        NORM_BACKWARD,
        lambda a: {
            "dx": reference_norm.backward(a["dy"], a["normal"], a["inverse"][:, np.newaxis], np.ones(65), True)[0]
        },  # type: ignore[dict-item]
    ),
    "dw of a norm of x itself": (NORM_BACKWARD, lambda a: {"dw": (a["dy"] * a["x"]).sum(axis=0)}),
    "dropout without 1 / (1 - rate)": (DROPOUT, dropped(draws_of(), scale=0.6)),
    "dropout that keeps what it should drop": (DROPOUT, dropped(1 - draws_of())),
    "dropout of the next step": (DROPOUT, dropped(draws_of(step=STEP + 1))),
    "dropout of another operation": (DROPOUT, dropped(draws_of(OPERATION + 1))),
    "dropout that begins each chunk anew": (DROPOUT, dropped(draws_of(first=0))),
    "dropout forward alone": (DROPOUT, lambda a: {"dx": a["dy"]}),
    "the way around forgotten": (Addition(n=333), lambda a: {"y": a["a"]}),
    "the way around alone": (Addition(n=333), lambda a: {"y": a["b"]}),
}

TWINS = ACTIVATIONS | PRODUCTS | SOFTMAXES | CROSS_ENTROPIES | LOSSES | OPTIMIZERS | BLOCKS


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("mistake", TWINS)
def test_the_check_rejects(mistake: str, dtype: str) -> None:
    case, twin = TWINS[mistake]
    case = replace(case, dtype=dtype)
    inputs = case.inputs()
    wide = {name: a.astype(np.float64) if a.dtype.kind == "f" else a for name, a in inputs.items()}
    right = case.reference(wide)
    # The reference, rounded, is accepted: what is rejected is the mistake.
    case.check(inputs, {name: np.asarray(a, dtype if a.ndim else np.float64) for name, a in right.items()})
    with np.errstate(all="ignore"):
        wrong = {name: np.asarray(a, dtype if np.ndim(a) else np.float64) for name, a in (right | twin(wide)).items()}
    with pytest.raises(AssertionError, match="times the limit"):
        case.check(inputs, wrong)
