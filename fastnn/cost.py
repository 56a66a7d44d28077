"""Exact costs of every operation: what its kernel computes and what must move through memory.

Conventions
- A product of K terms is K multiply-adds (MACs). FLOPs = 2 x MACs in products, the usual convention,
  although the first of K products needs no addition: run by hand, a product makes `macs` multiplications
  and `macs - outputs` additions.
- Elementwise: each + - * / sqrt, maximum and compare-and-select is 1 FLOP, both branches of a select
  counted where both are computed. exp, expm1, log, log1p, tanh and erf are transcendentals, not FLOPs.
  Sign flips, absolute values and copies are 0.
- A formula is counted as written, not the zero that a loop starts its sum from or a factor that happens
  to be 1.
- What a call computes once from scalars alone (1/B, Adam's bias corrections) is not counted. Every
  operation on a number that came out of an array is, down to the one that scales the summed loss to its mean.
- bytes is the compulsory traffic: each distinct array operand read once, each result array written once,
  scratch and scalar results kept in cache, at `itemsize` bytes a number.

B batch, I inputs, O outputs, C classes. Every function refuses sizes that are negative (ValueError) or no
integers (TypeError).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from numbers import Integral
from operator import add
from typing import TypeVar

from fastnn.kernels.optimizer import STATE

Entry = TypeVar("Entry")

LABEL_BYTES = 8  # class indices are int64


@dataclass(frozen=True, slots=True)
class Cost:
    """Multiply-adds of products, FLOPs outside products, transcendentals, bytes of compulsory traffic."""

    macs: int = 0
    flops_elementwise: int = 0
    transcendentals: int = 0
    bytes: int = 0

    @property
    def flops_matmul(self) -> int:
        return 2 * self.macs

    @property
    def flops(self) -> int:
        """All FLOPs; transcendentals are not among them."""
        return self.flops_matmul + self.flops_elementwise

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.macs + other.macs,
            self.flops_elementwise + other.flops_elementwise,
            self.transcendentals + other.transcendentals,
            self.bytes + other.bytes,
        )

    def __mul__(self, times: int) -> "Cost":
        return Cost(
            self.macs * times,
            self.flops_elementwise * times,
            self.transcendentals * times,
            self.bytes * times,
        )


@dataclass(frozen=True, slots=True)
class StepCost:
    """One training step on one batch: forward pass, loss with its gradient, backward pass, update.

    saved_bytes: traffic that the phases by themselves have and the step has not, as it updates a weight while its
    gradient is in cache: parameters' gradients written and read, weights of an input gradient read again.
    """

    forward: Cost
    loss: Cost
    backward: Cost
    update: Cost
    saved_bytes: int = 0

    @property
    def total(self) -> Cost:
        return self.forward + self.loss + self.backward + self.update + Cost(bytes=-self.saved_bytes)


# FLOPs and transcendentals of an activation's value, an element.
ACTIVATION_VALUE: Mapping[str, tuple[int, int]] = {
    "identity": (0, 0),
    "step": (1, 0),
    "sigmoid": (2, 1),  # 1 / (1 + exp(-z))
    "tanh": (0, 1),
    "relu": (1, 0),
    "leaky_relu": (2, 0),
    "elu": (2, 1),  # select(z > 0, z, alpha expm1(z))
    "gelu": (4, 1),  # z/2 (1 + erf(c z))
    "gelu_tanh": (8, 1),  # z/2 (1 + tanh(c (z + d z z z)))
    "silu": (3, 1),  # z sigmoid(z)
    "softplus": (2, 2),  # max(z, 0) + log1p(exp(-|z|))
}

# FLOPs and transcendentals of a derivative, an element, and the one array that it reads: the value y
# where that is cheaper, else z, which the forward pass must then keep. Step has no gradient: like
# identity, it passes dy through.
ACTIVATION_DERIVATIVE: Mapping[str, tuple[int, int, str]] = {
    "identity": (0, 0, ""),
    "step": (0, 0, ""),
    "sigmoid": (2, 0, "y"),  # y (1 - y)
    "tanh": (2, 0, "y"),  # 1 - y y
    "relu": (1, 0, "y"),
    "leaky_relu": (1, 0, "y"),
    "elu": (2, 0, "y"),  # select(y > 0, 1, y + alpha)
    "gelu": (8, 2, "z"),  # (1 + erf(c z))/2 + z exp(-z z/2) d
    "gelu_tanh": (16, 1, "z"),  # t the tanh, s = (1 - t t) z: (1 + t)/2 + (a s + b s z z)
    "silu": (6, 1, "z"),  # s = sigmoid(z): s (1 + z (1 - s))
    "softplus": (2, 1, "z"),  # sigmoid(z)
}


def product(m: int, n: int, k: int, itemsize: int = 4) -> Cost:
    """(m, k) by (k, n), in any of the three transposed forms."""
    m, n, k, itemsize = whole_sizes(m=m, n=n, k=k, itemsize=itemsize)
    return Cost(macs=m * n * k, bytes=itemsize * (m * k + k * n + m * n))


def activation_forward(name: str, n: int, itemsize: int = 4) -> Cost:
    """y from z, n elements. Identity does nothing: y is z."""
    flops, transcendentals = _look_up("activation", ACTIVATION_VALUE, name)
    n, itemsize = whole_sizes(n=n, itemsize=itemsize)
    arrays = 0 if name == "identity" else 2
    return Cost(0, flops * n, transcendentals * n, arrays * n * itemsize)


def activation_backward(name: str, n: int, itemsize: int = 4) -> Cost:
    """dz = dy act'(z or y), n elements: reads dy and one of z and y. Identity and step do nothing: dz is
    dy."""
    flops, transcendentals, operand = _look_up("activation", ACTIVATION_DERIVATIVE, name)
    n, itemsize = whole_sizes(n=n, itemsize=itemsize)
    if not operand:
        return Cost()
    return Cost(0, (flops + 1) * n, transcendentals * n, 3 * n * itemsize)


def dense_forward(
    batch: int, inputs: int, outputs: int, activation: str = "identity", itemsize: int = 4, bias: bool = True
) -> Cost:
    """z = x w + b and y = act(z) in one pass: reads x, w and b, writes y, and z where act' will need it."""
    batch, inputs, outputs, itemsize = whole_sizes(batch=batch, inputs=inputs, outputs=outputs, itemsize=itemsize)
    elements = batch * outputs
    linear = product(batch, outputs, inputs, itemsize)
    if bias:
        linear += Cost(flops_elementwise=elements, bytes=outputs * itemsize)
    alone = activation_forward(activation, elements, itemsize)
    _, _, operand = ACTIVATION_DERIVATIVE[activation]
    z_kept = elements * itemsize if operand == "z" else 0
    return linear + Cost(0, alone.flops_elementwise, alone.transcendentals, z_kept)


