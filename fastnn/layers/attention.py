"""Attention between positions. Formulas: fastnn.kernels.attention."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fastnn import cost
from fastnn.compiler.jit import most_threads
from fastnn.edge.checks import as_count, as_number
from fastnn.graph.forms import Form
from fastnn.graph.graph import Graph
from fastnn.graph.protocol import FEATURES, Places, SameShape, Shape
from fastnn.kernels.attention import attention_scratch, cache_size, step_scratch
from fastnn.layers.dense import Dense
from fastnn.layers.rotary import Rotate
from fastnn.operations import attention


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
    axes: ClassVar[str] = FEATURES
    torch_names: ClassVar[Collection[str]] = ()  # see fastnn.interchange.torch_modules

    def __post_init__(self) -> None:
        _groups_of(self.heads, self.kv_heads)
        if not isinstance(self.causal, bool):
            raise TypeError(f"causal is {self.causal!r}; expected True or False")
        if self.rotary is not None and as_number(self.rotary, "rotary", 0.0) == 0:
            raise ValueError("rotary is 0; expected a base of angles, such as 10000")

    def torch_form(self, shape: Shape) -> Form:
        """A module that takes queries, keys and values: no Sequential calls it so. ValueError for what it has not."""
        unknown = {"causal": self.causal, "kv_heads": self.kv_heads, "rotary": self.rotary}
        if told := [name for name, value in unknown.items() if value]:
            raise ValueError(f"torch's MultiheadAttention has no setting for its {told[0]}")
        settings = {"embed_dim": shape[-1], "num_heads": self.heads, "bias": self.bias, "batch_first": True}
        return Form("MultiheadAttention", settings)

    @property
    def torch_parameters(self) -> dict[str, str]:
        """Its own names of parameters, by torch's."""
        found: dict[str, str] = {}
        for kind in ("weight", "bias") if self.bias else ("weight",):
            found |= {f"in_proj_{kind}": f"qkv.{kind}", f"out_proj.{kind}": f"out.{kind}"}
        return found

    def build(self, graph: Graph, name: str, source: int) -> int:
        shape, groups = graph.shape_of(source), _groups_of(self.heads, self.kv_heads)
        size = _size_of(name, shape, self.heads)
        graph.enter()
        packed = Dense((self.heads + 2 * groups) * size, bias=self.bias, initializer=self.initializer)
        last = self.initializer if self.out_initializer is None else self.out_initializer
        qkv = graph.add(f"{name}.qkv", packed, source, owner="SelfAttention")
        if self.rotary is not None:
            if size % 2:
                raise ValueError(f"layer {name} turns pairs, and a head has {size} features; expected an even number")
            turned = Rotate(self.heads + groups, size, float(self.rotary))
            qkv = graph.add(f"{name}.rotate", turned, qkv, owner="SelfAttention")
        lengths = [graph.mask.lengths(graph, name, shape[0])] if graph.mask else []
        seen = graph.add(f"{name}.attend", _Attend(self.heads, groups, size, self.causal), qkv, *lengths,
                         owner="SelfAttention")  # fmt: skip
        out = Dense(shape[1], bias=self.bias, initializer=last)
        return graph.add(f"{name}.out", out, seen, owner="SelfAttention")


@dataclass(frozen=True)
class CrossAttention:
    """Each position's mean of the values of another sequence, in the decoder of an EncoderDecoder: x, y (B, T, C).

    Queries are a dense layer of x, "q", keys and values one of what the encoder gives, "kv", and the heads' means go
    through another, "out" (Vaswani et al. 2017). heads, kv_heads, bias, initializer, out_initializer: of SelfAttention.
    """

    heads: int
    kv_heads: int | None = None
    bias: bool = True
    initializer: str | float = "auto"
    out_initializer: str | float | None = None

    def __post_init__(self) -> None:
        _groups_of(self.heads, self.kv_heads)

    def build(self, graph: Graph, name: str, source: int) -> int:
        if graph.memory is None:
            raise ValueError(f"layer {name} attends to another sequence; expected it in the decoder of EncoderDecoder")
        shape, groups = graph.shape_of(source), _groups_of(self.heads, self.kv_heads)
        size, memory = _size_of(name, shape, self.heads), graph.memory
        graph.enter()

        def dense(part: str, units: int, value: int, initializer: str | float) -> int:
            layer = Dense(units, bias=self.bias, initializer=initializer)
            return graph.add(f"{name}.{part}", layer, value, owner="CrossAttention")

        sources = [
            dense("q", self.heads * size, source, self.initializer),
            dense("kv", 2 * groups * size, memory.value, self.initializer),
        ]
        if memory.mask:
            sources.append(memory.mask.lengths(graph, name, graph.shape_of(memory.value)[0]))
        attend = _Attend(self.heads, groups, size, causal=False, packed=False)
        seen = graph.add(f"{name}.attend", attend, *sources, owner="CrossAttention")
        last = self.initializer if self.out_initializer is None else self.out_initializer
        return dense("out", shape[1], seen, last)


