"""The vector unit that kernels are generated for: its width and the register tile that fits it.

Follows NUMBA_CPU_NAME and NUMBA_CPU_FEATURES, so another machine's kernels can be generated here.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import NamedTuple

import numba

from fastnn.compiler.numba_private import host_features


class VectorUnit(NamedTuple):
    """name; bytes of a vector; heights of the register tiles of a product, in rows, for each width in vectors; whether
    it has registers for masks."""

    name: str
    bytes: int
    tiles: Mapping[int, tuple[int, ...]]
    masks: bool = False


# rows x 3 accumulators + 3 vectors of w + one broadcast of x must fit the registers: 8 rows of 32, 4 of 16.
# Measured on Zen 4 with AVX-512, one thread, GFLOP/s at 32x512x512 and 784x128x32: 8 rows 110 and 109, 4 rows 103 and
# 110, 6 rows (which leaves 2 of 32 over) 88 and 111, 9 rows (31 registers) 46 and 62. The others follow by registers.
MANY = {3: (8, 4, 2, 1), 2: (12, 4, 2, 1), 1: (16, 8, 4, 3, 2, 1)}
FEW = {3: (4, 2, 1), 2: (6, 2, 1), 1: (8, 4, 2, 1)}
UNITS = {
    "avx512": VectorUnit("avx512", 64, MANY, masks=True),
    "avx2": VectorUnit("avx2", 32, FEW),
    "neon": VectorUnit("neon", 16, MANY),
    "baseline": VectorUnit("baseline", 16, FEW),
}


def _host_features() -> set[str]:
    told = getattr(numba.config, "CPU_FEATURES", None)
    if told is not None:
        return {f[1:] for f in told.split(",") if f.startswith("+")}
    return host_features()


def vector_unit() -> VectorUnit:
    """The widest unit with fused multiply-add that the compiler will be told of."""
    features = _host_features()
    if "avx512f" in features:
        return UNITS["avx512"]
    if {"avx2", "fma"} <= features:
        return UNITS["avx2"]
    return UNITS["neon" if platform.machine() in ("arm64", "aarch64") else "baseline"]


UNIT = vector_unit()