def dense_backward(
    batch: int,
    inputs: int,
    outputs: int,
    activation: str = "identity",
    itemsize: int = 4,
    input_gradient: bool = True,
    bias: bool = True,
) -> Cost:
    """dw = x^T dz, db = column sums of dz, dx = dz w^T if wanted, where dz = dy act' is scratch.

    Reads dy, x, the one of z and y that act' needs, and w for dx; writes dw, db and dx.
    """
    batch, inputs, outputs, itemsize = whole_sizes(batch=batch, inputs=inputs, outputs=outputs, itemsize=itemsize)
    elements = batch * outputs
    through = activation_backward(activation, elements, itemsize)
    _, _, operand = ACTIVATION_DERIVATIVE[activation]
    numbers = (2 if operand else 1) * elements + batch * inputs + inputs * outputs
    flops, macs = through.flops_elementwise, batch * inputs * outputs
    if bias:
        flops += outputs * max(batch - 1, 0)
        numbers += outputs
    if input_gradient:
        macs *= 2
        numbers += inputs * outputs + batch * inputs
    return Cost(macs, flops, through.transcendentals, numbers * itemsize)


def softmax(batch: int, classes: int, itemsize: int = 4) -> Cost:
    """A row: maximum C - 1, subtract C, temperature C, exp C, sum C - 1, one division, scale C."""
    batch, itemsize = whole_sizes(batch=batch, itemsize=itemsize)
    (classes,) = whole_sizes(1, classes=classes)
    return Cost(0, batch * (5 * classes - 1), batch * classes, 2 * batch * classes * itemsize)


