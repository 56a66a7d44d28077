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

A formula is a text (counts.Formula) that stands once, is computed for the numbers, and is what `fastnn report` shows.

B batch, I inputs, O outputs, C classes. Every function refuses sizes that are negative (ValueError) or no
integers (TypeError).
"""

from fastnn.cost.attention import attention_backward, attention_forward, attention_products, attention_steps, pairs
from fastnn.cost.blocks import (
    accumulation,
    addition,
    batch_norm_backward,
    batch_norm_forward,
    copy,
    dropout,
    norm_backward,
    norm_forward,
    norm_parameters,
    rotary,
)
from fastnn.cost.convolution import (
    convolution,
    convolution_backward,
    convolution_forward,
    convolution_parameters,
    places,
)
from fastnn.cost.counts import Cost, Formula, evaluate, product, put_in, whole_sizes
from fastnn.cost.dense import (
    ACTIVATION_DERIVATIVE,
    ACTIVATION_VALUE,
    activation_backward,
    activation_forward,
    dense_backward,
    dense_forward,
    dense_parameters,
    gated_backward,
    gated_forward,
)
from fastnn.cost.embedding import (
    embedding_backward,
    embedding_forward,
    positions_backward,
    positions_forward,
    sinusoids_forward,
)
from fastnn.cost.losses import (
    LABEL_BYTES,
    LOSSES,
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    hinge,
    mse,
    perceptron,
    softmax,
)
from fastnn.cost.network import (
    Graph,
    OperationCost,
    StepCost,
    layer_sizes,
    loss_cost,
    multilayer_perceptron,
    operation_costs,
    parameter_count,
    saved_bytes,
    saved_cost,
    step_cost,
)
from fastnn.cost.recurrent import (
    recurrent_forward,
    recurrent_gradient,
    recurrent_inward,
)
from fastnn.cost.updates import UPDATES, six_n_d, update

__all__ = [
    "ACTIVATION_DERIVATIVE",
    "ACTIVATION_VALUE",
    "Cost",
    "Formula",
    "Graph",
    "LABEL_BYTES",
    "LOSSES",
    "OperationCost",
    "StepCost",
    "UPDATES",
    "activation_backward",
    "activation_forward",
    "accumulation",
    "addition",
    "attention_backward",
    "attention_forward",
    "attention_products",
    "attention_steps",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "convolution",
    "convolution_backward",
    "convolution_forward",
    "convolution_parameters",
    "copy",
    "cross_entropy",
    "dense_backward",
    "dense_forward",
    "dense_parameters",
    "dropout",
    "embedding_backward",
    "embedding_forward",
    "evaluate",
    "gated_backward",
    "gated_forward",
    "hinge",
    "layer_sizes",
    "loss_cost",
    "mse",
    "multilayer_perceptron",
    "norm_backward",
    "batch_norm_backward",
    "batch_norm_forward",
    "norm_forward",
    "norm_parameters",
    "operation_costs",
    "pairs",
    "parameter_count",
    "perceptron",
    "places",
    "positions_backward",
    "positions_forward",
    "product",
    "put_in",
    "rotary",
    "recurrent_forward",
    "recurrent_gradient",
    "recurrent_inward",
    "saved_bytes",
    "saved_cost",
    "six_n_d",
    "sinusoids_forward",
    "softmax",
    "step_cost",
    "update",
    "whole_sizes",
]
