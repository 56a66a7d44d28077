"""Activations on the device: fastnn.kernels.activation, element by element, the kind chosen at run time.

All threads of a launch take the same branch, so choosing costs nothing against a load.
"""

from __future__ import annotations

from fastnn.cuda.functions import shared, sigmoid, tanh
from fastnn.cuda.target import device
from fastnn.kernels import activation as cpu
from fastnn.kernels.activation import (
    ELU,
    GELU,
    GELU_TANH,
    LEAKY_RELU,
    RELU,
    SIGMOID,
    SILU,
    SOFTPLUS,
    STEP,
    TANH,
)

step, relu, leaky_relu, elu = (shared(f) for f in (cpu.step, cpu.relu, cpu.leaky_relu, cpu.elu))
gelu, gelu_tanh, silu, softplus = (shared(f) for f in (cpu.gelu, cpu.gelu_tanh, cpu.silu, cpu.softplus))
sigmoid_derivative, tanh_derivative = shared(cpu.sigmoid_derivative), shared(cpu.tanh_derivative)
relu_derivative, leaky_relu_derivative = shared(cpu.relu_derivative), shared(cpu.leaky_relu_derivative)
elu_derivative, gelu_derivative = shared(cpu.elu_derivative), shared(cpu.gelu_derivative)
gelu_tanh_derivative, silu_derivative = shared(cpu.gelu_tanh_derivative), shared(cpu.silu_derivative)
softplus_derivative = shared(cpu.softplus_derivative)


@device
def activate(z, kind, alpha):
    """f(z); alpha is a float64."""
    if kind == RELU:
        return relu(z)
    if kind == SIGMOID:
        return sigmoid(z)
    if kind == TANH:
        return tanh(z)
    if kind == GELU:
        return gelu(z)
    if kind == SILU:
        return silu(z)
    if kind == GELU_TANH:
        return gelu_tanh(z)
    if kind == LEAKY_RELU:
        return leaky_relu(z, type(z)(alpha))
    if kind == ELU:
        return elu(z, type(z)(alpha))
    if kind == SOFTPLUS:
        return softplus(z)
    if kind == STEP:
        return step(z)
    return z


@device
def inward(dy, z, y, kind, alpha):
    """dy * f'(z): the gradient before the activation. A step, like the identity, passes it through."""
    if kind == RELU:
        return dy * relu_derivative(y)
    if kind == SIGMOID:
        return dy * sigmoid_derivative(y)
    if kind == TANH:
        return dy * tanh_derivative(y)
    if kind == GELU:
        return dy * gelu_derivative(z)
    if kind == SILU:
        return dy * silu_derivative(z)
    if kind == GELU_TANH:
        return dy * gelu_tanh_derivative(z)
    if kind == LEAKY_RELU:
        return dy * leaky_relu_derivative(y, type(y)(alpha))
    if kind == ELU:
        return dy * elu_derivative(z, type(z)(alpha))
    if kind == SOFTPLUS:
        return dy * softplus_derivative(z)
    return dy