def cross_entropy(batch: int, classes: int, itemsize: int = 4) -> Cost:
    """Mean cross-entropy of logits (B, C) fused with its gradient; int64 class indices, no weights, no
    smoothing.

    A row: maximum C - 1, subtract C, exp C, sum C - 1; loss: log 1, subtract 1; gradient: one division,
    1/B by the sum, scale C, subtract 1 at the label. Then the mean over rows.
    """
    batch, itemsize = whole_sizes(batch=batch, itemsize=itemsize)
    (classes,) = whole_sizes(1, classes=classes)
    moved = 2 * batch * classes * itemsize + batch * LABEL_BYTES
    return Cost(0, batch * (4 * classes + 1), batch * (classes + 1), moved) + _mean(batch)


def binary_cross_entropy_with_logits(batch: int, outputs: int, itemsize: int = 4) -> Cost:
    """Loss max(z, 0) - z t + log1p(exp(-|z|)), gradient (sigmoid(z) - t) / n."""
    return _elementwise_loss(batch, outputs, itemsize, flops=8, transcendentals=3)


def binary_cross_entropy(batch: int, outputs: int, itemsize: int = 4) -> Cost:
    """Loss (t - 1) max(log1p(-p), -100) - t max(log p, -100), gradient (p - t) / max((1 - p) p, 1e-12) /
    n."""
    return _elementwise_loss(batch, outputs, itemsize, flops=12, transcendentals=2)


def mse(batch: int, outputs: int, itemsize: int = 4) -> Cost:
    """Loss d d with d = prediction - target, gradient 2 (prediction - target) / n, in a second pass."""
    return _elementwise_loss(batch, outputs, itemsize, flops=5, transcendentals=0)


def hinge(batch: int, outputs: int, itemsize: int = 4) -> Cost:
    """Loss max(1 - t s, 0), gradient select(t s < 1, -t, 0) / n, in a second pass."""
    return _elementwise_loss(batch, outputs, itemsize, flops=6, transcendentals=0)


def perceptron(batch: int, outputs: int, itemsize: int = 4) -> Cost:
    """Loss |y - t|, correction (y - t) / n, in a second pass."""
    return _elementwise_loss(batch, outputs, itemsize, flops=3, transcendentals=0)


def _elementwise_loss(batch: int, outputs: int, itemsize: int, flops: int, transcendentals: int) -> Cost:
    """Mean loss and gradient of n = B O elements: reads prediction and target, writes the gradient."""
    batch, outputs, itemsize = whole_sizes(batch=batch, outputs=outputs, itemsize=itemsize)
    n = batch * outputs
    return Cost(0, flops * n, transcendentals * n, 3 * n * itemsize) + _mean(n)


def _mean(n: int) -> Cost:
    """n - 1 additions and one multiplication by 1/n."""
    return Cost(flops_elementwise=n)


LOSSES: Mapping[str, Callable[[int, int, int], Cost]] = {
    "cross_entropy": cross_entropy,
    "binary_cross_entropy_with_logits": binary_cross_entropy_with_logits,
    "binary_cross_entropy": binary_cross_entropy,
    "mse": mse,
    "hinge": hinge,
    "perceptron": perceptron,
}

