"""Layers as JSON can keep them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastnn.layers.concatenate import Concatenate
from fastnn.layers.dense import Activation, Dense
from fastnn.layers.dropout import Dropout
from fastnn.layers.graph import Container
from fastnn.layers.norm import LayerNorm, RMSNorm
from fastnn.layers.protocol import Layer
from fastnn.layers.residual import Residual
from fastnn.layers.shared import Shared

# Names that a file may hold.
KINDS: dict[str, Any] = {
    "dense": Dense,
    "activation": Activation,
    "layer_norm": LayerNorm,
    "rms_norm": RMSNorm,
    "dropout": Dropout,
    "shared": Shared,
}
# Those that hold layers.
RESIDUAL, CONCATENATE = "residual", "concatenate"


def describe_layer(layer: Layer | Container) -> dict[str, Any]:
    """A layer as JSON can keep it. TypeError for a layer that is none of these."""
    if type(layer) is Residual:
        return {"kind": RESIDUAL, "layers": [describe_layer(inner) for inner in layer.layers]}
    if type(layer) is Concatenate:
        branches = [[describe_layer(inner) for inner in branch] for branch in layer.branches]
        return {"kind": CONCATENATE, "branches": branches}
    for name, kind in KINDS.items():
        if type(layer) is kind:
            return {"kind": name, **asdict(layer)}  # type: ignore[call-overload]
    raise TypeError(f"layer is {layer!r}; a file can hold {', '.join(KINDS)}, {RESIDUAL} and {CONCATENATE}")


def layer_of(description: dict[str, Any]) -> Layer | Container:
    """The layer that describe_layer described."""
    settings = dict(description)
    kind = settings.pop("kind")
    if kind == RESIDUAL:
        return Residual(*map(layer_of, settings.pop("layers")), **settings)
    if kind == CONCATENATE:
        return Concatenate(*(list(map(layer_of, branch)) for branch in settings.pop("branches")), **settings)
    layer: Layer = KINDS[kind](**settings)
    return layer
