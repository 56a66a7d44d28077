"""What the device reaches at most: multiply-adds in registers, and copies of its memory."""

from __future__ import annotations

import time
from typing import Any

import numba
import numpy as np
from numpy.typing import DTypeLike

from fastnn.cuda.functions import fma
from fastnn.cuda.geometry import GEOMETRY as G
from fastnn.cuda.target import SIMULATED, cuda, description, kernel, launcher, require_device
from fastnn.edge.checks import as_dtype
from fastnn.simd.machine import Ceilings, Level, call_overhead, timer_overhead

# Chains of multiply-adds that each thread keeps, so that none waits for its own last one; rounds of a launch.
CHAINS, ROUNDS = 8, 2 if SIMULATED else 4096
# Blocks of a launch for a multiprocessor.
BLOCKS_EACH = 1 if SIMULATED else 8
COPY_BYTES = 64 if SIMULATED else 2**28
LEAST_RUNS = 3


def _make_fma(number: Any) -> Any:
    @kernel
    def multiply_add(out, factor):  # type: ignore[no-untyped-def]
        sums = cuda.local.array(CHAINS, number)
        for c in range(CHAINS):
            sums[c] = number(c)
        for _ in range(ROUNDS):
            for c in range(CHAINS):
                sums[c] = fma(sums[c], factor, factor)
        total = number(0)
        for c in range(CHAINS):
            total += sums[c]
        out[cuda.grid(1)] = total

    return multiply_add


@kernel
def copy(target, source):  # type: ignore[no-untyped-def]
    for j in range(cuda.grid(1), source.size, cuda.gridsize(1)):
        target[j] = source[j]


def measure(dtype: DTypeLike = "float32", seconds: float = 1.0) -> Ceilings:
    """The ceilings, in about that many seconds; threads is 1, which launches. DeviceUnavailable without a GPU."""
    require_device()
    number = as_dtype(dtype)
    blocks = BLOCKS_EACH * description()["multiprocessors"]
    out = cuda.to_device(np.zeros(blocks * G.threads, number))
    multiply_add = _make_fma(numba.float32 if number.itemsize == 4 else numba.float64)
    work = 2.0 * CHAINS * ROUNDS * blocks * G.threads
    peak = work / _best(lambda: launcher(multiply_add, blocks, G.threads)(out, number.type(0.5)), seconds / 2)
    source = cuda.to_device(np.ones(COPY_BYTES // number.itemsize, number))
    target = cuda.device_array_like(source)
    copying = _best(lambda: launcher(copy, blocks, G.threads)(target, source), seconds / 2)
    level = Level("device", float("inf"), COPY_BYTES, {"copy": 2.0 * COPY_BYTES / copying})
    return Ceilings(1, number.name, peak, timer_overhead(), call_overhead(), (level,))


def _best(launch: Any, seconds: float) -> float:
    """Seconds of the fastest launch, on the device's own clock."""
    launch()
    cuda.synchronize()
    end, runs, best = time.perf_counter() + seconds, 0, float("inf")
    while runs < LEAST_RUNS or time.perf_counter() < end:
        best = min(best, device_seconds(launch))
        runs += 1
    return best


def device_seconds(launch: Any) -> float:
    """Seconds between two events around what `launch` starts; the simulator has the host's clock."""
    if SIMULATED:
        begin = time.perf_counter()
        launch()
        return time.perf_counter() - begin
    before, after = cuda.event(), cuda.event()
    before.record()
    launch()
    after.record()
    after.synchronize()
    return float(cuda.event_elapsed_time(before, after)) / 1e3
