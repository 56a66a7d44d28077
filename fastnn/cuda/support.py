"""What networks may hold on a GPU; asked before anything of CUDA is loaded."""

from __future__ import annotations

from collections.abc import Sequence

from fastnn.layers import Operation
from fastnn.tape.columns import DENSE, ELEMENTWISE

KINDS = (DENSE, ELEMENTWISE)


def require_supported(operations: Sequence[Operation]) -> None:
    """ValueError for a network with a layer that has no kernels there."""
    for operation in operations:
        if operation.layer.kind not in KINDS:
            raise ValueError(
                f"layer {operation.name} is {operation.owner}, and device='cuda' runs Dense and Activation alone; "
                "leave it out, or use device='cpu'"
            )
