"""What stands between dense layers: norms, dropout, residual adds, copies. B rows, I features, N elements, s bytes of a
number.

Means are counted as plain sums and divisions; what the kernels add to round a constant row to 0 is not. The integer
arithmetic that dropout draws by is no FLOP.
"""

from __future__ import annotations

from fastnn.cost.counts import Cost, Formula, whole_sizes

# A row of RMS norm: squares I, their mean I, epsilon, root and inverse 3, scaling I. Layer norm has a mean and a
# subtraction besides, 2 I. A weight and a bias: I each.
RMS_NORM = Formula(flops_elementwise="3·B·I + 3·B", bytes="3·s·B·I + s·B")
LAYER_NORM = Formula(flops_elementwise="5·B·I + 3·B", bytes="3·s·B·I + s·B")
PARAMETER = Formula(flops_elementwise="B·I", bytes="s·I")
# Batch norm of N rows of C channels: a mean is N C additions, a variance 3 an element, what is made of them 3; for each
# channel both are divided by N, and there are epsilon, a root, its inverse, and the weight. Backward a sum of dy, and
# one of its products with differences from the mean, 3 an element; 5 for dx.
BATCH_NORM = Formula(flops_elementwise="7·N·C + 6·C", bytes="2·s·N·C + 4·s·C")
BATCH_NORM_SUMS = Formula(flops_elementwise="4·N·C + 4·C", bytes="2·s·N·C + 4·s·C")
BATCH_NORM_INWARD = Formula(flops_elementwise="5·N·C + 4·C", bytes="s·N·C + s·C")
DROPOUT = Formula(flops_elementwise="2·N", bytes="2·s·N")
ADDITION = Formula(flops_elementwise="N", bytes="3·s·N")
ROTARY = Formula(flops_elementwise="3·P", bytes="2·s·N")
COPY = Formula(bytes="2·s·N")
ACCUMULATION = COPY + ADDITION


def norm_forward(batch: int, inputs: int, itemsize: int = 4, *, centred: bool, parameters: int | None = None) -> Cost:
    """Layer norm ("centred") or RMS norm: reads x, w and b, writes y, the normalised rows and a number a row.

    parameters: a weight and a bias, 2, a weight alone, 1, or none; all that it can have, unless said.
    """
    batch, inputs, itemsize = whole_sizes(batch=batch, inputs=inputs, itemsize=itemsize)
    formula = LAYER_NORM if centred else RMS_NORM
    for _ in range(1 + centred if parameters is None else parameters):
        formula += PARAMETER
    return formula.cost(B=batch, I=inputs, s=itemsize)


def norm_backward(
    batch: int, inputs: int, itemsize: int = 4, input_gradient: bool = True, *, centred: bool,
    parameters: int | None = None,
) -> Cost:  # fmt: skip
    """dw = column sums of dy normal, db of dy, dx = inverse (g - mean g - normal mean(g normal)), g = dy w, if wanted.

    RMS norm has no mean g, and without a weight g = dy. Reads dy and the normalised rows, for dx also w and a number a
    row. parameters: as of norm_forward.
    """
    batch, inputs, itemsize = whole_sizes(batch=batch, inputs=inputs, itemsize=itemsize)
    count = 1 + centred if parameters is None else parameters
    formula = Formula(bytes="2·s·B·I")
    if count > 0:
        formula += Formula(flops_elementwise="B·I + I·(B-1)", bytes="s·I")
    if count > 1:
        formula += Formula(flops_elementwise="I·(B-1)", bytes="s·I")
    if input_gradient:
        formula += Formula(flops_elementwise="7·B·I" if centred else "5·B·I", bytes="s·B·I + s·B")
        formula += Formula(flops_elementwise="B·I", bytes="s·I") if count > 0 else Formula()
    return formula.cost(B=batch, I=inputs, s=itemsize)


def batch_norm_forward(rows: int, channels: int, itemsize: int = 4) -> Cost:
    """Batch norm in training of so many rows, or places: reads x, w and b, writes y, and mean and variance."""
    rows, channels, itemsize = whole_sizes(rows=rows, channels=channels, itemsize=itemsize)
    return BATCH_NORM.cost(N=rows, C=channels, s=itemsize)


def batch_norm_backward(rows: int, channels: int, itemsize: int = 4, input_gradient: bool = True) -> Cost:
    """db = sums of dy, dw = those of dy normal, dx = w inverse (dy - db / N - normal dw / N) if wanted; reads x, dy, w,
    mean and variance."""
    rows, channels, itemsize = whole_sizes(rows=rows, channels=channels, itemsize=itemsize)
    formula = BATCH_NORM_SUMS + BATCH_NORM_INWARD if input_gradient else BATCH_NORM_SUMS
    return formula.cost(N=rows, C=channels, s=itemsize)


def norm_parameters(inputs: int, bias: bool) -> int:
    """Of the weight and, where there is one, the bias: I each."""
    (inputs,) = whole_sizes(inputs=inputs)
    return (2 if bias else 1) * inputs


def dropout(n: int, itemsize: int = 4) -> Cost:
    """n elements in training, either way: a comparison that selects a factor, and a product."""
    return _elements(DROPOUT, n, itemsize)


def addition(n: int, itemsize: int = 4) -> Cost:
    """n elements of two arrays."""
    return _elements(ADDITION, n, itemsize)


def copy(n: int, itemsize: int = 4) -> Cost:
    """n elements."""
    return _elements(COPY, n, itemsize)


def accumulation(n: int, itemsize: int = 4) -> Cost:
    """n elements of a gradient that are set aside, and added to those that take their place."""
    return _elements(ACCUMULATION, n, itemsize)


def rotary(turned: int, n: int, itemsize: int = 4) -> Cost:
    """n elements, of which some are turned in pairs: four products and two sums a pair; the angles are of a call."""
    turned, n, itemsize = whole_sizes(turned=turned, n=n, itemsize=itemsize)
    return ROTARY.cost(P=turned, N=n, s=itemsize)


def _elements(formula: Formula, n: int, itemsize: int) -> Cost:
    n, itemsize = whole_sizes(n=n, itemsize=itemsize)
    return formula.cost(N=n, s=itemsize)
