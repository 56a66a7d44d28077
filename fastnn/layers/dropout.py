"""Dropout as a layer. What is dropped, and when: fastnn.kernels.dropout."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar

from fastnn import cost
from fastnn.edge.checks import as_number
from fastnn.graph.forms import Form
from fastnn.graph.protocol import Places, SameShape, Shape
from fastnn.operations.dropout import DROPOUT, NUMBER, RATE
from fastnn.tape.columns import bits


@dataclass(frozen=True)
class Dropout(SameShape):
    """In training y = x times 0 with probability `rate`, times 1 / (1 - rate) otherwise, anew each step; y = x else.

    x, y of any shape. Training is train_step and the step, epoch and gradient of a Trainer; Network.loss and
    Network.gradient are of the whole network. rate: 0 <= rate < 1.
    """

    rate: float
    kind: ClassVar[int] = DROPOUT
    torch_names: ClassVar[Collection[str]] = ("Dropout",)
    onnx_names: ClassVar[Collection[str]] = ()
    reads_backward: ClassVar[Collection[str]] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", as_number(self.rate, "rate", 0.0, 1.0))
        if self.rate == 1:
            raise ValueError("rate is 1; expected less, since nothing would be left")

    def own_columns(self, places: Places, *shapes: Shape) -> Mapping[int, int]:
        return {RATE: bits(self.rate), NUMBER: places.number}

    def forward_cost(self, rows: int, itemsize: int, *shapes: Shape) -> cost.Cost:
        return cost.dropout(rows * shapes[0][0], itemsize)

    def backward_cost(self, rows: int, itemsize: int, input_gradient: bool, *shapes: Shape) -> cost.Cost:
        return cost.dropout(rows * shapes[0][0], itemsize) if input_gradient else cost.Cost()

    def torch_form(self, shape: Shape) -> Form:
        return Form("Dropout", {"p": self.rate})

    @classmethod
    def from_torch(cls, form: Form) -> Dropout | None:
        """Nothing where nothing is dropped."""
        return cls(form.settings["p"]) if form.settings["p"] else None

    def onnx_forms(self, shape: Shape) -> list[Form]:
        """Left out: nothing is trained there."""
        return []
