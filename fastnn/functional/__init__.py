"""Single operations on arrays, checked and allocated: the kernels for use outside a network.

float64 arrays are computed in float64, everything else in float32. Losses return the reduced value, or with
reduction="none" the losses themselves; gradients are what networks are for.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.compiler.jit import DEBUG, DISABLED, most_threads
from fastnn.edge.checks import (
    FLOAT32,
    FLOAT64,
    as_choice,
    as_contiguous,
    as_labels,
    as_number,
    as_numeric,
    as_rows,
    dtype_of,
)
from fastnn.functional.images import conv2d as conv2d
from fastnn.functional.sequences import gru as gru
from fastnn.functional.sequences import lstm as lstm
from fastnn.functional.sequences import rnn as rnn
from fastnn.kernels import activation as functions
from fastnn.kernels import loss as losses
from fastnn.kernels import softmax as normalizers
from fastnn.kernels.attention import attention_forward, attention_scratch
from fastnn.kernels.embedding import embedding_forward
from fastnn.learning.losses import MSE, BinaryCrossEntropy, BinaryCrossEntropyWithLogits, CrossEntropy, Hinge, Loss
from fastnn.products import matmul as products
from fastnn.products.blocks import NN, NT, TN

# Positions beyond it are as good as it, and can be added.
MOST_PLACES = 2**62
REDUCTIONS = ("mean", "sum", "none")
_NO_SCRATCH = {dtype: np.empty(0, dtype) for dtype in (FLOAT32, FLOAT64)}


def _as_matrix(values: ArrayLike, name: str) -> NDArray[Any]:
    array = as_numeric(values, name)
    if array.ndim != 2:
        raise ValueError(f"{name} has shape {array.shape}; expected two dimensions")
    return as_rows(array, array.shape[1:], dtype_of(array), name)


def _is_ready(array: Any) -> bool:
    """Whether kernels take the array as it is. By identity: comparing dtypes takes longer than the kernel at 100."""
    return type(array) is np.ndarray and (array.dtype is FLOAT32 or array.dtype is FLOAT64) and array.flags.carray


def _as_output(out: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    if not _is_ready(out) or out.dtype != dtype or out.shape != shape:
        kind = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
        raise ValueError(f"out is {kind}; expected a writeable C-contiguous array {dtype} {shape}")
    return out  # type: ignore[no-any-return]


def _as_factors(x: ArrayLike, w: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    """Two matrices of one dtype that kernels take."""
    if _is_ready(x) and _is_ready(w) and x.dtype is w.dtype and x.ndim == w.ndim == 2:  # type: ignore[union-attr]
        return x, w  # type: ignore[return-value]
    x, w = as_numeric(x, "x"), as_numeric(w, "w")
    if x.ndim != 2 or w.ndim != 2:
        raise ValueError(f"x has shape {x.shape}, w {w.shape}; expected two matrices")
    dtype = dtype_of(x, w)
    return as_rows(x, x.shape[1:], dtype, "x"), as_rows(w, w.shape[1:], dtype, "w")


@lru_cache(maxsize=1)
def _fast_product() -> Any:
    """try_product for C-contiguous float32 and float64 matrices; TypeError for anything else."""
    for dtype in (numba.float32, numba.float64):
        matrix = numba.types.Array(dtype, 2, "C")
        products.try_product.compile((matrix, matrix, matrix, numba.int64))
    products.try_product.disable_compile()
    return products.try_product


def _product_without_checks(out: Any, x: Any, w: Any, form: int) -> bool:
    """The product where all is as kernels want it, else False: 1.1 us at 32 squared, 3 with the checks in Python."""
    if not type(out) is type(x) is type(w) is np.ndarray:  # numba may take a masked array for a plain one
        return False
    try:
        return bool(_fast_product()(out, x, w, form))
    except TypeError:
        return False


def matmul(
    x: ArrayLike,
    w: ArrayLike,
    *,
    transpose_x: bool = False,
    transpose_w: bool = False,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """x @ w, of x (M, K), or (K, M) with transpose_x, and w (K, N), or (N, K) with transpose_w. Not both transposed.

    out (M, N), C-contiguous, of the product's dtype, is overwritten and returned; it may not overlap x or w.
    """
    if transpose_x and transpose_w:
        raise ValueError("both are transposed; compute matmul(w, x).T instead")
    form = TN if transpose_x else NT if transpose_w else NN
    if out is not None and not (DISABLED or DEBUG) and _product_without_checks(out, x, w, form):
        return out
    x, w = _as_factors(x, w)
    k, m = x.shape if transpose_x else x.shape[::-1]
    n, k_w = w.shape if transpose_w else w.shape[::-1]
    if k != k_w:
        raise ValueError(f"the product sums over {k} columns of x and {k_w} rows of w; expected as many of both")
    if out is None:
        out = np.empty((m, n), x.dtype)
    else:
        out = _as_output(out, (m, n), x.dtype)
        if np.may_share_memory(out, x) or np.may_share_memory(out, w):
            raise ValueError("out shares memory with x or w; expected an array of its own")
    size = products.scratch_size(form, m, n, k, x.itemsize, most_threads())
    products.product(out, x, w, np.empty(size, x.dtype) if size else _NO_SCRATCH[x.dtype], form)
    return out


def _apply(kind: int, x: ArrayLike, out: NDArray[Any] | None, alpha: float = 0.0) -> NDArray[Any]:
    array: Any = x
    if not _is_ready(array):
        array = as_numeric(x, "x")
        array = as_contiguous(array, dtype_of(array))
    if out is None:
        out = np.empty_like(array)
    elif out is not array:
        out = _as_output(out, array.shape, array.dtype)
        if np.may_share_memory(out, array):
            array = array.copy()
    if array.ndim == 1:  # a fifth of the time of a call on few numbers
        functions.elementwise(out, array, kind, alpha)
    else:
        functions.elementwise(out.reshape(-1), array.reshape(-1), kind, alpha)
    return out


def exp(x: ArrayLike, out: NDArray[Any] | None = None) -> NDArray[Any]:
    """e**x, elementwise on any shape; `out`, which may be x, is overwritten and returned. So are those that follow."""
    return _apply(functions.EXP, x, out)


def log(x: ArrayLike, out: NDArray[Any] | None = None) -> NDArray[Any]:
    """Natural logarithm; -inf at 0, NaN below."""
    return _apply(functions.LOG, x, out)


def erf(x: ArrayLike, out: NDArray[Any] | None = None) -> NDArray[Any]:
    """The error function."""
    return _apply(functions.ERF, x, out)


def tanh(x: ArrayLike, out: NDArray[Any] | None = None) -> NDArray[Any]:
    """Hyperbolic tangent."""
    return _apply(functions.TANH, x, out)


def sigmoid(x: ArrayLike, out: NDArray[Any] | None = None) -> NDArray[Any]:
    """1 / (1 + exp(-x))"""
    return _apply(functions.SIGMOID, x, out)


def relu(x: ArrayLike, out: NDArray[Any] | None = None) -> NDArray[Any]:
    """x where it is positive, else 0."""
    return _apply(functions.RELU, x, out)


def leaky_relu(x: ArrayLike, out: NDArray[Any] | None = None, *, alpha: float = 0.01) -> NDArray[Any]:
    """x where it is positive, else alpha * x."""
    return _apply(functions.LEAKY_RELU, x, out, as_number(alpha, "alpha"))


def elu(x: ArrayLike, out: NDArray[Any] | None = None, *, alpha: float = 1.0) -> NDArray[Any]:
    """x where it is positive, else alpha * (exp(x) - 1)."""
    return _apply(functions.ELU, x, out, as_number(alpha, "alpha"))


def gelu(x: ArrayLike, out: NDArray[Any] | None = None) -> NDArray[Any]:
    """x times the mass of the normal distribution below x."""
    return _apply(functions.GELU, x, out)


def gelu_tanh(x: ArrayLike, out: NDArray[Any] | None = None) -> NDArray[Any]:
    """The approximation of gelu by tanh."""
    return _apply(functions.GELU_TANH, x, out)


def silu(x: ArrayLike, out: NDArray[Any] | None = None) -> NDArray[Any]:
    """x * sigmoid(x)"""
    return _apply(functions.SILU, x, out)


def softplus(x: ArrayLike, out: NDArray[Any] | None = None) -> NDArray[Any]:
    """log(1 + exp(x))"""
    return _apply(functions.SOFTPLUS, x, out)


def softmax(logits: ArrayLike, temperature: float = 1.0) -> NDArray[Any]:
    """Probabilities (B, C) of logits (B, C), row by row; temperature 0 puts all on the first largest logit."""
    logits = _as_matrix(logits, "logits")
    p = np.empty_like(logits)
    normalizers.softmax(p, logits, as_number(temperature, "temperature", 0.0))
    return p


def log_softmax(logits: ArrayLike, temperature: float = 1.0) -> NDArray[Any]:
    """Log-probabilities (B, C) of logits (B, C), row by row."""
    logits = _as_matrix(logits, "logits")
    log_p = np.empty_like(logits)
    normalizers.log_softmax(log_p, logits, as_number(temperature, "temperature", 0.0))
    return log_p


def cross_entropy(
    logits: ArrayLike,
    target: ArrayLike,
    *,
    class_weight: Sequence[float] | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Any:
    """Softmax cross-entropy of logits (B, C) with labels (B,) or probability rows (B, C), as torch defines it.

    Returns a float, or with reduction="none" the losses (B,).
    """
    as_choice(reduction, REDUCTIONS, "reduction")
    logits = _as_matrix(logits, "logits")
    rows, classes = logits.shape
    if classes == 0:
        raise ValueError(f"logits has shape {logits.shape}; expected at least one class")
    settings = CrossEntropy(label_smoothing=label_smoothing, class_weight=class_weight, ignore_index=ignore_index)
    weights = np.array([] if settings.class_weight is None else settings.class_weight, np.float64)
    if settings.class_weight is not None and weights.size != classes:
        raise ValueError(f"class_weight has {weights.size} entries; expected {classes}, one a class")
    row_losses, gradient = np.empty(rows, logits.dtype), np.empty_like(logits)
    mean = reduction == "mean"
    if np.ndim(target) == 2:
        rows_of_target = as_rows(target, (classes,), logits.dtype, "target")
        if len(rows_of_target) != rows:
            raise ValueError(f"target has {len(rows_of_target)} rows; expected {rows}, as logits")
        total = losses.cross_entropy_probabilities(
            row_losses, gradient, logits, rows_of_target, weights, settings.label_smoothing, mean
        )
    else:
        labels = as_labels(target, (rows,), classes, settings.ignore_index, "target")
        total = losses.cross_entropy(
            row_losses, gradient, logits, labels, weights, settings.ignore_index, settings.label_smoothing, mean
        )
    return row_losses if reduction == "none" else float(total)


def _elementwise(prediction: ArrayLike, target: ArrayLike, loss: Loss, reduction: str) -> Any:
    as_choice(reduction, REDUCTIONS, "reduction")
    prediction, target = as_numeric(prediction, "prediction"), as_numeric(target, "target")
    if prediction.shape != target.shape:
        raise ValueError(f"prediction has shape {prediction.shape}, target {target.shape}; expected the same")
    dtype = dtype_of(prediction)
    flat = as_contiguous(prediction.reshape(-1), dtype)
    goal = as_contiguous(target.reshape(-1), dtype)
    loss.require_target(goal, "target")
    kind = losses.NAMES.index(loss.name)
    if reduction == "none":
        element_losses = np.empty_like(flat)
        losses.elementwise_losses(element_losses, flat, goal, kind)
        return element_losses.reshape(prediction.shape)
    gradient = np.empty_like(flat)
    return float(losses.elementwise_loss(gradient, flat, goal, kind, reduction == "mean"))


def binary_cross_entropy(probability: ArrayLike, target: ArrayLike, *, reduction: str = "mean") -> Any:
    """-(t log p + (1 - t) log(1 - p)), logarithms clamped at -100; both of one shape, all in [0, 1]."""
    probabilities = as_numeric(probability, "probability")
    if probabilities.size and not (probabilities.min() >= 0 and probabilities.max() <= 1):
        raise ValueError(f"probability spans {probabilities.min():g}..{probabilities.max():g}; expected 0..1")
    return _elementwise(probability, target, BinaryCrossEntropy(), reduction)


def binary_cross_entropy_with_logits(logits: ArrayLike, target: ArrayLike, *, reduction: str = "mean") -> Any:
    """Binary cross-entropy of sigmoid(logits), stable for any finite logit; targets in [0, 1]."""
    return _elementwise(logits, target, BinaryCrossEntropyWithLogits(), reduction)


def mse(prediction: ArrayLike, target: ArrayLike, *, reduction: str = "mean") -> Any:
    """(prediction - target)**2; both of one shape."""
    return _elementwise(prediction, target, MSE(), reduction)


def hinge(score: ArrayLike, target: ArrayLike, *, reduction: str = "mean") -> Any:
    """max(0, 1 - target * score); targets -1 and 1."""
    return _elementwise(score, target, Hinge(), reduction)


def embedding(ids: ArrayLike, weight: ArrayLike) -> NDArray[Any]:
    """weight[ids]: ids of any shape, whole numbers from 0 to below V, weight (V, C); (*ids.shape, C).

    ValueError, TypeError.
    """
    table, given = _as_matrix(weight, "weight"), as_numeric(ids, "ids")
    if given.dtype.kind not in "iu":
        raise TypeError(f"ids has dtype {given.dtype}; expected whole numbers")
    if given.size and not (given.min() >= 0 and given.max() < len(table)):
        raise ValueError(f"ids spans {given.min()}..{given.max()}; expected 0..{len(table) - 1}, rows of weight")
    y = np.empty((given.size, table.shape[1]), table.dtype)
    embedding_forward(y, as_contiguous(given.reshape(-1), np.dtype(np.int64)), table)
    return y.reshape(*given.shape, table.shape[1])


def scaled_dot_product_attention(
    q: ArrayLike, k: ArrayLike, v: ArrayLike, *, causal: bool = False, begins: ArrayLike | None = None,
    lengths: ArrayLike | None = None, scale: float | None = None,
) -> NDArray[Any]:  # fmt: skip
    """softmax(q k^T scale) v, each query's mean of the values it sees: (B, H, Q, S_v).

    q (B, H, Q, S), k (B, G, K, S), v (B, G, K, S_v), where H is a multiple of G: so many heads share keys and values.
    scale: 1 / sqrt(S) unless said. causal: a query sees no key of a later position. begins (B,): the position of the
    first query among the keys, K - Q unless said. lengths (B,): keys that are there; the others are seen by none. Who
    sees nothing gets 0; what is not seen may hold anything.

    ValueError, TypeError.
    """
    arrays = [as_numeric(values, name) for values, name in ((q, "q"), (k, "k"), (v, "v"))]
    dtype = dtype_of(*arrays)
    batch, heads, queries, size, groups, keys = _attention_sizes(*(array.shape for array in arrays))
    width = max(size, arrays[2].shape[3])  # of narrower ones the rest is 0, which changes no product
    factor = (1 / np.sqrt(size) if scale is None else as_number(scale, "scale")) * np.sqrt(width)
    packed = [_by_position(array, width, dtype) for array in (arrays[0] * dtype.type(factor), *arrays[1:])]
    whole = (_as_places(values, batch, name) for values, name in ((begins, "begins"), (lengths, "lengths")))
    first, there = whole
    if there.size and not (there.min() >= 0 and there.max() <= keys):
        raise ValueError(f"lengths spans {there.min()}..{there.max()}; expected 0..{keys}, keys of a sequence")
    y, kept = np.empty_like(packed[0]), np.empty(batch * heads * queries * 2, dtype)
    scratch = np.empty(most_threads() * attention_scratch(queries, keys, width, False), dtype)
    steps, sizes = (heads * width, groups * width, groups * width), (batch, queries, keys, heads, groups, width)
    attention_forward(y, kept, *packed, steps, first, there, scratch, sizes, bool(causal))
    found = y.reshape(batch, queries, heads, width).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(found[..., : arrays[2].shape[3]])


def _attention_sizes(q: tuple[int, ...], k: tuple[int, ...], v: tuple[int, ...]) -> tuple[int, ...]:
    """B, H, Q, S, G, K. ValueError."""
    if not len(q) == len(k) == len(v) == 4 or q[3] == 0:
        raise ValueError(f"q, k, v have shapes {q}, {k}, {v}; expected (B, H, Q, S), (B, G, K, S), (B, G, K, S_v)")
    if k[:3] != v[:3] or q[0] != k[0] or q[3] != k[3] or k[1] == 0 or q[1] % k[1]:
        raise ValueError(
            f"q, k, v have shapes {q}, {k}, {v}, which do not fit: expected one batch, q and k of one width, k and v "
            "of one length and as many heads, of which those of q are a multiple"
        )
    return (*q, k[1], k[2])


def _by_position(values: NDArray[Any], width: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """(B, H, T, S) as flat (B, T, H width), filled up with zeros."""
    batch, heads, positions, size = values.shape
    found = np.zeros((batch, positions, heads, width), dtype)
    found[..., :size] = values.transpose(0, 2, 1, 3)
    return found.reshape(-1)


def _as_places(values: ArrayLike | None, batch: int, name: str) -> NDArray[np.int64]:
    """Whole numbers, one a sequence; none where they are not said. ValueError, TypeError."""
    if values is None:
        return np.empty(0, np.int64)
    given = as_numeric(values, name)
    if given.shape != (batch,) or given.dtype.kind not in "iu":
        raise ValueError(f"{name} is {given.dtype} {given.shape}; expected whole numbers ({batch},), one a sequence")
    return as_contiguous(np.clip(given, -MOST_PLACES, MOST_PLACES), np.dtype(np.int64))
