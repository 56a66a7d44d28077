"""What a network is made of. Each layer states its shapes, its parameters, its tape row and its cost."""

from fastnn.layers.concatenate import Concatenate
from fastnn.layers.dense import Activation, Dense
from fastnn.layers.description import LAYERS, describe_layer, layer_of, register_layer
from fastnn.layers.dropout import Dropout
from fastnn.layers.graph import Container, Graph, Operation, counted, operations_of, readers_of, wanted_gradients
from fastnn.layers.norm import LayerNorm, RMSNorm
from fastnn.layers.protocol import Layer, Parameter, Shape
from fastnn.layers.residual import Residual
from fastnn.layers.shared import Shared

__all__ = [
    "LAYERS",
    "Activation",
    "Concatenate",
    "Container",
    "Dense",
    "Dropout",
    "Graph",
    "Layer",
    "LayerNorm",
    "Operation",
    "Parameter",
    "RMSNorm",
    "Residual",
    "Shape",
    "Shared",
    "counted",
    "describe_layer",
    "layer_of",
    "operations_of",
    "readers_of",
    "register_layer",
    "wanted_gradients",
]
