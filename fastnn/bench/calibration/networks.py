"""Networks of all shapes, timed on this machine: what a machine model is fitted to.

The rungs of the ladder, and networks drawn once and for all: deep and shallow, narrow and wide, of even and odd sizes,
at batches of 1 to 512.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import cycle, islice
from typing import Any

import numpy as np

import fastnn
from fastnn.bench.case import calls_of
from fastnn.bench.ladder import LADDER
from fastnn.bench.measuring import Budget, Run, measure
from fastnn.simd import machine
from fastnn.simd.machine import thread_limit
from fastnn.study.machine_model import Observation
from fastnn.study.work import Call

# Networks beside the ladder's, and seconds of each measurement: 25 s in all, and 45. With 36, 72 and 120, calls left
# out are 4.0, 4.3, 3.9 % off in the median on one thread, 5.0, 4.9, 4.3 % on two: more make intervals surer.
EFFORTS = {"fast": (72, 0.05), "normal": (120, 0.1)}
SEED = 0
LADDER_BATCHES = 1, 32, 256
MOST_WIDTH, MOST_OUTPUTS, MOST_LAYERS, MOST_BATCH = 2048, 300, 12, 512
SMALL_WIDTH = 16
# A step that takes 0.1 s on one core, and parameters beyond most last caches.
MOST_MACS, MOST_PARAMETERS, MOST_RUNG = 5e9, 2e7, 1.1e7
# Batches that calls go through in turn.
BATCHES = 4
LEARNING_RATE = 1e-3
# Passes through all networks.
PASSES = 3

Network = tuple[tuple[int, ...], int]


def networks(count: int) -> list[Network]:
    """Layer sizes and batch: of the ladder, and so many others, always the same ones."""
    found = [(rung.sizes, batch) for rung in LADDER if rung.params <= MOST_RUNG for batch in LADDER_BATCHES]
    rng = np.random.default_rng(SEED)
    return [*found, *islice(_small_enough(_draw(rng)), count)]


def _draw(rng: np.random.Generator) -> Iterator[Network]:
    """In turn: one width for all hidden layers, a width for each, one for all layers, and small ones."""

    def size(least: int, most: int) -> int:
        return round(float(np.exp(rng.uniform(np.log(least), np.log(most)))))

    for kind in cycle(range(4)):
        small = kind == 3
        widest = SMALL_WIDTH if small else MOST_WIDTH
        hidden, width = size(1, 3 if small else MOST_LAYERS), size(2, widest)
        widths = [size(2, widest) for _ in range(hidden)] if kind == 1 else [width] * hidden
        ends = (width, width) if kind == 2 else (size(2, widest), size(2, min(widest, MOST_OUTPUTS)))
        yield (ends[0], *widths, ends[1]), size(1, MOST_BATCH)


def _small_enough(drawn: Iterator[Network]) -> Iterator[Network]:
    for sizes, batch in drawn:
        weights = sum(inputs * outputs for inputs, outputs in zip(sizes[:-1], sizes[1:], strict=True))
        if weights <= MOST_PARAMETERS and 3 * weights * batch <= MOST_MACS:
            yield sizes, batch


def observe(
    cases: Sequence[Network], threads: Sequence[int], dtype: str, seconds: float, advance: Callable[[], object]
) -> list[Observation]:
    """Times a forward pass and a step of sgd of each, on so many threads each; advance() once for each network.

    The middle of PASSES through all networks, each in its share of the seconds: neighbours on a shared machine come and
    go.
    """
    found: dict[Call, list[Observation]] = {}
    for number, (sizes, batch) in enumerate(PASSES * list(cases), start=1):
        for each in _observed(sizes, batch, threads, dtype, seconds / PASSES):
            found.setdefault(each.call, []).append(each)
        if number % PASSES == 0:
            advance()
    return [_middle(each) for each in found.values()]


def _middle(passes: Sequence[Observation]) -> Observation:
    """Of what each pass took, and how far the last was from the first."""
    took = [each.seconds * each.pace for each in passes]
    middle = passes[int(np.argsort(took)[len(took) // 2])]
    return replace(middle, again=math.log(took[-1] / took[0]))


def _observed(
    sizes: tuple[int, ...], batch: int, threads: Sequence[int], dtype: str, seconds: float
) -> list[Observation]:
    found, runs = [], _runs(sizes, batch, dtype)
    for count in threads:
        with thread_limit(count):
            before = machine.pace(dtype)
            times = {phase: measure(run, Budget(seconds)).median for phase, run in runs.items()}
            pace = (before + machine.pace(dtype)) / 2
        call = partial(Call, sizes, batch, count, itemsize=np.dtype(dtype).itemsize)
        found += [Observation(call(phase=phase), time, pace) for phase, time in times.items()]
    return found


def _runs(sizes: tuple[int, ...], batch: int, dtype: str) -> dict[str, Run]:
    """Each makes n calls from Python, on random batches in turn."""
    rng = np.random.default_rng(SEED)
    trainer: Any = fastnn.mlp(*sizes, seed=SEED, dtype=dtype).trainer(fastnn.SGD(LEARNING_RATE), batch)
    x = rng.standard_normal((BATCHES, batch, sizes[0])).astype(dtype)
    batches = list(zip(x, rng.integers(0, sizes[-1], (BATCHES, batch)), strict=True))
    return {phase: calls_of(trainer, phase, batches) for phase in ("forward", "step")}
