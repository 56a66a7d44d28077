"""Dense layers, and activations by themselves. B batch, I inputs, O outputs, N elements, s bytes of a number."""

from __future__ import annotations

from collections.abc import Mapping

from fastnn.cost.counts import Cost, Formula, evaluate, joined, look_up, times, whole_sizes

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
    "elu": (2, 1, "z"),  # select(z > 0, 1, alpha exp(z))
    "gelu": (8, 2, "z"),  # (1 + erf(c z))/2 + z exp(-z z/2) d
    "gelu_tanh": (16, 1, "z"),  # t the tanh, s = (1 - t t) z: (1 + t)/2 + (a s + b s z z)
    "silu": (6, 1, "z"),  # s = sigmoid(z): s (1 + z (1 - s))
    "softplus": (2, 1, "z"),  # sigmoid(z)
}


def _value(activation: str, elements: str) -> Formula:
    """Of y from z, without the arrays."""
    flops, transcendentals = look_up("activation", ACTIVATION_VALUE, activation)
    return Formula(flops_elementwise=times(flops, elements), transcendentals=times(transcendentals, elements))


def _slope(activation: str, elements: str) -> Formula:
    """Of dz = dy act'(z or y), without the arrays."""
    flops, transcendentals, operand = look_up("activation", ACTIVATION_DERIVATIVE, activation)
    if not operand:
        return Formula()
    return Formula(flops_elementwise=times(flops + 1, elements), transcendentals=times(transcendentals, elements))


def activation_forward(name: str, n: int, itemsize: int = 4) -> Cost:
    """y from z, n elements. Identity does nothing: y is z."""
    formula = _value(name, "N") + Formula(bytes="" if name == "identity" else "2·s·N")
    n, itemsize = whole_sizes(n=n, itemsize=itemsize)
    return formula.cost(N=n, s=itemsize)


def activation_backward(name: str, n: int, itemsize: int = 4) -> Cost:
    """dz = dy act'(z or y), n elements: reads dy and one of z and y. Identity and step do nothing: dz is
    dy."""
    formula = _slope(name, "N")
    _, _, operand = ACTIVATION_DERIVATIVE[name]
    n, itemsize = whole_sizes(n=n, itemsize=itemsize)
    return (formula + Formula(bytes="3·s·N" if operand else "")).cost(N=n, s=itemsize)


def gated_forward(name: str, n: int, itemsize: int = 4) -> Cost:
    """y = act(a) b, n elements: reads a and b."""
    n, itemsize = whole_sizes(n=n, itemsize=itemsize)
    return (_value(name, "N") + Formula(flops_elementwise="N", bytes="3·s·N")).cost(N=n, s=itemsize)


def gated_backward(name: str, n: int, itemsize: int = 4) -> Cost:
    """da = dy b act'(a), db = dy act(a), which is made again: reads dy, a and b."""
    n, itemsize = whole_sizes(n=n, itemsize=itemsize)
    formula = _value(name, "N") + _slope(name, "N") + Formula(flops_elementwise="2·N", bytes="5·s·N")
    return formula.cost(N=n, s=itemsize)


def dense_forward(
    batch: int, inputs: int, outputs: int, activation: str = "identity", itemsize: int = 4, bias: bool = True
) -> Cost:
    """z = x w + b and y = act(z) in one pass: reads x, w and b, writes y, and z where act' will need it."""
    batch, inputs, outputs, itemsize = whole_sizes(batch=batch, inputs=inputs, outputs=outputs, itemsize=itemsize)
    added = Formula(flops_elementwise="B·O", bytes="s·O") if bias else Formula()
    formula = Formula(macs="B·I·O", bytes="s·B·I + s·I·O") + added + _value(activation, "B·O")
    _, _, operand = ACTIVATION_DERIVATIVE[activation]
    written = Formula(bytes=times(2 if operand == "z" else 1, "s·B·O"))
    return (formula + written).cost(B=batch, I=inputs, O=outputs, s=itemsize)


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
    through = _slope(activation, "B·O")
    _, _, operand = ACTIVATION_DERIVATIVE[activation]
    formula = Formula(macs="B·I·O", bytes=joined(times(2 if operand else 1, "s·B·O"), "s·B·I + s·I·O")) + through
    if bias:
        formula += Formula(flops_elementwise="O·(B-1)", bytes="s·O")
    if input_gradient:
        formula += Formula(macs="B·I·O", bytes="s·I·O + s·B·I")
    return formula.cost(B=batch, I=inputs, O=outputs, s=itemsize)


def dense_parameters(inputs: int, outputs: int, bias: bool = True) -> int:
    """Of the weight (I, O) and the bias (O)."""
    inputs, outputs = whole_sizes(inputs=inputs, outputs=outputs)
    return evaluate("I·O + O" if bias else "I·O", {"I": inputs, "O": outputs})
