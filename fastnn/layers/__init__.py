"""What a network is made of. Each layer states its shapes, its parameters, its tape row and its cost."""

from fastnn.graph.graph import (
    Container,
    Graph,
    Operation,
    counted,
    operations_of,
    readers_of,
    vocabulary_of,
    wanted_gradients,
)
from fastnn.graph.protocol import Layer, Parameter, Shape
from fastnn.layers.description import LAYERS, describe_layer, layer_of, register_layer
from fastnn.layers.names import *  # noqa: F403
from fastnn.operations import table

__all__ = [
    "LAYERS",
    "Container",
    "Graph",
    "Layer",
    "Operation",
    "Parameter",
    "Shape",
    "counted",
    "describe_layer",
    "layer_of",
    "operations_of",
    "readers_of",
    "register_layer",
    "vocabulary_of",
    "wanted_gradients",
]
__all__ += table.LAYERS
