"""The end of a language model: logits of all tokens, by the table that the tokens came from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar

from fastnn import cost
from fastnn.compiler.jit import most_threads
from fastnn.graph.forms import Form
from fastnn.graph.graph import Graph
from fastnn.graph.protocol import FEATURES, Parameter, Places, SameShape, Shape
from fastnn.layers.embedding import Embedding
from fastnn.operations import head
from fastnn.products.blocks import NN, NT, TN
from fastnn.products.matmul import most_panel_of, scratch_size


@dataclass(frozen=True)
class TiedHead:
    """y = x @ weight.T, weight (V, C) that of the Embedding called `embedding`: x (B, T, C), y (B, T, V).

    The parameters count once, and their gradient is the sum of both uses (Press & Wolf 2017).
    """

    embedding: str = "0"

    def build(self, graph: Graph, name: str, source: int) -> int:
        known = {operation.name: operation.layer for operation in graph.operations}
        layer = known.get(self.embedding)
        if not isinstance(layer, Embedding):
            raise ValueError(f"layer {name} is {self!r}; expected the name of an Embedding before it, such as '0'")
        if graph.shape_of(source)[-1] != layer.width:
            raise ValueError(
                f"layer {name} takes {graph.shape_of(source)[-1]} features, and Embedding {self.embedding} gives "
                f"{layer.width}; expected as many"
            )
        return graph.add(name, _Head(layer.vocabulary, f"{self.embedding}.weight"), source, owner="TiedHead")


@dataclass(frozen=True)
class _Head(SameShape):
    """Logits of `vocabulary` tokens by the parameter `tied_to`."""

    vocabulary: int
    tied_to: str
    kind: ClassVar[int] = head.HEAD
    axes: ClassVar[str] = FEATURES
    reads_backward: ClassVar[Collection[str]] = ("inputs",)
    onnx_names: ClassVar[Collection[str]] = ()  # see fastnn.interchange.onnx_attention
    is_product: ClassVar[bool] = True

    def output_shape(self, *shapes: Shape) -> Shape:
        return (self.vocabulary,)

    def parameters(self, *shapes: Shape) -> Mapping[str, Parameter]:
        return {"weight": Parameter((self.vocabulary, shapes[0][0]), decays=True, tied_to=self.tied_to)}

    def onnx_forms(self, shape: Shape) -> list[Form]:
        return [Form("MatMul", parameters=("weight",), transposed=True)]

    def own_columns(self, places: Places, *shapes: Shape) -> Mapping[int, int]:
        return {head.WEIGHT: places.parameter("weight")[0]}

    def scratch(self, rows: int, itemsize: int, *shapes: Shape) -> int:
        ((k,), n, threads) = shapes[0], self.vocabulary, most_threads()
        sizes = ((NT, rows, n, k), (NN, rows, k, n), (TN, n, k, rows))
        # A batch that comes short may need more than a full one.
        short = threads * int(most_panel_of(NT, rows, n, k, itemsize))
        return max(short, *(int(scratch_size(*each, itemsize, threads)) for each in sizes))

    def forward_cost(self, rows: int, itemsize: int, *shapes: Shape) -> cost.Cost:
        return cost.product(rows, self.vocabulary, shapes[0][0], itemsize)

    def backward_cost(self, rows: int, itemsize: int, input_gradient: bool, *shapes: Shape) -> cost.Cost:
        found = cost.product(self.vocabulary, shapes[0][0], rows, itemsize)
        return found + cost.product(rows, shapes[0][0], self.vocabulary, itemsize) if input_gradient else found
