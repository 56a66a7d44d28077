"""The network of a bench row: its layers, their costs, and its counts by phase, without a parameter of it.

A row carries `architecture`, what Network.description() gives, and `counts`. Files from before have layer sizes in
their place, of multilayer perceptrons with relu and cross-entropy; `architecture_of` alone knows that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastnn.cost import StepCost, step_cost
from fastnn.edge.checks import as_shape
from fastnn.layers import Dense, Operation, counted, describe_layer, layer_of, operations_of
from fastnn.learning.losses import CrossEntropy, describe_loss
from fastnn.networks.network import Network

# Phases of a training step, and what is counted of each.
STEP_PHASES = ("forward", "loss", "backward", "update")
COUNTS = ("macs", "flops", "transcendentals", "bytes")

Architecture = Mapping[str, Any]
Counts = Mapping[str, Mapping[str, int]]


def perceptron_layers(sizes: Sequence[int]) -> list[Dense]:
    """Of fastnn.mlp(*sizes): relu, and no activation of the last."""
    return [*(Dense(units, "relu") for units in sizes[1:-1]), Dense(sizes[-1])]


def architecture_of(row: Mapping[str, Any]) -> Architecture | None:
    """What the row carries, or in an older file what its sizes say; None where a layer is none that JSON can keep."""
    if "architecture" in row:
        return row["architecture"]  # type: ignore[no-any-return]
    layers = [describe_layer(layer) for layer in perceptron_layers(row["sizes"])]
    return {
        "inputs": row["sizes"][0], "layers": layers, "loss": describe_loss(CrossEntropy()), "dtype": row["dtype"],
    }  # fmt: skip


def described(network: Network) -> Architecture | None:
    """network.description(); None where a layer is none that JSON can keep, such as a user's own."""
    try:
        return network.description()
    except TypeError:
        return None


def operations_in(architecture: Architecture) -> Sequence[Operation]:
    """The operations of a network of this architecture."""
    return operations_of(
        [layer_of(layer) for layer in architecture["layers"]], as_shape(architecture["inputs"], "inputs")
    )


def counts_of(row: Mapping[str, Any]) -> Counts | None:
    """By phase, as the row carries them, or of its architecture; None where it has neither."""
    if "counts" in row:
        return row["counts"]  # type: ignore[no-any-return]
    architecture = architecture_of(row)
    if architecture is None:
        return None
    itemsize, loss = np.dtype(architecture["dtype"]).itemsize, architecture["loss"]["kind"]
    return counts(step_cost(counted(operations_in(architecture)), loss, row["optimizer"], row["batch"], itemsize))


def counts(step: StepCost) -> Counts:
    """Of each phase of a step, as a row carries them."""
    return {phase: {name: getattr(getattr(step, phase), name) for name in COUNTS} for phase in STEP_PHASES}
