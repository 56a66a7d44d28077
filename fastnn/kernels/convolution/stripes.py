"""Products of windows of any width, and how many threads they are worth; see fastnn.kernels.convolution."""

from __future__ import annotations

from fastnn.compiler.jit import kernel
from fastnn.kernels.convolution.sizes import weight_size
from fastnn.products.blocks import VECTOR_BYTES, stripe_width
from fastnn.products.matmul import PARALLEL_MACS
from fastnn.simd.pool import thread_count
from fastnn.simd.windows import windows


@kernel(inlined=True)
def threads_of(units, of):
    macs = of.images * of.places * of.columns * weight_size(of)
    return min(thread_count(), units) if macs >= PARALLEL_MACS else 1


@kernel
def product(rows, columns, y, y_at, ldy, begin, begin_at, ldb, x, x_at, row_x, column_x, w, w_at, ldw, k, segments,
             segment_x, segment_w):  # fmt: skip
    """`windows` of any number of columns."""
    lanes = VECTOR_BYTES // y.itemsize
    j = 0 * columns
    while j < columns:
        width = stripe_width(columns - j, lanes)
        windows(rows, width, y, y_at + j, ldy, begin, begin_at + j if begin_at >= 0 else -1, ldb, x, x_at, row_x,
                column_x, w, w_at + j, ldw, k, segments, segment_x, segment_w)  # fmt: skip
        j += width
