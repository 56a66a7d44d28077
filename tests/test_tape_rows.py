"""Threads that share the rows of what is no product change no bit, and take what is told of an operation alone."""

from __future__ import annotations

from typing import Any

import needs
import numba
import numpy as np
import pytest
from case import DTYPES

from fastnn import (
    Activation,
    AvgPool2d,
    BatchNorm,
    Concatenate,
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    GroupNorm,
    LayerNorm,
    MaxPool2d,
    Network,
    Residual,
    Scale,
    SelfAttention,
    Upsample2d,
)
from fastnn.tape import columns
from fastnn.tape.rows import SHARED_VALUES

# A batch norm takes its span together, so that no thread takes another.
ROWS, SHAPE = 32, (28, 28, 8)
LAYERS = [
    Conv2d(8, 3, padding=1), BatchNorm(), Activation("relu"), Dropout(0.2), Residual(Activation("tanh"), Scale()),
    Concatenate([Activation("gelu")], [MaxPool2d(3, 1, 1)]), GroupNorm(2), MaxPool2d(2), Upsample2d(2, mode="bilinear"),
    Upsample2d(2), AvgPool2d(4), Flatten(), LayerNorm(), Dense(10),
]  # fmt: skip


@needs.two_cores
@pytest.mark.parametrize("dtype", DTYPES)
def test_threads_that_share_rows_change_no_bit(dtype: str) -> None:
    tape = Network(SHAPE, LAYERS, seed=0).plan(ROWS).tape
    shared = [row for row in tape[1 : 1 + tape[0, columns.OPERATIONS]] if row[columns.BY_ROWS]]
    assert len(shared) == 17  # with the sums of gradients where several read
    assert min(ROWS * row[columns.POSITIONS] * row[columns.WIDTH_IN] for row in shared) >= SHARED_VALUES
    rng, found = np.random.default_rng(0), set()
    x, y = rng.normal(size=(ROWS, *SHAPE)).astype(dtype), rng.integers(0, 10, ROWS)
    for threads in (1, 2):
        numba.set_num_threads(threads)
        net = Network(SHAPE, LAYERS, dtype=dtype, seed=0)
        trainer = net.trainer("adam", ROWS)
        losses = [trainer.step(x, y) for _ in range(3)]
        found.add((tuple(losses), net.parameters.tobytes(), net(x).tobytes()))
    assert len(found) == 1


def test_what_has_threads_or_scratch_of_its_own_is_not_shared() -> None:
    def shared(shape: Any, *layers: Any) -> list[int]:
        tape = Network(shape, [*layers], loss="mse", seed=0).plan(2).tape
        return [int(row[columns.BY_ROWS]) for row in tape[1 : 1 + tape[0, columns.OPERATIONS]]]

    assert shared((8, 8, 2), Conv2d(2, 3), BatchNorm(), Activation("relu"), MaxPool2d(2), Flatten()) == [0, 0, 3, 3, 1]
    assert shared((4, 6), LayerNorm(), SelfAttention(2))[0] == 3
    assert 0 in shared((4, 6), SelfAttention(2))
