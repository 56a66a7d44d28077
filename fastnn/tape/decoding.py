"""One position of sequences after the other, on a tape whose operations keep what later positions want; tokens that
follow each other.

A tape of fastnn.generation takes one position of each row; what `begin` is to other tapes is the position to its
operations.
"""

from __future__ import annotations

from fastnn.compiler.jit import kernel
from fastnn.kernels.dropout import NO_KEY
from fastnn.kernels.sampling import sample, uniform
from fastnn.simd.views import flat, matrix, vector
from fastnn.tape.columns import OUTPUT_AT, OUTPUT_WIDTH, SCRATCH_AT, SCRATCH_SIZE
from fastnn.tape.walk import forward_rows


@kernel(inlined=True, views=True)
def next_logits(tape, workspace, rows):
    """(rows, V): what the last `decode` left."""
    return matrix(workspace, tape[0, OUTPUT_AT], rows, tape[0, OUTPUT_WIDTH])


@kernel(late=True)
def decode(tape, params, x, workspace, position):
    """Runs one position of each sequence, x (B, inputs), behind those that were run; position: from 0."""
    rows = x.shape[0]
    forward_rows(
        tape, params, x, workspace, NO_KEY + 0 * rows, position, 0 * rows, rows, tape[0, SCRATCH_AT],
        tape[0, SCRATCH_SIZE],
    )  # fmt: skip


@kernel
def _run(tape, params, ids, workspace, tokens, at, position):
    """The tokens at a place of each sequence."""
    for b in range(tokens.shape[0]):
        ids[b, 0] = tokens[b, at]
    decode(tape, params, ids, workspace, position)


# What `generate` goes on from: the place whose token is run next, and its position in what the network sees.
AT, POSITION = range(2)


@kernel(late=True)
def generate(tokens, known, until, state, tape, params, workspace, ids, weights, ordered, capacity, temperature, top_k,
             top_p, seed):  # fmt: skip
    """tokens (B, N): from place `known` on, each drawn from the logits after those before it, up to place `until`.

    state: two numbers, AT and POSITION, from which another call goes on; max(known - capacity, 0) and 0 to begin. ids
    (B, 1), weights and ordered (V,) float64: scratch. The network sees `capacity` tokens; when they are full, the last
    half of them is run again from the beginning, and goes on. Each token's draw is told by seed, row and place. Ends
    early, with -1 in the place of a token, where logits are no numbers.
    """
    rows = tokens.shape[0]
    for at in range(state[AT], until - 1):
        if state[POSITION] == capacity:
            kept = capacity // 2
            for position in range(kept):
                _run(tape, params, ids, workspace, tokens, at - kept + position, position)
            state[POSITION] = kept
        _run(tape, params, ids, workspace, tokens, at, state[POSITION])
        state[POSITION] += 1
        state[AT] = at + 1
        if at + 1 < known:
            continue
        logits = next_logits(tape, workspace, rows)
        for b in range(rows):
            row = vector(flat(logits), b * logits.shape[1], logits.shape[1])
            draw = uniform(seed, b, at + 1)
            tokens[b, at + 1] = sample(row, weights, ordered, temperature, top_k, top_p, draw)
            if tokens[b, at + 1] < 0:
                return
