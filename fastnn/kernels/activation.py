"""Activations: value and derivative of each, written once as scalar functions, then loops over them.

A derivative takes both the pre-activation z and the value y = f(z) and uses whichever is cheaper. NEEDS_Z names the
kinds that use z; the others can be computed in place. alpha is the slope of leaky_relu and the scale of elu.
References: gelu, Hendrycks & Gimpel 2016; silu, Elfwing et al. 2017; elu, Clevert et al. 2015.
"""

from __future__ import annotations

import math

from fastnn._jit import kernel
from fastnn.simd.vecmath import erf, exp, expm1, log1p, sigmoid, tanh

NAMES = ("identity", "step", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu", "gelu_tanh", "silu", "softplus")
IDENTITY, STEP, SIGMOID, TANH, RELU, LEAKY_RELU, ELU, GELU, GELU_TANH, SILU, SOFTPLUS = range(len(NAMES))
NEEDS_Z = frozenset({GELU, GELU_TANH, SILU, SOFTPLUS})
DEFAULT_ALPHA = {"leaky_relu": 0.01, "elu": 1.0}

SQRT_HALF = math.sqrt(0.5)
INVERSE_SQRT_TWO_PI = 1 / math.sqrt(2 * math.pi)
SQRT_TWO_OVER_PI = math.sqrt(2 / math.pi)
GELU_CUBIC = 0.044715


@kernel
def step(z):
    return type(z)(1) if z >= type(z)(0) else type(z)(0)


@kernel
def sigmoid_derivative(y):
    return y * (type(y)(1) - y)


@kernel
def tanh_derivative(y):
    return type(y)(1) - y * y


@kernel
def relu(z):
    # Written so that NaN passes: a comparison with NaN is false.
    return type(z)(0) if z < type(z)(0) else z


@kernel
def relu_derivative(y):
    return type(y)(1) if y > type(y)(0) else type(y)(0)


@kernel
def leaky_relu(z, alpha):
    return z if z > type(z)(0) else alpha * z


@kernel
def leaky_relu_derivative(y, alpha):
    return type(y)(1) if y > type(y)(0) else alpha


@kernel
def elu(z, alpha):
    # exp(-40) is below half an ulp of 1 in both precisions; NaN passes both comparisons.
    bounded = type(z)(0) if z > type(z)(0) else (type(z)(-40) if z < type(z)(-40) else z)
    return z if z > type(z)(0) else alpha * expm1(bounded)


@kernel
def elu_derivative(y, alpha):
    return type(y)(1) if y > type(y)(0) else y + alpha


@kernel
def gelu(z):
    return z * type(z)(0.5) * (type(z)(1) + erf(z * type(z)(SQRT_HALF)))


@kernel
def gelu_derivative(z):
    cumulative = type(z)(0.5) * (type(z)(1) + erf(z * type(z)(SQRT_HALF)))
    density = exp(type(z)(-0.5) * z * z) * type(z)(INVERSE_SQRT_TWO_PI)
    return cumulative + z * density


@kernel
def gelu_tanh(z):
    inner = type(z)(SQRT_TWO_OVER_PI) * (z + type(z)(GELU_CUBIC) * z * z * z)
    return type(z)(0.5) * z * (type(z)(1) + tanh(inner))


@kernel
def gelu_tanh_derivative(z):
    square = z * z
    inner = type(z)(SQRT_TWO_OVER_PI) * (z + type(z)(GELU_CUBIC) * square * z)
    t = tanh(inner)
    # (1 - t*t) is exactly 0 where z*z would overflow, and comes first so that their product stays finite.
    q = (type(z)(1) - t * t) * z
    half_slope = type(z)(0.5 * SQRT_TWO_OVER_PI)
    return type(z)(0.5) * (type(z)(1) + t) + (half_slope * q + half_slope * type(z)(3 * GELU_CUBIC) * q * z * z)


@kernel
def silu(z):
    return z * sigmoid(z)


@kernel
def silu_derivative(z):
    s = sigmoid(z)
    return s * (type(z)(1) + z * (type(z)(1) - s))


@kernel
def softplus(z):
    return relu(z) + log1p(exp(-abs(z)))


@kernel
def softplus_derivative(z):
    return sigmoid(z)


@kernel
def activation_forward(y, z, kind, alpha):
    """y = f(z), elementwise on flat arrays; y may be z."""
    n = y.size
    a = z.dtype.type(alpha)
    if kind == RELU:
        for i in range(n):
            y[i] = relu(z[i])
    elif kind == IDENTITY:
        for i in range(n):
            y[i] = z[i]
    elif kind == STEP:
        for i in range(n):
            y[i] = step(z[i])
    elif kind == SIGMOID:
        for i in range(n):
            y[i] = sigmoid(z[i])
    elif kind == TANH:
        for i in range(n):
            y[i] = tanh(z[i])
    elif kind == LEAKY_RELU:
        for i in range(n):
            y[i] = leaky_relu(z[i], a)
    elif kind == ELU:
        for i in range(n):
            y[i] = elu(z[i], a)
    elif kind == GELU:
        for i in range(n):
            y[i] = gelu(z[i])
    elif kind == GELU_TANH:
        for i in range(n):
            y[i] = gelu_tanh(z[i])
    elif kind == SILU:
        for i in range(n):
            y[i] = silu(z[i])
    elif kind == SOFTPLUS:
        for i in range(n):
            y[i] = softplus(z[i])


@kernel
def activation_backward(dz, dy, z, y, kind, alpha):
    """dz = dy * f'(z), elementwise on flat arrays; dz may be dy. z is read only for the kinds of NEEDS_Z.

    The step has no gradient: dy passes through, which is what the perceptron rule wants.
    """
    n = dy.size
    a = y.dtype.type(alpha)
    if kind == RELU:
        for i in range(n):
            dz[i] = dy[i] * relu_derivative(y[i])
    elif kind in (IDENTITY, STEP):
        for i in range(n):
            dz[i] = dy[i]
    elif kind == SIGMOID:
        for i in range(n):
            dz[i] = dy[i] * sigmoid_derivative(y[i])
    elif kind == TANH:
        for i in range(n):
            dz[i] = dy[i] * tanh_derivative(y[i])
    elif kind == LEAKY_RELU:
        for i in range(n):
            dz[i] = dy[i] * leaky_relu_derivative(y[i], a)
    elif kind == ELU:
        for i in range(n):
            dz[i] = dy[i] * elu_derivative(y[i], a)
    elif kind == GELU:
        for i in range(n):
            dz[i] = dy[i] * gelu_derivative(z[i])
    elif kind == GELU_TANH:
        for i in range(n):
            dz[i] = dy[i] * gelu_tanh_derivative(z[i])
    elif kind == SILU:
        for i in range(n):
            dz[i] = dy[i] * silu_derivative(z[i])
    elif kind == SOFTPLUS:
        for i in range(n):
            dz[i] = dy[i] * softplus_derivative(z[i])
