"""Products inside a block of the fused kernel: rows in shared memory times a weight in the device's.

    across, down  threads of the block, tx and ty of this one
    y[r, c] = start[c] + sum over p of x[r, p] * w[p, c]     each sum one chain of fused multiply-adds in the order of p

Thread (ty, tx) keeps rows ty + a * down and columns tx + b * across, so that the threads of a warp read one element of
x and neighbouring elements of w. The weight is staged in shared memory, some terms at a time.
"""

from __future__ import annotations

from typing import Any

from fastnn.cuda.functions import fma
from fastnn.cuda.target import cuda, device, place

# Elements more in a staged row: what neighbours write transposed lies in different banks, and rows begin on 16 bytes.
PADDING = 4


def make_product(number: Any, across: int, down: int, kept: int, columns: int, terms: int) -> Any:
    """The device function for threads that keep `kept` rows and so many columns."""
    width, threads = across * columns, across * down
    row, turns = width + PADDING, -(-terms * width // threads)

    @device
    def product(sums, x, x_at, ldx, w, w_at, ldw, turned, staged, staged_at, count, first, last, k):
        """sums[a * columns + b] += the products of columns first..last of w, or of its transpose where `turned`.

        All threads call it; rows from `count` on are not read. Leaves what it stages at staged[staged_at:].
        """
        tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
        own = ty * across + tx
        for begin in range(0, k, terms):
            many = min(terms, k - begin)
            cuda.syncthreads()
            for turn in range(turns):  # a literal number, so that it is unrolled
                i = own + turn * threads
                if turned:  # neighbours read along a row of w
                    p, c = i % terms, i // terms
                    at = w_at + (first + c) * ldw + begin + p
                else:
                    p, c = i // width, i % width
                    at = w_at + (begin + p) * ldw + first + c
                if p < many and c < width:
                    element = w[place(at)] if first + c < last else number(0)
                    staged[place(staged_at + p * row + c)] = element
            cuda.syncthreads()
            for p in range(many):
                for a in range(kept):
                    r = ty + a * down
                    factor = x[place(x_at + r * ldx + begin + p)] if r < count else number(0)
                    for b in range(columns):
                        element = staged[place(staged_at + p * row + tx + b * across)]
                        sums[a * columns + b] = fma(factor, element, sums[a * columns + b])

    return product


def make_gradient(number: Any, across: int, down: int, kept: int, columns: int) -> Any:
    """The device function that adds x.T @ dz of the block's rows to its part of the weight's gradient."""
    kept_sums = kept * columns

    @device
    def gradient(parts, at, x, x_at, dz, dz_at, count, inputs, outputs, grows):
        """parts[at + i * outputs + o] (+)= sum over r of x[r, i] * dz[r, o]; both in shared memory, row by row."""
        tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
        sums = cuda.local.array(kept_sums, number)
        for i0 in range(0, inputs, down * kept):
            for o0 in range(0, outputs, across * columns):
                for s in range(kept * columns):
                    sums[s] = number(0)
                for r in range(count):
                    for a in range(kept):
                        i = i0 + ty + a * down
                        factor = x[place(x_at + r * inputs + i)] if i < inputs else number(0)
                        for b in range(columns):
                            o = o0 + tx + b * across
                            element = dz[place(dz_at + r * outputs + o)] if o < outputs else number(0)
                            sums[a * columns + b] = fma(factor, element, sums[a * columns + b])
                for a in range(kept):
                    for b in range(columns):
                        i, o = i0 + ty + a * down, o0 + tx + b * across
                        if i < inputs and o < outputs:
                            total, target = sums[a * columns + b], place(at + i * outputs + o)
                            parts[target] = parts[target] + total if grows else total

    return gradient
