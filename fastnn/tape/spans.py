"""Batches of more than a span of rows: their gradient is the sum of those of the spans, in a fixed tree.

Spans are pairs, pairs of pairs, and so on, in the order of the rows, whoever computes them, and in however many calls;
what is left over at the end is added from the last to the first. So a step needs the values of one span for each thread
that takes spans, the outputs and losses of the batch, and as many partial gradients as the tree has levels.

A span has a slot of the workspace, in which it lies as a batch of its own would.
"""

from __future__ import annotations

from numba import float64, prange

from fastnn.compiler.jit import kernel
from fastnn.kernels.residual import add, copy
from fastnn.products.matmul import share
from fastnn.simd.pool import part_done, release_pool, take_pool
from fastnn.simd.views import doubles, flat, matrix, vector
from fastnn.tape.chunks import forward_chunks, gradient_in_chunks, threads_for_rows
from fastnn.tape.columns import (
    BATCH_AT,
    BLOCKS,
    CHUNK,
    DOUTPUT,
    DOUTPUT_AT,
    GROUP,
    KEPT_WIDTH,
    LEVELS_AT,
    LOSSES_AT,
    OPERATIONS,
    OUTPUT,
    OUTPUT_AT,
    OUTPUT_ROWS,
    OUTPUT_WIDTH,
    PARTIALS_AT,
    PIECE,
    SCRATCH_AT,
    SCRATCH_SIZE,
    SLOT_SIZE,
    SLOTS,
    SPAN_ROWS,
    TOTALS_AT,
)
from fastnn.tape.objective import loss_sum
from fastnn.tape.parameters import block_of
from fastnn.tape.pieces import guess_in_pieces, loss_in_pieces
from fastnn.tape.targets import part_of_target
from fastnn.tape.walk import forward_rows, gradient_by_layers


@kernel(inlined=True, views=True)
def _slot(tape, workspace, slot):
    return vector(workspace, slot * tape[0, SLOT_SIZE], tape[0, SLOT_SIZE])


@kernel(inlined=True, views=True)
def output_of(tape, workspace, column, begin, rows):
    """(rows * OUTPUT_ROWS, KEPT_WIDTH): the output of the batch, or its gradient, from row `begin` on."""
    each = tape[0, OUTPUT_ROWS]
    at = tape[0, column] + begin * each * tape[0, KEPT_WIDTH]
    return matrix(workspace, at, rows * each, tape[0, KEPT_WIDTH])


@kernel(inlined=True, views=True)
def output_in(tape, slot, column, rows):
    """The same of one span, in its slot."""
    return matrix(slot, tape[tape[0, OPERATIONS], column], rows * tape[0, OUTPUT_ROWS], tape[0, OUTPUT_WIDTH])


@kernel(late=True)
def gather(batch, x, order, at):
    """batch (rows, I) = x[order[at:at + rows]]"""
    rows, width = batch.shape
    for i in range(rows):
        source = order[at + i]
        for j in range(width):
            batch[i, j] = x[source, j]


@kernel(inlined=True, views=True)
def _taken(tape, slot, x, order, at, rows):
    """Rows at..at+rows of x, or of x[order] where there is an order."""
    width = x.shape[1]
    if order.size == 0:
        return matrix(flat(x), at * width, rows, width)
    batch = matrix(slot, tape[0, BATCH_AT], rows, width)
    gather(batch, x, order, at)
    return batch


@kernel(late=True)
def _forward_span(tape, params, x, slot, key, begin):
    """The rows of a span."""
    rows = x.shape[0]
    part = 0 * rows
    if tape[0, CHUNK] > 0:
        forward_chunks(tape, params, x, slot, key, begin, part, 1 + part)
    else:
        forward_rows(tape, params, x, slot, key, begin, part, rows, tape[0, SCRATCH_AT], tape[0, SCRATCH_SIZE])


@kernel(late=True)
def keep_output(tape, params, x, workspace, slot, begin):
    """Of rows that were run in a slot, to that of the batch."""
    kept = flat(output_of(tape, workspace, OUTPUT_AT, begin, x.shape[0]))
    if tape[0, PIECE] > 0:
        guess_in_pieces(tape, params, x, slot, kept)
    else:
        copy(kept, flat(output_in(tape, slot, OUTPUT, x.shape[0])))


