"""What networks may hold on a GPU; asked before anything of CUDA is loaded."""

from __future__ import annotations

from collections.abc import Sequence

from fastnn.kernels.loss import NAMES
from fastnn.layers import Operation
from fastnn.learning.losses import Loss
from fastnn.tape.columns import DENSE, ELEMENTWISE

KINDS = (DENSE, ELEMENTWISE)


def require_supported(operations: Sequence[Operation], loss: Loss) -> None:
    """ValueError for a network with a layer, or a loss, that has no kernels there, or that is on rows of positions."""
    if loss.leaves_out_missing:
        raise ValueError(f"{loss.name} with ignore_missing has no kernels on device='cuda'; use device='cpu'")
    if loss.name not in NAMES:
        raise ValueError(f"{loss.name} has no kernels on device='cuda'; use device='cpu'")
    for operation in operations:
        if operation.layer.kind not in KINDS or operation.shares:
            raise ValueError(
                f"layer {operation.name} is {operation.owner}, and device='cuda' runs Dense and Activation alone; "
                "leave it out, or use device='cpu'"
            )
        if len(operation.shapes[0]) > 1:
            raise ValueError(
                f"layer {operation.name} takes {operation.shapes[0]}, and device='cuda' runs on features alone; use "
                "device='cpu'"
            )
