"""What a network is made of. Each layer states its shapes, its parameters, its tape row and its cost."""

from importlib import import_module
from typing import TYPE_CHECKING

from fastnn import operations
from fastnn.layers.description import LAYERS, describe_layer, layer_of, register_layer
from fastnn.layers.graph import Container, Graph, Operation, counted, operations_of, readers_of, wanted_gradients
from fastnn.layers.protocol import Layer, Parameter, Shape

if TYPE_CHECKING:
    from fastnn.operations import *  # noqa: F403

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
    "wanted_gradients",
]
__all__ += operations.LAYERS
globals().update({name: getattr(import_module(module), name) for name, module in operations.LAYERS.items()})
