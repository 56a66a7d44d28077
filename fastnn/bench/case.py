"""One network, batch and number of threads, on real data: what is checked, trained and timed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from itertools import cycle, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.bench.measuring import Run
from fastnn.bench.peers.registry import GENERATE
from fastnn.bench.perturbed import perturbed_residual
from fastnn.bench.residual import Residual, is_bounded, residual
from fastnn.bench.rung import Rung
from fastnn.compiler.jit import compile_clock
from fastnn.learning.held import Held
from fastnn.learning.optimizers import OPTIMIZERS, Optimizer
from fastnn.learning.trainer import NonFiniteLoss
from fastnn.lowering import is_joint

# Seeds of the weights and of the order of the rows. With seed 0 all units of 3-4-2 take part.
SEED = 0
# At batch 32; smaller batches have noisier gradients and take smaller steps.
LEARNING_RATES = {"sgd": 0.1, "momentum": 0.01, "adam": 0.001, "adamw": 0.001}
RATE_BATCH = 32
# Training before the timing: work of about this many FLOPs, so that every machine makes the same steps.
TRAINING_FLOPS, LEAST_STEPS, MOST_STEPS = 2e10, 10, 10_000
# Rows whose mean loss is taken before and after.
SAMPLE_ROWS = 256
# Batches that one call of the epoch phase makes at most: the order that it follows is an array of all their rows.
MOST_EPOCH_ROWS = 2**20


def optimizer_for(name: str, batch: int) -> Optimizer:
    """With a rate at which every rung of the ladder learns."""
    return OPTIMIZERS[name](learning_rate=LEARNING_RATES[name] * min(1.0, (batch / RATE_BATCH) ** 0.5))


def calls_of(trainer: Any, phase: str, batches: Sequence[tuple[NDArray[Any], NDArray[np.int64]]]) -> Run:
    """A Run of forward passes or steps from Python, on the batches in turn."""
    forward, step, turns = trainer.forward, trainer.step, cycle(batches)

    def run_forward(calls: int) -> None:
        for x, _ in islice(turns, calls):
            forward(x)

    def run_step(calls: int) -> None:
        loss = 0.0
        for x, y in islice(turns, calls):
            loss = step(x, y)
        if not math.isfinite(loss):
            raise NonFiniteLoss(loss, trainer.steps, 0)

    return run_forward if phase == "forward" else run_step


class Case:
    """Networks start from one seed and see the batches of one order, so peers can begin from the same.

    data: what the network trains on. x, y: the same in that order, whole batches only. batches: views of x and y,
    C-contiguous.
    """

    def __init__(
        self, rung: Rung, batch: int, threads: int, dtype: str, optimizer: str, device: str = "cpu",
        precision: str | None = None,
    ) -> None:  # fmt: skip
        self.rung, self.batch, self.threads = rung, batch, threads
        self.optimizer_name = optimizer
        self.data = rung.data()
        self.network = rung.build(dtype=dtype, seed=SEED, device=device, precision=precision)
        # Peers' batch norms are of the whole batch.
        span = batch if is_joint(self.network.operations) else None
        self.trainer = self.network.trainer(optimizer_for(optimizer, batch), batch, span=span, keep_output=True)
        self.initial = self.network.parameters.copy()
        rows = max(len(self.data.x) // batch, 1) * batch
        order = np.resize(np.random.default_rng(SEED).permutation(len(self.data.x)), rows)
        self.x: NDArray[Any] = np.ascontiguousarray(self.data.x[order], dtype)
        self.y = self.data.y[order]

    @property
    def dtype(self) -> str:
        return self.network.dtype.name

    @property
    def description(self) -> dict[str, Any] | None:
        """Of the network, for peers; None where the rung says what it is."""
        return None if self.rung.heads or self.rung.sizes else self.network.description()

    @cached_property
    def batches(self) -> Sequence[tuple[NDArray[Any], NDArray[np.int64]]]:
        starts = range(0, len(self.x), self.batch)
        return [(self.x[at : at + self.batch], self.y[at : at + self.batch]) for at in starts]

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        """The rows of as many batches as an epoch call may make."""
        calls = max(MOST_EPOCH_ROWS // len(self.x), 1)
        return np.tile(np.arange(len(self.x)), calls)

    def restart(self) -> None:
        """Back to the initial weights and an optimizer that has made no step."""
        self.network.parameters = self.initial
        self.trainer.reset()

    def run(self, phase: str) -> Run:
        """A Run of that phase: calls from Python, or for the epoch steps inside as few nopython calls as can be."""
        if phase == GENERATE:
            return self._run_generate
        return self._run_epoch if phase == "epoch" else calls_of(self.trainer, phase, self.batches)

    def tokens(self, phase: str) -> int | None:
        """Of one call, of a language model."""
        if not self.rung.heads:
            return None
        return self.network.input_shape[0] * (1 if phase == GENERATE else self.batch)

    def _run_generate(self, calls: int) -> None:
        """A sequence of as many tokens as there are positions, each the most probable, with keys and values kept."""
        prompt, length = self.x[0, :1].astype(np.int64), self.network.input_shape[0]
        for _ in range(calls):
            self.network.generate(prompt, length, temperature=0.0)

    @cached_property
    def _held(self) -> Held:
        """The data, checked and laid where the trainer reads it, once."""
        return self.trainer.hold(self.x, self.y)

    def _run_epoch(self, steps: int) -> None:
        """By the call that `fit` makes for an epoch."""
        while steps > 0:
            order = self._order[: steps * self.batch]
            report = self.trainer.epoch(self._held, order)
            if not math.isfinite(report.loss):
                raise NonFiniteLoss(report.loss, self.trainer.steps, 0)
            steps -= len(order) // self.batch

    def first_call(self, phase: str) -> float:
        """Seconds of compilation in the first call of a phase; 0 once its kernels are on disk."""
        run = self.run(phase)
        with compile_clock() as clock:
            run(1)
        self.restart()
        return clock.seconds

    def check(self) -> Residual:
        """Against the reference, on the first batch and the initial weights. NotChecked: it cannot be."""
        if is_bounded(self.network):
            return residual(self.trainer, *self.batches[0])
        return perturbed_residual(self.network, self.trainer, *self.batches[0])

    def train(self) -> tuple[float, float]:
        """Mean loss of a fixed sample before and after a number of steps that the size of the network decides."""
        flops = self.network.cost(self.batch, self.optimizer_name).total.flops
        steps = int(min(max(TRAINING_FLOPS / flops, LEAST_STEPS), MOST_STEPS))
        x, y = self.x[:SAMPLE_ROWS], self.y[:SAMPLE_ROWS]
        before = self.network.loss(x, y)
        self._run_epoch(steps)
        after = self.network.loss(x, y)
        if not math.isfinite(after):
            raise NonFiniteLoss(after, steps, 0)
        return before, after
