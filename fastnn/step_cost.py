"""The cost of one training step of a network: its passes, its loss, its update."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fastnn import cost
from fastnn.cost import StepCost
from fastnn.layers import Operation, pass_costs, wanted_gradients
from fastnn.losses import Loss


def step_cost(operations: Sequence[Operation], loss: Loss, optimizer: str, batch: int, itemsize: int) -> StepCost:
    """Exact counts; see fastnn.cost."""
    forward, backward = pass_costs(operations, batch, itemsize)
    shape = operations[-1].shape
    of_loss = cost.LOSSES[loss.name](batch * math.prod(shape[:-1]), shape[-1], itemsize)
    parameters = sum(operation.parameter_count for operation in operations)
    saved = cost.saved_bytes(parameters, _read_for_inputs(operations), itemsize)
    return StepCost(forward, of_loss, backward, cost.update(optimizer, parameters, itemsize), saved)


def _read_for_inputs(operations: Sequence[Operation]) -> int:
    """Weights that the gradient of an input is made with."""
    wanted = wanted_gradients(operations)
    return sum(
        math.prod(operation.parameters["weight"].shape)
        for operation in operations
        if "weight" in operation.parameters and any(wanted[source] for source in operation.sources)
    )
