"""Dropout as a layer. What is dropped, and when: fastnn.kernels.dropout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from fastnn import block_cost, cost
from fastnn.checks import as_number
from fastnn.layers.protocol import Places, SameWidth
from fastnn.tape.columns import bits
from fastnn.tape.dropout import DROPOUT, RATE


@dataclass(frozen=True)
class Dropout(SameWidth):
    """In training y = x times 0 with probability `rate`, times 1 / (1 - rate) otherwise, anew each step; y = x else.

    x, y (B, I). Training is train_step and the step, epoch and gradient of a Trainer; Network.loss and Network.gradient
    are of the whole network. rate: 0 <= rate < 1.
    """

    rate: float
    kind: ClassVar[int] = DROPOUT

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", as_number(self.rate, "rate", 0.0, 1.0))
        if self.rate == 1:
            raise ValueError("rate is 1; expected less, since nothing would be left")

    def own_columns(self, inputs: int, places: Places) -> Mapping[int, int]:
        return {RATE: bits(self.rate)}

    def forward_cost(self, batch: int, inputs: int, itemsize: int) -> cost.Cost:
        return block_cost.dropout(batch * inputs, itemsize)

    def backward_cost(self, batch: int, inputs: int, itemsize: int, input_gradient: bool) -> cost.Cost:
        return block_cost.dropout(batch * inputs, itemsize) if input_gradient else cost.Cost()
