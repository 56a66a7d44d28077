"""Intel's processors with AVX-512. Measured on an Emerald Rapids (L1 48 kB, L2 2 MB, 2.6 GHz), its siblings busy.

Times of PyTorch's products (MKL) over ours, one thread, in turn, geometric means of 24 of 256 to 1,536 a side: 0.77
with what is best on AMD's, 0.88 with packed rows, 0.93 with panels of 256 terms, which L1 holds, 0.97 without asking
ahead, 0.99 with what stands here. TN 1024 squared, whose x was read a column at a time, all of it in one set of L1:
0.40 and 0.94.
"""

from __future__ import annotations

from fastnn.simd.config.avx512 import AVX512

AVX512_INTEL = AVX512._replace(
    asks=False,
    # Geometric means with 192, 256, 384: 0.97, 0.97 and 0.98.
    panel_terms=256,
    panel_rows=(24, 24),
    # With 0.12, 0.25 and 0.5: 0.99, 0.97 and 0.96.
    rows_share=0.12,
    packed_rows=32,
    packed_columns=200,
    packed_terms=16,
    # 32x1024x1024 0.99 for 0.92.
    wide_rows=64,
    wide_panels=4,
    # Milliseconds of a step with adam with AMD's settings, without these two lines, and with: 784-1024x3-10 at batch 32
    # 6.9, 5.8, 5.7, at 256 35.1, 35.6, 33.0; 784-512-512-10 at 256 6.5, 6.5, 6.2.
    tall_chunk=(96, 1024),
    tall_batch=8,
)
