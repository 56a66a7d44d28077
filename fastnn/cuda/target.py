"""The one place that names numba's CUDA target, and says what is missing where it cannot be had.

The target is the package numba-cuda (the extra `cuda`), whose simulator also comes with numba itself: with
NUMBA_ENABLE_CUDASIM=1 in the environment kernels run as Python threads, on any machine and slowly.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from functools import lru_cache
from threading import Lock
from typing import Any

import numba
import numpy as np
from numba import cuda as numba_cuda
from numpy.typing import NDArray

SIMULATED = bool(getattr(numba.config, "ENABLE_CUDASIM", False))


def _unwritten(shape: int, dtype: Any) -> NDArray[Any]:
    """NaN to whoever reads before he writes."""
    dtype = np.dtype(str(dtype))
    return np.full(shape * dtype.itemsize, 0xFF, np.uint8).view(dtype)


class _LocalArrays:
    """Arrays of a simulated thread."""

    array = staticmethod(_unwritten)


class _SharedArrays:
    """Shared arrays of a simulated block, each known by the line that makes it: whoever asks first does, and the others
    find it. By itself the simulator looks, makes and keeps in three steps, between which threads may change."""

    def __init__(self, simulators: Any) -> None:
        self._simulators = simulators
        self._arrays: dict[tuple[str, int], Any] = {}
        self._lock = Lock()
        simulators._dynshared.fill(-1)  # as _unwritten

    def array(self, shape: Any, dtype: Any, alignment: int | None = None) -> Any:
        if shape == 0:
            return self._simulators.array(0, dtype)
        caller = sys._getframe(1)
        with self._lock:
            key = (caller.f_code.co_filename, caller.f_lineno)
            if key not in self._arrays:
                self._arrays[key] = _unwritten(shape, dtype)
            return self._arrays[key]


class _Simulated:
    """numba.cuda, and within a kernel what the simulator puts in its place.

    By itself the simulator exchanges the name in the globals of each function while it runs, which goes wrong where
    threads leave a function of another module at different times.
    """

    _lock = Lock()

    def __getattr__(self, name: str) -> Any:
        from numba.cuda.simulator import kernel

        found = getattr(numba_cuda if kernel._kernel_context is None else kernel._kernel_context, name)
        if name == "local":
            return _LocalArrays
        if name == "shared":
            with self._lock:
                if not hasattr(found, "ours"):
                    found.ours = _SharedArrays(found)
            return found.ours
        return found


cuda: Any = _Simulated() if SIMULATED else numba_cuda
# What an index is made before an array is read at it: a signed one may be negative, and counts from the end then, which
# took half of the instructions of the inner loop of a product.
place: Any = int if SIMULATED else numba.uint64


class DeviceUnavailable(RuntimeError):
    """There is no GPU to run on; says what is missing."""


def kernel(function: Any) -> Any:
    """A kernel, compiled on its first launch. Sums keep their order: no fast-math."""
    return cuda.jit(function)


def kernel_of(registers: int) -> Any:
    """As kernel, with at most so many registers a thread."""
    return cuda.jit if SIMULATED else cuda.jit(max_registers=registers)


def device(function: Any) -> Any:
    """A function that kernels call."""
    return function if SIMULATED else cuda.jit(device=True)(function)


class Recorder:
    """What the simulator has for a graph: launches with this as their stream are kept, and made by what `end` gives."""

    def __init__(self) -> None:
        self._launches: list[tuple[Any, ...]] = []

    @property
    def stream(self) -> Recorder:
        return self

    def launcher(self, *configuration: Any) -> Any:
        return lambda *arguments: self._launches.append((configuration, arguments))

    def end(self) -> Callable[[], None]:
        return self._launch

    def _launch(self) -> None:
        for (kernel, grid, block, shared_bytes), arguments in self._launches:
            _configure(kernel, grid, block, shared_bytes, 0)(*arguments)


def launcher(kernel: Any, grid: Any, block: Any, shared_bytes: int = 0, stream: Any = 0) -> Any:
    """The kernel for blocks and threads, to be called with its arguments."""
    if isinstance(stream, Recorder):
        return stream.launcher(kernel, grid, block, shared_bytes)
    # The simulator keeps the sizes in the kernel itself; and a stream that records comes once.
    return (_configure if SIMULATED or stream else _kept_launcher)(kernel, grid, block, shared_bytes, stream)


def _configure(kernel: Any, grid: Any, block: Any, shared_bytes: int, stream: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numba finds the grids of small networks small
        return kernel[grid, block, stream, shared_bytes]


_kept_launcher = lru_cache(maxsize=1024)(_configure)


def is_on_device(array: Any) -> bool:
    """Whether an array lies on the device."""
    return bool(numba_cuda.cudadrv.devicearray.is_cuda_ndarray(array))


def require_device() -> None:
    """DeviceUnavailable without a GPU, its driver and numba-cuda."""
    if SIMULATED:
        return
    try:
        found = cuda.is_available()
        reason = (
            "no NVIDIA GPU with a working driver, or no NVVM of the CUDA toolkit, which CUDA_HOME may name, was found"
        )
    except Exception as error:  # the target's packages may be half installed
        found, reason = False, str(error).strip().splitlines()[0]
    if not found:
        raise DeviceUnavailable(
            f"device 'cuda' cannot be used: {reason}. It takes an NVIDIA GPU and pip install 'fastnn[cuda]'; "
            "device='cpu' runs everywhere"
        )


@lru_cache(maxsize=1)
def description() -> dict[str, Any]:
    """Name, compute capability and multiprocessors of the device."""
    if SIMULATED:
        return {"name": "simulator", "compute_capability": None, "multiprocessors": 2}
    found = cuda.get_current_device()
    name = found.name.decode() if isinstance(found.name, bytes) else str(found.name)
    return {
        "name": name,
        "compute_capability": ".".join(map(str, found.compute_capability)),
        "multiprocessors": int(found.MULTIPROCESSOR_COUNT),
    }
