"""What a network's hidden units say, which its output does not show."""

from __future__ import annotations

from fastnn.networks.models import mlp
from fastnn.networks.network import Network


def first_layer(network: Network, activation: str) -> Network:
    """The first layer alone, with that activation; identity gives its sums."""
    units = network.operations[0].outputs
    found = mlp(network.inputs, units, output_activation=activation, loss="mse", initializer="zeros")
    for name, view in found.named_parameters.items():
        view[...] = network.named_parameters[name]
    return found
