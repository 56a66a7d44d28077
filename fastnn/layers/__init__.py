"""What a network is made of. Each layer states its shapes, its parameters, its tape row and its cost."""

from fastnn.layers.chain import Operation, operations_of
from fastnn.layers.dense import Activation, Dense
from fastnn.layers.description import KINDS, describe_layer, layer_of
from fastnn.layers.dropout import Dropout
from fastnn.layers.norm import LayerNorm, RMSNorm
from fastnn.layers.protocol import Layer
from fastnn.layers.residual import Residual

__all__ = [
    "KINDS",
    "Activation",
    "Dense",
    "Dropout",
    "Layer",
    "LayerNorm",
    "Operation",
    "RMSNorm",
    "Residual",
    "describe_layer",
    "layer_of",
    "operations_of",
]
