"""From settings to a network and an optimizer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.layers import Dense, Dropout, Layer
from fastnn.learning.losses import LOSSES, CrossEntropy, Loss
from fastnn.learning.optimizers import OPTIMIZERS, Cosine, InverseScaling, Optimizer, Schedule, StepDecay
from fastnn.networks.network import Network
from fastnn.tables import Target
from fastnn.train.settings import MLP, Settings

DECAY = 0.1


def network_of(settings: Settings, inputs: int, target: Target, y: NDArray[Any]) -> Network:
    """A network for a target, whose training part is y. ValueError: a loss that does not suit the target, or what is
    of images or sequences."""
    if settings.model not in (None, MLP) or settings.flip or settings.shift:
        told = "flip and shift are" if settings.model in (None, MLP) else f"model is {settings.model}, which is"
        raise ValueError(f"{told} of images or sequences, and this is a table; leave it out (model)")
    loss = loss_of(settings, target, y)
    outputs = target.count if isinstance(loss, CrossEntropy) else 1
    layers = layers_of(settings, outputs, loss)
    return Network(inputs, layers, loss=loss, dtype=settings.dtype, seed=settings.seed)


def layers_of(settings: Settings, outputs: int, loss: Loss) -> list[Layer]:
    """Hidden layers, each with dropout behind it where that is asked for, and one of so many outputs."""
    return [*hidden_of(settings), Dense(outputs, last_activation(loss), initializer=settings.initializer)]


def hidden_of(settings: Settings) -> list[Layer]:
    """The layers of a multilayer perceptron but the last."""
    behind: list[Layer] = [Dropout(settings.dropout)] if settings.dropout else []
    return [
        layer
        for units in settings.layers
        for layer in (Dense(units, settings.activation, initializer=settings.initializer), *behind)
    ]


def last_activation(loss: Loss) -> str:
    """Of the last layer of a network."""
    return "sigmoid" if loss.name == "binary_cross_entropy" else "identity"


def loss_of(settings: Settings, target: Target, y: NDArray[Any]) -> Loss:
    """cross_entropy for classes and mse for numbers, or the one that is asked for. ValueError."""
    name = settings.loss or ("mse" if target.classes is None else "cross_entropy")
    if (name == "mse") != (target.classes is None):
        told = "numbers" if target.classes is None else f"{target.count} classes"
        raise ValueError(f"loss is {name}, and {target.name!r} holds {told}; leave it out, or choose another (task)")
    if name == "cross_entropy":
        weight = _balanced(y, target.count) if settings.class_weight == "balanced" else None
        return CrossEntropy(label_smoothing=settings.label_smoothing, class_weight=weight)
    if settings.label_smoothing or settings.class_weight != "none":
        raise ValueError(f"label_smoothing and class_weight are for cross_entropy; the loss is {name}")
    if name != "mse" and target.count != 2:
        raise ValueError(f"{name} is for two classes; {target.name!r} has {target.count}: use cross_entropy")
    return LOSSES[name]()


def _balanced(y: NDArray[Any], classes: int) -> list[float]:
    """Each class weighs as much as any other: N / (classes * rows of it)."""
    return [float(weight) for weight in len(y) / (classes * np.bincount(y, minlength=classes))]


def optimizer_of(settings: Settings, steps: int) -> Optimizer:
    """With its schedule, for epochs of so many steps."""
    names = ("learning_rate", "weight_decay", "clip_norm", "momentum")
    given = {name: getattr(settings, name) for name in names if getattr(settings, name) is not None}
    return OPTIMIZERS[settings.optimizer](**given, schedule=_schedule_of(settings, steps))


def _schedule_of(settings: Settings, steps: int) -> Schedule:
    if settings.schedule == "cosine":
        return Cosine(total=steps * settings.epochs, warmup=round(steps * settings.warmup))
    if settings.schedule == "step":
        every = settings.decay_every or settings.epochs / 3
        return StepDecay(max(round(steps * every), 1), DECAY if settings.decay is None else settings.decay)
    if settings.schedule == "inverse_scaling":
        return InverseScaling() if settings.power is None else InverseScaling(settings.power)
    return Schedule()
