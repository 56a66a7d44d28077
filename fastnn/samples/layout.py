"""Which axis of an array is which: images or sequences, channels first or last."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.samples.form import IMAGES, SEQUENCES
from fastnn.tables.errors import DataError

# By their letters: N rows, H down, W across, C channels; T positions, F features.
NHW, NHWC, NCHW, NTF = LAYOUTS = ("NHW", "NHWC", "NCHW", "NTF")
# How many channels images have whose axes nobody names.
CHANNELS = (1, 3, 4)


def kind_of(axes: str) -> str:
    return SEQUENCES if axes == NTF else IMAGES


def axes_of(x: NDArray[Any], kind: str | None, title: str) -> str:
    """Those of x, where nobody names them. kind: what the network takes, where that is known.

    Of four axes the one of channels has 1, 3 or 4; three are images where they are whole numbers. DataError: both may
    be.
    """
    if x.ndim == 4:
        last, first = x.shape[3] in CHANNELS, x.shape[1] in CHANNELS
        if last != first:
            return NHWC if last else NCHW
        told = f"channels may be the second or the last (axes {NHWC} or {NCHW})"
    elif x.ndim == 3 and kind is not None:
        return NTF if kind == SEQUENCES else NHW
    elif x.ndim == 3 and x.dtype.kind in "iub":
        return NHW
    elif x.ndim == 3:
        told = f"it may hold grey images or sequences (axes {NHW} or {NTF}), or rows of numbers (model mlp)"
    else:
        told = "expected images (N, H, W), (N, H, W, C) or (N, C, H, W), or sequences (N, T, F)"
    raise DataError(f"{title}: x has shape {x.shape}; {told}")


def arranged(x: NDArray[Any], axes: str, title: str) -> NDArray[Any]:
    """x as (N, H, W, C) or (N, T, F), a view where it can be. DataError: another number of axes."""
    if x.ndim != len(axes):
        raise DataError(f"{title}: x has shape {x.shape}; expected {len(axes)} axes, ({', '.join(axes)})")
    if axes == NHW:
        return x[..., None]
    return np.moveaxis(x, 1, 3) if axes == NCHW else x
