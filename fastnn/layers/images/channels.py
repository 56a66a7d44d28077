"""Some channels of images, and sums of some. Formulas: fastnn.kernels.images.channels."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fastnn import cost
from fastnn.edge.checks import as_count, as_int64
from fastnn.graph.forms import Form
from fastnn.graph.protocol import FEATURES, Parameter, Places, SameShape, Shape
from fastnn.operations.images import channels as on_tape

# B rows, C channels that come, J that go, D of those that come at least once among them, s bytes of a number. Backward
# each of J is added to what the others of its channel were.
GATHER = cost.Formula(bytes="s·B·C + s·B·J")
GATHER_BACKWARD = cost.Formula(flops_elementwise="B·J - B·D", bytes="s·B·C + s·B·J")
# Of sums with a bias: J that come, C that go.
SUMS = cost.Formula(flops_elementwise="B·J", bytes="s·B·C + s·B·J + s·C")
SUMS_GRADIENT = cost.Formula(flops_elementwise="C·(B-1)", bytes="s·B·C + s·C")
SUMS_INWARD = cost.Formula(bytes="s·B·J")


def _numbers_of(channels: Any) -> tuple[int, ...]:
    """Numbers of channels, as a layer keeps them."""
    if not isinstance(channels, (tuple, list, range)) or not channels:
        raise ValueError(f"channels is {channels!r}; expected numbers of channels, one at least")
    return tuple(as_int64(as_count(channel, "a channel", 0), "a channel") for channel in channels)


@dataclass(frozen=True)
class Channels(SameShape):
    """y = the channels of x that are named, in their order, each as often as it is there: x (B, C), (B, T, C) or
    (B, H, W, C), y with as many channels as `channels` has numbers, which are from 0 to below C.

    With groups after it a convolution has filters that see some channels alone: Channels([0, 1, 1, 2]) and
    Conv2d(2, 3, groups=2) make one of the channels 0 and 1, and one of 1 and 2. For filters of unlike many channels see
    ChannelSums.
    """

    channels: Sequence[int]
    kind: ClassVar[int] = on_tape.CHANNELS
    axes: ClassVar[str] = FEATURES
    reads_backward: ClassVar[Collection[str]] = ()
    onnx_names: ClassVar[Collection[str]] = ()  # see fastnn.interchange.onnx_channels

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", _numbers_of(self.channels))

    def output_shape(self, *shapes: Shape) -> Shape:
        if max(self.channels) >= shapes[0][0]:
            raise ValueError(f"Channels asks for channel {max(self.channels)}, and {shapes[0][0]} come, from 0 on")
        return (len(self.channels),)

    def own_columns(self, places: Places, *shapes: Shape) -> Mapping[int, int]:
        return {on_tape.TABLE: places.constants(self.channels)}

    def _cost(self, formula: cost.Formula, rows: int, itemsize: int, shape: Shape) -> cost.Cost:
        return formula.cost(B=rows, C=shape[0], J=len(self.channels), D=len({*self.channels}), s=itemsize)

    def forward_cost(self, rows: int, itemsize: int, *shapes: Shape) -> cost.Cost:
        return self._cost(GATHER, rows, itemsize, *shapes)

    def backward_cost(self, rows: int, itemsize: int, input_gradient: bool, *shapes: Shape) -> cost.Cost:
        return self._cost(GATHER_BACKWARD, rows, itemsize, *shapes) if input_gradient else cost.Cost()

    def onnx_forms(self, shape: Shape) -> list[Form]:
        return [Form("Gather", {"axis": -1}, constants={"indices": np.array(self.channels, np.int64)})]


@dataclass(frozen=True)
class ChannelSums(SameShape):
    """y = bias + sums of channels of x: x (B, C), (B, T, C) or (B, H, W, C). channels: of each of x's C, to which of y
    it is added; y has as many as they name, from 0 on. bias, one for each of y, begins at 0.

    A convolution of any connections of channels and filters, each with a window of its own, is Channels(those that
    come), Conv2d(connections, window, groups=connections, bias=False) and ChannelSums(the filters): no other weight is
    there, and no other product is made.
    """

    channels: Sequence[int]
    kind: ClassVar[int] = on_tape.CHANNEL_SUMS
    axes: ClassVar[str] = FEATURES
    reads_backward: ClassVar[Collection[str]] = ()
    onnx_names: ClassVar[Collection[str]] = ()  # see fastnn.interchange.onnx_channels

    def __post_init__(self) -> None:
        found = _numbers_of(self.channels)
        object.__setattr__(self, "channels", found)
        named = {*found}
        missing = next(channel for channel in range(len(found) + 1) if channel not in named)
        if missing < max(found):
            raise ValueError(f"nothing is added to channel {missing} of {max(found) + 1}; expected numbers from 0 on")

    @property
    def _count(self) -> int:
        return max(self.channels) + 1

    def output_shape(self, *shapes: Shape) -> Shape:
        if shapes[0][0] != len(self.channels):
            raise ValueError(f"ChannelSums has a number for {len(self.channels)} channels, and {shapes[0][0]} come")
        return (self._count,)

    def parameters(self, *shapes: Shape) -> Mapping[str, Parameter]:
        return {"bias": Parameter((self._count,))}

    def own_columns(self, places: Places, *shapes: Shape) -> Mapping[int, int]:
        return {on_tape.TABLE: places.constants(self.channels), on_tape.BIAS: places.parameter("bias")[0]}

    def _cost(self, formula: cost.Formula, rows: int, itemsize: int) -> cost.Cost:
        return formula.cost(B=rows, C=self._count, J=len(self.channels), s=itemsize)

    def forward_cost(self, rows: int, itemsize: int, *shapes: Shape) -> cost.Cost:
        return self._cost(SUMS, rows, itemsize)

    def backward_cost(self, rows: int, itemsize: int, input_gradient: bool, *shapes: Shape) -> cost.Cost:
        return self._cost(SUMS_GRADIENT + SUMS_INWARD if input_gradient else SUMS_GRADIENT, rows, itemsize)

    def onnx_forms(self, shape: Shape) -> list[Form]:
        added = np.eye(self._count)[list(self.channels)]
        return [Form("MatMul", constants={"channels": added}), Form("Add", parameters=("bias",))]
