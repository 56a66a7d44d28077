"""x86-64 with AVX-512: 32 registers of 64 bytes, and registers for masks. Measured on Zen 4 and Zen 5."""

from __future__ import annotations

from fastnn.simd.config.family import MANY, Family

AVX512 = Family(
    "avx512",
    64,
    # On Zen 4, one thread, GFLOP/s at 32x512x512 and 784x128x32: 8 rows 110 and 109, 4 rows 103 and 110, 6 rows (which
    # leaves 2 of 32 over) 88 and 111, 9 rows (31 registers) 46 and 62.
    tiles=MANY,
    masks=True,
    # Without: 32x2048x2048 94 GFLOP/s for 107, a step of 10 million parameters at batch 32 23.4 ms for 20.9.
    asks=True,
    # 512 x 48 floats of w are 98 kB of L2. GFLOP/s on Zen 5 (of 290) with 256, 512, 1024: 243, 262, 204 at
    # 32x1024x1024, 251, 266, 209 at 256x1024x1024, 245, 265, 195 at 256x2048x2048.
    panel_terms=512,
    # GFLOP/s direct and by panels on Zen 5: 254 and 268 at 255 squared, 227 and 239 at 129 squared, in float64 118 and
    # 130, 117 and 125; of rows that begin lines, 279 and 263 at 128x512x512, 267 and 275 at 256 squared.
    panel_rows=(128, 256),
    # Microseconds of a step of 784-1024x3-10 at batch 1, 32, 256 with 8x480: 839, 5897, 39758; 24x480: 786, 5657,
    # 39570; 48x480: 809, 6305, 38815; 48x192: 849, 6152, 38809.
    chunk=(24, 480),
)
