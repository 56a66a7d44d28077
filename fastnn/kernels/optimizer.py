"""Updates of a flat parameter vector by a flat gradient, learning-rate schedules, clipping by the global norm.

    p parameters   g gradient   v, m moments, all of one size and dtype; scalars float64

sgd, momentum and Nesterov follow torch.optim.SGD; adam is Kingma & Ba 2015 in the form of their section 2,

    p -= step_size * m / (sqrt(v) + epsilon),

where the caller folds both bias corrections into step_size and epsilon (see adam_scalars); adamw decouples the decay
(Loshchilov & Hutter 2019). Each update is elementwise, so threads may split it anywhere: the bits stay the same.
Reference: fastnn.reference.optimizer.
"""

from __future__ import annotations

import math

import numpy as np
from numba import float64, prange

from fastnn.compiler.jit import kernel
from fastnn.simd.pool import part_done, release_pool, take_pool, thread_count
from fastnn.simd.scalar import fma
from fastnn.simd.views import vector

NAMES = ("sgd", "momentum", "nesterov", "adam", "adamw")
SGD, MOMENTUM, NESTEROV, ADAM, ADAMW = range(len(NAMES))
# No optimizer: the gradient is kept.
KEEP, NO_RULE = -1, (0.0,) * 6
# Moments that each keeps, in parameters.
STATE = {"sgd": 0, "momentum": 1, "nesterov": 1, "adam": 2, "adamw": 2}

SCHEDULES = ("constant", "step", "inverse_scaling", "cosine", "linear")
CONSTANT, STEP_DECAY, INVERSE_SCALING, COSINE, LINEAR = range(len(SCHEDULES))

# By itself the update of 100,000 parameters is 1.45 times as fast on two threads, but it moves half of the weights to
# another core: a whole step of 784-128-10 took 212 us with 100,000 here and 120 with 200,000.
PARALLEL_PARAMETERS = 200_000
# The least normal numbers of float64, 0 in float32, and of float32.
LEAST_DOUBLE, LEAST_SINGLE = 2.0**-1022, 2.0**-126
# Elements whose squares are summed as one. Processes that share parameters by blocks get the norm of one that has all.
NORM_BLOCK = 4_096


# One element of an update; the CPU's loops and the device's kernel make the same.


@kernel(inlined=True)
def decayed(g, p, decay):
    """The gradient with weight decay joined to it."""
    return fma(decay, p, g)


@kernel(inlined=True)
def descended(p, direction, rate):
    """p - rate * direction"""
    return fma(-rate, direction, p)


@kernel(inlined=True)
def moment(value):
    """A moment, or 0 where it is subnormal: as that of a unit that died ends, and never 0 by itself.

    Steps of which such moments are two thirds took 4.3 (momentum) and 6.7 (adam) times as long on an Emerald Rapids,
    1.0 and 1.4 on Zen 5. Of the update alone the comparison takes 0 to 6 % with momentum, less than 1 % with adam.
    """
    number = type(value)
    least = number(LEAST_DOUBLE) if number(LEAST_DOUBLE) > number(0) else number(LEAST_SINGLE)
    return number(0) if abs(value) < least else value  # so that NaN passes


@kernel(inlined=True)
def velocity(v, gradient, factor):
    """factor * v + gradient"""
    return moment(fma(factor, v, gradient))


@kernel(inlined=True)
def first_moment(m, gradient, beta, complement):
    return moment(fma(beta, m, complement * gradient))


@kernel(inlined=True)
def second_moment(v, gradient, beta, complement, first):
    """first: the first moment, which goes to 0 before, unless epsilon may be all that a step is divided by."""
    value = fma(beta, v, complement * gradient * gradient)
    return moment(value) if first == type(first)(0) else value


@kernel(inlined=True)
def adam_moved(p, m, v, size, epsilon, keep):
    """keep * p - size * m / (sqrt(v) + epsilon)"""
    return fma(-size, m / (type(p)(math.sqrt(v)) + epsilon), keep * p)


@kernel
def sgd(p, g, learning_rate, weight_decay):
    """p -= learning_rate * (g + weight_decay * p)"""
    rate, decay = p.dtype.type(learning_rate), p.dtype.type(weight_decay)
    for i in range(p.size):
        p[i] = descended(p[i], decayed(g[i], p[i], decay), rate)


@kernel(late=True)
def momentum(p, v, g, learning_rate, factor, weight_decay):
    """v = factor * v + g; p -= learning_rate * v"""
    number = p.dtype.type
    rate, mu, decay = number(learning_rate), number(factor), number(weight_decay)
    for i in range(p.size):
        v[i] = velocity(v[i], decayed(g[i], p[i], decay), mu)
        p[i] = descended(p[i], v[i], rate)


@kernel(late=True)
def nesterov(p, v, g, learning_rate, factor, weight_decay):
    """v = factor * v + g; p -= learning_rate * (g + factor * v)"""
    number = p.dtype.type
    rate, mu, decay = number(learning_rate), number(factor), number(weight_decay)
    for i in range(p.size):
        gradient = decayed(g[i], p[i], decay)
        v[i] = velocity(v[i], gradient, mu)
        p[i] = descended(p[i], velocity(v[i], gradient, mu), rate)


