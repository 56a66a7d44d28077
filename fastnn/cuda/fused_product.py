"""Products inside a block of the fused kernel: values in shared memory times a weight in the device's.

Values of a layer lie by features: that of row r and feature c at c * stride + r, a feature a multiple of 16 bytes after
the last. A thread takes `vector` neighbouring rows, which it reads at once, and a few columns; the threads of a warp
share the rows. Each sum is one chain of fused multiply-adds in the order of its terms.
"""

from __future__ import annotations

from typing import Any

from fastnn.cuda.functions import fma
from fastnn.cuda.geometry import Geometry
from fastnn.cuda.staging import Words, make_staging, number_itself
from fastnn.cuda.target import cuda, device, place

# Elements more from one staged term, or one feature, to the next: what neighbours touch lies in different banks.
PADDING = 4
# Rows of a weight's gradient that a thread keeps.
GRADIENT_ROWS = 4


def stride_of(rows: int) -> int:
    """From one feature to the next, for blocks of so many rows."""
    return rows + PADDING


def staged_words(g: Geometry, rows: int, columns: int, terms: int) -> Words:
    """A weight's columns as blocks of so many rows, whose threads keep so many columns, stage them."""
    width, threads = g.across * columns, g.across * rows // g.vector
    return Words(width, width + PADDING, terms, 1, terms, threads, g.across, number_itself)


def staged_size(g: Geometry, rows: int) -> int:
    """Elements that staged weights take at the most."""
    sizes = zip(g.fused_columns, g.fused_terms, strict=True)
    return max(staged_words(g, rows, columns, terms).half for columns, terms in sizes)


@device
def whole(at):
    """A place that is a multiple of 16 bytes, as the compiler can see now: it reads four numbers at once."""
    return at & -4


def make_product(number: Any, g: Geometry, rows: int, columns: int, terms: int, turned: bool) -> Any:
    """The device function for threads that keep so many columns; turned: of the transposed weight."""
    vector, stride, words = g.vector, stride_of(rows), staged_words(g, rows, columns, terms)
    load, store = make_staging(number, words, turned)
    row, held_size = words.row, words.held

    @device
    def product(sums, room, x_at, w, w_at, ldw, staged_at, first, last, k):
        """sums[a * columns + b] += the k products of the thread's row a and of column first + tx * columns + b of w.

        All threads call it; sums of columns from `last` on mean nothing. w is staged at room[staged_at:].
        """
        held = cuda.local.array(held_size, number)
        factors = cuda.local.array(vector, number)
        elements = cuda.local.array(columns, number)
        tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
        x_from, w_from = whole(x_at) + ty * vector, whole(staged_at) + tx * columns
        load(held, w, w_at, ldw, first, last, 0, k)
        for begin in range(0, k, terms):
            cuda.syncthreads()
            store(room, staged_at, held)
            cuda.syncthreads()
            if begin + terms < k:
                load(held, w, w_at, ldw, first, last, begin + terms, k)
            # No range, which the compiler does not unroll: 47 instructions for 32 multiply-adds so, 69 with it.
            p, many = 0, min(terms, k - begin)
            while p < many:
                for a in range(vector):
                    factors[a] = room[place(x_from + (begin + p) * stride + a)]
                for b in range(columns):
                    elements[b] = room[place(w_from + p * row + b)]
                for a in range(vector):
                    for b in range(columns):
                        sums[a * columns + b] = fma(factors[a], elements[b], sums[a * columns + b])
                p += 1

    return product


def make_gradient(number: Any, g: Geometry, rows: int, columns: int) -> Any:
    """The device function that adds x.T @ dz of the block's rows to its part of the weight's gradient."""
    vector, stride, across, down = g.vector, stride_of(rows), g.across, rows // g.vector
    kept_sums, x_size, dz_size = GRADIENT_ROWS * columns, GRADIENT_ROWS * vector, columns * vector

    @device
    def gradient(parts, at, room, x_at, dz_at, inputs, outputs, grows):
        """parts[at + i * outputs + o] (+)= sum over r of x[i, r] * dz[o, r]; rows that the batch lacks have dz 0."""
        tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
        sums = cuda.local.array(kept_sums, number)
        x = cuda.local.array(x_size, number)
        dz = cuda.local.array(dz_size, number)
        for i0 in range(ty * GRADIENT_ROWS, inputs, down * GRADIENT_ROWS):
            for o0 in range(tx, outputs, across * columns):
                for s in range(kept_sums):
                    sums[s] = number(0)
                r = 0
                while r < rows:
                    for a in range(GRADIENT_ROWS):
                        i = min(i0 + a, inputs - 1)
                        for v in range(vector):
                            x[a * vector + v] = room[place(whole(x_at) + i * stride + r + v)]
                    for b in range(columns):
                        o = min(o0 + b * across, outputs - 1)
                        for v in range(vector):
                            dz[b * vector + v] = room[place(whole(dz_at) + o * stride + r + v)]
                    for v in range(vector):
                        for a in range(GRADIENT_ROWS):
                            for b in range(columns):
                                s = a * columns + b
                                sums[s] = fma(x[a * vector + v], dz[b * vector + v], sums[s])
                    r += vector
                for a in range(GRADIENT_ROWS):
                    for b in range(columns):
                        i, o = i0 + a, o0 + b * across
                        if i < inputs and o < outputs:
                            total, target = sums[a * columns + b], place(at + i * outputs + o)
                            parts[target] = parts[target] + total if grows else total

    return gradient
