"""Recurrent layers as functions: the state goes in, and comes out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.compiler.jit import most_threads
from fastnn.edge.checks import as_choice, as_contiguous, as_numeric, dtype_of
from fastnn.kernels.recurrent import (
    GATES,
    GRU_AFTER,
    GRU_BEFORE,
    LSTM_CELL,
    RNN_RELU,
    RNN_TANH,
    Recurrence,
    kept_sizes,
    panels_size,
    recurrent_forward,
)
from fastnn.products.blocks import NN
from fastnn.products.matmul import matmul, scratch_size

Array = NDArray[Any]
Biases = ArrayLike | None


def rnn(
    x: ArrayLike, weight_ih: ArrayLike, weight_hh: ArrayLike, bias_ih: Biases = None, bias_hh: Biases = None,
    h: ArrayLike | None = None, *, activation: str = "tanh",
) -> tuple[Array, Array]:  # fmt: skip
    """All states (B, T, H), and the last (B, H): x (B, T, I), weight_ih (I, H), weight_hh (H, H), biases (H,).

    h (B, H): the first state, zeros unless given. activation: "tanh" or "relu". A long series in pieces, each with the
    state that the one before it gave, has the states of the whole, to the bit; of a whole network see fastnn.Decoder.
    Computed in float64 where an array is, else in float32.
    ValueError, TypeError.
    """
    cells = {"tanh": RNN_TANH, "relu": RNN_RELU}
    as_choice(activation, tuple(cells), "activation")
    states, (last, _) = _run(cells[activation], x, weight_ih, weight_hh, bias_ih, bias_hh, (h, None))
    return states, last


def lstm(
    x: ArrayLike, weight_ih: ArrayLike, weight_hh: ArrayLike, bias_ih: Biases = None, bias_hh: Biases = None,
    state: tuple[ArrayLike, ArrayLike] | None = None,
) -> tuple[Array, tuple[Array, Array]]:  # fmt: skip
    """All states (B, T, H), and the last h and c (B, H): as rnn, of gates i, f, g, o side by side, weights (I, 4 H) and
    (H, 4 H). state: the first h and c."""
    if state is not None and not (isinstance(state, (tuple, list)) and len(state) == 2):
        raise ValueError(f"state is a {type(state).__name__}; expected two arrays, h and c")
    return _run(LSTM_CELL, x, weight_ih, weight_hh, bias_ih, bias_hh, (None, None) if state is None else state)


def gru(
    x: ArrayLike, weight_ih: ArrayLike, weight_hh: ArrayLike, bias_ih: Biases = None, bias_hh: Biases = None,
    h: ArrayLike | None = None, *, reset_after: bool = True,
) -> tuple[Array, Array]:  # fmt: skip
    """As rnn, of gates r, z, n side by side, weights (I, 3 H) and (H, 3 H). reset_after: see fastnn.GRU."""
    if not isinstance(reset_after, bool):
        raise TypeError(f"reset_after is {reset_after!r}; expected True or False")
    cell = GRU_AFTER if reset_after else GRU_BEFORE
    states, (last, _) = _run(cell, x, weight_ih, weight_hh, bias_ih, bias_hh, (h, None))
    return states, last


def _run(cell: int, x: ArrayLike, weight_ih: ArrayLike, weight_hh: ArrayLike, bias_ih: Biases, bias_hh: Biases,
         state: tuple[Any, Any]) -> tuple[Array, tuple[Array, Array]]:  # fmt: skip
    rows, v, w = (
        as_numeric(values, name) for values, name in ((x, "x"), (weight_ih, "weight_ih"), (weight_hh, "weight_hh"))
    )
    if rows.ndim != 3 or 0 in rows.shape or w.ndim != 2 or w.shape[1] != GATES[cell] * w.shape[0]:
        raise ValueError(
            f"x and weight_hh have shapes {rows.shape} and {w.shape}; expected (B, T, I) and (H, {GATES[cell]} H)"
        )
    units, width = w.shape
    if v.shape != (rows.shape[2], width):
        raise ValueError(f"weight_ih has shape {v.shape}; expected {(rows.shape[2], width)}")
    given = [
        None if values is None else _shaped(values, name, (width,))
        for values, name in ((bias_ih, "bias_ih"), (bias_hh, "bias_hh"))
    ]
    first = [None if each is None else _shaped(each, "the state", (len(rows), units)) for each in state]
    found = [array for array in (rows, v, w, *given, *first) if array is not None]
    dtype = dtype_of(*found)
    given_state = int(any(each is not None for each in first))
    of = Recurrence(rows.shape[0], rows.shape[1], units, cell, 0, 0, given_state)
    sums = _sums(as_contiguous(rows, dtype), as_contiguous(v, dtype), given[0])
    b = np.zeros(width, dtype) if given[1] is None else as_contiguous(given[1], dtype)
    h, c = (np.zeros((len(rows), units), dtype) if each is None else np.array(each, dtype, order="C") for each in first)
    y = np.empty((*rows.shape[:2], units), dtype)
    kept = [np.empty(len(rows) * int(each), dtype) for each in kept_sizes(of)]
    recurrent_forward(
        y.reshape(-1), h.reshape(-1), c.reshape(-1), *kept, sums.reshape(-1), as_contiguous(w, dtype).reshape(-1), b,
        np.empty(0, dtype), np.empty(int(panels_size(of)), dtype), of,
    )  # fmt: skip
    return y, (h, c)


def _sums(x: Array, v: Array, bias: Array | None) -> Array:
    """x @ v + bias as a dense layer has it, of all positions: (B, T, G H)."""
    m, k, n = x.shape[0] * x.shape[1], x.shape[2], v.shape[1]
    found, start = np.empty((*x.shape[:2], n), x.dtype), np.zeros(n, x.dtype)
    if bias is not None:
        start[:] = bias
    scratch = np.empty(scratch_size(NN, m, n, k, x.itemsize, most_threads()), x.dtype)
    matmul(found.reshape(-1), n, x.reshape(-1), k, v.reshape(-1), n, start, scratch, NN, m, n, k)
    return found


def _shaped(values: ArrayLike, name: str, shape: tuple[int, ...]) -> Array:
    array = as_numeric(values, name)
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}; expected {shape}")
    return array