@kernel(late=True)
def adam(p, m, v, g, step_size, epsilon, beta1, beta2, weight_decay, shrink):
    """m, v = moving means of g and g*g; p = shrink * p - step_size * m / (sqrt(v) + epsilon).

    weight_decay * p joins the gradient (adam); shrink = 1 - learning_rate * decay is adamw's.
    """
    number = p.dtype.type
    size, eps, decay, keep = number(step_size), number(epsilon), number(weight_decay), number(shrink)
    b1, b2, c1, c2 = number(beta1), number(beta2), number(1 - beta1), number(1 - beta2)
    for i in range(p.size):
        gradient = decayed(g[i], p[i], decay)
        m[i] = first_moment(m[i], gradient, b1, c1)
        v[i] = second_moment(v[i], gradient, b2, c2, m[i])
        p[i] = adam_moved(p[i], m[i], v[i], size, eps, keep)


@kernel
def adam_scalars(step, learning_rate, beta1, beta2, epsilon):
    """step_size and epsilon of `adam` after `step` >= 1 steps, such that the update is that of torch.optim.Adam."""
    correction1, correction2 = 1 - beta1**step, 1 - beta2**step
    return learning_rate * math.sqrt(correction2) / correction1, epsilon * math.sqrt(correction2)


@kernel(inlined=True)
def learning_rate_at(kind, base, step, span, factor, floor):
    """The rate of step 0, 1, 2, ... of a schedule.

    constant; step: base * factor**(step // span); inverse_scaling: base / (step + 1)**factor; cosine: linear warm-up
    over `factor` steps, then half a cosine from base to floor, reached at step `span`; linear: the same with a line.
    """
    if kind == STEP_DECAY:
        return base * factor ** (step // span)
    if kind == INVERSE_SCALING:
        return base / (step + 1) ** factor
    if kind in (COSINE, LINEAR):
        if step < factor:
            return base * (step + 1) / factor
        if step >= span:
            return floor
        if kind == LINEAR:
            return floor + (base - floor) * (1 - (step - factor) / (span - factor))
        return floor + 0.5 * (base - floor) * (1 + math.cos(math.pi * (step - factor) / (span - factor)))
    return base


@kernel(reassociate=True)
def squared_norm(g):
    """Sum of squares in float64."""
    total = 0.0
    for i in range(g.size):
        element = np.float64(g[i])
        total += element * element
    return total


@kernel
def squared_norm_of_blocks(g):
    """The same, NORM_BLOCK elements at a time, added in their order: who has some of the blocks can add to it."""
    total = 0.0
    for at in range(0, g.size, NORM_BLOCK):
        total += squared_norm(vector(g, at, min(NORM_BLOCK, g.size - at)))
    return total


@kernel(late=True, returns=float64)
def clip_norm(g, maximum):
    """Scales g so that its Euclidean norm is at most `maximum` (torch's form); returns the norm before."""
    norm = math.sqrt(squared_norm_of_blocks(g))
    if norm + 1e-6 > maximum:
        scale = g.dtype.type(maximum / (norm + 1e-6))
        for i in range(g.size):
            g[i] *= scale
    return norm


@kernel
def rule_of(kind, step, learning_rate, factor, beta2, epsilon, weight_decay):
    """The scalars of one update, the `step`-th from 1: (rate, factor, beta2, epsilon, weight_decay, shrink).

    rate is Adam's step size, `factor` the momentum or beta1.
    """
    rate, shrink = learning_rate, 1.0
    if kind in (ADAM, ADAMW):
        rate, epsilon = adam_scalars(step, learning_rate, factor, beta2, epsilon)
    if kind == ADAMW:
        shrink, weight_decay = 1.0 - learning_rate * weight_decay, 0.0
    return rate, factor, beta2, epsilon, weight_decay, shrink


@kernel
def update_part(p, at, g, g_at, state, n, kind, rule):
    """Updates p[at:at + n] by g[g_at:g_at + n]; the moments of a parameter lie in state as it lies in p."""
    rate, factor, beta2, epsilon, weight_decay, shrink = rule
    p_part, g_part = vector(p, at, n), vector(g, g_at, n)
    if kind == SGD:
        sgd(p_part, g_part, rate, weight_decay)
    elif kind == MOMENTUM:
        momentum(p_part, vector(state, at, n), g_part, rate, factor, weight_decay)
    elif kind == NESTEROV:
        nesterov(p_part, vector(state, at, n), g_part, rate, factor, weight_decay)
    else:
        m, v = vector(state, at, n), vector(state, p.size + at, n)
        adam(p_part, m, v, g_part, rate, epsilon, factor, beta2, weight_decay, shrink)


@kernel(parallel=True, late=True)
def _update_parallel(p, g, state, kind, rule):
    parts = thread_count()
    for part in prange(parts):
        at, end = part * p.size // parts, (part + 1) * p.size // parts
        update_part(p, at, g, at, state, end - at, kind, rule)
        part_done()


@kernel(inlined=True)
def apply_rule(p, g, state, kind, rule):
    """One update of all parameters."""
    if p.size >= PARALLEL_PARAMETERS and thread_count() > 1 and take_pool():
        _update_parallel(p, g, state, kind, rule)
        release_pool()
    else:
        at = 0  # a name, since a literal would compile a twin of its own
        update_part(p, at, g, at, state, p.size, kind, rule)


@kernel(inlined=True)
def update(p, g, state, kind, step, learning_rate, factor, beta2, epsilon, weight_decay):
    """One update of the given kind, the `step`-th (from 1). state has STATE[kind] * p.size elements, zero at first."""
    apply_rule(p, g, state, kind, rule_of(kind, step, learning_rate, factor, beta2, epsilon, weight_decay))
