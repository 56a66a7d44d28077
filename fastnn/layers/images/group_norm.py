"""Norms of groups of channels over all places of an image. Formulas: fastnn.kernels.images.group_norm."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn import cost
from fastnn.edge.checks import as_count, as_epsilon
from fastnn.graph.forms import Form
from fastnn.graph.protocol import IMAGES, Parameter, Places, SameShape, Shape
from fastnn.operations.images import group_norm as on_tape
from fastnn.tape.columns import bits

# B images, P places, C channels, G groups, s bytes of a number. A number has a mean, a subtraction, a square and its
# mean, and a scaling; a group has epsilon, a root and an inverse. A weight and a bias are a product and a sum.
FORWARD = cost.Formula(flops_elementwise="5·B·P·C + 3·B·G", bytes="2·s·B·P·C + 3·s·B·G")
AFFINE = cost.Formula(flops_elementwise="2·B·P·C", bytes="2·s·C")
# Of the gradient and the images: sums for the weight and the bias; for the images two means, five more.
BACKWARD = cost.Formula(bytes="2·s·B·P·C")
AFFINE_GRADIENT = cost.Formula(flops_elementwise="3·B·P·C - 2·C", bytes="2·s·C")
INWARD = cost.Formula(flops_elementwise="7·B·P·C", bytes="s·B·P·C + 3·s·B·G")
WEIGHTED = cost.Formula(flops_elementwise="B·P·C", bytes="s·C")


class _Grouped(SameShape):
    """What both have in common. epsilon: above 0, so that a constant group gives 0 and not NaN."""

    epsilon: float
    affine: bool
    kind: ClassVar[int] = on_tape.GROUP_NORM
    positionwise: ClassVar[bool] = False
    beside: ClassVar[bool] = True
    axes: ClassVar[str] = IMAGES
    reads_backward: ClassVar[Collection[str]] = ("inputs",)

    def __post_init__(self) -> None:
        object.__setattr__(self, "epsilon", as_epsilon(self.epsilon))
        if not isinstance(self.affine, bool):
            raise TypeError(f"affine is {self.affine!r}; expected True or False")

    def groups_of(self, channels: int) -> int:
        raise NotImplementedError

    def parameters(self, *shapes: Shape) -> Mapping[str, Parameter]:
        return {name: Parameter(shapes[0][-1:]) for name in ("weight", "bias")} if self.affine else {}

    def initial(self, rng: np.random.Generator, *shapes: Shape) -> Mapping[str, NDArray[np.float64]]:
        return {"weight": np.ones(shapes[0][-1:])} if self.affine else {}

    def kept(self, *shapes: Shape) -> Mapping[str, int]:
        channels = shapes[0][-1]
        return {"statistics": 5 * self.groups_of(channels), "slopes": 2 * channels}

    def own_columns(self, places: Places, *shapes: Shape) -> Mapping[int, int]:
        (weight, size), (bias, _), channels = places.parameter("weight"), places.parameter("bias"), shapes[0][-1]
        return {
            on_tape.WEIGHT: weight, on_tape.BIAS: bias, on_tape.PARAMETER_SIZE: size, on_tape.CHANNELS: channels,
            on_tape.GROUPS: self.groups_of(channels), on_tape.STATISTICS: places.kept("statistics"),
            on_tape.SLOPES: places.kept("slopes"), on_tape.EPSILON: bits(self.epsilon),
        }  # fmt: skip

    def _cost(self, formula: cost.Formula, rows: int, itemsize: int, shape: Shape) -> cost.Cost:
        *around, channels = shape
        return formula.cost(B=rows, P=prod(around), C=channels, G=self.groups_of(channels), s=itemsize)

    def forward_cost(self, rows: int, itemsize: int, *shapes: Shape) -> cost.Cost:
        return self._cost(FORWARD + AFFINE if self.affine else FORWARD, rows, itemsize, *shapes)

    def backward_cost(self, rows: int, itemsize: int, input_gradient: bool, *shapes: Shape) -> cost.Cost:
        formula = BACKWARD + AFFINE_GRADIENT if self.affine else BACKWARD
        if input_gradient:
            formula += INWARD + WEIGHTED if self.affine else INWARD
        return self._cost(formula, rows, itemsize, *shapes) if self.affine or input_gradient else cost.Cost()

    def _onnx_form(self, name: str, settings: Mapping[str, int], channels: int) -> Form:
        """Both have a scale and a bias there, always."""
        neutral = {} if self.affine else {"scale": np.ones(channels), "bias": np.zeros(channels)}
        names = ("weight", "bias") if self.affine else ()
        return Form(name, {"epsilon": self.epsilon, **settings}, names, constants=neutral)


@dataclass(frozen=True)
class GroupNorm(_Grouped):
    """y = (x - mean) / sqrt(variance + epsilon) * weight + bias, the mean and the variance those of a group of channels
    at all places of an image, as in torch.

    x, y (B, H, W, C) or (B, T, C); groups: of C / groups channels that are next to each other; weight (C,), which
    begins at 1, bias (C,), which begins at 0; affine=False has none. The variance divides by all numbers of a group. A
    row does not depend on the others, in training either.
    """

    groups: int
    epsilon: float = 1e-5
    affine: bool = True
    torch_names: ClassVar[Collection[str]] = ("GroupNorm",)
    onnx_names: ClassVar[Collection[str]] = ("GroupNormalization",)

    def __post_init__(self) -> None:
        super().__post_init__()
        as_count(self.groups, "groups")

    def groups_of(self, channels: int) -> int:
        return self.groups

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        if len(shape) not in (2, 3):
            raise ValueError(f"GroupNorm takes images (H, W, C), or sequences (T, C); {shape} comes")
        if shape[-1] % self.groups:
            raise ValueError(f"GroupNorm has {self.groups} groups, and {shape[-1]} channels come; expected a multiple")
        return shape

    def torch_form(self, shape: Shape) -> Form:
        settings = {"num_groups": self.groups, "num_channels": shape[-1], "eps": self.epsilon, "affine": self.affine}
        return Form("GroupNorm", settings)

    @classmethod
    def from_torch(cls, form: Form) -> GroupNorm:
        return cls(form.settings["num_groups"], form.settings["eps"], form.settings["affine"])

    def onnx_forms(self, shape: Shape) -> list[Form]:
        return [self._onnx_form("GroupNormalization", {"num_groups": self.groups}, shape[-1])]

    @classmethod
    def from_onnx(cls, form: Form) -> GroupNorm:
        return cls(form.settings["num_groups"], form.settings.get("epsilon", 1e-5))


@dataclass(frozen=True)
class InstanceNorm2d(_Grouped):
    """GroupNorm of a group for each channel: x, y (B, H, W, C). As in torch it has no weight and bias unless affine."""

    epsilon: float = 1e-5
    affine: bool = False
    torch_names: ClassVar[Collection[str]] = ("InstanceNorm2d",)
    onnx_names: ClassVar[Collection[str]] = ("InstanceNormalization",)

    def groups_of(self, channels: int) -> int:
        return channels

    def output_shape(self, *shapes: Shape) -> Shape:
        if len(shapes[0]) != 3:
            raise ValueError(f"InstanceNorm2d takes images (H, W, C); {shapes[0]} comes")
        return shapes[0]

    def torch_form(self, shape: Shape) -> Form:
        return Form("InstanceNorm2d", {"num_features": shape[-1], "eps": self.epsilon, "affine": self.affine})

    @classmethod
    def from_torch(cls, form: Form) -> InstanceNorm2d:
        form.require(track_running_stats=False)
        return cls(form.settings["eps"], form.settings["affine"])

    def onnx_forms(self, shape: Shape) -> list[Form]:
        return [self._onnx_form("InstanceNormalization", {}, shape[-1])]

    @classmethod
    def from_onnx(cls, form: Form) -> InstanceNorm2d:
        return cls(form.settings.get("epsilon", 1e-5), affine=True)
