"""What a network says of itself: its cost, a table of its layers, and its architecture as JSON can keep it."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.cost import StepCost, step_cost
from fastnn.edge.checks import as_count
from fastnn.layers import Container, Layer, Operation, counted, describe_layer
from fastnn.learning.losses import Loss, describe_loss
from fastnn.networks.summary import layer_row, operation_row, summary_table


class Described:
    """The part of a Network that computes nothing."""

    layers: tuple[Layer | Container, ...]
    operations: tuple[Operation, ...]
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def inputs(self) -> int:
        raise NotImplementedError

    @property
    def parameter_count(self) -> int:
        raise NotImplementedError

    @property
    def loss_function(self) -> Loss:
        raise NotImplementedError

    def cost(self, batch: int = 1, optimizer: str = "sgd") -> StepCost:
        """Exact counts of one training step on a batch: forward, loss, backward, update."""
        as_count(batch, "batch")
        graph = counted(self.operations)
        return step_cost(graph, self.loss_function.cost, optimizer, batch, self.dtype.itemsize)

    def summary(self) -> str:
        """A table of the layers: output shape, parameters, FLOPs of the forward pass of one row."""
        rows = [operation_row(operation, self.dtype.itemsize) for operation in self.operations]
        step = self.cost(1)
        total = layer_row("total", self.input_shape, self.output_shape, self.parameter_count, step.forward.flops)
        note = (
            f"{self.dtype.name}, {self.loss_function.name}; a training step on one row: {step.total.flops:,} FLOPs "
            f"({step.total.macs:,} multiply-adds), with sgd"
        )
        return summary_table(rows, total, note)

    def _inputs(self) -> int | list[int]:
        """As the constructor takes them."""
        return self.inputs if len(self.input_shape) == 1 else list(self.input_shape)

    def __repr__(self) -> str:
        layers = ", ".join(repr(layer) for layer in self.layers)
        return f"Network({self._inputs()}, [{layers}], loss={self.loss_function!r}, dtype={self.dtype.name!r})"

    __str__ = summary

    def description(self) -> dict[str, Any]:
        """The architecture as JSON can keep it."""
        return {
            "inputs": self._inputs(),
            "layers": [describe_layer(layer) for layer in self.layers],
            "loss": describe_loss(self.loss_function),
            "dtype": self.dtype.name,
        }
