"""Steps that update as they go, and batches that go through in chunks: the bits of the plain way."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import needs
import numba
import numpy as np
import pytest
from example_networks import tree
from limits import Array
from processes import run_python

import fastnn
from fastnn.kernels.dense import CHUNK, TALL_CHUNK
from fastnn.learning.trainer import Trainer
from fastnn.learning.training import FUSED_PARAMETERS
from fastnn.lowering import CHUNK_ROWS as ROWS
from fastnn.lowering import CHUNKED_WORK, SPAN_ROWS, work_of
from fastnn.tape import columns, goes_in_chunks

OPTIMIZERS = [
    fastnn.SGD(0.1, weight_decay=0.01), fastnn.Momentum(0.01), fastnn.Nesterov(0.01), fastnn.Adam(0.001),
    fastnn.AdamW(0.001, weight_decay=0.1),
]  # fmt: skip
SPAN = SPAN_ROWS


def batch_of(net: fastnn.Network, rows: int, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, net.inputs)).astype(net.dtype), rng.integers(0, net.outputs, rows)


def state_of(trainer: Trainer) -> list[bytes]:
    return [array.tobytes() for array in (trainer.params, trainer.state, trainer.control)]


# Widths around the chunks of gradients that wait for their update, and around a stripe.
COLUMNS = {CHUNK[1], TALL_CHUNK[1]}
WIDTHS = (CHUNK[1] + 1, CHUNK[0] + 1, 49, 130, *(width + near for width in sorted(COLUMNS) for near in (-1, 0, 1)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda optimizer: type(optimizer).__name__)
def test_a_fused_step_gives_the_bits_of_a_gradient_and_its_application(optimizer: Any, dtype: str) -> None:
    widths = WIDTHS if isinstance(optimizer, fastnn.SGD) else WIDTHS[:3:2]
    for width, rows in product(widths, (1, 3, 33)):
        sizes = (90, width, width, 10)
        fused, plain = (fastnn.mlp(*sizes, seed=1, dtype=dtype).trainer(optimizer, rows) for _ in range(2))
        assert fused.params.size >= FUSED_PARAMETERS
        for step in range(3):
            x, y = batch_of(fused.network, rows, step)  # type: ignore[arg-type]
            assert fused.step(x, y) == plain.gradient(x, y)
            plain.apply()
        assert state_of(fused) == state_of(plain)
        assert not fused.grads.any(), "a fused step wrote its gradient"


def test_clipping_sees_the_whole_gradient() -> None:
    clipped, plain = (fastnn.mlp(37, 64, 10, seed=1).trainer(fastnn.SGD(0.1, clip_norm=0.01), 8) for _ in range(2))
    x, y = batch_of(clipped.network, 8)  # type: ignore[arg-type]
    clipped.step(x, y)
    plain.gradient(x, y)
    plain.apply()
    assert state_of(clipped) == state_of(plain)
    assert np.linalg.norm(clipped.grads) <= 0.0101


def in_spans(net: fastnn.Network, x: Array, y: Array) -> Array:
    """The gradient of the sum over rows, span by span, added as a tree."""
    return tree([net.gradient(x[at : at + SPAN], y[at : at + SPAN]) for at in range(0, len(x), SPAN)])


def chunked_network(dtype: str) -> fastnn.Network:
    layers = [fastnn.Dense(19, "gelu"), fastnn.Activation("tanh"), fastnn.Dense(7, "relu", bias=False), fastnn.Dense(3)]
    return fastnn.Network(5, layers, loss=fastnn.CrossEntropy(reduction="sum"), seed=0, dtype=dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [ROWS, ROWS + 1, 2 * ROWS - 1, SPAN, SPAN + 1, 2 * SPAN + ROWS + 5])
def test_chunks_give_the_bits_of_small_batches(rows: int, dtype: str) -> None:
    net = chunked_network(dtype)
    assert work_of(net.operations) <= CHUNKED_WORK
    plan = net.plan(rows)
    assert goes_in_chunks(plan.tape, rows) == (rows > ROWS)
    x, y = batch_of(net, rows)
    assert net(x).tobytes() == b"".join(net(x[at : at + 40]).tobytes() for at in range(0, rows, 40))
    assert net.gradient(x, y).tobytes() == in_spans(net, x, y).tobytes()


def test_a_large_network_goes_layer_by_layer() -> None:
    net = fastnn.mlp(64, 128, 10, seed=0)
    assert work_of(net.operations) > CHUNKED_WORK
    assert net.plan(10_000).tape[0, columns.CHUNK] == 0


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda optimizer: type(optimizer).__name__)
def test_a_step_in_chunks_is_a_gradient_and_its_application(optimizer: Any) -> None:
    stepped, plain = (chunked_network("float32").trainer(optimizer, SPAN + 77) for _ in range(2))
    for step in range(3):
        x, y = batch_of(stepped.network, SPAN + 77, step)  # type: ignore[arg-type]
        assert stepped.step(x, y) == plain.gradient(x, y)
        plain.apply()
    assert state_of(stepped) == state_of(plain)


def trained(sizes: tuple[int, ...], rows: int, threads: int) -> str:
    numba.set_num_threads(threads)
    trainer = fastnn.mlp(*sizes, seed=0).trainer(fastnn.Adam(0.001), rows)
    for step in range(3):
        trainer.step(*batch_of(trainer.network, rows, step))  # type: ignore[arg-type]
    return trainer.params.tobytes().hex()


SHAPES = (((4, 32, 16, 4), 5 * SPAN + 3), ((300, 257, 129, 10), 64), ((700, 1500, 1100, 10), 1), ((64, 500, 10), 300))


def with_four_threads() -> None:
    equal = [len({trained(sizes, rows, threads) for threads in (1, 2, 3, 4)}) == 1 for sizes, rows in SHAPES]
    print(json.dumps({"equal": equal, "layer": numba.threading_layer()}))


@needs.compiled_kernels
def test_any_number_of_threads_gives_the_same_bits() -> None:
    report = run_python("import test_fused; test_fused.with_four_threads()", NUMBA_NUM_THREADS="4")
    assert report["equal"] == [True] * len(SHAPES)
