"""Activations: value and derivative of each, written once as scalar functions, then loops over them. FUNCTIONS are all
that `activation_forward` computes: the activations and, after them, exp, log and erf.

A derivative takes both the pre-activation z and the value y = f(z) and uses whichever is cheaper. NEEDS_Z names the
kinds that use z; the others can be computed in place. alpha is the slope of leaky_relu and the scale of elu.
References: gelu, Hendrycks & Gimpel 2016; silu, Elfwing et al. 2017; elu, Clevert et al. 2015.
"""

from __future__ import annotations

import math

from numba import prange

from fastnn.compiler.jit import kernel
from fastnn.simd.pool import part_done, release_pool, take_pool, thread_count
from fastnn.simd.vecmath import erf, exp, exp_nonpositive, expm1, log, log1p_exp_nonpositive, normal_tail, sigmoid, tanh
from fastnn.simd.views import begin_together, on_stack, vector

NAMES = ("identity", "step", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu", "gelu_tanh", "silu", "softplus")
IDENTITY, STEP, SIGMOID, TANH, RELU, LEAKY_RELU, ELU, GELU, GELU_TANH, SILU, SOFTPLUS = range(len(NAMES))
NEEDS_Z = frozenset({ELU, GELU, GELU_TANH, SILU, SOFTPLUS})
FUNCTIONS = (*NAMES, "exp", "log", "erf")
EXP, LOG, ERF = range(len(NAMES), len(FUNCTIONS))
DEFAULT_ALPHA = {"leaky_relu": 0.01, "elu": 1.0}

INVERSE_SQRT_TWO_PI = 1 / math.sqrt(2 * math.pi)
SQRT_TWO_OVER_PI = math.sqrt(2 / math.pi)
GELU_CUBIC = 0.044715
# Beyond it the mass of the normal distribution is 0 in both precisions, also where z is infinite.
GELU_BOUND = 40.0

# What is in place goes by way of a buffer in L1, a chunk at a time: of two arrays that are one the compiler must think
# that they overlap, and runs their loop element by element, 8 times as slow.
CHUNK_ELEMENTS = 1024

# Elements from which threads share them; each computes its own, so the bits do not depend on their number.
PARALLEL_ELEMENTS = 100_000


@kernel(inlined=True)
def step(z):
    return type(z)(1) if z >= type(z)(0) else type(z)(0)


@kernel(inlined=True)
def sigmoid_derivative(y):
    return y * (type(y)(1) - y)


@kernel(inlined=True)
def tanh_derivative(y):
    return type(y)(1) - y * y


@kernel(inlined=True)
def relu(z):
    # Written so that NaN passes: a comparison with NaN is false.
    return type(z)(0) if z < type(z)(0) else z


@kernel(inlined=True)
def relu_derivative(y):
    return type(y)(1) if y > type(y)(0) else type(y)(0)


@kernel(inlined=True)
def leaky_relu(z, alpha):
    return z if z > type(z)(0) else alpha * z


@kernel(inlined=True)
def leaky_relu_derivative(y, alpha):
    return type(y)(1) if y > type(y)(0) else alpha


@kernel(inlined=True)
def elu(z, alpha):
    # exp(-40) is below half an ulp of 1 in both precisions; NaN passes both comparisons.
    bounded = type(z)(0) if z > type(z)(0) else (type(z)(-40) if z < type(z)(-40) else z)
    return z if z > type(z)(0) else alpha * expm1(bounded)


@kernel(inlined=True)
def elu_derivative(z, alpha):
    # From y it would be y + alpha, which cancels: nothing is left of it in float32 below z = -17.
    return type(z)(1) if z > type(z)(0) else alpha * exp_nonpositive(type(z)(0) if z > type(z)(0) else z)


@kernel(inlined=True)
def gelu(z):
    """z times the mass of the normal distribution below z, which is 1 less the tail where z > 0."""
    size = type(z)(GELU_BOUND) if abs(z) > type(z)(GELU_BOUND) else abs(z)
    _, tail = normal_tail(size)
    return relu(z) - size * tail


@kernel(inlined=True)
def gelu_derivative(z):
    bound = type(z)(GELU_BOUND)
    bounded = bound if z > bound else (-bound if z < -bound else z)
    bell, tail = normal_tail(abs(bounded))
    cumulative = type(z)(1) - tail if z > type(z)(0) else tail
    return cumulative + bounded * (bell * type(z)(INVERSE_SQRT_TWO_PI))


@kernel(inlined=True)
def gelu_tanh(z):
    inner = type(z)(SQRT_TWO_OVER_PI) * (z + type(z)(GELU_CUBIC) * z * z * z)
    return type(z)(0.5) * z * (type(z)(1) + tanh(inner))


@kernel(inlined=True)
def gelu_tanh_derivative(z):
    square = z * z
    inner = type(z)(SQRT_TWO_OVER_PI) * (z + type(z)(GELU_CUBIC) * square * z)
    t = tanh(inner)
    # (1 - t*t) is exactly 0 where z*z would overflow, and comes first so that their product stays finite.
    q = (type(z)(1) - t * t) * z
    half_slope = type(z)(0.5 * SQRT_TWO_OVER_PI)
    return type(z)(0.5) * (type(z)(1) + t) + (half_slope * q + half_slope * type(z)(3 * GELU_CUBIC) * q * z * z)


@kernel(inlined=True)
def silu(z):
    return z * sigmoid(z)


@kernel(inlined=True)
def silu_derivative(z):
    s = sigmoid(z)
    return s * (type(z)(1) + z * (type(z)(1) - s))


@kernel(inlined=True)
def softplus(z):
    return relu(z) + log1p_exp_nonpositive(-abs(z))


@kernel(inlined=True)
def softplus_derivative(z):
    return sigmoid(z)


@kernel(inlined=True, views=True)
def _moved(buffer, part):
    """A copy of part in the buffer."""
    copy = vector(buffer, 0, part.size)
    for i in range(part.size):
        copy[i] = part[i]
    return copy


@kernel(late=True)
def _forward_chunk(y, z, kind, a):
    """A function of its own: in a loop over chunks the constants of all kinds would be set up first, for 50 ns."""
    if kind == IDENTITY:
        for i in range(y.size):
            y[i] = z[i]
    elif kind == RELU:
        for i in range(y.size):
            y[i] = relu(z[i])
    elif kind == STEP:
        for i in range(y.size):
            y[i] = step(z[i])
    elif kind == SIGMOID:
        for i in range(y.size):
            y[i] = sigmoid(z[i])
    elif kind == TANH:
        for i in range(y.size):
            y[i] = tanh(z[i])
    elif kind == LEAKY_RELU:
        for i in range(y.size):
            y[i] = leaky_relu(z[i], a)
    elif kind == ELU:
        for i in range(y.size):
            y[i] = elu(z[i], a)
    elif kind == GELU:
        for i in range(y.size):
            y[i] = gelu(z[i])
    elif kind == GELU_TANH:
        for i in range(y.size):
            y[i] = gelu_tanh(z[i])
    elif kind == SILU:
        for i in range(y.size):
            y[i] = silu(z[i])
    elif kind == SOFTPLUS:
        for i in range(y.size):
            y[i] = softplus(z[i])
    elif kind == EXP:
        for i in range(y.size):
            y[i] = exp(z[i])
    elif kind == LOG:
        for i in range(y.size):
            y[i] = log(z[i])
    elif kind == ERF:
        for i in range(y.size):
            y[i] = erf(z[i])


@kernel(inlined=True)
def activation_forward(y, z, kind, alpha):
    """y = f(z), elementwise on flat arrays; y may be z. kind is one of FUNCTIONS."""
    a = y.dtype.type(alpha)
    if not begin_together(y, z):
        _forward_chunk(y, z, kind, a)
    else:
        buffer = on_stack(CHUNK_ELEMENTS, a)
        for at in range(0, y.size, CHUNK_ELEMENTS):
            count = min(CHUNK_ELEMENTS, y.size - at)
            _forward_chunk(vector(y, at, count), _moved(buffer, vector(z, at, count)), kind, a)


@kernel(parallel=True, late=True)
def _forward_parallel(y, z, kind, alpha):
    parts = thread_count()
    for part in prange(parts):
        at, end = part * y.size // parts, (part + 1) * y.size // parts
        activation_forward(vector(y, at, end - at), vector(z, at, end - at), kind, alpha)
        part_done()


@kernel
def elementwise(y, z, kind, alpha):
    """activation_forward, by several threads where that pays. Networks do without."""
    if y.size >= PARALLEL_ELEMENTS and thread_count() > 1 and take_pool():
        _forward_parallel(y, z, kind, alpha)
        release_pool()
    else:
        activation_forward(y, z, kind, alpha)


@kernel(late=True)
def _backward_chunk(dz, dy, z, y, kind, a):
    if kind in (IDENTITY, STEP):
        for i in range(dz.size):
            dz[i] = dy[i]
    elif kind == RELU:
        for i in range(dz.size):
            dz[i] = dy[i] * relu_derivative(y[i])
    elif kind == SIGMOID:
        for i in range(dz.size):
            dz[i] = dy[i] * sigmoid_derivative(y[i])
    elif kind == TANH:
        for i in range(dz.size):
            dz[i] = dy[i] * tanh_derivative(y[i])
    elif kind == LEAKY_RELU:
        for i in range(dz.size):
            dz[i] = dy[i] * leaky_relu_derivative(y[i], a)
    elif kind == ELU:
        for i in range(dz.size):
            dz[i] = dy[i] * elu_derivative(z[i], a)
    elif kind == GELU:
        for i in range(dz.size):
            dz[i] = dy[i] * gelu_derivative(z[i])
    elif kind == GELU_TANH:
        for i in range(dz.size):
            dz[i] = dy[i] * gelu_tanh_derivative(z[i])
    elif kind == SILU:
        for i in range(dz.size):
            dz[i] = dy[i] * silu_derivative(z[i])
    elif kind == SOFTPLUS:
        for i in range(dz.size):
            dz[i] = dy[i] * softplus_derivative(z[i])


@kernel(inlined=True)
def activation_backward(dz, dy, z, y, kind, alpha):
    """dz = dy * f'(z), elementwise on flat arrays; dz may be dy. z is read only for the kinds of NEEDS_Z.

    The step has no gradient: dy passes through, which is what the perceptron rule wants.
    """
    a = y.dtype.type(alpha)
    if not begin_together(dz, dy):
        _backward_chunk(dz, dy, z, y, kind, a)
    else:
        buffer = on_stack(CHUNK_ELEMENTS, a)
        for at in range(0, dz.size, CHUNK_ELEMENTS):
            count = min(CHUNK_ELEMENTS, dz.size - at)
            gradient = _moved(buffer, vector(dy, at, count))
            _backward_chunk(vector(dz, at, count), gradient, vector(z, at, count), vector(y, at, count), kind, a)