# FLOPs of an update, a parameter. Weight decay is always computed: g + wd p is 2,
# adamw's factor on p 1.
UPDATES: Mapping[str, int] = {
    "sgd": 4,  # p - lr g
    "momentum": 6,  # b = mu b + g; p - lr b
    "nesterov": 8,  # b = mu b + g; p - lr (g + mu b)
    "adam": 15,  # m: 3, v: 4; p - a m / (sqrt(v) c + epsilon): 6
    "adamw": 14,
}


def update(optimizer: str, n: int, itemsize: int = 4) -> Cost:
    """One update of n parameters: reads p, g and the state, writes p and the state."""
    flops = _look_up("optimizer", UPDATES, optimizer)
    state = STATE[optimizer]
    n, itemsize = whole_sizes(n=n, itemsize=itemsize)
    return Cost(flops_elementwise=flops * n, bytes=(3 + 2 * state) * n * itemsize)


def parameter_count(sizes: Sequence[int]) -> int:
    """Weights and biases of a multilayer perceptron of these layer sizes, inputs first: I O + O a layer."""
    return sum(inputs * outputs + outputs for inputs, outputs in _layers(sizes))


def six_n_d(parameters: int, samples: int) -> int:
    """The 6 N D model of training FLOPs, N parameters on D samples: to compare with, not what fastnn counts.

    It takes 2 N forward and 4 N backward a sample (Kaplan et al. 2020, arXiv 2001.08361): biases as if
    they were multiplied, and an input gradient for the first layer.
    """
    parameters, samples = whole_sizes(parameters=parameters, samples=samples)
    return 6 * parameters * samples


def multilayer_perceptron(
    sizes: Sequence[int],
    batch: int,
    activation: str = "relu",
    output_activation: str = "identity",
    loss: str = "cross_entropy",
    optimizer: str = "sgd",
    itemsize: int = 4,
) -> StepCost:
    """One training step of dense layers with biases. The first layer has no input gradient."""
    layers = _layers(sizes)
    activations = [activation] * (len(layers) - 1) + [output_activation]
    forward = [
        dense_forward(batch, inputs, outputs, name, itemsize)
        for (inputs, outputs), name in zip(layers, activations, strict=True)
    ]
    backward = [
        dense_backward(batch, inputs, outputs, name, itemsize, input_gradient=index > 0)
        for index, ((inputs, outputs), name) in enumerate(zip(layers, activations, strict=True))
    ]
    return StepCost(
        forward=reduce(add, forward),
        loss=_look_up("loss", LOSSES, loss)(batch, layers[-1][1], itemsize),
        backward=reduce(add, backward),
        update=update(optimizer, parameter_count(sizes), itemsize),
        saved_bytes=saved_bytes(parameter_count(sizes), sum(i * o for i, o in layers[1:]), itemsize),
    )


def saved_bytes(parameters: int, weights_of_input_gradients: int, itemsize: int) -> int:
    """See StepCost."""
    return itemsize * (2 * parameters + weights_of_input_gradients)


def _layers(sizes: Sequence[int]) -> list[tuple[int, int]]:
    """(inputs, outputs) of each layer."""
    if len(sizes) < 2:
        raise ValueError(f"expected at least two layer sizes, inputs and outputs; got {list(sizes)}")
    whole = [whole_sizes(1, **{"each layer size": size})[0] for size in sizes]
    return list(zip(whole[:-1], whole[1:], strict=True))


def whole_sizes(minimum: int = 0, **sizes: int) -> list[int]:
    """The sizes as Python integers, which do not overflow."""
    for name, size in sizes.items():
        if not isinstance(size, Integral):
            raise TypeError(f"expected {name} to be an integer; got {size!r}")
        if size < minimum:
            raise ValueError(f"expected {name} to be at least {minimum}; got {size}")
    return [int(size) for size in sizes.values()]


def _look_up(kind: str, table: Mapping[str, Entry], name: str) -> Entry:
    if name not in table:
        raise ValueError(f"unknown {kind}: expected one of {', '.join(table)}; got {name!r}")
    return table[name]
