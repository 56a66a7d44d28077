"""Batch norm as a layer. Formulas: fastnn.kernels.batch_norm."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn import cost
from fastnn.edge.checks import as_epsilon, as_number
from fastnn.graph.forms import Form
from fastnn.graph.protocol import CHANNELS, Parameter, Places, SameShape, Shape
from fastnn.kernels.batch_norm import batch_norm_scratch
from fastnn.operations import batch_norm
from fastnn.tape.columns import bits

RUNNING = ("running_mean", "running_var")


@dataclass(frozen=True)
class BatchNorm(SameShape):
    """y = (x - mean) / sqrt(variance + epsilon) * weight + bias of each channel; in torch BatchNorm1d or 2d.

    x, y (B, C), (B, T, C) or (B, H, W, C), weight (C,), which begins at 1, bias (C,), which begins at 0. In training,
    which is train_step and the step, epoch and gradient of a Trainer, mean and variance are those of a span of the
    batch, its rows and places together: of all of it up to `Trainer.span` rows, which is 32 at least (1,024 without
    convolutions) unless fewer are asked for; of more, each span has its own, whatever the number of threads. A channel
    of one number becomes the bias. Elsewhere they are running_mean and running_var, with which rows do not depend on
    each other.

    A step moves these by `momentum` to the means of what its spans had, of variances those of samples, N / (N - 1),
    which a span of one number has not. They lie among the parameters, and no optimizer, decay or count of parameters
    has them. A rate of 0 freezes them as others. num_batches_tracked counts steps.
    """

    epsilon: float = 1e-5
    momentum: float = 0.1
    kind: ClassVar[int] = batch_norm.BATCH_NORM
    positionwise: ClassVar[bool] = False
    beside: ClassVar[bool] = True
    joint: ClassVar[bool] = True
    axes: ClassVar[str] = CHANNELS
    reads_backward: ClassVar[Collection[str]] = ("inputs",)
    torch_names: ClassVar[Collection[str]] = ("BatchNorm1d", "BatchNorm2d")
    onnx_names: ClassVar[Collection[str]] = ("BatchNormalization",)

    def __post_init__(self) -> None:
        object.__setattr__(self, "epsilon", as_epsilon(self.epsilon))
        object.__setattr__(self, "momentum", as_number(self.momentum, "momentum", 0.0, 1.0))

    def parameters(self, *shapes: Shape) -> Mapping[str, Parameter]:
        of_channels = shapes[0][-1:]
        running = {name: Parameter(of_channels, statistic=True) for name in RUNNING}
        own = {"weight": Parameter(of_channels), "bias": Parameter(of_channels)}
        return own | running | {"num_batches_tracked": Parameter((), statistic=True)}

    def initial(self, rng: np.random.Generator, *shapes: Shape) -> Mapping[str, NDArray[np.float64]]:
        return {name: np.ones(shapes[0][-1]) for name in ("weight", "running_var")}

    def kept(self, *shapes: Shape) -> Mapping[str, int]:
        channels = shapes[0][-1]
        return {"mean": channels, "variance": channels, "slopes": 2 * channels, "counted": 1}

    def scratch(self, rows: int, itemsize: int, *shapes: Shape) -> int:
        return batch_norm_scratch(shapes[0][-1])

    def own_columns(self, places: Places, *shapes: Shape) -> Mapping[int, int]:
        names = ("weight", "bias", *RUNNING, "num_batches_tracked")
        parameters = range(batch_norm.WEIGHT, batch_norm.TRACKED + 1)
        kept = range(batch_norm.MEAN, batch_norm.COUNTED + 1)
        return {
            batch_norm.CHANNELS: shapes[0][-1],
            **{column: places.parameter(name)[0] for column, name in zip(parameters, names, strict=True)},
            **{column: places.kept(name) for column, name in zip(kept, self.kept(*shapes), strict=True)},
            batch_norm.EPSILON: bits(self.epsilon),
            batch_norm.MOMENTUM: bits(self.momentum),
        }

    def forward_cost(self, rows: int, itemsize: int, *shapes: Shape) -> cost.Cost:
        return cost.batch_norm_forward(rows * prod(shapes[0][:-1]), shapes[0][-1], itemsize)

    def backward_cost(self, rows: int, itemsize: int, input_gradient: bool, *shapes: Shape) -> cost.Cost:
        return cost.batch_norm_backward(rows * prod(shapes[0][:-1]), shapes[0][-1], itemsize, input_gradient)

    def torch_form(self, shape: Shape) -> Form:
        """ValueError: rows of other axes."""
        if len(shape) > 3:
            raise ValueError(f"torch's batch norm takes rows, sequences or images; {shape} comes")
        settings = {"num_features": shape[-1], "eps": self.epsilon, "momentum": self.momentum}
        return Form("BatchNorm2d" if len(shape) == 3 else "BatchNorm1d", settings)

    @classmethod
    def from_torch(cls, form: Form) -> BatchNorm:
        form.require(weight=True, bias=True, track_running_stats=True)
        if form.settings["momentum"] is None:
            raise ValueError("its momentum is None, a mean over all steps; expected a number")
        return cls(form.settings["eps"], form.settings["momentum"])

    def onnx_forms(self, shape: Shape) -> list[Form]:
        settings = {"epsilon": self.epsilon, "momentum": 1 - self.momentum}
        return [Form("BatchNormalization", settings, ("weight", "bias", *RUNNING))]

    @classmethod
    def from_onnx(cls, form: Form) -> BatchNorm:
        form.require(training_mode=0)
        return cls(form.settings.get("epsilon", 1e-5), 1 - form.settings.get("momentum", 0.9))