def _groups_of(heads: int, kv_heads: int | None) -> int:
    """Heads of keys and values. ValueError, TypeError."""
    groups = as_count(heads, "heads") if kv_heads is None else as_count(kv_heads, "kv_heads")
    if as_count(heads, "heads") % groups:
        raise ValueError(f"kv_heads is {kv_heads}; expected a divisor of heads, {heads}")
    return groups


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
    """Of queries, keys and values side by side (T, (heads + 2 groups) size): means (T, heads size); where they are not
    packed, of queries (T, heads size), and keys and values side by side (K, 2 groups size). One input more holds how
    many keys are there."""

    heads: int
    groups: int
    size: int
    causal: bool
    packed: bool = True
    kind: ClassVar[int] = attention.ATTENTION
    positionwise: ClassVar[bool] = False
    onnx_names: ClassVar[Collection[str]] = ()  # see fastnn.interchange.onnx_attention

    def _keys(self, shapes: Sequence[Shape]) -> int:
        return shapes[0 if self.packed else 1][0]

    def _has_lengths(self, shapes: Sequence[Shape]) -> bool:
        return len(shapes) > (1 if self.packed else 2)

    def output_shape(self, *shapes: Shape) -> Shape:
        return (shapes[0][0], self.heads * self.size)

    def onnx_forms(self, *shapes: Shape) -> list[Form]:
        if not self.packed or self._has_lengths(shapes):
            raise ValueError("attention to another sequence, or to part of one, has no words in this format")
        widths = np.array([self.heads, self.groups, self.groups], np.int64) * self.size
        heads = {"q_num_heads": self.heads, "kv_num_heads": self.groups, "is_causal": int(self.causal)}
        return [Form("Split", {"axis": -1}, constants={"split": widths}, outputs=3), Form("Attention", heads)]

    def kept(self, *shapes: Shape) -> Mapping[str, int]:
        return {"softmax": 2 * self.heads * shapes[0][0]}

    def own_columns(self, places: Places, *shapes: Shape) -> Mapping[int, int]:
        of = attention
        memory = {} if self.packed else {of.MEMORY: places.inputs[1], of.DMEMORY: places.input_gradients[1]}
        return memory | {
            of.HEADS: self.heads, of.GROUPS: self.groups, of.SIZE: self.size, of.QUERIES: shapes[0][0],
            of.KEYS: self._keys(shapes), of.CAUSAL: self.causal, of.KEPT: places.kept("softmax"),
            of.PACKED: self.packed, of.LENGTHS: places.inputs[-1] if self._has_lengths(shapes) else -1,
        }  # fmt: skip

    def scratch(self, rows: int, itemsize: int, *shapes: Shape) -> int:
        queries, keys = shapes[0][0], self._keys(shapes)
        return min(rows * self.groups, most_threads()) * int(attention_scratch(queries, keys, self.size, True))

    def stepping(self, positions: int) -> _AttendStep:
        if not self.packed:
            raise ValueError("it attends to another sequence, which a step does not read")
        if not self.causal:
            raise ValueError("its attention sees later positions, which are not there yet; expected causal=True")
        return _AttendStep(self.heads, self.groups, self.size, self.causal, positions=positions)

    def _sizes(self, rows: int, shapes: Sequence[Shape]) -> tuple[int, int, int, int, int, int]:
        return rows, shapes[0][0], self._keys(shapes), self.heads, self.groups, self.size

    def forward_cost(self, rows: int, itemsize: int, *shapes: Shape) -> cost.Cost:
        return cost.attention_forward(*self._sizes(rows, shapes), itemsize=itemsize, causal=self.causal)

    def backward_cost(self, rows: int, itemsize: int, input_gradient: bool, *shapes: Shape) -> cost.Cost:
        if not input_gradient:
            return cost.Cost()
        return cost.attention_backward(*self._sizes(rows, shapes), itemsize=itemsize, causal=self.causal)


@dataclass(frozen=True)
class _AttendStep(_Attend):
    """Of one position after the other, with the keys and values of up to `positions` kept."""

    positions: int = 1
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

    def steps_cost(self, itemsize: int) -> cost.Cost:
        """Of one sequence of all positions."""
        return cost.attention_steps(self.positions, self.heads, self.groups, self.size, itemsize)
