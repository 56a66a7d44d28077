"""The precisions of a GPU's tensor cores, which multiply float32 matrices faster with numbers of fewer bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

# Of the 24 significant bits of a float32, those that are rounded off.
DROPPED = {"tf32": 13, "bf16": 16}
# The unit of roundoff of what is multiplied: 2^-11 and 2^-8.
ROUNDOFF = {name: 2.0 ** (bits - 24) for name, bits in DROPPED.items()}


def require_precision(precision: str | None, device: str, dtype: DTypeLike) -> None:
    """ValueError for a precision that is none, or that networks on that device and of that dtype do not have."""
    if precision is None:
        return
    if not isinstance(precision, str) or precision not in ROUNDOFF:
        raise ValueError(f"precision is {precision!r}; expected one of {', '.join(ROUNDOFF)}, or None")
    if device != "cuda":
        raise ValueError(f"precision {precision!r} is of tensor cores; it takes device='cuda'")
    if np.dtype(dtype) != np.float32:
        raise ValueError(f"precision {precision!r} is of float32 networks; this one is {np.dtype(dtype).name}")


def rounded(values: ArrayLike, precision: str) -> NDArray[np.float32]:
    """float32 numbers as tensor cores see them: to the nearest; from the middle tf32 goes away from 0, bf16 to the even
    one, as the instructions cvt.rna.tf32 and cvt.rn.bf16x2 do (PTX ISA). Infinities and NaN stay."""
    numbers = np.asarray(values, np.float32)
    bits, dropped = numbers.view(np.uint32), DROPPED[precision]
    half, last = np.uint32(1 << (dropped - 1)), (bits >> np.uint32(dropped)) & np.uint32(1)
    # Without the last step a middle goes up, away from 0.
    up = half if precision == "tf32" else half - np.uint32(1) + last
    found: NDArray[Any] = (bits + up) >> np.uint32(dropped) << np.uint32(dropped)
    return np.where(np.isfinite(numbers), found.view(np.float32), numbers)
