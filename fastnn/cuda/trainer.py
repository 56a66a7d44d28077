"""Training on the device: a fastnn.Trainer whose parameters, gradient, moments and data stay there."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.cuda import ledger
from fastnn.cuda.graph import Replay
from fastnn.cuda.loss import COUNTED, DIVISOR, HITS, LOSS
from fastnn.cuda.memory import Memory, run_for, upload
from fastnn.cuda.optimizer import NEXT_STEP, STOPPED
from fastnn.cuda.run import Data, doubles_of
from fastnn.cuda.target import cuda, is_on_device
from fastnn.edge.checks import as_count
from fastnn.learning.held import Epoch, EpochTrainer, Held, MadeRows, as_asked
from fastnn.learning.optimizers import Optimizer, as_optimizer
from fastnn.learning.trainer import Trainable, require_gradient


class CudaTrainer(EpochTrainer):
    """A network on the device with gradient, optimizer state and workspace, for batches of up to `batch` rows.

    The same calls as fastnn.Trainer. Of rows that `hold` laid on the device nothing is copied but the order of an epoch
    and its report, and the trainer keeps them until it gets others. A trainer belongs to one thread at a time.
    """

    network: Trainable

    def __init__(
        self, network: Trainable, memory: Memory, optimizer: str | Optimizer = "adam", batch: int = 32
    ) -> None:
        require_gradient(network.operations, network.loss_function)
        self.network = network
        self.optimizer = as_optimizer(optimizer)
        alone = self.optimizer.decay != "all" or self.optimizer.rates
        if self.optimizer.l2 or getattr(self.optimizer, "epsilon_hat", False) or alone:
            raise ValueError(
                "l2, epsilon_hat, decay and rates are of training on the CPU; leave them out, or use device='cpu'"
            )
        self.batch = as_count(batch, "batch")
        self._memory = memory
        doubles = doubles_of(network, self.optimizer.control())
        self._run = run_for(network, memory.params, self.batch, doubles)
        state = np.zeros(self.optimizer.state_size(network.layout.size), network.dtype)
        self._run.state = cuda.to_device(state if state.size else np.zeros(1, network.dtype))
        self._state_size = state.size
        self._tallies: int | None = None  # of a gradient that waits to be applied
        self._stopped = False
        self._rows = cuda.to_device(np.arange(self.batch))
        self._replay = Replay(self._run, self._clips())
        self._laid: Data | None = None  # the rows of the last epoch

    @property
    def path(self) -> str:
        """The path that was chosen, fused or tiled; see fastnn.cuda.memory."""
        return self._run.path

    @property
    def params(self) -> NDArray[Any]:
        """A copy of the parameters."""
        return self._memory.read()

    @property
    def grads(self) -> NDArray[Any]:
        """A copy of the gradient that `gradient` left."""
        gradient: NDArray[Any] = self._run.gradient.copy_to_host()
        return gradient

    @property
    def steps(self) -> int:
        """Optimizer steps made."""
        return int(self._run.doubles.copy_to_host()[NEXT_STEP])

    @property
    def state_bytes(self) -> int:
        """Bytes of the optimizer's moments."""
        return self._state_size * self.network.dtype.itemsize

    @property
    def snapshot_elements(self) -> int:
        return 0  # they stay on the device

    def snapshot(self) -> tuple[Any, ...]:
        """Copies of parameters, moments and counters, on the device."""
        copies = []
        for array in (self._memory.params, self._run.state, self._run.doubles):
            copy = cuda.device_array_like(array)
            copy.copy_to_device(array)
            copies.append(copy)
        return tuple(copies)

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        for array, copy in zip((self._memory.params, self._run.state, self._run.doubles), snapshot, strict=True):
            array.copy_to_device(copy)

    def reset(self) -> None:
        """An optimizer that has made no step."""
        doubles = doubles_of(self.network, self.optimizer.control())
        self._run.doubles.copy_to_device(doubles)
        self._run.state.copy_to_device(np.zeros(self._run.state.shape, self.network.dtype))

    def is_finite(self) -> bool:
        """Whether all parameters are."""
        return bool(np.isfinite(self.params).all())

    def place(self, held: Held) -> Held:
        """Copies of the rows, on the device. ValueError: rows that are made when a step needs them."""
        if isinstance(held.x, MadeRows):
            raise ValueError("rows that are made when a step needs them are trained on by the CPU alone; pass arrays")
        data = upload(held.x, held.target)
        return Held(data.x, data.y, held.network)

    def _one_batch(self, x: ArrayLike, y: ArrayLike) -> tuple[Data, int]:
        x = self.network.as_input(x)
        if not 0 < len(x) <= self.batch:
            raise ValueError(f"x has {len(x)} rows; this trainer takes 1 to {self.batch}")
        return upload(x, self.network.as_target(y, len(x)), self._rows), len(x)

    def forward(self, x: ArrayLike) -> NDArray[Any]:
        """The network's output (B, O) for one batch."""
        return self._memory.infer(self.network.as_input(x))

    def _clips(self) -> bool:
        return self.optimizer.clip_norm is not None

    def _go_on(self) -> None:
        """An earlier call may have stopped at a loss that was not finite."""
        if self._stopped:
            doubles = self._run.doubles.copy_to_host()
            doubles[STOPPED] = 0
            self._run.doubles.copy_to_device(doubles)
            self._stopped = False

    def step(self, x: ArrayLike, y: ArrayLike) -> float:
        """One training step; returns the loss before the update. A step of non-finite loss changes nothing."""
        data, rows = self._one_batch(x, y)
        self._go_on()
        self._tallies = None
        self._run.step(data, rows, self._clips())
        value = self._value(self._seen(data, 1)[0])
        self._stopped = not math.isfinite(value)
        return value

    def _seen(self, data: Data, steps: int) -> NDArray[np.float64]:
        """What so many steps wrote down, (steps, TALLY)."""
        return ledger.tallies_of(data.ledger.copy_to_host(), steps)

    def _value(self, totals: NDArray[np.float64]) -> float:
        """The loss of a step by its totals."""
        if not self._run.mean:
            return float(totals[LOSS])
        return float(totals[LOSS] / totals[DIVISOR]) if totals[DIVISOR] else float("nan")

    def gradient(self, x: ArrayLike, y: ArrayLike) -> float:
        """Overwrite grads with the gradient of the loss on one batch; returns the loss."""
        data, rows = self._one_batch(x, y)
        self._tallies = self._run.find_gradient(data, rows)
        return self._value(self._run.totals(self._tallies))

    def apply(self) -> None:
        """One optimizer update from grads."""
        if self._tallies is None:
            raise ValueError("there is no gradient to apply; call gradient first")
        self._go_on()
        self._stopped = True  # for all that is known here
        self._run.begin()
        self._run.move(1, True, self._tallies, cuda.to_device(ledger.blank(1)), 0)

    def _train_once(self, x: Any, y: Any, order: Any, steps: int | None) -> Epoch:
        if is_on_device(x):  # what `hold` gave, unpacked
            return self.epoch(Held(x, y, self.network), order, steps)
        self._laid = None  # before others come
        self._replay.forget()
        held = self.hold(x, y)
        return self._train_on(held, *as_asked(held.rows, order, steps), stays=False)

    def _train(self, held: Held, order: NDArray[np.int64], steps: int) -> Epoch:
        return self._train_on(held, order, steps, stays=True)

    def _train_on(self, held: Held, order: NDArray[np.int64], steps: int, stays: bool) -> Epoch:
        """Without a wait between two steps. stays: whether the rows lie where later epochs find them again."""
        most = -(-len(order) // self.batch)
        steps = most if steps < 0 else min(steps, most)
        self._go_on()
        self._tallies = None
        data = self._lay(held.x, held.target, order, steps, stays)
        full = min(steps, len(order) // self.batch)
        make = self._replay.steps if stays else self._replay.make
        make(data, self.batch, full)
        make(data, len(order) - full * self.batch, steps - full)
        return self._report(self._seen(data, steps))

    def _lay(self, x: Any, y: Any, order: NDArray[np.int64], steps: int, stays: bool) -> Data:
        """The rows of an epoch; those that stay on the device at the places of the last one, where they are the same
        and find room there."""
        blank, laid = ledger.blank(steps), self._laid
        if laid and laid.x is x and laid.y is y and laid.order.size >= len(order) and laid.ledger.size >= blank.size:
            laid.order[: len(order)].copy_to_device(order)
            laid.ledger[: blank.size].copy_to_device(blank)
            return laid
        data = Data(x, y, cuda.to_device(order), cuda.to_device(blank))
        self._laid = data if stays else None
        return data

    def _report(self, totals: NDArray[np.float64]) -> Epoch:
        """What the steps saw, up to the first whose loss is not finite; a batch that weighs nothing has no mean."""
        counts = (totals[:, DIVISOR] != 0) | (not self._run.mean)
        bad = counts & ~np.isfinite(totals[:, LOSS])
        self._stopped = bool(bad.any())
        done = int(np.argmax(bad)) if self._stopped else len(totals)
        rows, hits = int(totals[:done, COUNTED].sum()), int(totals[:done, HITS].sum())
        seen = totals[:done][counts[:done]]
        if self._stopped:
            return Epoch(float(totals[done, LOSS]), rows, hits, done)
        total, weight = float(seen[:, LOSS].sum()), float(seen[:, DIVISOR].sum())
        return Epoch(total / weight if self._run.mean and weight > 0 else total, rows, hits, done)
