"""Attention on a tape; fastnn.kernels.attention."""

from __future__ import annotations

from fastnn.compiler.jit import kernel
from fastnn.kernels.attention import attention_backward, attention_forward, attention_step, cache_size
from fastnn.simd.views import flat, vector
from fastnn.tape.columns import DINPUT, DOUTPUT, INPUT, OUTPUT, OWN, SCRATCH_AT, SCRATCH_SIZE, WIDTH_IN, WIDTH_OUT
from fastnn.tape.operations import nothing, register, values_at

# Heads, groups of them that share keys and values, and the width of one; queries and keys of a row; CAUSAL 1 where
# queries see no later key. KEPT is where the maximum and the inverse sum of each softmax are kept. Queries, keys and
# values lie side by side in the first input, or keys and values in one of their own, at MEMORY, whose gradient goes to
# DMEMORY; PACKED is 1 where they lie side by side. LENGTHS is where a number of each row says how many keys are there,
# and -1 where all are.
HEADS, GROUPS, SIZE, QUERIES, KEYS, CAUSAL, KEPT, PACKED, MEMORY, DMEMORY, LENGTHS = range(OWN, OWN + 11)


@kernel(inlined=True)
def _widths(tape, i):
    """From one position to the next, of the queries and of keys and values; and where keys begin."""
    queries, pair = tape[i, HEADS] * tape[i, SIZE], 2 * tape[i, GROUPS] * tape[i, SIZE]
    return (queries + pair, queries + pair, queries) if tape[i, PACKED] > 0 else (queries, pair, 0 * pair)


@kernel(inlined=True, views=True)
def _behind(values, at):
    return vector(values, at, max(values.size - at, 0))


@kernel(inlined=True, views=True)
def _memory(tape, i, source, x, workspace, at, rows):
    """What holds keys and values, flat."""
    if tape[i, PACKED] > 0:
        return source
    return flat(values_at(tape[i, MEMORY], tape[i, KEYS] * _widths(tape, i)[1], x, workspace, at, rows))


@kernel(inlined=True, views=True)
def _kept(tape, i, workspace, at, rows):
    each = 2 * tape[i, HEADS] * tape[i, QUERIES]
    return vector(workspace, tape[i, KEPT] + at * each, rows * each)


@kernel(inlined=True, views=True)
def _lengths(tape, i, workspace, at, rows):
    return vector(workspace, max(tape[i, LENGTHS], 0) + at, rows if tape[i, LENGTHS] >= 0 else 0 * rows)


@kernel(inlined=True)
def _sizes(tape, i, rows):
    return rows, tape[i, QUERIES], tape[i, KEYS], tape[i, HEADS], tape[i, GROUPS], tape[i, SIZE]


@kernel(late=True)
def forward(tape, i, params, x, workspace, at, rows, key, begin):
    ldq, ldk, first = _widths(tape, i)
    source = flat(values_at(tape[i, INPUT], tape[i, WIDTH_IN], x, workspace, at, rows))
    memory = _memory(tape, i, source, x, workspace, at, rows)
    y = vector(workspace, tape[i, OUTPUT] + at * tape[i, WIDTH_OUT], rows * tape[i, WIDTH_OUT])
    scratch = vector(workspace, tape[0, SCRATCH_AT], tape[0, SCRATCH_SIZE])
    alike = vector(flat(tape), 0 * i, 0 * i)  # positions of the first queries
    attention_forward(
        y, _kept(tape, i, workspace, at, rows), source, _behind(memory, first),
        _behind(memory, first + tape[i, GROUPS] * tape[i, SIZE]), (ldq, ldk, ldk), alike,
        _lengths(tape, i, workspace, at, rows), scratch, _sizes(tape, i, rows), tape[i, CAUSAL] > 0,
    )  # fmt: skip


@kernel(inlined=True, views=True)
def _gradient(values, place, each, workspace, at, rows):
    """Where a gradient goes; where nobody wants it, something that is not written."""
    return vector(workspace, place + at * each, rows * each) if place >= 0 else values


@kernel(late=True)
def inward(tape, i, params, x, workspace, at, rows, key, begin):
    ldq, ldk, first = _widths(tape, i)
    source = flat(values_at(tape[i, INPUT], tape[i, WIDTH_IN], x, workspace, at, rows))
    memory = _memory(tape, i, source, x, workspace, at, rows)
    y = vector(workspace, tape[i, OUTPUT] + at * tape[i, WIDTH_OUT], rows * tape[i, WIDTH_OUT])
    dy = vector(workspace, tape[i, DOUTPUT] + at * tape[i, WIDTH_OUT], rows * tape[i, WIDTH_OUT])
    scratch = vector(workspace, tape[0, SCRATCH_AT], tape[0, SCRATCH_SIZE])
    alike = vector(flat(tape), 0 * i, 0 * i)  # positions of the first queries
    place = tape[i, DINPUT] if tape[i, PACKED] > 0 else tape[i, DMEMORY]
    dq = _gradient(source, tape[i, DINPUT], tape[i, WIDTH_IN], workspace, at, rows)
    dmemory = _gradient(memory, place, tape[i, KEYS] * ldk, workspace, at, rows)
    values = first + tape[i, GROUPS] * tape[i, SIZE]
    attention_backward(
        dq, _behind(dmemory, first), _behind(dmemory, values), dy, y, _kept(tape, i, workspace, at, rows), source,
        _behind(memory, first), _behind(memory, values), (ldq, ldk, ldk), alike,
        _lengths(tape, i, workspace, at, rows), scratch, _sizes(tape, i, rows), tape[i, CAUSAL] > 0,
        (tape[i, DINPUT] >= 0, place >= 0),
    )  # fmt: skip


@kernel(late=True)
def step(tape, i, params, x, workspace, at, rows, key, begin):
    """One position of rows at..at+rows: `begin` is which. KEPT is where the keys and values of KEYS positions are."""
    heads, groups, size, capacity = tape[i, HEADS], tape[i, GROUPS], tape[i, SIZE], tape[i, KEYS]
    width, each = tape[i, WIDTH_IN], cache_size(capacity, groups, size)
    source = flat(values_at(tape[i, INPUT], width, x, workspace, at, rows))
    scratch = vector(workspace, tape[0, SCRATCH_AT], tape[0, SCRATCH_SIZE])
    for r in range(rows):
        y = vector(workspace, tape[i, OUTPUT] + (at + r) * heads * size, heads * size)
        cache = vector(workspace, tape[i, KEPT] + (at + r) * each, each)
        attention_step(y, cache, vector(source, r * width, width), scratch, begin, capacity, heads, groups, size)


ATTENTION = register(forward, inward)
ATTENTION_STEP = register(step, nothing)