@kernel(late=True)
def _gradient_span(tape, params, grads, x, slot, key, begin):
    """Overwrites grads, with zeros between the parameters."""
    for k in range(tape[0, BLOCKS]):
        at, size, _, _ = block_of(tape, k)
        following = block_of(tape, k + 1)[0] if k + 1 < tape[0, BLOCKS] else grads.size
        for j in range(at + size, following):
            grads[j] = 0
    if tape[0, CHUNK] > 0:
        gradient_in_chunks(tape, params, grads, x, slot, key, begin)
    else:
        gradient_by_layers(tape, params, grads, x, slot, key, begin)


@kernel(late=True, returns=float64)
def _loss_span(tape, params, grads, x, y, workspace, slot, key, begin, divisor):
    """Forward, loss and gradient of the rows of a span; their losses' sum."""
    rows = x.shape[0]
    _forward_span(tape, params, x, slot, key, begin)
    each = tape[0, OUTPUT_ROWS]
    losses = vector(workspace, tape[0, LOSSES_AT] + begin * each, rows * each)
    if tape[0, PIECE] > 0:
        guesses = flat(output_of(tape, workspace, OUTPUT_AT, begin, rows))
        total = loss_in_pieces(tape, params, grads, x, y, slot, guesses, losses, divisor)
    else:
        keep_output(tape, params, x, workspace, slot, begin)
        prediction = output_in(tape, slot, OUTPUT, rows)
        total = loss_sum(tape, losses, output_in(tape, slot, DOUTPUT, rows), prediction, y, divisor)
    _gradient_span(tape, params, grads, x, slot, key, begin)
    return total


@kernel(late=True, returns=float64)
def _nth_span(tape, params, grads, x, y, order, workspace, slot, key, begin, at, divisor):
    """The span that begins at row `at` of what is given, which is row begin + at of the batch."""
    given = order.size if order.size > 0 else x.shape[0]
    rows, room = min(tape[0, SPAN_ROWS], given - at), _slot(tape, workspace, slot)
    taken = _taken(tape, room, x, order, at, rows)
    return _loss_span(
        tape, params, grads, taken, part_of_target(tape, y, at, rows), workspace, room, key, begin + at, divisor
    )  # fmt: skip


@kernel(late=True)
def _share_of_group(part, parts, tape, params, x, y, order, workspace, key, begin, at, count, divisor):
    """A thread's spans of the `count` from row `at` on: gradients and sums of losses to places of their own."""
    first, last = share(part, parts, count, 1 + 0 * count)
    totals = doubles(workspace, tape[0, TOTALS_AT], count)
    for k in range(first, last):
        partial = vector(workspace, tape[0, PARTIALS_AT] + k * params.size, params.size)
        totals[k] = _nth_span(
            tape, params, partial, x, y, order, workspace, part, key, begin, at + k * tape[0, SPAN_ROWS], divisor
        )  # fmt: skip


@kernel(parallel=True, late=True)
def _group_parallel(parts, tape, params, x, y, order, workspace, key, begin, at, count, divisor):
    for part in prange(parts):
        _share_of_group(part, parts, tape, params, x, y, order, workspace, key, begin, at, count, divisor)
        part_done()


@kernel(inlined=True, views=True)
def _level(tape, grads, workspace, level):
    """Where the sum of a level of the tree is kept."""
    if level == 0:
        return vector(grads, 0 * level, grads.size)
    return vector(workspace, tape[0, LEVELS_AT] + (level - 1) * grads.size, grads.size)


@kernel(inlined=True)
def _levels(spans):
    """Levels that are taken when so many spans are done: the binary digits that are 1."""
    count = 0 * spans
    while spans > 0:
        count += spans & 1
        spans >>= 1
    return count


@kernel(late=True)
def _join(tape, grads, workspace, done):
    """Adds what the span after `done` others completes: the topmost level is its gradient."""
    top = _levels(done)
    _join_from(tape, grads, workspace, done, top)


@kernel(inlined=True)
def _join_from(tape, grads, workspace, done, top):
    while done & 1:
        below = _level(tape, grads, workspace, top - 1)
        add(below, below, _level(tape, grads, workspace, top))
        top -= 1
        done >>= 1


