"""Network: layers, their parameters in one flat vector, and what one asks of them."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from os import PathLike
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastnn import tape
from fastnn.edge.checks import (
    aligned_zeros,
    as_choice,
    as_count,
    as_dtype,
    as_ids,
    as_int64,
    as_number,
    as_rows,
    as_shape,
    require_memory,
)
from fastnn.generation.decoder import Decoder
from fastnn.generation.tokens import generate
from fastnn.kernels.dropout import NO_KEY
from fastnn.layers import Container, Layer, operations_of, vocabulary_of
from fastnn.learning.evaluation import Evaluation, evaluation_of, predictions_of, probabilities_of
from fastnn.learning.fitting import fit
from fastnn.learning.held import Held, MadeRows
from fastnn.learning.losses import Loss, as_loss
from fastnn.learning.optimizers import Optimizer
from fastnn.learning.precision import require_precision
from fastnn.learning.targets import AnyTarget, as_target, part_of, weighted
from fastnn.learning.trainer import Trainer, require_gradient
from fastnn.lowering import KEPT_BYTES, Plan, layout_parameters, lower, span_of
from fastnn.networks.described import Described
from fastnn.networks.io import save
from fastnn.tape.losses import bind_loss
from fastnn.tape.operations import bind

if TYPE_CHECKING:
    from fastnn.cuda.memory import Memory
    from fastnn.cuda.trainer import CudaTrainer

DEVICES = ("cpu", "cuda")
# Rows a forward pass takes at once: more no longer runs faster (784-512-512-10, one thread, Zen 4: 16 rows 107.7
# GFLOP/s, 256 rows 109.2, 1024 rows 105.9), and the workspace grows with it. Fewer where their values are more than
# INFERENCE_BYTES: a convolution's on images of 224 x 224 may be 13 MB a row.
INFERENCE_ROWS, INFERENCE_BYTES = 256, 64 << 20


class Network(Described):
    """Layers on inputs of a given shape.

    inputs: features of a row of x, or its shape: (T, C) for T positions of C features, each of which dense layers,
    norms and losses take for a row. layers: see fastnn.layers. loss: a name or an object of fastnn.losses. dtype:
    float32 or float64, of parameters, data and results. seed: an int, a numpy.random.Generator, or None for fresh ones.

    initialize: False leaves all parameters 0. device: "cpu", or "cuda", where parameters and training lie on a GPU.
    precision: of products there: None is that of dtype, "tf32" and "bf16" are of tensor cores, which round what they
    multiply to 11 and 8 significant bits.

    vocabulary: tokens, where rows of x are ids of them; None of numbers.
    parameters: the flat vector of all weights and biases, each block padded with zeros to 64 bytes; named_parameters:
    views into it. Changing either changes the network. On a GPU both are copies that cannot be written; assign to
    parameters. Calls from several threads at once are safe on the CPU as long as none changes the parameters.
    """

    def __init__(
        self,
        inputs: int | Sequence[int],
        layers: Sequence[Layer | Container],
        *,
        loss: str | Loss = "cross_entropy",
        dtype: DTypeLike = "float32",
        seed: int | np.random.Generator | None = None,
        initialize: bool = True,
        device: str = "cpu",
        precision: str | None = None,
    ) -> None:
        self.device = as_choice(device, DEVICES, "device")
        self.input_shape = as_shape(inputs, "inputs")
        self.layers = tuple(layers)
        if not self.layers:
            raise ValueError("a network needs at least one layer")
        self.operations = operations_of(self.layers, self.input_shape)
        if not self.operations:
            raise ValueError("a network needs at least one layer that computes something")
        self.vocabulary = vocabulary_of(self.operations)
        self._loss_function = as_loss(loss)
        self.dtype = as_dtype(dtype)
        require_precision(precision, device, self.dtype)
        self.precision = precision
        self.output_shape = self.operations[-1].shape
        self.loss_function.require([operation.layer.activation for operation in self.operations], self.outputs)
        self.layout = layout_parameters(self.operations, self.dtype.itemsize)
        require_memory(self.layout.size, self.dtype, f"a network of {self.layout.count:,} parameters")
        self._parameters = aligned_zeros(self.layout.size, self.dtype)
        self._memory = self._on_device()
        if initialize:
            self.initialize(seed)
        self._local = threading.local()
        row_bytes = self.dtype.itemsize * sum(operation.outputs for operation in self.operations)
        self._inference_rows = max(1, min(INFERENCE_ROWS, INFERENCE_BYTES // row_bytes))
        self._settings = self._lower(1, gradients=False).tape

    def initialize(self, seed: int | np.random.Generator | None = None) -> None:
        """Draw all weights of dense layers anew; those of norms become 1, biases 0."""
        rng = np.random.default_rng(seed)
        self._parameters[:] = 0
        for operation in self.operations:
            for name, values in operation.layer.initial(rng, *operation.seen).items():
                if operation.parameters[name].tied_to is None:
                    self.layout.blocks[operation.parameter_names[name]].view(self._parameters)[...] = values
        if self._memory:
            self._memory.write(self._parameters)

    @property
    def inputs(self) -> int:
        """Numbers in a row of x."""
        return math.prod(self.input_shape)

    @property
    def outputs(self) -> int:
        """Numbers in a row of the loss: classes, for a cross-entropy. The last axis of output_shape."""
        return self.output_shape[-1]

    @property
    def parameter_count(self) -> int:
        """Weights and biases; the padding of the flat vector is not counted."""
        return self.layout.count

    @property
    def named_parameters(self) -> Mapping[str, NDArray[Any]]:
        """Views of the parameters by name: "0.weight" (inputs, units), "0.bias" (units,), "1.weight", ..."""
        return self.named(self.parameters)

    def named(self, vector: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """Views by name into any vector laid out as the parameters are, such as a gradient."""
        if not isinstance(vector, np.ndarray):
            raise TypeError(f"vector is a {type(vector).__name__}; expected an array, which views can be of")
        if vector.shape != self._parameters.shape:
            raise ValueError(f"vector has shape {vector.shape}; expected {self._parameters.shape}, as the parameters")
        return {name: block.view(vector) for name, block in self.layout.blocks.items()}

    @property
    def parameters(self) -> NDArray[Any]:
        """The flat vector itself. Assigning copies into it, so that views and trainers stay on it."""
        return self._memory.read() if self._memory else self._parameters

    @parameters.setter
    def parameters(self, values: NDArray[Any]) -> None:
        if np.shape(values) != self._parameters.shape:
            raise ValueError(f"parameters have shape {np.shape(values)}; expected {self._parameters.shape}")
        self._parameters[:] = values
        if self._memory:
            self._memory.write(self._parameters)

    @property
    def loss_function(self) -> Loss:
        """The loss that the network was built with."""
        return self._loss_function

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the workspaces, which each thread makes for itself, and what lies on a device."""
        kept = {name: value for name, value in self.__dict__.items() if name not in ("_local", "_memory")}
        return kept | {"_parameters": self.parameters}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._local = threading.local()
        self.dtype = as_dtype(self.dtype)
        self._parameters = aligned_zeros(self.layout.size, self.dtype)
        self._parameters[:] = state["_parameters"]
        self._memory = self._on_device()

    def _on_device(self) -> Memory | None:
        """The parameters' place on a GPU. DeviceUnavailable where there is none."""
        if self.device == "cpu":
            return None
        from fastnn.cuda.support import require_supported

        require_supported(self.operations, self.loss_function)
        from fastnn.cuda.memory import Memory

        return Memory(self, self._parameters)

    def copy(self) -> Network:
        """A network of the same layers with parameters of its own."""
        return copy(self)

    def to(self, device: str, precision: str | None = None) -> Network:
        """A copy on "cpu" or "cuda", its products there of that precision; None is the dtype's, whatever this one has.
        DeviceUnavailable without a GPU."""
        about: dict[str, Any] = {"loss": self.loss_function, "dtype": self.dtype, "initialize": False}
        found = Network(self.input_shape, self.layers, device=device, precision=precision, **about)
        found.parameters = self.parameters
        return found

    # Data -----------------------------------------------------------------------------------------------------------

    def as_input(self, x: ArrayLike) -> NDArray[Any]:
        """x as the kernels read it: (N, inputs), C-contiguous, of the network's dtype. ValueError, TypeError.

        It comes as (N, *input_shape), or so already.
        """
        if self.vocabulary is not None:
            return as_ids(x, self.input_shape, self.dtype, self.vocabulary, "x")
        if type(x) is np.ndarray and x.dtype is self.dtype and x.flags.carray and x.shape[1:] == (self.inputs,):
            return x
        return as_rows(x, self.input_shape, self.dtype, "x")

    def as_target(self, y: ArrayLike, rows: int) -> NDArray[Any]:
        """y as the kernels read it: labels int64, (rows,) or (rows, positions), or target rows (rows, O). ValueError,
        TypeError.

        Labels come with the shape (rows,) + output_shape[:-1], target rows with (rows, *output_shape), or so already.
        """
        return as_target(y, rows, self.output_shape, self.loss_function, self.dtype)

    def require_weight(self, target: AnyTarget) -> None:
        """ValueError: targets, as kernels read them, of which a mean of losses counts none."""
        if self.loss_function.reduction == "mean" and tape.mean_weight(self._settings, target) == 0:
            raise ValueError("every target is ignored or weighs nothing, so that there is nothing to learn")

    def _rows(self, x: ArrayLike | Held, y: ArrayLike, sample_weight: ArrayLike | None = None) -> tuple[Any, AnyTarget]:
        """As the kernels read them, at least one; held rows as they are held."""
        if isinstance(x, Held):
            if y is not None or sample_weight is not None:
                raise TypeError("rows that are held have their y and weights; expected neither beside them")
            x, target = x.on_cpu(self)
        else:
            x = self.as_input(x)
            target = weighted(self.as_target(y, len(x)), sample_weight)
        if len(x) == 0:
            raise ValueError("x has no rows; a loss needs at least one")
        return x, target

    # Running --------------------------------------------------------------------------------------------------------

    def plan(
        self, capacity: int, gradients: bool = True, keep: bool = False, span: int | None = None,
        keep_output: bool | None = None,
    ) -> Plan:  # fmt: skip
        """The tape for batches of up to `capacity` rows; a workspace for it comes from Plan.workspace().

        keep: every value and gradient keeps its place, to be looked at; else those that are done with make room. span:
        rows whose gradient is summed as one, 1,024 or as many as have 1,024 positions. A larger batch goes a span at a
        time, and the sums are added in a fixed tree: its bits depend on the span, and on nothing else. keep_output:
        see fastnn.Trainer; without gradients all outputs are kept.
        """
        capacity = as_count(capacity, "batch")
        span = span_of(self.operations) if span is None else as_int64(as_count(span, "span"), "span")
        # Before it is laid out, which would overflow.
        rows, width = min(capacity, span) if gradients else capacity, sum(each.outputs for each in self.operations)
        given = capacity * math.prod(self.output_shape)
        require_memory(rows * (self.inputs + width) + given, self.dtype, f"a batch of {capacity:,}")
        plan = self._lower(capacity, gradients, keep, span, keep_output)
        bind(plan.kinds, self.dtype.itemsize, gradients)
        bind_loss(self.loss_function.kind, self.dtype.itemsize)
        return plan

    def _lower(
        self, capacity: int, gradients: bool, keep: bool = False, span: int = 1, keep_output: bool | None = True
    ) -> Plan:
        return lower(
            self.operations, self.layout, self.loss_function, self.dtype, capacity, gradients, keep, span, keep_output
        )

    def _workspace(self, rows: int, gradients: bool) -> tuple[Plan, NDArray[Any]]:
        """This thread's plan and workspace, made larger when a call needs it; one for many rows is not kept."""
        if rows > self._inference_rows:
            plan = self.plan(rows, gradients)
            return plan, plan.workspace()
        kept: dict[Any, tuple[Plan, NDArray[Any]]] = self._local.__dict__
        if gradients not in kept or kept[gradients][0].capacity < rows:
            plan = self.plan(rows, gradients)
            kept[gradients] = plan, plan.workspace()
        return kept[gradients]

    def kept_decoder(self, batch: int) -> Decoder:
        """This thread's, at the beginning of other sequences; one that is large is not kept."""
        kept: dict[Any, Decoder] = self._local.__dict__
        found = kept.get("decoder")
        if found is None or found.batch != batch:
            found = Decoder(self, batch)
            if found.workspace.nbytes <= INFERENCE_BYTES:
                kept["decoder"] = found
        found.reset()
        return found

    def __call__(self, x: ArrayLike) -> NDArray[Any]:
        """The network's output (N, *output_shape) for x (N, *input_shape): logits where the loss is a cross-entropy."""
        x = self.as_input(x)
        if self._memory:
            return self._memory.infer(x)
        plan, workspace = self._workspace(min(max(len(x), 1), self._inference_rows), gradients=False)
        out = np.empty((len(x), *self.output_shape), self.dtype)
        tape.infer(out.reshape(len(x), math.prod(self.output_shape)), plan.tape, self.parameters, x, workspace)
        return out

    def _parts(self, x: NDArray[Any] | MadeRows, y: AnyTarget) -> Iterator[tuple[NDArray[Any], AnyTarget]]:
        """Outputs as rows of the loss, and targets: of all rows, or of as many at a time as KEPT_BYTES hold; of rows
        that are made as many as INFERENCE_BYTES do."""
        rows = max(1, KEPT_BYTES // (math.prod(self.output_shape) * self.dtype.itemsize))
        if isinstance(x, MadeRows):
            rows = min(rows, max(1, INFERENCE_BYTES // (self.inputs * self.dtype.itemsize)))
        for at in range(0, len(x), rows):
            yield self(x[at : at + rows]).reshape(-1, self.outputs), part_of(y, at, at + rows)

    def predict_proba(self, x: ArrayLike, temperature: float = 1.0) -> NDArray[Any]:
        """Probabilities, of the output's shape. temperature, for cross-entropy: below 1 sharpens, 0 is argmax."""
        temperature = as_number(temperature, "temperature", 0.0)
        return probabilities_of(self.loss_function, self(x), temperature)

    def predict(self, x: ArrayLike) -> NDArray[Any]:
        """Labels (N,) for cross-entropy; 0/1 (N, outputs) for binary losses, -1/1 for hinge; else the output itself."""
        return predictions_of(self.loss_function, self(x))

    @overload
    def evaluate(self, held: Held, /) -> Evaluation: ...

    @overload
    def evaluate(self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Evaluation: ...

    def evaluate(self, x: Any, y: Any = None, sample_weight: Any = None) -> Evaluation:
        """Loss and right answers on x (N, inputs) and y, labels (N,) or rows (N, outputs), of one forward pass.

        evaluate(held) is for rows that a trainer's `hold` gave on the CPU, of which it checks nothing. sample_weight
        (N,): how often the loss of a row counts. ValueError, TypeError.
        """
        x, target = self._rows(x, y, sample_weight)
        return evaluation_of(self.loss_function, self._settings, self._parts(x, target))

    def loss(self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """The loss on x (N, inputs) and y, all rows as one batch."""
        return self.evaluate(x, y, sample_weight).loss

    def accuracy(self, x: ArrayLike, y: ArrayLike) -> float:
        """Share of the rows of x (N, inputs) whose prediction is right in every output; ignored labels do not count."""
        if not self.loss_function.has_classes:
            raise ValueError("accuracy is of classes, and mse has none; look at loss")
        return self.evaluate(x, y).accuracy

    def gradient(self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> NDArray[Any]:
        """The gradient of loss(x, y, sample_weight) as a flat vector; named(gradient) gives it by parameter.

        In the network's dtype, and of many rows the sum of those of spans of 1,024: see fastnn.Trainer.
        """
        rows, target = self._rows(x, y, sample_weight)
        rows = rows[:] if isinstance(rows, MadeRows) else rows
        require_gradient(self.operations, self.loss_function)
        if self._memory:
            return self._memory.gradient(rows, target)
        plan, workspace = self._workspace(len(rows), gradients=True)
        gradient = aligned_zeros(self.layout.size, self.dtype)
        tape.loss_and_gradient_with(plan.tape, self.parameters, gradient, rows, target, workspace, NO_KEY)
        return gradient

    # Training -------------------------------------------------------------------------------------------------------

    def trainer(
        self, optimizer: str | Optimizer = "adam", batch: int = 32, seed: int = 0, span: int | None = None,
        keep_output: bool | None = None,
    ) -> Trainer | CudaTrainer:  # fmt: skip
        """All that a training loop needs, allocated once; see fastnn.Trainer. seed: of dropout. span, keep_output: of
        the CPU alone."""
        if self._memory is None:
            return Trainer(self, optimizer, batch, seed, span, keep_output)
        for name, given in (("span", span is not None), ("keep_output=False", keep_output is False)):
            if given:
                raise ValueError(f"{name} is of training on the CPU; leave it out, or use device='cpu'")
        from fastnn.cuda.trainer import CudaTrainer

        return CudaTrainer(self, self._memory, optimizer, batch)

    fit = fit
    generate = generate

    # Keeping --------------------------------------------------------------------------------------------------------

    def save(self, path: str | PathLike[str]) -> None:
        """Write layers and parameters to a safetensors file, atomically; fastnn.load reads it."""
        save(self, path)
