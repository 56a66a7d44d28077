"""The end of a step on the device: the gradient is summed from its parts, and every parameter moves by it.

    parts      vectors of params.size, one a block (fused) or a range of rows (tiled); their sum, divided by what the
               loss divides by, is the gradient
    tallies    (blocks, TALLY) float64 of the loss; see fastnn.cuda.loss
    doubles    settings and counters (see the slots below), then what a network adds
    ledger     float64: the totals of every step of a call; see fastnn.cuda.ledger

Each sum is over a fixed order, so results are the same from run to run. A step whose loss is not finite moves
nothing, and no later step of the same call does. Formulas: fastnn.kernels.optimizer.
"""

from __future__ import annotations

import math
from typing import Any

from numba import float64

from fastnn.cuda.functions import shared
from fastnn.cuda.ledger import place_of, turn
from fastnn.cuda.loss import DIVISOR, LOSS, TALLY
from fastnn.cuda.target import cuda, device, kernel, place
from fastnn.kernels import optimizer as cpu
from fastnn.kernels.optimizer import ADAM, ADAMW, MOMENTUM, NESTEROV, SGD
from fastnn.learning.training import (
    BETA2,
    CLIP_NORM,
    CONTROL_SIZE,
    EPSILON,
    FACTOR,
    FLOOR,
    LEARNING_RATE,
    OPTIMIZER,
    SCHEDULE,
    SHAPE,
    SPAN,
    STEP,
    WEIGHT_DECAY,
)

# Slots of doubles, after those of training's control: the count of steps once this one is done, whether a loss was not
# finite, and the label smoothing. Then come the alphas of the operations and the class weights.
NEXT_STEP, STOPPED, SMOOTHING = CONTROL_SIZE, CONTROL_SIZE + 1, CONTROL_SIZE + 2
EXTRAS = CONTROL_SIZE + 3

# (rate, factor, beta2, epsilon, weight_decay, shrink), as optimizer.rule_of gives them.
RULE = 6

decayed, descended, velocity = (shared(f) for f in (cpu.decayed, cpu.descended, cpu.velocity))
first_moment, second_moment, adam_moved = (shared(f) for f in (cpu.first_moment, cpu.second_moment, cpu.adam_moved))
learning_rate_at, adam_scalars = shared(cpu.learning_rate_at), shared(cpu.adam_scalars)


@device
def begin_step(doubles):
    """By one thread of the first kernel of a step, since later ones both read and advance the count."""
    doubles[STEP] = doubles[NEXT_STEP]


@device
def _find_rule(rule, doubles):
    """Fills `rule` for the step that follows doubles[STEP] others; by one thread."""
    step, kind = doubles[STEP], int(doubles[OPTIMIZER])
    rate = learning_rate_at(int(doubles[SCHEDULE]), doubles[LEARNING_RATE], step, doubles[SPAN], doubles[SHAPE],
                            doubles[FLOOR])  # fmt: skip
    rule[1], rule[2], rule[3] = doubles[FACTOR], doubles[BETA2], doubles[EPSILON]
    rule[4], rule[5] = doubles[WEIGHT_DECAY], 1.0
    if kind == ADAMW:
        rule[4], rule[5] = 0.0, 1.0 - rate * doubles[WEIGHT_DECAY]
    if kind in (ADAM, ADAMW):
        rate, epsilon = adam_scalars(step + 1, rate, doubles[FACTOR], doubles[BETA2], doubles[EPSILON])
        rule[3] = epsilon
    rule[0] = rate


@device
def _move(params, state, j, g, kind, rule):
    """One parameter by its gradient."""
    number = type(params[j])
    gradient = decayed(g, params[j], number(rule[4]))
    rate, factor, size = number(rule[0]), number(rule[1]), params.size
    if kind == SGD:
        params[j] = descended(params[j], gradient, rate)
    elif kind in (MOMENTUM, NESTEROV):
        v = velocity(state[j], gradient, factor)
        state[j] = v
        params[j] = descended(params[j], velocity(v, gradient, factor) if kind == NESTEROV else v, rate)
    else:
        m = first_moment(state[j], gradient, factor, number(1 - rule[1]))
        v = second_moment(state[size + j], gradient, number(rule[2]), number(1 - rule[2]), m)
        state[j], state[size + j] = m, v
        params[j] = adam_moved(params[j], m, v, rate, number(rule[3]), number(rule[5]))


@kernel
def next_step(doubles):
    """begin_step by itself, for an update that no other kernel of a step comes before."""
    begin_step(doubles)


def _make_totals(threads: int) -> tuple[Any, Any]:
    """Device functions that all threads of a block call together."""

    @device
    def block_total(room, own_value):
        """The sum of a number of each thread: a tree of fixed shape."""
        own = cuda.threadIdx.x
        cuda.syncthreads()
        room[own] = own_value
        reach = threads // 2
        while reach > 0:
            cuda.syncthreads()
            if own < reach:
                room[own] += room[own + reach]
            reach //= 2
        cuda.syncthreads()
        return room[0]

    @device
    def column_total(room, values, rows, columns, column):
        """The sum of values[i * columns + column] over i < rows, by all threads."""
        total = 0.0
        for i in range(cuda.threadIdx.x, rows, threads):
            total += values[i * columns + column]
        return block_total(room, total)

    return block_total, column_total


