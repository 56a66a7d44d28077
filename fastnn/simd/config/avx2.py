"""x86-64 with AVX2 and FMA: 16 registers of 32 bytes. Measured on Zen 3 (L1 32 kB, L2 512 kB), its siblings busy.

Products of 512 squared, NN, against NumPy in turn: 0.75 with nothing of what follows, 0.93 with panels that L1 holds
and packed rows, 0.97 with panels that begin lines, 1.0 with terms for three quarters of L1.
"""

from __future__ import annotations

from fastnn.simd.config.family import FEW, Family

AVX2 = Family(
    "avx2",
    32,
    # 4 rows of 3 vectors take 19 instructions for 12 multiply-adds, 6 of 2 take 20. Against NumPy in turn, geometric
    # means of 16 products: 1.00 and 0.93.
    tiles=FEW,
    unrolled=4,
    asks=False,
    # Of 32 kB: 256 terms of 96 bytes. Geometric means against NumPy of 13 products from 256 squared on with 176 terms
    # 0.95, with 256 0.99.
    panel_share=0.75,
    panel_terms=0,
    # 128 rows of 256 terms are 131 kB; 200 kB are as fast.
    rows_share=0.25,
    packed_rows=32,
    packed_columns=200,
    packed_terms=16,
    panel_rows=(12, 12),
    # Milliseconds by one panel and four: 32x2048x784 2.4 to 2.7 and 1.8 to 1.9, 32x1500x2048 5.2 and 3.9 to 4.2,
    # 16x2048x2048 5.0 to 6.1 and 3.4 to 4.4; of 1,024 columns 0.72 to 0.92 and 0.79 to 1.14 with 24 rows.
    wide_rows=64,
    wide_panels=4,
    # Of the time by tiles 1x48x48 0.78, 1x64x64 0.62, 1x96x96 0.81, 3x96x96 1.0 to 1.14; 1x32x32 0.58.
    few_sides=(32, 128),
    # A forward pass by tiles and so, milliseconds: 2048-1500-100 at batch 8 4.0 and 1.4, 957x5 at 4 4.3 and 1.2,
    # 784-1024x3-10 at 8 2.7 and 1.2; of 784-128-10 at 8, whose weight of 400 kB L2 holds, microseconds: 23 and 35.
    # 12x1500x2048 3.1 and 1.8 ms, 16x1500x2048 3.5 and 2.0, but 16x1024x1024 0.67 to 0.74 and 0.65 to 1.05.
    far_rows=12,
    far_share=1.0,
    # NT against NumPy in turn: 1x784 by 512x784 0.73 for 0.56, 512 squared 0.69 for 0.55, 1,024 squared 0.53 for 0.38.
    dots_by_lines=True,
    # NT 2x512x512 64 us row by row and 56 by panels.
    few_rows_nt=1,
    # NT 16x64x64 and 16x96x96 take 0.87 and 0.85 of the time with 64 for 128, 1.15 with 256.
    swapped_side=64,
    # Milliseconds of the update of a weight of 1024x1024 at batch 256 with 24x480: 15.0, 192x96: 12.5, 96x240: 9.6,
    # 96x480: 8.8, 96x1024: 8.4, 192x1024: 8.3. Rows of x are packed once for all columns of a chunk.
    tall_chunk=(96, 1024),
    # Step of 784-512-512-10 at batch 64, share of the peak, from 64 on 61 %, from 16 on 78 %. Of the time by the others
    # 512x512 takes 0.92 at batch 8, 0.86 at 12.
    tall_batch=8,
    group_rows=16,
)
