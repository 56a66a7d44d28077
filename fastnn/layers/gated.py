"""A dense layer whose outputs are products of two halves. Formulas: fastnn.kernels.gated."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar

from fastnn import cost
from fastnn.edge.checks import as_choice, as_count
from fastnn.graph.forms import Form
from fastnn.graph.graph import Graph
from fastnn.graph.protocol import Places, SameShape, Shape
from fastnn.kernels.activation import DEFAULT_ALPHA, NAMES
from fastnn.layers.dense import Dense
from fastnn.operations import gated
from fastnn.tape.columns import bits


@dataclass(frozen=True)
class GatedDense:
    """y = f(x @ W + b) * (x @ V + c): x (B, I) or (B, T, I), y (B, units) or (B, T, units).

    SwiGLU with silu, GEGLU with gelu (Shazeer 2020). The parameters "both.weight" (I, 2 units) and "both.bias" are W
    beside V and b beside c. activation, bias, initializer: as of Dense.
    """

    units: int
    activation: str = "silu"
    bias: bool = True
    initializer: str | float = "auto"

    def __post_init__(self) -> None:
        as_count(self.units, "units")
        as_choice(self.activation, tuple(name for name in NAMES if name != "step"), "activation")

    def build(self, graph: Graph, name: str, source: int) -> int:
        graph.enter()
        both = Dense(2 * self.units, bias=self.bias, initializer=self.initializer)
        whole = graph.add(f"{name}.both", both, source, owner="GatedDense")
        return graph.add(name, _Gated(self.activation), whole, owner="GatedDense")


@dataclass(frozen=True)
class _Gated(SameShape):
    """Of two halves side by side."""

    function: str
    kind: ClassVar[int] = gated.GATED
    reads_backward: ClassVar[Collection[str]] = ("inputs",)
    onnx_names: ClassVar[Collection[str]] = ()  # written, and not read

    def output_shape(self, *shapes: Shape) -> Shape:
        return (shapes[0][0] // 2,)

    def onnx_forms(self, shape: Shape) -> list[Form]:
        return [Form("Split", {"axis": -1, "num_outputs": 2}, outputs=2, activation=self.function), Form("Mul")]

    def own_columns(self, places: Places, *shapes: Shape) -> Mapping[int, int]:
        constant = bits(DEFAULT_ALPHA.get(self.function))
        return {gated.FUNCTION: NAMES.index(self.function), gated.CONSTANT: constant}

    def forward_cost(self, rows: int, itemsize: int, *shapes: Shape) -> cost.Cost:
        return cost.gated_forward(self.function, rows * shapes[0][0] // 2, itemsize)

    def backward_cost(self, rows: int, itemsize: int, input_gradient: bool, *shapes: Shape) -> cost.Cost:
        if not input_gradient:
            return cost.Cost()
        return cost.gated_backward(self.function, rows * shapes[0][0] // 2, itemsize)
