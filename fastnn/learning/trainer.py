"""Training from Python: a Trainer for loops of one's own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from threading import Lock
from typing import Any, Protocol

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn import tape
from fastnn.compiler.jit import DEBUG, DISABLED
from fastnn.edge.checks import aligned_zeros, as_count, require_memory
from fastnn.kernels.dropout import SEEDS
from fastnn.kernels.embedding import are_ids
from fastnn.layers import Operation
from fastnn.learning import training
from fastnn.learning.evaluation import Evaluation
from fastnn.learning.held import Checks, Epoch, EpochTrainer, Held
from fastnn.learning.losses import CrossEntropy, Loss, Perceptron
from fastnn.learning.optimizers import Optimizer, as_optimizer
from fastnn.learning.targets import AnyTarget, weighted
from fastnn.lowering import ParameterLayout, Plan, take_rates
from fastnn.tape.columns import OUTPUT_AT, WORK

# Multiply-adds of forward passes that an epoch makes in one call, 12 ms at 100 GFLOP/s with their backward passes:
# Python hears of Ctrl-C between two calls alone.
CALL_WORK = 200_000_000


class Trainable(Checks, Protocol):
    """What training asks of a fastnn.Network."""

    operations: tuple[Operation, ...]
    layout: ParameterLayout
    dtype: np.dtype[Any]
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    vocabulary: int | None
    precision: str | None

    @property
    def inputs(self) -> int: ...

    @property
    def outputs(self) -> int: ...

    @property
    def loss_function(self) -> Loss: ...

    @property
    def parameters(self) -> NDArray[Any]: ...

    @property
    def named_parameters(self) -> Mapping[str, NDArray[Any]]: ...

    def require_weight(self, target: AnyTarget) -> None: ...

    def named(self, vector: NDArray[Any]) -> Mapping[str, NDArray[Any]]: ...

    def plan(
        self, capacity: int, gradients: bool = True, keep: bool = False, span: int | None = None,
        keep_output: bool | None = None,
    ) -> Plan: ...  # fmt: skip

    def evaluate(self, held: Held, /) -> Evaluation: ...


class NonFiniteLoss(ArithmeticError):
    """Training met a loss that is NaN or infinite. The network keeps the parameters of the last finite step.

    step: optimizer steps that stand, counted from the first of this trainer. epoch: from 0; None where there are none.
    """

    def __init__(self, loss: float, step: int, epoch: int | None) -> None:
        of_epoch = "" if epoch is None else f" (epoch {epoch})"
        super().__init__(
            f"the loss became {loss} after {step} steps{of_epoch}; the parameters are those of the last step "
            "with a finite loss. Try a smaller learning rate, clip_norm, or look for non-finite values in x and y"
        )
        self.loss, self.step, self.epoch = loss, step, epoch


def require_gradient(operations: tuple[Operation, ...], loss: Loss) -> None:
    """ValueError for a network that no gradient goes through."""
    if isinstance(loss, Perceptron):
        return
    for operation in operations:
        if operation.layer.activation == "step":
            raise ValueError(
                f"layer {operation.name} has the activation step, which has no gradient; "
                "use sigmoid, or loss='perceptron'"
            )


def _as_seed(seed: int) -> int:
    if as_count(seed, "seed", least=0) >= SEEDS:
        raise ValueError(f"seed is {seed}; expected less than {SEEDS}")
    return seed


# What a Trainer makes of its other attributes when it is first asked for: addresses, which copies must not share.
DERIVED = ("_frame", "_framed_step", "_framed_forward", "_lays_flat", "_outputs")
_compiling = Lock()


@lru_cache
def _compiled(kernel: Any, *arguments: Any) -> Any:
    kernel.compile((numba.int64[::1], *arguments))
    kernel.disable_compile()
    return kernel


def _framed(kernels: Mapping[int, Any], dtype: np.dtype[Any], *more: Any) -> Any:
    """Of training, for a frame, x and more arrays: others compile nothing, but are a TypeError."""
    with _compiling:
        return _compiled(kernels[dtype.itemsize], numba.from_dtype(dtype)[:, ::1], *more)


def _forwards_nothing(frame: NDArray[np.int64], x: ArrayLike) -> bool:
    return False


def _take_nothing(frame: NDArray[np.int64], x: ArrayLike, y: ArrayLike) -> float:
    return math.nan


class Trainer(EpochTrainer):
    """A network with gradient, optimizer state and workspace, allocated once for batches of up to `batch` rows.

    arrays: (tape, params, grads, state, control, workspace), the arguments of fastnn.training.train_step for use in
    nopython code; params is the network's own vector. A trainer belongs to one thread at a time. seed: of dropout,
    below 2**31; what a step drops follows from it and from the number of the step, both of which control holds. span:
    rows of a batch whose gradient is summed as one, 1,024 or as many as have 1,024 positions; what a larger batch adds
    up depends on it, and on nothing else, and its values take the room of one span for each thread.

    keep_output: whether the outputs of a batch, and their gradients, are there when a step is done, for `forward` and
    nopython code; False makes the loss some positions at a time, and keeps the most likely class of each (the bits of
    biases' gradients are then others). None keeps them unless those of a batch take more than 256 MB and the network
    ends in logits for a cross-entropy.
    """

    network: Trainable

    def __init__(
        self, network: Trainable, optimizer: str | Optimizer = "adam", batch: int = 32, seed: int = 0,
        span: int | None = None, keep_output: bool | None = None,
    ) -> None:  # fmt: skip
        require_gradient(network.operations, network.loss_function)
        self.network = network
        self.optimizer = as_optimizer(optimizer)
        self.batch = as_count(batch, "batch")
        plan = network.plan(self.batch, span=span, keep_output=keep_output)
        self.keeps_output = plan.keeps_output
        self.span = plan.span
        size, dtype = network.layout.size, network.dtype
        state_size = self.optimizer.state_size(size)
        require_memory(size + state_size + plan.workspace_size, dtype, f"training with batches of {batch}")
        self._take(plan)
        self.params = network.parameters
        self.grads = aligned_zeros(size, dtype)
        self.state = aligned_zeros(state_size, dtype)
        self.control = self.optimizer.control()
        self.control[training.SEED] = _as_seed(seed)
        self._report = np.zeros(training.REPORT_SIZE)

    def _take(self, plan: Plan) -> None:
        self.tape, self.workspace = plan.tape, plan.workspace()
        take_rates(self.tape, list(self.optimizer.rates_of(self.network.layout.blocks).values()))

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A copy trains the network that was copied with it, with a tape of this process: another may have registered
        operations by other numbers, and have other threads."""
        self.__dict__.update(state)
        self.params = self.network.parameters
        self._take(self.network.plan(self.batch, span=self.span, keep_output=self.keeps_output))

    @property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        return self.tape, self.params, self.grads, self.state, self.control, self.workspace

    @property
    def steps(self) -> int:
        """Optimizer steps made."""
        return int(self.control[training.STEP])

    @property
    def penalty(self) -> float:
        """Half of l2 times the squared weights, summed over the batches of the last epoch.

        Over the rows of the epoch it is what l2 added to the mean loss, which is reported without it.
        """
        return float(self._report[training.PENALTY])

    @property
    def state_bytes(self) -> int:
        """Bytes of the optimizer's moments."""
        return self.state.nbytes

    @property
    def snapshot_elements(self) -> int:
        """Numbers of the network's type that a snapshot holds."""
        return self.params.size + self.state.size

    def snapshot(self) -> tuple[NDArray[Any], ...]:
        """Copies of parameters, moments and counters."""
        return self.params.copy(), self.state.copy(), self.control.copy()

    def restore(self, snapshot: tuple[NDArray[Any], ...]) -> None:
        """Back to where a snapshot was taken."""
        self.params[:], self.state[:], self.control[:] = snapshot

    def reset(self) -> None:
        """An optimizer that has made no step."""
        self.state[:] = 0
        self.control[training.STEP] = 0

    def is_finite(self) -> bool:
        """Whether all parameters are."""
        return bool(np.isfinite(self.params).all())

    def _batch(self, x: ArrayLike) -> NDArray[Any]:
        x = self.network.as_input(x)
        if not 0 < len(x) <= self.batch:
            raise ValueError(f"x has {len(x)} rows; this trainer takes 1 to {self.batch}")
        return x

    def step(self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """One training step; returns the loss before the update. A step of non-finite loss changes nothing.

        sample_weight (B,): how often the loss of a row counts; see fastnn.Network.fit.
        """
        # The kernel checks arrays that are as it wants them: 0.6 us a step of 26 parameters, 1.1 with the checks in
        # Python and an argument an array.
        loss = math.nan
        if type(x) is type(y) is np.ndarray and sample_weight is None:  # numba may take a masked array for a plain one
            try:
                loss = self._framed_step(self._frame, *(self._flat(x, y) if self._lays_flat else (x, y)))
            except TypeError:
                loss = math.nan
        if loss == loss:
            return loss
        x = self._batch(x)
        y = self.network.as_target(y, len(x))
        if self._takes_frame and y.dtype == np.int64 and sample_weight is None:
            return float(self._framed_step(self._frame, x, y.reshape(-1)))
        target = weighted(y, sample_weight)
        return float(
            training.train_step(self.tape, self.params, self.grads, self.state, self.control, x, target, self.workspace)
        )

    @property
    def _takes_frame(self) -> bool:
        """For labels, flat."""
        return isinstance(self.network.loss_function, CrossEntropy) and not (DEBUG or DISABLED)

    @cached_property
    def _lays_flat(self) -> bool:
        """Whether rows or labels have axes that a frame does not see, or are ids."""
        shapes = self.network.input_shape, self.network.output_shape
        return max(map(len, shapes)) > 1 or self.network.vocabulary is not None

    def _flat(self, x: NDArray[Any], *labels: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        """As a frame takes them. TypeError where they are not shaped as they should be, which is told later."""
        network = self.network
        wrong = any(y.shape[1:] != network.output_shape[:-1] or len(x) != len(y) for y in labels)
        if wrong or not len(x) or x.shape[1:] != network.input_shape:
            raise TypeError
        if network.vocabulary is not None:
            x = x.astype(network.dtype) if x.dtype.kind in "iu" else x
            if x.dtype != network.dtype or not are_ids(x.reshape(-1), network.vocabulary):
                raise TypeError
        return x.reshape(len(x), -1), *(y.reshape(-1) for y in labels)

    @cached_property
    def _framed_step(self) -> Any:
        """framed_step for this trainer's arrays: TypeError for any others."""
        return (
            _framed(training.framed_step, self.network.dtype, numba.int64[::1]) if self._takes_frame else _take_nothing
        )

    @cached_property
    def _frame(self) -> NDArray[np.int64]:
        """See training.framed_step, which trusts it."""
        number = self.network.dtype
        kinds = (np.dtype(np.int64), number, number, number, np.dtype(np.float64), number)
        for array, kind in zip(self.arrays, kinds, strict=True):
            if array.dtype != kind or not array.flags.carray:
                raise TypeError(f"an array of the trainer is {array.dtype}; expected C-contiguous {kind}")
        addresses = [array.ctypes.data for array in self.arrays]
        sizes = [array.size for array in self.arrays]
        return np.array([*addresses, *sizes, number.itemsize, self.network.inputs], np.int64)

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        for derived in DERIVED:
            self.__dict__.pop(derived, None)

    def __getstate__(self) -> dict[str, Any]:
        made = (*DERIVED, "tape", "workspace")
        return {name: value for name, value in self.__dict__.items() if name not in made}

    def gradient(self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Overwrite grads with the gradient of the loss on one batch and of the penalty l2; returns the loss."""
        x = self._batch(x)
        target = weighted(self.network.as_target(y, len(x)), sample_weight)
        key = training.key_of_step(self.control)
        loss = tape.loss_and_gradient_with(self.tape, self.params, self.grads, x, target, self.workspace, key)
        self._join_penalty(tape.rows_in_penalty(target, len(x)))
        return float(loss)

    def accumulate(self, parts: Sequence[tuple[ArrayLike, ArrayLike]]) -> float:
        """Overwrite grads with the gradient of one batch that comes in parts (x, y), as `gradient` of all of it would.

        To the bit, and so each part but the last has a whole number of spans of rows. Returns the loss. ValueError.
        """
        found = [self._part(x, y, last=index == len(parts) - 1) for index, (x, y) in enumerate(parts)]
        rows = sum(len(x) for x, _ in found)
        if not self.span < rows <= self.batch:
            raise ValueError(
                f"the parts have {rows} rows; expected more than a span, {self.span}, and at most this trainer's "
                f"batch, {self.batch}"
            )
        divisor = tape.loss_divisor(self.tape, np.concatenate([y for _, y in found]))
        key, at, total = training.key_of_step(self.control), 0, 0.0
        arrays, all_of_them = (self.tape, self.params, self.grads), np.empty(0, np.int64)
        for x, y in found:
            total = tape.add_spans(*arrays, x, y, all_of_them, self.workspace, key, at, divisor, total)
            at += len(x)
        tape.finish_spans(self.tape, self.grads, self.workspace, rows)
        self._join_penalty(rows)
        return total / divisor if divisor else math.nan  # of ignored labels alone, as `gradient` says

    def _part(self, x: ArrayLike, y: ArrayLike, last: bool) -> tuple[NDArray[Any], NDArray[Any]]:
        x = self.network.as_input(x)
        if len(x) == 0 or (not last and len(x) % self.span):
            raise ValueError(
                f"a part has {len(x)} rows; expected a multiple of the span, {self.span}, but for the last"
            )
        return x, self.network.as_target(y, len(x))

    def _join_penalty(self, rows: float) -> None:
        if self.control[training.L2] > 0:
            training.join_penalty(self.tape, self.params, self.grads, self.control, rows)

    def apply(self) -> None:
        """One optimizer update from grads, whoever wrote them."""
        training.apply_update(self.tape, self.params, self.grads, self.state, self.control)

    def forward(self, x: ArrayLike) -> NDArray[Any]:
        """The output (B, outputs) of one batch, as a view of the workspace that the next call overwrites."""
        if not self.keeps_output:
            raise ValueError("this trainer keeps no outputs; call the network, or make a trainer with keep_output=True")
        # As in step: 0.5 us for 26 parameters, 1.2 with the checks in Python and an argument an array.
        if type(x) is np.ndarray:
            try:
                if self._framed_forward(self._frame, *(self._flat(x) if self._lays_flat else (x,))):
                    return self._outputs[: len(x)]
            except TypeError:  # x is not as the kernel wants it, but may be converted
                pass
        x = self._batch(x)
        tape.forward(self.tape, self.params, x, self.workspace)
        return self._outputs[: len(x)]

    @cached_property
    def _framed_forward(self) -> Any:
        """framed_forward for this trainer's arrays: TypeError for any others."""
        return _forwards_nothing if DEBUG or DISABLED else _framed(training.framed_forward, self.network.dtype)

    @cached_property
    def _outputs(self) -> NDArray[Any]:
        """Where the output of a whole batch lies."""
        at, shape = int(self.tape[0, OUTPUT_AT]), (self.batch, *self.network.output_shape)
        return self.workspace[at : at + math.prod(shape)].reshape(shape)

    def place(self, held: Held) -> Held:
        """The rows themselves: kernels read them where they are."""
        return held

    def _train(self, held: Held, order: NDArray[np.int64], steps: int) -> Epoch:
        y = held.y
        flat = np.empty(self.batch * (1 if y.ndim == 1 else y.shape[1]), y.dtype)
        room = flat if held.sample_weight is None else (flat, np.empty(self.batch))
        self._report[:] = 0
        rows = len(order) if steps < 0 else min(len(order), steps * self.batch)
        together = self.batch * max(1, CALL_WORK // int(self.tape[0, WORK] * self.batch))
        arrays = self.tape, self.params, self.grads, self.state, self.control
        for at in range(0, rows, together):  # between two calls Python hears of signals
            x, target, part = held.for_steps(order[at : min(at + together, rows)], self.steps, self.batch)
            training.go_on(self._report, *arrays, x, target, part, room, self.workspace, self.batch, -1)
            if not math.isfinite(self._report[training.LOSS_SUM]):
                break
        loss_sum, weight, rows, hits, made = self._report[: training.PENALTY]
        mean = self.network.loss_function.reduction == "mean" and weight > 0
        return Epoch(float(loss_sum / weight if mean else loss_sum), int(rows), int(hits), int(made))
