"""Compiling everything ahead: both number types, labels and rows as targets, serial and parallel, and the ceilings."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import fastnn
from fastnn import functional
from fastnn.bench.progress import progress, say
from fastnn.compiler.jit import CACHE_DIRECTORY, compile_clock
from fastnn.simd import machine

DTYPES = ("float32", "float64")


def _train(dtype: str, loss: str, rows_as_target: bool) -> None:
    """Every call a user makes, on the smallest network."""
    network = fastnn.mlp(3, 4, 2, loss=loss, dtype=dtype, seed=0)
    x = np.ones((4, 3), dtype)
    y: np.ndarray[Any, Any] = np.full((4, 2), 0.5, dtype) if rows_as_target else np.zeros(4, np.int64)
    network(x)
    network.loss(x, y)
    network.gradient(x, y)
    trainer = network.trainer("sgd", batch=4)
    trainer.step(x, y)
    trainer.forward(x)
    trainer.epoch(x, y, np.arange(4))
    trainer.gradient(x, y)
    trainer.apply()
    if loss != "mse":
        network.accuracy(x, y)
        network.predict_proba(x)


def _operate(dtype: str) -> None:
    """The operations outside of networks, and what only some networks call."""
    x, labels = np.full((4, 4), 0.5, dtype), np.zeros(4, np.int64)
    fastnn.matmul(x, x)
    functional.relu(x)
    fastnn.softmax(x)
    fastnn.log_softmax(x)
    for target in (labels, x):
        fastnn.cross_entropy(x, target)
    for reduction in ("mean", "none"):
        fastnn.mse(x, x, reduction=reduction)
    fastnn.mlp(4, 4, loss="binary_cross_entropy_with_logits", dtype=dtype, seed=0).predict_proba(x)
    fastnn.mlp(4, 4, loss="hinge", dtype=dtype, seed=0).accuracy(x, np.sign(x))


PARTS: dict[str, Callable[[str], object]] = {
    "labels as targets": partial(_train, loss="cross_entropy", rows_as_target=False),
    "rows as targets": partial(_train, loss="mse", rows_as_target=True),
    "single operations": _operate,
    "ceilings": partial(machine.measure, 1, seconds=0.01),
    "between cores": lambda dtype: machine.handover_time(),
}


def run_warmup() -> None:
    """Compiles with progress on stderr, then says what was compiled and how long it took."""
    jobs = [(f"{dtype}, {name}", partial(job, dtype)) for dtype in DTYPES for name, job in PARTS.items()]
    started = time.perf_counter()
    done = []
    with progress(len(jobs)) as (begin, advance):
        for name, job in jobs:
            begin(name)
            with compile_clock() as clock:
                job()
            done.append((name, clock))
            advance()
    for name, clock in done:
        say(f"{clock.count:4} kernels in {clock.seconds:5.1f} s: {name}")
    count = sum(clock.count for _, clock in done)
    kept = f"kept in {CACHE_DIRECTORY}" if CACHE_DIRECTORY else "not kept, since there is no cache directory"
    say(f"{count} kernels compiled in {time.perf_counter() - started:.1f} s, {kept}")