@device
def summed(parts, first, step, count, size, j):
    """Element j of the sum of every `step`th part from `first` on, in their order."""
    total = parts[place(first * size + j)]
    for part in range(first + step, count, step):
        total += parts[place(part * size + j)]
    return total


def _make_shared_sum(lanes: int, groups: int) -> Any:
    """Parts are summed by all threads of a block, `groups` to an element, where there are as many. One thread would
    wait for one part after the other: 100 of them and more for a network that has 1,000 parameters."""

    @device
    def shared_sum(room, parts, count, size, begin):
        """Of element begin + lane, for the threads of the first group. All threads call it."""
        lane, group = cuda.threadIdx.x % lanes, cuda.threadIdx.x // lanes
        cuda.syncthreads()  # others may still read what lies there
        if begin + lane < size:
            room[cuda.threadIdx.x] = summed(parts, group, groups, count, size, begin + lane)
        cuda.syncthreads()
        total = 0.0
        if group == 0:
            for other in range(groups):
                total += room[other * lanes + lane]
        return total

    return shared_sum


def make_sum_gradient(threads: int, lanes: int) -> Any:
    """The kernel for blocks of so many threads, a power of two, `lanes` of them side by side."""
    block_total, column_total = _make_totals(threads)
    groups = threads // lanes
    shared_sum = _make_shared_sum(lanes, groups)

    @kernel
    def sum_gradient(gradient, squares, parts, count, tallies, blocks, mean):
        """Overwrites gradient (may be the first part), and squares with the sum of its squares, block by block."""
        room = cuda.shared.array(threads, float64)
        divisor = column_total(room, tallies, blocks, TALLY, DIVISOR)
        scale = type(gradient[0])(divisor if mean and divisor != 0 else 1.0)
        square, size, own = 0.0, gradient.size, cuda.threadIdx.x
        if count < groups:
            for j in range(cuda.grid(1), size, cuda.gridsize(1)):
                element = summed(parts, 0, 1, count, size, j) / scale
                gradient[place(j)] = element
                square += float(element) * float(element)
        else:
            for begin in range(cuda.blockIdx.x * lanes, size, cuda.gridDim.x * lanes):
                element = type(scale)(shared_sum(room, parts, count, size, begin)) / scale
                if own < min(lanes, size - begin):
                    gradient[place(begin + own)] = element
                    square += float(element) * float(element)
        total = block_total(room, square)
        if cuda.threadIdx.x == 0:
            squares[cuda.blockIdx.x] = total

    return sum_gradient


def make_update(threads: int, lanes: int) -> Any:
    """As make_sum_gradient."""
    _, column_total = _make_totals(threads)
    groups = threads // lanes
    shared_sum = _make_shared_sum(lanes, groups)

    @kernel
    def update(params, state, parts, count, summed_already, squares, doubles, tallies, blocks, mean, ledger, rows):
        """Moves the parameters by a gradient in `count` parts, or by one that sum_gradient made and that may be
        clipped. Writes down the totals of the step, which had so many rows."""
        room = cuda.shared.array(threads, float64)
        rule = cuda.shared.array(RULE, float64)
        loss = column_total(room, tallies, blocks, TALLY, LOSS)
        divisor = column_total(room, tallies, blocks, TALLY, DIVISOR)
        first = cuda.blockIdx.x == 0
        if first:
            for column in range(TALLY):
                total = column_total(room, tallies, blocks, TALLY, column)
                if cuda.threadIdx.x == 0:
                    ledger[place_of(ledger) + column] = total
        value = loss / divisor if mean and divisor != 0 else loss
        counts = divisor != 0 or not mean  # a mean of nothing is none
        goes = doubles[STOPPED] == 0 and counts and math.isfinite(value)
        scale = 1.0 if summed_already or not mean or divisor == 0 else 1.0 / divisor
        if summed_already and doubles[CLIP_NORM] > 0:
            norm = math.sqrt(column_total(room, squares, squares.size, 1, 0))
            if norm + 1e-6 > doubles[CLIP_NORM]:
                scale = doubles[CLIP_NORM] / (norm + 1e-6)
        if cuda.threadIdx.x == 0:
            _find_rule(rule, doubles)
        cuda.syncthreads()
        if goes:
            factor, kind, size, own = type(params[0])(scale), int(doubles[OPTIMIZER]), params.size, cuda.threadIdx.x
            if count < groups:
                for j in range(cuda.grid(1), size, cuda.gridsize(1)):
                    _move(params, state, j, summed(parts, 0, 1, count, size, j) * factor, kind, rule)
            else:
                for begin in range(cuda.blockIdx.x * lanes, size, cuda.gridDim.x * lanes):
                    g = type(factor)(shared_sum(room, parts, count, size, begin)) * factor
                    if own < min(lanes, size - begin):
                        _move(params, state, begin + own, g, kind, rule)
        if first and cuda.threadIdx.x == 0:
            turn(ledger, rows)
            if goes:
                doubles[NEXT_STEP] = doubles[STEP] + 1
            elif counts:
                doubles[STOPPED] = 1

    return update
