"""Exact costs of what stands between dense layers: norms, dropout, residual adds. Conventions: fastnn.cost.

B batch, I features. Means are counted as plain sums and divisions; what the kernels add to round a constant row to 0 is
not. The integer arithmetic that dropout draws by is no FLOP.
"""

from __future__ import annotations

from fastnn.cost import Cost, whole_sizes


def norm_forward(batch: int, inputs: int, itemsize: int = 4, *, centred: bool) -> Cost:
    """Layer norm ("centred") or RMS norm: reads x, w and b, writes y, the normalised rows and a number a row.

    A row of RMS norm: squares I, their mean I, epsilon, root and inverse 3, scaling and weight 2 I. Layer norm has a
    mean, a subtraction and a bias besides.
    """
    batch, inputs, itemsize = whole_sizes(batch=batch, inputs=inputs, itemsize=itemsize)
    of_row, parameters = (7 * inputs + 3, 2 * inputs) if centred else (4 * inputs + 3, inputs)
    return Cost(0, batch * of_row, 0, (3 * batch * inputs + batch + parameters) * itemsize)


def norm_backward(
    batch: int, inputs: int, itemsize: int = 4, input_gradient: bool = True, *, centred: bool
) -> Cost:  # fmt: skip
    """dw = column sums of dy normal, db of dy, dx = inverse (g - mean g - normal mean(g normal)), g = dy w, if wanted.

    RMS norm has no db and no mean g. Reads dy and the normalised rows, for dx also w and a number a row.
    """
    batch, inputs, itemsize = whole_sizes(batch=batch, inputs=inputs, itemsize=itemsize)
    sums = max(batch - 1, 0) * inputs
    flops, numbers = batch * inputs + sums, 2 * batch * inputs + inputs
    if centred:
        flops, numbers = flops + sums, numbers + inputs
    if input_gradient:
        flops += (8 if centred else 6) * batch * inputs
        numbers += batch * inputs + batch + inputs
    return Cost(0, flops, 0, numbers * itemsize)


def dropout(n: int, itemsize: int = 4) -> Cost:
    """n elements in training, either way: a comparison that selects a factor, and a product."""
    n, itemsize = whole_sizes(n=n, itemsize=itemsize)
    return Cost(0, 2 * n, 0, 2 * n * itemsize)


def addition(n: int, itemsize: int = 4) -> Cost:
    """n elements of two arrays."""
    n, itemsize = whole_sizes(n=n, itemsize=itemsize)
    return Cost(0, n, 0, 3 * n * itemsize)


def copy(n: int, itemsize: int = 4) -> Cost:
    """n elements."""
    n, itemsize = whole_sizes(n=n, itemsize=itemsize)
    return Cost(0, 0, 0, 2 * n * itemsize)
