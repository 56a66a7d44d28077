"""What happens between a network's layers, which its output does not show."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike, NDArray

from fastnn import tape
from fastnn.networks.models import mlp
from fastnn.networks.network import Network
from fastnn.tape.columns import OUTPUT


def first_layer(network: Network, activation: str) -> Network:
    """The first layer alone, with that activation; identity gives its sums."""
    units = network.operations[0].outputs
    found = mlp(network.inputs, units, output_activation=activation, loss="mse", initializer="zeros")
    for name, view in found.named_parameters.items():
        view[...] = network.named_parameters[name]
    return found


def values(network: Network, x: ArrayLike) -> dict[str, NDArray[Any]]:
    """What each operation makes of x (B, *input_shape), by its name: (B, *shape)."""
    rows = network.as_input(x)
    plan = network.plan(len(rows), gradients=False, keep=True)
    workspace = plan.workspace()
    tape.forward(plan.tape, network.parameters, rows, workspace)
    found = {}
    for row, operation in enumerate(network.operations, 1):
        at = int(plan.tape[row, OUTPUT])
        found[operation.name] = workspace[at : at + len(rows) * operation.outputs].reshape(-1, *operation.shape)
    return found
