"""Arrays of other libraries as NumPy's, without a copy where they let it: tensors, frames, whatever has DLPack.

The libraries are never imported: an object of theirs is there only where its library is.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# DLPack's numbers of memory that the CPU reads: its own, and what CUDA and ROCm have pinned.
HOST_DEVICES = (1, 3, 11)


def as_numpy(values: Any, name: str) -> Array:
    """TypeError, ValueError for what cannot be read as numbers here; for a frame the message names the column."""
    if isinstance(values, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array; fill or drop the masked entries first")
    for library, read in FRAMES.items():
        if library in sys.modules and isinstance(values, _frames(library)):
            return read(values, name)
    if not hasattr(values, "__dlpack__") or isinstance(values, np.ndarray):
        return np.asarray(values)
    return _of_tensor(values, name)


def _of_tensor(values: Any, name: str) -> Array:
    try:
        _require_host(values, name)
        return np.asarray(values) if hasattr(values, "__array__") else np.from_dlpack(values)
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        kind = f"{type(values).__module__.partition('.')[0]} {type(values).__name__}"
        raise TypeError(f"{name} is a {kind} that gives no array: {error}") from error


def _require_host(values: Any, name: str) -> None:
    device = getattr(values, "__dlpack_device__", lambda: (1, 0))()
    if device[0] not in HOST_DEVICES:
        raise ValueError(f"it lies on another device; copy it to the CPU first, as {name}.cpu() does in torch")


# Frames ---------------------------------------------------------------------------------------------------------------


def _frames(library: str) -> tuple[type, ...]:
    module = sys.modules[library]
    return tuple(getattr(module, name) for name in ("DataFrame", "Series", "LazyFrame") if hasattr(module, name))


def _of_pandas(values: Any, name: str) -> Array:
    """A frame (N, columns) or a series (N,); NaN in NumPy's columns is a number, pandas' own NA is none."""
    columns = [(values.name, values)] if values.ndim == 1 else list(values.items())
    for column, series in columns:
        numeric = getattr(series.dtype, "kind", "O") in "fiub"
        _require_column(name, column, series.dtype, numeric)
        if not isinstance(series.dtype, np.dtype):
            _require_no_missing(name, column, int(series.isna().sum()))
    dtypes = [_numpy_dtype(series.dtype) for _, series in columns]
    return values.to_numpy(dtype=np.result_type(*dtypes)) if dtypes else np.empty(values.shape)


def _numpy_dtype(dtype: Any) -> Any:
    """That of the values: pandas' own dtypes name it, masked and Arrow ones in one way, sparse ones in another."""
    return getattr(dtype, "numpy_dtype", getattr(dtype, "subtype", dtype))


def _of_polars(values: Any, name: str) -> Array:
    """A frame (N, columns) or a series (N,), without nulls."""
    if not hasattr(values, "to_numpy"):
        raise TypeError(f"{name} is a polars LazyFrame; expected a frame, as collect() gives")
    for series in values.get_columns() if hasattr(values, "get_columns") else [values]:
        numeric = series.dtype.is_integer() or series.dtype.is_float() or str(series.dtype) == "Boolean"
        _require_column(name, series.name, series.dtype, numeric)
        _require_no_missing(name, series.name, series.null_count())
    return values.to_numpy()  # type: ignore[no-any-return]


FRAMES = {"pandas": _of_pandas, "polars": _of_polars}


def _require_column(name: str, column: Any, dtype: Any, numeric: bool) -> None:
    if not numeric:
        raise TypeError(f"column {column!r} of {name} has dtype {dtype}; expected real numbers: encode or drop it")


def _require_no_missing(name: str, column: Any, missing: int) -> None:
    if missing:
        raise ValueError(f"column {column!r} of {name} has {missing} missing; expected none: fill or drop them")
