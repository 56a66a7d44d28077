"""Checks at the edge of Python, before any kernel runs. An error says what was expected, what came, what to do."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.edge.arrays import as_numpy

Array = NDArray[Any]

# Bytes that no machine is asked about before they are taken.
ALWAYS_FREE = 16 * 2**20

FLOAT32: np.dtype[Any] = np.dtype(np.float32)
FLOAT64: np.dtype[Any] = np.dtype(np.float64)
DTYPES = {"float32": FLOAT32, "float64": FLOAT64}
# Of a cache: workspaces, and each of the blocks in them, begin on one.
LINE_BYTES = 64


def as_dtype(dtype: object) -> np.dtype[Any]:
    """float32 or float64, by name or dtype."""
    try:
        # NumPy takes None for float64.
        name = "None" if dtype is None else np.dtype(dtype).name  # type: ignore[call-overload]
    except TypeError:
        name = str(dtype)
    if name not in DTYPES:
        raise ValueError(f"dtype is {name}; expected float32 or float64")
    return DTYPES[name]


def as_choice(value: object, choices: tuple[str, ...], name: str) -> str:
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} is {value!r}; expected one of {', '.join(choices)}")
    return value


def as_count(value: object, name: str, least: int = 1) -> int:
    """A whole number of at least `least`; bool is not one."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} is {value!r}; expected a whole number")
    if value < least:
        raise ValueError(f"{name} is {value}; expected at least {least}")
    return int(value)


def as_int64(value: object, name: str) -> int:
    """A whole number of either sign, such as a label that is no class."""
    limits = np.iinfo(np.int64)
    if as_count(value, name, least=int(limits.min)) > limits.max:
        raise ValueError(f"{name} is {value}; expected at most {limits.max}")
    return int(value)  # type: ignore[call-overload, no-any-return]


def as_number(value: object, name: str, low: float = -np.inf, high: float = np.inf) -> float:
    """A finite real number in low..high."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} is {value!r}; expected a number")
    if not (np.isfinite(value) and low <= value <= high):
        raise ValueError(f"{name} is {value}; expected a finite number in [{low:g}, {high:g}]")
    return float(value)


def as_epsilon(value: object) -> float:
    """What a norm adds to a variance: above 0."""
    epsilon = as_number(value, "epsilon", 0.0)
    if epsilon == 0:
        raise ValueError("epsilon is 0; expected more, which a row of equal numbers is divided by")
    return epsilon


def as_numeric(values: ArrayLike, name: str) -> Array:
    """An array of real numbers of any layout: NumPy's, or a view of another library's where that gives one."""
    array = values if type(values) is np.ndarray else as_numpy(values, name)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} has dtype {array.dtype}; expected real numbers")
    return array


def as_contiguous(array: Array, dtype: np.dtype[Any]) -> Array:
    """C-contiguous, aligned, of that dtype: the array itself or a view where it is so, else a copy.

    For kernels to read. They are compiled for arrays that may be written, so an array that may not, such as one of jax,
    pandas or a file mapped read-only, is given as a view that says otherwise.
    """
    array = np.require(array, dtype, ["C", "A"])
    return array if array.flags.writeable else np.asarray(_Unlocked(array))


class _Unlocked:
    """Memory that may not be written, described as if it might. Whoever takes it keeps the array alive."""

    def __init__(self, array: Array) -> None:
        self._array = array
        self.__array_interface__ = array.__array_interface__ | {"data": (array.ctypes.data, False)}


def as_shape(value: object, name: str) -> tuple[int, ...]:
    """A whole number, or several, each at least 1, as a tuple."""
    sizes = value if isinstance(value, (tuple, list)) else (value,)
    if not sizes:
        raise ValueError(f"{name} is {value!r}; expected at least one axis")
    return tuple(as_count(size, name) for size in sizes)


def as_rows(values: ArrayLike, shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> Array:
    """(N, numbers a row) as kernels read it, see as_contiguous; it comes as (N, *shape), or so already."""
    array, width = as_numeric(values, name), math.prod(shape)
    if array.shape[1:] not in (shape, (width,)) or array.ndim < 2:
        hint = f"; for one row pass {name}[None, :]" if array.shape == shape else ""
        raise ValueError(f"{name} has shape {array.shape}; expected (N, {', '.join(map(str, shape))}){hint}")
    kept = as_contiguous(array, dtype)
    return kept if kept.ndim == 2 else kept.reshape(len(array), width)


def as_ids(values: ArrayLike, shape: tuple[int, ...], dtype: np.dtype[Any], vocabulary: int, name: str) -> Array:
    """Rows of the network's dtype that are whole numbers from 0 to below `vocabulary`. ValueError, TypeError."""
    ids = as_rows(values, shape, dtype, name)
    if ids.size and not (ids.min() >= 0 and ids.max() < vocabulary and (ids == np.floor(ids)).all()):
        place = np.argwhere(~((ids >= 0) & (ids < vocabulary) & (ids == np.floor(ids))))[0]
        raise ValueError(
            f"{name}[{', '.join(map(str, place))}] is {ids[tuple(place)]:g}; expected ids of a vocabulary of "
            f"{vocabulary:,}, whole numbers from 0 to {vocabulary - 1:,}"
        )
    return ids


