"""Attention between positions. Formulas: fastnn.kernels.attention."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fastnn import cost
from fastnn.compiler.jit import most_threads
from fastnn.edge.checks import as_count, as_number
from fastnn.kernels.attention import attention_scratch, cache_size, step_scratch
from fastnn.layers.dense import Dense
from fastnn.layers.forms import Form
from fastnn.layers.graph import Graph
from fastnn.layers.protocol import Places, SameShape, Shape
from fastnn.layers.rotary import Rotate
from fastnn.tape import attention


@dataclass(frozen=True)
class SelfAttention:
    """Each position's mean of the values of positions that it sees: x, y (B, T, C).

    Queries, keys and values are a dense layer of x, "qkv", the heads' means go through another, "out" (Vaswani et al.
    2017). heads: each of C / heads features. causal: no position sees a later one. kv_heads: heads of keys and values,
    each for as many of the queries' (Ainslie et al. 2023); None is one each. rotary: queries and keys are turned by
    their position, in pairs, from one radian a position to 1 / rotary of it (Su et al. 2021), such as 10000. bias,
    initializer, out_initializer: of the dense layers.
    """

    heads: int
    causal: bool = True
    kv_heads: int | None = None
    bias: bool = True
    initializer: str | float = "auto"
    out_initializer: str | float | None = None
    rotary: float | None = None

    def __post_init__(self) -> None:
        as_count(self.heads, "heads")
        if not isinstance(self.causal, bool):
            raise TypeError(f"causal is {self.causal!r}; expected True or False")
        if self.heads % as_count(self._groups, "kv_heads"):
            raise ValueError(f"kv_heads is {self.kv_heads}; expected a divisor of heads, {self.heads}")
        if self.rotary is not None and as_number(self.rotary, "rotary", 0.0) == 0:
            raise ValueError("rotary is 0; expected a base of angles, such as 10000")

    @property
    def _groups(self) -> int:
        return self.heads if self.kv_heads is None else self.kv_heads

    def build(self, graph: Graph, name: str, source: int) -> int:
        shape = graph.shape_of(source)
        size = _size_of(name, shape, self.heads)
        graph.enter()
        packed = Dense((self.heads + 2 * self._groups) * size, bias=self.bias, initializer=self.initializer)
        last = self.initializer if self.out_initializer is None else self.out_initializer
        qkv = graph.add(f"{name}.qkv", packed, source, owner="SelfAttention")
        if self.rotary is not None:
            if size % 2:
                raise ValueError(f"layer {name} turns pairs, and a head has {size} features; expected an even number")
            turned = Rotate(self.heads + self._groups, size, float(self.rotary))
            qkv = graph.add(f"{name}.rotate", turned, qkv, owner="SelfAttention")
        seen = graph.add(f"{name}.attend", _Attend(self.heads, self._groups, size, self.causal), qkv,
                         owner="SelfAttention")  # fmt: skip
        out = Dense(shape[1], bias=self.bias, initializer=last)
        return graph.add(f"{name}.out", out, seen, owner="SelfAttention")


def _size_of(name: str, shape: Shape, heads: int) -> int:
    """Features of a head. ValueError."""
    if len(shape) != 2:
        raise ValueError(f"layer {name} attends between positions, rows of (T, C); {shape} comes")
    if shape[1] % heads:
        raise ValueError(
            f"layer {name} has {heads} heads and takes {shape[1]} features; expected a multiple of {heads}"
        )
    return shape[1] // heads


@dataclass(frozen=True)
class _Attend(SameShape):
    """Of queries, keys and values side by side (T, (heads + 2 groups) size): means (T, heads size)."""

    heads: int
    groups: int
    size: int
    causal: bool
    kind: ClassVar[int] = attention.ATTENTION
    positionwise: ClassVar[bool] = False
    onnx_names: ClassVar[Collection[str]] = ()  # written, and not read

    def output_shape(self, *shapes: Shape) -> Shape:
        return (shapes[0][0], self.heads * self.size)

    def onnx_forms(self, shape: Shape) -> list[Form]:
        widths = np.array([self.heads, self.groups, self.groups], np.int64) * self.size
        heads = {"q_num_heads": self.heads, "kv_num_heads": self.groups, "is_causal": int(self.causal)}
        return [Form("Split", {"axis": -1}, constants={"split": widths}, outputs=3), Form("Attention", heads)]

    def kept(self, *shapes: Shape) -> Mapping[str, int]:
        return {"softmax": 2 * self.heads * shapes[0][0]}

    def own_columns(self, places: Places, *shapes: Shape) -> Mapping[int, int]:
        of = attention
        return {
            of.HEADS: self.heads, of.GROUPS: self.groups, of.SIZE: self.size, of.QUERIES: shapes[0][0],
            of.KEYS: shapes[0][0], of.CAUSAL: self.causal, of.KEPT: places.kept("softmax"), of.PACKED: 1,
        }  # fmt: skip

    def scratch(self, rows: int, itemsize: int, *shapes: Shape) -> int:
        positions = shapes[0][0]
        return min(rows * self.groups, most_threads()) * int(attention_scratch(positions, positions, self.size, True))

    def stepping(self, positions: int) -> _AttendStep:
        if not self.causal:
            raise ValueError("its attention sees later positions, which are not there yet; expected causal=True")
        return _AttendStep(self.heads, self.groups, self.size, self.causal, positions)

    def _sizes(self, rows: int, shape: Shape) -> tuple[int, int, int, int, int, int]:
        return rows, shape[0], shape[0], self.heads, self.groups, self.size

    def forward_cost(self, rows: int, itemsize: int, *shapes: Shape) -> cost.Cost:
        return cost.attention_forward(*self._sizes(rows, shapes[0]), itemsize=itemsize, causal=self.causal)

    def backward_cost(self, rows: int, itemsize: int, input_gradient: bool, *shapes: Shape) -> cost.Cost:
        if not input_gradient:
            return cost.Cost()
        return cost.attention_backward(*self._sizes(rows, shapes[0]), itemsize=itemsize, causal=self.causal)


@dataclass(frozen=True)
class _AttendStep(_Attend):
    """Of one position after the other, with the keys and values of up to `positions` kept."""

    positions: int
    kind: ClassVar[int] = attention.ATTENTION_STEP

    def kept(self, *shapes: Shape) -> Mapping[str, int]:
        return {"cache": int(cache_size(self.positions, self.groups, self.size))}

    def own_columns(self, places: Places, *shapes: Shape) -> Mapping[int, int]:
        of = attention
        return {
            of.HEADS: self.heads, of.GROUPS: self.groups, of.SIZE: self.size, of.KEYS: self.positions,
            of.KEPT: places.kept("cache"),
        }  # fmt: skip

    def scratch(self, rows: int, itemsize: int, *shapes: Shape) -> int:
        return int(step_scratch(self.positions))
