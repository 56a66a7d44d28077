"""Small networks: rows go through the whole network a chunk at a time, while they are in cache."""

from __future__ import annotations

from numba import prange

from fastnn.compiler.jit import kernel
from fastnn.products.matmul import pays_threads, share
from fastnn.simd.pool import part_done, release_pool, take_pool, thread_count
from fastnn.tape.columns import CHUNK, SCRATCH_AT, SCRATCH_SIZE, SHARES, WORK
from fastnn.tape.walk import forward_rows, gradient_of_rows, inward_rows


@kernel(inlined=True)
def goes_in_chunks(tape, rows):
    """Whether so many rows go through the whole network in chunks, by threads that share rows, or layer by layer."""
    return 0 < tape[0, CHUNK] < rows


@kernel(inlined=True)
def threads_for_rows(tape, rows, most):
    """Threads that share rows, each a network of its own; most: as many as have room for theirs."""
    return min(thread_count(), most) if pays_threads(rows, rows * tape[0, WORK]) else 1


@kernel(late=True)
def forward_chunks(tape, params, x, workspace, key, begin, part, parts):
    """One share of the rows of x."""
    chunk = tape[0, CHUNK]
    first, last = share(part, parts, x.shape[0], chunk)
    size = tape[0, SCRATCH_SIZE] // parts
    for at in range(first, last, chunk):
        forward_rows(
            tape, params, x, workspace, key, begin, at, min(chunk, last - at), tape[0, SCRATCH_AT] + part * size, size
        )


@kernel(parallel=True, late=True)
def _forward_parallel(parts, tape, params, x, workspace, key):
    for part in prange(parts):
        forward_chunks(tape, params, x, workspace, key, 0 * part, part, parts)
        part_done()


@kernel(late=True)
def forward_in_chunks(tape, params, x, workspace, key):
    """All rows of x, by as many threads as that pays."""
    rows = x.shape[0]
    threads, part = threads_for_rows(tape, rows, tape[0, SHARES]), 0 * rows
    if threads > 1 and take_pool():
        _forward_parallel(threads, tape, params, x, workspace, key)
        release_pool()
    else:
        forward_chunks(tape, params, x, workspace, key, part, part, 1 + part)


@kernel(late=True)
def gradient_in_chunks(tape, params, grads, x, workspace, key, begin):
    """Overwrites grads with the gradient, after the forward pass, from that of the output; by one thread."""
    rows, chunk = x.shape[0], tape[0, CHUNK]
    part = 0 * rows  # literals would compile twins of their own
    for at in range(part, rows, chunk):
        inward_rows(tape, params, x, workspace, key, begin, at, min(chunk, rows - at), tape[0, SCRATCH_AT],
                    tape[0, SCRATCH_SIZE])  # fmt: skip
    gradient_of_rows(tape, params, grads, part, x, workspace, part, rows)
