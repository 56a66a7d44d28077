"""Networks of images and sequences by their names, made for the rows and classes that come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.layers import GRU, LSTM, RNN, Dense, Dropout, Flatten, Masking, operations_of
from fastnn.learning.losses import CrossEntropy
from fastnn.networks.network import Network
from fastnn.networks.vision import alexnet_body, keras_convnet_body, lenet_body, resnet_body
from fastnn.samples import IMAGES, SEQUENCES, Form
from fastnn.samples.rows import FILLER
from fastnn.tables import Target
from fastnn.train.building import hidden_of, last_activation, loss_of
from fastnn.train.settings import MLP, MODELS, Settings

Body = Callable[[Settings, Form], list[Any]]

# Of a LeNet-5, whose images are (32, 32); MNIST's have a border of two zeros, as in its paper.
SIDE = 32
# Down and across, below which Keras' convnet leaves nothing.
LEAST = 10


def _lenet5(settings: Settings, form: Form) -> list[Any]:
    border = 2 if min(form.shape[:2]) < SIDE else 0
    return [*lenet_body(activation=settings.activation, border=border), *_dropped(settings)]


def _recurrent(cell: Any) -> Body:
    def body(settings: Settings, form: Form) -> list[Any]:
        if not settings.layers:
            raise ValueError("layers is none; expected units of a recurrent layer, such as 64")
        last = len(settings.layers) - 1
        cells = (cell(units, return_sequences=at < last) for at, units in enumerate(settings.layers))
        masked = [Masking(FILLER)] if form.varies else []
        return [*masked, *(layer for each in cells for layer in (each, *_dropped(settings)))]

    return body


def _dropped(settings: Settings) -> list[Any]:
    return [Dropout(settings.dropout)] if settings.dropout else []


BODIES: dict[str, Body] = {
    "keras-convnet": lambda settings, form: keras_convnet_body(settings.dropout),
    "simplechains": lambda settings, form: [*lenet_body(activation=settings.activation), *_dropped(settings)],
    "lenet5": _lenet5,
    "resnet10": lambda settings, form: [*resnet_body(blocks=1), *_dropped(settings)],
    "alexnet": lambda settings, form: alexnet_body(settings.dropout),
    "gru": _recurrent(GRU),
    "lstm": _recurrent(LSTM),
    "rnn": _recurrent(RNN),
    MLP: lambda settings, form: [Flatten(), *hidden_of(settings)],
}
# What settings say of a network, and whose that is.
OWNERS = {
    "layers": (MLP, *MODELS[SEQUENCES]), "activation": (MLP, "lenet5", "simplechains"), "initializer": (MLP,),
}  # fmt: skip


def name_of(settings: Settings, form: Form) -> str:
    """The network that is asked for, or the usual one. ValueError: one of other rows."""
    if settings.model is None:
        if form.kind == SEQUENCES:
            return "gru"
        return "keras-convnet" if min(form.shape[:2]) >= LEAST else "resnet10"
    if settings.model == MLP and form.varies:
        raise ValueError(f"model is mlp, which reads all positions, and there are {form}; expected gru, lstm or rnn")
    if settings.model not in (MLP, *MODELS[form.kind]):
        raise ValueError(f"model is {settings.model}, and there are {form}; expected {', '.join(MODELS[form.kind])}")
    return settings.model


def sample_network(settings: Settings, form: Form, target: Target, y: NDArray[Any]) -> Network:
    """A network for rows of this form and a target, whose training part is y. ValueError: one that does not fit."""
    name = name_of(settings, form)
    for setting, owners in OWNERS.items():
        if name not in owners and getattr(settings, setting) != getattr(Settings, setting):
            raise ValueError(f"{setting} is of {', '.join(owners)}; {name} has its own: leave it out (model)")
    _require_images(settings, form)
    loss = loss_of(settings, target, y)
    body = BODIES[name](settings, form)
    try:
        operations_of(body, form.shape)
    except ValueError as error:
        raise ValueError(
            f"{name} does not take {form} ({error}); resnet10 takes any images: choose another (model), or larger ones"
        ) from error
    outputs = target.count if isinstance(loss, CrossEntropy) else 1
    head = Dense(outputs, last_activation(loss), initializer=settings.initializer if name == MLP else "auto")
    return Network(form.shape, [*body, head], loss=loss, dtype=settings.dtype, seed=settings.seed)


def _require_images(settings: Settings, form: Form) -> None:
    """ValueError: an augmentation of images for other rows, or one that leaves nothing of them."""
    if form.kind != IMAGES and (settings.flip or settings.shift):
        raise ValueError(f"flip and shift are of images, and there are {form}; leave them out")
    if form.kind == IMAGES and settings.shift >= int(np.min(form.shape[:2])):
        raise ValueError(f"shift is {settings.shift} pixels, which leaves nothing of {form}; expected fewer")
