"""How many rows of a batch are a span, whose gradient is summed as one, and whether threads take spans.

Bits depend on the span: nothing here asks the machine.
"""

from __future__ import annotations

from collections.abc import Sequence

from fastnn.graph.protocol import IMAGES
from fastnn.layers import Operation

# Rows whose gradient is summed as one, and how many such sums of a small network threads make before they are added.
SPAN_ROWS, SPANS_AT_ONCE = 1_024, 32
# What a value costs beside its multiply-adds, in multiply-adds: a row of 3-4-2 takes as long as 60 of them.
WORK_OF_VALUE = 8
# Of a network that is local: values that a span has, so that L2 holds them and their gradients; multiply-adds of a span
# for each parameter, whose partial gradients are added up; the most parameters, and partial gradients for each thread.
# A step on one thread at batch 128, ms, with spans of 4, 8, 16, 32 and 128 rows: LeNet-5, of 14,800 values, 4.5, 4.4,
# 3.9, 3.8, 4.2; Keras' convnet, of 67,000, 13.6, 14.0, 15.8, 16.2, 19.0.
LOCAL_VALUES, LOCAL_WORK, LOCAL_PARAMETERS, LOCAL_SPANS = 300_000, 256, 1 << 20, 4
# Of one without images the rows of a span are as many as a tile has. A GRU of 128 units and 112 positions at batch 32,
# with spans of 4, 8, 9 (1,024 terms), 16 and 32 rows: 21.9, 21.2, 22.9, 21.5 and 24.8 ms on one thread, 9.9, 9.9, 11.4,
# 10.9 and 13.4 on two.
LOCAL_ROWS = 8
# At least, where a layer takes the rows of a span together: as many images as a device has of a batch that several
# share in Goyal et al. 2017, whose batch norms know of their own alone.
JOINT_ROWS = 32


def work_of(operations: Sequence[Operation]) -> int:
    """Multiply-adds of a row of the batch, forward, and WORK_OF_VALUE for each number that comes out."""
    return sum(operation.forward_cost(1, 4).macs + WORK_OF_VALUE * operation.outputs for operation in operations)


def _parameters(operations: Sequence[Operation]) -> int:
    return sum(operation.parameter_count for operation in operations)


def is_local(operations: Sequence[Operation]) -> bool:
    """Whether threads take spans, each its own, through the whole network: some layer works long on a row, and
    parameters are few, and each of one layer."""
    local = any(operation.layer.local for operation in operations)
    shared = any(operation.shares for operation in operations)
    return local and not shared and _parameters(operations) <= LOCAL_PARAMETERS


def is_joint(operations: Sequence[Operation]) -> bool:
    """Whether in training some layer takes the rows of a span together, and none where nothing is trained."""
    return any(operation.layer.joint for operation in operations)


def span_of(operations: Sequence[Operation]) -> int:
    """Rows of a span unless one is asked for: as many as have SPAN_ROWS positions, the terms of a parameter's gradient
    where a layer takes each position for itself; of a local network fewer. JOINT_ROWS at least where a layer is joint.
    """
    rows = max(1, SPAN_ROWS // max((each.positions for each in operations if each.parameters), default=1))
    if is_local(operations):
        rows = _local_rows(operations, rows)
    return max(rows, JOINT_ROWS) if is_joint(operations) else rows


def _local_rows(operations: Sequence[Operation], most: int) -> int:
    """LOCAL_ROWS, or of images at most as L2 holds, a power of two."""
    if all(operation.layer.axes != IMAGES for operation in operations):
        return LOCAL_ROWS
    fitting = LOCAL_VALUES // sum(operation.outputs for operation in operations)
    worthwhile = LOCAL_WORK * _parameters(operations) // work_of(operations)
    return min(most, 1 << max(fitting, worthwhile, 1).bit_length() - 1)
