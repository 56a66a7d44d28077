"""The tape: a network as a small int64 array, and the nopython walker over it.

Row 0 is the header, then one row an operation and some of the tape's own beside them, which add gradients where several
read a value or have a parameter, then rows of constants (class weights, tables of operations, the parameter blocks). A
row names where its inputs, outputs and parameters lie, so a tape is a graph. One set of compiled kernels walks any
tape: a new architecture compiles nothing. Offsets count elements of the flat vectors; INPUT = -1 is the caller's x,
DINPUT = -1 says that nobody wants the gradient of the input. Real constants are kept as the bits of their float64.

    params, grads   one block a weight or bias, each beginning on 64 bytes, zeros between
    workspace       values and gradients for up to CAPACITY rows, or for up to a span of them (fastnn.tape.spans), each
                    for as long as it is used, and scratch for the products
"""

from fastnn.tape.chunks import goes_in_chunks
from fastnn.tape.decoding import decode, generate, next_logits
from fastnn.tape.objective import count_hits, loss, loss_divisor, mean_weight, rows_in_penalty, targets_in_range
from fastnn.tape.passes import (
    backward,
    backward_and_update,
    backward_with,
    forward,
    forward_and_loss,
    forward_with,
    goes_by_spans,
    gradient_by_spans,
    infer,
    loss_and_gradient,
    loss_and_gradient_with,
    no_order,
    output,
)
from fastnn.tape.spans import add_spans, finish_spans, gather

__all__ = [
    "add_spans",
    "backward",
    "backward_and_update",
    "backward_with",
    "count_hits",
    "decode",
    "finish_spans",
    "forward",
    "forward_and_loss",
    "forward_with",
    "gather",
    "generate",
    "goes_by_spans",
    "goes_in_chunks",
    "gradient_by_spans",
    "infer",
    "loss",
    "loss_and_gradient",
    "loss_and_gradient_with",
    "loss_divisor",
    "mean_weight",
    "next_logits",
    "no_order",
    "output",
    "rows_in_penalty",
    "targets_in_range",
]
