"""Language models of all shapes, timed on this machine: what the model of such is fitted to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from fastnn.bench.calibration.networks import LEARNING_RATE, PASSES, SEED
from fastnn.bench.case import calls_of
from fastnn.bench.measuring import Budget, Run, measure
from fastnn.cost import step_cost
from fastnn.learning.optimizers import OPTIMIZERS
from fastnn.networks.models import GPT
from fastnn.simd import machine
from fastnn.simd.machine import thread_limit
from fastnn.study.transformer_model import OPTIMIZER, ModelCall, Observed, Shape

# Of each effort. Beside a machine's networks 16 take 10 s.
COUNTS = {"fast": 16, "normal": 24}
MOST_VOCABULARY, MOST_LENGTH, MOST_LAYERS, MOST_HEADS, MOST_HEAD, MOST_BATCH = 2000, 256, 6, 8, 64, 32
# Multiply-adds of a step.
LEAST_MACS, MOST_MACS = 1e5, 2.5e9
BATCHES = 4

Model = tuple[Shape, int]


def models(count: int) -> list[Model]:
    """Shapes and batch, always the same ones."""
    return list(islice(_draw(np.random.default_rng(SEED)), count))


def _draw(rng: np.random.Generator) -> Iterator[Model]:
    def size(least: int, most: int) -> int:
        return round(float(np.exp(rng.uniform(np.log(least), np.log(most)))))

    while True:
        heads = size(1, MOST_HEADS)
        width = heads * size(8, MOST_HEAD)
        shape = Shape(size(27, MOST_VOCABULARY), size(8, MOST_LENGTH), size(1, MOST_LAYERS), width, heads)
        batch = size(1, MOST_BATCH)
        if LEAST_MACS < step_cost(shape.graph, "cross_entropy", OPTIMIZER, batch, 4).total.macs < MOST_MACS:
            yield shape, batch


def observe_models(
    cases: Sequence[Model], threads: Sequence[int], dtype: str, seconds: float, advance: Callable[[], object]
) -> list[Observed]:
    """Times a forward pass and a step of each, the least of PASSES in its share of the seconds; advance() once for each
    model."""
    found = []
    for shape, batch in cases:
        runs = _runs(shape, batch, dtype)
        for count in threads:
            with thread_limit(count):
                before = machine.pace(dtype)
                times = {
                    phase: min(measure(run, Budget(seconds / PASSES)).median for _ in range(PASSES))
                    for phase, run in runs.items()
                }
                pace = (before + machine.pace(dtype)) / 2
            itemsize = np.dtype(dtype).itemsize
            found += [
                Observed(ModelCall(shape, batch, count, phase, itemsize), time, pace) for phase, time in times.items()
            ]
        advance()
    return found


def _runs(shape: Shape, batch: int, dtype: str) -> dict[str, Run]:
    """Each makes n calls from Python, on random batches in turn."""
    rng = np.random.default_rng(SEED)
    rule = OPTIMIZERS[OPTIMIZER](learning_rate=LEARNING_RATE)
    trainer: Any = GPT(*shape, bias=False, dtype=dtype, seed=SEED).trainer(rule, batch, keep_output=True)
    x, y = rng.integers(0, shape.vocabulary, (2, BATCHES, batch, shape.length))
    batches = list(zip(x.astype(dtype), y, strict=True))
    return {phase: calls_of(trainer, phase, batches) for phase in ("forward", "step")}