@kernel(late=True, returns=float64)
def add_spans(tape, params, grads, x, y, order, workspace, key, begin, divisor, total):
    """Rows of a batch, from row `begin` on, a whole number of spans but at its end: their gradient joins the tree.

    order: which rows of x, in which order, or empty for all; y has their targets. Returns total with the sums of their
    losses added, span by span, of which the gradient is that over divisor.
    """
    rows = order.size if order.size > 0 else x.shape[0]
    span, group, done = tape[0, SPAN_ROWS], tape[0, GROUP], begin // tape[0, SPAN_ROWS]
    threads = threads_for_rows(tape, min(rows, group * span), tape[0, SLOTS])
    for at in range(0 * rows, rows, group * span):
        if group == 1:
            target = _level(tape, grads, workspace, _levels(done))
            slot = 0 * rows
            total += _nth_span(tape, params, target, x, y, order, workspace, slot, key, begin, at, divisor)
            _join(tape, grads, workspace, done)
            done += 1
            continue
        count = min(group, (rows - at + span - 1) // span)
        if threads > 1 and take_pool():
            _group_parallel(threads, tape, params, x, y, order, workspace, key, begin, at, count, divisor)
            release_pool()
        else:
            part = 0 * rows
            _share_of_group(part, 1 + part, tape, params, x, y, order, workspace, key, begin, at, count, divisor)
        for k in range(count):
            partial = vector(workspace, tape[0, PARTIALS_AT] + k * params.size, params.size)
            top = _levels(done)
            if done & 1:
                below = _level(tape, grads, workspace, top - 1)
                add(below, below, partial)
                _join_from(tape, grads, workspace, done >> 1, top - 1)
            else:
                copy(_level(tape, grads, workspace, top), partial)
            total += doubles(workspace, tape[0, TOTALS_AT], count)[k]
            done += 1
    return total


@kernel(late=True)
def finish_spans(tape, grads, workspace, rows):
    """Leaves in grads the gradient of a batch of so many rows, all of whose spans were added."""
    for level in range(_levels((rows + tape[0, SPAN_ROWS] - 1) // tape[0, SPAN_ROWS]) - 1, 0, -1):
        below = _level(tape, grads, workspace, level - 1)
        add(below, below, _level(tape, grads, workspace, level))


@kernel(late=True)
def _forward_share(part, parts, tape, params, x, workspace, key):
    """A thread's share of the spans of x."""
    rows, width = x.shape
    first, last = share(part, parts, rows, tape[0, SPAN_ROWS])
    for at in range(first, last, tape[0, SPAN_ROWS]):
        taken = matrix(flat(x), at * width, min(tape[0, SPAN_ROWS], last - at), width)
        slot = _slot(tape, workspace, part)
        _forward_span(tape, params, taken, slot, key, at)
        keep_output(tape, params, taken, workspace, slot, at)


@kernel(parallel=True, late=True)
def _forward_parallel(parts, tape, params, x, workspace, key):
    for part in prange(parts):
        _forward_share(part, parts, tape, params, x, workspace, key)
        part_done()


@kernel(late=True)
def forward_spans(tape, params, x, workspace, key):
    """Forward alone, of more rows than a span: their outputs are kept."""
    threads, part = threads_for_rows(tape, x.shape[0], tape[0, SLOTS]), 0 * x.shape[0]
    if threads > 1 and take_pool():
        _forward_parallel(threads, tape, params, x, workspace, key)
        release_pool()
    else:
        _forward_share(part, 1 + part, tape, params, x, workspace, key)


@kernel(late=True)
def backward_spans(tape, params, grads, x, workspace, key):
    """Backward alone, from the gradient of the outputs: what lies between is computed again, a span at a time."""
    rows, width = x.shape
    slot = _slot(tape, workspace, 0 * rows)
    for at in range(0 * rows, rows, tape[0, SPAN_ROWS]):
        taken = matrix(flat(x), at * width, min(tape[0, SPAN_ROWS], rows - at), width)
        _forward_span(tape, params, taken, slot, key, at)
        given = output_of(tape, workspace, DOUTPUT_AT, at, taken.shape[0])
        copy(flat(output_in(tape, slot, DOUTPUT, taken.shape[0])), flat(given))
        done = at // tape[0, SPAN_ROWS]
        _gradient_span(
            tape, params, _level(tape, grads, workspace, _levels(done)), taken, slot, key, at
        )  # fmt: skip
        _join(tape, grads, workspace, done)
    finish_spans(tape, grads, workspace, rows)
