"""What it costs to generate a whole sequence, token by token."""

from __future__ import annotations

import numpy as np

from fastnn.cost import Cost
from fastnn.generation.decoder import Decodable, operations_of_one, stepping


def generation_cost(network: Decodable) -> Cost:
    """Of one sequence of as many tokens as the network has positions, with keys and values kept.

    The multiply-adds of a whole forward pass of one row; of bytes the parameters once a token. ValueError as of
    fastnn.Decoder.
    """
    positions, *around = network.input_shape
    itemsize, total = np.dtype(network.dtype).itemsize, Cost()
    for operation in stepping(operations_of_one(network.layers, around), positions):
        layer = operation.layer
        if hasattr(layer, "steps_cost"):
            total += layer.steps_cost(itemsize)
        else:
            total += operation.forward_cost(1, itemsize) * positions
    return total
