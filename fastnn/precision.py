"""The precisions of a GPU's tensor cores, which multiply float32 matrices faster with numbers of fewer bits."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

# The unit of roundoff of what is multiplied.
ROUNDOFF = {"tf32": 2.0**-11, "bf16": 2.0**-8}


def require_precision(precision: str | None, device: str, dtype: DTypeLike) -> None:
    """ValueError for a precision that is none, or that networks on that device and of that dtype do not have."""
    if precision is None:
        return
    if precision not in ROUNDOFF:
        raise ValueError(f"precision is {precision!r}; expected one of {', '.join(ROUNDOFF)}, or None")
    if device != "cuda":
        raise ValueError(f"precision {precision!r} is of tensor cores; it takes device='cuda'")
    if np.dtype(dtype) != np.float32:
        raise ValueError(f"precision {precision!r} is of float32 networks; this one is {np.dtype(dtype).name}")
