"""Targets of a batch, and parts of them.

Labels, whole numbers (B,) or (B, T), or rows of numbers (B, O) or (B, T O): the axes are for who calls, and order alone
counts. Or a pair of one of them and weights, float64 (B,).
"""

from __future__ import annotations

from numba import types

from fastnn.compiler.jit import by_type
from fastnn.simd.views import flat, matrix, vector
from fastnn.tape.columns import OUTPUT_ROWS


def is_weighted(target):
    """Whether the type of a target is that of a pair with weights."""
    return isinstance(target, types.BaseTuple)


def by_target(of_labels, of_rows, of_weighted=None, place=-1):
    """Compiled for what the target is, which comes last, or at that place."""

    def choose(*arguments):
        target = arguments[place]
        if is_weighted(target):
            return of_weighted
        return of_labels if isinstance(target.dtype, types.Integer) else of_rows

    return by_type(choose)


def _labels(tape, target, at, rows):
    return vector(target, at * tape[0, OUTPUT_ROWS], rows * tape[0, OUTPUT_ROWS])


def _rows(tape, target, at, rows):
    return matrix(flat(target), at * target.shape[1], rows, target.shape[1])


# part_of_alone(tape, target, at, rows): of a target without weights, whose labels may be flat.
part_of_alone = by_type(lambda tape, target, *_: _labels if target.ndim == 1 else _rows)


def _weighted(tape, target, at, rows):
    alone, weights = target
    return part_of_alone(tape, alone, at, rows), vector(weights, at, rows)


def _alone(tape, target, at, rows):
    return part_of_alone(tape, target, at, rows)


# part_of_target(tape, target, at, rows): those of some rows of a batch.
part_of_target = by_type(lambda tape, target, *_: _weighted if is_weighted(target) else _alone)
