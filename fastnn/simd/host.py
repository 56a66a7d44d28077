"""The processors that kernels are generated for: their vectors, the register tile that fits them, their caches.

Follows NUMBA_CPU_NAME and NUMBA_CPU_FEATURES, so another machine's kernels can be generated here.
"""

from __future__ import annotations

import platform

from fastnn.compiler.numba_private import features, processor
from fastnn.simd.caches import sane_caches
from fastnn.simd.config.avx2 import AVX2
from fastnn.simd.config.avx512 import AVX512
from fastnn.simd.config.avx512_intel import AVX512_INTEL
from fastnn.simd.config.baseline import BASELINE
from fastnn.simd.config.family import Family
from fastnn.simd.config.neon import NEON

# Intel's processors with AVX-512, by what their names begin with.
INTEL = (
    "skylake", "cascadelake", "cooperlake", "cannonlake", "icelake", "tigerlake", "rocketlake", "sapphirerapids",
    "emeraldrapids", "graniterapids", "diamondrapids",
)  # fmt: skip
FAMILIES = (AVX512, AVX512_INTEL, AVX2, NEON, BASELINE)


def family() -> Family:
    """That with the widest vectors with fused multiply-add that the compiler will be told of."""
    known = features()
    if "avx512f" in known:
        return AVX512_INTEL if processor().startswith(INTEL) else AVX512
    if {"avx2", "fma"} <= known:
        return AVX2
    return NEON if platform.machine() in ("arm64", "aarch64") else BASELINE


UNIT = family()
# Vectors of the widest tile, and its rows: those of x that lie together, term by term, where x is packed.
VECTORS = max(UNIT.tiles)
PANEL_ROWS = UNIT.tiles[VECTORS][0]


def _share(share: float, level: str) -> int:
    """Bytes; the system is asked only where that decides."""
    return int(share * sane_caches()[level]) if share else 0


# Terms that a stripe of y sums before the next begins, in whole turns of a tile's loop.
TERMS = UNIT.panel_terms or _share(UNIT.panel_share, "L1d") // (VECTORS * UNIT.bytes * 4) * 4
# Bytes of x that are packed at a time.
ROWS_BYTES = _share(UNIT.rows_share, "L2")
# Bytes of w above which more rows than a few let it pass by.
FAR_BYTES = _share(UNIT.far_share, "L2")
# Bytes of a convolution's w from which on a panel of it stays in L1 for many rows of places; see
# fastnn.kernels.convolution.panels.
WINDOWS_BYTES = _share(0.5, "L2")
