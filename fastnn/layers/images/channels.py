"""Some channels of images. Formulas: fastnn.kernels.images.channels."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fastnn import cost
from fastnn.edge.checks import as_count, as_int64
from fastnn.graph.forms import Form
from fastnn.graph.protocol import FEATURES, Places, SameShape, Shape
from fastnn.operations.images import channels as on_tape

# B rows, C channels that come, J that go, D of those that come at least once among them, s bytes of a number. Backward
# each of J is added to what the others of its channel were.
GATHER = cost.Formula(bytes="s·B·C + s·B·J")
GATHER_BACKWARD = cost.Formula(flops_elementwise="B·J - B·D", bytes="s·B·C + s·B·J")


@dataclass(frozen=True)
class Channels(SameShape):
    """y = the channels of x that are named, in their order, each as often as it is there: x (B, C), (B, T, C) or
    (B, H, W, C), y with as many channels as `channels` has numbers, which are from 0 to below C.

    A convolution whose filters see some channels alone is one of groups after it: Channels([0, 1, 1, 2]) and
    Conv2d(2, 3, groups=2) make a filter of the channels 0 and 1, and one of 1 and 2; no other weight is there, and no
    other product is made.
    """

    channels: Sequence[int]
    kind: ClassVar[int] = on_tape.CHANNELS
    axes: ClassVar[str] = FEATURES
    reads_backward: ClassVar[Collection[str]] = ()
    onnx_names: ClassVar[Collection[str]] = ()  # written, and not read

    def __post_init__(self) -> None:
        if not isinstance(self.channels, (tuple, list, range)) or not self.channels:
            raise ValueError(f"channels is {self.channels!r}; expected numbers of channels, one at least")
        found = tuple(as_int64(as_count(channel, "a channel", 0), "a channel") for channel in self.channels)
        object.__setattr__(self, "channels", found)

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
