"""Training from Python: a Trainer for loops of one's own, and fit, which runs whole epochs without the interpreter."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn import tape, training
from fastnn._jit import check_threading_layer, compile_clock
from fastnn.checks import aligned_zeros, as_count, as_numeric, require_memory
from fastnn.layers import Layer
from fastnn.losses import CrossEntropy, Loss, Perceptron
from fastnn.lowering import ParameterLayout, Plan
from fastnn.optimizers import Optimizer, as_optimizer
from fastnn.progress import epoch_bar


class Trainable(Protocol):
    """What training asks of a fastnn.Network."""

    layers: tuple[Layer, ...]
    layout: ParameterLayout
    loss_function: Loss
    dtype: np.dtype[Any]
    outputs: int
    parameters: NDArray[Any]

    @property
    def named_parameters(self) -> Mapping[str, NDArray[Any]]: ...

    def named(self, vector: NDArray[Any]) -> Mapping[str, NDArray[Any]]: ...

    def plan(self, capacity: int) -> Plan: ...

    def as_input(self, x: ArrayLike) -> NDArray[Any]: ...

    def as_target(self, y: ArrayLike, rows: int) -> NDArray[Any]: ...

    def loss(self, x: ArrayLike, y: ArrayLike) -> float: ...

    def accuracy(self, x: ArrayLike, y: ArrayLike) -> float: ...


class NonFiniteLoss(ArithmeticError):
    """Training met a loss that is NaN or infinite. The network keeps the parameters of the last finite step.

    step: optimizer steps that stand, counted from the first of this trainer. epoch: from 0.
    """

    def __init__(self, loss: float, step: int, epoch: int) -> None:
        super().__init__(
            f"the loss became {loss} after {step} steps (epoch {epoch}); the parameters are those of the last step "
            "with a finite loss. Try a smaller learning rate, clip_norm, or look for non-finite values in x and y"
        )
        self.loss, self.step, self.epoch = loss, step, epoch


def require_gradient(layers: tuple[Layer, ...], loss: Loss) -> None:
    """ValueError for a network that no gradient goes through."""
    if isinstance(loss, Perceptron):
        return
    for index, layer in enumerate(layers):
        if layer.activation == "step":
            raise ValueError(
                f"layer {index} has the activation step, which has no gradient; use sigmoid, or loss='perceptron'"
            )


class Trainer:
    """A network with gradient, optimizer state and workspace, allocated once for batches of up to `batch` rows.

    arrays: (tape, params, grads, state, control, workspace), the arguments of fastnn.training.train_step for use in
    nopython code; params is the network's own vector. A trainer belongs to one thread at a time.
    """

    def __init__(self, network: Trainable, optimizer: str | Optimizer = "adam", batch: int = 32) -> None:
        require_gradient(network.layers, network.loss_function)
        self.network = network
        self.optimizer = as_optimizer(optimizer)
        self.batch = as_count(batch, "batch")
        plan = network.plan(self.batch)
        size, dtype = network.layout.size, network.dtype
        state_size = self.optimizer.state_size(size)
        require_memory(size + state_size + plan.workspace_size, dtype, f"training with batches of {batch}")
        self.tape = plan.tape
        self.params = network.parameters
        self.grads = aligned_zeros(size, dtype)
        self.state = aligned_zeros(state_size, dtype)
        self.control = self.optimizer.control()
        self.workspace = plan.workspace()
        self._labels = isinstance(network.loss_function, CrossEntropy)
        self._report = np.zeros(training.REPORT_SIZE)

    @property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        return self.tape, self.params, self.grads, self.state, self.control, self.workspace

    @property
    def steps(self) -> int:
        """Optimizer steps made."""
        return int(self.control[training.STEP])

    def _batch(self, x: ArrayLike) -> NDArray[Any]:
        x = self.network.as_input(x)
        if not 0 < len(x) <= self.batch:
            raise ValueError(f"x has {len(x)} rows; this trainer takes 1 to {self.batch}")
        return x

    def step(self, x: ArrayLike, y: ArrayLike) -> float:
        """One training step; returns the loss before the update. A step of non-finite loss changes nothing."""
        x = self._batch(x)
        if not (
            type(y) is np.ndarray and y.dtype is _INT64 and y.flags.carray and y.shape == x.shape[:1] and self._labels
        ):
            y = self.network.as_target(y, len(x))
        loss: float = training.checked_step(
            self.tape, self.params, self.grads, self.state, self.control, x, y, self.workspace
        )
        if loss != loss:
            self.network.as_target(y, len(x))  # names the label that is out of range, if that is the reason
        return loss

    def gradient(self, x: ArrayLike, y: ArrayLike) -> float:
        """Overwrite grads with the gradient of the loss on one batch; returns the loss."""
        x = self._batch(x)
        y = self.network.as_target(y, len(x))
        return float(tape.loss_and_gradient(self.tape, self.params, self.grads, x, y, self.workspace))

    def apply(self) -> None:
        """One optimizer update from grads, whoever wrote them."""
        training.apply_gradient(self.params, self.grads, self.state, self.control)

    def forward(self, x: ArrayLike) -> NDArray[Any]:
        """The output (B, outputs) of one batch, as a view of the workspace that the next call overwrites."""
        x = self._batch(x)
        tape.forward(self.tape, self.params, x, self.workspace)
        at, width = int(self.tape[0, tape.OUTPUT_AT]), self.network.outputs
        return self.workspace[at : at + len(x) * width].reshape(len(x), width)

    def epoch(
        self, x: NDArray[Any], y: NDArray[Any], order: NDArray[np.int64], steps: int | None = None
    ) -> tuple[float, int, int, int]:
        """Train on x[order], y[order] in one nopython call, at most `steps` batches of it.

        Returns the sum of the losses of all rows, the rows that count, the right answers, and the steps made.
        """
        x = self.network.as_input(x)
        y = self.network.as_target(y, len(x))
        order = as_numeric(order, "order")
        if order.ndim != 1 or order.dtype.kind not in "iu":
            raise TypeError(f"order is {order.dtype} {order.shape}; expected whole numbers, one a row to train on")
        steps = -1 if steps is None else as_count(steps, "steps", least=0)
        if order.size and not (order.min() >= 0 and order.max() < len(x)):
            raise ValueError(f"order spans {order.min()}..{order.max()}; expected rows of x, 0..{len(x) - 1}")
        order = np.require(order, np.int64, ["C", "A", "W"])
        width = 1 if y.ndim == 1 else y.shape[1]
        target = np.empty(self.batch * width, y.dtype)
        training.run_epoch(
            self._report, self.tape, self.params, self.grads, self.state, self.control, x, y, order, target,
            self.workspace, self.batch, steps,
        )  # fmt: skip
        loss_sum, rows, hits, made = self._report
        return float(loss_sum), int(rows), int(hits), int(made)


_INT64 = np.dtype(np.int64)


@dataclass
class History:
    """What fit saw, an entry an epoch. accuracy is absent for mse; val_* are there when validation data was given.

    seconds are of training alone, without compiling and validation.
    """

    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)
    val_accuracy: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    steps: int = 0


@dataclass(frozen=True)
class _Snapshot:
    """What an epoch began from: enough to run it again to the same bits."""

    params: NDArray[Any]
    state: NDArray[Any]
    control: NDArray[np.float64]
    order: NDArray[np.int64]

    @classmethod
    def of(cls, trainer: Trainer, order: NDArray[np.int64]) -> _Snapshot:
        return cls(trainer.params.copy(), trainer.state.copy(), trainer.control.copy(), order.copy())

    def replay(self, trainer: Trainer, x: NDArray[Any], y: NDArray[Any], steps: int) -> None:
        trainer.params[:], trainer.state[:], trainer.control[:] = self.params, self.state, self.control
        trainer.epoch(x, y, self.order, steps)


def _return_to_last_finite(
    trainer: Trainer, snapshots: list[_Snapshot], x: NDArray[Any], y: NDArray[Any], made: int
) -> None:
    """The parameters whose loss was last finite are those before the last update: run up to there again.

    Runs are deterministic to the bit, so this costs nothing while training goes well. The very first loss has nothing
    before it, and changed nothing.
    """
    if made > 0:
        snapshots[-1].replay(trainer, x, y, made - 1)
    elif len(snapshots) > 1:
        batches = -(-len(snapshots[-2].order) // trainer.batch)
        snapshots[-2].replay(trainer, x, y, batches - 1)


def fit(
    network: Trainable,
    x: ArrayLike,
    y: ArrayLike,
    *,
    epochs: int = 10,
    batch: int = 32,
    optimizer: str | Optimizer = "adam",
    shuffle: bool = True,
    seed: int | np.random.Generator | None = None,
    validation: tuple[ArrayLike, ArrayLike] | None = None,
    progress: bool | None = None,
    callback: Callable[[int, History], bool | None] | None = None,
) -> History:
    """Train a network in place; an epoch is one nopython call that holds no GIL.

    x (N, inputs), y: labels (N,) or rows (N, outputs). Batches come in an order shuffled anew each epoch from `seed`
    (an int, a numpy.random.Generator, or None); the last one may be short. validation: (x, y) to score after each
    epoch. progress: a bar on stderr; None shows it where stderr is a terminal and training is long. callback(epoch,
    history) after each epoch; True stops.

    Raises NonFiniteLoss, with the parameters of the last finite step kept; ValueError, TypeError on bad input.
    """
    epochs = as_count(epochs, "epochs", least=0)
    x = network.as_input(x)
    y = network.as_target(y, len(x))
    if len(x) == 0:
        raise ValueError("x has no rows")
    held_out = _as_validation(network, validation)
    if callback is not None and not callable(callback):
        raise TypeError(f"callback is {callback!r}; expected a function of (epoch, history)")
    trainer = Trainer(network, optimizer, min(as_count(batch, "batch"), len(x)))
    rng = np.random.default_rng(seed)
    order = np.arange(len(x))
    history = History()
    snapshots: list[_Snapshot] = []
    with epoch_bar(epochs, progress) as show:
        for epoch in range(epochs):
            if shuffle:
                rng.shuffle(order)
            snapshots = [*snapshots[-1:], _Snapshot.of(trainer, order)]
            start = time.perf_counter()
            with compile_clock() as compiling:
                loss_sum, rows, hits, made = trainer.epoch(x, y, order)
            # The last update of an epoch may leave the finite before any loss tells.
            if np.isfinite(loss_sum) and not np.isfinite(trainer.params).all():
                loss_sum = np.nan
            if not np.isfinite(loss_sum):
                _return_to_last_finite(trainer, snapshots, x, y, made)
                raise NonFiniteLoss(loss_sum, trainer.steps, epoch)
            history.seconds.append(time.perf_counter() - start - compiling.seconds)
            _record(history, network, loss_sum, rows, hits, held_out)
            history.steps = trainer.steps
            show(epoch, history.loss[-1], history.accuracy[-1] if history.accuracy else None)
            if callback is not None and callback(epoch, history):
                break
    check_threading_layer()
    return history


def _as_validation(
    network: Trainable, validation: tuple[ArrayLike, ArrayLike] | None
) -> tuple[NDArray[Any], NDArray[Any]] | None:
    if validation is None:
        return None
    if not isinstance(validation, (tuple, list)) or len(validation) != 2:
        raise TypeError(f"validation is {type(validation).__name__}; expected a pair (x, y)")
    x = network.as_input(validation[0])
    if len(x) == 0:
        raise ValueError("validation has no rows; leave it out where nothing is held out")
    return x, network.as_target(validation[1], len(x))


def _record(
    history: History, network: Trainable, loss_sum: float, rows: int, hits: int,
    held_out: tuple[NDArray[Any], NDArray[Any]] | None,
) -> None:  # fmt: skip
    scored = network.loss_function.name != "mse"
    mean = network.loss_function.reduction == "mean"
    history.loss.append(loss_sum / max(rows, 1) if mean else loss_sum)
    if scored:
        history.accuracy.append(hits / max(rows, 1))
    if held_out is not None:
        history.val_loss.append(network.loss(*held_out))
        if scored:
            history.val_accuracy.append(network.accuracy(*held_out))
