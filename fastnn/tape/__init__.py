"""The tape: a network as a small int64 array, and the nopython walker over it.

Row 0 is the header, then one row an operation, then rows of constants (class weights). A row names where its inputs,
outputs and parameters lie, so a tape is a graph. One set of compiled kernels walks any tape: a new architecture
compiles nothing. Offsets count elements of the flat vectors; INPUT = -1 is the caller's x, DINPUT = -1 says that nobody
wants the gradient of the input. Real constants are kept as the bits of their float64.

    params, grads   one block a weight or bias, each beginning on 64 bytes, zeros between
    workspace       values and gradients of every operation for up to CAPACITY rows, then scratch for the products
"""

from fastnn.tape.objective import count_hits, loss, mean_weight, targets_in_range
from fastnn.tape.walk import (
    backward,
    backward_and_update,
    backward_with,
    forward,
    forward_and_loss,
    forward_with,
    goes_in_chunks,
    infer,
    loss_and_gradient,
    loss_and_gradient_with,
    output,
)

__all__ = [
    "backward",
    "backward_and_update",
    "backward_with",
    "count_hits",
    "forward",
    "forward_and_loss",
    "forward_with",
    "goes_in_chunks",
    "infer",
    "loss",
    "loss_and_gradient",
    "loss_and_gradient_with",
    "mean_weight",
    "output",
    "targets_in_range",
]
