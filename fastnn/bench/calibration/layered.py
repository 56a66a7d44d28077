"""Networks of one family, timed on this machine: what the model of such is fitted to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.bench.calibration import images, sequences, transformers
from fastnn.bench.calibration.networks import LEARNING_RATE, PASSES, SEED
from fastnn.bench.case import calls_of
from fastnn.bench.measuring import Budget, Run, measure
from fastnn.cost import step_cost
from fastnn.layers import vocabulary_of
from fastnn.learning.optimizers import OPTIMIZERS
from fastnn.networks.network import Network
from fastnn.simd import machine
from fastnn.simd.machine import thread_limit
from fastnn.study.layered import FAMILIES, Family, Layered, LayeredCall
from fastnn.study.layered_model import Observed

# Networks of each family, and seconds of each measurement. On two cores of an Emerald Rapids 16 language models take
# 8 s, 32 convolutional networks 13, 32 recurrent ones 9. With 24 in place of 40 the bench's own networks were predicted
# 7.9 % off in the median for 4.4.
COUNTS = {
    "fast": {"transformers": 16, "images": 32, "sequences": 32},
    "normal": {"transformers": 24, "images": 40, "sequences": 40},
}
SECONDS = 0.05
Case = tuple[Layered, int]
DRAWN: Mapping[Family, Callable[[np.random.Generator], Iterator[Case]]] = dict(
    zip(FAMILIES, (transformers.drawn, images.drawn, sequences.drawn), strict=True)
)
# Multiply-adds of a step.
LEAST_MACS, MOST_MACS = 1e5, 2.5e9
BATCHES = 4


def cases_of(family: Family, count: int, seed: int = SEED) -> list[Case]:
    """Networks of a family and their batches, always the same ones."""
    return list(islice(_of_size(family, np.random.default_rng(seed)), count))


def _of_size(family: Family, rng: np.random.Generator) -> Iterator[Case]:
    for network, batch in DRAWN[family](rng):
        if LEAST_MACS < step_macs(network, batch) < MOST_MACS:
            yield network, batch


def step_macs(network: Layered, batch: int) -> int:
    """Of a training step."""
    return step_cost(network.graph, "cross_entropy", network.family.optimizer, batch, 4).total.macs


def observe_layered(
    cases: Sequence[Case], threads: Sequence[int], dtype: str, advance: Callable[[], object], seconds: float = SECONDS
) -> list[Observed]:
    """Times a forward pass and a step of each, the least of PASSES in its share of the seconds; advance() once for each
    network."""
    found = []
    for network, batch in cases:
        runs = _runs(network, batch, dtype)
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
                Observed(LayeredCall(network, batch, count, phase, itemsize), time, pace)
                for phase, time in times.items()
            ]
        advance()
    return found


def _runs(network: Layered, batch: int, dtype: str) -> dict[str, Run]:
    """Each makes n calls from Python, on random batches in turn."""
    rng = np.random.default_rng(SEED)
    made: Any = Network(network.shape, network.layers, dtype=dtype, seed=SEED)
    rule = OPTIMIZERS[network.family.optimizer](learning_rate=LEARNING_RATE)
    trainer = made.trainer(rule, batch, keep_output=True)
    *around, classes = made.operations[-1].shape
    x = _rows(rng, network, batch).astype(dtype)
    y = rng.integers(0, classes, (BATCHES, batch, *around))
    batches = list(zip(x, y, strict=True))
    return {phase: calls_of(trainer, phase, batches) for phase in ("forward", "step")}


def _rows(rng: np.random.Generator, network: Layered, batch: int) -> NDArray[Any]:
    """Ids where those are its rows, or other numbers."""
    vocabulary, shape = vocabulary_of(network.operations), (BATCHES, batch, *network.shape)
    return rng.standard_normal(shape) if vocabulary is None else rng.integers(0, vocabulary, shape)
