"""From a graph of operations to a tape: where each parameter, value and gradient lies."""

from fastnn.lowering.lower import (
    CHUNK_ROWS,
    CHUNKED_WORK,
    KEPT_BYTES,
    Plan,
    lower,
)
from fastnn.lowering.parameters import Block, ParameterLayout, layout_parameters, take_rates
from fastnn.lowering.spanning import SPAN_ROWS, WORK_OF_VALUE, is_joint, is_local, span_of, work_of

__all__ = [
    "CHUNKED_WORK",
    "CHUNK_ROWS",
    "KEPT_BYTES",
    "SPAN_ROWS",
    "WORK_OF_VALUE",
    "Block",
    "ParameterLayout",
    "Plan",
    "is_joint",
    "is_local",
    "layout_parameters",
    "lower",
    "span_of",
    "take_rates",
    "work_of",
]