def as_labels(
    values: ArrayLike, shape: tuple[int, ...], classes: int, ignore_index: int, name: str
) -> NDArray[np.int64]:  # fmt: skip
    """int64 of this shape, each in 0..classes-1 or ignore_index."""
    array = as_numeric(values, name)
    if array.dtype.kind not in "iub":
        raise TypeError(f"{name} has dtype {array.dtype}; expected whole-number class labels")
    if array.shape != shape:
        of_what = "row of x" if len(shape) == 1 else "position"
        raise ValueError(f"{name} has shape {array.shape}; expected {shape}, one label a {of_what}")
    # Before the conversion, which would wrap a large unsigned label into the ignored one.
    wrong = np.argwhere(((array < 0) | (array >= classes)) & (array != ignore_index))
    if wrong.size:
        at = tuple(map(int, wrong[0]))
        raise ValueError(
            f"{name}[{', '.join(map(str, at))}] is {array[at]}; expected 0..{classes - 1}"
            f"{'' if ignore_index in range(classes) else f' or {ignore_index} (ignored)'}"
        )
    return as_contiguous(array, np.dtype(np.int64))


def require_memory(
    elements: int,
    dtype: np.dtype[Any],
    what: str,
    remedy: str = "make the network or the batch smaller, or use float32",
) -> None:
    """ValueError before an allocation that this machine cannot hold."""
    needed = elements * dtype.itemsize
    if needed < ALWAYS_FREE:
        return
    import psutil  # 9 ms to import, which small networks need not pay

    available = psutil.virtual_memory().available
    if needed > available:
        raise ValueError(
            f"{what} needs {needed / 2**30:,.1f} GiB and {available / 2**30:,.1f} GiB of memory are free; {remedy}"
        )


def aligned_zeros(size: int, dtype: np.dtype[Any]) -> Array:
    """Zeros whose first element begins a line."""
    itemsize = dtype.itemsize
    raw = np.zeros(size + LINE_BYTES // itemsize, dtype)
    offset = (-raw.ctypes.data % LINE_BYTES) // itemsize
    return raw[offset : offset + size]


def dtype_of(*arrays: NDArray[Any]) -> np.dtype[Any]:
    """float64 where an array is, in either byte order, else float32."""
    return FLOAT64 if any(array.dtype.str[1:] == "f8" for array in arrays) else FLOAT32


def in_lines(elements: int, itemsize: int) -> int:
    """Elements of the cache lines that so many take."""
    unit = LINE_BYTES // itemsize
    return -(-elements // unit) * unit
